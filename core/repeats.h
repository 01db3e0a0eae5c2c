/* How often the targets of training sequences repeat an earlier item of their sequence, from which a
 * ranking knows how probable it is that the next item is one of the history's
 * (core/catalogue/blend.h). Not collective. */
#ifndef CORE_REPEATS_H
#define CORE_REPEATS_H
#include <stdint.h>

/* By the domain of the target. */
struct repeats {
    int64_t targets[2], repeated[2];
};

/* Add those of `count` sequences, sequence s being items[offsets[s] .. offsets[s + 1]): every item but
 * the first is a target. Items below `a_items` of all `items` are of domain 0. */
void repeats_add(struct repeats *repeats, const int64_t *offsets, const int32_t *item,
                 int64_t count, int64_t items, int64_t a_items);

/* (repeated + 1/2) / (targets + 1), which is neither 0 nor 1 (Krichevsky, Trofimov, IEEE Transactions
 * on Information Theory 1981). */
double repeats_rate(const struct repeats *repeats, int domain);

/* Percent of a domain's targets that repeat, 0 of none. */
double repeats_percent(const struct repeats *repeats, int domain);

#endif
