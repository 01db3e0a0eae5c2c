/* Blocks of items, each rank a run of them: a block is found in the store or made and put there; when all
 * are there, the table, or its principal components, is written from the store. */
#include "jobs/features/clip.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/phase.h"
#include "io/clip/weights.h"
#include "io/file.h"
#include "io/h5_writer.h"
#include "jobs/engine/peak.h"
#include "jobs/features/block_store.h"
#include "jobs/features/clip_items.h"
#include "jobs/features/feature_table.h"
#include "jobs/features/item_pictures.h"
#include "jobs/launch/stop.h"
#include "mpi/pca.h"
#include "partition/range.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 64 /* items */, LONG = 5 /* seconds: worth to be compared */ };
#define MARGIN 120.0 /* seconds before the end of the job, for the blocks in progress */

struct job {
    const struct comm *comm;
    const struct dataset *dataset;
    const struct clip_request *request;
    struct clip_items items;
    struct clip_weights weights;
    char files[SHA256_TEXT]; /* of the model's other files */
    struct block_store store;
    struct range blocks;       /* of this rank */
    char (*keys)[SHA256_TEXT]; /* [blocks] */
    unsigned char *mask;       /* [items of this rank] */
    int64_t missing, found;    /* items; blocks that were in the store */
    int64_t made;              /* rows */
    struct pca pca;            /* where the request has it */
    int64_t next;              /* block that next_rows gives first */
    float *rows;               /* [BLOCK, width] of next_rows */
    double since, seconds;     /* of the making */
};

static const struct clip_shape *shape_of(const struct job *j) {
    return j->request->pictures ? &j->items.config.pictures : &j->items.config.texts;
}

/* The source as people name it; text of `size` bytes. */
static const char *source_of(const struct job *j, char *text, size_t size) {
    const struct clip_request *r = j->request;
    snprintf(text, size, "%s%s", r->pictures ? "images:" : r->from.name,
             r->pictures ? r->pictures : "");
    return text;
}

/* ---- opening ---- */

/* On rank 0. */
static enum status check_request(const struct job *j) {
    const struct clip_request *r = j->request;
    struct feature_paths paths;
    feature_paths(&paths, r->name);
    TRY(feature_check_name(j->dataset, &paths, r->name, r->overwrite));
    return r->pictures ? item_pictures_check(j->dataset, r->pictures)
                       : terms_check(j->dataset, r->from);
}

/* Of the files that say how the weights are used. */
static enum status hash_files(struct job *j) {
    static const char *const names[] = {"config.json", "preprocessor_config.json", "vocab.json",
                                        "merges.txt"};
    char path[4096];
    struct sha256 hash;
    enum status status = STATUS_OK;
    sha256_begin(&hash);
    for (int i = 0; i < 4 && status == STATUS_OK; i++) {
        snprintf(path, sizeof path, "%s/%s", j->request->model, names[i]);
        if (file_exists(path))
            status = sha256_add_file(&hash, path);
    }
    sha256_end(&hash, j->files);
    return status;
}

/* On rank 0. */
static enum status read_model(struct job *j) {
    const struct clip_request *r = j->request;
    TRY(check_request(j));
    TRY(clip_config_read(r->model, &j->items.config));
    TRY(hash_files(j));
    if (r->pictures)
        return STATUS_OK;
    return clip_tokens_read(r->model, j->items.config.texts.vocabulary, &j->items.tokens);
}

/* What rank 0 has read, on all ranks. */
static void share_model(struct job *j) {
    struct clip_tokens *t = &j->items.tokens;
    struct clip_merge *merge = t->merge;
    comm_bcast(j->comm, &j->items.config, sizeof j->items.config);
    comm_bcast(j->comm, j->files, sizeof j->files);
    comm_bcast(j->comm, t, sizeof *t);
    if (t->slots == 0)
        return;
    t->merge = j->comm->rank == 0 ? merge : mem_alloc(t->slots, sizeof *merge);
    comm_bcast(j->comm, t->merge, t->slots * (int64_t)sizeof *merge);
}

static enum status open_model(struct job *j) {
    TRY(COMM_ON_ROOT(j->comm, read_model(j)));
    share_model(j);
    if (j->request->pca > shape_of(j)->projection)
        return comm_error(
            j->comm, STATUS_INPUT, "%s: makes %lld columns, fewer than --pca %lld; lower it",
            j->request->model, (long long)shape_of(j)->projection, (long long)j->request->pca);
    TRY(clip_weights_read(j->comm, j->request->model, shape_of(j), &j->weights));
    j->items.tower = (struct clip_tower){
        .shape = *shape_of(j), .weights = j->weights.numbers, .bf16 = j->request->bf16};
    return STATUS_OK;
}

static enum status open_items(struct job *j) {
    int64_t items = j->dataset->items, blocks = (items + BLOCK - 1) / BLOCK;
    j->blocks = range_of(blocks, j->comm->size, j->comm->rank);
    j->items.lo = j->blocks.lo * BLOCK < items ? j->blocks.lo * BLOCK : items;
    j->items.hi = j->blocks.hi * BLOCK < items ? j->blocks.hi * BLOCK : items;
    j->mask = mem_alloc(j->items.hi - j->items.lo, 1);
    j->keys = mem_alloc(j->blocks.hi - j->blocks.lo, sizeof *j->keys);
    block_store_open(&j->store, j->dataset->path, j->request->name, shape_of(j)->projection);
    TRY(clip_items_read(j->comm, j->request->from, &j->items));
    return COMM_ON_ROOT(j->comm, block_store_make(&j->store));
}

/* ---- making ---- */

static struct range items_of(const struct job *j, int64_t block) {
    int64_t lo = block * BLOCK, hi = lo + BLOCK;
    return (struct range){lo, hi < j->items.hi ? hi : j->items.hi};
}

/* A hash of all that the rows of a block are made of. */
static void find_key(struct job *j, int64_t block) {
    struct range range = items_of(j, block);
    struct sha256 hash;
    sha256_begin(&hash);
    sha256_add(&hash, CDSR_VERSION, sizeof CDSR_VERSION);
    sha256_add(&hash, j->weights.sha256, SHA256_TEXT);
    sha256_add(&hash, j->files, SHA256_TEXT);
    sha256_add(&hash, &j->request->bf16, sizeof j->request->bf16);
    sha256_add(&hash, &j->request->seconds, sizeof j->request->seconds);
    for (int64_t i = range.lo; i < range.hi; i++)
        clip_items_hash(&j->items, i, &hash);
    sha256_end(&hash, j->keys[block - j->blocks.lo]);
}

static enum status check_finite(const struct job *j, struct range range, const float *rows) {
    int64_t width = j->store.width;
    for (int64_t i = 0; i < (range.hi - range.lo) * width; i++)
        if (!isfinite(rows[i]))
            return log_error(
                STATUS_INPUT,
                "%s: encodes item %lld to a number that is not finite; the weights are "
                "damaged, or beyond what float32 can hold",
                j->request->model, (long long)(range.lo + i / width));
    return STATUS_OK;
}

static enum status make_block(struct job *j, int64_t block, float *rows) {
    struct range range = items_of(j, block);
    int64_t n = range.hi - range.lo;
    unsigned char *mask = j->mask + range.lo - j->items.lo;
    const char *key = j->keys[block - j->blocks.lo];
    find_key(j, block);
    if (block_store_load(&j->store, block, key, n, mask, rows)) {
        j->found++;
    } else {
        TRY(clip_items_encode(&j->items, range.lo, range.hi, mask, rows));
        TRY(check_finite(j, range, rows));
        TRY(block_store_save(&j->store, block, key, n, mask, rows));
        j->made += n;
    }
    for (int64_t i = 0; i < n; i++)
        j->missing += !mask[i];
    return STATUS_OK;
}

/* Ranks that were not told to stop go on to their last block. */
static enum status make_blocks(struct job *j) {
    float *rows = mem_alloc(BLOCK * j->store.width, sizeof *rows);
    enum status status = STATUS_OK;
    double since = phase_clock();
    int64_t b = j->blocks.lo;
    stop_watch(0, MARGIN);
    for (; b < j->blocks.hi && status == STATUS_OK && !stop_requested(); b++) {
        status = make_block(j, b, rows);
        double seconds = phase_clock() - since;
        log_progress("clip: block %lld of %lld of this rank, %.1f items/s",
                     (long long)(b - j->blocks.lo + 1), (long long)(j->blocks.hi - j->blocks.lo),
                     (double)j->made / (seconds > 0 ? seconds : 1));
    }
    mem_free(rows);
    j->seconds = phase_clock() - since;
    TRY(comm_agree(j->comm, status));
    int64_t left = j->blocks.hi - b;
    comm_sum_i64(j->comm, &left, 1);
    if (left == 0)
        return STATUS_OK;
    return comm_error(
        j->comm, STATUS_STOPPED,
        "stopped by a signal or the time limit with %lld blocks of %d items left, the "
        "others are in %s: run it again",
        (long long)left, (int)BLOCK, j->store.folder);
}

/* ---- components ---- */

/* A block of this rank and its mask, which are in the store. */
static enum status load_block(const struct job *j, int64_t block, float *rows) {
    struct range range = items_of(j, block);
    if (block_store_load(&j->store, block, j->keys[block - j->blocks.lo], range.hi - range.lo,
                         j->mask + range.lo - j->items.lo, rows))
        return STATUS_OK;
    return log_error(STATUS_IO, "%s/%lld: is not as it was written; start again", j->store.folder,
                     (long long)block);
}

/* A pca_next_fn. */
static enum status next_rows(void *state, const float **rows, int64_t *n) {
    struct job *j = state;
    int64_t width = j->store.width;
    *rows = j->rows;
    for (*n = 0; *n == 0 && j->next < j->blocks.hi; j->next++) {
        struct range range = items_of(j, j->next);
        TRY(load_block(j, j->next, j->rows));
        for (int64_t i = range.lo; i < range.hi; i++)
            if (j->mask[i - j->items.lo])
                memmove(j->rows + (*n)++ * width, j->rows + (i - range.lo) * width,
                        (size_t)width * sizeof *j->rows);
    }
    if (*n == 0)
        j->next = j->blocks.lo;
    return STATUS_OK;
}

static enum status find_components(struct job *j) {
    const struct clip_request *r = j->request;
    if (r->pca == 0)
        return STATUS_OK;
    j->next = j->blocks.lo;
    j->rows = mem_alloc(BLOCK * j->store.width, sizeof *j->rows);
    return pca_fit(j->comm, (int)j->store.width, (int)r->pca, r->whiten, next_rows, j, &j->pca);
}

/* ---- writing ---- */

static int64_t width_of(const struct job *j) {
    return j->request->pca ? j->request->pca : j->store.width;
}

/* `text` becomes what people are told of the source. */
static enum status put_source(const struct job *j, struct h5_writer *w, const char *path,
                              char text[ENCODE_SOURCE_TEXT]) {
    if (!j->request->pictures)
        return encode_source_put(w, path, j->dataset, j->request->from, text);
    return h5_writer_put_text(w, path, "source", source_of(j, text, ENCODE_SOURCE_TEXT));
}

static enum status put_attributes(const struct job *j, struct h5_writer *w, const char *path) {
    char source[ENCODE_SOURCE_TEXT], text[1200];
    TRY(put_source(j, w, path, source));
    snprintf(text, sizeof text, "clip of %s (weights %.12s%s)%s%s", source, j->weights.sha256,
             j->request->bf16 ? ", bf16" : "", j->request->pca ? ", principal components" : "",
             j->request->whiten ? ", whitened" : "");
    TRY(h5_writer_put_text(w, path, "encoder", "clip"));
    TRY(h5_writer_put_text(w, path, "revision", "cdsr " CDSR_VERSION));
    TRY(h5_writer_put_text(w, path, "provenance", text));
    TRY(h5_writer_put_text(w, path, "weights_sha256", j->weights.sha256));
    TRY(h5_writer_put_text(w, path, "precision", j->request->bf16 ? "bf16" : "fp32"));
    if (j->request->pca) {
        TRY(h5_writer_put_int(w, path, "pca_of", j->store.width));
        TRY(h5_writer_put_double(w, path, "explained_share", pca_share(&j->pca)));
        TRY(h5_writer_put_int(w, path, "whitened", j->request->whiten));
    }
    return h5_writer_put_int(w, path, "normalised", j->request->pca == 0);
}

/* The rows of a block [n, width] to components; the missing ones stay zero. */
static void reduce(const struct job *j, struct range range, const float *rows, float *out) {
    pca_apply(&j->pca, rows, range.hi - range.lo, out);
    for (int64_t i = range.lo; i < range.hi; i++)
        if (!j->mask[i - j->items.lo])
            memset(out + (i - range.lo) * j->pca.dim, 0, (size_t)j->pca.dim * sizeof *out);
}

/* This rank's blocks. */
static enum status write_rows(const struct job *j, struct h5_writer *w, const char *path) {
    float *rows = mem_alloc(BLOCK * j->store.width, sizeof *rows);
    float *reduced = mem_alloc(BLOCK * j->request->pca, sizeof *reduced);
    enum status status = STATUS_OK;
    for (int64_t b = j->blocks.lo; b < j->blocks.hi && status == STATUS_OK; b++) {
        struct range range = items_of(j, b);
        status = load_block(j, b, rows);
        if (status == STATUS_OK && j->request->pca)
            reduce(j, range, rows, reduced);
        if (status == STATUS_OK)
            status = h5_writer_write(w, path, H5_F32, range.lo, range.hi,
                                     j->request->pca ? reduced : rows);
    }
    mem_free(rows);
    mem_free(reduced);
    return status;
}

/* Collective up to the reservation; then each rank for itself, until the commit. */
static enum status write_table(const struct job *j, struct h5_writer *w) {
    struct feature_paths paths;
    feature_paths(&paths, j->request->name);
    TRY(feature_declare(w, &paths, j->dataset->items, width_of(j), j->request->half,
                        j->missing > 0));
    TRY(put_attributes(j, w, paths.table));
    TRY(h5_writer_reserve(w));
    TRY(write_rows(j, w, paths.table));
    if (j->missing == 0)
        return STATUS_OK;
    return h5_writer_write(w, paths.mask, H5_U8, j->items.lo, j->items.hi, j->mask);
}

/* ---- what came out ---- */

/* How fast it was, against what large products reach here, which takes a second to measure. */
static void print_speed(struct job *j) {
    const char *what = j->request->pictures ? "pictures" : "texts";
    double flops = j->items.tower.flops;
    struct peak peak;
    comm_sum_i64(j->comm, &j->made, 1);
    comm_sum_f64(j->comm, &flops, 1);
    comm_max_f64(j->comm, &j->seconds, 1);
    if (j->seconds < LONG)
        return;
    peak_rates(j->comm, &peak);
    if (j->comm->rank == 0)
        printf("clip: %.1f %s/s, %.1f GFLOP/s, %.0f %% of a large product's %.1f in float32\n",
               (double)j->made / j->seconds, what, flops / j->seconds * 1e-9,
               flops / j->seconds * 1e-7 / peak.sgemm_gflops, peak.sgemm_gflops);
}

static void print_outcome(struct job *j) {
    char source[512];
    comm_sum_i64(j->comm, &j->found, 1);
    print_speed(j);
    if (j->comm->rank != 0)
        return;
    printf("%s: table %s, %lld rows of %lld columns by clip of %s, %lld missing\n",
           j->dataset->path, j->request->name, (long long)j->dataset->items, (long long)width_of(j),
           source_of(j, source, sizeof source), (long long)j->missing);
    if (j->request->pca)
        printf("pca: %lld of %lld columns%s, explained variance %.4f\n", (long long)j->request->pca,
               (long long)j->store.width, j->request->whiten ? ", whitened" : "",
               pca_share(&j->pca));
    if (j->found > 0)
        printf("clip: %lld blocks of %d items were there from before\n", (long long)j->found,
               (int)BLOCK);
    printf("clip: weights %s; %.1f s\n", j->weights.sha256, phase_clock() - j->since);
}

static enum status check_any(struct job *j) {
    char source[512];
    comm_sum_i64(j->comm, &j->missing, 1);
    item_pictures_name(j->comm, &j->items.lacking);
    if (j->missing < j->dataset->items)
        return STATUS_OK;
    TRY(COMM_ON_ROOT(j->comm, block_store_remove(&j->store)));
    return comm_error(j->comm, STATUS_INPUT, "%s: no item of %s has one that can be encoded",
                      source_of(j, source, sizeof source), j->dataset->path);
}

static enum status run(struct job *j) {
    struct h5_writer writer;
    TRY(open_model(j));
    TRY(open_items(j));
    TRY(make_blocks(j));
    TRY(check_any(j));
    TRY(find_components(j));
    TRY(h5_writer_edit(&writer, j->comm, j->dataset->path, H5_PARALLEL));
    TRY(h5_writer_commit(&writer, write_table(j, &writer)));
    TRY(COMM_ON_ROOT(j->comm, block_store_remove(&j->store)));
    print_outcome(j);
    return STATUS_OK;
}

enum status encode_clip(const struct comm *comm, const struct dataset *dataset,
                        const struct clip_request *request) {
    struct job j = {
        .comm = comm,
        .dataset = dataset,
        .request = request,
        .items = {.dataset = dataset, .pictures = request->pictures, .seconds = request->seconds},
        .since = phase_clock()};
    enum status status = run(&j);
    clip_items_free(&j.items);
    clip_weights_close(&j.weights);
    block_store_close(&j.store);
    pca_free(&j.pca);
    mem_free(j.rows);
    mem_free(j.keys);
    mem_free(j.mask);
    return status;
}
