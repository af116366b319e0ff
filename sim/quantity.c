/*
 * Quantities with units: see quantity.h. One table of units a dimension reads and writes them.
 */
#include "quantity.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_CHARS_MAX 40
#define VALUE_MAX 1e18 /* beyond this nothing that a scenario speaks of makes sense, and whole numbers overflow */

/* value = number * times / over: both are whole, so that a decimal number is rounded once where it can be. */
struct unit {
    const char *name;
    double times, over;
};

static const struct unit TIMES[] = {{"d", 86400e6, 1}, {"h", 3600e6, 1}, {"min", 60e6, 1}, {"s", 1e6, 1},
                                    {"ms", 1e3, 1},    {"us", 1, 1},     {NULL, 0, 0}};
static const struct unit BANDWIDTHS[] = {{"Gbit", 125e6, 1}, {"Mbit", 125e3, 1}, {"kbit", 125, 1}, {"bit", 1, 8},
                                         {"GB", 1e9, 1},     {"MB", 1e6, 1},     {"kB", 1e3, 1},   {NULL, 0, 0}};
static const struct unit SHARES[] = {{"%", 1, 100}, {NULL, 0, 0}};
static const struct unit BYTES[] = {{"GB", 1e9, 1},         {"MB", 1e6, 1},      {"kB", 1e3, 1},   {"B", 1, 1},
                                    {"GiB", 1073741824, 1}, {"MiB", 1048576, 1}, {"KiB", 1024, 1}, {NULL, 0, 0}};
static const struct unit NONE[] = {{"", 1, 1}, {NULL, 0, 0}};
static const struct unit SHARE_RATES[] = {{"%/d", 1, 86400e8}, {"%/h", 1, 3600e8}, {"%/min", 1, 60e8}, {"%/s", 1, 1e8},
                                          {"%/ms", 1, 1e5},    {"%/us", 1, 100},   {NULL, 0, 0}};
static const struct unit COUNT_RATES[] = {{"/d", 1, 86400e6}, {"/h", 1, 3600e6}, {"/min", 1, 60e6}, {"/s", 1, 1e6},
                                          {"/ms", 1, 1e3},    {"/us", 1, 1},     {NULL, 0, 0}};

static const struct {
    const char *expected; /* completes "expected ..." */
    const struct unit *units;
    const struct unit *more; /* read as well, written only if none of the others is exact; may be NULL */
} DIMENSIONS[] = {
    [GV_DIM_TIME] = {"a time with its unit (us, ms, s, min, h or d), as 50ms or 5min", TIMES, NULL},
    [GV_DIM_BANDWIDTH] = {"a bandwidth with its unit (bit, kbit, Mbit, Gbit, kB, MB or GB, a second), as 20Mbit",
                          BANDWIDTHS, NULL},
    [GV_DIM_SHARE] = {"a share, as 5% or 0.05", SHARES, NONE},
    [GV_DIM_RATE] = {"a rate with its unit of time (us, ms, s, min, h or d), as 5%/min or 3/s", COUNT_RATES,
                     SHARE_RATES},
    [GV_DIM_BYTES] = {"a size with its unit (B, kB, MB, GB, KiB, MiB or GiB), as 16MB", BYTES, NULL},
    [GV_DIM_COUNT] = {"a whole number, as 100", NONE, NULL},
    [GV_DIM_NUMBER] = {"a number, as 0.5", NONE, NULL},
    [GV_DIM_SHARE_RATE] = {"a share per time (us, ms, s, min, h or d), as 5%/min", SHARE_RATES, NULL},
    [GV_DIM_COUNT_RATE] = {"a number per time (us, ms, s, min, h or d), as 3/s", COUNT_RATES, NULL},
};

/* The number at the start of `text`: no sign, no blanks, no hexadecimal, no infinity. Its length, 0: there is none. */
static size_t leading_number(double *number, const char *text)
{
    char copy[NUMBER_CHARS_MAX + 1];
    size_t length = strspn(text, "0123456789");
    length += text[length] == '.' ? 1 + strspn(text + length + 1, "0123456789") : 0;
    size_t sign = text[length] == 'e' || text[length] == 'E' ? 1 : 0;
    sign += sign == 1 && (text[length + 1] == '-' || text[length + 1] == '+') ? 1 : 0;
    size_t exponent = sign > 0 ? strspn(text + length + sign, "0123456789") : 0;
    length += exponent > 0 ? sign + exponent : 0;
    if (length == 0 || length > NUMBER_CHARS_MAX || text[0] == '.') {
        return 0;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    *number = strtod(copy, NULL);
    return length;
}

static const struct unit *find_unit(const struct unit *units, const char *name, size_t bytes, bool per_second)
{
    for (; units != NULL && units->name != NULL; units++) {
        size_t length = strlen(units->name);
        bool spelt_out = per_second && bytes == length + 2 && memcmp(name + length, "/s", 2) == 0;
        if ((bytes == length || spelt_out) && memcmp(units->name, name, length) == 0) {
            return units;
        }
    }
    return NULL;
}

enum gv_err gv_quantity_parse(double *value, const char *text, enum gv_dimension dimension, struct gv_diag *diag)
{
    const char *start = text + strspn(text, " \t");
    size_t bytes = strlen(start);
    double number = 0;
    while (bytes > 0 && (start[bytes - 1] == ' ' || start[bytes - 1] == '\t')) {
        bytes--;
    }
    const char *expected = DIMENSIONS[dimension].expected;
    size_t digits = leading_number(&number, start);
    if (digits == 0 || digits > bytes) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "\"%.*s\" is not a %s: expected %s", bytes < 80 ? (int)bytes : 80,
                           start, start[0] == '-' ? "quantity of 0 or more" : "number", expected);
    }
    const struct unit *unit =
        find_unit(DIMENSIONS[dimension].units, start + digits, bytes - digits, dimension == GV_DIM_BANDWIDTH);
    unit = unit != NULL ? unit : find_unit(DIMENSIONS[dimension].more, start + digits, bytes - digits, false);
    bool zero = bytes == digits && !(number > 0); /* nothing is nothing in every unit */
    if (unit == NULL && !zero) {
        return bytes == digits
                   ? gv_diag_set(diag, GV_ERR_CONFIG, "\"%.*s\" has no unit: expected %s", (int)bytes, start, expected)
                   : gv_diag_set(diag, GV_ERR_CONFIG, "\"%.*s\": \"%.*s\" is not a unit here: expected %s",
                                 bytes < 80 ? (int)bytes : 80, start, bytes - digits < 40 ? (int)(bytes - digits) : 40,
                                 start + digits, expected);
    }
    double result = zero ? 0 : number * unit->times / unit->over;
    if (!(result <= VALUE_MAX)) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "\"%.*s\" is too large", bytes < 80 ? (int)bytes : 80, start);
    }
    if (dimension == GV_DIM_COUNT && result != floor(result)) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "\"%.*s\" is not whole: expected %s", (int)bytes, start, expected);
    }
    *value = result;
    return GV_OK;
}

/* The shortest decimal number that, read in this unit, gives exactly `value`. False if there is none. */
static bool spell(char out[NUMBER_CHARS_MAX + 1], double value, const struct unit *unit)
{
    double number = value / unit->times * unit->over;
    for (int digits = 1; digits <= 17; digits++) {
        double again;
        (void)snprintf(out, NUMBER_CHARS_MAX + 1, "%.*g", digits, number);
        if (strchr(out, 'e') != NULL) { /* 100000 as people write it */
            char plain[64];
            (void)snprintf(plain, sizeof plain, "%.0f", number);
            if (strtod(plain, NULL) == strtod(out, NULL) && strlen(plain) <= 9) {
                memcpy(out, plain, strlen(plain) + 1);
            }
        }
        again = strtod(out, NULL) * unit->times / unit->over;
        if (again == value) {
            return true;
        }
    }
    return false;
}

/* The shortest spelling in one of the units, as number and unit's name; false if none is exact. */
static bool spell_in(char best[NUMBER_CHARS_MAX + 1], const char **name, double value, const struct unit *units)
{
    char number[NUMBER_CHARS_MAX + 1];
    size_t shortest = SIZE_MAX;
    bool best_whole = false; /* a number of at least 1 reads better than a fraction, however short */
    for (const struct unit *unit = units; unit != NULL && unit->name != NULL; unit++) {
        bool whole = value >= unit->times / unit->over;
        if (!spell(number, value, unit) || (best_whole && !whole)) {
            continue;
        }
        if (strlen(number) < shortest || (whole && !best_whole)) {
            shortest = strlen(number);
            best_whole = whole;
            *name = unit->name;
            memcpy(best, number, sizeof number);
        }
    }
    return shortest != SIZE_MAX;
}

size_t gv_quantity_write(char *out, size_t cap, double value, enum gv_dimension dimension)
{
    char number[NUMBER_CHARS_MAX + 1] = "0";
    const char *name = "";
    const struct unit *units = DIMENSIONS[dimension].units, *more = DIMENSIONS[dimension].more;
    if (value > 0 && !spell_in(number, &name, value, units) && !spell_in(number, &name, value, more)) {
        /* A value that no text stands for exactly: the next one that has a text, which is a rounding away. */
        const struct unit *unit = units != NULL ? units : more;
        name = unit->name;
        (void)snprintf(number, sizeof number, "%.17g", value / unit->times * unit->over);
    }
    int written = snprintf(out, cap, "%s%s", number, name);
    return written < 0 ? 0 : (size_t)written;
}
