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

/* Peer choice: every node begins an exchange a second for two minutes; it counts from the first on. */
static void choose(struct gv_summary *summary, const char *peers, const char *latency)
{
    char text[256];
    (void)snprintf(text, sizeof text,
                   "[swarm]\nnodes = 500\nmode = mean\nduration = 180s\nround = 1s\nelements = 1\npeers = %s\n"
                   "[network]\nlatency = %s\n[faults]\narrive = 100 at 80s\n"
                   "[report]\nevery = 180s\nchoice_from = 60s\n",
                   peers, latency);
    simulate(summary, text);
    const struct gv_choice *choice = &summary->last.choice;
    sim_note("500 nodes, %s, %s: chosen %.1f times, chi-square %.0f, z %.2f, dispersion %.3f, spread %.3f; newcomers "
             "%.2f at first, at 90 %% from %.0f s",
             peers, latency, (double)choice->count / (double)choice->nodes, choice->chi_square, choice->z,
             choice->dispersion, choice->spread, summary->newcomer_rates[0], summary->last.newcomer_s);
    cr_assert_eq(choice->nodes, 500);
    cr_assert_eq(summary->last.newcomers, 100);
    cr_assert_gt(choice->count, 50 * choice->nodes);
}

Test(sim_theory, an_oracle_chooses_all_alike_and_newcomers_at_once)
{
    struct gv_summary summary;
    choose(&summary, "oracle", "100us");
    cr_assert_lt(fabs(summary.last.choice.z), 4.0, "%.2f", summary.last.choice.z);
    cr_assert_lt(fabs(summary.newcomer_rates[0] - 1.0), 0.15);
    cr_assert_eq(summary.last.newcomer_s, 0.0);
}

/* Views change slowly, so that who stands in many of them stays ahead for minutes: more than chance, but bounded. */
Test(sim_theory, our_own_peer_sampling_chooses_nearly_alike)
{
    struct gv_summary summary;
    choose(&summary, "own", "1ms");
    cr_assert_gt(summary.last.choice.dispersion, 0.8);
    cr_assert_lt(summary.last.choice.dispersion, 2.5, "%.3f", summary.last.choice.dispersion);
    cr_assert_lt(summary.last.choice.spread, 0.15, "%.3f", summary.last.choice.spread);
    cr_assert_leq(summary.last.newcomer_s, 30.0);
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
