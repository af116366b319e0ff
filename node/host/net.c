/*
 * Links: the listener, frames both ways, and what the loop asks of them. Dialling is dial.c, the table slots.c.
 */
#include "net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "dial.h"
#include "gv/limits.h"
#include "zap.h"

#define CLOSE_FLUSH_US 200000u
#define FRAMES_PER_STEP 64
#define FRAME_OVERHEAD_BYTES 64u /* ZMTP and CURVE around a frame, rounded up */

/* ---- frames ---------------------------------------------------------------------------------------------- */

/* Reads and forgets what follows a frame with MORE set. Returns true if anything did. */
static bool drain_parts(void *socket, zmq_msg_t *frame)
{
    bool any = false;
    int more = zmq_msg_more(frame);
    while (more != 0) {
        zmq_msg_t part;
        (void)zmq_msg_init(&part);
        more = zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) >= 0 ? zmq_msg_more(&part) : 0;
        (void)zmq_msg_close(&part);
        any = true;
    }
    return any;
}

static void deliver(struct gv_net *net, uint32_t link, zmq_msg_t *frame, bool multipart)
{
    net->bytes_in += zmq_msg_size(frame);
    if (multipart) {
        net->handler.bad(net->handler.context, link, GV_ERR_MULTIPART);
    } else {
        net->handler.frame(net->handler.context, link, frame);
    }
}

static void read_dealer(struct gv_net *net, struct gv_slot *slot)
{
    uint32_t link = slot->link;
    for (int turn = 0; turn < FRAMES_PER_STEP && slot->link == link && slot->state == GV_SLOT_UP; turn++) {
        zmq_msg_t frame;
        (void)zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, slot->dealer, ZMQ_DONTWAIT) < 0) {
            (void)zmq_msg_close(&frame);
            slot->frames.check = false;
            return;
        }
        bool multipart = drain_parts(slot->dealer, &frame);
        slot->delivered_bytes += zmq_msg_size(&frame) + FRAME_OVERHEAD_BYTES;
        deliver(net, link, &frame, multipart);
        (void)zmq_msg_close(&frame);
    }
}

static bool same_route(const struct gv_route *a, const struct gv_route *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* The link of a ROUTER's route; a new one for a connection that speaks for the first time; NULL for the dead. */
static struct gv_slot *slot_of_route(struct gv_net *net, const struct gv_route *route, zmq_msg_t *frame, bool *fresh)
{
    struct gv_curve_public key;
    *fresh = false;
    for (size_t i = 0; i < GV_LINK_SLOTS; i++) {
        struct gv_slot *slot = &net->slot[i];
        if (slot->state != GV_SLOT_FREE && !slot->dialled && same_route(&slot->route, route)) {
            /* Routing ids are the peer's to choose: what a message may do is its key's right, not its route's. */
            if (gv_zap_key_of(&key, frame) && memcmp(key.b, slot->key.b, sizeof key.b) == 0) {
                return slot;
            }
            gv_drop(&net->inbound.drops, GV_DROP_ROUTE, "");
            return NULL;
        }
    }
    for (size_t i = 0; i < GV_DEAD_ROUTES; i++) {
        if (same_route(&net->dead[i], route)) {
            return NULL; /* its last words, after we or it have ended the link */
        }
    }
    struct gv_connection *connection = gv_inbound_find(&net->inbound, zmq_msg_get(frame, ZMQ_SRCFD));
    if (connection == NULL || connection->link != 0 || connection->kicked || !gv_zap_key_of(&key, frame)) {
        gv_drop(&net->inbound.drops, GV_DROP_ROUTE, connection != NULL ? connection->text : "");
        return NULL; /* an empty User-Id would mean that nobody authenticated this connection */
    }
    struct gv_slot *slot = gv_slot_take(net);
    if (slot == NULL) {
        gv_drop(&net->inbound.drops, GV_DROP_LINKS, connection->text);
        gv_inbound_kick(connection);
        return NULL;
    }
    slot->state = GV_SLOT_UP;
    slot->key = key;
    slot->route = *route;
    memcpy(slot->address, connection->text, sizeof slot->address);
    connection->link = slot->link;
    *fresh = true;
    return slot;
}

/* One frame of the ROUTER; false if there is none. */
static bool read_router(struct gv_net *net)
{
    zmq_msg_t head;
    zmq_msg_t frame;
    (void)zmq_msg_init(&head);
    (void)zmq_msg_init(&frame);
    bool any = zmq_msg_recv(&head, net->router, ZMQ_DONTWAIT) >= 0;
    if (any && zmq_msg_more(&head) && zmq_msg_recv(&frame, net->router, ZMQ_DONTWAIT) >= 0) {
        bool multipart = drain_parts(net->router, &frame);
        struct gv_route route = {.length = (uint32_t)zmq_msg_size(&head)};
        bool fresh = false;
        struct gv_slot *slot = NULL;
        if (route.length > 0 && route.length <= GV_ROUTE_BYTES_MAX) {
            memcpy(route.bytes, zmq_msg_data(&head), route.length);
            slot = slot_of_route(net, &route, &frame, &fresh);
        }
        if (slot != NULL && slot->state == GV_SLOT_UP) {
            uint32_t link = slot->link;
            struct gv_connection *connection = gv_inbound_of_link(&net->inbound, link);
            if (connection != NULL) {
                connection->delivered_bytes += zmq_msg_size(&frame) + FRAME_OVERHEAD_BYTES;
            }
            if (fresh) {
                net->handler.in(net->handler.context, link);
            }
            deliver(net, link, &frame, multipart);
        }
    }
    (void)zmq_msg_close(&head);
    (void)zmq_msg_close(&frame);
    return any;
}

/* Counts the handshake that has failed on this connection, unless we cut it ourselves. */
static void note_handshake(struct gv_net *net, int fd)
{
    const struct gv_connection *connection = gv_inbound_find(&net->inbound, fd);
    if (net->handshake_failed && connection != NULL && !connection->kicked) {
        gv_drop(&net->inbound.drops, GV_DROP_HANDSHAKE, connection->text);
    }
    net->handshake_failed = false;
}

static void router_events(struct gv_net *net)
{
    uint16_t event;
    uint32_t value;
    net->monitor_watch.check = false; /* all of them are taken */
    while (gv_socket_event(net->router_monitor, &event, &value)) {
        if (event == ZMQ_EVENT_ACCEPTED) {
            gv_inbound_accepted(&net->inbound, (int)value, net->now_us);
        } else if (event != ZMQ_EVENT_DISCONNECTED) {
            net->handshake_failed = true; /* whose, its DISCONNECTED says next */
        } else {
            note_handshake(net, (int)value);
            uint32_t link = gv_inbound_disconnected(&net->inbound, (int)value);
            struct gv_slot *slot = link != 0 ? gv_slot_find(net, link) : NULL;
            if (slot != NULL) {
                bool report = slot->state == GV_SLOT_UP;
                gv_slot_free(net, slot, 0);
                if (report) {
                    net->handler.down(net->handler.context, link, GV_ERR_LINK_LOST);
                }
            }
        }
    }
}

enum gv_err gv_net_send(struct gv_net *net, uint32_t link, zmq_msg_t *message)
{
    struct gv_slot *slot = gv_slot_find(net, link);
    if (slot == NULL || slot->state != GV_SLOT_UP) {
        (void)zmq_msg_close(message);
        return GV_ERR_LINK_LOST;
    }
    size_t bytes = zmq_msg_size(message);
    void *socket = slot->dialled ? slot->dealer : net->router;
    *(slot->dialled ? &slot->frames.check : &net->router_watch.check) = true;
    bool sent =
        slot->dialled || zmq_send(socket, slot->route.bytes, slot->route.length, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0;
    sent = sent && zmq_msg_send(message, socket, ZMQ_DONTWAIT) >= 0;
    if (sent) {
        net->bytes_out += bytes;
        return GV_OK;
    }
    int error = errno;
    (void)zmq_msg_close(message);
    return error == EAGAIN ? GV_ERR_BUSY : GV_ERR_LINK_LOST;
}

void gv_net_close(struct gv_net *net, uint32_t link, uint64_t now_us)
{
    struct gv_slot *slot = gv_slot_find(net, link);
    if (slot == NULL || slot->state == GV_SLOT_CLOSING) {
        return;
    }
    if (slot->dialled) {
        gv_slot_free(net, slot, (int)(CLOSE_FLUSH_US / 1000));
        return;
    }
    slot->state = GV_SLOT_CLOSING;
    slot->since_us = now_us;
}

void gv_net_admitted(struct gv_net *net, uint32_t link)
{
    struct gv_connection *connection = gv_inbound_of_link(&net->inbound, link);
    if (connection != NULL) {
        connection->admitted = true;
    }
}

/* Accepted links whose moment to flush is over; dials whose name finds no address; dialled links whose peer floods us
 * with parts of one message. */
static void sweep(struct gv_net *net)
{
    for (size_t i = 0; i < GV_LINK_SLOTS; i++) {
        struct gv_slot *slot = &net->slot[i];
        if (slot->state == GV_SLOT_CLOSING && gv_elapsed_us(net->now_us, slot->since_us) > CLOSE_FLUSH_US) {
            struct gv_connection *connection = gv_inbound_of_link(&net->inbound, slot->link);
            if (connection != NULL) {
                gv_inbound_kick(connection);
            }
            gv_slot_free(net, slot, 0);
        } else if (slot->state == GV_SLOT_RESOLVING && gv_elapsed_us(net->now_us, slot->since_us) > GV_LOOKUP_US) {
            gv_dial_fail(net, slot, GV_ERR_TIMEOUT);
        }
    }
    if (gv_elapsed_us(net->now_us, net->swept_us) < 1000000u) {
        return;
    }
    net->swept_us = net->now_us;
    gv_inbound_sweep(&net->inbound, net->now_us);
    for (size_t i = 0; i < GV_LINK_SLOTS; i++) {
        struct gv_slot *slot = &net->slot[i];
        uint64_t allowed = gv_inbound_allowance(slot->delivered_bytes, gv_elapsed_us(net->now_us, slot->since_us));
        if (slot->state == GV_SLOT_UP && slot->held >= 0 && gv_received_bytes(slot->held) > allowed) {
            uint32_t link = slot->link;
            gv_slot_free(net, slot, 0);
            net->handler.down(net->handler.context, link, GV_ERR_OVERSIZE);
        }
    }
}

/* Accepted before frames, so that a frame's connection is known; lost after, so that no frame is: both come from one
 * monitor, hence twice. A frame read too late is dropped with its dead route. */
static void step_router(struct gv_net *net)
{
    router_events(net);
    bool more = true;
    for (int turn = 0; turn < FRAMES_PER_STEP && more; turn++) {
        more = read_router(net);
    }
    net->router_watch.check = more;
    router_events(net);
}

static void step_dialled(struct gv_net *net, struct gv_slot *slot)
{
    uint32_t link = slot->link;
    gv_dial_events(net, slot);
    if (slot->link == link && slot->state == GV_SLOT_UP && slot->frames.check) {
        read_dealer(net, slot);
    }
    if (slot->link == link) {
        gv_dial_settle(net, slot);
    }
}

static void answer_zap(struct gv_net *net)
{
    net->zap_watch.check = gv_zap_step(net->zap, &net->inbound.drops);
}

void gv_net_greet(struct gv_net *net, uint64_t now_us)
{
    net->now_us = now_us;
    answer_zap(net);
    if (net->router != NULL) { /* with events unread no cap holds, and a flood of them halts the I/O thread */
        router_events(net);
    }
}

void gv_net_step(struct gv_net *net, uint64_t now_us)
{
    net->now_us = now_us;
    bool all = gv_elapsed_us(now_us, net->looked_us) > 900000u;
    net->looked_us = all ? now_us : net->looked_us;
    if (all || net->zap_watch.check) {
        answer_zap(net);
    }
    if (net->router != NULL && (all || net->router_watch.check || net->monitor_watch.check)) {
        step_router(net);
    }
    if (all || net->resolver_watch.check) {
        gv_dial_resolved(net);
    }
    for (size_t i = 0; i < GV_LINK_SLOTS; i++) {
        struct gv_slot *slot = &net->slot[i];
        bool live = slot->state == GV_SLOT_CONNECTING || slot->state == GV_SLOT_UP;
        if (live && slot->dialled && (all || slot->frames.check || slot->events.check || slot->lost)) {
            slot->frames.check = slot->frames.check || all;
            step_dialled(net, slot);
        }
    }
    sweep(net);
}

static int add_watch(struct gv_net *net, struct pollfd *fds, int count, struct gv_watch *watch)
{
    fds[count] = (struct pollfd){.fd = watch->fd, .events = POLLIN};
    net->polled[count] = &watch->check;
    return count + 1;
}

int gv_net_poll(struct gv_net *net, struct pollfd *fds)
{
    int count = add_watch(net, fds, 0, &net->zap_watch);
    count = add_watch(net, fds, count, &net->resolver_watch);
    if (net->router != NULL) {
        count = add_watch(net, fds, count, &net->router_watch);
        count = add_watch(net, fds, count, &net->monitor_watch);
    }
    for (size_t i = 0; i < GV_LINK_SLOTS; i++) {
        struct gv_slot *slot = &net->slot[i];
        if (slot->state != GV_SLOT_FREE && slot->dealer != NULL) {
            if (slot->state == GV_SLOT_UP) { /* before, its descriptor speaks of commands that nobody takes yet */
                count = add_watch(net, fds, count, &slot->frames);
            }
            count = add_watch(net, fds, count, &slot->events);
        }
    }
    return count;
}

void gv_net_polled(struct gv_net *net, const struct pollfd *fds, int count)
{
    for (int i = 0; i < count; i++) {
        if (fds[i].revents != 0) {
            *net->polled[i] = true;
        }
    }
}

bool gv_net_pending(const struct gv_net *net)
{
    bool pending =
        net->zap_watch.check || (net->router != NULL && (net->router_watch.check || net->monitor_watch.check));
    for (size_t i = 0; i < GV_LINK_SLOTS && !pending; i++) {
        const struct gv_slot *slot = &net->slot[i];
        pending = slot->dealer != NULL && ((slot->state == GV_SLOT_UP && slot->frames.check) || slot->events.check);
    }
    return pending;
}

/* ---- what is known of a link ------------------------------------------------------------------------------ */

const struct gv_curve_public *gv_net_key(const struct gv_net *net, uint32_t link)
{
    const struct gv_slot *slot = gv_slot_find(net, link);
    return slot != NULL ? &slot->key : NULL;
}

const char *gv_net_address(const struct gv_net *net, uint32_t link)
{
    const struct gv_slot *slot = gv_slot_find(net, link);
    return slot != NULL ? slot->address : "";
}

bool gv_net_dialled(const struct gv_net *net, uint32_t link)
{
    const struct gv_slot *slot = gv_slot_find(net, link);
    return slot != NULL && slot->dialled;
}

const char *gv_net_endpoint(const struct gv_net *net)
{
    return net->endpoint;
}

void gv_net_stats(const struct gv_net *net, struct gv_net_stats *stats)
{
    *stats = (struct gv_net_stats){.bytes_in = net->bytes_in,
                                   .bytes_out = net->bytes_out,
                                   .accepted = net->inbound.accepted,
                                   .kicked = gv_inbound_cut(&net->inbound),
                                   .drops = net->inbound.drops,
                                   .inbound = net->inbound.count};
    for (size_t i = 0; i < GV_LINK_SLOTS; i++) {
        stats->outbound += net->slot[i].state == GV_SLOT_UP && net->slot[i].dialled ? 1u : 0u;
    }
}

/* ---- life ------------------------------------------------------------------------------------------------ */

static enum gv_err bind_router(void *router, const char *endpoint, struct gv_diag *diag)
{
    if (zmq_bind(router, endpoint) == 0) {
        return GV_OK;
    }
    return gv_diag_set(diag, errno == EADDRINUSE ? GV_ERR_NET : GV_ERR_CONFIG,
                       "cannot listen on %s: %s; free the port or set another with listen = tcp://HOST:PORT in "
                       "config.ini",
                       endpoint, zmq_strerror(errno));
}

static enum gv_err open_router(struct gv_net *net, const struct gv_net_options *options, struct gv_diag *diag)
{
    net->router = zmq_socket(net->context, ZMQ_ROUTER);
    if (net->router == NULL || !gv_socket_set_common(net, net->router) ||
        !gv_socket_set_family(net->router, net->family, options->listen) ||
        !gv_socket_set_int(net->router, ZMQ_CURVE_SERVER, 1) ||
        !gv_socket_set_int(net->router, ZMQ_ROUTER_MANDATORY, 1) ||
        zmq_setsockopt(net->router, ZMQ_ZAP_DOMAIN, GV_ZAP_DOMAIN, strlen(GV_ZAP_DOMAIN)) != 0 ||
        !gv_socket_set_int(net->router, 93 /* ZMQ_ZAP_ENFORCE_DOMAIN, which some headers hide */, 1)) {
        return gv_diag_set(diag, GV_ERR_NET, "cannot set up the listening socket: %s", zmq_strerror(errno));
    }
    net->router_monitor =
        gv_socket_monitor(net, net->router, "inproc://listener",
                          ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                              ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
    if (net->router_monitor == NULL) {
        return gv_diag_set(diag, GV_ERR_NET, "cannot watch the listening socket: %s", zmq_strerror(errno));
    }
    enum gv_err err = bind_router(net->router, options->listen, diag);
    if (err != GV_OK) {
        return err;
    }
    size_t size = sizeof net->endpoint;
    if (zmq_getsockopt(net->router, ZMQ_LAST_ENDPOINT, net->endpoint, &size) != 0) {
        return gv_diag_set(diag, GV_ERR_NET, "cannot read the bound endpoint: %s", zmq_strerror(errno));
    }
    net->router_watch = gv_socket_watch(net->router);
    net->monitor_watch = gv_socket_watch(net->router_monitor);
    const char *colon = strrchr(net->endpoint, ':');
    long port = colon != NULL ? strtol(colon + 1, NULL, 10) : 0;
    gv_inbound_init(&net->inbound, (uint16_t)port, options->inbound_max);
    return GV_OK;
}

enum gv_err gv_net_try_listening(const struct gv_net *net, const char *listen, enum gv_family family,
                                 struct gv_diag *diag)
{
    void *router = listen[0] != '\0' ? zmq_socket(net->context, ZMQ_ROUTER) : NULL;
    if (router == NULL) {
        return GV_OK; /* where there is no socket left, nothing is known about the port */
    }
    const char *ours = strrchr(net->endpoint, ':');
    const char *port = strrchr(listen, ':');
    (void)gv_socket_set_family(router, family, listen);
    enum gv_err err = bind_router(router, listen, diag);
    if (err == GV_ERR_NET && ours != NULL && port != NULL && strcmp(ours, port) == 0) {
        err = GV_OK; /* taken by ourselves */
    }
    (void)zmq_close(router);
    return err;
}

enum gv_err gv_net_new(struct gv_net **net, const struct gv_net_options *options, const struct gv_net_handler *handler,
                       struct gv_diag *diag)
{
    struct gv_net *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    fresh->handler = *handler;
    fresh->key = options->key;
    fresh->family = options->family;
    gv_inbound_init(&fresh->inbound, 0, options->inbound_max);
    fresh->context = zmq_ctx_new();
    enum gv_err err = gv_resolver_new(&fresh->resolver);
    if (err != GV_OK) {
        (void)gv_diag_set(diag, err, "out of memory");
    } else if (fresh->context == NULL || zmq_ctx_set(fresh->context, ZMQ_MAX_SOCKETS, 4 * GV_LINK_SLOTS) != 0) {
        err = gv_diag_set(diag, GV_ERR_NET, "cannot start ZeroMQ: %s", zmq_strerror(errno));
    } else if (zmq_has("curve") != 1) {
        err = gv_diag_set(diag, GV_ERR_NET, "this libzmq is built without CURVE; install one with libsodium");
    } else if (gv_zap_new(&fresh->zap, fresh->context) != GV_OK) {
        err = gv_diag_set(diag, GV_ERR_NET, "cannot bind the ZAP handler: %s", zmq_strerror(errno));
    } else if (options->listen[0] != '\0') {
        err = open_router(fresh, options, diag);
    }
    if (err != GV_OK) {
        gv_net_free(&fresh, 0);
        return err;
    }
    fresh->zap_watch = gv_socket_watch(fresh->zap);
    fresh->resolver_watch.fd = gv_resolver_fd(fresh->resolver);
    *net = fresh;
    return GV_OK;
}

void gv_net_free(struct gv_net **net, int linger_ms)
{
    struct gv_net *old = *net;
    if (old == NULL) {
        return;
    }
    for (size_t i = 0; i < GV_LINK_SLOTS; i++) {
        if (old->slot[i].state != GV_SLOT_FREE) {
            gv_slot_free(old, &old->slot[i], linger_ms);
        }
    }
    if (old->router_monitor != NULL) {
        uint16_t event;
        uint32_t value;
        while (gv_socket_event(old->router_monitor, &event, &value)) {
            /* with events unread the I/O thread may be waiting for room, and would never let the monitor go */
        }
        (void)zmq_socket_monitor(old->router, NULL, 0);
        (void)zmq_close(old->router_monitor);
    }
    if (old->router != NULL) {
        (void)gv_socket_set_int(old->router, ZMQ_LINGER, linger_ms);
        (void)zmq_close(old->router);
    }
    if (old->zap != NULL) {
        (void)zmq_close(old->zap);
    }
    gv_inbound_deinit(&old->inbound);
    gv_resolver_free(&old->resolver);
    if (old->context != NULL) {
        (void)zmq_ctx_term(old->context);
    }
    free(old);
    *net = NULL;
}
