/*
 * The first seconds of a small swarm: everyone joins through one seed at nearly the same time, rounds are short, and
 * whoever comes must be found by all, be served at once, and keep one link to each. Prints SEED, accepts SEED.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vnet.h"

#define SECOND ((uint64_t)1000000)
#define MS ((uint64_t)1000)
#define NODES 8u

/* Eight processes on one machine: node 0 trains already, the rest start within a second and a half. */
static struct vnet *young(uint64_t seed, uint64_t round_us)
{
    struct vnet_options o = {.seed = seed,
                             .units = 6, /* 384 KiB */
                             .latency_us = 200,
                             .round_us = round_us,
                             .work_us = 300,
                             .settle_exchanges = 3};
    struct vnet *net = vnet_new(&o);
    (void)vnet_spawn(net, &(struct vnet_node_options){.has_model = true, .value = 1 << 20});
    for (uint32_t i = 1; i < NODES; i++) {
        vnet_run(net, vnet_random(net) % (430 * MS));
        (void)vnet_spawn(net, &(struct vnet_node_options){.value = -(int64_t)i * (1 << 24), .seed_count = 1});
    }
    return net;
}

static uint32_t knows(const struct vnet *net, uint32_t node)
{
    uint32_t count = 0;
    for (uint32_t k = 0; k < NODES; k++) {
        count += k != node && vnet_alive(net, k) && vnet_has_peer(net, node, k, false) ? 1 : 0;
    }
    return count;
}

static bool all_know_all(struct vnet *net, void *context)
{
    (void)context;
    uint32_t live = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        live += vnet_alive(net, i) ? 1 : 0;
    }
    for (uint32_t i = 0; i < NODES; i++) {
        if (vnet_alive(net, i) && knows(net, i) + 1 < live) {
            return false;
        }
    }
    return true;
}

static uint64_t age_gap(const struct vnet *net)
{
    uint64_t low = UINT64_MAX;
    uint64_t high = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        if (vnet_alive(net, i)) {
            uint64_t age = vnet_stats(net, i).age >> 16;
            low = age < low ? age : low;
            high = age > high ? age : high;
        }
    }
    return high - low;
}

static void describe(const struct vnet *net)
{
    for (uint32_t i = 0; i < NODES; i++) {
        if (!vnet_alive(net, i)) {
            continue;
        }
        struct gv_core_stats s = vnet_stats(net, i);
        fprintf(
            stderr,
            "  node %u state %d age %" PRIu64 " active %u known %u links %u done %" PRIu64 " failed %" PRIu64
            " refused %" PRIu64 " rate %" PRIu64 " dup %" PRIu64 " timeout %" PRIu64 " lost %" PRIu64 " suspect %u\n",
            i, (int)s.state, s.age >> 16, s.peers_active, s.peers_known, s.links, s.exchanges_done, s.exchanges_failed,
            s.exchanges_refused, s.refusals[GV_ERR_RATE - 100], s.refusals[GV_ERR_DUPLICATE - 100],
            s.refusals[GV_ERR_TIMEOUT - 100], s.refusals[GV_ERR_LINK_LOST - 100], vnet_logged(net, i, GV_LOG_SUSPECT));
    }
}

/* How many seeds are tried: RUNS from the environment, else `usual`. */
static uint64_t runs(uint64_t usual)
{
    const char *text = getenv("RUNS");
    return text == NULL ? usual : strtoull(text, NULL, 0);
}

static void everyone_found(struct vnet *net, uint64_t seed, uint64_t within_us, uint64_t rounds)
{
    uint64_t at = vnet_now(net);
    bool known = vnet_run_until(net, all_know_all, NULL, within_us);
    if (!known || !vnet_connected(net)) {
        describe(net);
    }
    cr_assert(known, "seed %" PRIu64 ": not everyone knows everyone after %.1f s", seed, (double)within_us / 1e6);
    vnet_run(net, at + 10 * SECOND - vnet_now(net));
    cr_assert(vnet_connected(net), "seed %" PRIu64 ": the active views have come apart", seed);
    uint64_t gap = age_gap(net);
    cr_assert_leq(gap, 16 * rounds, "seed %" PRIu64 ": ages differ by %" PRIu64 " steps", seed, gap);
}

Test(young_swarm, everyone_knows_everyone_within_two_seconds, .timeout = 600)
{
    uint64_t base = vnet_seed(1);
    uint64_t slowest_us = 0;
    for (uint64_t seed = base; seed < base + runs(60); seed++) {
        struct vnet *net = young(seed, 30 * MS);
        uint64_t at = vnet_now(net);
        (void)vnet_run_until(net, all_know_all, NULL, 2 * SECOND);
        slowest_us = vnet_now(net) - at > slowest_us ? vnet_now(net) - at : slowest_us;
        everyone_found(net, seed, 2 * SECOND, 8);
        vnet_free(&net);
    }
    fprintf(stderr, "slowest: %.3f s after the last start\n", (double)slowest_us / 1e6);
}

Test(young_swarm, two_deaths_and_a_return_leave_one_swarm, .timeout = 600)
{
    uint64_t base = vnet_seed(1000);
    for (uint64_t seed = base; seed < base + runs(20); seed++) {
        struct vnet *net = young(seed, 30 * MS);
        vnet_run(net, 2 * SECOND);
        uint32_t first = 1 + (uint32_t)(vnet_random(net) % (NODES - 1));
        uint32_t second = 1 + (first + (uint32_t)(vnet_random(net) % (NODES - 2))) % (NODES - 1);
        vnet_kill(net, first, vnet_random(net) % 2 == 0);
        vnet_run(net, vnet_random(net) % SECOND);
        vnet_kill(net, second, false);
        vnet_run(net, 2 * SECOND);
        vnet_restart(net, second, 1);
        everyone_found(net, seed, 5 * SECOND, 10);
        vnet_free(&net);
    }
}

/* One link to each, no suspicion, and hardly a dial in vain. */
Test(young_swarm, each_pair_settles_on_one_link_and_nobody_is_suspected, .timeout = 600)
{
    uint64_t base = vnet_seed(2000);
    for (uint64_t seed = base; seed < base + runs(40); seed++) {
        struct vnet *net = young(seed, 10 * MS);
        vnet_run(net, 4 * SECOND);
        for (uint32_t i = 0; i < NODES; i++) {
            struct gv_core_stats s = vnet_stats(net, i);
            uint32_t duplicates = (uint32_t)s.refusals[GV_ERR_DUPLICATE - 100];
            cr_assert_eq(s.links, NODES - 1, "seed %" PRIu64 ", node %u: %u links", seed, i, s.links);
            cr_assert_eq(vnet_logged(net, i, GV_LOG_SUSPECT), 0, "seed %" PRIu64 ", node %u", seed, i);
            cr_assert_eq(vnet_logged(net, i, GV_LOG_PEER_LOST), 0, "seed %" PRIu64 ", node %u", seed, i);
            cr_assert_eq(s.exchanges_failed, 0, "seed %" PRIu64 ", node %u", seed, i);
            cr_assert_leq(duplicates, 2, "seed %" PRIu64 ", node %u: %u duplicates refused", seed, i, duplicates);
            cr_assert_leq(vnet_dials(net, i), 2 * NODES, "seed %" PRIu64 ", node %u dials %u times", seed, i,
                          vnet_dials(net, i));
        }
        vnet_free(&net);
    }
}

Test(young_swarm, dials_that_cross_end_with_one_link, .timeout = 600)
{
    uint64_t base = vnet_seed(3000);
    uint32_t crossed = 0;
    for (uint64_t seed = base; seed < base + runs(200); seed++) {
        struct vnet_options o = {
            .seed = seed, .units = 6, .latency_us = 20 * MS, .round_us = 30 * MS, .work_us = 2 * MS};
        struct vnet *net = vnet_new(&o);
        for (uint32_t i = 0; i < 3; i++) { /* each of the first two is a seed of the other */
            (void)vnet_spawn(net, &(struct vnet_node_options){.has_model = true, .seed_count = 2});
        }
        vnet_run(net, 5 * SECOND);
        for (uint32_t i = 0; i < 3; i++) {
            crossed += vnet_logged(net, i, GV_LOG_PEER_JOINED) > 2 ? 1 : 0;
            cr_assert_eq(vnet_stats(net, i).links, 2, "seed %" PRIu64 ", node %u: %u links", seed, i,
                         vnet_stats(net, i).links);
            cr_assert_eq(vnet_logged(net, i, GV_LOG_SUSPECT), 0, "seed %" PRIu64 ", node %u", seed, i);
            cr_assert_eq(vnet_stats(net, i).exchanges_failed, 0, "seed %" PRIu64 ", node %u", seed, i);
            cr_assert_gt(vnet_stats(net, i).exchanges_done, 3);
        }
        vnet_free(&net);
    }
    fprintf(stderr, "%u links replaced by better ones\n", crossed);
    cr_assert_gt(crossed, 0);
}

static bool first_commit(struct vnet *net, void *context)
{
    return vnet_commits(net, *(const uint32_t *)context) > 0;
}

static bool in_training(struct vnet *net, void *context)
{
    return vnet_training(net, *(const uint32_t *)context);
}

Test(young_swarm, a_newcomer_is_served_by_seven_that_are_always_busy, .timeout = 600)
{
    uint64_t base = vnet_seed(4000);
    uint64_t worst_us = 0;
    for (uint64_t seed = base; seed < base + runs(10); seed++) {
        struct vnet *net = young(seed, 3 * MS);
        vnet_run(net, 2 * SECOND);
        uint32_t newcomer = vnet_spawn(net, &(struct vnet_node_options){.value = 5, .seed_count = 1});
        uint64_t at = vnet_now(net);
        cr_assert(vnet_run_until(net, first_commit, &newcomer, 500 * MS), "seed %" PRIu64 ": state %d", seed,
                  (int)vnet_stats(net, newcomer).state);
        cr_assert(vnet_run_until(net, in_training, &newcomer, 500 * MS), "seed %" PRIu64, seed);
        worst_us = vnet_now(net) - at > worst_us ? vnet_now(net) - at : worst_us;
        cr_assert_leq(vnet_now(net) - at, 500 * MS, "seed %" PRIu64, seed);
        vnet_free(&net);
    }
    fprintf(stderr, "slowest from start to training: %.3f s\n", (double)worst_us / 1e6);
}

Test(young_swarm, seven_join_one_seed_at_once, .timeout = 600)
{
    uint64_t base = vnet_seed(5000);
    uint64_t worst_us = 0;
    for (uint64_t seed = base; seed < base + runs(20); seed++) {
        struct vnet_options o = {.seed = seed, .units = 6, .latency_us = 200, .round_us = 3 * MS, .work_us = 300};
        struct vnet *net = vnet_new(&o);
        (void)vnet_spawn(net, &(struct vnet_node_options){.has_model = true});
        vnet_run(net, SECOND);
        for (uint32_t i = 1; i < NODES; i++) {
            (void)vnet_spawn(net, &(struct vnet_node_options){.value = (int64_t)i << 20, .seed_count = 1});
        }
        uint64_t at = vnet_now(net);
        for (uint32_t i = 1; i < NODES; i++) {
            bool placed = vnet_run_until(net, in_training, &i, at + 500 * MS - vnet_now(net));
            if (!placed) {
                describe(net);
            }
            cr_assert(placed, "seed %" PRIu64 ": node %u is in state %d after 0.5 s", seed, i,
                      (int)vnet_stats(net, i).state);
        }
        worst_us = vnet_now(net) - at > worst_us ? vnet_now(net) - at : worst_us;
        everyone_found(net, seed, SECOND, 20);
        vnet_free(&net);
    }
    fprintf(stderr, "all seven train after at most %.3f s\n", (double)worst_us / 1e6);
}

/* Rounds of 3 ms: exchanges keep their distance, nothing is dropped, refusals stay below half of what is offered. */
Test(young_swarm, short_rounds_cause_no_storm_of_offers, .timeout = 600)
{
    for (uint32_t nodes = 2; nodes <= NODES; nodes += NODES - 2) {
        struct vnet_options o = {
            .seed = vnet_seed(6000), .units = 6, .latency_us = 200, .round_us = 3 * MS, .work_us = 300};
        struct vnet *net = vnet_new(&o);
        for (uint32_t i = 0; i < nodes; i++) {
            (void)vnet_spawn(net, &(struct vnet_node_options){.has_model = true, .seed_count = i > 0 ? 1 : 0});
        }
        vnet_run(net, 20 * SECOND);
        for (uint32_t i = 0; i < nodes; i++) {
            struct gv_core_stats s = vnet_stats(net, i);
            cr_assert_eq(s.refusals[GV_ERR_RATE - 100], 0, "%u nodes: node %u drops messages", nodes, i);
            cr_assert_eq(s.exchanges_failed, 0, "%u nodes: node %u", nodes, i);
            cr_assert_gt(s.exchanges_done, 1000, "%u nodes: node %u: %" PRIu64, nodes, i, s.exchanges_done);
            cr_assert_lt(s.exchanges_refused, s.exchanges_done, "%u nodes: node %u: %" PRIu64 " of %" PRIu64, nodes, i,
                         s.exchanges_refused, s.exchanges_done);
        }
        vnet_free(&net);
    }
}

Test(young_swarm, a_few_that_know_only_each_other_find_the_seed_again, .timeout = 600)
{
    uint64_t base = vnet_seed(7000);
    for (uint64_t seed = base; seed < base + runs(10); seed++) {
        struct vnet_options o = {.seed = seed, .units = 6, .latency_us = 200, .round_us = 30 * MS, .work_us = 300};
        struct vnet *net = vnet_new(&o);
        for (uint32_t i = 0; i < 4; i++) {
            (void)vnet_spawn(net, &(struct vnet_node_options){.has_model = true, .seed_count = i > 0 ? 1 : 0});
        }
        vnet_run(net, 5 * SECOND);
        vnet_unplug(net, 0, true);
        for (uint32_t i = 1; i < 4; i++) { /* the seed loses everybody, and they bury it */
            vnet_cut(net, 0, i);
        }
        vnet_run(net, 90 * SECOND);
        cr_assert(!vnet_connected(net));
        vnet_unplug(net, 0, false);
        vnet_run(net, 12 * SECOND);
        cr_assert(vnet_connected(net), "seed %" PRIu64 ": still apart after 12 s", seed);
        cr_assert_leq(age_gap(net), 200);
        vnet_free(&net);
    }
}

Test(young_swarm, a_young_swarm_shows_figures_before_an_epoch_is_over)
{
    struct vnet *net = young(vnet_seed(8000), 30 * MS);
    vnet_run(net, 15 * SECOND);
    for (uint32_t i = 0; i < NODES; i++) {
        struct gv_core_stats s = vnet_stats(net, i);
        cr_assert(s.swarm_nodes >= 5 && s.swarm_nodes <= 12, "node %u estimates %" PRIu64 " of 8", i, s.swarm_nodes);
    }
    vnet_free(&net);
}
