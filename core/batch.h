/* Packed batches: user sequences cut into three streams: items of domain A, of domain B, of both mixed.
 * There is no padding: a stream is its tokens one after the other, with offsets. Not collective. */
#ifndef CORE_BATCH_H
#define CORE_BATCH_H
#include "core/real.h"
#include <stdbool.h>
#include <stdint.h>

enum stream_name { STREAM_A, STREAM_B, STREAM_MIXED, STREAMS };
extern const char *const stream_names[STREAMS]; /* "a", "b", "mixed" */

struct stream {
    int64_t sequences, tokens; /* B, T of this stream */
    int64_t *offsets;          /* [B + 1] */
    int32_t *sample;           /* [B] index in the batch of the sequence it was cut from ... */
    int64_t *id;               /* [B] ... and that sequence's number in the data set */
    int32_t *items;            /* [T] inputs */
    int32_t *targets;          /* [T] the next item; if aimed */
    int32_t *positions;        /* [T] 0 for the oldest item kept */
    int32_t *places;           /* [T] of the item in its sequence, whatever the stream */
    real *times;               /* [T] of the sequence's last item before the stream's next one */
    uint64_t *keys;            /* [T] of (sample id, position, stream), for dropout */
    bool aimed;                /* there are targets */
    int64_t sequence_room, token_room;
};

struct batch {
    struct stream stream[STREAMS];
    int64_t samples;
};

/* One user sequence: `length` items in time order, `id` its number in the data set; `times`
 * [length], the place of each on a clock (core/clock.h), NULL: not known, which is -1 in streams. */
struct sample {
    const int32_t *items;
    int64_t length;
    int64_t id;
    const real *times;
};

/* Of each stream the last max_len + 1 items: max_len inputs and as many targets. A stream with
 * fewer than two items gives nothing. `a_items` = |A|: smaller ids are A's. The batch keeps its
 * memory from call to call; a zeroed one is empty. */
void batch_train(struct batch *batch, const struct sample *samples, int64_t n, int64_t a_items,
                 int64_t max_len);

/* The same of the sequences with two items or more in each domain (C2DSR); the others give nothing. */
void batch_both(struct batch *batch, const struct sample *samples, int64_t n, int64_t a_items,
                int64_t max_len);

/* Histories (all items are inputs): of each stream the last max_len items. */
void batch_history(struct batch *batch, const struct sample *samples, int64_t n, int64_t a_items,
                   int64_t max_len);

/* Training from the mixed stream alone: of it the last max_len + 1 items, as batch_train; of the
 * other streams the last max_len items before the last item of all, without targets. So each stream
 * has, for every target, its states up to the item before. */
void batch_mixed(struct batch *batch, const struct sample *samples, int64_t n, int64_t a_items,
                 int64_t max_len);

/* Training from the mixed stream alone, aligned with its targets (ABXI): the mixed stream as
 * batch_train; the others too, but without targets. So the n-th last token of stream a precedes, in
 * its domain, the n-th last target of the mixed stream that is an item of A. */
void batch_aligned(struct batch *batch, const struct sample *samples, int64_t n, int64_t a_items,
                   int64_t max_len);

/* Training, or histories, of the mixed stream alone; the others are empty. */
void batch_one(struct batch *batch, const struct sample *samples, int64_t n, int64_t a_items,
               int64_t max_len, bool train);

void batch_free(struct batch *batch); /* zeroes it */

/* The targets of all streams, and with `inputs` each behind its input, into out, repetitions
 * included. Returns how many; batch_room is at least that. */
int64_t batch_items(const struct batch *batch, bool inputs, int32_t *out);
int64_t batch_room(const struct batch *batch);

/* Training targets of a sequence: count[s][d] in stream s and domain d. */
void batch_count_targets(const int32_t *items, int64_t length, int64_t a_items, int64_t max_len,
                         int64_t count[STREAMS][2]);

#endif
