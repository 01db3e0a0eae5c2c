#include "core/fault.h"
#include "core/log.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool fault_armed;

static struct fault {
    const char *variable;
    int signal;
    char point[32];
    int left; /* times to come to it; 0: none is wanted of this rank */
} faults[] = {{.variable = "CDSR_TEST_KILL", .signal = SIGKILL},
              {.variable = "CDSR_TEST_STOP", .signal = SIGSTOP}};

enum { FAULTS = sizeof faults / sizeof *faults };

static void arm(struct fault *f, int rank) {
    const char *text = getenv(f->variable);
    int who, count;
    if (!text)
        return;
    if (sscanf(text, "%d:%31[^:]:%d", &who, f->point, &count) != 3)
        log_warn("%s: '%s' is not RANK:POINT:COUNT and does nothing", f->variable, text);
    else if (who == rank) {
        f->left = count;
        fault_armed = true;
    }
}

void fault_arm(int rank) {
    for (int i = 0; i < FAULTS; i++)
        arm(&faults[i], rank);
}

void fault_reach(const char *point) {
    for (int i = 0; i < FAULTS; i++)
        if (!strcmp(point, faults[i].point) && --faults[i].left == 0)
            raise(faults[i].signal);
}
