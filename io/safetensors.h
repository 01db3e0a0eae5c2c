/* Tensors in .safetensors files. Not collective.
 *
 * Format: github.com/huggingface/safetensors, "Format": 8 bytes little-endian length, a JSON header
 * of that length {"name": {"dtype", "shape", "data_offsets"}, ...}, then the tensors' bytes without
 * gaps. */
#ifndef IO_SAFETENSORS_H
#define IO_SAFETENSORS_H
#include "core/status.h"
#include "io/numbers.h"

/* The two-dimensional tensor `tensor` of type F32, F16 or BF16; NULL: the only two-dimensional
 * one. The whole header is checked, whichever tensor is wanted: bounds, offsets against dtype and
 * shape, gaps and overlaps; STATUS_INPUT names the tensor. Set on success only; to be closed by
 * numbers_close. */
CHECKED enum status safetensors_open(struct numbers *table, const char *path, const char *tensor);

/* ---- the tensors of a model ---- */

/* One entry of the header. */
struct safetensors_entry {
    const char *name, *dtype;
    const struct json_t *shape;
    int64_t begin, end; /* of its bytes, from the end of the header */
};

struct safetensors {
    FILE *stream;
    char *path;
    int64_t start; /* of the data in the file */
    int64_t bytes; /* of the data */
    struct json_t *json;
    struct safetensors_entry *entries; /* [count], names and shapes in json */
    int64_t count;
};

/* Reads the header and checks it whole, as safetensors_open does. On failure the object is zeroed. */
CHECKED enum status safetensors_open_all(struct safetensors *file, const char *path);
void safetensors_close(struct safetensors *file); /* safe on a zeroed object; zeroes it */

/* The tensor `name`, of type F32, F16 or BF16 and these extents [ndim], 1 to 4 of them, as a table
 * whose rows are along the first one; a vector has width 1. STATUS_INPUT names the tensor and what is
 * wrong with it. `out` is valid until `file` is closed, and not to be closed itself. */
CHECKED enum status safetensors_find(const struct safetensors *file, const char *name, int ndim,
                                     const int64_t *extent, struct numbers *out);

#endif
