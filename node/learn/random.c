/*
 * The generator of learn/, and the distributions drawn from it. See random.h for why it avoids the C library.
 */
#include "random.h"

#include <math.h>
#include <string.h>

#include "gv/err.h"

static const double LN2 = 0.693147180559945309417;

static uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64U - bits));
}

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 2^n for n in [-1022, 1023], by its bits. */
static double power_of_two(int n)
{
    uint64_t bits = (uint64_t)(n + 1023) << 52;
    double result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

double gv_portable_exp(double x)
{
    if (x < -700.0) {
        return 0.0;
    }
    if (x > 700.0) {
        return (double)INFINITY;
    }
    /* x = n ln 2 + r with |r| <= ln 2 / 2, where fifteen terms of the series leave less than 1e-18. */
    double scaled = x / LN2;
    int n = (int)(scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
    double r = x - (double)n * LN2;
    double sum = 1.0;
    for (int k = 15; k > 0; k--) {
        sum = 1.0 + sum * r / (double)k;
    }
    return sum * power_of_two(n);
}

double gv_portable_log(double x)
{
    /* x = m 2^n with m in [1/sqrt 2, sqrt 2); ln m = 2 artanh(t), t = (m - 1) / (m + 1), |t| < 0.172. */
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int n = (int)((bits >> 52) & 0x7ff) - 1023;
    bits = (bits & UINT64_C(0x000fffffffffffff)) | UINT64_C(0x3ff0000000000000);
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.41421356237309515) {
        m *= 0.5;
        n++;
    }
    double t = (m - 1.0) / (m + 1.0);
    double square = t * t;
    double sum = 0.0;
    for (int k = 21; k > 0; k -= 2) {
        sum = sum * square + 1.0 / (double)k;
    }
    return 2.0 * t * sum + (double)n * LN2;
}

void gv_random_seed(struct gv_random *random, uint64_t seed, uint64_t stream)
{
    uint64_t state = stream;
    state = seed ^ splitmix64(&state);
    for (size_t i = 0; i < 4; i++) {
        random->s[i] = splitmix64(&state);
    }
}

uint64_t gv_random_next(struct gv_random *random)
{
    uint64_t *s = random->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint32_t gv_random_below(struct gv_random *random, uint32_t n)
{
    GV_ASSERT(n > 0);
    /* Lemire, "Fast random integer generation in an interval", 2019: multiply, and reject the uneven rest. */
    uint32_t rest = (0U - n) % n;
    for (;;) {
        uint64_t product = (gv_random_next(random) >> 32) * n;
        if ((uint32_t)product >= rest) {
            return (uint32_t)(product >> 32);
        }
    }
}

float gv_random_float(struct gv_random *random)
{
    return (float)(gv_random_next(random) >> 40) * 0x1p-24F;
}

double gv_random_open(struct gv_random *random)
{
    return ((double)(gv_random_next(random) >> 11) + 0.5) * 0x1p-53;
}

double gv_random_normal(struct gv_random *random)
{
    /* Marsaglia's polar method; the second variate is not kept, so that the generator has no hidden state. */
    for (;;) {
        double u = 2.0 * gv_random_open(random) - 1.0;
        double v = 2.0 * gv_random_open(random) - 1.0;
        double square = u * u + v * v;
        if (square > 0.0 && square < 1.0) {
            return u * sqrt(-2.0 * gv_portable_log(square) / square);
        }
    }
}

double gv_random_log_gamma(struct gv_random *random, double alpha)
{
    GV_ASSERT(alpha > 0.0);
    /* Marsaglia, Tsang, "A simple method for generating gamma variables", 2000; for a shape below one,
       gamma(a) = gamma(a + 1) u^(1/a). */
    double boost = 0.0;
    if (alpha < 1.0) {
        boost = gv_portable_log(gv_random_open(random)) / alpha;
        alpha += 1.0;
    }
    double d = alpha - 1.0 / 3.0;
    double c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        double x = gv_random_normal(random);
        double root = 1.0 + c * x;
        if (root <= 0.0) {
            continue;
        }
        double v = root * root * root;
        double log_v = gv_portable_log(v);
        if (gv_portable_log(gv_random_open(random)) < 0.5 * x * x + d - d * v + d * log_v) {
            return gv_portable_log(d) + log_v + boost;
        }
    }
}

void gv_random_dirichlet(struct gv_random *random, double *share, size_t n, double alpha)
{
    GV_ASSERT(n > 0);
    double largest = -(double)INFINITY;
    for (size_t i = 0; i < n; i++) {
        share[i] = gv_random_log_gamma(random, alpha);
        largest = share[i] > largest ? share[i] : largest;
    }
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        share[i] = gv_portable_exp(share[i] - largest);
        sum += share[i];
    }
    for (size_t i = 0; i < n; i++) {
        share[i] /= sum;
    }
}

void gv_random_shuffle(struct gv_random *random, uint32_t *items, size_t n)
{
    GV_ASSERT(n <= UINT32_MAX);
    for (size_t i = n; i > 1; i--) {
        uint32_t j = gv_random_below(random, (uint32_t)i);
        uint32_t swapped = items[i - 1];
        items[i - 1] = items[j];
        items[j] = swapped;
    }
}
