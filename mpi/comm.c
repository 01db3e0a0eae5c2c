#include "mpi/comm.h"
#include <sched.h>

void comm_open(struct comm *comm, MPI_Comm parent) {
    MPI_Comm_dup(parent, &comm->mpi);
    MPI_Comm_rank(comm->mpi, &comm->rank);
    MPI_Comm_size(comm->mpi, &comm->size);
}

void comm_close(struct comm *comm) {
    MPI_Comm_free(&comm->mpi);
}

enum status comm_agree(const struct comm *comm, enum status status) {
    int worst = (int)status;
    MPI_Allreduce(MPI_IN_PLACE, &worst, 1, MPI_INT, MPI_MAX, comm->mpi);
    return (enum status)worst;
}

void comm_bcast(const struct comm *comm, void *data, int64_t bytes) {
    enum { PIECE = 1 << 24 };
    for (int64_t at = 0; at < bytes; at += PIECE) {
        int64_t n = bytes - at < PIECE ? bytes - at : PIECE;
        MPI_Bcast((char *)data + at, (int)n, MPI_BYTE, 0, comm->mpi);
    }
}

void comm_sum_i64(const struct comm *comm, int64_t *x, int n) {
    MPI_Allreduce(MPI_IN_PLACE, x, n, MPI_INT64_T, MPI_SUM, comm->mpi);
}

void comm_sum_u64(const struct comm *comm, uint64_t *x, int n) {
    MPI_Allreduce(MPI_IN_PLACE, x, n, MPI_UINT64_T, MPI_SUM, comm->mpi);
}

void comm_sum_f64(const struct comm *comm, double *x, int n) {
    MPI_Allreduce(MPI_IN_PLACE, x, n, MPI_DOUBLE, MPI_SUM, comm->mpi);
}

void comm_min_f64(const struct comm *comm, double *x, int n) {
    MPI_Allreduce(MPI_IN_PLACE, x, n, MPI_DOUBLE, MPI_MIN, comm->mpi);
}

bool comm_same(const struct comm *comm, uint64_t value) {
    uint64_t ends[2] = {value, ~value}; /* max(~v) = ~min(v) */
    MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_UINT64_T, MPI_MAX, comm->mpi);
    return ends[0] == ~ends[1];
}

int comm_odd_one(const struct comm *comm, uint64_t value) {
    uint64_t wanted = value;
    comm_bcast(comm, &wanted, sizeof wanted);
    int first = value == wanted ? comm->size : comm->rank;
    MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, comm->mpi);
    return first < comm->size ? first : -1;
}

const char *comm_host(void) {
    static char name[MPI_MAX_PROCESSOR_NAME];
    int length;
    MPI_Get_processor_name(name, &length);
    return name;
}

/* With c processors in this rank's mask, u in the union of the node's ranks and s the sum over
 * them, s / u ranks share a processor on average: c u / s threads each. */
int comm_fair_threads(const struct comm *comm) {
    cpu_set_t mask;
    MPI_Comm node;
    CPU_ZERO(&mask);
    if (sched_getaffinity(0, sizeof mask, &mask))
        CPU_SET(0, &mask);
    int mine = CPU_COUNT(&mask), sum = mine;
    MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &node);
    MPI_Allreduce(MPI_IN_PLACE, &mask, (int)sizeof mask, MPI_BYTE, MPI_BOR, node);
    MPI_Allreduce(MPI_IN_PLACE, &sum, 1, MPI_INT, MPI_SUM, node);
    MPI_Comm_free(&node);
    int threads = mine * CPU_COUNT(&mask) / sum;
    return threads > 1 ? threads : 1;
}
