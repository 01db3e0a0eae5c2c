/* BPRMF. */
#include "tests/reference/bprmf.h"
#include "core/models/registry.h"
#include "model_check.h"
#include "tests/balanced.h"

BALANCED(bprmf, .init = models_register);

static const struct model_reference reference = {
    .prepare = ref_prepare_bprmf, .losses = ref_bprmf_losses, .scores = ref_bprmf_scores};

Test(bprmf, agrees_with_its_reference) {
    static const char *const settings[] = {
        "model.name=bprmf",
        "model.name=bprmf model.user=mean",
        "model.name=bprmf model.user=mean train.bce_negatives=3 model.mixed_softmax=all",
        "model.name=bprmf train.loss=bce train.bce_negatives=2 train.target=b",
        "model.name=bprmf train.loss=exact",
        "model.name=bprmf train.optimizer=lazy_adamw",
        "model.name=bprmf train.loss=sampled model.user=mean train.target=a",
    };
    model_check(&reference, settings, sizeof settings / sizeof *settings, 7);
}
