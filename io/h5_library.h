/* The HDF5 library, for the reader and the writer of its files (io/h5_file.h, io/h5_writer.h): its
 * preparation, what it says of a failure, its types. An identifier (hid_t) is an int64_t here, so
 * that only the sources see the library's own header. Not collective. */
#ifndef IO_H5_LIBRARY_H
#define IO_H5_LIBRARY_H
#include "mpi/comm.h"
#include <stdbool.h>
#include <stdint.h>

/* Element types. Files hold little-endian ones; H5_F16 stands in files only. */
enum h5_type { H5_F16, H5_F32, H5_F64, H5_I32, H5_I64, H5_U8, H5_TEXT };
#ifdef CDSR_DOUBLE
#define H5_REAL H5_F64
#else
#define H5_REAL H5_F32
#endif

/* Silence the error stack and forbid plugins; before any other HDF5 call. */
void h5_prepare(void);

/* The library's innermost description of the last call that failed, in a static buffer. */
const char *h5_reason(void);

/* Has a call failed for want of memory? */
bool h5_exhausted(void);

/* Is the library built with MPI-IO? */
bool h5_is_parallel(const struct comm *comm);

/* Memory or file type; to be closed. Negative on failure. */
int64_t h5_memory_type(enum h5_type type);
int64_t h5_file_type(enum h5_type type);

/* True when every component of `name` below `file` is a hard link. */
bool h5_hard_links(int64_t file, const char *name);

#endif
