/* HDF5 files: a distrustful reader and an atomic writer.
 *
 * The reader follows hard links only, runs no filter but deflate and shuffle, loads no plugin, and
 * checks a dataset's rank, extent and type against the file before anything is allocated. The
 * writer builds a temporary file and puts it in place when everything is on disk (io/output.h): F
 * is always the old file or the complete new one.
 *
 * Every message is one line "PATH: what, why, what to do". STATUS_INPUT: the file is not what it
 * should be. STATUS_IO: the system refused. */
#ifndef IO_H5_H
#define IO_H5_H
#include "core/real.h"
#include "core/status.h"
#include "io/output.h"
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

/* Not collective. Is the library built with MPI-IO? */
bool h5_is_parallel(const struct comm *comm);

/* ---- reading; not collective, each rank has its own handle ---- */

struct h5_file {
    int64_t id;
    char *path;
    int64_t bytes; /* size of the file */
};

enum h5_class { H5_INTEGER, H5_FLOAT, H5_STRING };

/* Rows x width: a scalar is 1 x 1, a vector n x 1. */
struct h5_extent {
    int rank; /* 0, 1 or 2 */
    int64_t rows, width;
    enum h5_class kind;
    int size; /* bytes of an element as stored */
};

/* Strings, each NUL-terminated, in one block. */
struct h5_strings {
    int64_t count;
    char **text; /* [count], into bytes */
    char *bytes;
};

/* Open read-only with the serial driver. On failure the object is zeroed. */
CHECKED enum status h5_open(struct h5_file *file, const char *path);
void h5_close(struct h5_file *file); /* safe on a zeroed object; zeroes it */

/* True when `name` ("/items/domain") is reached by hard links. */
bool h5_exists(const struct h5_file *file, const char *name);

/* Shape of a dataset, all the checks above made. Bounds the memory a reader needs: rows * width
 * elements really stand in the file. */
CHECKED enum status h5_extent(const struct h5_file *file, const char *name,
                              struct h5_extent *extent);

/* As h5_extent; STATUS_INPUT unless kind and rank are those. rows < 0 or width < 0: any. */
CHECKED enum status h5_expect(const struct h5_file *file, const char *name, enum h5_class kind,
                              int rank, int64_t rows, int64_t width);

/* Rows [lo, hi) into out [hi - lo, width] of memory type `type` (not H5_F16, H5_TEXT). Numbers are
 * converted within their class; integers outside the memory type are clamped to its ends. */
CHECKED enum status h5_read(const struct h5_file *file, const char *name, enum h5_type type,
                            int64_t lo, int64_t hi, void *out);

/* Rows [lo, hi) of a vector of variable or fixed length strings. */
CHECKED enum status h5_read_strings(const struct h5_file *file, const char *name, int64_t lo,
                                    int64_t hi, struct h5_strings *out);
void h5_strings_free(struct h5_strings *strings); /* safe on a zeroed object; zeroes it */

/* Attributes of `object` ("/" or the name of a group or dataset). */
bool h5_has_attribute(const struct h5_file *file, const char *object, const char *name);
CHECKED enum status h5_get_int(const struct h5_file *file, const char *object, const char *name,
                               int64_t *value);
CHECKED enum status h5_get_double(const struct h5_file *file, const char *object, const char *name,
                                  double *value);
/* *value is the caller's, to be given to mem_free. */
CHECKED enum status h5_get_text(const struct h5_file *file, const char *object, const char *name,
                                char **value);

/* Names of the members of a group that are hard links, sorted; a group that is not there has none.
 */
CHECKED enum status h5_members(const struct h5_file *file, const char *group,
                               struct h5_strings *names);

/* ---- writing ---- */

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
    enum status failed; /* H5_PARALLEL: this rank's, until h5_writer_reserve */
};

/* Collective. Begin a new file; `path` is replaced at commit. On failure nothing is left behind and
 * no commit is due. */
CHECKED enum status h5_writer_create(struct h5_writer *writer, const struct comm *comm,
                                     const char *path, enum h5_mode mode);

/* Collective. Begin with a copy of the present file, which rank 0 makes. */
CHECKED enum status h5_writer_edit(struct h5_writer *writer, const struct comm *comm,
                                   const char *path, enum h5_mode mode);

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

/* The same for a text below 60 KB that has to be found whole or refused: it stands within its
 * object's checksum, a text of variable length in a heap that has none (and in which libhdf5 may
 * search for ever when it is damaged). */
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
