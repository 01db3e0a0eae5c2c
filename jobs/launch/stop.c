#include "jobs/launch/stop.h"
#include "core/phase.h"
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

static const struct {
    int number;
    const char *reason;
} requests[STOP_REQUESTS] = {{0, "time limit"},
                             {SIGUSR1, "signal USR1"},
                             {SIGUSR2, "signal USR2"},
                             {SIGTERM, "signal TERM"},
                             {SIGINT, "signal INT"}};

static volatile sig_atomic_t noted; /* index of the strongest signal so far; 0: none */
static double end = INFINITY;       /* on the phase clock */

static void note(int number) {
    for (int i = 1; i < STOP_REQUESTS; i++)
        if (requests[i].number == number && i > noted)
            noted = i;
    if (number == SIGINT)
        signal(SIGINT, SIG_DFL);
}

/* Seconds until SLURM ends the job, less the margin; infinite outside of SLURM and in what a job
 * left behind, a terminal for example. */
static double slurm_limit(double margin) {
    const char *text = getenv("SLURM_JOB_END_TIME");
    char *rest;
    double at = text ? strtod(text, &rest) : 0, left = at - (double)time(NULL);
    return text && rest != text && left > 0 ? left - fmin(margin, left / 4) : INFINITY;
}

void stop_watch(double time_limit, double margin) {
    struct sigaction action = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (int i = 1; i < STOP_REQUESTS; i++)
        sigaction(requests[i].number, &action, NULL);
    end = phase_clock() + fmin(time_limit > 0 ? time_limit : INFINITY, slurm_limit(margin));
}

int stop_requested(void) {
    return noted ? noted + 1 : phase_clock() >= end;
}

const char *stop_reason(int request) {
    return requests[request - 1].reason;
}
