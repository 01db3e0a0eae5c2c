#include "io/llm/cache_log.h"
#include "core/fault.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/file.h"
#include "io/llm/jsonl.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART ".part-"

static enum status refused(const char *path, const char *what) {
    return log_error(STATUS_IO, "%s: %s: %s", path, what, strerror(errno));
}

/* Append a line as a whole or not at all. */
static enum status append(int file, const char *path, const char *line, size_t n) {
    off_t end = lseek(file, 0, SEEK_END);
    ssize_t put = end < 0 ? -1 : write(file, line, n);
    if (put == (ssize_t)n)
        return STATUS_OK;
    if (put >= 0)
        errno = ENOSPC;
    enum status status = refused(path, "cannot be appended to");
    if (put > 0 && ftruncate(file, end))
        log_warn("%s: ends in a part of a line, which the next run cuts off", path);
    return status;
}

/* ---- mending ---- */

struct mending {
    const char *path, *part;
    int file;
    int64_t whole;   /* where the last whole line ends */
    int64_t damaged; /* lines of a part */
};

static enum status find_end(void *state, const struct jsonl_line *line) {
    struct mending *m = state;
    size_t least = sizeof ANSWER_LINE - 1;
    size_t n = line->bytes < least && !line->ended ? line->bytes : least;
    if (line->number == 1 && (line->bytes < n || memcmp(line->text, ANSWER_LINE, n)))
        return log_error(STATUS_INPUT,
                         "%s: is not a cache of answers; give --cache another name, or remove it",
                         m->path);
    if (line->ended)
        m->whole = line->at + (int64_t)line->bytes + 1;
    return STATUS_OK;
}

static enum status cut_end(struct mending *m) {
    struct stat info;
    TRY(jsonl_each(m->path, find_end, m));
    if (fstat(m->file, &info) || (info.st_size > m->whole && ftruncate(m->file, m->whole)))
        return refused(m->path, "cannot be mended");
    if (info.st_size > m->whole)
        log_warn("%s: the last line was not written to its end, and is cut off", m->path);
    return STATUS_OK;
}

static enum status take_line(void *state, const struct jsonl_line *line) {
    struct mending *m = state;
    char key[SHA256_TEXT];
    if (line->ended && !line->long_one && answer_verify(line->text, line->bytes, key))
        return append(m->file, m->path, line->text, line->bytes + 1); /* with its end */
    m->damaged++;
    return STATUS_OK;
}

static enum status take_part(struct mending *m, const char *part) {
    m->damaged = 0;
    TRY(jsonl_each(part, take_line, m));
    if (m->damaged)
        log_warn("%s: %lld lines are damaged or unfinished, and left out", part,
                 (long long)m->damaged);
    if (fsync(m->file))
        return refused(m->path, "cannot be written to the disk");
    fault_point("part");
    return file_remove(part);
}

/* FILE.part-*, also where FILE has characters that mean something in patterns. */
static char *part_pattern(const char *path) {
    char *pattern = mem_alloc(2 * (int64_t)strlen(path) + (int64_t)sizeof PART "*", 1),
         *at = pattern;
    for (; *path; path++) {
        if (strchr("*?[]\\", *path))
            *at++ = '\\';
        *at++ = *path;
    }
    strcpy(at, PART "*");
    return pattern;
}

/* Of a rank, and not what somebody has put beside it. */
static bool is_part(const char *rank) {
    return *rank && strspn(rank, "0123456789") == strlen(rank);
}

static enum status take_parts(struct mending *m) {
    char *pattern = part_pattern(m->path);
    glob_t parts = {0};
    enum status status = STATUS_OK;
    if (!glob(pattern, 0, NULL, &parts))
        for (size_t i = 0; i < parts.gl_pathc && status == STATUS_OK; i++)
            if (is_part(parts.gl_pathv[i] + strlen(m->path) + strlen(PART)))
                status = take_part(m, parts.gl_pathv[i]);
    globfree(&parts);
    mem_free(pattern);
    return status;
}

enum status cache_mend(const char *path) {
    struct mending m = {.path = path};
    m.file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (m.file < 0)
        return refused(path, "cannot be opened");
    enum status status = cut_end(&m);
    if (status == STATUS_OK)
        status = take_parts(&m);
    close(m.file);
    return status;
}

/* ---- appending ---- */

void cache_log_open(struct cache_log *log, const char *path, int rank) {
    size_t size = strlen(path) + sizeof PART + 16;
    log->path = mem_alloc((int64_t)size, 1);
    log->file = -1;
    if (rank == 0)
        strcpy(log->path, path);
    else
        snprintf(log->path, size, "%s" PART "%d", path, rank);
}

void cache_log_close(struct cache_log *log) {
    if (log->path && log->file >= 0)
        close(log->file);
    mem_free(log->path);
    *log = (struct cache_log){.file = -1};
}

enum status cache_log_append(struct cache_log *log, const char *key, const char *model,
                             const struct answer *answer) {
    if (log->file < 0)
        log->file = open(log->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log->file < 0)
        return refused(log->path, "cannot be opened");
    char *line = answer_line(key, model, answer);
    fault_point("answer");
    enum status status = append(log->file, log->path, line, strlen(line));
    fault_point("answered");
    mem_free(line);
    return status;
}

enum status cache_log_sync(struct cache_log *log) {
    if (log->file >= 0 && fdatasync(log->file))
        return refused(log->path, "cannot be written to the disk");
    return STATUS_OK;
}
