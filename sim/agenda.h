/*
 * An agenda: at most one appointment for each of a fixed number of slots, taken in the order of (time, when it was
 * made). Its memory is fixed at the start and every operation is O(log n), so that thousands of sessions cost little.
 */
#ifndef GV_AGENDA_H
#define GV_AGENDA_H

#include <stdint.h>

#include "gv/err.h"

struct gv_appointment {
    uint64_t at_us;
    uint64_t order; /* counts up */
    uint32_t slot;
};

struct gv_agenda {
    struct gv_appointment *heap; /* a binary heap: the earliest first */
    uint32_t *place;             /* by slot: index in the heap + 1; 0: no appointment */
    uint32_t slots, count;
    uint64_t made;
};

GV_NODISCARD enum gv_err gv_agenda_init(struct gv_agenda *agenda, uint32_t slots);
void gv_agenda_deinit(struct gv_agenda *agenda);

/** Makes the slot's appointment, in place of the one it has. UINT64_MAX: none. */
void gv_agenda_set(struct gv_agenda *agenda, uint32_t slot, uint64_t at_us);

/** The time of the slot's appointment; UINT64_MAX if it has none. */
uint64_t gv_agenda_at(const struct gv_agenda *agenda, uint32_t slot);

/** The time of the first appointment; UINT64_MAX if there is none. */
uint64_t gv_agenda_next(const struct gv_agenda *agenda);

/** Takes the first appointment, which there must be, and returns its slot. */
uint32_t gv_agenda_take(struct gv_agenda *agenda);

#endif
