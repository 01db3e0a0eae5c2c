#include "mpi/route.h"
#include "core/mem.h"
#include "partition/grid.h"
#include <string.h>

/* ---- hops ---- */

static void hop_open(struct route_hop *hop) {
    int **lists[] = {&hop->out, &hop->out_at, &hop->in, &hop->in_at};
    for (int i = 0; i < 4; i++)
        *lists[i] = mem_zero(hop->comm.size, sizeof(int));
}

static void hop_close(struct route_hop *hop) {
    comm_close(&hop->comm);
    mem_free(hop->out);
    mem_free(hop->out_at);
    mem_free(hop->in);
    mem_free(hop->in_at);
}

static void open_part(struct route_hop *hop, const struct comm *comm, int part) {
    MPI_Comm some;
    MPI_Comm_split(comm->mpi, part, comm->rank, &some);
    comm_open(&hop->comm, some);
    MPI_Comm_free(&some);
    hop_open(hop);
}

/* Turn the counts into places. */
static void hop_layout(struct route_hop *hop) {
    for (int r = 1; r < hop->comm.size; r++) {
        hop->out_at[r] = hop->out_at[r - 1] + hop->out[r - 1];
        hop->in_at[r] = hop->in_at[r - 1] + hop->in[r - 1];
    }
}

static int64_t hop_rows(const struct route_hop *hop) {
    int last = hop->comm.size - 1;
    return hop->in_at[last] + (int64_t)hop->in[last];
}

static void hop_there(const struct route_hop *hop, const void *rows, void *to, MPI_Datatype row) {
    MPI_Alltoallv(rows, hop->out, hop->out_at, row, to, hop->in, hop->in_at, row, hop->comm.mpi);
}

static void hop_back(const struct route_hop *hop, const void *rows, void *to, MPI_Datatype row) {
    MPI_Alltoallv(rows, hop->in, hop->in_at, row, to, hop->out, hop->out_at, row, hop->comm.mpi);
}

/* ---- the route ---- */

void route_open(struct route *r, const struct comm *comm) {
    struct grid grid = grid_shape(comm->size, comm->size);
    *r = (struct route){.comm = comm, .lines = grid.rows, .columns = grid.columns};
    r->middle = mem_zero(comm->size, sizeof *r->middle);
    open_part(&r->all, comm, 0);
    open_part(&r->hop[0], comm, comm->rank / r->columns);
    open_part(&r->hop[1], comm, comm->rank % r->columns);
}

void route_close(struct route *r) {
    if (!r->comm)
        return;
    hop_close(&r->all);
    for (int i = 0; i < 2; i++) {
        hop_close(&r->hop[i]);
        mem_free(r->buffer[i]);
    }
    mem_free(r->middle);
    *r = (struct route){0};
}

/* In so small a grid two hops save nothing worth asking for. */
void route_choose(struct route *r, double bytes) {
    r->two = r->way == ROUTE_TWO_HOPS;
    if (r->way != ROUTE_AUTO || !grid_hops(r->comm->size, 0))
        return;
    comm_sum_f64(r->comm, &bytes, 1);
    r->two = grid_hops(r->comm->size, bytes / r->comm->size);
}

int route_rank(const struct route *r, int k) {
    return r->two ? k % r->lines * r->columns + k / r->lines : k;
}

/* Rows of each part of a list of equal parts. */
static void sum_parts(const int *count, int parts, int each, int *sum) {
    for (int p = 0; p < parts; p++) {
        sum[p] = 0;
        for (int i = 0; i < each; i++)
            sum[p] += count[p * each + i];
    }
}

static void plan_hops(struct route *r, const int *count, int *from) {
    struct route_hop *line = &r->hop[0], *column = &r->hop[1];
    int *turned = mem_alloc(r->comm->size, sizeof *turned);
    MPI_Alltoall(count, r->lines, MPI_INT, r->middle, r->lines, MPI_INT, line->comm.mpi);
    for (int j = 0; j < r->columns; j++)
        for (int i = 0; i < r->lines; i++)
            turned[i * r->columns + j] = r->middle[j * r->lines + i];
    MPI_Alltoall(turned, r->columns, MPI_INT, from, r->columns, MPI_INT, column->comm.mpi);
    sum_parts(count, r->columns, r->lines, line->out);
    sum_parts(r->middle, r->columns, r->lines, line->in);
    sum_parts(turned, r->lines, r->columns, column->out);
    sum_parts(from, r->lines, r->columns, column->in);
    hop_layout(line);
    hop_layout(column);
    mem_free(turned);
}

void route_plan(struct route *r, const int *count, int *from) {
    if (r->two) {
        plan_hops(r, count, from);
        return;
    }
    MPI_Alltoall(count, 1, MPI_INT, from, 1, MPI_INT, r->comm->mpi);
    memcpy(r->all.out, count, (size_t)r->comm->size * sizeof *count);
    memcpy(r->all.in, from, (size_t)r->comm->size * sizeof *from);
    hop_layout(&r->all);
}

/* ---- rows on their way ---- */

static MPI_Datatype row_type(int64_t bytes) {
    MPI_Datatype type;
    MPI_Type_contiguous((int)bytes, MPI_BYTE, &type);
    MPI_Type_commit(&type);
    return type;
}

/* Between the hops: from the order of the senders to that of the lines, or back. */
static void turn(const struct route *r, bool there, int64_t bytes) {
    int64_t by_sender = 0;
    for (int j = 0; j < r->columns; j++)
        for (int i = 0; i < r->lines; i++) {
            int64_t n = r->middle[j * r->lines + i], by_line = r->hop[1].out_at[i];
            for (int before = 0; before < j; before++)
                by_line += r->middle[before * r->lines + i];
            char *arrived = r->buffer[0] + by_sender * bytes,
                 *leaving = r->buffer[1] + by_line * bytes;
            if (n > 0)
                memcpy(there ? leaving : arrived, there ? arrived : leaving, (size_t)(n * bytes));
            by_sender += n;
        }
}

static void make_room(struct route *r, int64_t bytes) {
    for (int i = 0; i < 2; i++)
        mem_reserve(&r->buffer[i], &r->room[i], hop_rows(&r->hop[0]) * bytes, 1);
}

void route_there(struct route *r, const void *rows, void *to, int64_t bytes) {
    MPI_Datatype row = row_type(bytes);
    if (r->two) {
        make_room(r, bytes);
        hop_there(&r->hop[0], rows, r->buffer[0], row);
        turn(r, true, bytes);
        hop_there(&r->hop[1], r->buffer[1], to, row);
    } else {
        hop_there(&r->all, rows, to, row);
    }
    MPI_Type_free(&row);
}

void route_back(struct route *r, const void *rows, void *to, int64_t bytes) {
    MPI_Datatype row = row_type(bytes);
    if (r->two) {
        make_room(r, bytes);
        hop_back(&r->hop[1], rows, r->buffer[1], row);
        turn(r, false, bytes);
        hop_back(&r->hop[0], r->buffer[0], to, row);
    } else {
        hop_back(&r->all, rows, to, row);
    }
    MPI_Type_free(&row);
}
