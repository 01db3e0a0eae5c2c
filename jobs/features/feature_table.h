/* What all jobs that write feature tables have in common. */
#ifndef JOBS_FEATURES_FEATURE_TABLE_H
#define JOBS_FEATURES_FEATURE_TABLE_H
#include "core/status.h"
#include "io/dataset.h"
#include "io/h5_writer.h"
#include <stdbool.h>

enum { FEATURE_NAME = 64 }; /* bytes of a table's name with its NUL */

/* The datasets of table `name`. */
struct feature_paths {
    char table[FEATURE_NAME + 16], mask[FEATURE_NAME + 24];
    char tags[FEATURE_NAME + 16]; /* vectors of the tag vocabulary */
};
void feature_paths(struct feature_paths *paths, const char *name);

/* Not collective. STATUS_INPUT when the data set has the table `paths->table`, which messages call
 * `name`, and `overwrite` is false. */
CHECKED enum status feature_check_name(const struct dataset *dataset,
                                       const struct feature_paths *paths, const char *name,
                                       bool overwrite);

/* Collective, of an H5_PARALLEL writer. Replace the table by an empty one of the data set's items
 * with `width` columns, f16 or f32, and a mask where rows are missing. */
CHECKED enum status feature_declare(struct h5_writer *writer, const struct feature_paths *paths,
                                    int64_t items, int64_t width, bool half, bool masked);

#endif
