/*
 * Where others see us: the address that a node advertises if it listens on all of its own and is not told another.
 *
 * Each peer has one voice, its latest. The first address we hear of will do; another takes its place when three of the
 * last eight peers agree on it (all, if there are fewer than three), and more than on the present one. So of several
 * peers one cannot move us, and none can take from us what we have.
 */
#ifndef GV_OBSERVED_H
#define GV_OBSERVED_H

#include <stdbool.h>
#include <stdint.h>

#include "gv/id.h"
#include "gv/limits.h"

#define GV_SIGHTINGS 8
#define GV_SIGHTINGS_TO_MOVE 3

struct gv_observed {
    char host[GV_ENDPOINT_BYTES_MAX + 1]; /* "1.2.3.4", "[2001:db8::1]"; "": none yet */
    uint32_t next;
    struct {
        struct gv_id peer;
        char host[GV_ENDPOINT_BYTES_MAX + 1];
    } sightings[GV_SIGHTINGS];
};

/** A peer says that it sees us at "tcp://host:port". True if `host` changed. What is no address is passed over. */
bool gv_observed_report(struct gv_observed *observed, const struct gv_id *peer, const char *endpoint);

#endif
