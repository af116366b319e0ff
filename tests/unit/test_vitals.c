/*
 * Delays and their percentiles.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "world.h"

static struct gv_delays *make(void)
{
    struct gv_delays *delays = calloc(1, sizeof *delays);
    cr_assert_not_null(delays);
    return delays;
}

Test(vitals, no_delay_has_no_figures)
{
    struct gv_delays *delays = make();
    struct gv_delay_figures figures = gv_delays_figures(delays);
    cr_expect_eq(figures.count, 0);
    cr_expect(isnan(figures.median_s) && isnan(figures.p99_s) && isnan(figures.most_s));
    free(delays);
}

Test(vitals, percentiles_are_the_upper_ends_of_their_tenths_of_a_second)
{
    struct gv_delays *delays = make();
    for (uint64_t i = 1; i <= 100; i++) {
        gv_delays_add(delays, i * 1000000 - 1); /* just below 1 s, 2 s, ... 100 s */
    }
    struct gv_delay_figures figures = gv_delays_figures(delays);
    cr_expect_eq(figures.count, 100);
    cr_expect_float_eq(figures.median_s, 50.0, 1e-9, "%g", figures.median_s);
    cr_expect_float_eq(figures.p99_s, 99.0, 1e-9, "%g", figures.p99_s);
    cr_expect_float_eq(figures.most_s, 99.999999, 1e-9, "%g", figures.most_s);
    free(delays);
}

Test(vitals, a_delay_beyond_the_bins_is_not_lost)
{
    struct gv_delays *delays = make();
    gv_delays_add(delays, UINT64_C(500000000));
    struct gv_delay_figures figures = gv_delays_figures(delays);
    cr_expect_float_eq(figures.median_s, 500.0, 1e-9);
    cr_expect_float_eq(figures.p99_s, 500.0, 1e-9);
    free(delays);
}

Test(vitals, threads_delays_add_up)
{
    struct gv_delays *a = make();
    struct gv_delays *b = make();
    for (uint64_t i = 0; i < 9; i++) {
        gv_delays_add(i % 2 == 0 ? a : b, i * 1000000);
    }
    gv_delays_merge(a, b);
    struct gv_delay_figures figures = gv_delays_figures(a);
    cr_expect_eq(figures.count, 9);
    cr_expect_float_eq(figures.median_s, 4.1, 1e-9, "%g", figures.median_s);
    cr_expect_float_eq(figures.most_s, 8.0, 1e-9);
    free(a);
    free(b);
}

/* ---- samples ------------------------------------------------------------------------------------------------- */

enum { NODES = 60, WIDTH = 4 };

/* Live nodes with what a sample says of them; each test runs in a process of its own, so this is the test's. */
static struct {
    struct gv_sim sim;
    struct gv_scenario scenario;
    struct gv_sim_node nodes[NODES];
    uint32_t live[NODES], peers[NODES * WIDTH];
    uint16_t active[NODES];
} table;

static void make_table(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        table.nodes[i].live = true;
        table.nodes[i].eclipsed_us = UINT64_MAX;
        table.live[i] = i;
    }
    table.sim.scenario = &table.scenario;
    table.sim.nodes = table.nodes;
    table.sim.live = table.live;
    table.sim.node_count = table.sim.live_count = count;
}

/* a has b as a neighbour. */
static void name(uint32_t a, uint32_t b)
{
    table.peers[a * WIDTH + table.active[a]++] = b;
}

static void look(uint64_t now_us)
{
    const struct gv_view_table views = {
        .peers = table.peers, .active = table.active, .known = table.active, .width = WIDTH};
    gv_vitals_graph(&table.sim, &views, now_us);
}

/* 0 and 1 are together, 2 and 3 are apart from them; 4 has come a second ago. */
static void two_parts(void)
{
    make_table(5);
    name(0, 1), name(1, 0), name(2, 3), name(3, 2);
    table.nodes[4].end_us = 99000000;
    table.sim.sample.components = 2;
    table.sim.sample.largest_component = 3;
}

Test(vitals, a_newcomer_that_somebody_has_does_not_stand_for_a_part_that_is_apart)
{
    two_parts();
    name(0, 4); /* it has been let in, and does not know it yet */
    look(100000000);
    cr_expect(table.sim.vitals.apart);
    cr_expect_float_eq(table.sim.vitals.largest_share_least, 0.6, 1e-9, "%g", table.sim.vitals.largest_share_least);
}

Test(vitals, a_newcomer_that_is_alone_is_not_missed_yet)
{
    two_parts();
    name(1, 2), name(2, 1);
    table.sim.sample.largest_component = 4;
    look(100000000);
    cr_expect_not(table.sim.vitals.apart);
    cr_expect_float_eq(table.sim.vitals.largest_share_least, 1.0, 1e-9, "%g", table.sim.vitals.largest_share_least);
}

/* Twelve hostile nodes of 60, and views of three: 12/59 11/58 10/57, not (12/60)^3, which is 1.18 times that. */
Test(vitals, chance_draws_a_view_without_repetition)
{
    make_table(NODES);
    table.scenario.adversaries.fraction = 0.2;
    for (uint32_t i = 0; i < NODES; i++) {
        table.nodes[i].hostile = i % 5 == 4;
        name(i, (i + 1) % NODES), name(i, (i + 2) % NODES), name(i, (i + 3) % NODES);
    }
    look(100000000);
    const struct gv_vitals_watch *watch = &table.sim.vitals;
    cr_expect_eq(watch->views, 48);
    double expected = 12.0 / 59.0 * 11.0 / 58.0 * 10.0 / 57.0;
    cr_expect_float_eq(watch->eclipsed_expected / 48.0, expected, 1e-12, "%g", watch->eclipsed_expected / 48.0);
}
