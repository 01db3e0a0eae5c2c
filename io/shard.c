#include "io/shard.h"
#include "core/mem.h"
#include "partition/deal.h"
#include "partition/range.h"

/* Lengths and costs of all sequences, from the ranks that read them. */
static void share_sizes(struct shard *shard, shard_cost_fn *cost, const void *context) {
    const struct comm *comm = shard->comm;
    int64_t lo = shard->first[comm->rank];
    for (int64_t i = 0; i < shard->home.count; i++) {
        int64_t at = shard->home.offsets[i], n = shard->home.offsets[i + 1] - at;
        shard->length[lo + i] = (int32_t)n;
        shard->cost[lo + i] = cost(context, shard->home.items + at, n);
    }
    for (int r = 0; r < comm->size; r++) {
        int64_t at = shard->first[r], n = shard->first[r + 1] - at;
        comm_bcast_from(comm, r, shard->length + at, n * (int64_t)sizeof *shard->length);
        comm_bcast_from(comm, r, shard->cost + at, n * (int64_t)sizeof *shard->cost);
    }
}

enum status shard_open(struct shard *shard, const struct comm *comm, const struct dataset *dataset,
                       enum split split, shard_cost_fn *cost, const void *context) {
    int64_t n = dataset->counts[split];
    *shard = (struct shard){.comm = comm, .count = n};
    shard->first = mem_alloc(comm->size + 1, sizeof *shard->first);
    for (int r = 0; r <= comm->size; r++)
        shard->first[r] = r < comm->size ? range_of(n, comm->size, r).lo : n;
    shard->length = mem_alloc(n, sizeof *shard->length);
    shard->cost = mem_alloc(n, sizeof *shard->cost);
    enum status status = dataset_read_sequences(comm, dataset, split, shard->first[comm->rank],
                                                shard->first[comm->rank + 1], &shard->home);
    if (status == STATUS_OK)
        share_sizes(shard, cost, context);
    else
        shard_close(shard);
    return status;
}

void shard_close(struct shard *shard) {
    mem_free(shard->first);
    mem_free(shard->length);
    mem_free(shard->cost);
    sequences_free(&shard->home);
    *shard = (struct shard){0};
}

/* The share of every sequence in the order, step by step. */
static void deal_steps(const struct shard *shard, const int64_t *order, int64_t step,
                       struct deal *deal, int32_t *share) {
    int64_t *cost = mem_alloc(step, sizeof *cost);
    for (int64_t at = 0; at < shard->count; at += step) {
        int64_t left = shard->count - at, n = left < step ? left : step;
        for (int64_t i = 0; i < n; i++)
            cost[i] = shard->cost[order[at + i]];
        deal_samples(deal, cost, n, share + at);
    }
    mem_free(cost);
}

enum status shard_deal(const struct shard *shard, const int64_t *order, int64_t step, int shares,
                       struct hand *hand) {
    int32_t *share = mem_alloc(shard->count, sizeof *share),
            *owner = mem_alloc(shard->count, sizeof *owner);
    int64_t *room = mem_alloc(deal_room(step, shares), sizeof *room);
    struct deal deal = deal_over(shares, shard->comm->size, room);
    struct exchange_plan plan = {shard->first, shard->length, shard->count, order, owner};
    *hand = (struct hand){0};
    deal_steps(shard, order, step, &deal, share);
    for (int64_t p = 0; p < shard->count; p++)
        owner[p] = deal_rank(&deal, share[p]);
    enum status status = exchange_rows(shard->comm, &plan, shard->home.items, &hand->rows);
    if (status == STATUS_OK) {
        hand->share = mem_alloc(hand->rows.count, sizeof *hand->share);
        for (int64_t i = 0; i < hand->rows.count; i++)
            hand->share[i] = share[hand->rows.place[i]];
    }
    mem_free(room);
    mem_free(owner);
    mem_free(share);
    return status;
}

void hand_free(struct hand *hand) {
    exchange_free(&hand->rows);
    mem_free(hand->share);
    *hand = (struct hand){0};
}
