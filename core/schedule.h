/* The learning rate of every step (train.schedule, train.warmup): a function of the configuration, of
 * how many steps are done and of how often the rate was reduced, so that a run that goes on has the
 * rates of one that was not interrupted. Not collective.
 *
 * With n steps done, W those of train.warmup and T those of the whole training (train.epochs,
 * train.max_steps), the rate is
 *   min(1, (n + 1) / W) r(n),                                  without a warm-up r(n), where
 *   constant   r(n) = lr
 *   cosine     r(n) = min_lr + (lr - min_lr) (1 + cos(pi (n - W) / (T - W))) / 2,   lr while n < W
 *   plateau    r(n) = max(min_lr, lr factor^reductions)
 * The warm-up is that of Goyal and others (2017, section 2.2), begun from zero; the cosine is
 * equation 5 of SGDR (Loshchilov, Hutter, 2017) without restarts. A warm-up may be longer than the
 * training, of which the rate then is the beginning: a short trial of a long run is no error.
 *
 * plateau is PyTorch's ReduceLROnPlateau of mode max without threshold and cooldown: better is what
 * counts as better where the best epoch is selected. Unlike there, training goes on from the best epoch
 * when the rate falls (train.plateau_from=best, jobs/engine/trainer.c), as in the "newbob" schedules of
 * speech recognition, which reject epochs that were no better. Evaluations before the end of the warm-up do
 * not count (decided here): they say nothing about the rate that would be reduced. */
#ifndef CORE_SCHEDULE_H
#define CORE_SCHEDULE_H
#include <stdbool.h>
#include <stdint.h>

struct config;

struct schedule {
    int kind; /* enum schedule_kind */
    double lr, min_lr;
    double warmup, total; /* steps: W and T */
    double factor;        /* of plateau ... */
    int64_t patience;     /* ... and the evaluations that it waits without reducing */
};

/* What plateau remembers. */
struct plateau {
    int64_t reductions; /* of the rate so far */
    int64_t waited;     /* evaluations since the best one or the last reduction */
};

/* Of a training whose epochs have so many steps. */
struct schedule schedule_of(const struct config *config, int64_t epoch_steps);

/* The rate of the next step when `done` steps are. */
double schedule_rate(const struct schedule *schedule, int64_t done, const struct plateau *plateau);

/* After an evaluation, which was the best so far or not. */
void schedule_evaluated(const struct schedule *schedule, int64_t done, bool best,
                        struct plateau *plateau);

#endif
