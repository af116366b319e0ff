/*
 * Settings that do not go together: each is refused with its line and what to change.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "scenario.h"
#include "scenario_keys.h"

#define TRAIN "[swarm]\nnodes = 10\nduration = 10min\n"
#define MEAN "[swarm]\nmode = mean\nnodes = 10\n"
#define MEMBERSHIP "[swarm]\nmode = membership\nnodes = 10\n"

/* `line` of trial.ini is to blame, and the diagnosis holds both words. */
static void expect_refused(const char *text, unsigned line, const char *first, const char *second)
{
    struct gv_scenario scenario;
    struct gv_diag diag = {.text = ""};
    char where[32];
    (void)snprintf(where, sizeof where, "trial.ini:%u: ", line);
    cr_assert_eq(gv_scenario_parse(&scenario, text, "trial.ini", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(gv_scenario_check(&scenario, &diag), GV_ERR_CONFIG, "\"%s\"", text);
    cr_expect_eq(strncmp(diag.text, where, strlen(where)), 0, "\"%s\" gave: %s", text, diag.text);
    cr_expect_not_null(strstr(diag.text, first), "\"%s\" gave: %s", text, diag.text);
    cr_expect_not_null(strstr(diag.text, second), "\"%s\" gave: %s", text, diag.text);
}

static void expect_accepted(const char *text)
{
    struct gv_scenario scenario;
    struct gv_diag diag = {.text = ""};
    cr_assert_eq(gv_scenario_parse(&scenario, text, "trial.ini", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(gv_scenario_check(&scenario, &diag), GV_OK, "\"%s\" gave: %s", text, diag.text);
}

Test(scenario_check, a_mode_refuses_what_it_does_not_have)
{
    expect_refused(MEAN "[learning]\nmodel = softmax:784-10\n", 5, "learning.model", "swarm.mode = train");
    expect_refused(MEAN "[learning]\ndata = builtin:glyphs\n", 5, "learning.data", "swarm.mode = train");
    expect_refused(MEAN "[learning]\nmerge = age\n", 5, "learning.merge", "mean");
    expect_refused(MEAN "[compute]\nstep_time = 10ms\n", 5, "compute.step_time", "mean");
    expect_refused(MEMBERSHIP "[learning]\nrate = 0.1\n", 5, "learning.rate", "membership");
    expect_refused(MEMBERSHIP "peers = oracle\n", 4, "swarm.peers", "membership");
    expect_refused(MEMBERSHIP "elements = 4\n", 4, "swarm.elements", "swarm.mode = mean");
    expect_refused(MEMBERSHIP "[adversaries]\nfraction = 10%\nattack = noise\n", 5, "adversaries.fraction", "train");
    expect_refused(MEMBERSHIP "round = 1s\n", 4, "swarm.round", "membership");
    expect_refused(TRAIN "elements = 4\n", 4, "swarm.elements", "swarm.mode = mean");
    expect_refused(TRAIN "round = 1s\n", 4, "swarm.round", "train_on = merge");
    expect_accepted(MEAN
                    "elements = 4\nround = 1s\npeers = oracle\n[learning]\ncodec = f16\nmerge = mean\nexchange = push\n"
                    "[compute]\nmemory_rate = 1GB\n[adversaries]\nfraction = 1%\nattack = noise\nscale = 2\n");
    expect_accepted(TRAIN "round = 1s\n[learning]\ntrain_on = merge\n");
    expect_accepted(MEMBERSHIP "peers = own\n");
}

Test(scenario_check, a_round_needs_time)
{
    struct gv_scenario scenario;
    struct gv_diag diag = {.text = ""};
    gv_scenario_defaults(&scenario);
    scenario.swarm.mode = GV_MODE_MEAN;
    scenario.swarm.round_us = 0;
    cr_expect_eq(gv_scenario_check(&scenario, &diag), GV_ERR_CONFIG);
    cr_expect_not_null(strstr(diag.text, "swarm.round: is 0"), "%s", diag.text);
}

Test(scenario_check, times_must_fit_into_the_duration)
{
    expect_refused(TRAIN "arrival = 10min\n", 4, "swarm.arrival", "swarm.duration");
    expect_refused(TRAIN "[faults]\nkill = 50% at 10min\n", 5, "faults.kill", "after the end");
    expect_refused(TRAIN "[faults]\npause = 50% at 9min for 2min\n", 5, "faults.pause", "after the end");
    expect_refused(TRAIN "[faults]\npartition = 50% from 5min to 12min\n", 5, "faults.partition", "after the end");
    expect_refused(TRAIN "[faults]\nkill = 50% at 5min\nend = 4min\n", 5, "faults.kill", "faults.end");
    expect_refused(TRAIN "[faults]\nend = 10min\n", 5, "faults.end", "recover");
    expect_refused(TRAIN "arrival = 2min\n[faults]\narrive = 5 at 9min\n", 6, "faults.arrive",
                   "swarm.arrival (line 4)");
    expect_accepted(TRAIN "arrival = 2min\n[faults]\narrive = 5 at 8min\n");
    expect_refused(TRAIN "[report]\nevery = 11min\n", 5, "report.every", "swarm.duration");
    expect_refused(TRAIN "[report]\nevery = 1us\n", 5, "report.every", "too short");
    expect_refused(TRAIN "[report]\nchoice_from = 11min\n", 5, "report.choice_from", "swarm.duration");
    expect_accepted(TRAIN "arrival = 9min\n[faults]\nkill = 50% at 4min\nend = 5min\n[report]\nevery = 10min\n");
}

Test(scenario_check, somebody_must_be_there)
{
    expect_refused("[swarm]\nmode = mean\nnodes = 1\n", 3, "swarm.nodes", "2 or more");
    expect_refused(TRAIN "[network]\noutbound_only = 100%\n", 5, "network.outbound_only", "nobody");
    expect_refused(TRAIN "[faults]\nkill = 11 at 1min\n", 5, "faults.kill", "10 nodes");
    expect_refused(TRAIN "[faults]\narrive = 1000000 at 1min\n", 5, "faults.arrive", "at most 1000000");
    expect_refused(TRAIN "[churn]\narrivals = 10000/s\n", 5, "churn.arrivals", "at most 1000000");
    expect_accepted(TRAIN "[faults]\narrive = 5 at 1min\nkill = 11 at 2min\n");
}

Test(scenario_check, a_partition_has_two_sides)
{
    expect_refused(TRAIN "[faults]\npartition = 100% from 1min to 2min\n", 5, "faults.partition", "parts nobody");
    expect_refused(TRAIN "[faults]\npartition = 10 from 1min to 2min\n", 5, "faults.partition", "parts nobody");
    expect_accepted(TRAIN "[faults]\npartition = 9 from 1min to 2min\n");
}

Test(scenario_check, views_must_nest)
{
    expect_refused(TRAIN "[views]\nactive = 3\n", 5, "views.active", "active_min");
    expect_refused(TRAIN "[views]\nactive_min = 9\n", 5, "views.active_min", "views.active");
    expect_refused(TRAIN "[views]\nactive_max = 7\n", 5, "views.active_max", "views.active");
    expect_refused(TRAIN "[views]\nlinks = 11\n", 5, "views.links", "active_max");
    expect_refused(TRAIN "[views]\nprovisional = 40\nlinks = 39\n", 5, "views.provisional", "views.links");
    expect_refused(TRAIN "[views]\ncached_links = 40\nlinks = 39\n", 5, "views.cached_links", "views.links");
    expect_refused(TRAIN "[views]\nactive = 5\nactive_max = 6\n", 6, "views.active_max", "chosen_min = 3");
    expect_refused(TRAIN "[views]\nrecord_life = 10min\n", 5, "views.record_life", "record_refresh");
    expect_accepted(TRAIN "[views]\nactive = 5\nactive_max = 6\nchosen_min = 3\nlinks = 32\n");
}

Test(scenario_check, learning_follows_the_manifests_rules)
{
    expect_refused(TRAIN "[learning]\nmodel = mlp:784\n", 5, "learning.model", "mlp");
    expect_refused(TRAIN "[learning]\nmodel = tree:3\n", 5, "learning.model", "tree");
    expect_refused(TRAIN "[learning]\nrate = 0\n", 5, "learning.rate", "more than 0");
    expect_refused(TRAIN "[learning]\nschedule = linear\n", 5, "learning.schedule", "total_age");
    expect_refused(TRAIN "[learning]\ntotal_age = 500\n", 5, "learning.total_age", "schedule=linear");
    expect_refused(TRAIN "[learning]\nrate = 11\n", 5, "learning.rate", "at most 10");
    expect_refused(TRAIN "[learning]\nschedule = inverse\n", 5, "learning.schedule", "rate_decay");
    expect_refused(TRAIN "[learning]\nrate_decay = 1\n", 5, "learning.rate_decay", "schedule=inverse");
    expect_accepted(TRAIN "[learning]\nschedule = inverse\nrate_decay = 1\nrate = 100\n");
    expect_refused(TRAIN "[learning]\nmomentum = 0\nexchange_momentum = yes\n", 6, "learning.exchange_momentum",
                   "momentum above 0");
    expect_refused(TRAIN "[learning]\nexchange = push\nsettle = 3\n", 6, "learning.settle", "push");
    expect_accepted(TRAIN "[learning]\nexchange = push\nsettle = 0\nschedule = linear\ntotal_age = 500\n");
}

Test(scenario_check, steps_and_frames_take_time)
{
    expect_refused(TRAIN "[compute]\nstep_time = exponential:10ms\n", 5, "compute.step_time", "could be 0");
    expect_refused(TRAIN "[network]\nup = exponential:10Mbit\n", 5, "network.up", "1kbit");
    expect_refused(TRAIN "[network]\nbandwidth = uniform:0,10Mbit\n", 5, "network.bandwidth", "1kbit");
    expect_accepted(TRAIN "[compute]\nstep_time = uniform:1ms,2ms\n[network]\nup = uniform:1Mbit,10Mbit\ndown = 0\n");
}

Test(scenario_check, a_setting_without_its_companion_is_refused)
{
    expect_refused(TRAIN "[compute]\nstraggler_factor = 5\n", 5, "straggler_factor", "straggler_share");
    expect_refused(TRAIN "[network]\nslow_rate = 5\n", 5, "slow_rate", "slow_share");
    expect_refused(TRAIN "[adversaries]\nfraction = 10%\n", 5, "adversaries.fraction", "adversaries.attack");
    expect_refused(TRAIN "[adversaries]\nattack = noise\n", 5, "adversaries.attack", "adversaries.fraction");
    expect_refused(TRAIN "[adversaries]\nscale = 2\n", 5, "adversaries.scale", "adversaries.fraction");
    expect_refused(TRAIN "[adversaries]\none_inviter = yes\n", 5, "adversaries.one_inviter", "adversaries.fraction");
    expect_refused(TRAIN "[churn]\nrate = 5%/min\nsession = exponential:10min\n", 5, "churn.rate", "churn.session");
    expect_refused(TRAIN "[churn]\ndowntime = 10s\n", 5, "churn.downtime", "churn.session");
    expect_refused(TRAIN "[churn]\ntorn_state = 5%\n", 5, "churn.torn_state", "churn.downtime");
    expect_accepted(TRAIN "[churn]\ndowntime = 10s\ntorn_state = 5%\n[faults]\nkill = 1 at 1min\n");
    expect_accepted(TRAIN "[churn]\ntorn_state = 5%\n[faults]\nrestart = 1 at 1min\n");
}

Test(scenario_check, set_is_named_as_the_culprit)
{
    struct gv_scenario scenario;
    struct gv_diag diag = {.text = ""};
    cr_assert_eq(gv_scenario_parse(&scenario, TRAIN, "trial.ini", &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_scenario_set(&scenario, "swarm.arrival=20min", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(gv_scenario_check(&scenario, &diag), GV_ERR_CONFIG);
    cr_expect_eq(strncmp(diag.text, "--set: swarm.arrival", 20), 0, "%s", diag.text);
}

Test(scenario_check, both_sides_of_a_contradiction_are_named)
{
    struct gv_scenario scenario;
    struct gv_diag diag = {.text = ""};
    static const char text[] = TRAIN "[faults]\nkill = 50% at 5min\n";
    cr_assert_eq(gv_scenario_parse(&scenario, text, "trial.ini", &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_scenario_set(&scenario, "swarm.duration=2min", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(gv_scenario_check(&scenario, &diag), GV_ERR_CONFIG);
    cr_expect_eq(strncmp(diag.text, "trial.ini:5: faults.kill", 24), 0, "%s", diag.text);
    cr_expect_not_null(strstr(diag.text, "swarm.duration = 2min (--set)"), "%s", diag.text);
    cr_expect_not_null(strstr(diag.text, "--set faults.kill=none"), "%s", diag.text);
    cr_assert_eq(gv_scenario_set(&scenario, "faults.kill=none", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(gv_scenario_check(&scenario, &diag), GV_OK, "%s", diag.text);
}

Test(scenario_check, reports_come_about_sixty_times)
{
    static const uint64_t durations[] = {1000,      60000,     10000000,   60000000,
                                         300000000, 600000000, 3600000000, 86400000000};
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        uint64_t every = gv_scenario_every(durations[i]);
        cr_expect_gt(every, 0);
        cr_expect_leq(every, durations[i]);
        cr_expect(durations[i] < 60000 || (durations[i] / every >= 60 && durations[i] / every <= 180),
                  "%llu us every %llu us", (unsigned long long)durations[i], (unsigned long long)every);
    }
    cr_expect_eq(gv_scenario_every(3600000000), 60000000);
    cr_expect_eq(gv_scenario_every(300000000), 5000000);
}
