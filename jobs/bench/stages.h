/* The figures of a bench, stage by stage, as JSON and as text. Not collective. */
#ifndef JOBS_BENCH_STAGES_H
#define JOBS_BENCH_STAGES_H
#include "jobs/bench/measure.h"

json_t *stages_json(const struct bench *bench); /* the caller's */
void stages_print(const struct bench *bench);   /* on standard output */

/* Writes `json`, which it takes over, into the file `output`; NULL: bench.json in the directory, which
 * is made. On one rank. */
CHECKED enum status stages_write(json_t *json, const char *directory, const char *output);

#endif
