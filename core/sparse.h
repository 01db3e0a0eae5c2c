/* Sparse matrix by rows. Plain data. */
#ifndef CORE_SPARSE_H
#define CORE_SPARSE_H
#include <stdint.h>

/* Row i has the entries offsets[i] .. offsets[i + 1), each of another column, in any order. */
struct sparse {
    int64_t rows;
    int32_t columns;
    int64_t *offsets; /* [rows + 1] */
    int32_t *column;
    float *value;
};

#endif
