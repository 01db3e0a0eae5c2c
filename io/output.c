/* An output begins with a look at what stands at its path, since links, devices and standard
 * output are written to in other ways than files. For a file a temporary one is made beside the
 * target, filled by the caller, brought to the disk and renamed. Text has a function that does all
 * of it around a callback. */
#include "io/output.h"
#include "core/fault.h"
#include "core/log.h"
#include "core/mem.h"
#include "io/file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS = 40, NAMES = 100, PIDS = 10000000 };

static enum status refused(const char *path, const char *what) {
    return log_error(STATUS_IO, "%s: %s: %s", path, what, strerror(errno));
}

static enum status no_place(const char *path) {
    return log_error(STATUS_IO, "%s: cannot be written: %s; check the folder and its permissions",
                     path, strerror(errno));
}

/* ---- what stands at the path ---- */

bool output_is_stdout(const char *path) {
    struct stat there, here;
    return !strcmp(path, "-") || (!stat(path, &there) && !fstat(STDOUT_FILENO, &here) &&
                                  there.st_dev == here.st_dev && there.st_ino == here.st_ino);
}

/* May this form be written there? `straight`: as it comes, because it is no file. */
static enum status look(const char *path, enum output_form form, bool *straight) {
    struct stat info;
    bool there = !stat(path, &info), standard = output_is_stdout(path);
    *straight = standard || (there && (S_ISCHR(info.st_mode) || S_ISFIFO(info.st_mode)));
    if (*straight && form == OUTPUT_HDF5)
        return log_error(STATUS_INPUT, "%s: is %s; HDF5 needs a regular file", path,
                         standard                ? "standard output"
                         : S_ISCHR(info.st_mode) ? "a device"
                                                 : "a FIFO");
    if (*straight || !there || S_ISREG(info.st_mode))
        return STATUS_OK;
    return log_error(STATUS_INPUT, "%s: is %s; name another output", path,
                     S_ISDIR(info.st_mode) ? "a directory" : "neither a file, a device nor a FIFO");
}

/* The name `to` as it is meant in the directory of `name`. */
static char *beside(const char *name, const char *to) {
    const char *slash = strrchr(name, '/');
    int directory = slash && to[0] != '/' ? (int)(slash + 1 - name) : 0;
    size_t size = (size_t)directory + strlen(to) + 1;
    char *path = mem_alloc((int64_t)size, 1);
    snprintf(path, size, "%.*s%s", directory, name, to);
    return path;
}

char *output_target(const char *path) {
    char *name = mem_string(path), to[PATH_MAX];
    ssize_t n;
    for (int links = 0; (n = readlink(name, to, sizeof to - 1)) >= 0; links++) {
        to[n] = '\0';
        char *next = beside(name, to);
        mem_free(name);
        name = next;
        if (links < LINKS)
            continue;
        mem_free(name);
        errno = ELOOP;
        return NULL;
    }
    return name;
}

/* Can a file be made beside `target`? 0, or -1 and errno. */
static int check_folder(const char *target) {
    char *folder = beside(target, ".");
    int outcome = access(folder, W_OK | X_OK);
    mem_free(folder);
    return outcome;
}

static enum status check(const char *path, enum output_form form, bool overwrite) {
    bool straight;
    TRY(look(path, form, &straight));
    if (straight)
        return STATUS_OK;
    if (!overwrite && file_exists(path))
        return log_error(STATUS_INPUT,
                         "%s: exists already; name another output or give --overwrite", path);
    char *target = output_target(path);
    enum status status = target && !check_folder(target) ? STATUS_OK : no_place(path);
    mem_free(target);
    return status;
}

enum status output_check(const struct comm *comm, const char *path, enum output_form form,
                         bool overwrite) {
    return COMM_ON_ROOT(comm, check(path, form, overwrite));
}

/* ---- the temporary file ---- */

/* A process of this number on another node, or one that was killed, may have left a file of that
 * name. What replaces a file is nobody else's to read before it has that file's permissions. */
static int create_temporary(struct output *o) {
    size_t size = strlen(o->target) + 32;
    mode_t mode = file_exists(o->target) ? 0600 : 0666;
    int file = -1;
    o->file = mem_alloc((int64_t)size, 1);
    for (long k = 0; k < NAMES && (k == 0 || (file < 0 && errno == EEXIST)); k++) {
        snprintf(o->file, size, "%s.tmp.%ld", o->target, (long)getpid() + k * PIDS);
        file = open(o->file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);
    }
    if (file >= 0)
        return close(file);
    mem_free(o->file);
    o->file = NULL;
    return -1;
}

/* What the group may do, where it had to become another group: what anybody may. */
static mode_t without_group(mode_t mode) {
    return (mode & ~(mode_t)070) | (mode & (mode << 3) & 070);
}

static void take_over(const struct output *o, int file) {
    struct stat old;
    if (stat(o->target, &old))
        return;
    mode_t mode = old.st_mode & 0777;
    bool owner = !fchown(file, old.st_uid, old.st_gid);
    bool group = owner || !fchown(file, (uid_t)-1, old.st_gid);
    bool kept = !fchmod(file, group ? mode : without_group(mode));
    if (!owner || !kept)
        log_warn("%s: its %s cannot be kept: %s", o->path,
                 !kept   ? "permissions"
                 : group ? "owner"
                         : "owner and group",
                 strerror(errno));
    if (old.st_nlink > 1)
        log_warn("%s: is replaced; other names of the old file (hard links) keep its content: %lu",
                 o->path, (unsigned long)old.st_nlink - 1);
}

/* 0, or -1 and errno. */
static int settle(const struct output *o) {
    int file = open(o->file, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return -1;
    take_over(o, file);
    int outcome = fsync(file);
    return close(file) | outcome;
}

static int put_in_place(struct output *o) {
    if (settle(o))
        return -1;
    fault_point("rename");
    if (rename(o->file, o->target))
        return -1;
    mem_free(o->file);
    o->file = NULL;
    fault_point("renamed");
    return file_sync_directory(o->target) && errno != EINVAL && errno != ENOTSUP ? -1 : 0;
}

enum status output_begin(struct output *o, const char *path, enum output_form form) {
    bool straight;
    *o = (struct output){0};
    TRY(look(path, form, &straight));
    *o = (struct output){.path = mem_string(path), .straight = straight};
    if (straight)
        o->file = mem_string(path);
    else if (!(o->target = output_target(path)) || create_temporary(o)) {
        enum status status = no_place(path);
        output_drop(o);
        return status;
    }
    return STATUS_OK;
}

void output_drop(struct output *o) {
    if (o->file && !o->straight)
        unlink(o->file);
    mem_free(o->path);
    mem_free(o->target);
    mem_free(o->file);
    *o = (struct output){0};
}

enum status output_end(struct output *o, enum status status) {
    if (status == STATUS_OK && !o->straight && put_in_place(o))
        status = refused(o->path, "cannot be replaced");
    output_drop(o);
    return status;
}

/* ---- text ---- */

/* A FIFO opens when it has a reader. */
static int open_special(const char *path) {
    int file = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0 && errno == ENXIO) {
        log_warn("%s: waits for a reader", path);
        return open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    }
    if (file >= 0 && fcntl(file, F_SETFL, fcntl(file, F_GETFL) & ~O_NONBLOCK)) {
        close(file);
        return -1;
    }
    return file;
}

static FILE *open_file(const struct output *o) {
    int file = o->straight ? open_special(o->file) : open(o->file, O_WRONLY | O_CLOEXEC);
    FILE *stream = file < 0 ? NULL : fdopen(file, "w");
    if (file >= 0 && !stream)
        close(file);
    return stream;
}

static enum status fill(const struct output *o, output_put_fn *put, void *context) {
    FILE *file = open_file(o);
    if (!file)
        return refused(o->path, "cannot be written");
    put(file, context);
    bool bad = ferror(file) || fflush(file);
    enum status status = bad ? refused(o->path, "cannot be written") : STATUS_OK;
    if (fclose(file) && !bad)
        status = refused(o->path, "cannot be written");
    return status;
}

enum status output_put(const char *path, output_put_fn *put, void *context) {
    struct output output;
    if (output_is_stdout(path)) { /* whose errors are found at the end of the job */
        put(stdout, context);
        return STATUS_OK;
    }
    TRY(output_begin(&output, path, OUTPUT_TEXT));
    return output_end(&output, fill(&output, put, context));
}

static void put_text(FILE *file, void *text) {
    fputs(text, file);
}

enum status output_write(const char *path, const char *text) {
    return output_put(path, put_text, (void *)(uintptr_t)text);
}
