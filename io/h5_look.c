#include "io/h5_look.h"
#include "core/log.h"
#include "core/status.h"
#include "io/h5_probe.h"
#include "io/h5_walk.h"
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MEMORY = 2047 << 20 };

static void limit(int resource, rlim_t value) {
    struct rlimit now;
    if (getrlimit(resource, &now) == 0 && value < now.rlim_cur) {
        now.rlim_cur = value;
        if (setrlimit(resource, &now) != 0)
            log_debug("probe: no limit %d: %s", resource, strerror(errno));
    }
}

#ifdef __SANITIZE_ADDRESS__ /* needs terabytes of addresses */
static void limit_memory(void) {}
#else
/* Of the address space, beside what is in use; where the system does not tell that, there is no
 * limit. */
static void limit_memory(void) {
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    bool known = file && fscanf(file, "%llu", &pages) == 1;
    if (file)
        fclose(file);
    if (known)
        limit(RLIMIT_AS, pages * (rlim_t)sysconf(_SC_PAGESIZE) + (rlim_t)MEMORY);
}
#endif

/* The parent decides about signals; when it ends, so does this. */
static void live_with_parent(void) {
    static const int others[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        signal(others[i], SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static bool tell(char what) {
    return write(STDOUT_FILENO, &what, 1) == 1;
}

int h5_look(const char *path) {
    live_with_parent();
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, (rlim_t)h5_probe_seconds(path));
    limit_memory();
    log_set_level((enum log_level) - 1);
    if (!tell(H5_PROBE_BEGUN) || !h5_walk(path) || !tell(H5_PROBE_DONE))
        return STATUS_INPUT;
    return STATUS_OK;
}
