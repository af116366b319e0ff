/*
 * Links: the sockets, the table of links, dialling and sending.
 *
 *     dialled:   RESOLVING --address--> CONNECTING --HANDSHAKE_SUCCEEDED--> UP --DISCONNECTED--> gone
 *                     |                   |  ^ |
 *                     |                   +--+ +- failure or 5 s, no other address --> gone
 *                     +------ no address, or none within 5 s ------------------------> gone
 *     accepted:  first frame --> UP --DISCONNECTED--> gone
 *     either:    gv_net_close() --> CLOSING --moment to flush--> gone
 */
#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "gv/limits.h"
#include "inbound.h"
#include "resolver.h"
#include "scope.h"
#include "zap.h"

/* Credit bounds the chunks in it to four; the rest is small. At 8, four chunks with their credits and a ping filled it
 * while the I/O thread was starved, and a chunk was lost. */
#define SEND_QUEUE 64
#define DIAL_TIMEOUT_US 5000000u
#define CONNECT_TIMEOUT_MS 4000 /* the addresses of a name share it */
#define CLOSE_FLUSH_US 200000u
#define DEAD_ROUTES 64
#define ROUTE_BYTES_MAX 16
#define FRAMES_PER_STEP 64
#define FRAME_OVERHEAD_BYTES 64u /* ZMTP and CURVE around a frame, rounded up */

/*
 * One socket as poll() sees it. libzmq's descriptor is edge-triggered: it announces that something changed, once, and
 * any call on the socket may swallow that. So `check` is set when the descriptor speaks and after every send, and is
 * cleared only by a receive that finds nothing. This costs one poll() a turn; zmq_poll costs several system calls for
 * each socket, which with a dozen peers was more than the training (measured: a fifth of a core at 8 nodes).
 */
struct watch {
    int fd;
    bool check;
};

enum slot_state { SLOT_FREE = 0, SLOT_RESOLVING, SLOT_CONNECTING, SLOT_UP, SLOT_CLOSING };

struct route { /* a ROUTER's name for a connection */
    uint8_t bytes[ROUTE_BYTES_MAX];
    uint32_t length;
};

struct slot {
    uint32_t link;
    enum slot_state state;
    bool dialled;
    bool lost;      /* a dialled link whose connection ended: reported, then freed */
    bool connected; /* a dialled link has a TCP connection */
    uint32_t dial;
    uint64_t since_us; /* CONNECTING: to the present address */
    struct gv_curve_public key;
    char address[GV_ENDPOINT_BYTES_MAX + 1];
    struct gv_addresses addresses; /* of a dialled link */
    uint32_t tried;                /* of them */
    void *dealer;
    void *monitor;
    struct watch frames, events;
    int held; /* duplicate of a dialled connection's descriptor, -1 */
    uint64_t delivered_bytes;
    struct route route; /* accepted */
};

struct gv_net {
    struct gv_net_handler handler;
    const struct gv_curve_key *key;
    enum gv_family family;
    void *context;
    void *zap;
    void *router;
    void *router_monitor;
    struct gv_resolver *resolver;
    struct watch zap_watch, router_watch, monitor_watch, resolver_watch;
    bool *polled[GV_NET_POLL_MAX]; /* whose `check` each polled descriptor sets */
    char endpoint[GV_ENDPOINT_BYTES_MAX + 1];
    uint64_t now_us;
    uint64_t swept_us;
    uint64_t looked_us; /* at every socket, whatever its descriptor says */
    uint32_t counter;   /* of links given out */
    uint64_t bytes_in, bytes_out;
    bool handshake_failed; /* of the inbound connection whose end comes next */
    uint32_t dead_next;
    struct route dead[DEAD_ROUTES]; /* their last frames may still be queued */
    struct slot slot[GV_LINK_SLOTS];
    struct gv_inbound inbound;
};

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

/* A literal IPv4 address needs no IPv6 socket, and one would show it as [::ffff:1.2.3.4]. */
static bool set_family(const struct gv_net *net, void *socket, const char *endpoint)
{
    bool literal4 =
        strspn(endpoint + strcspn(endpoint, "/"), "/0123456789.:*") == strlen(endpoint) - strcspn(endpoint, "/");
    return set_int(socket, ZMQ_IPV6, net->family == GV_FAMILY_IPV4 || literal4 ? 0 : 1);
}

/* What ROUTER and DEALER have in common. */
static bool set_common(const struct gv_net *net, void *socket)
{
    const struct gv_curve_public *public = gv_curve_key_public(net->key);
    int64_t frame_max = GV_FRAME_BYTES_MAX + GV_CURVE_OVERHEAD_BYTES; /* it counts ciphertext */
    return set_int(socket, ZMQ_LINGER, 0) && set_int(socket, ZMQ_SNDHWM, SEND_QUEUE) &&
           set_int(socket, ZMQ_RCVHWM, 8) && set_int(socket, ZMQ_HANDSHAKE_IVL, 3000) &&
           set_int(socket, ZMQ_HEARTBEAT_IVL, 5000) && set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, 15000) &&
           set_int(socket, ZMQ_HEARTBEAT_TTL, 15000) && /* over 65.5 s it would overflow */
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public->b, GV_KEY_BYTES) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, gv_curve_key_secret(net->key), GV_KEY_BYTES) == 0;
}

static struct watch watch_of(void *socket)
{
    struct watch watch = {.fd = -1, .check = true};
    size_t size = sizeof watch.fd;
    (void)zmq_getsockopt(socket, ZMQ_FD, &watch.fd, &size);
    return watch;
}

static void *monitor_of(const struct gv_net *net, void *socket, const char *name, int events)
{
    if (zmq_socket_monitor(socket, name, events) != 0) {
        return NULL;
    }
    void *pair = zmq_socket(net->context, ZMQ_PAIR);
    if (pair != NULL && (!set_int(pair, ZMQ_LINGER, 0) || zmq_connect(pair, name) != 0)) {
        (void)zmq_close(pair);
        pair = NULL;
    }
    if (pair == NULL) {
        (void)zmq_socket_monitor(socket, NULL, 0);
    }
    return pair;
}

static struct slot *find(const struct gv_net *net, uint32_t link)
{
    const struct slot *slot = &net->slot[link % GV_LINK_SLOTS];
    return slot->state != SLOT_FREE && slot->link == link ? (struct slot *)(uintptr_t)slot : NULL;
}

/* A free slot with a fresh number, or NULL: 24 bits of counter above the slot's index, so that a number comes again
 * after sixteen million links. */
static struct slot *take_slot(struct gv_net *net)
{
    for (uint32_t i = 0; i < GV_LINK_SLOTS; i++) {
        struct slot *slot = &net->slot[i];
        if (slot->state == SLOT_FREE) {
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

/* Ends a dialled connection, or what has become of it. */
static void close_dealer(struct slot *slot, int linger_ms)
{
    if (slot->monitor != NULL) {
        (void)zmq_socket_monitor(slot->dealer, NULL, 0);
        (void)zmq_close(slot->monitor);
    }
    if (slot->dealer != NULL) {
        (void)set_int(slot->dealer, ZMQ_LINGER, linger_ms);
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

static void free_slot(struct gv_net *net, struct slot *slot, int linger_ms)
{
    close_dealer(slot, linger_ms);
    if (slot->route.length > 0) {
        net->dead[net->dead_next++ % DEAD_ROUTES] = slot->route;
    }
    memset(slot, 0, sizeof *slot);
    slot->held = -1;
}

/* ---- dialling -------------------------------------------------------------------------------------------- */

static int connect_ms(const struct slot *slot)
{
    return CONNECT_TIMEOUT_MS / (int)slot->addresses.count;
}

/* To an address: a name would hold up all links for as long as libzmq looks it up. */
static bool open_dealer(struct gv_net *net, struct slot *slot, const char *endpoint)
{
    char name[64];
    (void)snprintf(name, sizeof name, "inproc://link-%u-%u", slot->link, slot->tried);
    slot->dealer = zmq_socket(net->context, ZMQ_DEALER);
    if (slot->dealer == NULL) {
        return false;
    }
    /* RECONNECT_IVL -1: libzmq's own reconnects have no jitter and resurrect links we gave up. IMMEDIATE: nothing is
     * queued for a connection that does not exist, so nothing stale is delivered to the next one. */
    bool ready = set_common(net, slot->dealer) && set_family(net, slot->dealer, endpoint) &&
                 set_int(slot->dealer, ZMQ_RECONNECT_IVL, -1) && set_int(slot->dealer, ZMQ_IMMEDIATE, 1) &&
                 set_int(slot->dealer, ZMQ_CONNECT_TIMEOUT, connect_ms(slot)) &&
                 zmq_setsockopt(slot->dealer, ZMQ_CURVE_SERVERKEY, slot->key.b, GV_KEY_BYTES) == 0;
    int events = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_DISCONNECTED |
                 ZMQ_EVENT_CLOSED;
    slot->monitor = ready ? monitor_of(net, slot->dealer, name, events) : NULL;
    if (slot->monitor == NULL || zmq_connect(slot->dealer, endpoint) != 0) {
        close_dealer(slot, 0);
        return false;
    }
    slot->frames = watch_of(slot->dealer);
    slot->events = watch_of(slot->monitor);
    return true;
}

/* Connects to the next address that there is. False: there is none. */
static bool connect_next(struct gv_net *net, struct slot *slot)
{
    slot->state = SLOT_CONNECTING;
    slot->since_us = net->now_us;
    bool opened = false;
    while (!opened && slot->tried < slot->addresses.count) {
        opened = open_dealer(net, slot, slot->addresses.endpoint[slot->tried++]);
    }
    return opened;
}

static void fail_dial(struct gv_net *net, struct slot *slot, enum gv_err why)
{
    uint32_t dial = slot->dial;
    char endpoint[sizeof slot->address];
    memcpy(endpoint, slot->address, sizeof endpoint);
    free_slot(net, slot, 0);
    net->handler.dial_failed(net->handler.context, dial, endpoint, why);
}

void gv_net_dial(struct gv_net *net, uint32_t dial, const char *endpoint, const struct gv_curve_public *server,
                 uint64_t now_us)
{
    net->now_us = now_us;
    struct slot *slot = take_slot(net);
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
            fail_dial(net, slot, GV_ERR_NET);
        }
        return;
    }
    slot->state = SLOT_RESOLVING;
    if (!gv_resolver_ask(net->resolver, slot->link, endpoint, net->family, now_us)) {
        fail_dial(net, slot, GV_ERR_CROWDED);
    }
}

static void step_resolver(struct gv_net *net)
{
    uint32_t link;
    struct gv_addresses addresses;
    net->resolver_watch.check = false; /* all of them are taken */
    while (gv_resolver_take(net->resolver, &link, &addresses, net->now_us)) {
        struct slot *slot = find(net, link);
        if (slot == NULL || slot->state != SLOT_RESOLVING) {
            continue; /* it came too late */
        }
        slot->addresses = addresses;
        if (!connect_next(net, slot)) {
            fail_dial(net, slot, addresses.count > 0 ? GV_ERR_NET : GV_ERR_UNREACHABLE);
        }
    }
}

/* One monitor event; false if there is none. */
static bool monitor_event(void *monitor, uint16_t *event, uint32_t *value)
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

static void dialled_events(struct gv_net *net, struct slot *slot)
{
    uint16_t event;
    uint32_t value;
    slot->events.check = false; /* all of them are taken */
    while (monitor_event(slot->monitor, &event, &value)) {
        if (event == ZMQ_EVENT_CONNECTED) {
            slot->connected = true;
            slot->held = slot->held < 0 ? fcntl((int)value, F_DUPFD_CLOEXEC, 0) : slot->held;
        } else if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
            slot->state = slot->state == SLOT_CONNECTING ? SLOT_UP : slot->state;
            slot->frames.check = true;
            net->handler.up(net->handler.context, slot->dial, slot->link);
        } else {
            slot->lost = true;
        }
    }
}

/* Ends a lost or overdue dialled connection and says so, unless there is another address to try. Called after its last
 * frames were read. */
static void settle_dialled(struct gv_net *net, struct slot *slot)
{
    uint64_t age_us = gv_elapsed_us(net->now_us, slot->since_us);
    uint32_t link = slot->link;
    if (slot->state == SLOT_CONNECTING && (slot->lost || age_us > DIAL_TIMEOUT_US)) {
        bool silent = !slot->connected && age_us >= (uint64_t)connect_ms(slot) * 1000u;
        enum gv_err why = slot->connected ? GV_ERR_HANDSHAKE : (silent ? GV_ERR_TIMEOUT : GV_ERR_UNREACHABLE);
        close_dealer(slot, 0);
        if (!connect_next(net, slot)) {
            fail_dial(net, slot, why);
        }
    } else if (slot->state == SLOT_UP && slot->lost) {
        free_slot(net, slot, 0);
        net->handler.down(net->handler.context, link, GV_ERR_LINK_LOST);
    }
}

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

static void read_dealer(struct gv_net *net, struct slot *slot)
{
    uint32_t link = slot->link;
    for (int turn = 0; turn < FRAMES_PER_STEP && slot->link == link && slot->state == SLOT_UP; turn++) {
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

static bool same_route(const struct route *a, const struct route *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* The link of a ROUTER's route; a new one for a connection that speaks for the first time; NULL for the dead. */
static struct slot *slot_of_route(struct gv_net *net, const struct route *route, zmq_msg_t *frame, bool *fresh)
{
    struct gv_curve_public key;
    *fresh = false;
    for (size_t i = 0; i < GV_LINK_SLOTS; i++) {
        struct slot *slot = &net->slot[i];
        if (slot->state != SLOT_FREE && !slot->dialled && same_route(&slot->route, route)) {
            /* Routing ids are the peer's to choose: what a message may do is its key's right, not its route's. */
            if (gv_zap_key_of(&key, frame) && memcmp(key.b, slot->key.b, sizeof key.b) == 0) {
                return slot;
            }
            gv_drop(&net->inbound.drops, GV_DROP_ROUTE, "");
            return NULL;
        }
    }
    for (size_t i = 0; i < DEAD_ROUTES; i++) {
        if (same_route(&net->dead[i], route)) {
            return NULL; /* its last words, after we or it have ended the link */
        }
    }
    struct gv_connection *connection = gv_inbound_find(&net->inbound, zmq_msg_get(frame, ZMQ_SRCFD));
    if (connection == NULL || connection->link != 0 || connection->kicked || !gv_zap_key_of(&key, frame)) {
        gv_drop(&net->inbound.drops, GV_DROP_ROUTE, connection != NULL ? connection->text : "");
        return NULL; /* an empty User-Id would mean that nobody authenticated this connection */
    }
    struct slot *slot = take_slot(net);
    if (slot == NULL) {
        gv_drop(&net->inbound.drops, GV_DROP_LINKS, connection->text);
        gv_inbound_kick(connection);
        return NULL;
    }
    slot->state = SLOT_UP;
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
        struct route route = {.length = (uint32_t)zmq_msg_size(&head)};
        bool fresh = false;
        struct slot *slot = NULL;
        if (route.length > 0 && route.length <= ROUTE_BYTES_MAX) {
            memcpy(route.bytes, zmq_msg_data(&head), route.length);
            slot = slot_of_route(net, &route, &frame, &fresh);
        }
        if (slot != NULL && slot->state == SLOT_UP) {
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
    while (monitor_event(net->router_monitor, &event, &value)) {
        if (event == ZMQ_EVENT_ACCEPTED) {
            gv_inbound_accepted(&net->inbound, (int)value, net->now_us);
        } else if (event != ZMQ_EVENT_DISCONNECTED) {
            net->handshake_failed = true; /* whose, its DISCONNECTED says next */
        } else {
            note_handshake(net, (int)value);
            uint32_t link = gv_inbound_disconnected(&net->inbound, (int)value);
            struct slot *slot = link != 0 ? find(net, link) : NULL;
            if (slot != NULL) {
                bool report = slot->state == SLOT_UP;
                free_slot(net, slot, 0);
                if (report) {
                    net->handler.down(net->handler.context, link, GV_ERR_LINK_LOST);
                }
            }
        }
    }
}

enum gv_err gv_net_send(struct gv_net *net, uint32_t link, zmq_msg_t *message)
{
    struct slot *slot = find(net, link);
    if (slot == NULL || slot->state != SLOT_UP) {
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
    struct slot *slot = find(net, link);
    if (slot == NULL || slot->state == SLOT_CLOSING) {
        return;
    }
    if (slot->dialled) {
        free_slot(net, slot, (int)(CLOSE_FLUSH_US / 1000));
        return;
    }
    slot->state = SLOT_CLOSING;
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
        struct slot *slot = &net->slot[i];
        if (slot->state == SLOT_CLOSING && gv_elapsed_us(net->now_us, slot->since_us) > CLOSE_FLUSH_US) {
            struct gv_connection *connection = gv_inbound_of_link(&net->inbound, slot->link);
            if (connection != NULL) {
                gv_inbound_kick(connection);
            }
            free_slot(net, slot, 0);
        } else if (slot->state == SLOT_RESOLVING && gv_elapsed_us(net->now_us, slot->since_us) > GV_LOOKUP_US) {
            fail_dial(net, slot, GV_ERR_TIMEOUT);
        }
    }
    if (gv_elapsed_us(net->now_us, net->swept_us) < 1000000u) {
        return;
    }
    net->swept_us = net->now_us;
    gv_inbound_sweep(&net->inbound, net->now_us);
    for (size_t i = 0; i < GV_LINK_SLOTS; i++) {
        struct slot *slot = &net->slot[i];
        uint64_t allowed = slot->delivered_bytes + 8ull * GV_CHUNK_BYTES_MAX + 2ull * GV_FRAME_BYTES_MAX +
                           gv_elapsed_us(net->now_us, slot->since_us) / 1000000u * 64u;
        if (slot->state == SLOT_UP && slot->held >= 0 && gv_received_bytes(slot->held) > allowed) {
            uint32_t link = slot->link;
            free_slot(net, slot, 0);
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

static void step_dialled(struct gv_net *net, struct slot *slot)
{
    uint32_t link = slot->link;
    dialled_events(net, slot);
    if (slot->link == link && slot->state == SLOT_UP && slot->frames.check) {
        read_dealer(net, slot);
    }
    if (slot->link == link) {
        settle_dialled(net, slot);
    }
}

void gv_net_greet(struct gv_net *net)
{
    net->zap_watch.check = gv_zap_step(net->zap, &net->inbound.drops);
}

void gv_net_step(struct gv_net *net, uint64_t now_us)
{
    net->now_us = now_us;
    bool all = gv_elapsed_us(now_us, net->looked_us) > 900000u;
    net->looked_us = all ? now_us : net->looked_us;
    if (all || net->zap_watch.check) {
        gv_net_greet(net);
    }
    if (net->router != NULL && (all || net->router_watch.check || net->monitor_watch.check)) {
        step_router(net);
    }
    if (all || net->resolver_watch.check) {
        step_resolver(net);
    }
    for (size_t i = 0; i < GV_LINK_SLOTS; i++) {
        struct slot *slot = &net->slot[i];
        bool live = slot->state == SLOT_CONNECTING || slot->state == SLOT_UP;
        if (live && slot->dialled && (all || slot->frames.check || slot->events.check || slot->lost)) {
            slot->frames.check = slot->frames.check || all;
            step_dialled(net, slot);
        }
    }
    sweep(net);
}

static int add_watch(struct gv_net *net, struct pollfd *fds, int count, struct watch *watch)
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
        struct slot *slot = &net->slot[i];
        if (slot->state != SLOT_FREE && slot->dealer != NULL) {
            if (slot->state == SLOT_UP) { /* before, its descriptor speaks of commands that nobody takes yet */
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
        const struct slot *slot = &net->slot[i];
        pending = slot->dealer != NULL && ((slot->state == SLOT_UP && slot->frames.check) || slot->events.check);
    }
    return pending;
}

/* ---- what is known of a link ------------------------------------------------------------------------------ */

const struct gv_curve_public *gv_net_key(const struct gv_net *net, uint32_t link)
{
    const struct slot *slot = find(net, link);
    return slot != NULL ? &slot->key : NULL;
}

const char *gv_net_address(const struct gv_net *net, uint32_t link)
{
    const struct slot *slot = find(net, link);
    return slot != NULL ? slot->address : "";
}

bool gv_net_dialled(const struct gv_net *net, uint32_t link)
{
    const struct slot *slot = find(net, link);
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
        stats->outbound += net->slot[i].state == SLOT_UP && net->slot[i].dialled ? 1u : 0u;
    }
}

/* ---- life ------------------------------------------------------------------------------------------------ */

static enum gv_err open_router(struct gv_net *net, const struct gv_net_options *options, struct gv_diag *diag)
{
    net->router = zmq_socket(net->context, ZMQ_ROUTER);
    if (net->router == NULL || !set_common(net, net->router) || !set_family(net, net->router, options->listen) ||
        !set_int(net->router, ZMQ_CURVE_SERVER, 1) || !set_int(net->router, ZMQ_ROUTER_MANDATORY, 1) ||
        zmq_setsockopt(net->router, ZMQ_ZAP_DOMAIN, GV_ZAP_DOMAIN, strlen(GV_ZAP_DOMAIN)) != 0 ||
        !set_int(net->router, 93 /* ZMQ_ZAP_ENFORCE_DOMAIN, which some headers hide */, 1)) {
        return gv_diag_set(diag, GV_ERR_NET, "cannot set up the listening socket: %s", zmq_strerror(errno));
    }
    net->router_monitor =
        monitor_of(net, net->router, "inproc://listener",
                   ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                       ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH);
    if (net->router_monitor == NULL) {
        return gv_diag_set(diag, GV_ERR_NET, "cannot watch the listening socket: %s", zmq_strerror(errno));
    }
    if (zmq_bind(net->router, options->listen) != 0) {
        return gv_diag_set(diag, errno == EADDRINUSE ? GV_ERR_NET : GV_ERR_CONFIG,
                           "cannot listen on %s: %s; free the port or set another with listen = tcp://HOST:PORT in "
                           "config.ini",
                           options->listen, zmq_strerror(errno));
    }
    size_t size = sizeof net->endpoint;
    if (zmq_getsockopt(net->router, ZMQ_LAST_ENDPOINT, net->endpoint, &size) != 0) {
        return gv_diag_set(diag, GV_ERR_NET, "cannot read the bound endpoint: %s", zmq_strerror(errno));
    }
    net->router_watch = watch_of(net->router);
    net->monitor_watch = watch_of(net->router_monitor);
    const char *colon = strrchr(net->endpoint, ':');
    long port = colon != NULL ? strtol(colon + 1, NULL, 10) : 0;
    gv_inbound_init(&net->inbound, (uint16_t)port, options->inbound_max);
    return GV_OK;
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
    fresh->zap_watch = watch_of(fresh->zap);
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
        if (old->slot[i].state != SLOT_FREE) {
            free_slot(old, &old->slot[i], linger_ms);
        }
    }
    if (old->router_monitor != NULL) {
        (void)zmq_socket_monitor(old->router, NULL, 0);
        (void)zmq_close(old->router_monitor);
    }
    if (old->router != NULL) {
        (void)set_int(old->router, ZMQ_LINGER, linger_ms);
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
