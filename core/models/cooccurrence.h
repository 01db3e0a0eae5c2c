/* How often items occur together in sequences, a row of the matrix at a time: no matrix of all pairs
 * and no list of pairs is ever made. A row costs the length of every sequence that has its item;
 * all of them the sum of the squared lengths. Counts are integers, exact in double precision and
 * the same whatever the ranks and threads. Not collective. */
#ifndef CORE_MODELS_COOCCURRENCE_H
#define CORE_MODELS_COOCCURRENCE_H
#include "core/catalogue/top.h"
#include "core/models/fit.h"
#include <stdbool.h>

/* The distinct items of each sequence, and of each item the sequences that have it. */
struct cooccurrence {
    int64_t items, sequences;
    int64_t *offsets;          /* [sequences + 1] */
    int32_t *item;             /* distinct in a sequence, ascending */
    int64_t *first;            /* [items + 1] */
    int32_t *sequence, *times; /* those with an item, ascending, and its events in each */
};

/* Memory beside the sequences, which are no longer needed afterwards: 12 bytes per event and 8 per
 * item and sequence. */
void cooccurrence_open(struct cooccurrence *c, const struct fit_sequences *sequences,
                       int64_t items);
void cooccurrence_close(struct cooccurrence *c); /* zeroes it */
int64_t cooccurrence_bytes(int64_t items, int64_t sequences, int64_t events);

/* What counting the rows takes of one thread: counts, all zero between rows, which items have one, and
 * room for the `most` best of them. */
struct cooccurrence_counter {
    double *count;
    int32_t *touched;
    struct top_item *list;
};
struct cooccurrence_counter cooccurrence_counter_new(int64_t items, int64_t most);
void cooccurrence_counter_free(struct cooccurrence_counter *counter);

/* Events of an item, and sequences that have it. */
int64_t cooccurrence_events(const struct cooccurrence *c, int32_t item);
int64_t cooccurrence_sequences(const struct cooccurrence *c, int32_t item);

/* count[j] += 1 for every sequence with `item` and j, or with `by_event` for every event of `item`
 * in a sequence that has j. The j whose count was 0 before are added to `touched`, of room for all
 * items; returns how many. `item` itself is among them. */
int64_t cooccurrence_row(const struct cooccurrence *c, int32_t item, bool by_event, double *count,
                         int32_t *touched);

#endif
