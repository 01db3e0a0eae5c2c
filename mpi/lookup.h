/* Rows of tables that the ranks share out: block k of them to rank k mod size, whose blocks stand
 * one after another. A rank asks their owners for the rows it works on, and gives the gradients
 * back: of all tables at once, in one exchange each way (mpi/route.h). Counts of messages are in
 * rows, so that a message may have more than 2^31 numbers. */
#ifndef MPI_LOOKUP_H
#define MPI_LOOKUP_H
#include "core/arena.h"
#include "core/params.h"
#include "mpi/route.h"

struct lookup {
    const struct comm *comm;
    const int64_t *first; /* [blocks + 1] block k is rows first[k] .. first[k + 1] - 1; borrowed */
    int blocks;
    struct route route;

    /* of the last question; lists are in the arena */
    struct arena arena;
    int64_t asks, serves;
    int32_t *order;    /* [asks] places in the question, in the order of route_rank */
    int32_t *served;   /* [serves] this rank's rows that the ranks ask for, rank by rank */
    int32_t *row;      /* [rows] the same, each once, ascending ... */
    int32_t *of_serve; /* [serves] ... and where each of them stands there */
    int64_t rows;

    real *given, *taken,
        *sum; /* of the last exchange: on the owner's side, the asker's; gradients */
    int64_t given_room, taken_room, sum_room;
};

/* A table's part of what travels, of `cols` columns. */
struct lookup_part {
    int64_t cols;
    const real *from; /* pull: the owner's rows; push: [n, cols] gradients, NULL: zero */
    real *to;         /* pull: [n, cols] */
};

/* Collective. `each` blocks per rank. */
void lookup_open(struct lookup *lookup, const struct comm *comm, const int64_t *first, int each);
void lookup_close(struct lookup *lookup); /* collective; safe on a zeroed object; zeroes it */

/* Collective. The rows that this rank works on, distinct and ascending. Of each so many columns will
 * be pulled, which helps to choose the route. */
void lookup_plan(struct lookup *lookup, const int32_t *row, int64_t n, int64_t cols);

/* Collective. The n rows asked for, of every table. */
void lookup_pull(struct lookup *lookup, const struct lookup_part *part, int parts);

/* Collective. Gradients of the rows asked for go to their owners, who add them in the order of the
 * ranks. out[parts], of this rank's rows, are valid until the next question or gift. */
void lookup_push(struct lookup *lookup, const struct lookup_part *part, int parts,
                 struct row_grad *out);

#endif
