/* Texts and tags of the items by a language model: prompts are filled in, answers come from the
 * cache, a server or batch files, and go into the data set. */
#ifndef JOBS_ENRICH_ENRICH_H
#define JOBS_ENRICH_ENRICH_H
#include "core/status.h"
#include "io/llm/chat.h"
#include "io/llm/prompt.h"
#include "io/string_list.h"
#include "jobs/enrich/ask.h"
#include "mpi/comm.h"
#include <stdbool.h>

enum { ENRICH_STAGES = 2 };

struct enrich_request {
    const char *data, *name;            /* `name` NULL: tags */
    const char *prompts[ENRICH_STAGES]; /* built-in or files; the second NULL: none. Its {tags} are
                                         * those of the first's answer */
    const struct string_list *domains;  /* LABEL=NAME: what a domain is called in prompts */
    struct ask_options ask;             /* endpoint NULL: nobody is asked */
    const char *batch_out, *batch_in;   /* folders, or NULL; at most one of these three is given */
    bool overwrite;
    double wait; /* seconds, for other jobs' locks */
};

/* Collective. Every item with a text that the prompts have a place for gets an answer, which goes
 * into the data set (jobs/enrich/write.h) when all are there, or with ask.allow_missing those that
 * are. Each request is made once: what the cache has is not asked again.
 *
 * STATUS_INPUT: a prompt, a server's refusal, a cache or results that lack answers. STATUS_IO:
 * requests failed for good. STATUS_STOPPED: a signal, or a server that is gone; run it again. In
 * all these cases the data set is as before, and the cache has all answers that came. */
CHECKED enum status enrich(const struct comm *comm, const struct enrich_request *request,
                           const struct chat *chat);

#endif
