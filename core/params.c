/* Declaring tensors; laying them out in the blocks (what all ranks hold and sum first, then what is
 * held in part, then what has its gradient by rows); drawing initial values from names; and what loops
 * over whole blocks. */
#include "core/params.h"
#include "core/hash.h"
#include "core/mem.h"
#include "core/rng.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PAD = 16 }; /* elements: tensors start on cache lines */

int params_add(struct params *params, int ndim, int64_t rows, int64_t cols, enum param_init init,
               int64_t fan_in, const char *name, ...) {
    va_list args;
    if (params->count == params->capacity) {
        params->capacity = params->capacity ? 2 * params->capacity : 64;
        params->list = mem_resize(params->list, params->capacity, sizeof *params->list);
    }
    struct param *p = &params->list[params->count];
    *p = (struct param){.ndim = ndim,
                        .rows = rows,
                        .cols = cols,
                        .local = {.hi = {rows}},
                        .fan_in = fan_in,
                        .init = init};
    va_start(args, name);
    vsnprintf(p->name, sizeof p->name, name, args);
    va_end(args);
    return params->count++;
}

void params_local(struct params *params, int index, const struct item_block *local) {
    params->list[index].local = *local;
    params->list[index].partial = true;
}

void params_by_rows(struct params *params, int index) {
    params->list[index].by_rows = true;
}

void params_of_items(struct params *params, int index) {
    params->list[index].of_items = true;
}

bool params_have_items(const struct params *params) {
    for (int i = 0; i < params->count; i++)
        if (params->list[i].of_items)
            return true;
    return false;
}

int64_t param_size(const struct param *param) {
    return item_block_count(&param->local) * param->cols;
}

int64_t param_end(const struct param *param) {
    return param->at + (param_size(param) + PAD - 1) / PAD * PAD;
}

static real draw_fan_in(const struct param *p, uint64_t key, int64_t i) {
    return (real)((2 * rng_uniform(key, (uint64_t)i) - 1) / sqrt((double)p->fan_in));
}

/* Of queries, keys and values, each as many rows as columns. */
static real draw_qkv(const struct param *p, uint64_t key, int64_t i) {
    int64_t row = i / p->cols;
    real identity = row % p->cols == i % p->cols;
    return row < 2 * p->cols ? draw_fan_in(p, key, i) + (real)0.3 * identity : identity;
}

static real draw(const struct param *p, uint64_t key, int64_t i) {
    switch (p->init) {
    case PARAM_ONE:
        return 1;
    case PARAM_NORMAL:
        return (real)(PARAM_NORMAL_STD * rng_normal(key, (uint64_t)i));
    case PARAM_FAN_IN:
        return draw_fan_in(p, key, i);
    case PARAM_LECUN:
        return (real)((2 * rng_uniform(key, (uint64_t)i) - 1) * sqrt(3 / (double)p->fan_in));
    case PARAM_LN10:
        return (real)log(10.0);
    case PARAM_QUARTER:
        return (real)0.25;
    case PARAM_GATES:
        return 3 * (i % p->cols) < 2 * p->cols;
    case PARAM_QKV:
        return draw_qkv(p, key, i);
    case PARAM_HALF:
        return i / p->cols == i % p->cols ? (real)0.5 : 0;
    case PARAM_ZERO:
    default:
        return 0;
    }
}

static void initialise(struct param *p, real *x, uint64_t seed) {
    uint64_t key = rng_key(seed, RNG_INIT, rng_hash(p->name), 0);
    int64_t n = param_size(p);
#pragma omp parallel for schedule(static) if (n > 10000)
    for (int64_t i = 0; i < n; i++)
        x[i] = draw(p, key, item_block_item(&p->local, i / p->cols) * p->cols + i % p->cols);
}

/* Give the tensors of one kind their places, from `at` on, in the order of their declaration. */
static int64_t lay_out(struct params *params, bool partial, bool by_rows, int64_t at) {
    for (int i = 0; i < params->count; i++) {
        struct param *p = &params->list[i];
        if (p->by_rows != by_rows || (!by_rows && p->partial != partial))
            continue;
        p->at = at;
        at = param_end(p);
    }
    return at;
}

void params_allocate(struct params *params, uint64_t seed, int training) {
    params->shared = lay_out(params, false, false, 0);
    params->dense = lay_out(params, true, false, params->shared);
    params->total = lay_out(params, false, true, params->dense);
    params->x = mem_zero(params->total, sizeof(real));
    if (training) {
        params->g = mem_zero(params->dense, sizeof(real));
        params->m = mem_zero(params->total, sizeof(real));
        params->v = mem_zero(params->total, sizeof(real));
    }
    for (int i = 0; i < params->count; i++) {
        struct param *p = &params->list[i];
        p->tensor = (struct tensor){.x = params->x + p->at,
                                    .g = training && !p->by_rows ? params->g + p->at : NULL,
                                    .rows = item_block_count(&p->local),
                                    .cols = p->cols,
                                    .learned = training,
                                    .param = i};
        initialise(p, p->tensor.x, seed);
    }
}

void params_free(struct params *params) {
    mem_free(params->list);
    mem_free(params->x);
    mem_free(params->g);
    mem_free(params->m);
    mem_free(params->v);
    *params = (struct params){0};
}

struct param *params_find(const struct params *params, const char *name) {
    for (int i = 0; i < params->count; i++)
        if (!strcmp(params->list[i].name, name))
            return &params->list[i];
    return NULL;
}

void params_swap(struct params *params, real *block) {
    real *restrict x = params->x, *restrict y = block;
#pragma omp parallel for simd schedule(static)
    for (int64_t i = 0; i < params->total; i++) {
        real value = x[i];
        x[i] = y[i];
        y[i] = value;
    }
}

void params_zero_grad(struct params *params) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < params->dense; i++)
        params->g[i] = 0;
}

void row_grad_add(const struct row_grad *grad, struct tensor *table) {
    for (int64_t i = 0; i < grad->n; i++)
        for (int64_t c = 0; c < table->cols; c++)
            table->g[grad->row[i] * table->cols + c] += grad->g[i * table->cols + c];
}

/* By blocks, whose loop has no way out and becomes vectors. */
int64_t first_not_finite(const real *x, int64_t n) {
    enum { BLOCK = 4096 };
    for (int64_t lo = 0; lo < n; lo += BLOCK) {
        int64_t hi = n - lo < BLOCK ? n : lo + BLOCK;
        int bad = 0;
        for (int64_t i = lo; i < hi; i++)
            bad |= !(REAL_F(fabs)(x[i]) <= REAL_MAX);
        for (int64_t i = lo; bad && i < hi; i++)
            if (!isfinite((double)x[i]))
                return i;
    }
    return -1;
}

uint64_t params_hash(const struct params *params) {
    uint64_t hash = 0;
    for (int i = 0; i < params->count; i++) {
        const struct param *p = &params->list[i];
        if (!p->partial)
            hash += hash_elements(p->tensor.x, sizeof(real), param_size(p), p->at);
    }
    return hash;
}
