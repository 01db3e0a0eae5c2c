#include "core/models/mixed_stream.h"
#include "core/models/softmax_head.h"
#include "core/models/tables.h"
#include "core/ops/mix.h"
#include "core/rng.h"
#include <string.h>

bool mixed_stream_trains_on(const struct model *model, int32_t target) {
    int wanted = model->config->train.target;
    return wanted == TARGET_BOTH || (target < model->catalogue.a_items) == (wanted == TARGET_A);
}

int64_t mixed_stream_count(const struct model *model, const struct batch *batch) {
    const struct stream *mixed = &batch->stream[STREAM_MIXED];
    int64_t n = 0;
    for (int64_t t = 0; t < mixed->tokens; t++)
        n += mixed_stream_trains_on(model, mixed->targets[t]);
    return n;
}

int32_t *mixed_stream_positions(const struct model *model, struct tape *tape,
                                const struct batch *batch, int64_t *n) {
    const struct stream *mixed = &batch->stream[STREAM_MIXED];
    int32_t *position = arena_alloc(&tape->arena, mixed->tokens, sizeof *position);
    *n = 0;
    for (int64_t t = 0; t < mixed->tokens; t++)
        if (mixed_stream_trains_on(model, mixed->targets[t]))
            position[(*n)++] = (int32_t)t;
    return position;
}

bool mixed_stream_has_loss(const struct model *model, const struct pass *pass, int k) {
    bool together = model->catalogue.collectives && model->config->train.loss == LOSS_EXACT;
    return (together ? pass->count[k] : pass->batch->stream[STREAM_MIXED].tokens) > 0;
}

/* Candidate sets of the targets: see tables_candidates. */
static struct bounds target_sets(const struct config *config) {
    if (config->train.target != TARGET_BOTH)
        return config->train.target == TARGET_A ? (struct bounds){0, 0} : (struct bounds){1, 1};
    return config->model.mixed_softmax == MIXED_ALL ? (struct bounds){2, 2} : (struct bounds){0, 1};
}

double mixed_stream_loss(struct model *model, struct pass *pass, int k, struct tensor *q) {
    return mixed_stream_loss_terms(model, pass, k, q, &(struct token_terms){0});
}

double mixed_stream_loss_terms(struct model *model, struct pass *pass, int k, struct tensor *q,
                               const struct token_terms *terms) {
    struct bounds sets = target_sets(model->config);
    enum phase before = tape_enter(pass->tape, pass->phases, PHASE_LOSS);
    double sum =
        softmax_head_loss_terms(model, pass, STREAM_MIXED, (int)sets.lo, (int)sets.hi, &q, NULL,
                                model->loss[k].weight / (double)pass->count[k], terms);
    tape_enter(pass->tape, pass->phases, before);
    return sum;
}

void mixed_stream_forward(struct model *model, struct pass *pass, int k,
                          mixed_stream_states_fn *states) {
    if (!mixed_stream_has_loss(model, pass, k))
        return;
    struct tensor *q = pass->batch->stream[STREAM_MIXED].tokens > 0
                           ? softmax_head_query(model, pass->tape, 0, states(model, pass))
                           : tape_tensor(pass->tape, 0, model->head[0].dim, false);
    pass->loss[k] = mixed_stream_loss(model, pass, k, q);
}

void mixed_stream_query(struct model *model, struct pass *pass, mixed_stream_states_fn *states,
                        struct query *query) {
    bool any = pass->batch->stream[STREAM_MIXED].tokens > 0;
    const bool *present = stream_present(pass->tape, pass->batch, STREAM_MIXED);
    const real *q =
        softmax_head_last(model, pass, 0, STREAM_MIXED, any ? states(model, pass) : NULL);
    softmax_head_compare(model, pass, 0, q, query,
                         query_add_term(query, 1, present, FUSION_PROBABILITY));
}

struct dropout stream_dropout(const struct model *model, const struct pass *pass, int s, double p,
                              int place) {
    uint64_t key = rng_key((uint64_t)model->config->run.seed, RNG_DROPOUT, (uint64_t)pass->step,
                           (uint64_t)place);
    if (pass->step == 0 || p <= 0)
        return dropout_none;
    return dropout_make(p, key, pass->batch->stream[s].keys);
}

/* Of the sequence in stream s of each sample, the first token or the last, -1: none. */
static int32_t *tokens_of(struct tape *tape, const struct batch *batch, int s, bool last) {
    const struct stream *of = &batch->stream[s];
    int32_t *index = arena_alloc(&tape->arena, batch->samples, sizeof *index);
    memset(index, -1, (size_t)batch->samples * sizeof *index);
    for (int64_t c = 0; c < of->sequences; c++)
        index[of->sample[c]] = (int32_t)(last ? of->offsets[c + 1] - 1 : of->offsets[c]);
    return index;
}

int32_t *stream_first_tokens(struct tape *tape, const struct batch *batch, int s) {
    return tokens_of(tape, batch, s, false);
}

int32_t *stream_last_tokens(struct tape *tape, const struct batch *batch, int s) {
    return tokens_of(tape, batch, s, true);
}

int32_t *stream_latest(struct tape *tape, const struct batch *batch, int of, int s) {
    const struct stream *at = &batch->stream[of], *from = &batch->stream[s];
    const int32_t *first = stream_first_tokens(tape, batch, s);
    const int32_t *last = stream_last_tokens(tape, batch, s);
    int32_t *index = arena_alloc(&tape->arena, at->tokens, sizeof *index);
    for (int64_t b = 0; b < at->sequences; b++) {
        int32_t lo = first[at->sample[b]], hi = last[at->sample[b]], next = lo;
        for (int64_t t = at->offsets[b]; t < at->offsets[b + 1]; t++) {
            while (lo >= 0 && next <= hi && from->places[next] <= at->places[t])
                next++;
            index[t] = next > lo ? next - 1 : -1;
        }
    }
    return index;
}

struct tensor *stream_choose(struct tape *tape, struct tensor *const x[DOMAINS],
                             const int32_t *domain, int64_t n, bool own, int32_t *const *end,
                             int64_t d) {
    struct gate_input input[DOMAINS];
    int inputs = 0;
    for (int s = STREAM_A; s <= STREAM_B; s++) {
        int32_t *row = arena_alloc(&tape->arena, n, sizeof *row);
        if (!x[s])
            continue;
        for (int64_t j = 0; j < n; j++)
            row[j] = (s == domain[j]) != own ? -1 : end ? end[s][j] - 1 : (int32_t)j;
        input[inputs++] = (struct gate_input){.value = x[s], .index = row};
    }
    return op_mix(tape, input, inputs, n, d);
}

struct tensor *stream_pick(struct tape *tape, struct tensor *x, const int32_t *index, int64_t n,
                           int64_t d) {
    struct gate_input input = {.value = x, .index = index};
    return op_mix(tape, &input, x != NULL, n, d);
}

bool *stream_present(struct tape *tape, const struct batch *batch, int s) {
    const struct stream *of = &batch->stream[s];
    bool *present = arena_alloc(&tape->arena, batch->samples, sizeof *present);
    memset(present, 0, (size_t)batch->samples * sizeof *present);
    for (int64_t c = 0; c < of->sequences; c++)
        present[of->sample[c]] = true;
    return present;
}
