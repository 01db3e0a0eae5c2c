/* The attributes of an object of an HDF5 file, one after the other. Not collective. */
#ifndef IO_H5_ATTRIBUTES_H
#define IO_H5_ATTRIBUTES_H
#include "io/h5_file.h"

enum { H5_ATTRIBUTE_NAME = 256 }; /* bytes of a name with its NUL */

struct h5_attribute {
    char name[H5_ATTRIBUTE_NAME];
    enum h5_class kind;
    int64_t bytes; /* of a text of fixed length, or of the number; 0: of a length of its own */
};

/* How many attributes `object` has; 0 where it is not there. */
int64_t h5_attribute_count(const struct h5_file *file, const char *object);

/* The i-th in the order of the names; false if it has no name, is not one value, or neither number
 * nor text. Its value is for h5_get_int, h5_get_double and h5_get_text. */
bool h5_attribute_at(const struct h5_file *file, const char *object, int64_t i,
                     struct h5_attribute *attribute);

#endif
