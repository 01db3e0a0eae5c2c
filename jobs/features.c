#include "io/dataset.h"
#include "jobs/args.h"
#include "jobs/import.h"
#include "jobs/job.h"
#include <errno.h>
#include <string.h>

struct request {
    const char *data;
    struct import_request import;
};

/* ---- command line ---- */

enum {
    KEY_NAME = 0x100,
    KEY_FROM,
    KEY_MASK,
    KEY_DTYPE,
    KEY_OVERWRITE,
    KEY_TENSOR,
    KEY_KEYS,
    KEY_IGNORE_UNKNOWN
};

static const char doc[] =
    "Add a feature table to a data set.\v"
    "The table has one row per item, in the order of the items or of a file of keys, and is stored "
    "as it is; models normalise rows when they load them. Rows that are all zero, or 0 in the "
    "mask, and items without a row are marked as missing. The rows of several files, given by "
    "several --from or by a pattern in quotes such as 'part-*.npy', follow one another; part-2 "
    "stands before part-10. Every rank reads and writes a share of the rows.";

static const struct argp_option options[] = {
    {"name", KEY_NAME, "NAME", 0, "Name of the table: text, image, ...", 0},
    {"from", KEY_FROM, "SOURCE", 0,
     "FILE.npy, FILE.safetensors, FILE.h5:DATASET, or FILE.h5 with one dataset; may be a pattern "
     "and may be repeated",
     0},
    {"tensor", KEY_TENSOR, "NAME", 0, "The tensor to take from .safetensors files with several", 0},
    {"keys", KEY_KEYS, "FILE", 0, "One item key per line, one line per row of the table", 0},
    {"ignore-unknown", KEY_IGNORE_UNKNOWN, NULL, 0, "Leave out rows whose key is no item's", 0},
    {"mask", KEY_MASK, "FILE.npy", 0, "One u1 or bool per row, 0: the row is missing", 0},
    {"dtype", KEY_DTYPE, "TYPE", 0, "Store as f32 (default) or f16", 0},
    {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace a table of that name", 0},
    {0}};

static bool name_allowed(const char *name) {
    size_t n = strlen(name);
    return n > 0 && n < IMPORT_NAME && strcmp(name, "id") != 0 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n &&
           !(n >= 5 && !strcmp(name + n - 5, "_mask"));
}

static error_t check_request(const struct argp_state *state, const struct request *r) {
    const struct import_request *m = &r->import;
    const char *missing = !r->data         ? "the data set, data.h5"
                          : !m->name       ? "--name NAME"
                          : !m->from.count ? "--from SOURCE"
                                           : NULL;
    if (missing)
        argp_error(state, "missing %s", missing);
    else if (!name_allowed(m->name))
        argp_error(state,
                   "--name: '%.100s' is not made of letters, digits, _ and -, or is reserved "
                   "(id, ..._mask)",
                   m->name);
    else if (!strcmp(string_at(&m->from, 0), "titles"))
        argp_error(state,
                   "--from titles: the text encoder is not in this version; encode the titles "
                   "elsewhere and give --from FILE.npy");
    else if (m->ignore_unknown && !m->keys)
        argp_error(state, "--ignore-unknown is about --keys; give both or none");
    else
        return 0;
    return EINVAL;
}

static error_t set_dtype(const struct argp_state *state, const char *text,
                         struct import_request *r) {
    r->half = !strcmp(text, "f16");
    if (r->half || !strcmp(text, "f32"))
        return 0;
    argp_error(state, "--dtype: '%.100s' is not one of f32, f16", text);
    return EINVAL;
}

static error_t parse_import(int key, char *arg, const struct argp_state *state,
                            struct import_request *r) {
    switch (key) {
    case KEY_NAME:
        r->name = arg;
        return 0;
    case KEY_FROM:
        string_list_add(&r->from, arg);
        return 0;
    case KEY_TENSOR:
        r->tensor = arg;
        return 0;
    case KEY_KEYS:
        r->keys = arg;
        return 0;
    case KEY_IGNORE_UNKNOWN:
        r->ignore_unknown = true;
        return 0;
    case KEY_MASK:
        r->mask = arg;
        return 0;
    case KEY_DTYPE:
        return set_dtype(state, arg, r);
    case KEY_OVERWRITE:
        r->overwrite = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    if (key == ARGP_KEY_END)
        return check_request(state, r);
    if (key != ARGP_KEY_ARG)
        return parse_import(key, arg, state, &r->import);
    if (r->data) {
        argp_error(state, "more than one data set: '%.100s'", arg);
        return EINVAL;
    }
    r->data = arg;
    return 0;
}

enum status job_features(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {options, parse, "data.h5", doc, NULL, NULL, NULL};
    struct request request = {0};
    struct dataset dataset = {0};
    bool done = false;
    enum status status = args_parse(comm, &argp, argc, argv, &request, &done);
    if (status == STATUS_OK && !done)
        status = dataset_open(comm, request.data, &dataset);
    if (status == STATUS_OK && !done)
        status = import_table(comm, &dataset, &request.import);
    string_list_free(&request.import.from);
    dataset_close(&dataset);
    return status;
}
