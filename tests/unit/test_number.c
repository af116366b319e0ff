/*
 * Numbers as text: exact for programs, rounded for people.
 */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "random.h"

static void expect(void (*form)(char *, size_t, double), double value, const char *text)
{
    char out[GV_NUMBER_CAP];
    form(out, sizeof out, value);
    cr_expect_str_eq(out, text);
}

Test(number, exact_reads_back_as_the_same_value)
{
    const char *given = getenv("SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : 20051;
    (void)fprintf(stderr, "SEED=%llu\n", (unsigned long long)seed);
    struct gv_random random;
    gv_random_seed(&random, seed, 0);
    for (int i = 0; i < 20000; i++) {
        char out[GV_NUMBER_CAP];
        uint64_t bits = gv_random_next(&random);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isnan(value)) {
            continue;
        }
        size_t length = gv_number_exact(out, sizeof out, value);
        cr_assert(length == strlen(out) && length <= 24, "%s", out);
        cr_assert_eq(strtod(out, NULL), value, "%s", out);
    }
}

Test(number, exact_is_short_where_it_can_be)
{
    char out[GV_NUMBER_CAP];
    (void)gv_number_exact(out, sizeof out, 0.1);
    cr_expect_str_eq(out, "0.1");
    (void)gv_number_exact(out, sizeof out, 1e300);
    cr_expect_str_eq(out, "1e+300");
    cr_expect_eq(gv_number_exact(out, sizeof out, (double)NAN), 0);
    cr_expect_str_eq(out, "");
    (void)gv_number_exact(out, sizeof out, (double)-INFINITY);
    cr_expect_str_eq(out, "-inf");
}

Test(number, people_read_units)
{
    expect(gv_number_share, 0.8406, "84.1 %");
    expect(gv_number_whole, 0, "0");
    expect(gv_number_whole, 999, "999");
    expect(gv_number_whole, 1000, "1,000");
    expect(gv_number_whole, -1234567, "-1,234,567");
    expect(gv_number_count, 12, "12");
    expect(gv_number_count, 1234, "1,234");
    expect(gv_number_count, 12345, "12.3 k");
    expect(gv_number_count, 1236000, "1.24 M");
    expect(gv_number_count, 999600, "1.00 M");
    expect(gv_number_bytes, 0, "0 B");
    expect(gv_number_bytes, 12300000, "12.3 MB");
    expect(gv_number_span, 0, "0 s");
    expect(gv_number_span, 0.85, "850 ms");
    expect(gv_number_span, 12.34, "12.3 s");
    expect(gv_number_span, 59.96, "1 min");
    expect(gv_number_span, 603, "10 min 3 s");
    expect(gv_number_span, 7500, "2 h 5 min");
    expect(gv_number_span, 90000, "1 d 1 h");
    expect(gv_number_clock, 200.9, "03:20");
    expect(gv_number_clock, 3723, "1:02:03");
    expect(gv_number_plain, 0.000123456, "0.0001235");
}

Test(number, nothing_is_a_dash_and_extremes_fit)
{
    void (*forms[])(char *, size_t, double) = {gv_number_share, gv_number_whole, gv_number_count, gv_number_bytes,
                                               gv_number_span,  gv_number_clock, gv_number_plain};
    const double extremes[] = {DBL_MAX, -DBL_MAX, (double)INFINITY, DBL_MIN, 1e18, -1e18};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        expect(forms[i], (double)NAN, "-");
        for (size_t k = 0; k < sizeof extremes / sizeof extremes[0]; k++) {
            char out[2 * GV_NUMBER_CAP];
            memset(out, '#', sizeof out);
            forms[i](out, GV_NUMBER_CAP, extremes[k]);
            cr_expect_lt(strlen(out), GV_NUMBER_CAP);
            cr_expect_eq(out[GV_NUMBER_CAP], '#', "nothing is written behind the end");
        }
    }
}
