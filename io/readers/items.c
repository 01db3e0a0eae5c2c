#include "io/readers/items.h"
#include "core/mem.h"
#include "io/lines.h"
#include <stdio.h>
#include <string.h>

enum { INDEX, DOMAIN, TITLE, DESCRIPTION, COLUMNS, NEEDED = DESCRIPTION, FIELDS = 64 };

/* Where the columns stand in a line, -1: nowhere. */
struct columns {
    int at[COLUMNS];
    int count;
};

/* Take column `name` as the next; if it is none of ours, or the key, it is added to `unused`. */
static void take_column(struct columns *columns, const char *name, char unused[400]) {
    static const char *const names[] = {"index", "domain", "title", "description", "key"};
    int c = 0;
    while (c <= COLUMNS && strcmp(name, names[c]) != 0)
        c++;
    if (c < COLUMNS)
        columns->at[c] = columns->count;
    size_t n = strlen(unused);
    if (c > COLUMNS && n < 300)
        snprintf(unused + n, 400 - n, "%s%.60s", n ? ", " : "", name);
    columns->count++;
}

static enum status read_header(struct lines *lines, struct columns *columns) {
    static const char *const names[NEEDED] = {"index", "domain", "title"};
    char unused[400] = "";
    bool more;
    *columns = (struct columns){.at = {-1, -1, -1, -1}};
    TRY(lines_next(lines, &more));
    char *rest = more ? lines->text : NULL;
    for (char *field; (field = next_field(&rest));)
        take_column(columns, field, unused);
    if (*unused)
        log_info("%s: columns not used: %s", lines->path, unused);
    for (int c = 0; c < NEEDED; c++)
        if (columns->at[c] < 0 || columns->count > FIELDS)
            return lines_error(lines,
                               "the header has no column '%s'; it should be: index, domain, "
                               "key, title, separated by tabs",
                               names[c]);
    return STATUS_OK;
}

/* The label of a domain is what its items call it; the two differ. */
static enum status check_label(struct lines *lines, const char *label, int domain,
                               struct dataset_content *content) {
    const char *other = content->labels[1 - domain];
    if (!*label || !utf8_valid(label))
        return lines_error(lines, "the domain is empty or not UTF-8; correct it");
    if (!content->labels[domain])
        content->labels[domain] = mem_string(label);
    if (strcmp(label, content->labels[domain]) != 0 || (other && !strcmp(label, other)))
        return lines_error(lines,
                           "the item is of domain '%s' here, but stands in %clist.txt; an item "
                           "belongs to one domain",
                           label, 'A' + domain);
    return STATUS_OK;
}

/* The texts of the items that have a line, in the order of the file. */
struct texts {
    int64_t *line_of; /* [N] number of the item's line, -1: none */
    struct string_list titles, descriptions;
};

/* Text of item `index` in column c to `list`; nothing where there is no such column. */
static enum status take_text(struct lines *lines, const struct columns *columns, char **field,
                             int c, int64_t index, struct string_list *list) {
    static const char *const names[COLUMNS] = {[TITLE] = "title", [DESCRIPTION] = "description"};
    if (columns->at[c] < 0)
        return STATUS_OK;
    if (!utf8_valid(field[columns->at[c]]))
        return lines_error(lines, "the %s of item %lld is not UTF-8; convert the file with iconv",
                           names[c], (long long)index);
    string_list_add(list, field[columns->at[c]]);
    return STATUS_OK;
}

static enum status read_row(struct lines *lines, const struct columns *columns,
                            struct dataset_content *content, struct texts *texts) {
    char *field[FIELDS], *rest = lines->text;
    int n = 0;
    int64_t index;
    for (char *next; n < columns->count && (next = next_field(&rest)); n++)
        field[n] = next;
    if (n < columns->count || rest)
        return lines_error(lines, "has not the %d fields of the header; is the line truncated?",
                           columns->count);
    if (!parse_int(field[columns->at[INDEX]], &index) || index < 0 || index >= content->keys.count)
        return lines_error(lines,
                           "index '%s' is unknown: the lists have items 0 to %lld; correct it",
                           field[columns->at[INDEX]], (long long)content->keys.count - 1);
    if (texts->line_of[index] >= 0)
        return lines_error(lines, "item %lld has a line already; remove one", (long long)index);
    TRY(check_label(lines, field[columns->at[DOMAIN]], index >= content->domain_items[0], content));
    texts->line_of[index] = texts->titles.count;
    TRY(take_text(lines, columns, field, TITLE, index, &texts->titles));
    return take_text(lines, columns, field, DESCRIPTION, index, &texts->descriptions);
}

static enum status read_rows(struct lines *lines, struct dataset_content *content,
                             struct texts *texts) {
    struct columns columns = {0};
    TRY(read_header(lines, &columns));
    for (bool more;;) {
        TRY(lines_next(lines, &more));
        if (!more)
            return STATUS_OK;
        TRY(read_row(lines, &columns, content, texts));
    }
}

/* From the order of the file to the order of the items; items without a line have empty texts. */
static void gather(const struct texts *texts, const struct string_list *from, int64_t n,
                   struct string_list *to) {
    for (int64_t i = 0; i < n; i++)
        string_list_add(to, texts->line_of[i] < 0 ? "" : string_at(from, texts->line_of[i]));
}

enum status items_tsv_read(const char *path, bool strict, struct dataset_content *content) {
    struct lines lines;
    char hash[SHA256_TEXT];
    int64_t n = content->keys.count;
    TRY(lines_open(&lines, path, strict));
    struct texts texts = {.line_of = mem_alloc(n, sizeof *texts.line_of)};
    memset(texts.line_of, -1, (size_t)n * sizeof *texts.line_of);
    enum status status = read_rows(&lines, content, &texts);
    if (status == STATUS_OK) {
        gather(&texts, &texts.titles, n, &content->titles);
        if (texts.descriptions.count > 0)
            gather(&texts, &texts.descriptions, n, &content->descriptions);
        lines_sha256(&lines, hash);
        dataset_content_source(content, path, hash);
    }
    mem_free(texts.line_of);
    string_list_free(&texts.titles);
    string_list_free(&texts.descriptions);
    lines_close(&lines);
    return status;
}
