/* LLM-EMF (arXiv 2506.17966): an attention encoder per (stream, modality), cosine logits with a
 * learned temperature, fusion of the modalities' probabilities, three losses. Formulas and what is
 * the paper's and what is decided here: methods, sections 2 and 3. TEMA-LLM shares all but the
 * rows. */
#ifndef CORE_MODELS_LLM_EMF_H
#define CORE_MODELS_LLM_EMF_H
#include "core/models/kind.h"

extern const struct model_kind llm_emf;

/* The state of a model of this family, or its first member. */
struct emf {
    int fusion; /* parameter w, -1: fixed weights */
    int tags;   /* the term whose rows are made of tags, -1: none */
};

/* Members of its kind; the weights are those of eq. 10 (train.target). */
CHECKED enum status emf_declare(struct model *model, int tags);
void emf_weights(const struct config *config, double weight[LOSS_PARTS]);
void emf_loss(struct model *model, struct tape *tape, const struct batch *batch,
              const struct model_step *step, const struct item_side *side, struct phases *phases,
              double sum[LOSS_PARTS]);
void emf_ranking(struct model *model, struct tape *tape, const struct batch *batch,
                 struct item_set *items, int domain, struct ranking *ranking);

/* States h of all tokens of a stream, by term, without dropout, from the rows of `items`, or from
 * whole tables (NULL). */
void emf_states(struct model *model, struct tape *tape, const struct batch *batch,
                struct item_set *items, enum stream_name stream, struct tensor *h[OPTION_LIST]);

#endif
