#include "io/readers/lists.h"
#include "core/log.h"
#include "core/mem.h"
#include <string.h>

void lists_free(struct lists *lists) {
    string_list_free(&lists->paths);
    mem_free(lists->row);
    mem_free(lists->event);
    *lists = (struct lists){0};
}

void lists_add_row(struct lists *lists, const struct list_row *row) {
    if (lists->rows == lists->rows_room) {
        lists->rows_room = 2 * lists->rows_room + 1024;
        lists->row = mem_resize(lists->row, lists->rows_room, sizeof *lists->row);
    }
    lists->row[lists->rows] = *row;
    lists->row[lists->rows].first = lists->events;
    lists->row[lists->rows++].count = 0;
}

void lists_add_event(struct lists *lists, const struct raw_event *event) {
    if (lists->events == lists->events_room) {
        lists->events_room = 2 * lists->events_room + 4096;
        lists->event = mem_resize(lists->event, lists->events_room, sizeof *lists->event);
    }
    lists->event[lists->events++] = *event;
    lists->row[lists->rows - 1].count++;
}

/* ---- the events of one user in one source ---- */

struct sequence {
    int64_t count, room;
    struct raw_event *event;
};

static void extend(struct sequence *s, const struct raw_event *event) {
    if (s->count == s->room) {
        s->room = 2 * s->room + 64;
        s->event = mem_resize(s->event, s->room, sizeof *s->event);
    }
    s->event[s->count++] = *event;
}

static bool same_item(const struct raw_event *a, const struct raw_event *b) {
    return a->domain == b->domain && a->item == b->item;
}

static bool same_items(const struct raw_event *a, const struct raw_event *b, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (!same_item(&a[i], &b[i]))
            return false;
    return true;
}

/* Lengthen the sequence by what the row has behind it; false where they contradict each other. */
static bool follow(struct sequence *s, const struct lists *lists, const struct list_row *row,
                   int64_t longest) {
    const struct raw_event *list = lists->event + row->first;
    int64_t n = row->count, known = s->count;
    if (n >= known && same_items(s->event, list, known))
        for (int64_t i = known; i < n; i++)
            extend(s, &list[i]);
    else if (n < known && same_items(s->event, list, n) &&
             (row->left_out || same_item(&s->event[n], &row->last)))
        return true;
    else if (n >= known || row->length != longest || !same_items(s->event + known - n, list, n))
        return false;
    if (!row->left_out)
        extend(s, &row->last);
    return true;
}

/* ---- all rows ---- */

static bool same_sequence(const struct list_row *a, const struct list_row *b) {
    return a->user == b->user && a->source == b->source;
}

static void order_rows(const struct lists *lists, int64_t *order) {
    struct moment *key = mem_alloc(lists->rows, sizeof *key);
    identity_order(lists->rows, order);
    for (int pass = 0; pass < 3; pass++) {
        for (int64_t i = 0; i < lists->rows; i++) {
            const struct list_row *r = &lists->row[i];
            key[i] = pass == 0   ? r->last.time
                     : pass == 1 ? (struct moment){r->last.part, r->length}
                                 : (struct moment){r->user, r->source};
        }
        stable_order(key, lists->rows, order);
    }
    mem_free(key);
}

static int64_t longest_list(const struct lists *lists) {
    int64_t longest = 0;
    for (int64_t i = 0; i < lists->rows; i++)
        if (lists->row[i].length > longest)
            longest = lists->row[i].length;
    return longest;
}

/* The rows order[lo .. hi) of one sequence. */
static enum status unfold(const struct lists *lists, const int64_t *order, int64_t lo, int64_t hi,
                          int64_t longest, struct sequence *s, struct raw *raw) {
    s->count = 0;
    for (int64_t i = lo; i < hi; i++) {
        const struct list_row *row = &lists->row[order[i]];
        int64_t known = s->count;
        if (!follow(s, lists, row, longest))
            return log_error(
                STATUS_INPUT,
                "%s:%lld: the list of user '%.100s' does not go on from the user's "
                "shorter lists and earlier parts; give each sequence a user of its own",
                string_at(&lists->paths, row->file), (long long)row->line,
                string_at(&raw->users.list, row->user));
        for (int64_t e = known; e < s->count; e++) {
            struct raw_event event = s->event[e];
            event.user = row->user;
            event.part = row->last.part;
            if (lists->untimed)
                event.time = (struct moment){e, 0};
            raw_add(raw, &event);
        }
    }
    return STATUS_OK;
}

enum status lists_unfold(const struct lists *lists, struct raw *raw) {
    int64_t *order = mem_alloc(lists->rows, sizeof *order), longest = longest_list(lists);
    struct sequence sequence = {0};
    enum status status = STATUS_OK;
    order_rows(lists, order);
    for (int64_t lo = 0, hi; lo < lists->rows && status == STATUS_OK; lo = hi) {
        hi = lo + 1;
        while (hi < lists->rows && same_sequence(&lists->row[order[lo]], &lists->row[order[hi]]))
            hi++;
        status = unfold(lists, order, lo, hi, longest, &sequence, raw);
    }
    mem_free(sequence.event);
    mem_free(order);
    return status;
}
