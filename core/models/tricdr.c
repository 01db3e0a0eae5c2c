/* Tri-CDR in the order of a step: its keys; parameters; the attention and the fusion; the losses; the
 * query. */
#include "core/models/tricdr.h"
#include "core/models/layers.h"
#include "core/models/mixed_stream.h"
#include "core/models/positions.h"
#include "core/models/softmax_head.h"
#include "core/models/stream_encoder.h"
#include "core/models/tables.h"
#include "core/ops/activation.h"
#include "core/ops/embedding.h"
#include "core/ops/join.h"
#include "core/ops/linear.h"
#include "core/ops/norm.h"
#include "core/ops/nt_xent.h"
#include "core/ops/prelu.h"
#include "core/ops/ranges.h"
#include "core/ops/triplet.h"
#include <string.h>

/* ---- options ---- */

// clang-format off
static const struct option_spec options[] = {
OPTION(struct tricdr_options, "model.triple_contrast", REAL, contrast, "0.1", "[0, inf)", NULL,
    "weight of the contrast between the three sequences of a user; 0: none"),
OPTION(struct tricdr_options, "model.triple_temperature", REAL, temperature, "0.1", "[0.02, inf)", NULL,
    "its cosines are divided by this"),
OPTION(struct tricdr_options, "model.triple_weight", REAL, weight, "10", "[0, inf)", NULL,
    "weight of the margin between mixed and target sequence; 0: none"),
OPTION(struct tricdr_options, "model.triple_margin", REAL, margin, "4", "[0, inf)", NULL,
    "by which the mixed sequence is to be nearer to the source than the target"),
};
// clang-format on

const struct tricdr_options *tricdr_options(const struct config *config) {
    return options_own(config, tricdr.name);
}

enum { OWN, MIXED }; /* tables */

static int64_t learned_width(const struct config *config, int k) {
    (void)k;
    return config->model.dim;
}

static enum status configure(struct config *config) {
    config->model.modalities = (struct names){.count = 2, .name = {"id", "mixed"}};
    return STATUS_OK;
}

/* ---- the model ---- */

enum { NEXT_ITEM }; /* the first loss */

/* What a stream is to the target. */
enum role { ROLE_MIXED, ROLE_SOURCE, ROLE_TARGET, ROLES };

/* Widths of the attention's network. */
enum { WIDE = 80, NARROW = 40 };

struct tricdr {
    struct encoder encoder[STREAMS];
    int contrast, triplet;                /* losses, -1: none */
    int key, product, mean;               /* first layer [WIDE, d]: of h, h (.) q, m */
    int query, narrow, score;             /* layers: of q with the bias; the second; the third */
    int slope[2];                         /* of the rectifiers */
    int fuse1, fuse2;                     /* layers */
    int project1[ROLES], project2[ROLES]; /* layers of the contrast */
};

static void add_attention(struct params *p, struct tricdr *t, int64_t d) {
    t->key = params_add(p, 2, WIDE, d, PARAM_FAN_IN, 5 * d, "attend.key.w");
    t->product = params_add(p, 2, WIDE, d, PARAM_FAN_IN, 5 * d, "attend.product.w");
    t->mean = params_add(p, 2, WIDE, d, PARAM_FAN_IN, 5 * d, "attend.mean.w");
    t->query = layer_add_linear(p, "attend.query", WIDE, d);
    t->narrow = layer_add_linear(p, "attend.narrow", NARROW, WIDE);
    t->score = layer_add_linear(p, "attend.score", 1, NARROW);
    for (int k = 0; k < 2; k++)
        t->slope[k] = params_add(p, 0, 1, 1, PARAM_QUARTER, 1, "attend.slope%d", k + 1);
}

static void add_projections(struct params *p, struct tricdr *t, int64_t d) {
    static const char *const name[ROLES][2] = {{"contrast.mixed.1", "contrast.mixed.2"},
                                               {"contrast.source.1", "contrast.source.2"},
                                               {"contrast.target.1", "contrast.target.2"}};
    for (int r = 0; r < ROLES; r++) {
        t->project1[r] = layer_add_linear(p, name[r][0], d, d);
        t->project2[r] = layer_add_linear(p, name[r][1], d, d);
    }
}

static enum status open_tricdr(struct model *model) {
    const struct tricdr_options *own = tricdr_options(model->config);
    struct tricdr *t = model->state;
    struct params *p = &model->params;
    int64_t d = model->config->model.dim;
    tables_declare(model);
    TRY(softmax_head_add(model, OWN, 0, SIMILARITY_COSINE, "id"));
    model_add_loss(model, stream_names[STREAM_MIXED], 1);
    t->contrast = own->contrast > 0 ? model_add_loss(model, "contrast", own->contrast) : -1;
    t->triplet = own->weight > 0 ? model_add_loss(model, "triplet", own->weight) : -1;
    if (t->contrast >= 0) {
        add_projections(p, t, d);
        model->state_width = ROLES * d;
    }
    t->fuse1 = layer_add_linear(p, "fuse.1", d, ROLES * d);
    t->fuse2 = layer_add_linear(p, "fuse.2", d, d);
    add_attention(p, t, d);
    for (int s = 0; s < STREAMS; s++)
        stream_encoder_add(model, &t->encoder[s], s, 0, 0);
    return STATUS_OK;
}

/* ---- attention ---- */

static struct tensor *weight(struct model *model, const struct pass *pass, int param) {
    return tape_param(pass->tape, &model->params, param);
}

/* What the network's first layer takes of the position itself: of q and of m. */
static struct tensor *position_part(struct model *model, const struct pass *pass, struct tensor *q,
                                    struct tensor *mixed, const struct positions *p) {
    const struct tricdr *t = model->state;
    struct row_ranges ranges =
        ranges_make(pass->tape, p->lo[STREAM_MIXED], p->hi[STREAM_MIXED], p->n);
    struct tensor *m = op_range_mean(pass->tape, mixed, &ranges);
    return op_residual(pass->tape, layer_linear(&model->params, pass->tape, q, t->query),
                       op_linear(pass->tape, m, weight(model, pass, t->mean), NULL), &dropout_none);
}

/* u of one stream. */
static struct tensor *attend(struct model *model, const struct pass *pass, int s, struct tensor *h,
                             struct tensor *q, struct tensor *part, const struct positions *p) {
    const struct tricdr *t = model->state;
    struct tape *tape = pass->tape;
    struct row_ranges ranges = ranges_make(tape, p->lo[s], p->hi[s], p->n);
    struct tensor *key = op_linear(tape, h, weight(model, pass, t->key), NULL);
    struct tensor *x =
        op_range_compare(tape, h, q, key, part, weight(model, pass, t->product), &ranges);
    x = op_prelu(tape, x, weight(model, pass, t->slope[0]));
    x = layer_linear(&model->params, tape, x, t->narrow);
    x = op_prelu(tape, x, weight(model, pass, t->slope[1]));
    x = layer_linear(&model->params, tape, x, t->score);
    return op_range_attention(tape, h, x, &ranges);
}

static struct tensor *states(struct model *model, const struct pass *pass, int s) {
    struct tricdr *t = model->state;
    if (pass->batch->stream[s].tokens == 0)
        return NULL;
    struct tensor *rows = s == STREAM_MIXED ? tables_rows(model, pass->tape, pass->items, MIXED)
                                            : pass->items->rows[OWN];
    return stream_encoder_run(model, &t->encoder[s], pass, s, 0, rows, NULL,
                              view_inputs(pass->items, pass->batch, s));
}

/* u [positions, d] by role. The mixed stream has tokens. */
static void triple(struct model *model, const struct pass *pass, const struct positions *p,
                   struct tensor *u[ROLES]) {
    int64_t d = model->config->model.dim;
    struct tensor *h[STREAMS], *of[STREAMS] = {NULL};
    for (int s = 0; s < STREAMS; s++)
        h[s] = states(model, pass, s);
    struct tensor *q = stream_choose(pass->tape, h, p->domain, p->n, true, p->hi, d);
    struct tensor *part = position_part(model, pass, q, h[STREAM_MIXED], p);
    for (int s = 0; s < STREAMS; s++)
        if (h[s])
            of[s] = attend(model, pass, s, h[s], q, part, p);
    u[ROLE_MIXED] = of[STREAM_MIXED];
    u[ROLE_SOURCE] = stream_choose(pass->tape, of, p->domain, p->n, false, NULL, d);
    u[ROLE_TARGET] = stream_choose(pass->tape, of, p->domain, p->n, true, NULL, d);
}

static struct tensor *fuse(struct model *model, const struct pass *pass, struct tensor *u[ROLES]) {
    static const real leak = (real)0.01;
    const struct tricdr *t = model->state;
    struct tape *tape = pass->tape;
    struct tensor *x = op_join(tape, op_join(tape, u[0], u[1]), u[2]);
    x = layer_linear(&model->params, tape, x, t->fuse1);
    x = op_prelu(tape, x, tape_constant(tape, &leak, 1, 1));
    return layer_linear(&model->params, tape, x, t->fuse2);
}

/* ---- losses ---- */

/* The last target of every sequence, if it counts and sees items in all streams; returns how many. */
static int64_t last_targets(const struct model *model, const struct batch *batch,
                            const struct positions *p, int32_t *out) {
    const struct stream *mixed = &batch->stream[STREAM_MIXED];
    int64_t n = 0;
    for (int64_t b = 0; b < mixed->sequences; b++) {
        int64_t t = mixed->offsets[b + 1] - 1;
        bool all = mixed_stream_trains_on(model, mixed->targets[t]);
        for (int s = 0; s < STREAMS; s++)
            all = all && p->hi[s][t] > p->lo[s][t];
        if (all)
            out[n++] = (int32_t)t;
    }
    return n;
}

static void count(const struct model *model, const struct batch *batch, int64_t out[LOSS_TERMS]) {
    const struct tricdr *of = model->state;
    struct tape scratch = {0};
    int32_t *last = arena_alloc(&scratch.arena, batch->samples, sizeof *last);
    struct positions p = positions_of_targets(model, &scratch, batch);
    out[NEXT_ITEM] = mixed_stream_count(model, batch);
    int64_t n = last_targets(model, batch, &p, last);
    if (of->contrast >= 0)
        out[of->contrast] = n;
    if (of->triplet >= 0)
        out[of->triplet] = n;
    tape_free(&scratch);
}

/* u at the last targets. */
static void last_of(struct tape *tape, const int32_t *last, int64_t n,
                    struct tensor *const u[ROLES], struct tensor *out[ROLES]) {
    for (int r = 0; r < ROLES; r++)
        out[r] = op_gather(tape, u[r], last, n);
}

/* p of norm 1. */
static void project(struct model *model, const struct pass *pass, struct tensor *const u[ROLES],
                    struct tensor *p[ROLES]) {
    const struct tricdr *t = model->state;
    struct tape *tape = pass->tape;
    for (int r = 0; r < ROLES; r++) {
        struct tensor *x = layer_linear(&model->params, tape, u[r], t->project1[r]);
        x = op_activation(tape, x, ACTIVATION_RELU, &dropout_none);
        p[r] = op_unit_norm(tape, layer_linear(&model->params, tape, x, t->project2[r]), NORM_EPS);
    }
}

/* Mean over the pairs of roles, and over both points of a sample. */
static double contrast(struct model *model, struct pass *pass, struct tensor *const u[ROLES]) {
    static const int pair[][2] = {
        {ROLE_MIXED, ROLE_SOURCE}, {ROLE_MIXED, ROLE_TARGET}, {ROLE_SOURCE, ROLE_TARGET}};
    const struct whole_states *whole = pass->states;
    int at = ((const struct tricdr *)model->state)->contrast;
    struct tensor *p[ROLES];
    int64_t d = model->config->model.dim;
    double share = 1 / (2.0 * ROLES), sum = 0;
    project(model, pass, u, p);
    for (int k = 0; k < ROLES; k++) {
        struct nt_xent loss = {.own = {p[pair[k][0]], p[pair[k][1]]},
                               .all = {whole->rows + pair[k][0] * d, whole->rows + pair[k][1] * d},
                               .n = whole->n,
                               .stride = whole->width,
                               .first = whole->first,
                               .temperature = (real)tricdr_options(model->config)->temperature,
                               .weight = share * model->loss[at].weight / (double)pass->count[at]};
        sum += share * nt_xent_loss(pass->tape, &loss);
    }
    return sum;
}

static void last_losses(struct model *model, struct pass *pass, const struct positions *p,
                        struct tensor *const u[ROLES]) {
    const struct tricdr *t = model->state;
    int32_t *last = arena_alloc(&pass->tape->arena, pass->batch->samples, sizeof *last);
    int64_t n = last_targets(model, pass->batch, p, last);
    struct tensor *at[ROLES];
    if (n == 0)
        return;
    last_of(pass->tape, last, n, u, at);
    enum phase before = tape_enter(pass->tape, pass->phases, PHASE_LOSS);
    if (t->contrast >= 0)
        pass->loss[t->contrast] = contrast(model, pass, at);
    if (t->triplet >= 0)
        pass->loss[t->triplet] =
            triplet_loss(pass->tape, at[ROLE_SOURCE], at[ROLE_MIXED], at[ROLE_TARGET],
                         tricdr_options(model->config)->margin,
                         model->loss[t->triplet].weight / (double)pass->count[t->triplet]);
    tape_enter(pass->tape, pass->phases, before);
}

/* p at the last targets, roles side by side. */
static struct tensor *shared_states(struct model *model, struct pass *pass) {
    struct tape *tape = pass->tape;
    struct positions p = positions_of_targets(model, tape, pass->batch);
    int32_t *last = arena_alloc(&tape->arena, pass->batch->samples, sizeof *last);
    int64_t n = last_targets(model, pass->batch, &p, last);
    struct tensor *u[ROLES], *at[ROLES], *x[ROLES];
    if (n == 0)
        return tape_tensor(tape, 0, model->state_width, false);
    triple(model, pass, &p, u);
    last_of(tape, last, n, u, at);
    project(model, pass, at, x);
    return op_join(tape, op_join(tape, x[0], x[1]), x[2]);
}

static void forward(struct model *model, struct pass *pass) {
    struct tensor *u[ROLES];
    if (!mixed_stream_has_loss(model, pass, NEXT_ITEM))
        return;
    if (pass->batch->stream[STREAM_MIXED].tokens == 0) {
        pass->loss[NEXT_ITEM] = mixed_stream_loss(
            model, pass, NEXT_ITEM, tape_tensor(pass->tape, 0, model->head[0].dim, false));
        return;
    }
    struct positions p = positions_of_targets(model, pass->tape, pass->batch);
    triple(model, pass, &p, u);
    struct tensor *z = softmax_head_query(model, pass->tape, 0, fuse(model, pass, u));
    pass->loss[NEXT_ITEM] = mixed_stream_loss(model, pass, NEXT_ITEM, z);
    last_losses(model, pass, &p, u);
}

/* ---- ranking ---- */

/* [samples, d] */
static const real *last_queries(struct model *model, struct pass *pass, int domain) {
    struct positions p = positions_of_histories(pass->tape, pass->batch, domain);
    struct tensor *u[ROLES];
    if (pass->batch->stream[STREAM_MIXED].tokens == 0)
        return softmax_head_last(model, pass, 0, STREAM_MIXED, NULL);
    triple(model, pass, &p, u);
    return softmax_head_query(model, pass->tape, 0, fuse(model, pass, u))->x;
}

static void add_query(struct model *model, struct pass *pass, int domain, struct query *query) {
    struct tape *tape = pass->tape;
    const bool *present = stream_present(tape, pass->batch, STREAM_MIXED);
    struct query_term *term = query_add_term(query, 1, present, FUSION_PROBABILITY);
    softmax_head_compare(model, pass, 0, last_queries(model, pass, domain), query, term);
}

const struct model_ops tricdr = {
    .name = "tricdr",
    .state_size = sizeof(struct tricdr),
    .batch = BATCH_MIXED,
    .loss = LOSS_BCE,
    .scale = 5,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .options_size = sizeof(struct tricdr_options),
    .two_domains = true,
    .configure = configure,
    .learned_width = learned_width,
    .open = open_tricdr,
    .count = count,
    .states = shared_states,
    .forward = forward,
    .query = add_query,
};
