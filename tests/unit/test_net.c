/* Links over real sockets on loopback: handshakes, frames both ways, loss, strangers, kicks. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net_help.h"
#include "system/lib_curve.h"

Test(net, carry_frames_both_ways_and_name_the_peer_by_its_key, .timeout = 20)
{
    struct net_end dialler;
    struct net_end listener;
    net_connect(&dialler, &listener);
    const struct gv_curve_public *key = gv_net_key(listener.net, listener.seen.last_link);
    cr_assert_not_null(key);
    cr_assert_eq(memcmp(key->b, gv_curve_key_public(dialler.key)->b, GV_KEY_BYTES), 0);
    cr_assert_eq(strncmp(gv_net_address(listener.net, listener.seen.last_link), "tcp://127.0.0.1:", 16), 0);
    cr_assert_eq(net_say(&listener, listener.seen.last_link, "welcome"), GV_OK);
    cr_assert(net_until(&dialler, &listener, &dialler.seen.frames, 1));
    cr_assert_str_eq(dialler.seen.text, "welcome");
    net_close(&dialler);
    net_close(&listener);
}

Test(net, report_the_loss_of_either_end, .timeout = 20)
{
    struct net_end dialler;
    struct net_end listener;
    net_connect(&dialler, &listener);
    gv_net_free(&dialler.net, 0);
    cr_assert(net_until(&listener, NULL, &listener.seen.down, 1));
    cr_assert_eq(net_say(&listener, listener.seen.last_link, "anybody?"), GV_ERR_LINK_LOST);
    gv_curve_key_free(&dialler.key);
    net_close(&listener);
}

Test(net, end_an_accepted_connection_that_is_closed_after_its_last_frame, .timeout = 20)
{
    struct net_end dialler;
    struct net_end listener;
    net_connect(&dialler, &listener);
    cr_assert_eq(net_say(&listener, listener.seen.last_link, "refused"), GV_OK);
    gv_net_close(listener.net, listener.seen.last_link, net_now_us());
    cr_assert(net_until(&dialler, &listener, &dialler.seen.down, 1));
    cr_assert_str_eq(dialler.seen.text, "refused");
    cr_assert_eq(listener.seen.down, 0);
    net_close(&dialler);
    net_close(&listener);
}

Test(net, call_a_frame_with_more_parts_bad_and_deliver_none_of_it, .timeout = 20)
{
    struct net_end listener;
    struct net_end keys;
    net_open(&listener, "tcp://127.0.0.1:*");
    net_open(&keys, "");
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_DEALER);
    int linger = 0;
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    (void)zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, gv_curve_key_public(keys.key)->b, 32);
    (void)zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, gv_curve_key_secret(keys.key), 32);
    (void)zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, gv_curve_key_public(listener.key)->b, 32);
    cr_assert_eq(zmq_connect(socket, gv_net_endpoint(listener.net)), 0);
    (void)zmq_send(socket, "one", 3, ZMQ_SNDMORE);
    (void)zmq_send(socket, "two", 3, 0);
    cr_assert(net_until(&listener, NULL, &listener.seen.bad, 1));
    cr_assert_eq(listener.seen.last_error, GV_ERR_MULTIPART);
    cr_assert_eq(listener.seen.frames, 0);
    (void)zmq_close(socket);
    (void)zmq_ctx_term(context);
    net_close(&keys);
    net_close(&listener);
}

static int connect_raw(const struct net_end *listener)
{
    int port = atoi(strrchr(gv_net_endpoint(listener->net), ':') + 1);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

Test(net, cut_connections_beyond_the_cap_and_keep_the_rest, .timeout = 20)
{
    struct net_end dialler;
    struct net_end listener;
    net_connect(&dialler, &listener);
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = connect_raw(&listener);
    }
    struct gv_net_stats stats;
    uint64_t end_us = net_now_us() + 3000000;
    do {
        net_turn(listener.net);
        gv_net_stats(listener.net, &stats);
    } while (stats.kicked < 10 && net_now_us() < end_us);
    cr_assert_geq(stats.kicked, 10);
    cr_assert_eq(stats.drops.count[GV_DROP_CONNECTIONS], stats.kicked);
    cr_assert_leq(stats.inbound, 8);
    cr_assert_eq(net_say(&dialler, dialler.seen.last_link, "still here"), GV_OK);
    cr_assert(net_until(&dialler, &listener, &listener.seen.frames, 2));
    for (int i = 0; i < 20; i++) {
        (void)close(fds[i]);
    }
    net_close(&dialler);
    net_close(&listener);
}

/* While data load, frames wait; the caps hold all the same. */
Test(net, cut_connections_beyond_the_cap_while_they_only_greet, .timeout = 20)
{
    struct net_end listener;
    struct gv_net_stats stats;
    int fds[20];
    net_open(&listener, "tcp://127.0.0.1:*");
    for (int i = 0; i < 20; i++) {
        fds[i] = connect_raw(&listener);
    }
    uint64_t end_us = net_now_us() + 3000000;
    do {
        gv_net_greet(listener.net, net_now_us());
        gv_net_stats(listener.net, &stats);
    } while (stats.kicked < 12 && net_now_us() < end_us);
    cr_expect_geq(stats.kicked, 12);
    cr_expect_leq(stats.inbound, 8);
    for (int i = 0; i < 20; i++) {
        (void)close(fds[i]);
    }
    net_close(&listener);
}

Test(net, say_which_endpoint_is_taken, .timeout = 20)
{
    struct net_end first;
    struct net_end second;
    net_open(&first, "tcp://127.0.0.1:*");
    memset(&second, 0, sizeof second);
    cr_assert_eq(gv_curve_key_new(&second.key), GV_OK);
    struct gv_net_options options = {.key = second.key, .listen = gv_net_endpoint(first.net), .inbound_max = 8};
    struct gv_net_handler handler = {.context = &second.seen};
    struct gv_diag diag;
    cr_assert_neq(gv_net_new(&second.net, &options, &handler, &diag), GV_OK);
    cr_assert_not_null(strstr(diag.text, gv_net_endpoint(first.net)));
    gv_curve_key_free(&second.key);
    net_close(&first);
}

/* libzmq's I/O thread waits for whoever is to read its events. */
Test(net, end_after_connections_that_nobody_has_looked_at, .timeout = 20)
{
    struct net_end listener;
    net_open(&listener, "tcp://127.0.0.1:*");
    for (int i = 0; i < 720; i++) {
        struct timespec pause = {.tv_nsec = 1000000}; /* or there would be more than it can accept */
        (void)close(connect_raw(&listener));
        (void)nanosleep(&pause, NULL);
    }
    net_close(&listener);
}

/* ---- a peer that the test makes byte by byte ------------------------------------------------------------------- */

static void put(int fd, const uint8_t *data, size_t bytes)
{
    cr_assert_eq(send(fd, data, bytes, MSG_NOSIGNAL), (ssize_t)bytes);
}

/* Takes this many bytes while the listener does its part of the handshake. */
static void get(const struct net_end *listener, int fd, uint8_t *out, size_t bytes)
{
    uint64_t end_us = net_now_us() + 3000000;
    for (size_t got = 0; got < bytes;) {
        net_turn(listener->net);
        ssize_t more = recv(fd, out + got, bytes - got, MSG_DONTWAIT);
        got += more > 0 ? (size_t)more : 0;
        cr_assert_lt(net_now_us(), end_us);
    }
}

static int shake_hands(struct net_end *listener, struct bare_session *session)
{
    struct bare_key key;
    uint8_t out[512];
    uint8_t in[512];
    int fd = connect_raw(listener);
    bare_key_init(&key, gv_curve_key_public(listener->key)->b);
    bare_greeting(out);
    put(fd, out, BARE_GREETING_BYTES);
    get(listener, fd, in, BARE_GREETING_BYTES);
    bare_hello(out, &key);
    put(fd, out, BARE_HELLO_BYTES);
    get(listener, fd, in, BARE_WELCOME_BYTES);
    cr_assert(bare_initiate(out, session, &key, in));
    put(fd, out, BARE_INITIATE_BYTES);
    get(listener, fd, in, 2); /* the start of READY */
    put(fd, out, bare_message(out, session, (const uint8_t *)"hello", 5));
    cr_assert(net_until(listener, NULL, &listener->seen.frames, 1));
    return fd;
}

#define UNREAD 40u

static void rest(long ms)
{
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

/*
 * Frames that nobody reads for a while, perhaps a PING of ZMTP behind them, and a reset. At a full receive queue libzmq
 * stops reading; with the connection gone, the next heartbeat or the PING that is read later ends the process.
 */
static void reset_behind_unread_frames(bool ping, long unread_ms)
{
    static uint8_t out[(UNREAD + 2) * (BARE_MESSAGE_EXTRA_BYTES + 8)];
    struct net_end listener;
    struct bare_session session;
    size_t bytes = 0;
    net_open(&listener, "tcp://127.0.0.1:*");
    int fd = shake_hands(&listener, &session);
    for (uint32_t i = 0; i < UNREAD; i++) {
        bytes += bare_message(out + bytes, &session, (const uint8_t *)"x", 1);
    }
    if (ping) {
        bytes += bare_command(out + bytes, &session, (const uint8_t *)"\4PING\0\0", 7);
    }
    put(fd, out, bytes);
    rest(200); /* the I/O thread reads them */
    struct linger hard = {.l_onoff = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    (void)close(fd);
    rest(unread_ms);
    cr_expect(net_until(&listener, NULL, &listener.seen.down, 1));
    net_close(&listener);
}

Test(net, survive_a_reset_behind_unread_frames, .timeout = 30)
{
    reset_behind_unread_frames(false, 6000); /* longer than between heartbeats of any sort */
}

Test(net, survive_a_ping_behind_unread_frames_of_a_dead_connection, .timeout = 30)
{
    reset_behind_unread_frames(true, 200);
}

/* Commands of ZMTP at a time when none is due, whole and cut off. */
Test(net, survive_any_command, .timeout = 60)
{
    static const char *const names[] = {"\4PING",  "\4PONG",  "\11SUBSCRIBE", "\6CANCEL",    "\5ERROR",
                                        "\5READY", "\5HELLO", "\7WELCOME",    "\10INITIATE", "\7MESSAGE",
                                        "\4JOIN",  "\5LEAVE", "\377",         "\0"};
    struct net_end listener;
    struct bare_session session;
    uint8_t body[300];
    uint8_t out[sizeof body + BARE_MESSAGE_EXTRA_BYTES];
    net_open(&listener, "tcp://127.0.0.1:*");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        for (size_t length = 0; length < sizeof body; length = 2 * length + 1) {
            size_t name = strlen(names[i]);
            gv_random(body, sizeof body);
            memcpy(body, names[i], name);
            int fd = shake_hands(&listener, &session);
            put(fd, out, bare_command(out, &session, body, length));
            put(fd, out, bare_command(out, &session, body, name));
            (void)send(fd, out, bare_message(out, &session, (const uint8_t *)"after", 5), MSG_NOSIGNAL);
            for (int turn = 0; turn < 5; turn++) {
                net_turn(listener.net);
            }
            (void)close(fd);
        }
    }
    rest(100);
    int fd = shake_hands(&listener, &session);
    (void)close(fd);
    net_close(&listener);
}
