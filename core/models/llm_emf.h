/* LLM-EMF (arXiv 2506.17966): attention encoders of the streams' modalities, cosine logits with a
 * temperature, fusion of the modalities' probabilities, three losses. Formulas, and what is
 * the paper's and what is decided here: core/models/README.md. TEMA-LLM shares all but the rows of
 * its tags. */
#ifndef CORE_MODELS_LLM_EMF_H
#define CORE_MODELS_LLM_EMF_H
#include "core/models/model.h"
#include "core/models/stream_encoder.h"

extern const struct model_ops llm_emf;

/* What only this family reads. */
struct emf_options {
    int fusion; /* enum fusion */
    struct numbers fusion_weights;
    double lambda1, lambda2;
    double eval_lambda1, eval_lambda2; /* NaN: those above */
};

const struct emf_options *emf_options(const struct config *config);

/* The weight of every modality when they are given, normalised to sum 1: true; false when they are
 * learned. Expects a config that emf_configure accepted. */
bool emf_fusion_weights(const struct config *config, double weights[OPTION_LIST]);

/* The state of a model of this family, or its first member. */
struct emf {
    struct encoder encoder[STREAMS][OPTION_LIST];
    int fusion; /* parameter w, -1: fixed weights */
    int tags;   /* the table whose rows are made of tags, -1: none */
};

/* Declares all of the model; table `tags` (-1: none) is made of tags, which the encoders attend to
 * if `attend`. */
CHECKED enum status emf_open(struct model *model, int tags, bool attend);

/* As in struct model_ops. */
CHECKED enum status emf_configure(struct config *config);
void emf_use_one_domain(struct config *config);
void emf_forward(struct model *model, struct pass *pass);
void emf_query(struct model *model, struct pass *pass, int domain, struct query *query);

/* States h of all tokens of a stream, by head. */
void emf_states(struct model *model, const struct pass *pass, enum stream_name stream,
                struct tensor *h[OPTION_LIST]);

#endif
