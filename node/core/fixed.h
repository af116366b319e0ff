/*
 * Fixed-point arithmetic: what the core uses where others use floats. Pure functions of integers.
 */
#ifndef GV_FIXED_H
#define GV_FIXED_H

#include <stdint.h>

#define GV_Q27_ONE (1u << 27)

/** Base-2 logarithm of x >= 1, Q27. Error below 2^-24. */
uint64_t gv_fixed_log2(uint64_t x);

/** Natural logarithm of x >= 1, Q27. */
uint64_t gv_fixed_ln(uint64_t x);

/** An exponential variate of mean 1 from 32 uniform bits, Q27, at least 1; the largest is 33 ln 2 < 23. */
uint32_t gv_fixed_exponential(uint32_t uniform);

/** floor(value * weight / 65536) for |value| < 2^62 and weight in 0..65536; rounds towards zero. */
int64_t gv_fixed_scale(int64_t value, uint32_t weight_q16);

/** a * b / c without overflow of the product, saturating; c > 0. */
uint64_t gv_fixed_ratio(uint64_t a, uint64_t b, uint64_t c);

/** The median of n <= 64 values (the lower one of two); 0 for none. Does not change them. */
uint64_t gv_fixed_median(const uint64_t *values, uint32_t n);

/** Median absolute deviation from `centre`. */
uint64_t gv_fixed_mad(const uint64_t *values, uint32_t n, uint64_t centre);

#endif
