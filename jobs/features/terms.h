/* The terms of the texts that a data set has of its items. */
#ifndef JOBS_FEATURES_TERMS_H
#define JOBS_FEATURES_TERMS_H
#include "core/status.h"
#include "io/dataset.h"
#include "io/h5_writer.h"
#include "io/tfidf.h"
#include "mpi/comm.h"

enum encode_kind {
    ENCODE_TITLES,
    ENCODE_TITLES_DESCRIPTIONS,
    ENCODE_TAGS,
    ENCODE_TEXT, /* one that a model wrote (cdsr enrich) */
    ENCODE_KINDS /* none of these */
};

struct encode_source {
    enum encode_kind kind;
    const char *name; /* as --from takes it: "titles", "text:NAME", ... */
};

/* The source of that name, whose kind is ENCODE_KINDS where it is none; `name` is kept. */
struct encode_source encode_source_find(const char *name);

/* As collective as h5_writer_put_text. Attributes of `object` that say what it is made of: `source`, the
 * name, and the record of how that came about itself (io/provenance.h), as it is now. `text` becomes the
 * name and, where the record has one, its line for humans in parentheses. */
enum { ENCODE_SOURCE_TEXT = 640 };
CHECKED enum status encode_source_put(struct h5_writer *writer, const char *object,
                                      const struct dataset *dataset, struct encode_source from,
                                      char text[ENCODE_SOURCE_TEXT]);

/* Not collective. STATUS_INPUT when the data set lacks these texts; a text that it has not is not
 * taken as empty. */
CHECKED enum status terms_check(const struct dataset *dataset, struct encode_source from);

/* Collective. The texts of the items [lo, hi), a range each rank chooses freely, of a source that is
 * not the tags; `more` [hi - lo] follows them, and is empty (count 0) where the source is one text. */
CHECKED enum status encode_source_read(const struct comm *comm, const struct dataset *dataset,
                                       struct encode_source from, int64_t lo, int64_t hi,
                                       struct h5_strings *texts, struct h5_strings *more);

/* Collective. TF-IDF over at most `most` terms of the items' texts; rows are those of this rank's
 * block of the items (range_of). STATUS_INPUT for a text that is not UTF-8. */
CHECKED enum status terms_read(const struct comm *comm, const struct dataset *dataset,
                               struct encode_source from, int64_t most, struct tfidf *out);

#endif
