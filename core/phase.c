#include "core/phase.h"
#include <time.h>

const char *const phase_names[PHASES] = {"input",    "forward", "loss",
                                         "backward", "reduce",  "optimizer"};

double phase_clock(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void phases_start(struct phases *phases, enum phase first) {
    *phases = (struct phases){.since = phase_clock(), .now = first};
}

enum phase phases_enter(struct phases *phases, enum phase next) {
    enum phase left = phases->now;
    double now = phase_clock();
    phases->seconds[left] += now - phases->since;
    phases->since = now;
    phases->now = next;
    return left;
}

void phases_stop(struct phases *phases) {
    phases_enter(phases, phases->now);
}

double phases_total(const struct phases *phases) {
    double sum = 0;
    for (int i = 0; i < PHASES; i++)
        sum += phases->seconds[i];
    return sum;
}
