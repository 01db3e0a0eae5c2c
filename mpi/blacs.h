/* Grids of ranks as BLACS and ScaLAPACK have them, and the descriptors of matrices on them. */
#ifndef MPI_BLACS_H
#define MPI_BLACS_H
#include "mpi/comm.h"
#include "partition/grid.h"

enum { BLACS_DESC = 9 };

/* A grid and this rank's place in it. */
struct blacs {
    int context; /* -1 on ranks outside */
    int rows, columns, row, column;
};

/* The handle of a communicator for blacs_open. Collective, as is giving it back, after the grids. */
int blacs_system(const struct comm *comm);
void blacs_system_free(int system);

struct blacs blacs_open(int system, struct grid shape); /* collective */
void blacs_close(const struct blacs *blacs);

/* Of n rows or columns in blocks of `block`, those of one of `processes`. Not collective. */
int blacs_local(int n, int block, int process, int processes);

/* Descriptor of an m x n matrix in blocks of mb x nb on a grid, the first of them at process
 * (0, column); what a rank outside needs of it is the context. Not collective. */
void blacs_describe(int desc[BLACS_DESC], const struct blacs *blacs, int m, int n, int mb, int nb,
                    int column);

/* ScaLAPACK's copy of an m x n part of a matrix to another one, between grids of `context`'s ranks.
 * Collective over these. */
void Cpdgemr2d(int m, int n, const double *a, int ia, int ja, const int *desca, double *b, int ib,
               int jb, const int *descb, int context);

#endif
