#include "mpi/comm.h"
#include "core/mem.h"
#include <sched.h>
#include <string.h>
#include <unistd.h>

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

void comm_bcast_late(const struct comm *comm, void *data, int64_t bytes) {
    enum { PAUSE = 10000 }; /* microseconds */
    MPI_Request request;
    int done = 0;
    MPI_Ibcast(data, (int)bytes, MPI_BYTE, 0, comm->mpi, &request);
    for (MPI_Test(&request, &done, MPI_STATUS_IGNORE); !done;
         MPI_Test(&request, &done, MPI_STATUS_IGNORE))
        usleep(PAUSE);
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

void *comm_collect(const struct comm *comm, const void *mine, int64_t bytes, int64_t *total) {
    int64_t *sizes = mem_alloc(comm->size, sizeof *sizes), sum = 0;
    MPI_Allgather(&bytes, 1, MPI_INT64_T, sizes, 1, MPI_INT64_T, comm->mpi);
    for (int r = 0; r < comm->size; r++)
        sum += sizes[r];
    char *all = comm->rank == 0 ? mem_alloc(sum, 1) : NULL;
    enum { TAG = 1, PIECE = 1 << 24 };
    for (int64_t r = 0, at = 0; r < comm->size; at += sizes[r++])
        for (int64_t done = 0; done < sizes[r]; done += PIECE) {
            int n = (int)(sizes[r] - done < PIECE ? sizes[r] - done : PIECE);
            if (comm->rank == 0 && r == 0)
                memcpy(all + at + done, (const char *)mine + done, (size_t)n);
            else if (comm->rank == 0)
                MPI_Recv(all + at + done, n, MPI_BYTE, (int)r, TAG, comm->mpi, MPI_STATUS_IGNORE);
            else if (comm->rank == r)
                MPI_Send((const char *)mine + done, n, MPI_BYTE, 0, TAG, comm->mpi);
        }
    mem_free(sizes);
    *total = sum;
    return all;
}
