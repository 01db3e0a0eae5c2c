/* The item tables of a model: by modality a learned one (`id`), or a frozen one of the data set,
 * projected or not. Not collective. */
#ifndef CORE_MODELS_TABLES_H
#define CORE_MODELS_TABLES_H
#include "core/models/model.h"

/* Declare the learned tables and the projections. STATUS_INPUT when the heads do not divide the
 * width of a term. */
CHECKED enum status tables_declare(struct model *model);

/* Rows of modality m as the encoders take them, after projection: of all items that are here, of
 * the items index[0..n), or of an item set. */
struct tensor *tables_rows(struct model *model, struct tape *tape, int m);
struct tensor *tables_take(struct model *model, struct tape *tape, int m, const int32_t *index,
                           int64_t n);
struct tensor *tables_set_rows(struct model *model, struct tape *tape, int m, struct item_set *set);

/* The projection of modality m, if it has one. */
struct tensor *tables_project(struct model *model, struct tape *tape, int m, struct tensor *rows);

/* All rows that are here of a frozen table for the item side, where norms are exactly 1. */
struct tensor *tables_unit(const struct model *model, struct tape *tape, int m);

struct bounds {
    int64_t lo, hi;
};

/* Items of candidate set 0: X, 1: Y, 2: all; and the rows that are here among them. */
struct bounds tables_candidates(const struct model *model, int set);
struct bounds tables_local(const struct model *model, int set);

#endif
