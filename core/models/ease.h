/* EASE (Steck, WWW 2019): a linear model of items by items, fitted in closed form. With X [sequences,
 * items] of ones and zeros, which items a training sequence has, (P)
 *     P    = (X^T X + lambda I)^-1
 *     B_ij = -P_ij / P_jj   for i != j,    B_jj = 0
 *     score(j) = sum of B_ij over the distinct items i of the history
 *
 * Decided here: of a sequence the last data.max_len + 1 items count, as in training by steps; with
 * model.ease_items = K only the K items with the most events are in X, others score 0 and do not
 * score. The inverse is in double precision over all ranks, B in single precision. */
#ifndef CORE_MODELS_EASE_H
#define CORE_MODELS_EASE_H
#include "core/models/model.h"

struct ease_options {
    double lambda;
    int64_t items; /* 0: all */
};

extern const struct model_ops ease;

const struct ease_options *ease_options(const struct config *config);

#endif
