/*
 * Peer choice: the statistics against values worked out by hand, and against what chance does.
 */
#include <criterion/criterion.h>
#include <math.h>

#include "choice.h"
#include "learn_help.h"
#include "random.h"

static struct gv_choice of(const uint32_t *chosen, uint32_t nodes)
{
    struct gv_choice_sums sums = {0};
    for (uint32_t i = 0; i < nodes; i++) {
        gv_choice_add(&sums, chosen[i]);
    }
    return gv_choice_compare(&sums);
}

Test(choice, three_nodes_by_hand)
{
    struct gv_choice choice = of((const uint32_t[]){10, 20, 30}, 3);
    cr_expect_eq(choice.nodes, 3);
    cr_expect_eq(choice.count, 60);
    cr_expect_float_eq(choice.chi_square, 10.0, 1e-12, "(100 + 0 + 100) / 20");
    cr_expect_float_eq(choice.dispersion, 5.0, 1e-12, "variance 100, mean 20");
    cr_expect_float_eq(choice.spread, sqrt(0.2), 1e-12, "of the variance, 20 are chance: sqrt(80) / 20");
}

Test(choice, more_even_than_chance_has_no_spread)
{
    struct gv_choice choice = of((const uint32_t[]){20, 20, 20, 20}, 4);
    cr_expect_eq(choice.chi_square, 0.0);
    cr_expect_eq(choice.spread, 0.0);
    cr_expect_lt(choice.z, -3.0);
}

Test(choice, where_there_is_nothing_to_compare_nothing_is_said)
{
    struct gv_choice nobody = of(NULL, 0);
    struct gv_choice one = of((const uint32_t[]){7}, 1);
    struct gv_choice never = of((const uint32_t[]){0, 0, 0}, 3);
    struct gv_choice seldom = of((const uint32_t[]){1, 0, 2}, 3);
    cr_expect(isnan(nobody.chi_square) && isnan(one.dispersion) && isnan(never.spread) && isnan(never.z));
    cr_expect_eq(one.count, 7);
    cr_expect_not(isnan(seldom.dispersion));
    cr_expect(isnan(seldom.z), "chi-square follows its distribution only from about five choices a node on");
}

/* Quantiles of chi-square from tables, at 50, 95, 99 and 0.1 %. */
Test(choice, z_is_that_of_the_tables)
{
    cr_expect_float_eq(gv_choice_z(9.342, 10.0), 0.0, 0.01);
    cr_expect_float_eq(gv_choice_z(18.307, 10.0), 1.645, 0.02);
    cr_expect_float_eq(gv_choice_z(124.342, 100.0), 1.645, 0.005);
    cr_expect_float_eq(gv_choice_z(135.807, 100.0), 2.326, 0.005);
    cr_expect_float_eq(gv_choice_z(61.918, 100.0), -3.090, 0.01);
    cr_expect_float_eq(gv_choice_z(1074.679, 1000.0), 1.645, 0.002);
}

enum { NODES = 500, TRIALS = 40, EACH = 50 };

/* Draws nodes, the first half of them `weight` times as often, and returns the mean index of dispersion. */
static double drawn(uint32_t weight, double *spread)
{
    struct gv_random random;
    double dispersion = 0.0;
    *spread = 0.0;
    gv_random_seed(&random, help_seed(), 0);
    for (int trial = 0; trial < TRIALS; trial++) {
        uint32_t chosen[NODES] = {0};
        for (int i = 0; i < NODES * EACH; i++) {
            uint32_t draw = gv_random_below(&random, NODES / 2 * (weight + 1));
            chosen[draw < NODES / 2 ? draw : NODES / 2 + (draw - NODES / 2) / weight]++;
        }
        struct gv_choice choice = of(chosen, NODES);
        dispersion += choice.dispersion / TRIALS;
        *spread += choice.spread / TRIALS;
        cr_expect(weight > 1 || fabs(choice.z) < 4.5, "%.2f", choice.z);
        cr_expect(weight == 1 || choice.z > 20.0, "%.2f", choice.z);
    }
    return dispersion;
}

Test(choice, uniform_draws_have_a_dispersion_of_one)
{
    double spread;
    cr_expect_float_eq(drawn(1, &spread), 1.0, 0.05);
}

/* Rates of 1/2 and 3/2 of their mean: a spread of a half, and a dispersion of 1 + 50/4 less what the one lacks. */
Test(choice, a_half_chosen_three_times_as_often_shows_as_its_spread)
{
    double spread;
    cr_expect_float_eq(drawn(3, &spread), 1.0 + EACH / 4.0, 0.3);
    cr_expect_float_eq(spread, 0.5, 0.01);
}

Test(choice, a_random_graph_has_binomial_in_degrees)
{
    cr_expect_float_eq(gv_choice_random_deviation(100.0, 1001.0), sqrt(90.0), 1e-12);
    cr_expect_eq(gv_choice_random_deviation(9.0, 10.0), 0.0, "everybody knows everybody");
    cr_expect_eq(gv_choice_random_deviation(0.0, 1.0), 0.0);
    cr_expect_eq(gv_choice_random_deviation(12.0, 10.0), 0.0, "the dead know some too");
}

Test(choice, newcomers_are_counted_by_their_age)
{
    struct gv_choice_ages ages = {0}, other = {0}, sum = {0};
    double rates[GV_CHOICE_BINS];
    gv_choice_exposed(&ages, 25000000); /* two of them: to the ages of 25 s and 10 s */
    gv_choice_exposed(&other, 10000000);
    for (int i = 0; i < 5; i++) {
        gv_choice_chosen_at(&ages, 0);
        gv_choice_chosen_at(&other, 9999999);
    }
    for (int i = 0; i < 18; i++) {
        gv_choice_chosen_at(&ages, 10000000);
        gv_choice_chosen_at(&ages, 24999999);
    }
    gv_choice_chosen_at(&ages, UINT64_MAX);
    gv_choice_merge(&sum, &ages);
    gv_choice_merge(&sum, &other);
    cr_expect_eq(sum.exposed_us[0], 20000000);
    cr_expect_eq(sum.exposed_us[1], 10000000);
    cr_expect_eq(sum.exposed_us[2], 5000000);
    double reached_s = gv_choice_newcomers(rates, &sum, 2.0);
    cr_expect_float_eq(rates[0], 0.25, 1e-12, "10 times in 20 s, others 40 times");
    cr_expect_float_eq(rates[1], 0.9, 1e-12);
    cr_expect_float_eq(rates[2], 1.8, 1e-12);
    cr_expect(isnan(rates[3]));
    cr_expect_eq(reached_s, 10.0);
    cr_expect(isnan(gv_choice_newcomers(rates, &sum, 20.0)), "never as often as that");
    cr_expect(isnan(gv_choice_newcomers(rates, &sum, 0.0)) && isnan(rates[0]), "nobody is chosen at all");
}

Test(choice, an_age_beyond_the_last_bin_fills_them_all)
{
    struct gv_choice_ages ages = {0};
    gv_choice_exposed(&ages, UINT64_MAX);
    for (uint32_t i = 0; i < GV_CHOICE_BINS; i++) {
        cr_expect_eq(ages.exposed_us[i], GV_CHOICE_BIN_US);
    }
}
