/* The rows of a text file under a header that names its columns: the layer between lines and what
 * they mean. Not collective.
 *
 * Fields are separated by tabs or, in a file that ends in .csv or whose header has commas and no
 * tab, by commas (semicolons, where the header of a .csv has no comma), then with quotes as RFC
 * 4180 has them. Between tabs a quote is a character as any other, but a column whose fields are
 * all in quotes, as R's write.table makes it, is read without them. A name in the header may have a
 * type, `name:type`, spaces around it and quotes. */
#ifndef IO_READERS_SHEET_H
#define IO_READERS_SHEET_H
#include "io/lines.h"
#include "io/readers/columns.h"
#include "io/string_list.h"

struct sheet {
    struct lines lines;
    struct string_list names;
    int count;                  /* columns */
    int at[ROLES];              /* the column of a role, -1: there is none */
    char **field;               /* [count] of the present row; valid until the next */
    bool *role, *quoted, *last; /* [count] it has one; all in quotes; a row may end before it */
    char separator;
    bool ahead;      /* the first row was read with the header */
    int64_t lacking; /* rows that end before a column of texts or one without role */
};

/* Open the file and read its header. On failure the object is zeroed. */
CHECKED enum status sheet_open(struct sheet *sheet, const char *path, bool strict,
                               const struct columns *columns);
void sheet_close(struct sheet *sheet); /* safe on a zeroed object; zeroes it */

/* An error that names the header's columns, unless there is a column of this role. */
CHECKED enum status sheet_need(const struct sheet *sheet, const struct columns *columns,
                               enum role role);

/* The next row; *more is false at the end. */
CHECKED enum status sheet_next(struct sheet *sheet, bool *more);

/* Field of the present row, NULL where there is no such column. */
static inline const char *sheet_field(const struct sheet *sheet, enum role role) {
    return sheet->at[role] < 0 ? NULL : sheet->field[sheet->at[role]];
}

/* Say, a line each, which columns have no role among `used` (bits 1 << role), which are read
 * without their quotes and how many rows end early; at the end of the file. */
void sheet_note(const struct sheet *sheet, unsigned used);

#endif
