/*
 * Each node's line to the network: bandwidth up and down, frames queueing behind one another, whether it can be dialled
 * and how fast it reads. What a line is like follows from (seed, node) alone.
 */
#ifndef GV_LINE_H
#define GV_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "gv/err.h"
#include "scenario.h"

#define GV_BANDWIDTH_LEAST 125.0 /* bytes per second, a kilobit: with less a frame takes minutes; none is slower */

/* The sender's half is touched by the node's sends only, the receiver's by its arrivals only. */
struct gv_line {
    double up_ns, down_ns;             /* nanoseconds a byte takes; 0: unlimited */
    uint64_t up_free_ns, down_free_ns; /* when what is queued will be through */
};

struct gv_lines {
    struct gv_line *line; /* NULL: all unlimited */
    uint8_t *traits;      /* by node */
    uint32_t per_shard;
};

/** Draws the lines of nodes 0 .. nodes_max - 1. GV_ERR_NOMEM. */
GV_NODISCARD enum gv_err gv_lines_init(struct gv_lines *lines, const struct gv_scenario *scenario, uint64_t seed,
                                       uint32_t nodes_max);
void gv_lines_deinit(struct gv_lines *lines);

/** Node 0 always can be: the others need someone to begin with. */
bool gv_lines_dialable(const struct gv_lines *lines, uint32_t node);
bool gv_lines_slow(const struct gv_lines *lines, uint32_t node);

/** Queues a frame on the uplink: when its last byte is through. */
uint64_t gv_lines_up(struct gv_lines *lines, uint32_t node, uint64_t now_us, uint32_t bytes);
/**
 * The same of the downlink, for a frame from `from` whose last byte comes now. A frame is many segments: the first ones
 * come while the last ones are still on the sender's uplink, so both lines pass it at the same time, and the slower one
 * says how long it takes.
 */
uint64_t gv_lines_down(struct gv_lines *lines, uint32_t from, uint32_t node, uint64_t now_us, uint32_t bytes);

#endif
