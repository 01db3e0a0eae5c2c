/* Outline. Fit: choose the items that are kept; bring every rank the sequences that have one of its
 * kept items; from these its rows of X^T X, to the inverse, and of that its rows of B, transposed; rows
 * of whole tables are then gathered. View: where the candidates that are here have their rows;
 * where items are shared out, copies of these. Scores: a candidate's row, for all samples. */
#include "core/models/ease.h"
#include "core/check.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/models/cooccurrence.h"
#include "core/models/history_items.h"
#include "partition/grid.h"
#include <stdlib.h>
#include <string.h>

enum { NOT_KEPT = -1 };

// clang-format off
static const struct option_spec options[] = {
OPTION(struct ease_options, "model.ease_lambda", REAL, lambda, "500", "(0, inf)", NULL,
    "L2 regularisation of the item-item weights"),
OPTION(struct ease_options, "model.ease_items", INTEGER, items, "0", "[0, 2147483647]", NULL,
    "items that are kept, the most frequent; 0: all"),
};
// clang-format on

const struct ease_options *ease_options(const struct config *config) {
    return options_own(config, ease.name);
}

/* The parameters: the kept items, ascending, and of the k-th of them the weights of all kept items,
 * row k of B^T, of which each rank has a block (grid_rows) where tables are shared out. */
struct ease_state {
    int item, weight;
};

static int64_t kept_count(const struct model *model) {
    int64_t most = ease_options(model->config)->items, items = model->catalogue.items;
    return most > 0 && most < items ? most : items;
}

/* A block of the kept items as parameters have it. */
static struct item_block block_of(int64_t kept, int ranks, int rank) {
    struct range rows = grid_rows(kept, ranks, rank);
    return (struct item_block){{rows.lo, rows.hi}, {rows.hi, rows.hi}};
}

static enum status configure(struct config *config) {
    if (config->train.reproducible)
        return log_error(STATUS_INPUT,
                         "train.reproducible: the inverse of ease is rounded otherwise "
                         "on other numbers of ranks; leave the key out");
    return STATUS_OK;
}

static enum status open_ease(struct model *model) {
    struct ease_state *state = model->state;
    struct params *p = &model->params;
    const struct collectives *collectives = model->catalogue.collectives;
    int64_t kept = kept_count(model);
    if (model->catalogue.items > FIT_ITEMS)
        return log_error(STATUS_INPUT,
                         "model.name: ease keeps numbers of items in single precision, exact up to "
                         "%lld items, and there are %lld",
                         (long long)FIT_ITEMS, (long long)model->catalogue.items);
    state->item = params_add(p, 1, 1, kept, PARAM_ZERO, 1, "ease.item");
    state->weight = params_add(p, 2, kept, kept, PARAM_ZERO, 1, "ease.weight");
    if (collectives) {
        struct item_block block = block_of(kept, collectives->size, collectives->rank);
        params_local(p, state->weight, &block);
    }
    return STATUS_OK;
}

static const struct param *kept_items(const struct model *model) {
    const struct ease_state *state = model->state;
    return &model->params.list[state->item];
}

static const struct param *weights(const struct model *model) {
    const struct ease_state *state = model->state;
    return &model->params.list[state->weight];
}

/* place[i] of item i among the kept ones. */
static void find_places(const struct model *model, int32_t *place) {
    for (int64_t i = 0; i < model->catalogue.items; i++)
        place[i] = NOT_KEPT;
    for (int64_t k = 0; k < kept_count(model); k++)
        place[(int64_t)kept_items(model)->tensor.x[k]] = (int32_t)k;
}

/* ---- which items are kept ---- */

struct popular {
    double events;
    int32_t item;
};

static int by_events(const void *a, const void *b) {
    const struct popular *x = a, *y = b;
    return x->events != y->events ? (x->events < y->events) - (x->events > y->events)
                                  : (x->item > y->item) - (x->item < y->item);
}

static int by_item(const void *a, const void *b) {
    const struct popular *x = a, *y = b;
    return (x->item > y->item) - (x->item < y->item);
}

/* Those with the most events, of equal ones the smaller item. The same on all ranks. */
static void choose_kept(const struct model *model, const struct fit *fit) {
    int64_t items = model->catalogue.items, kept = kept_count(model);
    double *events = mem_zero(items, sizeof *events);
    struct popular *list = mem_alloc(items, sizeof *list);
    for (int64_t e = 0; e < fit->local.offsets[fit->local.count]; e++)
        events[fit->local.items[e]]++;
    fit->collectives->sum(fit->collectives->context, events, items);
    for (int64_t i = 0; i < items; i++)
        list[i] = (struct popular){events[i], (int32_t)i};
    qsort(list, (size_t)items, sizeof *list, by_events);
    qsort(list, (size_t)kept, sizeof *list, by_item);
    for (int64_t k = 0; k < kept; k++)
        kept_items(model)->tensor.x[k] = (real)list[k].item;
    mem_free(events);
    mem_free(list);
}

/* ---- fit ---- */

struct fitting {
    const struct model *model;
    struct cooccurrence pairs;
    int32_t *place;   /* [items] among the kept, NOT_KEPT */
    double *count;    /* [items], all zero between rows */
    int32_t *touched; /* [items] */
    double lambda;
    int64_t kept;
};

static void find_owners(const struct fitting *f, int ranks, int32_t *owner) {
    for (int64_t i = 0; i < f->model->catalogue.items; i++)
        owner[i] = -1;
    for (int r = 0; r < ranks; r++) {
        struct range rows = grid_rows(f->kept, ranks, r);
        for (int64_t k = rows.lo; k < rows.hi; k++)
            owner[(int64_t)kept_items(f->model)->tensor.x[k]] = r;
    }
}

/* Rows of X^T X + lambda I. */
static void give_rows(void *state, int64_t lo, int64_t hi, double *rows) {
    struct fitting *f = state;
    memset(rows, 0, (size_t)((hi - lo) * f->kept) * sizeof *rows);
    for (int64_t k = lo; k < hi; k++) {
        double *row = rows + (k - lo) * f->kept;
        int32_t item = (int32_t)kept_items(f->model)->tensor.x[k];
        int64_t n = cooccurrence_row(&f->pairs, item, false, f->count, f->touched);
        for (int64_t t = 0; t < n; t++) {
            int32_t j = f->touched[t];
            if (f->place[j] != NOT_KEPT)
                row[f->place[j]] = f->count[j];
            f->count[j] = 0;
        }
        row[k] += f->lambda;
    }
}

/* Column j of B from row j of P, which is its column. */
static void take_rows(void *state, int64_t lo, int64_t hi, double *rows) {
    struct fitting *f = state;
    const struct param *w = weights(f->model);
    for (int64_t j = lo; j < hi; j++) {
        const double *row = rows + (j - lo) * f->kept;
        real *out = w->tensor.x + item_block_index(&w->local, j) * f->kept;
        for (int64_t i = 0; i < f->kept; i++)
            out[i] = i == j ? 0 : (real)(-row[i] / row[j]);
    }
}

static void gather_rows(const struct model *model, const struct collectives *collectives) {
    const struct param *w = weights(model);
    int64_t *rows = mem_alloc(collectives->size, sizeof *rows);
    for (int r = 0; r < collectives->size; r++) {
        struct range of = grid_rows(w->rows, collectives->size, r);
        rows[r] = of.hi - of.lo;
    }
    collectives->gather(collectives->context, w->tensor.x, rows, w->cols * (int64_t)sizeof(real));
    mem_free(rows);
}

static void fitting_open(struct fitting *f, const struct model *model, const struct fit *fit) {
    int64_t items = model->catalogue.items;
    struct fit_sequences brought;
    *f = (struct fitting){.model = model,
                          .place = mem_alloc(items, sizeof *f->place),
                          .count = mem_zero(items, sizeof *f->count),
                          .touched = mem_alloc(items, sizeof *f->touched),
                          .lambda = ease_options(model->config)->lambda,
                          .kept = kept_count(model)};
    find_places(model, f->place);
    find_owners(f, fit->collectives->size, f->touched);
    fit->bring(fit->context, f->touched, &brought);
    cooccurrence_open(&f->pairs, &brought, items);
    fit_sequences_free(&brought);
}

static void fitting_close(struct fitting *f) {
    cooccurrence_close(&f->pairs);
    mem_free(f->place);
    mem_free(f->count);
    mem_free(f->touched);
}

static enum status fit(struct model *model, const struct fit *fit) {
    struct fitting f;
    choose_kept(model, fit);
    fitting_open(&f, model, fit);
    enum status status = fit->invert(fit->context, (int)f.kept, give_rows, take_rows, &f);
    if (status == STATUS_OK && !model->catalogue.collectives)
        gather_rows(model, fit->collectives);
    fitting_close(&f);
    return status;
}

/* The sequences that are brought, and the matrix in double precision; its Cholesky factor, the
 * inverse of that and their product take n^3 operations. */
static void fit_cost(const struct model *model, const struct fit_size *size,
                     struct fit_cost *cost) {
    int64_t items = model->catalogue.items, brought = fit_brought(size), kept = kept_count(model);
    int64_t sequences = size->sequences < brought ? size->sequences : brought;
    cost->bytes = 8 * sequences + cooccurrence_bytes(items, sequences, brought) + 16 * items +
                  size->inverse_bytes((int)kept, size->ranks);
    cost->flops = (double)kept * (double)kept * (double)kept / size->ranks;
    cost->counts = (double)size->pairs / size->ranks;
}

/* ---- view ---- */

static const char *check(const struct model *model) {
    const real *item = kept_items(model)->tensor.x;
    for (int64_t k = 0; k < kept_count(model); k++)
        if (!(item[k] >= 0 && item[k] < (real)model->catalogue.items &&
              (k == 0 || item[k] >= item[k - 1] + 1)))
            return "ease.item: is not an ascending list of items";
    return NULL;
}

struct rows {
    int64_t kept, width;  /* of the state of a sample */
    const int32_t *place; /* [items] among the kept, NOT_KEPT */
    const real **row;     /* [local items] of B^T, NULL: not kept */
};

/* Copies of the rows of candidates that are here, from the ranks that have them: rows [at, at + n) of
 * every rank together. Collective. */
static void copy_rows(const struct model *model, struct arena *arena, int64_t at, int64_t n,
                      const int64_t *local, real *copy) {
    const struct collectives *collectives = model->catalogue.collectives;
    const struct param *w = weights(model);
    struct arena_mark mark = arena_mark(arena);
    int64_t *rows = arena_alloc(arena, collectives->size, sizeof *rows);
    for (int r = 0; r < collectives->size; r++) {
        struct range of = grid_rows(w->rows, collectives->size, r);
        int64_t left = of.hi - of.lo - at;
        rows[r] = left < 0 ? 0 : left < n ? left : n;
    }
    const real *mine = rows[collectives->rank] ? w->tensor.x + at * w->cols : w->tensor.x;
    const real *all =
        collectives_gather(collectives, arena, mine, rows, w->cols * (int64_t)sizeof *all);
    for (int r = 0; r < collectives->size; r++) {
        int64_t k = grid_rows(w->rows, collectives->size, r).lo + at;
        for (int64_t i = 0; i < rows[r]; i++, k++, all += w->cols)
            if (local[k] >= 0)
                memcpy(copy + local[k] * w->cols, all, (size_t)w->cols * sizeof *all);
    }
    arena_release(arena, mark);
}

/* local[k]: the how-manieth of the kept items that are here the k-th kept one is, -1: none. Returns
 * how many are here. */
static int64_t find_local(const struct model *model, int64_t *local) {
    int64_t n = 0;
    for (int64_t k = 0; k < kept_count(model); k++) {
        int64_t item = (int64_t)kept_items(model)->tensor.x[k];
        local[k] = item_block_index(&model->catalogue.local, item) < 0 ? -1 : n++;
    }
    return n;
}

static const real *gather_local(const struct model *model, struct arena *arena, int64_t *local) {
    enum { AT_A_TIME = 64 };
    int64_t kept = kept_count(model), n = find_local(model, local);
    real *copy = arena_alloc(arena, n * kept, sizeof *copy);
    int64_t most = grid_block(kept, model->catalogue.collectives->size);
    for (int64_t at = 0; at < most; at += AT_A_TIME)
        copy_rows(model, arena, at, AT_A_TIME, local, copy);
    return copy;
}

static void fill_rows(const struct model *model, struct arena *arena, struct rows *rows,
                      int32_t *place, int64_t n) {
    int64_t kept = rows->kept, *local = arena_alloc(arena, kept, sizeof *local);
    const real *from = weights(model)->tensor.x;
    for (int64_t k = 0; k < kept; k++)
        local[k] = k;
    if (model->catalogue.collectives)
        from = gather_local(model, arena, local);
    find_places(model, place);
    for (int64_t p = 0; p < n; p++) {
        int32_t k = place[item_block_item(&model->catalogue.local, p)];
        rows->row[p] = k == NOT_KEPT ? NULL : from + local[k] * kept;
    }
}

static void view(struct model *model, struct tape *tape, struct item_view *view) {
    struct arena *arena = &tape->arena;
    struct rows *rows = arena_alloc(arena, 1, sizeof *rows);
    int32_t *place = arena_alloc(arena, model->catalogue.items, sizeof *place);
    *rows = (struct rows){.kept = kept_count(model),
                          .place = place,
                          .row = arena_alloc(arena, view->n, sizeof *rows->row)};
    if (!tape->dry)
        fill_rows(model, arena, rows, place, view->n);
    else if (model->catalogue.collectives)
        (void)arena_numbers(arena, param_size(weights(model)), sizeof(real));
    for (int64_t i = 0; tape->dry && i < model->catalogue.items; i++)
        place[i] = (int32_t)(i % rows->kept);
    view->own = rows;
}

/* ---- scores ---- */

/* In double precision, in the order of the kept items. */
static real weigh(const real *row, const int32_t *place, int64_t width) {
    double sum = 0;
    for (int64_t k = 0; k < width && place[k] >= 0; k++)
        sum += (double)row[place[k]];
    return (real)sum;
}

/* A row stays in the cache for all samples. */
static void score(const void *context, const void *state, int64_t samples,
                  const struct chunk *chunk, int thread, real *out) {
    const struct rows *rows = context;
    const int32_t *place = state;
    (void)thread;
    for (int64_t i = 0; i < chunk->width; i++) {
        const real *row = rows->row[chunk->lo + i];
        for (int64_t t = 0; t < samples; t++)
            out[t * CHUNK + i] = row ? weigh(row, place + t * rows->width, rows->width) : 0;
    }
}

static void query(struct model *model, struct pass *pass, int domain, struct query *query) {
    struct rows *rows = arena_alloc(&pass->tape->arena, 1, sizeof *rows);
    (void)domain;
    *rows = *(const struct rows *)pass->all->own;
    rows->width = history_items(model, pass, false, rows->place, &query->scorer);
    query->scorer.score = score;
    query->scorer.context = rows;
    query->scorer.flops = (double)rows->width;
}

const struct model_ops ease = {
    .name = "ease",
    .state_size = sizeof(struct ease_state),
    .batch = BATCH_ONE,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .options_size = sizeof(struct ease_options),
    .configure = configure,
    .open = open_ease,
    .fit = fit,
    .fit_cost = fit_cost,
    .fit_key = "model.ease_items",
    .names_items = true,
    .check = check,
    .view = view,
    .query = query,
};
