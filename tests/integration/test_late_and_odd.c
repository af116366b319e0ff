/*
 * Joiners that nobody answers, ends of training, donors that never have time, and the less usual kinds of exchange,
 * over the network of vnet.h. Prints SEED, accepts SEED.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "vnet.h"

#define SECOND ((uint64_t)1000000)
#define MS ((uint64_t)1000)

static struct vnet_options options(uint64_t fallback, uint32_t units)
{
    return (struct vnet_options){.seed = vnet_seed(fallback),
                                 .units = units,
                                 .latency_us = 2 * MS,
                                 .round_us = 100 * MS,
                                 .work_us = MS,
                                 .settle_exchanges = 3};
}

static bool trains(struct vnet *net, void *context)
{
    return vnet_training(net, *(const uint32_t *)context);
}

static bool adopted(struct vnet *net, void *context)
{
    return vnet_saw(net, *(const uint32_t *)context, GV_FX_ADOPT);
}

Test(late, a_joiner_whom_nobody_answers_begins_alone_and_gives_that_up_for_the_swarms_model)
{
    struct vnet_options o = options(1, 6);
    struct vnet *net = vnet_new(&o);
    for (uint32_t i = 0; i < 3; i++) {
        (void)vnet_spawn(net, &(struct vnet_node_options){.has_model = true, .value = 1 << 20, .seed_count = i});
    }
    vnet_unplug(net, 0, true); /* the seed cannot be reached */
    uint32_t joiner = vnet_spawn(net, &(struct vnet_node_options){.value = -1 * (1 << 24), .seed_count = 1});
    uint64_t at = vnet_now(net);
    cr_assert(vnet_run_until(net, trains, &joiner, 40 * SECOND));
    cr_assert_geq(vnet_now(net) - at, 29 * SECOND, "it waits for the swarm first");
    cr_assert_leq(vnet_now(net) - at, 31 * SECOND);
    cr_assert_eq(vnet_stats(net, joiner).state, GV_STATE_ISOLATED);
    for (uint32_t i = 0; i < 3; i++) {
        vnet_command(net, i, GV_CMD_PAUSE); /* so that its age passes theirs */
    }
    vnet_run(net, 60 * SECOND);
    uint64_t lone_age = vnet_stats(net, joiner).age;
    cr_assert_gt(lone_age, vnet_stats(net, 1).age);
    vnet_unplug(net, 0, false);
    cr_assert(vnet_run_until(net, adopted, &joiner, 15 * SECOND), "state %d", (int)vnet_stats(net, joiner).state);
    vnet_run(net, 5 * SECOND);
    cr_assert_lt(vnet_stats(net, joiner).age, lone_age);
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert_gt(vnet_value(net, i, 0), 0, "node %u: the lone model pulled at the swarm's", i);
    }
    vnet_free(&net);
}

Test(late, settling_ends_a_second_after_everyone_else_has_gone)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct vnet_options o = options(seed, 6);
        o.seed = seed;
        o.settle_exchanges = 1000; /* more than there is time for */
        struct vnet *net = vnet_new(&o);
        for (uint32_t i = 0; i < 3; i++) {
            (void)vnet_spawn(net, &(struct vnet_node_options){.has_model = true, .seed_count = i > 0 ? 1 : 0});
        }
        vnet_run(net, 5 * SECOND);
        vnet_command(net, 1, GV_CMD_SETTLE);
        vnet_run(net, SECOND);
        cr_assert_eq(vnet_stats(net, 1).state, GV_STATE_SETTLING);
        vnet_command(net, 0, GV_CMD_STOP);
        vnet_command(net, 2, GV_CMD_STOP);
        vnet_run(net, 100 * MS);
        vnet_kill(net, 0, false);
        vnet_kill(net, 2, false);
        vnet_run(net, 500 * MS);
        cr_assert(!vnet_saw(net, 1, GV_FX_SETTLED), "it waits a moment for them to come back");
        vnet_run(net, 1500 * MS);
        cr_assert(vnet_saw(net, 1, GV_FX_SETTLED), "seed %" PRIu64 ": state %d", seed, (int)vnet_stats(net, 1).state);
        vnet_free(&net);
    }
}

struct busy {
    uint32_t from_below; /* nodes below this never give */
    uint32_t fetches;
};

static enum vnet_fate always_busy(void *context, uint32_t from, uint32_t to, struct gv_msg *msg)
{
    struct busy *busy = context;
    (void)to;
    busy->fetches += msg->kind == GV_KIND_FETCH ? 1 : 0;
    if (msg->kind == GV_KIND_STATE_REPLY && from < busy->from_below) {
        msg->u.state.donates = true; /* it says so */
    }
    if (msg->kind == GV_KIND_FETCH_REPLY && from < busy->from_below) {
        msg->u.fetch.reason = GV_ERR_BUSY;
    }
    bool chunk_of_refused = msg->kind == GV_KIND_CHUNK && from < busy->from_below;
    return chunk_of_refused ? VNET_SWALLOW : VNET_DELIVER;
}

Test(late, donors_that_are_always_busy_are_left_for_others)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct vnet_options o = options(seed, 6);
        o.seed = seed;
        struct vnet *net = vnet_new(&o);
        for (uint32_t i = 0; i < 5; i++) {
            (void)vnet_spawn(net, &(struct vnet_node_options){.has_model = true, .seed_count = i > 0 ? 1 : 0});
        }
        vnet_run(net, 5 * SECOND);
        for (uint32_t i = 0; i < 5; i++) {
            vnet_command(net, i, GV_CMD_PAUSE);
        }
        vnet_run(net, 2 * SECOND);
        struct busy busy = {.from_below = 4};
        vnet_set_filter(net, always_busy, &busy);
        uint32_t joiner = vnet_spawn(net, &(struct vnet_node_options){.value = 7, .seed_count = 1});
        cr_assert(vnet_run_until(net, adopted, &joiner, 10 * SECOND), "seed %" PRIu64, seed);
        vnet_free(&net);
    }
}

Test(late, donors_that_are_all_busy_are_not_pestered)
{
    struct vnet_options o = options(3, 6);
    struct vnet *net = vnet_new(&o);
    for (uint32_t i = 0; i < 4; i++) {
        (void)vnet_spawn(net, &(struct vnet_node_options){.has_model = true, .seed_count = i > 0 ? 1 : 0});
    }
    vnet_run(net, 5 * SECOND);
    struct busy busy = {.from_below = 4};
    vnet_set_filter(net, always_busy, &busy);
    uint32_t joiner = vnet_spawn(net, &(struct vnet_node_options){.value = 7, .seed_count = 1});
    vnet_run(net, 20 * SECOND);
    cr_assert(!vnet_saw(net, joiner, GV_FX_ADOPT));
    cr_assert_gt(busy.fetches, 8);
    cr_assert_leq(busy.fetches, 20 * 12, "%u requests in 20 s", busy.fetches);
    busy.from_below = 0;
    cr_assert(vnet_run_until(net, adopted, &joiner, 35 * SECOND));
    vnet_free(&net);
}

/* ---- kinds of exchange ------------------------------------------------------------------------------------- */

static bool close_together(struct vnet *net, void *context)
{
    (void)context;
    return vnet_spread(net) < 1 << 10;
}

static void exchanges_conserve(struct vnet_options *o, uint32_t nodes)
{
    struct vnet *net = vnet_new(o);
    for (uint32_t i = 0; i < nodes; i++) {
        (void)vnet_spawn(net, &(struct vnet_node_options){
                                  .has_model = true, .value = (int64_t)i << 20, .seed_count = i > 0 ? 1 : 0});
    }
    int64_t sums[VNET_UNITS_MAX];
    for (uint32_t u = 0; u < o->units; u++) {
        sums[u] = vnet_sum(net, u);
    }
    cr_assert(vnet_run_until(net, close_together, NULL, 60 * SECOND), "spread %" PRId64, vnet_spread(net));
    for (uint32_t i = 0; i < nodes; i++) {
        vnet_command(net, i, GV_CMD_PAUSE);
    }
    vnet_run(net, 5 * SECOND);
    for (uint32_t u = 0; u < o->units; u++) {
        cr_assert_eq(vnet_sum(net, u), sums[u], "unit %u", u);
    }
    vnet_free(&net);
}

Test(kinds, two_blocks_are_exchanged_and_both_conserved)
{
    struct vnet_options o = options(11, 9);
    o.second_units = 4;
    exchanges_conserve(&o, 4);
}

Test(kinds, half_precision_takes_half_the_chunks_and_conserves)
{
    struct vnet_options o = options(12, 12);
    o.codec = GV_CODEC_F16;
    exchanges_conserve(&o, 4);
    o.second_units = 3;
    exchanges_conserve(&o, 4);
}

Test(kinds, a_joiner_fetches_the_first_block_only)
{
    struct vnet_options o = options(13, 9);
    o.second_units = 4;
    struct vnet *net = vnet_new(&o);
    for (uint32_t i = 0; i < 3; i++) {
        (void)vnet_spawn(net, &(struct vnet_node_options){.has_model = true, .value = 64, .seed_count = i > 0 ? 1 : 0});
    }
    vnet_run(net, 3 * SECOND);
    uint32_t joiner = vnet_spawn(net, &(struct vnet_node_options){.value = -64, .seed_count = 1});
    cr_assert(vnet_run_until(net, adopted, &joiner, 3 * SECOND));
    cr_assert_eq(vnet_value(net, joiner, 0), 64);
    cr_assert_eq(vnet_value(net, joiner, 8), -64 * 9, "momentum is its own until exchanges mix it");
    vnet_free(&net);
}

Test(kinds, merging_by_age_leans_to_the_older_model)
{
    struct vnet_options o = options(14, 6);
    o.merge = GV_MERGE_AGE;
    o.round_us = 0;
    struct vnet *net = vnet_new(&o);
    /* Ages 300 and 200 steps: near enough to be averaged. With weights 3 : 2 the young moves more. */
    uint32_t older =
        vnet_spawn(net, &(struct vnet_node_options){.has_model = true, .value = 0, .age = (uint64_t)300 << 16});
    uint32_t younger = vnet_spawn(
        net,
        &(struct vnet_node_options){.has_model = true, .value = 1000000, .age = (uint64_t)200 << 16, .seed_count = 1});
    vnet_run(net, SECOND);
    vnet_command(net, older, GV_CMD_SETTLE); /* settling exchanges without training */
    vnet_run(net, 100 * MS);
    while (vnet_commits(net, younger) == 0) {
        vnet_run(net, 10 * MS);
        cr_assert_lt(vnet_now(net), 60 * SECOND);
    }
    cr_assert_lt(vnet_value(net, older, 0), 600000);
    cr_assert_lt(vnet_value(net, younger, 0), 500000);
    vnet_run(net, 5 * SECOND);
    cr_assert_lt(vnet_value(net, younger, 0), 500000, "nearer to the older one's 0 than the mean would be");
    vnet_free(&net);
}
