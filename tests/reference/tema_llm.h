/* The reference of TEMA-LLM, and with it of LLM-EMF: see reference.h. */
#ifndef TESTS_REFERENCE_TEMA_LLM_H
#define TESTS_REFERENCE_TEMA_LLM_H
#include "core/models/llm_emf.h"
#include "core/models/tema_llm.h"
#include "tests/reference/reference.h"

static inline void ref_tags(const struct reference *r, int32_t item, double *e) {
    const double *u = tema_options(r->config)->tags == TAGS_LEARNED ? REF_NAMED(r, "tag.u") : NULL;
    double norm;
    memset(e, 0, (size_t)r->tag_dim * sizeof *e);
    for (int64_t k = r->tag_offsets[item]; k < r->tag_offsets[item + 1]; k++) {
        const real *t = r->tag_vectors + r->tag[k] * r->tag_dim;
        double logit = (double)r->tag_weight[k] / tema_options(r->config)->tag_kappa;
        for (int64_t i = 0; u && i < r->tag_dim; i++)
            logit += u[i] * (double)t[i];
        for (int64_t i = 0; i < r->tag_dim; i++)
            e[i] += (u ? exp(logit) : 1) * (double)t[i];
    }
    norm = sqrt(ref_dot(e, e, r->tag_dim));
    for (int64_t i = 0; i < r->tag_dim && norm > 0; i++)
        e[i] /= norm;
}

static inline bool ref_is_tags(const struct reference *r, int m) {
    return !strcmp(r->config->model.modalities.name[m], "tags");
}

static inline bool ref_is_output(const struct reference *r, int m) {
    return r->config->model.output_table == OUTPUT_TABLE_UNTIED &&
           !strcmp(r->config->model.modalities.name[m], "output");
}

/* Modalities that are encoded, those before the output. */
static inline int ref_terms(const struct reference *r) {
    int all = r->config->model.modalities.count;
    return all - ref_is_output(r, all - 1);
}

/* The modality whose rows states of modality m are compared with. */
static inline int ref_scored(const struct reference *r, int m) {
    int all = r->config->model.modalities.count;
    bool id = !strcmp(r->config->model.modalities.name[m], "id");
    return id && ref_is_output(r, all - 1) ? all - 1 : m;
}

static inline int64_t ref_width(const struct reference *r, int m) {
    return ref_is_tags(r, m) ? r->tag_dim : r->table[m] ? r->dim[m] : r->config->model.dim;
}

static inline void ref_prepare_emf(const struct reference *r) {
    for (int m = 0; m < r->config->model.modalities.count; m++) {
        int64_t d = ref_width(r, m);
        const char *name = ref_is_output(r, m) ? "embed.output" : "embed.id";
        const double *id = r->table[m] || ref_is_tags(r, m) ? NULL : REF_NAMED(r, name);
        for (int32_t item = 0; item < r->items; item++)
            if (ref_is_tags(r, m))
                ref_tags(r, item, r->rows[m * r->items + item]);
            else
                for (int64_t i = 0; i < d; i++)
                    r->rows[m * r->items + item][i] =
                        id ? id[item * d + i] : (double)r->table[m][item * d + i];
    }
}

struct ref_state {
    int m;
    int64_t d;
    double scale;
    const double *h;
};

static inline double ref_logit(const struct reference *r, void *state, int32_t item) {
    const struct ref_state *s = state;
    return s->scale * ref_cosine(s->h, ref_row(r, ref_scored(r, s->m), item), s->d);
}

/* w of eq. 8. */
static inline void ref_weights(const struct reference *r, double *w) {
    int terms = ref_terms(r);
    double sum = 0;
    bool given = emf_options(r->config)->fusion_weights.count > 0;
    for (int m = 0; m < terms; m++)
        sum += w[m] = given       ? emf_options(r->config)->fusion_weights.value[m]
                      : terms > 1 ? exp(REF_NAMED(r, "fusion.w")[m])
                                  : 1;
    for (int m = 0; m < terms; m++)
        w[m] /= sum;
}

/* States of modality m of a stream's items. */
static inline int64_t ref_states(const struct reference *r, int s, int m, const int32_t *item,
                                 int64_t n, double h[][REF_DIM]) {
    double e[REF_LENGTH][REF_DIM], tags[REF_LENGTH][REF_DIM];
    bool tagged = tema_options(r->config)->tags != TAGS_NONE &&
                  tema_options(r->config)->tag_attention == TAG_ATTENTION_ON;
    int64_t d = ref_width(r, m);
    for (int64_t t = 0; t < n; t++) {
        memcpy(e[t], ref_row(r, m, item[t]), sizeof e[t]);
        for (int k = 0; tagged && k < r->config->model.modalities.count; k++)
            if (ref_is_tags(r, k))
                memcpy(tags[t], ref_row(r, k, item[t]), sizeof tags[t]);
    }
    ref_encode(r, ref_encoder(r, s), r->config->model.modalities.name[m], d, n, e,
               tagged ? tags : NULL, h);
    return d;
}

/* Sum of -log P over the positions of stream s of one sequence, and their number. */
static inline double ref_emf_stream(const struct reference *r, int s, const int32_t *items,
                                    int64_t length, int64_t *count) {
    int32_t kept[REF_LENGTH + 1];
    int terms = ref_terms(r);
    int64_t n = ref_cut(r, s, items, length, r->max_len + 1, kept) - 1;
    double p[REF_LENGTH] = {0}, w[OPTION_LIST], h[REF_LENGTH][REF_DIM], loss = 0;
    ref_weights(r, w);
    for (int m = 0; m < terms && n > 0; m++) {
        const char *name = r->config->model.modalities.name[m];
        int64_t d = ref_states(r, s, m, kept, n, h);
        for (int64_t t = 0; t < n; t++) {
            struct ref_state state = {m, d, ref_scale(r, name), h[t]};
            int32_t target = kept[t + 1];
            p[t] += w[m] * exp(ref_logit(r, &state, target) -
                               ref_log_sum(r, ref_domain(r, target), target, ref_logit, &state));
        }
    }
    for (int64_t t = 0; t < n; t++)
        loss -= log(p[t]);
    *count += n > 0 ? n : 0;
    return loss;
}

/* Scores [items of the domain] of a history. */
static inline void ref_emf_scores(const struct reference *r, const int32_t *items, int64_t length,
                                  int domain, double *score) {
    int64_t lo = domain ? r->a_items : 0, hi = domain ? r->items : r->a_items;
    double w[OPTION_LIST], h[REF_LENGTH][REF_DIM];
    ref_weights(r, w);
    memset(score, 0, (size_t)(hi - lo) * sizeof *score);
    for (int s = 0; s < 3; s++) {
        int32_t kept[REF_LENGTH];
        int64_t n = ref_cut(r, s, items, length, r->max_len, kept);
        double lambda = s == 2        ? emf_options(r->config)->lambda2
                        : s == domain ? 1
                                      : emf_options(r->config)->lambda1;
        for (int m = 0; m < ref_terms(r) && n > 0; m++) {
            int64_t d = ref_states(r, s, m, kept, n, h);
            struct ref_state state = {m, d, ref_scale(r, r->config->model.modalities.name[m]),
                                      h[n - 1]};
            double sum = 0;
            for (int64_t i = lo; i < hi; i++)
                sum += exp(ref_logit(r, &state, (int32_t)i));
            for (int64_t i = lo; i < hi; i++)
                score[i - lo] += lambda * w[m] * exp(ref_logit(r, &state, (int32_t)i)) / sum;
        }
    }
}

#endif
