/* Rows of items and of events enter the raw collection one by one. What needs care is whose domain
 * a row is of: the file's label says it, or the row, or, for an event, the items with its id;
 * contradictions are errors with file and line. A row may carry a list of the events before its
 * own; such rows are kept apart (io/readers/lists.h) until all are known. Times become seconds at
 * the end of a file, when the unit of its column is known. */
#include "io/readers/atomic.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/readers/sheet.h"
#include "io/readers/times.h"
#include <string.h>

void atomic_free(struct atomic *atomic) {
    for (int d = 0; d <= RAW_LEFT_OUT; d++)
        mem_free(atomic->said[d]);
    raw_free(&atomic->raw);
    lists_free(&atomic->lists);
}

/* ---- fields ---- */

static enum status token(const struct sheet *sheet, enum role role) {
    const char *text = sheet_field(sheet, role);
    if (!*text || !utf8_valid(text) || text[strcspn(text, "\t\r\n")])
        return lines_error(&sheet->lines,
                           "the %s is empty, not UTF-8 or more than a line; correct it",
                           string_at(&sheet->names, sheet->at[role]));
    return STATUS_OK;
}

/* A file under a label is of one domain, whatever its rows call that. */
static enum status check_said(const struct sheet *sheet, char **said) {
    const char *text = sheet_field(sheet, ROLE_DOMAIN);
    if (!text)
        return STATUS_OK;
    if (!*said)
        *said = mem_string(text);
    if (strcmp(text, *said) != 0)
        return lines_error(&sheet->lines,
                           "is of domain '%.100s', and rows before it of '%.100s', but the file is "
                           "given as that of one domain; give it as the file of both",
                           text, *said);
    return STATUS_OK;
}

/* The domain of the row: `of_file`, or, where that is -1, what the row says. */
static enum status row_domain(const struct sheet *sheet, struct atomic *a, int of_file,
                              int *domain) {
    struct raw *raw = &a->raw;
    *domain = of_file;
    if (of_file >= 0)
        return check_said(sheet, &a->said[of_file]);
    TRY(token(sheet, ROLE_DOMAIN));
    const char *label = sheet_field(sheet, ROLE_DOMAIN);
    *domain = raw_domain(raw, label);
    if (*domain < 0)
        return lines_error(&sheet->lines,
                           "'%.100s' is a third domain after '%.100s' and '%.100s'; choose two "
                           "with --domains",
                           label, raw->domain[0].label, raw->domain[1].label);
    return STATUS_OK;
}

/* All items are of one domain, where no row tells another. */
static enum status one_domain(const struct layout_file *file, struct atomic *a, int *domain) {
    if (a->divided)
        return log_error(STATUS_INPUT,
                         "%s:1: the header has no column '%s', unlike the files before; add it, or "
                         "give each domain files of its own: --domain LABEL=FILE,FILE",
                         file->path, a->columns->name[ROLE_DOMAIN]);
    a->undivided = true;
    *domain = raw_domain(&a->raw, "A");
    return STATUS_OK;
}

/* The domain of all rows of the file, or -1: each row has its own, or its item has. */
static enum status file_domain(const struct sheet *sheet, const struct layout_file *file,
                               struct atomic *a, int *domain) {
    bool column = sheet->at[ROLE_DOMAIN] >= 0;
    *domain = -1;
    if (file->label)
        *domain = raw_domain(&a->raw, file->label);
    else if (!column && (file->items || !a->listed || a->undivided))
        return one_domain(file, a, domain);
    else if (column && a->undivided)
        return log_error(
            STATUS_INPUT,
            "%s:1: there is a column '%s' here and none in the .item file, or in those "
            "of events before; add it there too",
            file->path, a->columns->name[ROLE_DOMAIN]);
    a->divided |= column;
    if (file->label && *domain < 0)
        return log_error(STATUS_INPUT, "%s: is of the third domain '%s'; choose two with --domains",
                         file->path, file->label);
    return STATUS_OK;
}

static void note_file(struct atomic *a, struct sheet *sheet, unsigned used) {
    char hash[SHA256_TEXT];
    sheet_note(sheet, used);
    lines_sha256(&sheet->lines, hash);
    dataset_content_source(a->content, sheet->lines.path, hash);
}

/* ---- items ---- */

static enum status check_text(const struct sheet *sheet, enum role role, const char *what) {
    const char *text = sheet_field(sheet, role);
    if (text && !utf8_valid(text))
        return lines_error(&sheet->lines,
                           "the %s of item '%.100s' is not UTF-8; convert the file "
                           "with iconv",
                           what, sheet_field(sheet, ROLE_ITEM));
    return STATUS_OK;
}

static bool same_text(const struct sheet *sheet, enum role role, const char *text) {
    const char *field = sheet_field(sheet, role);
    return !strcmp(field ? field : "", text);
}

static enum status item_row(const struct sheet *sheet, struct atomic *a, int of_file,
                            int64_t *repeated) {
    bool added;
    int domain;
    TRY(token(sheet, ROLE_ITEM));
    TRY(row_domain(sheet, a, of_file, &domain));
    TRY(check_text(sheet, ROLE_TITLE, "title"));
    TRY(check_text(sheet, ROLE_DESCRIPTION, "description"));
    struct raw_domain *d = &a->raw.domain[domain];
    const char *id = sheet_field(sheet, ROLE_ITEM);
    int64_t item = raw_item(d, id, sheet_field(sheet, ROLE_TITLE),
                            sheet_field(sheet, ROLE_DESCRIPTION), &added);
    if (!added && (!same_text(sheet, ROLE_TITLE, string_at(&d->titles, item)) ||
                   !same_text(sheet, ROLE_DESCRIPTION, string_at(&d->descriptions, item))))
        return lines_error(&sheet->lines,
                           "item '%.100s' has a line already, with other texts; an item has one "
                           "line",
                           id);
    *repeated += !added;
    d->lines = d->ids.list.count;
    return STATUS_OK;
}

static enum status item_rows(struct sheet *sheet, struct atomic *a,
                             const struct layout_file *file) {
    int64_t repeated = 0;
    int domain;
    TRY(sheet_need(sheet, a->columns, ROLE_ITEM));
    TRY(file_domain(sheet, file, a, &domain));
    a->raw.described |= sheet->at[ROLE_DESCRIPTION] >= 0;
    for (bool more;;) {
        TRY(sheet_next(sheet, &more));
        if (!more)
            break;
        TRY(item_row(sheet, a, domain, &repeated));
    }
    a->listed = true;
    if (repeated)
        log_info("%s: lines that repeat an earlier item word for word: %lld", file->path,
                 (long long)repeated);
    note_file(a, sheet,
              1u << ROLE_ITEM | 1u << ROLE_TITLE | 1u << ROLE_DESCRIPTION |
                  (unsigned)(domain < 0) << ROLE_DOMAIN);
    return STATUS_OK;
}

/* ---- the item of an event ---- */

/* The item of this id in the one domain that has it. */
static enum status only_item(const struct sheet *sheet, const struct raw *raw, const char *id,
                             struct raw_event *event) {
    int found = 0;
    for (int d = 0; d <= RAW_LEFT_OUT; d++) {
        int64_t item = string_map_find(&raw->domain[d].ids, id);
        if (item < 0)
            continue;
        found++;
        event->item = (int32_t)item;
        event->domain = (uint8_t)d;
    }
    if (found == 0)
        return lines_error(&sheet->lines,
                           "item '%.100s' is unknown: it has no line in the .item file, and there "
                           "is no column domain:token here; add one of both",
                           id);
    if (found > 1)
        return lines_error(&sheet->lines,
                           "item '%.100s' may be of either domain; add a column domain:token, or "
                           "give each domain a file of its own",
                           id);
    return STATUS_OK;
}

/* The item of this id in the domain; by_row: the row says so, and must not contradict the files of
 * items. */
static enum status item_of_domain(const struct sheet *sheet, struct raw *raw, const char *id,
                                  int domain, bool by_row, struct raw_event *event) {
    int64_t item = string_map_find(&raw->domain[domain].ids, id);
    for (int d = 0; item < 0 && by_row && d <= RAW_LEFT_OUT; d++) {
        int64_t other = string_map_find(&raw->domain[d].ids, id);
        if (other >= 0 && other < raw->domain[d].lines)
            return lines_error(&sheet->lines,
                               "item '%.100s' is of domain '%.100s' here, but has a line in the "
                               ".item file of another domain; correct one of both",
                               id, sheet_field(sheet, ROLE_DOMAIN));
    }
    if (item < 0)
        item = raw_item(&raw->domain[domain], id, NULL, NULL, NULL);
    if (item > INT32_MAX)
        return lines_error(&sheet->lines, "has more than 2^31 - 1 items before it");
    event->item = (int32_t)item;
    event->domain = (uint8_t)domain;
    return STATUS_OK;
}

/* ---- events ---- */

struct event_file {
    struct sheet sheet;
    const struct layout_file *file;
    int domain; /* of all its items, -1: see the rows */
    struct times times;
    int64_t first_event, first_row, first_list_event; /* of this file */
};

static enum status find_item(struct event_file *f, struct atomic *a, const char *id, int domain,
                             bool by_row, struct raw_event *event) {
    return domain < 0 ? only_item(&f->sheet, &a->raw, id, event)
                      : item_of_domain(&f->sheet, &a->raw, id, domain, by_row, event);
}

/* Cut the next word off *rest; NULL after the last. */
static char *next_word(char **rest) {
    *rest += strspn(*rest, " ");
    char *word = *rest;
    *rest += strcspn(word, " ");
    if (**rest)
        *(*rest)++ = '\0';
    return *word ? word : NULL;
}

static enum status list_row(struct event_file *f, struct atomic *a, const struct raw_event *last) {
    struct sheet *sheet = &f->sheet;
    char *items = sheet->field[sheet->at[ROLE_ITEMS]], *times = NULL, *id;
    struct list_row row = {.user = last->user,
                           .line = sheet->lines.number,
                           .last = *last,
                           .left_out = last->domain == RAW_LEFT_OUT,
                           .source = (uint8_t)(f->domain + 1),
                           .file = a->lists.paths.count - 1};
    if (sheet->at[ROLE_TIMES] >= 0)
        times = sheet->field[sheet->at[ROLE_TIMES]];
    lists_add_row(&a->lists, &row);
    while ((id = next_word(&items))) {
        struct raw_event event = {.time = {0, 0}};
        char *time = times ? next_word(&times) : NULL;
        TRY(find_item(f, a, id, f->domain, false, &event));
        if (times && !time)
            return lines_error(&sheet->lines, "the list of times is shorter than that of items");
        if (time)
            TRY(times_add(&f->times, &sheet->lines, time, &event.time));
        if (event.domain != RAW_LEFT_OUT)
            lists_add_event(&a->lists, &event);
        a->lists.row[a->lists.rows - 1].length++;
    }
    if (times && next_word(&times))
        return lines_error(&sheet->lines, "the list of times is longer than that of items");
    return STATUS_OK;
}

static enum status event_row(struct event_file *f, struct atomic *a) {
    struct sheet *sheet = &f->sheet;
    struct raw_event event = {.part = (uint8_t)f->file->split};
    int domain = f->domain;
    bool by_row = domain < 0 && sheet->at[ROLE_DOMAIN] >= 0;
    TRY(token(sheet, ROLE_USER));
    TRY(token(sheet, ROLE_ITEM));
    if (domain >= 0 || by_row)
        TRY(row_domain(sheet, a, domain, &domain));
    TRY(find_item(f, a, sheet_field(sheet, ROLE_ITEM), domain, by_row, &event));
    if (sheet->at[ROLE_TIME] >= 0)
        TRY(times_add(&f->times, &sheet->lines, sheet_field(sheet, ROLE_TIME), &event.time));
    a->raw.left_out_events += event.domain == RAW_LEFT_OUT;
    if (event.domain == RAW_LEFT_OUT && sheet->at[ROLE_ITEMS] < 0)
        return STATUS_OK;
    event.user = string_map_add(&a->raw.users, sheet_field(sheet, ROLE_USER), NULL);
    if (sheet->at[ROLE_ITEMS] >= 0)
        return list_row(f, a, &event);
    raw_add(&a->raw, &event);
    return STATUS_OK;
}

/* Once the unit of the file's times is known. */
static enum status set_times(struct event_file *f, struct atomic *a) {
    int unit;
    TRY(times_unit(&f->times, f->file->path, &unit));
    for (int64_t e = f->first_event; e < a->raw.events; e++)
        a->raw.event[e].time = times_seconds(a->raw.event[e].time, unit);
    for (int64_t r = f->first_row; r < a->lists.rows; r++)
        a->lists.row[r].last.time = times_seconds(a->lists.row[r].last.time, unit);
    for (int64_t e = f->first_list_event; e < a->lists.events; e++)
        a->lists.event[e].time = times_seconds(a->lists.event[e].time, unit);
    return STATUS_OK;
}

/* A column with events that would be lost is not passed over. */
static enum status check_lists(const struct event_file *f, struct atomic *a) {
    const struct sheet *sheet = &f->sheet;
    bool lists = sheet->at[ROLE_ITEMS] >= 0;
    for (int c = 0; c < sheet->count && !lists; c++) {
        const char *name = string_at(&sheet->names, c);
        size_t n = strlen(name);
        if (n > 5 && !strcmp(name + n - 5, "_list"))
            return log_error(STATUS_INPUT,
                             "%s:1: the column '%s' holds events of the past, but there is no "
                             "column '%s'; name the lists with --columns items=NAME,times=NAME, or "
                             "remove them",
                             sheet->lines.path, name, a->columns->name[ROLE_ITEMS]);
    }
    if (lists ? a->raw.events > 0 : a->lists.paths.count > 0)
        return log_error(
            STATUS_INPUT,
            "%s: has %s column '%s', unlike the files of events before; give all files "
            "in one form",
            f->file->path, lists ? "a" : "no", a->columns->name[ROLE_ITEMS]);
    if (!lists)
        return sheet_need(sheet, a->columns, ROLE_TIME);
    string_list_add(&a->lists.paths, f->file->path);
    if (sheet->at[ROLE_TIMES] < 0 || sheet->at[ROLE_TIME] < 0) {
        log_info("%s: has not both columns '%s' and '%s': the events have an order, but no times",
                 f->file->path, a->columns->name[ROLE_TIME], a->columns->name[ROLE_TIMES]);
        a->lists.untimed = true;
    }
    return STATUS_OK;
}

static enum status event_rows(struct event_file *f, struct atomic *a) {
    struct sheet *sheet = &f->sheet;
    TRY(sheet_need(sheet, a->columns, ROLE_USER));
    TRY(sheet_need(sheet, a->columns, ROLE_ITEM));
    TRY(check_lists(f, a));
    TRY(file_domain(sheet, f->file, a, &f->domain));
    for (bool more;;) {
        TRY(sheet_next(sheet, &more));
        if (!more)
            break;
        TRY(event_row(f, a));
    }
    TRY(set_times(f, a));
    note_file(a, sheet,
              1u << ROLE_USER | 1u << ROLE_ITEM | 1u << ROLE_TIME | 1u << ROLE_ITEMS |
                  1u << ROLE_TIMES | (unsigned)(f->domain < 0) << ROLE_DOMAIN);
    return STATUS_OK;
}

enum status atomic_items(struct atomic *atomic, const struct layout_file *file) {
    struct sheet sheet;
    TRY(sheet_open(&sheet, file->path, atomic->strict, atomic->columns));
    enum status status = item_rows(&sheet, atomic, file);
    sheet_close(&sheet);
    return status;
}

enum status atomic_events(struct atomic *atomic, const struct layout_file *file) {
    struct event_file f = {.file = file,
                           .first_event = atomic->raw.events,
                           .first_row = atomic->lists.rows,
                           .first_list_event = atomic->lists.events};
    TRY(sheet_open(&f.sheet, file->path, atomic->strict, atomic->columns));
    enum status status = event_rows(&f, atomic);
    sheet_close(&f.sheet);
    return status;
}
