/* Feature tables from files into a data set. */
#ifndef JOBS_FEATURES_IMPORT_H
#define JOBS_FEATURES_IMPORT_H
#include "core/status.h"
#include "io/dataset.h"
#include "io/string_list.h"
#include "mpi/comm.h"
#include <stdbool.h>

struct import_request {
    const char *name;        /* of the table; shorter than FEATURE_NAME */
    struct string_list from; /* files and patterns, their rows one after the other */
    const char *tensor;      /* of .safetensors files; NULL: the only table */
    const char *keys;        /* file of item keys, one per row; NULL: row i is item i */
    const char *mask;        /* .npy vector, one u1 or bool per row, 0: missing; NULL: none is */
    int64_t pca; /* reduce to so many principal components; 0: store the table as it is */
    bool whiten; /* components to variance 1 */
    bool half, overwrite, ignore_unknown;
    bool vocabulary; /* the rows are of the data set's tags, for /tags/features/NAME; those that are
                      * missing stay zero, there is no mask */
};

/* Collective. Check the source wholly, reduce it if asked for, write /features/NAME with its
 * attributes and, where items have no row, /features/NAME_mask; print what it was on rank 0. Each
 * rank reads and writes the rows of its block of items, a few MiB at a time; the data set is the
 * old one or has the whole table. */
CHECKED enum status import_table(const struct comm *comm, const struct dataset *dataset,
                                 const struct import_request *request);

#endif
