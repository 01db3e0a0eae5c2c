/* Outline: the states are copied; logits are the tiles' (core/catalogue/tiles.h); a pass over the
 * chunks takes their exponentials and the sums of these, which the threads, then the ranks join; a
 * score is exponentials times a factor for each row. */
#include "core/catalogue/stack.h"
#include "core/vec.h"
#include <string.h>

HOT static double dot(const real *x, const real *y, int64_t n) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

/* ---- rows ---- */

/* Heads take turns with one buffer for divided rows. */
static void allocate(struct stack *s, struct arena *arena, int64_t samples,
                     const struct query_head *head, real *states[QUERY_HEADS]) {
    int64_t widest = 0;
    s->first = arena_numbers(arena, samples + 1, sizeof *s->first);
    s->weight = arena_numbers(arena, s->room, sizeof *s->weight);
    s->error = arena_numbers(arena, s->room, sizeof *s->error);
    for (int m = 0; m < s->heads; m++)
        widest = head[m].eps > 0 && head[m].dim > widest ? head[m].dim : widest;
    real *divided = arena_numbers(arena, s->threads * CHUNK * widest, sizeof *divided);
    for (int m = 0; m < s->heads; m++) {
        states[m] = arena_numbers(arena, s->room * head[m].dim, sizeof *states[m]);
        s->head[m] = (struct tile_head){.dim = head[m].dim,
                                        .states = states[m],
                                        .items = head[m].items,
                                        .eps = head[m].eps,
                                        .divided = divided,
                                        .room = CHUNK * widest};
    }
}

/* Half of REAL_EPS bounds the relative rounding of an operation, and d |q| times it that of a
 * product of d terms with a row of norm 1; the norm, which is divided out, and the division err by
 * d / 2 + 3. */
static real error_of(const real *q, int64_t d) {
    return (real)((double)(d + 8) * (double)REAL_EPS * sqrt(dot(q, q, d)));
}

static void add_row(struct stack *s, const struct query_softmax *softmax, int64_t t,
                    real *const states[QUERY_HEADS]) {
    int64_t r = s->rows++;
    s->weight[r] = softmax->weight * (softmax->share ? (double)softmax->share[t] : 1);
    s->error[r] = 0;
    for (int m = 0; m < s->heads; m++) {
        int64_t d = s->head[m].dim;
        const real *q = softmax->head[m].q + t * d;
        memcpy(states[m] + r * d, q, (size_t)d * sizeof *q);
        s->error[r] += error_of(q, d);
    }
}

void stack_open(struct stack *s, struct arena *arena, const struct query *query,
                const struct query_softmax *softmax, int n, int threads) {
    real *states[QUERY_HEADS];
    *s = (struct stack){.lo = softmax->head->lo,
                        .hi = softmax->head->hi,
                        .threads = threads,
                        .heads = softmax->heads,
                        .room = n * query->samples};
    allocate(s, arena, query->samples, softmax->head, states);
    if (arena->dry)
        return;
    for (int64_t t = 0; t < query->samples; t++) {
        s->first[t] = s->rows;
        for (int f = 0; f < n; f++)
            if (softmax[f].present[t])
                add_row(s, &softmax[f], t, states);
    }
    s->first[query->samples] = s->rows;
}

/* ---- logits ---- */

void stack_logits(const struct stack *s, const struct chunk *chunk, int thread, real *z) {
    tile_logits(s->head, s->heads, gemm_serial, s->rows, chunk, thread, z);
}

/* An item that is listed again stands behind itself. */
HOT static void add_logits(const real *q, const real *rows, int64_t d, struct rank_list list,
                           int64_t lo, real *z) {
    for (int64_t j = 0; j < list.n; j++)
        if (j == 0 || list.items[j] != list.items[j - 1])
            z[list.items[j] - lo] += vec_dot(q, rows + (list.items[j] - lo) * d, d);
}

void stack_list_logits(const struct stack *s, const struct rank_lists *lists, int64_t samples,
                       const struct chunk *chunk, int thread, real *z) {
    memset(z, 0, (size_t)(samples * CHUNK) * sizeof *z);
    for (int m = 0; m < s->heads; m++) {
        const struct tile_head *head = &s->head[m];
        const real *rows = tile_make_rows(head, chunk, thread);
        for (int64_t t = 0; t < samples; t++)
            if (s->first[t] < s->first[t + 1])
                add_logits(head->states + s->first[t] * head->dim, rows, head->dim,
                           rank_lists_between(lists, t, chunk->lo, chunk->lo + chunk->width),
                           chunk->lo, z + t * CHUNK);
    }
}

HOT static real largest_square(const real *x, int64_t rows, int64_t d) {
    real largest = 0;
    for (int64_t i = 0; i < rows; i++)
        largest = REAL_F(fmax)(largest, vec_dot(x + i * d, x + i * d, d));
    return largest;
}

real stack_norm(const struct stack *s, const struct chunk *chunk) {
    real largest = 1;
    for (int m = 0; m < s->heads; m++) {
        const struct tile_head *head = &s->head[m];
        if (head->eps <= 0)
            largest = REAL_F(fmax)(largest, largest_square(head->items + chunk->lo * head->dim,
                                                           chunk->width, head->dim));
    }
    return REAL_F(sqrt)(largest);
}

double stack_logit(const struct stack *s, int64_t r, int64_t i) {
    double z = 0;
    for (int m = 0; m < s->heads; m++) {
        const struct tile_head *head = &s->head[m];
        int64_t d = head->dim;
        const real *row = head->items + i * d;
        double norm = head->eps > 0 ? fmax(sqrt(dot(row, row, d)), (double)head->eps) : 1;
        z += dot(head->states + r * d, row, d) / norm;
    }
    return z;
}

/* ---- normalisers ---- */

/* Of the candidates, and of the other items of the softmaxes. */
enum { CANDIDATES, OTHERS, SUMS };

void stack_open_sums(struct stack *s, struct arena *arena, const struct query *query, bool keep,
                     bool logits) {
    int64_t chunks = keep ? chunk_count(query->hi - query->lo) : 0;
    s->sum = arena_numbers(arena, SUMS * s->threads * s->room, sizeof *s->sum);
    s->log_sum = arena_numbers(arena, s->room, sizeof *s->log_sum);
    s->inside = arena_numbers(arena, s->room, sizeof *s->inside);
    s->peak = arena_numbers(arena, SUMS * s->room, sizeof *s->peak);
    s->joined = arena_numbers(arena, SUMS * s->room, sizeof *s->joined);
    s->z = arena_numbers(arena, s->threads * s->room * CHUNK, sizeof *s->z);
    if (!keep)
        return;
    s->keeps_logits = logits;
    s->kept = arena_numbers(arena, chunks * s->room * CHUNK, sizeof *s->kept);
    if (!logits)
        s->shift = arena_numbers(arena, chunks * s->room, sizeof *s->shift);
}

static struct logsumexp *sums_of(const struct stack *s, int which, int thread) {
    return s->sum + (thread * SUMS + which) * s->rows;
}

/* Of logits z, which become exponentials. */
static void add_sums(const struct stack *s, const struct chunk *chunk, struct logsumexp *sum,
                     real *z, real *shift) {
    for (int64_t r = 0; r < s->rows; r++) {
        logsumexp_add(&sum[r], chunk->width, z + r * CHUNK);
        if (shift)
            shift[r] = sum[r].shift;
    }
}

static void visit_other(void *context, const struct chunk *chunk, int thread) {
    const struct stack *s = context;
    real *z = s->z + thread * s->rows * CHUNK;
    stack_logits(s, chunk, thread, z);
    add_sums(s, chunk, sums_of(s, OTHERS, thread), z, NULL);
}

static void visit_candidates(void *context, const struct chunk *chunk, int thread) {
    const struct stack *s = context;
    int64_t at = chunk->number * s->rows;
    real *scratch = s->z + thread * s->rows * CHUNK, *z = s->kept ? s->kept + at * CHUNK : scratch;
    stack_logits(s, chunk, thread, z);
    if (s->kept && s->keeps_logits)
        z = memcpy(scratch, z, (size_t)(s->rows * CHUNK) * sizeof *z);
    add_sums(s, chunk, sums_of(s, CANDIDATES, thread), z, s->shift ? s->shift + at : NULL);
}

/* Without others, whose sum's logarithm is -inf then, all is the candidates'. */
static void take_logs(struct stack *s) {
    for (int64_t r = 0; r < s->rows; r++) {
        double candidates = logsumexp_log(&sums_of(s, CANDIDATES, 0)[r]),
               others = logsumexp_log(&sums_of(s, OTHERS, 0)[r]);
        s->log_sum[r] = fmax(candidates, others) + log1p(exp(-fabs(candidates - others)));
        s->inside[r] = exp(candidates - s->log_sum[r]);
    }
}

void stack_normalise(struct stack *s, const struct query *query) {
    for (int64_t i = 0; i < SUMS * s->threads * s->rows; i++)
        s->sum[i] = logsumexp_empty;
    chunks_visit(query->lo, query->hi, s->threads, visit_candidates, s);
    chunks_visit(s->lo, query->lo, s->threads, visit_other, s);
    chunks_visit(query->hi, s->hi, s->threads, visit_other, s);
    logsumexp_join(s->sum, s->threads, SUMS * s->rows, query->collectives, s->peak, s->joined);
    take_logs(s);
}

void stack_kept_logits(const struct stack *s, const struct chunk *chunk, int thread, real *z) {
    if (s->kept)
        memcpy(z, s->kept + chunk->number * s->rows * CHUNK, (size_t)(s->rows * CHUNK) * sizeof *z);
    else
        stack_logits(s, chunk, thread, z);
}

/* ---- scores ---- */

/* y += factor x */
HOT static void add_scaled(real factor, int64_t n, const real *x, real *y) {
    vec_axpy(factor, x, y, n);
}

/* Exponentials of a chunk that are not kept, taken again. */
static const real *exponentials(const struct stack *s, const struct chunk *chunk, int thread) {
    real *z = s->z + thread * s->rows * CHUNK;
    stack_logits(s, chunk, thread, z);
    for (int64_t r = 0; r < s->rows; r++)
        exp_shifted(chunk->width, (real)s->log_sum[r], z + r * CHUNK);
    return z;
}

void stack_add_scores(const struct stack *s, int64_t samples, const struct chunk *chunk, int thread,
                      real *score) {
    const real *z =
        s->kept ? s->kept + chunk->number * s->rows * CHUNK : exponentials(s, chunk, thread);
    const real *shift = s->kept ? s->shift + chunk->number * s->rows : NULL;
    for (int64_t t = 0; t < samples; t++)
        for (int64_t r = s->first[t]; r < s->first[t + 1]; r++) {
            double from = (double)(shift ? shift[r] : (real)s->log_sum[r]);
            add_scaled((real)(s->weight[r] * exp(from - s->log_sum[r])), chunk->width,
                       z + r * CHUNK, score + t * CHUNK);
        }
}

double stack_score(const struct stack *s, int64_t t, int64_t i) {
    double score = 0;
    for (int64_t r = s->first[t]; r < s->first[t + 1]; r++)
        score += s->weight[r] * exp(stack_logit(s, r, i) - s->log_sum[r]);
    return score;
}

double stack_mass(const struct stack *s, int64_t t) {
    double mass = 0;
    for (int64_t r = s->first[t]; r < s->first[t + 1]; r++)
        mass += s->weight[r] * s->inside[r];
    return mass;
}
