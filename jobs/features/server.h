/* Feature tables by a server that encodes texts or pictures: OpenAI's /v1/embeddings. */
#ifndef JOBS_FEATURES_SERVER_H
#define JOBS_FEATURES_SERVER_H
#include "core/status.h"
#include "io/dataset.h"
#include "jobs/enrich/ask.h"
#include "jobs/features/terms.h"
#include "mpi/comm.h"
#include <stdbool.h>

struct server_request {
    const char *name;          /* of the table; shorter than FEATURE_NAME */
    struct encode_source from; /* any but tags; of pictures the name alone counts */
    const char *pictures;      /* their folder (item_pictures.h); NULL: texts */
    struct ask_options ask;    /* cache is given; endpoint NULL: the cache alone */
    int64_t inputs;     /* texts of a request at most; where the server takes fewer, halves */
    int64_t dimensions; /* columns that the model is asked for; 0: its own number */
    bool floats;        /* ask for lists of numbers instead of base64 */
    bool half, overwrite;
    double wait; /* seconds, for the lock of the cache */
};

/* Collective; the data set is locked. A vector of every text or picture, each asked for once, into
 * /features/NAME as the server gives it, with its attributes; items without a text, and those whose
 * picture is not there or cannot be read, which are named, are marked as
 * missing in /features/NAME_mask, as are those without a vector where ask.allow_missing says so. The
 * vectors stay in the cache (io/llm/embedding.h), so that a job which ended early goes on. Ranks share
 * the requests and the rows. Prints what came out on rank 0. Statuses: as of enrich. */
CHECKED enum status encode_server(const struct comm *comm, const struct dataset *dataset,
                                  const struct server_request *request);

#endif
