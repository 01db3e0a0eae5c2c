/* The answers' way into the data set: as a text of every item, or as its tags. */
#ifndef JOBS_ENRICH_WRITE_H
#define JOBS_ENRICH_WRITE_H
#include "core/status.h"
#include "io/dataset.h"
#include "io/llm/cache.h"
#include "io/llm/chat.h"
#include "mpi/comm.h"
#include <stdbool.h>

struct write_request {
    const char *name; /* of the text; NULL: tags */
    const struct chat *chat;
    const struct cache *cache;
    const char *prompts;           /* names of the prompts, as the user gave them */
    char prompt_hash[SHA256_TEXT]; /* of their texts */
    const struct dataset *tags; /* as it was when a prompt read its tags; NULL: none did */
    bool overwrite;
};

/* Not collective. STATUS_INPUT when the data set has such a text, or tags, and `overwrite` is
 * false. */
CHECKED enum status write_check(const struct dataset *dataset, const char *name, bool overwrite);

/* Collective; the data set is locked. `keys` [items], on rank 0, is the key of every item's answer,
 * "": it has none, and its text is empty. Writes /items/text/NAME, or /tags as `features --make-tags`
 * does, with the way that they came; the same file from any number of ranks. Prints what came out on
 * rank 0. */
CHECKED enum status write_answers(const struct comm *comm, const struct dataset *dataset,
                                  const struct write_request *request, char (*keys)[SHA256_TEXT]);

#endif
