#include "jobs/engine/workload.h"
#include "core/cost/price.h"
#include "core/mem.h"
#include "core/rng.h"
#include "partition/deal.h"

enum { STEPS = 256, RANKED = 256 };

void workload_free(struct workload *work) {
    batch_free(&work->share);
    batch_free(&work->step);
    batch_free(&work->history);
    *work = (struct workload){0};
}

static int64_t at_most(int64_t n, int64_t most) {
    return n < most ? n : most;
}

static struct sample sample_of(const struct sequences *s, int64_t i) {
    return (struct sample){s->items + s->offsets[i], s->offsets[i + 1] - s->offsets[i], i, NULL};
}

/* ---- the largest step ---- */

/* A step as it is dealt. */
struct step {
    const struct model *model;
    const struct sequences *train;
    struct target_price price;
    int64_t n, *sequence;   /* [n] */
    int64_t *cost, *tokens; /* [n] of each sequence */
    int32_t *share;         /* [n] */
};

static void weigh(struct step *step, int64_t i) {
    const struct catalogue *c = &step->model->catalogue;
    struct sample s = sample_of(step->train, step->sequence[i]);
    int64_t count[STREAMS][DOMAINS];
    batch_count_targets(s.items, s.length, c->a_items, c->max_len, count);
    step->cost[i] = price_sequence(&step->price, count);
    step->tokens[i] = 0;
    for (int k = 0; k < STREAMS; k++)
        step->tokens[i] += count[k][0] + count[k][1];
}

/* Deal the step. Returns the share with the most tokens, whose load they are. */
static int deal_step(struct step *step, struct deal *deal) {
    for (int64_t i = 0; i < step->n; i++)
        weigh(step, i);
    deal_samples(deal, step->cost, step->n, step->share);
    deal_weigh(deal, step->tokens, step->n, step->share);
    return deal_largest(deal);
}

/* The sequences of a share, -1: of the whole step. */
static void pack(const struct step *step, int share, struct batch *batch) {
    struct sample *samples = mem_alloc(step->n, sizeof *samples);
    int64_t n = 0;
    for (int64_t i = 0; i < step->n; i++)
        if (share < 0 || step->share[i] == share)
            samples[n++] = sample_of(step->train, step->sequence[i]);
    model_pack(step->model, batch, samples, n);
    mem_free(samples);
}

/* Among the first STEPS steps of the first epoch, which the others are much like. */
static void find_step(struct workload *work, struct step *step, int shares) {
    const struct config *c = step->model->config;
    int64_t n = step->train->count, batch = at_most(c->train.batch, n), most = 0;
    int64_t *order = mem_alloc(n, sizeof *order);
    int64_t *room = mem_alloc(deal_room(batch, shares), sizeof *room);
    struct deal deal = deal_over(shares, shares, room);
    rng_permutation(rng_key((uint64_t)c->run.seed, RNG_SHUFFLE, 0, 0), n, order);
    for (int64_t at = 0; at < n && at / batch < STEPS; at += batch) {
        step->n = at_most(batch, n - at);
        step->sequence = order + at;
        int largest = deal_step(step, &deal);
        if (deal.load[largest] <= most)
            continue;
        most = deal.load[largest];
        pack(step, largest, &work->share);
        pack(step, -1, &work->step);
    }
    mem_free(room);
    mem_free(order);
}

/* ---- the largest batch of a ranking ---- */

static int target_domain(const struct model *model, const struct sequences *valid, int64_t i) {
    return valid->items[valid->offsets[i + 1] - 1] >= model->catalogue.a_items;
}

/* As many histories as a rank ranks at once, of the domain with more targets, from all over the
 * validation split. Where items are shared out the ranks rank theirs together. */
void workload_find_histories(struct workload *work, const struct model *model,
                             const struct sequences *valid, int ranks) {
    int64_t at_once = model->catalogue.collectives ? (RANKED + ranks - 1) / ranks : RANKED;
    struct sample samples[RANKED];
    int64_t count[DOMAINS] = {0, 0}, n = 0, seen = 0;
    for (int64_t i = 0; i < valid->count; i++)
        count[target_domain(model, valid, i)]++;
    work->domain = count[1] > count[0];
    int64_t of = count[work->domain], most = at_most(at_once, (of + ranks - 1) / ranks);
    for (int64_t i = 0; i < valid->count && n < most; i++)
        if (target_domain(model, valid, i) == work->domain && seen++ >= n * of / most) {
            samples[n] = sample_of(valid, i);
            samples[n++].length--; /* without the target */
        }
    model_pack_histories(model, &work->history, samples, n);
}

void workload_find(struct workload *work, const struct model *model, const struct sequences *train,
                   const struct sequences *valid, int shares, int ranks) {
    int64_t batch = at_most(model->config->train.batch, train->count);
    struct step step = {.model = model,
                        .train = train,
                        .price = price_targets(model),
                        .cost = mem_alloc(batch, sizeof *step.cost),
                        .tokens = mem_alloc(batch, sizeof *step.tokens),
                        .share = mem_alloc(batch, sizeof *step.share)};
    *work = (struct workload){0};
    find_step(work, &step, shares);
    workload_find_histories(work, model, valid, ranks);
    mem_free(step.cost);
    mem_free(step.tokens);
    mem_free(step.share);
}
