/* GRU4Rec. */
#include "tests/reference/gru4rec.h"
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
