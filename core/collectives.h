/* What a computation over items that several ranks share out asks of the other ranks. core knows no
 * MPI: mpi/collectives.h fills this in. Every call is collective and all ranks make the same ones.
 */
#ifndef CORE_COLLECTIVES_H
#define CORE_COLLECTIVES_H
#include "core/arena.h"
#include "core/real.h"
#include <stdint.h>

struct collectives {
    void *context; /* the first argument of every call */
    int rank, size;

    /* `all` holds counts[r] rows of `bytes` bytes of every rank r, one rank after another; a rank
     * fills its own and finds all. */
    void (*gather)(void *context, void *all, const int64_t *counts, int64_t bytes);

    /* Element by element over the ranks, in place. */
    void (*max)(void *context, real *x, int64_t n);
    void (*sum)(void *context, double *x, int64_t n);

    /* x holds counts[r] rows of `width` numbers meant for each rank r; a rank gets the sum of all
     * ranks' rows meant for it in place of its own. The rest of x is undefined afterwards. */
    void (*sum_own)(void *context, real *x, const int64_t *counts, int64_t width);
};

/* A copy in the arena of the rows of all ranks, one rank after another: counts[r] rows of `bytes`
 * bytes of rank r, of which this one has `mine`. Collective. */
void *collectives_gather(const struct collectives *collectives, struct arena *arena,
                         const void *mine, const int64_t *counts, int64_t bytes);

/* The same of one number of every rank. Collective. */
int64_t *collectives_gather_count(const struct collectives *collectives, struct arena *arena,
                                  int64_t mine);

#endif
