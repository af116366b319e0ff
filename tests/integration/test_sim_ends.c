/*
 * How simulations end before their time: interrupted, or for want of data, files or room.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "metrics.h"
#include "sim_world.h"

#define SMALL "[swarm]\nnodes = 20\nmode = mean\nround = 1s\n[network]\nlatency = 20ms\n"

static volatile sig_atomic_t stop;

Test(sim_ends, interrupted_before_it_starts_it_says_so)
{
    struct gv_scenario scenario;
    struct gv_summary summary;
    struct gv_diag diag = {0};
    sim_scenario(&scenario, SMALL);
    stop = 1;
    const struct gv_run run = {.seed = 1, .threads = 2, .interrupted = &stop};
    cr_assert_eq(gv_simulate(&summary, NULL, &scenario, &run, &diag), GV_OK, "%s", diag.text);
    cr_assert(summary.partial);
    cr_assert_null(summary.violated);
    cr_assert_float_eq(summary.last.virtual_s, 0.0, 1.0);
}

static void *interrupt(void *argument)
{
    const struct timespec wait = {.tv_nsec = 300000000};
    (void)nanosleep(&wait, NULL);
    stop = 1;
    return argument;
}

Test(sim_ends, interrupted_in_the_middle_it_writes_what_it_has)
{
    struct gv_scenario scenario;
    struct gv_summary summary;
    struct gv_diag diag = {0};
    pthread_t thread;
    char dir[] = "/tmp/gvsimends.XXXXXX";
    char path[64];
    struct gv_metrics metrics;
    cr_assert_not_null(mkdtemp(dir));
    sim_scenario(&scenario, SMALL "[swarm]\nduration = 100h\n[report]\nevery = 1s\n");
    stop = 0;
    const struct gv_run run = {.seed = 1, .threads = 2, .out_dir = dir, .interrupted = &stop};
    cr_assert_eq(pthread_create(&thread, NULL, interrupt, NULL), 0);
    cr_assert_eq(gv_simulate(&summary, NULL, &scenario, &run, &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert(summary.partial);
    cr_assert_lt(summary.last.virtual_s, 360000.0);
    (void)snprintf(path, sizeof path, "%s/metrics.csv", dir);
    cr_assert_eq(gv_metrics_read(&metrics, path, &diag), GV_OK, "%s", diag.text);
    cr_assert_gt(metrics.count, 0);
    cr_assert_float_eq(metrics.samples[metrics.count - 1].virtual_s, summary.last.virtual_s, 1e-3);
    gv_metrics_deinit(&metrics);
    (void)snprintf(path, sizeof path, "%s/summary.json", dir);
    cr_assert_eq(access(path, R_OK), 0);
    static const char *const FILES[] = {"metrics.csv", "summary.json", "scenario.ini", "report.html"};
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, FILES[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

static void refused(const char *text, const char *part)
{
    struct gv_scenario scenario;
    struct gv_summary summary;
    struct gv_diag diag = {0};
    const struct gv_run run = {.seed = 1, .threads = 1};
    gv_scenario_defaults(&scenario);
    enum gv_err err = gv_scenario_parse(&scenario, text, "test.ini", &diag);
    if (err == GV_OK) {
        err = gv_scenario_check(&scenario, &diag);
    }
    if (err == GV_OK) {
        err = gv_scenario_find_data(&scenario, &diag);
    }
    if (err == GV_OK) {
        err = gv_simulate(&summary, NULL, &scenario, &run, &diag);
    }
    cr_assert_neq(err, GV_OK, "%s", text);
    cr_assert_not_null(strstr(diag.text, part), "\"%s\" lacks \"%s\"", diag.text, part);
}

Test(sim_ends, what_is_not_possible_is_said)
{
    refused("[learning]\ndata = idx:/nowhere/at/all\nmodel = softmax:784-10\n", "/nowhere/at/all");
    refused("[learning]\ndata = csv:/nowhere/rows.csv\nmodel = softmax:3-2\n", "rows.csv");
    refused("[swarm]\nnodes = 2000000\n", "nodes");
    refused("[swarm]\nnodes = 600\n[learning]\ndata = builtin:glyphs,train=500,test=10\nmodel = softmax:784-10\n",
            "500");
    refused("[learning]\ndata = builtin:glyphs,train=500,test=10\nmodel = softmax:784-3\n", "10 classes");
    refused("[swarm]\nmode = mean\n[faults]\nrevoke = 65 at 10s\n", "revoke");
}

/* Checking takes time, and only that. */
Test(sim_ends, invariants_can_be_turned_off)
{
    struct gv_scenario scenario;
    struct gv_summary checked;
    struct gv_summary unchecked;
    sim_scenario(&scenario, SMALL "[swarm]\nduration = 10s\n");
    sim_run(&checked, &scenario, 1, 1, NULL);
    sim_scenario(&scenario, SMALL "[swarm]\nduration = 10s\n[report]\ninvariants = no\n");
    sim_run(&unchecked, &scenario, 1, 1, NULL);
    cr_assert_gt(checked.last.invariants_checked, 1000);
    cr_assert_eq(unchecked.last.invariants_checked, 0);
    cr_assert_eq(checked.trace_hash, unchecked.trace_hash, "looking changes nothing");
}

/* No time that a scenario may ask for ends a run, or keeps it from ending. */
Test(sim_ends, the_longest_times_are_lived_with, .timeout = 60)
{
    struct gv_scenario scenario;
    struct gv_summary summary;
    sim_scenario(&scenario, "[swarm]\nnodes = 4\nduration = 10s\n"
                            "[learning]\ndata = builtin:glyphs,train=100,test=20\nlocal_steps = 1000000\n"
                            "[compute]\nstep_time = 1h\nstraggler_share = 50%\nstraggler_factor = 1000000\n");
    sim_run(&summary, &scenario, 1, 1, NULL);
    cr_assert_eq(summary.last.models, 0);
    sim_scenario(&scenario, SMALL "[swarm]\nduration = 1h\n[compute]\nstarved_share = 100%\n"
                                  "starved_for = 1us\nstarved_every = weibull:1h,0.1\n");
    for (uint64_t seed = 1; seed <= 10; seed++) {
        sim_run(&summary, &scenario, seed, 1, NULL);
        cr_assert_eq(summary.last.components, 1);
    }
}

Test(sim_ends, an_oracles_rounds_may_be_shorter_than_the_way, .timeout = 60)
{
    struct gv_scenario scenario;
    struct gv_summary summary;
    sim_scenario(&scenario, "[swarm]\nnodes = 10\nmode = mean\npeers = oracle\nround = 1ms\nduration = 5s\n"
                            "[network]\nlatency = 1s\n");
    sim_run(&summary, &scenario, 1, 1, NULL);
    cr_assert_gt(summary.last.exchanges_refused + summary.last.exchanges_done, 0);
}
