/* Sessions, down times and arrivals against their distributions. */
#include <criterion/criterion.h>

#include "churn.h"
#include "learn_help.h"
#include "sim_help.h"

enum { DRAWS = 50000 };

static double drawn[DRAWS];

static const double MINUTE = 60e6;

static void sessions(const struct gv_scenario *scenario, uint64_t seed)
{
    for (uint32_t i = 0; i < DRAWS; i++) { /* of many nodes, and several lives of each */
        drawn[i] = (double)gv_churn_session(scenario, seed, i / 5, i % 5);
    }
}

static void expect_mean(double mean, double deviation)
{
    double sum = 0.0;
    for (size_t i = 0; i < DRAWS; i++) {
        sum += drawn[i];
    }
    cr_assert_float_eq(sum / DRAWS, mean, 6.0 * deviation / 223.6 + 1.0, "mean %g, expected %g", sum / DRAWS, mean);
}

Test(churn, without_it_nothing_ends_or_comes)
{
    struct gv_scenario scenario = {0};
    struct gv_random random;
    gv_random_seed(&random, 1, 0);
    cr_assert_eq(gv_churn_session(&scenario, 1, 7, 0), UINT64_MAX);
    cr_assert_eq(gv_churn_downtime(&scenario, 1, 7, 0), UINT64_MAX);
    cr_assert_eq(gv_churn_gap(&scenario, &random), UINT64_MAX);
    cr_assert_not(gv_churn_torn(&scenario, 1, 7, 0));
}

Test(churn, exponential_sessions_are_exponential)
{
    struct gv_scenario scenario = {.churn.session = help_exponential(10 * MINUTE)};
    sessions(&scenario, help_seed());
    expect_mean(10 * MINUTE, 10 * MINUTE);
    cr_assert_lt(help_distance(drawn, DRAWS, &scenario.churn.session), HELP_DISTANCE_MAX);
}

Test(churn, weibull_sessions_are_weibull)
{
    struct gv_scenario scenario = {.churn.session = help_weibull(10 * MINUTE, 0.5)};
    sessions(&scenario, help_seed());
    expect_mean(20 * MINUTE, 44.8 * MINUTE); /* scale x gamma(1 + 2); deviation: scale x sqrt(gamma(5) - gamma(3)^2) */
    cr_assert_lt(help_distance(drawn, DRAWS, &scenario.churn.session), HELP_DISTANCE_MAX);
}

Test(churn, a_rate_gives_exponential_sessions)
{
    struct gv_scenario scenario = {.churn.rate = 0.05 / MINUTE}; /* 5 % a minute */
    sessions(&scenario, help_seed());
    struct gv_dist expected = help_exponential(20 * MINUTE);
    expect_mean(20 * MINUTE, 20 * MINUTE);
    cr_assert_lt(help_distance(drawn, DRAWS, &expected), HELP_DISTANCE_MAX);
}

Test(churn, a_rate_beside_sessions_ends_them_early)
{
    struct gv_scenario scenario = {.churn.rate = 0.05 / MINUTE, .churn.session = help_exponential(5 * MINUTE)};
    sessions(&scenario, help_seed());
    struct gv_dist expected = help_exponential(4 * MINUTE); /* 1/20 + 1/5 = 1/4 */
    cr_assert_lt(help_distance(drawn, DRAWS, &expected), HELP_DISTANCE_MAX);
}

Test(churn, downtimes_follow_theirs_and_not_the_sessions)
{
    struct gv_scenario scenario = {.churn.session = help_exponential(MINUTE),
                                   .churn.downtime = help_exponential(MINUTE)};
    uint64_t seed = help_seed();
    size_t longer = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        uint64_t downtime_us = gv_churn_downtime(&scenario, seed, i, 3);
        longer += downtime_us > gv_churn_session(&scenario, seed, i, 3);
        drawn[i] = (double)downtime_us;
    }
    help_expect_share(longer, DRAWS, 0.5);
    cr_assert_lt(help_distance(drawn, DRAWS, &scenario.churn.downtime), HELP_DISTANCE_MAX);
}

Test(churn, arrivals_are_a_poisson_process)
{
    struct gv_scenario scenario = {.churn.arrivals = 3e-6}; /* three a second */
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    for (size_t i = 0; i < DRAWS; i++) {
        drawn[i] = (double)gv_churn_gap(&scenario, &random);
    }
    struct gv_dist expected = help_exponential(1e6 / 3);
    expect_mean(1e6 / 3, 1e6 / 3);
    cr_assert_lt(help_distance(drawn, DRAWS, &expected), HELP_DISTANCE_MAX);
}

Test(churn, states_are_torn_as_often_as_asked)
{
    struct gv_scenario scenario = {.churn.torn_state = 0.2};
    uint64_t seed = help_seed();
    size_t torn = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        torn += gv_churn_torn(&scenario, seed, i / 5, i % 5);
    }
    help_expect_share(torn, DRAWS, 0.2);
}

Test(churn, lives_and_nodes_and_seeds_differ)
{
    struct gv_scenario scenario = {.churn.session = help_exponential(10 * MINUTE)};
    uint64_t first = gv_churn_session(&scenario, 1, 2, 3);
    cr_assert_eq(gv_churn_session(&scenario, 1, 2, 3), first);
    cr_assert_neq(gv_churn_session(&scenario, 2, 2, 3), first);
    cr_assert_neq(gv_churn_session(&scenario, 1, 3, 3), first);
    cr_assert_neq(gv_churn_session(&scenario, 1, 2, 4), first);
    cr_assert_neq(gv_churn_session(&scenario, 1, 3, 2), first);
}

/* Or a node comes and goes for ever at one moment. */
Test(churn, a_life_and_a_break_take_time)
{
    struct gv_scenario scenario = {0};
    scenario.churn.session = help_uniform(0, 0);
    scenario.churn.downtime = help_uniform(0, 0);
    cr_assert_eq(gv_churn_session(&scenario, 1, 2, 3), 1);
    cr_assert_eq(gv_churn_downtime(&scenario, 1, 2, 3), 1);
}
