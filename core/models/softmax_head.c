/* From states to losses and queries. Heads: states are brought to unit norm and scaled. Item rows: those
 * of a batch as positives, and what stands against them: all local rows in the exact loss, drawn ones
 * else. Losses: the positions of a stream are grouped by the candidate set of their target, and each
 * group is one call of the catalogue's loss. Queries: the item rows that a head compares with. */
#include "core/models/softmax_head.h"
#include "core/catalogue/drawn_loss.h"
#include "core/catalogue/loss.h"
#include "core/fault.h"
#include "core/log.h"
#include "core/models/layers.h"
#include "core/models/tables.h"
#include "core/ops/activation.h"
#include "core/ops/embedding.h"
#include "core/ops/norm.h"
#include <math.h>
#include <string.h>

#define SCALE_LIMIT 4.60517018598809136804 /* ln 100 */

/* ---- heads ---- */

enum status softmax_head_add(struct model *model, int table, int64_t dim,
                             enum similarity similarity, const char *name) {
    const struct config *config = model->config;
    struct head *head = &model->head[model->heads++];
    const struct item_table *rows = table < 0 ? NULL : &model->table[table];
    *head = (struct head){.table = table,
                          .dim = rows ? rows->dim : dim,
                          .similarity = similarity,
                          .scale = -1,
                          .frozen = rows && rows->source == TABLE_FROZEN && rows->proj < 0};
    if (!(rows && rows->source == TABLE_LEARNED) && head->dim % config->model.heads)
        return log_error(STATUS_INPUT,
                         "model.heads: %lld heads do not divide the width %lld of modality '%s'; "
                         "choose a divisor",
                         (long long)config->model.heads, (long long)head->dim, name);
    if (similarity == SIMILARITY_COSINE && isnan(config->model.scale))
        head->scale = params_add(&model->params, 0, 1, 1, PARAM_LN10, 1, "scale.%s", name);
    return STATUS_OK;
}

struct tensor *softmax_head_query(struct model *model, struct tape *tape, int m, struct tensor *h) {
    const struct head *head = &model->head[m];
    double scale = model->config->model.scale;
    struct tensor *x = head->similarity == SIMILARITY_COSINE ? op_unit_norm(tape, h, NORM_EPS) : h;
    if (head->scale >= 0)
        return op_exp_scale(tape, x, tape_param(tape, &model->params, head->scale),
                            (real)SCALE_LIMIT);
    return isnan(scale) || scale == 1 ? x
                                      : op_scale(tape, x, (real)(scale * fault_factor("scale")));
}

/* ---- item rows ---- */

/* Are the norms of the item rows divided out? Frozen rows have norm 1. */
static bool is_divided(const struct head *head) {
    return head->similarity == SIMILARITY_COSINE && !head->frozen;
}

/* The exact loss and the ranking divide by the norms as they go, so that no second table stands
 * beside a learned one. */
static bool loss_divides(const struct model *model, int m) {
    return model->config->train.loss == LOSS_EXACT && is_divided(&model->head[m]);
}

/* Of all local items. */
static void rows_of_all(const struct model *model, struct tape *tape, struct item_view *view) {
    for (int m = 0; m < model->heads; m++) {
        view->positive[m] =
            model->head[m].frozen ? tables_unit(model, tape, model->head[m].table) : view->rows[m];
        for (int c = 0; c < CANDIDATE_SETS; c++)
            view->candidates[c][m] = view->positive[m];
    }
}

static void rows_of_set(struct model *model, struct tape *tape, struct item_view *view) {
    bool sampled = model->config->train.loss != LOSS_EXACT;
    struct item_view all = {0};
    if (!sampled) {
        model_view(model, tape, NULL, &all);
        rows_of_all(model, tape, &all);
    }
    for (int m = 0; m < model->heads; m++) {
        struct tensor *rows = view->positive[m] = is_divided(&model->head[m])
                                                      ? op_unit_norm(tape, view->rows[m], NORM_EPS)
                                                      : view->rows[m];
        for (int c = 0; c < CANDIDATE_SETS; c++) {
            const struct item_negatives *negatives = &view->set->negatives[c];
            view->candidates[c][m] = sampled ? op_gather(tape, rows, negatives->place, negatives->n)
                                             : all.candidates[c][m];
        }
    }
}

void softmax_head_rows(struct model *model, struct tape *tape, struct item_view *view) {
    if (view->set)
        rows_of_set(model, tape, view);
    else
        rows_of_all(model, tape, view);
}

/* ---- training loss ---- */

/* Positions of a stream whose target lies in one candidate set. */
struct group {
    int set;
    int64_t n;
    int32_t *row, *target;
    int32_t *positive; /* rows of item_view.positive */
    double *share;     /* NULL: 1 */
    struct tensor *other, *mixture;
};

static struct group make_group(struct tape *tape, const struct stream *stream,
                               const int32_t *positive, const struct token_terms *terms, int set,
                               struct bounds b) {
    const double *share = terms->share;
    struct group g = {.set = set, .other = terms->other, .mixture = terms->mixture};
    g.row = arena_alloc(&tape->arena, stream->tokens, sizeof *g.row);
    g.target = arena_alloc(&tape->arena, stream->tokens, sizeof *g.target);
    g.positive = arena_alloc(&tape->arena, stream->tokens, sizeof *g.positive);
    g.share = share ? arena_alloc(&tape->arena, stream->tokens, sizeof *g.share) : NULL;
    for (int64_t t = 0; t < stream->tokens; t++)
        if (stream->targets[t] >= b.lo && stream->targets[t] < b.hi && (!share || share[t] != 0)) {
            g.row[g.n] = (int32_t)t;
            g.positive[g.n] = positive[t];
            if (share)
                g.share[g.n] = share[t];
            g.target[g.n++] = stream->targets[t];
        }
    return g;
}

/* Columns are the items of the candidate set that are here. */
static void exact_candidates(const struct model *model, struct tape *tape, const struct group *g,
                             struct catalogue_loss *loss) {
    const struct catalogue *catalogue = &model->catalogue;
    struct bounds b = tables_local(model, g->set);
    loss->lo = b.lo;
    loss->candidates = b.hi - b.lo;
    if (catalogue->collectives) {
        loss->collectives = catalogue->collectives;
        loss->max_local = (g->set != 1 ? catalogue->max_local[0] : 0) +
                          (g->set != 0 ? catalogue->max_local[1] : 0);
        loss->target = g->target;
        loss->local = &catalogue->local;
        return;
    }
    loss->hits = catalogue_hits_of_targets(&tape->arena, g->target, g->n, b.lo);
}

/* beta of gSASRec, eq. 7: with K of C candidates drawn and the target one more, the drawn share is
 * a = K / (C - 1), and beta = a (t (1 - 1 / a) + 1 / a). */
static double gbce_exponent(const struct model *model, int set) {
    struct bounds b = tables_candidates(model, set);
    double t = model->config->train.gbce_t, others = (double)(b.hi - b.lo - 1);
    double share = fmin(1, (double)model->config->train.negatives / fmax(others, 1));
    return t * share + 1 - t;
}

static void sampled_candidates(struct tape *tape, const struct group *g,
                               const struct item_negatives *negatives,
                               struct catalogue_loss *loss) {
    loss->candidates = negatives->n;
    loss->bias = negatives->bias;
    loss->hits =
        catalogue_hits_of_negatives(&tape->arena, negatives->item, negatives->n, g->target, g->n);
}

static double group_loss(struct model *model, struct tape *tape, const struct group *g,
                         const struct item_view *view, struct tensor *const *q,
                         const struct head_fusion *fusion, double weight) {
    const struct config *config = model->config;
    struct catalogue_loss loss = {.heads = model->heads,
                                  .positions = g->n,
                                  .row = g->row,
                                  .positive = g->positive,
                                  .share = g->share,
                                  .other = g->other,
                                  .mixture = g->mixture,
                                  .weight = weight * fault_factor("gradient")};
    double mean = 1; /* gBCE is the mean over the target and its negatives */
    if (fusion) {
        loss.fusion = fusion->fusion;
        loss.fusion_logits = fusion->logits;
        memcpy(loss.weights, fusion->weights, sizeof loss.weights);
    }
    if (config->train.loss != LOSS_EXACT)
        sampled_candidates(tape, g, &view->set->negatives[g->set], &loss);
    else
        exact_candidates(model, tape, g, &loss);
    for (int m = 0; m < model->heads; m++)
        loss.head[m] = (struct catalogue_head){q[m], view->candidates[g->set][m], view->positive[m],
                                               loss_divides(model, m) ? NORM_EPS : 0};
    if (config->train.loss == LOSS_GBCE) {
        loss.gbce = gbce_exponent(model, g->set);
        mean = 1 / (double)(config->train.negatives + 1);
        loss.weight *= mean;
    }
    return mean * catalogue_loss(tape, &loss);
}

/* The positions of a group, with the items drawn for each. */
static double own_loss(struct model *model, struct pass *pass, const struct group *g, int s,
                       struct tensor *q, double weight) {
    const struct item_negatives *own = &pass->items->set->own[s];
    int64_t each = tables_own(model, s);
    int32_t *negative = arena_alloc(&pass->tape->arena, g->n * each, sizeof *negative);
    for (int64_t k = 0; k < g->n; k++)
        memcpy(negative + k * each, own->place + g->row[k] * each, (size_t)each * sizeof *negative);
    struct drawn_loss loss = {.kind = drawn_kind_of(model->config->train.loss),
                              .q = q,
                              .items = pass->items->positive[0],
                              .positions = g->n,
                              .each = each,
                              .row = g->row,
                              .positive = g->positive,
                              .negative = negative,
                              .share = g->share,
                              .weight = weight};
    return drawn_loss(pass->tape, &loss);
}

double softmax_head_loss(struct model *model, struct pass *pass, int s, int first, int last,
                         struct tensor *const *q, const struct head_fusion *fusion, double weight) {
    return softmax_head_loss_terms(model, pass, s, first, last, q, fusion, weight,
                                   &(struct token_terms){0});
}

double softmax_head_loss_terms(struct model *model, struct pass *pass, int s, int first, int last,
                               struct tensor *const *q, const struct head_fusion *fusion,
                               double weight, const struct token_terms *terms) {
    const int32_t *positive = view_targets(pass->items, pass->batch, s);
    double sum = 0;
    for (int set = first; set <= last; set++) {
        struct group g = make_group(pass->tape, &pass->batch->stream[s], positive, terms, set,
                                    tables_candidates(model, set));
        sum += options_loss_draws_own(model->config)
                   ? own_loss(model, pass, &g, s, q[0], weight)
                   : group_loss(model, pass->tape, &g, pass->items, q, fusion, weight);
    }
    return sum;
}

void softmax_head_finish(struct model *model, struct tape *tape, const struct item_view *view) {
    for (int m = 0; m < model->heads; m++)
        if (tape->record && !tape->dry && loss_divides(model, m))
            unit_norm_gradient(view->candidates[0][m], NORM_EPS);
}

/* ---- ranking ---- */

struct query_head *softmax_head_compare(const struct model *model, const struct pass *pass, int m,
                                        const real *q, const struct query *query,
                                        struct query_term *term) {
    const struct head *head = &model->head[m];
    struct query_head *added = query_add_head(query, term);
    added->q = q;
    added->items = head->frozen ? model->catalogue.table[head->table].unit : pass->all->rows[m]->x;
    added->dim = head->dim;
    added->eps = is_divided(head) ? NORM_EPS : 0;
    return added;
}

const real *softmax_head_last(struct model *model, const struct pass *pass, int m, int s,
                              struct tensor *h) {
    struct tape *tape = pass->tape;
    const struct stream *stream = &pass->batch->stream[s];
    int64_t samples = pass->batch->samples, n = h ? stream->sequences : 0, d = model->head[m].dim;
    real *rows = arena_numbers(&tape->arena, samples * d, sizeof *rows);
    int32_t *last = arena_alloc(&tape->arena, n, sizeof *last);
    for (int64_t b = 0; b < n; b++)
        last[b] = (int32_t)(stream->offsets[b + 1] - 1);
    const struct tensor *q =
        h ? softmax_head_query(model, tape, m, op_gather(tape, h, last, n)) : NULL;
    if (tape->dry)
        return rows;
    memset(rows, 0, (size_t)(samples * d) * sizeof *rows);
    for (int64_t b = 0; b < n; b++)
        memcpy(rows + stream->sample[b] * d, q->x + b * d, (size_t)d * sizeof *rows);
    return rows;
}
