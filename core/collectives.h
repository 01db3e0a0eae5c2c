/* What a computation over items that several ranks share out asks of the other ranks. core knows no
 * MPI: mpi/collectives.h fills this in. Every call is collective and all ranks make the same ones.
 */
#ifndef CORE_COLLECTIVES_H
#define CORE_COLLECTIVES_H
#include "core/real.h"
#include <stddef.h>
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

#endif
