/* SASRec (Kang, McAuley, "Self-attentive sequential recommendation", ICDM 2018): one causal
 * self-attention encoder over the whole history, whatever its domains, with learned positions; the
 * next item's score is the inner product of its embedding with the last state.
 *
 * The paper's loss is train.loss=bce with one negative per position; over all items, exact, it
 * ranks better (Klenitskiy, Vasilev, RecSys 2023), and gbce is gSASRec (Petrov, Macdonald, RecSys
 * 2023). Decided here: blocks as in core/models/encoder.h, which norm the keys and values too;
 * candidates of the target's domain (model.mixed_softmax); model.similarity=cosine, with a learned
 * temperature, in place of the inner product; model.output_table=untied, items ranked by a table of their own
 * (core/models/output_table.h). */
#ifndef CORE_MODELS_SASREC_H
#define CORE_MODELS_SASREC_H
#include "core/models/model.h"

/* What only this model reads. */
struct sasrec_options {
    int similarity; /* enum similarity */
};

const struct sasrec_options *sasrec_options(const struct config *config);

extern const struct model_ops sasrec;

#endif
