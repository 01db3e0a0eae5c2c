/* What is to be asked about the items, each thing once, shared out among the ranks.
 *
 * A request belongs to the rank that its key says, not to that of its item: so items with the same
 * texts are asked about once, and what a run that was stopped has left is shared out evenly,
 * whichever items it is about. */
#ifndef JOBS_ENRICH_REQUESTS_H
#define JOBS_ENRICH_REQUESTS_H
#include "io/sha256.h"
#include "mpi/comm.h"
#include <stdbool.h>

struct request {
    char key[SHA256_TEXT];
    int64_t item;       /* the first one that it is about */
    const char *prompt; /* in `bytes` */
};

struct requests {
    struct request *request; /* [count] in the order of the items */
    int64_t count;
    char *bytes;
};

/* Collective. Of this rank's items first, first + 1, ... those that have a prompt (not NULL) want an
 * answer to it; key [count] belongs to them. The requests of this rank come out; `alone`: all of
 * them on rank 0. */
void requests_share(const struct comm *comm, int64_t first, int64_t count, char (*key)[SHA256_TEXT],
                    char *const *prompt, bool alone, struct requests *out);
void requests_free(struct requests *requests); /* safe on a zeroed object; zeroes it */

#endif
