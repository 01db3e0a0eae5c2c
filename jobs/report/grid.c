#include "jobs/report/grid.h"
#include "core/mem.h"
#include "jobs/report/html.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void grid_free(struct grid *g) {
    for (int i = 0; i < g->columns; i++) {
        mem_free(g->column[i].above);
        mem_free(g->column[i].name);
    }
    for (int64_t i = 0; i < g->cells; i++)
        mem_free(g->cell[i].text);
    mem_free(g->column);
    mem_free(g->cell);
    *g = (struct grid){0};
}

LOG_FORMAT(1, 0)
static char *text_of(const char *format, va_list args) {
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        mem_fail(1, strlen(format));
    char *counted = mem_string(text);
    free(text);
    return counted;
}

void grid_column(struct grid *g, const char *above, const char *format, ...) {
    va_list args;
    va_start(args, format);
    g->column = mem_resize(g->column, g->columns + 1, sizeof *g->column);
    g->column[g->columns++] = (struct grid_column){mem_string(above), text_of(format, args), false};
    va_end(args);
}

void grid_band(struct grid *g, const char *name) {
    grid_column(g, "", "%s", name);
    g->column[g->columns - 1].band = true;
}

LOG_FORMAT(2, 0)
static void add(struct grid *g, const char *format, va_list args, int columns, bool best) {
    g->cell = mem_resize(g->cell, g->cells + 1, sizeof *g->cell);
    g->cell[g->cells++] = (struct grid_cell){text_of(format, args), columns, best};
}

void grid_cell(struct grid *g, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add(g, format, args, 1, false);
    va_end(args);
}

void grid_best(struct grid *g, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add(g, format, args, 1, true);
    va_end(args);
}

void grid_wide(struct grid *g, int columns, const char *format, ...) {
    va_list args;
    va_start(args, format);
    add(g, format, args, columns, false);
    va_end(args);
}

/* Is the column the first one under its upper head? */
static bool begins(const struct grid *g, int i) {
    return i == 0 || strcmp(g->column[i].above, g->column[i - 1].above) != 0;
}

/* ---- Markdown ---- */

static void print_markdown_head(const struct grid *g, FILE *file) {
    fputc('|', file);
    for (int i = 0; i < g->columns; i++) {
        const struct grid_column *c = &g->column[i];
        bool above = *c->above && begins(g, i);
        fprintf(file, " %s%s%s |", above ? c->above : "", above ? ": " : "", c->name);
    }
    fputs("\n|", file);
    for (int i = 0; i < g->columns; i++)
        fputs("---|", file);
    fputc('\n', file);
}

void grid_print_markdown(const struct grid *g, FILE *file) {
    int at = 0;
    print_markdown_head(g, file);
    for (int64_t i = 0; i < g->cells; i++) {
        const struct grid_cell *c = &g->cell[i];
        const char *mark = c->best ? "**" : "";
        fputs(at == 0 ? "|" : "", file);
        fprintf(file, *c->text ? " %s%s%s |" : "%s%s%s |", mark, c->text, mark);
        for (int k = 1; k < c->columns; k++)
            fputs(" |", file);
        at = (at + c->columns) % g->columns;
        fputs(at == 0 ? "\n" : "", file);
    }
}

/* ---- HTML ---- */

static bool is_number(const char *text) {
    return isdigit((unsigned char)text[strspn(text, "+-")]) || !strcmp(text, "-");
}

/* Has the column nothing but numbers? Those stand on the right. */
static bool is_numeric(const struct grid *g, int column) {
    int at = 0;
    for (int64_t i = 0; i < g->cells; i++) {
        if (at == column && g->cell[i].columns == 1 && !is_number(g->cell[i].text))
            return false;
        at = (at + g->cell[i].columns) % g->columns;
    }
    return g->cells > 0;
}

/* How many of `n` columns from i on are no bands. */
static int count_shown(const struct grid *g, int i, int n) {
    int shown = 0;
    for (int k = i; k < i + n; k++)
        shown += !g->column[k].band;
    return shown;
}

/* How many columns from i on stand under its upper head. */
static int span_of(const struct grid *g, int i) {
    int n = 1;
    while (i + n < g->columns && !begins(g, i + n))
        n++;
    return n;
}

static void print_name(const struct grid *g, int i, int rows, FILE *file) {
    fprintf(file, "<th scope=\"col\" rowspan=\"%d\"%s>", rows,
            is_numeric(g, i) ? " class=\"n\"" : "");
    html_marked(file, g->column[i].name);
    fputs("</th>", file);
}

/* One row, or two where there are upper heads: columns without one reach over both. */
static void print_html_head(const struct grid *g, FILE *file) {
    bool two = false;
    for (int i = 0; i < g->columns; i++)
        two = two || *g->column[i].above;
    fputs("<thead><tr>", file);
    for (int i = 0; i < g->columns; i++)
        if (!*g->column[i].above && !g->column[i].band)
            print_name(g, i, two ? 2 : 1, file);
        else if (*g->column[i].above && begins(g, i)) {
            fprintf(file, "<th scope=\"colgroup\" colspan=\"%d\">", span_of(g, i));
            html_marked(file, g->column[i].above);
            fputs("</th>", file);
        }
    fputs(two ? "</tr>\n<tr>" : "", file);
    for (int i = 0; i < g->columns; i++)
        if (*g->column[i].above)
            print_name(g, i, 1, file);
    fputs("</tr></thead>\n", file);
}

/* The interval behind a number is small print under it. */
static void print_number(const char *text, FILE *file) {
    const char *interval = strstr(text, " [");
    fprintf(file, "%.*s", interval ? (int)(interval - text) : (int)strlen(text), text);
    if (interval)
        fprintf(file, "<small>%s</small>", interval);
}

static void print_html_cell(const struct grid *g, const struct grid_cell *c, int at, FILE *file) {
    bool head = at < g->heads, number = c->columns == 1 && is_numeric(g, at);
    int columns = count_shown(g, at, c->columns);
    fputs(head ? "<th scope=\"row\"" : "<td", file);
    if (columns > 1)
        fprintf(file, " colspan=\"%d\"", columns);
    fputs(number ? " class=\"n\">" : ">", file);
    fputs(c->best ? "<strong>" : "", file);
    if (number)
        print_number(c->text, file);
    else
        html_marked(file, c->text);
    fputs(c->best ? "</strong>" : "", file);
    fputs(head ? "</th>" : "</td>", file);
}

/* Have both rows the same bands? One without bands has a wide cell in their place. */
static bool same_bands(const struct grid *g, const struct grid_cell *a, const struct grid_cell *b) {
    for (int at = 0; at < g->columns; at += a->columns, a++, b++) {
        if (a->columns != b->columns)
            return false;
        if (g->column[at].band && a->columns == 1 && strcmp(a->text, b->text) != 0)
            return false;
    }
    return true;
}

static void print_bands(const struct grid *g, const struct grid_cell *row, FILE *file) {
    const char *comma = "";
    for (int at = 0; at < g->columns; at += row->columns, row++)
        if (g->column[at].band && row->columns == 1) {
            if (!*comma)
                fprintf(file, "<tr class=\"band\"><th scope=\"rowgroup\" colspan=\"%d\">",
                        count_shown(g, 0, g->columns));
            fputs(comma, file);
            html_marked(file, row->text);
            comma = ", ";
        }
    fputs(*comma ? "</th></tr>\n" : "", file);
}

/* The cell behind the row. */
static const struct grid_cell *print_html_row(const struct grid *g, const struct grid_cell *cell,
                                              FILE *file) {
    fputs("<tr>", file);
    for (int at = 0; at < g->columns; at += cell->columns, cell++)
        if (!g->column[at].band || cell->columns > 1)
            print_html_cell(g, cell, at, file);
    fputs("</tr>\n", file);
    return cell;
}

static void print_html_body(const struct grid *g, FILE *file) {
    const struct grid_cell *end = g->cell + g->cells, *former = NULL;
    fputs("<tbody>\n", file);
    for (const struct grid_cell *row = g->cell; row < end;) {
        bool other = former && !same_bands(g, former, row);
        fputs(other ? "</tbody>\n<tbody>\n" : "", file);
        if (other || !former)
            print_bands(g, row, file);
        former = row;
        row = print_html_row(g, row, file);
    }
    fputs("</tbody>\n", file);
}

/* A table wider than the window scrolls, with the keys too: its box takes the focus. */
void grid_print_html(const struct grid *g, const char *caption, const char *note, FILE *file) {
    fputs("<div class=\"table\" role=\"region\" tabindex=\"0\" aria-label=\"", file);
    html_text(file, caption);
    fputs("\"><table>\n<caption>", file);
    html_text(file, caption);
    fputs("</caption>\n", file);
    print_html_head(g, file);
    print_html_body(g, file);
    fputs("</table></div>\n", file);
    if (!*note)
        return;
    fputs("<p class=\"note\">", file);
    html_text(file, note);
    fputs("</p>\n", file);
}
