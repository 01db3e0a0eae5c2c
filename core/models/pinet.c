#include "core/models/pinet.h"
#include "core/models/mixed_stream.h"
#include "core/models/transfer.h"

/* ---- options ---- */

// clang-format off
static const struct option_spec options[] = {
OPTION(struct pinet_options, "model.members", INTEGER, members, "4", "[1, 256]", NULL,
    "members of a shared account, over which the filter between the domains is a mean"),
OPTION(struct pinet_options, "model.member_projections", CHOICE, projections, "shared", "shared|separate",
    NULL,
    "gate and candidate of the filter have one projection of the members, or one each"),
};
// clang-format on

const struct pinet_options *pinet_options(const struct config *config) {
    return options_own(config, pinet.name);
}

/* ---- the model ---- */

struct pinet {
    struct domain_units units;
    struct transfer transfer;
};

static enum status open_pinet(struct model *model) {
    const struct pinet_options *own = pinet_options(model->config);
    const struct filter_form form = {.gate = FILTER_GATE_KEEPS,
                                     .members = own->members,
                                     .separate = own->projections == PROJECTIONS_SEPARATE};
    struct pinet *net = model->state;
    TRY(domain_units_open(model, &net->units));
    transfer_add(model, &form, &net->transfer);
    return STATUS_OK;
}

static struct tensor *source(struct model *model, const struct pass *pass,
                             const struct positions *p, struct tensor *const h[DOMAINS]) {
    const struct pinet *net = model->state;
    struct tensor *t[DOMAINS] = {NULL};
    for (int s = STREAM_A; s <= STREAM_B; s++)
        if (h[s] && p->asked[other_domain(s)])
            t[s] = transfer_run(model, pass, &net->transfer, s, h);
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
