/* The first steps twice; from where the second run stands, the gradient along a direction v. Of every
 * tensor p with gradient g_p, and numbers r drawn from (0, 2) for its elements,
 *
 *     v_p = r g_p / |g_p|          <g, v> = sum over p of sum of r g_p^2 / |g_p|
 *
 * so that every tensor has a share of <g, v>, which is nowhere near to zero. It is compared with the central
 * difference
 *
 *     (L(x + h v) - L(x - h v)) / 2 h
 *
 * of a step h that moves the loss by a small part of itself. */
#include "jobs/bench/proof.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/optim.h"
#include "core/rng.h"
#include "io/checkpoint.h"
#include "io/report_json.h"
#include "jobs/engine/popularity.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The part by which the loss moves, and by how much the difference may be off. Curvature and the kinks of
 * rectifiers made it 0.0016 of <g, v> in deck tiny, rounding to bfloat16 another 0.0015. */
static const double MOVES = 0.002, ALLOWED = 0.01, ALLOWED_BF16 = 0.03;

/* ---- checks ---- */

static void add(struct proof *p, const char *name, double found, double allowed, bool passed,
                const char *why) {
    p->check[p->checks++] = (struct proof_check){name, found, allowed, passed};
    if (!passed && !p->reason[0])
        snprintf(p->reason, sizeof p->reason, "%s: %s", name, why);
}

void proof_at_most(struct proof *p, const char *name, double found, double allowed) {
    char why[PROOF_TEXT];
    snprintf(why, sizeof why, "off by %.3g, at most %.3g is allowed", found, allowed);
    add(p, name, found, allowed, found <= allowed, why);
}

void proof_equal(struct proof *p, const char *name, bool equal, const char *why) {
    add(p, name, NAN, NAN, equal, why);
}

json_t *proof_json(const struct proof *p) {
    json_t *object = json_object();
    for (int i = 0; i < p->checks; i++) {
        const struct proof_check *c = &p->check[i];
        json_t *one = json_object();
        json_object_set_new(one, "passed", json_boolean(c->passed));
        if (isfinite(c->allowed)) {
            json_object_set_new(one, "found", report_number(c->found));
            json_object_set_new(one, "allowed", json_real(c->allowed));
        }
        json_object_set_new(object, c->name, one);
    }
    return object;
}

void proof_print(const struct proof *p) {
    printf("%-18s%12s%12s\n", "check", "off by", "allowed");
    for (int i = 0; i < p->checks; i++) {
        const struct proof_check *c = &p->check[i];
        if (isfinite(c->allowed))
            printf("%-18s%12.2e%12.2e   %s\n", c->name, c->found, c->allowed,
                   c->passed ? "passed" : "FAILED");
        else
            printf("%-18s%12s%12s   %s\n", c->name, "-", "-", c->passed ? "passed" : "FAILED");
    }
}

/* ---- losses ---- */

/* The first steps of a run. */
struct first_steps {
    double loss[DECK_CHECKED][LOSS_TERMS];
    bool alike;    /* have all ranks the same parameters? */
    uint64_t hash; /* of them */
};

static enum status take_steps(struct bench *b, int64_t steps, struct first_steps *out) {
    struct phases phases;
    for (int64_t k = 0; k < steps; k++) {
        phases_start(&phases, PHASE_INPUT);
        stepper_load(&b->stepper, k);
        TRY(stepper_compute(&b->stepper, k + 1, b->run.config.train.lr, &phases, out->loss[k]));
    }
    return STATUS_OK;
}

static enum status run_steps(struct bench *b, int64_t steps, struct first_steps *out) {
    TRY(take_steps(b, steps, out));
    TRY(stepper_check(&b->stepper, steps));
    out->alike = comm_same(b->comm, params_hash(&b->run.model.params));
    out->hash = checkpoint_params_hash(b->comm, &b->run.model.params);
    return STATUS_OK;
}

/* A run from nothing; on failure too bench_close it. */
static enum status open_first(struct bench *b, struct comm *comm, const struct deck *deck,
                              const struct config *given) {
    struct config config = *given;
    struct dataset data;
    config.train.batch = deck->checked_batch;
    config.bench.skip = (struct names){.count = 1, .name = {"evaluation"}};
    dataset_make(&deck->data, &data);
    return bench_open(b, comm, &config, &data);
}

/* What rounding makes of a loss in step `step`, where errors of single operations are independent (Higham,
 * Mary, 2019): a logit is c <q, e> of unit vectors of d numbers, of which operands are rounded to u' and
 * sums to u, so that it is off by
 *
 *     c ( sqrt(d) u + sqrt(2 / d) u' )
 *
 * and log-sum-exp minus a logit by twice that. An encoder of B blocks has rounded in 2 B layers before, and
 * parameters carry all of it from step to step. The loss is the mean over targets, of which a stream has at
 * least as many as the batch has sequences. */
static double loss_tolerance(const struct deck *deck, const struct config *c, int64_t step) {
    double d = (double)c->model.dim, u = (double)REAL_EPS / 2, of_operand = u;
    if (c->train.precision == PRECISION_BF16)
        of_operand = 1.0 / 256;
    double logit = c->model.scale * (sqrt(d) * u + sqrt(2 / d) * of_operand);
    double each = 2 * logit * sqrt((double)(1 + 2 * c->model.blocks)) * (double)step;
    return each / sqrt((double)deck->checked_batch);
}

/* The largest difference, in parts of what is allowed. */
static double worst_loss(const struct deck *deck, const struct config *config,
                         const double loss[][LOSS_TERMS], const double other[][LOSS_TERMS]) {
    double worst = 0;
    for (int64_t k = 0; k < deck->checked; k++)
        for (int l = 0; l < LOSS_TERMS; l++) {
            double part = fabs(loss[k][l] - other[k][l]) / loss_tolerance(deck, config, k + 1);
            worst = part <= worst ? worst : part; /* NaN counts as larger */
        }
    return worst;
}

enum status proof_reference(struct comm *comm, const struct deck *deck,
                            const struct config *config) {
    struct first_steps first = {0};
    struct bench b;
    enum status status = open_first(&b, comm, deck, config);
    /* The last update would double the memory of the large deck for nothing. */
    b.stepper.without_optimizer = deck->checked == 1;
    if (status == STATUS_OK)
        status = take_steps(&b, deck->checked, &first);
    for (int64_t k = 0; k < deck->checked && status == STATUS_OK && comm->rank == 0; k++)
        printf("{%.17g, %.17g, %.17g, %.17g},\n", first.loss[k][0], first.loss[k][1],
               first.loss[k][2], first.loss[k][3]);
    bench_close(&b);
    return status;
}

/* ---- the gradient ---- */

/* The gradient of parameter `index` that came as rows. */
static const struct row_grad *rows_of(const struct stepper *s, int index) {
    static const struct row_grad none;
    const struct model *model = &s->run->model;
    for (int k = 0; k < model->tables; k++)
        if (model->table[k].param == index)
            return &s->grads.table[k];
    return index == model->users ? &s->grads.users : &none;
}

/* n numbers of a gradient g, from element `at` of the block on, into v; adds sum of v g to *slope. */
static void direct(const struct bench *b, const struct param *p, int64_t at, int64_t n,
                   const real *g, double norm, double *slope) {
    const struct params *params = &b->run.model.params;
    int64_t first = at - p->at;
    uint64_t key = rng_key((uint64_t)b->run.config.run.seed, RNG_TEST, (uint64_t)p->at,
                           p->partial ? (uint64_t)b->comm->rank : 0);
    for (int64_t i = 0; i < n; i++) {
        double r = 2 * rng_uniform(key, (uint64_t)(first + i));
        params->m[at + i] = (real)(r * (double)g[i] / norm);
        *slope += (double)params->m[at + i] * (double)g[i];
    }
}

/* The part of parameter `index`; returns what it adds to <g, v>. */
static double direct_param(const struct bench *b, int index) {
    const struct params *params = &b->run.model.params;
    const struct param *p = &params->list[index];
    const struct row_grad *rows = rows_of(&b->stepper, index);
    double square = p->tensor.g ? grad_square(params, p->at, param_end(p))
                                : row_grad_square(rows, p->cols),
           slope = 0;
    if (p->partial)
        comm_sum_f64(b->comm, &square, 1);
    if (square > 0 && p->tensor.g)
        direct(b, p, p->at, param_size(p), p->tensor.g, sqrt(square), &slope);
    for (int64_t i = 0; i < rows->n && square > 0 && !p->tensor.g; i++)
        direct(b, p, p->at + (rows->row ? rows->row[i] : i) * p->cols, p->cols,
               rows->g + i * p->cols, sqrt(square), &slope);
    if (p->partial)
        comm_sum_f64(b->comm, &slope, 1);
    return slope;
}

/* v in place of the first moments. Returns <g, v>. */
static double make_direction(const struct bench *b) {
    const struct params *params = &b->run.model.params;
    double slope = 0;
    memset(params->m, 0, (size_t)params->total * sizeof *params->m);
    for (int i = 0; i < params->count; i++)
        slope += direct_param(b, i);
    return slope;
}

/* L(x + h v) of the loaded step, and its gradient; x is in place of the second moments. */
static enum status loss_at(struct bench *b, double h, double *loss) {
    const struct model *model = &b->run.model;
    const struct params *params = &model->params;
    struct phases phases;
    double mean[LOSS_TERMS];
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < params->total; i++)
        params->x[i] = (real)((double)params->v[i] + h * (double)params->m[i]);
    phases_start(&phases, PHASE_INPUT);
    b->stepper.without_optimizer = true;
    TRY(stepper_compute(&b->stepper, b->done + 1, 0, &phases, mean));
    *loss = 0;
    for (int k = 0; k < model->losses; k++)
        *loss += model->loss[k].weight * mean[k];
    return STATUS_OK;
}

/* Of step `step` + 1 from where the parameters stand. Parameters and moments are lost. */
static enum status check_gradient(struct proof *proof, struct bench *b, int64_t step) {
    const struct config *c = &b->run.config;
    struct params *params = &b->run.model.params;
    double loss, ahead, behind;
    b->done = step;
    stepper_load(&b->stepper, step);
    memcpy(params->v, params->x, (size_t)params->total * sizeof *params->v);
    TRY(loss_at(b, 0, &loss));
    double slope = make_direction(b);
    double h = MOVES * loss / slope;
    TRY(loss_at(b, h, &ahead));
    TRY(loss_at(b, -h, &behind));
    double found = (ahead - behind) / (2 * h);
    proof_at_most(proof, "gradient", fabs(found - slope) / slope,
                  c->train.precision == PRECISION_BF16 ? ALLOWED_BF16 : ALLOWED);
    return STATUS_OK;
}

/* ---- both runs ---- */

static void compare(struct proof *proof, const struct deck *deck, const struct config *config,
                    const struct first_steps *one, const struct first_steps *two) {
    proof_at_most(proof, "losses", worst_loss(deck, config, one->loss, deck->loss), 1);
    if (config->train.reproducible)
        proof_equal(proof, "repeated",
                    one->hash == two->hash && !memcmp(one->loss, two->loss, sizeof one->loss),
                    "the second run has other bits");
    else
        proof_at_most(proof, "repeated", worst_loss(deck, config, one->loss, two->loss), 1);
    proof_equal(proof, "replicas", one->alike && two->alike, "the ranks' parameters differ");
}

enum status proof_of_steps(struct proof *proof, struct comm *comm, const struct deck *deck,
                           const struct config *config) {
    struct first_steps run[2] = {0};
    enum status status = STATUS_OK;
    for (int i = 0; i < 2 && status == STATUS_OK; i++) {
        struct bench b;
        status = open_first(&b, comm, deck, config);
        if (status == STATUS_OK)
            status = run_steps(&b, deck->checked, &run[i]);
        if (status == STATUS_OK && i == 1) {
            compare(proof, deck, config, &run[0], &run[1]);
            status = check_gradient(proof, &b, deck->checked);
        }
        bench_close(&b);
    }
    return status;
}

/* ---- the ranking ---- */

enum status proof_of_ranking(struct proof *proof, struct bench *b) {
    struct report_scores popularity;
    int32_t *events;
    char why[PROOF_TEXT];
    TRY(popularity_count(b->comm, &b->run.dataset, &events));
    enum status status = evaluation_popularity(&b->valid, events, &popularity);
    mem_free(events);
    TRY(status);
    double model = b->scores.full.all.mrr, popular = popularity.full.all.mrr;
    snprintf(why, sizeof why, "MRR %.4f is not above popularity's %.4f", model, popular);
    proof_equal(proof, "ranking", model > popular, why);
    log_info("MRR after %lld steps %.4f, of popularity %.4f", (long long)b->done, model, popular);
    return STATUS_OK;
}
