/* pi-Net. */
#include "tests/reference/pinet.h"
#include "core/models/filter_layer.h"
#include "core/models/registry.h"
#include "model_check.h"
#include "tests/balanced.h"

BALANCED(pinet, .init = models_register);

static const struct model_reference reference = {
    .prepare = ref_prepare_pinet, .losses = ref_pinet_losses, .scores = ref_pinet_scores};

Test(pinet, agrees_with_its_reference) {
    static const char *const settings[] = {
        "model.name=pinet",
        "model.name=pinet train.loss=sampled model.members=1",
        "model.name=pinet model.member_projections=separate model.members=3",
        "model.name=pinet model.mixed_softmax=all model.scale=3",
        "model.name=pinet train.target=b train.loss=sampled",
    };
    model_check(&reference, settings, sizeof settings / sizeof *settings, 4);
}

/* The old state is kept at first; without members there are no parameters of theirs. */
Test(pinet, filter_begins_open) {
    enum { H = 3 };
    struct params params = {0};
    struct filter_layer layer;
    const struct filter_form form = {.gate = FILTER_GATE_TAKES};
    filter_layer_add(&params, "filter", H, &form, &layer);
    params_allocate(&params, 1, false);
    for (int i = 0; i < H; i++) {
        cr_expect_eq(params_find(&params, "filter.gate.b")->tensor.x[i], 1);
        cr_expect_eq(params_find(&params, "filter.candidate.b")->tensor.x[i], 1);
    }
    cr_expect_eq(params.count, 5);
    params_free(&params);
}
