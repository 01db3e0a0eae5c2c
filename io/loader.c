#include "io/loader.h"
#include "core/mem.h"
#include "core/permutation.h"
#include "core/rng.h"

static int64_t cost_of(const void *context, const int32_t *items, int64_t length) {
    const struct loader *loader = context;
    const struct catalogue *c = &loader->model->catalogue;
    int64_t count[STREAMS][DOMAINS];
    batch_count_targets(items, length, c->a_items, c->max_len, count);
    return price_sequence(&loader->price, count);
}

enum status loader_open(struct loader *loader, const struct comm *comm, int shares,
                        const struct dataset *dataset, const struct model *model) {
    int64_t n = dataset->counts[SPLIT_TRAIN], batch = model->config->train.batch;
    *loader = (struct loader){.comm = comm,
                              .shares = shares,
                              .batch = batch < n ? batch : n,
                              .model = model,
                              .price = price_targets(model),
                              .epoch = -1};
    TRY(shard_open(&loader->train, comm, dataset, SPLIT_TRAIN, &model->catalogue.clock, cost_of,
                   loader));
    return STATUS_OK;
}

void loader_close(struct loader *loader) {
    shard_close(&loader->train);
    mem_free(loader->samples);
    hand_free(&loader->hand);
    *loader = (struct loader){0};
}

int64_t loader_steps(const struct loader *loader) {
    return (loader->train.count + loader->batch - 1) / loader->batch;
}

static int64_t step_size(const struct loader *loader, int64_t k) {
    int64_t left = loader->train.count - k * loader->batch;
    return left < loader->batch ? left : loader->batch;
}

void loader_epoch(struct loader *loader, int64_t epoch) {
    const struct shard *train = &loader->train;
    uint64_t seed = (uint64_t)loader->model->config->run.seed;
    int64_t *place = mem_alloc(train->home.count, sizeof *place);
    hand_free(&loader->hand);
    permutation_places(rng_key(seed, RNG_SHUFFLE, (uint64_t)epoch, 0), train->count, train->first,
                       train->home.count, place);
    shard_deal(train, place, loader->batch, loader->shares, &loader->hand);
    int64_t most = loader->hand.count < loader->batch ? loader->hand.count : loader->batch;
    loader->samples = mem_resize(loader->samples, most, sizeof *loader->samples);
    loader->epoch = epoch;
    mem_free(place);
}

/* First of this rank's sequences at or after place p of the epoch. */
static int64_t first_at(const struct hand *hand, int64_t p) {
    int64_t lo = 0, hi = hand->count;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (hand->place[mid] < p)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

int64_t loader_step(const struct loader *loader, int64_t k, int share, struct batch *batch) {
    const struct hand *hand = &loader->hand;
    int64_t at = k * loader->batch, size = step_size(loader, k), n = 0;
    for (int64_t i = first_at(hand, at); i < hand->count && hand->place[i] < at + size; i++)
        if (hand->share[i] == share)
            loader->samples[n++] = hand_sample(hand, i, hand->sequence[i]);
    model_pack(loader->model, batch, loader->samples, n);
    return size;
}
