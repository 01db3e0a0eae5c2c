/* NCF. */
#include "tests/reference/ncf.h"
#include "core/models/registry.h"
#include "model_check.h"
#include "tests/balanced.h"

BALANCED(ncf, .init = models_register);

static const struct model_reference reference = {
    .prepare = ref_prepare_ncf, .losses = ref_ncf_losses, .scores = ref_ncf_scores};

/* The tower takes widths that do and do not fill the kernel's groups of outputs. */
Test(ncf, agrees_with_its_reference) {
    static const char *const settings[] = {
        "model.name=ncf model.tower=8,6,5 model.user=table",
        "model.name=ncf model.tower=7,9 train.loss=bpr",
        "model.name=ncf model.tower=16 train.bce_negatives=1 model.mixed_softmax=all",
        "model.name=ncf model.tower=12,4 train.target=b",
        "model.name=ncf model.tower=8 train.loss=infonce model.mixed_softmax=all",
    };
    model_check(&reference, settings, sizeof settings / sizeof *settings, 4);
}
