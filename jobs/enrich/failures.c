#include "jobs/enrich/failures.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/output.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REASON = 400, WARNINGS = 10 };

void failures_add(struct failures *failures, int64_t item, const char *reason) {
    char line[REASON + 32];
    int n = snprintf(line, sizeof line, "%lld\t", (long long)item);
    snprintf(line + n, REASON, "%s", reason);
    for (char *c = line + n; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            *c = ' ';
    if (!utf8_valid(line)) /* cut in the middle of a character, or not from a program that minds */
        for (char *c = line + n; *c; c++)
            if ((unsigned char)*c >= 0x80)
                *c = '?';
    string_list_add(&failures->lines, line);
}

void failures_free(struct failures *failures) {
    string_list_free(&failures->lines);
}

struct listing {
    struct string_list lines;
    const struct h5_strings *keys;
};

static const char *key_and_reason(const struct listing *l, int64_t i, const char **key) {
    const char *line = string_at(&l->lines, i);
    *key = l->keys->text[strtoll(line, NULL, 10)];
    return strchr(line, '\t') + 1;
}

static void put_lines(FILE *file, void *context) {
    const struct listing *l = context;
    const char *key;
    for (int64_t i = 0; i < l->lines.count; i++) {
        const char *reason = key_and_reason(l, i, &key);
        fprintf(file, "%s\t%s\n", key, reason);
    }
}

static int by_item(const void *a, const void *b) {
    long long x = strtoll(*(char *const *)a, NULL, 10), y = strtoll(*(char *const *)b, NULL, 10);
    return (x > y) - (x < y);
}

/* In the order of the items, whichever rank has asked. */
static void sort(char *bytes, int64_t total, struct string_list *out) {
    int64_t n = 0, room = 0;
    char **line = NULL;
    for (int64_t at = 0; at < total; at += (int64_t)strlen(bytes + at) + 1) {
        if (n == room) {
            room = 2 * room + 64;
            line = mem_resize(line, room, sizeof *line);
        }
        line[n++] = bytes + at;
    }
    if (n > 0)
        qsort(line, (size_t)n, sizeof *line, by_item);
    for (int64_t i = 0; i < n; i++)
        string_list_add(out, line[i]);
    mem_free(line);
}

static enum status list(struct listing *l, const char *path) {
    const char *key;
    for (int64_t i = 0; i < l->lines.count && i < WARNINGS; i++) {
        const char *reason = key_and_reason(l, i, &key);
        log_warn("item %s: %s", key, reason);
    }
    if (l->lines.count > WARNINGS)
        log_warn("%lld more items failed; --failed FILE lists them all",
                 (long long)l->lines.count - WARNINGS);
    return path ? output_put(path, put_lines, l) : STATUS_OK;
}

enum status failures_list(const struct comm *comm, const struct failures *failures,
                          const struct dataset *dataset, const char *path) {
    struct h5_strings keys;
    int64_t total, items = comm->rank == 0 ? dataset->items : 0;
    char *bytes = comm_collect(comm, failures->lines.bytes, failures->lines.used, &total);
    struct listing l = {.keys = &keys};
    if (comm->rank == 0)
        sort(bytes, total, &l.lines);
    mem_free(bytes);
    enum status status = dataset_read_keys(comm, dataset, 0, items, &keys);
    if (status == STATUS_OK)
        status = COMM_ON_ROOT(comm, list(&l, path));
    h5_strings_free(&keys);
    string_list_free(&l.lines);
    return status;
}
