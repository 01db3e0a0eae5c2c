/* SR-GNN. */
#include "tests/reference/srgnn.h"
#include "core/models/registry.h"
#include "model_check.h"
#include "tests/balanced.h"

BALANCED(srgnn, .init = models_register);

static const struct model_reference reference = {
    .prepare = ref_prepare_srgnn, .losses = ref_srgnn_losses, .scores = ref_srgnn_scores};

Test(srgnn, agrees_with_its_reference) {
    static const char *const settings[] = {
        "model.name=srgnn",
        "model.name=srgnn train.loss=sampled",
        "model.name=srgnn model.mixed_softmax=all model.scale=3",
        "model.name=srgnn train.target=b",
    };
    model_check(&reference, settings, sizeof settings / sizeof *settings, 2);
}
