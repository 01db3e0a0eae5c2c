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

static struct {
    char constant[32]; /* "": none is wrong */
    double factor;
} wrong;

static void arm_constant(void) {
    const char *text = getenv("CDSR_TEST_FACTOR");
    if (!text)
        return;
    if (sscanf(text, "%31[^:]:%lf", wrong.constant, &wrong.factor) != 2) {
        log_warn("CDSR_TEST_FACTOR: '%s' is not NAME:FACTOR and does nothing", text);
        wrong.constant[0] = '\0';
    } else
        fault_armed = true;
}

double fault_wrong(const char *constant) {
    return strcmp(constant, wrong.constant) ? 1 : wrong.factor;
}

void fault_arm(int rank) {
    arm_constant();
    for (int i = 0; i < FAULTS; i++)
        arm(&faults[i], rank);
}

void fault_reach(const char *point) {
    for (int i = 0; i < FAULTS; i++)
        if (!strcmp(point, faults[i].point) && --faults[i].left == 0)
            raise(faults[i].signal);
}
