/* NumPy's .npy files as tables of numbers. Not collective.
 *
 * Format: NEP 1 and numpy.lib.format, versions 1, 2 and 3. */
#ifndef IO_NPY_H
#define IO_NPY_H
#include "core/status.h"
#include "io/numbers.h"

/* A vector or a table of little-endian f2, f4, f8, u1 or bool in C order; everything else is
 * refused (STATUS_INPUT), and so is a file that has not just as many bytes as its shape promises.
 * Set on success only; to be closed by numbers_close. */
CHECKED enum status npy_open(struct numbers *table, const char *path);

#endif
