#include "io/lock.h"
#include "core/log.h"
#include "core/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* As it stands in the file: "PROCESS HOST JOB RESTART", "-" outside of SLURM. */
struct owner {
    long process;
    char host[256], job[64];
    int restart;
};

static struct owner self(void) {
    const char *job = getenv("SLURM_JOB_ID"), *restart = getenv("SLURM_RESTART_COUNT");
    struct owner o = {.process = (long)getpid(), .restart = restart ? atoi(restart) : 0};
    if (gethostname(o.host, sizeof o.host - 1))
        snprintf(o.host, sizeof o.host, "-");
    snprintf(o.job, sizeof o.job, "%s", job && job[0] ? job : "-");
    return o;
}

static void sign(int file, const struct owner *o) {
    if (ftruncate(file, 0) ||
        dprintf(file, "%ld %s %s %d\n", o->process, o->host, o->job, o->restart) < 0)
        log_debug("lock: cannot be written: %s", strerror(errno)); /* it holds all the same */
}

static struct owner holder(int file) {
    char text[512] = "";
    struct owner o = {0};
    if (pread(file, text, sizeof text - 1, 0) < 0 ||
        sscanf(text, "%ld %255s %63s %d", &o.process, o.host, o.job, &o.restart) != 4)
        o = (struct owner){.host = "-", .job = "-"};
    return o;
}

/* Somebody has the lock: it is an earlier start of this job, whose node died, or another job. */
static enum status meet(const char *directory, const struct owner *me, const struct owner *other) {
    if (strcmp(me->job, "-") && !strcmp(me->job, other->job) && me->restart > other->restart) {
        log_warn("%s: still locked by start %d of this job on %s, whose end is not known here yet",
                 directory, other->restart, other->host);
        return STATUS_OK;
    }
    return log_error(STATUS_INPUT,
                     "%s: is in use by process %ld on %s, SLURM job %s; wait for its end or give "
                     "another run.dir",
                     directory, other->process, other->host, other->job);
}

static enum status settle(int file, const char *directory) {
    struct owner me = self(), other;
    if (!flock(file, LOCK_EX | LOCK_NB)) {
        sign(file, &me);
        return STATUS_OK;
    }
    if (errno == EWOULDBLOCK) {
        other = holder(file);
        return meet(directory, &me, &other);
    }
    log_warn("%s/lock: %s; nothing keeps a second job out of the directory", directory,
             strerror(errno));
    return STATUS_OK;
}

enum status lock_take(struct lock *lock, const char *directory) {
    size_t size = strlen(directory) + 8;
    char *path = mem_alloc((int64_t)size, 1);
    snprintf(path, size, "%s/lock", directory);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    enum status status =
        file < 0 ? log_error(STATUS_IO, "%s: cannot be opened: %s", path, strerror(errno))
                 : settle(file, directory);
    mem_free(path);
    if (status == STATUS_OK)
        lock->file = file;
    else if (file >= 0)
        close(file);
    return status;
}

void lock_release(struct lock *lock) {
    if (lock->file > 0)
        close(lock->file);
    *lock = (struct lock){0};
}
