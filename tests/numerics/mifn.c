/* MIFN. */
#include "tests/reference/mifn.h"
#include "core/models/registry.h"
#include "model_check.h"
#include "tests/balanced.h"

BALANCED(mifn, .init = models_register);

static const struct model_reference reference = {
    .prepare = ref_prepare_mifn, .losses = ref_mifn_losses, .scores = ref_mifn_scores};

Test(mifn, agrees_with_its_reference) {
    static const char *const settings[] = {
        "model.name=mifn train.loss=exact model.graph_nodes=8 model.graph_neighbours=3",
        "model.name=mifn train.loss=sampled model.graph_nodes=12 model.graph_targets=0",
        ("model.name=mifn train.loss=exact model.graph_nodes=5 model.graph_targets=2 "
         "model.graph_neighbours=1 model.mixed_softmax=all model.scale=3"),
        "model.name=mifn train.loss=sampled train.target=b model.graph_nodes=2",
    };
    model_check(&reference, settings, sizeof settings / sizeof *settings, 4);
}
