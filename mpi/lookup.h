/* Rows of tables that the ranks share out: block k of them to rank k mod size, whose blocks stand
 * one after another. A rank asks their owners for the rows it works on, and gives the gradients
 * back. Counts of messages are in rows, so that a message may have more than 2^31 numbers. */
#ifndef MPI_LOOKUP_H
#define MPI_LOOKUP_H
#include "core/params.h"
#include "mpi/comm.h"

/* What the ranks gave of one table: gradients of this rank's rows. */
struct lookup_gift {
    int32_t *row;
    real *sum;
    int64_t row_room, sum_room;
};

struct lookup {
    const struct comm *comm;
    const int64_t *first; /* [blocks + 1] block k is rows first[k] .. first[k + 1] - 1; borrowed */
    int blocks;

    /* of the last question */
    int64_t asks;
    int32_t *order; /* [asks] places in the question, rank by rank */
    int64_t order_room;
    int *ask, *ask_at;     /* [size] rows asked of each rank, and their places in `order` */
    int *serve, *serve_at; /* [size] rows that each rank asks of this one, and their places */
    int64_t serves;
    int32_t *served; /* [serves] places among this rank's rows */
    int64_t served_room;

    /* of the last exchange */
    real *given, *taken;
    int64_t given_room, taken_room;
};

/* Not collective. `each` blocks per rank. */
void lookup_open(struct lookup *lookup, const struct comm *comm, const int64_t *first, int each);
void lookup_close(struct lookup *lookup); /* safe on a zeroed object; zeroes it */

/* Collective. The rows that this rank works on, distinct and ascending. */
void lookup_plan(struct lookup *lookup, const int32_t *row, int64_t n);

/* Collective. The rows asked for into out [n, cols], from the owners' rows `table`. */
void lookup_pull(struct lookup *lookup, const real *table, int64_t cols, real *out);

/* Collective. g [n, cols] (NULL: zero) of the rows asked for go to their owners, who add them in
 * the order of the ranks. *out, of this rank's rows, points into `gift`: a zeroed one, or that of an
 * earlier call. */
void lookup_push(struct lookup *lookup, const real *g, int64_t cols, struct lookup_gift *gift,
                 struct row_grad *out);
void lookup_return(struct lookup_gift *gift); /* gives its memory back; zeroes it */

#endif
