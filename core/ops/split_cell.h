/* A recurrent unit over packed sequences that splits what comes among K roles, each with a state of its
 * own. Not collective.
 * Source: Sun et al., "Parallel split-join networks for shared account cross-domain sequential
 * recommendations", TKDE 2022, whose PSJNet-II splits by role; the formulas are decided here.
 *
 * From the arguments x_f, x_0, x_g of a token and the states s_k before it, zero at first:
 *
 *     q_k  = x_f + W_f s_k + m_k                      m_k, n_k of role k, k = 1 .. K
 *     f_k  = sigma(q_k) . p_k                         p = softmax of (x_0, q_1, .., q_K), element by element
 *     g_k  = tanh( x_g + W_g s_k + n_k )
 *     s_k' = f_k . g_k + (1 - f_k) . s_k
 *
 * x_0 is the gate of no role: where it is large all states stay. The products with W of all roles of all
 * sequences that are still running at a step are one product. */
#ifndef CORE_OPS_SPLIT_CELL_H
#define CORE_OPS_SPLIT_CELL_H
#include "core/tape.h"

struct split_cell {
    struct tensor *gate, *none, *candidate; /* [T, h] x_f, x_0, x_g */
    struct tensor *weight;                  /* [2 h, h] W: gate, candidate */
    struct tensor *role[2];                 /* [K, h] m and n */
};

/* States s' [T K, h] of all tokens, that of role k of token t in row K t + k. Sequence s holds tokens
 * offsets[s] .. offsets[s + 1] - 1. Products with W are in bfloat16 if the tape says so. */
struct tensor *op_split_cell(struct tape *tape, const struct split_cell *cell,
                             const int64_t *offsets, int64_t sequences);

#endif
