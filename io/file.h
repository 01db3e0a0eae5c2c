/* Small files and directories. Not collective: call on one rank.
 *
 * Every failure is one line "PATH: what: why" and STATUS_IO. */
#ifndef IO_FILE_H
#define IO_FILE_H
#include "core/status.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Writes to the file; errors are found afterwards. */
typedef void file_put_fn(FILE *file, void *context);

/* `path` holds what `put` writes when this returns, or what it held before: the bytes go to
 * PATH.tmp.PID, to disk, and are renamed. */
CHECKED enum status file_put(const char *path, file_put_fn *put, void *context);

/* The same with a text. */
CHECKED enum status file_write(const char *path, const char *text);

/* Directory `path` with all its parents; no error if it is there. */
CHECKED enum status file_make_directory(const char *path);

/* Remove a file; no error if it is not there. */
CHECKED enum status file_remove(const char *path);

/* Remove the files of a directory whose names begin with `prefix`; no error if there are none. */
CHECKED enum status file_remove_all(const char *directory, const char *prefix);

/* Remove the files of a directory whose names end in .tmp.PID: what processes that were killed have
 * left of atomic writes. */
CHECKED enum status file_remove_temporary(const char *directory);

/* Make renames in the directory of `path` durable; -1 and errno where that fails, as it may on a
 * file system that cannot sync a directory. */
int file_sync_directory(const char *path);

bool file_exists(const char *path);

#endif
