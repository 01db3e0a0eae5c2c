#include "mpi/reduce.h"
#include "core/mem.h"
#include <string.h>

enum { PIECE = COMM_PIECE / sizeof(real) };

/* Of the bucket last laid out. */
static int64_t bucket_bytes(const struct reduce *reduce) {
    const struct reduce_bucket *b = &reduce->bucket[reduce->buckets - 1];
    return (b->hi - b->lo) * (int64_t)sizeof(real);
}

/* Does parameter `p` begin a bucket? Consecutive parameters share one until it is large enough to be
 * worth a message. */
static bool begins(const struct reduce *reduce, const struct param *p) {
    int64_t size = (param_end(p) - p->at) * (int64_t)sizeof(real);
    return reduce->buckets == 0 || reduce->bucket[reduce->buckets - 1].hi != p->at ||
           size >= REDUCE_BUCKET || bucket_bytes(reduce) >= REDUCE_BUCKET;
}

void reduce_open(struct reduce *reduce, const struct comm *comm, struct params *params) {
    *reduce = (struct reduce){.params = params};
    comm_open(&reduce->comm, comm->mpi);
    reduce->bucket = mem_alloc(params->count, sizeof *reduce->bucket);
    reduce->bucket_of = mem_alloc(params->count, sizeof *reduce->bucket_of);
    for (int i = 0; i < params->count; i++) {
        const struct param *p = &params->list[i];
        reduce->bucket_of[i] = -1;
        if (p->partial || p->of_items || p->by_rows)
            continue;
        if (begins(reduce, p))
            reduce->bucket[reduce->buckets++] = (struct reduce_bucket){.lo = p->at};
        struct reduce_bucket *b = &reduce->bucket[reduce->buckets - 1];
        b->hi = param_end(p);
        b->members++;
        reduce->bucket_of[i] = reduce->buckets - 1;
    }
    for (int b = 0; b < reduce->buckets; b++)
        reduce->room += (int)((reduce->bucket[b].hi - reduce->bucket[b].lo + PIECE - 1) / PIECE);
    reduce->request = mem_alloc(reduce->room, sizeof *reduce->request);
    reduce->bytes = mem_alloc(reduce->room, sizeof *reduce->bytes);
}

void reduce_close(struct reduce *reduce) {
    mem_free(reduce->bucket);
    mem_free(reduce->bucket_of);
    mem_free(reduce->request);
    mem_free(reduce->bytes);
    if (reduce->comm.size)
        comm_close(&reduce->comm);
    *reduce = (struct reduce){0};
}

void reduce_begin(struct reduce *reduce) {
    for (int b = 0; b < reduce->buckets; b++)
        reduce->bucket[b].waiting = reduce->bucket[b].members;
    reduce->next = reduce->buckets - 1;
    reduce->requests = 0;
}

static void start_bucket(struct reduce *reduce, const struct reduce_bucket *b) {
    for (int64_t at = b->lo; at < b->hi; at += PIECE) {
        int64_t n = b->hi - at < PIECE ? b->hi - at : PIECE;
        reduce->bytes[reduce->requests] = n * (int64_t)sizeof(real);
        MPI_Iallreduce(MPI_IN_PLACE, reduce->params->g + at, (int)n, COMM_REAL, MPI_SUM,
                       reduce->comm.mpi, &reduce->request[reduce->requests++]);
    }
}

/* Requests advance only inside MPI calls: every completed parameter gives them a push. */
void reduce_ready(void *context, int param) {
    struct reduce *reduce = context;
    int done;
    if (reduce->comm.size == 1 || reduce->bucket_of[param] < 0)
        return;
    reduce->bucket[reduce->bucket_of[param]].waiting--;
    while (reduce->next >= 0 && reduce->bucket[reduce->next].waiting == 0)
        start_bucket(reduce, &reduce->bucket[reduce->next--]);
    MPI_Testall(reduce->requests, reduce->request, &done, MPI_STATUSES_IGNORE);
}

/* Whole item tables, whose sums begin when all others are started. */
static bool comes_last(const struct param *p) {
    return p->of_items && !p->partial && !p->by_rows;
}

static int64_t bytes_left(struct reduce *reduce) {
    const struct params *params = reduce->params;
    int64_t left = 0;
    for (int i = 0; i < reduce->requests; i++) {
        int done;
        MPI_Test(&reduce->request[i], &done, MPI_STATUS_IGNORE);
        left += done ? 0 : reduce->bytes[i];
    }
    for (int i = 0; i < params->count; i++)
        if (comes_last(&params->list[i]))
            left += param_size(&params->list[i]) * (int64_t)sizeof(real);
    return left;
}

void reduce_finish(struct reduce *reduce) {
    const struct params *params = reduce->params;
    reduce->left = bytes_left(reduce);
    MPI_Waitall(reduce->requests, reduce->request, MPI_STATUSES_IGNORE);
    for (int i = 0; i < params->count && reduce->comm.size > 1; i++) {
        const struct param *p = &params->list[i];
        if (comes_last(p))
            comm_sum_real(&reduce->comm, params->g + p->at, param_end(p) - p->at);
    }
}
