/*
 * hub NAMESPACE...: the network between hosts that live in network namespaces of one machine, in one process. Each
 * host gets a device gv0 in its namespace, whose packets (IPv4; host i has address 10.77.0.i) come here and are queued,
 * lost, delayed and cut as the commands on standard input say. It ends with its standard input.
 *
 *     delay MS      one way, each packet
 *     loss SHARE    of packets, each way: 0 to 1
 *     rate KBIT     up and down of each host, a second; 0: unlimited
 *     cut COUNT     the first COUNT hosts and the others do not reach each other; 0 heals
 *     off HOST      nothing to or from this host any more; on HOST: again
 *
 *     host --queue for the uplink, 1 s at most--> loss --> delay --> queue for the downlink, 1 s at most--> host
 *
 * The kernel's own emulator (tc netem) does the same where it is built in, which often it is not. This needs namespaces
 * and TUN devices alone, and makes the same network on every machine.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define HOSTS_MAX 64
#define PACKET_BYTES_MAX 2048
#define WAITING_MAX 65536
#define QUEUE_US 1000000u
#define SUBNET 0x0a4d0000u

struct packet {
    uint64_t due_us, order; /* when it moves on; of equals, the first one first */
    uint32_t from, to, bytes;
    bool arrived; /* at the downlink; else it is on the way there */
    uint8_t data[];
};

struct hub {
    uint32_t hosts, cut;
    uint64_t delay_us, loss; /* loss in 2^-32 */
    uint64_t bytes_per_s;    /* 0: unlimited */
    uint64_t random, order;
    int device[HOSTS_MAX];
    bool off[HOSTS_MAX];
    uint64_t up_us[HOSTS_MAX], down_us[HOSTS_MAX]; /* when the line is free again */
    uint64_t passed, lost, overflowed, severed;
    uint32_t waiting;
    struct packet *heap[WAITING_MAX];
    size_t line_bytes;
    char line[256];
};

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "hub: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* ---- what waits ---------------------------------------------------------------------------------------------- */

static bool before(const struct packet *a, const struct packet *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void push(struct hub *hub, struct packet *packet)
{
    if (hub->waiting == WAITING_MAX) {
        hub->overflowed++;
        free(packet);
        return;
    }
    packet->order = hub->order++;
    uint32_t at = hub->waiting++;
    for (; at > 0 && before(packet, hub->heap[(at - 1) / 2]); at = (at - 1) / 2) {
        hub->heap[at] = hub->heap[(at - 1) / 2];
    }
    hub->heap[at] = packet;
}

static struct packet *pop(struct hub *hub)
{
    struct packet *first = hub->heap[0], *last = hub->heap[--hub->waiting];
    uint32_t at = 0;
    for (uint32_t child = 1; child < hub->waiting; child = 2 * at + 1) {
        child += child + 1 < hub->waiting && before(hub->heap[child + 1], hub->heap[child]) ? 1 : 0;
        if (!before(hub->heap[child], last)) {
            break;
        }
        hub->heap[at] = hub->heap[child];
        at = child;
    }
    hub->heap[at] = last;
    return first;
}

/* ---- the network --------------------------------------------------------------------------------------------- */

static uint64_t draw(struct hub *hub) /* xorshift64* */
{
    hub->random ^= hub->random >> 12;
    hub->random ^= hub->random << 25;
    hub->random ^= hub->random >> 27;
    return (hub->random * 0x2545f4914f6cdd1dull) >> 32;
}

/* When a packet has left a line that it joins now; 0 if the queue before it is full. */
static uint64_t through(const struct hub *hub, uint64_t *free_us, uint64_t now, uint32_t bytes)
{
    if (hub->bytes_per_s == 0) {
        return now;
    }
    uint64_t start = *free_us > now ? *free_us : now;
    if (start - now > QUEUE_US) {
        return 0;
    }
    *free_us = start + bytes * 1000000ull / hub->bytes_per_s;
    return *free_us;
}

static void take(struct hub *hub, uint32_t from, const uint8_t *data, uint32_t bytes, uint64_t now)
{
    uint32_t address;
    if (bytes < 20 || data[0] >> 4 != 4) {
        return;
    }
    memcpy(&address, data + 16, sizeof address);
    uint32_t to = ntohl(address) - SUBNET - 1;
    if (to >= hub->hosts) {
        return;
    }
    uint64_t sent_us = through(hub, &hub->up_us[from], now, bytes);
    if (sent_us == 0) {
        hub->overflowed++;
        return;
    }
    if (draw(hub) < hub->loss) {
        hub->lost++;
        return;
    }
    struct packet *packet = malloc(sizeof *packet + bytes);
    if (packet == NULL) {
        die("a packet");
    }
    *packet = (struct packet){.due_us = sent_us + hub->delay_us, .from = from, .to = to, .bytes = bytes};
    memcpy(packet->data, data, bytes);
    push(hub, packet);
}

/* Moves everything on that is due. Returns how long there is nothing to do, us. */
static uint64_t move_on(struct hub *hub, uint64_t now)
{
    while (hub->waiting > 0 && hub->heap[0]->due_us <= now) {
        struct packet *packet = pop(hub);
        bool severed =
            hub->off[packet->from] || hub->off[packet->to] || (packet->from < hub->cut) != (packet->to < hub->cut);
        uint64_t due_us = packet->due_us;
        if (!packet->arrived && !severed && hub->bytes_per_s != 0) {
            due_us = through(hub, &hub->down_us[packet->to], due_us, packet->bytes);
            packet->arrived = true;
            if (due_us != 0) {
                packet->due_us = due_us;
                push(hub, packet);
                continue;
            }
        }
        hub->severed += severed ? 1 : 0;
        hub->overflowed += due_us == 0 ? 1 : 0;
        if (!severed && due_us != 0 && write(hub->device[packet->to], packet->data, packet->bytes) > 0) {
            hub->passed++;
        }
        free(packet);
    }
    return hub->waiting > 0 ? hub->heap[0]->due_us - now : 1000000u;
}

/* ---- commands ------------------------------------------------------------------------------------------------ */

static void obey(struct hub *hub, const char *line)
{
    double value = 0.0;
    char word[16] = "";
    if (sscanf(line, "%15s %lf", word, &value) != 2 || !(value >= 0.0 && value < 1e9)) {
        (void)fprintf(stderr, "hub: no command: %s\n", line);
    } else if (strcmp(word, "delay") == 0) {
        hub->delay_us = (uint64_t)(value * 1000.0);
    } else if (strcmp(word, "loss") == 0) {
        hub->loss = value >= 1.0 ? UINT64_C(1) << 32 : (uint64_t)(value * 4294967296.0);
    } else if (strcmp(word, "rate") == 0) {
        hub->bytes_per_s = (uint64_t)(value * 125.0);
    } else if (strcmp(word, "cut") == 0) {
        hub->cut = (uint32_t)value;
    } else if ((strcmp(word, "off") == 0 || strcmp(word, "on") == 0) && value >= 1.0 && value <= hub->hosts) {
        hub->off[(uint32_t)value - 1] = word[1] == 'f';
    } else {
        (void)fprintf(stderr, "hub: no command: %s\n", line);
    }
}

/* False: standard input has ended. */
static bool read_commands(struct hub *hub)
{
    ssize_t got = read(STDIN_FILENO, hub->line + hub->line_bytes, sizeof hub->line - 1 - hub->line_bytes);
    if (got <= 0) {
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    }
    hub->line_bytes += (size_t)got;
    hub->line[hub->line_bytes] = '\0';
    char *start = hub->line, *stop;
    while ((stop = strchr(start, '\n')) != NULL) {
        *stop = '\0';
        obey(hub, start);
        start = stop + 1;
    }
    hub->line_bytes -= (size_t)(start - hub->line);
    memmove(hub->line, start, hub->line_bytes);
    return hub->line_bytes + 1 < sizeof hub->line;
}

/* ---- life ---------------------------------------------------------------------------------------------------- */

/* A TUN device belongs to the namespace in which it is made, wherever its descriptor is used. */
static int make_device(const char *namespace)
{
    char path[256];
    struct ifreq request;
    memset(&request, 0, sizeof request);
    (void)snprintf(path, sizeof path, "/var/run/netns/%s", namespace);
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there = open(path, O_RDONLY | O_CLOEXEC);
    if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) != 0) {
        die(path);
    }
    int device = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    memcpy(request.ifr_name, "gv0", 4);
    if (device < 0 || ioctl(device, TUNSETIFF, &request) != 0) {
        die("/dev/net/tun");
    }
    if (setns(home, CLONE_NEWNET) != 0) {
        die("back to our own namespace");
    }
    (void)close(home);
    (void)close(there);
    return device;
}

static void run(struct hub *hub)
{
    struct pollfd fds[HOSTS_MAX + 1];
    uint8_t data[PACKET_BYTES_MAX];
    for (uint32_t i = 0; i < hub->hosts; i++) {
        fds[i] = (struct pollfd){.fd = hub->device[i], .events = POLLIN};
    }
    fds[hub->hosts] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    bool going = true;
    while (going) {
        uint64_t wait_us = move_on(hub, now_us());
        struct timespec wait = {.tv_sec = (time_t)(wait_us / 1000000u), .tv_nsec = (long)(wait_us % 1000000u) * 1000};
        if (ppoll(fds, hub->hosts + 1, &wait, NULL) < 0 && errno != EINTR) {
            die("poll");
        }
        uint64_t now = now_us();
        for (uint32_t i = 0; i < hub->hosts; i++) {
            for (int turn = 0; turn < 64 && (fds[i].revents & POLLIN) != 0; turn++) {
                ssize_t got = read(hub->device[i], data, sizeof data);
                if (got <= 0) {
                    break;
                }
                take(hub, i, data, (uint32_t)got, now);
            }
        }
        going = (fds[hub->hosts].revents & (POLLIN | POLLHUP)) == 0 || read_commands(hub);
    }
}

int main(int argc, char **argv)
{
    static struct hub hub = {.random = 88172645463325252ull};
    if (argc < 2 || argc > HOSTS_MAX + 1) {
        (void)fprintf(stderr, "usage: hub NAMESPACE... (at most %d)\n", HOSTS_MAX);
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        hub.device[hub.hosts++] = make_device(argv[i]);
    }
    (void)printf("ready\n");
    (void)fflush(stdout);
    run(&hub);
    (void)fprintf(stderr, "packets: %llu passed, %llu lost, %llu beyond a full queue, %llu across a cut\n",
                  (unsigned long long)hub.passed, (unsigned long long)hub.lost, (unsigned long long)hub.overflowed,
                  (unsigned long long)hub.severed);
    return 0;
}
