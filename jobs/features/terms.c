#include "jobs/features/terms.h"
#include "core/log.h"
#include "io/h5_file.h"
#include "partition/range.h"
#include <string.h>

enum { ITEMS = 1 << 15 };

const char *const encode_source_names[ENCODE_SOURCES] = {"titles", "titles+description", "tags"};

struct texts {
    const struct comm *comm;
    const struct dataset *dataset;
    enum encode_source from;
    struct tfidf_builder builder;
};

enum encode_source encode_source_find(const char *name) {
    enum encode_source s = ENCODE_TITLES;
    while (s < ENCODE_SOURCES && strcmp(name, encode_source_names[s]) != 0)
        s++;
    return s;
}

enum status terms_check(const struct dataset *dataset, enum encode_source from) {
    static const char *const datasets[ENCODE_SOURCES] = {"/items/title", "/items/description",
                                                         "/tags/offsets"};
    static const char *const sources[ENCODE_SOURCES] = {
        "titles", "descriptions (a column 'description' of the items)", "tags (tags.jsonl)"};
    if (h5_exists(&dataset->file, datasets[from]))
        return STATUS_OK;
    return log_error(STATUS_INPUT, "%s: has no %s; prepare it again with them", dataset->path,
                     sources[from]);
}

static enum status add_text(struct texts *t, int64_t item, const char *text, double weight) {
    if (tfidf_add(&t->builder, text, weight))
        return STATUS_OK;
    return log_error(
        STATUS_INPUT,
        "%s: a text of item %lld is not UTF-8; make the file again with 'cdsr prepare'",
        t->dataset->path, (long long)item);
}

/* The items [lo, hi) from their titles and, if asked for, descriptions (empty where there are
 * none).
 */
static enum status add_titles(struct texts *t, int64_t lo, int64_t hi) {
    struct h5_strings titles, more = {0};
    bool both = t->from == ENCODE_TITLES_DESCRIPTIONS;
    enum status status = dataset_read_titles(t->comm, t->dataset, lo, hi, &titles);
    if (status == STATUS_OK && both)
        status = dataset_read_descriptions(t->comm, t->dataset, lo, hi, &more);
    for (int64_t i = 0; i < hi - lo && status == STATUS_OK; i++) {
        status = add_text(t, lo + i, titles.text[i], 1);
        if (status == STATUS_OK && both)
            status = add_text(t, lo + i, more.text[i], 1);
        tfidf_next(&t->builder);
    }
    h5_strings_free(&titles);
    h5_strings_free(&more);
    return comm_agree(t->comm, status);
}

static enum status add_tags(struct texts *t, int64_t lo, int64_t hi) {
    struct tag_rows tags;
    enum status status = dataset_read_tags(t->comm, t->dataset, lo, hi, &tags);
    for (int64_t i = 0; i < hi - lo && status == STATUS_OK; i++) {
        for (int64_t e = tags.offsets[i]; e < tags.offsets[i + 1] && status == STATUS_OK; e++)
            status =
                add_text(t, lo + i, tags.vocabulary.text[tags.tags[e]], (double)tags.weights[e]);
        tfidf_next(&t->builder);
    }
    tag_rows_free(&tags);
    return comm_agree(t->comm, status);
}

/* Rank 0's block is the longest; ranks whose block ends earlier read nothing at the end. */
static enum status read_texts(struct texts *t) {
    const struct comm *comm = t->comm;
    struct range first = range_of(t->dataset->items, comm->size, 0);
    struct range mine = range_of(t->dataset->items, comm->size, comm->rank);
    for (int64_t at = 0; at < first.hi; at += ITEMS) {
        int64_t lo = mine.lo + at < mine.hi ? mine.lo + at : mine.hi;
        int64_t hi = lo + ITEMS < mine.hi ? lo + ITEMS : mine.hi;
        TRY(t->from == ENCODE_TAGS ? add_tags(t, lo, hi) : add_titles(t, lo, hi));
    }
    return STATUS_OK;
}

enum status terms_read(const struct comm *comm, const struct dataset *dataset,
                       enum encode_source from, int64_t most, struct tfidf *out) {
    struct texts t = {.comm = comm, .dataset = dataset, .from = from};
    *out = (struct tfidf){0};
    enum status status = read_texts(&t);
    if (status == STATUS_OK)
        tfidf_build(comm, &t.builder, most, out);
    tfidf_builder_free(&t.builder);
    return status;
}
