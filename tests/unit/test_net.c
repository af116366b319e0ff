/* Links over real sockets on loopback: handshakes, frames both ways, loss, strangers, kicks. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "net.h"

/* In the place of the resolver's, for libzmq too: one name takes its time, one is of two addresses. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (name != NULL && strstr(name, "slow.example") != NULL) {
        (void)sleep(3);
        return EAI_AGAIN;
    }
    if (name != NULL && strcmp(name, "node.example") == 0) {
        int code = real("::1", service, hints, list); /* where nobody listens */
        return code != 0 ? code : real("127.0.0.1", service, hints, &(*list)->ai_next);
    }
    return real(name, service, hints, list);
}

struct seen {
    uint32_t up, failed, in, down, bad;
    uint32_t last_link;
    enum gv_err last_error;
    uint32_t frames;
    char text[64];
};

struct end {
    struct gv_net *net;
    struct gv_curve_key *key;
    struct seen seen;
};

static uint64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void on_up(void *context, uint32_t dial, uint32_t link)
{
    struct seen *seen = context;
    cr_assert_eq(dial, 77);
    seen->up++;
    seen->last_link = link;
}

static void on_failed(void *context, uint32_t dial, const char *endpoint, enum gv_err why)
{
    struct seen *seen = context;
    cr_assert_eq(dial, 77);
    cr_assert_eq(strncmp(endpoint, "tcp://", 6), 0);
    seen->failed++;
    seen->last_error = why;
}

static void on_in(void *context, uint32_t link)
{
    struct seen *seen = context;
    seen->in++;
    seen->last_link = link;
}

static void on_frame(void *context, uint32_t link, zmq_msg_t *message)
{
    struct seen *seen = context;
    seen->frames++;
    seen->last_link = link;
    size_t bytes = zmq_msg_size(message) < sizeof seen->text ? zmq_msg_size(message) : sizeof seen->text - 1;
    memcpy(seen->text, zmq_msg_data(message), bytes);
    seen->text[bytes] = '\0';
}

static void on_bad(void *context, uint32_t link, enum gv_err why)
{
    struct seen *seen = context;
    (void)link;
    seen->bad++;
    seen->last_error = why;
}

static void on_down(void *context, uint32_t link, enum gv_err why)
{
    struct seen *seen = context;
    (void)link;
    seen->down++;
    seen->last_error = why;
}

static void open_end(struct end *end, const char *listen)
{
    memset(end, 0, sizeof *end);
    cr_assert_eq(gv_proto_init(), GV_OK);
    cr_assert_eq(gv_curve_key_new(&end->key), GV_OK);
    struct gv_net_options options = {.key = end->key, .listen = listen, .inbound_max = 8};
    struct gv_net_handler handler = {.context = &end->seen,
                                     .up = on_up,
                                     .dial_failed = on_failed,
                                     .in = on_in,
                                     .frame = on_frame,
                                     .bad = on_bad,
                                     .down = on_down};
    struct gv_diag diag;
    cr_assert_eq(gv_net_new(&end->net, &options, &handler, &diag), GV_OK, "%s", diag.text);
}

static void close_end(struct end *end)
{
    gv_net_free(&end->net, 0);
    gv_curve_key_free(&end->key);
}

/* One turn of a loop, as the daemon makes it. */
static void turn(struct gv_net *net)
{
    struct pollfd fds[GV_NET_POLL_MAX];
    int count = gv_net_poll(net, fds);
    (void)poll(fds, (nfds_t)count, gv_net_pending(net) ? 0 : 1);
    gv_net_polled(net, fds, count);
    gv_net_step(net, now_us());
}

/* Steps both ends until the counter has reached `value` or two seconds have passed. */
static bool until(struct end *a, struct end *b, const uint32_t *counter, uint32_t value)
{
    uint64_t end_us = now_us() + 2000000;
    while (*counter < value && now_us() < end_us) {
        turn(a->net);
        if (b != NULL) {
            turn(b->net);
        }
        struct timespec pause = {.tv_nsec = 1000000};
        (void)nanosleep(&pause, NULL);
    }
    return *counter >= value;
}

static enum gv_err say(struct end *end, uint32_t link, const char *text)
{
    zmq_msg_t message;
    cr_assert_eq(zmq_msg_init_size(&message, strlen(text)), 0);
    memcpy(zmq_msg_data(&message), text, strlen(text));
    return gv_net_send(end->net, link, &message);
}

static void connect_ends(struct end *dialler, struct end *listener)
{
    open_end(listener, "tcp://127.0.0.1:*");
    open_end(dialler, "");
    gv_net_dial(dialler->net, 77, gv_net_endpoint(listener->net), gv_curve_key_public(listener->key), now_us());
    cr_assert(until(dialler, listener, &dialler->seen.up, 1));
    cr_assert_eq(say(dialler, dialler->seen.last_link, "hello"), GV_OK);
    cr_assert(until(dialler, listener, &listener->seen.frames, 1));
    cr_assert_str_eq(listener->seen.text, "hello");
    cr_assert_eq(listener->seen.in, 1);
}

Test(net, carry_frames_both_ways_and_name_the_peer_by_its_key, .timeout = 20)
{
    struct end dialler;
    struct end listener;
    connect_ends(&dialler, &listener);
    const struct gv_curve_public *key = gv_net_key(listener.net, listener.seen.last_link);
    cr_assert_not_null(key);
    cr_assert_eq(memcmp(key->b, gv_curve_key_public(dialler.key)->b, GV_KEY_BYTES), 0);
    cr_assert_eq(strncmp(gv_net_address(listener.net, listener.seen.last_link), "tcp://127.0.0.1:", 16), 0);
    cr_assert_eq(say(&listener, listener.seen.last_link, "welcome"), GV_OK);
    cr_assert(until(&dialler, &listener, &dialler.seen.frames, 1));
    cr_assert_str_eq(dialler.seen.text, "welcome");
    close_end(&dialler);
    close_end(&listener);
}

Test(net, report_the_loss_of_either_end, .timeout = 20)
{
    struct end dialler;
    struct end listener;
    connect_ends(&dialler, &listener);
    gv_net_free(&dialler.net, 0);
    cr_assert(until(&listener, NULL, &listener.seen.down, 1));
    cr_assert_eq(say(&listener, listener.seen.last_link, "anybody?"), GV_ERR_LINK_LOST);
    gv_curve_key_free(&dialler.key);
    close_end(&listener);
}

Test(net, end_an_accepted_connection_that_is_closed_after_its_last_frame, .timeout = 20)
{
    struct end dialler;
    struct end listener;
    connect_ends(&dialler, &listener);
    cr_assert_eq(say(&listener, listener.seen.last_link, "refused"), GV_OK);
    gv_net_close(listener.net, listener.seen.last_link, now_us());
    cr_assert(until(&dialler, &listener, &dialler.seen.down, 1));
    cr_assert_str_eq(dialler.seen.text, "refused");
    cr_assert_eq(listener.seen.down, 0);
    close_end(&dialler);
    close_end(&listener);
}

Test(net, fail_a_dial_with_the_wrong_server_key)
{
    struct end dialler;
    struct end listener;
    open_end(&listener, "tcp://127.0.0.1:*");
    open_end(&dialler, "");
    gv_net_dial(dialler.net, 77, gv_net_endpoint(listener.net), gv_curve_key_public(dialler.key), now_us());
    uint64_t end_us = now_us() + 8000000;
    while (dialler.seen.failed == 0 && now_us() < end_us) {
        (void)until(&dialler, &listener, &dialler.seen.failed, 1);
    }
    cr_assert_eq(dialler.seen.failed, 1);
    cr_assert_eq(dialler.seen.last_error, GV_ERR_HANDSHAKE);
    struct gv_net_stats stats;
    end_us = now_us() + 3000000;
    do {
        turn(listener.net);
        gv_net_stats(listener.net, &stats);
    } while (stats.drops.count[GV_DROP_HANDSHAKE] == 0 && now_us() < end_us);
    cr_assert_eq(stats.drops.count[GV_DROP_HANDSHAKE], 1);
    cr_assert_eq(stats.kicked, 0);
    cr_assert_eq(dialler.seen.up, 0);
    cr_assert_eq(listener.seen.in, 0);
    close_end(&dialler);
    close_end(&listener);
}

Test(net, fail_a_dial_to_a_port_where_nobody_listens)
{
    struct end dialler;
    open_end(&dialler, "");
    gv_net_dial(dialler.net, 77, "tcp://127.0.0.1:9", gv_curve_key_public(dialler.key), now_us());
    uint64_t end_us = now_us() + 8000000;
    while (dialler.seen.failed == 0 && now_us() < end_us) {
        (void)until(&dialler, NULL, &dialler.seen.failed, 1);
    }
    cr_assert_eq(dialler.seen.failed, 1);
    cr_assert_eq(dialler.seen.last_error, GV_ERR_UNREACHABLE);
    close_end(&dialler);
}

Test(net, call_a_frame_with_more_parts_bad_and_deliver_none_of_it, .timeout = 20)
{
    struct end listener;
    struct end keys;
    open_end(&listener, "tcp://127.0.0.1:*");
    open_end(&keys, "");
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
    cr_assert(until(&listener, NULL, &listener.seen.bad, 1));
    cr_assert_eq(listener.seen.last_error, GV_ERR_MULTIPART);
    cr_assert_eq(listener.seen.frames, 0);
    (void)zmq_close(socket);
    (void)zmq_ctx_term(context);
    close_end(&keys);
    close_end(&listener);
}

Test(net, cut_connections_beyond_the_cap_and_keep_the_rest, .timeout = 20)
{
    struct end dialler;
    struct end listener;
    connect_ends(&dialler, &listener);
    int port = atoi(strrchr(gv_net_endpoint(listener.net), ':') + 1);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        cr_assert_eq(connect(fds[i], (struct sockaddr *)&address, sizeof address), 0);
    }
    struct gv_net_stats stats;
    uint64_t end_us = now_us() + 3000000;
    do {
        turn(listener.net);
        gv_net_stats(listener.net, &stats);
    } while (stats.kicked < 10 && now_us() < end_us);
    cr_assert_geq(stats.kicked, 10);
    cr_assert_eq(stats.drops.count[GV_DROP_CONNECTIONS], stats.kicked);
    cr_assert_leq(stats.inbound, 8);
    cr_assert_eq(say(&dialler, dialler.seen.last_link, "still here"), GV_OK);
    cr_assert(until(&dialler, &listener, &listener.seen.frames, 2));
    for (int i = 0; i < 20; i++) {
        (void)close(fds[i]);
    }
    close_end(&dialler);
    close_end(&listener);
}

Test(net, say_which_endpoint_is_taken, .timeout = 20)
{
    struct end first;
    struct end second;
    open_end(&first, "tcp://127.0.0.1:*");
    memset(&second, 0, sizeof second);
    cr_assert_eq(gv_curve_key_new(&second.key), GV_OK);
    struct gv_net_options options = {.key = second.key, .listen = gv_net_endpoint(first.net), .inbound_max = 8};
    struct gv_net_handler handler = {.context = &second.seen};
    struct gv_diag diag;
    cr_assert_neq(gv_net_new(&second.net, &options, &handler, &diag), GV_OK);
    cr_assert_not_null(strstr(diag.text, gv_net_endpoint(first.net)));
    gv_curve_key_free(&second.key);
    close_end(&first);
}

/* A dial to this host at the listener's port. */
static void dial_name(struct end *dialler, const struct end *listener, const char *host)
{
    char endpoint[64];
    const char *port = strrchr(gv_net_endpoint(listener->net), ':');
    (void)snprintf(endpoint, sizeof endpoint, "tcp://%s%s", host, port);
    gv_net_dial(dialler->net, 77, endpoint, gv_curve_key_public(listener->key), now_us());
}

Test(net, carry_frames_while_a_name_is_being_looked_up)
{
    struct end dialler;
    struct end listener;
    connect_ends(&dialler, &listener);
    uint32_t link = dialler.seen.last_link;
    uint64_t start_us = now_us();
    dial_name(&dialler, &listener, "slow.example");
    for (uint32_t i = 0; i < 20; i++) {
        cr_assert_eq(say(&dialler, link, "still here"), GV_OK);
        cr_assert(until(&dialler, &listener, &listener.seen.frames, 2 + i), "frame %u", i);
    }
    cr_assert_lt(now_us() - start_us, 1500000);
    cr_assert_eq(dialler.seen.failed, 0);
    while (dialler.seen.failed == 0 && now_us() < start_us + 8000000) {
        (void)until(&dialler, &listener, &dialler.seen.failed, 1);
    }
    cr_assert_eq(dialler.seen.failed, 1);
    cr_assert_eq(dialler.seen.last_error, GV_ERR_UNREACHABLE);
    close_end(&dialler);
    close_end(&listener);
}

Test(net, dial_each_family_of_a_name_while_others_are_looked_up)
{
    struct end dialler;
    struct end listener;
    open_end(&listener, "tcp://127.0.0.1:*");
    open_end(&dialler, "");
    dial_name(&dialler, &listener, "a.slow.example");
    dial_name(&dialler, &listener, "b.slow.example");
    dial_name(&dialler, &listener, "node.example");
    cr_assert(until(&dialler, &listener, &dialler.seen.up, 1));
    cr_assert_eq(say(&dialler, dialler.seen.last_link, "hello"), GV_OK);
    cr_assert(until(&dialler, &listener, &listener.seen.frames, 1));
    uint64_t start_us = now_us();
    close_end(&dialler); /* waits for no look-up */
    cr_assert_lt(now_us() - start_us, 1000000);
    close_end(&listener);
}
