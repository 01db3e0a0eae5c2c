/* Files and directories as the system has them; io/output.h writes them. Not collective: call on
 * one rank.
 *
 * Every failure is one line "PATH: what: why" and STATUS_IO. */
#ifndef IO_FILE_H
#define IO_FILE_H
#include "core/status.h"
#include <stdbool.h>
#include <stdint.h>

/* The text of a file of at most `most` bytes, the caller's to be given to mem_free; STATUS_INPUT
 * for a larger one. */
CHECKED enum status file_read(const char *path, int64_t most, char **text);

/* Directory `path` with all its parents; no error if it is there. */
CHECKED enum status file_make_directory(const char *path);

/* Remove a file; no error if it is not there. */
CHECKED enum status file_remove(const char *path);

/* Remove the files of a directory whose names begin with `prefix`; no error if there are none. */
CHECKED enum status file_remove_all(const char *directory, const char *prefix);

/* Remove a directory with the files in it; no error if it is not there. */
CHECKED enum status file_remove_directory(const char *path);

/* Remove the files of a directory whose names end in .tmp.PID, and MPI's own beside them: what processes
 * that were killed have left of atomic writes. */
CHECKED enum status file_remove_temporary(const char *directory);

/* Make renames in the directory of `path` durable; -1 and errno where that fails, as it may on a
 * file system that cannot sync a directory. */
int file_sync_directory(const char *path);

bool file_exists(const char *path);

#endif
