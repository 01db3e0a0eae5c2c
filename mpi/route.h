/* Rows of bytes from every rank to every rank and the answers back, directly or in two hops.
 *
 * Directly a rank sends R - 1 messages each way. For two hops the R ranks stand in a grid (grid_shape
 * in partition/grid.h), line after line: what is meant for line i and column j goes first along the
 * sender's own line to column j and from there down that column to line i. These are
 *     lines + columns - 2
 * messages each way, and every byte is sent twice, the first time to ranks nearby. Answers take the
 * same way back. */
#ifndef MPI_ROUTE_H
#define MPI_ROUTE_H
#include "mpi/comm.h"

enum route_way { ROUTE_AUTO, ROUTE_DIRECT, ROUTE_TWO_HOPS };

/* Rows that go to and come from each rank of a communicator, and where these begin. */
struct route_hop {
    struct comm comm;
    int *out, *out_at, *in, *in_at; /* [comm.size] */
};

struct route {
    const struct comm *comm;
    enum route_way way; /* ROUTE_AUTO; the others are for tests */
    int lines, columns;
    bool two;                /* hops of the last plan */
    struct route_hop all;    /* of a direct way */
    struct route_hop hop[2]; /* along the line, down the column */
    int *middle;             /* [columns, lines] rows here between the hops, by sender and line */
    char *buffer[2];         /* that hold these, in the order of their arrival and departure */
    int64_t room[2];
};

/* Collective. `comm` outlives the route. */
void route_open(struct route *route, const struct comm *comm);
void route_close(struct route *route); /* collective; safe on a zeroed object; zeroes it */

/* Collective. Choose the hops of the next plan, in which a rank has `bytes` bytes for the others:
 * two where grid_hops says so for the mean of the ranks. */
void route_choose(struct route *route, double bytes);

/* Not collective. Ranks take their rows in an order that follows from the hops: this is the rank
 * whose rows come at place k, 0 <= k < R. */
int route_rank(const struct route *route, int k);

/* Collective. count[k] rows go from here to rank route_rank(k); rank r sends from[r] rows here. */
void route_plan(struct route *route, const int *count, int *from);

/* Collective. `rows` of `bytes` bytes, in the order of route_rank, to their ranks; `to` gets those
 * from rank 0, then those from rank 1, ... And rows in that order back to where those came from. */
void route_there(struct route *route, const void *rows, void *to, int64_t bytes);
void route_back(struct route *route, const void *rows, void *to, int64_t bytes);

#endif
