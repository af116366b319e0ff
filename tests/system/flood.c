/*
 * flood TOKEN SECONDS RATE SOURCES [KIND...]: opens RATE junk connections a second against the first seed of an invite,
 * each of the next kind in turn, and says what became of them. It floods loopback and nothing else: an invite that
 * names any other address is refused.
 *
 *     random       bytes that are no ZeroMQ
 *     half-open    nothing at all, or a greeting and no more
 *     wrong-key    a handshake for another server key
 *     silent       a whole CURVE handshake with a key of its own, and then not a word
 *     garbage      the same, and then a HELLO that is none
 *
 * SOURCES 0: all from 127.0.0.1, which a node takes for its own machine. Otherwise from so many of 127.1.0.0/16 in
 * turn, which a node treats as it treats addresses elsewhere.
 *
 * Bounded: at most 5,000 connections a second for 600 s, at most OPEN_MAX at once; each ends when the node drops it or
 * after HOLD_MS.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib_curve.h"
#include "lib_peer.h"

#define OPEN_MAX 3000
#define HOLD_MS 10000
#define SECONDS_MAX 600
#define RATE_MAX 5000
#define SOURCES_MAX 60000
#define KEYS 64
#define BURST 50
#define GARBAGE_BYTES 300

enum kind { KIND_RANDOM, KIND_HALF_OPEN, KIND_WRONG_KEY, KIND_SILENT, KIND_GARBAGE, KINDS };
static const char *const KIND_NAMES[KINDS] = {"random", "half-open", "wrong-key", "silent", "garbage"};

enum phase { PHASE_CONNECTING, PHASE_GREETED, PHASE_INITIATED, PHASE_DONE };

struct tally {
    uint64_t tried, made, shaken, dropped, outlived; /* opened; connected; handshakes ended; by the node; by us */
};

struct connection {
    int fd; /* -1: free */
    enum kind kind;
    enum phase phase;
    int64_t opened_ms;
    uint64_t number;
    size_t in_bytes;
    uint8_t in[BARE_GREETING_BYTES + BARE_WELCOME_BYTES];
    struct bare_session session;
};

struct flood {
    struct sockaddr_in target;
    uint32_t sources;
    uint64_t opened;
    uint32_t open, oldest, free_count;
    int epoll;
    uint32_t wanted_count;
    enum kind wanted[KINDS];
    uint64_t unexplained; /* connect() failed for a reason of ours */
    struct tally tally[KINDS];
    struct bare_key right[KEYS], wrong;
    uint32_t free_list[OPEN_MAX];
    struct connection connection[OPEN_MAX];
};

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Only numbers of 127.0.0.0/8 pass: no names, no other network. */
static void aim(struct flood *flood, const char *endpoint)
{
    unsigned a = 0, b = 0, c = 0, port = 0;
    char rest = '\0';
    if (sscanf(endpoint, "tcp://127.%3u.%3u.%3u:%5u%c", &a, &b, &c, &port, &rest) != 4 || a > 255 || b > 255 ||
        c > 255 || port == 0 || port > 65535) {
        peer_fail("%s is not on loopback: this tool floods nothing else", endpoint);
    }
    flood->target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    flood->target.sin_addr.s_addr = htonl(127u << 24 | a << 16 | b << 8 | c);
}

static void end(struct flood *flood, struct connection *connection)
{
    /* Reset, or a minute's flood would leave a hundred thousand ports waiting. */
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    (void)close(connection->fd);
    connection->fd = -1;
    flood->open--;
    flood->free_list[flood->free_count++] = (uint32_t)(connection - flood->connection);
}

static void drop(struct flood *flood, struct connection *connection)
{
    flood->tally[connection->kind].dropped += connection->phase != PHASE_CONNECTING ? 1 : 0;
    end(flood, connection);
}

/* Everything we say is short: a socket that does not take it at once is one that is being dropped. */
static bool say(const struct connection *connection, const void *data, size_t bytes)
{
    return send(connection->fd, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)bytes;
}

static struct bare_key *key_of(struct flood *flood, const struct connection *connection)
{
    return connection->kind == KIND_WRONG_KEY ? &flood->wrong : &flood->right[connection->number % KEYS];
}

/* The first thing said. */
static bool open_with(struct flood *flood, struct connection *connection)
{
    uint8_t text[BARE_GREETING_BYTES + BARE_HELLO_BYTES];
    connection->phase = PHASE_GREETED;
    flood->tally[connection->kind].made++;
    if (connection->kind == KIND_RANDOM) {
        gv_random(text, sizeof text);
        return say(connection, text, sizeof text);
    }
    bare_greeting(text);
    if (connection->kind == KIND_HALF_OPEN) {
        return connection->number / 7 % 2 == 0 || say(connection, text, BARE_GREETING_BYTES);
    }
    bare_hello(text + BARE_GREETING_BYTES, key_of(flood, connection));
    return say(connection, text, sizeof text);
}

/* The node is ready for messages. */
static bool misbehave(struct connection *connection)
{
    uint8_t noise[GARBAGE_BYTES], frame[GARBAGE_BYTES + BARE_MESSAGE_EXTRA_BYTES];
    connection->phase = PHASE_DONE;
    if (connection->kind == KIND_SILENT) {
        return true;
    }
    gv_random(noise, sizeof noise);
    noise[0] = 0xc1; /* never valid in msgpack */
    return say(connection, frame, bare_message(frame, &connection->session, noise, sizeof noise));
}

/* Takes what came. False: the connection is over. */
static bool listen_to(struct flood *flood, struct connection *connection)
{
    uint8_t scratch[4096];
    bool handshake =
        connection->phase == PHASE_GREETED && (connection->kind == KIND_SILENT || connection->kind == KIND_GARBAGE);
    uint8_t *into = handshake ? connection->in + connection->in_bytes : scratch;
    size_t room = handshake ? sizeof connection->in - connection->in_bytes : sizeof scratch;
    ssize_t got = recv(connection->fd, into, room, MSG_DONTWAIT);
    if (got <= 0) {
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    }
    if (connection->phase == PHASE_INITIATED) { /* READY, or an ERROR that the end of the connection follows */
        flood->tally[connection->kind].shaken++;
        return misbehave(connection);
    }
    connection->in_bytes += handshake ? (size_t)got : 0;
    if (!handshake || connection->in_bytes < sizeof connection->in) {
        return true;
    }
    uint8_t initiate[BARE_INITIATE_BYTES];
    connection->phase = PHASE_INITIATED;
    return bare_initiate(initiate, &connection->session, key_of(flood, connection),
                         connection->in + BARE_GREETING_BYTES) &&
           say(connection, initiate, sizeof initiate);
}

static void open_next(struct flood *flood)
{
    uint64_t number = flood->opened++;
    enum kind kind = flood->wanted[number % flood->wanted_count];
    flood->tally[kind].tried++;
    if (flood->free_count == 0) {
        return;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in from = {.sin_family = AF_INET};
    uint32_t source = flood->sources == 0 ? 0 : (uint32_t)(number % flood->sources);
    from.sin_addr.s_addr = htonl(127u << 24 | 1u << 16 | (source + 1));
    int late = 1; /* the port is chosen at connect(), among those free for this target */
    if (fd < 0 ||
        (flood->sources != 0 && (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late) != 0 ||
                                 bind(fd, (const struct sockaddr *)&from, sizeof from) != 0)) ||
        (connect(fd, (const struct sockaddr *)&flood->target, sizeof flood->target) != 0 && errno != EINPROGRESS)) {
        flood->unexplained++;
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    struct connection *connection = &flood->connection[flood->free_list[--flood->free_count]];
    *connection = (struct connection){.fd = fd, .kind = kind, .number = number, .opened_ms = now_ms()};
    flood->open++;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP, .data.ptr = connection};
    if (epoll_ctl(flood->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        end(flood, connection);
    }
}

static void attend(struct flood *flood, const struct epoll_event *event)
{
    struct connection *connection = event->data.ptr;
    if (connection->fd < 0) {
        return;
    }
    bool good = (event->events & (EPOLLERR | EPOLLHUP)) == 0;
    if (good && connection->phase == PHASE_CONNECTING && (event->events & EPOLLOUT) != 0) {
        struct epoll_event quiet = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = connection};
        good = open_with(flood, connection) && epoll_ctl(flood->epoll, EPOLL_CTL_MOD, connection->fd, &quiet) == 0;
    }
    if (good && (event->events & EPOLLIN) != 0) {
        good = listen_to(flood, connection);
    } else if (good) {
        good = (event->events & EPOLLRDHUP) == 0;
    }
    if (!good) {
        drop(flood, connection);
    }
}

/* Ends what the node has let live for too long. */
static void sweep(struct flood *flood, int64_t now)
{
    for (size_t i = 0; i < OPEN_MAX; i++) {
        struct connection *connection = &flood->connection[i];
        if (connection->fd >= 0 && now - connection->opened_ms > HOLD_MS) {
            flood->tally[connection->kind].outlived++;
            end(flood, connection);
        }
    }
}

static void run(struct flood *flood, int seconds, int rate)
{
    int64_t start = now_ms(), swept = start, now = start;
    while (now - start < (int64_t)seconds * 1000) {
        struct epoll_event events[256];
        int count = epoll_wait(flood->epoll, events, 256, 2);
        for (int i = 0; i < count; i++) {
            attend(flood, &events[i]);
        }
        now = now_ms();
        int64_t due = (now - start) * rate / 1000 - (int64_t)flood->opened;
        for (int64_t i = 0; i < due && i < BURST; i++) {
            open_next(flood);
        }
        if (now - swept > 500) {
            swept = now;
            sweep(flood, now);
        }
    }
}

static void report(const struct flood *flood, int seconds)
{
    struct tally all = {0};
    (void)printf("%-10s %9s %9s %9s %9s %9s\n", "kind", "tried/s", "made/s", "shaken", "dropped", "outlived");
    for (int i = 0; i < KINDS; i++) {
        const struct tally *tally = &flood->tally[i];
        (void)printf("%-10s %9.0f %9.0f %9llu %9llu %9llu\n", KIND_NAMES[i], (double)tally->tried / seconds,
                     (double)tally->made / seconds, (unsigned long long)tally->shaken,
                     (unsigned long long)tally->dropped, (unsigned long long)tally->outlived);
        all.tried += tally->tried;
        all.made += tally->made;
    }
    (void)printf("%-10s %9.0f %9.0f\n", "all", (double)all.tried / seconds, (double)all.made / seconds);
    if (flood->unexplained > 0) {
        (void)printf("%llu could not be opened at our own end\n", (unsigned long long)flood->unexplained);
    }
}

static void prepare(struct flood *flood, const struct gv_curve_public *server)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    flood->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (flood->epoll < 0) {
        peer_fail("epoll: %s", strerror(errno));
    }
    struct gv_curve_public other = *server;
    other.b[3] ^= 1;
    bare_key_init(&flood->wrong, other.b);
    for (int i = 0; i < KEYS; i++) {
        bare_key_init(&flood->right[i], server->b);
    }
    for (uint32_t i = 0; i < OPEN_MAX; i++) {
        flood->connection[i].fd = -1;
        flood->free_list[flood->free_count++] = OPEN_MAX - 1 - i;
    }
}

int main(int argc, char **argv)
{
    static struct gv_invite invite;
    static struct flood flood;
    struct gv_diag diag = {.code = GV_OK};
    if (argc < 5 || gv_proto_init() != GV_OK) {
        peer_fail("usage: flood TOKEN SECONDS RATE SOURCES [KIND...]");
    }
    if (gv_invite_decode(&invite, argv[1], &diag) != GV_OK) {
        peer_fail("%s", diag.text);
    }
    aim(&flood, invite.seeds[0].endpoint);
    long seconds = strtol(argv[2], NULL, 10), rate = strtol(argv[3], NULL, 10), sources = strtol(argv[4], NULL, 10);
    if (seconds < 1 || seconds > SECONDS_MAX || rate < 1 || rate > RATE_MAX || sources < 0 || sources > SOURCES_MAX) {
        peer_fail("expected 1 to %d seconds, 1 to %d connections a second and 0 to %d sources", SECONDS_MAX, RATE_MAX,
                  SOURCES_MAX);
    }
    flood.sources = (uint32_t)sources;
    for (int kind = 0; kind < KINDS; kind++) {
        bool wanted = argc == 5;
        for (int i = 5; i < argc; i++) {
            wanted = wanted || strcmp(argv[i], KIND_NAMES[kind]) == 0;
        }
        if (wanted) {
            flood.wanted[flood.wanted_count++] = (enum kind)kind;
        }
    }
    if (flood.wanted_count == 0) {
        peer_fail("there is no kind %s", argv[5]);
    }
    prepare(&flood, &invite.seeds[0].curve);
    run(&flood, (int)seconds, (int)rate);
    report(&flood, (int)seconds);
    return 0;
}
