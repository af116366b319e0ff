/*
 * What a swarm of whole cores over the network of vnet.h must not do: exchange with whom it cannot, merge what is not
 * finite, go on for ever, believe a hostile member. Prints SEED, accepts SEED.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swarm_help.h"

/* ---- exchanges that must not happen ------------------------------------------------------------------------ */

static enum vnet_fate count_busy(void *context, uint32_t from, uint32_t to, struct gv_msg *msg)
{
    uint32_t *counts = context;
    (void)from;
    (void)to;
    counts[0] += msg->kind == GV_KIND_BUSY ? 1 : 0;
    counts[1] += msg->kind == GV_KIND_OFFER ? 1 : 0;
    return VNET_DELIVER;
}

Test(swarm_refuses, crossing_and_busy_offers_end_in_exchanges)
{
    for (uint32_t units = 1; units <= 16; units += 15) {
        struct vnet_options o = swarm_options(67, units);
        o.round_us = 30 * MS; /* crowded: everyone always wants to */
        o.latency_us = 20 * MS;
        struct vnet *net = vnet_new(&o);
        uint32_t counts[2] = {0, 0};
        vnet_set_filter(net, count_busy, counts);
        swarm_spawn_all(net, 6);
        int64_t sum = vnet_sum(net, 0);
        vnet_run(net, 30 * SECOND);
        cr_assert_gt(counts[0], 0, "nobody was ever busy");
        uint64_t done = 0;
        uint64_t failed = 0;
        for (uint32_t i = 0; i < 6; i++) {
            done += vnet_stats(net, i).exchanges_done;
            failed += vnet_stats(net, i).exchanges_failed;
            cr_assert_gt(vnet_stats(net, i).exchanges_done, 20, "node %u starves", i);
            vnet_command(net, i, GV_CMD_PAUSE);
        }
        cr_assert_lt(failed, done / 100 + 2, "%" PRIu64 " of %" PRIu64 " failed", failed, done);
        vnet_run(net, 5 * SECOND);
        cr_assert_eq(vnet_sum(net, 0), sum);
        vnet_free(&net);
    }
}

Test(swarm_refuses, two_nodes_whose_offers_always_cross_still_exchange)
{
    struct vnet_options o = swarm_options(71, 1);
    o.round_us = 10 * MS;
    o.latency_us = 50 * MS;
    struct vnet *net = vnet_new(&o);
    swarm_spawn_all(net, 2);
    vnet_run(net, 20 * SECOND);
    cr_assert_gt(vnet_commits(net, 0), 30);
    cr_assert_eq(vnet_stats(net, 0).exchanges_failed, 0);
    vnet_free(&net);
}

Test(swarm_refuses, a_chunk_that_is_not_finite_touches_nothing)
{
    for (uint32_t units = 1; units <= 16; units += 15) {
        struct vnet_options o = swarm_options(73, units);
        struct vnet *net = vnet_new(&o);
        swarm_spawn_all(net, 2);
        vnet_poison(net, 1);
        int64_t before = vnet_value(net, 0, 0);
        int64_t theirs = vnet_value(net, 1, 0);
        vnet_run(net, 20 * SECOND);
        cr_assert_eq(vnet_value(net, 0, 0), before);
        cr_assert_eq(vnet_value(net, 1, 0), theirs);
        cr_assert_gt(vnet_stats(net, 0).refusals[GV_ERR_NONFINITE - 100], 0);
        cr_assert_eq(vnet_handles_open(net, 0), 0);
        vnet_free(&net);
    }
}

static enum vnet_fate wrong_layout(void *context, uint32_t from, uint32_t to, struct gv_msg *msg)
{
    (void)from;
    (void)to;
    if (msg->kind == GV_KIND_OFFER && *(const int *)context == 0) {
        msg->u.offer.layout.b[0] ^= 1;
    } else if (msg->kind == GV_KIND_OFFER) {
        msg->u.offer.epoch++;
    }
    return VNET_DELIVER;
}

Test(swarm_refuses, another_layout_or_epoch_is_refused_with_its_reason)
{
    for (int kind = 0; kind < 2; kind++) {
        struct vnet_options o = swarm_options(79, 1);
        struct vnet *net = vnet_new(&o);
        vnet_set_filter(net, wrong_layout, &kind);
        swarm_spawn_all(net, 2);
        vnet_run(net, 10 * SECOND);
        cr_assert_eq(vnet_commits(net, 0) + vnet_commits(net, 1), 0);
        enum gv_err reason = kind == 0 ? GV_ERR_LAYOUT : GV_ERR_EPOCH;
        cr_assert_gt(vnet_stats(net, 0).refusals[reason - 100] + vnet_stats(net, 1).refusals[reason - 100], 0);
        vnet_free(&net);
    }
}

Test(swarm_refuses, it_settles_at_its_age_and_goes_on_serving)
{
    struct vnet_options o = swarm_options(83, 1);
    o.stop_age = (uint64_t)16 * 100 << 16;
    struct vnet *net = vnet_new(&o);
    swarm_spawn_all(net, 6);
    vnet_run(net, 60 * SECOND);
    for (uint32_t i = 0; i < 6; i++) {
        cr_assert(vnet_saw(net, i, GV_FX_SETTLED), "node %u: state %d", i, (int)vnet_stats(net, i).state);
        cr_assert_eq(vnet_stats(net, i).state, GV_STATE_SERVING);
        cr_assert(!vnet_training(net, i));
    }
    vnet_free(&net);
}

Test(swarm_refuses, a_node_alone_trains_and_settles_without_having_met_anybody)
{
    struct vnet_options o = swarm_options(89, 1);
    struct vnet *net = vnet_new(&o);
    uint32_t alone = swarm_first(net, 5);
    vnet_run(net, 2 * SECOND);
    cr_assert(vnet_training(net, alone));
    cr_assert_eq(vnet_stats(net, alone).state, GV_STATE_ISOLATED);
    cr_assert_eq(vnet_stats(net, alone).swarm_nodes, 1);
    vnet_command(net, alone, GV_CMD_SETTLE);
    cr_assert(vnet_saw(net, alone, GV_FX_SETTLED));
    vnet_free(&net);
}

Test(swarm_refuses, the_count_of_nodes_is_estimated)
{
    struct vnet_options o = swarm_options(97, 1);
    struct vnet *net = vnet_new(&o);
    swarm_spawn_all(net, 20);
    vnet_run(net, 200 * SECOND);
    for (uint32_t i = 0; i < 20; i++) {
        uint64_t nodes = vnet_stats(net, i).swarm_nodes;
        cr_assert(nodes >= 12 && nodes <= 30, "node %u estimates %" PRIu64 " of 20", i, nodes);
    }
    vnet_free(&net);
}

/* ---- a hostile member -------------------------------------------------------------------------------------- */

static void random_message(struct vnet *net, struct gv_msg *msg)
{
    uint8_t *bytes = (uint8_t *)&msg->u;
    memset(msg, 0, sizeof *msg);
    for (size_t i = 0; i < sizeof msg->u; i++) {
        bytes[i] = (uint8_t)vnet_random(net);
    }
    msg->kind = (enum gv_kind)(1 + vnet_random(net) % (GV_KIND_COUNT - 1));
    msg->ref_count = 0;
    /* Booleans hold 0 or 1 whatever the decoder reads. */
    switch (msg->kind) {
    case GV_KIND_PING:
    case GV_KIND_PONG:
        msg->u.ping.suspected = vnet_random(net) % 2 != 0;
        msg->u.ping.has_record = false;
        msg->u.ping.neighbour_count %= GV_NEIGHBOURS_NAMED_MAX + 1;
        break;
    case GV_KIND_PROBE:
    case GV_KIND_PROBE_RESULT:
        msg->u.probe.alive = vnet_random(net) % 2 != 0;
        msg->u.probe.target = *vnet_id(net, (uint32_t)(vnet_random(net) % 4));
        break;
    case GV_KIND_NEIGHBOUR:
    case GV_KIND_NEIGHBOUR_REPLY:
        msg->u.neighbour.urgent = vnet_random(net) % 2 != 0;
        msg->u.neighbour.accepted = vnet_random(net) % 2 != 0;
        break;
    case GV_KIND_DISCONNECT:
        msg->u.disconnect.restarting = vnet_random(net) % 2 != 0;
        break;
    case GV_KIND_OFFER:
    case GV_KIND_ACCEPT:
        msg->u.offer.inline_state = vnet_random(net) % 2 != 0;
        msg->u.offer.epoch = 1;
        memset(&msg->u.offer.layout, 0, sizeof msg->u.offer.layout);
        msg->u.offer.chunk_bytes = 1u << (vnet_random(net) % 24);
        msg->u.offer.codecs = (uint32_t)(vnet_random(net) % 4);
        break;
    case GV_KIND_STATE_REPLY:
        msg->u.state.donates = vnet_random(net) % 2 != 0;
        break;
    case GV_KIND_LEAVE: /* signed: nobody can leave in another's name, so it is the sender's */
    case GV_KIND_HELLO:
    case GV_KIND_WELCOME:
    case GV_KIND_REFUSE:
        msg->kind = GV_KIND_SAMPLE;
        break;
    default:
        break;
    }
}

struct eavesdropper {
    uint64_t nonce;
};

static enum vnet_fate listen(void *context, uint32_t from, uint32_t to, struct gv_msg *msg)
{
    struct eavesdropper *ear = context;
    if ((from == 3 || to == 3) && (msg->kind == GV_KIND_OFFER || msg->kind == GV_KIND_ACCEPT)) {
        ear->nonce = msg->u.offer.nonce;
    }
    return VNET_DELIVER;
}

static void hostile(uint32_t units, uint64_t seed)
{
    struct vnet_options o = swarm_options(seed, units);
    struct vnet *net = vnet_new(&o);
    struct eavesdropper ear = {0};
    vnet_set_filter(net, listen, &ear);
    swarm_spawn_all(net, 4);
    vnet_run(net, 5 * SECOND);
    uint32_t given = 0;
    for (uint32_t i = 0; i < 4000; i++) {
        struct gv_msg msg;
        random_message(net, &msg);
        if (msg.kind >= GV_KIND_OFFER && msg.kind <= GV_KIND_OUTCOME_REPLY && vnet_random(net) % 2 == 0) {
            /* of an exchange that is really going on */
            memcpy(&msg.u, &ear.nonce, sizeof ear.nonce);
            if (msg.kind == GV_KIND_CHUNK || msg.kind == GV_KIND_CREDIT) {
                msg.u.chunk.index = (uint32_t)(vnet_random(net) % 8);
                msg.u.exchange.credit = (uint32_t)(vnet_random(net) % 8);
            }
        }
        uint32_t to = (uint32_t)(vnet_random(net) % 3);
        bool bulk = msg.kind == GV_KIND_CHUNK ||
                    ((msg.kind == GV_KIND_OFFER || msg.kind == GV_KIND_ACCEPT) && msg.u.offer.inline_state);
        given += vnet_inject(net, 3, to, &msg, bulk) ? 1 : 0;
        vnet_run(net, vnet_random(net) % (20 * MS));
    }
    fprintf(stderr, "%u messages given\n", given);
    cr_assert_gt(given, 500);
    vnet_kill(net, 3, false);
    vnet_run(net, 90 * SECOND);
    uint64_t done = vnet_stats(net, 0).exchanges_done;
    vnet_run(net, 20 * SECOND);
    cr_assert_gt(vnet_stats(net, 0).exchanges_done, done + 5, "the honest go on");
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_leq(vnet_handles_open(net, i), 4, "node %u leaks handles", i);
    }
    vnet_free(&net);
}

Test(swarm_refuses, random_messages_of_a_hostile_member_break_no_rule, .timeout = 120)
{
    hostile(1, 101);
    hostile(16, 103);
}
