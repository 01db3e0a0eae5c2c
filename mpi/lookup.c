/* Outline: plan, by which ranks learn who asks whom for which rows; pull, owner to asker; push,
 * asker to owner, who merges the ranks' ascending lists. */
#include "mpi/lookup.h"
#include "core/mem.h"
#include "core/search.h"
#include <string.h>

void lookup_open(struct lookup *lookup, const struct comm *comm, const int64_t *first, int each) {
    int **lists[] = {&lookup->ask, &lookup->ask_at, &lookup->serve, &lookup->serve_at};
    *lookup = (struct lookup){.comm = comm, .first = first, .blocks = each * comm->size};
    for (int i = 0; i < 4; i++)
        *lists[i] = mem_zero(comm->size, sizeof(int));
}

void lookup_close(struct lookup *lookup) {
    mem_free(lookup->ask);
    mem_free(lookup->ask_at);
    mem_free(lookup->serve);
    mem_free(lookup->serve_at);
    mem_free(lookup->served);
    mem_free(lookup->given);
    mem_free(lookup->taken);
    mem_free(lookup->order);
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

/* Rank by rank, the places in the question of the rows that it has, ascending. */
static void sort_by_rank(struct lookup *l, const int32_t *row, int64_t n) {
    int64_t at = 0;
    l->asks = n;
    reserve(&l->order, &l->order_room, n, sizeof *l->order);
    for (int r = 0; r < l->comm->size; r++) {
        l->ask_at[r] = (int)at;
        for (int k = r; k < l->blocks; k += l->comm->size) {
            int64_t end = search_first(row, 0, n, l->first[k + 1]);
            for (int64_t i = search_first(row, 0, n, l->first[k]); i < end; i++)
                l->order[at++] = (int32_t)i;
        }
        l->ask[r] = (int)at - l->ask_at[r];
    }
}

/* Where a row of this rank stands among its rows. */
static int32_t place(const struct lookup *l, int32_t row) {
    int64_t before = 0;
    for (int k = l->comm->rank; k < l->blocks && row >= l->first[k]; k += l->comm->size)
        before += row < l->first[k + 1] ? row - l->first[k] : l->first[k + 1] - l->first[k];
    return (int32_t)before;
}

void lookup_plan(struct lookup *l, const int32_t *row, int64_t n) {
    const struct comm *comm = l->comm;
    sort_by_rank(l, row, n);
    MPI_Alltoall(l->ask, 1, MPI_INT, l->serve, 1, MPI_INT, comm->mpi);
    l->serves = 0;
    for (int r = 0; r < comm->size; r++) {
        l->serve_at[r] = (int)l->serves;
        l->serves += l->serve[r];
    }
    reserve(&l->served, &l->served_room, l->serves, sizeof *l->served);
    int32_t *asked = mem_alloc(n, sizeof *asked);
    for (int64_t i = 0; i < n; i++)
        asked[i] = row[l->order[i]];
    MPI_Alltoallv(asked, l->ask, l->ask_at, MPI_INT32_T, l->served, l->serve, l->serve_at,
                  MPI_INT32_T, comm->mpi);
    mem_free(asked);
    for (int64_t i = 0; i < l->serves; i++)
        l->served[i] = place(l, l->served[i]);
}

static MPI_Datatype row_type(int64_t cols) {
    MPI_Datatype type;
    MPI_Type_contiguous((int)cols, COMM_REAL, &type);
    MPI_Type_commit(&type);
    return type;
}

void lookup_pull(struct lookup *l, const real *table, int64_t cols, real *out) {
    MPI_Datatype row = row_type(cols);
    reserve(&l->given, &l->given_room, l->serves * cols, sizeof *l->given);
#pragma omp parallel for schedule(static) if (l->serves * cols > 10000)
    for (int64_t i = 0; i < l->serves; i++)
        memcpy(l->given + i * cols, table + l->served[i] * cols, (size_t)cols * sizeof *table);
    reserve(&l->taken, &l->taken_room, l->asks * cols, sizeof *l->taken);
    MPI_Alltoallv(l->given, l->serve, l->serve_at, row, l->taken, l->ask, l->ask_at, row,
                  l->comm->mpi);
    MPI_Type_free(&row);
#pragma omp parallel for schedule(static) if (l->asks * cols > 10000)
    for (int64_t i = 0; i < l->asks; i++)
        memcpy(out + l->order[i] * cols, l->taken + i * cols, (size_t)cols * sizeof *out);
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
static int64_t merge(const struct lookup *l, int64_t cols, struct lookup_gift *gift) {
    int *at = mem_zero(l->comm->size, sizeof *at);
    int64_t n = 0;
    for (int32_t row; (row = next_row(l, at)) != INT32_MAX; n++) {
        real *sum = gift->sum + n * cols;
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
        gift->row[n] = row;
    }
    mem_free(at);
    return n;
}

/* The gradients in the order of the ranks they go to. */
static void take(struct lookup *l, const real *g, int64_t cols) {
    reserve(&l->taken, &l->taken_room, l->asks * cols, sizeof *l->taken);
#pragma omp parallel for schedule(static) if (l->asks * cols > 10000)
    for (int64_t i = 0; i < l->asks; i++)
        if (g)
            memcpy(l->taken + i * cols, g + l->order[i] * cols, (size_t)cols * sizeof *g);
        else
            memset(l->taken + i * cols, 0, (size_t)cols * sizeof *g);
}

void lookup_push(struct lookup *l, const real *g, int64_t cols, struct lookup_gift *gift,
                 struct row_grad *out) {
    MPI_Datatype row = row_type(cols);
    take(l, g, cols);
    reserve(&l->given, &l->given_room, l->serves * cols, sizeof *l->given);
    reserve(&gift->sum, &gift->sum_room, l->serves * cols, sizeof *gift->sum);
    reserve(&gift->row, &gift->row_room, l->serves, sizeof *gift->row);
    MPI_Alltoallv(l->taken, l->ask, l->ask_at, row, l->given, l->serve, l->serve_at, row,
                  l->comm->mpi);
    MPI_Type_free(&row);
    *out = (struct row_grad){merge(l, cols, gift), gift->row, gift->sum};
}

void lookup_return(struct lookup_gift *gift) {
    mem_free(gift->row);
    mem_free(gift->sum);
    *gift = (struct lookup_gift){0};
}
