/* ABXI. */
#include "tests/reference/abxi.h"
#include "core/models/registry.h"
#include "model_check.h"
#include "tests/balanced.h"

BALANCED(abxi, .init = models_register);

static void prepare(const struct reference *r) {
    (void)r;
}

static const struct model_reference reference = {
    .prepare = prepare, .losses = ref_abxi_losses, .scores = ref_abxi_scores};

#define ABXI                                                                                       \
    "model.name=abxi model.ffn_dim=12 model.dlora_rank=3 model.ilora_rank=2 "                      \
    "train.bce_negatives=4 "

Test(abxi, agrees_with_its_reference) {
    static const char *const settings[] = {
        ABXI "model.blocks=1",
        ABXI "train.loss=sampled",
        ABXI "model.mixed_softmax=domain model.blocks=1 model.scale=0.7",
        ABXI "train.loss=exact model.mixed_softmax=domain",
        ABXI "train.loss=exact train.target=b",
        ABXI "train.target=a model.dlora_rank=0 model.ilora_rank=0",
        ABXI "train.loss=bce",
    };
    model_check(&reference, settings, sizeof settings / sizeof *settings, 2);
}
