/*
 * Fixed-point arithmetic against floating point, which tests may use and the core may not.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>

#include "fixed.h"

Test(core_fixed, log2_agrees_with_libm)
{
    uint64_t values[] = {1, 2, 3, 5, 7, 10, 12, 1000, 65537, 4294967295u, 4294967297u, 1ull << 62, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        double got = (double)gv_fixed_log2(values[i]) / GV_Q27_ONE;
        cr_assert_float_eq(got, log2((double)values[i]), 1e-7, "log2(%llu)", (unsigned long long)values[i]);
        double ln = (double)gv_fixed_ln(values[i]) / GV_Q27_ONE;
        cr_assert_float_eq(ln, log((double)values[i]), 1e-7);
    }
}

Test(core_fixed, exponentials_have_mean_and_deviation_one)
{
    double sum = 0;
    double squares = 0;
    const int n = 200000;
    for (int i = 0; i < n; i++) {
        uint32_t u = (uint32_t)i * 21474u + 12345u * (uint32_t)(i % 7); /* spread over all 32 bits */
        double x = (double)gv_fixed_exponential(u) / GV_Q27_ONE;
        sum += x;
        squares += x * x;
    }
    cr_assert_float_eq(sum / n, 1.0, 0.01);
    cr_assert_float_eq(squares / n, 2.0, 0.05);
    cr_assert_geq(gv_fixed_exponential(UINT32_MAX), 1, "never zero: zero is no minimum");
    cr_assert_float_eq((double)gv_fixed_exponential(0) / GV_Q27_ONE, 33 * log(2), 1e-6);
}

Test(core_fixed, scale_is_odd_so_that_two_deltas_cancel)
{
    int64_t values[] = {0, 1, 2, 3, 65535, 65536, 65537, 1234567891011, (int64_t)1 << 61};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        for (uint32_t w = 0; w <= 65536; w += 4096) {
            cr_assert_eq(gv_fixed_scale(values[i], w), -gv_fixed_scale(-values[i], w));
        }
        cr_assert_eq(gv_fixed_scale(values[i], 65536), values[i]);
        cr_assert_eq(gv_fixed_scale(values[i], 0), 0);
    }
    cr_assert_eq(gv_fixed_scale(7, 32768), 3);
}

Test(core_fixed, ratio_survives_products_beyond_64_bits)
{
    cr_assert_eq(gv_fixed_ratio(10, 20, 4), 50);
    cr_assert_eq(gv_fixed_ratio(0, UINT64_MAX, 3), 0);
    cr_assert_eq(gv_fixed_ratio(UINT64_MAX, UINT64_MAX, 1), UINT64_MAX);
    uint64_t got = gv_fixed_ratio((uint64_t)1 << 60, 65536, (uint64_t)1 << 61);
    cr_assert_eq(got, 32768);
}

Test(core_fixed, median_and_deviation)
{
    uint64_t values[] = {9, 1, 5, 3, 100};
    cr_assert_eq(gv_fixed_median(values, 5), 5);
    cr_assert_eq(gv_fixed_mad(values, 5, 5), 4);
    cr_assert_eq(gv_fixed_median(values, 4), 3, "the lower of two");
    cr_assert_eq(gv_fixed_median(values, 0), 0);
}
