/*
 * The congestion window of one direction of a TCP connection: how long a frame waits for acknowledgements of what was
 * sent before it.
 *
 * Time goes by round trips. In each, as much may leave as the window holds; the rest of a frame waits for the next one.
 */
#ifndef GV_CONGESTION_H
#define GV_CONGESTION_H

#include <stdint.h>

struct gv_congestion {
    uint64_t round_us;  /* when the present round trip began; later than now while a frame waits */
    uint64_t full_us;   /* when the window was needed last */
    uint32_t bytes;     /* the window */
    uint32_t sent;      /* of it, in the present round trip */
    uint32_t threshold; /* from here on it grows by a segment a round trip */
    uint32_t initial;   /* 0: there is no window */
};

/** A new connection's, of so many segments (RFC 6928: ten); 0: nothing ever waits. */
void gv_congestion_init(struct gv_congestion *window, uint32_t segments);

/**
 * When the last byte of a frame that is sent now may leave, on a path with this round trip (microseconds, above 0):
 * now_us or later. What leaves in its last round trip takes no time of its own; the sender's line knows how long it
 * takes.
 *
 * Below the threshold the window doubles in a round trip that used more than half of it, above by a segment in one that
 * used all (RFC 5681). One that was not needed for a retransmission timeout halves, down to the initial one (RFC 2861,
 * as Linux has it: small frames now and then do not keep it open).
 */
uint64_t gv_congestion_send(struct gv_congestion *window, uint64_t now_us, uint64_t round_trip_us, uint32_t bytes);

/** A segment was lost: the window and the threshold are half of what it was, and two segments at least (RFC 5681, fast
 *  retransmit; also where only the timer tells, after which a sender would begin with one). */
void gv_congestion_lost(struct gv_congestion *window);

#endif
