/*
 * Logarithms by repeated squaring: one bit of the fraction each time, so that neither a table nor a float is needed and
 * every machine gets the same bits.
 */
#include "fixed.h"

#include "gv/err.h"

#define LN2_Q31 1488522236u
#define MEDIAN_MAX 64

uint64_t gv_fixed_log2(uint64_t x)
{
    GV_ASSERT(x >= 1);
    uint32_t top = 63 - (uint32_t)__builtin_clzll(x);
    uint64_t mantissa = top > 31 ? x >> (top - 31) : x << (31 - top); /* Q31, in [1, 2) */
    uint64_t result = top;
    for (uint32_t i = 0; i < 27; i++) { /* the bits are random: a branch on them would be mispredicted half the time */
        mantissa = (mantissa * mantissa) >> 31;
        uint64_t bit = mantissa >> 32;
        result = result << 1 | bit;
        mantissa >>= bit;
    }
    return result;
}

uint64_t gv_fixed_ln(uint64_t x)
{
    return (gv_fixed_log2(x) * LN2_Q31) >> 31;
}

uint32_t gv_fixed_exponential(uint32_t uniform)
{
    uint64_t x = 2 * (uint64_t)uniform + 1; /* x / 2^33 lies in (0, 1) */
    uint64_t bits = ((uint64_t)33 << 27) - gv_fixed_log2(x);
    uint64_t value = (bits * LN2_Q31) >> 31;
    return value == 0 ? 1 : (uint32_t)value;
}

int64_t gv_fixed_scale(int64_t value, uint32_t weight_q16)
{
    int64_t whole = value / 65536;
    int64_t rest = value % 65536;
    return whole * (int64_t)weight_q16 + rest * (int64_t)weight_q16 / 65536;
}

uint64_t gv_fixed_ratio(uint64_t a, uint64_t b, uint64_t c)
{
    GV_ASSERT(c > 0);
    while (a != 0 && b > UINT64_MAX / a) {
        /* Halve the larger factor and the divisor together: loses low bits only when all three are large. */
        if (c == 1) {
            return UINT64_MAX;
        }
        if (a > b) {
            a >>= 1;
        } else {
            b >>= 1;
        }
        c >>= 1;
    }
    return a * b / c;
}

uint64_t gv_fixed_median(const uint64_t *values, uint32_t n)
{
    GV_ASSERT(n <= MEDIAN_MAX);
    uint64_t sorted[MEDIAN_MAX];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = i;
        while (at > 0 && sorted[at - 1] > values[i]) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = values[i];
    }
    return n == 0 ? 0 : sorted[(n - 1) / 2];
}

uint64_t gv_fixed_mad(const uint64_t *values, uint32_t n, uint64_t centre)
{
    GV_ASSERT(n <= MEDIAN_MAX);
    uint64_t deviation[MEDIAN_MAX];
    for (uint32_t i = 0; i < n; i++) {
        deviation[i] = values[i] > centre ? values[i] - centre : centre - values[i];
    }
    return gv_fixed_median(deviation, n);
}
