/* A recurrent filter over packed sequences: a gated unit without a reset gate, whose gate and candidate
 * may differ by member and whose state is the mean over the members. Not collective.
 * Source: Ma et al., "pi-Net: a parallel information-sharing network for shared-account cross-domain
 * sequential recommendations", SIGIR 2019, shared-account filter unit; with one member and the gate
 * the other way round, the filter of MIFN (Ma et al., TKDD 2022).
 *
 * From the arguments x_f, x_g of a token and the state s before it, zero at first:
 *
 *     f_k = sigma( x_f + W_f s + m_k )           m_k, n_k of member k, k = 1 .. K
 *     g_k = tanh( x_g + W_g s + n_k )
 *     s'  = mean over k of f_k . s + (1 - f_k) . g_k     FILTER_GATE_KEEPS
 *     s'  = mean over k of f_k . g_k + (1 - f_k) . s     FILTER_GATE_TAKES
 *
 * The products with W of all sequences that are still running at a step are one product. */
#ifndef CORE_OPS_FILTER_CELL_H
#define CORE_OPS_FILTER_CELL_H
#include "core/tape.h"

enum filter_gate { FILTER_GATE_KEEPS, FILTER_GATE_TAKES };

struct filter_cell {
    enum filter_gate gate;
    struct tensor *weight;    /* [2 h, h] W: gate, candidate */
    struct tensor *member[2]; /* [K, h] m and n, which may be the same; NULL: one member, zero */
};

/* States s' [T, h] of all tokens, from x_f and x_g [T, h]. Sequence s holds tokens offsets[s] ..
 * offsets[s + 1] - 1. Products with W are in bfloat16 if the tape says so. */
struct tensor *op_filter_cell(struct tape *tape, struct tensor *gate, struct tensor *candidate,
                              const struct filter_cell *cell, const int64_t *offsets,
                              int64_t sequences);

#endif
