/* The cache of answers that all ranks of a job share. */
#ifndef JOBS_ENRICH_ANSWERS_H
#define JOBS_ENRICH_ANSWERS_H
#include "core/status.h"
#include "io/llm/cache.h"
#include "mpi/comm.h"

/* Collective; the cache is locked, and nobody appends. Takes in what the ranks have appended and
 * reads the cache anew on all of them; damaged lines are warned of. STATUS_IO when a rank finds fewer
 * answers than `least`: then its folder is not the others'. */
CHECKED enum status answers_read(const struct comm *comm, const char *path, int64_t least,
                                 struct cache *cache);

#endif
