/* Counts first, then values: how much each rank sends and gets follows from what all ranks know, so that
 * one all-to-all moves everything; arrived rows are put in the order asked for. Raw bytes go the same way
 * in pieces. */
#include "mpi/exchange.h"
#include "core/log.h"
#include "core/mem.h"
#include <limits.h>
#include <string.h>

/* Values to or from each rank: counts, and where each rank's values start in the buffer. */
struct side {
    int64_t *at;
    int *count, *start;
    int32_t *values;
};

static struct side side_new(int size) {
    return (struct side){mem_zero(size + 1, sizeof(int64_t)), mem_zero(size, sizeof(int)),
                         mem_zero(size, sizeof(int)), NULL};
}

static void side_free(struct side *s) {
    mem_free(s->at);
    mem_free(s->count);
    mem_free(s->start);
    mem_free(s->values);
}

static int reader_of(const int64_t *first, int size, int64_t row) {
    int lo = 0, hi = size;
    while (hi - lo > 1) {
        int mid = (lo + hi) / 2;
        if (first[mid] <= row)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

/* Turn the values per rank in at[r + 1] into starts, counts and a buffer; false beyond int. */
static bool side_layout(struct side *s, int size) {
    for (int r = 0; r < size; r++)
        s->at[r + 1] += s->at[r];
    if (s->at[size] > INT_MAX)
        return false;
    for (int r = 0; r < size; r++) {
        s->start[r] = (int)s->at[r];
        s->count[r] = (int)(s->at[r + 1] - s->at[r]);
    }
    s->values = mem_alloc(s->at[size], sizeof *s->values);
    return true;
}

/* Count what goes to each owner and what comes from each reader. */
static void count_values(const struct comm *comm, const struct exchange_plan *plan,
                         struct side *send, struct side *receive, struct exchange_rows *out) {
    for (int64_t p = 0; p < plan->count; p++) {
        int64_t row = plan->order[p];
        int reader = reader_of(plan->first, comm->size, row);
        if (reader == comm->rank)
            send->at[plan->owner[p] + 1] += plan->length[row];
        if (plan->owner[p] == comm->rank) {
            receive->at[reader + 1] += plan->length[row];
            out->count++;
        }
    }
}

static void fill_send(const struct comm *comm, const struct exchange_plan *plan,
                      const int32_t *mine, struct side *send) {
    int64_t lo = plan->first[comm->rank], rows = plan->first[comm->rank + 1] - lo;
    int64_t *offset = mem_alloc(rows + 1, sizeof *offset);
    offset[0] = 0;
    for (int64_t i = 0; i < rows; i++)
        offset[i + 1] = offset[i] + plan->length[lo + i];
    for (int64_t p = 0; p < plan->count; p++) {
        int64_t i = plan->order[p] - lo;
        if (i < 0 || i >= rows)
            continue;
        int64_t n = offset[i + 1] - offset[i];
        memcpy(send->values + send->at[plan->owner[p]], mine + offset[i], (size_t)n * sizeof *mine);
        send->at[plan->owner[p]] += n;
    }
    mem_free(offset);
}

static void take_received(const struct comm *comm, const struct exchange_plan *plan,
                          struct side *receive, struct exchange_rows *out) {
    int64_t total = receive->at[comm->size], row = 0;
    out->place = mem_alloc(out->count, sizeof *out->place);
    out->offsets = mem_zero(out->count + 1, sizeof *out->offsets);
    out->values = mem_alloc(total, sizeof *out->values);
    for (int64_t p = 0; p < plan->count; p++) {
        if (plan->owner[p] != comm->rank)
            continue;
        int reader = reader_of(plan->first, comm->size, plan->order[p]);
        int64_t n = plan->length[plan->order[p]];
        memcpy(out->values + out->offsets[row], receive->values + receive->at[reader],
               (size_t)n * sizeof *out->values);
        receive->at[reader] += n;
        out->place[row] = p;
        out->offsets[row + 1] = out->offsets[row] + n;
        row++;
    }
}

enum status exchange_rows(const struct comm *comm, const struct exchange_plan *plan,
                          const int32_t *mine, struct exchange_rows *out) {
    struct side send = side_new(comm->size), receive = side_new(comm->size);
    *out = (struct exchange_rows){0};
    count_values(comm, plan, &send, &receive, out);
    bool fits = side_layout(&send, comm->size) && side_layout(&receive, comm->size);
    enum status status =
        comm_agree(comm, fits ? STATUS_OK
                              : log_error(STATUS_FAIL,
                                          "rank %d would exchange more than 2^31 items; use more "
                                          "ranks",
                                          comm->rank));
    if (status == STATUS_OK) {
        fill_send(comm, plan, mine, &send);
        MPI_Alltoallv(send.values, send.count, send.start, MPI_INT32_T, receive.values,
                      receive.count, receive.start, MPI_INT32_T, comm->mpi);
        take_received(comm, plan, &receive, out);
    }
    side_free(&send);
    side_free(&receive);
    return status;
}

void exchange_free(struct exchange_rows *rows) {
    mem_free(rows->place);
    mem_free(rows->offsets);
    mem_free(rows->values);
    *rows = (struct exchange_rows){0};
}

/* ---- bytes ---- */

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

void *exchange_bytes(const struct comm *comm, const void *data, const int64_t *at, int64_t *total) {
    int size = comm->size;
    int64_t *send = mem_alloc(size, sizeof *send), *start = mem_zero(size + 1, sizeof *start);
    for (int r = 0; r < size; r++)
        send[r] = at[r + 1] - at[r];
    MPI_Alltoall(send, 1, MPI_INT64_T, start + 1, 1, MPI_INT64_T, comm->mpi);
    for (int r = 0; r < size; r++)
        start[r + 1] += start[r];
    *total = start[size];
    char *received = mem_alloc(*total, 1);
    for (int k = 0; k < size; k++) { /* each rank sends to the k-th after it */
        int to = (comm->rank + k) % size, from = (comm->rank - k + size) % size;
        send_and_receive(comm, (struct end){(char *)(uintptr_t)data + at[to], send[to], to},
                         (struct end){received + start[from], start[from + 1] - start[from], from});
    }
    mem_free(send);
    mem_free(start);
    return received;
}
