/*
 * Why a node has no neighbour, in one plain line, from what was counted.
 */
#ifndef GV_LONELY_H
#define GV_LONELY_H

#include <stdbool.h>

#include "gv/core.h"
#include "tally.h"

#define GV_LONELY_BYTES 512

struct gv_lonely {
    const struct gv_core_stats *core;
    const struct gv_tally *tally;
    uint32_t addresses; /* of the members in the address book, how many can be dialled */
    bool listens;
    const char *endpoint; /* where others reach us, "" if that is not known */
    uint64_t now_us;
};

/** False, and "", if there is a neighbour. */
bool gv_lonely_why(char out[GV_LONELY_BYTES], const struct gv_lonely *facts);

#endif
