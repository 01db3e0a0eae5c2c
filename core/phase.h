/* Seconds spent per phase of a step. Not collective. */
#ifndef CORE_PHASE_H
#define CORE_PHASE_H

enum phase {
    PHASE_INPUT,
    PHASE_FORWARD,
    PHASE_LOSS,
    PHASE_BACKWARD,
    PHASE_REDUCE,
    PHASE_OPTIMIZER,
    PHASES
};
extern const char *const phase_names[PHASES];

struct phases {
    double seconds[PHASES];
    double since;
    enum phase now;
};

double phase_clock(void); /* monotonic seconds */

void phases_start(struct phases *phases, enum phase first);      /* zeroes all */
enum phase phases_enter(struct phases *phases, enum phase next); /* returns the phase left */
void phases_stop(struct phases *phases);
double phases_total(const struct phases *phases);

#endif
