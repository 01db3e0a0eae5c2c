/* How an object of a data set came about: its attributes of one value, as a JSON object by name, and
 * under "from" the same of what it was made of, as that was at the time. An object keeps the latter as
 * text in its attribute `source_attributes`: what it was made of may have been replaced since. Not
 * collective.
 *
 * Nothing in a file is believed. A record has at most PROVENANCE_ATTRIBUTES attributes, whose texts
 * have PROVENANCE_TEXT bytes together; null stands for what is longer, damaged or not printable, with a
 * warning. A text of several lines is an array of them. `checksum` is left out. */
#ifndef IO_PROVENANCE_H
#define IO_PROVENANCE_H
#include "io/dataset.h"
#include "io/h5_writer.h"
#include <jansson.h>

enum { PROVENANCE_ATTRIBUTES = 32, PROVENANCE_TEXT = 1 << 13 };

/* Members of a record that are records: what the object was made of; of tag vectors, the tags. */
#define PROVENANCE_FROM "from"
#define PROVENANCE_TAGS "tags"

/* The record of `object`, which is empty where the object has no attributes or is not there; to be
 * given to json_decref. "from" is missing where the object does not say it, and null where what it says
 * is damaged. */
json_t *provenance_read(const struct h5_file *file, const char *object);

/* The same of feature table `name`; of tag vectors `name`, with that of the tags; of a text that a model
 * wrote. */
json_t *provenance_of_table(const struct dataset *dataset, const char *name);
json_t *provenance_of_tags(const struct dataset *dataset, const char *name);
json_t *provenance_of_text(const struct dataset *dataset, const char *name);

/* As collective as h5_writer_put_text. Keep the record of what `object` is made of with it. One that is
 * too long for an attribute loses its own "from", which is null then. */
CHECKED enum status provenance_put(struct h5_writer *writer, const char *object,
                                   const json_t *source);

/* The one line for humans that the record has (`provenance`), which of tag vectors is that of the tags;
 * NULL: there is none. `record` may be NULL. */
const char *provenance_line(const json_t *record);

/* Is it a record, as deep as one can be, of printable text? For one that was read from a file. */
bool provenance_is_record(const json_t *json);

#endif
