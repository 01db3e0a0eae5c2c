/* Beginning and end; then one step in the order in which it happens: positions are counted over the
 * ranks, items gathered that all ranks need, forward and backward run per share with the reduction under
 * way, losses summed; what is said of numbers that are not finite; the update. */
#include "jobs/engine/stepper.h"
#include "core/distinct.h"
#include "core/fault.h"
#include "core/gemm_bf16.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/models/forward.h"
#include "core/optim.h"
#include "mpi/collectives.h"
#include <omp.h>
#include <stdio.h>
#include <string.h>

/* ---- beginning and end ---- */

static enum status check(const struct stepper *s) {
    const struct config *c = &s->run->config;
    bool reproducible = c->train.reproducible;
    if (s->run->dataset.counts[SPLIT_TRAIN] == 0)
        return comm_error(s->comm, STATUS_INPUT, "%s: no training sequences", c->data.path);
    if (reproducible && REDUCE_SHARES % s->comm->size)
        return comm_error(s->comm, STATUS_INPUT,
                          "train.reproducible: %d ranks do not divide the %d shards of a step; "
                          "start 1, 2, 4 or 8",
                          s->comm->size, (int)REDUCE_SHARES);
    if (reproducible && !comm_same(s->comm, (uint64_t)omp_get_max_threads()))
        return comm_error(s->comm, STATUS_INPUT,
                          "train.reproducible: the ranks differ in their threads; set "
                          "OMP_NUM_THREADS");
    return STATUS_OK;
}

static void open_ordered(struct stepper *s) {
    reduce_ordered_open(&s->ordered, s->comm, &s->run->model.params);
    log_info("reproducible: %d shards, %d ranks x threads %d, extra memory %.1f MB per rank; the "
             "same bits for 1, 2, 4 and 8 ranks of %d threads",
             (int)REDUCE_SHARES, s->comm->size, omp_get_max_threads(),
             (double)reduce_ordered_bytes(&s->ordered) / 1e6, omp_get_max_threads());
}

enum status stepper_open(struct stepper *s, struct run *run) {
    const struct config *c = &run->config;
    *s = (struct stepper){.comm = run->comm, .run = run};
    TRY(check(s));
    if (model_is_fitted(c))
        return STATUS_OK;
    int shares = c->train.reproducible ? REDUCE_SHARES : s->comm->size;
    TRY(loader_open(&s->loader, s->comm, shares, &run->dataset, &run->model));
    if (c->train.precision == PRECISION_BF16 && gemm_bf16_kernel()->product == gemm_bf16_portable)
        log_warn("train.precision: without AVX-512 BF16 in the processor, bf16 is not faster");
    s->shares = shares / s->comm->size;
    s->batch = mem_zero(s->shares, sizeof *s->batch);
    if (c->train.reproducible)
        open_ordered(s);
    else
        reduce_open(&s->reduce, s->comm, &run->model.params);
    return STATUS_OK;
}

void stepper_close(struct stepper *s) {
    for (int i = 0; i < s->shares; i++)
        batch_free(&s->batch[i]);
    mem_free(s->batch);
    loader_close(&s->loader);
    reduce_close(&s->reduce);
    reduce_ordered_close(&s->ordered);
    tape_free(&s->tape);
    arena_free(&s->arena);
    *s = (struct stepper){0};
}

/* ---- one step ---- */

/* This rank's i-th share among all. */
static int share_of(const struct stepper *s, int i) {
    return s->comm->rank * s->shares + i;
}

int64_t stepper_load(struct stepper *s, int64_t k) {
    int64_t sequences = 0;
    for (int i = 0; i < s->shares; i++)
        sequences = loader_step(&s->loader, k, share_of(s, i), &s->batch[i]);
    return sequences;
}

static void count_positions(const struct stepper *s, int64_t count[LOSS_TERMS]) {
    for (int k = 0; k < LOSS_TERMS; k++)
        count[k] = 0;
    for (int i = 0; i < s->shares; i++) {
        int64_t of_share[LOSS_TERMS];
        model_count(&s->run->model, &s->batch[i], of_share);
        for (int k = 0; k < LOSS_TERMS; k++)
            count[k] += of_share[k];
    }
    comm_sum_i64(s->comm, count, LOSS_TERMS);
}

/* Collective. The `n` items of every rank, one rank after another, in s->arena. */
static int32_t *gather_items(struct stepper *s, const int32_t *mine, int64_t n, int64_t *total) {
    struct collectives collectives = collectives_of(s->comm);
    const int64_t *counts = collectives_gather_count(&collectives, &s->arena, n);
    *total = 0;
    for (int r = 0; r < collectives.size; r++)
        *total += counts[r];
    return collectives_gather(&collectives, &s->arena, mine, counts, sizeof *mine);
}

/* The items of this rank's shares, with repetitions: targets, and inputs if `all`. */
static int64_t items_of_shares(struct stepper *s, bool all, int32_t **items) {
    int64_t room = 0, n = 0;
    for (int i = 0; i < s->shares; i++)
        room += batch_room(&s->batch[i]);
    *items = arena_alloc(&s->arena, room, sizeof **items);
    for (int i = 0; i < s->shares; i++)
        n += batch_items(&s->batch[i], all, *items + n);
    return n;
}

/* The targets of the global batch become the pool that negatives are drawn from: the same on all
 * ranks, whatever their number. */
static void pool_targets(struct stepper *s) {
    int32_t *mine;
    int64_t total, n = items_of_shares(s, false, &mine);
    const int32_t *all = gather_items(s, mine, n, &total);
    sampler_pool(&s->run->sampler, all, total);
}

static int64_t distinct_items(struct stepper *s, const int32_t *items, int64_t n, int32_t **out) {
    int32_t *place = arena_alloc(&s->arena, n, sizeof *place);
    *out = arena_alloc(&s->arena, n, sizeof **out);
    return distinct(&s->arena, items, n, *out, place);
}

/* Collective. The distinct items of the whole batch, the same on all ranks. */
static void gather_whole(struct stepper *s) {
    int32_t *mine, *of_rank;
    int64_t total, n = items_of_shares(s, true, &mine);
    n = distinct_items(s, mine, n, &of_rank);
    const int32_t *all = gather_items(s, of_rank, n, &total);
    s->whole_count = distinct_items(s, all, total, &s->whole);
}

static void add_work(struct stepper *s) {
    for (int p = 0; p < PHASES; p++) {
        s->work[p].flops += s->tape.work[p].flops;
        s->work[p].bytes += s->tape.work[p].bytes;
    }
}

/* Rows [n, width] of share i into `out`; returns n. */
static int64_t states_of_share(struct stepper *s, int i, struct pass *pass, real *out) {
    struct model *model = &s->run->model;
    struct item_set items;
    bool by_rows = model_by_rows(model);
    tape_begin(&s->tape, false, 0);
    pass->batch = &s->batch[i];
    pass->share = share_of(s, i);
    if (by_rows) {
        model_items(model, &s->tape, pass->batch, 0, &items);
        placement_fetch(s->run->placement, model, &items);
    }
    const struct tensor *states = model_states(model, pass, by_rows ? &items : NULL);
    memcpy(out, states->x, (size_t)(states->rows * states->cols) * sizeof *out);
    add_work(s);
    return states->rows;
}

/* Collective. What the losses read of the samples of all shares, for each share of this rank, in
 * s->arena. */
static struct whole_states *gather_states(struct stepper *s, struct pass *pass) {
    int64_t width = s->run->model.state_width, room = 0, n = 0, before = 0, all = 0;
    struct collectives collectives = collectives_of(s->comm);
    struct whole_states *states = arena_alloc(&s->arena, s->shares, sizeof *states);
    for (int i = 0; i < s->shares; i++)
        room += s->batch[i].samples;
    real *mine = arena_alloc(&s->arena, room * width, sizeof *mine);
    for (int i = 0; i < s->shares; i++) {
        states[i].first = n;
        n += states_of_share(s, i, pass, mine + n * width);
    }
    const int64_t *counts = collectives_gather_count(&collectives, &s->arena, n);
    for (int r = 0; r < collectives.size; r++) {
        before += r < collectives.rank ? counts[r] : 0;
        all += counts[r];
    }
    const real *rows =
        collectives_gather(&collectives, &s->arena, mine, counts, width * (int64_t)sizeof *rows);
    for (int i = 0; i < s->shares; i++)
        states[i] = (struct whole_states){rows, all, width, before + states[i].first};
    return states;
}

/* Those with a dense gradient, and the rows of tables whose gradient comes as rows. */
static int64_t count_touched(const struct model *model, const struct item_grads *grads) {
    int64_t n = model->params.dense;
    for (int k = 0; k < model->tables; k++)
        if (model_table_by_rows(model, k))
            n += grads->table[k].n * model->table[k].given;
    if (model->users >= 0)
        n += grads->users.n * model->params.list[model->users].cols;
    return n;
}

/* Gradients of share i: of whole tensors in params.g, which `reduce` (may be NULL) takes while
 * backward runs, of item rows in `items`. pass->loss has the share's losses. */
static void differentiate(struct stepper *s, int i, struct pass *pass, struct item_set *items,
                          struct reduce *reduce) {
    struct model *model = &s->run->model;
    struct item_set whole;
    bool by_rows = model_by_rows(model);
    phases_enter(pass->phases, PHASE_FORWARD);
    tape_begin(&s->tape, true, model->params.count);
    params_zero_grad(&model->params);
    pass->batch = &s->batch[i];
    pass->share = share_of(s, i);
    pass->states = s->states ? &s->states[i] : NULL;
    if (model_whole_batch(model)) {
        model_whole_items(model, &s->tape, s->whole, s->whole_count, &whole);
        placement_fetch(s->run->placement, model, &whole);
        pass->whole = &whole;
    }
    if (by_rows) {
        model_items(model, &s->tape, pass->batch, pass->step, items);
        placement_fetch(s->run->placement, model, items);
    }
    model_forward(model, pass, by_rows ? items : NULL);
    phases_enter(pass->phases, PHASE_BACKWARD);
    if (reduce)
        reduce_begin(reduce);
    tape_backward(&s->tape, reduce ? reduce_ready : NULL, reduce);
    add_work(s);
    phases_enter(pass->phases, PHASE_REDUCE);
    fault_point("reduce");
}

/* loss [n] and the notes over all ranks, in one message. */
static void sum_losses(struct stepper *s, double *loss, int n) {
    double all[REDUCE_SHARES * LOSS_TERMS + STEPPER_NOTES] = {0};
    memcpy(all, loss, (size_t)n * sizeof *loss);
    if (s->write_notes)
        s->write_notes(s->writer, all + n);
    comm_sum_f64(s->comm, all, n + STEPPER_NOTES);
    memcpy(loss, all, (size_t)n * sizeof *loss);
    memcpy(s->notes, all + n, sizeof s->notes);
}

static void gradients(struct stepper *s, struct pass *pass, double loss[LOSS_TERMS],
                      struct item_grads *grads) {
    struct reduce *reduce = s->without_reduction ? NULL : &s->reduce;
    struct item_set items;
    differentiate(s, 0, pass, &items, reduce);
    if (reduce)
        reduce_finish(reduce);
    if (model_by_rows(&s->run->model))
        placement_reduce(s->run->placement, &s->run->model, &items, !s->without_reduction, grads);
    if (s->run->model.users >= 0)
        placement_reduce_users(s->run->placement, &pass->users, !s->without_reduction, grads);
    memcpy(s->own_loss, pass->loss, sizeof s->own_loss);
    memcpy(loss, pass->loss, sizeof pass->loss);
    sum_losses(s, loss, LOSS_TERMS);
}

/* Every share's losses in a place of its own: whatever the order of MPI's sum, a number is added to
 * zeros. */
static void gradients_by_shares(struct stepper *s, struct pass *pass, double loss[LOSS_TERMS]) {
    double share[REDUCE_SHARES][LOSS_TERMS] = {{0}};
    struct item_set items;
    memset(s->own_loss, 0, sizeof s->own_loss);
    memset(loss, 0, sizeof pass->loss);
    for (int i = 0; i < s->shares; i++) {
        differentiate(s, i, pass, &items, NULL);
        memcpy(share[share_of(s, i)], pass->loss, sizeof pass->loss);
        for (int k = 0; k < LOSS_TERMS; k++)
            s->own_loss[k] += pass->loss[k];
        if (model_by_rows(&s->run->model))
            model_scatter_items(&s->run->model, &items);
        reduce_ordered_add(&s->ordered);
    }
    if (!s->without_reduction)
        reduce_ordered_finish(&s->ordered);
    sum_losses(s, share[0], REDUCE_SHARES * LOSS_TERMS);
    for (int i = 0; i < REDUCE_SHARES; i++)
        for (int k = 0; k < LOSS_TERMS; k++)
            loss[k] += share[i][k];
}

/* ---- numbers that are not ---- */

/* The first parameter here, or gradient, with an element that is not finite, in words. */
static bool find_tensor(const struct params *params, bool gradient, char *text, size_t size) {
    for (int i = 0; i < params->count; i++) {
        const struct param *p = &params->list[i];
        const real *x = gradient ? p->tensor.g : p->tensor.x;
        int64_t at = x ? first_not_finite(x, param_size(p)) : -1;
        if (at < 0)
            continue;
        snprintf(text, size, "element %lld of %s%s",
                 (long long)(item_block_item(&p->local, at / p->cols) * p->cols + at % p->cols),
                 gradient ? "the gradient of " : "", p->name);
        return true;
    }
    return false;
}

static bool find_loss(const struct stepper *s, char *text, size_t size) {
    const struct model *model = &s->run->model;
    for (int k = 0; k < model->losses; k++)
        if (!isfinite(s->own_loss[k])) {
            snprintf(text, size, "the loss '%s'", model->loss[k].name);
            return true;
        }
    return false;
}

/* Said by the first rank with something at fault: a parameter or its share of the loss; else, as
 * gradients are all ranks' alike after their sum, by the first that has one of those. */
static enum status not_finite(const struct stepper *s, int64_t step) {
    const struct params *params = &s->run->model.params;
    char culprit[256] = "the gradient";
    int first = comm_first(s->comm, find_tensor(params, false, culprit, sizeof culprit) ||
                                        find_loss(s, culprit, sizeof culprit));
    if (first < 0)
        first = comm_first(s->comm, find_tensor(params, true, culprit, sizeof culprit) ||
                                        s->comm->rank == s->comm->size - 1);
    return comm_error_of(s->comm, first, STATUS_FAIL,
                         "step %lld, rank %d: %s is not finite; lower train.lr or check the "
                         "feature tables",
                         (long long)step, first, culprit);
}

enum status stepper_check(const struct stepper *s, int64_t step) {
    char culprit[256];
    bool bad = find_tensor(&s->run->model.params, false, culprit, sizeof culprit);
    if (comm_agree(s->comm, bad ? STATUS_FAIL : STATUS_OK) == STATUS_OK)
        return STATUS_OK;
    return not_finite(s, step);
}

static bool all_finite(const double *x, int n) {
    for (int i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

/* ---- the update ---- */

/* Not finite where the gradient's norm is not. */
static double clip_scale(const struct stepper *s, const struct item_grads *grads) {
    double limit = s->run->config.train.grad_clip;
    if (limit <= 0)
        return 1;
    double norm = sqrt(placement_grad_square(s->run->placement, &s->run->model, grads));
    return !isfinite(norm) ? norm : norm > limit ? limit / norm : 1;
}

static enum status update(struct stepper *s, int64_t step, double lr,
                          const struct item_grads *grads) {
    const struct config *c = &s->run->config;
    const struct model *model = &s->run->model;
    struct params *params = &s->run->model.params;
    struct adamw adamw = {lr, c->train.betas[0], c->train.betas[1], 1e-8, c->train.weight_decay};
    double scale = clip_scale(s, grads);
    if (!isfinite(scale))
        return not_finite(s, step);
    adamw_step(&adamw, params, step, scale);
    for (int k = 0; k < model->tables; k++)
        if (model_table_by_rows(model, k))
            adamw_rows(&adamw, params, model->table[k].param, &grads->table[k],
                       c->train.optimizer == OPTIMIZER_LAZY_ADAMW, step, scale);
    if (model->users >= 0)
        adamw_rows(&adamw, params, model->users, &grads->users, true, step, scale);
    return STATUS_OK;
}

enum status stepper_compute(struct stepper *s, int64_t step, double lr, struct phases *phases,
                            double loss[LOSS_TERMS]) {
    const struct config *c = &s->run->config;
    struct pass pass = {
        .tape = &s->tape, .step = step, .shares = s->shares * s->comm->size, .phases = phases};
    struct item_grads *grads = &s->grads;
    struct collectives peers = collectives_of(s->comm);
    enum status status = STATUS_OK;
    if (s->comm->size > 1 && !c->train.reproducible)
        pass.peers = &peers;
    count_positions(s, pass.count);
    arena_reset(&s->arena);
    *grads = (struct item_grads){0};
    memset(s->work, 0, sizeof s->work);
    if (c->train.loss != LOSS_EXACT && c->train.sampler == SAMPLER_BATCH)
        pool_targets(s);
    if (model_whole_batch(&s->run->model))
        gather_whole(s);
    s->states = s->run->model.state_width ? gather_states(s, &pass) : NULL;
    if (c->train.reproducible)
        gradients_by_shares(s, &pass, loss);
    else
        gradients(s, &pass, loss, grads);
    for (int k = 0; k < LOSS_TERMS; k++)
        loss[k] /= pass.count[k] ? (double)pass.count[k] : 1;
    s->touched = count_touched(&s->run->model, grads);
    phases_enter(phases, PHASE_OPTIMIZER);
    fault_point("update");
    if (!all_finite(loss, LOSS_TERMS))
        status = not_finite(s, step);
    else if (!s->without_optimizer)
        status = update(s, step, lr, grads);
    phases_stop(phases);
    return status;
}
