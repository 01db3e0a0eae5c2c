/* HDF5 wants the extents first. So a data set is declared as a whole from its header, which says
 * what there will be and how much, and filled in afterwards: by a caller who streams, or, in the
 * second half of this file, from a content in memory, whose header is made here. */
#include "io/dataset_write.h"
#include "core/mem.h"
#include "io/content_hash.h"
#include <string.h>

enum { BLOCK = 1 << 16, SCHEMA = 1 };

static enum status put_attributes(struct h5_writer *w, const struct dataset_header *h) {
    TRY(h5_writer_put_int(w, "/", "schema", SCHEMA));
    TRY(h5_writer_put_text(w, "/", "name", h->name));
    TRY(h5_writer_put_text(w, "/", "protocol", h->protocol));
    TRY(h5_writer_put_text(w, "/", "domain_a", h->labels[0]));
    TRY(h5_writer_put_text(w, "/", "domain_b", h->labels[1]));
    TRY(h5_writer_put_text(w, "/", "created_by", "cdsr " CDSR_VERSION));
    return h5_writer_put_int(w, "/", "max_len", h->max_len);
}

static enum status declare_split(struct h5_writer *w, const struct dataset_header *h,
                                 enum split split) {
    char path[64];
    int64_t count = h->counts[split], offsets = count + 1, events = h->events[split];
    sequences_name(path, split, "items");
    TRY(h5_writer_declare(w, path, H5_I32, 1, &events));
    sequences_name(path, split, "offsets");
    TRY(h5_writer_declare(w, path, H5_I64, 1, &offsets));
    if (h->times) {
        sequences_name(path, split, "times");
        TRY(h5_writer_declare(w, path, H5_I64, 1, &events));
    }
    sequences_name(path, split, "user");
    return h5_writer_declare(w, path, H5_TEXT, 1, &count);
}

enum status dataset_declare_tags(struct h5_writer *w, int64_t items, int64_t tag_count,
                                 int64_t entries) {
    int64_t offsets = items + 1;
    h5_writer_keep_sums(w);
    TRY(h5_writer_declare(w, "/tags/vocabulary", H5_TEXT, 1, &tag_count));
    TRY(h5_writer_declare(w, "/tags/items", H5_I32, 1, &entries));
    TRY(h5_writer_declare(w, "/tags/weights", H5_F32, 1, &entries));
    return h5_writer_declare(w, "/tags/offsets", H5_I64, 1, &offsets);
}

/* The items' domains follow from their numbers. */
static enum status write_domains(struct h5_writer *w, const int64_t domain_items[2]) {
    int64_t items = domain_items[0] + domain_items[1];
    unsigned char *block = mem_alloc(BLOCK, 1);
    enum status status = STATUS_OK;
    for (int64_t lo = 0; lo < items && status == STATUS_OK; lo += BLOCK) {
        int64_t hi = lo + BLOCK < items ? lo + BLOCK : items;
        for (int64_t i = lo; i < hi; i++)
            block[i - lo] = i >= domain_items[0];
        status = h5_writer_write(w, "/items/domain", H5_U8, lo, hi, block);
    }
    mem_free(block);
    return status;
}

enum status dataset_declare(struct h5_writer *writer, const struct dataset_header *header) {
    int64_t items = header->domain_items[0] + header->domain_items[1];
    h5_writer_keep_sums(writer);
    TRY(put_attributes(writer, header));
    TRY(h5_writer_declare(writer, "/items/domain", H5_U8, 1, &items));
    TRY(h5_writer_declare(writer, "/items/key", H5_TEXT, 1, &items));
    TRY(h5_writer_declare(writer, "/items/title", H5_TEXT, 1, &items));
    if (header->descriptions)
        TRY(h5_writer_declare(writer, "/items/description", H5_TEXT, 1, &items));
    for (int s = 0; s < SPLITS; s++)
        TRY(declare_split(writer, header, (enum split)s));
    if (header->tags)
        TRY(dataset_declare_tags(writer, items, header->tag_count, header->tag_entries));
    return write_domains(writer, header->domain_items);
}

/* ---- from memory ---- */

static enum status write_list(struct h5_writer *w, const char *name,
                              const struct string_list *list) {
    const char **text = mem_alloc(BLOCK, sizeof *text);
    enum status status = STATUS_OK;
    for (int64_t lo = 0; lo < list->count && status == STATUS_OK; lo += BLOCK) {
        int64_t hi = lo + BLOCK < list->count ? lo + BLOCK : list->count;
        for (int64_t i = lo; i < hi; i++)
            text[i - lo] = string_at(list, i);
        status = h5_writer_write_strings(w, name, lo, hi, text);
    }
    mem_free(text);
    return status;
}

static enum status write_split(struct h5_writer *w, const struct dataset_content *content,
                               enum split split) {
    static const int64_t none[1] = {0};
    const struct split_content *c = &content->split[split];
    const struct sequences *s = &c->sequences;
    const int64_t *offsets = s->count ? s->offsets : none;
    int64_t events = offsets[s->count];
    char path[64];
    sequences_name(path, split, "items");
    TRY(h5_writer_write(w, path, H5_I32, 0, events, s->items));
    sequences_name(path, split, "offsets");
    TRY(h5_writer_write(w, path, H5_I64, 0, s->count + 1, offsets));
    if (content->leaks.has_times) {
        sequences_name(path, split, "times");
        TRY(h5_writer_write(w, path, H5_I64, 0, events, c->times));
    }
    sequences_name(path, split, "user");
    return write_list(w, path, &c->users);
}

enum status dataset_write_tags(struct h5_writer *w, int64_t items,
                               const struct tags_content *tags) {
    int64_t entries = tags->offsets[items];
    TRY(write_list(w, "/tags/vocabulary", &tags->vocabulary.list));
    TRY(h5_writer_write(w, "/tags/items", H5_I32, 0, entries, tags->items));
    TRY(h5_writer_write(w, "/tags/weights", H5_F32, 0, entries, tags->weights));
    return h5_writer_write(w, "/tags/offsets", H5_I64, 0, items + 1, tags->offsets);
}

static enum status put_leaks(struct h5_writer *w, const struct leak_report *leaks) {
    if (leaks->has_times) {
        TRY(h5_writer_put_int(w, "/", "leak_later_events", leaks->later));
        TRY(h5_writer_put_int(w, "/", "leak_tied_targets",
                              leaks->tied[SPLIT_VALID] + leaks->tied[SPLIT_TEST]));
    }
    TRY(h5_writer_put_int(w, "/", "leak_target_in_history", leaks->repeated_target));
    TRY(h5_writer_put_int(w, "/", "leak_held_out_in_training", leaks->in_training));
    TRY(h5_writer_put_int(w, "/", "leak_ascending_ids", leaks->ascending));
    return h5_writer_put_int(w, "/", "leak_ascending_ids_of", leaks->ascending_of);
}

/* One line "SHA256  FILE" per raw file, as sha256sum prints it. */
static enum status put_sources(struct h5_writer *w, const struct dataset_content *content) {
    size_t room = 1;
    for (int64_t i = 0; i < content->sources.count; i++)
        room += strlen(string_at(&content->sources, i)) + SHA256_TEXT + 3;
    char *text = mem_zero((int64_t)room, 1), *at = text;
    for (int64_t i = 0; i < content->sources.count; i++) {
        const char *path = string_at(&content->sources, i), *slash = strrchr(path, '/');
        at = stpcpy(stpcpy(at, string_at(&content->source_hashes, i)), "  ");
        at = stpcpy(stpcpy(at, slash ? slash + 1 : path), "\n");
    }
    enum status status = h5_writer_put_text(w, "/", "sources", text);
    mem_free(text);
    return status;
}

static enum status put_hash(struct h5_writer *w, const struct dataset_content *content) {
    char text[SHA256_TEXT];
    dataset_content_hash(content, text);
    return h5_writer_put_text(w, "/", "content_hash", text);
}

static enum status put_items_hash(struct h5_writer *w, const struct dataset_content *content) {
    struct sha256 hash;
    char text[SHA256_TEXT];
    items_hash_begin(&hash, content->domain_items);
    for (int64_t i = 0; i < content->keys.count; i++)
        items_hash_key(&hash, string_at(&content->keys, i));
    sha256_end(&hash, text);
    return h5_writer_put_text(w, "/", "items_hash", text);
}

static struct dataset_header header_of(const struct dataset_content *content) {
    int64_t items = content->domain_items[0] + content->domain_items[1];
    struct dataset_header h = {.name = content->name,
                               .protocol = content->protocol,
                               .labels = {content->labels[0], content->labels[1]},
                               .max_len = content->max_len,
                               .domain_items = {content->domain_items[0], content->domain_items[1]},
                               .times = content->leaks.has_times,
                               .tags = content->tags.offsets != NULL,
                               .descriptions = content->descriptions.count > 0};
    for (int s = 0; s < SPLITS; s++) {
        const struct sequences *q = &content->split[s].sequences;
        h.counts[s] = q->count;
        h.events[s] = q->count ? q->offsets[q->count] : 0;
    }
    if (h.tags) {
        h.tag_count = content->tags.vocabulary.list.count;
        h.tag_entries = content->tags.offsets[items];
    }
    return h;
}

static enum status write_content(struct h5_writer *w, const struct dataset_content *content) {
    struct dataset_header header = header_of(content);
    TRY(dataset_declare(w, &header));
    TRY(put_hash(w, content));
    TRY(put_items_hash(w, content));
    TRY(put_sources(w, content));
    TRY(put_leaks(w, &content->leaks));
    TRY(write_list(w, "/items/key", &content->keys));
    TRY(write_list(w, "/items/title", &content->titles));
    if (header.descriptions)
        TRY(write_list(w, "/items/description", &content->descriptions));
    for (int s = 0; s < SPLITS; s++)
        TRY(write_split(w, content, (enum split)s));
    if (header.tags)
        TRY(dataset_write_tags(w, content->keys.count, &content->tags));
    return STATUS_OK;
}

enum status dataset_write(const struct comm *comm, const char *path,
                          const struct dataset_content *content) {
    struct h5_writer writer;
    TRY(h5_writer_create(&writer, comm, path, H5_SERIAL));
    enum status status = comm->rank == 0 ? write_content(&writer, content) : STATUS_OK;
    return h5_writer_commit(&writer, status);
}
