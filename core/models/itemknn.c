/* Outline. Fit: every rank gets the sequences that have one of its items, counts a row of
 * co-occurrences after the other and keeps the best of it; rows of whole tables are then gathered.
 * View: the lists turned into entries by item of the history, of the candidates that are here.
 * Scores: the entries of a history's items, added in double precision. */
#include "core/models/itemknn.h"
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/models/cooccurrence.h"
#include "core/models/history_items.h"
#include "core/search.h"
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { NOBODY = -1 };

// clang-format off
static const struct option_spec options[] = {
OPTION(struct itemknn_options, "model.knn", CHOICE, kind, "session", "session|cosine", NULL,
    "similarity of two items: of the code for sessions, or the cosine of RecBole"),
OPTION(struct itemknn_options, "model.knn_history", CHOICE, history, "auto", "auto|last|sum", NULL,
    "items of the history that score: the last one, or all of them; auto: last for session, sum for cosine"),
OPTION(struct itemknn_options, "model.knn_neighbours", INTEGER, neighbours, "100", "[1, 10000]", NULL,
    "most similar items that are kept of each item"),
OPTION(struct itemknn_options, "model.knn_shrink", REAL, shrink, "auto", "[0, inf)", "auto",
    "what is added to the supports of session, to the denominator of cosine; auto: 20, 0"),
};
// clang-format on

const struct itemknn_options *itemknn_options(const struct config *config) {
    return options_own(config, itemknn.name);
}

/* The parameters: of each item its neighbours, ascending, and how similar they are; of an item that
 * has fewer the rest is NOBODY and 0. */
struct itemknn_state {
    int item, weight;
};

/* The entries of the item i of a history are offsets[i] .. offsets[i + 1): the places of candidates
 * that are here, ascending, and what they score. */
struct entries {
    int64_t items, width; /* of the state of a sample */
    int64_t *offsets;
    int32_t *place;
    real *weight;
};

static enum status open_itemknn(struct model *model) {
    struct itemknn_state *state = model->state;
    struct params *p = &model->params;
    int64_t items = model->catalogue.items, k = itemknn_options(model->config)->neighbours;
    if (items > FIT_ITEMS)
        return log_error(STATUS_INPUT,
                         "model.name: itemknn keeps numbers of items in single precision, exact up "
                         "to %lld items, and there are %lld",
                         (long long)FIT_ITEMS, (long long)items);
    state->item = params_add(p, 2, items, k, PARAM_ZERO, k, "knn.item");
    state->weight = params_add(p, 2, items, k, PARAM_ZERO, k, "knn.weight");
    for (int i = state->item; i <= state->weight; i++) {
        params_of_items(p, i);
        if (model->catalogue.collectives)
            params_local(p, i, &model->catalogue.local);
    }
    return STATUS_OK;
}

static bool is_by_candidate(const struct model *model) {
    return itemknn_options(model->config)->kind == KNN_COSINE;
}

static bool takes_last(const struct model *model) {
    const struct itemknn_options *o = itemknn_options(model->config);
    return o->history == KNN_HISTORY_LAST ||
           (o->history == KNN_HISTORY_AUTO && o->kind == KNN_SESSION);
}

/* ---- fit ---- */

struct fitting {
    struct model *model;
    const struct itemknn_options *options;
    struct cooccurrence pairs;
    double *support; /* [items] */
    double shrink;
    struct item_block mine; /* the items whose rows this rank makes */
};

/* Supports of all items: each from the rank that has all sequences with it. */
static void count_supports(struct fitting *f, const struct collectives *collectives) {
    int64_t items = f->model->catalogue.items;
    bool events = f->options->kind == KNN_SESSION;
    f->support = mem_zero(items, sizeof *f->support);
    for (int64_t k = 0; k < item_block_count(&f->mine); k++) {
        int32_t i = (int32_t)item_block_item(&f->mine, k);
        f->support[i] = (double)(events ? cooccurrence_events(&f->pairs, i)
                                        : cooccurrence_sequences(&f->pairs, i));
    }
    collectives->sum(collectives->context, f->support, items);
}

static double similarity(const struct fitting *f, int32_t i, int32_t j, double count) {
    double x = f->support[i], y = f->support[j];
    if (f->options->kind == KNN_COSINE)
        return count / (sqrt(x) * sqrt(y) + f->shrink + 1e-6);
    return count / (sqrt(x + f->shrink) * sqrt(y + f->shrink));
}

static int by_item(const void *a, const void *b) {
    const struct top_item *x = a, *y = b;
    return (x->item > y->item) - (x->item < y->item);
}

static struct top best_of(const struct fitting *f, int32_t i, struct cooccurrence_counter *c) {
    struct top top = {c->list, f->options->neighbours, 0};
    bool events = f->options->kind == KNN_SESSION;
    int64_t n = cooccurrence_row(&f->pairs, i, events, c->count, c->touched);
    for (int64_t k = 0; k < n; k++) {
        int32_t j = c->touched[k];
        if (j != i)
            top_add(&top, (struct top_item){(real)similarity(f, i, j, c->count[j]), j});
        c->count[j] = 0;
    }
    qsort(top.list, (size_t)top.count, sizeof *top.list, by_item);
    return top;
}

/* Where the row of item i is in the tensors that are here. */
static int64_t row_of(const struct model *model, int64_t i) {
    return model->catalogue.collectives ? item_block_index(&model->catalogue.local, i) : i;
}

static void put_row(const struct model *model, int64_t i, const struct top *top) {
    const struct itemknn_state *state = model->state;
    const struct param *item = &model->params.list[state->item];
    const struct param *weight = &model->params.list[state->weight];
    for (int64_t k = 0, at = row_of(model, i) * item->cols; k < item->cols; k++, at++) {
        item->tensor.x[at] = k < top->count ? (real)top->list[k].item : NOBODY;
        weight->tensor.x[at] = k < top->count ? top->list[k].score : 0;
    }
}

static void make_rows(struct fitting *f) {
    int64_t rows = item_block_count(&f->mine);
#pragma omp parallel
    {
        struct cooccurrence_counter counter =
            cooccurrence_counter_new(f->model->catalogue.items, f->options->neighbours);
#pragma omp for schedule(dynamic, 16)
        for (int64_t k = 0; k < rows; k++) {
            int64_t i = item_block_item(&f->mine, k);
            struct top top = best_of(f, (int32_t)i, &counter);
            put_row(f->model, i, &top);
        }
        cooccurrence_counter_free(&counter);
    }
}

static void gather_rows(const struct model *model, const struct fit *fit) {
    const struct itemknn_state *state = model->state;
    const struct catalogue *c = &model->catalogue;
    for (int i = state->item; i <= state->weight; i++) {
        const struct param *p = &model->params.list[i];
        fit_gather_items(fit, c->a_items, c->items, p->tensor.x, p->cols * (int64_t)sizeof(real));
    }
}

static enum status fit(struct model *model, const struct fit *fit) {
    const struct catalogue *c = &model->catalogue;
    const struct collectives *collectives = fit->collectives;
    struct fitting f = {
        .model = model,
        .options = itemknn_options(model->config),
        .mine = item_block_of(c->a_items, c->items, collectives->size, collectives->rank)};
    struct fit_sequences brought;
    f.shrink = !isnan(f.options->shrink) ? f.options->shrink : is_by_candidate(model) ? 0 : 20;
    fit_bring_items(fit, c->a_items, c->items, &brought);
    cooccurrence_open(&f.pairs, &brought, c->items);
    fit_sequences_free(&brought);
    count_supports(&f, collectives);
    make_rows(&f);
    if (!c->collectives)
        gather_rows(model, fit);
    cooccurrence_close(&f.pairs);
    mem_free(f.support);
    return STATUS_OK;
}

/* The sequences that are brought, twice while they are sent and while they are turned, the counts of
 * every thread and the supports. */
static void fit_cost(const struct model *model, const struct fit_size *size,
                     struct fit_cost *cost) {
    int64_t items = model->catalogue.items, brought = fit_brought(size);
    int64_t sequences = size->sequences < brought ? size->sequences : brought;
    cost->bytes = 8 * brought + 16 * sequences + cooccurrence_bytes(items, sequences, brought) +
                  12 * items * size->threads + 12 * items;
    cost->counts = (double)size->pairs / size->ranks;
}

/* ---- view ---- */

/* Items of the data set, ascending, then NOBODY. */
static bool is_list(const real *item, int64_t k, real items) {
    for (int64_t n = 0; n < k; n++) {
        bool follows = n == 0 || (item[n - 1] >= 0 && item[n] > item[n - 1]);
        if (item[n] != NOBODY && !(follows && item[n] >= 0 && item[n] < items))
            return false;
    }
    return true;
}

static const char *check(const struct model *model) {
    const struct itemknn_state *state = model->state;
    const struct param *p = &model->params.list[state->item];
    for (int64_t r = 0; r < p->tensor.rows; r++)
        if (!is_list(p->tensor.x + r * p->cols, p->cols, (real)model->catalogue.items))
            return "knn.item: a row is no ascending list of items";
    return NULL;
}

/* One list after the other: that of item `row` has `item` with `weight`. */
typedef void list_fn(void *context, int64_t row, int64_t item, real weight);

static void visit_rows(const struct item_block *block, const real *item, const real *weight,
                       int64_t k, list_fn *visit, void *context) {
    for (int64_t r = 0; r < item_block_count(block); r++)
        for (int64_t n = r * k; n < (r + 1) * k && item[n] >= 0; n++)
            visit(context, item_block_item(block, r), (int64_t)item[n], weight[n]);
}

/* Rows [at, at + n) of every rank, as far as it has any. Collective. */
static void visit_gathered(const struct model *model, struct arena *arena, int64_t at, int64_t n,
                           list_fn *visit, void *context) {
    const struct itemknn_state *state = model->state;
    const struct catalogue *c = &model->catalogue;
    const struct param *item = &model->params.list[state->item];
    const struct param *weight = &model->params.list[state->weight];
    struct arena_mark mark = arena_mark(arena);
    int64_t size = c->collectives->size, k = item->cols, bytes = k * (int64_t)sizeof(real);
    int64_t *rows = arena_alloc(arena, size, sizeof *rows);
    for (int r = 0; r < size; r++) {
        struct item_block block = item_block_of(c->a_items, c->items, (int)size, r);
        int64_t left = item_block_count(&block) - at;
        rows[r] = left < 0 ? 0 : left < n ? left : n;
    }
    int64_t mine = rows[c->collectives->rank] ? at * k : 0;
    const real *items =
        collectives_gather(c->collectives, arena, item->tensor.x + mine, rows, bytes);
    const real *weights =
        collectives_gather(c->collectives, arena, weight->tensor.x + mine, rows, bytes);
    for (int r = 0; r < size; items += rows[r] * k, weights += rows[r] * k, r++) {
        struct item_block block = item_block_of(c->a_items, c->items, (int)size, r);
        for (int64_t row = 0; row < rows[r]; row++) {
            int64_t i = item_block_item(&block, at + row);
            struct item_block one = {{i, i}, {i + 1, i}};
            visit_rows(&one, items + row * k, weights + row * k, k, visit, context);
        }
    }
    arena_release(arena, mark);
}

/* All lists that have a candidate which is here: the candidates' own, or everybody's. */
static void visit_lists(const struct model *model, struct arena *arena, list_fn *visit,
                        void *context) {
    enum { AT_A_TIME = 4096 };
    const struct itemknn_state *state = model->state;
    const struct catalogue *c = &model->catalogue;
    const struct param *item = &model->params.list[state->item];
    const struct param *weight = &model->params.list[state->weight];
    if (is_by_candidate(model) || !c->collectives) {
        visit_rows(&c->local, item->tensor.x, weight->tensor.x, item->cols, visit, context);
        return;
    }
    struct item_block most = item_block_of(c->a_items, c->items, c->collectives->size, 0);
    for (int64_t at = 0; at < item_block_count(&most); at += AT_A_TIME)
        visit_gathered(model, arena, at, AT_A_TIME, visit, context);
}

struct turning {
    const struct model *model;
    struct entries *entries;
};

static int64_t source_of(const struct turning *t, int64_t row, int64_t item) {
    return is_by_candidate(t->model) ? item : row;
}

static int64_t place_of(const struct turning *t, int64_t row, int64_t item) {
    return item_block_index(&t->model->catalogue.local, is_by_candidate(t->model) ? row : item);
}

static void count_entry(void *context, int64_t row, int64_t item, real weight) {
    const struct turning *t = context;
    (void)weight;
    if (place_of(t, row, item) >= 0)
        t->entries->offsets[source_of(t, row, item) + 1]++;
}

static void put_entry(void *context, int64_t row, int64_t item, real weight) {
    const struct turning *t = context;
    int64_t place = place_of(t, row, item);
    if (place < 0)
        return;
    int64_t at = t->entries->offsets[source_of(t, row, item)]++;
    t->entries->place[at] = (int32_t)place;
    t->entries->weight[at] = weight;
}

/* Rows and the items of a list come in ascending order, and so do the places of each source. */
static void fill_entries(const struct model *model, struct arena *arena, struct entries *e) {
    struct turning turning = {model, e};
    memset(e->offsets, 0, (size_t)(e->items + 1) * sizeof *e->offsets);
    visit_lists(model, arena, count_entry, &turning);
    for (int64_t i = 0; i < e->items; i++)
        e->offsets[i + 1] += e->offsets[i];
    e->place = arena_alloc(arena, e->offsets[e->items], sizeof *e->place);
    e->weight = arena_alloc(arena, e->offsets[e->items], sizeof *e->weight);
    visit_lists(model, arena, put_entry, &turning);
    memmove(e->offsets + 1, e->offsets, (size_t)e->items * sizeof *e->offsets);
    e->offsets[0] = 0;
}

/* Of a dry one the most entries that lists of items at random have. */
static void view(struct model *model, struct tape *tape, struct item_view *view) {
    struct arena *arena = &tape->arena;
    struct entries *e = arena_alloc(arena, 1, sizeof *e);
    int64_t items = model->catalogue.items, k = itemknn_options(model->config)->neighbours;
    *e = (struct entries){.items = items,
                          .offsets = arena_alloc(arena, items + 1, sizeof *e->offsets)};
    if (tape->dry)
        (void)arena_numbers(arena, view->n * k, sizeof *e->place + sizeof *e->weight);
    else
        fill_entries(model, arena, e);
    view->own = e;
}

/* ---- scores ---- */

/* sum[i] of a chunk's i-th candidate, over the items of a history. */
static void add_entries(const struct entries *e, const int32_t *item, const struct chunk *chunk,
                        double *sum) {
    for (int64_t k = 0; k < e->width && item[k] >= 0; k++) {
        int64_t end = e->offsets[item[k] + 1];
        int64_t n = search_first(e->place, e->offsets[item[k]], end, chunk->lo);
        for (; n < end && e->place[n] < chunk->lo + chunk->width; n++)
            sum[e->place[n] - chunk->lo] += (double)e->weight[n];
    }
}

/* Sums in double precision: which items they came from hardly shows, and what is equal ties. */
static void score(const void *context, const void *state, int64_t samples,
                  const struct chunk *chunk, int thread, real *out) {
    const struct entries *e = context;
    (void)thread;
    for (int64_t t = 0; t < samples; t++) {
        double sum[CHUNK] = {0};
        add_entries(e, (const int32_t *)state + t * e->width, chunk, sum);
        for (int64_t i = 0; i < chunk->width; i++)
            out[t * CHUNK + i] = (real)sum[i];
    }
}

static void query(struct model *model, struct pass *pass, int domain, struct query *query) {
    struct entries *e = arena_alloc(&pass->tape->arena, 1, sizeof *e);
    const struct itemknn_options *o = itemknn_options(model->config);
    (void)domain;
    *e = *(const struct entries *)pass->all->own;
    e->width = history_items(model, pass, takes_last(model), NULL, &query->scorer);
    query->scorer.score = score;
    query->scorer.context = e;
    query->scorer.flops = (double)(e->width * o->neighbours) / (double)e->items;
}

const struct model_ops itemknn = {
    .name = "itemknn",
    .state_size = sizeof(struct itemknn_state),
    .batch = BATCH_ONE,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .options_size = sizeof(struct itemknn_options),
    .open = open_itemknn,
    .fit = fit,
    .fit_cost = fit_cost,
    .names_items = true,
    .check = check,
    .view = view,
    .query = query,
};
