/*
 * Cuts of the modelled network: for a while, the nodes on one side of a line do not reach those on the other. Cuts may
 * overlap; a frame gets through when none of them is closed.
 */
#ifndef GV_CUTS_H
#define GV_CUTS_H

#include <stdint.h>

#include "gv/err.h"
#include "scenario.h"

struct gv_cut_line {
    uint8_t *side; /* one bit a node, little-endian within bytes */
    uint64_t from_us, until_us;
    uint64_t flap_us; /* closed and open for this long in turn; 0: closed all the time */
    enum gv_cut cut;
};

/* All zero: none. */
struct gv_cuts {
    struct gv_cut_line *line;
    uint32_t count, capacity;
    uint32_t nodes_max;
    uint64_t ends_us; /* when the last one is over */
};

void gv_cuts_init(struct gv_cuts *cuts, uint32_t nodes_max);
void gv_cuts_deinit(struct gv_cuts *cuts);

/** Adds a cut; copies `side` (nodes_max bits). With an end not after its beginning it is none. GV_ERR_NOMEM. */
GV_NODISCARD enum gv_err gv_cuts_add(struct gv_cuts *cuts, const uint8_t *side, uint64_t from_us, uint64_t until_us,
                                     enum gv_cut cut, uint64_t flap_us);

/** The first time at or after now_us at which no cut is closed between the two; UINT64_MAX: never. */
uint64_t gv_cuts_open_us(const struct gv_cuts *cuts, uint32_t from, uint32_t to, uint64_t now_us);

#endif
