#include "core/models/mixed_stream.h"
#include "core/models/softmax_head.h"
#include "core/models/tables.h"
#include <string.h>

int64_t mixed_stream_count(const struct model *model, const struct batch *batch) {
    const struct stream *mixed = &batch->stream[STREAM_MIXED];
    int target = model->config->train.target;
    int64_t n = 0;
    for (int64_t t = 0; t < mixed->tokens; t++)
        n += target == TARGET_BOTH ||
             (mixed->targets[t] < model->catalogue.a_items) == (target == TARGET_A);
    return n;
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
    struct bounds sets = target_sets(model->config);
    enum phase before = tape_enter(pass->tape, pass->phases, PHASE_LOSS);
    double sum = softmax_head_loss(model, pass, STREAM_MIXED, (int)sets.lo, (int)sets.hi, &q, NULL,
                                   model->loss[k].weight / (double)pass->count[k]);
    tape_enter(pass->tape, pass->phases, before);
    return sum;
}

int32_t *stream_last_tokens(struct tape *tape, const struct batch *batch, int s) {
    const struct stream *of = &batch->stream[s];
    int32_t *index = arena_alloc(&tape->arena, batch->samples, sizeof *index);
    memset(index, -1, (size_t)batch->samples * sizeof *index);
    for (int64_t c = 0; c < of->sequences; c++)
        index[of->sample[c]] = (int32_t)(of->offsets[c + 1] - 1);
    return index;
}

bool *stream_present(struct tape *tape, const struct batch *batch, int s) {
    const struct stream *of = &batch->stream[s];
    bool *present = arena_alloc(&tape->arena, batch->samples, sizeof *present);
    memset(present, 0, (size_t)batch->samples * sizeof *present);
    for (int64_t c = 0; c < of->sequences; c++)
        present[of->sample[c]] = true;
    return present;
}
