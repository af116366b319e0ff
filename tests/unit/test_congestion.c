/* The congestion window: slow start, what a pause leaves of it, and what a loss does. */
#include <criterion/criterion.h>

#include "congestion.h"
#include "loss.h"

enum { SEGMENTS = 10, ROUND_TRIP_US = 100000, TIMEOUT_US = ROUND_TRIP_US + GV_RETRANSMIT_LEAST_US };

static const uint32_t WINDOW = SEGMENTS * GV_SEGMENT_BYTES;
static const uint64_t START_US = 5000000;

static struct gv_congestion fresh(void)
{
    struct gv_congestion window;
    gv_congestion_init(&window, SEGMENTS);
    return window;
}

/* How many round trips a frame waits that is sent at now_us. */
static uint64_t waits(struct gv_congestion *window, uint64_t now_us, uint32_t bytes)
{
    uint64_t wait_us = gv_congestion_send(window, now_us, ROUND_TRIP_US, bytes) - now_us;
    cr_assert_eq(wait_us % ROUND_TRIP_US, 0, "%lu", (unsigned long)wait_us);
    return wait_us / ROUND_TRIP_US;
}

Test(congestion, is_absent_at_zero)
{
    struct gv_congestion window;
    gv_congestion_init(&window, 0);
    for (uint64_t now_us = 0; now_us < 10; now_us++) {
        cr_assert_eq(gv_congestion_send(&window, now_us, ROUND_TRIP_US, UINT32_MAX), now_us);
    }
    gv_congestion_lost(&window);
    cr_assert_eq(gv_congestion_send(&window, 10, ROUND_TRIP_US, UINT32_MAX), 10);
}

Test(congestion, doubles_in_slow_start)
{
    uint32_t bytes = WINDOW;
    for (uint64_t trips = 0; trips < 10; trips++, bytes = 2 * bytes + WINDOW) { /* 1, 3, 7, ... windows */
        struct gv_congestion window = fresh();
        cr_assert_eq(waits(&window, START_US, bytes), trips);
        window = fresh();
        cr_assert_eq(waits(&window, START_US, bytes + 1), trips + 1);
    }
}

Test(congestion, holds_up_what_comes_behind_in_the_same_round_trip)
{
    struct gv_congestion window = fresh();
    cr_assert_eq(waits(&window, START_US, WINDOW - 100), 0);
    cr_assert_eq(waits(&window, START_US, 100), 0);
    cr_assert_eq(gv_congestion_send(&window, START_US + 10, ROUND_TRIP_US, 1), START_US + ROUND_TRIP_US);
    cr_assert_eq(gv_congestion_send(&window, START_US + 20, ROUND_TRIP_US, 2 * WINDOW - 1), START_US + ROUND_TRIP_US);
    cr_assert_eq(gv_congestion_send(&window, START_US + 30, ROUND_TRIP_US, 1), START_US + 2 * ROUND_TRIP_US);
}

Test(congestion, grows_only_where_it_is_needed)
{
    struct gv_congestion window = fresh();
    uint64_t now_us = START_US;
    for (int i = 0; i < 20; i++, now_us += ROUND_TRIP_US) {
        cr_assert_eq(waits(&window, now_us, WINDOW / 2), 0);
    }
    cr_assert_eq(waits(&window, now_us, WINDOW + 1), 1);
}

Test(congestion, halves_with_each_timeout_of_a_pause_down_to_the_initial_window)
{
    const uint64_t pause_us[] = {0, TIMEOUT_US, 2 * TIMEOUT_US, 100 * TIMEOUT_US};
    const uint32_t left[] = {4 * WINDOW, 2 * WINDOW, WINDOW, WINDOW};
    for (int i = 0; i < 4; i++) {
        struct gv_congestion window = fresh();
        cr_assert_eq(waits(&window, START_US, 3 * WINDOW), 1); /* the second round trip makes it four windows */
        uint64_t now_us = START_US + 2 * ROUND_TRIP_US + pause_us[i];
        struct gv_congestion copy = window;
        cr_assert_eq(waits(&copy, now_us, left[i]), 0, "after %lu us", (unsigned long)pause_us[i]);
        cr_assert_eq(waits(&window, now_us, left[i] + 1), 1, "after %lu us", (unsigned long)pause_us[i]);
    }
}

Test(congestion, is_not_kept_open_by_small_frames)
{
    struct gv_congestion window = fresh();
    cr_assert_eq(waits(&window, START_US, 3 * WINDOW), 1);
    uint64_t now_us = START_US + 2 * ROUND_TRIP_US;
    for (; now_us < START_US + 4 * TIMEOUT_US; now_us += ROUND_TRIP_US) {
        cr_assert_eq(waits(&window, now_us, 100), 0);
    }
    cr_assert_eq(waits(&window, now_us, WINDOW + 1), 1);
}

Test(congestion, is_halved_by_a_loss_and_grows_by_a_segment_from_there)
{
    struct gv_congestion window = fresh();
    gv_congestion_lost(&window);
    uint64_t now_us = START_US;
    for (uint32_t segments = SEGMENTS / 2; segments < 2 * SEGMENTS; segments++, now_us += ROUND_TRIP_US) {
        struct gv_congestion copy = window;
        cr_assert_eq(waits(&copy, now_us, segments * GV_SEGMENT_BYTES + 1), 1);
        cr_assert_eq(waits(&window, now_us, segments * GV_SEGMENT_BYTES), 0);
    }
}

Test(congestion, has_two_segments_after_any_losses)
{
    struct gv_congestion window = fresh();
    cr_assert_eq(waits(&window, START_US, WINDOW), 0);
    for (int i = 0; i < 10; i++) {
        gv_congestion_lost(&window);
    }
    cr_assert_eq(waits(&window, START_US, 1), 1); /* what is under way fills it */
    uint64_t now_us = START_US + 10 * ROUND_TRIP_US;
    cr_assert_leq(waits(&window, now_us, 4 * GV_SEGMENT_BYTES), 1);
}

Test(congestion, never_overflows)
{
    struct gv_congestion window = fresh();
    uint64_t now_us = START_US;
    for (int i = 0; i < 40; i++) {
        uint64_t at_us = gv_congestion_send(&window, now_us, ROUND_TRIP_US, UINT32_MAX);
        cr_assert_geq(at_us, now_us);
        now_us = at_us + ROUND_TRIP_US;
    }
    cr_assert_leq(waits(&window, now_us, UINT32_MAX), 4);
}
