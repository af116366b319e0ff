/*
 * Random quantities of a scenario: latencies, bandwidths, session lengths, step times. Drawn from portable generators,
 * so that a scenario and a seed give the same numbers on every machine.
 *
 *     50ms                       constant
 *     uniform:20ms,80ms          uniform between two bounds
 *     exponential:10min          mean
 *     weibull:10min,0.6          scale, shape
 *     lognormal:50ms,0.5         median, sigma of the logarithm
 */
#ifndef GV_DISTRIBUTION_H
#define GV_DISTRIBUTION_H

#include <stdbool.h>

#include "gv/err.h"
#include "quantity.h"
#include "random.h"

enum gv_dist_kind {
    GV_DIST_CONSTANT = 0,
    GV_DIST_UNIFORM,
    GV_DIST_EXPONENTIAL,
    GV_DIST_WEIBULL,
    GV_DIST_LOGNORMAL,
};

struct gv_dist {
    enum gv_dist_kind kind;
    /* constant a; uniform [a, b]; exponential mean a; Weibull scale a, shape b; lognormal median a, sigma b */
    double a, b;
};

/** Parses the forms above; values must carry a unit of `dimension`. The diagnosis quotes what is wrong. */
GV_NODISCARD enum gv_err gv_dist_parse(struct gv_dist *dist, const char *text, enum gv_dimension dimension,
                                       struct gv_diag *diag);

/** A draw, in the dimension's base unit (microseconds, bytes per second, ...); never negative, always finite. */
double gv_dist_draw(const struct gv_dist *dist, struct gv_random *random);

/** The smallest value that a draw gives: a lognormal is cut at a tenth of its median, the others as defined (0 for
 *  exponential and Weibull). */
double gv_dist_least(const struct gv_dist *dist);

/** The expectation (of the lognormal and the Weibull by closed form; the gamma function to 1e-6 at least). */
double gv_dist_mean(const struct gv_dist *dist);

/** True if it is the constant 0: nothing was asked for. */
bool gv_dist_is_zero(const struct gv_dist *dist);

/** Writes it as it could be parsed again. snprintf's contract. */
size_t gv_dist_write(char *out, size_t cap, const struct gv_dist *dist, enum gv_dimension dimension);

#endif
