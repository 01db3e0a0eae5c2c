/* The way of a data set into its file (schema 1): whole from memory, or declared here and streamed
 * by the caller. */
#ifndef IO_DATASET_WRITE_H
#define IO_DATASET_WRITE_H
#include "core/status.h"
#include "io/dataset_content.h"
#include "io/h5_writer.h"
#include "mpi/comm.h"
#include <stdbool.h>
#include <stdint.h>

/* Collective; `content` is read on rank 0. Write the file (schema 1) atomically. */
CHECKED enum status dataset_write(const struct comm *comm, const char *path,
                                  const struct dataset_content *content);

/* The attributes and item datasets that every data set file has, checksums to be kept; for writers
 * that stream. To be called on rank 0 of an H5_SERIAL writer. */
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

#endif
