/*
 * What tests of the simulator's random parts share.
 */
#include "sim_help.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

struct gv_dist help_constant(double value)
{
    return (struct gv_dist){.kind = GV_DIST_CONSTANT, .a = value};
}

struct gv_dist help_uniform(double low, double high)
{
    return (struct gv_dist){.kind = GV_DIST_UNIFORM, .a = low, .b = high};
}

struct gv_dist help_exponential(double mean)
{
    return (struct gv_dist){.kind = GV_DIST_EXPONENTIAL, .a = mean};
}

struct gv_dist help_weibull(double scale, double shape)
{
    return (struct gv_dist){.kind = GV_DIST_WEIBULL, .a = scale, .b = shape};
}

double help_cdf(const struct gv_dist *dist, double x)
{
    switch (dist->kind) {
    case GV_DIST_CONSTANT:
        return x < dist->a ? 0.0 : 1.0;
    case GV_DIST_UNIFORM:
        return x <= dist->a ? 0.0 : x >= dist->b ? 1.0 : (x - dist->a) / (dist->b - dist->a);
    case GV_DIST_EXPONENTIAL:
        return x <= 0.0 ? 0.0 : 1.0 - exp(-x / dist->a);
    case GV_DIST_WEIBULL:
        return x <= 0.0 ? 0.0 : 1.0 - exp(-pow(x / dist->a, dist->b));
    case GV_DIST_LOGNORMAL:
        return x <= 0.0 ? 0.0 : 0.5 * erfc(-log(x / dist->a) / (dist->b * sqrt(2.0)));
    }
    cr_assert_fail("a distribution that the helper does not know");
    return 0.0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double help_distance(double *draws, size_t count, const struct gv_dist *dist)
{
    qsort(draws, count, sizeof *draws, by_value);
    double largest = 0.0;
    for (size_t i = 0; i < count; i++) {
        double at = help_cdf(dist, draws[i]);
        double below = fabs(at - (double)i / (double)count);
        double above = fabs(at - (double)(i + 1) / (double)count);
        largest = fmax(largest, fmax(below, above));
    }
    return largest * sqrt((double)count);
}

void help_expect_share(size_t count, size_t of, double share)
{
    double expected = (double)of * share;
    double deviation = sqrt((double)of * share * (1.0 - share));
    cr_assert(fabs((double)count - expected) <= 6.0 * deviation + 1.0, "%zu of %zu, expected %.1f +- %.1f", count, of,
              expected, deviation);
}
