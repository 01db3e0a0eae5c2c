/* What a job's table of options (argp) says, for others than --help: a page of the manual, and the words
 * that a shell completes. Not collective: rank 0 alone calls it. */
#ifndef JOBS_LAUNCH_MANUAL_H
#define JOBS_LAUNCH_MANUAL_H
#include <argp.h>
#include <stdio.h>

/* The page of a job, or, called "", of the program with all configuration keys, as roff for man(1). `argp`
 * has the options of the job or of its children; `common` those of every job. */
void manual_page(FILE *out, const char *job, const struct argp *argp,
                 const struct argp_option *common);

/* The same options for completion, a line for each: JOB, a space, --NAME; --NAME= where it takes an argument,
 * with the words that the table has for that ("first|last"), as --NAME=first|last. The program is called -.
 * A job that takes KEY=VALUE has the line JOB KEY=. Of the program also the jobs, - JOB, and the
 * configuration keys, key NAME=CHOICE|CHOICE. */
void manual_words(FILE *out, const char *job, const struct argp *argp,
                  const struct argp_option *common);

#endif
