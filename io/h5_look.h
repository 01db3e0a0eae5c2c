/* The process that takes the first look at an HDF5 file for another one (io/h5_probe.h). */
#ifndef IO_H5_LOOK_H
#define IO_H5_LOOK_H

/* Reads what this program may come to read of any file, within limits of time and memory, and tells
 * the parent over standard output that it has begun and that it has come to the end. Gives the exit
 * status. */
int h5_look(const char *path);

#endif
