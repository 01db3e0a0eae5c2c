/* Gated recurrent unit over packed sequences. Not collective.
 * Source: Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical
 * machine translation", 2014; with the reset gate behind the product, cuDNN.
 *
 * From the input products x = (x_r, x_u, x_c) of a token and the state s before it:
 *
 *     r = sigma( x_r + W_r s + b_r )
 *     u = sigma( x_u + W_u s + b_u )
 *     c = tanh( x_c + W_c (r . s) + b_c )      GRU_RESET_BEFORE: Cho et al., TensorFlow's GRUCell
 *     c = tanh( x_c + r . (W_c s + b_c) )      GRU_RESET_AFTER: cuDNN, PyTorch
 *     h = u . s + (1 - u) . c
 *
 * The products with W of all sequences that are still running at a step are one product. */
#ifndef CORE_OPS_GRU_H
#define CORE_OPS_GRU_H
#include "core/ops/dropout.h"
#include "core/tape.h"

enum gru_reset { GRU_RESET_BEFORE, GRU_RESET_AFTER };

struct gru {
    enum gru_reset reset;
    struct tensor *weight;         /* [3 h, h] W: reset, update, candidate */
    struct tensor *bias;           /* [1, 3 h] b, NULL: zero */
    struct tensor *initial;        /* [sequences, h] state before the first token, NULL: zero */
    const struct dropout *dropout; /* of the state from token to token, keyed by the first of the
                                    * two; NULL: none */
};

/* States h [T, h] of all tokens, from x [T, 3 h], which is linear in the inputs. Sequence s holds
 * tokens offsets[s] .. offsets[s + 1] - 1. Products with W are in bfloat16 if the tape says so. */
struct tensor *op_gru(struct tape *tape, struct tensor *x, const struct gru *gru,
                      const int64_t *offsets, int64_t sequences);

#endif
