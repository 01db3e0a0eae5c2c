/* PSJNet-II (Sun, Ma, Ren, Lin, Chen, Ren, Ma, de Rijke, "Parallel split-join networks for shared account
 * cross-domain sequential recommendations", TKDE 2022, arXiv 1910.02448). No code of the authors is
 * public: this is a re-implementation, in which much is decided here. PSJNet-I is pi-Net
 * (core/models/pinet.h), with which it shares all but what the source tells the target's domain
 * (core/models/domain_units.h).
 *
 * With s the source, the other domain's stream than the target's, c_i the latest state of the target's
 * domain at the time of the source's item i, K roles u_k that some user of a shared account may be in,
 * and h the target domain's last state:
 *     r_ki   = split_s( h_s,i , c_i , u_k, r_k,i-1 )      core/ops/split_cell.h
 *     a_ki   = softmax over k and i of <v_s, tanh( W_s r_ki + b_s + Q_s h )>
 *     source = sum over k and i of a_ki r_ki
 * over all roles and all items i of the source before the target (of those kept).
 *
 * Of the paper are the two steps: representations are split by role at each timestamp, and those of all
 * timestamps and roles are joined. Decided here: what the gates read, and that they have the width of
 * the state; the gate of no role, which shares a softmax with those of the roles; additive attention
 * from the last state of the target's domain; its result is used as it is, without another recurrent
 * unit; 4 roles, pi-Net's number of members; all that is decided for pi-Net. Biases of gates and
 * candidate begin with 1. */
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
