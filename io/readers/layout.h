/* Which files make a data set of events and items, and what each is. Not collective.
 *
 * Files of events and of items are told apart by their endings, .inter and .item (RecBole's atomic
 * files), or by their headers, which have a user and an item or an item alone; .gz may follow. A
 * file of events called NAME.train, NAME.valid or NAME.test, or only so, before its ending is that
 * part of a given split. */
#ifndef IO_READERS_LAYOUT_H
#define IO_READERS_LAYOUT_H
#include "core/status.h"
#include "io/dataset.h"
#include "io/readers/columns.h"
#include <stdbool.h>

enum { LAYOUT_FILES = 16 };

struct layout_file {
    char *path;
    char *label;      /* of the domain of all its rows, NULL: its rows tell */
    bool items;       /* else events */
    bool part;        /* of a given split: ... */
    enum split split; /* ... this one; else SPLIT_TRAIN */
};

struct layout {
    struct layout_file file[LAYOUT_FILES]; /* items first, then by split, then by label */
    int count;
    bool given;   /* the events come in the three parts of a split */
    bool domains; /* each domain has files of its own */
};

/* Find the files of `inputs`: files and folders, of which the .inter and .item files are taken, or,
 * where there are none, the .csv and .tsv files, hidden ones aside. Two folders are two domains,
 * called as they are. `domains`, in the place of inputs, are LABEL=FILE,FILE... or LABEL=FOLDER. On
 * failure the object is zeroed. */
CHECKED enum status layout_find(struct layout *layout, const char *const *inputs, int input_count,
                                const char *const *domains, int domain_count,
                                const struct columns *columns);
void layout_free(struct layout *layout); /* safe on a zeroed object; zeroes it */

#endif
