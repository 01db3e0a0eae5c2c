#include "core/schedule.h"
#include "core/options.h"
#include <math.h>

struct schedule schedule_of(const struct config *config, int64_t epoch_steps) {
    double total = (double)config->train.epochs * (double)epoch_steps;
    double limit = (double)config->train.max_steps;
    return (struct schedule){.kind = config->train.schedule,
                             .lr = config->train.lr,
                             .min_lr = config->train.min_lr,
                             .warmup = config->train.warmup * (double)epoch_steps,
                             .total = limit > 0 && limit < total ? limit : total,
                             .factor = config->train.plateau_factor,
                             .patience = config->train.plateau_patience};
}

/* The part of the cosine's half period that is over after n steps. */
static double progress(const struct schedule *s, double n) {
    if (n <= s->warmup)
        return 0;
    return n < s->total ? (n - s->warmup) / (s->total - s->warmup) : 1;
}

static double after_warmup(const struct schedule *s, double n, int64_t reductions) {
    if (s->kind == SCHEDULE_COSINE)
        return s->min_lr + (s->lr - s->min_lr) * (1 + cos(M_PI * progress(s, n))) / 2;
    if (s->kind == SCHEDULE_PLATEAU)
        return fmax(s->min_lr, s->lr * pow(s->factor, (double)reductions));
    return s->lr;
}

double schedule_rate(const struct schedule *s, int64_t done, const struct plateau *plateau) {
    double n = (double)done, rate = after_warmup(s, n, plateau->reductions);
    return n + 1 < s->warmup ? (n + 1) / s->warmup * rate : rate;
}

void schedule_evaluated(const struct schedule *s, int64_t done, bool best,
                        struct plateau *plateau) {
    if (s->kind != SCHEDULE_PLATEAU || (double)done < s->warmup)
        return;
    plateau->waited = best ? 0 : plateau->waited + 1;
    if (plateau->waited > s->patience)
        *plateau = (struct plateau){.reductions = plateau->reductions + 1};
}
