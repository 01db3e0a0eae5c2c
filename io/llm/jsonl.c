#include "io/llm/jsonl.h"
#include "core/log.h"
#include "core/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

struct reader {
    const char *path;
    int file;
    char *text; /* what is read and was not taken */
    size_t used, room;
    struct jsonl_line line; /* the next one */
    jsonl_fn *take;
    void *state;
};

/* One more block behind what is there; *more is false at the end of the file. */
static enum status fill(struct reader *r, bool *more) {
    if (r->used + BLOCK > r->room) {
        r->room = 2 * r->room + BLOCK;
        r->text = mem_resize(r->text, (int64_t)r->room, 1);
    }
    ssize_t n = read(r->file, r->text + r->used, BLOCK);
    if (n < 0)
        return log_error(STATUS_IO, "%s: cannot be read: %s", r->path, strerror(errno));
    r->used += (size_t)n;
    *more = n > 0;
    return STATUS_OK;
}

/* Drop n bytes, which belong to the line at hand. */
static void skip(struct reader *r, size_t n) {
    memmove(r->text, r->text + n, r->used - n);
    r->used -= n;
    r->line.at += (int64_t)n;
}

static enum status take(struct reader *r, const char *text, size_t n, bool ended) {
    r->line.text = text;
    r->line.bytes = n;
    r->line.ended = ended;
    r->line.long_one = r->line.long_one || n > JSONL_LINE;
    enum status status = r->take(r->state, &r->line);
    r->line.number++;
    r->line.long_one = false;
    return status;
}

/* The whole lines of what is read. */
static enum status take_lines(struct reader *r) {
    size_t from = 0;
    int64_t start = r->line.at;
    for (const char *end; (end = memchr(r->text + from, '\n', r->used - from));) {
        size_t n = (size_t)(end - r->text) - from;
        r->line.at = start + (int64_t)from;
        TRY(take(r, r->text + from, n, true));
        from += n + 1;
    }
    r->line.at = start;
    skip(r, from);
    if (r->used > JSONL_LINE) { /* its beginning is let go: memory is bounded */
        r->line.long_one = true;
        skip(r, r->used);
    }
    return STATUS_OK;
}

static enum status read_all(struct reader *r) {
    for (bool more = true; more;) {
        TRY(fill(r, &more));
        TRY(take_lines(r));
    }
    return r->used > 0 || r->line.long_one ? take(r, r->text, r->used, false) : STATUS_OK;
}

enum status jsonl_each(const char *path, jsonl_fn *take_line, void *state) {
    struct reader r = {.path = path, .take = take_line, .state = state, .line.number = 1};
    r.file = open(path, O_RDONLY | O_CLOEXEC);
    if (r.file < 0)
        return log_error(STATUS_IO, "%s: cannot be opened: %s", path, strerror(errno));
    enum status status = read_all(&r);
    close(r.file);
    mem_free(r.text);
    return status;
}
