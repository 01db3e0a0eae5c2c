/* A gated recurrent unit with its parameters (core/ops/gru.h). Not collective.
 *
 * With the reset gate before the product, as in TensorFlow, there is one bias, which begins with 1 in
 * both gates: the state is kept at first. Behind it, as in PyTorch, there are two, of the input and of
 * the state, which begin like those of a linear layer. Weights begin uniform in +-1/sqrt(columns)
 * (decided here). */
#ifndef CORE_MODELS_GRU_LAYER_H
#define CORE_MODELS_GRU_LAYER_H
#include "core/ops/gru.h"
#include "core/params.h"
#include "core/tape.h"

struct gru_layer {
    enum gru_reset reset;
    int input; /* layer (core/models/layers.h), [3 h, in] */
    int state; /* parameter [3 h, h]; the bias of GRU_RESET_AFTER follows it */
};

/* Declare `name`.x.w, .x.b and .h.w, and .h.b where there is one. */
void gru_layer_add(struct params *params, const char *name, int64_t in, int64_t hidden,
                   enum gru_reset reset, struct gru_layer *layer);

/* States [T, h] of packed sequences from their inputs x [T, in]; initial states and dropout of the
 * state as in core/ops/gru.h, NULL: none. */
struct tensor *gru_layer_run(const struct gru_layer *layer, struct params *params,
                             struct tape *tape, struct tensor *x, const int64_t *offsets,
                             int64_t sequences, struct tensor *initial,
                             const struct dropout *dropout);

#endif
