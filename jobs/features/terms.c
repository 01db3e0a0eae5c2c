#include "jobs/features/terms.h"
#include "core/log.h"
#include "io/h5_file.h"
#include "io/provenance.h"
#include "partition/range.h"
#include <stdio.h>
#include <string.h>

enum { ITEMS = 1 << 15 };

static const char *const names[ENCODE_KINDS] = {"titles", "titles+description", "tags", "text:"};

struct texts {
    const struct comm *comm;
    const struct dataset *dataset;
    struct encode_source from;
    struct tfidf_builder builder;
};

/* The name of a written text, behind "text:". */
static const char *text_name(struct encode_source from) {
    return from.name + strlen(names[ENCODE_TEXT]);
}

struct encode_source encode_source_find(const char *name) {
    struct encode_source s = {ENCODE_TITLES, name};
    if (!strncmp(name, names[ENCODE_TEXT], strlen(names[ENCODE_TEXT])))
        return (struct encode_source){ENCODE_TEXT, name};
    while (s.kind < ENCODE_KINDS && (s.kind == ENCODE_TEXT || strcmp(name, names[s.kind]) != 0))
        s.kind++;
    return s;
}

static json_t *read_provenance(const struct dataset *dataset, struct encode_source from) {
    static const char *const objects[ENCODE_KINDS] = {"/items/title", "/items/description",
                                                      "/tags"};
    return from.kind == ENCODE_TEXT ? provenance_of_text(dataset, text_name(from))
                                    : provenance_read(&dataset->file, objects[from.kind]);
}

enum status encode_source_put(struct h5_writer *writer, const char *object,
                              const struct dataset *dataset, struct encode_source from,
                              char text[ENCODE_SOURCE_TEXT]) {
    json_t *record = read_provenance(dataset, from);
    const char *line = provenance_line(record);
    snprintf(text, ENCODE_SOURCE_TEXT, "%.80s%s%.500s%s", from.name, line ? " (" : "",
             line ? line : "", line ? ")" : "");
    enum status status = h5_writer_put_text(writer, object, "source", from.name);
    if (status == STATUS_OK)
        status = provenance_put(writer, object, record);
    json_decref(record);
    return status;
}

enum status terms_check(const struct dataset *dataset, struct encode_source from) {
    if (from.kind == ENCODE_TEXT)
        return dataset_find_text(dataset, text_name(from));
    static const char *const datasets[ENCODE_KINDS] = {"/items/title", "/items/description",
                                                       "/tags/offsets"};
    static const char *const sources[ENCODE_KINDS] = {
        "titles", "descriptions (a column 'description' of the items)", "tags (tags.jsonl)"};
    if (h5_exists(&dataset->file, datasets[from.kind]))
        return STATUS_OK;
    return log_error(STATUS_INPUT, "%s: has no %s; prepare it again with them", dataset->path,
                     sources[from.kind]);
}

enum status encode_source_read(const struct comm *comm, const struct dataset *dataset,
                               struct encode_source from, int64_t lo, int64_t hi,
                               struct h5_strings *texts, struct h5_strings *more) {
    *more = (struct h5_strings){0};
    if (from.kind == ENCODE_TEXT)
        return dataset_read_text(comm, dataset, text_name(from), lo, hi, texts);
    TRY(dataset_read_titles(comm, dataset, lo, hi, texts));
    return from.kind == ENCODE_TITLES_DESCRIPTIONS
               ? dataset_read_descriptions(comm, dataset, lo, hi, more)
               : STATUS_OK;
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
 * none), or from a text that was written.
 */
static enum status add_titles(struct texts *t, int64_t lo, int64_t hi) {
    struct h5_strings titles = {0}, more = {0};
    enum status status = encode_source_read(t->comm, t->dataset, t->from, lo, hi, &titles, &more);
    for (int64_t i = 0; i < hi - lo && status == STATUS_OK; i++) {
        status = add_text(t, lo + i, titles.text[i], 1);
        if (status == STATUS_OK && more.count)
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
        TRY(t->from.kind == ENCODE_TAGS ? add_tags(t, lo, hi) : add_titles(t, lo, hi));
    }
    return STATUS_OK;
}

enum status terms_read(const struct comm *comm, const struct dataset *dataset,
                       struct encode_source from, int64_t most, struct tfidf *out) {
    struct texts t = {.comm = comm, .dataset = dataset, .from = from};
    *out = (struct tfidf){0};
    enum status status = read_texts(&t);
    if (status == STATUS_OK)
        tfidf_build(comm, &t.builder, most, out);
    tfidf_builder_free(&t.builder);
    return status;
}
