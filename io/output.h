/* The files that the program writes: every one but the growing log of a run comes to its path
 * through here.
 *
 * Where nothing or a regular file stands, the bytes go to TARGET.tmp.PID, to the disk, and are
 * renamed: the path always holds the old file or the complete new one. TARGET is what the symbolic
 * links at the path lead to, so that a link stays a link, also one to a file that is not there yet.
 * The new file takes over owner, group and permissions of the old one; other names of the old one
 * (hard links) keep the old content, which is warned of.
 *
 * Text is written straight into what is no file: a character device, a FIFO (where it waits for a
 * reader), and standard output, which "-", /dev/stdout and the file that it leads to all name.
 * HDF5 is not, because it is not written from the beginning to the end.
 *
 * Every message is one line "PATH: what: why". STATUS_INPUT: the path is not one for this output.
 * STATUS_IO: the system refused. */
#ifndef IO_OUTPUT_H
#define IO_OUTPUT_H
#include "core/status.h"
#include "mpi/comm.h"
#include <stdbool.h>
#include <stdio.h>

enum output_form { OUTPUT_TEXT, OUTPUT_HDF5 };

/* Collective; rank 0 looks. For the beginning of a job, before hours of work: STATUS_INPUT when a
 * regular file stands at `path` and `overwrite` is false, and for what the form cannot be written
 * to; STATUS_IO when the folder is not there or not to be written. */
CHECKED enum status output_check(const struct comm *comm, const char *path, enum output_form form,
                                 bool overwrite);

/* Not collective. Does `path` name this process's standard output? What a job prints for people is
 * then left out. */
bool output_is_stdout(const char *path);

/* Not collective. What the symbolic links at `path` lead to, whether it is there or not; to be
 * given to mem_free. NULL and errno on failure. */
char *output_target(const char *path);

/* An output in the making. Not collective. */
struct output {
    char *path, *target;
    char *file; /* to be written: the temporary one, or `path` itself where that is no file */
    bool straight;
};

/* On failure nothing is left behind and no end is due. output_drop gives the output up; it is safe
 * on a zeroed object. */
CHECKED enum status output_begin(struct output *output, const char *path, enum output_form form);
void output_drop(struct output *output);

/* Ends the output in every case: puts `output->file` in place when `status` is STATUS_OK, else
 * removes it. Gives `status`, or what hindered it. */
CHECKED enum status output_end(struct output *output, enum status status);

/* Writes to the file; errors are found afterwards. */
typedef void output_put_fn(FILE *file, void *context);

/* Not collective. All of it for what `put` writes, and for a text. */
CHECKED enum status output_put(const char *path, output_put_fn *put, void *context);
CHECKED enum status output_write(const char *path, const char *text);

#endif
