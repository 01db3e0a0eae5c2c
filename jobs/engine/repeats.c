#include "jobs/engine/repeats.h"
#include "mpi/comm.h"

enum { COUNTS = sizeof(struct repeats) / sizeof(int64_t) };

enum status repeats_count(const struct comm *comm, const struct dataset *dataset,
                          struct repeats *repeats) {
    struct sequences block;
    *repeats = (struct repeats){0};
    TRY(dataset_read_block(comm, dataset, SPLIT_TRAIN, &block));
    repeats_add(repeats, block.offsets, block.items, block.count, dataset->items,
                dataset->domain_items[0]);
    sequences_free(&block);
    comm_sum_i64(comm, repeats->targets, COUNTS);
    return STATUS_OK;
}
