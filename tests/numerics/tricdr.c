/* Tri-CDR, and the losses that it brings. */
#include "tests/reference/tricdr.h"
#include "core/models/registry.h"
#include "core/ops/embedding.h"
#include "core/ops/norm.h"
#include "core/ops/nt_xent.h"
#include "core/ops/triplet.h"
#include "model_check.h"
#include "tests/balanced.h"

BALANCED(tricdr, .init = models_register);

/* ---- the model ---- */

static void batch_losses(const struct reference *r, const bool *marked, double *mean) {
    (void)marked;
    ref_tri_last(r, mean);
}

static void losses(const struct reference *r, const int32_t *items, int64_t length, double *sum,
                   int64_t *count) {
    *sum += ref_tri_sequence(r, items, length, count);
}

/* There are thousands of rectifiers. */
static const struct model_reference reference = {.step = 1e-7,
                                                 .prepare = ref_prepare_tri,
                                                 .losses = losses,
                                                 .batch_losses = batch_losses,
                                                 .scores = ref_tri_scores};

Test(tricdr, agrees_with_its_reference) {
    static const char *const settings[] = {
        "model.name=tricdr model.triple_temperature=0.5",
        "model.name=tricdr train.loss=sampled model.blocks=1 model.triple_margin=0.1",
        "model.name=tricdr model.triple_contrast=0 model.scale=3 train.loss=exact",
        "model.name=tricdr train.target=b model.triple_weight=0",
        "model.name=tricdr model.triple_contrast=0 model.triple_weight=0 train.loss=exact",
    };
    model_check(&reference, settings, sizeof settings / sizeof *settings, 2);
}

/* ---- the losses ---- */

enum { N = 7, D = 5 };

/* A share with samples 2 .. 5 of both views, or with all; the rest are constants. */
struct share {
    int64_t first, own;
};

static struct tensor *unit_rows_of(struct tape *tape, struct check *c, int v, const struct share *s,
                                   const real **all) {
    static int32_t index[N];
    struct tensor *unit = op_unit_norm(tape, tape_param(tape, &c->params, v), (real)1e-8);
    for (int32_t i = 0; i < N; i++)
        index[i] = i;
    *all = unit->x;
    return op_gather(tape, unit, index + s->first, s->own);
}

static double contrast_of(struct tape *tape, struct check *c, const struct share *s) {
    struct nt_xent loss = {
        .n = N, .stride = D, .first = s->first, .temperature = (real)0.5, .weight = 2};
    for (int v = 0; v < 2; v++)
        loss.own[v] = unit_rows_of(tape, c, v, s, &loss.all[v]);
    return nt_xent_loss(tape, &loss);
}

static struct tensor *build_contrast(struct tape *tape, struct check *c) {
    const struct share whole = {0, N};
    c->loss = 2 * contrast_of(tape, c, &whole);
    return NULL;
}

Test(tricdr, contrast_of_the_whole_batch) {
    struct check c = {.build = build_contrast};
    struct tape tape = {0};
    double want = 0, z[2 * N][D];
    check_input(&c, N, D), check_input(&c, N, D);
    check_fill(&c, 1);
    check_gradients(&c);
    for (int i = 0; i < 2 * N; i++) {
        double norm = 0;
        for (int k = 0; k < D; k++) {
            z[i][k] = (double)c.params.list[i / N].tensor.x[i % N * D + k];
            norm += z[i][k] * z[i][k];
        }
        for (int k = 0; k < D; k++)
            z[i][k] /= sqrt(norm);
    }
    for (int i = 0; i < 2 * N; i++) {
        double sum = 0;
        for (int k = 0; k < 2 * N; k++)
            sum += k == i ? 0 : exp(ref_dot(z[i], z[k], D) / 0.5);
        want += log(sum) - ref_dot(z[i], z[(i + N) % (2 * N)], D) / 0.5;
    }
    tape_begin(&tape, false, 0);
    (void)build_contrast(&tape, &c);
    cr_expect_float_eq(c.loss / 2, want, 100 * (double)REAL_EPS * want, "%g, %g", c.loss / 2, want);
    tape_free(&tape);
    check_close(&c);
}

/* The shares' losses are those of the whole batch, and so are their gradients. */
Test(tricdr, contrast_by_shares) {
    const struct share shares[] = {{0, 3}, {3, 0}, {3, 4}}, whole = {0, N};
    struct check c = {0};
    struct tape tape = {0};
    real want[2 * N * D];
    double sum = 0;
    check_input(&c, N, D), check_input(&c, N, D);
    check_fill(&c, 1);
    params_zero_grad(&c.params);
    tape_begin(&tape, true, c.params.count);
    double all = contrast_of(&tape, &c, &whole);
    tape_backward(&tape, NULL, NULL);
    for (int v = 0; v < 2; v++)
        memcpy(want + v * N * D, c.params.list[v].tensor.g, sizeof want / 2);
    params_zero_grad(&c.params);
    for (int i = 0; i < 3; i++) {
        tape_begin(&tape, true, c.params.count);
        sum += contrast_of(&tape, &c, &shares[i]);
        tape_backward(&tape, NULL, NULL);
    }
    cr_expect_float_eq(sum, all, 20 * (double)REAL_EPS * all, "%g, %g", sum, all);
    for (int i = 0; i < 2 * N * D; i++)
        cr_expect_float_eq(c.params.list[i / (N * D)].tensor.g[i % (N * D)], want[i],
                           200 * REAL_EPS);
    tape_free(&tape);
    check_close(&c);
}

static struct tensor *build_triplet(struct tape *tape, struct check *c) {
    struct tensor *x[3];
    for (int k = 0; k < 3; k++)
        x[k] = tape_param(tape, &c->params, k);
    c->loss = 3 * triplet_loss(tape, x[0], x[1], x[2], 0.3, 3);
    return NULL;
}

/* Rows beyond the margin and within it, and one that is the anchor's own. */
Test(tricdr, triplet) {
    struct check c = {.build = build_triplet};
    struct tape tape = {0};
    double want = 0;
    int beyond = 0;
    for (int k = 0; k < 3; k++)
        check_input(&c, N, D);
    check_fill(&c, 1);
    check_gradients(&c);
    for (int i = 0; i < N; i++) {
        double near = 0, far = 0;
        for (int k = i * D; k < (i + 1) * D; k++) {
            double a = (double)c.params.list[0].tensor.x[k];
            near += pow(a - (double)c.params.list[1].tensor.x[k], 2);
            far += pow(a - (double)c.params.list[2].tensor.x[k], 2);
        }
        want += fmax(0, sqrt(near) - sqrt(far) + 0.3);
        beyond += sqrt(near) - sqrt(far) + 0.3 <= 0;
    }
    cr_assert(beyond > 0 && beyond < N);
    tape_begin(&tape, false, 0);
    (void)build_triplet(&tape, &c);
    cr_expect_float_eq(c.loss / 3, want, 50 * (double)REAL_EPS * want, "%g, %g", c.loss / 3, want);
    memcpy(c.params.list[1].tensor.x, c.params.list[0].tensor.x, D * sizeof(real));
    params_zero_grad(&c.params);
    tape_begin(&tape, true, c.params.count);
    (void)build_triplet(&tape, &c);
    cr_expect_eq(c.params.list[1].tensor.g[0], 0);
    tape_free(&tape);
    check_close(&c);
}
