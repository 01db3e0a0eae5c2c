#include "jobs/engine/popularity.h"
#include "core/mem.h"
#include "io/shard.h"

static int64_t unit_cost(const void *context, const int32_t *items, int64_t length) {
    (void)context, (void)items, (void)length;
    return 1;
}

enum status popularity_count(const struct comm *comm, const struct dataset *dataset,
                             int32_t **events) {
    struct shard shard;
    int64_t items = dataset->items;
    TRY(shard_open(&shard, comm, dataset, SPLIT_TRAIN, unit_cost, NULL));
    int32_t *count = mem_zero(items, sizeof *count);
    for (int64_t i = 0; i < shard.home.offsets[shard.home.count]; i++)
        count[shard.home.items[i]]++;
    shard_close(&shard);
    comm_sum_i32(comm, count, items);
    *events = count;
    return STATUS_OK;
}
