/*
 * Averaging by gossip, as the theory has it (Jelasity, Montresor, Babaoglu, "Gossip-Based Aggregation in Large Dynamic
 * Networks", 2005): with uniformly random peers and one exchange begun by each node in each cycle, the variance shrinks
 * by 1 / (2 sqrt e) a cycle, and the mean stays. Beside it, what our own peer sampling and busy nodes make of it.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "sim_world.h"

#define THEORY 0.30326532985631671 /* 1 / (2 sqrt e) */

static void simulate(struct gv_summary *summary, const char *text)
{
    struct gv_scenario scenario;
    sim_scenario(&scenario, text);
    sim_run(summary, &scenario, sim_seed(), 2, NULL);
}

Test(sim_theory, with_uniform_peers_the_variance_shrinks_as_predicted_and_the_mean_stays)
{
    struct gv_summary summary;
    simulate(&summary,
             "[swarm]\nnodes = 10000\nmode = mean\npeers = oracle\nduration = 12s\nround = 1s\nelements = 16\n"
             "[network]\nlatency = 100us\n[report]\nevery = 12s\n");
    sim_note("10,000 nodes, uniform peers: a factor of %.4f a cycle, theory %.4f; the mean moved by %.2g deviations",
             summary.variance_factor, THEORY, summary.mean_drift);
    cr_assert_lt(fabs(summary.variance_factor / THEORY - 1.0), 0.03, "%.5f", summary.variance_factor);
    cr_assert_lt(summary.mean_drift, 1e-6);
    /* One exchange begun by every node in every cycle; a few find the far side in another one. */
    cr_assert_geq(summary.last.exchanges_done, 119000);
    cr_assert_leq(summary.last.exchanges_done, 120000);
    cr_assert_eq(summary.last.exchanges_failed, 0);
}

static void own_sampling(const char *latency, double most)
{
    struct gv_summary summary;
    char text[256];
    (void)snprintf(text, sizeof text,
                   "[swarm]\nnodes = 1000\nmode = mean\nduration = 12s\nround = 1s\nelements = 16\n"
                   "[views]\npassive = 24\n[network]\nlatency = %s\n[report]\nevery = 12s\n",
                   latency);
    simulate(&summary, text);
    sim_note("1,000 nodes, own sampling, %s: a factor of %.4f a cycle, theory %.4f; %llu done, %llu refused", latency,
             summary.variance_factor, THEORY, (unsigned long long)summary.last.exchanges_done,
             (unsigned long long)summary.last.exchanges_refused);
    cr_assert_gt(summary.variance_factor, 0.28, "faster than uniform peers would: %.4f", summary.variance_factor);
    cr_assert_lt(summary.variance_factor, most, "%.4f", summary.variance_factor);
    cr_assert_lt(summary.mean_drift, 1e-3); /* an exchange that is half done when the run ends moves it */
}

Test(sim_theory, with_our_own_peer_sampling_it_is_close_to_that)
{
    own_sampling("1ms", 0.36);
}

/* An exchange takes about a quarter of a cycle then, and who takes part in one is busy for others. */
Test(sim_theory, with_long_ways_busy_nodes_cost_some_of_it)
{
    own_sampling("lognormal:50ms,0.5", 0.6);
}

/* Of n nodes that each name k others at random, one is named by Binomial(n - 1, k / (n - 1)). */
Test(sim_theory, the_sampled_overlay_is_about_as_even_as_a_random_graph)
{
    struct gv_summary summary;
    simulate(&summary, "[swarm]\nnodes = 400\nmode = membership\nduration = 90s\n[views]\npassive = 24\n"
                       "[network]\nlatency = lognormal:50ms,0.5\n");
    double p = summary.last.in_degree_mean / 399.0;
    double random_graph = sqrt(399.0 * p * (1.0 - p));
    sim_note("400 nodes: in-degree %.1f, deviation %.2f, a random graph's %.2f", summary.last.in_degree_mean,
             summary.last.in_degree_deviation, random_graph);
    cr_assert_gt(summary.last.in_degree_mean, 20.0);
    cr_assert_lt(summary.last.in_degree_deviation, 1.8 * random_graph);
    cr_assert_eq(summary.last.components, 1);
}
