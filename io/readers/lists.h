/* Rows that carry the events before their own as lists, as the files of sequential benchmarks do:
 * the events of each user are put together from them. Not collective. */
#ifndef IO_READERS_LISTS_H
#define IO_READERS_LISTS_H
#include "core/status.h"
#include "io/readers/raw.h"

struct list_row {
    int64_t user, line;
    struct raw_event last; /* the row's own event */
    bool left_out;         /* that is of a domain left out */
    uint8_t source;        /* rows of a user in different sources say nothing of each other */
    int64_t file;          /* in paths */
    int64_t first, count;  /* of its list in `event`, without those left out */
    int64_t length;        /* with them */
};

struct lists {
    struct string_list paths;
    int64_t rows, rows_room, events, events_room;
    struct list_row *row;
    struct raw_event *event; /* time, domain and item only */
    bool untimed;            /* some file has no times of the lists' events */
};

void lists_free(struct lists *lists); /* safe on a zeroed object; zeroes it */

/* Begin a row, then add the events of its list; first and count are filled here. */
void lists_add_row(struct lists *lists, const struct list_row *row);
void lists_add_event(struct lists *lists, const struct raw_event *event);

/* Add the events of all rows to raw, each once. Rows of a user in one source are taken by their
 * part, then length, then time; the list of a row must be what the user has so far, a beginning of
 * it that the row's item continues (it is known then), a longer list, or, where it is as long as
 * the longest, its end: such lists were cut. Otherwise STATUS_INPUT, naming the line. Without times
 * events get their positions. */
CHECKED enum status lists_unfold(const struct lists *lists, struct raw *raw);

#endif
