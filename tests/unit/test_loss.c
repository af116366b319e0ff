/* Lost segments: how many, how long they hold a frame up, and when the connection is given up. */
#include <criterion/criterion.h>

#include "learn_help.h"
#include "loss.h"
#include "sim_help.h"

static const uint64_t PATIENCE_US = 15000000;
static const uint64_t TIMEOUT_US = GV_RETRANSMIT_LEAST_US;

Test(loss, is_impossible_at_zero)
{
    struct gv_loss loss;
    gv_loss_init(&loss, 0.0);
    cr_assert_not(gv_loss_possible(&loss));
    gv_loss_init(&loss, 0.001);
    cr_assert(gv_loss_possible(&loss));
}

Test(loss, doubles_the_wait_for_each_further_loss_of_a_segment)
{
    enum { FRAMES = 200000 };
    const double share = 0.3;
    struct gv_loss loss;
    struct gv_random random;
    gv_loss_init(&loss, share);
    gv_random_seed(&random, help_seed(), 0);
    size_t count[GV_SEGMENT_LOSSES_MAX + 1] = {0};
    for (int i = 0; i < FRAMES; i++) {
        uint64_t delay_us;
        bool lives = gv_loss_draw(&loss, &random, GV_SEGMENT_BYTES, 50000, PATIENCE_US, &delay_us);
        unsigned losses = 0;
        while (losses <= GV_SEGMENT_LOSSES_MAX && delay_us != TIMEOUT_US * ((UINT64_C(1) << losses) - 1)) {
            losses++;
        }
        cr_assert_leq(losses, GV_SEGMENT_LOSSES_MAX, "held up by %lu us", (unsigned long)delay_us);
        cr_assert_eq(lives, losses < GV_SEGMENT_LOSSES_MAX);
        count[losses]++;
    }
    double chance = 1.0; /* that a segment is lost at least so often */
    for (unsigned losses = 0; losses < GV_SEGMENT_LOSSES_MAX; losses++, chance *= share) {
        help_expect_share(count[losses], FRAMES, chance * (1.0 - share));
    }
    help_expect_share(count[GV_SEGMENT_LOSSES_MAX], FRAMES, chance);
}

Test(loss, waits_for_two_round_trips_if_that_is_longer)
{
    struct gv_loss loss;
    struct gv_random random;
    gv_loss_init(&loss, 0.5);
    gv_random_seed(&random, help_seed(), 0);
    uint64_t delay_us = 0;
    while (delay_us == 0) {
        (void)gv_loss_draw(&loss, &random, 100, 100001, PATIENCE_US, &delay_us);
    }
    cr_assert_eq(delay_us % 200002, 0);
}

Test(loss, of_everything_breaks_the_connection_after_the_sixth_wait)
{
    struct gv_loss loss;
    struct gv_random random;
    gv_loss_init(&loss, 1.0);
    gv_random_seed(&random, help_seed(), 0);
    uint64_t delay_us;
    cr_assert_not(gv_loss_draw(&loss, &random, 1, 0, PATIENCE_US, &delay_us));
    cr_assert_eq(delay_us, 63 * TIMEOUT_US);
    cr_assert_not(gv_loss_draw(&loss, &random, 100000, 0, PATIENCE_US, &delay_us));
    cr_assert_eq(delay_us, 63 * TIMEOUT_US);
}

Test(loss, gives_up_when_patience_ends)
{
    struct gv_loss loss;
    struct gv_random random;
    gv_loss_init(&loss, 0.5);
    gv_random_seed(&random, help_seed(), 0);
    for (int i = 0; i < 1000; i++) { /* waits of 2, 6, 14 and 30 s */
        uint64_t delay_us;
        bool lives = gv_loss_draw(&loss, &random, 1, 1000000, PATIENCE_US, &delay_us);
        cr_assert(lives ? delay_us <= 14000000 : delay_us == PATIENCE_US, "%lu", (unsigned long)delay_us);
    }
}

Test(loss, of_a_segment_with_others_behind_it_costs_a_round_trip)
{
    enum { FRAMES = 20000, SEGMENTS = 5 };
    struct gv_loss loss;
    struct gv_random random;
    gv_loss_init(&loss, 0.01);
    gv_random_seed(&random, help_seed(), 0);
    size_t told = 0, timed = 0;
    for (int i = 0; i < FRAMES; i++) {
        uint64_t delay_us;
        (void)gv_loss_draw(&loss, &random, SEGMENTS * GV_SEGMENT_BYTES, 1000, PATIENCE_US, &delay_us);
        told += delay_us == 1000;
        timed += delay_us == TIMEOUT_US;
    }
    double others = 0.99 * 0.99 * 0.99 * 0.99 * 0.99; /* the other four, and this one the second time */
    help_expect_share(told, FRAMES, 2 * 0.01 * others);
    help_expect_share(timed, FRAMES, 3 * 0.01 * others);
}

/* The number of lost segments, where each is lost once at most often enough to tell. */
static uint32_t lost_segments(const struct gv_loss *loss, struct gv_random *random, uint32_t segments)
{
    uint64_t delay_us;
    (void)gv_loss_draw(loss, random, segments * GV_SEGMENT_BYTES, 1, UINT64_MAX, &delay_us);
    return (uint32_t)(delay_us / TIMEOUT_US + delay_us % TIMEOUT_US);
}

Test(loss, strikes_each_segment_of_a_large_frame_alike)
{
    enum { FRAMES = 20000, SEGMENTS = 700 };
    const double share = 0.002;
    struct gv_loss loss;
    struct gv_random random;
    gv_loss_init(&loss, share);
    gv_random_seed(&random, help_seed(), 0);
    size_t waits = 0;
    size_t untouched = 0;
    for (int i = 0; i < FRAMES; i++) {
        uint32_t lost = lost_segments(&loss, &random, SEGMENTS);
        waits += lost;
        untouched += lost == 0;
    }
    /* A lost segment waits once, and for the timer too with probability 0.002: 1.002 on average. */
    help_expect_share(waits, (size_t)FRAMES * SEGMENTS, share * 1.002);
    double none = 1.0;
    for (int s = 0; s < SEGMENTS; s++) {
        none *= 1.0 - share;
    }
    help_expect_share(untouched, FRAMES, none);
}

Test(loss, counts_a_part_of_a_segment_as_one)
{
    enum { FRAMES = 100000 };
    struct gv_loss loss;
    struct gv_random random;
    gv_loss_init(&loss, 0.1);
    gv_random_seed(&random, help_seed(), 0);
    size_t one = 0;
    size_t two = 0;
    size_t none = 0;
    for (int i = 0; i < FRAMES; i++) {
        uint64_t delay_us;
        (void)gv_loss_draw(&loss, &random, GV_SEGMENT_BYTES, 0, PATIENCE_US, &delay_us);
        one += delay_us > 0;
        (void)gv_loss_draw(&loss, &random, GV_SEGMENT_BYTES + 1, 0, PATIENCE_US, &delay_us);
        two += delay_us > 0;
        (void)gv_loss_draw(&loss, &random, 0, 0, PATIENCE_US, &delay_us);
        none += delay_us > 0;
    }
    help_expect_share(one, FRAMES, 0.1);
    help_expect_share(two, FRAMES, 0.19);
    help_expect_share(none, FRAMES, 0.1);
}
