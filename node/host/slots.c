/*
 * The table of links and their sockets' set-up: see slots.h.
 */
#include "slots.h"

#include <string.h>
#include <unistd.h>

#include "gv/limits.h"

/* Credit bounds the chunks in it to four; the rest is small. At 8, four chunks with their credits and a ping filled it
 * while the I/O thread was starved, and a chunk was lost. */
#define SEND_QUEUE 64
/* A connection whose other end answers nothing is dead after DEAD_S, whether anything was to be sent or not. */
#define KEEPALIVE_S 5
#define DEAD_S 15

/* ---- sockets --------------------------------------------------------------------------------------------- */

bool gv_socket_set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

/* A literal IPv4 address needs no IPv6 socket, and one would show it as [::ffff:1.2.3.4]. */
bool gv_socket_set_family(void *socket, enum gv_family family, const char *endpoint)
{
    bool literal4 =
        strspn(endpoint + strcspn(endpoint, "/"), "/0123456789.:*") == strlen(endpoint) - strcspn(endpoint, "/");
    return gv_socket_set_int(socket, ZMQ_IPV6, family == GV_FAMILY_IPV4 || literal4 ? 0 : 1);
}

/*
 * libzmq (4.3.4) ends the process when a connection is lost while its receive queue is full and then a heartbeat is
 * due, or a PING that came before is read (its issues 4364, 4767): no heartbeats, and a queue that is never full. The
 * kernel finds dead connections instead. What is queued is bounded by how fast the loop reads, and by
 * gv_inbound_sweep().
 */
bool gv_socket_set_common(const struct gv_net *net, void *socket)
{
    const struct gv_curve_public *public = gv_curve_key_public(net->key);
    int64_t frame_max = GV_FRAME_BYTES_MAX + GV_CURVE_OVERHEAD_BYTES; /* it counts ciphertext */
    return gv_socket_set_int(socket, ZMQ_LINGER, 0) && gv_socket_set_int(socket, ZMQ_SNDHWM, SEND_QUEUE) &&
           gv_socket_set_int(socket, ZMQ_RCVHWM, 0) && gv_socket_set_int(socket, ZMQ_HANDSHAKE_IVL, 3000) &&
           gv_socket_set_int(socket, ZMQ_TCP_KEEPALIVE, 1) &&
           gv_socket_set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_S) &&
           gv_socket_set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_S) &&
           gv_socket_set_int(socket, ZMQ_TCP_KEEPALIVE_CNT, DEAD_S / KEEPALIVE_S - 1) &&
           gv_socket_set_int(socket, ZMQ_TCP_MAXRT, DEAD_S * 1000) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public->b, GV_KEY_BYTES) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, gv_curve_key_secret(net->key), GV_KEY_BYTES) == 0;
}

struct gv_watch gv_socket_watch(void *socket)
{
    struct gv_watch watch = {.fd = -1, .check = true};
    size_t size = sizeof watch.fd;
    (void)zmq_getsockopt(socket, ZMQ_FD, &watch.fd, &size);
    return watch;
}

void *gv_socket_monitor(const struct gv_net *net, void *socket, const char *name, int events)
{
    if (zmq_socket_monitor(socket, name, events) != 0) {
        return NULL;
    }
    void *pair = zmq_socket(net->context, ZMQ_PAIR);
    if (pair != NULL && (!gv_socket_set_int(pair, ZMQ_LINGER, 0) || zmq_connect(pair, name) != 0)) {
        (void)zmq_close(pair);
        pair = NULL;
    }
    if (pair == NULL) {
        (void)zmq_socket_monitor(socket, NULL, 0);
    }
    return pair;
}

bool gv_socket_event(void *monitor, uint16_t *event, uint32_t *value)
{
    zmq_msg_t head;
    zmq_msg_t endpoint;
    (void)zmq_msg_init(&head);
    (void)zmq_msg_init(&endpoint);
    bool any = zmq_msg_recv(&head, monitor, ZMQ_DONTWAIT) >= (int)(sizeof *event + sizeof *value);
    if (any) {
        const uint8_t *data = zmq_msg_data(&head);
        memcpy(event, data, sizeof *event);
        memcpy(value, data + sizeof *event, sizeof *value);
        if (zmq_msg_more(&head)) {
            (void)zmq_msg_recv(&endpoint, monitor, ZMQ_DONTWAIT);
        }
    }
    (void)zmq_msg_close(&head);
    (void)zmq_msg_close(&endpoint);
    return any;
}

/* ---- the table ------------------------------------------------------------------------------------------- */

struct gv_slot *gv_slot_find(const struct gv_net *net, uint32_t link)
{
    const struct gv_slot *slot = &net->slot[link % GV_LINK_SLOTS];
    return slot->state != GV_SLOT_FREE && slot->link == link ? (struct gv_slot *)(uintptr_t)slot : NULL;
}

/* 24 bits of counter above the slot's index, so that a number comes again after sixteen million links. */
struct gv_slot *gv_slot_take(struct gv_net *net)
{
    for (uint32_t i = 0; i < GV_LINK_SLOTS; i++) {
        struct gv_slot *slot = &net->slot[i];
        if (slot->state == GV_SLOT_FREE) {
            memset(slot, 0, sizeof *slot);
            net->counter = (net->counter + 1) & 0xffffffu;
            slot->link = (net->counter == 0 ? ++net->counter : net->counter) * GV_LINK_SLOTS + i;
            slot->held = -1;
            slot->since_us = net->now_us;
            return slot;
        }
    }
    return NULL;
}

void gv_slot_close_dealer(struct gv_slot *slot, int linger_ms)
{
    if (slot->monitor != NULL) {
        (void)zmq_socket_monitor(slot->dealer, NULL, 0);
        (void)zmq_close(slot->monitor);
    }
    if (slot->dealer != NULL) {
        (void)gv_socket_set_int(slot->dealer, ZMQ_LINGER, linger_ms);
        (void)zmq_close(slot->dealer);
    }
    if (slot->held >= 0) {
        (void)close(slot->held);
    }
    slot->monitor = NULL;
    slot->dealer = NULL;
    slot->held = -1;
    slot->connected = false;
    slot->lost = false;
}

void gv_slot_free(struct gv_net *net, struct gv_slot *slot, int linger_ms)
{
    gv_slot_close_dealer(slot, linger_ms);
    if (slot->route.length > 0) {
        net->dead[net->dead_next++ % GV_DEAD_ROUTES] = slot->route;
    }
    memset(slot, 0, sizeof *slot);
    slot->held = -1;
}
