/* TEMA-LLM, and LLM-EMF without tags. */
#include "tests/reference/tema_llm.h"
#include "core/models/registry.h"
#include "model_check.h"
#include "tests/balanced.h"

BALANCED(tema_llm, .init = models_register);

static void losses(const struct reference *r, const int32_t *items, int64_t length, double *sum,
                   int64_t *count) {
    for (int s = 0; s < STREAMS; s++)
        sum[s] += ref_emf_stream(r, s, items, length, &count[s]);
}

static const struct model_reference reference = {
    .width = {8}, .prepare = ref_prepare_emf, .losses = losses, .scores = ref_emf_scores};

Test(tema_llm, agrees_with_its_reference) {
    static const char *const settings[] = {
        "model.name=tema_llm model.blocks=1",
        "model.name=tema_llm train.loss=sampled model.blocks=1 model.scale=learned",
        "model.name=tema_llm model.tags=uniform model.tag_kappa=0.3 model.share_encoders=none",
        "model.name=tema_llm model.tag_attention=off model.tag_kappa=0.3 train.loss=sampled",
        "model.name=tema_llm model.tags=none",
        "model.name=tema_llm model.scale=5 model.fusion_weights=3,2,1 train.target=a",
        "model.name=tema_llm model.output_table=untied model.blocks=1",
        "model.name=llm_emf model.tags=none",
        "model.name=llm_emf model.tags=none model.output_table=untied",
        "model.name=llm_emf model.tags=none model.output_table=untied train.loss=sampled",
    };
    model_check(&reference, settings, sizeof settings / sizeof *settings, 2);
}
