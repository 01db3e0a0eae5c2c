/* LLM-EMF under the settings that the golden files do not have: the derivative of the total loss in
 * random directions against the gradient, in double precision; in both, that the loss is finite and
 * that every parameter is named once. */
#include "core/models/model.h"
#include "check.h"
#include "core/models/forward.h"
#include "core/models/registry.h"
#include "core/ops/norm.h"
#include "tests/balanced.h"
#include <stdio.h>

BALANCED(model, .init = models_register);

enum { ITEMS = 40, A_ITEMS = 18, TEXT = 6, USERS = 7, DIRECTIONS = 3, KNOTS = 4 };

struct fixture {
    struct config config;
    struct model model;
    struct batch batch;
    struct item_set set;
    real *text;
    int32_t items[USERS * 12];
    real times[USERS * 12]; /* places of KNOTS knots */
};

static void fixture_open(struct fixture *f, const char *pairs) {
    struct sample samples[USERS];
    memset(f, 0, sizeof *f);
    options_defaults(&f->config);
    check_set_all(&f->config,
                  "model.dim=8 model.blocks=2 model.heads=2 model.modalities=id,text model.dropout=0.3 "
                  "train.negatives=9");
    check_set_all(&f->config, pairs);
    cr_assert_eq(model_configure(&f->config), STATUS_OK, "%s", pairs);
    f->text = mem_alloc(ITEMS * TEXT, sizeof(real));
    for (int64_t i = 0; i < ITEMS * TEXT; i++)
        f->text[i] = (real)(i / TEXT == 5 ? 0 : rng_normal(check_key(60), (uint64_t)i));
    struct catalogue shape = {ITEMS, A_ITEMS, 5, {{0}, {f->text, f->text, TEXT}}};
    if (f->config.model.time == TIME_STATE)
        shape.clock.knots = KNOTS;
    cr_assert_eq(model_create(&f->model, &f->config, &shape, true), STATUS_OK);
    for (int64_t i = 0; i < f->model.params.total; i++) /* away from the small initial values */
        f->model.params.x[i] += (real)(0.3 * rng_normal(check_key(61), (uint64_t)i));
    for (int64_t i = 0; i < USERS * 12; i++) {
        f->items[i] = (int32_t)rng_below(check_key(62), (uint64_t)i, ITEMS);
        f->times[i] = (real)((KNOTS - 1) * rng_uniform(check_key(63), (uint64_t)i));
    }
    for (int u = 0; u < USERS; u++)
        samples[u] = (struct sample){f->items + 12 * u, 2 + rng_below(check_key(63), u, 10), u,
                                     f->times + 12 * u};
    batch_train(&f->batch, samples, USERS, A_ITEMS, 5);
}

static void fixture_close(struct fixture *f) {
    batch_free(&f->batch);
    model_free(&f->model);
    mem_free(f->text);
}

/* The tape always records, as dropout belongs to training. */
static double total_loss(struct fixture *f, struct tape *tape) {
    struct phases phases;
    struct pass pass = {
        .tape = tape, .batch = &f->batch, .step = 3, .shares = 1, .phases = &phases};
    bool by_rows = model_by_rows(&f->model);
    double total = 0;
    model_count(&f->model, &f->batch, pass.count);
    phases_start(&phases, PHASE_FORWARD);
    tape_begin(tape, true, f->model.params.count);
    params_zero_grad(&f->model.params);
    if (by_rows) {
        model_items(&f->model, tape, &f->batch, pass.step, &f->set);
        model_fill_items(&f->model, &f->set);
    }
    model_forward(&f->model, &pass, by_rows ? &f->set : NULL);
    for (int k = 0; k < f->model.losses; k++)
        total += f->model.loss[k].weight * pass.loss[k] / (double)pass.count[k];
    return total;
}

/* The whole gradient; that of a table by rows is where the item set has it. */
static void copy_gradient(const struct fixture *f, real *g) {
    const struct params *p = &f->model.params;
    memset(g, 0, (size_t)p->total * sizeof *g);
    memcpy(g, p->g, (size_t)p->dense * sizeof *g);
    for (int m = 0; m < f->model.tables; m++) {
        int table = f->model.table[m].param;
        if (table < 0 || !p->list[table].by_rows)
            continue;
        int64_t d = p->list[table].cols;
        for (int64_t i = 0; i < f->set.n; i++)
            memcpy(g + p->list[table].at + f->set.item[i] * d, f->set.table[m]->g + i * d,
                   (size_t)d * sizeof *g);
    }
}

static double moved_loss(struct fixture *f, struct tape *tape, const real *x, uint64_t key,
                         double step) {
    for (int64_t i = 0; i < f->model.params.total; i++)
        f->model.params.x[i] = x[i] + (real)(step * rng_normal(key, (uint64_t)i));
    return total_loss(f, tape);
}

static void check_directions(struct fixture *f, const char *pairs) {
    struct tape tape = {0};
    int64_t n = f->model.params.total;
    real *x = mem_alloc(n, sizeof *x), *g = mem_alloc(n, sizeof *g);
    memcpy(x, f->model.params.x, (size_t)n * sizeof *x);
    cr_expect(isfinite(total_loss(f, &tape)), "%s", pairs);
    tape_backward(&tape, NULL, NULL);
    copy_gradient(f, g);
    for (uint64_t k = 0; sizeof(real) == sizeof(double) && k < DIRECTIONS; k++) {
        double h = 1e-6, want = 0, got;
        for (int64_t i = 0; i < n; i++)
            want += (double)g[i] * rng_normal(check_key(70 + k), (uint64_t)i);
        got = (moved_loss(f, &tape, x, check_key(70 + k), h) -
               moved_loss(f, &tape, x, check_key(70 + k), -h)) /
              (2 * h);
        cr_expect(fabs(got - want) <= 1e-6 * (1 + fabs(want)), "%s: %.10g, gradient says %.10g",
                  pairs, got, want);
    }
    mem_free(x);
    mem_free(g);
    tape_free(&tape);
}

static const char *const settings[] = {
    "train.loss=exact",
    "train.loss=sampled model.scale=learned",
    "train.loss=sampled model.mixed_softmax=all",
    "model.share_encoders=none model.scale=learned",
    "model.feature_proj=4",
    "model.feature_proj=4 train.loss=sampled model.fusion=logit",
    "model.scale=7.5 model.fusion_weights=2,3",
    "train.target=b model.mixed_softmax=all model.fusion=logit",
    "train.target=a model.blocks=0",
    "model.modalities=id",
    "model.output_table=untied",
    "model.output_table=untied train.loss=sampled model.fusion=logit",
    "model.modalities=id train.loss=sampled",
    "train.loss=sampled model.feature_proj=4 train.target=a",
    "train.loss=sampled train.logq=true",
    "train.loss=gbce model.fusion=logit",
    "train.loss=gbce model.modalities=id train.gbce_t=1",
    "train.loss=bce model.modalities=id",
    "train.loss=bce model.modalities=id train.bce_negatives=3 model.mixed_softmax=all",
    "model.time=state",
    "model.time=state model.share_encoders=none model.blocks=0 train.loss=sampled",
};

Test(model, gradients) {
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        struct fixture f;
        fixture_open(&f, settings[i]);
        check_directions(&f, settings[i]);
        fixture_close(&f);
    }
}

/* In bfloat16 a product is off by 2^-7 of the size of its addends, and a gradient goes through
 * 4 * blocks + 1 products forward and as many back; what layer norm, unit norm and softmax make of
 * an error is of its size. A unit of a feed-forward layer so near to zero that rounding switches it on or off
 * changes the gradient by more: these parameters have none. A gradient as good as that of float32 was not in
 * bfloat16. */
static void compare_precisions(struct fixture *f, const char *pairs) {
    struct tape tape = {0};
    int64_t n = f->model.params.total, products = 2 * (4 * f->config.model.blocks + 1);
    double *want = mem_alloc(n, sizeof *want), loss[2], distance;
    real *g = mem_alloc(n, sizeof *g);
    for (int bf16 = 0; bf16 < 2; bf16++) {
        f->config.train.precision = bf16 ? PRECISION_BF16 : PRECISION_FP32;
        loss[bf16] = total_loss(f, &tape);
        tape_backward(&tape, NULL, NULL);
        copy_gradient(f, g);
        for (int64_t i = 0; !bf16 && i < n; i++)
            want[i] = (double)g[i];
    }
    distance = check_distance(g, want, n);
    cr_expect(fabs(loss[1] - loss[0]) <= (double)products / 2 * ldexp(1, -7) * loss[0],
              "%s: loss %.9g, in float32 %.9g", pairs, loss[1], loss[0]);
    cr_expect(distance <= (double)products * ldexp(1, -7) && distance > ldexp(1, -14),
              "%s: gradients at a relative distance of %.3g", pairs, distance);
    mem_free(want);
    mem_free(g);
    tape_free(&tape);
}

Test(model, bf16) {
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        struct fixture f;
        fixture_open(&f, settings[i]);
        compare_precisions(&f, settings[i]);
        fixture_close(&f);
    }
}

static double loss_under(const char *pairs) {
    struct tape tape = {0};
    struct fixture f;
    fixture_open(&f, pairs);
    double loss = total_loss(&f, &tape);
    tape_free(&tape);
    fixture_close(&f);
    return loss;
}

/* Corrected for the draws, n negatives estimate the exact normaliser. With logits in [-2, 2] no
 * exponential is more than e^4 times their mean, so that one standard error is below e^4 / sqrt(n)
 * = 0.15 of it, and the losses of the three streams, weighted 1, 1 and 0.1, are off by 0.32.
 * Uncorrected, thousands of times as many terms make each loss larger by their logarithm. */
Test(model, corrected_negatives_estimate_the_exact_loss) {
    const char *common = "model.modalities=id model.dropout=0 model.scale=2 train.negatives=130000 "
                         "train.reproducible=true"; /* one layout of the parameters for all */
    char pairs[256];
    snprintf(pairs, sizeof pairs, "%s train.loss=exact", common);
    double exact = loss_under(pairs);
    snprintf(pairs, sizeof pairs, "%s train.loss=sampled train.logq=true", common);
    double corrected = loss_under(pairs);
    snprintf(pairs, sizeof pairs, "%s train.loss=sampled", common);
    cr_expect(fabs(corrected - exact) < 0.32, "%g, exactly %g", corrected, exact);
    cr_expect(loss_under(pairs) > exact + 10);
}

/* The rows of knots of the shared encoders, of dimension d; NULL where there are none. */
static real *knot_rows(struct fixture *f, const char *modality) {
    char name[64];
    snprintf(name, sizeof name, "enc.shared.%s.time", modality);
    struct param *p = params_find(&f->model.params, name);
    return p ? p->tensor.x : NULL;
}

enum rows { ROWS_ZERO, ROWS_OF_KNOT_1, ROWS_ALIKE };

/* The loss with `rows` at the knots, each event at place `at`, or where that is below zero, its own. */
static double loss_with(enum rows rows, double at) {
    static const char *const modality[2] = {"id", "text"};
    struct tape tape = {0};
    struct fixture f;
    fixture_open(&f, "model.time=state model.dropout=0");
    for (int m = 0; m < 2; m++)
        for (int64_t i = 0, d = m ? TEXT : 8; i < KNOTS * d; i++) {
            bool same = rows == ROWS_ALIKE || (rows == ROWS_OF_KNOT_1 && i / d == 1);
            knot_rows(&f, modality[m])[i] = (real)(same ? rng_normal(check_key(71), i % d) : 0);
        }
    for (int s = 0; s < STREAMS && at >= 0; s++)
        for (int64_t t = 0; t < f.batch.stream[s].tokens; t++)
            f.batch.stream[s].times[t] = (real)at;
    double loss = total_loss(&f, &tape);
    tape_free(&tape);
    fixture_close(&f);
    return loss;
}

/* A state is moved by what its own time says: by nothing where all rows are zero, as without times; by
 * the row of the knot that it stands at; by as much at any time where all knots say the same. */
Test(model, states_move_with_their_time) {
    double eps = sizeof(real) == sizeof(double) ? 1e-12 : 1e-5, moved = loss_with(ROWS_ALIKE, -1);
    double still = loss_with(ROWS_ZERO, -1);
    cr_expect_float_eq(loss_with(ROWS_OF_KNOT_1, 1), moved, eps * moved);
    cr_expect_float_eq(loss_with(ROWS_OF_KNOT_1, 2), still, eps * still);
    cr_expect_float_eq(loss_with(ROWS_ALIKE, 2), moved, eps * moved);
    cr_expect_gt(fabs(moved - still), 1e-3);
    cr_expect_gt(fabs(loss_with(ROWS_OF_KNOT_1, -1) - still), 1e-3);
    cr_expect_gt(fabs(loss_with(ROWS_OF_KNOT_1, -1) - moved), 1e-3);
}

static bool has(const struct fixture *f, const char *name) {
    return params_find(&f->model.params, name) != NULL;
}

Test(model, parameters_follow_the_settings) {
    struct fixture f;
    fixture_open(&f, "model.blocks=1 model.scale=learned model.share_encoders=none");
    cr_expect(has(&f, "embed.id") && has(&f, "fusion.w") && has(&f, "scale.text"));
    cr_expect(has(&f, "enc.mixed.text.0.attn.qkv.w") && !has(&f, "enc.mixed.text.1.attn.qkv.w"));
    for (int i = 0; i < f.model.params.count; i++)
        cr_expect_eq(params_find(&f.model.params, f.model.params.list[i].name),
                     &f.model.params.list[i], "two parameters named %s",
                     f.model.params.list[i].name);
    fixture_close(&f);
    fixture_open(&f, "model.fusion_weights=1,1");
    cr_expect(!has(&f, "scale.id") && !has(&f, "fusion.w"));
    cr_expect(has(&f, "enc.shared.id.pos") && !has(&f, "enc.a.id.pos"));
    fixture_close(&f);
    fixture_open(&f, "model.fusion=logit model.feature_proj=4");
    cr_expect(has(&f, "proj.text.w") && has(&f, "proj.text.b") && !has(&f, "fusion.w"));
    fixture_close(&f);
}

/* The same seed gives the same start, another one another. */
Test(model, initial_values_depend_on_the_seed_alone) {
    struct fixture a, b, c;
    fixture_open(&a, "model.blocks=1");
    fixture_open(&b, "model.blocks=1");
    cr_expect_eq(params_hash(&a.model.params), params_hash(&b.model.params));
    fixture_open(&c, "model.blocks=1 run.seed=2");
    cr_expect_neq(params_hash(&a.model.params), params_hash(&c.model.params));
    batch_free(&a.batch), batch_free(&b.batch), batch_free(&c.batch);
    model_free(&a.model), model_free(&b.model), model_free(&c.model);
    mem_free(a.text), mem_free(b.text), mem_free(c.text);
}

/* A parameter's values without what fixture_open moved them by. */
static double initial(const struct fixture *f, const char *name, int64_t i) {
    const struct param *p = params_find(&f->model.params, name);
    return (double)p->tensor.x[i] - 0.3 * rng_normal(check_key(61), (uint64_t)(p->at + i));
}

/* Queries and keys: the random maps and 0.3 of the identity. Values: the identity. Behind them its half.
 * Of a model that has no other beginning, random maps alone. */
Test(model, attention_begins_as_half_a_mean) {
    enum { D = 8 };
    static const char qkv[] = "enc.shared.id.1.attn.qkv.w", out[] = "enc.shared.id.1.attn.out.w";
    struct fixture random, mean;
    double eps = 1e-6;
    fixture_open(&random, "model.attention_init=random");
    fixture_open(&mean, "model.attention_init=auto");
    for (int64_t i = 0; i < 3 * D * D; i++) {
        int64_t row = i / D, identity = row % D == i % D;
        double drawn = row < 2 * D ? initial(&random, qkv, i) : 0;
        double added = row < 2 * D ? 0.3 : 1;
        cr_expect_float_eq(initial(&mean, qkv, i), drawn + added * (double)identity, eps, "row %d",
                           (int)row);
        cr_expect_leq(fabs(initial(&random, qkv, i)), 1 / sqrt(D) + eps);
    }
    for (int64_t i = 0; i < D * D; i++)
        cr_expect_float_eq(initial(&mean, out, i), i / D == i % D ? 0.5 : 0, eps);
    cr_expect_float_eq(initial(&mean, "enc.shared.id.1.attn.qkv.b", 3), 0, eps);
    cr_expect_float_eq(initial(&mean, "enc.shared.id.1.attn.out.b", 3), 0, eps);
    fixture_close(&random);
    fixture_close(&mean);
    fixture_open(&random, "model.name=sasrec model.modalities=id");
    cr_expect_leq(fabs(initial(&random, "enc.mixed.id.0.attn.qkv.w", 0)), 1 / sqrt(D) + eps);
    cr_expect_neq(initial(&random, "enc.mixed.id.0.attn.out.w", 0), 0.5);
    fixture_close(&random);
}

/* Rows of the table at the norm of random rows; where the table has none, the random ones. So does the
 * table that ids are ranked by. */
Test(model, id_starts_from_a_table) {
    struct fixture f;
    real rows[ITEMS * 8];
    fixture_open(&f, "model.blocks=1 model.output_table=untied");
    const real *id = params_find(&f.model.params, "embed.id")->tensor.x;
    const real *output = params_find(&f.model.params, "embed.output")->tensor.x;
    double before = (double)id[5 * 8], other = (double)output[5 * 8], norm = 0.02 * sqrt(8);
    for (int64_t i = 0; i < ITEMS * 8; i++)
        rows[i] = (real)(i / 8 == 5 ? 0 : rng_normal(check_key(64), (uint64_t)i));
    unit_norm_rows(rows, ITEMS, 8);
    cr_expect(!model_init_id(&f.model, rows, 4), "another width");
    cr_expect(model_init_id(&f.model, rows, 8));
    for (int64_t i = 0; i < ITEMS * 8; i++)
        if (i / 8 != 5) {
            cr_expect_float_eq((double)id[i], norm * (double)rows[i], 1e-8, "element %d", (int)i);
            cr_expect_eq(output[i], id[i], "element %d", (int)i);
        }
    cr_expect_eq((double)id[5 * 8], before);
    cr_expect(before != other && (double)output[5 * 8] == other);
    fixture_close(&f);
}

Test(model, refuses_heads_that_do_not_divide_a_table) {
    struct config config;
    struct model model;
    real text[ITEMS * TEXT] = {0};
    struct catalogue shape = {ITEMS, A_ITEMS, 5, {{0}, {text, text, TEXT}}};
    options_defaults(&config);
    check_set_all(&config, "model.dim=8 model.heads=4 model.modalities=id,text");
    cr_assert_eq(model_configure(&config), STATUS_OK);
    cr_expect_eq(model_create(&model, &config, &shape, true), STATUS_INPUT);
}

/* The name of the table that ids are ranked by is its own, and there are ids. */
Test(model, refuses_outputs_of_no_ids) {
    static const char *const refused[] = {
        "model.modalities=text model.output_table=untied",
        "model.modalities=output,id model.output_table=untied",
        "model.modalities=id,t1,t2,t3,t4,t5,t6,t7 model.output_table=untied",
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct config config;
        options_defaults(&config);
        check_set_all(&config, refused[i]);
        cr_expect_eq(model_configure(&config), STATUS_INPUT, "%s", refused[i]);
    }
}
