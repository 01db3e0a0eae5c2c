/* The texts of this rank's items become keys; what the cache lacks is shared out among the ranks
 * (jobs/enrich/requests), asked for in groups, and the rows are read back from the cache. Of pictures the
 * paths are shared out, and the rank that asks reads the file again. */
#include "jobs/features/server.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/phase.h"
#include "io/h5_writer.h"
#include "io/llm/embedding.h"
#include "io/lock.h"
#include "jobs/enrich/answers.h"
#include "jobs/enrich/failures.h"
#include "jobs/enrich/requests.h"
#include "jobs/features/feature_table.h"
#include "jobs/features/item_pictures.h"
#include "partition/range.h"
#include <stdio.h>
#include <string.h>

enum { BLOCK_BYTES = 1 << 22 };

/* Texts that are asked about in one request: those of request[lo .. hi). */
struct group {
    int64_t lo, hi;
};

struct job {
    const struct comm *comm;
    const struct dataset *dataset;
    const struct server_request *request;
    struct embedding_request embedding;
    struct range mine; /* items whose rows this rank writes */
    struct cache cache;
    char (*key)[SHA256_TEXT];   /* [mine] "": no text, or no vector */
    char **text;                /* [mine] or path of the picture; NULL: it is not asked about */
    struct string_list lacking; /* pictures that are not to be had */
    struct requests requests;
    struct group *group;
    int64_t groups, rooms;
    struct failures failures;
    int64_t silent, width, missing, asked;
    double since;
};

/* ---- asking ---- */

static void add_group(struct job *j, int64_t lo, int64_t hi) {
    if (j->groups == j->rooms) {
        j->rooms = 2 * j->rooms + 64;
        j->group = mem_resize(j->group, j->rooms, sizeof *j->group);
    }
    j->group[j->groups++] = (struct group){lo, hi};
}

/* NULL: the file is not what the key was made of. */
static char *picture_body(const struct job *j, const struct request *r) {
    struct picture_file file;
    char why[PICTURE_WHY], key[SHA256_TEXT], *body = NULL;
    if (!picture_file_read(r->prompt, &file, why))
        return NULL;
    embedding_picture_key(&j->embedding, &file, key);
    if (!strcmp(key, r->key))
        body = embedding_picture_body(&j->embedding, &file);
    picture_file_free(&file);
    return body;
}

static char *body_of(void *state, int64_t request) {
    const struct job *j = state;
    const struct group *g = &j->group[request];
    if (j->request->pictures)
        return picture_body(j, &j->requests.request[g->lo]);
    const char **texts = mem_alloc(g->hi - g->lo, sizeof *texts);
    for (int64_t i = g->lo; i < g->hi; i++)
        texts[i - g->lo] = j->requests.request[i].prompt;
    char *body = embedding_body(&j->embedding, texts, g->hi - g->lo);
    mem_free(texts);
    return body;
}

static enum status take(void *state, int64_t request, const char *reply, size_t n,
                        struct cache_log *log, int64_t *answers, char reason[ASK_REASON]) {
    struct job *j = state;
    const struct group *g = &j->group[request];
    char **vector = mem_alloc(g->hi - g->lo, sizeof *vector), said[EMBEDDING_REASON];
    enum status status = STATUS_OK;
    bool good = embedding_reply(reply, n, g->hi - g->lo, vector, said);
    if (!good)
        snprintf(reason, ASK_REASON, "%s", said);
    for (int64_t i = g->lo; i < g->hi && good && status == STATUS_OK; i++) {
        struct answer answer = {.text = vector[i - g->lo]};
        status = cache_log_append(log, j->requests.request[i].key, j->embedding.model, &answer);
        *answers += status == STATUS_OK;
    }
    for (int64_t i = 0; i < g->hi - g->lo; i++)
        mem_free(vector[i]);
    mem_free(vector);
    return status;
}

static int64_t fail(void *state, int64_t request, const char *reason) {
    struct job *j = state;
    const struct group *g = &j->group[request];
    for (int64_t i = g->lo; i < g->hi; i++)
        failures_add(&j->failures, j->requests.request[i].item, reason);
    return g->hi - g->lo;
}

static bool split(void *state, int64_t request) {
    struct job *j = state;
    struct group g = j->group[request];
    int64_t middle = g.lo + (g.hi - g.lo) / 2;
    if (g.hi - g.lo < 2)
        return false;
    add_group(j, g.lo, middle);
    add_group(j, middle, g.hi);
    return true;
}

static enum status ask_all(struct job *j) {
    int64_t n = j->requests.count, inputs = j->request->pictures ? 1 : j->request->inputs;
    for (int64_t lo = 0; lo < n; lo += inputs)
        add_group(j, lo, lo + inputs < n ? lo + inputs : n);
    struct asker asker = {.state = j,
                          .path = "/embeddings",
                          .requests = j->groups,
                          .answers = n,
                          .body = body_of,
                          .take = take,
                          .fail = fail,
                          .split = split};
    return ask(j->comm, &j->request->ask, &asker, &j->asked);
}

/* ---- texts and keys ---- */

/* The text of an item; the caller's. NULL: it has none. */
static char *text_of(const struct h5_strings *texts, const struct h5_strings *more, int64_t i) {
    const char *first = texts->text[i], *second = more->count ? more->text[i] : "";
    size_t size = strlen(first) + strlen(second) + 2;
    if (size == 2)
        return NULL;
    char *text = mem_alloc((int64_t)size, 1);
    snprintf(text, size, "%s%s%s", first, *first && *second ? "\n" : "", second);
    return text;
}

/* What the cache has is not asked about. */
static void drop_known(struct job *j, int64_t i) {
    if (cache_has(&j->cache, j->key[i])) {
        mem_free(j->text[i]);
        j->text[i] = NULL;
    }
}

static enum status prepare_text(struct job *j, int64_t i, char *text) {
    if (!text) {
        j->silent++;
        return STATUS_OK;
    }
    j->text[i] = text;
    if (!utf8_valid(text))
        return log_error(STATUS_INPUT,
                         "%s: a text of item %lld is not UTF-8; make the file again with 'cdsr "
                         "prepare'",
                         j->dataset->path, (long long)(j->mine.lo + i));
    embedding_key(&j->embedding, text, j->key[i]);
    drop_known(j, i);
    return STATUS_OK;
}

static enum status prepare_texts(struct job *j) {
    struct h5_strings texts = {0}, more = {0};
    enum status status = encode_source_read(j->comm, j->dataset, j->request->from, j->mine.lo,
                                            j->mine.hi, &texts, &more);
    for (int64_t i = 0; i < j->mine.hi - j->mine.lo && status == STATUS_OK; i++)
        status = prepare_text(j, i, text_of(&texts, &more, i));
    h5_strings_free(&texts);
    h5_strings_free(&more);
    return comm_agree(j->comm, status);
}

/* False: item i has none, or none that can be read. */
static bool prepare_picture(struct job *j, int64_t i, const char *key) {
    char path[ITEM_PICTURES_PATH], why[PICTURE_WHY];
    struct picture_file file;
    struct stat info;
    if (!item_pictures_find(j->request->pictures, key, path, &info)) {
        item_pictures_lack(&j->lacking, j->mine.lo + i, key, ITEM_PICTURES_NONE);
        return false;
    }
    if (!picture_file_read(path, &file, why)) {
        item_pictures_lack(&j->lacking, j->mine.lo + i, path, why);
        return false;
    }
    embedding_picture_key(&j->embedding, &file, j->key[i]);
    picture_file_free(&file);
    j->text[i] = mem_string(path);
    drop_known(j, i);
    return true;
}

static enum status prepare_pictures(struct job *j) {
    struct h5_strings keys;
    TRY(dataset_read_keys(j->comm, j->dataset, j->mine.lo, j->mine.hi, &keys));
    for (int64_t i = 0; i < j->mine.hi - j->mine.lo; i++)
        j->silent += !prepare_picture(j, i, keys.text[i]);
    h5_strings_free(&keys);
    item_pictures_name(j->comm, &j->lacking);
    return STATUS_OK;
}

static void free_texts(struct job *j) {
    for (int64_t i = 0; j->text && i < j->mine.hi - j->mine.lo; i++)
        mem_free(j->text[i]);
    mem_free(j->text);
    j->text = NULL;
}

static enum status get_vectors(struct job *j) {
    const char *path = j->request->ask.cache;
    TRY(answers_read(j->comm, path, 0, &j->cache));
    TRY(j->request->pictures ? prepare_pictures(j) : prepare_texts(j));
    requests_share(j->comm, j->mine.lo, j->mine.hi - j->mine.lo, j->key, j->text, false,
                   &j->requests);
    free_texts(j);
    int64_t wanted = j->requests.count, had = j->cache.keys.list.count;
    comm_sum_i64(j->comm, &wanted, 1);
    if (wanted == 0 || !j->request->ask.endpoint)
        return STATUS_OK;
    enum status status = ask_all(j);
    enum status mended = answers_read(j->comm, path, had + j->asked, &j->cache);
    return status != STATUS_OK ? status : mended;
}

/* ---- rows ---- */

/* The width of all vectors; items without one lose their key. */
static enum status check_vectors(struct job *j) {
    int64_t odd = 0, width = 0;
    enum status status = STATUS_OK;
    for (int64_t i = 0; i < j->mine.hi - j->mine.lo && status == STATUS_OK; i++) {
        struct answer answer = {0};
        float *numbers = NULL;
        if (!*j->key[i] || !cache_has(&j->cache, j->key[i])) {
            j->key[i][0] = '\0';
            j->missing++;
            continue;
        }
        status = cache_get(&j->cache, j->key[i], &answer);
        int64_t w = status == STATUS_OK ? embedding_decode(answer.text, &numbers) : 0;
        odd += w == 0 || (width > 0 && w != width);
        width = w;
        mem_free(numbers);
        answer_free(&answer);
    }
    TRY(comm_agree(j->comm, status));
    j->width = width;
    comm_max_i64(j->comm, &j->width, 1);
    odd += width > 0 && width != j->width;
    comm_sum_i64(j->comm, &odd, 1);
    int64_t wanted = j->request->dimensions;
    if (odd == 0 && wanted > 0 && j->width > 0 && j->width != wanted)
        return comm_error(j->comm, STATUS_INPUT,
                          "%s: gives vectors of %lld numbers, not of --dim %lld; leave --dim out",
                          j->embedding.model, (long long)j->width, (long long)wanted);
    if (odd == 0)
        return STATUS_OK;
    return comm_error(j->comm, STATUS_INPUT,
                      "%s: the vectors of %s are not of one width, or no vectors; give --cache "
                      "another file and ask again",
                      j->request->ask.cache, j->embedding.model);
}

static enum status judge(struct job *j) {
    const struct ask_options *o = &j->request->ask;
    TRY(failures_list(j->comm, &j->failures, j->dataset, o->failed));
    int64_t counts[2] = {j->missing, j->silent};
    comm_sum_i64(j->comm, counts, 2);
    j->missing = counts[0];
    int64_t unanswered = counts[0] - counts[1];
    if (counts[1] == j->dataset->items)
        return comm_error(j->comm, STATUS_INPUT, "%s: no item of %s has one that can be encoded",
                          j->request->from.name, j->dataset->path);
    if (j->width == 0 || (unanswered > 0 && !o->allow_missing))
        return comm_error(j->comm, o->endpoint ? STATUS_IO : STATUS_INPUT,
                          "%s: %lld of %lld items have no vector; the others are in %s; %s, or "
                          "give --allow-missing",
                          j->dataset->path, (long long)unanswered, (long long)j->dataset->items,
                          o->cache,
                          o->endpoint ? "run it again to ask for them once more"
                                      : "ask for them with --endpoint");
    return STATUS_OK;
}

/* Rows [lo, hi) of mine; zero where there is none. */
static enum status fill_rows(const struct job *j, int64_t lo, int64_t hi, float *rows,
                             unsigned char *mask) {
    memset(rows, 0, (size_t)((hi - lo) * j->width) * sizeof *rows);
    for (int64_t i = lo; i < hi; i++) {
        struct answer answer;
        float *numbers;
        mask[i] = *j->key[i] != '\0';
        if (!mask[i])
            continue;
        TRY(cache_get(&j->cache, j->key[i], &answer));
        embedding_decode(answer.text, &numbers);
        memcpy(rows + (i - lo) * j->width, numbers, (size_t)j->width * sizeof *rows);
        mem_free(numbers);
        answer_free(&answer);
    }
    return STATUS_OK;
}

static enum status write_rows(const struct job *j, struct h5_writer *w,
                              const struct feature_paths *paths) {
    int64_t block = BLOCK_BYTES / (j->width * (int64_t)sizeof(float)) + 1;
    int64_t n = j->mine.hi - j->mine.lo;
    float *rows = mem_alloc(block * j->width, sizeof *rows);
    unsigned char *mask = mem_alloc(n, 1);
    enum status status = STATUS_OK;
    for (int64_t lo = 0; lo < n && status == STATUS_OK; lo += block) {
        int64_t hi = lo + block < n ? lo + block : n;
        status = fill_rows(j, lo, hi, rows, mask);
        if (status == STATUS_OK)
            status =
                h5_writer_write(w, paths->table, H5_F32, j->mine.lo + lo, j->mine.lo + hi, rows);
    }
    if (status == STATUS_OK && j->missing > 0)
        status = h5_writer_write(w, paths->mask, H5_U8, j->mine.lo, j->mine.hi, mask);
    mem_free(rows);
    mem_free(mask);
    return status;
}

/* `text` becomes what people are told of the source. */
static enum status put_source(const struct job *j, struct h5_writer *w, const char *path,
                              char text[ENCODE_SOURCE_TEXT]) {
    if (!j->request->pictures)
        return encode_source_put(w, path, j->dataset, j->request->from, text);
    snprintf(text, ENCODE_SOURCE_TEXT, "%s", j->request->from.name);
    return h5_writer_put_text(w, path, "source", text);
}

static enum status put_attributes(const struct job *j, struct h5_writer *w, const char *path) {
    char text[1024], source[ENCODE_SOURCE_TEXT];
    TRY(put_source(j, w, path, source));
    snprintf(text, sizeof text, "%.200s of %s", j->embedding.model, source);
    TRY(h5_writer_put_text(w, path, "encoder", "server"));
    TRY(h5_writer_put_text(w, path, "revision", "cdsr " CDSR_VERSION));
    TRY(h5_writer_put_text(w, path, "model", j->embedding.model));
    TRY(h5_writer_put_text(w, path, "provenance", text));
    return h5_writer_put_int(w, path, "normalised", 0);
}

static enum status write_table(const struct job *j, struct h5_writer *w) {
    struct feature_paths paths;
    feature_paths(&paths, j->request->name);
    TRY(feature_declare(w, &paths, j->dataset->items, j->width, j->request->half, j->missing > 0));
    TRY(put_attributes(j, w, paths.table));
    TRY(h5_writer_reserve(w));
    return write_rows(j, w, &paths);
}

/* ---- all of it ---- */

/* On rank 0. */
static enum status check_request(const struct job *j) {
    const struct server_request *r = j->request;
    struct feature_paths paths;
    feature_paths(&paths, r->name);
    TRY(feature_check_name(j->dataset, &paths, r->name, r->overwrite));
    return r->pictures ? item_pictures_check(j->dataset, r->pictures)
                       : terms_check(j->dataset, r->from);
}

static enum status run(struct job *j) {
    struct h5_writer writer;
    TRY(get_vectors(j));
    TRY(check_vectors(j));
    TRY(judge(j));
    TRY(h5_writer_edit(&writer, j->comm, j->dataset->path, H5_PARALLEL));
    TRY(h5_writer_commit(&writer, write_table(j, &writer)));
    if (j->comm->rank == 0)
        printf("%s: table %s, %lld rows of %lld columns by %s of %s, %lld missing\n"
               "vectors: %lld new, the others from %s; %.1f s\n",
               j->dataset->path, j->request->name, (long long)j->dataset->items,
               (long long)j->width, j->embedding.model, j->request->from.name,
               (long long)j->missing, (long long)j->asked, j->request->ask.cache,
               phase_clock() - j->since);
    return STATUS_OK;
}

enum status encode_server(const struct comm *comm, const struct dataset *dataset,
                          const struct server_request *request) {
    struct lock lock;
    struct job j = {.comm = comm,
                    .dataset = dataset,
                    .request = request,
                    .embedding = {request->ask.model, request->dimensions, request->floats},
                    .mine = range_of(dataset->items, comm->size, comm->rank),
                    .cache.file = -1,
                    .since = phase_clock()};
    TRY(COMM_ON_ROOT(comm, check_request(&j)));
    TRY(lock_file(&lock, comm, request->ask.cache, request->wait));
    j.key = mem_zero(j.mine.hi - j.mine.lo, sizeof *j.key);
    j.text = mem_zero(j.mine.hi - j.mine.lo, sizeof *j.text);
    enum status status = run(&j);
    lock_release(&lock);
    free_texts(&j);
    requests_free(&j.requests);
    failures_free(&j.failures);
    string_list_free(&j.lacking);
    cache_close(&j.cache);
    mem_free(j.key);
    mem_free(j.group);
    return status;
}
