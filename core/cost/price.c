#include "core/cost/price.h"
#include "core/check.h"
#include "core/cost/step.h"

/* Operations of a step with so many sequences of the items `before` and `target`. */
static double operations(struct model *model, int32_t before, int32_t target, int sequences,
                         bool encoders_only) {
    int32_t items[] = {before, target};
    struct sample samples[] = {{items, 2, 0, NULL}, {items, 2, 1, NULL}};
    struct batch batch = {0};
    struct cost_step step;
    double sum = 0;
    model_pack(model, &batch, samples, sequences);
    cost_step_run(model, &batch, &batch, 1, &step);
    batch_free(&batch);
    for (int p = 0; p < PHASES; p++)
        sum += encoders_only && p != PHASE_FORWARD ? 0 : step.work[p].flops;
    return sum;
}

/* One more such sequence; what the step takes whatever its sequences cancels out. */
static int64_t one_more(struct model *model, int32_t before, int32_t target, bool encoders_only) {
    double more = operations(model, before, target, 2, encoders_only) -
                  operations(model, before, target, 1, encoders_only);
    return more > 0 ? (int64_t)more : 0;
}

static int64_t above(int64_t x, int64_t y) {
    return x > y ? x - y : 0;
}

/* The items (b, a) are a target of the mixed stream, (a, a) are one of stream a besides. Where
 * there is no domain B, all targets are priced as those of the mixed stream, which has as many. */
struct target_price price_targets(const struct model *model) {
    struct model whole;
    struct catalogue catalogue = model->catalogue;
    bool encoders_only = catalogue.collectives && model->config->train.loss == LOSS_EXACT;
    int32_t item[DOMAINS] = {0,
                             catalogue.a_items < catalogue.items ? (int32_t)catalogue.a_items : 0};
    struct target_price price = {0};
    catalogue.collectives = NULL;
    catalogue.local = item_block_of(catalogue.a_items, catalogue.items, 1, 0);
    enum status status = model_declare(&whole, model->config, &catalogue);
    assert(status == STATUS_OK); /* as it was for `model` */
    (void)status;
    for (int d = 0; d < DOMAINS; d++) {
        int64_t mixed = one_more(&whole, item[!d], item[d], encoders_only);
        price.target[STREAM_MIXED][d] = mixed;
        price.target[d][d] = above(one_more(&whole, item[d], item[d], encoders_only), mixed);
    }
    model_free(&whole);
    return price;
}

int64_t price_sequence(const struct target_price *price, const int64_t count[STREAMS][DOMAINS]) {
    int64_t sum = 1;
    for (int s = 0; s < STREAMS; s++)
        for (int d = 0; d < DOMAINS; d++)
            sum += count[s][d] * price->target[s][d];
    return sum;
}
