/* The agenda of faults: order, replacement, and the same as a plain search. */
#include <criterion/criterion.h>

#include "agenda.h"
#include "learn_help.h"
#include "random.h"

static struct gv_agenda make(uint32_t slots)
{
    struct gv_agenda agenda;
    cr_assert_eq(gv_agenda_init(&agenda, slots), GV_OK);
    return agenda;
}

Test(agenda, is_empty_at_first)
{
    struct gv_agenda agenda = make(3);
    cr_assert_eq(gv_agenda_next(&agenda), UINT64_MAX);
    cr_assert_eq(gv_agenda_at(&agenda, 2), UINT64_MAX);
    gv_agenda_deinit(&agenda);
}

Test(agenda, takes_by_time_and_then_in_the_order_of_making)
{
    struct gv_agenda agenda = make(5);
    gv_agenda_set(&agenda, 4, 20);
    gv_agenda_set(&agenda, 3, 10);
    gv_agenda_set(&agenda, 0, 20);
    gv_agenda_set(&agenda, 1, 20);
    gv_agenda_set(&agenda, 2, 5);
    static const uint32_t expected[] = {2, 3, 4, 0, 1};
    for (size_t i = 0; i < 5; i++) {
        cr_assert_eq(gv_agenda_take(&agenda), expected[i]);
    }
    cr_assert_eq(gv_agenda_next(&agenda), UINT64_MAX);
    gv_agenda_deinit(&agenda);
}

Test(agenda, a_new_appointment_takes_the_place_of_the_old_one)
{
    struct gv_agenda agenda = make(3);
    gv_agenda_set(&agenda, 0, 10);
    gv_agenda_set(&agenda, 1, 20);
    gv_agenda_set(&agenda, 0, 20); /* later, and made later */
    cr_assert_eq(gv_agenda_at(&agenda, 0), 20);
    cr_assert_eq(gv_agenda_take(&agenda), 1);
    gv_agenda_set(&agenda, 0, UINT64_MAX);
    cr_assert_eq(gv_agenda_next(&agenda), UINT64_MAX);
    gv_agenda_set(&agenda, 0, UINT64_MAX);
    gv_agenda_deinit(&agenda);
}

/* Slots in the order in which a search through all of them would find them. */
static uint32_t search(const uint64_t *at_us, const uint64_t *made, uint32_t slots)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t s = 0; s < slots; s++) {
        if (at_us[s] != UINT64_MAX &&
            (best == UINT32_MAX || at_us[s] < at_us[best] || (at_us[s] == at_us[best] && made[s] < made[best]))) {
            best = s;
        }
    }
    return best;
}

Test(agenda, does_what_a_plain_search_does)
{
    enum { SLOTS = 40, STEPS = 20000 };
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    struct gv_agenda agenda = make(SLOTS);
    uint64_t at_us[SLOTS];
    uint64_t made[SLOTS] = {0};
    uint64_t clock = 0;
    for (uint32_t s = 0; s < SLOTS; s++) {
        at_us[s] = UINT64_MAX;
    }
    for (uint64_t step = 0; step < STEPS; step++) {
        if (gv_random_below(&random, 3) < 2) {
            uint32_t slot = gv_random_below(&random, SLOTS);
            uint64_t at = gv_random_below(&random, 8) == 0 ? UINT64_MAX : clock + gv_random_below(&random, 30);
            gv_agenda_set(&agenda, slot, at);
            at_us[slot] = at;
            made[slot] = step;
        } else {
            uint32_t slot = search(at_us, made, SLOTS);
            cr_assert_eq(gv_agenda_next(&agenda), slot == UINT32_MAX ? UINT64_MAX : at_us[slot]);
            if (slot != UINT32_MAX) {
                cr_assert_eq(gv_agenda_take(&agenda), slot);
                clock = at_us[slot];
                at_us[slot] = UINT64_MAX;
            }
        }
        uint32_t some = gv_random_below(&random, SLOTS);
        cr_assert_eq(gv_agenda_at(&agenda, some), at_us[some]);
    }
    gv_agenda_deinit(&agenda);
}
