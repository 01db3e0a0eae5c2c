/* The command line of `cdsr enrich`; what it asks for is done by enrich/enrich. */
#include "jobs/enrich/enrich.h"
#include "core/mem.h"
#include "jobs/enrich/ask_args.h"
#include "jobs/features/feature_table.h"
#include "jobs/job.h"
#include "jobs/launch/args.h"
#include "jobs/launch/dataset_lock.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct given {
    struct enrich_request enrich;
    struct string_list domains; /* LABEL=NAME */
    const char *parameters;
    double temperature;
    int64_t max_tokens;
    bool tags;
};

enum {
    KEY_NAME = 0x100,
    KEY_PROMPT,
    KEY_REFINE,
    KEY_TAGS,
    KEY_DOMAIN,
    KEY_TEMPERATURE,
    KEY_MAX_TOKENS,
    KEY_PARAMETERS,
    KEY_BATCH_OUT,
    KEY_BATCH_IN,
    KEY_OVERWRITE,
    KEY_WAIT
};

static const char doc[] =
    "Let a language model write about the items of a data set, or tag them.\v"
    "A prompt is filled in for every item and answered once: all answers are kept in a cache, "
    "under "
    "a hash of model, prompt and parameters, and what is there is not asked again. They come from "
    "a "
    "server that speaks OpenAI's /v1/chat/completions (--endpoint), from result files of a batch "
    "service whose requests --batch-out wrote (--batch-in), or, with none of these, from the cache "
    "alone. A run that was killed goes on where it was when it is started again. The ranks share "
    "the requests.\n\n"
    "Prompts: description (LLM-EMF), tags with its second prompt refine (TEMA-LLM), agnostic and "
    "specific (SemaCDR), or a file, in which {title}, {description}, {domain} and {tags} stand for "
    "the item's; a line whose place an item has nothing for is left out for that item. Answers "
    "become the text NAME of the items (cdsr features --from text:NAME makes a table of it), or, "
    "with --prompt tags or --tags, their tags.\n\n"
    "A key for the server is taken from the environment variable CDSR_API_KEY, else "
    "OPENAI_API_KEY.\n\n"
    "Exit status 3: requests failed for good; 2: the server refuses, or answers lack in the cache "
    "or the results; 75: stopped by a signal, or the server is gone: run it again. The data set is "
    "then as before, and the cache has every answer that came.";

static const struct argp_option options[] = {
    {"name", KEY_NAME, "NAME", 0, "Name of the text; tags have none", 0},
    {"prompt", KEY_PROMPT, "PROMPT", 0, "description, tags, agnostic, specific or a file", 0},
    {"refine", KEY_REFINE, "PROMPT", 0,
     "With tags: a second prompt, whose {tags} are those of the first answer; by default refine "
     "with --prompt tags. none: do without",
     0},
    {"tags", KEY_TAGS, NULL, 0, "The answers to the file of --prompt are lists of tags", 0},
    {"domain", KEY_DOMAIN, "LABEL=NAME", 0,
     "What {domain} says for the items of a domain, by default its label; may be repeated", 0},
    {"temperature", KEY_TEMPERATURE, "T", 0, "How much chance there is in an answer (0)", 1},
    {"max-tokens", KEY_MAX_TOKENS, "N", 0,
     "Length of an answer at most (1024); models that think aloud need several thousand", 1},
    {"parameters", KEY_PARAMETERS, "JSON", 0,
     "An object of more members of the requests: {\"seed\": 1}; null takes one away", 1},
    {"batch-out", KEY_BATCH_OUT, "DIR", 0,
     "Write what is to be asked as batch requests, at most 50,000 and 190 MB a file", 2},
    {"batch-in", KEY_BATCH_IN, "DIR", 0, "Read the results in all files *.jsonl of a folder", 2},
    {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace a text of that name, or the tags", 0},
    DATASET_WAIT(KEY_WAIT),
    {0}};

/* ---- what goes together ---- */

static bool name_allowed(const char *name) {
    size_t n = strlen(name);
    return n > 0 && n < FEATURE_NAME &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n;
}

static error_t complain(const struct argp_state *state, const char *what) {
    argp_error(state, "%s", what);
    return EINVAL;
}

static error_t check_name(const struct argp_state *state, const struct given *g) {
    const char *name = g->enrich.name;
    if (g->tags && name)
        return complain(state, "--name: tags have no name; leave it out");
    if (g->tags)
        return 0;
    if (!name)
        return complain(state, "missing --name NAME");
    if (g->enrich.prompts[1])
        return complain(state, "--refine is about tags");
    if (name_allowed(name))
        return 0;
    argp_error(state, "--name: '%.100s' is not made of letters, digits, _ and -", name);
    return EINVAL;
}

static error_t check_way(const struct argp_state *state, const struct given *g) {
    const struct enrich_request *r = &g->enrich;
    if ((r->ask.endpoint != NULL) + (r->batch_out != NULL) + (r->batch_in != NULL) > 1)
        return complain(state, "give one of --endpoint, --batch-out and --batch-in");
    return 0;
}

static error_t check_request(const struct argp_state *state, struct given *g) {
    struct enrich_request *r = &g->enrich;
    const char *missing = !r->data         ? "the data set, data.h5"
                          : !r->prompts[0] ? "--prompt PROMPT"
                          : !r->ask.model  ? "--model MODEL"
                                           : NULL;
    if (missing) {
        argp_error(state, "missing %s", missing);
        return EINVAL;
    }
    bool builtin = !strcmp(r->prompts[0], "tags");
    g->tags = g->tags || builtin;
    if (builtin && !r->prompts[1])
        r->prompts[1] = "refine";
    if (r->prompts[1] && !strcmp(r->prompts[1], "none"))
        r->prompts[1] = NULL;
    error_t error = check_name(state, g);
    return error ? error : check_way(state, g);
}

/* ---- options ---- */

static error_t parse_model(int key, char *arg, const struct argp_state *state, struct given *g) {
    switch (key) {
    case KEY_TEMPERATURE:
        return args_number(state, "--temperature", arg, 0, 10, &g->temperature);
    case KEY_MAX_TOKENS:
        return args_integer(state, "--max-tokens", arg, 1, INT32_MAX, &g->max_tokens);
    case KEY_PARAMETERS:
        g->parameters = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_files(int key, char *arg, const struct argp_state *state, struct given *g) {
    struct enrich_request *r = &g->enrich;
    switch (key) {
    case KEY_BATCH_OUT:
        r->batch_out = arg;
        return 0;
    case KEY_BATCH_IN:
        r->batch_in = arg;
        return 0;
    default:
        return parse_model(key, arg, state, g);
    }
}

static error_t parse_option(int key, char *arg, const struct argp_state *state, struct given *g) {
    struct enrich_request *r = &g->enrich;
    switch (key) {
    case KEY_NAME:
        r->name = arg;
        return 0;
    case KEY_PROMPT:
        r->prompts[0] = arg;
        return 0;
    case KEY_REFINE:
        r->prompts[1] = arg;
        return 0;
    case KEY_TAGS:
        g->tags = true;
        return 0;
    case KEY_DOMAIN:
        string_list_add(&g->domains, arg);
        return strchr(arg, '=') ? 0 : complain(state, "--domain: is LABEL=NAME");
    case KEY_OVERWRITE:
        r->overwrite = true;
        return 0;
    case KEY_WAIT:
        return args_number(state, "--wait", arg, 0, 1e9, &r->wait);
    default:
        return parse_files(key, arg, state, g);
    }
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct given *g = state->input;
    if (key == ARGP_KEY_INIT)
        state->child_inputs[0] = &g->enrich.ask;
    if (key == ARGP_KEY_END)
        return check_request(state, g);
    if (key != ARGP_KEY_ARG)
        return parse_option(key, arg, state, g);
    if (g->enrich.data) {
        argp_error(state, "more than one data set: '%.100s'", arg);
        return EINVAL;
    }
    g->enrich.data = arg;
    return 0;
}

/* ---- the job ---- */

static enum status run(const struct comm *comm, struct given *g) {
    struct chat chat;
    struct enrich_request *r = &g->enrich;
    char *beside = ask_cache_beside(r->data);
    if (!r->ask.cache)
        r->ask.cache = beside;
    r->domains = &g->domains;
    enum status status =
        chat_open(comm, &chat, r->ask.model, g->temperature, g->max_tokens, g->parameters);
    if (status == STATUS_OK) {
        status = enrich(comm, r, &chat);
        chat_close(&chat);
    }
    mem_free(beside);
    return status;
}

enum status job_enrich(struct comm *comm, int argc, char **argv) {
    static const struct argp_child children[] = {{&ask_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {options, parse, "data.h5", doc, children, NULL, NULL};
    struct given given = {.max_tokens = 1024, .enrich = {.wait = INFINITY, .ask = ask_defaults}};
    bool done = false;
    enum status status = args_parse(comm, &argp, argc, argv, &given, &done);
    if (status == STATUS_OK && !done)
        status = run(comm, &given);
    string_list_free(&given.domains);
    return status;
}
