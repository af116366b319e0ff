/*
 * What net.c and dial.c share, and nobody else: the table of links and how their sockets are set up.
 *
 *     dialled:   RESOLVING --address--> CONNECTING --HANDSHAKE_SUCCEEDED--> UP --DISCONNECTED--> gone
 *                     |                   |  ^ |
 *                     |                   +--+ +- failure or 5 s, no other address --> gone
 *                     +------ no address, or none within 5 s ------------------------> gone
 *     accepted:  first frame --> UP --DISCONNECTED--> gone
 *     either:    gv_net_close() --> CLOSING --moment to flush--> gone
 */
#ifndef GV_SLOTS_H
#define GV_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "inbound.h"
#include "net.h"
#include "resolver.h"

#define GV_DEAD_ROUTES 64
#define GV_ROUTE_BYTES_MAX 16

/*
 * One socket as poll() sees it. libzmq's descriptor is edge-triggered: it announces that something changed, once, and
 * any call on the socket may swallow that. So `check` is set when the descriptor speaks and after every send, and is
 * cleared only by a receive that finds nothing. This costs one poll() a turn; zmq_poll costs several system calls for
 * each socket, which with a dozen peers was more than the training (measured: a fifth of a core at 8 nodes).
 */
struct gv_watch {
    int fd;
    bool check;
};

enum gv_slot_state { GV_SLOT_FREE = 0, GV_SLOT_RESOLVING, GV_SLOT_CONNECTING, GV_SLOT_UP, GV_SLOT_CLOSING };

struct gv_route { /* a ROUTER's name for a connection */
    uint8_t bytes[GV_ROUTE_BYTES_MAX];
    uint32_t length;
};

struct gv_slot {
    uint32_t link;
    enum gv_slot_state state;
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
    struct gv_watch frames, events;
    int held; /* duplicate of a dialled connection's descriptor, -1 */
    uint64_t delivered_bytes;
    struct gv_route route; /* accepted */
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
    struct gv_watch zap_watch, router_watch, monitor_watch, resolver_watch;
    bool *polled[GV_NET_POLL_MAX]; /* whose `check` each polled descriptor sets */
    char endpoint[GV_ENDPOINT_BYTES_MAX + 1];
    uint64_t now_us;
    uint64_t swept_us;
    uint64_t looked_us; /* at every socket, whatever its descriptor says */
    uint32_t counter;   /* of links given out */
    uint64_t bytes_in, bytes_out;
    bool handshake_failed; /* of the inbound connection whose end comes next */
    uint32_t dead_next;
    struct gv_route dead[GV_DEAD_ROUTES]; /* their last frames may still be queued */
    struct gv_slot slot[GV_LINK_SLOTS];
    struct gv_inbound inbound;
};

/** The slot of this link, or NULL. */
struct gv_slot *gv_slot_find(const struct gv_net *net, uint32_t link);
/** A free slot with a fresh number, or NULL. */
struct gv_slot *gv_slot_take(struct gv_net *net);
/** Ends the slot's dialled connection, or what has become of it; frames already sent get up to linger_ms to leave. */
void gv_slot_close_dealer(struct gv_slot *slot, int linger_ms);
/** The same, and the slot is free again. */
void gv_slot_free(struct gv_net *net, struct gv_slot *slot, int linger_ms);

bool gv_socket_set_int(void *socket, int option, int value);
/** IPv4 alone or both families, as the configuration and this endpoint want it. */
bool gv_socket_set_family(void *socket, enum gv_family family, const char *endpoint);
/** What ROUTER and DEALER have in common. */
bool gv_socket_set_common(const struct gv_net *net, void *socket);
struct gv_watch gv_socket_watch(void *socket);
/** Reports these events of a socket under an inproc name. Returns owned, NULL if that fails. */
void *gv_socket_monitor(const struct gv_net *net, void *socket, const char *name, int events);
/** One monitor event; false if there is none. */
bool gv_socket_event(void *monitor, uint16_t *event, uint32_t *value);

#endif
