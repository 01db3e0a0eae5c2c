#include "mpi/blacs.h"
#include <string.h>

/* BLACS and ScaLAPACK come without headers. */
int Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridinit(int *context, const char *order, int rows, int columns);
void Cblacs_gridinfo(int context, int *rows, int *columns, int *row, int *column);
void Cblacs_gridexit(int context);
int numroc_(const int *n, const int *nb, const int *process, const int *source,
            const int *processes);

int blacs_system(const struct comm *comm) {
    return Csys2blacs_handle(comm->mpi);
}

void blacs_system_free(int system) {
    Cfree_blacs_system_handle(system);
}

struct blacs blacs_open(int system, struct grid shape) {
    struct blacs b = {.context = system};
    Cblacs_gridinit(&b.context, "Row", shape.rows, shape.columns);
    if (b.context >= 0)
        Cblacs_gridinfo(b.context, &b.rows, &b.columns, &b.row, &b.column);
    return b;
}

void blacs_close(const struct blacs *b) {
    if (b->context >= 0)
        Cblacs_gridexit(b->context);
}

int blacs_local(int n, int block, int process, int processes) {
    static const int first = 0;
    return numroc_(&n, &block, &process, &first, &processes);
}

void blacs_describe(int desc[BLACS_DESC], const struct blacs *b, int m, int n, int mb, int nb,
                    int column) {
    int local = b->context < 0 ? 1 : blacs_local(m, mb, b->row, b->rows);
    int all[BLACS_DESC] = {1, b->context, m, n, mb, nb, 0, column, local > 1 ? local : 1};
    memcpy(desc, all, sizeof all);
}
