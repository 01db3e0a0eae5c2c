/* Command lines of jobs: argp on every rank, messages from rank 0 alone.
 *
 *     static error_t parse(int key, char *arg, struct argp_state *state);   as usual with argp
 *     static const struct argp argp = {options, parse, "INPUT... -o data.h5", "Raw files to ..."};
 *     TRY(args_parse(comm, &argp, argc, argv, &mine, &done));
 *     if (done)
 *         return STATUS_OK;
 *
 * In the parser, complain with argp_error(state, ...) and return EINVAL. Every job also gets --help, --man,
 * --quiet and --log-level. */
#ifndef JOBS_LAUNCH_ARGS_H
#define JOBS_LAUNCH_ARGS_H
#include "core/status.h"
#include "mpi/comm.h"
#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

/* Collective. Parses argv[1..] in order into `input`, which the parser finds in state->input;
 * argv[0] is the job's name, "" for the program itself. STATUS_INPUT, after one line on stderr, for
 * a usage error. Sets `done` when help or the manual page was asked for and printed. Does not reorder
 * argv. */
CHECKED enum status args_parse(const struct comm *comm, const struct argp *argp, int argc,
                               char **argv, void *input, bool *done);

/* For parsers, not collective: the number `text` of option `name` ("--users") in [min, max].
 * Return 0, or EINVAL after argp_error. */
error_t args_integer(const struct argp_state *state, const char *name, const char *text,
                     int64_t min, int64_t max, int64_t *out);
error_t args_number(const struct argp_state *state, const char *name, const char *text, double min,
                    double max, double *out);

/* What train and evaluate take besides options: a path, then key=value pairs. */
enum { ARGS_PAIRS = 256 };
struct args_config {
    char *path;
    char *pairs[ARGS_PAIRS];
    int npairs;
};

/* For parsers, not collective: takes ARGP_KEY_ARG; at ARGP_KEY_END complains that no `what` was
 * given if there is no path. ARGP_ERR_UNKNOWN for other keys. */
error_t args_config_parse(struct args_config *config, int key, char *arg,
                          const struct argp_state *state, const char *what);

/* For parsers that need no path, at ARGP_KEY_END: the first argument is a pair like the others. Complains of
 * one without a =. */
error_t args_config_pairs(struct args_config *config, const struct argp_state *state);

#endif
