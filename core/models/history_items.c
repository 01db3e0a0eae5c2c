#include "core/models/history_items.h"
#include <stdlib.h>

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Of the longest sequence of any rank. */
static int64_t widest(const struct model *model, const struct pass *pass, bool last) {
    const struct stream *stream = &pass->batch->stream[STREAM_MIXED];
    const struct collectives *collectives = model->catalogue.collectives;
    int64_t most = 1;
    for (int64_t b = 0; b < stream->sequences && !last; b++) {
        int64_t length = stream->offsets[b + 1] - stream->offsets[b];
        most = length > most ? length : most;
    }
    if (!collectives || last)
        return most;
    struct arena *arena = &pass->tape->arena;
    const int64_t *of_rank = collectives_gather_count(collectives, arena, most);
    for (int r = 0; r < collectives->size; r++)
        most = of_rank[r] > most ? of_rank[r] : most;
    return most;
}

/* The distinct ones of n items into out. */
static void put(const int32_t *item, int64_t n, const int32_t *number, int32_t *out) {
    int64_t count = 0, kept = 0;
    for (int64_t k = 0; k < n; k++) {
        int32_t x = number ? number[item[k]] : item[k];
        if (x >= 0)
            out[count++] = x;
    }
    qsort(out, (size_t)count, sizeof *out, ascending);
    for (int64_t k = 0; k < count; k++)
        if (kept == 0 || out[kept - 1] != out[k])
            out[kept++] = out[k];
    for (; kept < count; kept++)
        out[kept] = -1;
}

int64_t history_items(const struct model *model, const struct pass *pass, bool last,
                      const int32_t *number, struct query_scorer *scorer) {
    const struct stream *stream = &pass->batch->stream[STREAM_MIXED];
    int64_t width = widest(model, pass, last), samples = pass->batch->samples;
    int32_t *state = arena_alloc(&pass->tape->arena, samples * width, sizeof *state);
    for (int64_t k = 0; k < samples * width; k++)
        state[k] = -1;
    for (int64_t b = 0; b < stream->sequences; b++) {
        int64_t end = stream->offsets[b + 1], first = last ? end - 1 : stream->offsets[b];
        put(stream->items + first, end - first, number, state + stream->sample[b] * width);
    }
    scorer->state = state;
    scorer->bytes = width * (int64_t)sizeof *state;
    return width;
}
