/* Rows of a table that are dear to make, kept in files block by block until the table is whole: a job
 * that is killed goes on where it was, on any number of ranks. Not collective.
 *
 * A block has a key, a hash of everything that its rows were made of: one with another key is not
 * used, and is replaced. */
#ifndef JOBS_FEATURES_BLOCK_STORE_H
#define JOBS_FEATURES_BLOCK_STORE_H
#include "core/status.h"
#include "io/sha256.h"
#include <stdbool.h>
#include <stdint.h>

struct block_store {
    char *folder;
    int64_t width;
};

/* The blocks of table `name` of the data set at `path`, beside it in PATH.NAME.part/. */
void block_store_open(struct block_store *store, const char *path, const char *name, int64_t width);
void block_store_close(struct block_store *store); /* safe on a zeroed object; zeroes it */

/* Make the folder; before the first block is saved. */
CHECKED enum status block_store_make(const struct block_store *store);

/* Remove it with all that is in it. */
CHECKED enum status block_store_remove(const struct block_store *store);

/* The n rows [n, width] of a block and which of them are there, mask [n]. False where there is no such
 * block, whole, with this key. */
bool block_store_load(const struct block_store *store, int64_t block, const char key[SHA256_TEXT],
                      int64_t n, unsigned char *mask, float *rows);
CHECKED enum status block_store_save(const struct block_store *store, int64_t block,
                                     const char key[SHA256_TEXT], int64_t n,
                                     const unsigned char *mask, const float *rows);

#endif
