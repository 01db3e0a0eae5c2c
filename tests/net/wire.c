/* A wire between two hosts that takes its time; for kernels without tc's netem.
 *   wire PID PID DELAY_US
 * A TUN device "wire" in the network namespace of either process, 10.78.0.1 and 10.78.0.2: what one
 * sends, the other gets DELAY_US later. Bandwidth is left to tc, on the devices. Runs until killed.
 */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { MTU = 1500, QUEUE = 4096 };

struct packet {
    int64_t due; /* ns */
    ssize_t bytes;
    char data[MTU];
};

/* From one end to the other: packets in the order of their time. */
struct way {
    int from, to;
    unsigned head, count; /* of the queue, a ring */
    struct packet *queue;
};

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void check(int result, const char *what) {
    if (result >= 0)
        return;
    perror(what);
    exit(1);
}

/* A device stays in the namespace in which it was made. */
static int end_of_wire(const char *pid, int number) {
    char text[256];
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI, .ifr_name = "wire"};
    snprintf(text, sizeof text, "/proc/%s/ns/net", pid);
    int space = open(text, O_RDONLY | O_CLOEXEC);
    check(space, text);
    check(setns(space, CLONE_NEWNET), "setns");
    close(space);
    int end = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    check(end, "/dev/net/tun");
    check(ioctl(end, TUNSETIFF, &request), "TUNSETIFF");
    snprintf(text, sizeof text,
             "ip address add 10.78.0.%d/24 dev wire && ip link set wire mtu %d up", number, MTU);
    check(system(text) ? -1 : 0, "ip");
    return end;
}

static void take(struct way *way, int64_t delay) {
    while (way->count < QUEUE) {
        struct packet *packet = &way->queue[(way->head + way->count) % QUEUE];
        packet->bytes = read(way->from, packet->data, MTU);
        if (packet->bytes <= 0)
            return;
        packet->due = now() + delay;
        way->count++;
    }
}

static void give(struct way *way) {
    while (way->count > 0 && way->queue[way->head].due <= now()) {
        const struct packet *packet = &way->queue[way->head];
        if (write(way->to, packet->data, (size_t)packet->bytes) != packet->bytes)
            perror("wire: a packet is lost");
        way->head = (way->head + 1) % QUEUE;
        way->count--;
    }
}

/* Until a packet is due or comes in. */
static void sleep_until_next(const struct way way[2]) {
    struct pollfd ends[2];
    int64_t next = now() + 1000000000;
    for (int i = 0; i < 2; i++) {
        ends[i] = (struct pollfd){.fd = way[i].from, .events = way[i].count < QUEUE ? POLLIN : 0};
        if (way[i].count > 0 && way[i].queue[way[i].head].due < next)
            next = way[i].queue[way[i].head].due;
    }
    int64_t left = next - now();
    struct timespec rest = {.tv_nsec = left < 0 ? 0 : left < 999999999 ? left : 999999999};
    ppoll(ends, 2, &rest, NULL);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: wire PID PID DELAY_US\n");
        return 2;
    }
    int64_t delay = atoll(argv[3]) * 1000;
    int end[2] = {end_of_wire(argv[1], 1), end_of_wire(argv[2], 2)};
    struct way way[2];
    for (int i = 0; i < 2; i++) {
        way[i] = (struct way){end[i], end[1 - i], 0, 0, calloc(QUEUE, sizeof(struct packet))};
        check(way[i].queue ? 0 : -1, "wire");
    }
    puts("up");
    fflush(stdout);
    for (;;) {
        for (int i = 0; i < 2; i++) {
            take(&way[i], delay);
            give(&way[i]);
        }
        sleep_until_next(way);
    }
}
