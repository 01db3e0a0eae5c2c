/* Outline: sockets; how the ring is closed; the thread. */
#include "mpi/watch.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BEFORE, AFTER, SIDES, PATIENCE = 5000, GRACE = 10000 }; /* milliseconds */

/* How a rank is reached. The token keeps out who is not of the job. */
struct card {
    char host[256];
    int rank, port;
    uint64_t token;
};

static struct {
    struct card neighbour[SIDES];
    int socket[SIDES];
    int ending;   /* eventfd, written when this rank ends in order */
    bool running; /* the thread is */
    pthread_t thread;
} watch = {.socket = {-1, -1}, .ending = -1};

/* ---- sockets ---- */

static void close_socket(int *socket) {
    if (*socket >= 0)
        close(*socket);
    *socket = -1;
}

static bool is_ready(int socket, short event) {
    struct pollfd fd = {.fd = socket, .events = event};
    return poll(&fd, 1, PATIENCE) > 0;
}

/* A socket that listens at any port; -1: none. */
static int listen_anywhere(int *port) {
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0 || bind(s, (struct sockaddr *)&at, size) || listen(s, SOMAXCONN) ||
        getsockname(s, (struct sockaddr *)&at, &size))
        close_socket(&s);
    *port = ntohs(at.sin_port);
    return s;
}

static bool find_address(const struct card *to, struct sockaddr_in *address) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    if (getaddrinfo(strcmp(to->host, comm_host()) ? to->host : "127.0.0.1", NULL, &hints, &found))
        return false;
    memcpy(address, found->ai_addr, sizeof *address);
    address->sin_port = htons((uint16_t)to->port);
    freeaddrinfo(found);
    return true;
}

/* A connection to a rank; -1: none. */
static int connect_to(const struct card *to) {
    struct sockaddr_in address;
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0 || !find_address(to, &address) ||
        (connect(s, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS) ||
        !is_ready(s, POLLOUT) ||
        send(s, &to->token, sizeof to->token, MSG_NOSIGNAL) != sizeof to->token)
        close_socket(&s);
    return s;
}

/* The connection of one who knows the token; -1: none comes. */
static int accept_one(int listener, uint64_t token) {
    while (listener >= 0 && is_ready(listener, POLLIN)) {
        uint64_t said;
        int s = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (s >= 0 && is_ready(s, POLLIN) && recv(s, &said, sizeof said, 0) == sizeof said &&
            said == token)
            return s;
        close_socket(&s);
    }
    return -1;
}

/* A host that is silent for a minute is asked eight times more, every 30 s. */
static void keep_alive(int socket) {
    static const struct {
        int level, option, value;
    } settings[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},
                    {IPPROTO_TCP, TCP_KEEPIDLE, 60},
                    {IPPROTO_TCP, TCP_KEEPINTVL, 30},
                    {IPPROTO_TCP, TCP_KEEPCNT, 8}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (setsockopt(socket, settings[i].level, settings[i].option, &settings[i].value,
                       sizeof settings[i].value))
            log_debug("watch: no option %d: %s", settings[i].option, strerror(errno));
}

/* ---- the ring ---- */

/* `mine` to both sides, theirs from there. */
static void exchange(const struct comm *comm, const struct card *mine) {
    enum { TAG = 2 };
    int side[SIDES] = {(comm->rank + comm->size - 1) % comm->size, (comm->rank + 1) % comm->size};
    for (int to = BEFORE; to < SIDES; to++)
        MPI_Sendrecv(mine, sizeof *mine, MPI_BYTE, side[to], TAG, &watch.neighbour[!to],
                     sizeof *mine, MPI_BYTE, side[!to], TAG, comm->mpi, MPI_STATUS_IGNORE);
}

/* Each rank is listening before any connects. */
static bool close_ring(const struct comm *comm) {
    struct card mine = {.rank = comm->rank};
    int listener = listen_anywhere(&mine.port);
    snprintf(mine.host, sizeof mine.host, "%s", comm_host());
    if (getrandom(&mine.token, sizeof mine.token, 0) != sizeof mine.token)
        close_socket(&listener);
    exchange(comm, &mine);
    watch.socket[AFTER] = connect_to(&watch.neighbour[AFTER]);
    watch.socket[BEFORE] = accept_one(listener, mine.token);
    close_socket(&listener);
    for (int k = BEFORE; k < SIDES; k++)
        keep_alive(watch.socket[k]);
    return watch.socket[BEFORE] >= 0 && watch.socket[AFTER] >= 0;
}

/* ---- the thread ---- */

/* Unless the job, or this rank, ends meanwhile. The rank after the one that is gone is the first to say it,
 * and mostly the only one: the launcher ends the others then. */
static void await_end(int k) {
    struct pollfd end = {.fd = watch.ending, .events = POLLIN};
    if (poll(&end, 1, GRACE + (k == AFTER ? 1000 : 0)) > 0)
        return;
    log_error(STATUS_PEER, "rank %d on %s is gone, and nobody ends the job: the other ranks do",
              watch.neighbour[k].rank, watch.neighbour[k].host);
    _exit(STATUS_PEER);
}

/* A byte comes from a rank that ends in order. */
static void *look(void *unused) {
    struct pollfd fd[] = {{watch.socket[BEFORE], POLLIN, 0},
                          {watch.socket[AFTER], POLLIN, 0},
                          {watch.ending, POLLIN, 0}};
    while (poll(fd, SIDES + 1, -1) > 0 && !fd[SIDES].revents)
        for (int k = BEFORE; k < SIDES; k++) {
            char byte;
            ssize_t n = fd[k].revents ? recv(fd[k].fd, &byte, 1, 0) : -1;
            if (!fd[k].revents || (n < 0 && errno == EAGAIN))
                continue;
            if (n < 1)
                await_end(k);
            fd[k].fd = -1;
        }
    return unused;
}

/* Signals are the main thread's. */
static bool start_thread(void) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    bool started = !pthread_create(&watch.thread, NULL, look, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static bool is_spread(const struct comm *comm) {
    struct comm node;
    comm_open_node(&node, comm);
    bool spread = node.size < comm->size;
    comm_close(&node);
    return spread;
}

void watch_open(const struct comm *comm) {
    if (!is_spread(comm))
        return;
    bool closed = close_ring(comm);
    watch.ending = eventfd(0, EFD_CLOEXEC);
    watch.running = closed && watch.ending >= 0 && start_thread();
    int first = comm_first(comm, !watch.running);
    if (first < 0)
        return;
    if (comm->rank == 0)
        log_debug("watch: none, because of rank %d", first);
    watch_close();
}

void watch_close(void) {
    static const uint64_t one = 1;
    for (int k = BEFORE; k < SIDES; k++)
        if (watch.socket[k] >= 0 && send(watch.socket[k], "", 1, MSG_NOSIGNAL) < 0)
            log_debug("watch: rank %d is gone: %s", watch.neighbour[k].rank, strerror(errno));
    if (watch.running && write(watch.ending, &one, sizeof one) == sizeof one)
        pthread_join(watch.thread, NULL);
    watch.running = false;
    for (int k = BEFORE; k < SIDES; k++)
        close_socket(&watch.socket[k]);
    close_socket(&watch.ending);
}
