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
#ifndef NODES
#define NODES 8u
#endif

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
        (void)vnet_spawn(net, &(struct vnet_node_options){.value = -(int64_t)i << 24, .seed_count = 1});
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
        fprintf(stderr,
                "  node %u state %d age %" PRIu64 " active %u known %u links %u done %" PRIu64 " failed %" PRIu64
                " refused %" PRIu64 " rate %" PRIu64 " dup %" PRIu64 " timeout %" PRIu64 " lost %" PRIu64 " suspect %u\n",
                i, (int)s.state, s.age >> 16, s.peers_active, s.peers_known, s.links, s.exchanges_done,
                s.exchanges_failed, s.exchanges_refused, s.refusals[GV_ERR_RATE - 100],
                s.refusals[GV_ERR_DUPLICATE - 100], s.refusals[GV_ERR_TIMEOUT - 100],
                s.refusals[GV_ERR_LINK_LOST - 100], vnet_logged(net, i, GV_LOG_SUSPECT));
    }
}

Test(young_swarm, measure, .timeout = 600)
{
    uint64_t base = vnet_seed(1);
    uint64_t count = getenv("RUNS") ? strtoull(getenv("RUNS"), NULL, 0) : 3;
    uint64_t round = getenv("ROUND") ? strtoull(getenv("ROUND"), NULL, 0) : 3000;
    for (uint64_t seed = base; seed < base + count; seed++) {
        struct vnet *net = young(seed, round);
        uint64_t at = vnet_now(net);
        bool known = vnet_run_until(net, all_know_all, NULL, 5 * SECOND);
        double took = (double)(vnet_now(net) - at) / 1e6;
        bool connected = vnet_connected(net);
        vnet_run(net, at + 10 * SECOND - vnet_now(net));
        fprintf(stderr, "seed %" PRIu64 " known %d after %.2f connected %d gap %" PRIu64 "\n", seed, known, took,
                connected, age_gap(net));
        describe(net);
        vnet_free(&net);
    }
}
