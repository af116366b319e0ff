/*
 * The congestion window of a TCP connection: see congestion.h.
 */
#include "congestion.h"

#include <stdbool.h>

#include "loss.h"

#define WINDOW_MAX (UINT32_C(1) << 30)

/* A round trip is over. */
static void grow(struct gv_congestion *window)
{
    bool slow_start = window->bytes < window->threshold;
    uint32_t more = slow_start && window->sent > window->bytes / 2 ? window->sent
                    : window->sent == window->bytes                ? GV_SEGMENT_BYTES
                                                                   : 0;
    if (more > 0) {
        window->full_us = window->round_us;
    }
    window->bytes = window->bytes + more < WINDOW_MAX ? window->bytes + more : WINDOW_MAX;
    window->sent = 0;
}

static void decay(struct gv_congestion *window, uint64_t now_us, uint64_t timeout_us)
{
    while (window->bytes > window->initial && now_us >= window->full_us + timeout_us) {
        window->bytes = window->bytes / 2 > window->initial ? window->bytes / 2 : window->initial;
        window->full_us += timeout_us;
    }
}

void gv_congestion_init(struct gv_congestion *window, uint32_t segments)
{
    *window = (struct gv_congestion){.initial = segments * GV_SEGMENT_BYTES, .threshold = WINDOW_MAX};
    window->bytes = window->initial;
}

uint64_t gv_congestion_send(struct gv_congestion *window, uint64_t now_us, uint64_t round_trip_us, uint32_t bytes)
{
    if (window->initial == 0) {
        return now_us;
    }
    if (now_us >= window->round_us + round_trip_us) {
        grow(window);
        decay(window, now_us, round_trip_us + GV_RETRANSMIT_LEAST_US);
        window->round_us = now_us;
    }
    while (bytes > window->bytes - window->sent) {
        bytes -= window->bytes - window->sent;
        window->sent = window->bytes;
        grow(window);
        window->round_us += round_trip_us;
    }
    window->sent += bytes;
    return now_us > window->round_us ? now_us : window->round_us;
}

void gv_congestion_lost(struct gv_congestion *window)
{
    uint32_t half = window->bytes / 2;
    window->threshold = half > 2 * GV_SEGMENT_BYTES ? half : 2 * GV_SEGMENT_BYTES;
    window->bytes = window->threshold;
    window->sent = window->sent < window->bytes ? window->sent : window->bytes;
}
