#include "jobs/engine/fit_input.h"
#include "core/mem.h"
#include "mpi/collectives.h"
#include "mpi/exchange.h"
#include "mpi/inverse.h"
#include "partition/range.h"
#include <string.h>

/* ---- bringing sequences ---- */

/* Calls visit once for every rank that owns an item of sequence s. */
typedef void owner_fn(void *state, int rank, const int32_t *items, int64_t length);

static void visit_owners(const struct fit_input *c, const int32_t *owner, owner_fn *visit,
                         void *state) {
    int64_t *seen = mem_alloc(c->comm->size, sizeof *seen); /* the last sequence of each rank */
    for (int r = 0; r < c->comm->size; r++)
        seen[r] = -1;
    for (int64_t s = 0; s < c->fit.local.count; s++) {
        const int32_t *items = c->fit.local.items + c->fit.local.offsets[s];
        int64_t length = c->fit.local.offsets[s + 1] - c->fit.local.offsets[s];
        for (int64_t k = 0; k < length; k++) {
            int32_t r = owner[items[k]];
            if (r < 0 || seen[r] == s)
                continue;
            seen[r] = s;
            visit(state, r, items, length);
        }
    }
    mem_free(seen);
}

/* A message to every rank: of each sequence its length and its items. */
struct parcel {
    int64_t *at; /* [size + 1] bytes */
    int32_t *data;
};

static void weigh(void *state, int rank, const int32_t *items, int64_t length) {
    struct parcel *p = state;
    (void)items;
    p->at[rank + 1] += (1 + length) * (int64_t)sizeof *p->data;
}

static void put(void *state, int rank, const int32_t *items, int64_t length) {
    struct parcel *p = state;
    int32_t *to = p->data + p->at[rank] / (int64_t)sizeof *p->data;
    to[0] = (int32_t)length;
    memcpy(to + 1, items, (size_t)length * sizeof *items);
    p->at[rank] += (1 + length) * (int64_t)sizeof *p->data;
}

static void pack(const struct fit_input *c, const int32_t *owner, struct parcel *p) {
    int size = c->comm->size;
    p->at = mem_zero(size + 1, sizeof *p->at);
    visit_owners(c, owner, weigh, p);
    for (int r = 0; r < size; r++)
        p->at[r + 1] += p->at[r];
    p->data = mem_alloc(p->at[size], 1);
    visit_owners(c, owner, put, p);
    memmove(p->at + 1, p->at, (size_t)size * sizeof *p->at);
    p->at[0] = 0;
}

static void unpack(const int32_t *data, int64_t numbers, struct fit_sequences *out) {
    *out = (struct fit_sequences){0};
    for (int64_t at = 0; at < numbers; at += 1 + data[at])
        out->count++;
    out->offsets = mem_alloc(out->count + 1, sizeof *out->offsets);
    out->items = mem_alloc(numbers - out->count, sizeof *out->items);
    out->offsets[0] = 0;
    int64_t at = 0;
    for (int64_t s = 0; s < out->count; s++, at += 1 + data[at]) {
        out->offsets[s + 1] = out->offsets[s] + data[at];
        memcpy(out->items + out->offsets[s], data + at + 1, (size_t)data[at] * sizeof *data);
    }
}

static void bring(void *context, const int32_t *owner, struct fit_sequences *out) {
    const struct fit_input *c = context;
    int64_t *from = mem_alloc(c->comm->size + 1, sizeof *from);
    struct parcel parcel;
    pack(c, owner, &parcel);
    int32_t *data = exchange_bytes(c->comm, parcel.data, parcel.at, from);
    mem_free(parcel.data);
    mem_free(parcel.at);
    unpack(data, from[c->comm->size] / (int64_t)sizeof *data, out);
    mem_free(data);
    mem_free(from);
}

/* ---- inverse ---- */

static enum status invert(void *context, int n, fit_rows_fn *give, fit_rows_fn *take, void *state) {
    const struct fit_input *c = context;
    return inverse_of(c->comm, n, give, take, state);
}

/* ---- all ---- */

/* Takes over `local`. */
static void open_input(struct fit_input *input, const struct comm *comm,
                       struct fit_sequences local) {
    *input = (struct fit_input){.comm = comm, .collectives = collectives_of(comm)};
    input->fit = (struct fit){local, &input->collectives, input, bring, invert};
}

enum status fit_input_read(struct fit_input *input, const struct comm *comm,
                           const struct dataset *data, int64_t max_len) {
    struct sequences block;
    TRY(dataset_read_block(comm, data, SPLIT_TRAIN, &block));
    open_input(input, comm, fit_sequences_of(block.offsets, block.items, block.count, max_len + 1));
    sequences_free(&block);
    return STATUS_OK;
}

void fit_input_of(struct fit_input *input, const struct comm *comm, const struct sequences *all,
                  int64_t max_len) {
    struct range mine = range_of(all->count, comm->size, comm->rank);
    open_input(
        input, comm,
        fit_sequences_of(all->offsets + mine.lo, all->items, mine.hi - mine.lo, max_len + 1));
}

void fit_input_close(struct fit_input *input) {
    fit_sequences_free(&input->fit.local);
}
