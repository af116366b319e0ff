/*
 * Two ends over loopback: see net_help.h.
 */
#include "net_help.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

uint64_t net_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void on_up(void *context, uint32_t dial, uint32_t link)
{
    struct net_seen *seen = context;
    cr_assert_eq(dial, 77);
    seen->up++;
    seen->last_link = link;
}

static void on_failed(void *context, uint32_t dial, const char *endpoint, enum gv_err why)
{
    struct net_seen *seen = context;
    cr_assert_eq(dial, 77);
    cr_assert_eq(strncmp(endpoint, "tcp://", 6), 0);
    seen->failed++;
    seen->last_error = why;
}

static void on_in(void *context, uint32_t link)
{
    struct net_seen *seen = context;
    seen->in++;
    seen->last_link = link;
}

static void on_frame(void *context, uint32_t link, zmq_msg_t *message)
{
    struct net_seen *seen = context;
    seen->frames++;
    seen->last_link = link;
    size_t bytes = zmq_msg_size(message) < sizeof seen->text ? zmq_msg_size(message) : sizeof seen->text - 1;
    memcpy(seen->text, zmq_msg_data(message), bytes);
    seen->text[bytes] = '\0';
}

static void on_bad(void *context, uint32_t link, enum gv_err why)
{
    struct net_seen *seen = context;
    (void)link;
    seen->bad++;
    seen->last_error = why;
}

static void on_down(void *context, uint32_t link, enum gv_err why)
{
    struct net_seen *seen = context;
    (void)link;
    seen->down++;
    seen->last_error = why;
}

void net_open(struct net_end *end, const char *listen)
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

void net_close(struct net_end *end)
{
    gv_net_free(&end->net, 0);
    gv_curve_key_free(&end->key);
}

void net_turn(struct gv_net *net)
{
    struct pollfd fds[GV_NET_POLL_MAX];
    int count = gv_net_poll(net, fds);
    (void)poll(fds, (nfds_t)count, gv_net_pending(net) ? 0 : 1);
    gv_net_polled(net, fds, count);
    gv_net_step(net, net_now_us());
}

bool net_until(struct net_end *a, struct net_end *b, const uint32_t *counter, uint32_t value)
{
    uint64_t end_us = net_now_us() + 2000000;
    while (*counter < value && net_now_us() < end_us) {
        net_turn(a->net);
        if (b != NULL) {
            net_turn(b->net);
        }
        struct timespec pause = {.tv_nsec = 1000000};
        (void)nanosleep(&pause, NULL);
    }
    return *counter >= value;
}

enum gv_err net_say(struct net_end *end, uint32_t link, const char *text)
{
    zmq_msg_t message;
    cr_assert_eq(zmq_msg_init_size(&message, strlen(text)), 0);
    memcpy(zmq_msg_data(&message), text, strlen(text));
    return gv_net_send(end->net, link, &message);
}

void net_connect(struct net_end *dialler, struct net_end *listener)
{
    net_open(listener, "tcp://127.0.0.1:*");
    net_open(dialler, "");
    gv_net_dial(dialler->net, 77, gv_net_endpoint(listener->net), gv_curve_key_public(listener->key), net_now_us());
    cr_assert(net_until(dialler, listener, &dialler->seen.up, 1));
    cr_assert_eq(net_say(dialler, dialler->seen.last_link, "hello"), GV_OK);
    cr_assert(net_until(dialler, listener, &listener->seen.frames, 1));
    cr_assert_str_eq(listener->seen.text, "hello");
    cr_assert_eq(listener->seen.in, 1);
}
