/* Stand-in tags of a data set without a language model's: the items' own terms. */
#ifndef JOBS_FEATURES_MAKE_TAGS_H
#define JOBS_FEATURES_MAKE_TAGS_H
#include "core/status.h"
#include "io/dataset.h"
#include "jobs/features/terms.h"
#include "mpi/comm.h"
#include <stdbool.h>

struct make_tags_request {
    struct encode_source from; /* titles or titles and descriptions */
    int64_t most, terms;       /* tags of an item; at most so many terms to choose from */
    bool overwrite;
};

/* Collective. The `most` terms of every item's texts with the greatest TF-IDF weight (io/tfidf.h)
 * become its tags, the greatest weight of an item 1, in the group /tags of the data set, with its
 * attribute provenance; the vocabulary has the terms that are a tag of some item, in the order of
 * the terms. Prints what came out on rank 0. The same file from any number of ranks. STATUS_INPUT
 * when the data set has tags and `overwrite` is false, and when no item has a term. Tags that are
 * replaced go with their vectors. */
CHECKED enum status make_tags(const struct comm *comm, const struct dataset *dataset,
                              const struct make_tags_request *request);

#endif
