#include "io/feed.h"
#include "core/mem.h"
#include "core/rng.h"
#include "partition/balance.h"

int64_t feed_cost(const struct feed_price *price, const int64_t count[STREAMS][2]) {
    int64_t cost = 1;
    for (int s = 0; s < STREAMS; s++)
        for (int d = 0; d < 2; d++)
            cost += count[s][d] * price->target[s][d];
    return cost;
}

static int64_t price_sequence(const void *context, const int32_t *items, int64_t length) {
    const struct feed *feed = context;
    int64_t count[STREAMS][2];
    batch_count_targets(items, length, feed->x_items, feed->max_len, count);
    return feed_cost(&feed->price, count);
}

enum status feed_open(struct feed *feed, const struct comm *comm, int parts,
                      const struct dataset *dataset, const struct feed_price *price,
                      int64_t max_len, int64_t batch, int64_t seed) {
    int64_t n = dataset->counts[SPLIT_TRAIN];
    *feed = (struct feed){.comm = comm,
                          .parts = parts,
                          .x_items = dataset->domain_items[0],
                          .max_len = max_len,
                          .batch = batch < n ? batch : n,
                          .seed = seed,
                          .price = *price,
                          .epoch = -1};
    TRY(shard_open(&feed->train, comm, dataset, SPLIT_TRAIN, price_sequence, feed));
    feed->order = mem_alloc(n, sizeof *feed->order);
    feed->samples = mem_alloc(feed->batch, sizeof *feed->samples);
    return STATUS_OK;
}

void feed_close(struct feed *feed) {
    shard_close(&feed->train);
    mem_free(feed->order);
    mem_free(feed->samples);
    mem_free(feed->part);
    exchange_free(&feed->share);
    *feed = (struct feed){0};
}

int64_t feed_steps(const struct feed *feed) {
    return (feed->train.count + feed->batch - 1) / feed->batch;
}

static int64_t step_size(const struct feed *feed, int64_t k) {
    int64_t left = feed->train.count - k * feed->batch;
    return left < feed->batch ? left : feed->batch;
}

/* The part of every sequence of the epoch, step by step. */
static void assign(struct feed *feed, int32_t *part) {
    int64_t steps = feed_steps(feed), *cost = mem_alloc(feed->batch, sizeof *cost);
    feed->imbalance = 0;
    for (int64_t k = 0; k < steps; k++) {
        int64_t at = k * feed->batch, n = step_size(feed, k);
        for (int64_t i = 0; i < n; i++)
            cost[i] = feed->train.cost[feed->order[at + i]];
        balance(cost, n, feed->parts, part + at);
        feed->imbalance += balance_imbalance(cost, part + at, n, feed->parts) / (double)steps;
    }
    mem_free(cost);
}

/* Keep the parts of this rank's sequences. */
static void keep_parts(struct feed *feed, const int32_t *part) {
    feed->part = mem_resize(feed->part, feed->share.count, sizeof *feed->part);
    for (int64_t i = 0; i < feed->share.count; i++)
        feed->part[i] = part[feed->share.place[i]];
}

enum status feed_epoch(struct feed *feed, int64_t epoch) {
    int32_t per_rank = feed->parts / feed->comm->size;
    int32_t *part = mem_alloc(feed->train.count, sizeof *part),
            *owner = mem_alloc(feed->train.count, sizeof *owner);
    rng_permutation(rng_key((uint64_t)feed->seed, RNG_SHUFFLE, (uint64_t)epoch, 0),
                    feed->train.count, feed->order);
    assign(feed, part);
    for (int64_t i = 0; i < feed->train.count; i++)
        owner[i] = part[i] / per_rank;
    exchange_free(&feed->share);
    enum status status = shard_deal(&feed->train, feed->order, owner, &feed->share);
    if (status == STATUS_OK)
        keep_parts(feed, part);
    feed->epoch = epoch;
    mem_free(part);
    mem_free(owner);
    return status;
}

/* First of this rank's rows at or after place p of the epoch. */
static int64_t first_at(const struct exchange_rows *rows, int64_t p) {
    int64_t lo = 0, hi = rows->count;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (rows->place[mid] < p)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

int64_t feed_step(const struct feed *feed, int64_t k, int part, struct batch *batch) {
    const struct exchange_rows *rows = &feed->share;
    int64_t at = k * feed->batch, size = step_size(feed, k), n = 0;
    for (int64_t i = first_at(rows, at); i < rows->count && rows->place[i] < at + size; i++)
        if (feed->part[i] == part)
            feed->samples[n++] = (struct sample){rows->values + rows->offsets[i],
                                                 rows->offsets[i + 1] - rows->offsets[i],
                                                 feed->order[rows->place[i]]};
    (feed->mixed ? batch_mixed : batch_train)(batch, feed->samples, n, feed->x_items,
                                              feed->max_len);
    return size;
}
