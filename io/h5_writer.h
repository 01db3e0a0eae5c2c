/* HDF5 files: an atomic writer. It builds a temporary file and puts it in place when everything is
 * on disk (io/output.h): the path names the old file or the complete new one at any time.
 *
 * Every message is one line "PATH: what, why, what to do". STATUS_INPUT: the file that is to be
 * edited is damaged. STATUS_IO: the system refused. */
#ifndef IO_H5_WRITER_H
#define IO_H5_WRITER_H
#include "core/status.h"
#include "io/h5_library.h"
#include "io/output.h"
#include "mpi/comm.h"
#include <stdbool.h>
#include <stdint.h>

/* H5_SERIAL: rank 0 holds the file, calls of the other ranks do nothing; only create, edit and
 * commit are collective. Strings and streams need this mode. H5_PARALLEL: all ranks hold the file
 * by MPI-IO; everything but write is collective, with the same arguments on all ranks. Numbers only
 * (attributes may be text). There a call that declares, removes or sets an attribute always gives
 * STATUS_OK; a failure is said where it happens and given by h5_writer_reserve, so that hundreds of
 * such calls cost one agreement. */
enum h5_mode { H5_SERIAL, H5_PARALLEL };

struct h5_writer {
    const struct comm *comm;
    enum h5_mode mode;
    int64_t id;           /* negative where this rank does not hold the file */
    struct output output; /* rank 0 */
    char *path, *temporary;
    int64_t copied;               /* bytes of the file that is edited */
    struct h5_declared *declared; /* the open datasets */
    int count;
    bool sums;          /* the datasets get checksums */
    enum status failed; /* H5_PARALLEL: this rank's, until h5_writer_reserve */
};

/* Collective. Begin a new file; `path` is replaced at commit. On failure nothing is left behind and
 * no commit is due. */
CHECKED enum status h5_writer_create(struct h5_writer *writer, const struct comm *comm,
                                     const char *path, enum h5_mode mode);

/* Collective. Begin with a copy of the present file, which rank 0 makes. */
CHECKED enum status h5_writer_edit(struct h5_writer *writer, const struct comm *comm,
                                   const char *path, enum h5_mode mode);

/* In H5_PARALLEL on all ranks. Every dataset that is declared from now on gets the checksum of its
 * rows (io/h5_sum.h), each of which is written once. */
void h5_writer_keep_sums(struct h5_writer *writer);

/* Declare dataset `name` (groups on the way are made) of `rank` 0, 1 or 2 and extents dim[rank]. */
CHECKED enum status h5_writer_declare(struct h5_writer *writer, const char *name, enum h5_type type,
                                      int rank, const int64_t *dim);

/* Set an attribute of "/", a declared dataset or a group; the group is made if it is not there. */
CHECKED enum status h5_writer_put_int(struct h5_writer *writer, const char *object,
                                      const char *name, int64_t value);
CHECKED enum status h5_writer_put_double(struct h5_writer *writer, const char *object,
                                         const char *name, double value);
CHECKED enum status h5_writer_put_text(struct h5_writer *writer, const char *object,
                                       const char *name, const char *value);

/* The same for a text that has to be found whole or refused: below 60 KB it stands within its
 * object's checksum, as does one of put_text; a longer one is refused here, and there put into a
 * heap that has none (and in which libhdf5 may search for ever when it is damaged). */
CHECKED enum status h5_writer_put_fixed_text(struct h5_writer *writer, const char *object,
                                             const char *name, const char *value);

/* Remove a dataset or a group of an edited file, if it is there. */
CHECKED enum status h5_writer_remove(struct h5_writer *writer, const char *name);

/* H5_PARALLEL: take the disk space of everything declared. Must stand between the last declaration
 * or attribute and the first write: a disk found full later ends in a crash or a hang inside
 * MPI-IO. */
CHECKED enum status h5_writer_reserve(struct h5_writer *writer);

/* Not collective. Rows [lo, hi) of a declared dataset from data [hi - lo, width] of memory type
 * `type`. In H5_PARALLEL ranks write disjoint rows; hi == lo is allowed. */
CHECKED enum status h5_writer_write(struct h5_writer *writer, const char *name, enum h5_type type,
                                    int64_t lo, int64_t hi, const void *data);

/* Not collective, H5_SERIAL: rows of a H5_TEXT dataset. */
CHECKED enum status h5_writer_write_strings(struct h5_writer *writer, const char *name, int64_t lo,
                                            int64_t hi, const char *const *text);

/* Collective; ends the writer in every case. `status` is this rank's outcome so far: if it is
 * STATUS_OK on all ranks the file is closed, synchronised and renamed, else it is removed. Gives
 * the gravest status of all ranks. */
CHECKED enum status h5_writer_commit(struct h5_writer *writer, enum status status);

#endif
