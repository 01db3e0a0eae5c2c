/* The reference of SASRec: see reference.h. */
#ifndef TESTS_REFERENCE_SASREC_H
#define TESTS_REFERENCE_SASREC_H
#include "core/models/sasrec.h"
#include "tests/reference/reference.h"

static inline void ref_prepare_sasrec(const struct reference *r) {
    int64_t d = r->config->model.dim;
    const double *id = REF_NAMED(r, "embed.id");
    for (int32_t item = 0; item < r->items; item++)
        memcpy(r->rows[item], id + item * d, (size_t)d * sizeof *id);
}

static inline double ref_sasrec_logit(const struct reference *r, void *state, int32_t item) {
    int64_t d = r->config->model.dim;
    bool untied = r->config->model.output_table == OUTPUT_TABLE_UNTIED;
    const double *row = untied ? REF_NAMED(r, "embed.output") + item * d : ref_row(r, 0, item);
    double scale = r->config->model.scale;
    if (sasrec_options(r->config)->similarity == SIMILARITY_COSINE)
        return ref_scale(r, "id") * ref_cosine(state, row, d);
    return scale * ref_dot(state, row, d);
}

static inline void ref_sasrec_states(const struct reference *r, const int32_t *item, int64_t n,
                                     double h[][REF_DIM]) {
    double e[REF_LENGTH][REF_DIM];
    for (int64_t t = 0; t < n; t++)
        memcpy(e[t], ref_row(r, 0, item[t]), sizeof e[t]);
    ref_encode(r, "mixed", "id", r->config->model.dim, n, e, NULL, h);
}

static inline void ref_sasrec_losses(const struct reference *r, const int32_t *items,
                                     int64_t length, double *sum, int64_t *count) {
    ref_next_item_losses(r, items, length, ref_sasrec_states, ref_sasrec_logit, sum, count);
}

static inline void ref_sasrec_scores(const struct reference *r, const int32_t *items,
                                     int64_t length, int domain, double *score) {
    ref_next_item_scores(r, items, length, domain, ref_sasrec_states, ref_sasrec_logit, score);
}

#endif
