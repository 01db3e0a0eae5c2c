#include "core/ops/pointer.h"
#include "core/check.h"
#include <math.h>
#include <string.h>

#define NEAR 1e-4

struct pointer_node {
    struct tape_node node;
    struct pointer_part part[POINTER_PARTS];
    int count;
    struct tensor *m;
};

static int64_t nodes_of(const struct pointer_part *p, int64_t s) {
    return p->rows.offsets[s + 1] - p->rows.offsets[s];
}

/* log sigma(z). */
static double log_sigma(double z) {
    return z < 0 ? z - log1p(exp(z)) : -log1p(exp(-z));
}

static double log_sum(const real *e, int64_t n) {
    double max = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        max = fmax(max, (double)e[i]);
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)e[i] - max);
    return max + log(sum);
}

static void set_row(const struct pointer_part *p, int64_t s, real *m) {
    double z = (double)p->z->x[s];
    const real *e = p->e->x + p->rows.offsets[s];
    if (nodes_of(p, s) == 0)
        return;
    m[0] = (real)log_sigma(-z);
    if (p->target[s] >= 0)
        m[1] = (real)(log_sigma(z) + (double)p->e->x[p->target[s]] - log_sum(e, nodes_of(p, s)));
}

/* dz, de of session s from dm [2]; either may be NULL. */
static void row_backward(const struct pointer_part *p, int64_t s, const real *dm, real *dz,
                         real *de) {
    int64_t lo = p->rows.offsets[s], n = nodes_of(p, s);
    double share = exp(log_sigma((double)p->z->x[s]));
    bool there = n > 0 && p->target[s] >= 0;
    if (dz && n > 0)
        dz[s] += (real)(-share * (double)dm[0] + (there ? (1 - share) * (double)dm[1] : 0));
    if (!de || !there)
        return;
    double sum = log_sum(p->e->x + lo, n);
    for (int64_t i = lo; i < lo + n; i++)
        de[i] -= (real)(exp((double)p->e->x[i] - sum) * (double)dm[1]);
    de[p->target[s]] += dm[1];
}

static void pointer_backward(struct tape *tape, void *node) {
    const struct pointer_node *n = node;
    for (int k = 0; k < n->count; k++) {
        const struct pointer_part *p = &n->part[k];
        real *dz = tape_grad_zeroed(tape, p->z), *de = tape_grad_zeroed(tape, p->e);
        for (int64_t s = 0; s < tape_rows(tape, p->rows.sessions); s++)
            row_backward(p, s, n->m->g + 2 * p->row[s], dz, de);
    }
}

struct tensor *op_pointer(struct tape *tape, const struct pointer_part *parts, int count,
                          int64_t rows) {
    struct tensor *inputs[2 * POINTER_PARTS];
    bool learned = false;
    assert(count <= POINTER_PARTS);
    for (int k = 0; k < count; k++) {
        const struct pointer_part *p = &parts[k];
        assert(has_shape(p->z, p->rows.sessions, 1) && has_shape(p->e, node_count(&p->rows), 1));
        inputs[2 * k] = p->z;
        inputs[2 * k + 1] = p->e;
        learned = learned || p->z->learned || p->e->learned;
    }
    struct tensor *m = tape_tensor(tape, rows, 2, learned);
    for (int64_t t = 0; t < tape_rows(tape, rows); t++) {
        m->x[2 * t] = 0;
        m->x[2 * t + 1] = -INFINITY;
    }
    for (int k = 0; k < count; k++)
        for (int64_t s = 0; s < tape_rows(tape, parts[k].rows.sessions); s++)
            set_row(&parts[k], s, m->x + 2 * parts[k].row[s]);
    struct pointer_node *n = tape_push(tape, sizeof *n, m, pointer_backward, inputs, 2 * count);
    if (n) {
        memcpy(n->part, parts, (size_t)count * sizeof *parts);
        n->count = count;
        n->m = m;
    }
    return m;
}

double pointer_loss(struct tape *tape, struct tensor *m, const struct pointer_part *parts,
                    int count, double weight) {
    real *dm = tape->record ? tape_grad_zeroed(tape, m) : NULL;
    double sum = 0;
    for (int k = 0; k < count; k++) {
        const struct pointer_part *p = &parts[k];
        for (int64_t s = 0; s < tape_rows(tape, p->rows.sessions); s++) {
            double share = exp((double)m->x[2 * p->row[s]]);
            if (nodes_of(p, s) == 0 || p->target[s] >= 0)
                continue;
            sum -= log(share + NEAR);
            if (dm)
                dm[2 * p->row[s]] -= (real)(weight * share / (share + NEAR));
        }
    }
    return sum;
}
