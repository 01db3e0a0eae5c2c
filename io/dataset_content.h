/* A data set in memory, as the readers of raw files build it. Not collective. */
#ifndef IO_DATASET_CONTENT_H
#define IO_DATASET_CONTENT_H
#include "io/sequences.h"
#include "io/sha256.h"
#include "io/string_list.h"
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

/* Its content hash (io/content_hash.h). */
void dataset_content_hash(const struct dataset_content *content, char text[SHA256_TEXT]);

#endif
