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
