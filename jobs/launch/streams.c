#include "jobs/launch/streams.h"
#include "core/log.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER = 1 << 16 };

/* The buffer holds whole tables, so that the write that fails is the one whose reason is asked for. */
void streams_open(void) {
    static char buffer[BUFFER];
    for (int file = STDIN_FILENO; file <= STDERR_FILENO; file++)
        if (fcntl(file, F_GETFD) < 0 && /* the lowest number that is free is this one */
            open("/dev/null", file == STDIN_FILENO ? O_WRONLY : O_RDONLY) != file)
            _exit(STATUS_IO);
    if (!isatty(STDOUT_FILENO))
        setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

/* A network file system may tell of a full disk when the file is closed only. */
static int close_copy(void) {
    int copy = dup(STDOUT_FILENO);
    return copy < 0 ? 0 : close(copy);
}

static bool has_no_reader(void) {
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) > 0 && out.revents & POLLERR;
}

static enum status flush(void) {
    bool failed = ferror(stdout);
    errno = 0;
    if (!fflush(stdout) && !close_copy() && !failed)
        return STATUS_OK;
    if (errno == EPIPE || has_no_reader())
        return STATUS_OK;
    return log_error(STATUS_IO, "standard output: cannot be written: %s",
                     errno ? strerror(errno) : "an earlier write failed");
}

enum status streams_close(const struct comm *comm, enum status status) {
    enum status written = comm_agree(comm, flush());
    return status == STATUS_OK ? written : status;
}
