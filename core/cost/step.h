/* A step as a sum of layers on the tape, the same for all models: item rows, encoders, fusion of
 * streams, contrast. Not collective.
 *
 * On the tape is the output of every layer, and after backward its gradient (a residual shares that
 * of its output):
 *   encoder, per token: (12 nb + 2) d values, and the attention weights H P; with tags the row, its
 *     linear layer and 10 d per block more; the scaled unit state, 2 d
 *   item rows: projections, sums of tags, adapters and gates (7 d per item); unit norms where a row
 *     has not one already
 *   sema_cdr: 2 d + 1 per token for the weight of its stream, d for the fused state */
#ifndef CORE_COST_STEP_H
#define CORE_COST_STEP_H
#include "core/cost/shape.h"

/* Numbers on the tape: those of forward, and the gradients that backward adds. Operations of
 * forward: of products whose rows take no gradient, and of the others. */
struct cost_part {
    int64_t values, gradients;
    double frozen, learned;
};

void cost_part_join(struct cost_part *part, const struct cost_part *other);

/* Operations. */
double cost_part_forward(const struct cost_part *part);
double cost_part_backward(const struct cost_part *part);

/* States of all streams, or of those that training needs, with their fusion and scale. */
struct cost_part cost_stream_part(const struct cost_model *cost, const struct cost_load *load,
                                  bool all);

/* Distinct inputs and targets, if they were uniform draws. */
double cost_distinct_items(const struct cost_model *cost, const struct cost_load *load);

/* Rows of an item set (core/models/item_set.h): of a load and of the step's negatives, which come
 * from all items or from those of the whole batch. */
int64_t cost_set_rows(const struct cost_model *cost, const struct cost_load *load,
                      const struct cost_load *all);

/* Add `n` rows of term m as encoders take them, of whole tables or of an item set. */
void cost_put_rows(const struct cost_model *cost, int m, int64_t n, bool set,
                   struct cost_part *part);

/* Rows of the side that training compares states with; a rank of `parts` has its share of them. */
struct cost_part cost_item_part(const struct cost_model *cost, const struct cost_load *load,
                                const struct cost_load *all, int64_t parts, bool sharded);

/* The contrast of views, on every rank: distinct items of the whole batch, as if all had both
 * views where they are not counted (0: the model has none), and what is made of them. */
int64_t cost_contrast_rows(const struct cost_model *cost, const struct cost_load *all);
struct cost_part cost_contrast_part(const struct cost_model *cost, const struct cost_load *all);

#endif
