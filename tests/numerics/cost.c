/* The cost model against the model itself: parameters to the last number, memory of a step against
 * the tape's arena, operations against sums written out. */
#include "core/cost/cost.h"
#include "check.h"
#include "core/models/model.h"
#include "tests/balanced.h"
#include <omp.h>
#include <stdio.h>

BALANCED(cost);

enum { ITEMS = 900, X_ITEMS = 300, TEXT = 24, OTHER = 16, USERS = 60, LENGTH = 30, MAX_LEN = 20 };
enum { TAGS = 40, TAG_DIM = 12, TAGS_EACH = 3 };

struct fixture {
    struct config config;
    struct model declared; /* from widths, as plan does */
    struct cost_model cost;
    struct cost_load load;
    struct model model;
    struct batch batch;
    real *text, *other, *vectors;
    int64_t offsets[ITEMS + 1];
    int32_t tag[ITEMS * TAGS_EACH];
    float weight[ITEMS * TAGS_EACH];
    int32_t items[USERS * LENGTH], whole[ITEMS];
};

static real *make_table(int64_t rows, int64_t dim) {
    real *table = mem_alloc(rows * dim, sizeof *table);
    for (int64_t i = 0; i < rows * dim; i++)
        table[i] = (real)rng_normal(check_key(82), (uint64_t)i);
    return table;
}

/* Tables and tags for any model: id, text and tags, or id and two views. */
static struct model_shape make_shape(struct fixture *f) {
    f->text = make_table(ITEMS, TEXT);
    f->other = make_table(ITEMS, OTHER);
    f->vectors = make_table(TAGS, TAG_DIM);
    for (int64_t e = 0; e < ITEMS * TAGS_EACH; e++)
        f->tag[e] = (int32_t)rng_below(check_key(83), (uint64_t)e, TAGS);
    for (int64_t i = 0; i <= ITEMS; i++)
        f->offsets[i] = TAGS_EACH * i;
    struct model_shape shape = {.items = ITEMS,
                                .x_items = X_ITEMS,
                                .max_len = MAX_LEN,
                                .table = {{0}, {f->text, f->text, TEXT}},
                                .tags = {TAGS, TAG_DIM, f->vectors, f->offsets, f->tag, f->weight},
                                .here = {{0, X_ITEMS}, {X_ITEMS, ITEMS}}};
    if (!strcmp(f->config.model.name, "sema_cdr"))
        shape.table[2] = (struct frozen_table){f->other, f->other, OTHER};
    else if (f->config.model.modalities.count > 2)
        shape.table[2].dim = TAG_DIM;
    return shape;
}

static void fixture_models(struct fixture *f) {
    struct model_shape shape = make_shape(f);
    cr_assert_eq(model_create(&f->model, &f->config, &shape, true), STATUS_OK);
    for (int m = 0; m < OPTION_LIST; m++)
        shape.table[m].rows = shape.table[m].unit = NULL;
    cr_assert_eq(model_declare(&f->declared, &f->config, &shape), STATUS_OK);
    f->cost = (struct cost_model){&f->declared, 1};
}

static void fixture_batch(struct fixture *f) {
    struct sample samples[USERS];
    bool mixed = model_takes_mixed(&f->model);
    for (int64_t i = 0; i < USERS * LENGTH; i++)
        f->items[i] = (int32_t)rng_below(check_key(80), (uint64_t)i, ITEMS);
    for (int u = 0; u < USERS; u++) {
        struct cost_sequence sequence;
        int64_t n = 4 + rng_below(check_key(81), u, LENGTH - 4);
        samples[u] = (struct sample){f->items + LENGTH * u, n, u};
        cost_sequence_count(&sequence, samples[u].items, n, X_ITEMS, MAX_LEN, mixed);
        cost_load_add(&f->load, &sequence);
    }
    (mixed ? batch_mixed : batch_train)(&f->batch, samples, USERS, X_ITEMS, MAX_LEN);
    struct cost_load same = {0};
    cost_load_add_batch(&same, &f->batch, X_ITEMS);
    cr_assert_eq(memcmp(&same, &f->load, sizeof same), 0, "two ways to count a batch");
}

static void fixture_open(struct fixture *f, const char *pairs) {
    memset(f, 0, sizeof *f);
    options_defaults(&f->config);
    check_set_all(&f->config,
                  "model.dim=32 model.heads=2 model.modalities=id,text train.negatives=50");
    check_set_all(&f->config, pairs);
    options_complete(&f->config);
    fixture_models(f);
    fixture_batch(f);
}

static void fixture_close(struct fixture *f) {
    batch_free(&f->batch);
    model_free(&f->model);
    model_free(&f->declared);
    mem_free(f->text);
    mem_free(f->other);
    mem_free(f->vectors);
}

/* The distinct items of the batch. */
static int64_t fill_whole(struct fixture *f) {
    bool marked[ITEMS] = {false};
    int64_t n = 0;
    for (int s = 0; s < STREAMS; s++)
        for (int64_t t = 0; t < f->batch.stream[s].tokens; t++) {
            marked[f->batch.stream[s].items[t]] = true;
            if (f->batch.stream[s].aimed)
                marked[f->batch.stream[s].targets[t]] = true;
        }
    for (int32_t i = 0; i < ITEMS; i++)
        if (marked[i])
            f->whole[n++] = i;
    return n;
}

/* The most that a step takes from the arena. */
static int64_t measured_step(struct fixture *f) {
    struct tape tape = {0};
    struct model_step step = {.step = 1, .parts = 1};
    struct phases phases;
    double sum[LOSS_PARTS];
    model_count(&f->model, &f->batch, step.count);
    phases_start(&phases, PHASE_FORWARD);
    tape_begin(&tape, true, f->model.params.count);
    struct item_set items, whole;
    if (model_contrasts(&f->model)) {
        model_whole_items(&f->model, &tape, f->whole, fill_whole(f), &whole);
        model_fill_items(&f->model, &whole);
        step.whole = &whole;
    }
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
    "model.name=tema_llm",
    "model.name=tema_llm train.loss=sampled",
    "model.name=tema_llm model.tags=uniform model.feature_proj=16 train.loss=sampled",
    "model.name=tema_llm model.feature_proj=16 model.share_encoders=streams",
    "model.name=tema_llm model.tags=none",
    "model.name=tema_llm model.tag_attention=off model.fusion_weights=2,3,1",
    "model.name=sema_cdr",
    "model.name=sema_cdr train.loss=sampled",
    "model.name=sema_cdr train.target=x model.stream_fusion=mean model.share_encoders=streams",
    "model.name=sema_cdr model.contrast_weight=0 model.mixed_softmax=all",
    "model.name=sema_cdr model.contrast_weight=0 model.blocks=0 train.loss=sampled",
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
    int64_t block = f.model.params.total * (int64_t)sizeof(real), tables = 0;
    for (int m = 1; m < f.model.modalities; m++)
        tables +=
            f.model.shape.table[m].rows
                ? ITEMS * f.model.shape.table[m].dim * (int64_t)sizeof(real)
                : TAGS * TAG_DIM * (int64_t)sizeof(real) + ITEMS * TAGS_EACH * 8 + (ITEMS + 1) * 8;
    int64_t dense = f.model.params.dense * (int64_t)sizeof(real);
    cr_expect(bytes.parameters == block && bytes.gradients == dense && bytes.moments == 2 * block);
    cr_expect_eq(bytes.features, tables, "%s: features", pairs);
    int64_t want = measured_step(&f), got = bytes.total - 3 * block - dense - tables;
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

/* The batch's own items bring no further rows to the item set: more of them are only gathered, by
 * both domains, and of the learned table have gradients. */
Test(cost, negatives_from_the_batch) {
    struct fixture f;
    struct cost_bytes uniform, few, many;
    fixture_open(&f, "train.loss=sampled train.negatives=50");
    cost_memory(&f.cost, COST_REPLICATED, 1, &f.load, &f.load, NULL, &uniform);
    f.config.train.sampler = SAMPLER_BATCH;
    cost_memory(&f.cost, COST_REPLICATED, 1, &f.load, &f.load, NULL, &few);
    f.config.train.negatives = 500;
    cost_memory(&f.cost, COST_REPLICATED, 1, &f.load, &f.load, NULL, &many);
    cr_expect_lt(few.activations, uniform.activations);
    cr_expect_eq(many.activations - few.activations,
                 2 * 450 * (2 * 32 + TEXT) * (int64_t)sizeof(real));
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

static double products(struct fixture *f, enum cost_stage stage) {
    return cost_stage(&f->cost, stage, 1, &f->load).flops;
}

static void check_products(struct fixture *f, double forward, double loss, double backward) {
    cr_expect_float_eq(products(f, COST_ENCODER_FORWARD), forward, 1e-9 * forward);
    cr_expect_float_eq(products(f, COST_LOSS), loss, 1e-9 * loss);
    cr_expect_float_eq(products(f, COST_ENCODER_BACKWARD), backward, 1e-9 * backward);
}

/* Operations of `count` tokens and what they attend to, in an encoder of one block of width w. */
static double encoder_operations(const struct fixture *f, int s, double w, bool tags) {
    const struct stream *stream = &f->batch.stream[s];
    double sum = 0, attentions = tags ? 2 : 1, squares = tags ? 6 + 4 : 6;
    for (int64_t b = 0; b < stream->sequences; b++)
        for (int64_t i = 1; i <= stream->offsets[b + 1] - stream->offsets[b]; i++)
            sum += 2 * squares * w * w + attentions * (2 * w * (double)i + 2 * w * (double)i);
    return sum;
}

/* The sum of the candidates of all targets of a stream. */
static double stream_candidates(const struct fixture *f, int s) {
    const struct stream *stream = &f->batch.stream[s];
    double sum = 0;
    for (int64_t t = 0; t < stream->tokens; t++)
        sum += stream->targets[t] < X_ITEMS ? X_ITEMS : ITEMS - X_ITEMS;
    return sum;
}

/* Id, text, tags; the layer from tag rows to tag states has no gradient to give to fixed rows. */
static void check_tags(const char *pairs, double tag_loss, double tag_backward) {
    struct fixture f;
    double encoders = 0, states = 0, loss = 0;
    const double width[3] = {32, TEXT, TAG_DIM};
    fixture_open(&f, pairs);
    for (int s = 0; s < STREAMS; s++) {
        for (int m = 0; m < 3; m++) {
            encoders += encoder_operations(&f, s, width[m], true);
            states += 2 * TAG_DIM * width[m] * (double)f.batch.stream[s].tokens;
        }
        loss += stream_candidates(&f, s) * (6.0 * 32 + 4.0 * TEXT + tag_loss * TAG_DIM);
    }
    check_products(&f, encoders + states, loss, 2 * encoders + tag_backward * states);
    fixture_close(&f);
}

Test(cost, operations_with_tags) {
    check_tags("model.name=tema_llm model.blocks=1", 6, 2);
    check_tags("model.name=tema_llm model.blocks=1 model.tags=uniform", 4, 1);
}

/* Of a token: a hidden layer and the scores of its stream. */
static double score_operations(const struct fixture *f, double d) {
    const struct param *scores = &f->model.params.list[f->model.stream_score];
    return 2 * d * d + 2 * d * (double)scores->rows;
}

/* One term of 32 for all items, three streams fused, one softmax, the contrast. */
Test(cost, operations_with_views) {
    struct fixture f;
    fixture_open(&f, "model.name=sema_cdr model.blocks=1 train.target=both");
    const struct stream *mixed = &f.batch.stream[STREAM_XY];
    const double d = 32, frozen = 2.0 * (TEXT + OTHER) * d, second = 2 * 2 * d * d,
                 gates = 3 * 2 * d;
    /* The mixed stream is cut: the others have items that it has not. */
    double draws = (double)(f.batch.stream[STREAM_X].tokens + f.batch.stream[STREAM_Y].tokens +
                            mixed->sequences),
           n = floor(ITEMS * -expm1(-draws / ITEMS));
    double streams = 0, loss = stream_candidates(&f, STREAM_XY) * 6 * d;
    for (int s = 0; s < STREAMS; s++)
        streams += encoder_operations(&f, s, d, false) +
                   score_operations(&f, d) * (double)f.batch.stream[s].tokens;
    cr_expect(draws > (double)(mixed->tokens + mixed->sequences));
    /* An item is drawn or not: three standard deviations are below 5 % of 600. */
    cr_expect_float_eq(n, (double)fill_whole(&f), 0.05 * n, "%g distinct items, %ld in the batch",
                       n, (long)fill_whole(&f));
    for (int counted = 0; counted < 2; counted++) {
        check_products(&f, ITEMS * (frozen + second + gates) + streams,
                       loss + 2 * 6 * n * n * d + n * (frozen + second),
                       ITEMS * (frozen + 2 * second + 2 * gates) + 2 * streams +
                           n * (frozen + 2 * second));
        n = 7;
        f.load.contrasted = 7;
    }
    fixture_close(&f);
    fixture_open(&f, "model.name=sema_cdr train.target=y model.contrast_weight=0");
    double targets = 0;
    for (int64_t t = 0; t < f.batch.stream[STREAM_XY].tokens; t++)
        targets += f.batch.stream[STREAM_XY].targets[t] >= X_ITEMS;
    cr_expect_float_eq(products(&f, COST_LOSS), targets * (ITEMS - X_ITEMS) * 6 * d, 1);
    fixture_close(&f);
}

/* As above: one stream's score, but all rows made and all states fused. */
Test(cost, operations_of_the_evaluation_with_views) {
    struct fixture f;
    struct cost_load load = {0};
    const int32_t items[4] = {1, 2, 3, X_ITEMS};
    const double d = 32;
    fixture_open(&f, "model.name=sema_cdr model.blocks=0");
    cost_load_add_history(&load, items, 4, X_ITEMS, MAX_LEN);
    cr_expect_float_eq(cost_stage(&f.cost, COST_EVALUATION, 1, &load).flops,
                       2 * d * (ITEMS - X_ITEMS) + 2 * 3 * score_operations(&f, d) +
                           ITEMS * (2 * (TEXT + OTHER) * d + 2 * 2 * d * d + 3 * 2 * d),
                       1e-6);
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
