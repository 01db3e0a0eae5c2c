/* ItemKNN: items are scored by how often they occur in users' sequences together with those of the
 * history. Fitted in closed form. Two published codes, of which model.knn names one:
 *
 * session (C: hidasib/GRU4Rec, baselines.py, class CoOccurence, to which the authors of pi-Net
 * refer), with one sequence per session, e_i the events of item i in all of them, and n_ij the
 * events of i in sequences that have j, which are counted once for each such event:
 *     s_ij = n_ij / ( sqrt(e_i + shrink) sqrt(e_j + shrink) )        shrink 20
 *     score(j) = s_lj of the last item l, if j is among the 100 most similar to l; else 0
 *
 * cosine (C: RecBole, ItemKNN), with u_i the sequences that have i and u_ij those that have i and j:
 *     s_ij = u_ij / ( sqrt(u_i) sqrt(u_j) + shrink + 1e-6 )           shrink 0
 *     score(j) = sum of s_ij over the distinct items i of the history among the 100 most similar to j
 *
 * Decided here: of a sequence the last data.max_len + 1 items count, as in training by steps; of
 * equal similarities the smaller item is kept; neighbours are those of both domains, candidates of
 * the target's. Most candidates have a score of 0 and tie. */
#ifndef CORE_MODELS_ITEMKNN_H
#define CORE_MODELS_ITEMKNN_H
#include "core/models/model.h"

enum knn_kind { KNN_SESSION, KNN_COSINE };
enum knn_history { KNN_HISTORY_AUTO, KNN_HISTORY_LAST, KNN_HISTORY_SUM };

struct itemknn_options {
    int kind;    /* enum knn_kind */
    int history; /* enum knn_history */
    int64_t neighbours;
    double shrink; /* NaN: the code's own */
};

extern const struct model_ops itemknn;

const struct itemknn_options *itemknn_options(const struct config *config);

#endif
