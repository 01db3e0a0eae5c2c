#include "jobs/launch/args.h"
#include "core/log.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_LOG_LEVEL = 0x1000 };

static const struct argp_option common_options[] = {
    {"quiet", 'q', NULL, 0, "Only warnings and errors on stderr", -2},
    {"log-level", KEY_LOG_LEVEL, "LEVEL", 0, "One of error, warn, info (default) or debug", -2},
    {"help", 'h', NULL, 0, "This text", -1},
    {0}};

/* The input of the parser that stands around the job's own. */
struct around {
    const struct comm *comm;
    void *input; /* of the job's parser */
    bool help;
};

static enum log_level peers_or(const struct comm *comm, enum log_level level) {
    return comm->rank == 0 ? level : LOG_ERROR;
}

static error_t set_log_level(const struct argp_state *state, const char *name) {
    static const char *const names[] = {"error", "warn", "info", "debug"};
    const struct around *around = state->input;
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
        if (!strcmp(name, names[i])) {
            log_set_level(peers_or(around->comm, (enum log_level)i));
            return 0;
        }
    argp_error(state, "--log-level: '%.100s' is not one of error, warn, info, debug", name);
    return EINVAL;
}

static error_t parse_common(int key, char *arg, struct argp_state *state) {
    struct around *around = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = around->input;
        return 0;
    case 'q':
        log_set_level(peers_or(around->comm, LOG_WARN));
        return 0;
    case KEY_LOG_LEVEL:
        return set_log_level(state, arg);
    case 'h':
        around->help = true;
        return ECANCELED; /* ends the parsing without a message */
    }
    return ARGP_ERR_UNKNOWN;
}

/* One line like every other error, of what getopt and argp said: "NAME: complaint", advice. */
static void report(const char *name, const char *said) {
    size_t skip = *name ? 0 : strlen(": ");
    int length = (int)strcspn(said, "\n");
    (void)log_error(STATUS_INPUT, "%.*s", length - (int)skip, said + skip);
}

/* getopt and argp have no other way to give up their messages than on stderr. */
static error_t parse(struct around *around, const struct argp *argp, int argc, char **argv) {
    char *said = NULL;
    size_t size = 0;
    unsigned silence = around->comm->rank == 0 ? 0 : ARGP_NO_ERRS;
    FILE *terminal = stderr;
    stderr = open_memstream(&said, &size);
    error_t error = argp_parse(argp, argc, argv,
                               ARGP_IN_ORDER | ARGP_NO_EXIT | ARGP_NO_HELP | silence, NULL, around);
    fclose(stderr);
    stderr = terminal;
    if (size)
        report(argv[0], said);
    free(said);
    return error;
}

enum status args_parse(const struct comm *comm, const struct argp *argp, int argc, char **argv,
                       void *input, bool *done) {
    const struct argp_child children[] = {{argp, 0, NULL, 0}, {0}};
    const struct argp whole = {common_options, parse_common, NULL, NULL, children, NULL, NULL};
    struct around around = {comm, input, false};
    char name[64];
    error_t error = parse(&around, &whole, argc, argv);
    *done = around.help;
    if (around.help && comm->rank == 0) {
        snprintf(name, sizeof name, "cdsr%s%s", *argv[0] ? " " : "", argv[0]);
        argp_help(&whole, stdout, ARGP_HELP_STD_HELP & ~(unsigned)ARGP_HELP_EXIT_OK, name);
    }
    return comm_agree(comm, error && !around.help ? STATUS_INPUT : STATUS_OK);
}

error_t args_integer(const struct argp_state *state, const char *name, const char *text,
                     int64_t min, int64_t max, int64_t *out) {
    char *end;
    errno = 0;
    long long x = strtoll(text, &end, 10);
    if (end == text || *end || errno || x < min || x > max) {
        argp_error(state, "%s: '%.100s' is not an integer from %lld to %lld", name, text,
                   (long long)min, (long long)max);
        return EINVAL;
    }
    *out = x;
    return 0;
}

error_t args_number(const struct argp_state *state, const char *name, const char *text, double min,
                    double max, double *out) {
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end || !(x >= min && x <= max)) {
        argp_error(state, "%s: '%.100s' is not a number from %g to %g", name, text, min, max);
        return EINVAL;
    }
    *out = x;
    return 0;
}

error_t args_config_parse(struct args_config *config, int key, char *arg,
                          const struct argp_state *state, const char *what) {
    if (key == ARGP_KEY_ARG && !config->path)
        config->path = arg;
    else if (key == ARGP_KEY_ARG && config->npairs < ARGS_PAIRS)
        config->pairs[config->npairs++] = arg;
    else if (key == ARGP_KEY_ARG) {
        argp_error(state, "more than %d key=value arguments", (int)ARGS_PAIRS);
        return EINVAL;
    } else if (key == ARGP_KEY_END && !config->path) {
        argp_error(state, "no %s given", what);
        return EINVAL;
    } else if (key != ARGP_KEY_END)
        return ARGP_ERR_UNKNOWN;
    return 0;
}
