#include "io/readers/interactions.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/lines.h"
#include "io/readers/order.h"
#include <stdio.h>
#include <string.h>

enum { FIELDS = 64, MIN_LOO = 3 };

/* ---- lines under a header of `name:type` ---- */

struct table {
    struct lines lines;
    int at[4]; /* columns wanted, -1: not there */
    int count;
    char *field[FIELDS];
};

static enum status table_header(struct table *t, const char *const names[4], int required) {
    bool more = false;
    for (int c = 0; c < 4; c++)
        t->at[c] = -1;
    TRY(lines_next(&t->lines, &more));
    char *rest = more ? t->lines.text : NULL;
    for (char *field; (field = next_field(&rest)); t->count++) {
        field[strcspn(field, ":")] = '\0';
        for (int c = 0; c < 4; c++)
            if (names[c] && !strcmp(field, names[c]))
                t->at[c] = t->count;
    }
    if (t->count > FIELDS)
        return lines_error(&t->lines, "has more than %d columns", FIELDS);
    for (int c = 0; c < required; c++)
        if (t->at[c] < 0)
            return lines_error(&t->lines,
                               "the header has no column '%s'; it should be like user_id:token or "
                               "item_id:token, separated by tabs",
                               names[c]);
    return STATUS_OK;
}

static enum status table_next(struct table *t, bool *more) {
    TRY(lines_next(&t->lines, more));
    if (!*more)
        return STATUS_OK;
    char *rest = t->lines.text;
    int n = 0;
    for (char *next; n < t->count && (next = next_field(&rest)); n++)
        t->field[n] = next;
    if (n < t->count || rest)
        return lines_error(&t->lines, "has not the %d fields of the header; is the line truncated?",
                           t->count);
    return STATUS_OK;
}

/* Field of the wanted column c, or NULL. */
static const char *field(const struct table *t, int c) {
    return t->at[c] < 0 ? NULL : t->field[t->at[c]];
}

static enum status token(const struct table *t, int c, const char *what) {
    const char *text = field(t, c);
    if (!*text || !utf8_valid(text))
        return lines_error(&t->lines, "the %s is empty or not UTF-8; correct it", what);
    return STATUS_OK;
}

/* ---- what is read ---- */

struct raw {
    struct string_map users, items, domains;
    struct string_list titles, descriptions; /* [items] */
    bool described;                          /* there is a column of descriptions */
    bool listed, undivided; /* there is a file of items; it has no column of domains */
    int32_t *domain;        /* [items]: number in domains */
    int64_t items_room;
    int64_t events, room; /* in the order of the file */
    int64_t *user, *item;
    double *time;
    bool *keep; /* [events] after the filters */
};

static void raw_free(struct raw *r) {
    string_map_free(&r->users);
    string_map_free(&r->items);
    string_map_free(&r->domains);
    string_list_free(&r->titles);
    string_list_free(&r->descriptions);
    mem_free(r->domain);
    mem_free(r->user);
    mem_free(r->item);
    mem_free(r->time);
    mem_free(r->keep);
}

/* Without a column of domains all items are of one. */
static enum status domain_number(const struct table *t, int column, struct raw *r,
                                 int32_t *number) {
    const char *label = field(t, column);
    if (label)
        TRY(token(t, column, "domain"));
    else
        label = "A";
    int64_t found = string_map_add(&r->domains, label, NULL);
    if (found > 1)
        return lines_error(&t->lines, "'%s' is a third domain after '%s' and '%s'; leave two",
                           label, string_at(&r->domains.list, 0), string_at(&r->domains.list, 1));
    *number = (int32_t)found;
    return STATUS_OK;
}

static void new_item(struct raw *r, int32_t domain, const char *title, const char *description) {
    if (r->titles.count == r->items_room) {
        r->items_room = 2 * r->items_room + 1024;
        r->domain = mem_resize(r->domain, r->items_room, sizeof *r->domain);
    }
    r->domain[r->titles.count] = domain;
    string_list_add(&r->titles, title ? title : "");
    string_list_add(&r->descriptions, description ? description : "");
}

/* ---- .item ---- */

enum { ITEM_ID, ITEM_DOMAIN, ITEM_TITLE, ITEM_DESCRIPTION };

static enum status item_line(struct table *t, struct raw *r) {
    int32_t domain = 0;
    bool added;
    TRY(token(t, ITEM_ID, "item_id"));
    TRY(domain_number(t, ITEM_DOMAIN, r, &domain));
    const char *key = field(t, ITEM_ID), *title = field(t, ITEM_TITLE);
    const char *description = field(t, ITEM_DESCRIPTION);
    int64_t item = string_map_add(&r->items, key, &added);
    if (!added)
        return lines_error(&t->lines, "item '%s' has a line already%s; an item has one line", key,
                           r->domain[item] == domain ? "" : ", in the other domain");
    bool odd = title && !utf8_valid(title);
    if (odd || (description && !utf8_valid(description)))
        return lines_error(&t->lines,
                           "the %s of item '%s' is not UTF-8; convert the file with "
                           "iconv",
                           odd ? "title" : "description", key);
    new_item(r, domain, title, description);
    r->described = description != NULL;
    r->undivided = !field(t, ITEM_DOMAIN);
    return STATUS_OK;
}

/* ---- .inter ---- */

enum { INTER_USER, INTER_ITEM, INTER_TIME, INTER_DOMAIN };

static enum status event_item(struct table *t, struct raw *r, int64_t *item) {
    const char *key = field(t, INTER_ITEM);
    int32_t domain = -1;
    TRY(token(t, INTER_ITEM, "item_id"));
    if (field(t, INTER_DOMAIN) && r->undivided)
        return lines_error(&t->lines, "there is a column 'domain' here and none in the .item file; "
                                      "add it there too");
    if (field(t, INTER_DOMAIN) || r->undivided || !r->listed)
        TRY(domain_number(t, INTER_DOMAIN, r, &domain));
    *item = string_map_find(&r->items, key);
    if (*item < 0 && domain < 0)
        return lines_error(
            &t->lines,
            "item '%s' is unknown: it has no line in the .item file, and there is no "
            "column domain:token here; add one of both",
            key);
    if (*item < 0) {
        *item = string_map_add(&r->items, key, NULL);
        new_item(r, domain, NULL, NULL);
    }
    if (domain >= 0 && r->domain[*item] != domain)
        return lines_error(&t->lines,
                           "item '%s' is of domain '%s' here and of '%s' before; an item "
                           "belongs to one domain",
                           key, string_at(&r->domains.list, domain),
                           string_at(&r->domains.list, r->domain[*item]));
    return STATUS_OK;
}

static enum status event_line(struct table *t, struct raw *r) {
    int64_t item = -1;
    double time;
    TRY(token(t, INTER_USER, "user_id"));
    TRY(event_item(t, r, &item));
    if (!parse_double(field(t, INTER_TIME), &time) || time < -9e15 || time > 9e15)
        return lines_error(&t->lines,
                           "the timestamp '%.40s' is not a number of seconds; correct it",
                           field(t, INTER_TIME));
    if (r->events == r->room) {
        r->room = 2 * r->room + 4096;
        r->user = mem_resize(r->user, r->room, sizeof *r->user);
        r->item = mem_resize(r->item, r->room, sizeof *r->item);
        r->time = mem_resize(r->time, r->room, sizeof *r->time);
    }
    r->user[r->events] = string_map_add(&r->users, field(t, INTER_USER), NULL);
    r->item[r->events] = item;
    r->time[r->events++] = time;
    return STATUS_OK;
}

static enum status read_rows(struct table *t, const char *const names[4], int required,
                             enum status (*line)(struct table *, struct raw *), struct raw *r) {
    TRY(table_header(t, names, required));
    for (bool more;;) {
        TRY(table_next(t, &more));
        if (!more)
            return STATUS_OK;
        TRY(line(t, r));
    }
}

static enum status read_table(const char *path, bool strict, const char *const names[4],
                              int required, enum status (*line)(struct table *, struct raw *),
                              struct raw *r, struct dataset_content *content) {
    struct table t = {0};
    char hash[SHA256_TEXT];
    TRY(lines_open(&t.lines, path, strict));
    enum status status = read_rows(&t, names, required, line, r);
    if (status == STATUS_OK) {
        lines_sha256(&t.lines, hash);
        dataset_content_source(content, path, hash);
    }
    lines_close(&t.lines);
    return status;
}

/* The file read last. */
static const char *inter_path(const struct dataset_content *content) {
    return string_at(&content->sources, content->sources.count - 1);
}

/* ---- filters ---- */

struct tallies {
    int64_t *user;   /* [users] */
    int64_t *domain; /* [users, 2] */
    int64_t *item;   /* [items] */
};

static void tally(const struct raw *r, struct tallies *t) {
    memset(t->user, 0, (size_t)r->users.list.count * sizeof *t->user);
    memset(t->domain, 0, 2 * (size_t)r->users.list.count * sizeof *t->domain);
    memset(t->item, 0, (size_t)r->titles.count * sizeof *t->item);
    for (int64_t e = 0; e < r->events; e++)
        if (r->keep[e]) {
            t->user[r->user[e]]++;
            t->domain[2 * r->user[e] + r->domain[r->item[e]]]++;
            t->item[r->item[e]]++;
        }
}

/* Removing events of one user may make an item too rare, and the other way round. */
static void filter(struct raw *r, const struct interactions_options *o, struct tallies *t) {
    tally(r, t);
    int64_t per_other = r->domains.list.count < 2 ? 0 : o->min_per_domain;
    for (bool changed = true; changed;) {
        changed = false;
        for (int64_t e = 0; e < r->events; e++) {
            const int64_t *domain = t->domain + 2 * r->user[e];
            if (r->keep[e] &&
                (t->user[r->user[e]] < o->min_user_events || domain[0] < o->min_per_domain ||
                 domain[1] < per_other || t->item[r->item[e]] < o->min_item_events)) {
                r->keep[e] = false;
                changed = true;
            }
        }
        tally(r, t);
    }
}

static bool filtered(const struct interactions_options *o) {
    return o->min_user_events > 0 || o->min_item_events > 0 || o->min_per_domain > 0;
}

/* ---- numbering: domains by name, items of the first domain first ---- */

static enum status number_items(const struct raw *r, bool all, const int64_t *item_events,
                                int32_t *number, struct dataset_content *content) {
    bool one = r->domains.list.count < 2;
    int first = !one && strcmp(string_at(&r->domains.list, 0), string_at(&r->domains.list, 1)) > 0;
    if (one)
        content->labels[1] = mem_string(strcmp(string_at(&r->domains.list, 0), "B") ? "B" : "A");
    for (int d = 0; d < (one ? 1 : 2); d++) {
        int domain = d ^ first;
        content->labels[d] = mem_string(string_at(&r->domains.list, domain));
        for (int64_t i = 0; i < r->titles.count; i++) {
            if (r->domain[i] != domain || (!all && item_events[i] == 0))
                continue;
            number[i] = (int32_t)content->keys.count;
            content->domain_items[d]++;
            string_list_add(&content->keys, string_at(&r->items.list, i));
            string_list_add(&content->titles, string_at(&r->titles, i));
            if (r->described)
                string_list_add(&content->descriptions, string_at(&r->descriptions, i));
        }
        if (content->domain_items[d] == 0)
            return log_error(STATUS_INPUT,
                             "%s: the filters leave no items of domain '%s'; lower "
                             "--min-user-events, --min-item-events, --min-per-domain",
                             inter_path(content), content->labels[d]);
    }
    return STATUS_OK;
}

/* ---- sequences ---- */

/* Kept events by user, then time, then place in the file. */
struct timeline {
    int64_t users, *first; /* [users + 1] */
    int32_t *items;
    int64_t *times;
    double *keys;
};

static void timeline_free(struct timeline *t) {
    mem_free(t->first);
    mem_free(t->items);
    mem_free(t->times);
    mem_free(t->keys);
}

static void build_timeline(const struct raw *r, const int32_t *number, struct timeline *t) {
    int64_t *order = mem_alloc(r->events, sizeof *order), *next;
    t->users = r->users.list.count;
    t->first = mem_zero(t->users + 2, sizeof *t->first);
    for (int64_t e = 0; e < r->events; e++)
        t->first[r->user[e] + 2] += r->keep[e];
    for (int64_t u = 0; u < t->users; u++)
        t->first[u + 2] += t->first[u + 1];
    next = t->first + 1; /* becomes first */
    int64_t kept = t->first[t->users + 1];
    t->items = mem_alloc(kept, sizeof *t->items);
    t->times = mem_alloc(kept, sizeof *t->times);
    t->keys = mem_alloc(kept, sizeof *t->keys);
    stable_order(r->time, r->events, order);
    for (int64_t i = 0; i < r->events; i++) {
        int64_t e = order[i];
        if (!r->keep[e])
            continue;
        int64_t at = next[r->user[e]]++;
        t->items[at] = number[r->item[e]];
        t->times[at] = (int64_t)r->time[e];
        t->keys[at] = r->time[e];
    }
    mem_free(order);
}

/* Events [lo, hi) of the timeline as a sequence of user u. */
static void add(const struct raw *r, const struct timeline *t, int64_t u, int64_t lo, int64_t hi,
                enum split split, struct dataset_content *content) {
    split_content_add(&content->split[split], string_at(&r->users.list, u), hi - lo, t->items + lo,
                      t->times + lo);
}

static void split_loo(const struct raw *r, const struct timeline *t,
                      struct dataset_content *content) {
    for (int64_t u = 0; u < t->users; u++) {
        int64_t lo = t->first[u], hi = t->first[u + 1];
        bool held_out = hi - lo >= MIN_LOO;
        if (hi == lo)
            continue;
        add(r, t, u, lo, held_out ? hi - 2 : hi, SPLIT_TRAIN, content);
        if (held_out) {
            add(r, t, u, lo, hi - 1, SPLIT_VALID, content);
            add(r, t, u, lo, hi, SPLIT_TEST, content);
        }
    }
}

/* The time of the last event of the first `fraction` of all events. */
static double moment(const double *sorted, int64_t n, double fraction) {
    int64_t i = (int64_t)(fraction * (double)n + 0.5) - 1;
    return sorted[i < 0 ? 0 : i >= n ? n - 1 : i];
}

static void split_temporal(const struct raw *r, const struct timeline *t, const double *fractions,
                           struct dataset_content *content) {
    int64_t n = t->first[t->users], *order = mem_alloc(n, sizeof *order);
    double *sorted = mem_alloc(n, sizeof *sorted);
    stable_order(t->keys, n, order);
    for (int64_t i = 0; i < n; i++)
        sorted[i] = t->keys[order[i]];
    double cut[2] = {n ? moment(sorted, n, fractions[0]) : 0,
                     n ? moment(sorted, n, fractions[0] + fractions[1]) : 0};
    mem_free(order);
    mem_free(sorted);
    for (int64_t u = 0; u < t->users; u++) {
        int64_t lo = t->first[u], hi = t->first[u + 1], train = lo, valid;
        while (train < hi && t->keys[train] <= cut[0])
            train++;
        for (valid = train; valid < hi && t->keys[valid] <= cut[1];)
            valid++;
        if (train > lo)
            add(r, t, u, lo, train, SPLIT_TRAIN, content);
        if (valid > train && valid - lo > 1)
            add(r, t, u, lo, valid, SPLIT_VALID, content);
        if (hi > valid && hi - lo > 1)
            add(r, t, u, lo, hi, SPLIT_TEST, content);
    }
}

static enum status build(struct raw *r, const struct interactions_options *o,
                         struct tallies *tallies, int32_t *number,
                         struct dataset_content *content) {
    struct timeline timeline = {0};
    filter(r, o, tallies);
    TRY(number_items(r, !filtered(o), tallies->item, number, content));
    build_timeline(r, number, &timeline);
    if (o->split == INTERACTIONS_LOO)
        split_loo(r, &timeline, content);
    else
        split_temporal(r, &timeline, o->fractions, content);
    timeline_free(&timeline);
    for (int s = 0; s < SPLITS; s++)
        if (content->split[s].sequences.count == 0)
            return log_error(STATUS_INPUT,
                             "%s: leaves no %s sequences; loosen the filters or split otherwise",
                             inter_path(content), split_names[s]);
    return STATUS_OK;
}

static enum status filter_and_split(struct raw *r, const struct interactions_options *o,
                                    struct dataset_content *content) {
    int64_t users = r->users.list.count, items = r->titles.count;
    if (r->events == 0 || items > INT32_MAX)
        return log_error(STATUS_INPUT, "%s: has %s", inter_path(content),
                         items > INT32_MAX ? "more than 2^31 - 1 items" : "no events");
    r->keep = mem_alloc(r->events, sizeof *r->keep);
    memset(r->keep, 1, (size_t)r->events * sizeof *r->keep);
    struct tallies tallies = {mem_alloc(users, sizeof(int64_t)),
                              mem_alloc(2 * users, sizeof(int64_t)),
                              mem_alloc(items, sizeof(int64_t))};
    int32_t *number = mem_zero(items, sizeof *number);
    enum status status = build(r, o, &tallies, number, content);
    mem_free(number);
    mem_free(tallies.user);
    mem_free(tallies.domain);
    mem_free(tallies.item);
    return status;
}

enum status interactions_read(const char *inter, const char *item,
                              const struct interactions_options *options,
                              struct dataset_content *content) {
    static const char *const item_names[4] = {"item_id", "domain", "title", "description"};
    static const char *const inter_names[4] = {"user_id", "item_id", "timestamp", "domain"};
    struct raw raw = {.listed = item != NULL};
    enum status status = STATUS_OK;
    content->protocol = mem_string(options->split == INTERACTIONS_LOO ? "loo" : "temporal");
    if (item)
        TRY_GOTO(status, read_table(item, options->strict, item_names, 1, item_line, &raw, content),
                 done);
    TRY_GOTO(status, read_table(inter, options->strict, inter_names, 3, event_line, &raw, content),
             done);
    status = filter_and_split(&raw, options, content);
done:
    raw_free(&raw);
    return status;
}
