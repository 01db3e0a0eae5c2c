/* TEMA-LLM (arXiv 2510.09224), of which the abstract is public: tags of items by a language model,
 * their embeddings fused with those of id, text and image, a tag-enriched attention over the
 * sequences of either domain and of both.
 *
 * Decided here, with the key that changes it:
 *     model.tags           E_tag[i] = normalise(sum_k a_ik t_k), a = softmax(r / kappa + <u, t_k>)
 *                          with u learned, or uniform a; none: no tags at all, which is LLM-EMF
 *     model.tag_kappa      kappa
 *     model.tag_vectors    the table t
 *     model.tag_attention  a second attention in each block, see core/models/encoder.h
 * Tags are a further modality, `tags`, behind those of model.modalities. All
 * else is LLM-EMF. */
#ifndef CORE_MODELS_TEMA_LLM_H
#define CORE_MODELS_TEMA_LLM_H
#include "core/models/model.h"

enum tags { TAGS_NONE, TAGS_UNIFORM, TAGS_LEARNED };
enum tag_attention { TAG_ATTENTION_ON, TAG_ATTENTION_OFF };

/* What this model reads beside the options of LLM-EMF. */
struct tema_options {
    int tags; /* enum tags */
    double tag_kappa;
    char tag_vectors[OPTION_NAME];
    int tag_attention; /* enum tag_attention */
};

const struct tema_options *tema_options(const struct config *config);

extern const struct model_ops tema_llm;

#endif
