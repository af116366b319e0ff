/*
 * What a node's core says and does to others, counted by reason for `status`: who refused us, whom we shut out, which
 * links we closed, what we raised an alarm about; and who has dialled us, from how far away.
 */
#ifndef GV_TALLY_H
#define GV_TALLY_H

#include <stdint.h>

#include "gv/core.h"
#include "scope.h"

#define GV_CAME_IN_MAX 64

struct gv_tally {
    uint64_t refused_by_peers[GV_REASONS]; /* our HELLO, answered with REFUSE */
    uint64_t shut_out[GV_REASONS];         /* peers whose score became bad, by what they did last */
    uint64_t closed[GV_REASONS];           /* links, by us */
    uint64_t alarms[GV_REASONS];
    uint64_t last_refused_us; /* monotonic, 0: never */
    enum gv_err last_refused;

    /* distinct peers whose dials to us were verified; beyond the most that are remembered they count anew */
    uint32_t came_in[GV_SCOPE_COUNTED];
    uint32_t seen_count;
    struct gv_id seen[GV_CAME_IN_MAX];
    uint64_t came_in_us; /* the last one */
};

/** Looks at one effect of the core. */
void gv_tally_effect(struct gv_tally *tally, const struct gv_effect *effect, uint64_t now_us);
/** A member's HELLO on a link that came in was found good; `address` as "tcp://host:port". */
void gv_tally_came_in(struct gv_tally *tally, const struct gv_id *id, const char *address, uint64_t now_us);

/** How many there were in all. */
uint64_t gv_tally_sum(const uint64_t counts[GV_REASONS]);
/** The reason that was counted most often, GV_OK if none was. */
GV_NODISCARD enum gv_err gv_tally_most(const uint64_t counts[GV_REASONS]);

#endif
