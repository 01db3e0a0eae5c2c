/* Files of events and of items into the raw collection: RecBole's atomic files .inter and .item,
 * and other tables with such columns. Not collective. */
#ifndef IO_READERS_ATOMIC_H
#define IO_READERS_ATOMIC_H
#include "core/status.h"
#include "io/dataset_content.h"
#include "io/readers/columns.h"
#include "io/readers/layout.h"
#include "io/readers/lists.h"
#include "io/readers/raw.h"

struct atomic {
    const struct columns *columns;
    char *said[RAW_DOMAINS + 1]; /* the domain in the rows of files with a label, if any */
    bool strict;                 /* see struct lines */
    bool listed;                 /* a file of items was read */
    bool divided, undivided; /* the files have a column of domains; they have none, and no labels */
    struct raw raw;
    struct lists lists;              /* of the rows that carry lists, to be unfolded */
    struct dataset_content *content; /* is told of the files read */
};

/* A line per item: item, domain, title, description. The same line again counts for nothing. Files
 * of items come before those of events. Without a label and a column of domains all items are of
 * the domain "A". Where the file has a label, there need be no domain; if there is, all rows under
 * the label have the same. */
CHECKED enum status atomic_items(struct atomic *atomic, const struct layout_file *file);

/* A line per event: user, item, time, domain. The domain of an item is the file's label, or stands
 * in the column domain, or is that of the only item of this id in the files of items. With lists,
 * see io/readers/lists.h, there may be no time. */
CHECKED enum status atomic_events(struct atomic *atomic, const struct layout_file *file);

void atomic_free(struct atomic *atomic);

#endif
