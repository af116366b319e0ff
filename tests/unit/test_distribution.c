/*
 * Each distribution against its definition: mean, variance and quantiles of many draws, and closed forms.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "distribution.h"

#define DRAWS 200000
#define SEED 7

static struct gv_dist parse(const char *text)
{
    struct gv_dist dist;
    struct gv_diag diag = {.text = ""};
    cr_assert_eq(gv_dist_parse(&dist, text, GV_DIM_NUMBER, &diag), GV_OK, "%s: %s", text, diag.text);
    return dist;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* P(X <= x) by the textbook. */
static double below(const struct gv_dist *dist, double x)
{
    switch (dist->kind) {
    case GV_DIST_CONSTANT:
        return x >= dist->a ? 1 : 0;
    case GV_DIST_UNIFORM:
        return x <= dist->a ? 0 : x >= dist->b ? 1 : (x - dist->a) / (dist->b - dist->a);
    case GV_DIST_EXPONENTIAL:
        return 1 - exp(-x / dist->a);
    case GV_DIST_WEIBULL:
        return 1 - exp(-pow(x / dist->a, dist->b));
    case GV_DIST_LOGNORMAL:
        break;
    }
    return 0.5 * erfc(-log(x / dist->a) / (dist->b * sqrt(2)));
}

/* Mean, variance and quantiles within five standard errors. `variance` and the fourth moment are the textbook's. */
static void expect_moments(const char *text, double mean, double variance)
{
    struct gv_dist dist = parse(text);
    struct gv_random random;
    double *draws = malloc(DRAWS * sizeof *draws);
    double sum = 0;
    double squares = 0;
    double fourth = 0;
    cr_assert_not_null(draws);
    gv_random_seed(&random, SEED, 1);
    for (int i = 0; i < DRAWS; i++) {
        draws[i] = gv_dist_draw(&dist, &random);
        cr_assert(isfinite(draws[i]) && draws[i] >= gv_dist_least(&dist), "%s drew %g", text, draws[i]);
        sum += draws[i];
    }
    for (int i = 0; i < DRAWS; i++) {
        double square = (draws[i] - mean) * (draws[i] - mean);
        squares += square;
        fourth += square * square;
    }
    double got_variance = squares / DRAWS;
    double error = sqrt(variance / DRAWS);
    double variance_error = sqrt((fourth / DRAWS - got_variance * got_variance) / DRAWS);
    cr_expect_lt(fabs(sum / DRAWS - mean), 5 * error, "%s: mean %g, expected %g", text, sum / DRAWS, mean);
    cr_expect_lt(fabs(got_variance - variance), 5 * variance_error, "%s: variance %g, expected %g", text, got_variance,
                 variance);
    cr_expect_lt(fabs(gv_dist_mean(&dist) - mean), 1e-6 * mean, "%s: mean by formula %.10g, expected %.10g", text,
                 gv_dist_mean(&dist), mean);
    qsort(draws, DRAWS, sizeof *draws, ascending);
    for (int percent = 1; percent < 100; percent += 7) {
        double share = percent / 100.0;
        double got = below(&dist, draws[(int)(share * DRAWS)]);
        cr_expect_lt(fabs(got - share), 5 * sqrt(share * (1 - share) / DRAWS), "%s: quantile %d%% lies at %g", text,
                     percent, got);
    }
    free(draws);
}

Test(distribution, a_constant_is_constant)
{
    struct gv_dist dist = parse("12.5");
    struct gv_random random;
    gv_random_seed(&random, SEED, 1);
    for (int i = 0; i < 100; i++) {
        cr_expect_eq(gv_dist_draw(&dist, &random), 12.5);
    }
    cr_expect_eq(gv_dist_mean(&dist), 12.5);
    cr_expect_eq(gv_dist_least(&dist), 12.5);
}

Test(distribution, uniform_is_uniform)
{
    expect_moments("uniform:20,80", 50, 60.0 * 60.0 / 12);
}

Test(distribution, exponential_has_its_mean)
{
    expect_moments("exponential:10", 10, 100);
}

Test(distribution, weibull_follows_scale_and_shape)
{
    static const double shapes[] = {0.6, 1, 2.5};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        char text[64];
        double first = tgamma(1 + 1 / shapes[i]);
        (void)snprintf(text, sizeof text, "weibull:10,%g", shapes[i]);
        expect_moments(text, 10 * first, 100 * (tgamma(1 + 2 / shapes[i]) - first * first));
    }
}

Test(distribution, lognormal_follows_median_and_sigma)
{
    expect_moments("lognormal:50,0.4", 50 * exp(0.08), 2500 * exp(0.16) * (exp(0.16) - 1));
}

Test(distribution, lognormal_is_cut_at_a_tenth_of_its_median)
{
    struct gv_dist dist = parse("lognormal:50,2");
    struct gv_random random;
    int cut = 0;
    gv_random_seed(&random, SEED, 2);
    for (int i = 0; i < DRAWS; i++) {
        double drawn = gv_dist_draw(&dist, &random);
        cr_assert_geq(drawn, 5);
        cut += drawn <= 5 ? 1 : 0;
    }
    double share = below(&dist, 5);
    cr_expect_lt(fabs((double)cut / DRAWS - share), 5 * sqrt(share / DRAWS), "%d of %d", cut, DRAWS);
    cr_expect_eq(gv_dist_least(&dist), 5);
    /* The mean by formula counts what is cut as the least: by numbers, over the density of the standard normal. */
    double mean = 0;
    for (double z = -10; z < 14; z += 1e-4) {
        double x = 50 * exp(2 * z);
        mean += (x < 5 ? 5 : x) * exp(-z * z / 2) / sqrt(2 * acos(-1)) * 1e-4;
    }
    cr_expect_lt(fabs(gv_dist_mean(&dist) / mean - 1), 1e-6, "%.10g, by numbers %.10g", gv_dist_mean(&dist), mean);
}

Test(distribution, means_hold_at_the_ends_of_the_ranges)
{
    static const double shapes[] = {0.1, 0.3, 1, 10, 100};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct gv_dist dist = {.kind = GV_DIST_WEIBULL, .a = 3, .b = shapes[i]};
        cr_expect_lt(fabs(gv_dist_mean(&dist) / (3 * tgamma(1 + 1 / shapes[i])) - 1), 1e-9, "shape %g: %.12g",
                     shapes[i], gv_dist_mean(&dist));
    }
    struct gv_dist narrow = parse("lognormal:50,0");
    cr_expect_eq(gv_dist_mean(&narrow), 50);
}

Test(distribution, draws_are_a_function_of_the_seed)
{
    static const char *const texts[] = {"uniform:1,2", "exponential:1", "weibull:1,0.5", "lognormal:1,1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct gv_dist dist = parse(texts[i]);
        struct gv_random a;
        struct gv_random b;
        gv_random_seed(&a, 3, 4);
        gv_random_seed(&b, 3, 4);
        double x = gv_dist_draw(&dist, &a);
        double y = gv_dist_draw(&dist, &b);
        cr_expect_eq(memcmp(&x, &y, sizeof x), 0);
        cr_expect_neq(x, gv_dist_draw(&dist, &a));
    }
}

Test(distribution, takes_units_of_its_dimension)
{
    struct gv_dist dist;
    struct gv_diag diag = {.text = ""};
    cr_assert_eq(gv_dist_parse(&dist, "weibull:10min,0.6", GV_DIM_TIME, &diag), GV_OK, "%s", diag.text);
    cr_expect(dist.kind == GV_DIST_WEIBULL && dist.a == 600e6 && dist.b == 0.6);
    cr_assert_eq(gv_dist_parse(&dist, "uniform:10Mbit,20Mbit", GV_DIM_BANDWIDTH, &diag), GV_OK, "%s", diag.text);
    cr_expect(dist.kind == GV_DIST_UNIFORM && dist.a == 1.25e6 && dist.b == 2.5e6);
    cr_assert_eq(gv_dist_parse(&dist, "constant:5ms", GV_DIM_TIME, &diag), GV_OK, "%s", diag.text);
    cr_expect(dist.kind == GV_DIST_CONSTANT && dist.a == 5e3);
    cr_assert_eq(gv_dist_parse(&dist, "0", GV_DIM_TIME, &diag), GV_OK, "%s", diag.text);
    cr_expect(gv_dist_is_zero(&dist));
}

Test(distribution, refuses_what_is_none)
{
    static const struct {
        const char *text, *part;
    } bad[] = {
        {"50", "unit"},
        {"lognormal:50,0.5", "unit"},
        {"lognormal:50ms", "two"},
        {"lognormal:50ms,0.5,1", "two"},
        {"lognormal:50ms,0.5ms", "not a unit"},
        {"lognormal:0ms,0.5", "median"},
        {"lognormal:50ms,9", "sigma"},
        {"lognorml:50ms,0.5", "did you mean \"lognormal\""},
        {"gauss:50ms,0.5", "uniform, exponential, weibull or lognormal"},
        {"exponential", "exponential:MEAN"},
        {"exponential:0", "0 alone"},
        {"exponential:1s,2", "one value"},
        {"uniform:80ms,20ms", "above the second"},
        {"uniform:80ms", "two"},
        {"weibull:0,1", "scale"},
        {"weibull:1s,0.01", "shape"},
        {"weibull:1s,1000", "shape"},
        {"-5ms", "0 or more"},
        {"", "not a number"},
        {":", "no distribution"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gv_dist dist = {.a = 42};
        struct gv_diag diag = {.text = ""};
        cr_expect_eq(gv_dist_parse(&dist, bad[i].text, GV_DIM_TIME, &diag), GV_ERR_CONFIG, "\"%s\"", bad[i].text);
        cr_expect_not_null(strstr(diag.text, bad[i].part), "\"%s\" gave: %s", bad[i].text, diag.text);
        cr_expect_eq(dist.a, 42, "\"%s\" must change nothing", bad[i].text);
    }
}

Test(distribution, is_written_as_it_is_read)
{
    static const char *const texts[] = {
        "50ms", "uniform:20ms,80ms", "exponential:10min", "weibull:10min,0.6", "lognormal:50ms,0.5", "0"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct gv_dist dist;
        char again[80];
        cr_assert_eq(gv_dist_parse(&dist, texts[i], GV_DIM_TIME, NULL), GV_OK);
        cr_expect_eq(gv_dist_write(again, sizeof again, &dist, GV_DIM_TIME), strlen(texts[i]));
        cr_expect_str_eq(again, texts[i]);
    }
}
