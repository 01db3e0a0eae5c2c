#include "core/models/positions.h"
#include "core/models/mixed_stream.h"

static struct positions make(struct tape *tape, int64_t n) {
    struct positions p = {.n = n, .domain = arena_alloc(&tape->arena, n, sizeof *p.domain)};
    for (int s = 0; s < STREAMS; s++) {
        p.lo[s] = arena_alloc(&tape->arena, n, sizeof **p.lo);
        p.hi[s] = arena_alloc(&tape->arena, n, sizeof **p.hi);
    }
    return p;
}

/* Of stream s, `last` -1: nothing. */
static void see(struct positions *p, int s, int64_t j, int32_t first, int32_t last) {
    p->lo[s][j] = last < 0 ? 0 : first;
    p->hi[s][j] = last + 1;
}

struct positions positions_of_targets(const struct model *model, struct tape *tape,
                                      const struct batch *batch) {
    const struct stream *mixed = &batch->stream[STREAM_MIXED];
    int target = model->config->train.target;
    struct positions p = make(tape, mixed->tokens);
    for (int64_t t = 0; t < p.n; t++)
        p.domain[t] = mixed->targets[t] >= model->catalogue.a_items;
    for (int s = 0; s < STREAMS; s++) {
        const int32_t *first = stream_first_tokens(tape, batch, s);
        const int32_t *last = stream_latest(tape, batch, STREAM_MIXED, s);
        for (int64_t b = 0; b < mixed->sequences; b++)
            for (int64_t t = mixed->offsets[b]; t < mixed->offsets[b + 1]; t++)
                see(&p, s, t, first[mixed->sample[b]], last[t]);
    }
    p.asked[STREAM_A] = target != TARGET_B;
    p.asked[STREAM_B] = target != TARGET_A;
    return p;
}

struct positions positions_of_histories(struct tape *tape, const struct batch *batch, int domain) {
    struct positions p = make(tape, batch->samples);
    for (int64_t j = 0; j < p.n; j++)
        p.domain[j] = domain;
    for (int s = 0; s < STREAMS; s++) {
        const int32_t *first = stream_first_tokens(tape, batch, s);
        const int32_t *last = stream_last_tokens(tape, batch, s);
        for (int64_t j = 0; j < p.n; j++)
            see(&p, s, j, first[j], last[j]);
    }
    p.asked[domain] = true;
    return p;
}
