#include "jobs/launch/args.h"
#include "core/log.h"
#include "jobs/launch/manual.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_LOG_LEVEL = 0x1000, KEY_MAN, KEY_WORDS };

static const struct argp_option common_options[] = {
    {"quiet", 'q', NULL, 0, "Only warnings and errors on stderr", -2},
    {"log-level", KEY_LOG_LEVEL, "error|warn|info|debug", 0, "What is said on stderr (info)", -2},
    {"help", 'h', NULL, 0, "This text", -1},
    {"man", KEY_MAN, NULL, 0, "This text as a page for man", -1},
    {"words", KEY_WORDS, NULL, OPTION_HIDDEN, NULL, -1}, /* manual_words */
    {0}};

/* The input of the parser that stands around the job's own. */
struct around {
    const struct comm *comm;
    void *input; /* of the job's parser */
    int wanted;  /* 'h', KEY_MAN or KEY_WORDS instead of the job; 0: the job */
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
    case KEY_MAN:
    case KEY_WORDS:
        around->wanted = key;
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

/* What the tables say, in the form that was asked for. */
static void tell(int wanted, const char *job, const struct argp *argp, const struct argp *whole) {
    char name[64];
    if (wanted == KEY_MAN)
        manual_page(stdout, job, argp, common_options);
    else if (wanted == KEY_WORDS)
        manual_words(stdout, job, argp, common_options);
    else {
        snprintf(name, sizeof name, "cdsr%s%s", *job ? " " : "", job);
        argp_help(whole, stdout, ARGP_HELP_STD_HELP & ~(unsigned)ARGP_HELP_EXIT_OK, name);
    }
}

enum status args_parse(const struct comm *comm, const struct argp *argp, int argc, char **argv,
                       void *input, bool *done) {
    const struct argp_child children[] = {{argp, 0, NULL, 0}, {0}};
    const struct argp whole = {common_options, parse_common, NULL, NULL, children, NULL, NULL};
    struct around around = {comm, input, 0};
    error_t error = parse(&around, &whole, argc, argv);
    *done = around.wanted != 0;
    if (*done && comm->rank == 0)
        tell(around.wanted, argv[0], argp, &whole);
    return comm_agree(comm, error && !*done ? STATUS_INPUT : STATUS_OK);
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

error_t args_config_pairs(struct args_config *config, const struct argp_state *state) {
    if (!config->path)
        return 0;
    if (!strchr(config->path, '=')) {
        argp_error(state, "'%.100s' is no KEY=VALUE, and no file is needed", config->path);
        return EINVAL;
    }
    if (config->npairs == ARGS_PAIRS) {
        argp_error(state, "more than %d key=value arguments", (int)ARGS_PAIRS);
        return EINVAL;
    }
    memmove(config->pairs + 1, config->pairs, (size_t)config->npairs * sizeof *config->pairs);
    config->pairs[0] = config->path;
    config->npairs++;
    config->path = NULL;
    return 0;
}
