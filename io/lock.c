/* The lock itself is flock(2) on an open file, whose text says who holds it. Its two uses differ
 * in the life of that file: the lock of a directory keeps it, that of a file removes it, so that
 * one who has got it looks whether it is still what stands at the path. */
#include "io/lock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/phase.h"
#include "io/output.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define REMIND 30.0 /* seconds between two words of waiting */
#define PAUSE 1.0   /* most between two tries */

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

/* Is the lock that somebody has that of an earlier start of this job, whose node died? */
static bool is_former(const char *name, const struct owner *me, const struct owner *other) {
    if (!strcmp(me->job, "-") || strcmp(me->job, other->job) || me->restart <= other->restart)
        return false;
    log_warn("%s: still locked by start %d of this job on %s, whose end is not known here yet",
             name, other->restart, other->host);
    return true;
}

/* Take the lock of an open file; false, and who has it, when another job holds it. `name` is what
 * the lock is for. */
static bool settle(int file, const char *name, struct owner *other) {
    struct owner me = self();
    if (!flock(file, LOCK_EX | LOCK_NB)) {
        sign(file, &me);
        return true;
    }
    if (errno == EWOULDBLOCK) {
        *other = holder(file);
        return is_former(name, &me, other);
    }
    log_warn("%s: cannot be locked: %s; nothing keeps a second job out of it", name,
             strerror(errno));
    return true;
}

/* ---- a directory ---- */

enum status lock_take(struct lock *lock, const char *directory) {
    size_t size = strlen(directory) + 8;
    char *path = mem_alloc((int64_t)size, 1);
    snprintf(path, size, "%s/lock", directory);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    struct owner other;
    enum status status = STATUS_OK;
    if (file < 0)
        status = log_error(STATUS_IO, "%s: cannot be opened: %s", path, strerror(errno));
    else if (!settle(file, directory, &other))
        status = log_error(STATUS_INPUT,
                           "%s: is in use by process %ld on %s, SLURM job %s; wait for its end or "
                           "give another run.dir",
                           directory, other.process, other.host, other.job);
    mem_free(path);
    if (status == STATUS_OK)
        lock->file = file;
    else if (file >= 0)
        close(file);
    return status;
}

/* ---- a file ---- */

static char *lock_path(const char *path) {
    char *target = output_target(path);
    if (!target)
        return NULL;
    size_t size = strlen(target) + 8;
    char *lock = mem_alloc((int64_t)size, 1);
    snprintf(lock, size, "%s.lock", target);
    mem_free(target);
    return lock;
}

/* Whoever holds a lock removes its file at the end: one that is not at its path any more keeps
 * nobody out. */
static bool in_place(int file, const char *path) {
    struct stat mine, there;
    return !fstat(file, &mine) && !stat(path, &there) && mine.st_dev == there.st_dev &&
           mine.st_ino == there.st_ino;
}

/* The file of another user may be one that this one can read only, which is enough for a lock. */
static int open_lock(const char *path) {
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    return file < 0 && errno == EACCES ? open(path, O_RDONLY | O_CLOEXEC) : file;
}

/* STATUS_STOPPED, without a word, when another job holds the lock. */
static enum status try_file(struct lock *lock, const char *name, struct owner *other) {
    for (;;) {
        int file = open_lock(lock->path);
        if (file < 0)
            return log_error(STATUS_IO, "%s: cannot be made: %s", lock->path, strerror(errno));
        bool taken = settle(file, name, other);
        if (taken && in_place(file, lock->path)) {
            lock->file = file;
            return STATUS_OK;
        }
        close(file);
        if (!taken)
            return STATUS_STOPPED;
    }
}

static enum status wait_for_file(struct lock *lock, const char *name, double limit) {
    double start = phase_clock(), said = -INFINITY, pause = PAUSE / 32;
    struct owner other = {0};
    enum status status;
    while ((status = try_file(lock, name, &other)) == STATUS_STOPPED) {
        double now = phase_clock(), left = start + limit - now;
        if (left <= 0)
            return log_error(STATUS_STOPPED,
                             "%s: is being written by process %ld on %s, SLURM job %s; nothing is "
                             "done after waiting %.0f s: try again, or --wait longer",
                             name, other.process, other.host, other.job, now - start);
        if (now - said >= REMIND) {
            log_warn("%s: waits for process %ld on %s, SLURM job %s, which is writing it", name,
                     other.process, other.host, other.job);
            said = now;
        }
        usleep((useconds_t)(1e6 * fmin(pause, left)));
        pause = fmin(2 * pause, PAUSE);
    }
    return status;
}

enum status lock_file(struct lock *lock, const struct comm *comm, const char *path, double limit) {
    enum status status = STATUS_OK;
    *lock = (struct lock){0};
    if (comm->rank == 0) {
        lock->path = lock_path(path);
        status = lock->path
                     ? wait_for_file(lock, path, limit)
                     : log_error(STATUS_IO, "%s: cannot be locked: %s", path, strerror(errno));
    }
    comm_bcast_late(comm, &status, sizeof status);
    if (status != STATUS_OK) {
        mem_free(lock->path);
        *lock = (struct lock){0};
    }
    return status;
}

void lock_release(struct lock *lock) {
    if (lock->file > 0 && lock->path)
        unlink(lock->path);
    if (lock->file > 0)
        close(lock->file);
    mem_free(lock->path);
    *lock = (struct lock){0};
}
