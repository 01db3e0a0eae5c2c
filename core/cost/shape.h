/* What the models differ in, as far as it costs: which item rows are computed or learned, which
 * streams have an encoder or a softmax; and their parameters. Not collective. Modalities, terms and
 * streams are numbered as in core/models/model.h. */
#ifndef CORE_COST_SHAPE_H
#define CORE_COST_SHAPE_H
#include "core/cost/load.h"
#include "core/models/model.h"

struct cost_model {
    const struct model *model; /* declared; its tables and parameters need not be there, of the
                                * tags only their number, width and offsets */
    int threads;               /* per rank */
};

const struct config *cost_config(const struct cost_model *cost);

/* sema_cdr: views are made one term, streams one state; else all terms and streams have a softmax
 * of their own. */
bool cost_fuses(const struct cost_model *cost);

/* Of modality m: is it the learned table, the sums of tags, behind a projection? Are its rows made
 * on the tape, do they take gradients? */
bool cost_is_id(const struct cost_model *cost, int m);
bool cost_is_tags(const struct cost_model *cost, int m);
bool cost_projects(const struct cost_model *cost, int m);
bool cost_is_computed(const struct cost_model *cost, int m);
bool cost_learns(const struct cost_model *cost, int m);

/* Of the states and rows of term m; of the table of modality m, learned or given (0: tags have
 * none). */
int64_t cost_width(const struct cost_model *cost, int m);
int64_t cost_table_width(const struct cost_model *cost, int m);

bool cost_is_sampled(const struct cost_model *cost);
bool cost_mixes_all(const struct cost_model *cost);

/* Has stream s a softmax in training? Does training need its states? */
bool cost_scores(const struct cost_model *cost, int s);
bool cost_encodes(const struct cost_model *cost, int s);

/* Does the gradient of the id tables come as rows? */
bool cost_by_rows(const struct cost_model *cost);

/* Items of candidate set 0 (X), 1 (Y), 2 (all). */
int64_t cost_candidates(const struct cost_model *cost, int set);

/* The softmaxes of stream s: positions whose targets lie in a candidate set. Gives how many. */
struct cost_group {
    int set;
    int64_t positions;
};
int cost_groups(const struct cost_model *cost, const struct cost_load *load, int s,
                struct cost_group out[2]);

/* Learned numbers with the padding of core/params: of all, and of the id tables among them. */
int64_t cost_parameters(const struct cost_model *cost);
int64_t cost_table_parameters(const struct cost_model *cost);

#endif
