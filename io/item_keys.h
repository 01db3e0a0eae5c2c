/* The keys of all items of a data set or a checkpoint, shared out over the ranks in blocks: with
 * the items' numbers they say whose row of an item table is whose. */
#ifndef IO_ITEM_KEYS_H
#define IO_ITEM_KEYS_H
#include "io/dataset.h"
#include "io/h5_writer.h"

struct item_keys {
    int64_t domain_items[2]; /* |X|, |Y|; the keys are those of X, then those of Y */
    int64_t lo, hi;          /* the items whose keys are here */
    char *bytes;             /* [size] these keys one after another, each with its NUL */
    int64_t size;
    int64_t before, total; /* bytes of the keys of the items before lo, and of all */
};

/* Collective. The keys of an open data set. One without keys (items_hash is empty) has no items
 * here. */
CHECKED enum status item_keys_read(const struct comm *comm, const struct dataset *dataset,
                                   struct item_keys *keys);
void item_keys_free(struct item_keys *keys); /* safe on a zeroed object; zeroes it */

static inline int64_t item_keys_count(const struct item_keys *keys) {
    return keys->domain_items[0] + keys->domain_items[1];
}

/* ---- in a checkpoint: tables of numbers, because several ranks may not write text ----
 *   /items/key_bytes    u8 [total]    the keys in the order of the items, each with its NUL
 *   /items/key_offsets  i64 [N + 1]   where each begins, and the end */

enum { ITEM_KEY_TABLES = 2 };
extern const char *const item_key_tables[ITEM_KEY_TABLES];

/* Of an H5_PARALLEL writer: declare is collective, write is not. Nothing, where there are no keys.
 */
CHECKED enum status item_keys_declare(struct h5_writer *writer, const struct item_keys *keys);
CHECKED enum status item_keys_write(struct h5_writer *writer, const struct item_keys *keys);

/* Not collective. Add this rank's share to the tables' checksums (io/h5_sum.h). */
void item_keys_hash(const struct item_keys *keys, uint64_t sum[ITEM_KEY_TABLES]);

/* Not collective. The keys of the items [lo, hi), hi > lo, of a checkpoint; STATUS_INPUT for tables
 * that are not such a list. */
CHECKED enum status item_keys_load(const struct h5_file *file, int64_t lo, int64_t hi,
                                   struct h5_strings *out);

#endif
