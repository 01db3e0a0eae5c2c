/* The command line of `cdsr features`, and which of the ways a table comes from: a file
 * (features/import), the built-in encoder of texts (features/encode), a server (features/server), a model
 * of texts and pictures (features/clip), or tags made of terms (features/make_tags). */
#include "core/mem.h"
#include "io/dataset.h"
#include "jobs/enrich/ask_args.h"
#include "jobs/features/clip.h"
#include "jobs/features/encode.h"
#include "jobs/features/feature_table.h"
#include "jobs/features/import.h"
#include "jobs/features/make_tags.h"
#include "jobs/features/server.h"
#include "jobs/job.h"
#include "jobs/launch/args.h"
#include "jobs/launch/dataset_lock.h"
#include "jobs/launch/memory_limit.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct request {
    const char *data;
    struct import_request import;
    struct encode_request encode; /* name, whiten, half and overwrite are the import's */
    struct server_request server; /* name, from, half, overwrite and wait are set last */
    struct clip_request clip;     /* name, model, half and overwrite are set last */
    const char *encoder, *precision;
    double wait;  /* seconds */
    int64_t tags; /* of an item, to be made of terms; 0: a table is wanted */
};

#define CHI_SQUARE 10.83 /* p = 0.001 */
#define MU_LEAST 1e-6

enum {
    DIM = 128,
    TERMS = 4096,
    MOST_TERMS = 32767,
    ITEM_TAGS = 5,
    INPUTS = 32,
    PICTURE_SECONDS = 10
};

/* ---- command line ---- */

enum {
    KEY_NAME = 0x100,
    KEY_FROM,
    KEY_MASK,
    KEY_DTYPE,
    KEY_OVERWRITE,
    KEY_WAIT,
    KEY_TENSOR,
    KEY_KEYS,
    KEY_IGNORE_UNKNOWN,
    KEY_ENCODER,
    KEY_DIM,
    KEY_TERMS,
    KEY_VOCABULARY,
    KEY_AGNOSTIC,
    KEY_PCA,
    KEY_WHITEN,
    KEY_GRAPH,
    KEY_SMOOTH,
    KEY_MAKE_TAGS,
    KEY_PRECISION,
    KEY_PICTURE_SECONDS,
    KEY_INPUTS,
    KEY_ENCODING
};

static const char doc[] =
    "Add a feature table, or tags, to a data set.\v"
    "--from titles, titles+description, tags or text:NAME (of cdsr enrich) makes the table from "
    "the "
    "texts of the data set: "
    "their words and pairs of neighbouring words, weighted by TF-IDF, are reduced by a truncated "
    "singular value decomposition (latent semantic analysis), and rows are scaled to norm 1. By "
    "default the components are those in which items that occur together in training sequences "
    "resemble each other, and a row is the mean of the item's own and of those beside it; "
    "--encoder lsa makes them of the texts alone. Items without a word that others share, and with "
    "nothing beside them, are marked as missing. Terms cost memory and time: an "
    "eigenproblem of that size is solved on all ranks.\n\n"
    "--encoder server asks a server for the vectors, OpenAI's /v1/embeddings, by the options "
    "below; with --from images:DIR (see --encoder clip) one that takes pictures as vLLM does. "
    "They stay in the cache, as the answers of 'cdsr enrich' do, and are not asked for again.\n\n"
    "--encoder clip makes the rows with a model that you have, --model names its folder in the "
    "layout "
    "of the library transformers (config.json, model.safetensors; for texts vocab.json, "
    "merges.txt): "
    "from texts, or with --from images:DIR from pictures DIR/KEY.jpg, .jpeg, .png or .webp, KEY an "
    "item's key. What cannot be read is named and marked as missing. A job that ended early goes "
    "on "
    "when it is started again.\n\n"
    "Any other --from is a file. The table has one row per item, in the order of the items or of a "
    "file of keys, and is stored "
    "as it is; models normalise rows when they load them. Rows that are all zero, or too large "
    "or small for the type that is stored, or 0 in the mask, and items without a row are marked as "
    "missing. The rows of several files, given by "
    "several --from or by a pattern in quotes such as 'part-*.npy', follow one another; part-2 "
    "stands before part-10. Every rank reads and writes a share of the rows.\n\n"
    "--make-tags makes no table, but the tags that some models read, of the items' own texts, as a "
    "stand-in for a language model's; then make their vectors with --vocabulary.";

static const struct argp_option options[] = {
    {"name", KEY_NAME, "NAME", 0, "Name of the table: text, image, ...", 0},
    {"from", KEY_FROM, "SOURCE", 0,
     "titles, titles+description, tags, text:NAME, images:DIR, or a file: FILE.npy, "
     "FILE.safetensors, FILE.h5:DATASET, or FILE.h5 with one dataset; may be a pattern and may be "
     "repeated",
     0},
    {"encoder", KEY_ENCODER, "lsa|server|clip", 0,
     "How texts become rows, or pictures with server and clip (without this option, --graph and "
     "--whiten: lsa --graph 1 --whiten --smooth)",
     0},
    {"precision", KEY_PRECISION, "fp32|bf16", 0,
     "With --encoder clip: fp32 (default), or bf16 to multiply in bfloat16", 0},
    {"picture-seconds", KEY_PICTURE_SECONDS, "S", 0,
     "With --encoder clip: a picture that takes more processor time to read is marked as missing "
     "(10)",
     0},
    {"dim", KEY_DIM, "D", 0,
     "Columns that are made of texts (128); a server is asked for so many, by default for the "
     "model's "
     "own number",
     0},
    {"inputs", KEY_INPUTS, "N", 0,
     "With a server: texts of a request (32); it is halved where the server takes fewer; a "
     "picture is a request",
     0},
    {"encoding", KEY_ENCODING, "base64|float", 0,
     "With a server: ask for base64 (default) or float", 0},
    {"terms", KEY_TERMS, "N", 0, "Words and word pairs that count, the most frequent (4096)", 0},
    {"agnostic", KEY_AGNOSTIC, "CHI2", OPTION_ARG_OPTIONAL,
     "Leave out the terms that tell the domain, by a chi-square above CHI2 (10.83: p = 0.001): a "
     "stand-in for domain-agnostic texts",
     0},
    {"vocabulary", KEY_VOCABULARY, NULL, 0,
     "With texts: also encode each tag of the data set as a text of its own; with a file: its rows "
     "are "
     "of the tags, not of the items. For model.tag_vectors",
     0},
    {"make-tags", KEY_MAKE_TAGS, "K", OPTION_ARG_OPTIONAL,
     "Instead of a table: give each item its K terms (5) with the greatest TF-IDF weight as tags: "
     "a stand-in for a language model's. With --from titles or titles+description, and --terms",
     0},
    {"tensor", KEY_TENSOR, "NAME", 0, "The tensor to take from .safetensors files with several", 0},
    {"keys", KEY_KEYS, "FILE", 0, "One item key per line, one line per row of the table", 0},
    {"ignore-unknown", KEY_IGNORE_UNKNOWN, NULL, 0, "Leave out rows whose key is no item's", 0},
    {"mask", KEY_MASK, "FILE.npy", 0, "One u1 or bool per row, 0: the row is missing", 0},
    {"pca", KEY_PCA, "D", 0,
     "Reduce the table of a file or of --encoder clip to its D principal components, without its "
     "mean",
     0},
    {"whiten", KEY_WHITEN, NULL, 0, "With texts or --pca: scale the components to variance 1", 0},
    {"graph", KEY_GRAPH, "MU", 0,
     "With texts: components by how items occur together in training sequences too, above 0 to 1: "
     "by that alone",
     0},
    {"smooth", KEY_SMOOTH, NULL, 0,
     "With --graph: an item's row is the mean of its own and of those that occur beside it", 0},
    {"dtype", KEY_DTYPE, "f32|f16", 0, "Store as f32 (default) or f16", 0},
    {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace a table of that name, or the tags", 0},
    DATASET_WAIT(KEY_WAIT),
    {0}};

static bool name_allowed(const char *name) {
    size_t n = strlen(name);
    return n > 0 && n < FEATURE_NAME && strcmp(name, "id") != 0 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == n &&
           !(n >= 5 && !strcmp(name + n - 5, "_mask"));
}

#define IMAGES "images:"

/* The folder of pictures that --from names; NULL: it names something else. */
static const char *pictures_of(const char *from) {
    return strncmp(from, IMAGES, strlen(IMAGES)) ? NULL : from + strlen(IMAGES);
}

static bool is_text(enum encode_kind kind) {
    return kind <= ENCODE_TITLES_DESCRIPTIONS || kind == ENCODE_TEXT;
}

static bool is_by(const struct request *r, const char *encoder) {
    return r->encoder && !strcmp(r->encoder, encoder);
}

/* What a server encodes. */
static error_t check_server(const struct argp_state *state, struct request *r) {
    const struct import_request *m = &r->import;
    const struct encode_request *e = &r->encode;
    const char *from = string_at(&m->from, 0);
    r->server.from = encode_source_find(from);
    r->server.pictures = pictures_of(from);
    if (!r->server.ask.model)
        argp_error(state, "--encoder server: give the name of the model, --model MODEL");
    else if (m->from.count > 1 || (!r->server.pictures && !is_text(r->server.from.kind)))
        argp_error(state, "--encoder server: goes with one --from titles, titles+description, "
                          "text:NAME or images:DIR");
    else if (m->tensor || m->keys || m->mask || m->pca || m->whiten || e->terms ||
             e->chi_square > 0 || e->graph > 0 || e->smooth || e->vocabulary || r->precision)
        argp_error(state, "--encoder server: goes with the options of servers, --dim, --inputs, "
                          "--encoding, --dtype and --overwrite alone");
    else
        return 0;
    return EINVAL;
}

/* What a model encodes. */
static error_t check_clip(const struct argp_state *state, struct request *r) {
    const struct import_request *m = &r->import;
    const struct encode_request *e = &r->encode;
    const char *from = string_at(&m->from, 0);
    r->clip.from = encode_source_find(from);
    r->clip.pictures = pictures_of(from);
    r->clip.bf16 = r->precision && !strcmp(r->precision, "bf16");
    if (!r->server.ask.model)
        argp_error(state, "--encoder clip: give the folder of the model, --model DIR");
    else if (m->from.count > 1 || (!r->clip.pictures && !is_text(r->clip.from.kind)))
        argp_error(state, "--encoder clip: goes with one --from titles, titles+description, "
                          "text:NAME or images:DIR");
    else if (m->tensor || m->keys || m->mask || e->dim || e->terms || e->chi_square > 0 ||
             e->graph > 0 || e->smooth || e->vocabulary || r->server.ask.endpoint)
        argp_error(state,
                   "--encoder clip: goes with --model, --precision, --picture-seconds, --pca, "
                   "--whiten, --dtype and --overwrite alone");
    else if (m->whiten && !m->pca)
        argp_error(state, "--encoder clip: --whiten goes with --pca");
    else
        return 0;
    return EINVAL;
}

/* Options that are about files and options that are about texts do not mix. */
static error_t check_source(const struct argp_state *state, struct request *r) {
    const struct import_request *m = &r->import;
    const char *from = string_at(&m->from, 0);
    if (is_by(r, "clip"))
        return check_clip(state, r);
    if (is_by(r, "server"))
        return check_server(state, r);
    r->encode.from = encode_source_find(from);
    bool text = r->encode.from.kind < ENCODE_KINDS;
    if (pictures_of(from))
        argp_error(state, "--from %s: goes with --encoder clip or server, and --model", from);
    else if (r->server.ask.model || r->server.ask.endpoint || r->precision)
        argp_error(state, "--model is about --encoder clip and server, --precision about clip, "
                          "--endpoint about server");
    else if (text && (m->from.count > 1 || m->tensor || m->keys || m->mask))
        argp_error(state, "--from %s: is alone, without files, --tensor, --keys and --mask", from);
    else if (text && m->pca)
        argp_error(state, "--pca is about tables in files; give --dim");
    else if (!text && m->whiten && !m->pca)
        argp_error(state, "--whiten is about texts and --pca");
    else if (r->encode.smooth && r->encode.graph <= 0)
        argp_error(state, "--smooth goes with --graph");
    else if (!text && r->encode.graph > 0)
        argp_error(state, "--graph is about --from titles, titles+description, tags and text:NAME");
    else if (!text && r->encode.chi_square > 0)
        argp_error(state,
                   "--agnostic is about --from titles, titles+description, tags and text:NAME");
    else if (!text && r->encode.vocabulary && (m->keys || m->mask))
        argp_error(state, "--vocabulary: one row per tag, without --keys and --mask");
    else if (!text && (r->encoder || r->encode.dim || r->encode.terms))
        argp_error(state, "--encoder, --dim and --terms are about --from titles, "
                          "titles+description, tags and text:NAME");
    else if (m->ignore_unknown && !m->keys)
        argp_error(state, "--ignore-unknown is about --keys; give both or none");
    else
        return 0;
    return EINVAL;
}

static error_t check_make_tags(const struct argp_state *state, struct request *r) {
    const struct import_request *m = &r->import;
    const struct encode_request *e = &r->encode;
    bool table = m->name || m->tensor || m->keys || m->mask || m->ignore_unknown || m->pca ||
                 m->whiten || m->half || r->encoder || r->server.ask.model || r->precision ||
                 e->dim || e->chi_square > 0 || e->graph > 0 || e->vocabulary;
    r->encode.from = encode_source_find(string_at(&m->from, 0));
    if (!table && m->from.count == 1 && e->from.kind <= ENCODE_TITLES_DESCRIPTIONS)
        return 0;
    argp_error(state, "--make-tags: goes with --from titles or titles+description, --terms and "
                      "--overwrite alone");
    return EINVAL;
}

static error_t check_request(const struct argp_state *state, struct request *r) {
    const struct import_request *m = &r->import;
    const char *missing = !r->data               ? "the data set, data.h5"
                          : !m->name && !r->tags ? "--name NAME"
                          : !m->from.count       ? "--from SOURCE"
                                                 : NULL;
    if (missing)
        argp_error(state, "missing %s", missing);
    else if (r->tags)
        return check_make_tags(state, r);
    else if (!name_allowed(m->name))
        argp_error(state,
                   "--name: '%.100s' is not made of letters, digits, _ and -, or is reserved "
                   "(id, ..._mask)",
                   m->name);
    else
        return check_source(state, r);
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
    case KEY_PCA:
        return args_integer(state, "--pca", arg, 1, INT16_MAX, &r->pca);
    case KEY_WHITEN:
        r->whiten = true;
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

static error_t set_chi_square(const struct argp_state *state, const char *text,
                              struct encode_request *r) {
    char *end = NULL;
    r->chi_square = text ? strtod(text, &end) : CHI_SQUARE;
    if (!text || (*text && !*end && r->chi_square > 0 && isfinite(r->chi_square)))
        return 0;
    argp_error(state, "--agnostic: '%.100s' is not a number above 0", text);
    return EINVAL;
}

static error_t set_encoder(const struct argp_state *state, const char *text, struct request *r) {
    r->encoder = text;
    if (is_by(r, "lsa") || is_by(r, "server") || is_by(r, "clip"))
        return 0;
    argp_error(state, "--encoder: '%.100s' is not one of lsa, server, clip", text);
    return EINVAL;
}

static error_t set_precision(const struct argp_state *state, const char *text, struct request *r) {
    r->precision = text;
    if (!strcmp(text, "fp32") || !strcmp(text, "bf16"))
        return 0;
    argp_error(state, "--precision: '%.100s' is not one of fp32, bf16", text);
    return EINVAL;
}

static error_t set_encoding(const struct argp_state *state, const char *text,
                            struct server_request *r) {
    r->floats = !strcmp(text, "float");
    if (r->floats || !strcmp(text, "base64"))
        return 0;
    argp_error(state, "--encoding: '%.100s' is not one of base64, float", text);
    return EINVAL;
}

static error_t parse_encode(int key, char *arg, const struct argp_state *state, struct request *r) {
    switch (key) {
    case KEY_ENCODER:
        return set_encoder(state, arg, r);
    case KEY_PRECISION:
        return set_precision(state, arg, r);
    case KEY_PICTURE_SECONDS:
        return args_number(state, "--picture-seconds", arg, 1e-6, 1e6, &r->clip.seconds);
    case KEY_INPUTS:
        return args_integer(state, "--inputs", arg, 1, 4096, &r->server.inputs);
    case KEY_ENCODING:
        return set_encoding(state, arg, &r->server);
    case KEY_DIM:
        return args_integer(state, "--dim", arg, 1, MOST_TERMS, &r->encode.dim);
    case KEY_TERMS:
        return args_integer(state, "--terms", arg, 1, MOST_TERMS, &r->encode.terms);
    case KEY_AGNOSTIC:
        return set_chi_square(state, arg, &r->encode);
    case KEY_GRAPH:
        return args_number(state, "--graph", arg, MU_LEAST, 1, &r->encode.graph);
    case KEY_SMOOTH:
        r->encode.smooth = true;
        return 0;
    case KEY_VOCABULARY:
        r->encode.vocabulary = true;
        return 0;
    case KEY_MAKE_TAGS:
        r->tags = ITEM_TAGS;
        return arg ? args_integer(state, "--make-tags", arg, 1, MOST_TERMS, &r->tags) : 0;
    default:
        return parse_import(key, arg, state, &r->import);
    }
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    if (key == ARGP_KEY_INIT)
        state->child_inputs[0] = &r->server.ask;
    if (key == ARGP_KEY_END)
        return check_request(state, r);
    if (key == KEY_WAIT)
        return args_number(state, "--wait", arg, 0, 1e9, &r->wait);
    if (key != ARGP_KEY_ARG)
        return parse_encode(key, arg, state, r);
    if (r->data) {
        argp_error(state, "more than one data set: '%.100s'", arg);
        return EINVAL;
    }
    r->data = arg;
    return 0;
}

static enum status add_by_server(const struct comm *comm, const struct dataset *dataset,
                                 struct request *r) {
    char *beside = ask_cache_beside(r->data);
    struct server_request *s = &r->server;
    if (!s->ask.cache)
        s->ask.cache = beside;
    s->name = r->import.name;
    s->dimensions = r->encode.dim;
    s->half = r->import.half;
    s->overwrite = r->import.overwrite;
    s->wait = r->wait;
    enum status status = encode_server(comm, dataset, s);
    mem_free(beside);
    return status;
}

static enum status add_by_clip(const struct comm *comm, const struct dataset *dataset,
                               struct request *r) {
    r->clip.name = r->import.name;
    r->clip.model = r->server.ask.model;
    r->clip.half = r->import.half;
    r->clip.overwrite = r->import.overwrite;
    r->clip.pca = r->import.pca;
    r->clip.whiten = r->import.whiten;
    TRY(memory_limit_reserve(comm));
    return encode_clip(comm, dataset, &r->clip);
}

/* Unless something else is asked for, texts are encoded as ../core/models/results.md found it best. */
static void choose_components(struct request *r) {
    struct encode_request *e = &r->encode;
    if (r->encoder || e->graph > 0 || r->import.whiten)
        return;
    e->graph = 1;
    e->smooth = r->import.whiten = true;
}

static enum status add(const struct comm *comm, const struct dataset *dataset, struct request *r) {
    struct encode_request *e = &r->encode;
    r->import.vocabulary = e->vocabulary;
    if (is_by(r, "clip"))
        return add_by_clip(comm, dataset, r);
    if (is_by(r, "server"))
        return add_by_server(comm, dataset, r);
    if (e->from.kind != ENCODE_KINDS || r->import.pca)
        TRY(memory_limit_reserve(comm));
    if (e->from.kind == ENCODE_KINDS)
        return import_table(comm, dataset, &r->import);
    e->terms = e->terms ? e->terms : TERMS;
    if (r->tags) {
        struct make_tags_request tags = {e->from, r->tags, e->terms, r->import.overwrite};
        return make_tags(comm, dataset, &tags);
    }
    choose_components(r);
    e->name = r->import.name;
    e->whiten = r->import.whiten;
    e->half = r->import.half;
    e->overwrite = r->import.overwrite;
    e->dim = e->dim ? e->dim : DIM;
    return encode_lsa(comm, dataset, e);
}

/* The lock is taken before the data set is read, so that nothing of what is read is old when the
 * table is put to it. */
static enum status change(const struct comm *comm, struct request *r) {
    struct dataset dataset;
    struct lock lock;
    TRY(dataset_lock_old(&lock, comm, r->data, r->wait));
    enum status status = dataset_open(comm, r->data, &dataset);
    if (status == STATUS_OK)
        status = add(comm, &dataset, r);
    dataset_close(&dataset);
    lock_release(&lock);
    return status;
}

enum status job_features(struct comm *comm, int argc, char **argv) {
    static const struct argp_child children[] = {{&ask_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {options, parse, "data.h5", doc, children, NULL, NULL};
    struct request request = {.wait = INFINITY,
                              .server = {.inputs = INPUTS, .ask = ask_defaults},
                              .clip = {.seconds = PICTURE_SECONDS}};
    bool done = false;
    enum status status = args_parse(comm, &argp, argc, argv, &request, &done);
    if (status == STATUS_OK && !done)
        status = change(comm, &request);
    string_list_free(&request.import.from);
    return status;
}
