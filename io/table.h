/* A table of floating-point rows in a .npy file or an HDF5 dataset. Not collective. */
#ifndef IO_TABLE_H
#define IO_TABLE_H
#include "core/status.h"
#include "io/h5.h"
#include "io/npy.h"
#include <stdint.h>

struct table {
    char *path;    /* of the file */
    char *dataset; /* NULL: .npy */
    struct numbers numbers;
    struct h5_file file;
    int64_t rows, width;
};

/* `source` is FILE.npy, FILE.h5:DATASET or FILE.h5, whose only dataset is taken. On failure the
 * object is zeroed. */
CHECKED enum status table_open(struct table *table, const char *source);
void table_close(struct table *table); /* safe on a zeroed object; zeroes it */

/* Rows [lo, hi) into out [hi - lo, width]. */
CHECKED enum status table_read(struct table *table, int64_t lo, int64_t hi, float *out);

#endif
