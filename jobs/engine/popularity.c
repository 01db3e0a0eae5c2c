#include "jobs/engine/popularity.h"
#include "core/mem.h"
#include "mpi/comm.h"

enum status popularity_count(const struct comm *comm, const struct dataset *dataset,
                             int32_t **events) {
    struct sequences block;
    TRY(dataset_read_block(comm, dataset, SPLIT_TRAIN, &block));
    int32_t *count = mem_zero(dataset->items, sizeof *count);
    for (int64_t i = 0; i < block.offsets[block.count]; i++)
        count[block.items[i]]++;
    sequences_free(&block);
    comm_sum_i32(comm, count, dataset->items);
    *events = count;
    return STATUS_OK;
}
