/*
 * One core in its life: what it does about farewells.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "core_help.h"

static void setup(void)
{
    core_make(NULL);
    struct gv_event start = core_start(100000);
    start.u.start.trains = true;
    start.u.start.seed_count = 1;
    core_step(&start);
}

TestSuite(core_lifecycle, .init = setup, .fini = core_end);

/* Peers 1 to `count` come in and are neighbours. */
static void neighbours_in(uint32_t count)
{
    for (uint32_t link = 1; link <= count; link++) {
        struct gv_ref peer = core_ref((uint8_t)link, GV_REF_DIALABLE);
        core_greet(link, &peer);
        core_ask(link);
    }
    cr_assert_eq(core->active_count, count);
}

/* A farewell of whoever has this id. */
static void farewell_of(uint32_t link, const struct gv_id *id)
{
    struct gv_msg leave = {.kind = GV_KIND_LEAVE};
    leave.u.leave.ttl = 3;
    leave.u.leave.id = *id;
    leave.u.leave.incarnation = 1;
    core_give(link, &leave);
}

#define FOR_US (60 * GV_SECOND)
#define ROUND_US (100 * GV_MS)

/* Of identities made up for it, as many as links 2 to 4 may bring: how many of them we pass on over link 1 within each
   tenth of a second. */
static uint32_t passed_on[FOR_US / ROUND_US];
static uint32_t number;

static void made_up_farewells(uint32_t rounds)
{
    for (uint32_t i = 0; i < rounds; i++) {
        struct gv_msg alive = {.kind = GV_KIND_PONG};
        alive.u.ping.neighbour_count = 1; /* our id is all zeros */
        core_give(1, &alive);
        passed_on[i] = 0;
        for (uint32_t link = 2; link <= 4; link++) {
            struct gv_id id = {.b = {200}};
            number++;
            memcpy(&id.b[4], &number, sizeof number);
            farewell_of(link, &id);
            passed_on[i] += core_sent(1, GV_KIND_LEAVE) != NULL ? 1 : 0;
        }
        now_us += ROUND_US;
    }
}

Test(core_lifecycle, farewells_of_made_up_identities_do_not_set_neighbours_at_odds)
{
    neighbours_in(4);
    made_up_farewells(FOR_US / ROUND_US);
    struct gv_id third = core_ref(3, 0).id;
    farewell_of(2, &third);
    cr_expect_not_null(core_sent(1, GV_KIND_LEAVE), "whom we know has its farewell passed on all the same");
    cr_expect_eq(core->active_count, 3);

    setup(); /* the neighbour at the other end of link 1, which hears of all that from us */
    neighbours_in(1);
    uint32_t worst = 0;
    for (uint32_t i = 0; i < FOR_US / ROUND_US; i++) {
        for (uint32_t k = 0; k < passed_on[i]; k++) {
            struct gv_id id = {.b = {200}};
            number++;
            memcpy(&id.b[4], &number, sizeof number);
            farewell_of(1, &id);
        }
        uint32_t score = gv_score_now(core, 0);
        worst = score > worst ? score : worst;
        now_us += ROUND_US;
    }
    cr_expect_eq(worst, 0, "from 32768 on it shuts us out: %u", worst);
    cr_expect_eq(core->active_count, 1);
}
