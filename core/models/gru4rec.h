/* GRU4Rec (Hidasi, Karatzoglou, Baltrunas, Tikk, "Session-based recommendations with recurrent neural
 * networks", ICLR 2016) as cross-domain papers compare with it: a gated recurrent unit over the whole
 * history, whatever its domains; its last state scores the next item.
 *
 *     h_t     = GRU( Drop(sqrt(d) E[s_t]), Drop'(h_{t-1}) )
 *     z_i     = <o_i, Drop(h_t)> + b_i               model.output=untied: a table of its own, and a bias
 *     z_i     = <E_i, W Drop(h_t) + c>               model.output=tied
 *
 * The defaults are those of the code that pi-Net's authors published (GRU4REC.py): untied with bias,
 * TensorFlow's cell, whose reset gate comes before the product and whose gate biases begin with 1,
 * hidden width as the embedding's (100 there, model.dim here), dropout of input and output.
 * model.output=tied with model.cell=torch is RecBole's, but for the biases of the unit, which that
 * leaves out. The paper's own losses, over the other targets of the batch, are not used here.
 *
 * Decided here: every position's next item is a target (there, the last one's), against candidates of
 * its domain (model.mixed_softmax); embeddings, which begin small, come in times sqrt(d), as in the
 * encoder of the other models; the state is dropped from step to step only where
 * model.state_dropout says so (there, 0.2), as what is drawn anew at each step forgets what is long
 * past; one dropout of the output where that code has two. The bias is the last column of the table
 * `output`, against a 1 at the end of every state. */
#ifndef CORE_MODELS_GRU4REC_H
#define CORE_MODELS_GRU4REC_H
#include "core/models/model.h"

enum gru4rec_output { OUTPUT_UNTIED, OUTPUT_TIED };
enum gru4rec_cell { CELL_TENSORFLOW, CELL_TORCH };

/* What only this model reads. */
struct gru4rec_options {
    int output; /* enum gru4rec_output */
    int cell;   /* enum gru4rec_cell */
    int64_t hidden;
    double state_dropout;
};

const struct gru4rec_options *gru4rec_options(const struct config *config);

extern const struct model_ops gru4rec;

#endif
