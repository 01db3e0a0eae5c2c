/* Catalogue loss and ranking: gradients by finite differences, values and gradients against the
 * definition in plain loops, over sizes that need several tiles and chunks. */
#include "check.h"
#include "core/catalogue/loss.h"
#include "core/catalogue/rank.h"
#include "core/catalogue/softmax.h"
#include "core/ops/norm.h"
#include "tests/balanced.h"
#include <float.h>

BALANCED(loss);
BALANCED(rank);
BALANCED(softmax);

#define EPS ((real)1e-8)
enum { HEADS = 2 };
static const int64_t dims[HEADS] = {12, 8};

/* The first head's items are learned, the second's too unless `frozen`. */
struct problem {
    int64_t positions, items, lo, candidates;
    enum fusion fusion;
    bool frozen, learned_fusion, sampled, bf16;
    bool representable; /* states and items are rounded to bfloat16 beforehand */
    int64_t buffer;
    bool mixture; /* with more than the heads; every third target has nothing there */
    bool shares;  /* positions do not count the same */
    double *share;
    double gbce;  /* exponent; 0: softmax */
    bool other;   /* there is a class that is no item */
    bool divided; /* the first head's item rows are divided by their norm */
    bool uneven;  /* item rows differ much in their norms */
    int32_t *row, *target, *positive, *negatives;
    real *bias;            /* of the negatives' logits */
    double loss, distance; /* distance: of the gradient of items0 from the reference, relative */
};

/* Parameters: q0, q1, items0, items1, fusion, for sampled losses the rows of the targets, and last
 * the logits of the class that is no item or the mixture. */
static struct tensor *build(struct tape *tape, struct check *c) {
    struct problem *p = c->data;
    struct catalogue_loss loss = {.heads = HEADS,
                                  .fusion = p->fusion,
                                  .weights = {0.7, 0.3},
                                  .positions = p->positions,
                                  .row = p->row,
                                  .positive = p->positive,
                                  .lo = p->lo,
                                  .candidates = p->candidates,
                                  .weight = 0.5,
                                  .share = p->shares ? p->share : NULL,
                                  .gbce = p->gbce,
                                  .buffer_bytes = p->buffer};
    for (int m = 0; m < HEADS; m++) {
        struct tensor *items = tape_param(tape, &c->params, 2 + m);
        struct tensor *targets = p->sampled ? tape_param(tape, &c->params, 5 + m) : items;
        if (m && p->frozen)
            items = targets = tape_constant(tape, items->x, items->rows, items->cols);
        loss.head[m] = (struct catalogue_head){tape_param(tape, &c->params, m), items, targets};
    }
    if (p->learned_fusion)
        loss.fusion_logits = tape_param(tape, &c->params, 4);
    if (p->other)
        loss.other = tape_param(tape, &c->params, c->params.count - 1);
    if (p->mixture)
        loss.mixture = tape_param(tape, &c->params, c->params.count - 1);
    if (p->sampled)
        loss.bias = p->bias;
    if (p->sampled)
        loss.hits = catalogue_hits_of_negatives(&tape->arena, p->negatives, p->candidates,
                                                p->target, p->positions);
    else
        loss.hits = catalogue_hits_of_targets(&tape->arena, p->target, p->positions, p->lo);
    if (p->divided)
        loss.head[0].eps = EPS;
    tape->bf16 = p->bf16;
    p->loss = catalogue_loss(tape, &loss);
    if (p->divided && tape->record)
        unit_norm_gradient(loss.head[0].items, EPS);
    c->loss = 0.5 * p->loss;
    return NULL;
}

/* Every other row of q is a position; targets spread over the candidates. */
static void problem_open(struct check *c, struct problem *p, double scale) {
    int64_t n = p->positions;
    p->row = mem_alloc(n, sizeof *p->row);
    p->target = mem_alloc(n, sizeof *p->target);
    p->positive = mem_alloc(n, sizeof *p->positive);
    p->negatives = mem_alloc(p->candidates, sizeof *p->negatives);
    p->bias = mem_alloc(p->candidates, sizeof *p->bias);
    p->share = mem_alloc(n, sizeof *p->share);
    for (int64_t t = 0; t < n; t++) {
        p->row[t] = (int32_t)(2 * t);
        p->share[t] = p->shares ? 0.1 + rng_uniform(check_key(6), (uint64_t)t) : 1;
        p->target[t] = (int32_t)(p->lo + rng_below(check_key(7), (uint64_t)t, p->candidates));
        p->positive[t] = p->sampled ? (int32_t)t : p->target[t];
    }
    for (int64_t k = 0; k < p->candidates; k++) /* with repetitions and hits */
        p->negatives[k] = (int32_t)rng_below(check_key(8), (uint64_t)k, p->candidates);
    for (int64_t k = 0; k < p->candidates; k++)
        p->bias[k] = (real)rng_normal(check_key(9), (uint64_t)k);
    for (int m = 0; m < HEADS; m++)
        check_input(c, 2 * n, dims[m]);
    for (int m = 0; m < HEADS; m++)
        check_input(c, p->items, dims[m]);
    check_input(c, 1, HEADS);
    for (int m = 0; p->sampled && m < HEADS; m++)
        check_input(c, n, dims[m]);
    if (p->other)
        check_input(c, 2 * n, 1);
    if (p->mixture)
        check_input(c, 2 * n, 2);
    c->build = build;
    c->data = p;
    check_fill(c, scale);
    for (int64_t t = 0; p->mixture && t < n; t += 3)
        c->params.list[c->params.count - 1].tensor.x[2 * p->row[t] + 1] = -INFINITY;
    for (int m = 0; p->uneven && m < HEADS; m++)
        for (int64_t i = 0; i < p->items * dims[m]; i++)
            c->params.list[2 + m].tensor.x[i] *= (real)pow(10, sin((double)(i / dims[m])));
    for (int64_t i = 0; p->representable && i < c->params.total; i++)
        c->params.x[i] = (real)check_bf16((double)c->params.x[i]);
}

static void problem_close(struct check *c, struct problem *p) {
    mem_free(p->row);
    mem_free(p->target);
    mem_free(p->positive);
    mem_free(p->negatives);
    mem_free(p->bias);
    mem_free(p->share);
    check_close(c);
}

/* ---- the definition ---- */

static const real *row_of(struct check *c, int table, int64_t row) {
    const struct tensor *t = &c->params.list[table].tensor;
    return t->x + row * t->cols;
}

static double dot(const real *x, const real *y, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

/* What a row of an item table is multiplied by. */
static double factor(struct check *c, int table, int64_t item) {
    const real *x = row_of(c, table, item);
    return ((struct problem *)c->data)->divided && table == 2 ? 1 / sqrt(dot(x, x, dims[0])) : 1;
}

static double logit(struct check *c, int m, int64_t q, int table, int64_t item) {
    return factor(c, table, item) * dot(row_of(c, m, q), row_of(c, table, item), dims[m]);
}

struct reference {
    double loss;
    double *grad[8]; /* like the parameters */
};

static void add_gradient(struct check *c, struct reference *r, int m, int64_t q, int table,
                         int64_t item, double dz) {
    const real *x = row_of(c, table, item), *state = row_of(c, m, q);
    double f = factor(c, table, item);
    double along = f < 1 || f > 1 ? f * f * dot(x, state, dims[m]) : 0;
    for (int64_t i = 0; i < dims[m]; i++) {
        r->grad[m][q * dims[m] + i] += dz * f * (double)x[i];
        r->grad[table][item * dims[m] + i] += dz * f * ((double)state[i] - along * (double)x[i]);
    }
}

/* Candidates of position t: entry 0 is the target, then all items that are not it, then the class
 * that is no item. */
static void position_reference(struct check *c, struct reference *r, int64_t t) {
    struct problem *p = c->data;
    int64_t items = p->candidates + 1, n = items + p->other, q = p->row[t];
    int other = c->params.count - 1;
    double *z = mem_zero(HEADS * n, sizeof *z), prob[HEADS], w[HEADS] = {0.7, 0.3}, sum = 0;
    bool logits = p->fusion == FUSION_LOGIT;
    if (p->learned_fusion)
        for (int m = 0; m < HEADS; m++)
            w[m] = exp((double)c->params.list[4].tensor.x[m]);
    double total = w[0] + w[1];
    for (int m = 0; m < HEADS; m++)
        w[m] /= total;
    if (p->other)
        z[items] = (double)*row_of(c, other, q);
    for (int64_t i = 0; i < items; i++)
        for (int m = 0; m < HEADS; m++) {
            bool own = i > 0 && (p->sampled ? p->negatives[i - 1] == p->target[t]
                                            : p->lo + i - 1 == p->target[t]);
            double value = own ? -INFINITY
                           : i ? logit(c, m, q, 2 + m, p->lo + i - 1) +
                                     (p->sampled && !(logits && m) ? (double)p->bias[i - 1] : 0)
                               : logit(c, m, q, p->sampled ? 5 + m : 2 + m, p->positive[t]);
            z[(logits ? 0 : m) * n + i] += value;
        }
    for (int s = 0; s < (logits ? 1 : HEADS); s++) {
        double norm = 0;
        for (int64_t i = 0; i < n; i++)
            norm += exp(z[s * n + i]);
        for (int64_t i = 0; i < n; i++)
            z[s * n + i] = exp(z[s * n + i]) / norm;
        prob[s] = z[s * n];
        sum += logits ? prob[s] : w[s] * prob[s];
    }
    double weight = 0.5 * p->share[t];
    if (p->mixture) {
        const real *of = c->params.list[c->params.count - 1].tensor.x + 2 * q;
        double in = exp((double)of[0]) * sum, all = in + exp((double)of[1]);
        double *grad = r->grad[c->params.count - 1] + 2 * q;
        r->loss -= p->share[t] * (log(all) - log(sum));
        grad[0] -= weight * in / all;
        grad[1] -= weight * (1 - in / all);
        weight *= in / all;
    }
    r->loss -= p->share[t] * log(sum);
    for (int m = 0; m < HEADS; m++) {
        double share = logits ? 1 : w[m] * prob[m] / sum;
        const double *pm = z + (logits ? 0 : m) * n;
        for (int64_t i = 0; i < items; i++)
            add_gradient(c, r, m, q, i || !p->sampled ? 2 + m : 5 + m,
                         i ? p->lo + i - 1 : p->positive[t], weight * share * (pm[i] - (i == 0)));
        if (p->learned_fusion)
            r->grad[4][m] += weight * (w[m] - share);
        if (p->other && m == 0)
            r->grad[other][q] += weight * pm[items];
    }
    mem_free(z);
}

/* gBCE of position t; entries as above. */
static void gbce_reference(struct check *c, struct reference *r, int64_t t) {
    struct problem *p = c->data;
    for (int64_t i = 0; i <= p->candidates; i++) {
        double z = i && p->bias ? (double)p->bias[i - 1] : 0;
        if (i && p->negatives[i - 1] == p->target[t])
            continue;
        for (int m = 0; m < HEADS; m++)
            z += logit(c, m, p->row[t], i ? 2 + m : 5 + m, i ? i - 1 : p->positive[t]);
        double sigma = 1 / (1 + exp(-z));
        r->loss -= p->share[t] * (i ? log1p(-sigma) : p->gbce * log(sigma));
        for (int m = 0; m < HEADS; m++)
            add_gradient(c, r, m, p->row[t], i ? 2 + m : 5 + m, i ? i - 1 : p->positive[t],
                         0.5 * p->share[t] * (i ? sigma : p->gbce * (sigma - 1)));
    }
}

static double longest_row(const struct tensor *x) {
    double longest = 0;
    for (int64_t i = 0; i < x->rows; i++) {
        double square = 0;
        for (int64_t j = 0; j < x->cols; j++)
            square += pow((double)x->x[i * x->cols + j], 2);
        longest = fmax(longest, sqrt(square));
    }
    return longest;
}

/* Relative errors allowed to the loss and to the gradients. In bfloat16 an operand is off by 2^-8
 * of itself, so that a logit is off by delta = 2^-7 |q| |e| at most, and so is the logarithm of a
 * normaliser; by nothing when q and e are bfloat16 already. Addends of a gradient are off by delta
 * each for the exponential and the normaliser, thrice for the share of the softmax, which is a
 * quotient of probabilities, and by 2^-7 for the operands of the second product. */
struct tolerance {
    double loss, gradient;
};

static struct tolerance tolerance(struct check *c) {
    struct problem *p = c->data;
    double delta = 0, eps = (double)REAL_EPS;
    for (int m = 0; m < HEADS && !p->representable; m++)
        delta += ldexp(1, -7) * longest_row(&c->params.list[m].tensor) *
                 longest_row(&c->params.list[2 + m].tensor);
    return p->bf16 ? (struct tolerance){100 * eps + delta / log((double)p->candidates),
                                        5 * delta + ldexp(1, -7)}
                   : (struct tolerance){100 * eps, 200 * eps};
}

static void compare_with_reference(struct check *c) {
    struct problem *p = c->data;
    struct tolerance allowed = tolerance(c);
    struct reference r = {0};
    struct tape tape = {0};
    for (int i = 0; i < c->params.count; i++)
        r.grad[i] = mem_zero(param_size(&c->params.list[i]), sizeof(double));
    for (int64_t t = 0; t < p->positions; t++)
        (p->gbce > 0 ? gbce_reference : position_reference)(c, &r, t);
    params_zero_grad(&c->params);
    check_value(c, &tape, true);
    tape_backward(&tape, NULL, NULL);
    cr_expect(fabs(p->loss - r.loss) <= allowed.loss * r.loss, "loss %.9g, want %.9g", p->loss,
              r.loss);
    for (int i = 0; i < c->params.count; i++) {
        if ((i == 4 && !p->learned_fusion) || (i == 3 && p->frozen))
            continue;
        check_near(c->params.list[i].name, c->params.list[i].tensor.g, r.grad[i],
                   param_size(&c->params.list[i]), allowed.gradient / (double)REAL_EPS);
    }
    p->distance =
        check_distance(c->params.list[2].tensor.g, r.grad[2], param_size(&c->params.list[2]));
    for (int i = 0; i < c->params.count; i++)
        mem_free(r.grad[i]);
    tape_free(&tape);
}

/* ---- loss ---- */

static void check_problem(struct problem *p, double scale, bool differences) {
    struct check c = {0};
    problem_open(&c, p, scale);
    if (differences)
        check_gradients(&c);
    compare_with_reference(&c);
    problem_close(&c, p);
}

Test(loss, gradients) {
    for (int fusion = 0; fusion < 2; fusion++)
        for (int sampled = 0; sampled < 2; sampled++)
            check_problem(&(struct problem){.positions = 4,
                                            .items = 23,
                                            .lo = sampled ? 0 : 3,
                                            .candidates = sampled ? 23 : 17,
                                            .fusion = (enum fusion)fusion,
                                            .sampled = sampled,
                                            .learned_fusion = fusion == FUSION_PROBABILITY},
                          0.7, true);
}

/* Positions that count more and less: softmax of either fusion, and gBCE. */
Test(loss, shares) {
    for (int fusion = 0; fusion < 2; fusion++)
        for (int gbce = 0; gbce <= fusion; gbce++)
            check_problem(&(struct problem){.positions = 4,
                                            .items = 23,
                                            .candidates = 23,
                                            .fusion = (enum fusion)fusion,
                                            .sampled = true,
                                            .shares = true,
                                            .gbce = 0.3 * gbce,
                                            .learned_fusion = fusion == FUSION_PROBABILITY},
                          0.7, true);
}

/* One class more, which is no item: exact and sampled, several chunks and tiles. */
Test(loss, class_that_is_no_item) {
    for (int large = 0; large < 2; large++)
        for (int sampled = 0; sampled < 2; sampled++) {
            int64_t items = large ? 1300 : 23;
            check_problem(&(struct problem){.positions = large ? 700 : 4,
                                            .items = items,
                                            .candidates = items,
                                            .fusion = FUSION_LOGIT,
                                            .sampled = sampled,
                                            .shares = true,
                                            .other = true,
                                            .buffer = large},
                          0.7, !large);
        }
}

/* Part of a mixture: either fusion, one and several tiles, exact and sampled. */
Test(loss, mixture) {
    for (int choice = 0; choice < 8; choice++) {
        bool large = choice & 1, sampled = choice & 2, logits = choice & 4;
        check_problem(&(struct problem){.positions = large ? 700 : 4,
                                        .items = large ? 1300 : 23,
                                        .candidates = large ? 1300 : 23,
                                        .fusion = logits ? FUSION_LOGIT : FUSION_PROBABILITY,
                                        .sampled = sampled,
                                        .mixture = true,
                                        .shares = large,
                                        .learned_fusion = !logits},
                      0.7, !large);
    }
}

/* Kept sigmoids and others, several chunks and tiles. */
Test(loss, gbce) {
    for (int large = 0; large < 2; large++)
        for (int64_t buffer = 0; buffer < 2; buffer++) {
            int64_t items = large ? 1300 : 23;
            check_problem(&(struct problem){.positions = large ? 700 : 4,
                                            .items = items,
                                            .candidates = items,
                                            .fusion = FUSION_LOGIT,
                                            .sampled = true,
                                            .buffer = buffer,
                                            .gbce = 0.3},
                          0.7, !large);
        }
}

/* Sigmoids where exponentials overflow, and of what is left out. */
Test(loss, sigmoids) {
    real z[5] = {200, -200, 0, -INFINITY, 1}, sigma[5] = {200, -200, 0, -INFINITY, 1};
    const double want[5] = {1, exp(-200), 0.5, 0, 1 / (1 + exp(-1))};
    double eps = (double)REAL_EPS;
    cr_expect(fabs(sigmoids_sum(5, sigma) - (200 + log(2) + log1p(exp(1)))) <= 200 * 4 * eps);
    sigmoids(5, z);
    for (int i = 0; i < 5; i++) {
        cr_expect(fabs((double)z[i] - want[i]) <= 4 * eps);
        cr_expect_eq(z[i], sigma[i]);
    }
}

/* Several chunks of items and tiles of positions; exponentials kept and computed again. */
Test(loss, tiles) {
    for (int fusion = 0; fusion < 2; fusion++)
        for (int64_t buffer = 0; buffer < 2; buffer++)
            check_problem(&(struct problem){.positions = 700,
                                            .items = 1300,
                                            .lo = 70,
                                            .candidates = 1201,
                                            .fusion = (enum fusion)fusion,
                                            .frozen = fusion,
                                            .buffer = buffer,
                                            .learned_fusion = fusion == FUSION_PROBABILITY},
                          0.7, false);
}

/* Inner products of rows of very different norms, beside rows that are divided by theirs and
 * without such; exact and sampled. */
Test(loss, inner_products) {
    for (int choice = 0; choice < 8; choice++) {
        bool large = choice & 1, sampled = choice & 2;
        check_problem(&(struct problem){.positions = large ? 700 : 4,
                                        .items = large ? 1300 : 23,
                                        .lo = sampled ? 0 : 3,
                                        .candidates = sampled ? large ? 1300 : 23
                                                      : large ? 1201
                                                              : 17,
                                        .sampled = sampled,
                                        .learned_fusion = true,
                                        .divided = !sampled && (choice & 4),
                                        .uneven = true},
                      0.7, !large);
    }
}

/* Item rows that are divided by their norm, shared with the targets. */
Test(loss, divided_rows) {
    for (int large = 0; large < 2; large++)
        for (int64_t buffer = 0; buffer < 2; buffer++)
            check_problem(&(struct problem){.positions = large ? 700 : 4,
                                            .items = large ? 1300 : 23,
                                            .lo = 3,
                                            .candidates = large ? 1201 : 17,
                                            .buffer = buffer,
                                            .learned_fusion = true,
                                            .divided = true},
                          1.5, !large);
}

/* Kept exponentials and others, one and several tiles, operands that have to be rounded and others.
 * Gradients as good as those of float32 were not in bfloat16. */
Test(loss, bf16) {
    for (int choice = 0; choice < 16; choice++) {
        bool sampled = choice & 2;
        struct problem p = {.positions = 530,
                            .items = 1300,
                            .lo = sampled ? 0 : 70,
                            .candidates = sampled ? 1300 : 1201,
                            .fusion = choice & 1 ? FUSION_LOGIT : FUSION_PROBABILITY,
                            .sampled = sampled,
                            .buffer = choice & 4 ? 1 : 0,
                            .learned_fusion = !(choice & 1),
                            .bf16 = true,
                            .representable = choice & 8};
        check_problem(&p, 0.25, false);
        cr_expect(p.distance > ldexp(1, -16), "gradient at a distance of %.3g", p.distance);
    }
}

/* Logits of +-100 and more: the shift must follow the running maximum. */
Test(loss, large_logits) {
    check_problem(&(struct problem){.positions = 40,
                                    .items = 1100,
                                    .candidates = 1100,
                                    .buffer = 1,
                                    .learned_fusion = true},
                  5, false);
}

Test(loss, memory_does_not_grow_with_the_catalogue) {
    size_t used[2];
    for (int k = 0; k < 2; k++) {
        struct problem p = {
            .positions = 64, .items = k ? 400000 : 40000, .candidates = k ? 400000 : 40000};
        struct check c = {0};
        struct tape tape = {0};
        problem_open(&c, &p, 0.1);
        check_value(&c, &tape, true);
        used[k] = tape.arena.peak;
        tape_free(&tape);
        problem_close(&c, &p);
    }
    for (int k = 0; k < 2; k++)
        cr_expect(used[k] <= CATALOGUE_BUFFER + (16u << 20), "%zu bytes", used[k]);
}

/* ---- ranking ---- */

/* Two terms of two heads; some rows are copies of the target's, so that ties occur. */
static void check_definition(const real eps[HEADS]) {
    enum { N = 1500, LO = 100, HI = 1450, B = 6, NEGATIVES = 50 };
    struct arena arena = {0};
    struct tape tape = {0};
    real *items[HEADS], *q[STREAMS][HEADS];
    bool present[B] = {true, true, false, true, true, true}, all[B];
    int32_t target[B], negatives[B * NEGATIVES];
    int64_t offsets[B + 1];
    struct rank_count full[B], sampled[B];
    for (int m = 0; m < HEADS; m++) {
        items[m] = mem_alloc(N * dims[m], sizeof(real));
        for (int64_t i = 0; i < N * dims[m]; i++)
            items[m][i] = (real)rng_normal(check_key(30 + (uint64_t)m), (uint64_t)i);
        for (int s = 0; s < STREAMS; s++) {
            q[s][m] = mem_alloc(B * dims[m], sizeof(real));
            for (int64_t i = 0; i < B * dims[m]; i++)
                q[s][m][i] =
                    (real)rng_normal(check_key(40 + (uint64_t)(s * HEADS + m)), (uint64_t)i);
        }
    }
    for (int t = 0; t < B; t++) {
        all[t] = true;
        target[t] = LO + 200 * t + 17;
        for (int copy = 1; copy <= t; copy++)
            for (int m = 0; m < HEADS; m++)
                memcpy(items[m] + (target[t] + copy) * dims[m], items[m] + target[t] * dims[m],
                       (size_t)dims[m] * sizeof(real));
        offsets[t] = t * NEGATIVES;
        for (int k = 0; k < NEGATIVES; k++)
            negatives[t * NEGATIVES + k] = target[t] + 1 + k;
    }
    offsets[B] = B * NEGATIVES;
    struct rank_lists drawn = {offsets, negatives};
    struct ranking r = {.query = {.samples = B, .lo = LO, .hi = HI},
                        .target = target,
                        .negatives = &drawn,
                        .full = full,
                        .sampled = sampled};
    for (int s = 0; s < STREAMS; s++) {
        static const double weights[] = {1, 0.3, 0};
        struct query_term *term =
            query_add_term(&r.query, weights[s], s == 1 ? present : all, FUSION_PROBABILITY);
        for (int m = 0; m < HEADS; m++)
            *query_add_head(&r.query, term) = (struct query_head){.q = q[s][m],
                                                                  .items = items[m],
                                                                  .dim = dims[m],
                                                                  .eps = eps[m],
                                                                  .lo = s ? 0 : LO,
                                                                  .hi = s ? N : HI,
                                                                  .weight = m ? 0.3 : 0.7};
    }
    cr_assert_eq(rank_targets(&arena, &r), STATUS_OK);
    for (int t = 0; t < B; t++) {
        double *score = mem_zero(N, sizeof *score);
        for (int s = 0; s < 2; s++)
            for (int m = 0; m < HEADS && (s != 1 || present[t]); m++) {
                double sum = 0, *z = mem_zero(N, sizeof *z);
                for (int64_t i = s ? 0 : LO; i < (s ? N : HI); i++) {
                    for (int64_t k = 0; k < dims[m]; k++)
                        z[i] +=
                            (double)q[s][m][t * dims[m] + k] * (double)items[m][i * dims[m] + k];
                    if (eps[m] > 0)
                        z[i] /= sqrt(dot(items[m] + i * dims[m], items[m] + i * dims[m], dims[m]));
                    sum += exp(z[i]);
                }
                for (int64_t i = LO; i < HI; i++)
                    score[i] += (s ? 0.3 : 1) * (m ? 0.3 : 0.7) * exp(z[i]) / sum;
                mem_free(z);
            }
        int64_t above = 0, above_drawn = 0;
        for (int64_t i = LO; i < HI; i++)
            above += score[i] > score[target[t]] * (1 + 20 * (double)REAL_EPS);
        for (int k = 0; k < NEGATIVES; k++)
            above_drawn += score[negatives[t * NEGATIVES + k]] >
                           score[target[t]] * (1 + 20 * (double)REAL_EPS);
        cr_expect_eq(full[t].above, above, "sample %d: %ld above, want %ld", t, (long)full[t].above,
                     (long)above);
        cr_expect_eq(full[t].equal, t, "sample %d: %ld equal", t, (long)full[t].equal);
        cr_expect_eq(sampled[t].above, above_drawn);
        cr_expect_eq(sampled[t].equal, t);
        cr_expect(full[t].all == HI - LO - 1 && sampled[t].all == NEGATIVES);
        mem_free(score);
    }
    for (int m = 0; m < HEADS; m++) {
        mem_free(items[m]);
        for (int s = 0; s < STREAMS; s++)
            mem_free(q[s][m]);
    }
    arena_free(&arena);
    tape_free(&tape);
}

/* Item rows of one head, and of both, are divided by their norm. */
Test(rank, agrees_with_the_definition) {
    check_definition((const real[]){0, EPS});
    check_definition((const real[]){EPS, EPS});
}

/* A query of one term and one head. */
static struct query one_head(const real *q, const bool *present, int64_t samples, const real *items,
                             int64_t dim, real eps, int64_t lo, int64_t hi) {
    struct query query = {.samples = samples, .lo = lo, .hi = hi};
    struct query_head *head =
        query_add_head(&query, query_add_term(&query, 1, present, FUSION_PROBABILITY));
    head->q = q, head->items = items, head->dim = dim, head->eps = eps;
    return query;
}

/* ---- ranking without what the user has ---- */

enum { OWN_N = 1500, OWN_LO = 100, OWN_HI = 1450, OWN_SAMPLES = 6, OWN_D = 12 };

/* Histories of users who have: one item often, the target, others with its score and items of other
 * domains; nothing; every candidate; all but the target; all but the target and two others. The
 * last one's target is the first of the candidates. */
static void fill_histories(int32_t history[OWN_SAMPLES][2 * OWN_N], struct sample *samples,
                           int32_t *target) {
    static const int32_t some[] = {900, 117, 3, 119, 900, 1480, 117, 900, 611, 612, 1449, 100};
    for (int t = 0; t < OWN_SAMPLES; t++) {
        int64_t n = 0;
        target[t] = t == 5 ? OWN_LO : 117 + 200 * t;
        for (int32_t i = OWN_LO; i < OWN_HI && t > 1; i++)
            for (int again = 0; again < 1 + i % 2; again++)
                if (t == 2 || (i != target[t] && (t == 3 || i % 600 != 0)))
                    history[t][n++] = i;
        if (t == 0)
            for (; n < (int64_t)(sizeof some / sizeof *some); n++)
                history[t][n] = some[n];
        samples[t] = (struct sample){history[t], n, t, NULL};
    }
}

/* By a plain loop over the candidates: those of the sample's items but the target are none. */
static struct rank_count count_plainly(const double *z, const struct sample *sample,
                                       int32_t target) {
    struct rank_count count = {0};
    for (int32_t i = OWN_LO; i < OWN_HI; i++) {
        bool has = i == target;
        for (int64_t k = 0; k < sample->length; k++)
            has = has || sample->items[k] == i;
        bool equal = fabs(z[i] - z[target]) <= 1e-5 * fabs(z[target]);
        count.all += !has;
        count.equal += !has && equal;
        count.above += !has && !equal && z[i] > z[target];
    }
    return count;
}

/* One term and head: the order of the scores is that of the logits. The two rows behind a target
 * are copies of its own and tie with it. */
Test(rank, without_what_the_user_has) {
    static int32_t history[OWN_SAMPLES][2 * OWN_N];
    struct arena arena = {0};
    struct sample samples[OWN_SAMPLES];
    int32_t target[OWN_SAMPLES];
    bool present[OWN_SAMPLES] = {true, true, true, true, true, true};
    struct rank_count full[OWN_SAMPLES];
    real *items = mem_alloc(OWN_N * OWN_D, sizeof *items);
    real *q = mem_alloc(OWN_SAMPLES * OWN_D, sizeof *q);
    double *z = mem_alloc(OWN_N, sizeof *z);
    for (int64_t i = 0; i < OWN_N * OWN_D; i++)
        items[i] = (real)rng_normal(check_key(60), (uint64_t)i);
    for (int64_t i = 0; i < OWN_SAMPLES * OWN_D; i++)
        q[i] = (real)rng_normal(check_key(61), (uint64_t)i);
    fill_histories(history, samples, target);
    for (int t = 0; t < OWN_SAMPLES; t++)
        for (int copy = 1; copy <= 2; copy++)
            memcpy(items + (target[t] + copy) * OWN_D, items + target[t] * OWN_D,
                   OWN_D * sizeof *items);
    struct rank_lists own = rank_own_items(&arena, samples, target, OWN_SAMPLES);
    struct ranking r = {.query = one_head(q, present, OWN_SAMPLES, items, OWN_D, 0, OWN_LO, OWN_HI),
                        .target = target,
                        .excluded = &own,
                        .full = full};
    cr_assert_eq(rank_targets(&arena, &r), STATUS_OK);
    for (int t = 0; t < OWN_SAMPLES; t++) {
        for (int64_t i = 0; i < OWN_N; i++)
            z[i] = dot(q + t * OWN_D, items + i * OWN_D, OWN_D);
        struct rank_count want = count_plainly(z, &samples[t], target[t]);
        cr_expect(
            full[t].above == want.above && full[t].equal == want.equal && full[t].all == want.all,
            "sample %d: %d above, %d equal of %d, want %d, %d of %d", t, (int)full[t].above,
            (int)full[t].equal, (int)full[t].all, (int)want.above, (int)want.equal, (int)want.all);
    }
    cr_expect(full[0].equal == 1 && full[1].equal == 2 && full[1].all == OWN_HI - OWN_LO - 1);
    cr_expect(full[2].all == 0 && full[3].all == 0 && full[4].all == 2);
    mem_free(items);
    mem_free(q);
    mem_free(z);
    arena_free(&arena);
}

/* One term, one head, all that a user could want to tie: copies of the target's row, rows that
 * differ in a last bit of single precision, and, at a scale of 100, logits so far apart that their
 * exponentials are zero. Counts are those of the rows' own products in double precision, rounded once,
 * for any threads and for samples alone or together. */
static void check_logits(real eps) {
    enum { N = 2000, B = 8, D = 64 };
    struct arena arena = {0};
    real *items = mem_alloc(N * D, sizeof *items), *q = mem_alloc(B * D, sizeof *q);
    int32_t target[B];
    bool present[B];
    struct rank_count full[B], alone;
    for (int64_t i = 0; i < N * D; i++) /* of norms from 1/100 to 100 of their usual */
        items[i] =
            (real)(pow(10, 2 * sin((double)(i / D))) * rng_normal(check_key(70), (uint64_t)i));
    for (int64_t i = 0; i < B * D; i++)
        q[i] = (real)(100 / sqrt(D) * rng_normal(check_key(71), (uint64_t)i));
    for (int t = 0; t < B; t++) {
        target[t] = 600 + 20 * t;
        present[t] = t != 5;
        for (int copy = 1; copy < 20; copy++) {
            real *row = items + (target[t] + copy) * D;
            memcpy(row, items + target[t] * D, D * sizeof *row);
            if (copy > 10)
                row[copy] *= 1 + (real)(copy % 2 ? FLT_EPSILON : -FLT_EPSILON);
        }
    }
    struct ranking r = {
        .query = one_head(q, present, B, items, D, eps, 0, N), .target = target, .full = full};
    cr_assert_eq(rank_targets(&arena, &r), STATUS_OK);
    for (int t = 0; t < B; t++) {
        struct rank_count want = {.all = N - 1};
        real z[N];
        for (int64_t i = 0; i < N; i++)
            z[i] = present[t] ? (real)(dot(q + t * D, items + i * D, D) /
                                       (eps > 0 ? sqrt(dot(items + i * D, items + i * D, D)) : 1))
                              : 0;
        for (int64_t i = 0; i < N; i++) {
            want.above += z[i] > z[target[t]];
            want.equal += i != target[t] && z[i] == z[target[t]];
        }
        cr_expect(want.equal >= 10, "copies tie");
        cr_expect(full[t].above == want.above && full[t].equal == want.equal &&
                      full[t].all == want.all,
                  "sample %d: %ld above and %ld equal, not %ld and %ld", t, (long)full[t].above,
                  (long)full[t].equal, (long)want.above, (long)want.equal);
        struct ranking one = r;
        one.query = one_head(q + t * D, present + t, 1, items, D, eps, 0, N);
        one.target = target + t;
        one.full = &alone;
        cr_assert_eq(rank_targets(&arena, &one), STATUS_OK);
        cr_expect(alone.above == full[t].above && alone.equal == full[t].equal, "alone");
    }
    mem_free(items);
    mem_free(q);
    arena_free(&arena);
}

/* Rows divided by their norm, and inner products of rows of very different norms. */
Test(rank, one_softmax_ranks_by_logits) {
    check_logits(EPS);
    check_logits(0);
}

/* One term whose heads' logits are summed: they rank, as those of one head do. Samples without a
 * state see nothing but ties. */
Test(rank, fused_logits) {
    enum { N = 1100, B = 4 };
    struct arena arena = {0};
    real *items[HEADS], *q[HEADS];
    const real eps[HEADS] = {0, EPS};
    const int32_t target[B] = {3, 600, 1000, 30};
    const bool present[B] = {true, true, true, false};
    struct rank_count full[B];
    struct ranking r = {.query = {.samples = B, .hi = N}, .target = target, .full = full};
    struct query_term *term = query_add_term(&r.query, 0.4, present, FUSION_LOGIT);
    for (int m = 0; m < HEADS; m++) {
        items[m] = mem_alloc(N * dims[m], sizeof(real));
        q[m] = mem_alloc(B * dims[m], sizeof(real));
        for (int64_t i = 0; i < N * dims[m]; i++)
            items[m][i] = (real)rng_normal(check_key(80 + (uint64_t)m), (uint64_t)i);
        for (int64_t i = 0; i < B * dims[m]; i++)
            q[m][i] = (real)rng_normal(check_key(90 + (uint64_t)m), (uint64_t)i);
        struct query_head *head = query_add_head(&r.query, term);
        head->q = q[m], head->items = items[m], head->dim = dims[m], head->eps = eps[m];
    }
    cr_assert_eq(rank_targets(&arena, &r), STATUS_OK);
    for (int t = 0; t < B; t++) {
        struct rank_count want = {.all = N - 1};
        real z[N];
        for (int64_t i = 0; i < N; i++) {
            double sum = 0;
            for (int m = 0; m < HEADS; m++) {
                const real *x = items[m] + i * dims[m];
                double norm = eps[m] > 0 ? sqrt(dot(x, x, dims[m])) : 1;
                sum += dot(q[m] + t * dims[m], x, dims[m]) / norm;
            }
            z[i] = present[t] ? (real)sum : 0;
        }
        for (int64_t i = 0; i < N; i++) {
            want.above += z[i] > z[target[t]];
            want.equal += i != target[t] && z[i] == z[target[t]];
        }
        cr_expect(full[t].above == want.above && full[t].equal == want.equal &&
                      full[t].all == want.all,
                  "sample %d: %ld above and %ld equal, not %ld and %ld", t, (long)full[t].above,
                  (long)full[t].equal, (long)want.above, (long)want.equal);
    }
    for (int m = 0; m < HEADS; m++) {
        mem_free(items[m]);
        mem_free(q[m]);
    }
    arena_free(&arena);
}

/* One term and head: the order of the scores is that of the logits. Row 700 is a copy of row 30
 * and ties with it; some items are excluded. */
Test(rank, best_items) {
    enum { N = 1500, LO = 20, HI = 1450, B = 3, K = 9, D = 12 };
    struct arena arena = {0};
    real *items = mem_alloc(N * D, sizeof *items), *q = mem_alloc(B * D, sizeof *q);
    bool present[B] = {true, true, true};
    struct top_item list[B * K];
    struct top top[B];
    for (int64_t i = 0; i < N * D; i++)
        items[i] = (real)rng_normal(check_key(50), (uint64_t)i);
    for (int64_t i = 0; i < B * D; i++)
        q[i] = (real)rng_normal(check_key(51), (uint64_t)i);
    memcpy(items + 700 * D, items + 30 * D, D * sizeof *items);
    memcpy(q, items + 30 * D, D * sizeof *q); /* whose best are these two */
    struct ranking r = {.query = one_head(q, present, B, items, D, EPS, LO, HI)};
    for (int round = 0; round < 2; round++) {
        /* The second time without the best of samples 0 and 2, and all of 1 but four. */
        int64_t offsets[B + 1] = {0, 1, 1, 2};
        int32_t *out = mem_alloc(N, sizeof *out);
        struct rank_lists excluded = {offsets, out};
        if (round) {
            out[0] = list[0].item;
            for (int32_t i = LO; i < HI - 4; i++)
                out[offsets[2]++] = i;
            out[offsets[2]] = list[2 * K].item;
            offsets[3] = offsets[2] + 1;
        }
        for (int t = 0; t < B; t++)
            top[t] = (struct top){list + t * K, K, 0};
        r.excluded = round ? &excluded : NULL;
        cr_assert_eq(rank_top(&arena, &r, K, top), STATUS_OK);
        for (int t = 0; t < B; t++) {
            bool taken[N] = {false};
            cr_assert_eq(top[t].count, round && t == 1 ? 4 : K);
            for (int64_t j = round ? offsets[t] : 0; j < (round ? offsets[t + 1] : 0); j++)
                taken[out[j]] = true;
            for (int64_t i = 0; i < top[t].count; i++) {
                int32_t best = -1;
                double most = -INFINITY;
                for (int32_t j = LO; j < HI; j++) {
                    const real *x = items + j * D;
                    double z = dot(q + t * D, x, D) / sqrt(dot(x, x, D));
                    if (!taken[j] && z > most * (1 + 1e-6 * (most > 0 ? 1 : -1)))
                        best = j, most = z;
                }
                cr_expect_eq(list[t * K + i].item, best, "sample %d, place %d: %d, want %d", t,
                             (int)i, list[t * K + i].item, best);
                taken[best] = true;
            }
        }
        mem_free(out);
    }
    cr_expect_eq(list[0].item, 700); /* 30 was excluded, being the smaller of the two */
    mem_free(items);
    mem_free(q);
    arena_free(&arena);
}

/* Two terms of two heads each, and one softmax alone; more samples than are ranked at a time, some
 * without a state. Every target has a copy in another chunk, which ties with it. Samples are ranked
 * as they are alone, and by the listed items alone as beside all. */
static void check_parts(bool several) {
    enum { N = 1300, B = 600, FAR = 640, LISTED = 20, D = 16 };
    struct arena arena = {0};
    real *items = mem_alloc(N * D, sizeof *items), *q = mem_alloc(2 * B * D, sizeof *q);
    static int32_t target[B], listed[B * LISTED];
    static int64_t offsets[B + 1];
    static bool present[2][B];
    static struct rank_count full[B], sampled[B], only[B];
    for (int64_t i = 0; i < N * D; i++)
        items[i] = (real)rng_normal(check_key(100), (uint64_t)i);
    memcpy(items + FAR * D, items, FAR * D * sizeof *items);
    for (int64_t i = 0; i < 2 * B * D; i++)
        q[i] = (real)rng_normal(check_key(101), (uint64_t)i);
    for (int t = 0; t < B; t++) {
        target[t] = t;
        present[0][t] = t % 7 != 3;
        present[1][t] = t % 5 != 3;
        for (int k = 0; k < LISTED; k++)
            listed[t * LISTED + k] = t + 1 + k / 2 * (FAR / 10 + 1);
        listed[t * LISTED + LISTED - 1] = t + FAR;
        offsets[t + 1] = (t + 1) * LISTED;
    }
    struct rank_lists lists = {offsets, listed};
    struct ranking r = {.query = {.samples = B, .hi = N},
                        .target = target,
                        .negatives = &lists,
                        .full = full,
                        .sampled = sampled};
    for (int s = 0; s < 1 + several; s++) {
        struct query_term *term =
            query_add_term(&r.query, s ? 0.3 : 1, present[s], FUSION_PROBABILITY);
        for (int m = 0; m < 1 + several; m++) {
            struct query_head *head = query_add_head(&r.query, term);
            head->q = q + s * B * D, head->items = items, head->dim = D, head->eps = m ? 0 : EPS;
            head->weight = several ? 0.5 : 1;
        }
    }
    cr_assert_eq(rank_targets(&arena, &r), STATUS_OK);
    r.full = NULL, r.sampled = only;
    cr_assert_eq(rank_targets(&arena, &r), STATUS_OK);
    for (int t = 0; t < B; t++) {
        struct rank_count alone;
        struct ranking one = r;
        one.query = query_part(&r.query, t, 1);
        one.target = target + t;
        one.negatives = NULL;
        one.full = &alone;
        cr_expect(sampled[t].above == only[t].above && sampled[t].equal == only[t].equal &&
                      only[t].all == LISTED && sampled[t].all == LISTED,
                  "sample %d: listed alone", t);
        if (present[0][t] || (several && present[1][t]))
            cr_expect(full[t].equal == 1 && sampled[t].equal >= 1, "sample %d: %d equal", t,
                      (int)full[t].equal);
        else
            cr_expect(full[t].equal == N - 1 && sampled[t].equal == LISTED, "sample %d", t);
        if (t % 50)
            continue;
        cr_assert_eq(rank_targets(&arena, &one), STATUS_OK);
        cr_expect(alone.above == full[t].above && alone.equal == full[t].equal, "sample %d alone",
                  t);
    }
    mem_free(items);
    mem_free(q);
    arena_free(&arena);
}

Test(rank, parts_of_many_samples) {
    check_parts(true);
    check_parts(false);
}

/* A share of a softmax, and what is added to the scores of a few items, among them the target and its
 * copy in another chunk, to which another target adds nothing. More samples than are ranked at a time:
 * each is ranked as by the definition, and as alone; the best items have the greatest scores. */
Test(rank, mixture) {
    enum { N = 1300, B = 600, FAR = 640, FEW = 5, K = 4, D = 16 };
    struct arena arena = {0};
    real *items = mem_alloc(N * D, sizeof *items), *q = mem_alloc(B * D, sizeof *q);
    static int32_t target[B], item[B * FEW];
    static real share[B], value[B * FEW];
    static bool present[B];
    static struct rank_count full[B];
    static struct top_item list[B * K];
    static struct top top[B];
    for (int64_t i = 0; i < N * D; i++)
        items[i] = (real)rng_normal(check_key(110), (uint64_t)i);
    memcpy(items + FAR * D, items, FAR * D * sizeof *items);
    for (int64_t i = 0; i < B * D; i++)
        q[i] = (real)rng_normal(check_key(111), (uint64_t)i);
    for (int t = 0; t < B; t++) {
        present[t] = true;
        target[t] = t;
        share[t] = (real)(0.1 + 0.8 * rng_uniform(check_key(112), (uint64_t)t));
        top[t] = (struct top){list + t * K, K, 0};
        for (int k = 0; k < FEW; k++) {
            item[t * FEW + k] = k == 0 ? t + (t % 3 == 0) : k == 1 ? t + FAR : 1290 - k;
            value[t * FEW + k] = k < 2 ? (real)(0.01 * (t % 5)) : (real)(0.003 * k);
        }
        item[t * FEW + FEW - 1] = -1;
    }
    struct ranking r = {
        .query = one_head(q, present, B, items, D, EPS, 0, N), .target = target, .full = full};
    r.query.term[0].share = share;
    r.query.added = (struct query_added){FEW, item, value};
    cr_assert_eq(rank_targets(&arena, &r), STATUS_OK);
    cr_assert_eq(rank_top(&arena, &r, K, top), STATUS_OK);
    for (int t = 0; t < B; t += 7) {
        double score[N], sum = 0;
        struct rank_count want = {.all = N - 1}, alone;
        struct ranking one = r;
        for (int64_t i = 0; i < N; i++) {
            const real *x = items + i * D;
            sum += score[i] = exp(dot(q + t * D, x, D) / sqrt(dot(x, x, D)));
        }
        for (int64_t i = 0; i < N; i++)
            score[i] *= (double)share[t] / sum;
        for (int k = 0; k < FEW; k++)
            if (item[t * FEW + k] >= 0)
                score[item[t * FEW + k]] += (double)value[t * FEW + k];
        for (int64_t i = 0; i < N; i++) {
            bool equal = fabs(score[i] - score[t]) <= 100 * (double)REAL_EPS * score[t];
            want.above += !equal && score[i] > score[t];
            want.equal += equal && i != t;
        }
        cr_expect(full[t].above == want.above && full[t].equal == want.equal &&
                      full[t].all == want.all,
                  "sample %d: %ld above and %ld equal, not %ld and %ld", t, (long)full[t].above,
                  (long)full[t].equal, (long)want.above, (long)want.equal);
        for (int k = 0; k < K; k++) {
            int64_t better = 0;
            for (int64_t i = 0; i < N; i++)
                better += score[i] > score[top[t].list[k].item] * (1 + 100 * (double)REAL_EPS);
            cr_expect_leq(better, k, "sample %d: the best %d", t, k);
        }
        one.query = query_part(&r.query, t, 1);
        one.target = target + t;
        one.full = &alone;
        cr_assert_eq(rank_targets(&arena, &one), STATUS_OK);
        cr_expect(alone.above == full[t].above && alone.equal == full[t].equal, "sample %d alone",
                  t);
    }
    mem_free(items);
    mem_free(q);
    arena_free(&arena);
}

/* Scores that the model gives itself. */
static double given_score(int64_t state, int64_t item) {
    return (double)(item * state & 31) / 7;
}

static void score_by_hand(const void *context, const void *state, int64_t samples,
                          const struct chunk *chunk, int thread, real *out) {
    int64_t *calls = (int64_t *)(uintptr_t)context;
    for (int64_t t = 0; t < samples; t++)
        for (int64_t i = 0; i < chunk->width; i++)
            out[t * CHUNK + i] = (real)given_score(((const int32_t *)state)[t], chunk->lo + i);
    calls[thread]++;
}

/* Ranks among all candidates and among listed ones, and the best items, of scores of 32 values. */
Test(rank, scores_of_the_model) {
    enum { N = 1500, LO = 20, HI = 1450, B = 3, K = 9, LISTED = 40, THREADS = 64 };
    struct arena arena = {0};
    const int32_t state[B] = {3, 7, 11}, target[B] = {20, 700, 1449};
    int64_t calls[THREADS] = {0}, offsets[B + 1];
    int32_t listed[B * LISTED];
    struct rank_count full[B], sampled[B];
    struct top_item list[B * K];
    struct top top[B];
    struct rank_lists negatives = {offsets, listed};
    for (int t = 0; t <= B; t++)
        offsets[t] = t * LISTED;
    for (int k = 0; k < B * LISTED; k++)
        listed[k] = 30 + 35 * (k % LISTED);
    struct ranking r = {.query = {.samples = B, .lo = LO, .hi = HI},
                        .target = target,
                        .negatives = &negatives,
                        .full = full,
                        .sampled = sampled};
    r.query.scorer = (struct query_scorer){
        .score = score_by_hand, .context = calls, .state = state, .bytes = 4, .flops = 5};
    cr_expect_eq(query_flops(&r.query), 5.0 * B * (HI - LO));
    cr_assert_eq(rank_targets(&arena, &r), STATUS_OK);
    cr_expect_gt(calls[0], 0);
    for (int t = 0; t < B; t++) {
        struct rank_count want = {.all = HI - LO - 1}, of_listed = {.all = LISTED};
        double own = given_score(state[t], target[t]);
        for (int64_t i = LO; i < HI; i++) {
            want.above += given_score(state[t], i) > own;
            want.equal += i != target[t] && given_score(state[t], i) == own;
        }
        for (int k = 0; k < LISTED; k++) {
            of_listed.above += given_score(state[t], listed[k]) > own;
            of_listed.equal += given_score(state[t], listed[k]) == own;
        }
        cr_expect(full[t].above == want.above && full[t].equal == want.equal &&
                  full[t].all == want.all);
        cr_expect(sampled[t].above == of_listed.above && sampled[t].equal == of_listed.equal);
        cr_expect_gt(want.equal, 0, "there are ties");
        top[t] = (struct top){list + t * K, K, 0};
    }
    cr_assert_eq(rank_top(&arena, &r, K, top), STATUS_OK);
    for (int t = 0; t < B; t++) /* items of the best value, the first of them */
        for (int64_t i = LO, k = 0; k < K; i++)
            if (given_score(state[t], i) == given_score(1, 31))
                cr_expect_eq(top[t].list[k++].item, i, "sample %d", t);
    arena_free(&arena);
}

/* ---- several queries together ---- */

enum {
    BLEND_N = 1300,
    BLEND_B = 300,
    BLEND_D = 16,
    BLEND_LO = 30,
    BLEND_HI = 1290,
    BLEND_FAR = 640
};

/* Three queries: one softmax; two, of which one sample in eleven has neither and others lack one, and what
 * is added to the target and its copy; scores of a model of its own. */
struct blended {
    real *items,
        *q; /* [BLEND_N, BLEND_D] BLEND_FAR rows of which stand twice; [3][BLEND_B, BLEND_D] */
    bool present[3][BLEND_B];
    int32_t target[BLEND_B], state[BLEND_B], item[2 * BLEND_B];
    real value[2 * BLEND_B];
    int64_t calls[64];
    struct query part[3];
};

static void blended_open(struct blended *f) {
    f->items = mem_alloc(BLEND_N * BLEND_D, sizeof *f->items);
    f->q = mem_alloc(3 * BLEND_B * BLEND_D, sizeof *f->q);
    for (int64_t i = 0; i < BLEND_N * BLEND_D; i++)
        f->items[i] = (real)rng_normal(check_key(120), (uint64_t)i);
    memcpy(f->items + BLEND_FAR * BLEND_D, f->items, BLEND_FAR * BLEND_D * sizeof *f->items);
    for (int64_t i = 0; i < 3 * BLEND_B * BLEND_D; i++)
        f->q[i] = (real)rng_normal(check_key(121), (uint64_t)i);
    for (int t = 0; t < BLEND_B; t++) {
        f->present[0][t] = true;
        f->present[1][t] = t % 11 && t % 4;
        f->present[2][t] = t % 11 && t % 3;
        f->target[t] = BLEND_LO + t;
        f->state[t] = t; /* of multiples of 32 all scores are the same */
        f->item[2 * t] = t % 11 ? f->target[t] : -1;
        f->item[2 * t + 1] = f->target[t] + BLEND_FAR;
        f->value[2 * t] = f->value[2 * t + 1] = t % 11 ? (real)0.02 : 0;
    }
    f->part[0] = one_head(f->q, f->present[0], BLEND_B, f->items, BLEND_D, 0, BLEND_LO, BLEND_HI);
    f->part[1] = one_head(f->q + BLEND_B * BLEND_D, f->present[1], BLEND_B, f->items, BLEND_D, EPS,
                          BLEND_LO, BLEND_HI);
    struct query_head *head = query_add_head(
        &f->part[1], query_add_term(&f->part[1], 0.3, f->present[2], FUSION_PROBABILITY));
    head->q = f->q + 2 * BLEND_B * BLEND_D, head->items = f->items, head->dim = BLEND_D;
    f->part[1].added = (struct query_added){2, f->item, f->value};
    f->part[2] = (struct query){.samples = BLEND_B, .lo = BLEND_LO, .hi = BLEND_HI};
    f->part[2].scorer = (struct query_scorer){
        .score = score_by_hand, .context = f->calls, .state = f->state, .bytes = 4, .flops = 5};
}

static void blended_close(struct blended *f) {
    mem_free(f->items);
    mem_free(f->q);
    mem_free(f);
}

/* y += weight softmax of the products of sample t's state s with the items. */
static void add_softmax(const struct blended *f, int s, int t, double weight, bool divided,
                        double y[BLEND_N]) {
    double z[BLEND_N], sum = 0;
    for (int64_t i = BLEND_LO; i < BLEND_HI; i++) {
        const real *x = f->items + i * BLEND_D;
        z[i] = dot(f->q + (s * BLEND_B + t) * BLEND_D, x, BLEND_D);
        z[i] = exp(divided ? z[i] / sqrt(dot(x, x, BLEND_D)) : z[i]);
        sum += z[i];
    }
    for (int64_t i = BLEND_LO; i < BLEND_HI && f->present[s][t]; i++)
        y[i] += weight * z[i] / sum;
}

/* score += what a part gives, less its mean, divided by its standard deviation and the three parts. */
static void add_standardised(const double y[BLEND_N], double score[BLEND_N]) {
    double n = BLEND_HI - BLEND_LO, mean = 0, square = 0;
    for (int64_t i = BLEND_LO; i < BLEND_HI; i++)
        mean += y[i] / n;
    for (int64_t i = BLEND_LO; i < BLEND_HI; i++)
        square += (y[i] - mean) * (y[i] - mean) / n;
    for (int64_t i = BLEND_LO; i < BLEND_HI && square > 1e-9; i++)
        score[i] += (y[i] - mean) / sqrt(square) / 3;
}

static void blended_plainly(const struct blended *f, int t, double score[BLEND_N]) {
    double one[BLEND_N] = {0}, two[BLEND_N] = {0}, own[BLEND_N];
    memset(score, 0, BLEND_N * sizeof *score);
    add_softmax(f, 0, t, 1, false, one);
    add_softmax(f, 1, t, 1, true, two);
    add_softmax(f, 2, t, 0.3, false, two);
    for (int k = 2 * t; k < 2 * t + 2; k++)
        if (f->item[k] >= 0)
            two[f->item[k]] += (double)f->value[k];
    for (int64_t i = BLEND_LO; i < BLEND_HI; i++) {
        one[i] = log(one[i]);
        two[i] = log(fmax(two[i], 1e-30));
        own[i] = given_score(f->state[t], i);
    }
    add_standardised(one, score);
    add_standardised(two, score);
    add_standardised(own, score);
}

/* Errors of the logs are about those of logits, a few d eps of |q| |e|, below 100 here, over a deviation
 * of 1 or more. A variance is the difference of two sums of BLEND_N terms in double precision, of which it is
 * 1e-3 or more, so that its relative error is below 1e3 BLEND_N eps; that of a deviation is half of it, and
 * scores are below 10. */
static const double blend_tolerance = 1000 * (double)REAL_EPS + 5e3 * BLEND_N * DBL_EPSILON;

static void expect_rank(const struct blended *f, int t, const double *score,
                        const struct rank_count *got) {
    int64_t above = 0, near = 0;
    for (int64_t i = BLEND_LO; i < BLEND_HI; i++) {
        double more = score[i] - score[f->target[t]];
        above += more > blend_tolerance;
        near += i != f->target[t] && fabs(more) <= blend_tolerance;
    }
    cr_expect(got->all == BLEND_HI - BLEND_LO - 1 && got->above >= above &&
                  got->above + got->equal <= above + near,
              "sample %d: %ld above and %ld equal, not %ld and %ld", t, (long)got->above,
              (long)got->equal, (long)above, (long)near);
}

/* Scores and ranks are those of the definition, also where sampled items are ranked alone, and those of
 * a sample by itself. */
Test(rank, several_together) {
    static struct rank_count full[BLEND_B], sampled[BLEND_B];
    static int64_t offsets[BLEND_B + 1];
    static int32_t listed[BLEND_B];
    static double score[BLEND_N];
    enum { WIDTH = BLEND_HI - BLEND_LO };
    struct blended *f = mem_zero(1, sizeof *f);
    struct arena arena = {0};
    struct rank_lists negatives = {offsets, listed};
    blended_open(f);
    real *scores = mem_alloc(BLEND_B * WIDTH, sizeof *scores);
    for (int t = 0; t < BLEND_B; t++)
        offsets[t + 1] = t + 1, listed[t] = f->target[t] + BLEND_FAR; /* the target's copy */
    struct ranking r = {.query = query_together(f->part, 3), .target = f->target, .full = full};
    r.scores = scores;
    cr_expect_eq(query_flops(&r.query),
                 query_flops(&f->part[0]) + query_flops(&f->part[1]) + query_flops(&f->part[2]));
    cr_assert_eq(rank_targets(&arena, &r), STATUS_OK);
    r.full = NULL, r.negatives = &negatives, r.sampled = sampled, r.scores = NULL;
    cr_assert_eq(rank_targets(&arena, &r), STATUS_OK);
    for (int t = 0; t < BLEND_B; t += 3) {
        struct rank_count alone;
        struct ranking one = {.query = query_part(&r.query, t, 1), .full = &alone};
        one.target = f->target + t;
        blended_plainly(f, t, score);
        for (int64_t i = BLEND_LO; i < BLEND_HI; i++)
            cr_assert_float_eq((double)scores[t * WIDTH + i - BLEND_LO], score[i], blend_tolerance,
                               "sample %d, item %d: %.9g and not %.9g", t, (int)i,
                               (double)scores[t * WIDTH + i - BLEND_LO], score[i]);
        expect_rank(f, t, score, &full[t]);
        cr_assert_eq(rank_targets(&arena, &one), STATUS_OK);
        cr_expect(alone.above == full[t].above && alone.equal == full[t].equal, "sample %d alone",
                  t);
        double more = score[listed[t]] - score[f->target[t]];
        cr_expect_eq(sampled[t].all, 1);
        cr_expect_eq(sampled[t].above, more > blend_tolerance, "sample %d: its copy", t);
    }
    mem_free(scores);
    blended_close(f);
    arena_free(&arena);
}

/* An item and its copy tie, whatever the parts. */
Test(rank, equal_rows_tie_together) {
    static struct rank_count full[BLEND_B];
    struct blended *f = mem_zero(1, sizeof *f);
    struct arena arena = {0};
    blended_open(f);
    struct ranking r = {.query = query_together(f->part, 2), .target = f->target, .full = full};
    cr_assert_eq(rank_targets(&arena, &r), STATUS_OK);
    for (int t = 0; t < BLEND_B; t++)
        cr_expect_eq(full[t].equal, 1, "sample %d: %ld equal", t, (long)full[t].equal);
    blended_close(f);
    arena_free(&arena);
}

/* The best items are those of the greatest scores. */
Test(rank, best_items_of_several_together) {
    enum { K = 5 };
    static struct top_item list[BLEND_B * K];
    static struct top top[BLEND_B];
    static double score[BLEND_N];
    struct blended *f = mem_zero(1, sizeof *f);
    struct arena arena = {0};
    blended_open(f);
    struct ranking r = {.query = query_together(f->part, 3)};
    for (int t = 0; t < BLEND_B; t++)
        top[t] = (struct top){list + t * K, K, 0};
    cr_assert_eq(rank_top(&arena, &r, K, top), STATUS_OK);
    for (int t = 0; t < BLEND_B; t += 7) {
        blended_plainly(f, t, score);
        for (int k = 0; k < K; k++) {
            int64_t item = top[t].list[k].item, better = 0;
            for (int64_t i = BLEND_LO; i < BLEND_HI; i++)
                better += score[i] > score[item] + blend_tolerance;
            cr_expect_leq(better, k, "sample %d: the best %d", t, k);
            cr_expect_float_eq((double)top[t].list[k].score, score[item], blend_tolerance);
        }
    }
    blended_close(f);
    arena_free(&arena);
}

/* A score that is not a number is an error, not a rank. */
Test(rank, refuses_nan) {
    real items[2 * 4] = {1, 0, 0, 0, 0, 1, 0, 0}, q[4] = {NAN, 0, 0, 0};
    bool present = true;
    int32_t target = 1;
    struct rank_count full;
    struct arena arena = {0};
    struct ranking r = {
        .query = one_head(q, &present, 1, items, 4, 0, 0, 2), .target = &target, .full = &full};
    cr_expect_eq(rank_targets(&arena, &r), STATUS_FAIL);
    arena_free(&arena);
}

static void score_nan(const void *context, const void *state, int64_t samples,
                      const struct chunk *chunk, int thread, real *out) {
    (void)context, (void)state, (void)samples, (void)chunk, (void)thread;
    out[0] = NAN;
}

Test(rank, refuses_nan_of_the_model) {
    int32_t target = 1;
    struct rank_count full;
    struct arena arena = {0};
    struct ranking r = {.query = {.samples = 1, .hi = 2}, .target = &target, .full = &full};
    r.query.scorer.score = score_nan;
    cr_expect_eq(rank_targets(&arena, &r), STATUS_FAIL);
    arena_free(&arena);
}

/* exp by the polynomial against the library's. */
Test(softmax, exponential) {
    double worst = 0;
    for (int i = 0; i <= 20000; i++) {
        real z = -(real)i * (real)0.004, got = z;
        exp_shifted(1, 0, &got);
        worst = fmax(worst, fabs((double)got / exp((double)z) - 1));
    }
    cr_expect(worst <= 4 * (double)REAL_EPS, "relative error %.3g", worst);
}
