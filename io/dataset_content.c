#include "io/dataset_content.h"
#include "core/mem.h"
#include "io/content_hash.h"
#include <string.h>

void tags_content_free(struct tags_content *tags) {
    string_map_free(&tags->vocabulary);
    mem_free(tags->offsets);
    mem_free(tags->items);
    mem_free(tags->weights);
    *tags = (struct tags_content){0};
}

void dataset_content_free(struct dataset_content *content) {
    mem_free(content->name);
    mem_free(content->protocol);
    for (int d = 0; d < 2; d++)
        mem_free(content->labels[d]);
    string_list_free(&content->keys);
    string_list_free(&content->titles);
    string_list_free(&content->descriptions);
    for (int s = 0; s < SPLITS; s++) {
        sequences_free(&content->split[s].sequences);
        mem_free(content->split[s].times);
        string_list_free(&content->split[s].users);
    }
    tags_content_free(&content->tags);
    string_list_free(&content->sources);
    string_list_free(&content->source_hashes);
    *content = (struct dataset_content){0};
}

void dataset_content_source(struct dataset_content *content, const char *path, const char *sha256) {
    string_list_add(&content->sources, path);
    string_list_add(&content->source_hashes, sha256);
}

static void make_room(struct split_content *split, int64_t events) {
    struct sequences *s = &split->sequences;
    if (s->count + 2 > split->rooms[0]) {
        split->rooms[0] = 2 * split->rooms[0] + 1024;
        s->offsets = mem_resize(s->offsets, split->rooms[0], sizeof *s->offsets);
        s->offsets[0] = 0;
    }
    if (events > split->rooms[1]) {
        split->rooms[1] = 2 * events + 1024;
        s->items = mem_resize(s->items, split->rooms[1], sizeof *s->items);
        split->times = mem_resize(split->times, split->rooms[1], sizeof *split->times);
    }
}

void split_content_add(struct split_content *split, const char *user, int64_t n,
                       const int32_t *items, const int64_t *times) {
    struct sequences *s = &split->sequences;
    int64_t at = s->count ? s->offsets[s->count] : 0;
    make_room(split, at + n);
    memcpy(s->items + at, items, (size_t)n * sizeof *items);
    memcpy(split->times + at, times, (size_t)n * sizeof *times);
    s->offsets[++s->count] = at + n;
    string_list_add(&split->users, user);
}

void dataset_content_hash(const struct dataset_content *content, char text[SHA256_TEXT]) {
    static const int64_t none[1] = {0};
    struct sha256 hash;
    content_hash_begin(&hash, content->domain_items);
    for (int split = 0; split < SPLITS; split++) {
        const struct sequences *s = &content->split[split].sequences;
        const int64_t *offsets = s->count ? s->offsets : none;
        content_hash_count(&hash, s->count);
        content_hash_offsets(&hash, offsets, s->count + 1);
        content_hash_items(&hash, s->items, offsets[s->count]);
    }
    sha256_end(&hash, text);
}
