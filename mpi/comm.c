/* Outline: the communicator; errors and agreement; reductions, all by one loop over pieces; copies;
 * processors; the library. */
#include "mpi/comm.h"
#include "core/mem.h"
#include "core/phase.h"
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void comm_prepare(void) {
    setenv("OMPI_MCA_coll_libnbc_iallreduce_algorithm", "3", 0);
}

void comm_open(struct comm *comm, MPI_Comm parent) {
    MPI_Comm_dup(parent, &comm->mpi);
    MPI_Comm_rank(comm->mpi, &comm->rank);
    MPI_Comm_size(comm->mpi, &comm->size);
}

void comm_open_node(struct comm *node, const struct comm *comm) {
    MPI_Comm same;
    MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &same);
    comm_open(node, same);
    MPI_Comm_free(&same);
}

void comm_close(struct comm *comm) {
    MPI_Comm_free(&comm->mpi);
}

/* In seconds. PMIx, by which a rank speaks to the launcher, waits for the first of them inside MPI_Finalize
 * and then gives up in silence. Open MPI 4.1's mpirun then finds a process that has ended, and later the
 * goodbye: "exiting improperly", exit status 1 (https://github.com/open-mpi/ompi/issues/7833). */
static const double goodbye_waits = 2;
enum { LAUNCHER_CATCHES_UP = 10 };

void comm_end(struct comm *all) {
    MPI_Barrier(all->mpi); /* from here on a rank waits for its launcher alone */
    comm_close(all);
    double since = phase_clock();
    MPI_Finalize();
    if (phase_clock() - since >= goodbye_waits)
        sleep(LAUNCHER_CATCHES_UP);
}

/* ---- errors ---- */

enum status comm_agree(const struct comm *comm, enum status status) {
    int worst = (int)status;
    MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_INT, MPI_MAX, comm->mpi);
    return (enum status)worst;
}

enum status comm_error(const struct comm *comm, enum status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (comm->rank == 0)
        log_verror(status, format, args);
    va_end(args);
    return status;
}

enum status comm_error_of(const struct comm *comm, int finder, enum status status,
                          const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (comm->rank == finder)
        log_verror(status, format, args);
    va_end(args);
    return status;
}

int comm_first(const struct comm *comm, bool mine) {
    int first = mine ? comm->rank : comm->size;
    MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, comm->mpi);
    return first < comm->size ? first : -1;
}

bool comm_same(const struct comm *comm, uint64_t value) {
    uint64_t ends[2] = {value, ~value}; /* max(~v) = ~min(v) */
    MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_UINT64_T, MPI_MAX, comm->mpi);
    return ends[0] == ~ends[1];
}

int comm_odd_one(const struct comm *comm, uint64_t value) {
    uint64_t wanted = value;
    comm_bcast(comm, &wanted, sizeof wanted);
    return comm_first(comm, value != wanted);
}

/* ---- numbers of all ranks ---- */

/* Elements of `size` bytes that the next call takes of the `left` that remain. */
static int piece(int64_t left, size_t size) {
    int64_t most = COMM_PIECE / (int64_t)size;
    return (int)(left < most ? left : most);
}

static void allreduce(const struct comm *comm, void *x, int64_t n, size_t size, MPI_Datatype type,
                      MPI_Op op) {
    char *at = x;
    for (int count; n > 0; n -= count, at += (size_t)count * size) {
        count = piece(n, size);
        MPI_Allreduce(MPI_IN_PLACE, at, count, type, op, comm->mpi);
    }
}

void comm_sum_i32(const struct comm *comm, int32_t *x, int64_t n) {
    allreduce(comm, x, n, sizeof *x, MPI_INT32_T, MPI_SUM);
}

void comm_sum_i64(const struct comm *comm, int64_t *x, int64_t n) {
    allreduce(comm, x, n, sizeof *x, MPI_INT64_T, MPI_SUM);
}

void comm_sum_u64(const struct comm *comm, uint64_t *x, int64_t n) {
    allreduce(comm, x, n, sizeof *x, MPI_UINT64_T, MPI_SUM);
}

void comm_sum_f64(const struct comm *comm, double *x, int64_t n) {
    allreduce(comm, x, n, sizeof *x, MPI_DOUBLE, MPI_SUM);
}

void comm_sum_real(const struct comm *comm, real *x, int64_t n) {
    allreduce(comm, x, n, sizeof *x, COMM_REAL, MPI_SUM);
}

void comm_min_f64(const struct comm *comm, double *x, int64_t n) {
    allreduce(comm, x, n, sizeof *x, MPI_DOUBLE, MPI_MIN);
}

void comm_max_i64(const struct comm *comm, int64_t *x, int64_t n) {
    allreduce(comm, x, n, sizeof *x, MPI_INT64_T, MPI_MAX);
}

void comm_max_f64(const struct comm *comm, double *x, int64_t n) {
    allreduce(comm, x, n, sizeof *x, MPI_DOUBLE, MPI_MAX);
}

void comm_max_real(const struct comm *comm, real *x, int64_t n) {
    allreduce(comm, x, n, sizeof *x, COMM_REAL, MPI_MAX);
}

void comm_or_u64(const struct comm *comm, uint64_t *x, int64_t n) {
    allreduce(comm, x, n, sizeof *x, MPI_UINT64_T, MPI_BOR);
}

void comm_reduce_f64(const struct comm *comm, int root, const double *x, double *sum, int64_t n) {
    for (int64_t at = 0; at < n; at += piece(n - at, sizeof *x))
        MPI_Reduce(x + at, comm->rank == root ? sum + at : NULL, piece(n - at, sizeof *x),
                   MPI_DOUBLE, MPI_SUM, root, comm->mpi);
}

/* ---- copies ---- */

enum { BLOCK = 1 << 24 }; /* bytes of one message of a copy */

static int block(int64_t left) {
    return (int)(left < BLOCK ? left : BLOCK);
}

void comm_bcast(const struct comm *comm, void *data, int64_t bytes) {
    comm_bcast_from(comm, 0, data, bytes);
}

void comm_bcast_from(const struct comm *comm, int root, void *data, int64_t bytes) {
    for (int64_t at = 0; at < bytes; at += BLOCK)
        MPI_Bcast((char *)data + at, block(bytes - at), MPI_BYTE, root, comm->mpi);
}

void comm_bcast_late(const struct comm *comm, void *data, int64_t bytes) {
    enum { PAUSE = 10000 }; /* microseconds */
    MPI_Request request;
    int done = 0;
    MPI_Ibcast(data, (int)bytes, MPI_BYTE, 0, comm->mpi, &request);
    for (MPI_Test(&request, &done, MPI_STATUS_IGNORE); !done;
         MPI_Test(&request, &done, MPI_STATUS_IGNORE))
        usleep(PAUSE);
}

void comm_offsets(const struct comm *comm, int64_t length, int64_t *offsets) {
    offsets[0] = 0;
    MPI_Allgather(&length, 1, MPI_INT64_T, offsets + 1, 1, MPI_INT64_T, comm->mpi);
    for (int r = 0; r < comm->size; r++)
        offsets[r + 1] += offsets[r];
}

void comm_gather_rows(const struct comm *comm, void *all, const int64_t *offsets, int64_t bytes) {
    int *count = mem_alloc(comm->size, sizeof *count);
    int *start = mem_alloc(comm->size, sizeof *start);
    MPI_Datatype row;
    for (int r = 0; r < comm->size; r++) {
        start[r] = (int)offsets[r];
        count[r] = (int)(offsets[r + 1] - offsets[r]);
    }
    MPI_Type_contiguous((int)bytes, MPI_BYTE, &row);
    MPI_Type_commit(&row);
    MPI_Allgatherv(MPI_IN_PLACE, 0, row, all, count, start, row, comm->mpi);
    MPI_Type_free(&row);
    mem_free(start);
    mem_free(count);
}

/* Rank r's bytes to rank 0, where they go to `to`. */
static void send_to_root(const struct comm *comm, int r, const char *mine, char *to,
                         int64_t bytes) {
    enum { TAG = 1 };
    for (int64_t at = 0; at < bytes; at += BLOCK)
        if (comm->rank == 0)
            MPI_Recv(to + at, block(bytes - at), MPI_BYTE, r, TAG, comm->mpi, MPI_STATUS_IGNORE);
        else
            MPI_Send(mine + at, block(bytes - at), MPI_BYTE, 0, TAG, comm->mpi);
}

void *comm_collect(const struct comm *comm, const void *mine, int64_t bytes, int64_t *total) {
    int64_t *offsets = mem_alloc(comm->size + 1, sizeof *offsets);
    comm_offsets(comm, bytes, offsets);
    *total = offsets[comm->size];
    char *all = comm->rank == 0 ? mem_alloc(*total, 1) : NULL;
    if (comm->rank > 0)
        send_to_root(comm, comm->rank, mine, NULL, bytes);
    else if (bytes > 0)
        memcpy(all, mine, (size_t)bytes);
    for (int r = 1; comm->rank == 0 && r < comm->size; r++)
        send_to_root(comm, r, NULL, all + offsets[r], offsets[r + 1] - offsets[r]);
    mem_free(offsets);
    return all;
}

/* ---- ranks, nodes and processors ---- */

void comm_wait(const struct comm *comm) {
    MPI_Barrier(comm->mpi);
}

const char *comm_host(void) {
    static char name[MPI_MAX_PROCESSOR_NAME];
    int length;
    MPI_Get_processor_name(name, &length);
    return name;
}

void comm_processors(const struct comm *node, int *mine, int *all) {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    if (sched_getaffinity(0, sizeof mask, &mask))
        CPU_SET(0, &mask);
    *mine = CPU_COUNT(&mask);
    MPI_Allreduce(MPI_IN_PLACE, &mask, (int)sizeof mask, MPI_BYTE, MPI_BOR, node->mpi);
    *all = CPU_COUNT(&mask);
}

/* With c processors in this rank's mask, u in the union of the node's ranks and s the sum over
 * them, s / u ranks share a processor on average: c u / s threads each. */
int comm_fair_threads(const struct comm *comm) {
    struct comm node;
    int mine, all;
    comm_open_node(&node, comm);
    comm_processors(&node, &mine, &all);
    int64_t sum = mine;
    comm_sum_i64(&node, &sum, 1);
    comm_close(&node);
    int threads = (int)((int64_t)mine * all / sum);
    return threads > 1 ? threads : 1;
}

/* ---- the library ---- */

const char *comm_library(void) {
    static char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    MPI_Get_library_version(text, &length);
    return text;
}
