/*
 * What tests of the simulator's random parts share: scenarios with nothing in them, and goodness of fit.
 */
#ifndef SIM_HELP_H
#define SIM_HELP_H

#include <stddef.h>
#include <stdint.h>

#include "scenario.h"

struct gv_dist help_constant(double value);
struct gv_dist help_uniform(double low, double high);
struct gv_dist help_exponential(double mean);
struct gv_dist help_weibull(double scale, double shape);

/** A distribution's function, by the C library: to compare with. */
double help_cdf(const struct gv_dist *dist, double x);

/**
 * Kolmogorov and Smirnov's distance between `count` draws and a distribution, times sqrt(count). Sorts the draws. By
 * chance it is above 3.2 once in 400 million times (twice exp(-2 x 3.2^2)).
 */
double help_distance(double *draws, size_t count, const struct gv_dist *dist);
#define HELP_DISTANCE_MAX 3.2

/** Ends the test unless `count` is within six deviations of a binomial's expectation (and one more). */
void help_expect_share(size_t count, size_t of, double share);

#endif
