#include "core/cost/step.h"
#include "core/catalogue/rank.h"
#include "core/distinct.h"
#include "core/models/forward.h"
#include <string.h>

/* ---- ranks that are not there ---- */

/* The rows of this rank, the first, for those of all. */
static void gather(void *context, void *all, const int64_t *counts, int64_t bytes) {
    int ranks = *(const int *)context;
    char *to = (char *)all + counts[0] * bytes;
    for (int r = 1; r < ranks; to += counts[r++] * bytes) {
        int64_t n = counts[r] < counts[0] ? counts[r] : counts[0];
        memcpy(to, all, (size_t)(n * bytes));
    }
}

static void keep_max(void *context, real *x, int64_t n) {
    (void)context, (void)x, (void)n;
}

static void keep_sum(void *context, double *x, int64_t n) {
    (void)context, (void)x, (void)n;
}

static void keep_own(void *context, real *x, const int64_t *counts, int64_t width) {
    (void)context, (void)x, (void)counts, (void)width;
}

struct collectives cost_collectives(const int *ranks) {
    return (struct collectives){.context = (void *)(uintptr_t)ranks,
                                .size = *ranks,
                                .gather = gather,
                                .max = keep_max,
                                .sum = keep_sum,
                                .sum_own = keep_own};
}

/* ---- a step ---- */

/* The distinct items of a batch, which the arena holds: inputs and targets. */
static int64_t distinct_items(struct arena *arena, const struct batch *batch, int32_t **items) {
    int64_t room = batch_room(batch);
    int32_t *all = arena_alloc(arena, room, sizeof *all),
            *place = arena_alloc(arena, room, sizeof *place);
    *items = arena_alloc(arena, room, sizeof **items);
    return distinct(arena, all, batch_items(batch, true, all), *items, place);
}

/* Rows of the item sets of all ranks together. */
static int64_t union_rows(struct model *model, const struct batch *all) {
    struct tape tape = {.dry = true};
    struct item_set set;
    tape_begin(&tape, false, 0);
    model_items(model, &tape, all, 1, &set);
    tape_free(&tape);
    return set.n;
}

/* The states that the losses of all shares read, as the stepper makes them before the rest; the
 * other shares have as many. The memory that this takes at most is returned. */
static int64_t run_states(struct model *model, const struct batch *share, int shares,
                          struct cost_step *out, struct whole_states *states) {
    struct tape tape = {.dry = true};
    struct item_set set;
    struct pass pass = {.tape = &tape, .batch = share, .step = 1, .shares = shares};
    bool by_rows = model_by_rows(model);
    tape_begin(&tape, false, 0);
    if (by_rows)
        model_items(model, &tape, share, 0, &set);
    const struct tensor *own = model_states(model, &pass, by_rows ? &set : NULL);
    *states = (struct whole_states){.n = shares * own->rows, .width = own->cols};
    int64_t peak = (int64_t)tape.arena.peak;
    memcpy(out->work, tape.work, sizeof out->work);
    tape_free(&tape);
    return peak;
}

/* As the stepper does: item sets, forward with the losses, backward. */
static void run(struct model *model, struct tape *tape, const struct batch *share, int shares,
                const int32_t *item, int64_t items, const struct whole_states *states,
                struct cost_step *out) {
    struct phases phases;
    struct pass pass = {.tape = tape,
                        .batch = share,
                        .step = 1,
                        .shares = shares,
                        .states = states,
                        .phases = &phases};
    struct item_set set, whole;
    struct collectives peers = cost_collectives(&shares);
    bool by_rows = model_by_rows(model);
    if (shares > 1 && !model->config->train.reproducible)
        pass.peers = &peers;
    model_count(model, share, pass.count);
    phases_start(&phases, PHASE_FORWARD);
    tape_begin(tape, true, model->params.count);
    if (model_whole_batch(model)) {
        model_whole_items(model, tape, item, items, &whole);
        pass.whole = &whole;
        out->whole_rows = items;
    }
    if (by_rows) {
        model_items(model, tape, share, pass.step, &set);
        out->set_rows = set.n;
    }
    model_forward(model, &pass, by_rows ? &set : NULL);
    tape_backward(tape, NULL, NULL);
}

void cost_step_run(struct model *model, const struct batch *share, const struct batch *all,
                   int shares, struct cost_step *step) {
    struct tape tape = {.dry = true};
    struct arena arena = {0};
    int32_t *items;
    *step = (struct cost_step){0};
    int64_t n = distinct_items(&arena, all, &items), before = 0;
    struct whole_states states;
    if (model->state_width)
        before = run_states(model, share, shares, step, &states);
    run(model, &tape, share, shares, items, n, model->state_width ? &states : NULL, step);
    step->most = (int64_t)tape.arena.peak;
    step->most = step->most > before ? step->most : before;
    step->activations = (int64_t)tape.arena.used;
    step->tiles = (int64_t)tape.tiles;
    step->shared = tape.shared;
    step->users = all->samples;
    step->union_rows = model_by_rows(model) ? union_rows(model, all) : 0;
    for (int p = 0; p < PHASES; p++) {
        step->work[p].flops += tape.work[p].flops;
        step->work[p].bytes += tape.work[p].bytes;
    }
    tape_free(&tape);
    arena_free(&arena);
}

/* ---- a ranking ---- */

int64_t cost_ranking(struct model *model, const struct batch *histories, int domain) {
    struct tape rows = {.dry = true}, tape = {.dry = true};
    struct arena arena = {0};
    struct item_view all, some;
    struct item_set set;
    struct pass pass = {.tape = &tape, .batch = histories, .items = &all};
    int32_t *target = arena_alloc(&arena, histories->samples, sizeof *target);
    memset(target, 0, (size_t)histories->samples * sizeof *target);
    tape_begin(&rows, false, 0);
    tape_begin(&tape, false, 0);
    model_view(model, &rows, NULL, &all);
    if (model_ranks_by_rows(model)) {
        model_items(model, &tape, histories, 0, &set);
        model_view(model, &tape, &set, &some);
        pass.items = &some;
    }
    struct ranking ranking = {.target = target};
    model_query(model, &pass, &all, domain, &ranking.query);
    ranking.query.repeats = model->config->model.repeats == REPEATS_COUNTED ? 0.5 : 0;
    enum status status = rank_targets(&tape.arena, &ranking);
    int64_t bytes = (int64_t)(rows.arena.peak + tape.arena.peak);
    tape_free(&rows);
    tape_free(&tape);
    arena_free(&arena);
    return status == STATUS_OK ? bytes : 0;
}
