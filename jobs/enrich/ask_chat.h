/* Chat completions as what is asked (jobs/enrich/ask.h): one prompt, one answer. */
#ifndef JOBS_ENRICH_ASK_CHAT_H
#define JOBS_ENRICH_ASK_CHAT_H
#include "core/status.h"
#include "io/llm/chat.h"
#include "jobs/enrich/ask.h"
#include "jobs/enrich/failures.h"
#include "jobs/enrich/requests.h"
#include "mpi/comm.h"

/* Collective, as ask. `failures` gets this rank's requests that failed for good. */
CHECKED enum status ask_chat(const struct comm *comm, const struct ask_options *options,
                             const struct chat *chat, const struct requests *requests,
                             struct failures *failures, int64_t *answered);

#endif
