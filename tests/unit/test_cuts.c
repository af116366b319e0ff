/* Cuts: who is cut off from whom, and until when; overlapping ones against a search through time. */
#include <criterion/criterion.h>
#include <string.h>

#include "cuts.h"
#include "learn_help.h"
#include "random.h"

enum { NODES = 20 };

/* Nodes 0 .. first - 1 are side 1. */
static void add(struct gv_cuts *cuts, uint32_t first, uint64_t from_us, uint64_t until_us, enum gv_cut cut,
                uint64_t flap_us)
{
    uint8_t side[(NODES + 7) / 8] = {0};
    for (uint32_t n = 0; n < first; n++) {
        side[n / 8] = (uint8_t)(side[n / 8] | 1u << (n % 8));
    }
    cr_assert_eq(gv_cuts_add(cuts, side, from_us, until_us, cut, flap_us), GV_OK);
}

Test(cuts, none_lets_everything_through)
{
    struct gv_cuts cuts;
    gv_cuts_init(&cuts, NODES);
    cr_assert_eq(gv_cuts_open_us(&cuts, 1, 2, 77), 77);
    add(&cuts, 10, 50, 50, GV_CUT_CLEAN, 0);
    cr_assert_eq(gv_cuts_open_us(&cuts, 9, 10, 50), 50);
    gv_cuts_deinit(&cuts);
}

Test(cuts, a_clean_one_parts_the_sides_while_it_lasts)
{
    struct gv_cuts cuts;
    gv_cuts_init(&cuts, NODES);
    add(&cuts, 10, 100, 200, GV_CUT_CLEAN, 7);
    cr_assert_eq(gv_cuts_open_us(&cuts, 9, 10, 99), 99);
    cr_assert_eq(gv_cuts_open_us(&cuts, 9, 10, 100), 200);
    cr_assert_eq(gv_cuts_open_us(&cuts, 10, 9, 199), 200);
    cr_assert_eq(gv_cuts_open_us(&cuts, 10, 9, 200), 200);
    cr_assert_eq(gv_cuts_open_us(&cuts, 9, 8, 150), 150);
    cr_assert_eq(gv_cuts_open_us(&cuts, 10, 19, 150), 150);
    gv_cuts_deinit(&cuts);
}

Test(cuts, a_one_way_one_stops_only_the_first_side)
{
    struct gv_cuts cuts;
    gv_cuts_init(&cuts, NODES);
    add(&cuts, 10, 100, 200, GV_CUT_ONE_WAY, 0);
    cr_assert_eq(gv_cuts_open_us(&cuts, 9, 10, 150), 200);
    cr_assert_eq(gv_cuts_open_us(&cuts, 10, 9, 150), 150);
    gv_cuts_deinit(&cuts);
}

Test(cuts, a_flapping_one_closes_and_opens_in_turn)
{
    struct gv_cuts cuts;
    gv_cuts_init(&cuts, NODES);
    add(&cuts, 10, 100, 165, GV_CUT_FLAPPING, 20);
    static const uint64_t expected[][2] = {{99, 99},   {100, 120}, {119, 120}, {120, 120}, {139, 139},
                                           {140, 160}, {159, 160}, {160, 160}, {164, 164}, {165, 165}};
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        cr_assert_eq(gv_cuts_open_us(&cuts, 0, 19, expected[i][0]), expected[i][1]);
    }
    gv_cuts_deinit(&cuts);
    gv_cuts_init(&cuts, NODES);
    add(&cuts, 10, 100, 150, GV_CUT_FLAPPING, 20);
    cr_assert_eq(gv_cuts_open_us(&cuts, 0, 19, 145), 150); /* it ends before its phase does */
    gv_cuts_deinit(&cuts);
}

Test(cuts, one_without_end_never_opens)
{
    struct gv_cuts cuts;
    gv_cuts_init(&cuts, NODES);
    add(&cuts, 10, 100, UINT64_MAX, GV_CUT_CLEAN, 0);
    cr_assert_eq(gv_cuts_open_us(&cuts, 0, 19, 5000), UINT64_MAX);
    gv_cuts_deinit(&cuts);
}

/* A closed phase of a cut, from its definition. */
static bool closed(const struct gv_cut_line *line, uint32_t from, uint32_t to, uint64_t at_us)
{
    bool a = (line->side[from / 8] >> (from % 8) & 1) != 0;
    bool b = (line->side[to / 8] >> (to % 8) & 1) != 0;
    if (at_us < line->from_us || at_us >= line->until_us || a == b || (line->cut == GV_CUT_ONE_WAY && !a)) {
        return false;
    }
    return line->cut != GV_CUT_FLAPPING || (at_us - line->from_us) / line->flap_us % 2 == 0;
}

Test(cuts, overlapping_ones_open_when_all_do)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    for (int trial = 0; trial < 300; trial++) {
        struct gv_cuts cuts;
        gv_cuts_init(&cuts, NODES);
        for (uint32_t i = 0; i < 12; i++) {
            uint8_t side[(NODES + 7) / 8];
            for (size_t b = 0; b < sizeof side; b++) {
                side[b] = (uint8_t)gv_random_below(&random, 256);
            }
            uint64_t from_us = gv_random_below(&random, 100);
            uint64_t until_us = from_us + gv_random_below(&random, 100);
            cr_assert_eq(gv_cuts_add(&cuts, side, from_us, until_us, (enum gv_cut)gv_random_below(&random, 3),
                                     1 + gv_random_below(&random, 9)),
                         GV_OK);
        }
        for (int i = 0; i < 100; i++) {
            uint32_t from = gv_random_below(&random, NODES);
            uint32_t to = gv_random_below(&random, NODES);
            uint64_t now_us = gv_random_below(&random, 220);
            uint64_t at_us = now_us;
            for (uint32_t c = 0; c < cuts.count;) {
                bool shut = closed(&cuts.line[c], from, to, at_us);
                at_us += shut;
                c = shut ? 0 : c + 1;
            }
            cr_assert_eq(gv_cuts_open_us(&cuts, from, to, now_us), at_us);
        }
        gv_cuts_deinit(&cuts);
    }
}
