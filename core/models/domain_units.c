#include "core/models/domain_units.h"
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

enum { ID, OUTPUT };          /* tables */
enum { NEXT_ITEM };           /* losses */
enum { AT_INPUT, AT_OUTPUT }; /* places of dropout */

/* There is no attention of several heads, which would have to divide widths. */
enum status domain_units_configure(struct config *config) {
    config->model.modalities = (struct names){.count = 2, .name = {"id", "output"}};
    config->model.heads = 1;
    return STATUS_OK;
}

int64_t domain_units_width(const struct config *config, int k) {
    return k == ID ? config->model.dim : 2 * config->model.dim + 1;
}

enum status domain_units_open(struct model *model, struct domain_units *units) {
    int64_t d = model->config->model.dim;
    tables_declare(model);
    TRY(softmax_head_add(model, OUTPUT, 0, SIMILARITY_DOT, "output"));
    model_add_loss(model, stream_names[STREAM_MIXED], 1);
    for (int s = STREAM_A; s <= STREAM_B; s++) {
        char name[PARAM_NAME];
        snprintf(name, sizeof name, "gru.%s", stream_names[s]);
        gru_layer_add(&model->params, name, d, d, GRU_RESET_BEFORE, &units->encoder[s]);
    }
    return STATUS_OK;
}

void domain_units_count(const struct model *model, const struct batch *batch,
                        int64_t count[LOSS_TERMS]) {
    count[NEXT_ITEM] = mixed_stream_count(model, batch);
}

/* ---- states ---- */

/* h of stream s, NULL where it has no tokens. */
static struct tensor *encode(struct model *model, const struct pass *pass,
                             const struct domain_units *units, int s) {
    const struct stream *stream = &pass->batch->stream[s];
    struct tape *tape = pass->tape;
    if (stream->tokens == 0)
        return NULL;
    struct dropout dropout = stream_dropout(model, pass, s, model->config->model.dropout, AT_INPUT);
    struct tensor *x = op_gather(tape, tables_rows(model, tape, pass->items, ID),
                                 view_inputs(pass->items, pass->batch, s), stream->tokens);
    x = op_drop(tape, op_scale(tape, x, REAL_F(sqrt)((real)x->cols)), &dropout);
    return gru_layer_run(&units->encoder[s], &model->params, tape, x, stream->offsets,
                         stream->sequences, NULL, NULL);
}

struct tensor *domain_units_latest(const struct pass *pass, int s,
                                   struct tensor *const h[DOMAINS]) {
    int other = other_domain(s);
    struct gate_input latest = {.value = h[other],
                                .index = stream_latest(pass->tape, pass->batch, s, other)};
    return op_mix(pass->tape, &latest, h[other] != NULL, pass->batch->stream[s].tokens, h[s]->cols);
}

void domain_units_encode(struct model *model, const struct pass *pass,
                         const struct domain_units *units, struct tensor *h[DOMAINS]) {
    for (int s = STREAM_A; s <= STREAM_B; s++)
        h[s] = encode(model, pass, units, s);
}

/* Of Drop([source, own]) with a 1, [positions, 2 d + 1]. */
struct tensor *domain_units_ask(struct model *model, const struct pass *pass, struct tensor *source,
                                struct tensor *own) {
    struct tape *tape = pass->tape;
    struct dropout dropout =
        stream_dropout(model, pass, STREAM_MIXED, model->config->model.dropout, AT_OUTPUT);
    struct tensor *x = op_drop(tape, op_join(tape, source, own), &dropout);
    return softmax_head_query(model, tape, 0, append_one(tape, x));
}

static struct tensor *queries(struct model *model, const struct pass *pass,
                              const struct domain_units *units, const struct positions *p,
                              domain_source_fn *source) {
    struct tensor *h[DOMAINS];
    domain_units_encode(model, pass, units, h);
    struct tensor *other = source(model, pass, p, h);
    return domain_units_ask(
        model, pass, other,
        stream_choose(pass->tape, h, p->domain, p->n, true, p->hi, other->cols));
}

/* ---- training, ranking ---- */

static struct tensor *target_queries(struct model *model, const struct pass *pass,
                                     const struct domain_units *units, domain_source_fn *source) {
    if (pass->batch->stream[STREAM_MIXED].tokens == 0)
        return tape_tensor(pass->tape, 0, model->head[0].dim, false);
    struct positions p = positions_of_targets(model, pass->tape, pass->batch);
    return queries(model, pass, units, &p, source);
}

void domain_units_forward(struct model *model, struct pass *pass, const struct domain_units *units,
                          domain_source_fn *source) {
    if (mixed_stream_has_loss(model, pass, NEXT_ITEM))
        pass->loss[NEXT_ITEM] =
            mixed_stream_loss(model, pass, NEXT_ITEM, target_queries(model, pass, units, source));
}

void domain_units_query(struct model *model, struct pass *pass, const struct domain_units *units,
                        int domain, domain_source_fn *source, struct query *query) {
    struct positions p = positions_of_histories(pass->tape, pass->batch, domain);
    const bool *present = stream_present(pass->tape, pass->batch, STREAM_MIXED);
    softmax_head_compare(model, pass, 0, queries(model, pass, units, &p, source)->x, query,
                         query_add_term(query, 1, present, FUSION_PROBABILITY));
}
