/* The recurrent filter with its parameters (core/ops/filter_cell.h): states h of one domain pass it along
 * that domain's time, and it knows the other domain's latest state c at every token. Not collective.
 *
 *     x_f = W_fh h + W_fc c + b_f        m_k = V_f e_k
 *     x_g = W_gh h + b_g                 n_k = V_f e_k, or V_g e_k
 *
 * with e_k learned, k = 1 .. members. Biases begin with 1, which keeps the state at first with
 * FILTER_GATE_KEEPS (pi-Net's and MIFN's code). Weights begin uniform in +-1/sqrt(columns), members in
 * +-1/sqrt(members) (decided here). */
#ifndef CORE_MODELS_FILTER_LAYER_H
#define CORE_MODELS_FILTER_LAYER_H
#include "core/ops/filter_cell.h"
#include "core/params.h"
#include "core/tape.h"

struct filter_form {
    enum filter_gate gate;
    int64_t members; /* 0: none */
    bool separate;   /* the candidate has a projection V_g of the members of its own */
};

struct filter_layer {
    struct filter_form form;
    int gate, candidate;     /* layers (core/models/layers.h), [h, 2 h] and [h, h] */
    int state;               /* parameter [2 h, h] */
    int member, member_w[2]; /* parameters [members, h], [h, h] */
};

/* Declare `name`.gate, .candidate, .h.w, and .members, .members.gate.w, .members.candidate.w where
 * there are some. */
void filter_layer_add(struct params *params, const char *name, int64_t h,
                      const struct filter_form *form, struct filter_layer *layer);

/* States [T, h] of packed sequences from h and c [T, h]. */
struct tensor *filter_layer_run(const struct filter_layer *layer, struct params *params,
                                struct tape *tape, struct tensor *h, struct tensor *c,
                                const int64_t *offsets, int64_t sequences);

#endif
