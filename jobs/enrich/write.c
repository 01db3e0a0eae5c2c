#include "jobs/enrich/write.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/dataset_content.h"
#include "io/dataset_write.h"
#include "io/h5_file.h"
#include "io/h5_writer.h"
#include "io/llm/tag_list.h"
#include "io/provenance.h"
#include <stdio.h>
#include <string.h>

enum { BLOCK = 1 << 12, PATH = 128 };

struct writing {
    const struct dataset *dataset;
    const struct write_request *request;
    char (*keys)[SHA256_TEXT];
    struct h5_writer writer;
    char path[PATH];
    char hash[SHA256_TEXT];                        /* of the answers in the order of the items */
    int64_t answered, missing, truncated, without; /* `without`: answers in which no tag is found */
    struct tags_content tags;
};

static void path_of(const char *name, char path[PATH]) {
    snprintf(path, PATH, name ? "/items/text/%s" : "/tags", name);
}

enum status write_check(const struct dataset *dataset, const char *name, bool overwrite) {
    char path[PATH];
    path_of(name, path);
    if (h5_exists(&dataset->file, path) && !overwrite && name)
        return log_error(STATUS_INPUT,
                         "%s: has a text '%s' already; name another or give --overwrite",
                         dataset->path, name);
    if (h5_exists(&dataset->file, path) && !overwrite)
        return log_error(STATUS_INPUT, "%s: has tags already; give --overwrite to replace them",
                         dataset->path);
    return STATUS_OK;
}

/* ---- answers ---- */

/* The answer of an item, whose text is NULL where it has none. */
static enum status get(struct writing *w, int64_t item, struct answer *answer) {
    *answer = (struct answer){0};
    if (!*w->keys[item]) {
        w->missing++;
        return STATUS_OK;
    }
    TRY(cache_get(w->request->cache, w->keys[item], answer));
    w->answered++;
    w->truncated += answer->truncated;
    return STATUS_OK;
}

/* Keys and answers with their NULs; of an item without, two NULs. */
static void add_to_hash(struct sha256 *hash, const char *key, const char *text) {
    sha256_add(hash, key, strlen(key) + 1);
    sha256_add(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

/* The tags that the prompt told the model. */
static enum status put_source(struct writing *w) {
    if (!w->request->tags)
        return STATUS_OK;
    json_t *record = provenance_read(&w->request->tags->file, "/tags");
    enum status status = h5_writer_put_text(&w->writer, w->path, "source", "tags");
    if (status == STATUS_OK)
        status = provenance_put(&w->writer, w->path, record);
    json_decref(record);
    return status;
}

static enum status put_attributes(struct writing *w) {
    const struct write_request *r = w->request;
    char text[512], *parameters = chat_parameters(r->chat);
    snprintf(text, sizeof text, "answers of %.200s to the prompt %.100s", r->chat->model,
             r->prompts);
    enum status status = h5_writer_put_text(&w->writer, w->path, "parameters", parameters);
    mem_free(parameters);
    TRY(status);
    TRY(put_source(w));
    TRY(h5_writer_put_text(&w->writer, w->path, "provenance", text));
    TRY(h5_writer_put_text(&w->writer, w->path, "encoder", "llm"));
    TRY(h5_writer_put_text(&w->writer, w->path, "revision", "cdsr " CDSR_VERSION));
    TRY(h5_writer_put_text(&w->writer, w->path, "model", r->chat->model));
    TRY(h5_writer_put_text(&w->writer, w->path, "prompt", r->prompts));
    TRY(h5_writer_put_text(&w->writer, w->path, "prompt_sha256", r->prompt_hash));
    TRY(h5_writer_put_text(&w->writer, w->path, "answers_sha256", w->hash));
    TRY(h5_writer_put_int(&w->writer, w->path, "answered", w->answered));
    TRY(h5_writer_put_int(&w->writer, w->path, "missing", w->missing));
    return h5_writer_put_int(&w->writer, w->path, "truncated", w->truncated);
}

/* ---- a text ---- */

static enum status write_block(struct writing *w, int64_t lo, int64_t hi, struct sha256 *hash) {
    struct answer *answer = mem_zero(hi - lo, sizeof *answer);
    const char **text = mem_alloc(hi - lo, sizeof *text);
    enum status status = STATUS_OK;
    for (int64_t i = lo; i < hi && status == STATUS_OK; i++) {
        status = get(w, i, &answer[i - lo]);
        text[i - lo] = answer[i - lo].text ? answer[i - lo].text : "";
        add_to_hash(hash, w->keys[i], answer[i - lo].text);
    }
    if (status == STATUS_OK)
        status = h5_writer_write_strings(&w->writer, w->path, lo, hi, text);
    for (int64_t i = 0; i < hi - lo; i++)
        answer_free(&answer[i]);
    mem_free(answer);
    mem_free(text);
    return status;
}

static enum status write_blocks(struct writing *w) {
    struct sha256 hash;
    int64_t items = w->dataset->items;
    enum status status = STATUS_OK;
    sha256_begin(&hash);
    for (int64_t lo = 0; lo < items && status == STATUS_OK; lo += BLOCK)
        status = write_block(w, lo, lo + BLOCK < items ? lo + BLOCK : items, &hash);
    sha256_end(&hash, w->hash);
    return status;
}

static enum status write_text(struct writing *w) {
    h5_writer_keep_sums(&w->writer);
    TRY(h5_writer_remove(&w->writer, w->path));
    TRY(h5_writer_declare(&w->writer, w->path, H5_TEXT, 1, &w->dataset->items));
    TRY(write_blocks(w));
    return put_attributes(w);
}

/* ---- tags ---- */

/* Append the tags of an answer, numbered by the vocabulary; rooms double. */
static void add_tags(struct writing *w, int64_t item, const char *answer, int64_t *room) {
    struct tags_content *t = &w->tags;
    struct string_map tags = {0};
    int64_t at = t->offsets[item];
    tag_list_parse(answer, &tags);
    if (at + tags.list.count > *room) {
        *room = 2 * *room + TAG_LIST;
        t->items = mem_resize(t->items, *room, sizeof *t->items);
        t->weights = mem_resize(t->weights, *room, sizeof *t->weights);
    }
    for (int64_t k = 0; k < tags.list.count; k++, at++) {
        t->items[at] = (int32_t)string_map_add(&t->vocabulary, string_at(&tags.list, k), NULL);
        t->weights[at] = 1;
    }
    w->without += tags.list.count == 0;
    t->offsets[item + 1] = at;
    string_map_free(&tags);
}

static enum status collect_tags(struct writing *w) {
    int64_t items = w->dataset->items, room = 0;
    enum status status = STATUS_OK;
    struct sha256 hash;
    w->tags.offsets = mem_zero(items + 1, sizeof *w->tags.offsets);
    sha256_begin(&hash);
    for (int64_t i = 0; i < items && status == STATUS_OK; i++) {
        struct answer answer;
        status = get(w, i, &answer);
        add_to_hash(&hash, w->keys[i], answer.text);
        w->tags.offsets[i + 1] = w->tags.offsets[i];
        if (answer.text)
            add_tags(w, i, answer.text, &room);
        answer_free(&answer);
    }
    sha256_end(&hash, w->hash);
    return status;
}

static enum status write_tags(struct writing *w) {
    int64_t items = w->dataset->items;
    TRY(collect_tags(w));
    if (w->tags.offsets[items] == 0)
        return log_error(STATUS_INPUT,
                         "%s: no answer has tags in it; look at the answers in the "
                         "cache, and ask for a JSON list",
                         w->dataset->path);
    if (h5_exists(&w->dataset->file, "/tags/features"))
        log_warn("%s: the vectors of its former tags go with them; make them again with "
                 "'cdsr features --vocabulary'",
                 w->dataset->path);
    TRY(h5_writer_remove(&w->writer, w->path));
    TRY(dataset_declare_tags(&w->writer, items, w->tags.vocabulary.list.count,
                             w->tags.offsets[items]));
    TRY(put_attributes(w));
    return dataset_write_tags(&w->writer, items, &w->tags);
}

/* ---- both ---- */

static void print_outcome(const struct writing *w) {
    const struct dataset *d = w->dataset;
    if (w->request->name)
        printf("%s: text %s of %lld items by %s, %lld missing, %lld truncated\n", d->path,
               w->request->name, (long long)w->answered, w->request->chat->model,
               (long long)w->missing, (long long)w->truncated);
    else
        printf("%s: %lld tags of %lld items by %s, %.2f per item, %lld missing, %lld truncated, "
               "%lld without a tag in the answer\n",
               d->path, (long long)w->tags.vocabulary.list.count, (long long)w->answered,
               w->request->chat->model, (double)w->tags.offsets[d->items] / (double)d->items,
               (long long)w->missing, (long long)w->truncated, (long long)w->without);
}

enum status write_answers(const struct comm *comm, const struct dataset *dataset,
                          const struct write_request *request, char (*keys)[SHA256_TEXT]) {
    struct writing w = {.dataset = dataset, .request = request, .keys = keys};
    enum status status = STATUS_OK;
    path_of(request->name, w.path);
    TRY(h5_writer_edit(&w.writer, comm, dataset->path, H5_SERIAL));
    if (comm->rank == 0)
        status = request->name ? write_text(&w) : write_tags(&w);
    status = h5_writer_commit(&w.writer, status);
    if (status == STATUS_OK && comm->rank == 0)
        print_outcome(&w);
    tags_content_free(&w.tags);
    return status;
}
