/*
 * Accepted connections, known by the descriptor libzmq reports: caps, rates per address, silence and floods.
 *
 * libzmq has no call to refuse or end one connection, so we hold a duplicate of each descriptor and shut it down; it
 * is ours as long as we hold it, however libzmq's own number is reused. What costs least is cut first: a connection
 * beyond a cap or rate is shut at ACCEPTED, before its handshake costs any X25519 work.
 */
#ifndef GV_INBOUND_H
#define GV_INBOUND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "drops.h"
#include "gv/limits.h"

#define GV_INBOUND_SLOTS 160
#define GV_ADDRESS_SLOTS 64
#define GV_PER_ADDRESS_PROVISIONAL_MAX 4 /* connections of one address that were not admitted yet */
#define GV_HANDSHAKES_PER_S 20
#define GV_HANDSHAKE_BURST 5
#define GV_PROVISIONAL_MAX 32       /* the same in all */
#define GV_LOCAL_PROVISIONAL_MAX 64 /* the same of our own machine, on top: a local swarm must be able to form */
#define GV_PROVISIONAL_GRACE_US (1000 * 1000) /* three round trips; then it makes way for a newcomer */

struct gv_connection {
    int fd;        /* libzmq's number, -1: free slot */
    int held;      /* our duplicate */
    uint32_t link; /* 0: has not spoken */
    bool admitted; /* the core has let its link in: it is no longer provisional */
    bool kicked;
    bool local; /* from this machine */
    uint64_t accepted_us;
    uint64_t delivered_bytes; /* of frames, with their overhead */
    uint8_t source[16];
    char text[GV_ENDPOINT_BYTES_MAX + 1];
};

struct gv_address_rate { /* token bucket, tokens in thousandths */
    uint8_t source[16];
    uint64_t updated_us;
    uint32_t tokens;
};

struct gv_inbound {
    uint16_t port; /* of our listener, host order: a descriptor that is not bound to it is not ours to shut */
    uint32_t max;
    uint32_t count;
    uint64_t accepted;
    struct gv_drops drops; /* of connections; net.c adds those of frames */
    struct gv_connection slot[GV_INBOUND_SLOTS];
    struct gv_address_rate rate[GV_ADDRESS_SLOTS];
};

/** What a connection may have received when so much of it was delivered: chunks under way, a frame being put together,
 *  and what is never delivered to us, as the heartbeats that others may send. Whoever is beyond it floods. */
uint64_t gv_inbound_allowance(uint64_t delivered_bytes, uint64_t age_us);

void gv_inbound_init(struct gv_inbound *inbound, uint16_t port, uint32_t max);
void gv_inbound_deinit(struct gv_inbound *inbound);

/** A monitor's ACCEPTED: notes the connection, or cuts it. */
void gv_inbound_accepted(struct gv_inbound *inbound, int fd, uint64_t now_us);
/** A monitor's DISCONNECTED: frees the slot. Returns the link it carried, 0 if none. */
uint32_t gv_inbound_disconnected(struct gv_inbound *inbound, int fd);
/** The connection of this descriptor, or NULL. */
struct gv_connection *gv_inbound_find(struct gv_inbound *inbound, int fd);
struct gv_connection *gv_inbound_of_link(struct gv_inbound *inbound, uint32_t link);
/** Shuts a connection down; its DISCONNECTED will follow. */
void gv_inbound_kick(struct gv_connection *connection);
/** The connections that were cut, for whatever reason. */
uint64_t gv_inbound_cut(const struct gv_inbound *inbound);
/** Once a second: cuts the silent and those that sent much more than was delivered (endless multipart frames). */
void gv_inbound_sweep(struct gv_inbound *inbound, uint64_t now_us);

/**
 * What limits per address count as one address: IPv4 as it is (mapped into IPv6), of IPv6 the first 64 bits. True for
 * our own machine, which is exempt: 127.0.0.1 and ::1 themselves, not the rest of 127.0.0.0/8.
 */
bool gv_inbound_source(uint8_t out[16], const struct sockaddr_storage *address);

/** Bytes the kernel received on a connection, 0 if unknown. */
uint64_t gv_received_bytes(int fd);
/** Text "tcp://host:port" of a socket address; false if it is not an IP address. */
bool gv_address_text(char out[GV_ENDPOINT_BYTES_MAX + 1], const struct sockaddr_storage *address);

#endif
