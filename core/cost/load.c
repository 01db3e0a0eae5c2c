#include "core/cost/load.h"
#include <string.h>

static int64_t at_most(int64_t n, int64_t most) {
    return n < most ? n : most;
}

/* Inputs of each stream, of a history without its target. */
static void count_inputs(const int32_t *items, int64_t length, int64_t x_items, int64_t max_len,
                         int64_t tokens[STREAMS]) {
    int64_t seen[2] = {0, 0};
    for (int64_t i = 0; i < length - 1; i++)
        seen[items[i] >= x_items]++;
    tokens[STREAM_X] = at_most(seen[0], max_len);
    tokens[STREAM_Y] = at_most(seen[1], max_len);
    tokens[STREAM_XY] = at_most(seen[0] + seen[1], max_len);
}

void cost_sequence_count(struct cost_sequence *sequence, const int32_t *items, int64_t length,
                         int64_t x_items, int64_t max_len, bool mixed) {
    batch_count_targets(items, length, x_items, max_len, sequence->targets);
    if (mixed) {
        memset(sequence->targets, 0, STREAM_XY * sizeof sequence->targets[0]);
        count_inputs(items, length, x_items, max_len, sequence->tokens);
        return;
    }
    for (int s = 0; s < STREAMS; s++)
        sequence->tokens[s] = sequence->targets[s][0] + sequence->targets[s][1];
}

void cost_load_add(struct cost_load *load, const struct cost_sequence *sequence) {
    load->samples++;
    for (int s = 0; s < STREAMS; s++) {
        int64_t n = sequence->tokens[s];
        load->sequences[s] += n > 0;
        load->tokens[s] += n;
        load->pairs[s] += n * (n + 1) / 2;
        for (int d = 0; d < 2; d++)
            load->targets[s][d] += sequence->targets[s][d];
    }
}

void cost_load_add_batch(struct cost_load *load, const struct batch *batch, int64_t x_items) {
    load->samples += batch->samples;
    for (int s = 0; s < STREAMS; s++) {
        const struct stream *stream = &batch->stream[s];
        load->sequences[s] += stream->sequences;
        load->tokens[s] += stream->tokens;
        for (int64_t b = 0; b < stream->sequences; b++) {
            int64_t n = stream->offsets[b + 1] - stream->offsets[b];
            load->pairs[s] += n * (n + 1) / 2;
        }
        for (int64_t t = 0; stream->aimed && t < stream->tokens; t++)
            load->targets[s][stream->targets[t] >= x_items]++;
    }
}

void cost_load_add_history(struct cost_load *load, const int32_t *items, int64_t length,
                           int64_t x_items, int64_t max_len) {
    struct cost_sequence history = {{0}, {{0}}};
    count_inputs(items, length, x_items, max_len, history.tokens);
    cost_load_add(load, &history);
    load->ranked[items[length - 1] >= x_items]++;
}

void cost_load_join(struct cost_load *load, const struct cost_load *other) {
    load->samples += other->samples;
    load->contrasted += other->contrasted;
    for (int d = 0; d < 2; d++)
        load->ranked[d] += other->ranked[d];
    for (int s = 0; s < STREAMS; s++) {
        load->sequences[s] += other->sequences[s];
        load->tokens[s] += other->tokens[s];
        load->pairs[s] += other->pairs[s];
        load->targets[s][0] += other->targets[s][0];
        load->targets[s][1] += other->targets[s][1];
    }
}
