/* In the order of a step: keys; parameters; the positions that ask; states of the two streams, and what
 * they give each other; the query. */
#include "core/models/pinet.h"
#include "core/models/filter_layer.h"
#include "core/models/gru_layer.h"
#include "core/models/layers.h"
#include "core/models/mixed_stream.h"
#include "core/models/softmax_head.h"
#include "core/models/tables.h"
#include "core/ops/activation.h"
#include "core/ops/drop.h"
#include "core/ops/embedding.h"
#include "core/ops/join.h"
#include "core/ops/mix.h"
#include <stdio.h>

/* ---- options ---- */

// clang-format off
static const struct option_spec options[] = {
OPTION(struct pinet_options, "model.members", INTEGER, members, "4", "[1, 256]", NULL,
    "members of a shared account, over which the filter between the domains is a mean"),
OPTION(struct pinet_options, "model.member_projections", CHOICE, projections, "shared", "shared|separate", NULL,
    "gate and candidate of the filter have one projection of the members, or one each"),
};
// clang-format on

const struct pinet_options *pinet_options(const struct config *config) {
    return options_own(config, pinet.name);
}

enum { ID, OUTPUT }; /* tables */

/* There is no attention, whose heads would have to divide widths. */
static enum status configure(struct config *config) {
    config->model.modalities = (struct names){.count = 2, .name = {"id", "output"}};
    config->model.heads = 1;
    return STATUS_OK;
}

static int64_t learned_width(const struct config *config, int k) {
    return k == ID ? config->model.dim : 2 * config->model.dim + 1;
}

/* ---- the model ---- */

enum { NEXT_ITEM };           /* losses */
enum { AT_INPUT, AT_OUTPUT }; /* places of dropout */

/* By stream, a or b. */
struct pinet {
    struct gru_layer encoder[DOMAINS], transfer[DOMAINS];
    struct filter_layer filter[DOMAINS];
};

static void add_unit(struct model *model, const char *of, int s, struct gru_layer *layer) {
    int64_t d = model->config->model.dim;
    char name[PARAM_NAME];
    snprintf(name, sizeof name, "%s.%s", of, stream_names[s]);
    gru_layer_add(&model->params, name, d, d, GRU_RESET_BEFORE, layer);
}

static void add_filter(struct model *model, int s, struct filter_layer *layer) {
    const struct pinet_options *own = pinet_options(model->config);
    struct filter_form form = {.gate = FILTER_GATE_KEEPS,
                               .members = own->members,
                               .separate = own->projections == PROJECTIONS_SEPARATE};
    char name[PARAM_NAME];
    snprintf(name, sizeof name, "filter.%s", stream_names[s]);
    filter_layer_add(&model->params, name, model->config->model.dim, &form, layer);
}

static enum status open_pinet(struct model *model) {
    struct pinet *net = model->state;
    tables_declare(model);
    TRY(softmax_head_add(model, OUTPUT, 0, SIMILARITY_DOT, "output"));
    model_add_loss(model, stream_names[STREAM_MIXED], 1);
    for (int s = STREAM_A; s <= STREAM_B; s++)
        add_unit(model, "gru", s, &net->encoder[s]);
    for (int s = STREAM_A; s <= STREAM_B; s++) {
        add_filter(model, s, &net->filter[s]);
        add_unit(model, "transfer", s, &net->transfer[s]);
    }
    return STATUS_OK;
}

static void count(const struct model *model, const struct batch *batch, int64_t out[LOSS_TERMS]) {
    out[NEXT_ITEM] = mixed_stream_count(model, batch);
}

/* ---- positions that ask ---- */

/* Position j is about an item of domain[j], and sees the tokens of stream s before end[s][j], 0: none. */
struct positions {
    int64_t n;
    int32_t *domain, *end[DOMAINS];
    bool asked[DOMAINS]; /* some position is about it */
};

static struct positions positions_make(struct tape *tape, int64_t n) {
    return (struct positions){.n = n, .domain = arena_alloc(&tape->arena, n, sizeof(int32_t))};
}

static void see(struct positions *p, int s, int32_t *last) {
    p->end[s] = last;
    for (int64_t j = 0; j < p->n; j++)
        last[j]++;
}

/* The targets of the mixed stream. */
static struct positions of_targets(const struct model *model, struct tape *tape,
                                   const struct batch *batch) {
    const struct stream *mixed = &batch->stream[STREAM_MIXED];
    int target = model->config->train.target;
    struct positions p = positions_make(tape, mixed->tokens);
    for (int64_t t = 0; t < p.n; t++)
        p.domain[t] = mixed->targets[t] >= model->catalogue.a_items;
    for (int s = STREAM_A; s <= STREAM_B; s++)
        see(&p, s, stream_latest(tape, batch, STREAM_MIXED, s));
    p.asked[STREAM_A] = target != TARGET_B;
    p.asked[STREAM_B] = target != TARGET_A;
    return p;
}

/* Histories that ask for an item of a domain. */
static struct positions of_histories(struct tape *tape, const struct batch *batch, int domain) {
    struct positions p = positions_make(tape, batch->samples);
    for (int64_t j = 0; j < p.n; j++)
        p.domain[j] = domain;
    for (int s = STREAM_A; s <= STREAM_B; s++)
        see(&p, s, stream_last_tokens(tape, batch, s));
    p.asked[domain] = true;
    return p;
}

/* ---- states ---- */

/* h of stream s, NULL where it has no tokens. */
static struct tensor *encode(struct model *model, const struct pass *pass, int s) {
    const struct pinet *net = model->state;
    const struct stream *stream = &pass->batch->stream[s];
    struct tape *tape = pass->tape;
    if (stream->tokens == 0)
        return NULL;
    struct dropout dropout = stream_dropout(model, pass, s, model->config->model.dropout, AT_INPUT);
    struct tensor *x = op_gather(tape, tables_rows(model, tape, pass->items, ID),
                                 view_inputs(pass->items, pass->batch, s), stream->tokens);
    x = op_drop(tape, op_scale(tape, x, REAL_F(sqrt)((real)x->cols)), &dropout);
    return gru_layer_run(&net->encoder[s], &model->params, tape, x, stream->offsets,
                         stream->sequences, NULL, NULL);
}

/* t of stream s, which has tokens. */
static struct tensor *transfer(struct model *model, const struct pass *pass, int s,
                               struct tensor *const h[DOMAINS]) {
    const struct pinet *net = model->state;
    const struct stream *stream = &pass->batch->stream[s];
    struct tape *tape = pass->tape;
    int other = s == STREAM_A ? STREAM_B : STREAM_A;
    struct gate_input latest = {.value = h[other],
                                .index = stream_latest(tape, pass->batch, s, other)};
    struct tensor *c = op_mix(tape, &latest, h[other] != NULL, stream->tokens, h[s]->cols);
    struct tensor *r = filter_layer_run(&net->filter[s], &model->params, tape, h[s], c,
                                        stream->offsets, stream->sequences);
    return gru_layer_run(&net->transfer[s], &model->params, tape, r, stream->offsets,
                         stream->sequences, NULL, NULL);
}

/* Drop([t, h]) with a 1, [positions, 2 d + 1]. */
static struct tensor *states(struct model *model, const struct pass *pass,
                             const struct positions *p) {
    int64_t d = model->config->model.dim;
    struct tape *tape = pass->tape;
    struct tensor *h[DOMAINS], *t[DOMAINS] = {NULL};
    struct dropout dropout =
        stream_dropout(model, pass, STREAM_MIXED, model->config->model.dropout, AT_OUTPUT);
    for (int s = STREAM_A; s <= STREAM_B; s++)
        h[s] = encode(model, pass, s);
    for (int s = STREAM_A; s <= STREAM_B; s++)
        if (h[s] && p->asked[s == STREAM_A ? STREAM_B : STREAM_A])
            t[s] = transfer(model, pass, s, h);
    struct tensor *source = stream_choose(tape, t, p->domain, p->n, false, p->end, d),
                  *own = stream_choose(tape, h, p->domain, p->n, true, p->end, d);
    return append_one(tape, op_drop(tape, op_join(tape, source, own), &dropout));
}

static struct tensor *target_states(struct model *model, const struct pass *pass) {
    struct positions p = of_targets(model, pass->tape, pass->batch);
    return states(model, pass, &p);
}

static void forward(struct model *model, struct pass *pass) {
    mixed_stream_forward(model, pass, NEXT_ITEM, target_states);
}

/* ---- ranking ---- */

static void add_query(struct model *model, struct pass *pass, int domain, struct query *query) {
    struct positions p = of_histories(pass->tape, pass->batch, domain);
    struct tensor *q = softmax_head_query(model, pass->tape, 0, states(model, pass, &p));
    const bool *present = stream_present(pass->tape, pass->batch, STREAM_MIXED);
    softmax_head_compare(model, pass, 0, q->x, query,
                         query_add_term(query, 1, present, FUSION_PROBABILITY));
}

const struct model_ops pinet = {
    .name = "pinet",
    .state_size = sizeof(struct pinet),
    .batch = BATCH_MIXED,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .options_size = sizeof(struct pinet_options),
    .two_domains = true,
    .configure = configure,
    .learned_width = learned_width,
    .open = open_pinet,
    .count = count,
    .forward = forward,
    .query = add_query,
};
