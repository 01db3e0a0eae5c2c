/* In the order of a step: keys; parameters; the split of the source; the join. */
#include "core/models/psjnet.h"
#include "core/models/domain_units.h"
#include "core/models/layers.h"
#include "core/models/mixed_stream.h"
#include "core/ops/join.h"
#include "core/ops/linear.h"
#include "core/ops/ranges.h"
#include "core/ops/split_cell.h"

/* ---- options ---- */

// clang-format off
static const struct option_spec options[] = {
OPTION(struct psjnet_options, "model.roles", INTEGER, roles, "4", "[1, 256]", NULL,
    "roles of the users of a shared account, among which each domain's sequence is split"),
};
// clang-format on

const struct psjnet_options *psjnet_options(const struct config *config) {
    return options_own(config, psjnet.name);
}

/* ---- parameters ---- */

/* Of a source. Layers are pairs of parameters (core/models/layers.h). */
struct split {
    int gate, none, candidate; /* layers [d, 2 d], [d, 2 d], [d, d] */
    int state;                 /* [2 d, d] */
    int role, role_w[2];       /* [K, d]; [d, d] for gate and candidate */
};

struct join {
    int row;      /* layer [d, d] */
    int query, v; /* [d, d], [1, d] */
};

/* By stream, a or b: what it is as the source. */
struct psjnet {
    struct domain_units units;
    struct split split[DOMAINS];
    struct join join[DOMAINS];
};

/* A layer of the split from `in` columns, whose bias begins with 1. */
static int add_arguments(struct params *p, int s, const char *of, int64_t d, int64_t in) {
    int w = params_add(p, 2, d, in, PARAM_FAN_IN, in, "split.%s.%s.w", stream_names[s], of);
    params_add(p, 1, 1, d, PARAM_ONE, in, "split.%s.%s.b", stream_names[s], of);
    return w;
}

static void add_split(struct model *model, int s, struct split *split) {
    struct params *p = &model->params;
    const char *name = stream_names[s];
    int64_t d = model->config->model.dim, roles = psjnet_options(model->config)->roles;
    split->gate = add_arguments(p, s, "gate", d, 2 * d);
    split->none = add_arguments(p, s, "none", d, 2 * d);
    split->candidate = add_arguments(p, s, "candidate", d, d);
    split->state = params_add(p, 2, 2 * d, d, PARAM_FAN_IN, d, "split.%s.h.w", name);
    split->role = params_add(p, 2, roles, d, PARAM_FAN_IN, roles, "split.%s.roles", name);
    split->role_w[0] = params_add(p, 2, d, d, PARAM_FAN_IN, d, "split.%s.roles.gate.w", name);
    split->role_w[1] = params_add(p, 2, d, d, PARAM_FAN_IN, d, "split.%s.roles.candidate.w", name);
}

static void add_join(struct model *model, int s, struct join *join) {
    struct params *p = &model->params;
    const char *name = stream_names[s];
    int64_t d = model->config->model.dim;
    join->row = params_add(p, 2, d, d, PARAM_FAN_IN, d, "join.%s.row.w", name);
    params_add(p, 1, 1, d, PARAM_FAN_IN, d, "join.%s.row.b", name);
    join->query = params_add(p, 2, d, d, PARAM_FAN_IN, d, "join.%s.query.w", name);
    join->v = params_add(p, 2, 1, d, PARAM_FAN_IN, d, "join.%s.v", name);
}

static enum status open_psjnet(struct model *model) {
    struct psjnet *net = model->state;
    TRY(domain_units_open(model, &net->units));
    for (int s = STREAM_A; s <= STREAM_B; s++) {
        add_split(model, s, &net->split[s]);
        add_join(model, s, &net->join[s]);
    }
    return STATUS_OK;
}

static struct tensor *weight(struct model *model, const struct pass *pass, int param) {
    return tape_param(pass->tape, &model->params, param);
}

/* ---- split ---- */

static struct tensor *project_roles(struct model *model, const struct pass *pass,
                                    const struct split *split, int k) {
    return op_linear(pass->tape, weight(model, pass, split->role),
                     weight(model, pass, split->role_w[k]), NULL);
}

/* r of stream s, which has tokens: [tokens roles, d]. */
static struct tensor *split_source(struct model *model, const struct pass *pass, int s,
                                   struct tensor *const h[DOMAINS]) {
    const struct psjnet *net = model->state;
    const struct split *split = &net->split[s];
    const struct stream *stream = &pass->batch->stream[s];
    struct params *p = &model->params;
    struct tape *tape = pass->tape;
    struct tensor *both = op_join(tape, h[s], domain_units_latest(pass, s, h));
    struct split_cell cell = {
        .gate = layer_linear(p, tape, both, split->gate),
        .none = layer_linear(p, tape, both, split->none),
        .candidate = layer_linear(p, tape, h[s], split->candidate),
        .weight = weight(model, pass, split->state),
        .role = {project_roles(model, pass, split, 0), project_roles(model, pass, split, 1)}};
    return op_split_cell(tape, &cell, stream->offsets, stream->sequences);
}

/* ---- join ---- */

/* Rows of r, of source s, that the positions about the other domain see; none of the others'. */
static struct row_ranges rows_seen(struct tape *tape, const struct positions *p, int s,
                                   int64_t roles) {
    int32_t *lo = arena_alloc(&tape->arena, p->n, sizeof *lo);
    int32_t *hi = arena_alloc(&tape->arena, p->n, sizeof *hi);
    for (int64_t j = 0; j < p->n; j++) {
        bool reads = p->domain[j] != s;
        lo[j] = reads ? p->lo[s][j] * (int32_t)roles : 0;
        hi[j] = reads ? p->hi[s][j] * (int32_t)roles : 0;
    }
    return ranges_make(tape, lo, hi, p->n);
}

/* Q h of the positions' own domains, [positions, d]. */
static struct tensor *queries(struct model *model, const struct pass *pass,
                              const struct positions *p, struct tensor *const h[DOMAINS]) {
    const struct psjnet *net = model->state;
    struct tensor *q[DOMAINS] = {NULL};
    for (int s = STREAM_A; s <= STREAM_B; s++)
        if (h[s] && p->asked[s])
            q[s] = op_linear(pass->tape, h[s],
                             weight(model, pass, net->join[other_domain(s)].query), NULL);
    return stream_choose(pass->tape, q, p->domain, p->n, true, p->hi, model->config->model.dim);
}

static struct tensor *join_rows(struct model *model, const struct pass *pass, int s,
                                struct tensor *r, struct tensor *query, const struct positions *p) {
    const struct psjnet *net = model->state;
    const struct join *join = &net->join[s];
    struct tape *tape = pass->tape;
    struct row_ranges ranges = rows_seen(tape, p, s, psjnet_options(model->config)->roles);
    struct tensor *score = op_range_additive(tape, layer_linear(&model->params, tape, r, join->row),
                                             query, weight(model, pass, join->v), &ranges);
    return op_range_attention(tape, r, score, &ranges);
}

static struct tensor *source(struct model *model, const struct pass *pass,
                             const struct positions *p, struct tensor *const h[DOMAINS]) {
    struct tensor *t[DOMAINS] = {NULL}, *query = queries(model, pass, p, h);
    for (int s = STREAM_A; s <= STREAM_B; s++)
        if (h[s] && p->asked[other_domain(s)])
            t[s] = join_rows(model, pass, s, split_source(model, pass, s, h), query, p);
    return stream_choose(pass->tape, t, p->domain, p->n, false, NULL, model->config->model.dim);
}

/* ---- the model ---- */

static void forward(struct model *model, struct pass *pass) {
    domain_units_forward(model, pass, &((struct psjnet *)model->state)->units, source);
}

static void add_query(struct model *model, struct pass *pass, int domain, struct query *query) {
    domain_units_query(model, pass, &((struct psjnet *)model->state)->units, domain, source, query);
}

const struct model_ops psjnet = {
    .name = "psjnet",
    .state_size = sizeof(struct psjnet),
    .batch = BATCH_MIXED,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .options_size = sizeof(struct psjnet_options),
    .two_domains = true,
    .configure = domain_units_configure,
    .learned_width = domain_units_width,
    .open = open_psjnet,
    .count = domain_units_count,
    .forward = forward,
    .query = add_query,
};
