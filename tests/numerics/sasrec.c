/* SASRec. */
#include "tests/reference/sasrec.h"
#include "core/models/registry.h"
#include "model_check.h"
#include "tests/balanced.h"

BALANCED(sasrec, .init = models_register);

static const struct model_reference reference = {
    .prepare = ref_prepare_sasrec, .losses = ref_sasrec_losses, .scores = ref_sasrec_scores};

Test(sasrec, agrees_with_its_reference) {
    static const char *const settings[] = {
        "model.name=sasrec",
        "model.name=sasrec train.loss=sampled model.blocks=1",
        "model.name=sasrec model.mixed_softmax=all model.scale=3",
        "model.name=sasrec train.target=b",
        "model.name=sasrec model.similarity=cosine",
        "model.name=sasrec model.similarity=cosine train.loss=sampled",
        "model.name=sasrec model.output_table=untied",
        "model.name=sasrec model.output_table=untied train.loss=bce model.blocks=1",
        "model.name=sasrec train.loss=bce",
        "model.name=sasrec train.loss=bpr train.bce_negatives=3 model.mixed_softmax=all",
    };
    model_check(&reference, settings, sizeof settings / sizeof *settings, 2);
}
