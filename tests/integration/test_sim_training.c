/*
 * Simulated swarms that learn: real models on real data.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>

#include "sim_world.h"

static void simulate(struct gv_summary *summary, const char *text)
{
    struct gv_scenario scenario;
    sim_scenario(&scenario, text);
    sim_run(summary, &scenario, sim_seed(), 2, NULL);
}

#define GLYPHS "data = builtin:glyphs,train=2000,test=400\nmodel = softmax:784-10\n"
#define TWENTY_AT(latency) \
    "[swarm]\nnodes = 20\nduration = 30s\n[compute]\nstep_time = 100ms\n[network]\nlatency = " latency "\n"
#define TWENTY TWENTY_AT("20ms")

Test(sim_training, twenty_nodes_learn_more_together_than_alone)
{
    struct gv_summary together;
    struct gv_summary alone;
    simulate(&together, TWENTY "[learning]\n" GLYPHS "local_steps = 8\nbatch = 16\nrate = 0.02\n");
    /* 100 rows each and nobody to exchange with: the ways take longer than the run. */
    simulate(&alone, TWENTY_AT("10min") "[learning]\n" GLYPHS "local_steps = 8\nbatch = 16\nrate = 0.02\n");
    sim_note("accuracy %.3f together (worst %.3f, mean model %.3f), %.3f alone", together.last.accuracy_mean,
             together.last.accuracy_min, together.last.accuracy_of_mean_model, alone.last.accuracy_mean);
    cr_assert_eq(alone.last.exchanges_done, 0);
    cr_assert_gt(together.last.exchanges_done, 200);
    cr_assert_gt(together.last.accuracy_min, 0.5);
    cr_assert_gt(together.last.accuracy_mean, alone.last.accuracy_mean + 0.02);
    cr_assert_leq(together.last.accuracy_min, together.last.accuracy_p10);
    cr_assert_leq(together.last.accuracy_p10, together.last.accuracy_p90);
    cr_assert_leq(together.last.accuracy_p90, together.last.accuracy_max);
    cr_assert_lt(together.last.consensus_distance, 0.5 * alone.last.consensus_distance);
    /* A step takes 100 ms: 300 of them in 30 s, and the rounds are 8 of them. */
    cr_assert_geq(together.last.steps_mean, 280.0);
    cr_assert_leq(together.last.steps_mean, 300.0);
    cr_assert_leq(together.last.models, 20 * 300 / 8);
    cr_assert(together.compute_share > 0.0 && together.compute_share <= 1.0);
}

#define PUSH "[swarm]\nnodes = 20\nduration = 40s\nround = 1s\n[compute]\nstep_time = 1ms\n[network]\nlatency = 1ms\n"

Test(sim_training, pushed_models_are_merged_and_trained_on)
{
    struct gv_summary summary;
    simulate(&summary,
             PUSH "[learning]\n" GLYPHS "exchange = push\ntrain_on = merge\nepochs = 1\nbatch = 32\nrate = 0.02\n"
                  "merge = mean\nmomentum = 0\n");
    sim_note("accuracy %.3f after %llu models, %llu pushed", summary.last.accuracy_mean,
             (unsigned long long)summary.last.models, (unsigned long long)summary.last.exchanges_done);
    /* Each node pushes once a round, and each push that arrives is followed by one training. */
    cr_assert_gt(summary.last.exchanges_done, 600);
    cr_assert_leq(summary.last.exchanges_done, 20 * 41);
    cr_assert_gt(summary.last.models, 600);
    cr_assert_leq(summary.last.models, summary.last.exchanges_done + 20);
    cr_assert_gt(summary.last.accuracy_mean, 0.5);
}

Test(sim_training, sign_flippers_spoil_a_swarm_that_takes_plain_means)
{
    struct gv_summary honest;
    struct gv_summary spoilt;
    simulate(&honest, TWENTY "[learning]\n" GLYPHS "local_steps = 8\nbatch = 16\nrate = 0.02\nmerge = mean\n");
    simulate(&spoilt, TWENTY "[learning]\n" GLYPHS "local_steps = 8\nbatch = 16\nrate = 0.02\nmerge = mean\n"
                             "[adversaries]\nfraction = 20%\nattack = sign-flip\nscale = 4\n");
    sim_note("accuracy %.3f, with 20 %% sign-flippers %.3f", honest.last.accuracy_mean, spoilt.last.accuracy_mean);
    cr_assert_gt(honest.last.accuracy_mean, spoilt.last.accuracy_mean + 0.1);
}

Test(sim_training, stragglers_do_fewer_steps_and_hold_nobody_up)
{
    struct gv_summary even;
    struct gv_summary uneven;
    simulate(&even, TWENTY "[learning]\n" GLYPHS "local_steps = 8\nbatch = 16\n");
    simulate(&uneven, TWENTY "[learning]\n" GLYPHS "local_steps = 8\nbatch = 16\n"
                             "[compute]\nstraggler_share = 50%\nstraggler_factor = 10\n");
    /* Half of them do a tenth of the steps: 55 % of all. */
    double share = uneven.last.steps_mean / even.last.steps_mean;
    cr_assert(share > 0.5 && share < 0.6, "%g of the steps", share);
}

Test(sim_training, a_run_of_averaging_conserves_its_mean_whatever_fails)
{
    struct gv_summary summary;
    simulate(&summary, "[swarm]\nnodes = 60\nmode = mean\nduration = 40s\nround = 1s\nelements = 4\n"
                       "[network]\nlatency = 20ms\nresets = 2%\nloss = 1%\n[faults]\nend = 20s\n");
    cr_assert_gt(summary.last.exchanges_failed + summary.last.exchanges_doubt, 10, "something is to fail here");
    cr_assert_lt(summary.last.variance, 1e-3);
    /* An exchange that one end commits and the other does not moves the mean by at most half of their difference. */
    cr_assert_lt(summary.mean_drift, 0.05 * (1.0 + (double)summary.last.exchanges_doubt), "%g", summary.mean_drift);
}

/* With half of the nodes so slow that they have hardly learnt anything: the worst of those evaluated is one of them. */
Test(sim_training, whose_models_are_evaluated_is_a_matter_of_chance)
{
    struct gv_scenario scenario;
    struct gv_summary some, all;
    sim_scenario(&scenario,
                 "[swarm]\nnodes = 40\nduration = 20s\n[learning]\ndata = builtin:glyphs,train=800,test=200\n"
                 "local_steps = 1000\nevaluate_nodes = 20\n[compute]\nstep_time = 10ms\n"
                 "straggler_share = 50%\nstraggler_factor = 1000\n");
    sim_run(&some, &scenario, sim_seed(), 2, NULL);
    scenario.learning.evaluate_nodes = 0;
    sim_run(&all, &scenario, sim_seed(), 2, NULL);
    cr_assert_eq(some.last.evaluated_nodes, 20);
    cr_assert_eq(all.last.evaluated_nodes, 40);
    cr_assert_eq(some.trace_hash, all.trace_hash, "looking changes nothing");
    cr_assert_float_eq(some.last.accuracy_mean, all.last.accuracy_mean, 0.12, "%g of some, %g of all",
                       some.last.accuracy_mean, all.last.accuracy_mean);
    cr_assert_lt(some.last.accuracy_min, all.last.accuracy_min + 0.05);
}
