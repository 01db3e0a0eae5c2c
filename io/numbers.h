/* A table of little-endian numbers inside a file, read by row blocks as float: what the .npy and
 * .safetensors formats have in common. Not collective. */
#ifndef IO_NUMBERS_H
#define IO_NUMBERS_H
#include "core/status.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum number_type { NUMBER_F16, NUMBER_BF16, NUMBER_F32, NUMBER_F64, NUMBER_U8 };

struct numbers {
    FILE *stream;
    char *path;
    enum number_type type;
    int rank; /* 1: a vector, width 1; 2: a table */
    int64_t rows, width;
    bool by_columns; /* Fortran order: the numbers of a column follow one another, not of a row */
    int64_t start;   /* of the data, bytes from the beginning of the file */
};

/* Open a regular file of *bytes bytes; `kind` (".npy") says in the message what it should be. */
CHECKED enum status numbers_open_file(const char *path, const char *kind, FILE **stream,
                                      int64_t *bytes);

/* rows * width * the size of the type; false where that overflows or a factor is negative. */
bool numbers_bytes(const struct numbers *numbers, int64_t *bytes);

/* Rows [lo, hi) into out [hi - lo, width]; values that float cannot hold become infinite.
 * STATUS_IO when the file has become shorter or the system refuses. */
CHECKED enum status numbers_read(struct numbers *numbers, int64_t lo, int64_t hi, float *out);

/* One row as it is in the file. */
CHECKED enum status numbers_read_exact(struct numbers *numbers, int64_t row, double *out);

void numbers_close(struct numbers *numbers); /* safe on a zeroed object; zeroes it */

float number_half(uint16_t bits);   /* IEEE 754 binary16 */
float number_bfloat(uint16_t bits); /* the upper half of an IEEE 754 binary32 */

#endif
