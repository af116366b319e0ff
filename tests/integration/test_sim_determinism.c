/*
 * A simulation is a function of its scenario and its seed: the number of threads does not show.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "sim_world.h"

/* NaN is equal to itself here. */
static bool same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* All that a summary says, but for time and memory. */
static void expect_same(const struct gv_summary *a, const struct gv_summary *b, uint32_t threads)
{
    const struct gv_sample *x = &a->last;
    const struct gv_sample *y = &b->last;
    cr_assert_eq(a->trace_hash, b->trace_hash, "with %u threads", threads);
    cr_assert_eq(a->nodes, b->nodes);
    cr_assert_eq(x->events, y->events);
    cr_assert_eq(x->live_nodes, y->live_nodes);
    cr_assert_eq(x->serving_nodes, y->serving_nodes);
    cr_assert_eq(x->components, y->components);
    cr_assert_eq(x->exchanges_done, y->exchanges_done);
    cr_assert_eq(x->exchanges_failed, y->exchanges_failed);
    cr_assert_eq(x->exchanges_refused, y->exchanges_refused);
    cr_assert_eq(x->exchanges_doubt, y->exchanges_doubt);
    cr_assert_eq(x->messages, y->messages);
    cr_assert_eq(x->bytes, y->bytes);
    cr_assert_eq(x->bytes_state, y->bytes_state);
    cr_assert_eq(x->arrivals, y->arrivals);
    cr_assert_eq(x->departures, y->departures);
    cr_assert_eq(x->crashes, y->crashes);
    cr_assert_eq(x->restarts, y->restarts);
    cr_assert_eq(x->models, y->models);
    cr_assert_eq(x->invariants_checked, y->invariants_checked);
    cr_assert(same(x->accuracy_mean, y->accuracy_mean), "%.17g, %.17g", x->accuracy_mean, y->accuracy_mean);
    cr_assert(same(x->loss_mean, y->loss_mean));
    cr_assert(same(x->consensus_distance, y->consensus_distance));
    cr_assert(same(x->variance, y->variance));
    cr_assert(same(x->mean, y->mean));
    cr_assert(same(x->in_degree_deviation, y->in_degree_deviation));
    cr_assert(same(x->age_mean, y->age_mean));
    cr_assert_eq(x->choice.nodes, y->choice.nodes);
    cr_assert_eq(x->choice.count, y->choice.count);
    cr_assert(same(x->choice.chi_square, y->choice.chi_square));
    cr_assert_eq(x->newcomers, y->newcomers);
    cr_assert(same(x->newcomer_s, y->newcomer_s));
    for (uint32_t i = 0; i < GV_CHOICE_BINS; i++) {
        cr_assert(same(a->newcomer_rates[i], b->newcomer_rates[i]), "bin %u", i);
    }
    cr_assert(same(a->variance_factor, b->variance_factor));
}

static void expect_deterministic(const char *text)
{
    static const uint32_t THREADS[] = {2, 8};
    struct gv_scenario scenario;
    struct gv_summary first;
    struct gv_summary other;
    sim_scenario(&scenario, text);
    sim_run(&first, &scenario, 11, 1, NULL);
    cr_assert_gt(first.last.events, 1000, "only %llu events", (unsigned long long)first.last.events);
    for (size_t i = 0; i < sizeof THREADS / sizeof THREADS[0]; i++) {
        sim_run(&other, &scenario, 11, THREADS[i], NULL);
        expect_same(&first, &other, THREADS[i]);
    }
    sim_run(&other, &scenario, 12, 2, NULL);
    cr_assert_neq(other.trace_hash, first.trace_hash, "another seed, another run");
}

Test(sim_determinism, averaging_with_faults_of_every_kind)
{
    expect_deterministic("[swarm]\nnodes = 40\nmode = mean\nduration = 40s\nelements = 16\nround = 1s\narrival = 3s\n"
                         "[network]\nlatency = lognormal:30ms,0.5\njitter = uniform:0,5ms\nbandwidth = 20Mbit\n"
                         "loss = 1%\noutbound_only = 20%\nslow_share = 5%\nslow_rate = 20\ndamage = 0.5%\n"
                         "[churn]\nsession = exponential:30s\ndowntime = weibull:5s,0.7\narrivals = 20/min\n"
                         "torn_state = 20%\ndrift = 1%\noffset = 20s\n"
                         "[faults]\nkill = 10% at 8s\nvanish = 2 at 9s\npause = 3 at 10s for 5s\nrestart = 3 at 11s\n"
                         "leave = 2 at 12s\nrevoke = 2 at 13s\ncopy_key = 1 at 14s\narrive = 5 at 15s\n"
                         "partition = 50% from 16s to 20s\npartition = 30% from 21s to 24s one-way\n"
                         "partition = 30% from 24s to 28s flapping:1s\n"
                         "[adversaries]\nfraction = 5%\nattack = noise\nscale = 0.1\n");
}

Test(sim_determinism, membership_with_churn)
{
    expect_deterministic("[swarm]\nnodes = 60\nmode = membership\nduration = 40s\narrival = 5s\n"
                         "[network]\nlatency = uniform:5ms,80ms\n"
                         "[churn]\nrate = 30%/min\ndowntime = exponential:5s\narrivals = 20/min\n");
}

Test(sim_determinism, membership_with_every_signature_verified_by_every_node)
{
    expect_deterministic("[swarm]\nnodes = 10\nmode = membership\nduration = 6s\nsignatures = real\n"
                         "[network]\nlatency = uniform:5ms,80ms\ndamage = 1%\n");
}

Test(sim_determinism, averaging_through_an_oracle)
{
    expect_deterministic("[swarm]\nnodes = 100\nmode = mean\npeers = oracle\nduration = 10s\nround = 1s\n"
                         "[network]\nlatency = 100us\n");
}

#define GLYPHS "data = builtin:glyphs,train=600,test=100\n"

Test(sim_determinism, training_with_stragglers_churn_and_damage)
{
    expect_deterministic("[swarm]\nnodes = 12\nduration = 25s\n"
                         "[learning]\nmodel = mlp:784-32-10\n" GLYPHS "local_steps = 4\nrate = 0.05\nmomentum = 0.9\n"
                         "[network]\nlatency = lognormal:30ms,0.5\nbandwidth = 20Mbit\ndamage = 0.5%\nloss = 0.5%\n"
                         "[compute]\nstep_time = lognormal:60ms,0.5\njitter = lognormal:1,0.2\nstraggler_share = 20%\n"
                         "straggler_factor = 5\n"
                         "[churn]\nrate = 60%/min\ndowntime = 3s\ntorn_state = 30%\n"
                         "[faults]\npartition = 50% from 10s to 14s\narrive = 2 at 12s\n"
                         "[adversaries]\nfraction = 10%\nattack = sign-flip\n");
}

Test(sim_determinism, training_with_half_precision_and_momentum_exchanged)
{
    expect_deterministic("[swarm]\nnodes = 10\nduration = 15s\n"
                         "[learning]\nmodel = mlp:784-32-10\n" GLYPHS "local_steps = 4\ncodec = f16\nmomentum = 0.9\n"
                         "exchange_momentum = yes\n"
                         "[compute]\nstep_time = 60ms\n[network]\nlatency = 20ms\nbandwidth = 50Mbit\n");
}

Test(sim_determinism, training_by_push_after_each_merge)
{
    expect_deterministic("[swarm]\nnodes = 12\nduration = 15s\nround = 1s\n"
                         "[learning]\nmodel = softmax:784-10\n" GLYPHS "exchange = push\ntrain_on = merge\nepochs = 1\n"
                         "batch = 16\nmerge = mean\n"
                         "[compute]\nstep_time = 1ms\n[network]\nlatency = 1ms\n");
}

/* Looking at models makes the nodes' training catch up, and cuts windows: neither may show. */
Test(sim_determinism, observing_changes_nothing)
{
    static const uint64_t EVERY_US[] = {77000, 1000000, 10000000};
    struct gv_scenario scenario;
    struct gv_summary first;
    sim_scenario(&scenario, "[swarm]\nnodes = 30\nduration = 30s\n"
                            "[learning]\ndata = builtin:glyphs,train=300,test=60\n"
                            "[churn]\nsession = exponential:12s\ndowntime = exponential:4s\ntorn_state = 30%\n"
                            "[faults]\nkill = 20% at 8s\nrestart = 3 at 14s\npause = 3 at 5s for 4s\n"
                            "partition = 40% from 10s to 16s\n");
    for (size_t i = 0; i < sizeof EVERY_US / sizeof EVERY_US[0]; i++) {
        struct gv_summary other;
        scenario.report.every_us = EVERY_US[i];
        sim_run(&other, &scenario, 11, 2, NULL);
        cr_assert_gt(other.last.restarts, 10);
        first = i == 0 ? other : first;
        cr_assert_eq(other.trace_hash, first.trace_hash, "reported every %llu us", (unsigned long long)EVERY_US[i]);
        cr_assert_eq(other.last.events, first.last.events);
    }
}

Test(sim_determinism, a_trace_covers_the_parameters_too)
{
    struct gv_scenario scenario;
    struct gv_summary slow;
    struct gv_summary fast;
    const char *text = "[swarm]\nnodes = 4\nduration = 10s\narrival = 1s\n[learning]\nmodel = mlp:784-32-10\n"
                       "data = builtin:glyphs,train=200,test=20\nrate = 0.01\n[network]\nlatency = 20ms\n";
    sim_scenario(&scenario, text);
    sim_run(&slow, &scenario, 1, 2, NULL);
    scenario.learning.training.rate = 0.02F;
    sim_run(&fast, &scenario, 1, 2, NULL);
    cr_assert_gt(slow.last.exchanges_done, 0);
    cr_assert_eq(slow.last.bytes, fast.last.bytes);
    cr_assert_neq(slow.trace_hash, fast.trace_hash);
}
