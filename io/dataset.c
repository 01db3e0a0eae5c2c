/* Rank 0 checks a data set's file from its attributes to its last offset, block by block, and
 * gives the others a description of fixed size; every rank then holds a handle of its own and
 * makes sure that it is the same file. What follows reads parts of it: sequences, feature tables,
 * texts, tags. Each of these verifies the checksum of its HDF5 dataset before the first read and
 * remembers that it did, because a table is read many times. */
#include "io/dataset.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/rng.h"
#include "io/content_hash.h"
#include "io/h5_sum.h"
#include "io/sha256.h"
#include "partition/range.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK = 1 << 20, KEYS = 1 << 14, SCHEMA = 1, LABEL = 256, MAX_LEN = 1 << 20, TRIES = 10 };

/* What rank 0 finds and gives to all. */
struct description {
    char name[LABEL], labels[2][LABEL], content_hash[SHA256_TEXT], items_hash[SHA256_TEXT];
    int64_t domain_items[2], counts[SPLITS], events[SPLITS];
    int max_len;
};

/* ---- checks on rank 0 ---- */

static enum status malformed(const struct h5_file *file, const char *what, int64_t where) {
    return log_error(STATUS_INPUT, "%s: %s (at %lld); make the file again with 'cdsr prepare'",
                     file->path, what, (long long)where);
}

/* A text attribute cut to LABEL; `fallback` where it is not there. */
static enum status get_label(const struct h5_file *file, const char *name, const char *fallback,
                             char out[LABEL]) {
    char *text = NULL;
    if (!h5_has_attribute(file, "/", name)) {
        snprintf(out, LABEL, "%s", fallback);
        return STATUS_OK;
    }
    TRY(h5_get_text(file, "/", name, &text));
    snprintf(out, LABEL, "%s", text);
    mem_free(text);
    return STATUS_OK;
}

static enum status check_attributes(const struct h5_file *file, struct description *d) {
    int64_t schema = 0, max_len = 0;
    if (!h5_has_attribute(file, "/", "schema"))
        return log_error(STATUS_INPUT,
                         "%s: is not a data set: it has no attribute 'schema'; make one with "
                         "'cdsr prepare' or 'cdsr synth'",
                         file->path);
    TRY(h5_get_int(file, "/", "schema", &schema));
    if (schema != SCHEMA)
        return log_error(STATUS_INPUT,
                         "%s: has schema %lld, this program reads schema %d; make it again",
                         file->path, (long long)schema, SCHEMA);
    TRY(h5_get_int(file, "/", "max_len", &max_len));
    if (max_len < 1 || max_len > MAX_LEN)
        return malformed(file, "attribute max_len is not between 1 and 2^20", max_len);
    d->max_len = (int)max_len;
    TRY(get_label(file, "name", "data", d->name));
    TRY(get_label(file, "domain_a", "A", d->labels[0]));
    return get_label(file, "domain_b", "B", d->labels[1]);
}

/* Items of domain 0 first, then those of domain 1. */
static enum status check_domains(const struct h5_file *file, struct description *d) {
    struct h5_extent extent = {0};
    TRY(h5_extent(file, "/items/domain", &extent));
    TRY(h5_expect(file, "/items/domain", H5_INTEGER, 1, -1, 1));
    if (extent.rows > INT32_MAX)
        return malformed(file, "/items/domain has more than 2^31 - 1 items", extent.rows);
    unsigned char *block = mem_alloc(BLOCK, 1), last = 0;
    enum status status = STATUS_OK;
    for (int64_t lo = 0; lo < extent.rows && status == STATUS_OK; lo += BLOCK) {
        int64_t hi = lo + BLOCK < extent.rows ? lo + BLOCK : extent.rows;
        status = h5_read(file, "/items/domain", H5_U8, lo, hi, block);
        for (int64_t i = lo; i < hi && status == STATUS_OK; i++) {
            if (block[i - lo] > 1 || block[i - lo] < last)
                status = malformed(file, "/items/domain is not 0s followed by 1s", i);
            last = block[i - lo];
            d->domain_items[last & 1]++;
        }
    }
    mem_free(block);
    if (status == STATUS_OK && d->domain_items[0] == 0)
        status = malformed(file, "/items/domain: the first domain has no items", 0);
    return status;
}

/* Offsets rise from 0 to the number of events; valid and test sequences have a history. */
static enum status check_offsets(const struct h5_file *file, const char *path, enum split split,
                                 struct description *d, struct sha256 *hash) {
    int64_t n = d->counts[split] + 1, last = 0, shortest = split == SPLIT_TRAIN ? 1 : 2;
    int64_t *block = mem_alloc(BLOCK, sizeof *block);
    enum status status = STATUS_OK;
    for (int64_t lo = 0; lo < n && status == STATUS_OK; lo += BLOCK) {
        int64_t hi = lo + BLOCK < n ? lo + BLOCK : n;
        TRY_GOTO(status, h5_read(file, path, H5_I64, lo, hi, block), done);
        for (int64_t i = lo; i < hi && status == STATUS_OK; i++) {
            int64_t value = block[i - lo];
            if (i == 0 ? value != 0 : value < last + shortest || value > d->events[split])
                status = log_error(STATUS_INPUT,
                                   "%s: %s: sequence %lld is empty, without a history or out of "
                                   "bounds; make the file again with 'cdsr prepare'",
                                   file->path, path, (long long)(i > 0 ? i - 1 : 0));
            last = value;
        }
        content_hash_offsets(hash, block, hi - lo);
    }
    if (status == STATUS_OK && last != d->events[split])
        status = malformed(file, "offsets do not end at the number of events", last);
done:
    mem_free(block);
    return status;
}

static enum status check_items(const struct h5_file *file, const char *path, enum split split,
                               const struct description *d, struct sha256 *hash) {
    int64_t n = d->events[split], items = d->domain_items[0] + d->domain_items[1];
    int32_t *block = mem_alloc(BLOCK, sizeof *block);
    enum status status = STATUS_OK;
    for (int64_t lo = 0; lo < n && status == STATUS_OK; lo += BLOCK) {
        int64_t hi = lo + BLOCK < n ? lo + BLOCK : n;
        TRY_GOTO(status, h5_read(file, path, H5_I32, lo, hi, block), done);
        for (int64_t i = lo; i < hi && status == STATUS_OK; i++)
            if (block[i - lo] < 0 || block[i - lo] >= items)
                status = log_error(STATUS_INPUT,
                                   "%s: %s: event %lld is item %d, but there are %lld items; make "
                                   "the file again with 'cdsr prepare'",
                                   file->path, path, (long long)i, block[i - lo], (long long)items);
        content_hash_items(hash, block, hi - lo);
    }
done:
    mem_free(block);
    return status;
}

static enum status check_split(const struct h5_file *file, enum split split, struct description *d,
                               struct sha256 *hash) {
    char items[64], offsets[64];
    struct h5_extent extent = {0};
    sequences_name(items, split, "items");
    sequences_name(offsets, split, "offsets");
    TRY(h5_expect(file, items, H5_INTEGER, 1, -1, 1));
    TRY(h5_expect(file, offsets, H5_INTEGER, 1, -1, 1));
    TRY(h5_extent(file, items, &extent));
    d->events[split] = extent.rows;
    TRY(h5_extent(file, offsets, &extent));
    if (extent.rows < 1)
        return malformed(file, "a split has no offsets", split);
    d->counts[split] = extent.rows - 1;
    content_hash_count(hash, d->counts[split]);
    TRY(check_offsets(file, offsets, split, d, hash));
    return check_items(file, items, split, d, hash);
}

/* The stored hash of `what`, where there is one, must be the one found. */
static enum status check_hash(const struct h5_file *file, const char *what, const char *name,
                              const char *found) {
    char *stored = NULL;
    if (!h5_has_attribute(file, "/", name))
        return STATUS_OK;
    TRY(h5_get_text(file, "/", name, &stored));
    bool same = !strcmp(stored, found);
    mem_free(stored);
    if (same)
        return STATUS_OK;
    return log_error(STATUS_INPUT,
                     "%s: %s does not have its %s: the file was damaged or changed; make it again "
                     "with 'cdsr prepare'",
                     file->path, what, name);
}

static enum status check_splits(const struct h5_file *file, struct description *d) {
    struct sha256 hash;
    enum status status = STATUS_OK;
    content_hash_begin(&hash, d->domain_items);
    for (int s = 0; s < SPLITS && status == STATUS_OK; s++)
        status = check_split(file, (enum split)s, d, &hash);
    if (status == STATUS_OK) {
        sha256_end(&hash, d->content_hash);
        status = check_hash(file, "its content", "content_hash", d->content_hash);
    }
    sha256_drop(&hash);
    return status;
}

static bool is_mask(const char *name) {
    size_t n = strlen(name);
    return n > 5 && !strcmp(name + n - 5, "_mask");
}

static enum status check_feature(const struct h5_file *file, const char *name, int64_t items) {
    char path[512];
    snprintf(path, sizeof path, "/features/%s", name);
    if (is_mask(name))
        return h5_expect(file, path, H5_INTEGER, 1, items, 1);
    TRY(h5_expect(file, path, H5_FLOAT, 2, items, -1));
    struct h5_extent extent = {0};
    TRY(h5_extent(file, path, &extent));
    if (extent.width < 1 || extent.width > INT32_MAX)
        return malformed(file, "a feature table has no columns or too many", extent.width);
    return STATUS_OK;
}

static enum status check_features(const struct h5_file *file, const struct description *d) {
    struct h5_strings names;
    enum status status = h5_members(file, "/features", &names);
    for (int64_t i = 0; i < names.count && status == STATUS_OK; i++)
        status = check_feature(file, names.text[i], d->domain_items[0] + d->domain_items[1]);
    h5_strings_free(&names);
    return status;
}

/* The texts that models wrote (cdsr enrich). */
static enum status check_written(const struct h5_file *file, int64_t items) {
    struct h5_strings names;
    char path[512];
    enum status status = h5_members(file, "/items/text", &names);
    for (int64_t i = 0; i < names.count && status == STATUS_OK; i++) {
        snprintf(path, sizeof path, "/items/text/%s", names.text[i]);
        status = h5_expect(file, path, H5_STRING, 1, items, 1);
    }
    h5_strings_free(&names);
    return status;
}

static enum status check_texts(const struct h5_file *file, const struct description *d) {
    int64_t items = d->domain_items[0] + d->domain_items[1];
    char path[64];
    if (h5_exists(file, "/items/key"))
        TRY(h5_expect(file, "/items/key", H5_STRING, 1, items, 1));
    if (h5_exists(file, "/items/title"))
        TRY(h5_expect(file, "/items/title", H5_STRING, 1, items, 1));
    if (h5_exists(file, "/items/description"))
        TRY(h5_expect(file, "/items/description", H5_STRING, 1, items, 1));
    TRY(check_written(file, items));
    for (int s = 0; s < SPLITS; s++) {
        sequences_name(path, (enum split)s, "user");
        if (h5_exists(file, path))
            TRY(h5_expect(file, path, H5_STRING, 1, d->counts[s], 1));
        sequences_name(path, (enum split)s, "times");
        if (h5_exists(file, path))
            TRY(h5_expect(file, path, H5_INTEGER, 1, d->events[s], 1));
    }
    return STATUS_OK;
}

static enum status hash_keys(const struct h5_file *file, int64_t items, struct sha256 *hash) {
    enum status status = STATUS_OK;
    for (int64_t lo = 0; lo < items && status == STATUS_OK; lo += KEYS) {
        int64_t hi = lo + KEYS < items ? lo + KEYS : items;
        struct h5_strings keys;
        status = h5_read_strings(file, "/items/key", lo, hi, &keys);
        for (int64_t i = 0; i < keys.count; i++)
            items_hash_key(hash, keys.text[i]);
        h5_strings_free(&keys);
    }
    return status;
}

/* A file without keys has no hash of its items. */
static enum status check_keys(const struct h5_file *file, struct description *d) {
    struct sha256 hash;
    if (!h5_exists(file, "/items/key"))
        return STATUS_OK;
    items_hash_begin(&hash, d->domain_items);
    enum status status = hash_keys(file, d->domain_items[0] + d->domain_items[1], &hash);
    sha256_end(&hash, d->items_hash);
    if (status == STATUS_OK)
        status = check_hash(file, "/items/key", "items_hash", d->items_hash);
    return status;
}

static enum status check_file(const struct h5_file *file, struct description *d) {
    TRY(check_attributes(file, d));
    TRY(check_domains(file, d));
    TRY(check_splits(file, d));
    TRY(check_texts(file, d));
    TRY(check_keys(file, d));
    return check_features(file, d);
}

/* ---- opening ---- */

static void adopt(struct dataset *dataset, const struct h5_file *file,
                  const struct description *d) {
    *dataset = (struct dataset){.file = *file,
                                .path = mem_string(file->path),
                                .name = mem_string(d->name),
                                .labels = {mem_string(d->labels[0]), mem_string(d->labels[1])},
                                .items = d->domain_items[0] + d->domain_items[1],
                                .domain_items = {d->domain_items[0], d->domain_items[1]},
                                .max_len = d->max_len};
    memcpy(dataset->counts, d->counts, sizeof d->counts);
    memcpy(dataset->events, d->events, sizeof d->events);
    memcpy(dataset->content_hash, d->content_hash, sizeof d->content_hash);
    memcpy(dataset->items_hash, d->items_hash, sizeof d->items_hash);
    dataset->verified = mem_zero(1, sizeof *dataset->verified);
}

/* What stands under a name now; 0: nothing. */
static uint64_t version_of(const char *path) {
    struct stat info;
    return stat(path, &info) ? 0 : rng_bits((uint64_t)info.st_ino, (uint64_t)info.st_dev);
}

/* Rank 0 goes first, so that what all would find is said once. */
static enum status open_all(const struct comm *comm, const char *path, struct h5_file *file) {
    *file = (struct h5_file){0};
    TRY(COMM_ON_ROOT(comm, h5_open(file, path)));
    enum status status = comm_agree(comm, comm->rank == 0 ? STATUS_OK : h5_open(file, path));
    if (status != STATUS_OK)
        h5_close(file);
    return status;
}

/* The same file on all ranks: they open again when another one takes its place meanwhile. */
static enum status open_one(const struct comm *comm, const char *path, struct h5_file *file) {
    for (int tries = 0;; tries++) {
        uint64_t before = version_of(path);
        TRY(open_all(comm, path, file));
        bool moved = version_of(path) != before;
        comm_bcast(comm, &moved, sizeof moved);
        if (!moved || tries == TRIES)
            return STATUS_OK;
        h5_close(file);
    }
}

static enum status mix_hash(const struct h5_file *file, const char *name, uint64_t *identity) {
    char *hash;
    if (!h5_has_attribute(file, "/", name))
        return STATUS_OK;
    TRY(h5_get_text(file, "/", name, &hash));
    *identity = rng_bits(*identity, rng_hash(hash));
    mem_free(hash);
    return STATUS_OK;
}

/* The bytes and the stored hashes of this rank's file; rank 0 has compared those of its own with
 * the content. */
static enum status identify(const struct h5_file *file, uint64_t *identity) {
    *identity = (uint64_t)file->bytes;
    TRY(mix_hash(file, "content_hash", identity));
    return mix_hash(file, "items_hash", identity);
}

/* Ranks of other nodes may have an old copy under the same name. */
static enum status check_alike(const struct comm *comm, const struct h5_file *file) {
    uint64_t identity = 0;
    TRY(comm_agree(comm, identify(file, &identity)));
    int first = comm_odd_one(comm, identity);
    if (first < 0)
        return STATUS_OK;
    return comm_error_of(comm, first, STATUS_INPUT,
                         "%s: on rank %d, %s, is another data set than on rank 0 (size or "
                         "hashes); give all ranks the same",
                         file->path, first, comm_host());
}

enum status dataset_open(const struct comm *comm, const char *path, struct dataset *dataset) {
    struct description d = {0};
    struct h5_file file;
    *dataset = (struct dataset){0};
    TRY(open_one(comm, path, &file));
    enum status status = COMM_ON_ROOT(comm, check_file(&file, &d));
    if (status == STATUS_OK)
        status = check_alike(comm, &file);
    if (status != STATUS_OK) {
        h5_close(&file);
        return status;
    }
    comm_bcast(comm, &d, sizeof d);
    adopt(dataset, &file, &d);
    return STATUS_OK;
}

void dataset_make(const struct synth_recipe *r, struct dataset *dataset) {
    *dataset = (struct dataset){.path = mem_string(r->name),
                                .name = mem_string(r->name),
                                .labels = {mem_string("A"), mem_string("B")},
                                .items = r->domain_items[0] + r->domain_items[1],
                                .domain_items = {r->domain_items[0], r->domain_items[1]},
                                .max_len = r->max_len,
                                .synth = mem_alloc(1, sizeof *dataset->synth)};
    *dataset->synth = synth_data_of(r);
    for (int s = 0; s < SPLITS; s++) {
        dataset->counts[s] = r->counts[s];
        dataset->events[s] = (int64_t)(r->mean_length * (double)r->counts[s]);
    }
}

void dataset_close(struct dataset *dataset) {
    h5_close(&dataset->file);
    mem_free(dataset->path);
    mem_free(dataset->name);
    mem_free(dataset->labels[0]);
    mem_free(dataset->labels[1]);
    mem_free(dataset->synth);
    if (dataset->verified)
        string_map_free(dataset->verified);
    mem_free(dataset->verified);
    *dataset = (struct dataset){0};
}

enum status dataset_verify(const struct comm *comm, const struct dataset *dataset,
                           const char *name) {
    if (string_map_find(dataset->verified, name) >= 0)
        return STATUS_OK;
    TRY(h5_verify(comm, &dataset->file, name));
    (void)string_map_add(dataset->verified, name, NULL);
    return STATUS_OK;
}

/* ---- sequences ---- */

static enum status read_ranges(const struct h5_file *file, enum split split, int64_t lo, int64_t hi,
                               struct sequences *out) {
    char path[64];
    sequences_name(path, split, "offsets");
    out->count = hi - lo;
    out->offsets = mem_alloc(hi - lo + 1, sizeof *out->offsets);
    TRY(h5_read(file, path, H5_I64, lo, hi + 1, out->offsets));
    int64_t from = out->offsets[0], to = out->offsets[hi - lo];
    for (int64_t i = 0; i < hi - lo; i++)
        if (out->offsets[i + 1] < out->offsets[i])
            return malformed(file, "its offsets changed since it was opened", lo + i);
    for (int64_t i = 0; i <= hi - lo; i++)
        out->offsets[i] -= from;
    out->items = mem_alloc(to - from, sizeof *out->items);
    sequences_name(path, split, "items");
    return h5_read(file, path, H5_I32, from, to, out->items);
}

static enum status read_sequences(const struct dataset *dataset, enum split split, int64_t lo,
                                  int64_t hi, struct sequences *out) {
    if (lo < 0 || hi < lo || hi > dataset->counts[split])
        return log_error(STATUS_FAIL, "%s: sequences %lld to %lld of %s are not there",
                         dataset->path, (long long)lo, (long long)hi, split_names[split]);
    if (dataset->synth) {
        synth_data_sequences(dataset->synth, split, lo, hi, out);
        return STATUS_OK;
    }
    return read_ranges(&dataset->file, split, lo, hi, out);
}

enum status dataset_read_sequences(const struct comm *comm, const struct dataset *dataset,
                                   enum split split, int64_t lo, int64_t hi,
                                   struct sequences *out) {
    *out = (struct sequences){0};
    enum status status = comm_agree(comm, read_sequences(dataset, split, lo, hi, out));
    if (status != STATUS_OK)
        sequences_free(out);
    return status;
}

enum status dataset_read_block(const struct comm *comm, const struct dataset *dataset,
                               enum split split, struct sequences *out) {
    struct range mine = range_of(dataset->counts[split], comm->size, comm->rank);
    return dataset_read_sequences(comm, dataset, split, mine.lo, mine.hi, out);
}

static enum status read_times(const struct dataset *dataset, enum split split, const char *path,
                              int64_t lo, int64_t hi, int64_t **times) {
    char offsets[64];
    int64_t from, to;
    sequences_name(offsets, split, "offsets");
    TRY(h5_read(&dataset->file, offsets, H5_I64, lo, lo + 1, &from));
    TRY(h5_read(&dataset->file, offsets, H5_I64, hi, hi + 1, &to));
    *times = mem_alloc(to - from, sizeof **times);
    return h5_read(&dataset->file, path, H5_I64, from, to, *times);
}

enum status dataset_read_times(const struct comm *comm, const struct dataset *dataset,
                               enum split split, int64_t lo, int64_t hi, int64_t **times) {
    char path[64];
    enum status status = STATUS_OK;
    *times = NULL;
    if (dataset->synth)
        return STATUS_OK;
    sequences_name(path, split, "times");
    TRY(dataset_verify(comm, dataset, path));
    if (h5_exists(&dataset->file, path))
        status = read_times(dataset, split, path, lo, hi, times);
    status = comm_agree(comm, status);
    if (status == STATUS_OK)
        return STATUS_OK;
    mem_free(*times);
    *times = NULL;
    return status;
}

/* ---- features ---- */

/* The members of a group for a message, masks left out. */
static enum status list_members(const struct h5_file *file, const char *group, char *list,
                                size_t size) {
    struct h5_strings names;
    TRY(h5_members(file, group, &names));
    *list = '\0';
    for (int64_t i = 0; i < names.count; i++)
        if (!is_mask(names.text[i]) && strlen(list) + strlen(names.text[i]) + 3 < size)
            strcat(strcat(list, list[0] ? ", " : ""), names.text[i]);
    h5_strings_free(&names);
    if (!list[0])
        snprintf(list, size, "none");
    return STATUS_OK;
}

static enum status no_such_feature(const struct h5_file *file, const char *name) {
    char list[1024];
    TRY(list_members(file, "/features", list, sizeof list));
    return log_error(STATUS_INPUT,
                     "%s: has no feature table '%s'; it has: %s; add one with 'cdsr "
                     "features'",
                     file->path, name, list);
}

static enum status feature_dim(const struct dataset *dataset, const char *name, int *dim) {
    const struct h5_file *file = &dataset->file;
    struct h5_extent extent = {0};
    char path[512];
    snprintf(path, sizeof path, "/features/%s", name);
    if (strchr(name, '/') || is_mask(name) || !h5_exists(file, path))
        return no_such_feature(file, name);
    TRY(check_feature(file, name, dataset->items));
    TRY(h5_extent(file, path, &extent));
    *dim = (int)extent.width;
    return STATUS_OK;
}

enum status dataset_feature_dim(const struct comm *comm, const struct dataset *dataset,
                                const char *name, int *dim) {
    int found = 0;
    if (dataset->synth) {
        *dim = dataset->synth->width;
        return STATUS_OK;
    }
    TRY(COMM_ON_ROOT(comm, feature_dim(dataset, name, &found)));
    comm_bcast(comm, &found, sizeof found);
    *dim = found;
    return STATUS_OK;
}

static enum status clear_missing(const struct h5_file *file, const char *name, int64_t lo,
                                 int64_t hi, int64_t dim, real *rows) {
    char path[512];
    snprintf(path, sizeof path, "/features/%s_mask", name);
    if (!h5_exists(file, path))
        return STATUS_OK;
    unsigned char *mask = mem_alloc(hi - lo, 1);
    enum status status = h5_read(file, path, H5_U8, lo, hi, mask);
    for (int64_t i = 0; i < hi - lo && status == STATUS_OK; i++)
        if (!mask[i])
            memset(rows + i * dim, 0, (size_t)dim * sizeof *rows);
    mem_free(mask);
    return status;
}

static enum status read_feature(const struct dataset *dataset, const char *name, int64_t lo,
                                int64_t hi, real *rows) {
    const struct h5_file *file = &dataset->file;
    struct h5_extent extent = {0};
    char path[512];
    snprintf(path, sizeof path, "/features/%s", name);
    TRY(h5_extent(file, path, &extent));
    TRY(h5_read(file, path, H5_REAL, lo, hi, rows));
    return clear_missing(file, name, lo, hi, extent.width, rows);
}

enum status dataset_read_feature(const struct comm *comm, const struct dataset *dataset,
                                 const char *name, int64_t lo, int64_t hi, real *rows) {
    char path[512];
    if (dataset->synth) {
        synth_data_feature(dataset->synth, lo, hi, rows);
        return STATUS_OK;
    }
    snprintf(path, sizeof path, "/features/%s", name);
    TRY(dataset_verify(comm, dataset, path));
    snprintf(path, sizeof path, "/features/%s_mask", name);
    TRY(dataset_verify(comm, dataset, path));
    return comm_agree(comm, read_feature(dataset, name, lo, hi, rows));
}

/* ---- texts ---- */

/* A text that the file lacks is empty for every item. */
static enum status read_texts(const struct dataset *dataset, const char *path, int64_t lo,
                              int64_t hi, struct h5_strings *out) {
    if (h5_exists(&dataset->file, path))
        return h5_read_strings(&dataset->file, path, lo, hi, out);
    *out = (struct h5_strings){hi - lo, mem_alloc(hi - lo, sizeof *out->text), mem_zero(1, 1)};
    for (int64_t i = 0; i < hi - lo; i++)
        out->text[i] = out->bytes;
    return STATUS_OK;
}

static enum status texts(const struct comm *comm, const struct dataset *dataset, const char *path,
                         int64_t lo, int64_t hi, struct h5_strings *out) {
    *out = (struct h5_strings){0};
    TRY(dataset_verify(comm, dataset, path));
    enum status status = comm_agree(comm, read_texts(dataset, path, lo, hi, out));
    if (status != STATUS_OK)
        h5_strings_free(out);
    return status;
}

enum status dataset_read_keys(const struct comm *comm, const struct dataset *dataset, int64_t lo,
                              int64_t hi, struct h5_strings *out) {
    return texts(comm, dataset, "/items/key", lo, hi, out);
}

enum status dataset_read_titles(const struct comm *comm, const struct dataset *dataset, int64_t lo,
                                int64_t hi, struct h5_strings *out) {
    return texts(comm, dataset, "/items/title", lo, hi, out);
}

enum status dataset_read_descriptions(const struct comm *comm, const struct dataset *dataset,
                                      int64_t lo, int64_t hi, struct h5_strings *out) {
    return texts(comm, dataset, "/items/description", lo, hi, out);
}

enum status dataset_find_text(const struct dataset *dataset, const char *name) {
    const struct h5_file *file = &dataset->file;
    char list[1024], path[512];
    snprintf(path, sizeof path, "/items/text/%s", name);
    if (*name && !strchr(name, '/') && h5_exists(file, path))
        return h5_expect(file, path, H5_STRING, 1, dataset->items, 1);
    TRY(list_members(file, "/items/text", list, sizeof list));
    return log_error(STATUS_INPUT, "%s: has no text '%s'; it has: %s; add one with 'cdsr enrich'",
                     dataset->path, name, list);
}

enum status dataset_read_text(const struct comm *comm, const struct dataset *dataset,
                              const char *name, int64_t lo, int64_t hi, struct h5_strings *out) {
    char path[512];
    snprintf(path, sizeof path, "/items/text/%s", name);
    return texts(comm, dataset, path, lo, hi, out);
}

/* ---- tags ---- */

static enum status check_tags(const struct h5_file *file, int64_t lo, int64_t entries,
                              int64_t vocabulary, const struct tag_rows *t) {
    int64_t n = t->count;
    if (t->offsets[0] < 0 || t->offsets[n] > entries)
        return malformed(file, "/tags/offsets are out of bounds", lo);
    for (int64_t i = 0; i < n; i++)
        if (t->offsets[i + 1] < t->offsets[i])
            return malformed(file, "/tags/offsets fall", lo + i);
    for (int64_t e = 0; t->tags && e < t->offsets[n] - t->offsets[0]; e++) {
        if (t->tags[e] < 0 || t->tags[e] >= vocabulary)
            return malformed(file, "/tags/items has a number that no tag has", t->tags[e]);
        if (!isfinite(t->weights[e]) || t->weights[e] < 0)
            return malformed(file, "/tags/weights has a number that is not >= 0 or infinite", e);
    }
    return STATUS_OK;
}

/* Extents that go with each other; out: entries and vocabulary. */
static enum status tag_extents(const struct h5_file *file, int64_t items, int64_t *entries,
                               int64_t *vocabulary) {
    struct h5_extent extent = {0};
    if (!h5_exists(file, "/tags/offsets"))
        return log_error(STATUS_INPUT,
                         "%s: has no tags; make it again from a source with tags.jsonl, or "
                         "stand-ins by 'cdsr features --make-tags'",
                         file->path);
    TRY(h5_expect(file, "/tags/offsets", H5_INTEGER, 1, items + 1, 1));
    TRY(h5_expect(file, "/tags/items", H5_INTEGER, 1, -1, 1));
    TRY(h5_extent(file, "/tags/items", &extent));
    *entries = extent.rows;
    TRY(h5_expect(file, "/tags/weights", H5_FLOAT, 1, *entries, 1));
    TRY(h5_expect(file, "/tags/vocabulary", H5_STRING, 1, -1, 1));
    TRY(h5_extent(file, "/tags/vocabulary", &extent));
    *vocabulary = extent.rows;
    return STATUS_OK;
}

static enum status read_tags(const struct dataset *dataset, int64_t lo, int64_t hi,
                             struct tag_rows *out) {
    const struct h5_file *file = &dataset->file;
    int64_t entries = 0, vocabulary = 0;
    TRY(tag_extents(file, dataset->items, &entries, &vocabulary));
    out->count = hi - lo;
    out->offsets = mem_alloc(hi - lo + 1, sizeof *out->offsets);
    TRY(h5_read(file, "/tags/offsets", H5_I64, lo, hi + 1, out->offsets));
    TRY(check_tags(file, lo, entries, vocabulary, out));
    int64_t from = out->offsets[0], to = out->offsets[hi - lo];
    out->tags = mem_alloc(to - from, sizeof *out->tags);
    out->weights = mem_alloc(to - from, sizeof *out->weights);
    TRY(h5_read(file, "/tags/items", H5_I32, from, to, out->tags));
    TRY(h5_read(file, "/tags/weights", H5_F32, from, to, out->weights));
    TRY(check_tags(file, lo, entries, vocabulary, out));
    for (int64_t i = 0; i <= hi - lo; i++)
        out->offsets[i] -= from;
    return h5_read_strings(file, "/tags/vocabulary", 0, vocabulary, &out->vocabulary);
}

/* Rank 0 looks first, so that a file without tags is said once. */
enum status dataset_read_tags(const struct comm *comm, const struct dataset *dataset, int64_t lo,
                              int64_t hi, struct tag_rows *out) {
    static const char *const names[] = {"/tags/offsets", "/tags/items", "/tags/weights",
                                        "/tags/vocabulary"};
    struct tag_rows first = {0};
    *out = (struct tag_rows){0};
    enum status status = COMM_ON_ROOT(comm, read_tags(dataset, 0, 0, &first));
    tag_rows_free(&first);
    TRY(status);
    for (int k = 0; k < 4; k++)
        TRY(dataset_verify(comm, dataset, names[k]));
    status = comm_agree(comm, read_tags(dataset, lo, hi, out));
    if (status != STATUS_OK)
        tag_rows_free(out);
    return status;
}

void tag_rows_free(struct tag_rows *rows) {
    mem_free(rows->offsets);
    mem_free(rows->tags);
    mem_free(rows->weights);
    h5_strings_free(&rows->vocabulary);
    *rows = (struct tag_rows){0};
}

static enum status tag_vectors_extent(const struct h5_file *file, const char *name, int64_t items,
                                      const char *path, struct h5_extent *extent) {
    int64_t entries = 0, vocabulary = 0;
    char list[1024];
    TRY(tag_extents(file, items, &entries, &vocabulary));
    if (*name && !strchr(name, '/') && h5_exists(file, path)) {
        TRY(h5_expect(file, path, H5_FLOAT, 2, vocabulary, -1));
        return h5_extent(file, path, extent);
    }
    TRY(list_members(file, "/tags/features", list, sizeof list));
    return log_error(STATUS_INPUT,
                     "%s: has no tag vectors '%s'; it has: %s; add some with 'cdsr features "
                     "--vocabulary'",
                     file->path, name, list);
}

static enum status find_tag_vectors(const struct dataset *dataset, const char *name,
                                    int64_t size[2]) {
    struct h5_extent extent = {0};
    char path[512];
    snprintf(path, sizeof path, "/tags/features/%s", name);
    TRY(tag_vectors_extent(&dataset->file, name, dataset->items, path, &extent));
    size[0] = extent.rows;
    size[1] = extent.width;
    return STATUS_OK;
}

enum status dataset_tag_vectors_size(const struct comm *comm, const struct dataset *dataset,
                                     const char *name, int64_t *tags, int64_t *dim) {
    int64_t size[2] = {0, 0};
    TRY(COMM_ON_ROOT(comm, find_tag_vectors(dataset, name, size)));
    comm_bcast(comm, size, sizeof size);
    *tags = size[0];
    *dim = size[1];
    return STATUS_OK;
}

/* Rank 0 reads: the table is small, and a fault in it is said once. */
enum status dataset_read_tag_vectors(const struct comm *comm, const struct dataset *dataset,
                                     const char *name, int64_t *tags, int64_t *dim,
                                     real **vectors) {
    char path[512];
    snprintf(path, sizeof path, "/tags/features/%s", name);
    *vectors = NULL;
    TRY(dataset_verify(comm, dataset, path));
    TRY(dataset_tag_vectors_size(comm, dataset, name, tags, dim));
    *vectors = mem_alloc(*tags * *dim, sizeof **vectors);
    enum status status =
        COMM_ON_ROOT(comm, h5_read(&dataset->file, path, H5_REAL, 0, *tags, *vectors));
    if (status != STATUS_OK) {
        mem_free(*vectors);
        *vectors = NULL;
        return status;
    }
    comm_bcast(comm, *vectors, *tags * *dim * (int64_t)sizeof **vectors);
    return STATUS_OK;
}
