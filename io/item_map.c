/* For each domain rank 0 puts the data set's keys into a hash table and lets the checkpoint's keys
 * of that domain pass by, block by block: each finds its item or none. The first difference
 * between the two orders, for a message, is found by such a pass too. */
#include "io/item_map.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/item_keys.h"
#include "io/key_rows.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1 << 16 };

void item_map_free(struct item_map *map) {
    mem_free(map->to);
    *map = (struct item_map){0};
}

/* Looks at the checkpoint's keys of the items first .. first + keys->count - 1; *stop ends that. */
typedef enum status look_fn(void *context, int64_t first, const struct h5_strings *keys,
                            bool *stop);

/* The checkpoint's items [lo, hi), block by block. */
static enum status look_at(const char *path, int64_t lo, int64_t hi, look_fn *look, void *context) {
    struct h5_file file;
    bool stop = false;
    TRY(h5_open(&file, path));
    enum status status = STATUS_OK;
    for (; lo < hi && status == STATUS_OK && !stop; lo += BLOCK) {
        struct h5_strings keys;
        status = item_keys_load(&file, lo, lo + BLOCK < hi ? lo + BLOCK : hi, &keys);
        if (status == STATUS_OK)
            status = look(context, lo, &keys, &stop);
        h5_strings_free(&keys);
    }
    h5_close(&file);
    return status;
}

/* ---- the map ---- */

struct matching {
    struct item_map *map;
    struct string_map numbers; /* of the domain's keys in the data set */
    int64_t first;             /* item of the data set */
    uint8_t *taken;            /* [items of the domain in the data set] */
    const char *path;
};

static enum status match(void *context, int64_t first, const struct h5_strings *keys, bool *stop) {
    struct matching *m = context;
    (void)stop;
    for (int64_t i = 0; i < keys->count; i++) {
        int64_t at = string_map_find(&m->numbers, keys->text[i]);
        m->map->to[first + i] = at < 0 ? -1 : (int32_t)(m->first + at);
        if (at >= 0 && m->taken[at]++)
            return log_error(STATUS_INPUT,
                             "%s: two items of a domain have the key '%.100s': its items cannot be "
                             "told apart by their keys",
                             m->path, keys->text[i]);
        m->map->counts.kept += at >= 0;
    }
    return STATUS_OK;
}

static enum status match_domain(struct matching *m, const struct h5_strings *keys,
                                const char *dataset, int64_t lo, int64_t hi) {
    m->taken = mem_zero(keys->count, 1);
    enum status status = key_map(&m->numbers, keys, dataset, "items are matched by their keys");
    if (status == STATUS_OK)
        status = look_at(m->path, lo, hi, match, m);
    string_map_free(&m->numbers);
    mem_free(m->taken);
    return status;
}

/* The domain's keys of the data set are on rank 0. */
static enum status map_domain(const struct comm *comm, int d, const int64_t domain_items[2],
                              const struct dataset *dataset, struct matching *m) {
    struct h5_strings keys;
    int64_t lo = d ? domain_items[0] : 0, first = d ? dataset->domain_items[0] : 0;
    int64_t n = comm->rank == 0 ? dataset->domain_items[d] : 0;
    TRY(dataset_read_keys(comm, dataset, first, first + n, &keys));
    m->first = first;
    enum status status =
        COMM_ON_ROOT(comm, match_domain(m, &keys, dataset->path, lo, lo + domain_items[d]));
    h5_strings_free(&keys);
    return status;
}

enum status item_map_make(const struct comm *comm, const char *path, const int64_t domain_items[2],
                          const struct dataset *dataset, struct item_map *map) {
    int64_t items = domain_items[0] + domain_items[1];
    struct matching m = {.map = map, .path = path};
    *map = (struct item_map){.items = items, .to = mem_alloc(items, sizeof *map->to)};
    enum status status = STATUS_OK;
    for (int d = 0; d < 2 && status == STATUS_OK; d++)
        status = map_domain(comm, d, domain_items, dataset, &m);
    if (status != STATUS_OK) {
        item_map_free(map);
        return status;
    }
    comm_bcast(comm, map->to, items * (int64_t)sizeof *map->to);
    comm_bcast(comm, &map->counts.kept, sizeof map->counts.kept);
    map->counts.added = dataset->items - map->counts.kept;
    map->counts.dropped = items - map->counts.kept;
    return STATUS_OK;
}

/* ---- the first difference ---- */

struct comparing {
    const struct dataset *dataset;
    const int64_t *domain_items;   /* of the checkpoint */
    const struct h5_strings *keys; /* of the data set */
    int64_t at;                    /* the first item in which they differ */
    char here[104];                /* its key in the checkpoint, or the beginning of it */
};

static enum status compare(void *context, int64_t first, const struct h5_strings *keys,
                           bool *stop) {
    struct comparing *c = context;
    for (int64_t k = 0; k < keys->count && !*stop; k++) {
        int64_t i = first + k;
        bool same = i < c->keys->count && !strcmp(keys->text[k], c->keys->text[i]) &&
                    (i < c->domain_items[0]) == (i < c->dataset->domain_items[0]);
        c->at = i + same;
        *stop = !same;
        snprintf(c->here, sizeof c->here, "%.100s", same ? "" : keys->text[k]);
    }
    return STATUS_OK;
}

static void tell_item(FILE *text, int64_t i, const char *key, const int64_t domain_items[2],
                      char *const labels[2]) {
    if (i < domain_items[0] + domain_items[1])
        fprintf(text, "'%.100s' of %s", key, labels[i >= domain_items[0]]);
    else
        fprintf(text, "none");
}

static char *tell_difference(const struct comparing *c) {
    const struct dataset *d = c->dataset;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fprintf(out, "item %lld is ", (long long)c->at);
    tell_item(out, c->at, c->here, c->domain_items, d->labels);
    fprintf(out, " here and ");
    tell_item(out, c->at, c->at < d->items ? c->keys->text[c->at] : "", d->domain_items, d->labels);
    fprintf(out, " there");
    fclose(out);
    char *copy = mem_string(text);
    free(text);
    return copy;
}

enum status item_map_difference(const struct comm *comm, const char *path,
                                const int64_t domain_items[2], const struct dataset *dataset,
                                char **text) {
    struct h5_strings keys;
    struct comparing c = {dataset, domain_items, &keys, 0, ""};
    bool first = comm->rank == 0;
    TRY(dataset_read_keys(comm, dataset, 0, first ? dataset->items : 0, &keys));
    enum status status =
        COMM_ON_ROOT(comm, look_at(path, 0, domain_items[0] + domain_items[1], compare, &c));
    *text = first && status == STATUS_OK ? tell_difference(&c) : NULL;
    h5_strings_free(&keys);
    return status;
}
