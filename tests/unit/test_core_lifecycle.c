/*
 * One core in its life: who is alone and who is not, and what it does about farewells.
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

static uint32_t times_logged(enum gv_log_code code)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < effects->count; i++) {
        count += effects->item[i].kind == GV_FX_LOG && effects->item[i].u.log.code == code ? 1 : 0;
    }
    return count;
}

/* The peer at this link says how old it is and has no room for us, as the last step has asked. */
static void answer(uint32_t link)
{
    struct gv_msg state = {.kind = GV_KIND_STATE_REPLY};
    struct gv_msg refusal = {.kind = GV_KIND_NEIGHBOUR_REPLY};
    state.u.state = (struct gv_msg_state){.state = GV_STATE_TRAINING, .donates = true, .epoch = 1};
    bool asked = core_sent(link, GV_KIND_NEIGHBOUR) != NULL;
    if (core_sent(link, GV_KIND_STATE) != NULL) {
        core_give(link, &state);
        asked = asked || core_sent(link, GV_KIND_NEIGHBOUR) != NULL;
    }
    if (asked) {
        core_give(link, &refusal);
    }
}

Test(core_lifecycle, who_is_linked_but_has_no_neighbour_is_not_alone)
{
    struct gv_ref peer = core_ref(1, GV_REF_DIALABLE);
    core_greet(1, &peer);
    answer(1);
    uint32_t isolated = 0;
    uint32_t orients = 0;
    for (uint32_t i = 0; i < 3000; i++) {
        now_us += 10 * GV_MS;
        core_tick();
        isolated += times_logged(GV_LOG_ISOLATED);
        orients += core_sent(1, GV_KIND_STATE) != NULL ? 1 : 0;
        answer(1);
    }
    cr_assert_eq(core->active_count, 0);
    cr_expect_eq(isolated, 0, "%u times", isolated);
    cr_expect_leq(orients, 1, "%u times", orients);
    cr_expect_eq(core->state, GV_STATE_TRAINING);
    cr_expect(gv_lifecycle_exchanges(core));
    struct gv_event down = {.kind = GV_EV_LINK_DOWN, .link = 1};
    core_step(&down);
    now_us += core->config.isolated_us - GV_MS;
    core_tick();
    cr_expect_eq(core->state, GV_STATE_TRAINING);
    now_us += GV_MS;
    core_tick();
    cr_expect_eq(core->state, GV_STATE_ISOLATED);
}

/* For so many tenths of a second the peer at link 1, which takes us as a neighbour if it has room and else says nothing
   to that, answers STATE with `reply`; NULL: nothing. */
static void pass(uint32_t tenths, bool room, const struct gv_msg_state *reply)
{
    struct gv_msg yes = {.kind = GV_KIND_NEIGHBOUR_REPLY};
    struct gv_msg state = {.kind = GV_KIND_STATE_REPLY};
    yes.u.neighbour.accepted = true;
    for (uint32_t i = 0; i < tenths; i++) {
        now_us += 100 * GV_MS;
        core_tick();
        bool asked = core_sent(1, GV_KIND_NEIGHBOUR) != NULL;
        if (reply != NULL) {
            state.u.state = *reply;
            core_give(1, &state);
            asked = asked || core_sent(1, GV_KIND_NEIGHBOUR) != NULL;
        }
        if (asked && room) {
            core_give(1, &yes);
        }
    }
}

static void expect_alone(void)
{
    struct gv_msg_state at_last = {.state = GV_STATE_TRAINING, .epoch = 1};
    cr_expect_eq(core->state, GV_STATE_ISOLATED);
    cr_expect(core->training);
    pass(60, true, &at_last);
    cr_expect_eq(core->state, GV_STATE_TRAINING);
    cr_expect(gv_lifecycle_exchanges(core));
}

Test(core_lifecycle, who_says_nothing_keeps_nobody_from_training)
{
    struct gv_ref peer = core_ref(1, GV_REF_DIALABLE);
    core_greet(1, &peer);
    pass(60, true, NULL);
    cr_expect_eq(core->active_count, 1);
    expect_alone();
}

Test(core_lifecycle, who_says_nothing_at_all_keeps_nobody_from_training)
{
    struct gv_ref peer = core_ref(1, GV_REF_DIALABLE);
    core_greet(1, &peer);
    pass(60, false, NULL);
    cr_expect_eq(core->active_count, 0);
    expect_alone();
}

static const struct gv_msg_state ahead = {.state = GV_STATE_TRAINING, .epoch = 1, .age = UINT64_C(1) << 40};

Test(core_lifecycle, who_says_nothing_any_more_keeps_nobody_from_training)
{
    struct gv_ref peer = core_ref(1, GV_REF_DIALABLE);
    core_greet(1, &peer);
    pass(10, true, &ahead); /* and gives nothing: our model is out of date, and we wait for a donor */
    cr_expect_eq(core->state, GV_STATE_JOINING);
    pass(100, true, NULL);
    expect_alone();
}

Test(core_lifecycle, who_claims_a_newer_model_and_never_gives_it_holds_nobody_up_for_more_than_ten_minutes)
{
    struct gv_ref peer = core_ref(1, GV_REF_DIALABLE);
    core_greet(1, &peer);
    pass(5990, true, &ahead);
    cr_expect_eq(core->state, GV_STATE_JOINING);
    pass(120, true, &ahead);
    cr_expect_eq(core->state, GV_STATE_ISOLATED);
    cr_expect(core->training);
}

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
