/*
 * One core with a near neighbour and one that answers its probes after a fixed time: patience is learnt from late
 * answers too.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "core_help.h"

#define NEAR 4u /* links */
#define FAR 5u
#define NEAR_US (5 * GV_MS)
#define ANSWERS_MAX 64u

struct answer {
    uint64_t at_us;
    uint32_t link, seq;
};
static struct answer answers[ANSWERS_MAX]; /* on their way */
static uint32_t answer_count;

static void neighbour_in(uint32_t link)
{
    struct gv_ref peer = core_ref((uint8_t)link, GV_REF_DIALABLE);
    core_greet(link, &peer);
    core_ask(link);
}

/* A core with two neighbours, which have dialled it. */
static void setup(void)
{
    core_make(NULL);
    answer_count = 0;
    struct gv_event start = core_start(16);
    core_step(&start);
    neighbour_in(FAR);
    neighbour_in(NEAR);
    cr_assert_eq(core->active_count, 2);
}

TestSuite(core_probe, .init = setup, .fini = core_end);

/* Answers to the PINGs of the last step will come, the far neighbour's after far_us. */
static void note_pings(uint64_t far_us)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct gv_effect *fx = &effects->item[i];
        if (fx->kind == GV_FX_SEND && fx->u.msg.kind == GV_KIND_PING) {
            uint64_t after_us = fx->link == FAR ? far_us : NEAR_US;
            cr_assert_lt(answer_count, ANSWERS_MAX);
            answers[answer_count++] =
                (struct answer){.at_us = now_us + after_us, .link = fx->link, .seq = fx->u.msg.u.ping.seq};
        }
    }
}

static void answer(struct answer due, bool far_names_us)
{
    struct gv_msg pong = {.kind = GV_KIND_PONG};
    pong.u.ping.seq = due.seq;
    pong.u.ping.neighbour_count = due.link == NEAR || far_names_us ? 1 : 0; /* our id is all zeros */
    core_give(due.link, &pong);
}

/* Lets time pass; every PING is answered, by the far neighbour after far_us, which names us as its own or nobody. */
static void run(uint64_t for_us, uint64_t far_us, bool far_names_us)
{
    for (uint64_t until_us = now_us + for_us; now_us < until_us; now_us += 5 * GV_MS) {
        core_tick();
        note_pings(far_us);
        for (uint32_t i = 0; i < answer_count;) {
            if (answers[i].at_us > now_us) {
                i++;
                continue;
            }
            struct answer due = answers[i];
            answers[i] = answers[--answer_count];
            answer(due, far_names_us);
            note_pings(far_us);
        }
    }
}

static uint32_t far_row(void)
{
    struct gv_id id = {.b = {FAR}};
    return gv_peers_find(core, &id);
}

static uint64_t rtt_us(void)
{
    struct gv_peer_info peers[2];
    cr_assert_eq(gv_core_peers(core, peers, 2), 2);
    return peers[0].link == FAR ? peers[0].rtt_us : peers[1].rtt_us;
}

Test(core_probe, a_neighbour_farther_than_the_first_patience_is_measured_and_then_waited_for)
{
    run(30 * GV_SECOND, 800 * GV_MS, true);
    cr_assert(rtt_us() >= 700 * GV_MS && rtt_us() <= 900 * GV_MS, "%lu us", (unsigned long)rtt_us());
    for (uint32_t i = 0; i < 300; i++) {
        run(100 * GV_MS, 800 * GV_MS, true);
        cr_assert(!gv_probe_suspected(core, far_row()), "it answers as always");
    }
    cr_assert_eq(core->health, 0);
}

Test(core_probe, a_far_neighbour_that_does_not_name_us_is_dropped)
{
    run(20 * GV_SECOND, 800 * GV_MS, false);
    cr_assert_neq(core->roles[far_row()], GV_ROLE_ACTIVE);
    cr_assert_eq(core->active_count, 1);
}

Test(core_probe, one_very_late_answer_makes_nobody_patient_for_long)
{
    run(10 * GV_SECOND, 20 * GV_MS, true);
    run(9500 * GV_MS, 9 * GV_SECOND, true); /* it stood still */
    run(20 * GV_SECOND, 20 * GV_MS, true);
    cr_assert_leq(rtt_us(), 500 * GV_MS, "%lu us", (unsigned long)rtt_us());
}

/* Whether the far link was closed within for_us in which nothing came over it and the near neighbour vouched for it. */
static bool closed_within(uint64_t for_us)
{
    bool closed = false;
    for (uint64_t until_us = now_us + for_us; now_us < until_us && !closed; now_us += 5 * GV_MS) {
        core_tick();
        struct gv_msg result = {.kind = GV_KIND_PROBE_RESULT};
        for (uint32_t i = 0; i < effects->count; i++) {
            const struct gv_effect *fx = &effects->item[i];
            if (fx->kind == GV_FX_SEND && fx->link == NEAR && fx->u.msg.kind == GV_KIND_PROBE) {
                result.u.probe = fx->u.msg.u.probe;
                result.u.probe.alive = true;
            }
        }
        note_pings(3600 * GV_SECOND);
        while (answer_count > 0) {
            struct answer due = answers[--answer_count];
            if (due.link == NEAR) {
                answer(due, true);
            }
        }
        if (result.u.probe.alive) {
            core_give(NEAR, &result);
            closed = effects->count > 0 && effects->item[0].kind == GV_FX_CLOSE && effects->item[0].link == FAR;
        }
    }
    return closed;
}

Test(core_probe, a_link_that_stays_silent_while_others_reach_its_peer_is_closed_and_dialled_anew)
{
    run(5 * GV_SECOND, 20 * GV_MS, true);
    cr_assert(!closed_within(15 * GV_SECOND), "it may stand still for a while");
    cr_assert(closed_within(15 * GV_SECOND));
    bool dialled = false;
    for (uint32_t i = 0; i < effects->count; i++) {
        dialled = dialled || (effects->item[i].kind == GV_FX_DIAL && effects->item[i].target.b[0] == FAR);
    }
    cr_assert(dialled);
    cr_assert_eq(core->roles[far_row()], GV_ROLE_ACTIVE, "suspected, not dropped");
}

Test(core_probe, who_suspects_us_all_the_time_does_not_blunt_our_judgement_of_others)
{
    struct gv_msg ping = {.kind = GV_KIND_PING};
    ping.u.ping.suspected = true;
    core->health = 0;
    core->probe_us = GV_NEVER; /* no probes of our own, which nobody answers here */
    for (uint32_t i = 0; i < 20; i++) {
        now_us += 2 * GV_SECOND;
        ping.u.ping.seq = i;
        core_give(FAR, &ping);
        cr_assert_eq(core->health, 1, "one a minute is taken to heart: %u", core->health);
    }
}

Test(core_probe, who_dials_anew_for_every_suspicion_counts_once_a_minute_too)
{
    struct gv_ref peer = core_ref(FAR, GV_REF_DIALABLE);
    struct gv_msg ping = {.kind = GV_KIND_PING};
    ping.u.ping.suspected = true;
    core->health = 0;
    core->probe_us = GV_NEVER;
    uint32_t link = FAR;
    for (uint32_t i = 0; i < 7; i++) {
        now_us += 2 * GV_SECOND;
        core_give(link, &ping);
        cr_assert_eq(core->health, 1, "over its link number %u: %u", i, core->health);
        struct gv_event down = {.kind = GV_EV_LINK_DOWN, .link = link};
        core_step(&down);
        link = 100 + i;
        core_greet(link, &peer);
    }
}

/* Each redial closes an idle link when all are in use. */
Test(core_probe, redialling_all_neighbours_at_once_keeps_to_the_room_there_is)
{
    struct gv_core_config config;
    gv_core_defaults(&config);
    config.cached_links_max = config.links_max;
    core_make(&config);
    struct gv_event start = core_start(16);
    core_step(&start);
    core->promote_us = core->swap_us = core->probe_us = core->shuffle_us = GV_NEVER;
    uint32_t places = config.active_max - config.active_chosen_min;
    for (uint32_t link = 1; link <= places; link++) {
        now_us += 60 * GV_MS; /* 20 greetings a second are taken */
        neighbour_in(link);
    }
    for (uint32_t link = 1; link <= places; link++) {
        struct gv_event down = {.kind = GV_EV_LINK_DOWN, .link = link};
        core_step(&down);
        struct gv_event failed = {.kind = GV_EV_DIAL_FAILED, .verdict = GV_ERR_UNREACHABLE};
        failed.u.dial.dial = core->dial_number;
        core_step(&failed);
    }
    for (uint32_t link = 100; link < 100 + config.links_max; link++) {
        now_us += 60 * GV_MS;
        struct gv_ref other = core_ref((uint8_t)link, GV_REF_DIALABLE);
        core_greet(link, &other);
    }
    cr_assert_eq(core->links_used, config.links_max);
    cr_assert_eq(core->active_count, places);
    core->now_us += 3 * GV_SECOND;
    core->fx = effects;
    effects->count = GV_EFFECTS_MAX - GV_TICK_ROOM;
    core->probe_us = core->now_us;
    gv_probe_tick(core);
    cr_assert_gt(effects->count, GV_EFFECTS_MAX - GV_TICK_ROOM);
}

static uint32_t pings(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < effects->count; i++) {
        count += effects->item[i].kind == GV_FX_SEND && effects->item[i].u.msg.kind == GV_KIND_PING ? 1 : 0;
    }
    return count;
}

/* A member may sign ever earlier entries, and each takes the place of another. */
Test(core_probe, entries_that_change_all_the_time_are_told_once_a_second)
{
    core->probe_us = now_us + 10 * GV_SECOND;
    struct gv_event event = {.kind = GV_EV_TRUST};
    uint32_t told = 0;
    for (uint64_t i = 1; i <= 200; i++) {
        event.u.trust_digest = i;
        core_step(&event);
        told += pings();
        cr_assert_eq(core->trust_digest, i);
        cr_assert(i > 1 || told == 2, "the first is told at once, not to %u", told);
        now_us += 5 * GV_MS;
    }
    cr_assert_leq(told, 4, "to both neighbours, %u", told);
    uint64_t until_us = gv_core_next_deadline(core);
    cr_assert_leq(until_us, now_us + GV_SECOND);
    now_us = until_us > now_us ? until_us : now_us;
    core_tick();
    told += pings();
    cr_assert_eq(told, 4, "the last is told too");
}

/* One member's probes of a target that answers late, or not at all. */
Test(core_probe, who_has_many_probes_made_leaves_room_for_those_of_others)
{
    neighbour_in(6);
    core->probe_us = GV_NEVER;
    struct gv_msg probe = {.kind = GV_KIND_PROBE};
    probe.u.probe.target = core_ref(FAR, 0).id;
    uint32_t made = 0;
    for (uint32_t i = 0; i < 20; i++) {
        probe.u.probe.seq = i;
        core_give(6, &probe);
        made += core_sent(FAR, GV_KIND_PING) != NULL ? 1 : 0;
        cr_assert_null(core_sent(6, GV_KIND_PROBE_RESULT), "nobody has tried");
    }
    cr_assert_eq(made, 4);
    core_give(NEAR, &probe);
    const struct gv_msg *ping = core_sent(FAR, GV_KIND_PING);
    cr_assert_not_null(ping);
    answer((struct answer){.link = FAR, .seq = ping->u.ping.seq}, true);
    const struct gv_msg *result = core_sent(NEAR, GV_KIND_PROBE_RESULT);
    cr_assert(result != NULL && result->u.probe.alive);
}
