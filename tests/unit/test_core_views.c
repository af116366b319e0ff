/*
 * One core and those who ask it for a place in its view: places are bounded by kind, and whoever has nobody gets one.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "core_help.h"

static uint64_t inviter; /* of whoever dials us; 0: the root */

static void setup(void)
{
    core_make(NULL);
    inviter = 0;
    struct gv_event start = core_start(16);
    core_step(&start);
}

TestSuite(core_views, .init = setup, .fini = core_end);

/* Asks for a place. True if it gets one. */
static bool asks_again(uint32_t link, bool urgent)
{
    struct gv_msg msg = {.kind = GV_KIND_NEIGHBOUR};
    msg.u.neighbour.urgent = urgent;
    core_give(link, &msg);
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct gv_effect *fx = &effects->item[i];
        if (fx->kind == GV_FX_SEND && fx->link == link && fx->u.msg.kind == GV_KIND_NEIGHBOUR_REPLY) {
            return fx->u.msg.u.neighbour.accepted;
        }
    }
    cr_assert_fail("link %u: no reply", link);
    return false;
}

/* Somebody dials us and introduces itself; `flags` of its record. */
static void greets(uint32_t link, uint32_t flags)
{
    now_us += 60 * GV_MS; /* 20 greetings a second are taken */
    struct gv_event in = {.kind = GV_EV_LINK_IN, .link = link};
    core_step(&in);
    struct gv_msg hello = {.kind = GV_KIND_HELLO};
    hello.u.hello.self = (struct gv_ref){.incarnation = 1, .boot = 9, .flags = flags};
    hello.u.hello.self.id.b[0] = (uint8_t)link;
    hello.u.hello.self.inviters[0] = inviter;
    core_give(link, &hello);
}

/* The same, and it asks for a place. */
static bool asks(uint32_t link, uint32_t flags, bool urgent)
{
    greets(link, flags);
    return asks_again(link, urgent);
}

/* The link over which a neighbour was told in the last step that it is none any more; 0: nobody was. */
static uint32_t dismissed(void)
{
    uint32_t link = 0;
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct gv_effect *fx = &effects->item[i];
        if (fx->kind == GV_FX_SEND && fx->u.msg.kind == GV_KIND_DISCONNECT) {
            cr_assert_eq(link, 0, "one is enough");
            link = fx->link;
        }
    }
    return link;
}

/* The row of whoever came over this link. */
static uint32_t row_of(uint32_t link)
{
    struct gv_id id = {.b = {(uint8_t)link}};
    uint32_t row = gv_peers_find(core, &id);
    cr_assert_neq(row, GV_NOBODY, "link %u", link);
    return row;
}

static uint32_t rank_of(uint32_t row)
{
    return gv_peers_rank(core, &core->peers[row].ref.id, &core->self.id);
}

/* The rank of the least preferred of the neighbours that came over links 1 to `last`. */
static uint32_t worst_rank(uint32_t last)
{
    uint32_t worst = 0;
    for (uint32_t link = 1; link <= last; link++) {
        uint32_t row = row_of(link);
        bool there = core->roles[row] == GV_ROLE_ACTIVE && core->active[core->neighbours[row]].kept_us <= now_us;
        uint32_t rank = there ? rank_of(row) : 0;
        worst = rank > worst ? rank : worst;
    }
    return worst;
}

/* Fills the places for those who ask; returns how many there are. */
static uint32_t fill(uint32_t flags)
{
    uint32_t places = core->config.active_max - core->config.active_chosen_min;
    for (uint32_t link = 1; link <= places; link++) {
        cr_assert(asks(link, flags, false), "link %u", link);
    }
    return places;
}

Test(core_views, the_places_of_those_who_ask_are_for_the_preferred)
{
    uint32_t places = fill(GV_REF_DIALABLE);
    uint32_t got_in = 0;
    for (uint32_t link = places + 1; link <= places + 30; link++) {
        uint32_t worst = worst_rank(link - 1);
        bool accepted = asks(link, GV_REF_DIALABLE, false);
        cr_assert_eq(accepted, rank_of(row_of(link)) < worst, "link %u", link);
        cr_assert_eq(accepted, dismissed() != 0);
        cr_assert_eq(core->active_count, places, "the others are kept for whom we ask ourselves");
        got_in += accepted ? 1 : 0;
    }
    cr_assert(got_in > 0 && got_in < 30, "%u", got_in);
}

Test(core_views, who_has_nobody_displaces_another_now_and_then)
{
    uint32_t places = fill(GV_REF_DIALABLE);
    uint32_t displaced = 0;
    for (uint32_t link = places + 1; link <= places + 40; link++) {
        uint32_t worst = worst_rank(link - 1);
        bool first = asks(link, GV_REF_DIALABLE, true);
        cr_assert_eq(first, rank_of(row_of(link)) < worst, "others may have room");
        displaced += !first && asks_again(link, true) ? 1 : 0;
    }
    cr_assert_eq(displaced, 3, "only the asker knows whether it is urgent: %u", displaced);
    cr_assert_eq(core->active_count, places);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < core->config.active_max; i++) {
        kept += core->view[i] != GV_NOBODY && core->active[i].kept_us > now_us ? 1 : 0;
    }
    cr_assert_eq(kept, 3, "and they stay for a while: %u", kept);
}

Test(core_views, the_guests_of_one_inviter_make_room_for_those_of_others)
{
    inviter = 77;
    uint32_t places = fill(GV_REF_DIALABLE);
    for (uint32_t link = places + 1; link < 2 * places; link++) {
        inviter = link;
        cr_assert(asks(link, GV_REF_DIALABLE, false), "link %u", link);
        cr_assert(dismissed() > 0 && dismissed() <= places, "one of theirs goes, not %u", dismissed());
    }
    uint32_t in = 0;
    for (uint32_t link = 2 * places; link < 2 * places + 20; link++) {
        inviter = 77;
        in += asks(link, GV_REF_DIALABLE, true) ? 1 : 0;
        in += asks_again(link, true) ? 1 : 0; /* nor by need */
        uint32_t theirs = 0;
        for (uint32_t i = 0; i < core->config.active_max; i++) {
            theirs += core->view[i] != GV_NOBODY && core->peers[core->view[i]].ref.inviters[0] == 77 ? 1 : 0;
        }
        cr_assert_eq(theirs, 1, "as many as the others have, no more");
    }
    cr_assert_gt(in, 0, "but the one who is there makes room for a better one of its own");
}

Test(core_views, at_most_half_of_the_places_are_for_outbound_only_nodes)
{
    uint32_t places = core->config.active_max / 2;
    for (uint32_t link = 1; link <= places; link++) {
        cr_assert(asks(link, 0, false));
    }
    cr_assert(asks(places + 1, GV_REF_DIALABLE, false), "there is room for others");
    uint32_t worst = worst_rank(places);
    bool accepted = asks(places + 2, 0, false);
    cr_assert_eq(accepted, rank_of(row_of(places + 2)) < worst);
    cr_assert_eq(core->active_count, places + 1);
}

/* Of the neighbours, how many only dial out. */
static uint32_t outbound_only(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->config.active_max; i++) {
        count += core->view[i] != GV_NOBODY && !gv_peer_dialable(&core->peers[core->view[i]]) ? 1 : 0;
    }
    return count;
}

Test(core_views, a_crowd_of_outbound_only_nodes_displaces_none_that_can_be_dialled)
{
    inviter = 77;
    for (uint32_t link = 1; link <= 3; link++) {
        cr_assert(asks(link, GV_REF_DIALABLE, false));
    }
    for (uint32_t link = 4; link <= 11; link++) {
        inviter = 1000 + link;
        cr_assert(asks(link, 0, false));
    }
    cr_assert_eq(outbound_only(), core->config.active_max / 2);
    inviter = 77;
    for (uint32_t link = 12; link <= 60; link++) {
        (void)asks(link, 0, false);
        cr_assert_leq(outbound_only(), core->config.active_max / 2, "link %u", link);
        struct gv_event down = {.kind = GV_EV_LINK_DOWN, .link = link};
        core_step(&down);
    }
}

Test(core_views, nobody_we_chose_is_displaced_by_who_asks)
{
    uint32_t places = fill(GV_REF_DIALABLE);
    for (uint32_t link = 1; link <= places; link++) {
        core->active[core->neighbours[row_of(link)]].chosen = link <= core->config.active_chosen_min;
    }
    for (uint32_t link = places + 1; link <= places + 40; link++) {
        (void)asks(link, GV_REF_DIALABLE, true);
        (void)asks_again(link, true);
    }
    for (uint32_t link = 1; link <= core->config.active_chosen_min; link++) {
        cr_assert_eq(core->roles[row_of(link)], GV_ROLE_ACTIVE, "link %u", link);
    }
}

Test(core_views, who_asks_more_than_once_a_minute_is_turned_away_and_pays)
{
    uint32_t places = fill(GV_REF_DIALABLE);
    uint32_t link = places + 1;
    (void)asks(link, GV_REF_DIALABLE, false);
    if (core->roles[row_of(link)] == GV_ROLE_ACTIVE) { /* preferred: another one then */
        core->view[core->neighbours[row_of(link)]] = GV_NOBODY;
        core->neighbours[row_of(link)] = GV_NOBODY;
        core->roles[row_of(link)] = GV_ROLE_NONE;
        core->active_count--;
    }
    for (uint32_t i = 0; i < 10; i++) {
        /* Four in the last moments. */
        core->peers[row_of(link)].asks_ds = (uint32_t)(now_us / (100 * GV_MS)) + 3 * 600 + 1;
        cr_assert_not(asks_again(link, true));
    }
    cr_assert_gt(gv_score_now(core, row_of(link)), 5 * GV_SCORE_SLIGHT / 2);
}

Test(core_views, records_that_nobody_asked_for_are_not_taken_up)
{
    cr_assert(asks(1, GV_REF_DIALABLE, false));
    core->links[gv_links_find(core, 1)].records_due = 2;
    struct gv_msg msg = {.kind = GV_KIND_RECORDS, .ref_count = 5};
    for (uint32_t i = 0; i < 5; i++) {
        msg.refs[i] = (struct gv_ref){.incarnation = 1, .boot = 9, .flags = GV_REF_DIALABLE};
        msg.refs[i].id.b[0] = (uint8_t)(100 + i);
    }
    uint32_t before = core->passive_count;
    core_give(1, &msg);
    cr_assert_eq(core->passive_count, before + 2, "two were due");
    core_give(1, &msg);
    cr_assert_eq(core->passive_count, before + 2);
}

Test(core_views, who_is_a_neighbour_already_may_ask_again)
{
    cr_assert(asks(1, GV_REF_DIALABLE, false));
    cr_assert(asks_again(1, true));
    cr_assert_eq(core->active_count, 1);
    cr_assert_eq(dismissed(), 0);
}

static bool asked_in_the_last_step(void)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        if (effects->item[i].kind == GV_FX_SEND && effects->item[i].u.msg.kind == GV_KIND_NEIGHBOUR) {
            return true;
        }
    }
    return false;
}

/* Over `link` we hear that whoever came over link `newcomer` looks for a place. True if it is asked for one. */
static bool is_asked_when_named(uint32_t link, uint32_t newcomer)
{
    struct gv_msg msg = {.kind = GV_KIND_FORWARD_JOIN, .ref_count = 1};
    msg.refs[0] = core->peers[row_of(newcomer)].ref;
    core_give(link, &msg);
    return asked_in_the_last_step();
}

Test(core_views, only_neighbours_name_a_newcomer_and_not_without_end)
{
    cr_assert(asks(1, GV_REF_DIALABLE, false));
    for (uint32_t link = 2; link <= 12; link++) {
        greets(link, GV_REF_DIALABLE);
    }
    core->promote_us = core->swap_us = GV_NEVER;
    cr_assert_not(is_asked_when_named(2, 3), "who only has a link says whom we ask");
    uint32_t asked = 0;
    for (uint32_t link = 3; link <= 12; link++) {
        asked += is_asked_when_named(1, link) ? 1 : 0;
    }
    cr_assert_eq(asked, 3, "as many at once as we ask ourselves: %u", asked);
    core->now_us = now_us += core->config.promote_us;
    core->promote_us = core->swap_us = GV_NEVER;
    cr_assert(is_asked_when_named(1, 12));
    cr_assert_not(is_asked_when_named(1, 11));
}

Test(core_views, whom_another_named_is_no_choice_of_ours_and_displaces_nobody)
{
    uint32_t chosen = core->config.active_chosen_min;
    for (uint32_t link = 1; link <= chosen; link++) {
        cr_assert(asks(link, GV_REF_DIALABLE, false));
        core->active[core->neighbours[row_of(link)]].chosen = true;
    }
    struct gv_msg accepted = {.kind = GV_KIND_NEIGHBOUR_REPLY, .u.neighbour = {.accepted = true}};
    for (uint32_t link = chosen + 1; link <= chosen + 12; link++) {
        greets(link, GV_REF_DIALABLE);
        core->promote_us = core->swap_us = GV_NEVER;
        core->named_us = 0; /* as if it were much later */
        if (is_asked_when_named(1, link)) {
            core_give(link, &accepted);
            cr_assert_eq(core->roles[row_of(link)], GV_ROLE_ACTIVE, "link %u", link);
            cr_assert_not(core->active[core->neighbours[row_of(link)]].chosen, "link %u", link);
        }
    }
    cr_assert_eq(core->active_count, core->config.active_target);
    for (uint32_t link = 1; link <= chosen; link++) {
        cr_assert_eq(core->roles[row_of(link)], GV_ROLE_ACTIVE, "link %u", link);
    }
}

Test(core_views, what_neighbours_name_unasked_is_bounded_as_shuffles_are)
{
    cr_assert(asks(1, GV_REF_DIALABLE, false));
    struct gv_msg msg = {.kind = GV_KIND_FORWARD_JOIN, .ref_count = 1};
    msg.refs[0] = (struct gv_ref){.incarnation = 1, .boot = 9, .flags = GV_REF_DIALABLE};
    msg.refs[0].id.b[1] = 1;
    for (uint32_t i = 0; i < 200; i++) {
        now_us += 100 * GV_MS; /* as fast as requests are taken at all */
        msg.refs[0].id.b[0] = (uint8_t)i;
        core_give(1, &msg);
    }
    uint32_t dropped = core->refusals[gv_reason_index(GV_ERR_RATE)];
    cr_assert_leq(dropped, 200 - 96);
    cr_assert_geq(dropped, 200 - 96 - 32, "96 at once and eight in five seconds are taken, not %u", 200 - dropped);
}

Test(core_views, who_is_no_neighbour_makes_itself_known_no_better_by_parting)
{
    greets(1, GV_REF_DIALABLE);
    struct gv_msg msg = {.kind = GV_KIND_DISCONNECT, .u.disconnect = {.restarting = true}};
    core->ages[row_of(1)] = 50;
    core_give(1, &msg);
    cr_assert_eq(core->ages[row_of(1)], 50);
    core->fx = effects;
    gv_peers_forget(core, row_of(1));
    core_give(1, &msg);
    cr_assert_eq(core->roles[row_of(1)], GV_ROLE_NONE);
    cr_assert_gt(core->dial_after_us[row_of(1)], now_us, "but it is left alone while it starts");
}

/* Or two that have nobody, and meet again and again, shut each other out for asking too often. */
Test(core_views, who_has_declined_is_asked_again_only_when_its_time_has_come)
{
    (void)asks(1, GV_REF_DIALABLE, false);
    core->fx = effects;
    gv_views_demote(core, row_of(1), false);
    uint32_t link = gv_links_find(core, 1);
    core->links[link].dialled = true;
    core->peers[row_of(1)].neighbour_after_us = core->now_us + 10 * GV_SECOND;
    effects->count = 0;
    gv_views_verified(core, link, 0);
    cr_assert_not(asked_in_the_last_step());
    core->now_us += 10 * GV_SECOND;
    effects->count = 0;
    gv_views_verified(core, link, 0);
    cr_assert(asked_in_the_last_step());
}

/* Time passes for its views alone, in steps of 100 ms. */
static void wait(uint64_t us)
{
    core->fx = effects;
    for (uint64_t end_us = core->now_us + us; core->now_us < end_us;) {
        core->now_us += 100 * GV_MS;
        effects->count = 0;
        gv_views_tick(core);
    }
    now_us = core->now_us;
}

/* For how much longer it is not asked, microseconds. */
static int64_t left_alone(uint32_t link)
{
    return (int64_t)(core->peers[row_of(link)].neighbour_after_us - core->now_us);
}

Test(core_views, who_loses_its_last_neighbour_asks_those_again_that_had_no_room)
{
    const int64_t second = GV_SECOND;
    for (uint32_t link = 1; link <= 3; link++) {
        (void)asks(link, GV_REF_DIALABLE, false);
    }
    core->fx = effects;
    gv_views_demote(core, row_of(1), false); /* both are left alone for the back-off */
    gv_views_demote(core, row_of(2), false);
    cr_assert_gt(left_alone(1), 30 * second);
    gv_views_demote(core, row_of(3), false);
    wait(200 * GV_MS);
    cr_assert_eq(core->active_count, 0);
    for (uint32_t link = 1; link <= 3; link++) {
        cr_assert_leq(left_alone(link), 5 * second, "link %u: it is asked, or soon", link);
    }
    /* Let go again soon: not all of them at once, or it would be shut out for asking too often. */
    cr_assert(asks_again(3, false));
    core->peers[row_of(1)].neighbour_after_us = core->now_us + 40 * GV_SECOND;
    core->peers[row_of(2)].neighbour_after_us = core->now_us + 40 * GV_SECOND;
    core->fx = effects;
    gv_views_demote(core, row_of(3), false);
    wait(GV_SECOND);
    cr_assert_eq(core->active_count, 0);
    cr_assert_gt(left_alone(1), 30 * second);
    /* But they are not forgotten until it has somebody. */
    wait(20 * GV_SECOND);
    cr_assert_leq(left_alone(1), 5 * second);
    cr_assert_leq(left_alone(2), 5 * second);
}

Test(core_views, who_is_asked_without_a_neighbour_is_asked_no_sooner_for_having_none)
{
    (void)asks(1, GV_REF_DIALABLE, false);
    core->fx = effects;
    gv_views_demote(core, row_of(1), false);
    core->peers[row_of(1)].neighbour_after_us = core->now_us + 10 * GV_SECOND; /* as a refusal does to who has nobody */
    wait(5 * GV_SECOND);
    cr_assert_eq(left_alone(1), (int64_t)(5 * GV_SECOND));
}

/* A neighbour comes back on another link. True if it is asked whether it still is one. */
static bool comes_back(uint32_t old, uint32_t link, uint8_t name)
{
    struct gv_event down = {.kind = GV_EV_LINK_DOWN, .link = old};
    core_step(&down);
    struct gv_event in = {.kind = GV_EV_LINK_IN, .link = link};
    core_step(&in);
    struct gv_msg hello = {.kind = GV_KIND_HELLO};
    hello.u.hello.self = (struct gv_ref){.incarnation = 1, .boot = 9, .flags = GV_REF_DIALABLE};
    hello.u.hello.self.id.b[0] = name;
    core_give(link, &hello);
    return asked_in_the_last_step();
}

Test(core_views, a_neighbour_whose_link_was_lost_is_asked_whether_it_still_is_one)
{
    (void)asks(1, GV_REF_DIALABLE, false);
    cr_assert(comes_back(1, 50, 1));
    struct gv_msg reply = {.kind = GV_KIND_NEIGHBOUR_REPLY, .u.neighbour = {.accepted = true}};
    core_give(50, &reply);
    cr_assert_eq(core->roles[row_of(1)], GV_ROLE_ACTIVE);
    cr_assert_not(core->active[core->neighbours[row_of(1)]].chosen, "it had asked us, and still has");
    cr_assert(comes_back(50, 51, 1));
    reply.u.neighbour.accepted = false;
    core_give(51, &reply);
    cr_assert_eq(core->roles[row_of(1)], GV_ROLE_PASSIVE);
    cr_assert_eq(dismissed(), 51);
}

Test(core_views, it_asks_those_at_which_it_comes_far_to_the_front)
{
    cr_assert(asks(1, GV_REF_DIALABLE, false));
    core->links[gv_links_find(core, 1)].records_due = GV_RECORDS_DUE_MAX;
    struct gv_msg msg = {.kind = GV_KIND_RECORDS, .ref_count = 30};
    for (uint32_t i = 0; i < 30; i++) {
        msg.refs[i] = (struct gv_ref){.incarnation = 1, .boot = 9, .flags = GV_REF_DIALABLE};
        msg.refs[i].id.b[0] = (uint8_t)(100 + i);
    }
    core->promote_us = GV_NEVER;
    core_give(1, &msg);
    uint32_t dialled = 0;
    for (uint32_t i = 0; i < 40 && dialled < 4; i++) {
        core->promote_us = now_us;
        struct gv_event event = {.kind = GV_EV_TICK};
        core_step(&event);
        for (uint32_t k = 0; k < effects->count; k++) {
            if (effects->item[k].kind == GV_FX_DIAL) {
                cr_expect_lt(gv_peers_rank(core, &core->self.id, &effects->item[k].target), UINT32_MAX / 2);
                dialled++;
            }
        }
        now_us += GV_MS;
    }
    cr_assert_geq(dialled, 4);
}

/* We ask for a place, it lets us go at that moment, and its answer to the question comes behind. */
Test(core_views, an_answer_that_crosses_the_end_of_the_neighbourhood_costs_nobody)
{
    struct gv_ref peer = core_ref(4, GV_REF_DIALABLE);
    core_greet(4, &peer);
    core_ask(4);
    uint32_t row = core->link_peers[gv_links_find(core, 4)];
    core->peers[row].asked = true;
    struct gv_msg msg = {.kind = GV_KIND_DISCONNECT};
    core_give(4, &msg);
    cr_assert_not(core->peers[row].asked);
    msg = (struct gv_msg){.kind = GV_KIND_NEIGHBOUR_REPLY};
    core_give(4, &msg);
    cr_assert_eq(gv_score_now(core, row), 0);
    cr_assert_neq(core->roles[row], GV_ROLE_ACTIVE);
}
