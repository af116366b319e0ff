/*
 * Values with units: see units.h.
 */
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DURATION_MAX_S (100ull * 366 * 86400)
#define RATE_MAX_BYTES 1e12 /* a terabyte a second caps nothing any more */
#define SHARDS_MAX 100000u

struct unit {
    const char *name;
    uint64_t factor;
};

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits at the start of text; *rest is what follows them. */
static bool leading_u64(uint64_t *value, const char **rest, const char *text)
{
    uint64_t sum = 0;
    const char *at = text;
    for (; digit(*at); at++) {
        uint64_t add = (uint64_t)(*at - '0');
        if (sum > (UINT64_MAX - add) / 10) {
            return false;
        }
        sum = sum * 10 + add;
    }
    *value = sum;
    *rest = at;
    return at > text;
}

bool gv_u64_parse(uint64_t *value, const char *text)
{
    const char *rest;
    uint64_t parsed;
    if (!leading_u64(&parsed, &rest, text) || *rest != '\0') {
        return false;
    }
    *value = parsed;
    return true;
}

/* Largest first, so that the first one that divides gives the shortest text. */
static const struct unit DURATIONS[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}};

bool gv_duration_parse(uint64_t *seconds, const char *text)
{
    const char *rest;
    uint64_t number;
    if (!leading_u64(&number, &rest, text)) {
        return false;
    }
    for (size_t i = 0; i < sizeof DURATIONS / sizeof DURATIONS[0]; i++) {
        if (strcmp(rest, DURATIONS[i].name) == 0 && number <= DURATION_MAX_S / DURATIONS[i].factor) {
            *seconds = number * DURATIONS[i].factor;
            return true;
        }
    }
    return false;
}

int gv_duration_print(char *out, size_t cap, uint64_t seconds)
{
    for (size_t i = 0; i < sizeof DURATIONS / sizeof DURATIONS[0]; i++) {
        if (seconds > 0 && seconds % DURATIONS[i].factor == 0) {
            return snprintf(out, cap, "%" PRIu64 "%s", seconds / DURATIONS[i].factor, DURATIONS[i].name);
        }
    }
    return snprintf(out, cap, "0s");
}

/* Bits of each, largest first. */
static const struct unit RATES[] = {{"Gbit", 1000000000}, {"Mbit", 1000000}, {"kbit", 1000}, {"bit", 1},
                                    {"GB", 8000000000},   {"MB", 8000000},   {"kB", 8000},   {"B", 8}};

bool gv_rate_parse(uint64_t *bytes_per_s, const char *text)
{
    char *rest;
    if (strcmp(text, "0") == 0) {
        *bytes_per_s = 0;
        return true;
    }
    if (!digit(text[0])) { /* strtod also reads blanks, signs, "inf" and "nan" */
        return false;
    }
    errno = 0;
    double number = strtod(text, &rest);
    if (errno != 0 || !isfinite(number)) {
        return false;
    }
    for (size_t i = 0; i < sizeof RATES / sizeof RATES[0]; i++) {
        size_t length = strlen(RATES[i].name);
        if (strncmp(rest, RATES[i].name, length) == 0 && (rest[length] == '\0' || strcmp(rest + length, "/s") == 0)) {
            double bytes = number * (double)RATES[i].factor / 8;
            if (bytes > RATE_MAX_BYTES || (number > 0 && bytes < 1)) {
                return false; /* less than a byte a second would read as "no cap" */
            }
            *bytes_per_s = (uint64_t)llround(bytes);
            return true;
        }
    }
    return false;
}

int gv_rate_print(char *out, size_t cap, uint64_t bytes_per_s)
{
    if (bytes_per_s == 0) {
        return snprintf(out, cap, "0");
    }
    for (size_t i = 0; i < 3; i++) { /* whole Gbit, Mbit or kbit */
        if (bytes_per_s * 8 % RATES[i].factor == 0) {
            return snprintf(out, cap, "%" PRIu64 "%s", bytes_per_s * 8 / RATES[i].factor, RATES[i].name);
        }
    }
    return snprintf(out, cap, "%" PRIu64 "B", bytes_per_s);
}

static bool two_digits(uint32_t *value, const char *text)
{
    if (!digit(text[0]) || !digit(text[1])) {
        return false;
    }
    *value = (uint32_t)(text[0] - '0') * 10 + (uint32_t)(text[1] - '0');
    return true;
}

/* "HH:MM", 00:00 to 24:00. */
static bool clock_parse(uint32_t *minutes, const char *text)
{
    uint32_t hour;
    uint32_t minute;
    if (!two_digits(&hour, text) || text[2] != ':' || !two_digits(&minute, text + 3) || minute > 59) {
        return false;
    }
    *minutes = hour * 60 + minute;
    return *minutes <= 24 * 60;
}

bool gv_hours_parse(uint32_t *from, uint32_t *to, const char *text)
{
    uint32_t first;
    uint32_t last;
    if (strcmp(text, "always") == 0) {
        *from = 0;
        *to = 0;
        return true;
    }
    if (strlen(text) != strlen("22:00-07:00") || text[5] != '-' || !clock_parse(&first, text) ||
        !clock_parse(&last, text + 6) || first == last) {
        return false;
    }
    if (first == 0 && last == 24 * 60) {
        last = 0;
    }
    *from = first % (24 * 60);
    *to = last;
    return true;
}

int gv_hours_print(char *out, size_t cap, uint32_t from, uint32_t to)
{
    if (from == to) {
        return snprintf(out, cap, "always");
    }
    return snprintf(out, cap, "%02u:%02u-%02u:%02u", from / 60, from % 60, to / 60, to % 60);
}

bool gv_percent_parse(uint32_t *percent, const char *text)
{
    const char *rest;
    uint64_t number;
    if (!leading_u64(&number, &rest, text) || strcmp(rest, "%") != 0 || number < 1 || number > 100) {
        return false;
    }
    *percent = (uint32_t)number;
    return true;
}

bool gv_shard_parse(uint32_t *index, uint32_t *count, const char *text)
{
    const char *rest;
    uint64_t which;
    uint64_t of;
    if (!leading_u64(&which, &rest, text) || *rest != '/' || !gv_u64_parse(&of, rest + 1) || which < 1 || which > of ||
        of > SHARDS_MAX) {
        return false;
    }
    *index = (uint32_t)(which - 1);
    *count = (uint32_t)of;
    return true;
}

int gv_bytes_print(char *out, size_t cap, uint64_t bytes)
{
    static const char *const names[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    if (bytes < 1000) {
        return snprintf(out, cap, "%" PRIu64 " B", bytes);
    }
    double value = (double)bytes / 1000;
    size_t name = 0;
    while (value >= 999.5 && name + 1 < sizeof names / sizeof names[0]) {
        value /= 1000;
        name++;
    }
    return snprintf(out, cap, value < 9.95 ? "%.1f %s" : "%.0f %s", value, names[name]);
}
