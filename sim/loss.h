/*
 * Lost segments of a TCP connection: how long a frame is held up by them, and whether the connection outlives them.
 */
#ifndef GV_LOSS_H
#define GV_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#include "random.h"

#define GV_SEGMENT_BYTES 1448u         /* of 1,500 on Ethernet: less IPv4, TCP and its timestamps */
#define GV_RETRANSMIT_LEAST_US 200000u /* TCP_RTO_MIN of Linux */
#define GV_SEGMENTS_TELLING 3u         /* behind a lost one: so many duplicate acknowledgements, and it is sent again */
#define GV_SEGMENT_LOSSES_MAX 6u       /* so many losses of one segment in a row, and the connection is given up */

/* What drawing needs, computed once. */
struct gv_loss {
    double share;    /* of segments, 0..1 */
    double survives; /* 1 - share */
    double per_log;  /* 1 / ln(survives); 0 if every segment is lost */
};

void gv_loss_init(struct gv_loss *loss, double share);

/** True if segments can be lost at all. */
static inline bool gv_loss_possible(const struct gv_loss *loss)
{
    return loss->survives < 1.0;
}

/**
 * Draws the fate of a frame of `bytes` on a path with this round trip. Each lost segment holds the frame up:
 * by a round trip if three others of the frame come behind it (RFC 5681, fast retransmit), else by max(200 ms, 2 round
 * trips); by that, and twice as long each time, for each further loss of the same segment. True: it gets through after
 * *delay_us more. False: after *delay_us the connection is given up, because a segment was lost six times in a row or
 * held everything up for longer than `patience_us`.
 */
bool gv_loss_draw(const struct gv_loss *loss, struct gv_random *random, uint32_t bytes, uint64_t round_trip_us,
                  uint64_t patience_us, uint64_t *delay_us);

#endif
