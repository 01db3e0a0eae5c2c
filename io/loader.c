#include "io/loader.h"
#include "core/mem.h"
#include "core/rng.h"
#include "partition/balance.h"

int64_t loader_cost(const struct target_price *price, const int64_t count[STREAMS][2]) {
    int64_t cost = 1;
    for (int s = 0; s < STREAMS; s++)
        for (int d = 0; d < 2; d++)
            cost += count[s][d] * price->target[s][d];
    return cost;
}

static int64_t price_sequence(const void *context, const int32_t *items, int64_t length) {
    const struct loader *loader = context;
    int64_t count[STREAMS][2];
    batch_count_targets(items, length, loader->a_items, loader->max_len, count);
    return loader_cost(&loader->price, count);
}

enum status loader_open(struct loader *loader, const struct comm *comm, int parts,
                        const struct dataset *dataset, const struct target_price *price,
                        int64_t max_len, int64_t batch, int64_t seed) {
    int64_t n = dataset->counts[SPLIT_TRAIN];
    *loader = (struct loader){.comm = comm,
                              .parts = parts,
                              .a_items = dataset->domain_items[0],
                              .max_len = max_len,
                              .batch = batch < n ? batch : n,
                              .seed = seed,
                              .price = *price,
                              .epoch = -1};
    TRY(shard_open(&loader->train, comm, dataset, SPLIT_TRAIN, price_sequence, loader));
    loader->order = mem_alloc(n, sizeof *loader->order);
    loader->samples = mem_alloc(loader->batch, sizeof *loader->samples);
    return STATUS_OK;
}

void loader_close(struct loader *loader) {
    shard_close(&loader->train);
    mem_free(loader->order);
    mem_free(loader->samples);
    mem_free(loader->part);
    exchange_free(&loader->share);
    *loader = (struct loader){0};
}

int64_t loader_steps(const struct loader *loader) {
    return (loader->train.count + loader->batch - 1) / loader->batch;
}

static int64_t step_size(const struct loader *loader, int64_t k) {
    int64_t left = loader->train.count - k * loader->batch;
    return left < loader->batch ? left : loader->batch;
}

/* The part of every sequence of the epoch, step by step. */
static void assign(struct loader *loader, int32_t *part) {
    int64_t steps = loader_steps(loader), *cost = mem_alloc(loader->batch, sizeof *cost);
    int64_t *room = mem_alloc(balance_room(loader->batch, loader->parts), sizeof *room);
    loader->imbalance = 0;
    for (int64_t k = 0; k < steps; k++) {
        int64_t at = k * loader->batch, n = step_size(loader, k);
        for (int64_t i = 0; i < n; i++)
            cost[i] = loader->train.cost[loader->order[at + i]];
        balance(cost, n, loader->parts, room, part + at);
        loader->imbalance +=
            balance_imbalance(cost, part + at, n, loader->parts, room) / (double)steps;
    }
    mem_free(room);
    mem_free(cost);
}

/* Keep the parts of this rank's sequences. */
static void keep_parts(struct loader *loader, const int32_t *part) {
    loader->part = mem_resize(loader->part, loader->share.count, sizeof *loader->part);
    for (int64_t i = 0; i < loader->share.count; i++)
        loader->part[i] = part[loader->share.place[i]];
}

enum status loader_epoch(struct loader *loader, int64_t epoch) {
    int32_t per_rank = loader->parts / loader->comm->size;
    int32_t *part = mem_alloc(loader->train.count, sizeof *part),
            *owner = mem_alloc(loader->train.count, sizeof *owner);
    rng_permutation(rng_key((uint64_t)loader->seed, RNG_SHUFFLE, (uint64_t)epoch, 0),
                    loader->train.count, loader->order);
    assign(loader, part);
    for (int64_t i = 0; i < loader->train.count; i++)
        owner[i] = part[i] / per_rank;
    exchange_free(&loader->share);
    enum status status = shard_deal(&loader->train, loader->order, owner, &loader->share);
    if (status == STATUS_OK)
        keep_parts(loader, part);
    loader->epoch = epoch;
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

int64_t loader_step(const struct loader *loader, int64_t k, int part, struct batch *batch) {
    const struct exchange_rows *rows = &loader->share;
    int64_t at = k * loader->batch, size = step_size(loader, k), n = 0;
    for (int64_t i = first_at(rows, at); i < rows->count && rows->place[i] < at + size; i++)
        if (loader->part[i] == part)
            loader->samples[n++] = (struct sample){rows->values + rows->offsets[i],
                                                   rows->offsets[i + 1] - rows->offsets[i],
                                                   loader->order[rows->place[i]]};
    model_pack(loader->model, batch, loader->samples, n);
    return size;
}
