#include "jobs/engine/successors.h"
#include "core/mem.h"
#include "mpi/collectives.h"

/* One kind of all ranks, of which this one has `own` pairs. */
static void set_from_all(const struct collectives *c, int kind, const struct item_pair *pairs,
                         int64_t own, int64_t items, struct successors *successors) {
    struct arena arena = {0};
    int64_t *counts = collectives_gather_count(c, &arena, own), all = 0;
    for (int r = 0; r < c->size; r++)
        all += counts[r];
    successors_set(successors, kind, collectives_gather(c, &arena, pairs, counts, sizeof *pairs),
                   all, items);
    arena_free(&arena);
}

enum status successors_count(const struct comm *comm, const struct dataset *dataset,
                             struct successors *successors) {
    struct collectives collectives = collectives_of(comm);
    struct sequences block;
    TRY(dataset_read_block(comm, dataset, SPLIT_TRAIN, &block));
    struct item_pair *pairs = mem_alloc(block.offsets[block.count], sizeof *pairs);
    for (int kind = 0; kind < FOLLOWS; kind++)
        set_from_all(&collectives, kind, pairs,
                     successors_pairs(block.offsets, block.items, block.count,
                                      dataset->domain_items[0], kind, pairs),
                     dataset->items, successors);
    mem_free(pairs);
    sequences_free(&block);
    return STATUS_OK;
}
