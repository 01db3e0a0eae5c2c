/* Opening; dealing in three exchanges: the costs of the sequences to the ranks that deal their steps,
 * the shares back, the sequences to the ranks that have the shares. */
#include "io/shard.h"
#include "core/check.h"
#include "core/mem.h"
#include "mpi/exchange.h"
#include "partition/deal.h"
#include "partition/range.h"
#include <stdlib.h>
#include <string.h>

static enum status read_times(struct shard *shard, const struct dataset *dataset, enum split split,
                              const struct clock *clock) {
    struct sequences *home = &shard->home;
    int64_t *moment;
    TRY(dataset_read_times(shard->comm, dataset, split, shard->first, shard->first + home->count,
                           &moment));
    if (!moment)
        return STATUS_OK;
    int64_t n = home->offsets[home->count];
    home->times = mem_alloc(n, sizeof *home->times);
    for (int64_t i = 0; i < n; i++)
        home->times[i] = clock_place(clock, moment[i]);
    mem_free(moment);
    return STATUS_OK;
}

enum status shard_open(struct shard *shard, const struct comm *comm, const struct dataset *dataset,
                       enum split split, const struct clock *clock, shard_cost_fn *cost,
                       const void *context) {
    struct range block = range_of(dataset->counts[split], comm->size, comm->rank);
    *shard = (struct shard){.comm = comm, .count = dataset->counts[split], .first = block.lo};
    TRY(dataset_read_sequences(comm, dataset, split, block.lo, block.hi, &shard->home));
    if (clock->knots > 0)
        TRY(read_times(shard, dataset, split, clock));
    shard->cost = mem_alloc(shard->home.count, sizeof *shard->cost);
    for (int64_t i = 0; i < shard->home.count; i++) {
        int64_t at = shard->home.offsets[i];
        shard->cost[i] = cost(context, shard->home.items + at, shard->home.offsets[i + 1] - at);
    }
    return STATUS_OK;
}

void shard_close(struct shard *shard) {
    mem_free(shard->cost);
    sequences_free(&shard->home);
    *shard = (struct shard){0};
}

/* ---- to whom what goes ---- */

/* Of n things that go to ranks: at[r] .. at[r + 1] those for rank r, by their numbers in `list`. */
struct sorting {
    int64_t *at;   /* [ranks + 1] */
    int64_t *list; /* [n] */
};

static struct sorting sort_by_rank(int ranks, int64_t n, const int32_t *rank) {
    struct sorting s = {mem_zero(ranks + 1, sizeof *s.at), mem_alloc(n, sizeof *s.list)};
    int64_t *next = mem_alloc(ranks, sizeof *next);
    for (int64_t i = 0; i < n; i++)
        s.at[rank[i] + 1]++;
    for (int r = 0; r < ranks; r++) {
        s.at[r + 1] += s.at[r];
        next[r] = s.at[r];
    }
    for (int64_t i = 0; i < n; i++)
        s.list[next[rank[i]]++] = i;
    mem_free(next);
    return s;
}

static void sorting_free(struct sorting *s) {
    mem_free(s->at);
    mem_free(s->list);
}

/* ---- the shares ---- */

/* What the dealer of a step is told of a sequence. */
struct ticket {
    int64_t place, cost;
};

/* The steps that this rank deals, and their first place. */
struct table {
    int64_t step, first, count; /* sequences of a step; places [first, first + count) */
};

static struct table table_of(const struct shard *shard, int64_t step) {
    int64_t steps = (shard->count + step - 1) / step;
    struct range mine = range_of(steps, shard->comm->size, shard->comm->rank);
    int64_t end = mine.hi * step < shard->count ? mine.hi * step : shard->count,
            first = mine.lo * step < end ? mine.lo * step : end;
    return (struct table){step, first, end - first};
}

/* The share of every place of the table from the tickets, which are of all of them. */
static int32_t *deal_table(const struct table *t, const struct ticket *ticket, int64_t n,
                           int shares, int ranks) {
    int64_t *cost = mem_alloc(t->count, sizeof *cost),
            *room = mem_alloc(deal_room(t->step, shares), sizeof *room);
    int32_t *share = mem_alloc(t->count, sizeof *share);
    struct deal deal = deal_over(shares, ranks, room);
    assert(n == t->count);
    for (int64_t i = 0; i < n; i++)
        cost[ticket[i].place - t->first] = ticket[i].cost;
    for (int64_t at = 0; at < t->count; at += t->step) {
        int64_t left = t->count - at;
        deal_samples(&deal, cost + at, left < t->step ? left : t->step, share + at);
    }
    mem_free(cost);
    mem_free(room);
    return share;
}

static void scale(int64_t *at, int ranks, int64_t numerator, int64_t denominator) {
    for (int r = 0; r <= ranks; r++)
        at[r] = at[r] * numerator / denominator;
}

/* The answers to tickets that came from rank r in the bytes from[r] .. from[r + 1]. */
static int32_t *answer(const struct comm *comm, const struct table *t, const struct ticket *ticket,
                       int64_t *from, int shares) {
    const int64_t each = sizeof *ticket;
    int64_t n = from[comm->size] / each;
    int32_t *share = deal_table(t, ticket, n, shares, comm->size),
            *mine = mem_alloc(n, sizeof *mine);
    for (int64_t i = 0; i < n; i++)
        mine[i] = share[ticket[i].place - t->first];
    scale(from, comm->size, sizeof *mine, each);
    mem_free(share);
    return mine;
}

/* share[i] of every sequence of this rank's block. */
static void find_shares(const struct shard *shard, const int64_t *place, int64_t step, int shares,
                        int32_t *share) {
    const struct comm *comm = shard->comm;
    int64_t n = shard->home.count, steps = (shard->count + step - 1) / step;
    struct table table = table_of(shard, step);
    for (int64_t i = 0; i < n; i++) /* the dealer, for now */
        share[i] = range_owner(steps, comm->size, place[i] / step);
    struct sorting dealer = sort_by_rank(comm->size, n, share);
    struct ticket *ticket = mem_alloc(n, sizeof *ticket);
    for (int64_t i = 0; i < n; i++)
        ticket[i] = (struct ticket){place[dealer.list[i]], shard->cost[dealer.list[i]]};
    int64_t *from = mem_alloc(comm->size + 1, sizeof *from);
    scale(dealer.at, comm->size, sizeof *ticket, 1);
    struct ticket *come = exchange_bytes(comm, ticket, dealer.at, from);
    mem_free(ticket);
    int32_t *out = answer(comm, &table, come, from, shares), *in;
    mem_free(come);
    in = exchange_bytes(comm, out, from, dealer.at);
    for (int64_t i = 0; i < n; i++)
        share[dealer.list[i]] = in[i];
    mem_free(in);
    mem_free(out);
    mem_free(from);
    sorting_free(&dealer);
}

/* ---- the sequences ---- */

/* Bytes of an event: its item, and its time where times are known. */
static int64_t event_bytes(const struct shard *shard) {
    return (int64_t)(sizeof *shard->home.items +
                     (shard->home.times ? sizeof *shard->home.times : 0));
}

/* Before its items and its times, where a sequence travels. */
struct label {
    int64_t place, sequence;
    int32_t share, length;
};

/* Returns what is behind it. */
static char *put(char *to, const void *data, int64_t bytes) {
    memcpy(to, data, (size_t)bytes);
    return to + bytes;
}

/* This rank's sequences for rank r from at[r] on. */
static char *pack(const struct shard *shard, const int64_t *place, const int32_t *share,
                  const struct sorting *owner, int64_t *at) {
    const struct sequences *home = &shard->home;
    int64_t labels = home->count * (int64_t)sizeof(struct label),
            events = home->offsets[home->count] * event_bytes(shard);
    char *data = mem_alloc(labels + events, 1), *to = data;
    for (int r = 0; r < shard->comm->size; r++) {
        at[r] = to - data;
        for (int64_t k = owner->at[r]; k < owner->at[r + 1]; k++) {
            int64_t i = owner->list[k], length = home->offsets[i + 1] - home->offsets[i];
            struct label label = {place[i], shard->first + i, share[i], (int32_t)length};
            to = put(to, &label, sizeof label);
            to = put(to, home->items + home->offsets[i], length * (int64_t)sizeof *home->items);
            if (home->times)
                to = put(to, home->times + home->offsets[i], length * (int64_t)sizeof *home->times);
        }
    }
    at[shard->comm->size] = to - data;
    return data;
}

/* A sequence that has come: its place, and where its label is. */
struct arrival {
    int64_t place, at;
};

static int by_place(const void *a, const void *b) {
    int64_t x = ((const struct arrival *)a)->place, y = ((const struct arrival *)b)->place;
    return (x > y) - (x < y);
}

static struct label label_at(const char *data, int64_t at) {
    struct label label;
    memcpy(&label, data + at, sizeof label);
    return label;
}

/* Where the sequence after this one is. */
static int64_t after(const struct label *label, int64_t at, int64_t event) {
    return at + (int64_t)sizeof *label + label->length * event;
}

static struct arrival *find_arrivals(const char *data, int64_t bytes, int64_t event, int64_t *n) {
    struct arrival *arrival = NULL;
    int64_t room = 0;
    *n = 0;
    for (int64_t at = 0; at < bytes;) {
        struct label label = label_at(data, at);
        if (*n == room) {
            room += room / 2 + 1024;
            arrival = mem_resize(arrival, room, sizeof *arrival);
        }
        arrival[(*n)++] = (struct arrival){label.place, at};
        at = after(&label, at, event);
    }
    if (*n > 0)
        qsort(arrival, (size_t)*n, sizeof *arrival, by_place);
    return arrival;
}

static void unpack(const char *data, int64_t bytes, int64_t event, struct hand *hand) {
    int64_t n, events;
    struct arrival *arrival = find_arrivals(data, bytes, event, &n);
    events = (bytes - n * (int64_t)sizeof(struct label)) / event;
    *hand = (struct hand){.count = n,
                          .place = mem_alloc(n, sizeof *hand->place),
                          .sequence = mem_alloc(n, sizeof *hand->sequence),
                          .share = mem_alloc(n, sizeof *hand->share),
                          .offsets = mem_zero(n + 1, sizeof *hand->offsets),
                          .values = mem_alloc(events, sizeof *hand->values)};
    if (event > (int64_t)sizeof *hand->values)
        hand->times = mem_alloc(events, sizeof *hand->times);
    for (int64_t i = 0; i < n; i++) {
        struct label label = label_at(data, arrival[i].at);
        hand->place[i] = label.place;
        hand->sequence[i] = label.sequence;
        hand->share[i] = label.share;
        hand->offsets[i + 1] = hand->offsets[i] + label.length;
        const char *from = data + arrival[i].at + sizeof label;
        size_t length = (size_t)label.length, items = length * sizeof *hand->values;
        memcpy(hand->values + hand->offsets[i], from, items);
        if (hand->times)
            memcpy(hand->times + hand->offsets[i], from + items, length * sizeof *hand->times);
    }
    mem_free(arrival);
}

/* The share of every sequence of this rank's block is known. */
static void bring(const struct shard *shard, const int64_t *place, const int32_t *share,
                  const struct deal *deal, struct hand *hand) {
    const struct comm *comm = shard->comm;
    int32_t *rank = mem_alloc(shard->home.count, sizeof *rank);
    for (int64_t i = 0; i < shard->home.count; i++)
        rank[i] = deal_rank(deal, share[i]);
    struct sorting owner = sort_by_rank(comm->size, shard->home.count, rank);
    mem_free(rank);
    int64_t *at = mem_alloc(comm->size + 1, sizeof *at),
            *from = mem_alloc(comm->size + 1, sizeof *from);
    char *out = pack(shard, place, share, &owner, at);
    sorting_free(&owner);
    char *in = exchange_bytes(comm, out, at, from);
    mem_free(out);
    unpack(in, from[comm->size], event_bytes(shard), hand);
    mem_free(in);
    mem_free(from);
    mem_free(at);
}

void shard_deal(const struct shard *shard, const int64_t *place, int64_t step, int shares,
                struct hand *hand) {
    struct deal deal = {.shares = shares, .ranks = shard->comm->size};
    if (shard->count == 0)
        step = 1;
    int32_t *share = mem_alloc(shard->home.count, sizeof *share);
    find_shares(shard, place, step, shares, share);
    bring(shard, place, share, &deal, hand);
    mem_free(share);
}

struct sample hand_sample(const struct hand *hand, int64_t i, int64_t id) {
    int64_t at = hand->offsets[i];
    return (struct sample){hand->values + at, hand->offsets[i + 1] - at, id,
                           hand->times ? hand->times + at : NULL};
}

void hand_free(struct hand *hand) {
    mem_free(hand->place);
    mem_free(hand->sequence);
    mem_free(hand->share);
    mem_free(hand->offsets);
    mem_free(hand->values);
    mem_free(hand->times);
    *hand = (struct hand){0};
}
