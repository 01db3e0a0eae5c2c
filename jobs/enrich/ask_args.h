/* The options of all jobs that ask a server, one table for command lines and help. */
#ifndef JOBS_ENRICH_ASK_ARGS_H
#define JOBS_ENRICH_ASK_ARGS_H
#include "jobs/enrich/ask.h"
#include <argp.h>

#define ASK_CACHE_ENDING ".answers.jsonl"

/* A child of a job's argp; its input is a struct ask_options, which begins as ask_defaults. */
extern const struct argp ask_argp;
extern const struct ask_options ask_defaults;

/* The name of the cache beside a data set; the caller's, to be given to mem_free. */
char *ask_cache_beside(const char *data);

#endif
