/*
 * Links: one ROUTER for what comes in, one DEALER per peer we dial, CURVE on both, one ZAP handler. Owned by the loop
 * thread. Knows nothing of messages: whole frames go up, whole frames come down.
 *
 * A link is a number that is never reused: an accepted connection (its routing id) or a dialled socket. Nothing here
 * reconnects: a link that is lost is reported and gone, a redial is a new link.
 */
#ifndef GV_NET_H
#define GV_NET_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

#include "config.h"
#include "drops.h"
#include "gv/err.h"
#include "gv/id.h"
#include "identity.h"

#define GV_LINK_SLOTS 256
#define GV_NET_POLL_MAX (4 + 2 * GV_LINK_SLOTS)

/* What happens on links. Every call comes from gv_net_step(). */
struct gv_net_handler {
    void *context;
    void (*up)(void *context, uint32_t dial, uint32_t link);
    void (*dial_failed)(void *context, uint32_t dial, const char *endpoint, enum gv_err why);
    void (*in)(void *context, uint32_t link);
    void (*frame)(void *context, uint32_t link, zmq_msg_t *message); /* may take the message (leave it empty) */
    void (*bad)(void *context, uint32_t link, enum gv_err why);
    void (*down)(void *context, uint32_t link, enum gv_err why);
};

struct gv_net_options {
    const struct gv_curve_key *key; /* borrowed for the life of the links */
    const char *listen;             /* "" : outbound only */
    enum gv_family family;
    uint32_t inbound_max; /* accepted connections, provisional ones included */
};

struct gv_net_stats {
    uint64_t bytes_in, bytes_out; /* of frames */
    uint64_t accepted, kicked;    /* inbound connections; those we cut by rate, cap, silence or flood */
    struct gv_drops drops;        /* the same and frames, by reason */
    uint32_t inbound, outbound;
};

struct gv_net;

/** Binds ZAP, then the listener. The diagnosis names the endpoint and why it cannot be bound. Returns owned. */
GV_NODISCARD enum gv_err gv_net_new(struct gv_net **net, const struct gv_net_options *options,
                                    const struct gv_net_handler *handler, struct gv_diag *diag);
/** Gives frames already sent up to linger_ms to leave. */
void gv_net_free(struct gv_net **net, int linger_ms);

/**
 * Whether links that are opened anew could listen there, as far as that can be told while these have their own port.
 * The diagnosis is that of gv_net_new().
 */
GV_NODISCARD enum gv_err gv_net_try_listening(const struct gv_net *net, const char *listen, enum gv_family family,
                                              struct gv_diag *diag);

/** Where we listen, as bound ("tcp://0.0.0.0:7400"), "" if outbound only. */
const char *gv_net_endpoint(const struct gv_net *net);

/**
 * Starts to dial; exactly one `up` or `dial_failed` with this number follows. A name is looked up first, of its
 * addresses the first of each family is tried. Why it failed: GV_ERR_UNREACHABLE (nothing listens there, or there is no
 * way to it, or the name stands for nothing), GV_ERR_TIMEOUT (no answer, of the name servers neither), GV_ERR_HANDSHAKE
 * (a connection, but the encrypted handshake failed or was cut), GV_ERR_CROWDED (no free link, or too many names to
 * look up), GV_ERR_NET (no socket).
 */
void gv_net_dial(struct gv_net *net, uint32_t dial, const char *endpoint, const struct gv_curve_public *server,
                 uint64_t now_us);

/** Sends one frame, never waits. Takes the message. GV_ERR_BUSY: the queue is full; GV_ERR_LINK_LOST: no such link. */
GV_NODISCARD enum gv_err gv_net_send(struct gv_net *net, uint32_t link, zmq_msg_t *message);

/** Ends a link once what was sent has had a moment to leave; no `down` follows. Unknown links are ignored. */
void gv_net_close(struct gv_net *net, uint32_t link, uint64_t now_us);

/** The core has let this link in: it no longer counts as provisional. Nothing happens to a dialled one. */
void gv_net_admitted(struct gv_net *net, uint32_t link);

/** The peer's CURVE key, or NULL. */
const struct gv_curve_public *gv_net_key(const struct gv_net *net, uint32_t link);
/** The peer's address as we see it, "tcp://host:port", or "". */
const char *gv_net_address(const struct gv_net *net, uint32_t link);
/** True if we dialled it. */
bool gv_net_dialled(const struct gv_net *net, uint32_t link);

/** Fills what to poll (GV_NET_POLL_MAX), returns the count. */
int gv_net_poll(struct gv_net *net, struct pollfd *fds);
/** Tells what poll() said of these very descriptors. */
void gv_net_polled(struct gv_net *net, const struct pollfd *fds, int count);
/** True if there may be frames that no descriptor will announce any more: do not sleep. */
bool gv_net_pending(const struct gv_net *net);
/** Answers ZAP and caps connections, no more: they may finish their handshakes, frames wait. */
void gv_net_greet(struct gv_net *net, uint64_t now_us);
/** Takes in whatever there is, bounded per call. At least once a second, or pipes leak while nobody looks. */
void gv_net_step(struct gv_net *net, uint64_t now_us);

void gv_net_stats(const struct gv_net *net, struct gv_net_stats *stats);

#endif
