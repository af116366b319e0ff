/*
 * The other end of a link, for tests: see lib_peer.h.
 */
#include "lib_peer.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#include "record.h"
#include "wire.h"

#define MONITOR "inproc://monitor"

void peer_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(1);
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void set_int(void *socket, int option, int value)
{
    if (zmq_setsockopt(socket, option, &value, sizeof value) != 0) {
        peer_fail("cannot set option %d", option);
    }
}

static void set_curve(void *socket, const struct gv_curve_public *server, const struct gv_curve_key *own)
{
    struct gv_curve_key *made = NULL;
    if (own == NULL) {
        if (gv_curve_key_new(&made) != GV_OK) {
            peer_fail("no key");
        }
        own = made;
    }
    if (zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server->b, GV_KEY_BYTES) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, gv_curve_key_public(own)->b, GV_KEY_BYTES) != 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, gv_curve_key_secret(own), GV_KEY_BYTES) != 0) {
        peer_fail("cannot set keys");
    }
    gv_curve_key_free(&made);
}

struct peer *peer_dial(const char *endpoint, const struct gv_curve_public *server, const struct gv_curve_key *own)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
        peer_fail("out of memory");
    }
    peer->context = zmq_ctx_new();
    peer->socket = zmq_socket(peer->context, ZMQ_DEALER);
    peer->monitor = zmq_socket(peer->context, ZMQ_PAIR);
    set_int(peer->socket, ZMQ_LINGER, 0);
    set_int(peer->monitor, ZMQ_LINGER, 0);
    set_int(peer->socket, ZMQ_RECONNECT_IVL, -1);
    set_int(peer->socket, ZMQ_IMMEDIATE, 1);
    set_int(peer->socket, ZMQ_SNDTIMEO, 3000);
    if (server != NULL) {
        set_curve(peer->socket, server, own);
    }
    if (zmq_socket_monitor(peer->socket, MONITOR, ZMQ_EVENT_ALL) != 0 || zmq_connect(peer->monitor, MONITOR) != 0 ||
        zmq_connect(peer->socket, endpoint) != 0) {
        peer_fail("cannot dial %s", endpoint);
    }
    return peer;
}

void peer_close(struct peer *peer)
{
    (void)zmq_socket_monitor(peer->socket, NULL, 0);
    (void)zmq_close(peer->monitor);
    (void)zmq_close(peer->socket);
    (void)zmq_ctx_term(peer->context);
    free(peer);
}

/* Takes one monitor event (two parts: number and value, address) if there is one within `ms`. */
static bool watch(struct peer *peer, int ms)
{
    zmq_pollitem_t item = {.socket = peer->monitor, .events = ZMQ_POLLIN};
    if (zmq_poll(&item, 1, ms) <= 0) {
        return false;
    }
    uint8_t head[6] = {0};
    char address[256];
    (void)zmq_recv(peer->monitor, head, sizeof head, 0);
    (void)zmq_recv(peer->monitor, address, sizeof address, 0);
    uint16_t event;
    memcpy(&event, head, sizeof event);
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
        peer->up = true;
    } else if (event == ZMQ_EVENT_DISCONNECTED || event == ZMQ_EVENT_CLOSED ||
               event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL || event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL ||
               event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
        peer->dropped = true;
    }
    return true;
}

bool peer_wait_up(struct peer *peer, int ms)
{
    int64_t end = now_ms() + ms;
    while (!peer->up && !peer->dropped && now_ms() < end) {
        (void)watch(peer, 50);
    }
    return peer->up;
}

bool peer_wait_dropped(struct peer *peer, int ms)
{
    int64_t end = now_ms() + ms;
    while (!peer->dropped && now_ms() < end) {
        (void)watch(peer, 50);
    }
    return peer->dropped;
}

bool peer_send(struct peer *peer, const void *data, size_t bytes, bool more)
{
    return zmq_send(peer->socket, data, bytes, more ? ZMQ_SNDMORE : 0) >= 0;
}

void peer_say(struct peer *peer, const struct gv_msg *msg, const struct gv_bulk *bulk)
{
    size_t bound = gv_wire_bound(msg, bulk), bytes = 0;
    uint8_t *frame = malloc(bound);
    if (frame == NULL || gv_wire_encode(frame, bound, &bytes, msg, bulk) != GV_OK) {
        peer_fail("cannot encode %s", gv_kind_name(msg->kind));
    }
    bool sent = peer_send(peer, frame, bytes, false);
    free(frame);
    if (!sent) {
        peer_fail("cannot send %s", gv_kind_name(msg->kind));
    }
}

bool peer_hear_any(struct peer *peer, int ms)
{
    int64_t end = now_ms() + ms;
    while (now_ms() < end) {
        zmq_pollitem_t items[2] = {{.socket = peer->socket, .events = ZMQ_POLLIN},
                                   {.socket = peer->monitor, .events = ZMQ_POLLIN}};
        (void)zmq_poll(items, 2, 50);
        if ((items[0].revents & ZMQ_POLLIN) == 0) {
            (void)watch(peer, 0);
            if (peer->dropped) {
                return false;
            }
            continue;
        }
        int got = zmq_recv(peer->socket, peer->frame, sizeof peer->frame, 0);
        if (got > 0 && gv_wire_decode(&peer->msg, &peer->bulk, peer->frame, (size_t)got) == GV_OK) {
            return true;
        }
    }
    return false;
}

bool peer_hear(struct peer *peer, uint32_t kind, int ms)
{
    int64_t end = now_ms() + ms;
    while (now_ms() < end && peer_hear_any(peer, (int)(end - now_ms()))) {
        if (peer->msg.kind == kind) {
            return true;
        }
    }
    return false;
}

struct newcomer *newcomer_new(const struct gv_invite *invite)
{
    struct newcomer *newcomer = calloc(1, sizeof *newcomer);
    struct gv_record *record = calloc(1, sizeof *record);
    if (newcomer == NULL || record == NULL || gv_sign_key_new(&newcomer->sign) != GV_OK ||
        gv_curve_key_new(&newcomer->curve) != GV_OK) {
        peer_fail("out of memory");
    }
    gv_random(&newcomer->boot, sizeof newcomer->boot);
    uint64_t now_s = (uint64_t)time(NULL);
    if (gv_invite_accept(&newcomer->chain, invite, gv_sign_key_public(newcomer->sign), now_s) != GV_OK) {
        peer_fail("cannot make a membership");
    }
    record->swarm = gv_swarm_id_of(&invite->root);
    record->identity = *gv_sign_key_public(newcomer->sign);
    record->curve = *gv_curve_key_public(newcomer->curve);
    record->incarnation = 1;
    record->boot = newcomer->boot;
    record->issued_s = now_s;
    record->chain = newcomer->chain;
    if (gv_record_sign(newcomer->record, &newcomer->record_bytes, record, newcomer->sign) != GV_OK) {
        peer_fail("cannot sign a record");
    }
    free(record);
    return newcomer;
}

void newcomer_free(struct newcomer *newcomer)
{
    gv_sign_key_free(&newcomer->sign);
    gv_curve_key_free(&newcomer->curve);
    free(newcomer);
}

void newcomer_hello(struct newcomer *newcomer, struct peer *peer, const struct gv_swarm_id *swarm)
{
    struct gv_msg *msg = calloc(1, sizeof *msg);
    struct gv_bulk bulk = {.count = 1, .item = {{.data = newcomer->record, .bytes = newcomer->record_bytes}}};
    if (msg == NULL) {
        peer_fail("out of memory");
    }
    msg->kind = GV_KIND_HELLO;
    msg->u.hello.swarm = *swarm;
    msg->u.hello.purpose = GV_PURPOSE_MEMBER;
    msg->u.hello.state = GV_STATE_TRAINING;
    msg->u.hello.boot = newcomer->boot;
    msg->u.hello.wall_s = (uint64_t)time(NULL);
    peer_say(peer, msg, &bulk);
    free(msg);
}
