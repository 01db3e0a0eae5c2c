/* A data set: items of two domains and the user sequences over them, in one HDF5 file (schema 1).
 *
 * Items are numbered 0..N-1, those of the first domain first; a data set of one domain has no items
 * of the second. Features and tags stay in the file until asked for. */
#ifndef IO_DATASET_H
#define IO_DATASET_H
#include "core/real.h"
#include "core/status.h"
#include "io/h5_file.h"
#include "io/synth_data.h"
#include "mpi/comm.h"
#include <stdbool.h>
#include <stdint.h>

struct dataset {
    struct h5_file file; /* open; not to be closed by others */
    char *path, *name;
    char *labels[2];         /* names of the two domains, "A" and "B" by default */
    int64_t items;           /* N */
    int64_t domain_items[2]; /* |X| > 0, |Y|; X = [0, |X|), Y = [|X|, N) */
    int64_t counts[SPLITS];  /* sequences */
    int64_t events[SPLITS];  /* interactions */
    int max_len;
    char content_hash[65];       /* lower-case hexadecimal SHA-256 */
    char items_hash[65];         /* of the items' keys in their order; "": the file has no keys */
    struct synth_data *synth;    /* what makes it in memory; NULL: the file has it */
    struct string_map *verified; /* names of the HDF5 datasets that were found to have their
                                    checksums, by all ranks together */
};

/* A checksum of an HDF5 dataset (io/h5_sum.h; older files, and those that others made, have none)
 * is verified when its dataset is first read; the sequences have the content hash besides, which
 * dataset_open verifies. STATUS_INPUT where one is not right. */

/* Collective. Opens `path` read-only, for as long as the object lives: a file that takes its place
 * meanwhile changes nothing for it. Checks it wholly (schema, extents, types, every item id and
 * offset, no empty sequence, both hashes; no external links or foreign filters are followed) on
 * rank 0 and gives all ranks the description. STATUS_INPUT for a bad file, and where a rank has
 * another one under that name; STATUS_IO for one that cannot be read. */
CHECKED enum status dataset_open(const struct comm *comm, const char *path,
                                 struct dataset *dataset);

/* Not collective. A data set that no file has: what is read of it is made in memory, by every rank for
 * itself. `events` are those expected of so many users; items have no keys, titles or tags, events no
 * times, and there are no hashes. */
void dataset_make(const struct synth_recipe *recipe, struct dataset *dataset);

void dataset_close(
    struct dataset *dataset); /* safe on a zeroed object; zeroes it. Not collective. */

/* Collective. For who reads an HDF5 dataset of the file by other means: verify its checksum. */
CHECKED enum status dataset_verify(const struct comm *comm, const struct dataset *dataset,
                                   const char *name);

/* Collective. Sequences [lo, hi) of a split, ranges chosen by each rank freely. */
CHECKED enum status dataset_read_sequences(const struct comm *comm, const struct dataset *dataset,
                                           enum split split, int64_t lo, int64_t hi,
                                           struct sequences *out);

/* Collective. When the events of these sequences were; *times is to be given to mem_free, NULL where the
 * data set does not say. */
CHECKED enum status dataset_read_times(const struct comm *comm, const struct dataset *dataset,
                                       enum split split, int64_t lo, int64_t hi, int64_t **times);

/* Collective. This rank's block of a split (range_of). */
CHECKED enum status dataset_read_block(const struct comm *comm, const struct dataset *dataset,
                                       enum split split, struct sequences *out);

/* Collective. Width of feature table `name`; STATUS_INPUT, naming the tables that exist, if there
 * is none of that name. */
CHECKED enum status dataset_feature_dim(const struct comm *comm, const struct dataset *dataset,
                                        const char *name, int *dim);

/* Collective. Rows [lo, hi) of a feature table as stored, into rows [hi - lo, dim]; rows that the
 * table's mask marks as missing are zero. */
CHECKED enum status dataset_read_feature(const struct comm *comm, const struct dataset *dataset,
                                         const char *name, int64_t lo, int64_t hi, real *rows);

/* Collective. Keys and titles of the items [lo, hi), a range each rank chooses freely; the title of
 * an item without one is empty. */
CHECKED enum status dataset_read_keys(const struct comm *comm, const struct dataset *dataset,
                                      int64_t lo, int64_t hi, struct h5_strings *out);
CHECKED enum status dataset_read_titles(const struct comm *comm, const struct dataset *dataset,
                                        int64_t lo, int64_t hi, struct h5_strings *out);
CHECKED enum status dataset_read_descriptions(const struct comm *comm,
                                              const struct dataset *dataset, int64_t lo, int64_t hi,
                                              struct h5_strings *out);

/* Texts that models wrote of the items (cdsr enrich), by name; an item without one has an empty
 * text. Not collective: STATUS_INPUT, naming the texts that exist, if there is none of that name. */
CHECKED enum status dataset_find_text(const struct dataset *dataset, const char *name);

/* Collective. Such a text, which exists, of the items [lo, hi), a range each rank chooses freely. */
CHECKED enum status dataset_read_text(const struct comm *comm, const struct dataset *dataset,
                                      const char *name, int64_t lo, int64_t hi,
                                      struct h5_strings *out);

/* Tags of some items: those of the i-th are offsets[i] .. offsets[i + 1), numbers in the
 * vocabulary, with weights >= 0. */
struct tag_rows {
    int64_t count;
    int64_t *offsets; /* [count + 1] from 0 */
    int32_t *tags;
    float *weights;
    struct h5_strings vocabulary; /* whole */
};
void tag_rows_free(struct tag_rows *rows); /* safe on a zeroed object; zeroes it */

/* Collective. Tags of the items [lo, hi), a range each rank chooses freely. STATUS_INPUT for a data
 * set without tags or with malformed ones. */
CHECKED enum status dataset_read_tags(const struct comm *comm, const struct dataset *dataset,
                                      int64_t lo, int64_t hi, struct tag_rows *out);

/* Collective. Number and width of the vectors of the tag vocabulary stored as `name`. STATUS_INPUT,
 * naming those that exist, if there are none of that name. */
CHECKED enum status dataset_tag_vectors_size(const struct comm *comm, const struct dataset *dataset,
                                             const char *name, int64_t *tags, int64_t *dim);

/* Collective. Those vectors, [*tags, *dim], on all ranks; the caller's to be given to mem_free. */
CHECKED enum status dataset_read_tag_vectors(const struct comm *comm, const struct dataset *dataset,
                                             const char *name, int64_t *tags, int64_t *dim,
                                             real **vectors);

#endif
