#include "io/h5_probe.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/string_list.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Time of a processor, and on the clock, where a disk may have to be waited for. */
enum { SECONDS = 5, PATIENCE = 120, BYTES_PER_SECOND = 1 << 22 };

static const char *looker;
static struct string_map seen; /* files that were looked at, by what tells them apart */

void h5_probe_by(const char *program) {
    looker = program;
    string_map_free(&seen);
}

int h5_probe_seconds(const char *path) {
    struct stat info;
    int64_t bytes = stat(path, &info) == 0 ? info.st_size : 0;
    return SECONDS + (int)(bytes / BYTES_PER_SECOND);
}

extern char **environ;

/* The environment without what would make the child a rank of this job; with one thread. */
static char **child_environment(void) {
    static const char *const theirs[] = {"OMPI_", "PMIX_", "PMI_",
                                         "OPENBLAS_NUM_THREADS=", "OMP_NUM_THREADS="};
    int64_t count = 0, n = 0;
    while (environ[count])
        count++;
    char **kept = mem_alloc(count + 3, sizeof *kept);
    for (int64_t i = 0; i < count; i++) {
        bool strip = false;
        for (size_t k = 0; k < sizeof theirs / sizeof *theirs; k++)
            strip = strip || !strncmp(environ[i], theirs[k], strlen(theirs[k]));
        if (!strip)
            kept[n++] = environ[i];
    }
    kept[n++] = (char *)(uintptr_t) "OPENBLAS_NUM_THREADS=1";
    kept[n++] = (char *)(uintptr_t) "OMP_NUM_THREADS=1";
    kept[n] = NULL;
    return kept;
}

/* The process, whose standard output is *out; an error of the system. */
static int start(const char *path, pid_t *pid, int *out) {
    int ends[2];
    posix_spawn_file_actions_t actions;
    char *arguments[] = {(char *)(uintptr_t) "cdsr", (char *)(uintptr_t)H5_PROBE_JOB,
                         (char *)(uintptr_t)path, NULL};
    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    char **environment = child_environment();
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int error = posix_spawn(pid, looker, &actions, NULL, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    mem_free(environment);
    close(ends[1]);
    if (error)
        close(ends[0]);
    *out = ends[0];
    return error;
}

/* What it says, up to its end or the time limit: 0, H5_PROBE_BEGUN or H5_PROBE_DONE. */
static char listen_to(int out, int seconds) {
    char last = 0;
    struct pollfd wait = {.fd = out, .events = POLLIN};
    for (;;) {
        int ready = poll(&wait, 1, 1000 * seconds);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0 || read(out, &last, 1) <= 0 || last == H5_PROBE_DONE)
            return last;
    }
}

static const char *how_it_ended(int outcome) {
    if (!WIFSIGNALED(outcome))
        return "it runs out of memory";
    if (WTERMSIG(outcome) == SIGXCPU || WTERMSIG(outcome) == SIGKILL)
        return "it does not come to an end";
    return strsignal(WTERMSIG(outcome));
}

static enum status look(const char *path) {
    pid_t pid = 0;
    int out = -1, outcome = 0, error = start(path, &pid, &out);
    if (error) {
        log_debug("%s: no process looks at it first: %s: %s", path, looker, strerror(error));
        return STATUS_OK;
    }
    char last = listen_to(out, PATIENCE + h5_probe_seconds(path));
    close(out);
    kill(pid, SIGKILL); /* changes nothing for one that has crashed */
    while (waitpid(pid, &outcome, 0) < 0 && errno == EINTR)
        ;
    if (last == H5_PROBE_DONE)
        return STATUS_OK;
    if (last != H5_PROBE_BEGUN) {
        log_debug("%s: no process looks at it first: %s does not start", path, looker);
        return STATUS_OK;
    }
    return log_error(STATUS_INPUT,
                     "%s: is damaged: the HDF5 library cannot read it (%s); make it again or copy "
                     "it again",
                     path, how_it_ended(outcome));
}

enum status h5_probe(const char *path) {
    struct stat info;
    char identity[128];
    if (!looker || stat(path, &info) != 0)
        return STATUS_OK;
    snprintf(identity, sizeof identity, "%lld %lld %lld %lld.%09ld", (long long)info.st_dev,
             (long long)info.st_ino, (long long)info.st_size, (long long)info.st_mtim.tv_sec,
             info.st_mtim.tv_nsec);
    if (string_map_find(&seen, identity) >= 0)
        return STATUS_OK;
    enum status status = look(path);
    if (status == STATUS_OK)
        (void)string_map_add(&seen, identity, NULL);
    return status;
}
