/* SemaCDR. */
#include "tests/reference/sema_cdr.h"
#include "core/models/registry.h"
#include "model_check.h"
#include "tests/balanced.h"

BALANCED(sema_cdr, .init = models_register);

static void losses(const struct reference *r, const int32_t *items, int64_t length, double *sum,
                   int64_t *count) {
    sum[0] += ref_sema_sequence(r, items, length, &count[0]);
}

static void contrast(const struct reference *r, const bool *marked, double *mean) {
    if (sema_options(r->config)->contrast_weight > 0)
        mean[1] = ref_contrast(r, marked);
}

static const struct model_reference reference = {.width = {7, 6},
                                                 .prepare = ref_prepare_sema,
                                                 .losses = losses,
                                                 .batch_losses = contrast,
                                                 .scores = ref_sema_scores};

Test(sema_cdr, agrees_with_its_reference) {
    static const char *const settings[] = {
        "model.name=sema_cdr model.blocks=1",
        "model.name=sema_cdr train.loss=sampled model.blocks=1",
        "model.name=sema_cdr model.contrast_weight=0",
        "model.name=sema_cdr model.contrast_weight=2 model.contrast_temperature=0.5",
        "model.name=sema_cdr model.stream_fusion=mean train.target=b",
        "model.name=sema_cdr train.target=a train.loss=sampled model.scale=5",
        ("model.name=sema_cdr model.mixed_softmax=all model.scale=learned "
         "model.share_encoders=streams"),
    };
    model_check(&reference, settings, sizeof settings / sizeof *settings, 2);
}
