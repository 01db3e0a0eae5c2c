/* SASRec. */
#include "tests/reference/sasrec.h"
#include "model_check.h"
#include "tests/balanced.h"

BALANCED(sasrec);

static const struct model_reference reference = {
    .prepare = ref_prepare_sasrec, .losses = ref_sasrec_losses, .scores = ref_sasrec_scores};

Test(sasrec, agrees_with_its_reference) {
    static const char *const settings[] = {
        "model.name=sasrec model.modalities=id",
        "model.name=sasrec model.modalities=id train.loss=sampled model.blocks=1",
        "model.name=sasrec model.modalities=id model.mixed_softmax=all model.scale=3",
        "model.name=sasrec model.modalities=id train.target=y",
    };
    model_check(&reference, settings, sizeof settings / sizeof *settings, 2);
}
