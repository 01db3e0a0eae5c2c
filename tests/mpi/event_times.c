/* The knots of time of a data set, found by all ranks, against those of all its events in order. */
#include "jobs/engine/event_times.h"
#include "core/log.h"
#include "io/shard.h"
#include "tests/mpi/folder.h"

static void make(int users) {
    char count[16];
    snprintf(count, sizeof count, "%d", users);
    char *argv[] = {"synth", "--items-a", "30", "--items-b", "20", "--users",
                    count,   "--quiet",   "-o", "data.h5",   NULL};
    folder_enter();
    int shown = dup(STDOUT_FILENO);
    MPI_REQUIRE(freopen("/dev/null", "w", stdout));
    MPI_REQUIRE(job_synth(&test_comm, 10, argv) == STATUS_OK);
    fflush(stdout);
    dup2(shown, STDOUT_FILENO);
    close(shown);
}

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The knot k is the event before or at which there are k / (CLOCK_KNOTS - 1) of all, one at least. */
static void expect_quantiles(const struct clock *clock, const int64_t *time, int64_t n) {
    int knot = 0;
    for (int k = 0; k < CLOCK_KNOTS; k++) {
        int64_t rank = ((int64_t)k * n + CLOCK_KNOTS - 2) / (CLOCK_KNOTS - 1);
        int64_t want = time[rank > 0 ? rank - 1 : 0];
        if (knot > 0 && clock->at[knot - 1] == want)
            continue;
        MPI_REQUIRE(knot < clock->knots, "knot %d", knot);
        MPI_EXPECT(clock->at[knot] == want, "knot %d: %lld, not %lld", knot,
                   (long long)clock->at[knot], (long long)want);
        knot++;
    }
    MPI_EXPECT(knot == clock->knots);
}

static void compare(int users) {
    struct dataset dataset;
    struct clock clock;
    int64_t *time, n;
    make(users);
    MPI_REQUIRE(dataset_open(&test_comm, "data.h5", &dataset) == STATUS_OK);
    MPI_REQUIRE(event_times_clock(&test_comm, &dataset, &clock) == STATUS_OK);
    MPI_REQUIRE(dataset_read_times(&test_comm, &dataset, SPLIT_TRAIN, 0,
                                   dataset.counts[SPLIT_TRAIN], &time) == STATUS_OK);
    n = dataset.events[SPLIT_TRAIN];
    qsort(time, (size_t)n, sizeof *time, ascending);
    expect_quantiles(&clock, time, n);
    mem_free(time);
    dataset_close(&dataset);
    folder_leave();
}

MPI_TEST(event_times, one_rank, 1) {
    compare(100);
}

/* There are ranks without a sequence, too. */
MPI_TEST(event_times, fewer_events_than_knots, 3) {
    compare(8);
}

MPI_TEST(event_times, three_ranks, 3) {
    compare(100);
}

static int64_t no_cost(const void *context, const int32_t *items, int64_t length) {
    (void)context, (void)items, (void)length;
    return 1;
}

/* Dealt to whichever rank, an item keeps its time: the last of a sequence is the latest of all its
 * events, and all are as the file has them. */
MPI_TEST(event_times, times_travel_with_their_items, 3) {
    struct dataset dataset;
    struct clock clock;
    struct shard shard;
    struct hand hand;
    int64_t *place, *time, wrong = 0, from = 0;
    struct sequences all;
    make(100);
    MPI_REQUIRE(dataset_open(&test_comm, "data.h5", &dataset) == STATUS_OK);
    int64_t n = dataset.counts[SPLIT_TRAIN];
    MPI_REQUIRE(event_times_clock(&test_comm, &dataset, &clock) == STATUS_OK);
    MPI_REQUIRE(shard_open(&shard, &test_comm, &dataset, SPLIT_TRAIN, &clock, no_cost, NULL) ==
                STATUS_OK);
    place = mem_alloc(shard.home.count, sizeof *place);
    for (int64_t i = 0; i < shard.home.count; i++)
        place[i] = n - 1 - (shard.first + i);
    shard_deal(&shard, place, 7, 3, &hand);
    MPI_REQUIRE(dataset_read_sequences(&test_comm, &dataset, SPLIT_TRAIN, 0, n, &all) == STATUS_OK);
    MPI_REQUIRE(dataset_read_times(&test_comm, &dataset, SPLIT_TRAIN, 0, n, &time) == STATUS_OK);
    for (int64_t i = 0; i < hand.count; i++) {
        struct sample sample = hand_sample(&hand, i, 0);
        from = all.offsets[hand.sequence[i]];
        for (int64_t t = 0; t < sample.length; t++)
            wrong += sample.items[t] != all.items[from + t] ||
                     sample.times[t] != clock_place(&clock, time[from + t]);
    }
    MPI_EXPECT(wrong == 0, "%lld events", (long long)wrong);
    MPI_EXPECT(hand.count > 0);
    mem_free(place);
    mem_free(time);
    sequences_free(&all);
    hand_free(&hand);
    shard_close(&shard);
    dataset_close(&dataset);
    folder_leave();
}

MPI_TEST_MAIN(log_set_level(LOG_ERROR))
