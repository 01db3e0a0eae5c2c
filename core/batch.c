/* Packing. Of every sequence and stream the last items are found backwards and turned round (cut), and
 * copied behind those before; append gives each token its position, its time and its key for dropout.
 * The functions for training, for histories, for the mixed stream and for one stream differ only in
 * which items count (build_stream). */
#include "core/batch.h"
#include "core/mem.h"
#include "core/rng.h"
#include <string.h>

const char *const stream_names[STREAMS] = {"a", "b", "mixed"};

static void reserve_sequences(struct stream *s, int64_t n) {
    if (s->offsets && n <= s->sequence_room)
        return;
    s->sequence_room = 2 * n;
    s->offsets = mem_resize(s->offsets, s->sequence_room + 1, sizeof *s->offsets);
    s->sample = mem_resize(s->sample, s->sequence_room, sizeof *s->sample);
    s->id = mem_resize(s->id, s->sequence_room, sizeof *s->id);
}

static void reserve_tokens(struct stream *s, int64_t n) {
    if (n <= s->token_room)
        return;
    s->token_room = 2 * n;
    s->items = mem_resize(s->items, s->token_room, sizeof *s->items);
    s->targets = mem_resize(s->targets, s->token_room, sizeof *s->targets);
    s->positions = mem_resize(s->positions, s->token_room, sizeof *s->positions);
    s->places = mem_resize(s->places, s->token_room, sizeof *s->places);
    s->times = mem_resize(s->times, s->token_room, sizeof *s->times);
    s->keys = mem_resize(s->keys, s->token_room, sizeof *s->keys);
}

static bool belongs(int32_t item, enum stream_name stream, int64_t a_items) {
    return stream == STREAM_MIXED || (item < a_items) == (stream == STREAM_A);
}

/* The places of the last `most` items of a sequence that belong to a stream, in order; returns their
 * number. */
static int64_t cut(const struct sample *sample, enum stream_name stream, int64_t a_items,
                   int64_t most, int32_t *place) {
    int64_t have = 0;
    for (int64_t i = sample->length - 1; i >= 0 && have < most; i--)
        if (belongs(sample->items[i], stream, a_items))
            place[have++] = (int32_t)i;
    for (int64_t i = 0; i < have / 2; i++) {
        int32_t t = place[i];
        place[i] = place[have - 1 - i];
        place[have - 1 - i] = t;
    }
    return have;
}

/* Append `n` inputs; the place behind theirs is that of the item that comes next in the stream. */
static void append(struct stream *s, enum stream_name name, const struct sample *sample,
                   int64_t index, int64_t n) {
    uint64_t key = rng_bits((uint64_t)sample->id, (uint64_t)name);
    for (int64_t t = 0; t < n; t++) {
        int64_t at = s->tokens + t;
        s->positions[at] = (int32_t)t;
        s->times[at] = sample->times ? sample->times[s->places[at + 1] - 1] : -1;
        s->keys[at] = rng_bits(key, (uint64_t)t);
    }
    s->sample[s->sequences] = (int32_t)index;
    s->id[s->sequences] = sample->id;
    s->tokens += n;
    s->offsets[++s->sequences] = s->tokens;
}

/* With `train` the last item is a target only; without, the last `drop` items of all do not count.
 */
static void build_stream(struct stream *s, enum stream_name name, const struct sample *samples,
                         int64_t n, int64_t a_items, int64_t max_len, bool train, int drop) {
    reserve_sequences(s, n);
    s->aimed = train;
    s->sequences = s->tokens = 0;
    s->offsets[0] = 0;
    for (int64_t b = 0; b < n; b++) {
        reserve_tokens(s, s->tokens + max_len + 1);
        struct sample sample = samples[b];
        sample.length -= drop;
        int32_t *at = s->items + s->tokens, *place = s->places + s->tokens;
        int64_t have = cut(&sample, name, a_items, max_len + train, place);
        int64_t inputs = have - train;
        if (!train)
            place[have] = (int32_t)sample.length;
        for (int64_t i = 0; i < have; i++)
            at[i] = sample.items[place[i]];
        if (inputs <= 0)
            continue;
        if (train)
            memcpy(s->targets + s->tokens, at + 1, (size_t)inputs * sizeof *at);
        append(s, name, &sample, b, inputs);
    }
}

static void build(struct batch *batch, const struct sample *samples, int64_t n, int64_t a_items,
                  int64_t max_len, bool train) {
    batch->samples = n;
    for (int s = 0; s < STREAMS; s++)
        build_stream(&batch->stream[s], (enum stream_name)s, samples, n, a_items, max_len, train,
                     0);
}

void batch_train(struct batch *batch, const struct sample *samples, int64_t n, int64_t a_items,
                 int64_t max_len) {
    build(batch, samples, n, a_items, max_len, true);
}

/* Has a sequence targets in each domain's stream? */
static bool has_both(const struct sample *sample, int64_t a_items) {
    int64_t of_a = 0;
    for (int64_t i = 0; i < sample->length; i++)
        of_a += belongs(sample->items[i], STREAM_A, a_items);
    return of_a > 1 && sample->length - of_a > 1;
}

void batch_both(struct batch *batch, const struct sample *samples, int64_t n, int64_t a_items,
                int64_t max_len) {
    struct sample *both = mem_alloc(n, sizeof *both);
    for (int64_t b = 0; b < n; b++) {
        both[b] = samples[b];
        if (!has_both(&samples[b], a_items))
            both[b].length = 0;
    }
    batch_train(batch, both, n, a_items, max_len);
    mem_free(both);
}

void batch_history(struct batch *batch, const struct sample *samples, int64_t n, int64_t a_items,
                   int64_t max_len) {
    build(batch, samples, n, a_items, max_len, false);
}

void batch_mixed(struct batch *batch, const struct sample *samples, int64_t n, int64_t a_items,
                 int64_t max_len) {
    batch->samples = n;
    for (int s = 0; s < STREAMS; s++)
        build_stream(&batch->stream[s], (enum stream_name)s, samples, n, a_items, max_len,
                     s == STREAM_MIXED, s != STREAM_MIXED);
}

void batch_aligned(struct batch *batch, const struct sample *samples, int64_t n, int64_t a_items,
                   int64_t max_len) {
    batch_train(batch, samples, n, a_items, max_len);
    batch->stream[STREAM_A].aimed = batch->stream[STREAM_B].aimed = false;
}

void batch_one(struct batch *batch, const struct sample *samples, int64_t n, int64_t a_items,
               int64_t max_len, bool train) {
    batch->samples = n;
    for (int s = 0; s < STREAMS; s++)
        build_stream(&batch->stream[s], (enum stream_name)s, samples, s == STREAM_MIXED ? n : 0,
                     a_items, max_len, train, 0);
}

void batch_free(struct batch *batch) {
    for (int s = 0; s < STREAMS; s++) {
        mem_free(batch->stream[s].offsets);
        mem_free(batch->stream[s].sample);
        mem_free(batch->stream[s].id);
        mem_free(batch->stream[s].items);
        mem_free(batch->stream[s].targets);
        mem_free(batch->stream[s].positions);
        mem_free(batch->stream[s].places);
        mem_free(batch->stream[s].times);
        mem_free(batch->stream[s].keys);
    }
    *batch = (struct batch){0};
}

void batch_count_targets(const int32_t *items, int64_t length, int64_t a_items, int64_t max_len,
                         int64_t count[STREAMS][2]) {
    int64_t seen[2] = {0, 0}, kept = 0;
    memset(count, 0, STREAMS * sizeof count[0]);
    for (int64_t i = length - 1; i >= 0; i--) {
        int d = items[i] >= a_items;
        seen[d]++;
        /* The oldest item of a stream is an input only: it becomes a target when one more comes. */
        if (i > 0 && kept++ < max_len)
            count[STREAM_MIXED][d]++;
    }
    for (int d = 0; d < 2; d++) {
        int64_t targets = seen[d] - 1 < max_len ? seen[d] - 1 : max_len;
        count[d][d] = targets > 0 ? targets : 0;
    }
}

int64_t batch_room(const struct batch *batch) {
    int64_t n = 0;
    for (int s = 0; s < STREAMS; s++)
        n += 2 * batch->stream[s].tokens;
    return n;
}

int64_t batch_items(const struct batch *batch, bool inputs, int32_t *out) {
    int64_t n = 0;
    for (int s = 0; s < STREAMS; s++) {
        const struct stream *stream = &batch->stream[s];
        for (int64_t t = 0; t < stream->tokens; t++) {
            if (inputs)
                out[n++] = stream->items[t];
            if (stream->aimed)
                out[n++] = stream->targets[t];
        }
    }
    return n;
}
