#include "core/models/views.h"
#include "core/catalogue/loss.h"
#include "core/models/layers.h"
#include "core/models/tables.h"
#include "core/ops/activation.h"
#include "core/ops/embedding.h"
#include "core/ops/mix.h"
#include "core/ops/norm.h"
#include "core/ops/parts.h"

/* The tables, in the order of the modalities. */
enum view { VIEW_ID, VIEW_SPECIFIC, VIEW_AGNOSTIC };

/* ---- parameters ---- */

void views_declare(struct model *model, struct views *views) {
    struct params *p = &model->params;
    int64_t d = model->config->model.dim;
    static const char *const first[VIEWS] = {NULL, "view.specific.1", "view.agnostic.1"},
                             *const second[VIEWS] = {NULL, "view.specific.2", "view.agnostic.2"},
                             *const gate[VIEWS] = {"gate.id", "gate.specific", "gate.agnostic"};
    for (int v = VIEW_SPECIFIC; v < VIEWS; v++) {
        views->view[v].first = layer_add_linear(p, first[v], d, model->table[v].dim);
        views->view[v].second = layer_add_linear(p, second[v], d, d);
    }
    for (int v = 0; v < VIEWS; v++)
        views->view[v].gate = layer_add_linear(p, gate[v], 1, d);
}

/* ---- items ---- */

static struct tensor *adapt(struct model *model, const struct views *views, struct tape *tape,
                            int v, struct tensor *rows) {
    struct params *p = &model->params;
    struct tensor *x = layer_linear(p, tape, rows, views->view[v].first);
    x = op_activation(tape, x, ACTIVATION_GELU, &dropout_none);
    return layer_linear(p, tape, x, views->view[v].second);
}

static bool is_zero(const real *x, int64_t n) {
    int64_t i = 0;
    while (i < n && x[i] == 0)
        i++;
    return i == n;
}

/* Is row i of both tables there? */
static bool in_both(const real *a, int64_t a_cols, const real *b, int64_t b_cols, int64_t i) {
    return !is_zero(a + i * a_cols, a_cols) && !is_zero(b + i * b_cols, b_cols);
}

/* Which rows are there? A dry tape takes all for present. */
static bool *present(struct tape *tape, const struct tensor *rows) {
    bool *there = arena_alloc(&tape->arena, rows->rows, sizeof *there);
    for (int64_t i = 0; i < rows->rows; i++)
        there[i] = tape->dry || !is_zero(rows->x + i * rows->cols, rows->cols);
    return there;
}

static struct tensor *fuse(struct model *model, const struct views *views, struct tape *tape,
                           struct tensor *const rows[VIEWS]) {
    struct gate_view gate[VIEWS];
    for (int v = 0; v < VIEWS; v++)
        gate[v] = (struct gate_view){
            .value = v == VIEW_ID ? rows[v] : adapt(model, views, tape, v, rows[v]),
            .weight = tape_param(tape, &model->params, views->view[v].gate),
            .bias = tape_param(tape, &model->params, views->view[v].gate + 1),
            .present = v == VIEW_ID ? NULL : present(tape, rows[v])};
    return op_gate(tape, gate, VIEWS);
}

/* Where all ranks need the rows of all items, each makes a part of them. */
struct tensor *views_rows(struct model *model, const struct views *views, struct tape *tape,
                          const struct item_view *view) {
    struct tensor *rows[VIEWS];
    int replicas = tape->replicas;
    for (int v = 0; v < VIEWS; v++)
        rows[v] = tables_rows(model, tape, view, v);
    if (!tape->peers)
        return fuse(model, views, tape, rows);
    for (int v = 0; v < VIEWS; v++)
        rows[v] = op_take_part(tape, rows[v]);
    tape->replicas = 1;
    struct tensor *all = op_join_parts(tape, fuse(model, views, tape, rows), view->n);
    tape->replicas = replicas;
    return all;
}

/* ---- contrast of the views ---- */

/* Items of the set that have both views; all on a dry tape. */
static int64_t with_both(const struct tape *tape, struct tensor *const view[VIEWS], int32_t *out) {
    const struct tensor *s = view[VIEW_SPECIFIC], *a = view[VIEW_AGNOSTIC];
    int64_t n = 0;
    for (int64_t i = 0; i < s->rows; i++)
        if (tape->dry || in_both(s->x, s->cols, a->x, a->cols, i))
            out[n++] = (int32_t)i;
    return n;
}

/* Sum over the rows lo .. hi - 1 of -log softmax_j(<q_i, k_j>)_i. */
static double one_way(struct tape *tape, struct tensor *q, struct tensor *k, int64_t lo, int64_t hi,
                      double weight) {
    int32_t *row = arena_alloc(&tape->arena, hi - lo, sizeof *row);
    for (int64_t i = lo; i < hi; i++)
        row[i - lo] = (int32_t)i;
    struct catalogue_loss loss = {.heads = 1,
                                  .head = {{q, k, k}},
                                  .weights = {1},
                                  .positions = hi - lo,
                                  .row = row,
                                  .positive = row,
                                  .candidates = k->rows,
                                  .hits = catalogue_hits_of_targets(&tape->arena, row, hi - lo, 0),
                                  .weight = weight};
    return catalogue_loss(tape, &loss);
}

/* View v of the `n` items `both` of a table, of unit norm: all ranks need all of them. */
static struct tensor *unit_views(struct model *model, const struct views *views,
                                 const struct pass *pass, int v, struct tensor *table,
                                 const int32_t *both, int64_t n) {
    struct tape *tape = pass->tape;
    bool parts = pass->peers != NULL;
    int64_t lo = parts ? part_first(pass->peers, n, pass->peers->rank) : 0;
    int64_t hi = parts ? part_first(pass->peers, n, pass->peers->rank + 1) : n;
    tape->replicas = parts ? 1 : pass->shares;
    tape->peers = pass->peers;
    struct tensor *x = adapt(model, views, tape, v, op_gather(tape, table, both + lo, hi - lo));
    x = op_unit_norm(tape, x, NORM_EPS);
    x = parts ? op_join_parts(tape, x, n) : x;
    tape->replicas = 1;
    tape->peers = NULL;
    return x;
}

double views_contrast(struct model *model, const struct views *views, const struct pass *pass,
                      double temperature, double weight) {
    struct tape *tape = pass->tape;
    struct tensor *view[VIEWS], *unit[VIEWS], *scaled[VIEWS];
    const struct item_view whole = {.set = pass->whole, .n = pass->whole->n};
    int32_t *both = arena_alloc(&tape->arena, whole.n, sizeof *both);
    for (int v = VIEW_SPECIFIC; v < VIEWS; v++)
        view[v] = tables_rows(model, tape, &whole, v);
    int64_t n = with_both(tape, view, both);
    int64_t lo = n * pass->share / pass->shares, hi = n * (pass->share + 1) / pass->shares;
    if (n == 0)
        return 0;
    for (int v = VIEW_SPECIFIC; v < VIEWS; v++) {
        unit[v] = unit_views(model, views, pass, v, view[v], both, n);
        scaled[v] = op_scale(tape, unit[v], (real)(1 / temperature));
    }
    double each = weight / (2 * (double)n);
    double sum = one_way(tape, scaled[VIEW_AGNOSTIC], unit[VIEW_SPECIFIC], lo, hi, each) +
                 one_way(tape, scaled[VIEW_SPECIFIC], unit[VIEW_AGNOSTIC], lo, hi, each);
    return sum / (2 * (double)n);
}
