/* A table of text, filled cell by cell, that is printed as Markdown or as HTML. Not collective. */
#ifndef JOBS_REPORT_GRID_H
#define JOBS_REPORT_GRID_H
#include "core/log.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct grid_column {
    char *above; /* head of this column and those beside it with the same text; "": it has none */
    char *name;
    bool band; /* in HTML no column: where its text changes, a line through the table says it */
};

struct grid_cell {
    char *text;
    int columns; /* that it takes */
    bool best;
};

struct grid {
    struct grid_column *column; /* [columns] */
    int columns;
    int heads;              /* the first columns say what the row is of */
    struct grid_cell *cell; /* [cells], row after row */
    int64_t cells;
};

void grid_free(struct grid *grid); /* safe on a zeroed object; zeroes it */

/* The columns of a zeroed grid from left to right, before its cells. A name may have `code` in it, and
 * so may a cell. */
void grid_column(struct grid *grid, const char *above, const char *format, ...) LOG_FORMAT(3, 4);

void grid_band(struct grid *grid, const char *name); /* behind the heads */

/* The next cell; a row ends when it has its columns. */
void grid_cell(struct grid *grid, const char *format, ...) LOG_FORMAT(2, 3);
void grid_best(struct grid *grid, const char *format, ...) LOG_FORMAT(2, 3); /* bold */

/* A cell as wide as so many. */
void grid_wide(struct grid *grid, int columns, const char *format, ...) LOG_FORMAT(3, 4);

void grid_print_markdown(const struct grid *grid, FILE *file);

/* With a caption, and a note under it; "" for none. */
void grid_print_html(const struct grid *grid, const char *caption, const char *note, FILE *file);

#endif
