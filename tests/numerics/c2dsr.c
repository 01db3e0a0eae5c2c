/* C2DSR, and what it reads: the graph of items that follow one another. */
#include "tests/reference/c2dsr.h"
#include "core/models/registry.h"
#include "core/ops/sparse_mean.h"
#include "model_check.h"
#include "tests/balanced.h"

BALANCED(c2dsr, .init = models_register);

/* There are rectifiers in five runs of the encoders. */
static const struct model_reference reference = {.step = 1e-7,
                                                 .prepare = ref_prepare_c2dsr,
                                                 .losses = ref_c2dsr_losses,
                                                 .scores = ref_c2dsr_scores};

Test(c2dsr, agrees_with_its_reference) {
    static const char *const settings[] = {
        "model.name=c2dsr model.blocks=1",
        "model.name=c2dsr train.loss=sampled model.last_targets=3",
        "model.name=c2dsr model.infomax_weight=0 model.scale=2 model.last_targets=1",
        "model.name=c2dsr model.infomax_weight=1 model.blocks=1",
    };
    model_check(&reference, settings, sizeof settings / sizeof *settings, 2);
}

/* ---- the graph ---- */

/* Sequences 0 5 1 0 | 5 5 | 2 | 0 5 of the domains 0 .. 3 and 4 .. 6. */
static const int32_t items[] = {0, 5, 1, 0, 5, 5, 2, 0, 5};
static const int64_t offsets[] = {0, 4, 6, 7, 9};

static void expect_row(const struct sparse *m, int32_t item, int64_t n, const int32_t *next,
                       const float *times) {
    int64_t first = m->offsets[item];
    cr_assert_eq(m->offsets[item + 1] - first, n, "item %d", item);
    for (int64_t k = 0; k < n; k++) {
        cr_expect_eq(m->column[first + k], next[k]);
        cr_expect_eq(m->value[first + k], times[k]);
    }
}

Test(c2dsr, counts_what_follows) {
    struct successors s;
    successors_open(&s, offsets, items, 4, 4, 7);
    const struct sparse *any = &s.next[FOLLOW_ANY], *own = &s.next[FOLLOW_OWN];
    expect_row(any, 0, 1, (int32_t[]){5}, (float[]){2});
    expect_row(any, 5, 2, (int32_t[]){1, 5}, (float[]){1, 1});
    expect_row(any, 1, 1, (int32_t[]){0}, (float[]){1});
    expect_row(any, 2, 0, NULL, NULL);
    expect_row(own, 0, 1, (int32_t[]){1}, (float[]){1});
    expect_row(own, 5, 1, (int32_t[]){5}, (float[]){1});
    cr_expect_eq(any->offsets[7], 4);
    cr_expect_eq(own->offsets[7], 3);
    successors_close(&s);
}

Test(c2dsr, selects_rows) {
    struct successors s;
    struct arena arena = {0};
    struct sparse rows;
    int32_t *column;
    successors_open(&s, offsets, items, 4, 4, 7);
    successors_select(&s.next[FOLLOW_ANY], &arena, (int32_t[]){0, 2, 5}, 3, &rows, &column);
    cr_assert_eq(rows.columns, 2);
    cr_expect(column[0] == 1 && column[1] == 5);
    expect_row(&rows, 0, 1, (int32_t[]){1}, (float[]){2});
    expect_row(&rows, 1, 0, NULL, NULL);
    expect_row(&rows, 2, 2, (int32_t[]){0, 1}, (float[]){1, 1});
    arena_free(&arena);
    successors_close(&s);
}

/* ---- means over its rows ---- */

enum { ROWS = 4, COLUMNS = 5, D = 70 };
static int64_t row_offsets[] = {0, 2, 2, 5, 6};
static int32_t column[] = {1, 4, 0, 1, 3, 4};
static float value[] = {1, 3, 2, 5, 1, 7};
static const struct sparse matrix = {ROWS, COLUMNS, row_offsets, column, value};

static struct tensor *build_mean(struct tape *tape, struct check *c) {
    return op_sparse_mean(tape, tape_param(tape, &c->params, 0), &matrix);
}

Test(c2dsr, sparse_mean) {
    struct check c = {.build = build_mean};
    struct tape tape = {0};
    check_input(&c, COLUMNS, D);
    check_fill(&c, 1);
    check_gradients(&c);
    tape_begin(&tape, false, 0);
    const struct tensor *y = build_mean(&tape, &c);
    const real *x = c.params.list[0].tensor.x;
    for (int i = 0; i < ROWS; i++)
        for (int k = 0; k < D; k++) {
            double sum = 0, want = 0;
            for (int64_t e = row_offsets[i]; e < row_offsets[i + 1]; e++) {
                sum += (double)value[e];
                want += (double)value[e] * (double)x[column[e] * D + k];
            }
            want = sum > 0 ? want / sum : 0;
            cr_expect_float_eq((double)y->x[i * D + k], want, 20 * (double)REAL_EPS);
        }
    tape_free(&tape);
    check_close(&c);
}
