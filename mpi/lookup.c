#include "mpi/lookup.h"
#include "core/mem.h"
#include "core/search.h"
#include <string.h>

void lookup_open(struct lookup *lookup, const struct comm *comm, const int64_t *first) {
    int **lists[] = {&lookup->ask, &lookup->ask_at, &lookup->serve, &lookup->serve_at};
    *lookup = (struct lookup){.comm = comm, .first = first};
    for (int i = 0; i < 4; i++)
        *lists[i] = mem_zero(comm->size, sizeof(int));
}

void lookup_close(struct lookup *lookup) {
    mem_free(lookup->ask);
    mem_free(lookup->ask_at);
    mem_free(lookup->serve);
    mem_free(lookup->serve_at);
    mem_free(lookup->served);
    mem_free(lookup->row);
    mem_free(lookup->sum);
    mem_free(lookup->given);
    *lookup = (struct lookup){0};
}

/* Room for `n` things; what was there is lost. */
static void reserve(void *list, int64_t *room, int64_t n, size_t size) {
    void **p = list;
    if (*p && n <= *room)
        return;
    mem_free(*p);
    *room = n + n / 4 + 1;
    *p = mem_alloc(*room, size);
}

void lookup_ask(struct lookup *l, const int32_t *row, int64_t n) {
    const struct comm *comm = l->comm;
    int64_t at = 0;
    for (int r = 0; r < comm->size; r++) {
        int64_t end = search_first(row, at, n, l->first[r + 1]);
        l->ask_at[r] = (int)at;
        l->ask[r] = (int)(end - at);
        at = end;
    }
    MPI_Alltoall(l->ask, 1, MPI_INT, l->serve, 1, MPI_INT, comm->mpi);
    l->serves = 0;
    for (int r = 0; r < comm->size; r++) {
        l->serve_at[r] = (int)l->serves;
        l->serves += l->serve[r];
    }
    reserve(&l->served, &l->served_room, l->serves, sizeof *l->served);
    MPI_Alltoallv(row, l->ask, l->ask_at, MPI_INT32_T, l->served, l->serve, l->serve_at,
                  MPI_INT32_T, comm->mpi);
    for (int64_t i = 0; i < l->serves; i++)
        l->served[i] -= (int32_t)l->first[comm->rank];
}

static MPI_Datatype row_type(int64_t cols) {
    MPI_Datatype type;
    MPI_Type_contiguous((int)cols, COMM_REAL, &type);
    MPI_Type_commit(&type);
    return type;
}

void lookup_fetch(struct lookup *l, const real *table, int64_t cols, real *out) {
    MPI_Datatype row = row_type(cols);
    reserve(&l->given, &l->given_room, l->serves * cols, sizeof *l->given);
#pragma omp parallel for schedule(static) if (l->serves * cols > 10000)
    for (int64_t i = 0; i < l->serves; i++)
        memcpy(l->given + i * cols, table + l->served[i] * cols, (size_t)cols * sizeof *table);
    MPI_Alltoallv(l->given, l->serve, l->serve_at, row, out, l->ask, l->ask_at, row, l->comm->mpi);
    MPI_Type_free(&row);
}

/* The smallest row that a rank gave and that is not yet taken; at[r] counts those taken. INT32_MAX:
 * none. */
static int32_t next_row(const struct lookup *l, const int *at) {
    int32_t least = INT32_MAX;
    for (int r = 0; r < l->comm->size; r++)
        if (at[r] < l->serve[r] && l->served[l->serve_at[r] + at[r]] < least)
            least = l->served[l->serve_at[r] + at[r]];
    return least;
}

/* Merge the ranks' ascending lists, adding up equal rows. */
static int64_t merge(struct lookup *l, int64_t cols) {
    int *at = mem_zero(l->comm->size, sizeof *at);
    int64_t n = 0;
    for (int32_t row; (row = next_row(l, at)) != INT32_MAX; n++) {
        real *sum = l->sum + n * cols;
        bool first = true;
        for (int r = 0; r < l->comm->size; r++) {
            int64_t i = l->serve_at[r] + at[r];
            if (at[r] == l->serve[r] || l->served[i] != row)
                continue;
            for (int64_t c = 0; c < cols; c++)
                sum[c] = first ? l->given[i * cols + c] : sum[c] + l->given[i * cols + c];
            first = false;
            at[r]++;
        }
        l->row[n] = row;
    }
    mem_free(at);
    return n;
}

void lookup_give(struct lookup *l, const real *g, int64_t cols, struct row_grad *out) {
    int last = l->comm->size - 1;
    int64_t asked = l->ask_at[last] + (int64_t)l->ask[last];
    MPI_Datatype row = row_type(cols);
    real *zero = g ? NULL : mem_zero(asked * cols, sizeof *zero);
    reserve(&l->given, &l->given_room, l->serves * cols, sizeof *l->given);
    reserve(&l->sum, &l->sum_room, l->serves * cols, sizeof *l->sum);
    reserve(&l->row, &l->row_room, l->serves, sizeof *l->row);
    MPI_Alltoallv(g ? g : zero, l->ask, l->ask_at, row, l->given, l->serve, l->serve_at, row,
                  l->comm->mpi);
    MPI_Type_free(&row);
    mem_free(zero);
    *out = (struct row_grad){merge(l, cols), l->row, l->sum};
}
