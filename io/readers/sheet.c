/* The header comes first and tells separator, names and, by these, the role of every column. Then
 * a row is the present line cut in place into fields, unquoted where the form has quotes. Whether
 * a column between tabs is quoted can only be known of the whole file, which is therefore read
 * twice where its first row looks like that. */
#include "io/readers/sheet.h"
#include "core/mem.h"
#include <stdio.h>
#include <string.h>

enum { COLUMNS = 1024 };

/* ---- fields between separators ---- */

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n > m && !strcmp(text + n - m, end);
}

static char separator_of(const char *path, const char *header) {
    bool csv = ends_with(path, ".csv") || ends_with(path, ".csv.gz");
    if (!csv && (strchr(header, '\t') || !strchr(header, ',')))
        return '\t';
    return strchr(header, ',') || !strchr(header, ';') ? ',' : ';';
}

/* Move a field that begins with a quote at text[*in] to text[*out] without its quotes; it may go on
 * in the lines behind. */
static enum status quoted_field(struct lines *lines, char separator, size_t *in, size_t *out) {
    bool more = true;
    for (++*in;; ++*in) {
        if (!lines->text[*in])
            TRY(lines_continue(lines, &more));
        if (!more)
            return lines_error(lines, "a quote opens a field and none closes it; correct it");
        if (lines->text[*in] == '"' && lines->text[++*in] != '"')
            break;
        lines->text[(*out)++] = lines->text[*in];
    }
    char next = lines->text[*in];
    if (next && next != separator)
        return lines_error(lines,
                           "'%c' follows the quote that closes a field; quotes inside of a field "
                           "are doubled",
                           next);
    return STATUS_OK;
}

/* Where the fields of the present line begin, at most `room` of them; *n counts all. */
static enum status split_quoted(struct lines *lines, char separator, size_t *start, int room,
                                int *n) {
    size_t in = 0, out = 0;
    bool last = false;
    for (*n = 0; !last; in++, ++*n) {
        if (*n < room)
            start[*n] = out;
        if (lines->text[in] == '"')
            TRY(quoted_field(lines, separator, &in, &out));
        else
            while (lines->text[in] && lines->text[in] != separator)
                lines->text[out++] = lines->text[in++];
        last = !lines->text[in];
        lines->text[out++] = '\0';
    }
    return STATUS_OK;
}

static enum status split_line(struct lines *lines, char separator, size_t *start, int room,
                              int *n) {
    if (separator != '\t')
        return split_quoted(lines, separator, start, room, n);
    char *rest = lines->text;
    *n = 0;
    for (char *field; (field = next_field(&rest)); ++*n)
        if (*n < room)
            start[*n] = (size_t)(field - lines->text);
    return STATUS_OK;
}

static bool in_quotes(const char *field) {
    size_t n = strlen(field);
    return n >= 2 && *field == '"' && field[n - 1] == '"';
}

/* Doubled quotes, and those behind a backslash, become single ones. */
static void unquote(char *field) {
    char *to = field;
    for (const char *from = field + 1; from[1]; from++) {
        if ((*from == '"' || *from == '\\') && from[1] == '"' && from[2])
            from++;
        *to++ = *from;
    }
    *to = '\0';
}

/* ---- header ---- */

static char *trim(char *name) {
    name += strspn(name, " ");
    size_t n = strlen(name);
    while (n > 0 && name[n - 1] == ' ')
        name[--n] = '\0';
    return name;
}

/* A name without its quotes and its type. */
static void add_name(struct sheet *s, char *name) {
    name = trim(name);
    if (in_quotes(name))
        unquote(name);
    name[strcspn(name, ":")] = '\0';
    string_list_add(&s->names, trim(name));
}

static enum status find_roles(struct sheet *s, const struct columns *columns) {
    for (int role = 0; role < ROLES; role++) {
        s->at[role] = -1;
        for (int c = 0; c < s->count; c++) {
            if (strcmp(string_at(&s->names, c), columns->name[role]) != 0)
                continue;
            if (s->at[role] >= 0)
                return lines_error(&s->lines, "the header has two columns '%s'; rename one",
                                   columns->name[role]);
            s->at[role] = c;
            s->role[c] = true;
        }
    }
    for (int c = 0; c < s->count; c++)
        s->last[c] = !s->role[c] || c == s->at[ROLE_TITLE] || c == s->at[ROLE_DESCRIPTION];
    return STATUS_OK;
}

static enum status read_header(struct sheet *s) {
    size_t start[COLUMNS];
    bool more = false;
    TRY(lines_next(&s->lines, &more));
    if (!more)
        return lines_error(&s->lines, "the file is empty; it begins with a header line");
    s->separator = separator_of(s->lines.path, s->lines.text);
    TRY(split_line(&s->lines, s->separator, start, COLUMNS, &s->count));
    if (s->count > COLUMNS)
        return lines_error(&s->lines, "has more than %d columns", COLUMNS);
    for (int c = 0; c < s->count; c++)
        add_name(s, s->lines.text + start[c]);
    return STATUS_OK;
}

/* ---- rows ---- */

/* The columns behind the first n may be lacking. */
static bool may_end(const struct sheet *s, int n) {
    for (int c = n; c < s->count; c++)
        if (!s->last[c])
            return false;
    return n > 0;
}

static enum status take_row(struct sheet *s, bool *more) {
    static char nothing[1];
    size_t start[COLUMNS];
    int n;
    TRY(lines_next(&s->lines, more));
    if (!*more)
        return STATUS_OK;
    TRY(split_line(&s->lines, s->separator, start, s->count, &n));
    if (n > s->count)
        return lines_error(&s->lines,
                           "has %d fields, more than the header's %d; is there a separator or a "
                           "quote too many?",
                           n, s->count);
    if (n < s->count && !may_end(s, n))
        return lines_error(&s->lines, "has not the %d fields of the header; is the line truncated?",
                           s->count);
    s->lacking += n < s->count;
    for (int c = 0; c < s->count; c++)
        s->field[c] = c < n ? s->lines.text + start[c] : nothing;
    return STATUS_OK;
}

/* ---- opening ---- */

/* Which columns of a tab-separated file are in quotes from the first row to the last. The file is
 * read through for that only if the first row has quotes. */
static enum status find_quoted(struct sheet *s, bool *reread) {
    bool more, left = false;
    TRY(take_row(s, &more));
    s->ahead = more;
    for (int c = 0; more && c < s->count; c++)
        left |= s->quoted[c] = in_quotes(s->field[c]);
    *reread = left;
    while (left) {
        TRY(take_row(s, &more));
        if (!more)
            return STATUS_OK;
        left = false;
        for (int c = 0; c < s->count; c++)
            left |= s->quoted[c] = s->quoted[c] && in_quotes(s->field[c]);
    }
    return STATUS_OK;
}

/* Back to the first row. */
static enum status begin_again(struct sheet *s) {
    char *path = mem_string(s->lines.path);
    bool strict = s->lines.strict, more;
    lines_close(&s->lines);
    enum status status = lines_open(&s->lines, path, strict);
    mem_free(path);
    TRY(status);
    s->ahead = false;
    s->lacking = 0;
    return lines_next(&s->lines, &more);
}

static enum status open_rows(struct sheet *s, const struct columns *columns) {
    bool reread = false;
    TRY(read_header(s));
    s->field = mem_zero(s->count, sizeof *s->field);
    s->role = mem_zero(s->count, sizeof *s->role);
    s->quoted = mem_zero(s->count, sizeof *s->quoted);
    s->last = mem_zero(s->count, sizeof *s->last);
    TRY(find_roles(s, columns));
    if (s->separator == '\t')
        TRY(find_quoted(s, &reread));
    return reread ? begin_again(s) : STATUS_OK;
}

enum status sheet_open(struct sheet *sheet, const char *path, bool strict,
                       const struct columns *columns) {
    *sheet = (struct sheet){0};
    TRY(lines_open(&sheet->lines, path, strict));
    enum status status = open_rows(sheet, columns);
    if (status != STATUS_OK)
        sheet_close(sheet);
    return status;
}

void sheet_close(struct sheet *sheet) {
    lines_close(&sheet->lines);
    string_list_free(&sheet->names);
    mem_free(sheet->field);
    mem_free(sheet->role);
    mem_free(sheet->quoted);
    mem_free(sheet->last);
    *sheet = (struct sheet){0};
}

/* The names of the columns that have a role (or not) as "a, b, c"; cut where there are many. */
static void list_names(const struct sheet *sheet, const bool *wanted, char text[400]) {
    size_t n = 0;
    *text = '\0';
    for (int c = 0; c < sheet->count && n < 360; c++)
        if (wanted[c])
            n += (size_t)snprintf(text + n, 400 - n, "%s%.30s", n ? ", " : "",
                                  string_at(&sheet->names, c));
}

enum status sheet_need(const struct sheet *sheet, const struct columns *columns, enum role role) {
    bool all[COLUMNS];
    char names[400];
    if (sheet->at[role] >= 0)
        return STATUS_OK;
    memset(all, true, sizeof all);
    list_names(sheet, all, names);
    return log_error(STATUS_INPUT,
                     "%s:1: the header has no column '%s' but: %s; give the file a header, or name "
                     "its columns with --columns",
                     sheet->lines.path, columns->name[role], names);
}

/* ---- reading ---- */

enum status sheet_next(struct sheet *sheet, bool *more) {
    *more = true;
    if (!sheet->ahead)
        TRY(take_row(sheet, more));
    sheet->ahead = false;
    for (int c = 0; *more && c < sheet->count; c++)
        if (sheet->quoted[c])
            unquote(sheet->field[c]);
    return STATUS_OK;
}

void sheet_note(const struct sheet *sheet, unsigned used) {
    bool unused[COLUMNS] = {false};
    char names[400];
    for (int c = 0; c < sheet->count; c++)
        unused[c] = true;
    for (int role = 0; role < ROLES; role++)
        if (sheet->at[role] >= 0 && (used >> role & 1))
            unused[sheet->at[role]] = false;
    list_names(sheet, unused, names);
    if (*names)
        log_info("%s: columns not used: %s", sheet->lines.path, names);
    list_names(sheet, sheet->quoted, names);
    if (*names)
        log_info("%s: columns whose fields are all in quotes, read without them: %s",
                 sheet->lines.path, names);
    if (sheet->lacking)
        log_info("%s: rows that end before the last columns, which are taken as empty: %lld",
                 sheet->lines.path, (long long)sheet->lacking);
}
