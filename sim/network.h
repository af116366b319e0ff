/*
 * The modelled network: what each node's line and each pair's path are like, and when a frame arrives.
 *
 * Links are TCP: a lost segment is sent again and delays everything behind it on its link; several losses in a row
 * reset the link. Frames of a node queue behind one another on its own uplink, then on the receiver's downlink. A cut
 * holds frames back until it heals; a link that has been held for GV_LINK_DEAD_US is down at both ends.
 *
 * Everything about a node or a pair is a function of (seed, node) or (seed, pair), so nothing depends on the order of
 * events. State that changes belongs to one node: gv_network_send() touches only the sender's, gv_network_receive()
 * only the receiver's, so shards may call them at once. Cuts change only between windows.
 */
#ifndef GV_NETWORK_H
#define GV_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "congestion.h"
#include "gv/err.h"
#include "random.h"
#include "scenario.h"

#define GV_LATENCY_LEAST_US 100u              /* nothing is nearer than this, whatever the scenario draws */
#define GV_LINK_DEAD_US (15u * 1000u * 1000u) /* a link that delivers nothing for so long is down */
#define GV_SEND_QUEUE_FRAMES 64u              /* frames a sender may have under way on one link, as libzmq's SNDHWM */

struct gv_network;

/* One direction of one link; lives with the sender's half of the link. Zero, then gv_path_init(). */
struct gv_path {
    uint32_t latency_us;  /* of the pair */
    uint32_t frames;      /* estimate of frames under way, for slow readers */
    uint64_t last_us;     /* arrival of the frame before: TCP keeps the order */
    uint64_t consumed_us; /* when a slow reader will have read it */
    struct gv_congestion congestion;
};

/** True if a frame sent before has met a reset, which both ends will hear of. */
static inline bool gv_path_broken(const struct gv_path *path)
{
    return path->last_us >> 63 != 0;
}

/** When the receiver has read what was sent before; 0: nothing was. Of an unbroken path. */
static inline uint64_t gv_path_through_us(const struct gv_path *path)
{
    return path->consumed_us != UINT64_MAX && path->consumed_us > path->last_us ? path->consumed_us : path->last_us;
}

enum gv_fate {
    GV_FATE_DELIVER = 0,
    GV_FATE_RESET, /* the link breaks at arrive_us, at both ends; this frame is lost and all later ones are */
    GV_FATE_FULL,  /* the send queue is full: the frame is lost, the link lives (GV_EV_SEND_FAILED) */
};

struct gv_transit {
    enum gv_fate fate;
    uint64_t arrive_us; /* at the receiver's downlink; at least GV_LATENCY_LEAST_US and the window from now */
    bool damaged;       /* one byte of it is to be changed */
};

/** `nodes_max` nodes at most, ever. Copies what it needs of the scenario. Returns owned. */
GV_NODISCARD enum gv_err gv_network_new(struct gv_network **network, const struct gv_scenario *scenario, uint64_t seed,
                                        uint32_t nodes_max);
void gv_network_free(struct gv_network **network);

/** The smallest latency that any frame or dial can have: the engine's window. */
uint64_t gv_network_window(const struct gv_scenario *scenario);

/** False for an outbound-only node; never for node 0, with which the others begin. */
bool gv_network_dialable(const struct gv_network *network, uint32_t node);

void gv_path_init(struct gv_path *path, const struct gv_network *network, uint32_t from, uint32_t to);

/**
 * When and whether a frame of `bytes` sent now arrives. `random` is the sender's generator.
 *
 * In this order: a slow reader that has GV_SEND_QUEUE_FRAMES under way on this link refuses it (FULL); it queues on
 * the sender's uplink, and for room in the congestion window; each lost segment of 1,448 bytes holds it up as loss.h
 * says, and six losses in a row break the link (RESET); a closed cut holds it until it heals; latency and jitter; it
 * does not overtake the frame before. A segment or a cut that holds it for longer than GV_LINK_DEAD_US breaks the
 * link then; a queue does not. A slow reader takes 1 / slow_rate for each frame of each of its links.
 */
struct gv_transit gv_network_send(struct gv_network *network, struct gv_path *path, uint32_t from, uint32_t to,
                                  uint64_t now_us, uint32_t bytes, struct gv_random *random);

/**
 * The arrival of a frame's last byte at a node's downlink: when it is through; now, if the downlink is free and as fast
 * as the sender's uplink.
 */
uint64_t gv_network_receive(struct gv_network *network, uint32_t from, uint32_t node, uint64_t now_us, uint32_t bytes);

/** The first time at or after now_us at which `from` can reach `to`; UINT64_MAX: never. now_us: not cut. */
uint64_t gv_network_reaches(const struct gv_network *network, uint32_t from, uint32_t to, uint64_t now_us);

/** Ends loss, cuts and damage from now on (the liveness phase). In a control. */
void gv_network_calm(struct gv_network *network);

/**
 * In a control: cuts the nodes whose `side` bit differs, from from_us to until_us. `side` (nodes_max bits,
 * little-endian within bytes) is copied. Node numbers not yet in use belong to side 0. ONE_WAY: frames of side 1 do
 * not reach side 0. FLAPPING: cut and healed for flap_us each, in turn. Cuts may overlap.
 */
GV_NODISCARD enum gv_err gv_network_cut(struct gv_network *network, const uint8_t *side, uint64_t from_us,
                                        uint64_t until_us, enum gv_cut cut, uint64_t flap_us);

#endif
