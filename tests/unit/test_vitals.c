/*
 * Delays and their percentiles.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "vitals.h"

static struct gv_delays *make(void)
{
    struct gv_delays *delays = calloc(1, sizeof *delays);
    cr_assert_not_null(delays);
    return delays;
}

Test(vitals, no_delay_has_no_figures)
{
    struct gv_delays *delays = make();
    struct gv_delay_figures figures = gv_delays_figures(delays);
    cr_expect_eq(figures.count, 0);
    cr_expect(isnan(figures.median_s) && isnan(figures.p99_s) && isnan(figures.most_s));
    free(delays);
}

Test(vitals, percentiles_are_the_upper_ends_of_their_tenths_of_a_second)
{
    struct gv_delays *delays = make();
    for (uint64_t i = 1; i <= 100; i++) {
        gv_delays_add(delays, i * 1000000 - 1); /* just below 1 s, 2 s, ... 100 s */
    }
    struct gv_delay_figures figures = gv_delays_figures(delays);
    cr_expect_eq(figures.count, 100);
    cr_expect_float_eq(figures.median_s, 50.0, 1e-9, "%g", figures.median_s);
    cr_expect_float_eq(figures.p99_s, 99.0, 1e-9, "%g", figures.p99_s);
    cr_expect_float_eq(figures.most_s, 99.999999, 1e-9, "%g", figures.most_s);
    free(delays);
}

Test(vitals, a_delay_beyond_the_bins_is_not_lost)
{
    struct gv_delays *delays = make();
    gv_delays_add(delays, UINT64_C(500000000));
    struct gv_delay_figures figures = gv_delays_figures(delays);
    cr_expect_float_eq(figures.median_s, 500.0, 1e-9);
    cr_expect_float_eq(figures.p99_s, 500.0, 1e-9);
    free(delays);
}

Test(vitals, threads_delays_add_up)
{
    struct gv_delays *a = make();
    struct gv_delays *b = make();
    for (uint64_t i = 0; i < 9; i++) {
        gv_delays_add(i % 2 == 0 ? a : b, i * 1000000);
    }
    gv_delays_merge(a, b);
    struct gv_delay_figures figures = gv_delays_figures(a);
    cr_expect_eq(figures.count, 9);
    cr_expect_float_eq(figures.median_s, 4.1, 1e-9, "%g", figures.median_s);
    cr_expect_float_eq(figures.most_s, 8.0, 1e-9);
    free(a);
    free(b);
}
