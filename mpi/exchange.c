#include "mpi/exchange.h"
#include "core/mem.h"

/* What is left of the bytes for one rank or from it, and the rank; MPI_PROC_NULL when nothing is.
 */
struct end {
    char *at;
    int64_t left;
    int rank;
};

/* The bytes of the next message. */
static int next_piece(struct end *end) {
    enum { PIECE = 1 << 24 };
    if (end->left == 0)
        end->rank = MPI_PROC_NULL;
    return (int)(end->left < PIECE ? end->left : PIECE);
}

/* Piece by piece; both sides of a message know its bytes. */
static void send_and_receive(const struct comm *comm, struct end to, struct end from) {
    enum { TAG = 2 };
    while (to.left > 0 || from.left > 0) {
        int out = next_piece(&to), in = next_piece(&from);
        MPI_Sendrecv(to.at, out, MPI_BYTE, to.rank, TAG, from.at, in, MPI_BYTE, from.rank, TAG,
                     comm->mpi, MPI_STATUS_IGNORE);
        to.at += out;
        to.left -= out;
        from.at += in;
        from.left -= in;
    }
}

void *exchange_bytes(const struct comm *comm, const void *data, const int64_t *at, int64_t *from) {
    int size = comm->size;
    int64_t *send = mem_alloc(size, sizeof *send);
    for (int r = 0; r < size; r++)
        send[r] = at[r + 1] - at[r];
    from[0] = 0;
    MPI_Alltoall(send, 1, MPI_INT64_T, from + 1, 1, MPI_INT64_T, comm->mpi);
    for (int r = 0; r < size; r++)
        from[r + 1] += from[r];
    char *received = mem_alloc(from[size], 1);
    for (int k = 0; k < size; k++) { /* each rank sends to the k-th after it */
        int to = (comm->rank + k) % size, origin = (comm->rank - k + size) % size;
        send_and_receive(
            comm, (struct end){(char *)(uintptr_t)data + at[to], send[to], to},
            (struct end){received + from[origin], from[origin + 1] - from[origin], origin});
    }
    mem_free(send);
    return received;
}
