/*
 * One-way exchanges over the network of vnet.h: only the receiver moves, at most once for each push, whatever is lost.
 * Prints SEED, accepts SEED.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "vnet.h"

#define SECOND ((uint64_t)1000000)
#define MS ((uint64_t)1000)
#define GIVER 0u
#define TAKER 1u
#define CHUNKED 24u /* units: six chunks of 256 KiB */
#define FAR ((int64_t)1 << 40)

static struct vnet_options options(uint64_t fallback, uint32_t units)
{
    return (struct vnet_options){.seed = vnet_seed(fallback),
                                 .units = units,
                                 .latency_us = 5 * MS,
                                 .round_us = 200 * MS,
                                 .work_us = 2 * MS,
                                 .exchange = GV_EXCHANGE_PUSH,
                                 .settle_exchanges = 3};
}

/* The giver trains and so begins exchanges, the taker never does. */
static struct vnet *giver_and_taker(const struct vnet_options *o)
{
    struct vnet *net = vnet_new(o);
    (void)vnet_spawn(net, &(struct vnet_node_options){.has_model = true, .value = 0});
    (void)vnet_spawn(
        net, &(struct vnet_node_options){.has_model = true, .serves_only = true, .value = FAR, .seed_count = 1});
    return net;
}

/* Every push halves the taker's distance, exactly; the giver stays where it was. */
static void check_values(struct vnet *net, uint32_t units)
{
    uint32_t commits = vnet_commits(net, TAKER);
    cr_assert_eq(vnet_commits(net, GIVER), 0);
    for (uint32_t u = 0; u < units && commits < 40; u++) {
        int64_t expected = (int64_t)(u + 1) * (FAR >> commits);
        cr_assert_eq(vnet_value(net, GIVER, u), 0, "unit %u: the giver has moved", u);
        cr_assert_eq(vnet_value(net, TAKER, u), expected, "unit %u after %u pushes", u, commits);
    }
}

Test(push, only_the_receiver_moves)
{
    for (uint32_t units = 1; units <= CHUNKED; units += CHUNKED - 1) {
        struct vnet_options o = options(1, units);
        struct vnet *net = giver_and_taker(&o);
        for (uint32_t i = 0; i < 500; i++) {
            vnet_run(net, 10 * MS);
            check_values(net, units);
        }
        vnet_command(net, GIVER, GV_CMD_PAUSE);
        vnet_run(net, 2 * SECOND);
        struct gv_core_stats giver = vnet_stats(net, GIVER);
        struct gv_core_stats taker = vnet_stats(net, TAKER);
        cr_assert_geq(giver.exchanges_done, 10);
        cr_assert_eq(giver.exchanges_done, taker.exchanges_done, "both ends count");
        cr_assert_eq(giver.exchanges_failed + taker.exchanges_failed + giver.exchanges_doubt, 0);
        cr_assert_eq(giver.age, giver.steps << 16, "the giver's age is its own steps");
        cr_assert_gt(taker.age, 0);
        cr_assert_lt(taker.age, giver.age);
        vnet_free(&net);
    }
}

struct cut {
    uint32_t at, seen;
    bool hit;
    enum vnet_fate fate;
};

static bool of_an_exchange(enum gv_kind kind)
{
    return kind >= GV_KIND_OFFER && kind <= GV_KIND_OUTCOME_REPLY;
}

static enum vnet_fate cutter(void *context, uint32_t from, uint32_t to, struct gv_msg *msg)
{
    (void)from;
    (void)to;
    struct cut *cut = context;
    if (of_an_exchange(msg->kind) && !cut->hit && cut->seen++ == cut->at) {
        cut->hit = true;
        return cut->fate;
    }
    return VNET_DELIVER;
}

static void cut_at(uint32_t units, uint32_t index, enum vnet_fate fate)
{
    struct vnet_options o = {.seed = 300 + index,
                             .units = units,
                             .latency_us = 5 * MS,
                             .round_us = 200 * MS,
                             .work_us = 2 * MS,
                             .exchange = GV_EXCHANGE_PUSH};
    struct vnet *net = giver_and_taker(&o);
    struct cut cut = {.at = index, .fate = fate};
    vnet_set_filter(net, cutter, &cut);
    for (uint32_t i = 0; i < 5000 && !cut.hit; i++) {
        vnet_run(net, 2 * MS);
        check_values(net, units);
    }
    cr_assert(cut.hit);
    vnet_command(net, GIVER, GV_CMD_PAUSE);
    vnet_run(net, 60 * SECOND);
    struct gv_core_stats giver = vnet_stats(net, GIVER);
    struct gv_core_stats taker = vnet_stats(net, TAKER);
    check_values(net, units);
    cr_assert_eq(taker.exchanges_done, vnet_commits(net, TAKER));
    cr_assert_leq(giver.exchanges_done, taker.exchanges_done, "message %u: counted, but not merged", index);
    cr_assert_leq(taker.exchanges_done, giver.exchanges_done + giver.exchanges_doubt,
                  "message %u: merged, but the giver knows nothing of it", index);
    cr_assert_leq(giver.exchanges_doubt, giver.exchanges_failed);
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert_eq(vnet_handles_open(net, i), 0, "message %u: node %u leaks handles", index, i);
    }
    vnet_command(net, GIVER, GV_CMD_RESUME);
    vnet_run(net, 20 * SECOND);
    cr_assert_gt(vnet_stats(net, GIVER).exchanges_done, giver.exchanges_done, "message %u: it goes on", index);
    check_values(net, units);
    vnet_free(&net);
}

static void sweep(uint32_t units, uint32_t messages)
{
    enum vnet_fate fates[] = {VNET_LOSE_AND_RESET, VNET_DELIVER_AND_RESET, VNET_SWALLOW};
    for (uint32_t f = 0; f < 3; f++) {
        for (uint32_t index = 0; index < messages; index++) {
            cut_at(units, index, fates[f]);
        }
    }
}

Test(push, a_cut_at_any_message_of_an_inline_push_merges_once_or_not_at_all)
{
    sweep(1, 5); /* OFFER and COMMITTED of the first two, and one more */
}

Test(push, a_cut_at_any_message_of_a_chunked_push_merges_once_or_not_at_all, .timeout = 120)
{
    sweep(CHUNKED, 18); /* OFFER, ACCEPT, 6 CHUNK, 5 CREDIT, COMMITTED, and some of the second */
}

static enum vnet_fate swallow_committed(void *context, uint32_t from, uint32_t to, struct gv_msg *msg)
{
    (void)context;
    (void)from;
    (void)to;
    return msg->kind == GV_KIND_COMMITTED ? VNET_SWALLOW : VNET_DELIVER;
}

Test(push, without_an_answer_it_is_in_doubt_and_nothing_is_asked)
{
    struct vnet_options o = options(5, 1);
    struct vnet *net = giver_and_taker(&o);
    vnet_set_filter(net, swallow_committed, NULL);
    vnet_run(net, 90 * SECOND);
    struct gv_core_stats giver = vnet_stats(net, GIVER);
    cr_assert_eq(giver.exchanges_done, 0);
    cr_assert_geq(giver.exchanges_doubt, 2);
    cr_assert_eq(giver.exchanges_doubt, giver.exchanges_failed);
    cr_assert_geq(vnet_commits(net, TAKER), giver.exchanges_doubt);
    check_values(net, 1);
    vnet_free(&net);
}

static void swarm_agrees(uint32_t units, uint32_t resets, uint64_t seed)
{
    struct vnet_options o = options(seed, units);
    o.reset_per_10000 = resets;
    struct vnet *net = vnet_new(&o);
    for (uint32_t i = 0; i < 20; i++) {
        (void)vnet_spawn(net, &(struct vnet_node_options){
                                  .has_model = true, .value = (int64_t)i << 20, .seed_count = i > 0 ? 1 : 0});
    }
    vnet_run(net, 60 * SECOND);
    for (uint32_t i = 0; i < 20; i++) {
        vnet_command(net, i, GV_CMD_PAUSE);
    }
    vnet_run(net, 30 * SECOND);
    uint64_t done = 0;
    uint64_t doubt = 0;
    uint64_t commits = 0;
    for (uint32_t i = 0; i < 20; i++) {
        struct gv_core_stats stats = vnet_stats(net, i);
        cr_assert_eq(vnet_handles_open(net, i), 0, "node %u leaks handles", i);
        done += stats.exchanges_done;
        doubt += stats.exchanges_doubt;
        commits += vnet_commits(net, i);
    }
    cr_assert_leq(vnet_spread(net), 19 << 20 >> 10, "spread %" PRId64, vnet_spread(net));
    cr_assert_geq(commits, 1000);
    /* Each merged push is counted by its receiver, and by its giver as done or in doubt. */
    cr_assert(done <= 2 * commits && 2 * commits <= done + doubt,
              "%" PRIu64 " merged, %" PRIu64 " counted, %" PRIu64 " in doubt", commits, done, doubt);
    vnet_free(&net);
}

Test(push, twenty_nodes_come_to_agree)
{
    swarm_agrees(1, 0, 2);
    swarm_agrees(16, 0, 3);
}

Test(push, twenty_nodes_come_to_agree_while_links_break)
{
    swarm_agrees(1, 20, 4);
    swarm_agrees(16, 20, 5);
}

Test(push, two_nodes_whose_rounds_are_short_take_turns)
{
    struct vnet_options o = options(6, 1);
    o.round_us = 8 * MS; /* offers cross and meet busy ends */
    struct vnet *net = vnet_new(&o);
    for (uint32_t i = 0; i < 2; i++) {
        (void)vnet_spawn(net,
                         &(struct vnet_node_options){.has_model = true, .value = (int64_t)i << 40, .seed_count = i});
    }
    vnet_run(net, 20 * SECOND);
    for (uint32_t i = 0; i < 2; i++) {
        vnet_command(net, i, GV_CMD_PAUSE);
        cr_assert_geq(vnet_commits(net, i), 50, "node %u", i);
    }
    vnet_run(net, 5 * SECOND);
    struct gv_core_stats a = vnet_stats(net, 0);
    struct gv_core_stats b = vnet_stats(net, 1);
    cr_assert_eq(a.exchanges_doubt + b.exchanges_doubt + a.exchanges_failed + b.exchanges_failed, 0);
    cr_assert_eq(a.exchanges_done + b.exchanges_done, 2 * (vnet_commits(net, 0) + vnet_commits(net, 1)));
    cr_assert_leq(vnet_spread(net), 1);
    vnet_free(&net);
}

Test(push, a_state_that_is_not_finite_touches_nothing)
{
    for (uint32_t units = 1; units <= CHUNKED; units += CHUNKED - 1) {
        struct vnet_options o = options(7, units);
        struct vnet *net = giver_and_taker(&o);
        vnet_poison(net, GIVER);
        vnet_run(net, 30 * SECOND);
        cr_assert_eq(vnet_commits(net, TAKER), 0);
        cr_assert_gt(vnet_stats(net, TAKER).exchanges_failed, 0);
        cr_assert_eq(vnet_stats(net, GIVER).exchanges_doubt, 0);
        cr_assert_eq(vnet_handles_open(net, TAKER), 0);
        check_values(net, units);
        vnet_free(&net);
    }
}

Test(push, an_age_weighted_push_moves_the_receiver_by_the_ages)
{
    struct vnet_options o = options(8, 1);
    o.merge = GV_MERGE_AGE;
    o.round_us = 500 * MS;
    struct vnet *net = vnet_new(&o);
    (void)vnet_spawn(net, &(struct vnet_node_options){.has_model = true, .value = 0, .age = (uint64_t)300 << 16});
    (void)vnet_spawn(
        net, &(struct vnet_node_options){
                 .has_model = true, .serves_only = true, .value = FAR, .age = (uint64_t)300 << 16, .seed_count = 1});
    for (uint32_t i = 0; i < 5000 && vnet_commits(net, TAKER) == 0; i++) {
        vnet_run(net, MS);
    }
    double giver = (double)vnet_stats(net, GIVER).age;
    double expected = 300.0 * 65536 / (giver + 300.0 * 65536);
    double kept = (double)vnet_value(net, TAKER, 0) / (double)FAR;
    cr_assert(kept > expected - 0.02 && kept < expected + 0.02, "%.4f of %.4f", kept, expected);
    vnet_free(&net);
}
