#include "jobs/enrich/ask_args.h"
#include "core/mem.h"
#include "jobs/launch/args.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct ask_options ask_defaults = {
    .concurrency = 32, .retries = 6, .timeout = 300, .pause = 2};

enum {
    KEY_MODEL = 0x3000,
    KEY_ENDPOINT,
    KEY_CONCURRENCY,
    KEY_TIMEOUT,
    KEY_RETRIES,
    KEY_PAUSE,
    KEY_CACHE,
    KEY_FAILED,
    KEY_ALLOW_MISSING
};

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "A model behind a server:", 8},
    {"model", KEY_MODEL, "MODEL", 0, "The model's name, as the server knows it", 8},
    {"endpoint", KEY_ENDPOINT, "URL", 0, "The server: https://host/v1", 8},
    {"concurrency", KEY_CONCURRENCY, "N", 0,
     "Requests at a time, of all ranks together, each of which makes at least one (32)", 8},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "Longest wait for a reply (300)", 8},
    {"retries", KEY_RETRIES, "N", 0, "Further attempts of a request that failed (6)", 8},
    {"pause", KEY_PAUSE, "SECONDS", 0,
     "Before the first of them (2), twice as long before every other, where the server does not "
     "say how long",
     8},
    {"cache", KEY_CACHE, "FILE", 0, "The answers (data.h5" ASK_CACHE_ENDING ")", 8},
    {"failed", KEY_FAILED, "FILE", 0, "List the keys of items that failed, and why", 8},
    {"allow-missing", KEY_ALLOW_MISSING, NULL, 0, "Write what there is where answers lack", 8},
    {0}};

static error_t set_endpoint(const struct argp_state *state, char *url, struct ask_options *o) {
    const char *fault = ask_fault(url);
    o->endpoint = url;
    if (!fault)
        return 0;
    argp_error(state, "--endpoint: %s", fault);
    return EINVAL;
}

static error_t parse_files(int key, char *arg, struct ask_options *o) {
    switch (key) {
    case KEY_MODEL:
        o->model = arg;
        return 0;
    case KEY_CACHE:
        o->cache = arg;
        return 0;
    case KEY_FAILED:
        o->failed = arg;
        return 0;
    case KEY_ALLOW_MISSING:
        o->allow_missing = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct ask_options *o = state->input;
    switch (key) {
    case KEY_ENDPOINT:
        return set_endpoint(state, arg, o);
    case KEY_CONCURRENCY:
        return args_integer(state, "--concurrency", arg, 1, 4096, &o->concurrency);
    case KEY_TIMEOUT:
        return args_number(state, "--timeout", arg, 0.001, 86400, &o->timeout);
    case KEY_RETRIES:
        return args_integer(state, "--retries", arg, 0, 100, &o->retries);
    case KEY_PAUSE:
        return args_number(state, "--pause", arg, 0, 3600, &o->pause);
    default:
        return parse_files(key, arg, o);
    }
}

const struct argp ask_argp = {options, parse, NULL, NULL, NULL, NULL, NULL};

char *ask_cache_beside(const char *data) {
    size_t size = strlen(data) + sizeof ASK_CACHE_ENDING;
    char *path = mem_alloc((int64_t)size, 1);
    snprintf(path, size, "%s" ASK_CACHE_ENDING, data);
    return path;
}
