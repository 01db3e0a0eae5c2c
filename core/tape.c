#include "core/tape.h"
#include "core/check.h"
#include "core/mem.h"
#include <string.h>

void tape_begin(struct tape *tape, bool record, int param_count) {
    arena_reset(&tape->arena);
    tape->arena.dry = tape->dry;
    tape->arena.peak = tape->dry ? 0 : tape->arena.peak;
    tape->last = NULL;
    tape->replicas = 1;
    tape->peers = NULL;
    tape->phase = PHASE_FORWARD;
    tape->tiles = 0;
    tape->shared = 0;
    memset(tape->work, 0, sizeof tape->work);
    tape->record = record;
    tape->bf16 = false;
    tape->param_count = param_count;
    tape->param_uses = arena_alloc(&tape->arena, param_count, sizeof *tape->param_uses);
    memset(tape->param_uses, 0, (size_t)param_count * sizeof *tape->param_uses);
}

void tape_free(struct tape *tape) {
    arena_free(&tape->arena);
    *tape = (struct tape){0};
}

static struct tensor *new_tensor(struct tape *tape, struct tensor value) {
    struct tensor *t = arena_alloc(&tape->arena, 1, sizeof *t);
    *t = value;
    return t;
}

struct tensor *tape_tensor(struct tape *tape, int64_t rows, int64_t cols, bool learned) {
    assert(rows >= 0 && cols >= 0);
    real *x = arena_numbers(&tape->arena, rows * cols, sizeof *x);
    tape_add_bytes(tape, 2 * (double)(rows * cols) * sizeof *x);
    return new_tensor(
        tape,
        (struct tensor){
            .x = x, .rows = rows, .cols = cols, .learned = learned && tape->record, .param = -1});
}

struct tensor *tape_constant(struct tape *tape, const real *x, int64_t rows, int64_t cols) {
    return new_tensor(
        tape, (struct tensor){.x = (real *)(uintptr_t)x, .rows = rows, .cols = cols, .param = -1});
}

static void dry_param(struct tape *tape, const struct param *p, int index, struct tensor *t) {
    real *nowhere = arena_numbers(&tape->arena, 0, sizeof *nowhere);
    *t = (struct tensor){.x = nowhere,
                         .g = p->by_rows ? NULL : nowhere,
                         .rows = item_block_count(&p->local),
                         .cols = p->cols,
                         .learned = tape->record,
                         .param = index};
}

struct tensor *tape_param(struct tape *tape, struct params *params, int index) {
    assert(index >= 0 && index < params->count);
    const struct param *p = &params->list[index];
    struct tensor *t = new_tensor(tape, p->tensor);
    t->learned = tape->record;
    if (tape->dry) /* the model may be declared only */
        dry_param(tape, p, index, t);
    return t;
}

void *tape_push(struct tape *tape, size_t size, const struct tensor *output,
                tape_backward_fn *backward, struct tensor *const *inputs, int n) {
    assert(n <= TAPE_INPUTS);
    if (!tape->record || !output->learned)
        return NULL;
    struct tape_node *node = arena_alloc(&tape->arena, 1, size);
    node->backward = backward;
    node->output = output;
    node->replicas = tape->replicas;
    node->everywhere = false;
    node->before = tape->last;
    tape->last = node;
    for (int i = 0; i < TAPE_INPUTS; i++) {
        node->params[i] = i < n && inputs[i] && inputs[i]->learned ? inputs[i]->param : -1;
        if (node->params[i] >= 0)
            tape->param_uses[node->params[i]]++;
    }
    return node;
}

real *tape_grad(struct tape *tape, struct tensor *t, bool *add) {
    *add = t->g != NULL;
    if (!t->learned)
        return NULL;
    if (!t->g)
        t->g = arena_numbers(&tape->arena, t->rows * t->cols, sizeof *t->g);
    return t->g;
}

real *tape_grad_zeroed(struct tape *tape, struct tensor *t) {
    bool add;
    real *g = tape_grad(tape, t, &add);
    if (g && !add && !tape->dry)
        memset(g, 0, (size_t)(t->rows * t->cols) * sizeof *g);
    return g;
}

real *tape_grad_room(struct tape *tape, struct tensor *t) {
    real *g = tape_grad_zeroed(tape, t);
    return g ? g : arena_numbers(&tape->arena, t->rows * t->cols, sizeof *g);
}

bool tape_counts(struct tape *tape, double flops) {
    tape->work[tape->phase].flops += flops / tape->replicas;
    return !tape->dry;
}

void tape_add_bytes(struct tape *tape, double bytes) {
    tape->work[tape->phase].bytes += bytes / tape->replicas;
}

enum phase tape_enter(struct tape *tape, struct phases *phases, enum phase next) {
    tape->phase = next;
    return phases_enter(phases, next);
}

/* The output's value is read again, its gradient written and read. */
static void run(struct tape *tape, struct tape_node *node) {
    const struct tensor *y = node->output;
    tape->replicas = node->replicas;
    tape_add_bytes(tape, 3 * (double)(y->rows * y->cols) * sizeof *y->x);
    node->backward(tape, node);
}

void tape_backward(struct tape *tape, tape_ready_fn *ready, void *context) {
    tape->phase = PHASE_BACKWARD;
    if (ready)
        for (int i = 0; i < tape->param_count; i++)
            if (tape->param_uses[i] == 0)
                ready(context, i);
    for (struct tape_node *node = tape->last; node; node = node->before) {
        if (node->output->g || node->everywhere)
            run(tape, node);
        for (int i = 0; i < TAPE_INPUTS; i++)
            if (node->params[i] >= 0 && --tape->param_uses[node->params[i]] == 0 && ready)
                ready(context, node->params[i]);
    }
    tape->last = NULL;
}
