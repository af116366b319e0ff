/*
 * Random quantities: see distribution.h. Made from + - * / and square roots alone, so that a draw and a mean are the
 * same on every machine.
 */
#include "distribution.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nearest.h"

#define TEXT_MAX 120
#define SHAPE_MIN 0.1 /* of the Weibull distribution: below, a draw in ten thousand is 10^9 times the scale */
#define SHAPE_MAX 100.0
#define SIGMA_MAX 5.0        /* of the lognormal distribution: below, a draw in ten thousand is 10^8 times the median */
#define LOGNORMAL_LEAST 10.0 /* the median over this is the least */

static const char *const KINDS[] = {
    [GV_DIST_CONSTANT] = "constant", [GV_DIST_UNIFORM] = "uniform",     [GV_DIST_EXPONENTIAL] = "exponential",
    [GV_DIST_WEIBULL] = "weibull",   [GV_DIST_LOGNORMAL] = "lognormal", NULL};

static const char *const FORMS[] = {[GV_DIST_CONSTANT] = "constant:VALUE",
                                    [GV_DIST_UNIFORM] = "uniform:LEAST,MOST",
                                    [GV_DIST_EXPONENTIAL] = "exponential:MEAN",
                                    [GV_DIST_WEIBULL] = "weibull:SCALE,SHAPE",
                                    [GV_DIST_LOGNORMAL] = "lognormal:MEDIAN,SIGMA"};

static bool takes_two(enum gv_dist_kind kind)
{
    return kind == GV_DIST_UNIFORM || kind == GV_DIST_WEIBULL || kind == GV_DIST_LOGNORMAL;
}

static enum gv_err find_kind(enum gv_dist_kind *kind, const char *name, size_t bytes, struct gv_diag *diag)
{
    for (uint32_t i = 0; KINDS[i] != NULL; i++) {
        if (strlen(KINDS[i]) == bytes && memcmp(KINDS[i], name, bytes) == 0) {
            *kind = (enum gv_dist_kind)i;
            return GV_OK;
        }
    }
    const char *nearest = gv_nearest(name, bytes, KINDS);
    if (nearest != NULL) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "there is no distribution \"%.*s\"; did you mean \"%s\"?",
                           bytes < 40 ? (int)bytes : 40, name, nearest);
    }
    return gv_diag_set(diag, GV_ERR_CONFIG,
                       "there is no distribution \"%.*s\": expected a value alone, or uniform, exponential, weibull or "
                       "lognormal",
                       bytes < 40 ? (int)bytes : 40, name);
}

static enum gv_err check(const struct gv_dist *dist, struct gv_diag *diag)
{
    switch (dist->kind) {
    case GV_DIST_CONSTANT:
        return GV_OK;
    case GV_DIST_UNIFORM:
        return dist->a <= dist->b ? GV_OK : gv_diag_set(diag, GV_ERR_CONFIG, "the first bound is above the second");
    case GV_DIST_EXPONENTIAL:
        return dist->a > 0 ? GV_OK : gv_diag_set(diag, GV_ERR_CONFIG, "a mean of 0: expected more, or 0 alone");
    case GV_DIST_WEIBULL:
        return dist->a > 0 && dist->b >= SHAPE_MIN && dist->b <= SHAPE_MAX
                   ? GV_OK
                   : gv_diag_set(diag, GV_ERR_CONFIG, "expected a scale above 0 and a shape from %g to %g", SHAPE_MIN,
                                 SHAPE_MAX);
    case GV_DIST_LOGNORMAL:
        break;
    }
    return dist->a > 0 && dist->b <= SIGMA_MAX
               ? GV_OK
               : gv_diag_set(diag, GV_ERR_CONFIG, "expected a median above 0 and a sigma from 0 to %g", SIGMA_MAX);
}

/* What stands behind the colon, cut at its comma. */
static enum gv_err parse_arguments(struct gv_dist *dist, char *arguments, enum gv_dimension dimension,
                                   struct gv_diag *diag)
{
    char *second = strchr(arguments, ',');
    bool two = second != NULL;
    if (two) {
        *second++ = '\0';
    }
    if (two != takes_two(dist->kind) || (two && strchr(second, ',') != NULL)) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "expected %s value%s", takes_two(dist->kind) ? "two" : "one",
                           takes_two(dist->kind) ? "s, with a comma between" : "");
    }
    enum gv_err err = gv_quantity_parse(&dist->a, arguments, dimension, diag);
    if (err == GV_OK && two) {
        enum gv_dimension of_second = dist->kind == GV_DIST_UNIFORM ? dimension : GV_DIM_NUMBER;
        err = gv_quantity_parse(&dist->b, second, of_second, diag);
    }
    return err != GV_OK ? err : check(dist, diag);
}

/* The standard normal distribution function, to about 1e-15: its power series about 0 (all terms of one sign). */
static double normal_below(double x)
{
    if (x < -8.0 || x > 8.0) {
        return x < 0 ? 0.0 : 1.0;
    }
    double term = x;
    double sum = x;
    for (int k = 3; k < 400; k += 2) {
        term *= x * x / k;
        sum += term;
    }
    return 0.5 + sum * gv_portable_exp(-0.5 * x * x) * 0.39894228040143267794; /* 1 / sqrt(2 pi) */
}

/* Gamma(x) for x >= 1: Lanczos, "A precision approximation of the gamma function", 1964, with the g = 7, n = 9
 * coefficients of P. Godfrey; relative error below 1e-14. */
static double gamma_of(double x)
{
    static const double C[] = {0.99999999999980993,  676.5203681218851,     -1259.1392167224028,
                               771.32342877765313,   -176.61502916214059,   12.507343278686905,
                               -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7};
    double sum = C[0];
    double z = x - 1.0;
    for (int i = 1; i < 9; i++) {
        sum += C[i] / (z + i);
    }
    double t = z + 7.5;
    return 2.5066282746310005024 /* sqrt(2 pi) */ * gv_portable_exp((z + 0.5) * gv_portable_log(t) - t) * sum;
}

enum gv_err gv_dist_parse(struct gv_dist *dist, const char *text, enum gv_dimension dimension, struct gv_diag *diag)
{
    char copy[TEXT_MAX + 1];
    struct gv_dist parsed = {.kind = GV_DIST_CONSTANT};
    text += strspn(text, " \t");
    const char *colon = strchr(text, ':');
    size_t bytes = strlen(text);
    if (bytes > TEXT_MAX) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "%zu characters: a distribution has at most %d", bytes, TEXT_MAX);
    }
    memcpy(copy, text, bytes + 1);
    enum gv_err err = GV_OK;
    if (colon == NULL) {
        size_t word = strspn(text, "abcdefghijklmnopqrstuvwxyz");
        err = word > 0 ? find_kind(&parsed.kind, text, word, diag) : GV_OK;
        if (word > 0 && err == GV_OK) {
            err = gv_diag_set(diag, GV_ERR_CONFIG, "\"%s\": expected %s", text, FORMS[parsed.kind]);
        }
        err = err != GV_OK ? err : gv_quantity_parse(&parsed.a, text, dimension, diag);
    } else {
        err = find_kind(&parsed.kind, text, (size_t)(colon - text), diag);
        if (err == GV_OK) {
            err = parse_arguments(&parsed, copy + (colon - text) + 1, dimension, diag);
            if (err != GV_OK) {
                (void)gv_diag_wrap(diag, "%s", FORMS[parsed.kind]);
            }
        }
    }
    if (err == GV_OK) {
        *dist = parsed;
    }
    return err;
}

double gv_dist_draw(const struct gv_dist *dist, struct gv_random *random)
{
    double least = gv_dist_least(dist);
    double drawn = dist->a;
    switch (dist->kind) {
    case GV_DIST_CONSTANT:
        return drawn;
    case GV_DIST_UNIFORM:
        return dist->a + (dist->b - dist->a) * gv_random_open(random);
    case GV_DIST_EXPONENTIAL:
        return -dist->a * gv_portable_log(gv_random_open(random));
    case GV_DIST_WEIBULL: /* the inverse of 1 - exp(-(x / scale)^shape) */
        drawn = -gv_portable_log(gv_random_open(random));
        return dist->a * gv_portable_exp(gv_portable_log(drawn) / dist->b);
    case GV_DIST_LOGNORMAL:
        drawn = dist->a * gv_portable_exp(dist->b * gv_random_normal(random));
        break;
    }
    return drawn < least ? least : drawn;
}

double gv_dist_least(const struct gv_dist *dist)
{
    switch (dist->kind) {
    case GV_DIST_CONSTANT:
    case GV_DIST_UNIFORM:
        return dist->a;
    case GV_DIST_LOGNORMAL:
        return dist->a / LOGNORMAL_LEAST;
    case GV_DIST_EXPONENTIAL:
    case GV_DIST_WEIBULL:
        break;
    }
    return 0;
}

double gv_dist_mean(const struct gv_dist *dist)
{
    switch (dist->kind) {
    case GV_DIST_CONSTANT:
    case GV_DIST_EXPONENTIAL:
        return dist->a;
    case GV_DIST_UNIFORM:
        return dist->a + 0.5 * (dist->b - dist->a);
    case GV_DIST_WEIBULL:
        return dist->a * gamma_of(1.0 + 1.0 / dist->b);
    case GV_DIST_LOGNORMAL:
        break;
    }
    if (!(dist->b > 0)) {
        return dist->a;
    }
    /* E max(X, least), X = a e^(b Z): what lies below `least` counts as `least`. */
    double cut = -gv_portable_log(LOGNORMAL_LEAST) / dist->b;
    return dist->a / LOGNORMAL_LEAST * normal_below(cut) +
           dist->a * gv_portable_exp(0.5 * dist->b * dist->b) * normal_below(dist->b - cut);
}

bool gv_dist_is_zero(const struct gv_dist *dist)
{
    return dist->kind == GV_DIST_CONSTANT && !(dist->a > 0);
}

size_t gv_dist_write(char *out, size_t cap, const struct gv_dist *dist, enum gv_dimension dimension)
{
    char a[64];
    char b[64];
    int written;
    (void)gv_quantity_write(a, sizeof a, dist->a, dimension);
    (void)gv_quantity_write(b, sizeof b, dist->b, dist->kind == GV_DIST_UNIFORM ? dimension : GV_DIM_NUMBER);
    if (dist->kind == GV_DIST_CONSTANT) {
        written = snprintf(out, cap, "%s", a);
    } else if (takes_two(dist->kind)) {
        written = snprintf(out, cap, "%s:%s,%s", KINDS[dist->kind], a, b);
    } else {
        written = snprintf(out, cap, "%s:%s", KINDS[dist->kind], a);
    }
    return written < 0 ? 0 : (size_t)written;
}
