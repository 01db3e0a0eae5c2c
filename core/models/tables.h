/* The item tables of a model: by modality a learned one (`id`, and what the model adds), or a frozen one
 * of the data set, projected or not, or rows that the model computes. Not collective. */
#ifndef CORE_MODELS_TABLES_H
#define CORE_MODELS_TABLES_H
#include "core/models/model.h"

/* Declare a table for every modality of the configuration: learned rows and projections. */
void tables_declare(struct model *model);

/* Rows of table k, after projection, of the items of a view. */
struct tensor *tables_rows(struct model *model, struct tape *tape, const struct item_view *view,
                           int k);

/* The projection of table k, if it has one. */
struct tensor *tables_project(struct model *model, struct tape *tape, int k, struct tensor *rows);

/* All local rows of a frozen table for the softmax, where norms are exactly 1. */
struct tensor *tables_unit(const struct model *model, struct tape *tape, int k);

struct bounds {
    int64_t lo, hi;
};

/* Items of candidate set 0: A, 1: B, 2: all; and the local rows among them. */
struct bounds tables_candidates(const struct model *model, int set);
struct bounds tables_local(const struct model *model, int set);

/* Items that a loss draws for each position of a stream alone. */
int64_t tables_own(const struct model *model, int s);

/* Row of the view of each token of stream s, and of its targets. */
const int32_t *view_inputs(const struct item_view *view, const struct batch *batch, int s);
const int32_t *view_targets(const struct item_view *view, const struct batch *batch, int s);

#endif
