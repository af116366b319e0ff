/*
 * The other end of a link, for tests: a bare ZeroMQ client that says what a program of ours never would.
 */
#ifndef GV_LIB_PEER_H
#define GV_LIB_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gv/msg.h"
#include "identity.h"
#include "invite.h"

struct peer {
    void *context, *socket, *monitor;
    bool up;      /* the encrypted handshake is over */
    bool dropped; /* the connection is gone, or never came */
    size_t frame_bytes;
    uint8_t frame[GV_FRAME_BYTES_MAX + 1];
    struct gv_msg msg; /* the last one received */
    struct gv_bulk bulk;
};

/** Prints and exits 1. */
GV_PRINTF(1, 2) _Noreturn void peer_fail(const char *format, ...);

/** Dials. server NULL: no encryption. own NULL: a random link key. */
struct peer *peer_dial(const char *endpoint, const struct gv_curve_public *server, const struct gv_curve_key *own);
void peer_close(struct peer *peer);

/** Looks at the monitor for up to `ms`; true as soon as the handshake is over. */
bool peer_wait_up(struct peer *peer, int ms);
/** True as soon as the other side has dropped us. */
bool peer_wait_dropped(struct peer *peer, int ms);

/** Sends bytes as one frame (more: another part follows). False if that is not possible. */
bool peer_send(struct peer *peer, const void *data, size_t bytes, bool more);
/** Encodes and sends a message. */
void peer_say(struct peer *peer, const struct gv_msg *msg, const struct gv_bulk *bulk);
/** Waits for any message, which is then in peer->msg; false after `ms` or when dropped. */
bool peer_hear_any(struct peer *peer, int ms);
/** Waits for a message of this kind, skipping others; false after `ms` or when dropped. */
bool peer_hear(struct peer *peer, uint32_t kind, int ms);

/** A newcomer: fresh keys, a membership through the invite, a signed record without endpoints. */
struct newcomer {
    struct gv_sign_key *sign;
    struct gv_curve_key *curve;
    struct gv_chain chain;
    uint64_t boot;
    size_t record_bytes;
    uint8_t record[GV_RECORD_BYTES_MAX];
};
struct newcomer *newcomer_new(const struct gv_invite *invite);
void newcomer_free(struct newcomer *newcomer);
/** Says HELLO as a member of `swarm`. */
void newcomer_hello(struct newcomer *newcomer, struct peer *peer, const struct gv_swarm_id *swarm);

#endif
