/*
 * The estimate of a run's memory: what it must grow with, and that absurd sizes are told.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "scenario.h"

static struct gv_scenario parse(const char *text)
{
    struct gv_scenario scenario;
    struct gv_diag diag = {.text = ""};
    cr_assert_eq(gv_scenario_parse(&scenario, text, "trial.ini", &diag), GV_OK, "%s", diag.text);
    return scenario;
}

static uint64_t estimate(const char *text)
{
    struct gv_scenario scenario = parse(text);
    return gv_scenario_memory(&scenario, 0, 0);
}

Test(estimate, grows_with_each_node)
{
    uint64_t few = estimate("[swarm]\nnodes = 1000\nmode = membership\n");
    uint64_t many = estimate("[swarm]\nnodes = 2000\nmode = membership\n");
    uint64_t more = estimate("[swarm]\nnodes = 3000\nmode = membership\n");
    cr_expect_gt(many, few);
    cr_expect_eq(more - many, many - few);
}

Test(estimate, counts_parameters_and_momentum)
{
    uint64_t without = estimate("[swarm]\nnodes = 1000\n[learning]\nmodel = softmax:784-10\nmomentum = 0\n");
    uint64_t with = estimate("[swarm]\nnodes = 1000\n[learning]\nmodel = softmax:784-10\nmomentum = 0.9\n");
    cr_expect_eq(with - without, UINT64_C(1000) * 7850 * 4);
    uint64_t half = estimate("[swarm]\nnodes = 1000\n[learning]\nmomentum = 0\ncodec = f16\n");
    cr_expect_eq(without - half, UINT64_C(1000) * 7850 * 2);
    struct gv_scenario scenario = parse("[swarm]\nnodes = 1000\n[learning]\nmomentum = 0\n");
    cr_expect_eq(gv_scenario_memory(&scenario, 7850, 12345) - gv_scenario_memory(&scenario, 7850, 2345), 10000,
                 "known once the data is loaded");
    cr_expect_eq(without - gv_scenario_memory(&scenario, 7850, 1), UINT64_C(10000) * 786 - 1, "guessed before");
}

Test(estimate, counts_the_data_that_is_asked_for)
{
    uint64_t few = estimate("[learning]\ndata = builtin:glyphs,train=1000,test=100\n");
    uint64_t many = estimate("[learning]\ndata = builtin:glyphs,train=1001000,test=100\n");
    cr_expect_eq(many - few, UINT64_C(786000000));
    cr_expect_lt(estimate("[learning]\ndata = csv:/nowhere/at/all.csv\n"), few, "what cannot be seen is not counted");
}

/* Peak of the resident memory as measured on x86-64 with two threads, in MB: see the scenarios of these names. */
Test(estimate, is_within_a_quarter_of_what_was_measured)
{
    static const struct {
        const char *name;
        double measured_mb;
    } runs[] = {{"averaging-10000", 596},    {"exchanges-10000", 441}, {"theory", 443},  {"membership-10000", 280},
                {"membership-100000", 2850}, {"train-1000", 1180},     {"hundred", 179}, {"home", 152}};
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        char path[128];
        struct gv_scenario scenario;
        struct gv_diag diag = {.text = ""};
        (void)snprintf(path, sizeof path, "sim/scenarios/%s.ini", runs[i].name);
        cr_assert_eq(gv_scenario_load(&scenario, path, &diag), GV_OK, "%s", diag.text);
        cr_assert_eq(gv_scenario_set(&scenario, "learning.data=builtin:glyphs", &diag), GV_OK, "%s", diag.text);
        double mb = (double)gv_scenario_memory(&scenario, 0, 0) / 1e6;
        cr_expect(mb > 0.75 * runs[i].measured_mb && mb < 1.25 * runs[i].measured_mb, "%s: %.0f MB, measured %.0f",
                  runs[i].name, mb, runs[i].measured_mb);
    }
}

Test(estimate, counts_nodes_that_come_later)
{
    uint64_t first = estimate("[swarm]\nnodes = 1000\n");
    uint64_t arrive = estimate("[swarm]\nnodes = 1000\n[faults]\narrive = 1000 at 1min\n");
    uint64_t doubled = estimate("[swarm]\nnodes = 2000\n");
    cr_expect_eq(arrive, doubled);
    uint64_t poisson = estimate("[swarm]\nnodes = 1000\nduration = 10min\n[churn]\narrivals = 100/min\n");
    cr_expect_gt(poisson, first + (doubled - first) / 10 * 9);
    cr_expect_lt(poisson, first + (doubled - first) / 10 * 11);
}

Test(estimate, smaller_views_take_less)
{
    cr_expect_lt(estimate("[swarm]\nmode = membership\n[views]\nactive = 5\nactive_max = 8\npassive = 24\nlinks = 20\n"
                          "provisional = 10\n"),
                 estimate("[swarm]\nmode = membership\n"));
}

Test(estimate, a_million_large_models_do_not_fit_anywhere)
{
    cr_expect_gt(estimate("[swarm]\nnodes = 1000000\n[learning]\nmodel = mlp:784-1024-1024-10\n"),
                 UINT64_C(10000000000000));
}
