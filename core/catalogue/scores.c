/* Outline: the softmaxes of all terms, those of the same item rows stacked (core/catalogue/stack.h), and
 *
 *     several softmaxes, or probabilities wanted:
 *         normalisers: log-sum-exp of every softmax over its items
 *         scores: sum over softmaxes of weight exp(z - log_sum)
 *     one softmax:
 *         scores: logits
 *     none: the scores are the model's own */
#include "core/catalogue/scores.h"
#include "core/check.h"
#include <omp.h>
#include <string.h>

/* Bytes of exponentials that are kept; rows of a stack at most, and at least where they are kept. */
enum { BUFFER = 64 << 20, ROWS = 512, ROWS_KEPT = 64 };

/* A logit by itself takes as long as so many of a product. */
enum { ALONE = 4 };

/* ---- plan ---- */

/* Of the exponentials of a sample. */
static int64_t kept_bytes(int softmaxes, int64_t items) {
    return softmaxes * chunk_count(items) * CHUNK * (int64_t)sizeof(real);
}

static bool ranks_by_logits(const struct query *query, int softmaxes, bool probabilities) {
    return softmaxes == 1 && !probabilities && query->added.width == 0;
}

/* A sample has a row for each term in a stack. */
int64_t scores_samples(const struct query *query, int64_t items, bool probabilities) {
    struct query_softmax softmax[QUERY_SOFTMAXES];
    int softmaxes = query_softmaxes(query, softmax);
    int64_t n = query->samples, terms = query->terms > 0 ? query->terms : 1;
    int64_t most = ROWS / terms, fit = BUFFER / (kept_bytes(softmaxes, items) + 1);
    bool normalised = query->repeats > 0 || !ranks_by_logits(query, softmaxes, probabilities);
    if (normalised && fit >= ROWS_KEPT / terms && fit < most)
        most = fit;
    int64_t parts = n > most ? (n + most - 1) / most : 1;
    return (n + parts - 1) / parts;
}

/* All softmaxes that are alike stand in one stack. */
static void open_stacks(struct scores *s, struct arena *arena, struct query_softmax *softmax,
                        int left) {
    while (left > 0) {
        struct query_softmax alike[QUERY_SOFTMAXES] = {softmax[0]};
        int same = 1, others = 0;
        for (int f = 1; f < left; f++)
            if (query_softmax_alike(&alike[0], &softmax[f]))
                alike[same++] = softmax[f];
            else
                softmax[others++] = softmax[f];
        stack_open(&s->stack[s->stacks++], arena, s->query, alike, same, s->threads);
        left = others;
    }
}

/* Lists that are short enough for the logits to be taken one by one. */
static const struct rank_lists *short_lists(const struct query *query,
                                            const struct rank_lists *wanted) {
    if (!wanted)
        return NULL;
    double listed = (double)(wanted->offsets[query->samples] - wanted->offsets[0]);
    return ALONE * listed < (double)query->samples * (double)(query->hi - query->lo) ? wanted
                                                                                     : NULL;
}

static void open_sums(struct scores_sums *sums, struct arena *arena, int threads, int64_t n) {
    sums->tile = arena_numbers(arena, threads * n * CHUNK, sizeof *sums->tile);
    sums->sum = arena_numbers(arena, threads * n, sizeof *sums->sum);
    sums->peak = arena_numbers(arena, n, sizeof *sums->peak);
    sums->joined = arena_numbers(arena, n, sizeof *sums->joined);
}

void scores_open(struct scores *s, struct arena *arena, const struct query *query,
                 const struct rank_lists *wanted, bool probabilities) {
    struct query_softmax softmax[QUERY_SOFTMAXES];
    int softmaxes = query_softmaxes(query, softmax);
    int64_t n = query->samples;
    bool keep = n * kept_bytes(softmaxes, query->hi - query->lo) <= BUFFER;
    *s = (struct scores){.query = query,
                         .threads = omp_get_max_threads(),
                         .logits = ranks_by_logits(query, softmaxes, probabilities)};
    bool normalised = query->repeats > 0 || !s->logits;
    s->only = normalised ? NULL : short_lists(query, wanted);
    open_stacks(s, arena, softmax, softmaxes);
    for (int k = 0; k < s->stacks && normalised; k++)
        stack_open_sums(&s->stack[k], arena, query, keep, s->logits);
    s->error = arena_numbers(arena, s->threads * n, sizeof *s->error);
    if (query->repeats > 0)
        s->mass = arena_numbers(arena, n, sizeof *s->mass);
    if (query->repeats > 0 && query->scorer.score)
        open_sums(&s->sums, arena, s->threads, n);
}

enum scores_kind scores_kind(const struct scores *s) {
    return s->query->scorer.score ? SCORES_OWN : s->logits ? SCORES_LOGITS : SCORES_PROBABILITIES;
}

/* What is added to the scores of items that are here; with collectives it is joined. */
static void add_masses(const struct query *query, double *mass) {
    const struct query_added *added = &query->added;
    memset(mass, 0, (size_t)query->samples * sizeof *mass);
    for (int64_t t = 0; t < query->samples; t++)
        for (int64_t k = t * added->width; k < (t + 1) * added->width; k++)
            if (added->item[k] >= query->lo && added->item[k] < query->hi)
                mass[t] += (double)added->value[k];
    if (added->width > 0 && query->collectives)
        query->collectives->sum(query->collectives->context, mass, query->samples);
}

static void take_masses(struct scores *s) {
    add_masses(s->query, s->mass);
    for (int64_t t = 0; t < s->query->samples; t++)
        for (int k = 0; k < s->stacks; k++)
            s->mass[t] += stack_mass(&s->stack[k], t);
}

static void sum_own(void *context, const struct chunk *chunk, int thread) {
    struct scores *s = context;
    int64_t n = s->query->samples;
    real *tile = s->sums.tile + thread * n * CHUNK;
    scores_chunk(s, chunk, thread, tile);
    for (int64_t t = 0; t < n; t++)
        (void)logsumexp_add(&s->sums.sum[thread * n + t], chunk->width, tile + t * CHUNK);
}

/* Of a model's own scores; are they finite? */
static bool take_log_masses(struct scores *s) {
    const struct query *query = s->query;
    const struct scores_sums *sums = &s->sums;
    bool finite = true;
    for (int64_t i = 0; i < s->threads * query->samples; i++)
        sums->sum[i] = logsumexp_empty;
    chunks_visit(query->lo, query->hi, s->threads, sum_own, s);
    logsumexp_join(sums->sum, s->threads, query->samples, query->collectives, sums->peak,
                   sums->joined);
    for (int64_t t = 0; t < query->samples; t++) {
        s->mass[t] = logsumexp_log(&sums->sum[t]);
        finite = finite && isfinite(s->mass[t]);
    }
    return finite;
}

bool scores_prepare(struct scores *s) {
    bool finite = true;
    for (int k = 0; k < s->stacks && (s->mass || !s->logits); k++) {
        struct stack *stack = &s->stack[k];
        stack_normalise(stack, s->query);
        for (int64_t r = 0; r < stack->rows; r++)
            finite = finite && isfinite(stack->log_sum[r]);
    }
    if (s->sums.sum)
        return take_log_masses(s);
    if (s->mass)
        take_masses(s);
    return finite;
}

/* ---- one score ---- */

/* In a chunk of its own. */
static real score_alone(const struct scores *s, int64_t t, int64_t i) {
    const struct query_scorer *own = &s->query->scorer;
    const struct chunk chunk = {.lo = i, .width = 1};
    real score[CHUNK];
    own->score(own->context, (const char *)own->state + t * own->bytes, 1, &chunk,
               omp_get_thread_num(), score);
    return score[0];
}

real scores_exact(const struct scores *s, int64_t t, int64_t i) {
    const struct stack *only = &s->stack[0];
    const struct query_added *added = &s->query->added;
    double score = 0;
    if (s->query->scorer.score)
        return score_alone(s, t, i);
    if (s->logits)
        return only->first[t] < only->first[t + 1] ? (real)stack_logit(only, only->first[t], i) : 0;
    for (int k = 0; k < s->stacks; k++)
        score += stack_score(&s->stack[k], t, i);
    for (int64_t k = t * added->width; k < (t + 1) * added->width; k++)
        if (added->item[k] == i)
            score += (double)added->value[k];
    return (real)score;
}

double scores_share(const struct scores *s, int64_t t, int64_t i) {
    if (s->query->scorer.score)
        return exp((double)scores_exact(s, t, i) - s->mass[t]);
    double score = s->logits ? stack_score(&s->stack[0], t, i) : (double)scores_exact(s, t, i);
    return s->mass[t] > 0 ? score / s->mass[t] : 0;
}

/* ---- errors ---- */

real scores_error(const struct scores *s, int thread, int64_t t) {
    return s->query->scorer.score ? 0 : s->error[thread * s->query->samples + t];
}

/* Beside the rounding of logits there is that of the differences to their log-sum-exp, of up to 88,
 * of exponentials and of sums. */
static void estimate_errors(const struct scores *s, const struct chunk *chunk, real *error) {
    const real rounding = s->logits ? 0 : (64 + QUERY_SOFTMAXES) * REAL_EPS;
    for (int64_t t = 0; t < s->query->samples; t++)
        error[t] = rounding;
    for (int k = 0; k < s->stacks; k++) {
        const struct stack *stack = &s->stack[k];
        real norm = stack_norm(stack, chunk);
        for (int64_t t = 0; t < s->query->samples; t++)
            for (int64_t r = stack->first[t]; r < stack->first[t + 1]; r++)
                error[t] = REAL_F(fmax)(error[t], rounding + norm * stack->error[r]);
    }
}

/* ---- scores of a chunk ---- */

/* The rows of samples that have one are there: move them to their places. */
static void place_rows(const struct stack *only, int64_t samples, real *out) {
    for (int64_t t = samples - 1; t >= 0 && only->rows < samples; t--)
        if (only->first[t] == only->first[t + 1])
            memset(out + t * CHUNK, 0, CHUNK * sizeof *out);
        else if (only->first[t] != t)
            memcpy(out + t * CHUNK, out + only->first[t] * CHUNK, CHUNK * sizeof *out);
}

/* Of sample t, to its scores of a chunk. */
static void add_few(const struct query_added *added, int64_t t, const struct chunk *chunk,
                    real *score) {
    for (int64_t k = t * added->width; k < (t + 1) * added->width; k++) {
        int64_t i = added->item[k] - chunk->lo;
        if (i >= 0 && i < chunk->width)
            score[i] += added->value[k];
    }
}

void scores_chunk(struct scores *s, const struct chunk *chunk, int thread, real *out) {
    const struct query_scorer *own = &s->query->scorer;
    int64_t n = s->query->samples;
    real *error = s->error + thread * n;
    if (own->score) {
        own->score(own->context, own->state, n, chunk, thread, out);
        return;
    }
    estimate_errors(s, chunk, error);
    if (s->only) {
        stack_list_logits(&s->stack[0], s->only, n, chunk, thread, out);
    } else if (s->logits) {
        stack_kept_logits(&s->stack[0], chunk, thread, out);
        place_rows(&s->stack[0], n, out);
    } else {
        memset(out, 0, (size_t)(n * CHUNK) * sizeof *out);
        for (int k = 0; k < s->stacks; k++)
            stack_add_scores(&s->stack[k], n, chunk, thread, out);
        for (int64_t t = 0; t < n; t++)
            add_few(&s->query->added, t, chunk, out + t * CHUNK);
    }
}
