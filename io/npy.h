/* NumPy's .npy files (versions 1 and 2) as tables of numbers, read by row blocks. Not collective.
 */
#ifndef IO_NPY_H
#define IO_NPY_H
#include "core/status.h"
#include <stdint.h>
#include <stdio.h>

enum npy_type { NPY_F16, NPY_F32, NPY_F64, NPY_U8 };

struct npy {
    FILE *stream;
    char *path;
    enum npy_type type;
    int rank; /* 1 or 2 */
    int64_t rows, width;
    int64_t start; /* of the data, bytes */
};

/* Little-endian f2, f4, f8, u1 or bool in C order; everything else is refused, and so is a file
 * that has not as many bytes as its shape promises. On failure the object is zeroed. */
CHECKED enum status npy_open(struct npy *npy, const char *path);
void npy_close(struct npy *npy); /* safe on a zeroed object; zeroes it */

/* Rows [lo, hi) into out [hi - lo, width]; values that float cannot hold become infinite. */
CHECKED enum status npy_read(struct npy *npy, int64_t lo, int64_t hi, float *out);

/* IEEE binary16 to float. */
float npy_half(uint16_t bits);

#endif
