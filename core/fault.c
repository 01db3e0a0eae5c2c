#include "core/fault.h"
#include "core/log.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool fault_armed;
static char target[32];
static int left; /* times to come to it */

void fault_arm(int rank) {
    const char *text = getenv("CDSR_TEST_KILL");
    int who;
    if (!text)
        return;
    if (sscanf(text, "%d:%31[^:]:%d", &who, target, &left) != 3)
        log_warn("CDSR_TEST_KILL: '%s' is not RANK:POINT:COUNT and does nothing", text);
    else
        fault_armed = who == rank;
}

void fault_reach(const char *point) {
    if (!strcmp(point, target) && --left == 0)
        raise(SIGKILL);
}
