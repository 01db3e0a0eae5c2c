/* Feature tables made from the texts of a data set itself. */
#ifndef JOBS_FEATURES_ENCODE_H
#define JOBS_FEATURES_ENCODE_H
#include "core/status.h"
#include "io/dataset.h"
#include "jobs/features/terms.h"
#include "mpi/comm.h"
#include <stdbool.h>

struct encode_request {
    const char *name; /* of the table; shorter than FEATURE_NAME */
    struct encode_source from;
    int64_t dim, terms; /* columns; at most so many terms, both below 2^15 */
    bool whiten;        /* columns of the same norm, before rows are scaled (mpi/svd.h) */
    double graph;       /* mu: how much items that occur together count (item_baskets.h); 0: not */
    bool smooth;        /* an item's row is the mean of its own and of what is beside it */
    bool half, overwrite;
    double chi_square; /* leave out the terms that tell the domain with more than this; 0: none */
    bool vocabulary;   /* also the vectors of the tags, each a text of its own, as the table's rows
                        * are made: /tags/features/NAME [tags, dim], zero without a known term */
};

/* Collective. Latent semantic analysis: TF-IDF of the items' terms (io/tfidf.h), its truncated
 * singular value decomposition (mpi/svd.h), or with `graph` other components; rows U S^(1/2), or U
 * where whitened, scaled to norm 1, into /features/NAME with its attributes and, where items have no
 * term, /features/NAME_mask; prints what came out on rank 0. Each rank works on its block of items.
 * (Deerwester et al.: Indexing by latent semantic analysis, 1990.) */
CHECKED enum status encode_lsa(const struct comm *comm, const struct dataset *dataset,
                               const struct encode_request *request);

#endif
