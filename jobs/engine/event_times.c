/* Knots are quantiles of all ranks' events, found by bisection: every rank counts its own, which it has
 * sorted, up to a moment, and the counts are summed. */
#include "jobs/engine/event_times.h"
#include "core/mem.h"
#include "partition/range.h"
#include <stdlib.h>

/* The training events of this rank. */
struct events {
    int64_t n;
    int64_t *time;            /* [n] ascending */
    int64_t sequences;        /* that are not empty */
    int64_t *begin;           /* [sequences] their first times */
    int64_t all, first, last; /* of all ranks: number, first and last time */
};

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void look_at_all(const struct comm *comm, struct events *e) {
    int64_t ends[2] = {e->n > 0 ? -e->time[0] : INT64_MIN,
                       e->n > 0 ? e->time[e->n - 1] : INT64_MIN};
    e->all = e->n;
    comm_sum_i64(comm, &e->all, 1);
    comm_max_i64(comm, ends, 2);
    e->first = -ends[0];
    e->last = ends[1];
}

static enum status read_events(const struct comm *comm, const struct dataset *dataset,
                               struct events *e) {
    struct sequences block;
    *e = (struct events){0};
    TRY(dataset_read_block(comm, dataset, SPLIT_TRAIN, &block));
    struct range mine = range_of(dataset->counts[SPLIT_TRAIN], comm->size, comm->rank);
    enum status status = dataset_read_times(comm, dataset, SPLIT_TRAIN, mine.lo, mine.hi, &e->time);
    if (status == STATUS_OK && e->time) {
        e->n = block.offsets[block.count];
        e->sequences = block.count;
        e->begin = mem_alloc(block.count, sizeof *e->begin);
        for (int64_t i = 0; i < block.count; i++)
            e->begin[i] = e->time[block.offsets[i]];
        qsort(e->time, (size_t)e->n, sizeof *e->time, ascending);
        look_at_all(comm, e);
    }
    sequences_free(&block);
    return status;
}

static void free_events(struct events *e) {
    mem_free(e->time);
    mem_free(e->begin);
}

/* Events of this rank up to a moment. */
static int64_t events_until(const struct events *e, int64_t moment) {
    int64_t lo = 0, hi = e->n;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (e->time[mid] <= moment)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool is_one_clock(const struct comm *comm, const struct events *e) {
    int64_t count[2] = {0, e->sequences};
    for (int64_t i = 0; i < e->sequences; i++)
        count[0] += e->begin[i] == e->first;
    comm_sum_i64(comm, count, 2);
    return 2 * count[0] < count[1];
}

/* lo[k]: the first moment until which there are k / (CLOCK_KNOTS - 1) of all events, one at least. */
static void bisect(const struct comm *comm, const struct events *e, int64_t lo[CLOCK_KNOTS]) {
    int64_t hi[CLOCK_KNOTS], until[CLOCK_KNOTS];
    bool open = true;
    for (int k = 0; k < CLOCK_KNOTS; k++)
        lo[k] = e->first, hi[k] = e->last;
    while (open) {
        open = false;
        for (int k = 0; k < CLOCK_KNOTS; k++)
            until[k] = events_until(e, lo[k] + (hi[k] - lo[k]) / 2);
        comm_sum_i64(comm, until, CLOCK_KNOTS);
        for (int k = 0; k < CLOCK_KNOTS; k++) {
            int64_t mid = lo[k] + (hi[k] - lo[k]) / 2;
            double share = (double)until[k] * (CLOCK_KNOTS - 1);
            if (until[k] > 0 && share >= (double)k * (double)e->all)
                hi[k] = mid;
            else
                lo[k] = mid + 1;
            open = open || lo[k] < hi[k];
        }
    }
}

enum status event_times_clock(const struct comm *comm, const struct dataset *dataset,
                              struct clock *clock) {
    struct events e;
    int64_t knot[CLOCK_KNOTS];
    *clock = (struct clock){0};
    enum status status = read_events(comm, dataset, &e);
    if (status == STATUS_OK && e.all > 0 && e.first < e.last && is_one_clock(comm, &e)) {
        bisect(comm, &e, knot);
        for (int k = 0; k < CLOCK_KNOTS; k++)
            if (clock->knots == 0 || knot[k] > clock->at[clock->knots - 1])
                clock->at[clock->knots++] = knot[k];
    }
    free_events(&e);
    return status;
}

enum status event_times_settle(const struct comm *comm, const struct dataset *dataset,
                               struct config *config, struct clock *clock) {
    *clock = (struct clock){0};
    if (config->model.time == TIME_NONE)
        return STATUS_OK;
    TRY(event_times_clock(comm, dataset, clock));
    if (config->model.time == TIME_AUTO)
        config->model.time = clock->knots > 0 ? TIME_STATE : TIME_NONE;
    if (config->model.time == TIME_NONE || clock->knots > 0)
        return STATUS_OK;
    return comm_error(comm, STATUS_INPUT,
                      "model.time: %s does not say when its events were; leave the key out",
                      dataset->path);
}
