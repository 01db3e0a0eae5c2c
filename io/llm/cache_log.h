/* The cache of answers, as it is written: lines are only ever appended, each by one write(2), so
 * that a process that is killed leaves all but the line at hand.
 *
 * Rank 0 appends to FILE itself, rank R to FILE.part-R. cache_mend, with which a job begins and
 * ends, takes the parts into FILE, those that a killed job of any number of ranks has left too: what
 * is shared and kept is FILE alone. Whoever writes holds the lock of FILE (io/lock.h). Not
 * collective. */
#ifndef IO_LLM_CACHE_LOG_H
#define IO_LLM_CACHE_LOG_H
#include "core/status.h"
#include "io/llm/answer.h"

/* On one rank, while nobody appends. Cut what a killed process left of a last line, append the
 * parts' lines that have their checksum, and remove the parts. STATUS_INPUT when FILE is not a
 * cache of answers; it stays as it is. */
CHECKED enum status cache_mend(const char *path);

struct cache_log {
    char *path; /* of this rank's file */
    int file;   /* negative until the first answer */
};

void cache_log_open(struct cache_log *log, const char *path, int rank);
void cache_log_close(struct cache_log *log); /* safe on a zeroed object; zeroes it */

/* STATUS_IO, with nothing appended, when the line cannot be written whole. */
CHECKED enum status cache_log_append(struct cache_log *log, const char *key, const char *model,
                                     const struct answer *answer);

/* What was appended is on the disk. */
CHECKED enum status cache_log_sync(struct cache_log *log);

#endif
