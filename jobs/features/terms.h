/* The terms of the texts that a data set has of its items. */
#ifndef JOBS_FEATURES_TERMS_H
#define JOBS_FEATURES_TERMS_H
#include "core/status.h"
#include "io/dataset.h"
#include "io/tfidf.h"
#include "mpi/comm.h"

enum encode_source { ENCODE_TITLES, ENCODE_TITLES_DESCRIPTIONS, ENCODE_TAGS, ENCODE_SOURCES };
extern const char *const encode_source_names[ENCODE_SOURCES]; /* as --from takes them */

/* The source of that name, or ENCODE_SOURCES. */
enum encode_source encode_source_find(const char *name);

/* Not collective. STATUS_INPUT when the data set lacks these texts; a text that it has not is not
 * taken as empty. */
CHECKED enum status terms_check(const struct dataset *dataset, enum encode_source from);

/* Collective. TF-IDF over at most `most` terms of the items' texts; rows are those of this rank's
 * block of the items (range_of). STATUS_INPUT for a text that is not UTF-8. */
CHECKED enum status terms_read(const struct comm *comm, const struct dataset *dataset,
                               enum encode_source from, int64_t most, struct tfidf *out);

#endif
