/* Requests to a batch service, and its results on their way into the cache. Not collective: rank 0
 * has all requests. */
#ifndef JOBS_ENRICH_BATCH_ANSWERS_H
#define JOBS_ENRICH_BATCH_ANSWERS_H
#include "core/status.h"
#include "io/llm/batch_files.h"
#include "io/llm/chat.h"
#include "jobs/enrich/failures.h"
#include "jobs/enrich/requests.h"

CHECKED enum status batch_answers_write(struct batch_writer *writer, const struct chat *chat,
                                        const struct requests *requests);

/* Append the answers to these requests that are found in a folder to the cache, which is locked, and
 * add their number to *answered; requests without an answer go into `failures`, with the reason where
 * the service gave one. A result that nobody waits for is left out, as nobody can say what it
 * answers. */
CHECKED enum status batch_answers_read(const char *folder, const char *cache,
                                       const struct chat *chat, const struct requests *requests,
                                       struct failures *failures, int64_t *answered);

#endif
