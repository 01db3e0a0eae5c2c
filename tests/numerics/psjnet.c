/* PSJNet-II. */
#include "tests/reference/psjnet.h"
#include "core/models/registry.h"
#include "model_check.h"
#include "tests/balanced.h"

BALANCED(psjnet, .init = models_register);

static const struct model_reference reference = {
    .prepare = ref_prepare_psjnet, .losses = ref_psjnet_losses, .scores = ref_psjnet_scores};

Test(psjnet, agrees_with_its_reference) {
    static const char *const settings[] = {
        "model.name=psjnet",
        "model.name=psjnet train.loss=sampled model.roles=1",
        "model.name=psjnet model.mixed_softmax=all model.scale=3 model.roles=3",
        "model.name=psjnet train.target=b train.loss=sampled",
        "model.name=psjnet train.target=a train.loss=bce",
    };
    model_check(&reference, settings, sizeof settings / sizeof *settings, 4);
}
