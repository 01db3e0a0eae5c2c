/* In the order of a step: keys; parameters; what the source tells. */
#include "core/models/pinet.h"
#include "core/models/domain_units.h"
#include "core/models/filter_layer.h"
#include "core/models/mixed_stream.h"
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

/* ---- the model ---- */

/* By stream, a or b. */
struct pinet {
    struct domain_units units;
    struct filter_layer filter[DOMAINS];
    struct gru_layer transfer[DOMAINS];
};

static void add_transfer(struct model *model, int s, struct gru_layer *layer) {
    int64_t d = model->config->model.dim;
    char name[PARAM_NAME];
    snprintf(name, sizeof name, "transfer.%s", stream_names[s]);
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
    TRY(domain_units_open(model, &net->units));
    for (int s = STREAM_A; s <= STREAM_B; s++) {
        add_filter(model, s, &net->filter[s]);
        add_transfer(model, s, &net->transfer[s]);
    }
    return STATUS_OK;
}

/* ---- what goes over ---- */

/* t of stream s, which has tokens. */
static struct tensor *transfer(struct model *model, const struct pass *pass, int s,
                               struct tensor *const h[DOMAINS]) {
    const struct pinet *net = model->state;
    const struct stream *stream = &pass->batch->stream[s];
    struct tape *tape = pass->tape;
    struct tensor *r =
        filter_layer_run(&net->filter[s], &model->params, tape, h[s],
                         domain_units_latest(pass, s, h), stream->offsets, stream->sequences);
    return gru_layer_run(&net->transfer[s], &model->params, tape, r, stream->offsets,
                         stream->sequences, NULL, NULL);
}

static struct tensor *source(struct model *model, const struct pass *pass,
                             const struct positions *p, struct tensor *const h[DOMAINS]) {
    struct tensor *t[DOMAINS] = {NULL};
    for (int s = STREAM_A; s <= STREAM_B; s++)
        if (h[s] && p->asked[other_domain(s)])
            t[s] = transfer(model, pass, s, h);
    return stream_choose(pass->tape, t, p->domain, p->n, false, p->hi, model->config->model.dim);
}

static void forward(struct model *model, struct pass *pass) {
    domain_units_forward(model, pass, &((struct pinet *)model->state)->units, source);
}

static void add_query(struct model *model, struct pass *pass, int domain, struct query *query) {
    domain_units_query(model, pass, &((struct pinet *)model->state)->units, domain, source, query);
}

const struct model_ops pinet = {
    .name = "pinet",
    .state_size = sizeof(struct pinet),
    .batch = BATCH_MIXED,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .options_size = sizeof(struct pinet_options),
    .two_domains = true,
    .configure = domain_units_configure,
    .learned_width = domain_units_width,
    .open = open_pinet,
    .count = domain_units_count,
    .forward = forward,
    .query = add_query,
};
