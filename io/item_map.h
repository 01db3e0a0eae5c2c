/* Which item of a data set each item of a checkpoint is, by their keys. A key stands for an item
 * within its domain: the other domain may have it too. */
#ifndef IO_ITEM_MAP_H
#define IO_ITEM_MAP_H
#include "io/dataset.h"

/* Items that both have, that only the data set has, that only the checkpoint has. */
struct item_counts {
    int64_t kept, added, dropped;
};

struct item_map {
    int64_t items; /* of the checkpoint */
    int32_t *to;   /* [items] number in the data set, -1: it is not there */
    struct item_counts counts;
};

/* Collective; rank 0 reads and has an index of the keys of one domain at a time, all ranks get the
 * map. `path` is a checkpoint with keys, of so many items in each domain. STATUS_INPUT when two
 * items of a domain have the same key. */
CHECKED enum status item_map_make(const struct comm *comm, const char *path,
                                  const int64_t domain_items[2], const struct dataset *dataset,
                                  struct item_map *map);
void item_map_free(struct item_map *map); /* safe on a zeroed object; zeroes it */

/* Collective; rank 0 reads. Text of the first item in which the two differ, the caller's to be
 * given to mem_free; NULL on the other ranks. */
CHECKED enum status item_map_difference(const struct comm *comm, const char *path,
                                        const int64_t domain_items[2],
                                        const struct dataset *dataset, char **text);

#endif
