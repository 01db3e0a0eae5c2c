#include "io/file.h"
#include "core/log.h"
#include "core/mem.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status refused(const char *path, const char *what) {
    return log_error(STATUS_IO, "%s: %s: %s", path, what, strerror(errno));
}

int file_sync_directory(const char *path) {
    char *directory = mem_string(path), *slash = strrchr(directory, '/');
    if (slash)
        slash[slash == directory] = 0;
    int fd = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mem_free(directory);
    if (fd < 0)
        return -1;
    int outcome = fsync(fd);
    return close(fd) | outcome;
}

enum status file_read(const char *path, int64_t most, char **text) {
    FILE *file = fopen(path, "re");
    if (!file)
        return refused(path, "cannot be read");
    *text = mem_zero(most + 2, 1);
    size_t n = fread(*text, 1, (size_t)most + 1, file);
    enum status status = ferror(file) ? refused(path, "cannot be read") : STATUS_OK;
    fclose(file);
    if (status == STATUS_OK && (int64_t)n > most)
        status = log_error(STATUS_INPUT, "%s: has more than %lld bytes", path, (long long)most);
    if (status != STATUS_OK) {
        mem_free(*text);
        *text = NULL;
    }
    return status;
}

static enum status make_one(const char *path) {
    struct stat info;
    if (!mkdir(path, 0777) || (errno == EEXIST && !stat(path, &info) && S_ISDIR(info.st_mode)))
        return STATUS_OK;
    return refused(path, "cannot be made a directory");
}

enum status file_make_directory(const char *path) {
    char *part = mem_string(path);
    enum status status = STATUS_OK;
    for (char *c = part + 1; status == STATUS_OK && *part && *c; c++)
        if (*c == '/') {
            *c = 0;
            status = make_one(part);
            *c = '/';
        }
    if (status == STATUS_OK)
        status = make_one(part);
    mem_free(part);
    return status;
}

enum status file_remove(const char *path) {
    if (unlink(path) && errno != ENOENT)
        return refused(path, "cannot be removed");
    return STATUS_OK;
}

static enum status remove_entry(const char *directory, const char *name) {
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = mem_alloc((int64_t)size, 1);
    snprintf(path, size, "%s/%s", directory, name);
    enum status status = file_remove(path);
    mem_free(path);
    return status;
}

static bool begins_with(const char *name, const char *prefix) {
    return !strncmp(name, prefix, strlen(prefix)) && name[0] != '.';
}

/* Behind the number of the process may stand what Open MPI calls its own file beside one that several
 * hosts write: -JOB-PID.lock. */
static bool is_temporary(const char *name, const char *mark) {
    const char *at = strstr(name, mark), *pid = at ? at + strlen(mark) : "";
    const char *rest = pid + strspn(pid, "0123456789"), *dot = strrchr(rest, '.');
    return rest > pid && (!*rest || (*rest == '-' && dot && !strcmp(dot, ".lock")));
}

static enum status remove_those(const char *directory, bool (*one)(const char *, const char *),
                                const char *argument) {
    enum status status = STATUS_OK;
    DIR *entries = opendir(directory);
    if (!entries)
        return errno == ENOENT ? STATUS_OK : refused(directory, "cannot be listed");
    for (struct dirent *e; status == STATUS_OK && (e = readdir(entries));)
        if (one(e->d_name, argument))
            status = remove_entry(directory, e->d_name);
    closedir(entries);
    return status;
}

enum status file_remove_all(const char *directory, const char *prefix) {
    return remove_those(directory, begins_with, prefix);
}

enum status file_remove_temporary(const char *directory) {
    return remove_those(directory, is_temporary, ".tmp.");
}

enum status file_remove_directory(const char *path) {
    TRY(file_remove_all(path, ""));
    if (rmdir(path) && errno != ENOENT)
        return refused(path, "cannot be removed");
    return STATUS_OK;
}

bool file_exists(const char *path) {
    return access(path, F_OK) == 0;
}
