/*
 * From samples to what is plotted: rates, factors, thinning.
 */
#include <criterion/criterion.h>
#include <math.h>

#include "report_help.h"
#include "series.h"

static void make(struct gv_series *series, struct gv_sample *samples, uint32_t count, enum gv_mode mode)
{
    struct gv_metrics metrics = {.samples = samples, .count = count};
    struct gv_scenario scenario = help_scenario(mode);
    cr_assert_eq(gv_series_init(series, &metrics, &scenario), GV_OK);
}

Test(series, counts_become_rates)
{
    struct gv_sample samples[2] = {help_sample(0), help_sample(1)};
    samples[0].virtual_s = 10.0, samples[1].virtual_s = 14.0;
    samples[0].exchanges_done = 100, samples[1].exchanges_done = 180;
    samples[0].bytes = 1000, samples[1].bytes = 9000;
    samples[0].bytes_state = 1000, samples[1].bytes_state = 5000;
    samples[0].live_nodes = 30, samples[1].live_nodes = 10;
    struct gv_series series;
    make(&series, samples, 2, GV_MODE_TRAIN);
    cr_assert_eq(series.count, 2);
    const double *at = series.points[1];
    cr_expect_float_eq(series.points[0][GV_COL_DONE], 10.0, 1e-12, "since the start");
    cr_expect_float_eq(at[GV_COL_DONE], 20.0, 1e-12);
    cr_expect_float_eq(at[GV_COL_RATE_ALL], 100.0, 1e-9, "8000 bytes in 4 s by 20 nodes");
    cr_expect_float_eq(at[GV_COL_RATE_STATE], 50.0, 1e-9);
    cr_expect_float_eq(at[GV_COL_RATE_OTHER], 50.0, 1e-9);
    cr_expect_float_eq(at[GV_COL_SENT], 1000.0 / 30 + 8000.0 / 20, 1e-9, "who stays has sent this much");
    gv_series_deinit(&series);
}

Test(series, no_time_passed_is_no_rate)
{
    struct gv_sample samples[2] = {help_sample(1), help_sample(1)};
    struct gv_series series;
    make(&series, samples, 2, GV_MODE_TRAIN);
    cr_expect(isnan(series.points[1][GV_COL_DONE]) && isnan(series.points[1][GV_COL_RATE_ALL]));
    gv_series_deinit(&series);
    samples[1].live_nodes = samples[0].live_nodes = 0;
    make(&series, samples, 2, GV_MODE_TRAIN);
    cr_expect(isnan(series.points[1][GV_COL_RATE_ALL]), "nobody lives");
    gv_series_deinit(&series);
    make(&series, samples, 0, GV_MODE_TRAIN);
    cr_expect_eq(series.count, 0);
    gv_series_deinit(&series);
}

Test(series, the_variance_is_beside_the_theory)
{
    struct gv_sample samples[3] = {help_empty_sample(0), help_empty_sample(0), help_empty_sample(0)};
    for (int i = 0; i < 3; i++) {
        samples[i].virtual_s = i == 2 ? 6.0 : 3.0 * i + 1.0; /* 1, 4 and 6 cycles of a second */
        samples[i].variance = 4.0 * pow(0.5, samples[i].virtual_s - 1.0);
        samples[i].mean = 3.0 + 0.2 * i;
    }
    struct gv_series series;
    make(&series, samples, 3, GV_MODE_MEAN);
    cr_expect_float_eq(series.points[2][GV_COL_FACTOR], 0.5, 1e-12, "per cycle, whatever the samples' distance");
    cr_expect_float_eq(series.points[1][GV_COL_VARIANCE_THEORY], 4.0 * pow(0.5 / sqrt(exp(1.0)), 3.0), 1e-12);
    cr_expect_float_eq(series.points[2][GV_COL_DRIFT], 0.2, 1e-12, "0.4 is 0.2 of the first deviation, 2");
    cr_expect(isnan(series.points[0][GV_COL_FACTOR]));
    gv_series_deinit(&series);
}

Test(series, thinning_keeps_what_must_not_be_missed)
{
    static struct gv_sample samples[2501];
    for (uint32_t i = 0; i < 2501; i++) {
        samples[i] = help_sample(i);
        samples[i].components = i == 1000 ? 7 : 1;
        samples[i].accuracy_min = i == 2000 ? 0.1 : 0.6;
    }
    struct gv_series series;
    make(&series, samples, 2501, GV_MODE_TRAIN);
    cr_expect(series.count <= GV_SERIES_POINTS_MAX && series.count > GV_SERIES_POINTS_MAX / 2);
    double low = 1.0, high = 0.0;
    cr_expect(gv_series_range(&series, GV_COL_COMPONENTS, false, &low, &high));
    cr_expect_eq(high, 7.0);
    low = 1.0;
    cr_expect(gv_series_range(&series, GV_COL_ACCURACY_MIN, false, &low, &high));
    cr_expect_eq(low, 0.1);
    cr_expect_eq(series.points[series.count - 1][GV_COL_TIME], samples[2500].virtual_s, "the end is the end");
    gv_series_deinit(&series);
}

Test(series, a_range_is_of_what_is_there)
{
    struct gv_sample samples[2] = {help_empty_sample(0), help_empty_sample(1)};
    struct gv_series series;
    double low = 5.0, high = 5.0;
    samples[1].loss_mean = 0.0;
    make(&series, samples, 2, GV_MODE_TRAIN);
    cr_expect_not(gv_series_range(&series, GV_COL_ACCURACY, false, &low, &high));
    cr_expect_not(gv_series_range(&series, GV_COL_LOSS, true, &low, &high), "0 has no logarithm");
    cr_expect(low == 5.0 && high == 5.0);
    cr_expect(gv_series_range(&series, GV_COL_LOSS, false, &low, &high));
    cr_expect(low == 0.0 && high == 5.0);
    gv_series_deinit(&series);
}
