/* Tables of numbers in .safetensors files. Not collective.
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

#endif
