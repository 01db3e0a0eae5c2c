/* A data set in memory, as the readers of raw files build it, and its way into a file. */
#ifndef IO_DATASET_CONTENT_H
#define IO_DATASET_CONTENT_H
#include "core/status.h"
#include "io/dataset.h"
#include "io/sha256.h"
#include "io/string_list.h"
#include "mpi/comm.h"
#include <stdbool.h>
#include <stdint.h>

/* The sequences of one split, each in the order of time. */
struct split_content {
    struct sequences sequences;
    int64_t *times; /* [events] seconds, or positions where the input has no times */
    struct string_list users;
    int64_t apart;    /* sequences whose last two events are apart by less than their second */
    int64_t rooms[2]; /* allocated: sequences, events */
};

/* Tags of item i: items[offsets[i] .. offsets[i + 1]) are numbers in the vocabulary. */
struct tags_content {
    struct string_map vocabulary;
    int64_t *offsets; /* [N + 1], or NULL: no tags */
    int32_t *items;
    float *weights;
};

/* What may be wrong with the protocol of a data set; counts of the leak check (io/leak.h). */
struct leak_report {
    bool has_times;          /* false: times are mere positions, `later` and `tied` count nothing */
    int64_t later;           /* training events later than a held-out target of their user */
    int64_t repeated_target; /* held-out targets that stand in their own history */
    int64_t tied[SPLITS];    /* targets of a split at the time of the event before them */
    int64_t in_training;     /* held-out sequences that are also training sequences */
    int64_t ascending;       /* sequences of at least 4 events whose item ids ascend ... */
    int64_t ascending_of;    /* ... of so many of that length */
};

struct dataset_content {
    char *name, *protocol;
    char *labels[2];
    int max_len;
    int64_t domain_items[2];
    struct string_list keys;         /* [N] */
    struct string_list titles;       /* [N] */
    struct string_list descriptions; /* [N], or none: the source has no such column */
    struct split_content split[SPLITS];
    struct tags_content tags;
    struct string_list sources, source_hashes; /* raw files and their SHA-256 */
    struct leak_report leaks;
};

void tags_content_free(struct tags_content *tags);          /* safe on a zeroed object; zeroes it */
void dataset_content_free(struct dataset_content *content); /* safe on a zeroed object; zeroes it */

/* Note a raw file that was read to its end. */
void dataset_content_source(struct dataset_content *content, const char *path, const char *sha256);

/* Append a sequence of n events. */
void split_content_add(struct split_content *split, const char *user, int64_t n,
                       const int32_t *items, const int64_t *times);

/* The hash that identifies the domains and sequences of a data set: SHA-256 of |X|, |Y| and, per
 * split, count, offsets and items, all little-endian. Begin, add the three parts of each split in
 * the order of the splits, end. */
void content_hash_begin(struct sha256 *hash, const int64_t domain_items[2]);
void content_hash_count(struct sha256 *hash, int64_t count);
void content_hash_offsets(struct sha256 *hash, const int64_t *offsets, int64_t n);
void content_hash_items(struct sha256 *hash, const int32_t *items, int64_t n);

/* The same of a content in memory. */
void content_hash(const struct dataset_content *content, char text[SHA256_TEXT]);

/* The hash that says which item has which number: SHA-256 of |X| and |Y|, little-endian, and the
 * keys in the order of the items, each with its NUL. Begin, add the keys, end. */
void items_hash_begin(struct sha256 *hash, const int64_t domain_items[2]);
void items_hash_key(struct sha256 *hash, const char *key);

/* Collective; `content` is read on rank 0. Write the file (schema 1) atomically. */
CHECKED enum status dataset_write(const struct comm *comm, const char *path,
                                  const struct dataset_content *content);

/* The attributes and item datasets that every data set file has, checksums to be kept; for writers
 * that stream.
 * To be called on rank 0 of an H5_SERIAL writer. */
struct dataset_header {
    const char *name, *protocol;
    const char *labels[2];
    int max_len;
    int64_t domain_items[2];
    int64_t counts[SPLITS], events[SPLITS];
    bool times, tags, descriptions;
    int64_t tag_count, tag_entries; /* vocabulary, (item, tag) pairs */
};
CHECKED enum status dataset_declare(struct h5_writer *writer, const struct dataset_header *header);

/* The group /tags alone, of `items` items; on rank 0 of an H5_SERIAL writer of a file without it.
 */
CHECKED enum status dataset_declare_tags(struct h5_writer *writer, int64_t items, int64_t tag_count,
                                         int64_t entries);
CHECKED enum status dataset_write_tags(struct h5_writer *writer, int64_t items,
                                       const struct tags_content *tags);

/* "/sequences/<split>/<member>" in `path` (64 bytes). */
void sequences_name(char path[64], enum split split, const char *member);

#endif
