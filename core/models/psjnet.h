/* PSJNet-II (Sun, Ma, Ren, Lin, Chen, Ren, Ma, de Rijke, "Parallel split-join networks for shared account
 * cross-domain sequential recommendations", TKDE 2022, arXiv 1910.02448). No code of the authors is
 * public: this is a re-implementation, and much of it is decided here. PSJNet-I is pi-Net, with which
 * it shares all but what the source tells the target's domain (core/models/domain_units.h).
 *
 * With s the source, the other domain than the target's, h_s,i its state of item i, c_i the latest state
 * of the target's domain at that time, u_k a role that some user of a shared account may be in, k = 1 .. K,
 * and h the last state of the target's domain:
 *     r_ki   = split_s( h_s,i , c_i , u_k , r_k,i-1 )      core/ops/split_cell.h
 *     a_ki   = softmax over k and i of <v_s, tanh( W_s r_ki + b_s + Q_s h )>
 *     source = sum over k and i of a_ki r_ki
 * over all roles and all items i of the source before the target, of those that are kept.
 *
 * Of the paper, by its abstract, are the two steps: what comes is split by role at each timestamp, and what
 * all timestamps and roles have is joined. Decided here: what the gates read, and that they are as wide
 * as the state; the gate of no role, which shares a softmax with those of the roles; biases of gates and
 * candidate that begin with 1; additive attention, from the last state of the target's domain; no
 * recurrent unit behind it; 4 roles, as many as pi-Net has members; and what is decided for pi-Net. */
#ifndef CORE_MODELS_PSJNET_H
#define CORE_MODELS_PSJNET_H
#include "core/models/model.h"

/* What only this model reads. */
struct psjnet_options {
    int64_t roles;
};

const struct psjnet_options *psjnet_options(const struct config *config);

extern const struct model_ops psjnet;

#endif
