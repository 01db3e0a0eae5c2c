/* A table of floating-point rows in .npy, .safetensors or HDF5 files, one or several whose rows
 * follow one another. Not collective. */
#ifndef IO_TABLE_H
#define IO_TABLE_H
#include "core/status.h"
#include "io/h5_file.h"
#include "io/numbers.h"
#include "io/sha256.h"
#include "io/string_list.h"
#include <stdint.h>

/* One file of a table. */
struct table_part {
    char *path;    /* of the file */
    char *dataset; /* HDF5 only, else NULL */
    struct numbers numbers;
    struct h5_file file;
    int64_t rows, width;
};

struct table {
    struct string_list sources, files; /* as given, and without the names of datasets */
    char *tensor;
    int64_t *first; /* [sources.count + 1] rows of the sources before */
    int64_t at;     /* the source that `part` is; one file is open at a time */
    struct table_part part;
    int64_t rows, width;
};

/* Append to `sources` what `pattern` stands for: itself, or, where no such file exists and it has
 * one of * ? [, the files that match, in ascending order of the numbers and letters in their names
 * (part-2 before part-10). STATUS_IO if none does. */
CHECKED enum status table_expand(const char *pattern, struct string_list *sources);

/* Each source is FILE.npy, FILE.safetensors, FILE.h5:DATASET or FILE.h5, whose only dataset, in
 * whatever group, is taken; all must have one width. `tensor` names the tensor of .safetensors
 * files, NULL: their only table. On failure the object is zeroed. */
CHECKED enum status table_open(struct table *table, const struct string_list *sources,
                               const char *tensor);
void table_close(struct table *table); /* safe on a zeroed object; zeroes it */

/* Rows [lo, hi) into out [hi - lo, width]. */
CHECKED enum status table_read(struct table *table, int64_t lo, int64_t hi, float *out);

/* Row row[i] into row i of out [n, width]; zeros where row[i] < 0. */
CHECKED enum status table_gather(struct table *table, const int64_t *row, int64_t n, float *out);

/* One row as it is in the file, where float may have made a value infinite or zero. */
CHECKED enum status table_read_exact(struct table *table, int64_t row, double *out);

/* Source and row in it ("part-1.npy: row 7") of row `row`, for messages. */
void table_place(const struct table *table, int64_t row, const char **source,
                 int64_t *row_of_source);

/* Do the datasets of HDF5 files that have checksums (io/h5_sum.h) have the right ones? */
CHECKED enum status table_verify(struct table *table);

/* SHA-256 of the files' bytes, one after the other. */
CHECKED enum status table_sha256(const struct table *table, char text[SHA256_TEXT]);

#endif
