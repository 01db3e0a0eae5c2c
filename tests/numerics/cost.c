/* The cost model against the model itself: parameters to the last number, memory of a step against
 * the tape's arena, operations against sums written out. */
#include "core/cost.h"
#include "check.h"
#include "core/models/model.h"
#include "tests/balanced.h"
#include <omp.h>
#include <stdio.h>

BALANCED(cost);

enum { ITEMS = 900, X_ITEMS = 300, TEXT = 24, USERS = 60, LENGTH = 30, MAX_LEN = 20 };

struct fixture {
    struct config config;
    struct cost_model cost;
    struct cost_load load;
    struct model model;
    struct batch batch;
    real *text;
    int32_t items[USERS * LENGTH];
};

static void fixture_open(struct fixture *f, const char *pairs) {
    struct sample samples[USERS];
    memset(f, 0, sizeof *f);
    options_defaults(&f->config);
    check_set_all(&f->config,
                  "model.dim=32 model.heads=2 model.modalities=id,text train.negatives=50");
    check_set_all(&f->config, pairs);
    f->text = mem_zero(ITEMS * TEXT, sizeof(real));
    struct model_shape shape = {.items = ITEMS,
                                .x_items = X_ITEMS,
                                .max_len = MAX_LEN,
                                .table = {{0}, {f->text, f->text, TEXT}},
                                .here = {{0, X_ITEMS}, {X_ITEMS, ITEMS}}};
    cr_assert_eq(model_create(&f->model, &f->config, &shape, true), STATUS_OK);
    f->cost = (struct cost_model){&f->config, ITEMS, X_ITEMS, MAX_LEN, {0, TEXT}, 1};
    for (int64_t i = 0; i < USERS * LENGTH; i++)
        f->items[i] = (int32_t)rng_below(check_key(80), (uint64_t)i, ITEMS);
    for (int u = 0; u < USERS; u++) {
        int64_t count[STREAMS][2], n = 4 + rng_below(check_key(81), u, LENGTH - 4);
        samples[u] = (struct sample){f->items + LENGTH * u, n, u};
        batch_count_targets(samples[u].items, n, X_ITEMS, MAX_LEN, count);
        cost_load_add(&f->load, count);
    }
    batch_train(&f->batch, samples, USERS, X_ITEMS, MAX_LEN);
    struct cost_load same = {0};
    cost_load_add_batch(&same, &f->batch, X_ITEMS);
    cr_assert_eq(memcmp(&same, &f->load, sizeof same), 0, "two ways to count a batch");
}

static void fixture_close(struct fixture *f) {
    batch_free(&f->batch);
    model_free(&f->model);
    mem_free(f->text);
}

/* The most that a step takes from the arena. */
static int64_t measured_step(struct fixture *f) {
    struct tape tape = {0};
    struct model_step step = {.step = 1};
    struct phases phases;
    double sum[LOSS_PARTS];
    for (int s = 0; s < STREAMS; s++)
        step.count[s] = f->batch.stream[s].tokens;
    phases_start(&phases, PHASE_FORWARD);
    tape_begin(&tape, true, f->model.params.count);
    struct item_set items;
    if (model_by_rows(&f->model)) {
        model_items(&f->model, &tape, &f->batch, step.step, &items);
        model_fill_items(&f->model, &items);
        step.items = &items;
    }
    model_loss(&f->model, &tape, &f->batch, &step, &phases, sum);
    tape_backward(&tape, NULL, NULL);
    int64_t peak = (int64_t)tape.arena.peak;
    tape_free(&tape);
    return peak;
}

static const char *const settings[] = {
    "train.loss=exact",
    "train.loss=sampled",
    "train.loss=sampled model.mixed_softmax=all model.blocks=1",
    "train.loss=exact model.mixed_softmax=all",
    "model.share_encoders=streams",
    "model.feature_proj=16",
    "model.feature_proj=16 train.loss=sampled model.fusion=logit",
    "model.scale=7.5 model.fusion_weights=2,3",
    "model.blocks=0 model.lambda2=0",
};

/* Nodes of the tape, indices of groups and the padding of small tensors are not modelled: a few
 * hundred of 64 bytes or so each, and a dozen integers per token. */
static void check_memory(const char *pairs) {
    struct fixture f;
    struct cost_bytes bytes;
    fixture_open(&f, pairs);
    f.cost.threads = omp_get_max_threads();
    cr_expect_eq(cost_parameters(&f.cost), f.model.params.total, "%s: %ld parameters, not %ld",
                 pairs, (long)f.model.params.total, (long)cost_parameters(&f.cost));
    cost_memory(&f.cost, COST_REPLICATED, 1, &f.load, &f.load, NULL, &bytes);
    int64_t block = f.model.params.total * (int64_t)sizeof(real),
            text = ITEMS * TEXT * sizeof(real);
    int64_t dense = f.model.params.dense * (int64_t)sizeof(real);
    cr_expect(bytes.parameters == block && bytes.gradients == dense && bytes.moments == 2 * block);
    cr_expect_eq(bytes.features, text);
    int64_t want = measured_step(&f), got = bytes.total - 3 * block - dense - text;
    cr_expect(got <= want && (double)want < 1.05 * (double)got + 200 * 64 * 8,
              "%s: a step takes %ld bytes, the model says %ld", pairs, (long)want, (long)got);
    fixture_close(&f);
}

Test(cost, memory_is_that_of_a_step) {
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        check_memory(settings[i]);
}

Test(cost, threads_and_ranks_change_what_they_should) {
    struct fixture f;
    struct cost_bytes one, two, four;
    fixture_open(&f, "train.loss=exact");
    cost_memory(&f.cost, COST_REPLICATED, 1, &f.load, &f.load, &f.load, &one);
    f.cost.threads = 2;
    cost_memory(&f.cost, COST_REPLICATED, 1, &f.load, &f.load, &f.load, &two);
    cr_expect(two.tiles > one.tiles && two.parameters == one.parameters);
    cr_expect(two.evaluation > one.evaluation);
    cost_memory(&f.cost, COST_SHARDED, 4, &f.load, &f.load, NULL, &four);
    int64_t table = cost_table_parameters(&f.cost), rest = cost_parameters(&f.cost) - table;
    cr_expect_eq(table, ITEMS * 32);
    cr_expect_eq(four.parameters, (rest + table / 4) * (int64_t)sizeof(real));
    cr_expect_eq(four.features, one.features / 4);
    cr_expect_eq(four.evaluation, 0);
    f.config.train.reproducible = true;
    cost_memory(&f.cost, COST_REPLICATED, 2, &f.load, &f.load, NULL, &two);
    cr_expect_eq(two.reduction, 2 * two.parameters);
    fixture_close(&f);
}

Test(cost, operations_of_the_stages) {
    struct fixture f;
    double encoder = 0, loss = 0, n;
    fixture_open(&f, "train.loss=exact");
    for (int s = 0; s < STREAMS; s++) {
        const struct stream *stream = &f.batch.stream[s];
        int width[2] = {32, TEXT};
        for (int64_t t = 0; t < stream->tokens; t++)
            loss += (stream->targets[t] < X_ITEMS ? X_ITEMS : ITEMS - X_ITEMS) *
                    (6.0 * width[0] + 4.0 * width[1]);
        for (int m = 0; m < 2; m++)
            for (int64_t b = 0; b < stream->sequences; b++)
                for (int64_t i = 1; i <= stream->offsets[b + 1] - stream->offsets[b]; i++)
                    encoder += 2 * (2.0 * 6 * width[m] * width[m] + 2.0 * 2 * width[m] * i);
    }
    cr_expect_float_eq(cost_stage(&f.cost, COST_LOSS, 1, &f.load).flops, loss, 1e-9 * loss);
    cr_expect_float_eq(cost_stage(&f.cost, COST_ENCODER_FORWARD, 1, &f.load).flops, encoder,
                       1e-9 * encoder);
    cr_expect_float_eq(cost_stage(&f.cost, COST_ENCODER_BACKWARD, 1, &f.load).flops, 2 * encoder,
                       1e-9 * encoder);
    n = (double)cost_parameters(&f.cost);
    cr_expect_float_eq(cost_stage(&f.cost, COST_OPTIMIZER, 3, &f.load).bytes, 21 * n * sizeof(real),
                       1);
    cr_expect_eq(cost_stage(&f.cost, COST_REDUCTION, 1, &f.load).bytes, 0);
    fixture_close(&f);
}

/* Two histories without a stream y: their scores are those of x and xy. */
Test(cost, operations_of_the_evaluation) {
    struct fixture f;
    struct cost_load load = {0};
    const int32_t items[2][4] = {{1, 2, 3, X_ITEMS - 1}, {4, 5, 6, X_ITEMS}};
    fixture_open(&f, "model.blocks=0");
    for (int i = 0; i < 2; i++)
        cost_load_add_history(&load, items[i], 4, X_ITEMS, 2);
    cr_expect(load.samples == 2 && load.ranked[0] == 1 && load.ranked[1] == 1);
    cr_expect(load.sequences[STREAM_Y] == 0 && load.sequences[STREAM_XY] == 2);
    cr_expect_eq(load.pairs[STREAM_X], 2 * 3, "histories are cut to two tokens");
    cr_expect_float_eq(cost_stage(&f.cost, COST_EVALUATION, 1, &load).flops,
                       2.0 * 2 * ITEMS * (32 + TEXT), 1e-6);
    fixture_close(&f);
}

Test(cost, traffic) {
    struct fixture f;
    fixture_open(&f, "train.loss=exact");
    double bytes = (double)cost_parameters(&f.cost) * sizeof(real);
    cr_expect_eq(cost_traffic(&f.cost, COST_REPLICATED, 1, &f.load, &f.load).bytes, 0);
    cr_expect_eq(cost_traffic(&f.cost, COST_SHARDED, 1, &f.load, &f.load).bytes, 0);
    cr_expect_float_eq(cost_traffic(&f.cost, COST_REPLICATED, 4, &f.load, &f.load).bytes,
                       1.5 * bytes, 1);
    f.config.train.reproducible = true;
    cr_expect_float_eq(cost_traffic(&f.cost, COST_REPLICATED, 8, &f.load, &f.load).bytes, 3 * bytes,
                       1);
    fixture_close(&f);
}
