/* All files are read into the raw collection, with users and items as text. Its events become one
 * timeline per user, which the filters thin out; the items that remain are numbered, those of the
 * first domain first, and the split cuts the timelines into sequences of these numbers. */
#include "io/readers/interactions.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/readers/atomic.h"
#include <stdio.h>
#include <string.h>

/* The file read last. */
static const char *last_path(const struct dataset_content *content) {
    return string_at(&content->sources, content->sources.count - 1);
}

/* ---- numbering: domains by label, items of the first domain first ---- */

struct numbering {
    const struct raw *raw;
    const int64_t *events; /* [items] of each; NULL: items without events stay */
    int32_t *number;       /* [items] */
    struct string_map keys;
    int64_t prefixed; /* keys that are not the ids */
    struct dataset_content *content;
};

/* The key of item i of domain d is the next. */
static enum status add_key(struct numbering *n, int d, int64_t i) {
    const char *id = string_at(&n->raw->domain[d].ids.list, i), *label = n->raw->domain[d].label;
    bool added, clash = string_map_find(&n->raw->domain[1 - d].ids, id) >= 0;
    int64_t room = (int64_t)(strlen(id) + strlen(label) + 2);
    char *key = mem_alloc(room, 1);
    snprintf(key, (size_t)room, "%s%s%s", clash ? label : "", clash ? ":" : "", id);
    string_map_add(&n->keys, key, &added);
    n->prefixed += clash;
    enum status status =
        added
            ? STATUS_OK
            : log_error(STATUS_INPUT,
                        "the key '%.200s' would be that of two items, of one by its id and of one "
                        "whose id both domains have; give the items other ids",
                        key);
    mem_free(key);
    return status;
}

/* Domain d of the raw collection, whose items begin at `base`, becomes domain `domain`. */
static enum status number_domain(struct numbering *n, int d, int64_t base, int domain) {
    const struct raw_domain *from = &n->raw->domain[d];
    struct dataset_content *content = n->content;
    content->labels[domain] = mem_string(from->label);
    for (int64_t i = 0; i < from->ids.list.count; i++) {
        if (n->events && n->events[base + i] == 0)
            continue;
        n->number[base + i] = (int32_t)n->keys.list.count;
        content->domain_items[domain]++;
        TRY(add_key(n, d, i));
        string_list_add(&content->titles, string_at(&from->titles, i));
        if (n->raw->described)
            string_list_add(&content->descriptions, string_at(&from->descriptions, i));
    }
    if (content->domain_items[domain] == 0)
        return log_error(STATUS_INPUT,
                         "%s: the filters leave no items of domain '%s'; lower "
                         "--min-user-events, --min-item-events, --min-per-domain",
                         last_path(content), from->label);
    return STATUS_OK;
}

static enum status number_items(struct numbering *n, const int64_t base[3]) {
    const struct raw *raw = n->raw;
    enum status status = STATUS_OK;
    bool one = raw->domains < 2;
    int first = !one && strcmp(raw->domain[0].label, raw->domain[1].label) > 0;
    for (int domain = 0; domain < (one ? 1 : 2) && status == STATUS_OK; domain++)
        status = number_domain(n, domain ^ first, base[domain ^ first], domain);
    if (one)
        n->content->labels[1] = mem_string(strcmp(raw->domain[0].label, "B") ? "B" : "A");
    if (n->prefixed)
        log_info("%lld items have an id that is in both domains; their keys are LABEL:ID",
                 (long long)n->prefixed);
    n->content->keys = n->keys.list;
    n->keys.list = (struct string_list){0};
    string_map_free(&n->keys);
    return status;
}

/* ---- from the raw collection to sequences ---- */

static int64_t *count_events(const struct timeline *t, const int64_t base[3]) {
    int64_t *events = mem_zero(base[2], sizeof *events);
    for (int64_t e = 0; e < t->first[t->users]; e++)
        events[base[t->event[e].domain] + t->event[e].item]++;
    return events;
}

static enum status filter_and_split(const struct raw *raw, const struct interactions_options *o,
                                    const int64_t base[3], struct timeline *timeline,
                                    struct dataset_content *content) {
    filters_apply(&o->filters, base, timeline);
    int64_t *events = count_events(timeline, base);
    struct numbering numbering = {.raw = raw,
                                  .events = filters_count(&o->filters) ? events : NULL,
                                  .number = mem_zero(base[2], sizeof *numbering.number),
                                  .content = content};
    enum status status = number_items(&numbering, base);
    if (status == STATUS_OK)
        split_timeline(timeline, o->split, o->fractions, o->ties, numbering.number, base, content);
    mem_free(numbering.number);
    mem_free(events);
    return status;
}

static enum status build(const struct raw *raw, bool by_name,
                         const struct interactions_options *options,
                         struct dataset_content *content) {
    struct timeline timeline;
    int64_t base[3] = {0};
    for (int d = 0; d < RAW_DOMAINS; d++)
        base[d + 1] = base[d] + raw->domain[d].ids.list.count;
    if (raw->events == 0 || base[2] > INT32_MAX)
        return log_error(STATUS_INPUT, "%s: has %s", last_path(content),
                         raw->events == 0 ? "no events" : "more than 2^31 - 1 items");
    timeline_build(raw, options->split == SPLIT_GIVEN, by_name, options->ties, &timeline);
    enum status status = filter_and_split(raw, options, base, &timeline, content);
    timeline_free(&timeline);
    TRY(status);
    for (int s = 0; s < SPLITS; s++)
        if (content->split[s].sequences.count == 0)
            return log_error(STATUS_INPUT,
                             "%s: leaves no %s sequences; loosen the filters or split otherwise",
                             last_path(content), split_names[s]);
    return STATUS_OK;
}

/* ---- files ---- */

/* "'a', 'b'"; cut where there are many. */
static void quote_labels(const struct raw *raw, char text[400]) {
    size_t n = 0;
    *text = '\0';
    for (int64_t i = 0; i < raw->left_out.list.count && n < 300; i++)
        n += (size_t)snprintf(text + n, 400 - n, "%s'%.60s'", n ? ", " : "",
                              string_at(&raw->left_out.list, i));
}

/* The domains asked for are there, and what is left out for them is told. */
static enum status check_chosen(const struct raw *raw, const struct dataset_content *content) {
    char others[400];
    quote_labels(raw, others);
    for (int i = 0; i < 2 && raw->chosen[i]; i++) {
        bool there = false;
        for (int d = 0; d < raw->domains; d++)
            there |= !strcmp(raw->domain[d].label, raw->chosen[i]);
        if (!there)
            return log_error(STATUS_INPUT, "%s: has no domain '%s', but %s; correct --domains",
                             last_path(content), raw->chosen[i], *others ? others : "no other");
    }
    if (*others)
        log_info("left out: %lld events and %lld items of %s", (long long)raw->left_out_events,
                 (long long)raw->domain[RAW_LEFT_OUT].ids.list.count, others);
    return STATUS_OK;
}

static enum status read_files(const struct layout *layout, struct atomic *atomic) {
    for (int i = 0; i < layout->count; i++) {
        const struct layout_file *file = &layout->file[i];
        TRY(file->items ? atomic_items(atomic, file) : atomic_events(atomic, file));
    }
    if (atomic->lists.untimed && layout->domains)
        return log_error(STATUS_INPUT,
                         "%s: its lists have no times, which tell the order between the domains; "
                         "add the column '%s'",
                         last_path(atomic->content), atomic->columns->name[ROLE_TIMES]);
    TRY(lists_unfold(&atomic->lists, &atomic->raw));
    return check_chosen(&atomic->raw, atomic->content);
}

static enum status read_and_build(const struct layout *layout,
                                  const struct interactions_options *options,
                                  struct atomic *atomic) {
    if (options->split == SPLIT_GIVEN && !layout->given)
        return log_error(STATUS_INPUT,
                         "%s: is no part of a given split, which are called NAME.train.inter, "
                         "NAME.valid.inter and NAME.test.inter; rename it or split otherwise",
                         layout->file[layout->count - 1].path);
    TRY(read_files(layout, atomic));
    if (options->split == SPLIT_TEMPORAL && atomic->lists.untimed)
        return log_error(STATUS_INPUT, "%s: has no times, by which --split=temporal cuts",
                         last_path(atomic->content));
    return build(&atomic->raw, layout->domains, options, atomic->content);
}

enum status interactions_read(const struct layout *layout,
                              const struct interactions_options *options,
                              struct dataset_content *content) {
    struct atomic atomic = {.columns = &options->columns,
                            .strict = options->strict,
                            .raw = {.chosen = {options->domains[0], options->domains[1]}},
                            .content = content};
    content->protocol = mem_string(split_rule_names[options->split]);
    enum status status = read_and_build(layout, options, &atomic);
    atomic_free(&atomic);
    return status;
}
