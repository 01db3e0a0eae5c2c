/* Tags made of the terms of items' titles: every rank takes the greatest TF-IDF weights of its items,
 * rank 0 collects the vocabulary, and rows are written in item order. */
#include "jobs/features/make_tags.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/phase.h"
#include "io/dataset_content.h"
#include "io/dataset_write.h"
#include "io/h5_file.h"
#include "io/h5_writer.h"
#include <stdio.h>

struct job {
    const struct comm *comm;
    const struct dataset *dataset;
    const struct make_tags_request *request;
    struct tfidf tfidf;
    /* this rank's items */
    int64_t *count; /* [rows of tfidf] tags */
    int32_t *tag;   /* one item's after the other's: terms, then numbers in the vocabulary */
    float *weight;
    int64_t entries;
    struct tags_content all; /* of all items, on rank 0 */
    int64_t tagged;          /* items that have a tag */
    double since;
};

/* On rank 0. */
static enum status check_request(const struct job *j) {
    const char *path = j->dataset->path;
    if (h5_exists(&j->dataset->file, "/tags") && !j->request->overwrite)
        return log_error(STATUS_INPUT, "%s: has tags already; give --overwrite to replace them",
                         path);
    TRY(terms_check(j->dataset, j->request->from));
    if (h5_exists(&j->dataset->file, "/tags/features"))
        log_warn("%s: the vectors of its former tags go with them; make them again with "
                 "--vocabulary",
                 path);
    return STATUS_OK;
}

static enum status check_terms(const struct job *j) {
    if (j->tfidf.matrix.columns > 0)
        return STATUS_OK;
    return comm_error(j->comm, STATUS_INPUT,
                      "%s: the %s have no term that at least %d items share; give "
                      "tags by 'cdsr prepare' (tags.jsonl)",
                      j->dataset->path, j->request->from.name, TFIDF_LEAST);
}

static void choose(struct job *j) {
    const struct sparse *m = &j->tfidf.matrix;
    j->count = mem_alloc(m->rows, sizeof *j->count);
    j->tag = mem_alloc(m->offsets[m->rows], sizeof *j->tag);
    j->weight = mem_alloc(m->offsets[m->rows], sizeof *j->weight);
    for (int64_t i = 0; i < m->rows; i++) {
        j->count[i] =
            tfidf_top(m, i, j->request->most, j->tag + j->entries, j->weight + j->entries);
        j->entries += j->count[i];
    }
}

/* The vocabulary: the terms that are some item's tag, on all ranks. */
static void number_tags(struct job *j) {
    int32_t terms = j->tfidf.matrix.columns;
    int64_t *number = mem_zero(terms, sizeof *number);
    for (int64_t e = 0; e < j->entries; e++)
        number[j->tag[e]]++;
    comm_sum_i64(j->comm, number, terms);
    for (int32_t t = 0; t < terms; t++)
        if (number[t] > 0)
            number[t] = string_map_add(&j->all.vocabulary, string_at(&j->tfidf.terms, t), NULL);
    for (int64_t e = 0; e < j->entries; e++)
        j->tag[e] = (int32_t)number[j->tag[e]];
    mem_free(number);
}

/* All items' tags on rank 0, which writes them: a parallel file takes no strings. */
static void collect(struct job *j) {
    const struct comm *comm = j->comm;
    int64_t bytes, items = j->dataset->items;
    int64_t *count =
        comm_collect(comm, j->count, j->tfidf.matrix.rows * (int64_t)sizeof *j->count, &bytes);
    j->all.items = comm_collect(comm, j->tag, j->entries * (int64_t)sizeof *j->tag, &bytes);
    j->all.weights = comm_collect(comm, j->weight, j->entries * (int64_t)sizeof *j->weight, &bytes);
    if (comm->rank != 0)
        return;
    j->all.offsets = mem_zero(items + 1, sizeof *j->all.offsets);
    for (int64_t i = 0; i < items; i++) {
        j->all.offsets[i + 1] = j->all.offsets[i] + count[i];
        j->tagged += count[i] > 0;
    }
    mem_free(count);
}

static enum status put_attributes(const struct job *j, struct h5_writer *w) {
    char text[ENCODE_SOURCE_TEXT + 256], source[ENCODE_SOURCE_TEXT];
    TRY(encode_source_put(w, "/tags", j->dataset, j->request->from, source));
    snprintf(text, sizeof text,
             "the %lld terms of each item's %s with the greatest TF-IDF weight, a stand-in for a "
             "language model's tags",
             (long long)j->request->most, source);
    TRY(h5_writer_put_text(w, "/tags", "provenance", text));
    TRY(h5_writer_put_text(w, "/tags", "encoder", "tf-idf"));
    TRY(h5_writer_put_text(w, "/tags", "revision", "cdsr " CDSR_VERSION));
    TRY(h5_writer_put_int(w, "/tags", "terms", j->tfidf.terms.count));
    return h5_writer_put_int(w, "/tags", "tags_per_item", j->request->most);
}

static enum status write_tags(const struct job *j, struct h5_writer *w) {
    if (j->comm->rank != 0)
        return STATUS_OK;
    int64_t items = j->dataset->items;
    TRY(h5_writer_remove(w, "/tags"));
    TRY(dataset_declare_tags(w, items, j->all.vocabulary.list.count, j->all.offsets[items]));
    TRY(put_attributes(j, w));
    return dataset_write_tags(w, items, &j->all);
}

static void print_outcome(const struct job *j) {
    int64_t items = j->dataset->items;
    printf("%s: %lld tags made of %s, %.2f per item; %lld of %lld items have tags; %.1f s\n",
           j->dataset->path, (long long)j->all.vocabulary.list.count, j->request->from.name,
           (double)j->all.offsets[items] / (double)items, (long long)j->tagged, (long long)items,
           phase_clock() - j->since);
}

static enum status run(struct job *j) {
    const struct make_tags_request *r = j->request;
    struct h5_writer writer;
    TRY(COMM_ON_ROOT(j->comm, check_request(j)));
    TRY(terms_read(j->comm, j->dataset, r->from, r->terms, &j->tfidf));
    TRY(check_terms(j));
    choose(j);
    number_tags(j);
    collect(j);
    TRY(h5_writer_edit(&writer, j->comm, j->dataset->path, H5_SERIAL));
    TRY(h5_writer_commit(&writer, write_tags(j, &writer)));
    if (j->comm->rank == 0)
        print_outcome(j);
    return STATUS_OK;
}

enum status make_tags(const struct comm *comm, const struct dataset *dataset,
                      const struct make_tags_request *request) {
    struct job j = {.comm = comm, .dataset = dataset, .request = request, .since = phase_clock()};
    enum status status = run(&j);
    tfidf_free(&j.tfidf);
    mem_free(j.count);
    mem_free(j.tag);
    mem_free(j.weight);
    tags_content_free(&j.all);
    return status;
}
