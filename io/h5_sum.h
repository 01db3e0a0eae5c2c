/* Checksums of HDF5 datasets: their attribute "checksum", a sum over the rows modulo 2^64, so that
 * any number of ranks takes and verifies it, each with its share of the rows. That of numbers is
 * hash_elements (core/hash.h) of their values as 32-bit or 64-bit numbers, whichever the file has
 * at least; that of strings is a sum of mixes of a string's hash and its row. The writer of
 * io/h5_writer.h takes them on the way. */
#ifndef IO_H5_SUM_H
#define IO_H5_SUM_H
#include "io/h5_file.h"
#include "mpi/comm.h"

#define H5_CHECKSUM "checksum"

/* Not collective. The sum over rows [lo, hi) of a dataset as they stand in the file. */
CHECKED enum status h5_sum_rows(const struct h5_file *file, const char *name, int64_t lo,
                                int64_t hi, uint64_t *sum);

/* Collective; each rank has its own handle of the file. Does the dataset have its checksum?
 * STATUS_INPUT where it does not; one that is not there, or has no checksum, passes. */
CHECKED enum status h5_verify(const struct comm *comm, const struct h5_file *file,
                              const char *name);

/* Not collective. The same, of all rows on this rank. */
CHECKED enum status h5_verify_alone(const struct h5_file *file, const char *name);

/* Not collective. The sum over n elements of memory type `given`, elements first, first + 1, ... of
 * a dataset whose file type is `stored`: of what is stored of them. */
uint64_t h5_sum_data(enum h5_type stored, enum h5_type given, const void *data, int64_t n,
                     int64_t first);

#endif
