#include "io/readers/items.h"
#include "core/mem.h"
#include "io/lines.h"
#include <string.h>

enum { INDEX, DOMAIN, TITLE, COLUMNS, FIELDS = 64 };

/* Where the columns stand in a line. */
struct columns {
    int at[COLUMNS];
    int count;
};

static enum status read_header(struct lines *lines, struct columns *columns) {
    static const char *const names[COLUMNS] = {"index", "domain", "title"};
    bool more;
    *columns = (struct columns){.at = {-1, -1, -1}};
    TRY(lines_next(lines, &more));
    char *rest = more ? lines->text : NULL;
    for (char *field; (field = next_field(&rest)); columns->count++)
        for (int c = 0; c < COLUMNS; c++)
            if (!strcmp(field, names[c]))
                columns->at[c] = columns->count;
    for (int c = 0; c < COLUMNS; c++)
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

static enum status read_row(struct lines *lines, const struct columns *columns,
                            struct dataset_content *content, int64_t *title_of,
                            struct string_list *titles) {
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
    if (title_of[index] >= 0)
        return lines_error(lines, "item %lld has a line already; remove one", (long long)index);
    TRY(check_label(lines, field[columns->at[DOMAIN]], index >= content->domain_items[0], content));
    if (!utf8_valid(field[columns->at[TITLE]]))
        return lines_error(lines,
                           "the title of item %lld is not UTF-8; convert the file with iconv",
                           (long long)index);
    title_of[index] = titles->count;
    string_list_add(titles, field[columns->at[TITLE]]);
    return STATUS_OK;
}

static enum status read_rows(struct lines *lines, struct dataset_content *content,
                             int64_t *title_of, struct string_list *titles) {
    struct columns columns = {0};
    TRY(read_header(lines, &columns));
    for (bool more;;) {
        TRY(lines_next(lines, &more));
        if (!more)
            return STATUS_OK;
        TRY(read_row(lines, &columns, content, title_of, titles));
    }
}

enum status items_tsv_read(const char *path, bool strict, struct dataset_content *content) {
    struct lines lines;
    struct string_list titles = {0};
    char hash[SHA256_TEXT];
    int64_t n = content->keys.count;
    TRY(lines_open(&lines, path, strict));
    int64_t *title_of = mem_alloc(n, sizeof *title_of);
    memset(title_of, -1, (size_t)n * sizeof *title_of);
    enum status status = read_rows(&lines, content, title_of, &titles);
    if (status == STATUS_OK) {
        for (int64_t i = 0; i < n; i++)
            string_list_add(&content->titles,
                            title_of[i] < 0 ? "" : string_at(&titles, title_of[i]));
        lines_sha256(&lines, hash);
        dataset_content_source(content, path, hash);
    }
    mem_free(title_of);
    string_list_free(&titles);
    lines_close(&lines);
    return status;
}
