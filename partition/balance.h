/* Sharing a global batch among ranks by cost. Not collective: a pure function, the same on all
 * ranks. */
#ifndef PARTITION_BALANCE_H
#define PARTITION_BALANCE_H
#include <stdint.h>

/* owner[i] of item i with cost[i] > 0, such that the owners' costs are near equal: largest first to
 * the least loaded owner (Graham's LPT rule, within 4/3 of the best). Ties go to the lower index
 * and the lower owner. */
void balance(const int64_t *cost, int64_t n, int size, int32_t *owner);

/* Largest load over mean load of an assignment; 1 is perfect. */
double balance_imbalance(const int64_t *cost, const int32_t *owner, int64_t n, int size);

#endif
