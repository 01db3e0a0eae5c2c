/* What the reader and the writer of io/h5.h share. Not collective. */
#ifndef IO_H5_INTERNAL_H
#define IO_H5_INTERNAL_H
#include "io/h5.h"
#include <hdf5.h>

/* Silence the error stack and forbid plugins; before any other HDF5 call. */
void h5_prepare(void);

/* The library's innermost description of the last call that failed, in a static buffer. */
const char *h5_reason(void);

/* Has a call failed for want of memory? */
bool h5_exhausted(void);

/* Memory or file type; to be closed. Negative on failure. */
hid_t h5_memory_type(enum h5_type type);
hid_t h5_file_type(enum h5_type type);

/* True when every component of `name` below `file` is a hard link. */
bool h5_hard_links(hid_t file, const char *name);

#endif
