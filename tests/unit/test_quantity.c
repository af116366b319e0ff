/*
 * Quantities with units: there and back, and what is refused.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto_fixture.h"
#include "quantity.h"

struct good {
    const char *text;
    enum gv_dimension dimension;
    double value;
};

Test(quantity, reads_each_unit)
{
    static const struct good good[] = {
        {"7us", GV_DIM_TIME, 7},
        {"50ms", GV_DIM_TIME, 50e3},
        {"1.5s", GV_DIM_TIME, 1.5e6},
        {"5min", GV_DIM_TIME, 300e6},
        {"2h", GV_DIM_TIME, 7200e6},
        {"1d", GV_DIM_TIME, 86400e6},
        {" 10s\t", GV_DIM_TIME, 10e6},
        {"1e3ms", GV_DIM_TIME, 1e6},
        {"8bit", GV_DIM_BANDWIDTH, 1},
        {"64kbit", GV_DIM_BANDWIDTH, 8000},
        {"20Mbit", GV_DIM_BANDWIDTH, 2.5e6},
        {"20Mbit/s", GV_DIM_BANDWIDTH, 2.5e6},
        {"1Gbit", GV_DIM_BANDWIDTH, 125e6},
        {"500kB", GV_DIM_BANDWIDTH, 500e3},
        {"3MB", GV_DIM_BANDWIDTH, 3e6},
        {"1GB", GV_DIM_BANDWIDTH, 1e9},
        {"5%", GV_DIM_SHARE, 0.05},
        {"0.25", GV_DIM_SHARE, 0.25},
        {"100%", GV_DIM_SHARE, 1},
        {"5%/min", GV_DIM_RATE, 0.05 / 60e6},
        {"3/s", GV_DIM_RATE, 3e-6},
        {"0.1/h", GV_DIM_RATE, 0.1 / 3600e6},
        {"5%/min", GV_DIM_SHARE_RATE, 0.05 / 60e6},
        {"3/min", GV_DIM_COUNT_RATE, 3 / 60e6},
        {"16MB", GV_DIM_BYTES, 16e6},
        {"16MiB", GV_DIM_BYTES, 16777216},
        {"1KiB", GV_DIM_BYTES, 1024},
        {"2GiB", GV_DIM_BYTES, 2147483648.0},
        {"5B", GV_DIM_BYTES, 5},
        {"100", GV_DIM_COUNT, 100},
        {"0.5", GV_DIM_NUMBER, 0.5},
        {"2.5e-3", GV_DIM_NUMBER, 2.5e-3},
        {"0", GV_DIM_TIME, 0}, /* nothing is nothing in every unit */
        {"0", GV_DIM_BANDWIDTH, 0},
        {"0.0", GV_DIM_RATE, 0},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        double value = -1;
        struct gv_diag diag = {.text = ""};
        cr_expect_eq(gv_quantity_parse(&value, good[i].text, good[i].dimension, &diag), GV_OK, "%s: %s", good[i].text,
                     diag.text);
        cr_expect(fabs(value - good[i].value) <= 1e-15 * good[i].value, "%s -> %.17g", good[i].text, value);
    }
}

Test(quantity, refuses_what_has_no_unit_and_says_which_there_are)
{
    static const struct {
        const char *text;
        enum gv_dimension dimension;
        const char *part;
    } bad[] = {
        {"50", GV_DIM_TIME, "us, ms, s, min, h or d"},
        {"20", GV_DIM_BANDWIDTH, "Mbit"},
        {"16", GV_DIM_BYTES, "MiB"},
        {"5%", GV_DIM_RATE, "5%/min"},
        {"5", GV_DIM_COUNT_RATE, "3/s"},
        {"3/s", GV_DIM_SHARE_RATE, "5%/min"},
        {"3%/s", GV_DIM_COUNT_RATE, "3/s"},
        {"50m", GV_DIM_TIME, "\"m\" is not a unit"},
        {"50mS", GV_DIM_TIME, "not a unit"},
        {"50 ms", GV_DIM_TIME, "not a unit"},
        {"20mbit", GV_DIM_BANDWIDTH, "not a unit"},
        {"20Mbit/h", GV_DIM_BANDWIDTH, "not a unit"},
        {"100s", GV_DIM_COUNT, "whole number"},
        {"1.5", GV_DIM_COUNT, "not whole"},
        {"-5ms", GV_DIM_TIME, "0 or more"},
        {"+5ms", GV_DIM_TIME, "not a number"},
        {"", GV_DIM_TIME, "not a number"},
        {"ms", GV_DIM_TIME, "not a number"},
        {"nan", GV_DIM_NUMBER, "not a number"},
        {"inf", GV_DIM_NUMBER, "not a number"},
        {"0x10", GV_DIM_NUMBER, "not a unit"},
        {".5", GV_DIM_NUMBER, "not a number"},
        {"1e400", GV_DIM_NUMBER, "too large"},
        {"1e30s", GV_DIM_TIME, "too large"},
        {"1111111111111111111111111111111111111111111111111111", GV_DIM_NUMBER, "not a number"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        double value = 42;
        struct gv_diag diag = {.text = ""};
        enum gv_err err = gv_quantity_parse(&value, bad[i].text, bad[i].dimension, &diag);
        cr_expect_eq(err, GV_ERR_CONFIG, "\"%s\"", bad[i].text);
        cr_expect_not_null(strstr(diag.text, bad[i].part), "\"%s\" gave: %s", bad[i].text, diag.text);
        cr_expect(value > 41 && value < 43, "\"%s\" must change nothing", bad[i].text);
    }
}

Test(quantity, is_written_as_a_person_would)
{
    static const struct good good[] = {
        {"50ms", GV_DIM_TIME, 50e3},         {"5min", GV_DIM_TIME, 300e6},
        {"90s", GV_DIM_TIME, 90e6},          {"1.5s", GV_DIM_TIME, 1.5e6},
        {"1h", GV_DIM_TIME, 3600e6},         {"36h", GV_DIM_TIME, 36 * 3600e6},
        {"100us", GV_DIM_TIME, 100},         {"0", GV_DIM_TIME, 0},
        {"20Mbit", GV_DIM_BANDWIDTH, 2.5e6}, {"100Mbit", GV_DIM_BANDWIDTH, 12.5e6},
        {"5%", GV_DIM_SHARE, 0.05},          {"0.1%", GV_DIM_SHARE, 0.001},
        {"100%", GV_DIM_SHARE, 1},           {"3/min", GV_DIM_COUNT_RATE, 3 / 60e6},
        {"16MB", GV_DIM_BYTES, 16e6},        {"100000", GV_DIM_COUNT, 100000},
        {"0.5", GV_DIM_NUMBER, 0.5},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char text[64];
        (void)gv_quantity_write(text, sizeof text, good[i].value, good[i].dimension);
        cr_expect_str_eq(text, good[i].text, "%.17g -> %s, not %s", good[i].value, text, good[i].text);
    }
}

Test(quantity, reads_back_exactly_what_it_wrote)
{
    uint64_t state = fixture_seed();
    for (int i = 0; i < 20000; i++) {
        enum gv_dimension dimension = (enum gv_dimension)(fixture_random(&state) % 9);
        double value = (double)(fixture_random(&state) >> 11) * ldexp(1.0, -(int)(fixture_random(&state) % 60));
        value = dimension == GV_DIM_COUNT ? floor(value) : value;
        value = value > 1e17 ? 1e17 : value;
        char text[64];
        double again = -1;
        struct gv_diag diag = {.text = ""};
        cr_assert_lt(gv_quantity_write(text, sizeof text, value, dimension), sizeof text);
        cr_assert_eq(gv_quantity_parse(&again, text, dimension, &diag), GV_OK, "%.17g -> %s: %s", value, text,
                     diag.text);
        cr_assert_leq(fabs(again - value), 1e-15 * value, "%.17g -> %s -> %.17g (dimension %d)", value, text, again,
                      (int)dimension);
        value = again; /* which came from a text, and has one */
        (void)gv_quantity_write(text, sizeof text, value, dimension);
        cr_assert_eq(gv_quantity_parse(&again, text, dimension, &diag), GV_OK, "%.17g -> %s", value, text);
        cr_assert_eq(memcmp(&value, &again, sizeof value), 0, "%.17g -> %s -> %.17g (dimension %d)", value, text, again,
                     (int)dimension);
    }
}
