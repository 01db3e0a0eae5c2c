#include "io/llm/cache.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/file.h"
#include "io/llm/jsonl.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* The first answer to a request stays. */
static enum status index_line(void *state, const struct jsonl_line *line) {
    struct cache *c = state;
    char key[SHA256_TEXT];
    bool added;
    if (!line->ended || line->long_one || !answer_verify(line->text, line->bytes, key)) {
        c->damaged++;
        return STATUS_OK;
    }
    int64_t i = string_map_add(&c->keys, key, &added);
    if (!added)
        return STATUS_OK;
    if (i == c->room) {
        c->room = 2 * c->room + 1024;
        c->at = mem_resize(c->at, c->room, sizeof *c->at);
        c->bytes = mem_resize(c->bytes, c->room, sizeof *c->bytes);
    }
    c->at[i] = line->at;
    c->bytes[i] = (int64_t)line->bytes;
    return STATUS_OK;
}

enum status cache_open(struct cache *cache, const char *path) {
    *cache = (struct cache){.file = -1};
    if (!file_exists(path))
        return STATUS_OK;
    cache->path = mem_string(path);
    cache->file = open(path, O_RDONLY | O_CLOEXEC);
    enum status status =
        cache->file < 0 ? log_error(STATUS_IO, "%s: cannot be opened: %s", path, strerror(errno))
                        : jsonl_each(path, index_line, cache);
    if (status != STATUS_OK)
        cache_close(cache);
    return status;
}

void cache_close(struct cache *cache) {
    if (cache->path && cache->file >= 0)
        close(cache->file);
    mem_free(cache->path);
    string_map_free(&cache->keys);
    mem_free(cache->at);
    mem_free(cache->bytes);
    *cache = (struct cache){.file = -1};
}

bool cache_has(const struct cache *cache, const char *key) {
    return string_map_find(&cache->keys, key) >= 0;
}

enum status cache_get(const struct cache *cache, const char *key, struct answer *answer) {
    char found[SHA256_TEXT];
    int64_t i = string_map_find(&cache->keys, key);
    size_t n = (size_t)cache->bytes[i];
    char *line = mem_alloc((int64_t)n, 1);
    bool good = pread(cache->file, line, n, cache->at[i]) == (ssize_t)n &&
                answer_verify(line, n, found) && !strcmp(found, key) &&
                answer_parse(line, n, answer);
    mem_free(line);
    if (good)
        return STATUS_OK;
    return log_error(STATUS_IO, "%s: the answer %.16s... cannot be read any more; run it again",
                     cache->path, key);
}
