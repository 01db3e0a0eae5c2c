#include "core/batch.h"
#include "core/mem.h"
#include "core/rng.h"
#include "tests/balanced.h"
#include <criterion/criterion.h>

BALANCED(batch);

/* Items below 10 are A's. */
static const int32_t first[] = {1, 12, 2, 3, 15, 4}, second[] = {11}, third[] = {5, 11};
static const struct sample samples[] = {
    {first, 6, 0, NULL}, {second, 1, 1, NULL}, {third, 2, 2, NULL}};

static void expect_row(const struct stream *s, int64_t b, const int32_t *items,
                       const int32_t *targets, int64_t n) {
    int64_t at = s->offsets[b];
    cr_assert_eq(s->offsets[b + 1] - at, n);
    for (int64_t t = 0; t < n; t++) {
        cr_expect_eq(s->items[at + t], items[t]);
        cr_expect(!targets || s->targets[at + t] == targets[t]);
        cr_expect_eq(s->positions[at + t], t);
    }
}

Test(batch, training_streams) {
    struct batch batch = {0};
    batch_train(&batch, samples, 3, 10, 3);
    /* A: 1 2 3 4; B: 12 15; mixed keeps the last four items of the first sequence. */
    cr_assert_eq(batch.stream[STREAM_A].sequences, 1);
    expect_row(&batch.stream[STREAM_A], 0, (int32_t[]){1, 2, 3}, (int32_t[]){2, 3, 4}, 3);
    cr_assert_eq(batch.stream[STREAM_B].sequences, 1);
    expect_row(&batch.stream[STREAM_B], 0, (int32_t[]){12}, (int32_t[]){15}, 1);
    cr_assert_eq(batch.stream[STREAM_MIXED].sequences, 2);
    expect_row(&batch.stream[STREAM_MIXED], 0, (int32_t[]){2, 3, 15}, (int32_t[]){3, 15, 4}, 3);
    expect_row(&batch.stream[STREAM_MIXED], 1, (int32_t[]){5}, (int32_t[]){11}, 1);
    cr_expect_eq(batch.stream[STREAM_MIXED].sample[1], 2);
    batch_free(&batch);
}

/* Of sequences with two items of both domains alone: that of A 5 B 11 12, and short ones, give none. */
Test(batch, both) {
    static const int32_t fourth[] = {5, 11, 12};
    const struct sample some[] = {{fourth, 3, 3, NULL}, samples[1], samples[0], samples[2]};
    struct batch batch = {0};
    batch_both(&batch, some, 4, 10, 3);
    cr_expect_eq(batch.samples, 4);
    for (int s = 0; s < STREAMS; s++) {
        cr_assert_eq(batch.stream[s].sequences, 1);
        cr_expect(batch.stream[s].sample[0] == 2 && batch.stream[s].aimed);
    }
    expect_row(&batch.stream[STREAM_B], 0, (int32_t[]){12}, (int32_t[]){15}, 1);
    expect_row(&batch.stream[STREAM_MIXED], 0, (int32_t[]){2, 3, 15}, (int32_t[]){3, 15, 4}, 3);
    batch_free(&batch);
}

Test(batch, histories) {
    struct batch batch = {0};
    batch_history(&batch, samples, 3, 10, 3);
    expect_row(&batch.stream[STREAM_A], 0, (int32_t[]){2, 3, 4}, NULL, 3);
    expect_row(&batch.stream[STREAM_B], 0, (int32_t[]){12, 15}, NULL, 2);
    expect_row(&batch.stream[STREAM_B], 1, (int32_t[]){11}, NULL, 1);
    expect_row(&batch.stream[STREAM_MIXED], 0, (int32_t[]){3, 15, 4}, NULL, 3);
    cr_expect_eq(batch.stream[STREAM_A].sequences, 2);
    batch_free(&batch);
}

/* The last item of all, 4, is a target of the mixed stream only. */
Test(batch, mixed) {
    struct batch batch = {0};
    batch_mixed(&batch, samples, 3, 10, 3);
    expect_row(&batch.stream[STREAM_A], 0, (int32_t[]){1, 2, 3}, NULL, 3);
    expect_row(&batch.stream[STREAM_A], 1, (int32_t[]){5}, NULL, 1);
    expect_row(&batch.stream[STREAM_B], 0, (int32_t[]){12, 15}, NULL, 2);
    expect_row(&batch.stream[STREAM_MIXED], 0, (int32_t[]){2, 3, 15}, (int32_t[]){3, 15, 4}, 3);
    expect_row(&batch.stream[STREAM_MIXED], 1, (int32_t[]){5}, (int32_t[]){11}, 1);
    cr_expect(batch.stream[STREAM_B].sequences == 1 && batch.stream[STREAM_MIXED].sequences == 2);
    cr_expect(batch.stream[STREAM_MIXED].aimed && !batch.stream[STREAM_A].aimed);
    cr_expect_arr_eq(batch.stream[STREAM_A].places, ((int32_t[]){0, 2, 3, 0}), 4 * sizeof(int32_t));
    cr_expect_arr_eq(batch.stream[STREAM_B].places, ((int32_t[]){1, 4}), 2 * sizeof(int32_t));
    cr_expect_arr_eq(batch.stream[STREAM_MIXED].places, ((int32_t[]){2, 3, 4, 0}),
                     4 * sizeof(int32_t));
    batch_free(&batch);
}

/* Of A's items 1 2 3 4 the last is a target only, of B's 12 15 too: before target 4 stands 3, before
 * 15 stands 12. */
Test(batch, aligned) {
    struct batch batch = {0};
    batch_aligned(&batch, samples, 3, 10, 3);
    expect_row(&batch.stream[STREAM_A], 0, (int32_t[]){1, 2, 3}, NULL, 3);
    expect_row(&batch.stream[STREAM_B], 0, (int32_t[]){12}, NULL, 1);
    expect_row(&batch.stream[STREAM_MIXED], 0, (int32_t[]){2, 3, 15}, (int32_t[]){3, 15, 4}, 3);
    cr_expect(batch.stream[STREAM_A].sequences == 1 && batch.stream[STREAM_B].sequences == 1);
    cr_expect(batch.stream[STREAM_MIXED].aimed && !batch.stream[STREAM_A].aimed &&
              !batch.stream[STREAM_B].aimed);
    batch_free(&batch);
}

static void expect_times(const struct stream *s, int64_t b, const real *times, int64_t n) {
    cr_assert_eq(s->offsets[b + 1] - s->offsets[b], n);
    cr_expect_arr_eq(s->times + s->offsets[b], times, (size_t)n * sizeof *times);
}

/* A token has the time of the event before the stream's next item, which may be the other domain's:
 * between 3 and 4 of A stands 15. */
Test(batch, times_are_of_the_last_event_before_the_next) {
    static const real times[] = {10, 11, 12, 13, 14, 15};
    const struct sample timed[] = {{first, 6, 0, times}, samples[1]};
    struct batch batch = {0};
    batch_train(&batch, timed, 2, 10, 3);
    expect_times(&batch.stream[STREAM_A], 0, (real[]){11, 12, 14}, 3);
    expect_times(&batch.stream[STREAM_B], 0, (real[]){13}, 1);
    expect_times(&batch.stream[STREAM_MIXED], 0, (real[]){12, 13, 14}, 3);
    batch_history(&batch, timed, 2, 10, 3);
    expect_times(&batch.stream[STREAM_A], 0, (real[]){12, 14, 15}, 3);
    expect_times(&batch.stream[STREAM_B], 0, (real[]){13, 15}, 2);
    expect_times(&batch.stream[STREAM_B], 1, (real[]){-1}, 1);
    expect_times(&batch.stream[STREAM_MIXED], 0, (real[]){13, 14, 15}, 3);
    batch_mixed(&batch, timed, 2, 10, 3);
    expect_times(&batch.stream[STREAM_A], 0, (real[]){11, 12, 14}, 3);
    expect_times(&batch.stream[STREAM_B], 0, (real[]){13, 14}, 2);
    batch_free(&batch);
}

/* The counts that balance the load are those of the batch. */
Test(batch, counts_agree_with_the_streams) {
    struct batch batch = {0};
    uint64_t key = rng_key(4, RNG_TEST, 0, 0);
    for (uint64_t trial = 0; trial < 200; trial++) {
        int32_t items[20];
        int64_t length = 1 + rng_below(key, 100 * trial, 20), count[STREAMS][2];
        for (int64_t i = 0; i < length; i++)
            items[i] = (int32_t)rng_below(key, 100 * trial + 1 + (uint64_t)i, 20);
        struct sample sample = {items, length, 0, NULL};
        batch_train(&batch, &sample, 1, 10, 6);
        batch_count_targets(items, length, 10, 6, count);
        for (int s = 0; s < STREAMS; s++) {
            int64_t want[2] = {0, 0};
            for (int64_t t = 0; t < batch.stream[s].tokens; t++)
                want[batch.stream[s].targets[t] >= 10]++;
            cr_expect_eq(count[s][0], want[0]);
            cr_expect_eq(count[s][1], want[1]);
        }
    }
    batch_free(&batch);
}

/* A rank may get no sequence of a step. */
Test(batch, may_be_empty) {
    struct batch batch = {0};
    batch_train(&batch, NULL, 0, 10, 3);
    for (int s = 0; s < STREAMS; s++)
        cr_expect(batch.stream[s].tokens == 0 && batch.stream[s].offsets[0] == 0);
    batch_free(&batch);
}

/* A token's dropout key belongs to its sequence and position, not to its place in the batch. */
Test(batch, keys_do_not_depend_on_the_batch) {
    struct batch a = {0}, b = {0};
    batch_train(&a, samples, 3, 10, 3);
    batch_train(&b, samples + 2, 1, 10, 3);
    cr_expect_eq(a.stream[STREAM_MIXED].keys[3], b.stream[STREAM_MIXED].keys[0]);
    cr_expect_neq(a.stream[STREAM_MIXED].keys[3], a.stream[STREAM_MIXED].keys[0]);
    batch_free(&a);
    batch_free(&b);
}
