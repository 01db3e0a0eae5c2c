/* A model against its reference of tests/reference: losses and scores in both precisions; in
 * double, gradients against differences of the reference. */
#ifndef TESTS_MODEL_CHECK_H
#define TESTS_MODEL_CHECK_H
#include "check.h"
#include "core/catalogue/rank.h"
#include "core/models/forward.h"
#include "core/models/model.h"
#include "core/models/tables.h"
#include "core/ops/norm.h"
#include "one_rank.h"
#include "tests/reference/reference.h"

/* What a test gives. The catalogue has two domains; its tables are `id`, then frozen ones. */
struct model_reference {
    int64_t width[2]; /* of the frozen tables 1 and 2; 0: none */
    double step;      /* of the differences; 0: 1e-5, which crosses corners of rectifiers */

    /* Compute what does not depend on the sequence from the present parameters; add a sequence's
     * losses to sum[k] and their positions to count[k]; set the means of losses of the whole batch,
     * whose items are marked (NULL: there are none); the scores of a history. */
    void (*prepare)(const struct reference *r);
    void (*losses)(const struct reference *r, const int32_t *items, int64_t length, double *sum,
                   int64_t *count);
    void (*batch_losses)(const struct reference *r, const bool *marked, double *mean);
    void (*scores)(const struct reference *r, const int32_t *items, int64_t length, int domain,
                   double *score);
};

enum { ITEMS = 24, A_ITEMS = 11, USERS = 6, LENGTH = 12, MAX_LEN = 5, TAGS = 10, TAG_DIM = 6 };
enum { STEP = 3 };

struct fixture {
    struct config config;
    struct model model;
    struct reference reference;
    struct batch batch;
    struct sample samples[USERS];
    struct item_set set, whole;
    struct user_rows users;
    struct item_graph graph;
    const struct model_reference *of;
    bool marked[ITEMS]; /* items of the batch */
    int32_t items[USERS * LENGTH], every[ITEMS];
    real table[2][ITEMS * 8], vectors[TAGS * TAG_DIM];
    int64_t offsets[ITEMS + 1];
    int32_t tag[ITEMS * 4];
    float weight[ITEMS * 4];
    struct successors successors;
    double follows[2][ITEMS][ITEMS]; /* how often an item follows another, as struct reference */
};

/* Unit rows, those of item 5 + which missing. */
static void fill_table(struct fixture *f, int which, int64_t dim) {
    for (int64_t i = 0; i < ITEMS * dim; i++)
        f->table[which][i] =
            (real)(i / dim == 5 + which ? 0
                                        : rng_normal(check_key(60 + (uint64_t)which), (uint64_t)i));
    unit_norm_rows(f->table[which], ITEMS, dim);
}

/* Between no tag and three for an item. */
static void fill_tags(struct fixture *f) {
    for (int64_t i = 0; i < TAGS * TAG_DIM; i++)
        f->vectors[i] = (real)rng_normal(check_key(65), (uint64_t)i);
    unit_norm_rows(f->vectors, TAGS, TAG_DIM);
    for (int64_t i = 0, at = 0; i < ITEMS; i++) {
        for (int64_t k = 0; k < i % 4; k++, at++) {
            f->tag[at] = (int32_t)rng_below(check_key(66), (uint64_t)at, TAGS);
            f->weight[at] = (float)rng_uniform(check_key(67), (uint64_t)at);
        }
        f->offsets[i + 1] = at;
    }
}

static void fill_samples(struct fixture *f) {
    for (int64_t i = 0; i < USERS * LENGTH; i++)
        f->items[i] = (int32_t)rng_below(check_key(62), (uint64_t)i, ITEMS);
    for (int u = 0; u < USERS; u++) {
        int32_t *items = f->items + u * LENGTH;
        for (int i = 0; u == 0 && i < LENGTH; i++) /* of one domain */
            items[i] %= A_ITEMS;
        for (int i = 0; u == 1 && i < LENGTH; i++) /* of three items, again and again */
            items[i] = items[0] / 3 * 3 + items[i] % 3;
        f->samples[u] =
            (struct sample){items, 2 + rng_below(check_key(63), (uint64_t)u, LENGTH - 2), u, NULL};
        if (u == USERS - 1) /* nothing to learn from, but a history */
            f->samples[u].length = 1;
    }
    f->samples[1].length = LENGTH;
    f->samples[2].length = 2; /* one input */
}

/* Which items follow which: as the program counts, and by the definition. */
static void fill_successors(struct fixture *f) {
    int32_t items[USERS * LENGTH];
    int64_t offsets[USERS + 1] = {0};
    for (int u = 0; u < USERS; u++) {
        const struct sample *s = &f->samples[u];
        memcpy(items + offsets[u], s->items, (size_t)s->length * sizeof *items);
        offsets[u + 1] = offsets[u] + s->length;
        for (int64_t i = 0; i < s->length; i++)
            for (int64_t j = i + 1, own = 0; j < s->length; j++) {
                bool same = (s->items[i] < A_ITEMS) == (s->items[j] < A_ITEMS);
                f->follows[0][s->items[i]][s->items[j]] += j == i + 1;
                f->follows[1][s->items[i]][s->items[j]] += same && own == 0;
                own += same;
            }
    }
    successors_open(&f->successors, offsets, items, USERS, A_ITEMS, ITEMS);
}

static void pack_samples(struct fixture *f) {
    model_pack(&f->model, &f->batch, f->samples, USERS);
    for (int s = 0; s < STREAMS; s++)
        for (int64_t t = 0; t < f->batch.stream[s].tokens; t++) {
            f->marked[f->batch.stream[s].items[t]] = true;
            if (f->batch.stream[s].aimed)
                f->marked[f->batch.stream[s].targets[t]] = true;
        }
}

/* Of all samples, if the model has one. */
static void make_graph(struct fixture *f) {
    int64_t offsets[USERS + 1] = {0}, most = model_neighbours(&f->config);
    int32_t items[USERS * LENGTH];
    struct collectives one = {.size = 1, .gather = fit_gather, .sum = fit_sum};
    if (most == 0)
        return;
    for (int u = 0; u < USERS; u++) {
        memcpy(items + offsets[u], f->samples[u].items,
               (size_t)f->samples[u].length * sizeof *items);
        offsets[u + 1] = offsets[u] + f->samples[u].length;
    }
    struct fit fit = {.local = fit_sequences_of(offsets, items, USERS, MAX_LEN + 1),
                      .collectives = &one,
                      .bring = fit_bring};
    fit.context = &fit;
    item_graph_make(&f->graph, &fit, ITEMS, A_ITEMS, most);
    fit_sequences_free(&fit.local);
}

static struct catalogue make_catalogue(struct fixture *f) {
    struct catalogue catalogue = {ITEMS, A_ITEMS, MAX_LEN, .users = USERS, .graph = f->graph};
    fill_tags(f);
    if (model_reads_successors(&f->config)) {
        fill_successors(f);
        catalogue.successors = &f->successors;
    }
    catalogue.tags = (struct tag_table){TAGS, TAG_DIM, f->vectors, f->offsets, f->tag, f->weight};
    for (int k = 0; k < 2; k++)
        if (f->of->width[k]) {
            fill_table(f, k, f->of->width[k]);
            catalogue.table[k + 1] =
                (struct frozen_table){f->table[k], f->table[k], f->of->width[k]};
        }
    for (int k = 0; k < f->config.model.modalities.count; k++)
        if (model_tag_vectors(&f->config, k))
            catalogue.table[k].dim = TAG_DIM;
    return catalogue;
}

static void make_reference(struct fixture *f) {
    struct reference *r = &f->reference;
    *r = (struct reference){.config = &f->config,
                            .params = &f->model.params,
                            .x = mem_alloc(f->model.params.total, sizeof(double)),
                            .known = mem_zero(REF_KNOWN, sizeof(int)),
                            .rows = mem_zero(OPTION_LIST * ITEMS, sizeof(double[REF_DIM])),
                            .items = ITEMS,
                            .a_items = A_ITEMS,
                            .max_len = MAX_LEN,
                            .samples = USERS,
                            .sample = f->samples,
                            .tag_dim = TAG_DIM,
                            .tag_vectors = f->vectors,
                            .tag_offsets = f->offsets,
                            .tag = f->tag,
                            .tag_weight = f->weight,
                            .step = STEP,
                            .follows = {f->follows[0][0], f->follows[1][0]}};
    for (int m = 0; m < f->model.tables; m++) {
        r->table[m] = f->model.catalogue.table[m].rows;
        r->dim[m] = f->model.catalogue.table[m].dim;
    }
    for (int64_t i = 0; i < f->model.params.total; i++)
        r->x[i] = (double)f->model.params.x[i];
    for (int i = 0; i < ITEMS; i++)
        f->every[i] = i;
    r->candidates[0] = (struct ref_candidates){A_ITEMS, f->every};
    r->candidates[1] = (struct ref_candidates){ITEMS - A_ITEMS, f->every + A_ITEMS};
    r->candidates[2] = (struct ref_candidates){ITEMS, f->every};
}

static void fixture_open(struct fixture *f, const struct model_reference *of, const char *pairs) {
    *f = (struct fixture){.of = of};
    options_defaults(&f->config);
    check_set_all(&f->config, "model.dim=8 model.blocks=2 model.heads=2 model.modalities=id,text "
                              "model.dropout=0 train.negatives=9");
    check_set_all(&f->config, pairs);
    cr_assert_eq(model_configure(&f->config), STATUS_OK, "%s", pairs);
    fill_samples(f);
    make_graph(f);
    struct catalogue catalogue = make_catalogue(f);
    cr_assert_eq(model_create(&f->model, &f->config, &catalogue, true), STATUS_OK, "%s", pairs);
    for (int64_t i = 0; i < f->model.params.total; i++) /* away from the small initial values */
        f->model.params.x[i] += (real)(0.3 * rng_normal(check_key(61), (uint64_t)i));
    pack_samples(f);
    make_reference(f);
}

static void fixture_close(struct fixture *f) {
    successors_close(&f->successors);
    batch_free(&f->batch);
    model_free(&f->model);
    item_graph_free(&f->graph);
    mem_free(f->reference.x);
    mem_free(f->reference.rows);
    mem_free(f->reference.known);
}

/* ---- the model ---- */

/* The states that the losses read of all samples, all of which are here; memory is `keep`'s. */
static struct whole_states *whole_states(struct fixture *f, struct tape *keep) {
    struct tape tape = {0};
    struct item_set set;
    struct pass pass = {.tape = &tape, .batch = &f->batch, .step = STEP, .shares = 1};
    bool by_rows = model_by_rows(&f->model);
    if (!f->model.state_width)
        return NULL;
    tape_begin(&tape, false, 0);
    if (by_rows) {
        model_items(&f->model, &tape, &f->batch, 0, &set);
        model_fill_items(&f->model, &set);
    }
    const struct tensor *states = model_states(&f->model, &pass, by_rows ? &set : NULL);
    int64_t size = states->rows * states->cols;
    struct whole_states *whole = arena_alloc(&keep->arena, 1, sizeof *whole);
    real *rows = arena_alloc(&keep->arena, size, sizeof *rows);
    memcpy(rows, states->x, (size_t)size * sizeof *rows);
    *whole = (struct whole_states){.rows = rows, .n = states->rows, .width = states->cols};
    tape_free(&tape);
    return whole;
}

static void model_losses(struct fixture *f, struct tape *tape, double mean[LOSS_TERMS]) {
    struct model *model = &f->model;
    struct phases phases;
    struct pass pass = {
        .tape = tape, .batch = &f->batch, .step = STEP, .shares = 1, .phases = &phases};
    bool by_rows = model_by_rows(model);
    int32_t item[ITEMS];
    int64_t n = 0;
    for (int32_t i = 0; i < ITEMS; i++)
        if (f->marked[i])
            item[n++] = i;
    model_count(model, &f->batch, pass.count);
    phases_start(&phases, PHASE_FORWARD);
    tape_begin(tape, true, model->params.count);
    params_zero_grad(&model->params);
    pass.states = whole_states(f, tape);
    if (model_whole_batch(model)) {
        model_whole_items(model, tape, item, n, &f->whole);
        model_fill_items(model, &f->whole);
        pass.whole = &f->whole;
    }
    if (by_rows) {
        model_items(model, tape, &f->batch, pass.step, &f->set);
        model_fill_items(model, &f->set);
        for (int c = 0; c < 3; c++)
            if (f->set.negatives[c].n)
                f->reference.candidates[c] =
                    (struct ref_candidates){f->set.negatives[c].n, f->set.negatives[c].item};
    }
    model_forward(model, &pass, by_rows ? &f->set : NULL);
    f->users = pass.users;
    for (int k = 0; k < LOSS_TERMS; k++)
        mean[k] = pass.loss[k] / (pass.count[k] ? (double)pass.count[k] : 1);
}

/* What the training drew for the positions of a sequence. */
static void find_drawn(struct fixture *f, int64_t sequence) {
    f->reference.sequence = sequence;
    for (int s = 0; s < STREAMS; s++) {
        const struct stream *stream = &f->batch.stream[s];
        f->reference.drawn[s] = NULL;
        for (int64_t b = 0; b < stream->sequences && f->set.own[s].n; b++)
            if (stream->id[b] == sequence)
                f->reference.drawn[s] =
                    f->set.own[s].item + stream->offsets[b] * tables_own(&f->model, s);
    }
}

static void reference_losses(struct fixture *f, double mean[LOSS_TERMS]) {
    int64_t count[LOSS_TERMS] = {0};
    memset(mean, 0, LOSS_TERMS * sizeof *mean);
    f->of->prepare(&f->reference);
    for (int u = 0; u < USERS; u++) {
        find_drawn(f, u);
        f->of->losses(&f->reference, f->samples[u].items, f->samples[u].length, mean, count);
    }
    for (int k = 0; k < LOSS_TERMS; k++)
        mean[k] /= count[k] ? (double)count[k] : 1;
    if (f->of->batch_losses)
        f->of->batch_losses(&f->reference, f->marked, mean);
}

static double reference_total(struct fixture *f) {
    double mean[LOSS_TERMS], total = 0;
    reference_losses(f, mean);
    for (int k = 0; k < f->model.losses; k++)
        total += f->model.loss[k].weight * mean[k];
    return total;
}

/* ---- comparisons ---- */

/* A table by rows has its gradient in the item set. */
static void copy_gradient(struct fixture *f, int p, real *g) {
    const struct param *param = &f->model.params.list[p];
    if (!param->by_rows) {
        memcpy(g, param->tensor.g, (size_t)param_size(param) * sizeof *g);
        return;
    }
    struct tensor whole = {.g = g, .cols = param->cols};
    if (p == f->model.users) {
        const struct row_grad grad = {f->users.n, f->users.user, f->users.rows->g};
        memset(g, 0, (size_t)param_size(param) * sizeof *g);
        row_grad_add(&grad, &whole);
        return;
    }
    int k = 0;
    while (f->model.table[k].param != p)
        k++;
    const real *rows = item_set_gradient(&f->set, k);
    const struct row_grad grad = {rows ? f->set.n : 0, f->set.item, rows};
    memset(g, 0, (size_t)param_size(param) * sizeof *g);
    row_grad_add(&grad, &whole);
}

/* Difference of the reference's total loss when the parameters first .. last move by h and by -h in
 * a random direction. */
static double moved(struct fixture *f, int first, int last, double h) {
    const struct params *params = &f->model.params;
    double *x = f->reference.x, total[2];
    for (int k = 0; k < 2; k++) {
        for (int p = first; p <= last; p++)
            for (int64_t i = 0; i < param_size(&params->list[p]); i++)
                x[params->list[p].at + i] =
                    (double)params->list[p].tensor.x[i] +
                    (k ? -h : h) * rng_normal(check_key(70 + (uint64_t)p), (uint64_t)i);
        total[k] = reference_total(f);
    }
    for (int p = first; p <= last; p++)
        for (int64_t i = 0; i < param_size(&params->list[p]); i++)
            x[params->list[p].at + i] = (double)params->list[p].tensor.x[i];
    return total[0] - total[1];
}

/* The gradient in that direction. */
static double along(struct fixture *f, int p) {
    int64_t n = param_size(&f->model.params.list[p]);
    real *g = mem_alloc(n, sizeof *g);
    double sum = 0;
    copy_gradient(f, p, g);
    for (int64_t i = 0; i < n; i++)
        sum += (double)g[i] * rng_normal(check_key(70 + (uint64_t)p), (uint64_t)i);
    mem_free(g);
    return sum;
}

/* Of every parameter by itself, or of all together: differences over 2 h are good to about eps / h
 * and h^2. */
static void compare_gradients(struct fixture *f, const char *pairs, bool each) {
    double h = f->of->step > 0 ? f->of->step : 1e-5, got = 0, want;
    int count = f->model.params.count;
    for (int p = 0; p < count; p++) {
        got = each ? along(f, p) : got + along(f, p);
        if (!each && p < count - 1)
            continue;
        want = moved(f, each ? p : 0, p, h) / (2 * h);
        cr_expect(fabs(got - want) <= 1e-6 * (1 + fabs(got)), "%s: %s: %.10g, by differences %.10g",
                  pairs, f->model.params.list[p].name, got, want);
    }
}

static void compare_scores(struct fixture *f, const char *pairs) {
    struct tape tape = {0}, items = {0};
    int64_t domain_items[2] = {A_ITEMS, ITEMS - A_ITEMS};
    f->of->prepare(&f->reference);
    for (int u = 0; u < 2 * USERS; u++) {
        int domain = u % 2;
        struct sample history = f->samples[u / 2];
        history.length = u / 2 == USERS - 1 ? 1 : history.length;
        int32_t target = domain ? A_ITEMS : 0;
        real scores[ITEMS];
        double want[ITEMS];
        struct rank_count full;
        struct ranking ranking = {.target = &target, .full = &full, .scores = scores};
        struct item_set set;
        struct item_view all, view;
        struct batch batch = {0};
        struct pass pass = {.tape = &tape, .batch = &batch, .items = &view};
        model_pack_histories(&f->model, &batch, &history, 1);
        tape_begin(&tape, false, 0);
        tape_begin(&items, false, 0);
        model_items(&f->model, &tape, &batch, 0, &set);
        model_fill_items(&f->model, &set);
        model_view(&f->model, &tape, &set, &view);
        model_view(&f->model, &items, NULL, &all);
        model_query(&f->model, &pass, &all, domain, &ranking.query);
        cr_assert_eq(rank_targets(&tape.arena, &ranking), STATUS_OK);
        f->of->scores(&f->reference, history.items, history.length, domain, want);
        double distance = check_distance(scores, want, domain_items[domain]);
        cr_expect(distance <= 2000 * (double)REAL_EPS, "%s: scores at a distance of %.3g", pairs,
                  distance);
        batch_free(&batch);
    }
    tape_free(&tape);
    tape_free(&items);
}

/* A logit goes through 6 layers of sums of 8 to 24 numbers in a block and as many around it, and is
 * scaled by 10: 2000 roundings. */
static void compare(const struct model_reference *of, const char *pairs, bool each) {
    struct fixture f;
    struct tape tape = {0};
    double got[LOSS_TERMS], want[LOSS_TERMS];
    fixture_open(&f, of, pairs);
    model_losses(&f, &tape, got);
    reference_losses(&f, want);
    for (int k = 0; k < LOSS_TERMS; k++)
        cr_expect(fabs(got[k] - want[k]) <= 2000 * (double)REAL_EPS * (1 + want[k]),
                  "%s: loss %d is %.12g, the reference's %.12g", pairs, k, got[k], want[k]);
    tape_backward(&tape, NULL, NULL);
    if (sizeof(real) == sizeof(double))
        compare_gradients(&f, pairs, each);
    compare_scores(&f, pairs);
    tape_free(&tape);
    fixture_close(&f);
}

/* Settings of the model, "KEY=VALUE ...", the first `each` of them parameter by parameter. */
static void model_check(const struct model_reference *of, const char *const *settings, size_t n,
                        size_t each) {
    for (size_t i = 0; i < n; i++)
        compare(of, settings[i], i < each);
}

#endif
