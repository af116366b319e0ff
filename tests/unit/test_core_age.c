/*
 * The swarm's clock: an age follows what most partners say, whatever a few of them claim.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "core_state.h"

#define STEP (UINT64_C(1) << 16)
#define OURS (1000 * STEP)
#define H 16u

static struct gv_core *core;

static void setup(void)
{
    struct gv_core_config config;
    gv_core_defaults(&config);
    core = gv_core_init(malloc(gv_core_bytes(&config)), &config);
    core->manifest.local_steps = H;
    gv_age_set(core, OURS);
}

static void teardown(void)
{
    free(core);
}

TestSuite(core_age, .init = setup, .fini = teardown);

/* An exchange with somebody who claims this. By how much ours moved. */
static int64_t meets(uint64_t claimed)
{
    core->exchange.age_ours = core->age;
    core->exchange.age_theirs = gv_age_believed(core, claimed);
    return gv_age_follow(core);
}

Test(core_age, it_moves_by_half_of_what_five_partners_agree_on)
{
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(meets(OURS + 200 * STEP), 0, "after %d", i + 1);
    }
    cr_assert_eq(meets(OURS + 100 * STEP), (int64_t)(50 * STEP),
                 "the median of four gaps of 200, one of 100, four of 0");
    cr_assert_eq(core->age, OURS + 50 * STEP);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(meets(OURS - 50 * STEP), 0, "what they said before is forgotten");
    }
    cr_assert_eq(meets(OURS - 50 * STEP), -(int64_t)(50 * STEP));
    cr_assert_eq(core->age, OURS);
}

Test(core_age, four_of_nine_may_claim_anything)
{
    for (uint32_t i = 0; i < 9000; i++) {
        (void)meets(i % 9 < 4 ? UINT64_MAX : core->age);
    }
    cr_assert_eq(core->age, OURS);
    for (uint32_t i = 0; i < 9000; i++) {
        (void)meets(i % 9 < 4 ? 0 : core->age);
    }
    cr_assert_eq(core->age, OURS);
}

Test(core_age, a_claim_is_believed_up_to_twice_ours_and_a_round)
{
    cr_assert_eq(gv_age_believed(core, 5), 0 + 5, "whoever is young is");
    core->exchange.age_ours = OURS;
    cr_assert_eq(gv_age_believed(core, 0), 0);
    cr_assert_eq(gv_age_believed(core, 2 * OURS + H * STEP), 2 * OURS + H * STEP);
    cr_assert_eq(gv_age_believed(core, 2 * OURS + H * STEP + 1), 2 * OURS + H * STEP);
    cr_assert_eq(gv_age_believed(core, UINT64_MAX), 2 * OURS + H * STEP);
}

Test(core_age, it_stays_in_range_if_all_lie)
{
    for (uint32_t i = 0; i < 2000; i++) {
        cr_assert_geq(meets(UINT64_MAX), 0, "exchange %u", i);
        cr_assert_lt(core->age, UINT64_C(1) << 61, "exchange %u", i);
    }
    cr_assert_gt(core->age, UINT64_C(1) << 60);
    for (uint32_t i = 0; i < 2000; i++) {
        cr_assert_leq(meets(0), 0, "exchange %u", i);
        cr_assert_lt(core->age, UINT64_C(1) << 61, "exchange %u", i);
    }
    cr_assert_leq(core->age, 1);
}

Test(core_age, one_that_was_fooled_finds_back)
{
    gv_age_set(core, UINT64_C(1) << 50);
    uint32_t exchanges = 0;
    for (; core->age > 2 * OURS; exchanges++) {
        (void)meets(OURS);
    }
    cr_assert_leq(exchanges, 25 * 5, "%u", exchanges);
}

Test(core_age, a_new_age_forgets_what_was_said_about_the_old)
{
    for (int i = 0; i < 4; i++) {
        (void)meets(OURS + 200 * STEP);
    }
    gv_age_set(core, OURS);
    cr_assert_eq(meets(OURS + 200 * STEP), 0);
}
