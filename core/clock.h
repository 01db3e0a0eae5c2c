/* Where a moment lies among the events of a training: knots at moments that part the events into equal
 * numbers, between which a place is linear in time. Models whose parameters change with time read
 * places (core/models/encoder.h). Not collective; plain data. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H
#include "core/real.h"
#include <stdbool.h>
#include <stdint.h>

enum { CLOCK_KNOTS = 64 };

/* knots 0: the time of events is not known. */
struct clock {
    int knots;
    int64_t at[CLOCK_KNOTS]; /* strictly ascending */
};

/* Knot k has place k; what lies outside of all knots, the place of the first or the last. There are
 * knots. */
real clock_place(const struct clock *clock, int64_t moment);

bool clock_equal(const struct clock *a, const struct clock *b);

#endif
