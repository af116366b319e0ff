/*
 * Dialling: see dial.h.
 */
#include "dial.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "scope.h"

#define DIAL_TIMEOUT_US 5000000u
#define CONNECT_TIMEOUT_MS 4000 /* the addresses of a name share it */

static int connect_ms(const struct gv_slot *slot)
{
    return CONNECT_TIMEOUT_MS / (int)slot->addresses.count;
}

/* To an address: a name would hold up all links for as long as libzmq looks it up. */
static bool open_dealer(struct gv_net *net, struct gv_slot *slot, const char *endpoint)
{
    char name[64];
    (void)snprintf(name, sizeof name, "inproc://link-%u-%u", slot->link, slot->tried);
    slot->dealer = zmq_socket(net->context, ZMQ_DEALER);
    if (slot->dealer == NULL) {
        return false;
    }
    /* RECONNECT_IVL -1: libzmq's own reconnects have no jitter and resurrect links we gave up. IMMEDIATE: nothing is
     * queued for a connection that does not exist, so nothing stale is delivered to the next one. */
    bool ready = gv_socket_set_common(net, slot->dealer) && gv_socket_set_family(slot->dealer, net->family, endpoint) &&
                 gv_socket_set_int(slot->dealer, ZMQ_RECONNECT_IVL, -1) &&
                 gv_socket_set_int(slot->dealer, ZMQ_IMMEDIATE, 1) &&
                 gv_socket_set_int(slot->dealer, ZMQ_CONNECT_TIMEOUT, connect_ms(slot)) &&
                 zmq_setsockopt(slot->dealer, ZMQ_CURVE_SERVERKEY, slot->key.b, GV_KEY_BYTES) == 0;
    int events = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_DISCONNECTED |
                 ZMQ_EVENT_CLOSED;
    slot->monitor = ready ? gv_socket_monitor(net, slot->dealer, name, events) : NULL;
    if (slot->monitor == NULL || zmq_connect(slot->dealer, endpoint) != 0) {
        gv_slot_close_dealer(slot, 0);
        return false;
    }
    slot->frames = gv_socket_watch(slot->dealer);
    slot->events = gv_socket_watch(slot->monitor);
    return true;
}

/* Connects to the next address that there is. False: there is none. */
static bool connect_next(struct gv_net *net, struct gv_slot *slot)
{
    slot->state = GV_SLOT_CONNECTING;
    slot->since_us = net->now_us;
    bool opened = false;
    while (!opened && slot->tried < slot->addresses.count) {
        opened = open_dealer(net, slot, slot->addresses.endpoint[slot->tried++]);
    }
    return opened;
}

void gv_dial_fail(struct gv_net *net, struct gv_slot *slot, enum gv_err why)
{
    uint32_t dial = slot->dial;
    char endpoint[sizeof slot->address];
    memcpy(endpoint, slot->address, sizeof endpoint);
    gv_slot_free(net, slot, 0);
    net->handler.dial_failed(net->handler.context, dial, endpoint, why);
}

void gv_net_dial(struct gv_net *net, uint32_t dial, const char *endpoint, const struct gv_curve_public *server,
                 uint64_t now_us)
{
    net->now_us = now_us;
    struct gv_slot *slot = gv_slot_take(net);
    if (slot == NULL) {
        net->handler.dial_failed(net->handler.context, dial, endpoint, GV_ERR_CROWDED);
        return;
    }
    slot->dialled = true;
    slot->dial = dial;
    slot->key = *server;
    (void)snprintf(slot->address, sizeof slot->address, "%s", endpoint);
    if (gv_endpoint_literal(endpoint)) {
        slot->addresses.count = 1;
        memcpy(slot->addresses.endpoint[0], slot->address, sizeof slot->address);
        if (!connect_next(net, slot)) {
            gv_dial_fail(net, slot, GV_ERR_NET);
        }
        return;
    }
    slot->state = GV_SLOT_RESOLVING;
    if (!gv_resolver_ask(net->resolver, slot->link, endpoint, net->family, now_us)) {
        gv_dial_fail(net, slot, GV_ERR_CROWDED);
    }
}

void gv_dial_resolved(struct gv_net *net)
{
    uint32_t link;
    struct gv_addresses addresses;
    net->resolver_watch.check = false; /* all of them are taken */
    while (gv_resolver_take(net->resolver, &link, &addresses, net->now_us)) {
        struct gv_slot *slot = gv_slot_find(net, link);
        if (slot == NULL || slot->state != GV_SLOT_RESOLVING) {
            continue; /* it came too late */
        }
        slot->addresses = addresses;
        if (!connect_next(net, slot)) {
            gv_dial_fail(net, slot, addresses.count > 0 ? GV_ERR_NET : GV_ERR_UNREACHABLE);
        }
    }
}

void gv_dial_events(struct gv_net *net, struct gv_slot *slot)
{
    uint16_t event;
    uint32_t value;
    slot->events.check = false; /* all of them are taken */
    while (gv_socket_event(slot->monitor, &event, &value)) {
        if (event == ZMQ_EVENT_CONNECTED) {
            slot->connected = true;
            slot->held = slot->held < 0 ? fcntl((int)value, F_DUPFD_CLOEXEC, 0) : slot->held;
        } else if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
            slot->state = slot->state == GV_SLOT_CONNECTING ? GV_SLOT_UP : slot->state;
            slot->frames.check = true;
            net->handler.up(net->handler.context, slot->dial, slot->link);
        } else {
            slot->lost = true;
        }
    }
}

void gv_dial_settle(struct gv_net *net, struct gv_slot *slot)
{
    uint64_t age_us = gv_elapsed_us(net->now_us, slot->since_us);
    uint32_t link = slot->link;
    if (slot->state == GV_SLOT_CONNECTING && (slot->lost || age_us > DIAL_TIMEOUT_US)) {
        bool silent = !slot->connected && age_us >= (uint64_t)connect_ms(slot) * 1000u;
        enum gv_err why = slot->connected ? GV_ERR_HANDSHAKE : (silent ? GV_ERR_TIMEOUT : GV_ERR_UNREACHABLE);
        gv_slot_close_dealer(slot, 0);
        if (!connect_next(net, slot)) {
            gv_dial_fail(net, slot, why);
        }
    } else if (slot->state == GV_SLOT_UP && slot->lost) {
        gv_slot_free(net, slot, 0);
        net->handler.down(net->handler.context, link, GV_ERR_LINK_LOST);
    }
}
