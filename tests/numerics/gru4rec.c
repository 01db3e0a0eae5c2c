/* GRU4Rec. */
#include "tests/reference/gru4rec.h"
#include "core/models/gru_layer.h"
#include "core/models/registry.h"
#include "model_check.h"
#include "tests/balanced.h"

BALANCED(gru4rec, .init = models_register);

static const struct model_reference reference = {
    .prepare = ref_prepare_gru4rec, .losses = ref_gru4rec_losses, .scores = ref_gru4rec_scores};

Test(gru4rec, agrees_with_its_reference) {
    static const char *const settings[] = {
        "model.name=gru4rec",
        "model.name=gru4rec train.loss=sampled model.hidden=6",
        "model.name=gru4rec model.cell=torch",
        "model.name=gru4rec model.output=tied model.cell=torch model.hidden=10",
        "model.name=gru4rec model.output=tied train.loss=sampled",
        "model.name=gru4rec model.mixed_softmax=all model.scale=3",
        "model.name=gru4rec train.target=b",
    };
    model_check(&reference, settings, sizeof settings / sizeof *settings, 5);
}

/* The state is kept at first where TensorFlow's cell is meant. */
Test(gru4rec, gates_begin_open) {
    enum { IN = 4, H = 3 };
    struct params params = {0};
    struct gru_layer layer;
    gru_layer_add(&params, "gru", IN, H, GRU_RESET_BEFORE, &layer);
    params_allocate(&params, 1, false);
    const real *b = params_find(&params, "gru.x.b")->tensor.x;
    for (int i = 0; i < 3 * H; i++)
        cr_expect_eq(b[i], i < 2 * H);
    params_free(&params);
}
