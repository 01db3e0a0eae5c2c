/* The command line of `cdsr synth`; sequences of items whose topics the users share (io/synth); titles,
 * tags, pictures and tables that follow the topics; the data set written block by block. */
#include "io/synth.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/content_hash.h"
#include "io/dataset_content.h"
#include "io/dataset_write.h"
#include "io/file.h"
#include "io/h5_writer.h"
#include "io/picture/picture.h"
#include "jobs/job.h"
#include "jobs/launch/args.h"
#include "jobs/launch/dataset_lock.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1 << 14, NAME = 64, MAX_DIM = 1 << 16, SIDE = 32 /* of a picture, pixels */ };

struct request {
    const char *output, *name, *pictures; /* pictures: NULL for none */
    int64_t items[2], users, seed, topics, max_len, valid, test;
    double mean_length, wait; /* seconds */
    bool tags, overwrite;
    char feature[NAME]; /* "": none */
    int64_t dim;
};

/* ---- command line ---- */

enum {
    KEY_ITEMS_A = 0x100,
    KEY_ITEMS_B,
    KEY_USERS,
    KEY_SEED,
    KEY_TOPICS,
    KEY_LENGTH,
    KEY_MAX_LEN,
    KEY_VALID,
    KEY_TEST,
    KEY_TAGS,
    KEY_FEATURES,
    KEY_PICTURES,
    KEY_NAME,
    KEY_OVERWRITE,
    KEY_WAIT
};

static const char doc[] =
    "Make a data set of any size with planted cross-domain structure.\v"
    "Topics are shared by the two domains. A user prefers three of them; most events are followed "
    "by "
    "the successor of their item in the same topic, in whichever domain. Popularity is Zipf. "
    "Titles, "
    "tags and features tell the topic. The file's bytes depend on the options alone.";

static const struct argp_option options[] = {
    {"items-a", KEY_ITEMS_A, "N", 0, "Items of the first domain (1000)", 0},
    {"items-b", KEY_ITEMS_B, "N", 0, "Items of the second domain, 0: one domain only (1000)", 0},
    {"users", KEY_USERS, "N", 0, "Users, each with one sequence in one split (10000)", 0},
    {"seed", KEY_SEED, "S", 0, "Seed (1)", 0},
    {"output", 'o', "FILE", 0, "Data set to write (HDF5)", 0},
    {"overwrite", KEY_OVERWRITE, NULL, 0, "Replace an existing output", 0},
    DATASET_WAIT(KEY_WAIT),
    {"name", KEY_NAME, "NAME", 0, "Name of the data set (synth)", 0},
    {"topics", KEY_TOPICS, "N", 0, "Topics (32)", 0},
    {"mean-length", KEY_LENGTH, "L", 0, "Mean events of a user, at least 3 (12)", 0},
    {"max-len", KEY_MAX_LEN, "N", 0, "Longest history a model sees by default (15)", 0},
    {"valid", KEY_VALID, "N", 0, "Of the users, those for validation (a tenth)", 0},
    {"test", KEY_TEST, "N", 0, "Of the users, those for test (a tenth)", 0},
    {"tags", KEY_TAGS, NULL, 0, "Write tags", 0},
    {"features", KEY_FEATURES, "NAME:DIM", 0, "Write a feature table", 0},
    {"pictures", KEY_PICTURES, "DIR", 0,
     "Write a picture of every item to the new directory DIR, KEY.png of 32 x 32 pixels", 0},
    {0}};

static error_t set_feature(const struct argp_state *state, const char *text, struct request *r) {
    const char *colon = strchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    if (n == 0 || n >= NAME || memchr(text, '/', n)) {
        argp_error(state, "--features: '%.100s' is not NAME:DIM, as text:64", text);
        return EINVAL;
    }
    memcpy(r->feature, text, n);
    return args_integer(state, "--features NAME:DIM", colon + 1, 1, MAX_DIM, &r->dim);
}

static error_t check_request(const struct argp_state *state, struct request *r) {
    if (r->valid < 0)
        r->valid = r->users / 10 > 0 ? r->users / 10 : 1;
    if (r->test < 0)
        r->test = r->users / 10 > 0 ? r->users / 10 : 1;
    if (!r->output)
        argp_error(state, "missing -o FILE, the data set to write");
    else if (r->items[0] + r->items[1] > INT32_MAX)
        argp_error(state, "more than 2^31 - 1 items");
    else if (r->valid + r->test >= r->users)
        argp_error(state,
                   "--users: %lld users leave none for training after %lld for validation and "
                   "%lld for test",
                   (long long)r->users, (long long)r->valid, (long long)r->test);
    else
        return 0;
    return EINVAL;
}

static error_t parse_size(int key, const char *arg, const struct argp_state *state,
                          struct request *r) {
    switch (key) {
    case KEY_ITEMS_A:
        return args_integer(state, "--items-a", arg, 1, INT32_MAX - 1, &r->items[0]);
    case KEY_ITEMS_B:
        return args_integer(state, "--items-b", arg, 0, INT32_MAX - 1, &r->items[1]);
    case KEY_USERS:
        return args_integer(state, "--users", arg, 3, INT64_C(1) << 40, &r->users);
    case KEY_SEED:
        return args_integer(state, "--seed", arg, 0, INT64_MAX, &r->seed);
    case KEY_TOPICS:
        return args_integer(state, "--topics", arg, 1, 1 << 20, &r->topics);
    case KEY_LENGTH:
        return args_number(state, "--mean-length", arg, SYNTH_SHORTEST, 1000, &r->mean_length);
    case KEY_MAX_LEN:
        return args_integer(state, "--max-len", arg, 1, 1 << 20, &r->max_len);
    case KEY_VALID:
        return args_integer(state, "--valid", arg, 1, INT64_C(1) << 40, &r->valid);
    case KEY_TEST:
        return args_integer(state, "--test", arg, 1, INT64_C(1) << 40, &r->test);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct request *r = state->input;
    switch (key) {
    case 'o':
        r->output = arg;
        return 0;
    case KEY_NAME:
        r->name = arg;
        return 0;
    case KEY_TAGS:
        r->tags = true;
        return 0;
    case KEY_OVERWRITE:
        r->overwrite = true;
        return 0;
    case KEY_WAIT:
        return args_number(state, "--wait", arg, 0, 1e9, &r->wait);
    case KEY_PICTURES:
        r->pictures = arg;
        return 0;
    case KEY_FEATURES:
        return set_feature(state, arg, r);
    case ARGP_KEY_ARG:
        argp_error(state, "'%.100s' is not an option", arg);
        return EINVAL;
    case ARGP_KEY_END:
        return check_request(state, r);
    default:
        return parse_size(key, arg, state, r);
    }
}

/* ---- items, block by block ---- */

struct job {
    const struct request *request;
    struct synth synth;
    struct h5_writer *writer;
    struct sha256 hash;
    int64_t first[SPLITS + 1]; /* users of a split: [first, next first) */
    int64_t events[SPLITS];
    char (*text)[SYNTH_TITLE]; /* [BLOCK] */
    const char **pointers;     /* [BLOCK], to text */
};

typedef void text_fn(const struct job *job, int64_t i, char text[SYNTH_TITLE]);

static void item_key(const struct job *job, int64_t i, char text[SYNTH_TITLE]) {
    int domain = i >= job->synth.domain_items[0];
    snprintf(text, SYNTH_TITLE, "%c%lld", 'A' + domain,
             (long long)(i - (domain ? job->synth.domain_items[0] : 0)));
}

static void item_title(const struct job *job, int64_t i, char text[SYNTH_TITLE]) {
    synth_title(&job->synth, i, text);
}

static void tag_text(const struct job *job, int64_t i, char text[SYNTH_TITLE]) {
    synth_tag(&job->synth, i, text);
}

static void user_name(const struct job *job, int64_t i, char text[SYNTH_TITLE]) {
    (void)job;
    snprintf(text, SYNTH_TITLE, "u%lld", (long long)i);
}

/* Texts first .. first + n - 1 into rows 0 .. n - 1; `hash` takes them too, unless it is NULL. */
static enum status write_hashed(struct job *job, const char *name, text_fn *make, int64_t first,
                                int64_t n, struct sha256 *hash) {
    for (int64_t lo = 0; lo < n; lo += BLOCK) {
        int64_t hi = lo + BLOCK < n ? lo + BLOCK : n;
        for (int64_t i = lo; i < hi; i++) {
            make(job, first + i, job->text[i - lo]);
            if (hash)
                items_hash_key(hash, job->text[i - lo]);
        }
        TRY(h5_writer_write_strings(job->writer, name, lo, hi, job->pointers));
    }
    return STATUS_OK;
}

static enum status write_texts(struct job *job, const char *name, text_fn *make, int64_t first,
                               int64_t n) {
    return write_hashed(job, name, make, first, n, NULL);
}

static enum status write_keys(struct job *job, int64_t items) {
    struct sha256 hash;
    char text[SHA256_TEXT];
    items_hash_begin(&hash, job->request->items);
    enum status status = write_hashed(job, "/items/key", item_key, 0, items, &hash);
    sha256_end(&hash, text);
    return status ? status : h5_writer_put_text(job->writer, "/", "items_hash", text);
}

static enum status write_tags(struct job *job, int64_t items) {
    int32_t(*tags)[SYNTH_TAGS] = mem_alloc(BLOCK, sizeof *tags);
    float(*weights)[SYNTH_TAGS] = mem_alloc(BLOCK, sizeof *weights);
    int64_t *offsets = mem_alloc(BLOCK, sizeof *offsets);
    enum status status =
        write_texts(job, "/tags/vocabulary", tag_text, 0, job->synth.topics * SYNTH_TOPIC_TAGS);
    for (int64_t lo = 0; lo <= items && status == STATUS_OK; lo += BLOCK) {
        int64_t hi = lo + BLOCK < items ? lo + BLOCK : items, end = hi + (hi == items);
        for (int64_t i = lo; i < hi; i++)
            synth_item_tags(&job->synth, i, tags[i - lo], weights[i - lo]);
        for (int64_t i = lo; i < end && i - lo < BLOCK; i++)
            offsets[i - lo] = i * SYNTH_TAGS;
        end = end - lo < BLOCK ? end : lo + BLOCK;
        TRY_GOTO(status,
                 h5_writer_write(job->writer, "/tags/items", H5_I32, lo * SYNTH_TAGS,
                                 hi * SYNTH_TAGS, tags),
                 done);
        TRY_GOTO(status,
                 h5_writer_write(job->writer, "/tags/weights", H5_F32, lo * SYNTH_TAGS,
                                 hi * SYNTH_TAGS, weights),
                 done);
        status = h5_writer_write(job->writer, "/tags/offsets", H5_I64, lo, end, offsets);
    }
done:
    mem_free(tags);
    mem_free(weights);
    mem_free(offsets);
    return status;
}

static enum status write_features(struct job *job, int64_t items) {
    int dim = (int)job->request->dim;
    int64_t block = BLOCK / dim + 1, extent[2] = {items, dim};
    char path[NAME + 16];
    float *rows = mem_alloc(block * dim, sizeof *rows);
    enum status status = STATUS_OK;
    snprintf(path, sizeof path, "/features/%s", job->request->feature);
    TRY_GOTO(status, h5_writer_declare(job->writer, path, H5_F32, 2, extent), done);
    TRY_GOTO(status, h5_writer_put_text(job->writer, path, "encoder", "synth"), done);
    TRY_GOTO(status, h5_writer_put_int(job->writer, path, "normalised", 0), done);
    for (int64_t lo = 0; lo < items && status == STATUS_OK; lo += block) {
        int64_t hi = lo + block < items ? lo + block : items;
        for (int64_t i = lo; i < hi; i++)
            synth_feature(&job->synth, i, dim, rows + (i - lo) * dim);
        status = h5_writer_write(job->writer, path, H5_F32, lo, hi, rows);
    }
done:
    mem_free(rows);
    return status;
}

/* ---- pictures ---- */

static enum status make_directory(const struct request *r) {
    if (!r->overwrite && file_exists(r->pictures))
        return log_error(STATUS_INPUT, "%s: exists; remove it, or add --overwrite to write into it",
                         r->pictures);
    return file_make_directory(r->pictures);
}

static enum status write_pictures(const struct job *job, int64_t items) {
    uint8_t rgb[SIDE * SIDE * 3];
    const struct picture picture = {SIDE, SIDE, rgb};
    char key[SYNTH_TITLE], path[4096];
    TRY(make_directory(job->request));
    for (int64_t i = 0; i < items; i++) {
        item_key(job, i, key);
        if (snprintf(path, sizeof path, "%s/%s.png", job->request->pictures, key) >=
            (int)sizeof path)
            return log_error(STATUS_INPUT, "%s: the name is too long", job->request->pictures);
        synth_picture(&job->synth, i, SIDE, rgb);
        TRY(picture_write(path, &picture));
    }
    return STATUS_OK;
}

/* ---- sequences, block by block ---- */

static int64_t count_events(const struct job *job, enum split split) {
    int64_t events = 0;
    for (int64_t u = job->first[split]; u < job->first[split + 1]; u++)
        events += synth_length(&job->synth, u);
    return events;
}

static enum status write_offsets(struct job *job, enum split split) {
    int64_t n = job->first[split + 1] - job->first[split] + 1, at = 0;
    int64_t *offsets = mem_alloc(BLOCK, sizeof *offsets);
    enum status status = STATUS_OK;
    char path[64];
    sequences_name(path, split, "offsets");
    content_hash_count(&job->hash, n - 1);
    for (int64_t lo = 0; lo < n && status == STATUS_OK; lo += BLOCK) {
        int64_t hi = lo + BLOCK < n ? lo + BLOCK : n;
        for (int64_t i = lo; i < hi; i++) {
            offsets[i - lo] = at;
            at += i + 1 < n ? synth_length(&job->synth, job->first[split] + i) : 0;
        }
        content_hash_offsets(&job->hash, offsets, hi - lo);
        status = h5_writer_write(job->writer, path, H5_I64, lo, hi, offsets);
    }
    mem_free(offsets);
    return status;
}

static enum status write_events(struct job *job, enum split split) {
    int64_t room = BLOCK + job->synth.longest, at = 0, n = 0;
    int32_t *items = mem_alloc(room, sizeof *items);
    int64_t *times = mem_alloc(room, sizeof *times);
    enum status status = STATUS_OK;
    char item_path[64], time_path[64];
    sequences_name(item_path, split, "items");
    sequences_name(time_path, split, "times");
    for (int64_t u = job->first[split]; u < job->first[split + 1] && status == STATUS_OK; u++) {
        synth_events(&job->synth, u, items + n, times + n);
        n += synth_length(&job->synth, u);
        if (n < BLOCK && u + 1 < job->first[split + 1])
            continue;
        content_hash_items(&job->hash, items, n);
        status = h5_writer_write(job->writer, item_path, H5_I32, at, at + n, items);
        if (status == STATUS_OK)
            status = h5_writer_write(job->writer, time_path, H5_I64, at, at + n, times);
        at += n, n = 0;
    }
    mem_free(items);
    mem_free(times);
    return status;
}

static enum status write_splits(struct job *job) {
    char path[64], text[SHA256_TEXT];
    for (int s = 0; s < SPLITS; s++) {
        sequences_name(path, (enum split)s, "user");
        TRY(write_offsets(job, (enum split)s));
        TRY(write_events(job, (enum split)s));
        TRY(write_texts(job, path, user_name, job->first[s], job->first[s + 1] - job->first[s]));
    }
    sha256_end(&job->hash, text);
    return h5_writer_put_text(job->writer, "/", "content_hash", text);
}

/* ---- job ---- */

static struct dataset_header header_of(const struct job *job) {
    const struct request *r = job->request;
    int64_t items = r->items[0] + r->items[1];
    struct dataset_header h = {.name = r->name,
                               .protocol = "synth",
                               .labels = {"A", "B"},
                               .max_len = (int)r->max_len,
                               .domain_items = {r->items[0], r->items[1]},
                               .times = true,
                               .tags = r->tags,
                               .tag_count = job->synth.topics * SYNTH_TOPIC_TAGS,
                               .tag_entries = items * SYNTH_TAGS};
    for (int s = 0; s < SPLITS; s++) {
        h.counts[s] = job->first[s + 1] - job->first[s];
        h.events[s] = job->events[s];
    }
    return h;
}

static enum status put_provenance(const struct job *job) {
    const struct request *r = job->request;
    TRY(h5_writer_put_int(job->writer, "/", "seed", r->seed));
    TRY(h5_writer_put_int(job->writer, "/", "topics", job->synth.topics));
    return h5_writer_put_double(job->writer, "/", "mean_length", r->mean_length);
}

static enum status write_all(struct job *job) {
    int64_t items = job->request->items[0] + job->request->items[1];
    struct dataset_header header = header_of(job);
    TRY(dataset_declare(job->writer, &header));
    TRY(put_provenance(job));
    TRY(write_keys(job, items));
    TRY(write_texts(job, "/items/title", item_title, 0, items));
    TRY(write_splits(job));
    if (job->request->tags)
        TRY(write_tags(job, items));
    if (job->request->pictures)
        TRY(write_pictures(job, items));
    return job->request->feature[0] ? write_features(job, items) : STATUS_OK;
}

static void begin(struct job *job, const struct request *r, struct h5_writer *writer) {
    *job = (struct job){.request = r, .writer = writer};
    synth_init(&job->synth, r->items[0], r->items[1], r->topics, r->mean_length, (uint64_t)r->seed);
    job->first[SPLIT_VALID] = r->users - r->valid - r->test;
    job->first[SPLIT_TEST] = r->users - r->test;
    job->first[SPLITS] = r->users;
    for (int s = 0; s < SPLITS; s++)
        job->events[s] = count_events(job, (enum split)s);
    job->text = mem_alloc(BLOCK, sizeof *job->text);
    job->pointers = mem_alloc(BLOCK, sizeof *job->pointers);
    for (int i = 0; i < BLOCK; i++)
        job->pointers[i] = job->text[i];
    content_hash_begin(&job->hash, r->items);
}

static void print_outcome(const struct job *job) {
    const struct request *r = job->request;
    printf("%s: %lld + %lld items, %lld topics; train %lld sequences, %lld events; valid %lld, "
           "%lld; test %lld, %lld\n",
           r->output, (long long)r->items[0], (long long)r->items[1], (long long)job->synth.topics,
           (long long)job->first[SPLIT_VALID], (long long)job->events[SPLIT_TRAIN],
           (long long)r->valid, (long long)job->events[SPLIT_VALID], (long long)r->test,
           (long long)job->events[SPLIT_TEST]);
}

/* Rank 0 makes the content; all commit the file. */
static enum status generate(struct comm *comm, const struct request *r) {
    struct h5_writer writer;
    struct job job;
    TRY(h5_writer_create(&writer, comm, r->output, H5_SERIAL));
    begin(&job, r, &writer);
    enum status status = h5_writer_commit(&writer, comm->rank == 0 ? write_all(&job) : STATUS_OK);
    if (status == STATUS_OK && comm->rank == 0)
        print_outcome(&job);
    sha256_drop(&job.hash);
    mem_free(job.text);
    mem_free(job.pointers);
    return status;
}

enum status job_synth(struct comm *comm, int argc, char **argv) {
    static const struct argp argp = {options, parse, NULL, doc, NULL, NULL, NULL};
    struct request r = {.name = "synth",
                        .items = {1000, 1000},
                        .users = 10000,
                        .seed = 1,
                        .topics = 32,
                        .mean_length = 12,
                        .wait = INFINITY,
                        .max_len = 15,
                        .valid = -1,
                        .test = -1};
    struct lock lock;
    bool done;
    TRY(args_parse(comm, &argp, argc, argv, &r, &done));
    if (done)
        return STATUS_OK;
    TRY(dataset_lock_new(&lock, comm, r.output, r.overwrite, r.wait));
    enum status status = generate(comm, &r);
    lock_release(&lock);
    return status;
}
