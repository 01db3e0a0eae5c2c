/* Rows of tables that the ranks share out by blocks: a rank asks their owners for the rows it works
 * on, and gives the gradients back. Counts of messages are in rows, so that a message may have more
 * than 2^31 numbers. */
#ifndef MPI_LOOKUP_H
#define MPI_LOOKUP_H
#include "core/params.h"
#include "mpi/comm.h"

struct lookup {
    const struct comm *comm;
    const int64_t
        *first; /* [size + 1] rank r has rows first[r] .. first[r + 1] - 1; the caller's */

    /* of the last question */
    int *ask, *ask_at;     /* [size] rows asked of each rank, and their places in the question */
    int *serve, *serve_at; /* [size] rows that each rank asks of this one, and their places */
    int64_t serves;
    int32_t *served; /* [serves] counted from this rank's first row */
    int64_t served_room;

    /* of the last gift */
    int32_t *row;
    real *sum, *given;
    int64_t row_room, sum_room, given_room;
};

/* Not collective. */
void lookup_open(struct lookup *lookup, const struct comm *comm, const int64_t *first);
void lookup_close(struct lookup *lookup); /* safe on a zeroed object; zeroes it */

/* Collective. The rows that this rank works on, distinct and ascending. */
void lookup_ask(struct lookup *lookup, const int32_t *row, int64_t n);

/* Collective. The rows asked for into out [n, cols], from the owners' rows `table`. */
void lookup_fetch(struct lookup *lookup, const real *table, int64_t cols, real *out);

/* Collective. g [n, cols] (NULL: zero) of the rows asked for go to their owners, who add them in
 * the order of the ranks. *out, of this rank's rows, is valid until the next call. */
void lookup_give(struct lookup *lookup, const real *g, int64_t cols, struct row_grad *out);

#endif
