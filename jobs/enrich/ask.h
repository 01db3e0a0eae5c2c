/* Requests to a server that speaks OpenAI's chat completions: every rank asks its own, and appends
 * the answers to its file of the cache. */
#ifndef JOBS_ENRICH_ASK_H
#define JOBS_ENRICH_ASK_H
#include "core/status.h"
#include "io/llm/chat.h"
#include "jobs/enrich/failures.h"
#include "jobs/enrich/requests.h"
#include "mpi/comm.h"

struct ask_options {
    const char *endpoint;         /* NULL: nobody is asked */
    int64_t concurrency, retries; /* requests at a time, of all ranks together; further attempts */
    double timeout, pause;        /* seconds */
};

/* Collective. Ask until every request has an answer or has failed for good, which `failures` tells.
 * STATUS_STOPPED where a signal or the server's silence ended it before; STATUS_INPUT where the
 * server refuses whoever asks or does not know the model: then one line says so. What came before
 * is in the cache `cache` (io/llm/cache_log.h) in every case. *answered is the number of answers of
 * all ranks.
 *
 * The key comes from the environment variable CDSR_API_KEY, else OPENAI_API_KEY, of rank 0, and
 * stands in no message: what a server says is shown without it. */
CHECKED enum status ask(const struct comm *comm, const struct ask_options *options,
                        const struct chat *chat, const struct requests *requests, const char *cache,
                        struct failures *failures, int64_t *answered);

/* What is wrong with an endpoint, or NULL. Not collective. */
const char *ask_fault(const char *endpoint);

#endif
