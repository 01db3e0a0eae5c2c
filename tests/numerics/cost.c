/* A step and a ranking on a dry tape against the same on a real one: the same memory to the last
 * byte; operations against sums written out. */
#include "core/cost/cost.h"
#include "check.h"
#include "core/catalogue/rank.h"
#include "core/cost/price.h"
#include "core/models/forward.h"
#include "core/models/model.h"
#include "core/models/registry.h"
#include "partition/deal.h"
#include "partition/grid.h"
#include "tests/balanced.h"
#include <stdio.h>

BALANCED(cost, .init = models_register);

enum { ITEMS = 900, A_ITEMS = 300, TEXT = 24, OTHER = 16, USERS = 60, LENGTH = 30, MAX_LEN = 20 };
enum { TAGS = 40, TAG_DIM = 12, TAGS_EACH = 3 };

struct fixture {
    struct config config;
    struct model declared; /* from widths, as plan does */
    struct model model;
    struct batch batch;
    struct cost_step step; /* of the declared model, the whole batch on one rank */
    real *text, *other, *vectors;
    int64_t offsets[ITEMS + 1];
    int32_t tag[ITEMS * TAGS_EACH];
    float weight[ITEMS * TAGS_EACH];
    int32_t items[USERS * LENGTH], whole[ITEMS];
    struct successors successors;
};

static real *make_table(int64_t rows, int64_t dim) {
    real *table = mem_alloc(rows * dim, sizeof *table);
    for (int64_t i = 0; i < rows * dim; i++)
        table[i] = (real)rng_normal(check_key(82), (uint64_t)i);
    return table;
}

static void fill_samples(struct fixture *f, struct sample samples[USERS]) {
    for (int64_t i = 0; i < USERS * LENGTH; i++)
        f->items[i] = (int32_t)rng_below(check_key(80), (uint64_t)i, ITEMS);
    for (int u = 0; u < USERS; u++) {
        int64_t n = 4 + rng_below(check_key(81), u, LENGTH - 4);
        samples[u] = (struct sample){f->items + LENGTH * u, n, u, NULL};
    }
}

/* Of the samples at their full length. */
static void fill_successors(struct fixture *f) {
    struct sample samples[USERS];
    int64_t offsets[USERS + 1];
    fill_samples(f, samples);
    for (int u = 0; u <= USERS; u++)
        offsets[u] = LENGTH * u;
    successors_open(&f->successors, offsets, f->items, USERS, A_ITEMS, ITEMS);
}

/* Tables and tags for any model: id, text and tags, or id and two views. */
static struct catalogue make_shape(struct fixture *f) {
    f->text = make_table(ITEMS, TEXT);
    f->other = make_table(ITEMS, OTHER);
    f->vectors = make_table(TAGS, TAG_DIM);
    for (int64_t e = 0; e < ITEMS * TAGS_EACH; e++)
        f->tag[e] = (int32_t)rng_below(check_key(83), (uint64_t)e, TAGS);
    for (int64_t i = 0; i <= ITEMS; i++)
        f->offsets[i] = TAGS_EACH * i;
    struct catalogue shape = {.items = ITEMS,
                              .a_items = A_ITEMS,
                              .max_len = MAX_LEN,
                              .users = USERS,
                              .table = {{0}, {f->text, f->text, TEXT}},
                              .tags = {TAGS, TAG_DIM, f->vectors, f->offsets, f->tag, f->weight},
                              .local = {{0, A_ITEMS}, {A_ITEMS, ITEMS}}};
    if (model_reads_successors(&f->config)) {
        fill_successors(f);
        shape.successors = &f->successors;
    }
    if (f->config.model.time == TIME_STATE)
        shape.clock.knots = 9;
    if (!strcmp(f->config.model.name, "sema_cdr"))
        shape.table[2] = (struct frozen_table){f->other, f->other, OTHER};
    else if (f->config.model.modalities.count > 2)
        shape.table[2].dim = TAG_DIM;
    return shape;
}

static void fixture_models(struct fixture *f) {
    static const real no_row;
    struct catalogue shape = make_shape(f);
    cr_assert_eq(model_create(&f->model, &f->config, &shape, true), STATUS_OK);
    for (int m = 0; m < OPTION_LIST; m++)
        if (shape.table[m].rows)
            shape.table[m].rows = shape.table[m].unit = &no_row;
    cr_assert_eq(model_declare(&f->declared, &f->config, &shape), STATUS_OK);
}

static void fixture_batch(struct fixture *f) {
    struct sample samples[USERS];
    fill_samples(f, samples);
    model_pack(&f->model, &f->batch, samples, USERS);
}

static void fixture_open(struct fixture *f, const char *pairs) {
    memset(f, 0, sizeof *f);
    options_defaults(&f->config);
    check_set_all(&f->config,
                  "model.dim=32 model.blocks=2 model.heads=2 model.modalities=id,text train.negatives=50");
    check_set_all(&f->config, pairs);
    cr_assert_eq(model_configure(&f->config), STATUS_OK);
    fixture_models(f);
    fixture_batch(f);
    cost_step_run(&f->declared, &f->batch, &f->batch, 1, &f->step);
}

static void fixture_close(struct fixture *f) {
    batch_free(&f->batch);
    model_free(&f->model);
    model_free(&f->declared);
    successors_close(&f->successors);
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

/* The states that the losses read of the whole batch: in front of a step, on a tape of their own,
 * whose peak and work are returned. */
static int64_t measured_states(struct fixture *f, struct whole_states *whole, real **rows,
                               struct tape_work work[PHASES]) {
    struct tape tape = {0};
    struct item_set items;
    struct pass pass = {.tape = &tape, .batch = &f->batch, .step = 1, .shares = 1};
    bool by_rows = model_by_rows(&f->model);
    tape_begin(&tape, false, 0);
    if (by_rows) {
        model_items(&f->model, &tape, &f->batch, 0, &items);
        model_fill_items(&f->model, &items);
    }
    const struct tensor *states = model_states(&f->model, &pass, by_rows ? &items : NULL);
    *rows = mem_alloc(states->rows * states->cols, sizeof **rows);
    memcpy(*rows, states->x, (size_t)(states->rows * states->cols) * sizeof **rows);
    *whole = (struct whole_states){.rows = *rows, .n = states->rows, .width = states->cols};
    int64_t peak = (int64_t)tape.arena.peak;
    memcpy(work, tape.work, sizeof tape.work);
    tape_free(&tape);
    return peak;
}

/* A step as it is: the most that it takes from the arena, and its work. */
static int64_t measured_step(struct fixture *f, struct tape_work work[PHASES]) {
    struct tape tape = {0};
    struct phases phases;
    struct pass pass = {
        .tape = &tape, .batch = &f->batch, .step = 1, .shares = 1, .phases = &phases};
    bool by_rows = model_by_rows(&f->model);
    struct whole_states states;
    struct tape_work before[PHASES] = {{0}};
    real *rows = NULL;
    int64_t most = 0;
    if (f->model.state_width) {
        most = measured_states(f, &states, &rows, before);
        pass.states = &states;
    }
    model_count(&f->model, &f->batch, pass.count);
    phases_start(&phases, PHASE_FORWARD);
    tape_begin(&tape, true, f->model.params.count);
    struct item_set items, whole;
    if (model_whole_batch(&f->model)) {
        model_whole_items(&f->model, &tape, f->whole, fill_whole(f), &whole);
        model_fill_items(&f->model, &whole);
        pass.whole = &whole;
    }
    if (by_rows) {
        model_items(&f->model, &tape, &f->batch, pass.step, &items);
        model_fill_items(&f->model, &items);
    }
    model_forward(&f->model, &pass, by_rows ? &items : NULL);
    phases_enter(&phases, PHASE_BACKWARD);
    tape_backward(&tape, NULL, NULL);
    int64_t peak = (int64_t)tape.arena.peak;
    for (int p = 0; p < PHASES; p++)
        work[p] = (struct tape_work){before[p].flops + tape.work[p].flops,
                                     before[p].bytes + tape.work[p].bytes};
    tape_free(&tape);
    mem_free(rows);
    return peak > most ? peak : most;
}

static const char *const settings[] = {
    "train.loss=exact",
    "train.loss=sampled",
    "train.loss=sampled model.mixed_softmax=all model.blocks=1",
    "train.loss=exact model.mixed_softmax=all",
    "model.share_encoders=none",
    "model.feature_proj=16",
    "model.feature_proj=16 train.loss=sampled model.fusion=logit",
    "model.scale=7.5 model.fusion_weights=2,3",
    "model.blocks=0 model.lambda2=0",
    "model.output_table=untied",
    "model.output_table=untied train.loss=sampled model.mixed_softmax=all",
    "model.name=sasrec model.output_table=untied",
    "model.name=sasrec model.time=state",
    "model.name=sema_cdr model.time=state",
    "model.name=tema_llm",
    "model.name=tema_llm train.loss=sampled",
    "model.name=tema_llm model.tags=uniform model.feature_proj=16 train.loss=sampled",
    "model.name=tema_llm model.feature_proj=16 model.share_encoders=none",
    "model.name=tema_llm model.tags=none",
    "model.name=tema_llm model.tag_attention=off model.fusion_weights=2,3,1",
    "model.name=sema_cdr",
    "model.name=sema_cdr train.loss=sampled",
    "model.name=sema_cdr train.target=a model.stream_fusion=mean model.share_encoders=streams",
    "model.name=sema_cdr model.contrast_weight=0 model.mixed_softmax=all",
    "model.name=sema_cdr model.contrast_weight=0 model.blocks=0 train.loss=sampled",
    "model.name=tricdr",
    "model.name=tricdr train.loss=sampled model.triple_weight=0",
    "model.name=tricdr train.loss=exact model.triple_contrast=0",
    "model.name=c2dsr",
    "model.name=c2dsr train.loss=sampled model.infomax_weight=0 model.last_targets=3",
    "model.name=bprmf",
    "model.name=bprmf train.optimizer=lazy_adamw",
    "model.name=bprmf model.user=mean train.loss=exact",
    "model.name=ncf",
    "model.name=ncf model.user=table model.tower=40,3 train.loss=bpr",
    "model.name=pinet",
    "model.name=pinet train.loss=sampled train.target=a model.member_projections=separate",
    "model.name=psjnet",
    "model.name=psjnet train.loss=sampled train.target=b model.roles=1",
    "model.name=mifn",
    "model.name=mifn train.loss=sampled train.target=b model.graph_targets=0",
};

static void check_step(const char *pairs) {
    struct fixture f;
    struct cost_bytes bytes;
    struct tape_work work[PHASES];
    fixture_open(&f, pairs);
    cost_memory(&f.declared, 1, &f.step, 0, &bytes);
    int64_t block = f.model.params.total * (int64_t)sizeof(real), tables = 0;
    for (int m = 1; m < f.model.tables && f.model.table[m].source != TABLE_LEARNED; m++)
        tables +=
            f.model.catalogue.table[m].rows
                ? ITEMS * f.model.catalogue.table[m].dim * (int64_t)sizeof(real)
                : TAGS * TAG_DIM * (int64_t)sizeof(real) + ITEMS * TAGS_EACH * 8 + (ITEMS + 1) * 8;
    if (f.model.catalogue.successors)
        tables += successors_bytes(&f.successors);
    int64_t dense = f.model.params.dense * (int64_t)sizeof(real);
    cr_expect(bytes.parameters == block && bytes.gradients == dense && bytes.moments == 2 * block);
    cr_expect_eq(bytes.features, tables, "%s: features", pairs);
    int64_t want = measured_step(&f, work),
            got = bytes.total - 3 * block - dense - tables;
    cr_expect_eq(got, want, "%s: a step takes %ld bytes, the dry tape says %ld", pairs, (long)want,
                 (long)got);
    cr_expect_eq(memcmp(work, f.step.work, sizeof work), 0, "%s: the same work", pairs);
    fixture_close(&f);
}

Test(cost, memory_is_that_of_a_step) {
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        check_step(settings[i]);
}

/* On the first of `ranks` ranks that share the items out. */
static void share_out(struct fixture *f, const int *ranks, struct collectives *collectives,
                      struct model *model) {
    struct catalogue shape = f->declared.catalogue;
    *collectives = cost_collectives(ranks);
    shape.collectives = collectives;
    shape.local =
        (struct item_block){{0, A_ITEMS}, {A_ITEMS / *ranks, A_ITEMS + (ITEMS - A_ITEMS) / *ranks}};
    shape.max_local[0] = A_ITEMS / *ranks;
    shape.max_local[1] = (ITEMS - A_ITEMS) / *ranks;
    cr_assert_eq(model_declare(model, &f->config, &shape), STATUS_OK);
}

Test(cost, ranks_share_what_they_should) {
    struct fixture f;
    struct cost_bytes one, two, four;
    struct cost_step step;
    struct model model;
    struct collectives collectives;
    const int ranks = 4;
    fixture_open(&f, "train.loss=exact");
    cost_memory(&f.declared, 1, &f.step, 0, &one);
    share_out(&f, &ranks, &collectives, &model);
    cost_step_run(&model, &f.batch, &f.batch, ranks, &step);
    cost_memory(&model, ranks, &step, 0, &four);
    int64_t table = ITEMS * 32 * (int64_t)sizeof(real), rest = one.parameters - table;
    cr_expect_eq(four.parameters, rest + table / 4);
    cr_expect_eq(four.features, one.features / 4);
    cr_expect_eq(step.set_rows, fill_whole(&f), "the step's items are looked up");
    int64_t looked_up = step.set_rows * (2 * (32 + TEXT) + 32) * (int64_t)sizeof(real);
    cr_expect_eq(four.reduction, rest + looked_up);
    /* Every position's state and its gradient, on all ranks. */
    double tokens = 0;
    for (int s = 0; s < STREAMS; s++)
        tokens += (double)f.batch.stream[s].tokens;
    cr_expect_eq(step.shared, 2 * ranks * tokens * (32 + TEXT) * sizeof(real));
    f.config.train.reproducible = true;
    cost_memory(&f.declared, 2, &f.step, 0, &two);
    cr_expect_eq(two.reduction, 2 * two.parameters);
    model_free(&model);
    fixture_close(&f);
}

/* Operations of each share of the batch, dealt by price: of largest over mean. */
static double imbalance(struct fixture *f, const struct target_price *price) {
    enum { SHARES = 4 };
    struct sample samples[USERS], own[USERS];
    int64_t cost[USERS], room[USERS + SHARES];
    int32_t share[USERS];
    double sum = 0, most = 0;
    struct deal deal = deal_over(SHARES, SHARES, room);
    fill_samples(f, samples);
    for (int u = 0; u < USERS; u++) {
        int64_t count[STREAMS][DOMAINS];
        batch_count_targets(samples[u].items, samples[u].length, A_ITEMS, MAX_LEN, count);
        cost[u] = price_sequence(price, count);
    }
    deal_samples(&deal, cost, USERS, share);
    for (int s = 0; s < SHARES; s++) {
        struct batch batch = {0};
        struct cost_step step;
        double flops = 0;
        int n = 0;
        for (int u = 0; u < USERS; u++)
            if (share[u] == s)
                own[n++] = samples[u];
        model_pack(&f->declared, &batch, own, n);
        cost_step_run(&f->declared, &batch, &f->batch, SHARES, &step);
        for (int p = 0; p < PHASES; p++)
            flops += step.work[p].flops;
        sum += flops;
        most = fmax(most, flops);
        batch_free(&batch);
    }
    return most * SHARES / sum;
}

Test(cost, shares_of_one_price_take_as_much) {
    static const char *const models[] = {"model.name=llm_emf",
                                         "model.name=sema_cdr model.modalities=id,text,other",
                                         "model.name=tema_llm model.modalities=id,text,tags",
                                         "model.name=sasrec model.modalities=id"};
    for (size_t i = 0; i < 2 * sizeof models / sizeof *models; i++) {
        struct fixture f;
        char pairs[256];
        snprintf(pairs, sizeof pairs, "%s train.loss=%s", models[i / 2],
                 i % 2 ? "exact" : "sampled");
        fixture_open(&f, pairs);
        struct target_price price = price_targets(&f.declared);
        double x = imbalance(&f, &price);
        cr_expect(x < 1.015, "%s: %g", pairs, x);
        fixture_close(&f);
    }
}

/* Candidates of the domain, each in three products of a learned table and two of a frozen one. */
Test(cost, prices_know_the_candidates) {
    struct fixture f;
    struct model model;
    struct collectives collectives;
    const int64_t of_b = (ITEMS - 2 * A_ITEMS) * (3 * 2 * 32 + 2 * 2 * TEXT);
    const int ranks = 4;
    fixture_open(&f, "train.loss=exact");
    struct target_price exact = price_targets(&f.declared);
    share_out(&f, &ranks, &collectives, &model);
    struct target_price sharded = price_targets(&model);
    for (int s = 0; s < STREAMS; s++)
        for (int d = 0; d < DOMAINS; d++) {
            bool any = s == STREAM_MIXED || s == d;
            cr_expect((exact.target[s][d] > 0) == any, "stream %d, domain %d", s, d);
            cr_expect((sharded.target[s][d] > 0) == any, "stream %d, domain %d", s, d);
        }
    cr_expect_eq(exact.target[STREAM_MIXED][1] - exact.target[STREAM_MIXED][0], of_b);
    cr_expect_eq(exact.target[STREAM_B][1] - exact.target[STREAM_A][0], of_b);
    cr_expect_eq(sharded.target[STREAM_MIXED][1], sharded.target[STREAM_MIXED][0]);
    model_free(&model);
    fixture_close(&f);
    fixture_open(&f, "train.loss=sampled train.target=x model.lambda1=0");
    struct target_price sampled = price_targets(&f.declared);
    cr_expect(sampled.target[STREAM_A][0] > 0 && sampled.target[STREAM_B][1] == 0);
    fixture_close(&f);
}

/* Two ranks that hold the same do not make rows of whole tables twice: each counts half. */
Test(cost, what_all_ranks_compute_counts_once) {
    struct fixture f;
    struct cost_step half;
    fixture_open(&f, "model.name=sema_cdr model.blocks=0 model.contrast_weight=0");
    cost_step_run(&f.declared, &f.batch, &f.batch, 2, &half);
    const double d = 32, rows = ITEMS * (2.0 * (TEXT + OTHER) * d + 2 * 2 * d * d + 3 * 2 * d);
    cr_expect_float_eq(f.step.work[PHASE_FORWARD].flops - half.work[PHASE_FORWARD].flops, rows / 2,
                       1e-9 * rows);
    fixture_close(&f);
}

/* The batch's own items bring no further rows to the item set. */
Test(cost, negatives_from_the_batch) {
    struct fixture f;
    struct cost_step uniform, few;
    struct sampler sampler;
    fixture_open(&f, "train.loss=sampled train.negatives=50");
    uniform = f.step;
    int64_t n = fill_whole(&f);
    sampler_open(&sampler, ITEMS, NULL, 1);
    sampler_pool(&sampler, f.whole, n);
    f.declared.catalogue.sampler = &sampler;
    cost_step_run(&f.declared, &f.batch, &f.batch, 1, &few);
    cr_expect_eq(few.set_rows, n);
    cr_expect_gt(uniform.set_rows, n);
    cr_expect_lt(few.activations, uniform.activations);
    sampler_close(&sampler);
    fixture_close(&f);
}

Test(cost, operations_of_the_stages) {
    struct fixture f;
    double encoder = 0, loss = 0;
    fixture_open(&f, "train.loss=exact");
    for (int s = 0; s < STREAMS; s++) {
        const struct stream *stream = &f.batch.stream[s];
        int width[2] = {32, TEXT};
        for (int64_t t = 0; t < stream->tokens; t++)
            loss += (stream->targets[t] < A_ITEMS ? A_ITEMS : ITEMS - A_ITEMS) *
                    (6.0 * width[0] + 4.0 * width[1]);
        for (int m = 0; m < 2; m++)
            for (int64_t b = 0; b < stream->sequences; b++)
                for (int64_t i = 1; i <= stream->offsets[b + 1] - stream->offsets[b]; i++)
                    encoder += 2 * (2.0 * 6 * width[m] * width[m] + 2.0 * 2 * width[m] * i);
    }
    const struct tape_work *work = f.step.work;
    cr_expect_float_eq(work[PHASE_LOSS].flops, loss, 1e-9 * loss);
    cr_expect_float_eq(work[PHASE_FORWARD].flops, encoder, 1e-9 * encoder);
    cr_expect_float_eq(work[PHASE_BACKWARD].flops, 2 * encoder, 1e-9 * encoder);
    fixture_close(&f);
}

/* The histories of a batch, ranked as they are and on a dry tape. */
static void check_ranking(const char *pairs, double states, double rows) {
    const int32_t items[2][3] = {{1, 2, 3}, {4, 5, 6}};
    struct sample samples[2] = {{items[0], 3, 0, NULL}, {items[1], 3, 1, NULL}};
    int32_t target[2] = {A_ITEMS, A_ITEMS + 1};
    struct rank_count full[2];
    struct tape tape = {0}, made = {0};
    struct ranking ranking = {.target = target, .full = full};
    struct item_view all;
    struct fixture f;
    fixture_open(&f, pairs);
    struct pass pass = {.tape = &tape, .batch = &f.batch, .items = &all};
    batch_history(&f.batch, samples, 2, A_ITEMS, 2);
    tape_begin(&made, false, 0);
    tape_begin(&tape, false, 0);
    model_view(&f.model, &made, NULL, &all);
    model_query(&f.model, &pass, &all, 1, &ranking.query);
    ranking.query.repeats = f.model.config->model.repeats == REPEATS_COUNTED ? 0.5 : 0;
    cr_assert_eq(rank_targets(&tape.arena, &ranking), STATUS_OK);
    cr_expect_eq(cost_ranking(&f.declared, &f.batch, 1),
                 (int64_t)(made.arena.peak + tape.arena.peak), "%s: memory of a ranking", pairs);
    cr_expect_float_eq(query_flops(&ranking.query), states * (ITEMS - A_ITEMS), 1e-6);
    cr_expect_float_eq(made.work[PHASE_FORWARD].flops, rows, 1e-6);
    tape_free(&tape);
    tape_free(&made);
    fixture_close(&f);
}

/* Two histories without a stream of domain B: their scores are those of A and of the mixed one.
 * SemaCDR has one score, but makes the rows of all items. */
Test(cost, ranking) {
    const double d = 32;
    check_ranking("model.blocks=0", 2.0 * 2 * 2 * (32 + TEXT), 0);
    check_ranking("model.name=sema_cdr model.blocks=0", 2.0 * 2 * d,
                  ITEMS * (2 * (TEXT + OTHER) * d + 2 * 2 * d * d + 3 * 2 * d));
    check_ranking("model.name=tema_llm", 2.0 * 2 * 2 * (32 + TEXT + TAG_DIM), 0);
}

static void check_products(struct fixture *f, double forward, double loss, double backward) {
    const struct tape_work *work = f->step.work;
    cr_expect_float_eq(work[PHASE_FORWARD].flops, forward, 1e-9 * forward);
    cr_expect_float_eq(work[PHASE_LOSS].flops, loss, 1e-9 * loss);
    cr_expect_float_eq(work[PHASE_BACKWARD].flops, backward, 1e-9 * backward);
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
        sum += stream->targets[t] < A_ITEMS ? A_ITEMS : ITEMS - A_ITEMS;
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
    const struct param *scores = params_find(&f->model.params, "streams.score.w");
    return 2 * d * d + 2 * d * (double)scores->rows;
}

/* One term of 32 for all items, three streams fused, one softmax, the contrast. */
Test(cost, operations_with_views) {
    struct fixture f;
    fixture_open(&f, "model.name=sema_cdr model.blocks=1 train.target=both");
    const double d = 32, frozen = 2.0 * (TEXT + OTHER) * d, second = 2 * 2 * d * d,
                 gates = 3 * 2 * d, n = (double)fill_whole(&f);
    double streams = 0, loss = stream_candidates(&f, STREAM_MIXED) * 6 * d;
    for (int s = 0; s < STREAMS; s++)
        streams += encoder_operations(&f, s, d, false) +
                   score_operations(&f, d) * (double)f.batch.stream[s].tokens;
    check_products(&f, ITEMS * (frozen + second + gates) + streams,
                   loss + 2 * 6 * n * n * d + n * (frozen + second),
                   ITEMS * (frozen + 2 * second + 2 * gates) + 2 * streams +
                       n * (frozen + 2 * second));
    fixture_close(&f);
    fixture_open(&f, "model.name=sema_cdr train.target=b model.contrast_weight=0");
    double targets = 0;
    for (int64_t t = 0; t < f.batch.stream[STREAM_MIXED].tokens; t++)
        targets += f.batch.stream[STREAM_MIXED].targets[t] >= A_ITEMS;
    cr_expect_float_eq(f.step.work[PHASE_LOSS].flops, targets * (ITEMS - A_ITEMS) * 6 * d, 1);
    fixture_close(&f);
}

Test(cost, traffic) {
    struct fixture f;
    struct cost_step step;
    struct model model;
    struct collectives collectives;
    const int ranks = 4;
    fixture_open(&f, "train.loss=exact");
    const struct cost_ranks one = {1, 1}, four = {4, 1}, pairs = {4, 2}, eight = {8, 8};
    double bytes = (double)f.model.params.total * sizeof(real);
    cr_expect_eq(cost_traffic(&f.declared, one, &f.step).bytes, 0);
    cr_expect_float_eq(cost_traffic(&f.declared, four, &f.step).bytes, 1.5 * bytes, 1);
    cr_expect_float_eq(cost_traffic(&f.declared, four, &f.step).away, 1.5 * bytes, 1);
    cr_expect_float_eq(cost_traffic(&f.declared, pairs, &f.step).away, 0.5 * bytes, 1,
                       "a node's two ranks send 2 (2 - 1) / 2 together");
    share_out(&f, &ranks, &collectives, &model);
    cost_step_run(&model, &f.batch, &f.batch, ranks, &step);
    double rest = bytes - ITEMS * 32 * sizeof(real), numbers = 4 * (double)(ranks + step.set_rows),
           pulled = (double)step.set_rows * (32 + TEXT) * sizeof(real),
           pushed = (double)step.set_rows * 32 * sizeof(real);
    cr_assert(!grid_hops(ranks, pulled));
    cr_expect_float_eq(cost_traffic(&model, four, &step).bytes,
                       1.5 * rest + 0.75 * (numbers + pulled + pushed + step.shared), 1);
    cr_expect_float_eq(cost_hidden_traffic(&f.declared, four).bytes, 1.5 * rest, 1);
    cr_expect_float_eq(cost_hidden_traffic(&model, four).bytes, 1.5 * rest, 1);
    f.config.train.reproducible = true;
    cr_expect_float_eq(cost_traffic(&f.declared, eight, &f.step).bytes, 3 * bytes, 1);
    cr_expect_eq(cost_traffic(&f.declared, eight, &f.step).away, 0);
    cr_expect_eq(cost_hidden_traffic(&f.declared, eight).bytes, 0);
    model_free(&model);
    fixture_close(&f);
}

/* Many ranks look rows up in two hops, along a line of the grid of 32 x 32 and down a column: four
 * exchanges, and an agreement. Every byte goes twice; the first hop partly stays in the node. */
Test(cost, two_hops) {
    struct fixture f;
    struct cost_step step;
    struct model model;
    struct collectives collectives;
    const int ranks = 1024;
    fixture_open(&f, "train.loss=sampled model.modalities=id");
    share_out(&f, &ranks, &collectives, &model);
    cost_step_run(&model, &f.batch, &f.batch, ranks, &step);
    struct cost_traffic none = cost_hidden_traffic(&model, (struct cost_ranks){ranks, 4}),
                        all = cost_traffic(&model, (struct cost_ranks){ranks, 4}, &step);
    double n = 4.0 * ranks + (double)step.set_rows * (4 + 2 * 32 * sizeof(real));
    cr_expect_eq(all.messages - none.messages, 4 * 62 + 20);
    cr_expect_float_eq(all.bytes - none.bytes, n * 2 * 31 / 32, 1);
    cr_expect_float_eq(all.away - none.away, n * (28.0 + 31) / 32, 1);
    model_free(&model);
    fixture_close(&f);
}

/* The update moves all parameters; the rows of a table, whose gradient comes as rows, only those
 * that any rank uses where it is lazy, of a shared table a rank's part of them. */
Test(cost, update) {
    struct fixture f;
    struct cost_step step;
    struct model model;
    struct collectives collectives;
    const int ranks = 4;
    fixture_open(&f, "train.loss=sampled");
    double all = (double)f.model.params.total, table = ITEMS * 32.0;
    double rows = (double)f.step.union_rows * 32;
    cr_expect_lt(rows, table);
    cr_expect_float_eq(cost_update(&f.declared, 1, &f.step).flops, 10 * all, 1);
    cr_expect_float_eq(cost_update(&f.declared, ranks, &f.step).bytes,
                       sizeof(real) * (6 * all + all - table + rows), 1);
    f.config.train.optimizer = OPTIMIZER_LAZY_ADAMW;
    cr_expect_float_eq(cost_update(&f.declared, ranks, &f.step).flops, 10 * (all - table + rows),
                       1);
    share_out(&f, &ranks, &collectives, &model);
    cost_step_run(&model, &f.batch, &f.batch, ranks, &step);
    cr_expect_float_eq(cost_update(&model, ranks, &step).flops,
                       10 * (all - table + (double)step.union_rows * 32 / ranks), 1);
    model_free(&model);
    fixture_close(&f);
}
