/* A walk through an HDF5 file that touches what this program may come to touch of it, so that
 * libhdf5 shows here whether it can read the file. Not collective. */
#ifndef IO_H5_WALK_H
#define IO_H5_WALK_H
#include <stdbool.h>

/* Lists every group, opens every dataset, reads all attributes, all strings but the users' names of
 * a data set, which nobody reads, and the first and last rows of numbers; up to a depth and a
 * number of objects that no data set or checkpoint has. True when it came to its end: also where
 * the library has said, soundly, that something cannot be read. False when memory did not suffice.
 */
bool h5_walk(const char *path);

#endif
