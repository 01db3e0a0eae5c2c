#include "core/models/scoring.h"
#include "core/models/kind.h"
#include "core/models/layers.h"
#include "core/models/tables.h"
#include "core/ops/activation.h"
#include "core/ops/embedding.h"
#include "core/ops/norm.h"
#include <math.h>
#include <string.h>

#define SCALE_LIMIT 4.60517018598809136804 /* ln 100 */

/* ---- item rows ---- */

/* The exact loss and the ranking divide rows by their norms as they go, so that no second table
 * stands beside a learned one. */
static bool divides_rows(const struct model *model, int m) {
    return model->config->train.loss == LOSS_EXACT && !model->modality[m].frozen;
}

/* Of all items that are here, which candidates are at unit norm: frozen ones are. */
static struct tensor *candidate_rows(struct model *model, struct tape *tape, int m) {
    return model->modality[m].frozen ? tables_unit(model, tape, m)
                                     : model->kind->rows(model, tape, m);
}

static void make_whole(struct model *model, struct tape *tape, struct item_side *side) {
    for (int m = 0; m < model->terms; m++) {
        side->input[m] = model->kind->rows(model, tape, m);
        side->positive[m] =
            model->modality[m].frozen ? tables_unit(model, tape, m) : side->input[m];
        for (int c = 0; c < CANDIDATE_SETS; c++)
            side->candidates[c][m] = side->positive[m];
    }
}

static void make_set(struct model *model, struct tape *tape, struct item_set *set,
                     struct item_side *side) {
    bool sampled = model->config->train.loss != LOSS_EXACT;
    side->set = set;
    for (int m = 0; m < model->terms; m++) {
        struct tensor *rows = side->input[m] = model->kind->set_rows(model, tape, m, set);
        rows = side->positive[m] =
            model->modality[m].frozen ? rows : op_unit_norm(tape, rows, NORM_EPS);
        struct tensor *here = sampled ? NULL : candidate_rows(model, tape, m);
        for (int c = 0; c < CANDIDATE_SETS; c++)
            side->candidates[c][m] =
                sampled ? op_gather(tape, rows, set->negatives[c].place, set->negatives[c].n)
                        : here;
    }
}

void scoring_side(struct model *model, struct tape *tape, struct item_set *set,
                  struct item_side *side) {
    *side = (struct item_side){0};
    if (set)
        make_set(model, tape, set, side);
    else
        make_whole(model, tape, side);
}

const int32_t *side_index(const struct item_side *side, const struct batch *batch, int s) {
    return side->set ? side->set->input[s] : batch->stream[s].items;
}

const int32_t *side_targets(const struct item_side *side, const struct batch *batch, int s) {
    return side->set ? side->set->target[s] : batch->stream[s].targets;
}

void model_item_rows(struct model *model, struct tape *tape, const real *rows[OPTION_LIST]) {
    for (int m = 0; m < model->terms; m++)
        rows[m] = candidate_rows(model, tape, m)->x;
}

/* ---- states ---- */

void scoring_declare(struct model *model) {
    const struct config *config = model->config;
    for (int m = 0; m < model->terms; m++)
        model->modality[m].scale = config->model.scale.count
                                       ? -1
                                       : params_add(&model->params, 0, 1, 1, PARAM_LN10, 1,
                                                    "scale.%s", config->model.modalities.name[m]);
}

struct tensor *scoring_query(struct model *model, struct tape *tape, int m, struct tensor *h) {
    int scale = model->modality[m].scale;
    struct tensor *unit = op_unit_norm(tape, h, NORM_EPS);
    if (scale < 0)
        return op_scale(tape, unit, (real)model->config->model.scale.value[0]);
    return op_exp_scale(tape, unit, tape_param(tape, &model->params, scale), (real)SCALE_LIMIT);
}

/* ---- training loss ---- */

/* Positions of a stream whose target lies in one candidate set. */
struct group {
    int set;
    int64_t n;
    int32_t *row, *target;
    int32_t *positive; /* rows of item_side.positive */
};

static struct group make_group(struct tape *tape, const struct stream *stream,
                               const int32_t *positive, int set, struct bounds b) {
    struct group g = {.set = set};
    g.row = arena_alloc(&tape->arena, stream->tokens, sizeof *g.row);
    g.target = arena_alloc(&tape->arena, stream->tokens, sizeof *g.target);
    g.positive = arena_alloc(&tape->arena, stream->tokens, sizeof *g.positive);
    for (int64_t t = 0; t < stream->tokens; t++)
        if (stream->targets[t] >= b.lo && stream->targets[t] < b.hi) {
            g.row[g.n] = (int32_t)t;
            g.positive[g.n] = positive[t];
            g.target[g.n++] = stream->targets[t];
        }
    return g;
}

/* Columns are the items of the candidate set that are here. */
static void exact_candidates(const struct model *model, struct tape *tape, const struct group *g,
                             struct catalogue_loss *loss) {
    const struct catalogue *shape = &model->catalogue;
    struct bounds b = tables_local(model, g->set);
    loss->lo = b.lo;
    loss->candidates = b.hi - b.lo;
    if (shape->collectives) {
        loss->collectives = shape->collectives;
        loss->max_local =
            (g->set != 1 ? shape->max_local[0] : 0) + (g->set != 0 ? shape->max_local[1] : 0);
        loss->target = g->target;
        loss->local = &shape->local;
        return;
    }
    struct catalogue_hit *hits = arena_alloc(&tape->arena, g->n, sizeof *hits);
    catalogue_hits_of_targets(g->target, g->n, b.lo, hits);
    loss->hits = hits;
    loss->hit_count = g->n;
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
    loss->hits = catalogue_hits_of_negatives(&tape->arena, negatives->item, negatives->n, g->target,
                                             g->n, &loss->hit_count);
}

static double group_loss(struct model *model, struct tape *tape, const struct group *g,
                         const struct item_side *side, struct tensor *const *q,
                         struct tensor *fusion_logits, double weight) {
    const struct config *config = model->config;
    struct catalogue_loss loss = {.terms = model->terms,
                                  .fusion = (enum fusion)config->model.fusion,
                                  .fusion_logits = fusion_logits,
                                  .positions = g->n,
                                  .row = g->row,
                                  .positive = g->positive,
                                  .weight = weight};
    double mean = 1; /* gBCE is the mean over the target and its negatives */
    (void)options_fusion_weights(config, loss.weights);
    if (config->train.loss != LOSS_EXACT)
        sampled_candidates(tape, g, &side->set->negatives[g->set], &loss);
    else
        exact_candidates(model, tape, g, &loss);
    for (int m = 0; m < model->terms; m++)
        loss.term[m] = (struct catalogue_term){q[m], side->candidates[g->set][m], side->positive[m],
                                               divides_rows(model, m) ? NORM_EPS : 0};
    if (config->train.loss == LOSS_GBCE) {
        loss.gbce = gbce_exponent(model, g->set);
        mean = 1 / (double)(config->train.negatives + 1);
        loss.weight *= mean;
    }
    return mean * catalogue_loss(tape, &loss);
}

double scoring_loss(struct model *model, struct tape *tape, const struct batch *batch, int s,
                    int first, int last, const struct item_side *side, struct tensor *const *q,
                    struct tensor *fusion_logits, double weight) {
    const int32_t *positive = side_targets(side, batch, s);
    double sum = 0;
    for (int set = first; set <= last; set++) {
        struct group g =
            make_group(tape, &batch->stream[s], positive, set, tables_candidates(model, set));
        sum += group_loss(model, tape, &g, side, q, fusion_logits, weight);
    }
    return sum;
}

void scoring_finish(struct model *model, struct tape *tape, const struct item_side *side) {
    for (int m = 0; m < model->terms; m++)
        if (tape->record && !tape->dry && divides_rows(model, m))
            unit_norm_gradient(side->candidates[0][m], NORM_EPS);
}

/* ---- ranking ---- */

void scoring_ranking(const struct model *model, const struct batch *batch, const int32_t *target,
                     int domain, struct ranking *r) {
    struct bounds b = tables_local(model, domain);
    r->terms = model->terms;
    r->fusion = (enum fusion)model->config->model.fusion;
    r->samples = batch->samples;
    r->target = target;
    r->collectives = model->catalogue.collectives;
    r->local = &model->catalogue.local;
    r->lo = b.lo;
    r->hi = b.hi;
    for (int m = 0; m < model->terms; m++) {
        r->dim[m] = model->modality[m].dim;
        r->eps[m] = model->modality[m].frozen ? 0 : NORM_EPS;
    }
    for (int s = 0; s < STREAMS; s++) {
        r->stream[s].lo = r->lo;
        r->stream[s].hi = r->hi;
    }
}

const real *scoring_spread(struct tape *tape, const struct batch *batch, const struct tensor *q,
                           const int32_t *sample, int64_t n, int64_t d) {
    real *rows = arena_numbers(&tape->arena, batch->samples * d, sizeof *rows);
    if (tape->dry)
        return rows;
    memset(rows, 0, (size_t)(batch->samples * d) * sizeof *rows);
    for (int64_t k = 0; k < n; k++)
        memcpy(rows + sample[k] * d, q->x + k * d, (size_t)d * sizeof *rows);
    return rows;
}
