/* Sharing a global batch among owners by cost. Not collective: a pure function, the same on all
 * ranks. */
#ifndef PARTITION_BALANCE_H
#define PARTITION_BALANCE_H
#include <stdint.h>

/* Scratch numbers that both functions take for n items and `owners` owners. */
static inline int64_t balance_room(int64_t n, int owners) {
    return n + owners;
}

/* owner[i] of item i with cost[i] > 0, such that the owners' costs are near equal: largest first to
 * the least loaded owner (Graham's LPT rule, within 4/3 of the best). Ties go to the lower index
 * and the lower owner. `room` [balance_room] is scratch. */
void balance(const int64_t *cost, int64_t n, int owners, int64_t *room, int32_t *owner);

/* Largest load over mean load of an assignment; 1 is perfect. `room` as above. */
double balance_imbalance(const int64_t *cost, const int32_t *owner, int64_t n, int owners,
                         int64_t *room);

#endif
