/* HDF5 files: a distrustful reader. It follows hard links only, runs no filter but deflate, shuffle
 * and fletcher32, loads no plugin, and checks a dataset's rank, extent and type against the file
 * before anything is allocated. Not collective: each rank has its own handle.
 *
 * Every message is one line "PATH: what, why, what to do". STATUS_INPUT: the file is not what it
 * should be. STATUS_IO: the system refused. */
#ifndef IO_H5_FILE_H
#define IO_H5_FILE_H
#include "core/status.h"
#include "io/h5_library.h"
#include "io/string_list.h"
#include <stdbool.h>
#include <stdint.h>

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

/* Open read-only with the serial driver; where io/h5_probe.h is told to, another process looks at
 * the file first. On failure the object is zeroed. */
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

/* Is `name` reached by hard links, and a group? */
bool h5_is_group(const struct h5_file *file, const char *name);

/* Append the paths of the datasets in and below a group, without a leading '/': those that are at
 * most a few groups deep. */
CHECKED enum status h5_datasets(const struct h5_file *file, const char *group,
                                struct string_list *paths);

#endif
