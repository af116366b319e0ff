/*
 * Numbers as text, for programs and for people.
 */
#include "number.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void gv_plain_begin(struct gv_plain *plain)
{
    plain->plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    plain->before = plain->plain != (locale_t)0 ? uselocale(plain->plain) : (locale_t)0;
}

void gv_plain_end(struct gv_plain *plain)
{
    if (plain->plain != (locale_t)0) {
        (void)uselocale(plain->before);
        freelocale(plain->plain);
        plain->plain = (locale_t)0;
    }
}

/* Writes "-" where there is no number. */
static bool absent(char *out, size_t cap, double value)
{
    if (!isnan(value)) {
        return false;
    }
    (void)snprintf(out, cap, "-");
    return true;
}

size_t gv_number_exact(char *out, size_t cap, double value)
{
    if (isnan(value)) {
        return (size_t)snprintf(out, cap, "%s", "");
    }
    int used = 0;
    for (int digits = 15; digits <= 17; digits++) {
        used = snprintf(out, cap, "%.*g", digits, value);
        if (strtod(out, NULL) == value) {
            break;
        }
    }
    return (size_t)used;
}

void gv_number_share(char *out, size_t cap, double share)
{
    if (!absent(out, cap, share)) {
        (void)snprintf(out, cap, "%.1f %%", 100.0 * share);
    }
}

void gv_number_whole(char *out, size_t cap, double value)
{
    if (absent(out, cap, value)) {
        return;
    }
    char digits[GV_NUMBER_CAP];
    if (!(fabs(value) < 1e18)) {
        (void)snprintf(out, cap, "%.4g", value);
        return;
    }
    (void)snprintf(digits, sizeof digits, "%.0f", fabs(value));
    size_t length = strlen(digits), used = 0;
    if (value < 0.0 && used + 1 < cap) {
        out[used++] = '-';
    }
    for (size_t i = 0; i < length && used + 2 < cap; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            out[used++] = ',';
        }
        out[used++] = digits[i];
    }
    out[used] = '\0';
}

/* Three significant digits with one of the prefixes, each a thousand times the one before. */
static void prefixed(char *out, size_t cap, double value, const char *const *prefixes, size_t count, const char *unit)
{
    size_t at = 0;
    while (at + 1 < count && fabs(value) >= 999.5) {
        value /= 1000.0;
        at++;
    }
    int decimals = at == 0 && value == floor(value) ? 0 : fabs(value) < 9.995 ? 2 : fabs(value) < 99.95 ? 1 : 0;
    (void)snprintf(out, cap, "%.*f%s%s%s", decimals, value, prefixes[at][0] != '\0' || unit[0] != '\0' ? " " : "",
                   prefixes[at], unit);
}

void gv_number_count(char *out, size_t cap, double value)
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T"};
    if (absent(out, cap, value)) {
        return;
    }
    if (fabs(value) < 9999.5 && fabs(value) >= 999.5) {
        gv_number_whole(out, cap, value);
        return;
    }
    prefixed(out, cap, value, prefixes, sizeof prefixes / sizeof prefixes[0], "");
}

void gv_number_bytes(char *out, size_t cap, double bytes)
{
    static const char *const prefixes[] = {"", "k", "M", "G", "T"};
    if (!absent(out, cap, bytes)) {
        prefixed(out, cap, bytes, prefixes, sizeof prefixes / sizeof prefixes[0], "B");
    }
}

void gv_number_span(char *out, size_t cap, double seconds)
{
    if (absent(out, cap, seconds)) {
        return;
    }
    if (!(seconds < 1e15)) {
        (void)snprintf(out, cap, "%.4g s", seconds);
    } else if (seconds < 0.0005) {
        (void)snprintf(out, cap, "%s", seconds == 0.0 ? "0 s" : "under 1 ms");
    } else if (seconds < 0.9995) {
        (void)snprintf(out, cap, "%.0f ms", seconds * 1e3);
    } else if (seconds < 59.95) {
        (void)snprintf(out, cap, "%.*f s", seconds == floor(seconds) ? 0 : seconds < 9.995 ? 2 : 1, seconds);
    } else {
        uint64_t whole = (uint64_t)(seconds + 0.5), large = whole / 60, small = whole % 60;
        const char *names[] = {"min", "s"};
        if (whole >= 86400) {
            large = whole / 86400, small = whole % 86400 / 3600, names[0] = "d", names[1] = "h";
        } else if (whole >= 3600) {
            large = whole / 3600, small = whole % 3600 / 60, names[0] = "h", names[1] = "min";
        }
        (void)snprintf(out, cap, "%llu %s", (unsigned long long)large, names[0]);
        if (small > 0) {
            size_t used = strlen(out);
            (void)snprintf(out + used, cap - used, " %llu %s", (unsigned long long)small, names[1]);
        }
    }
}

void gv_number_clock(char *out, size_t cap, double seconds)
{
    if (absent(out, cap, seconds) || !(seconds < 1e15)) {
        (void)snprintf(out, cap, "-");
        return;
    }
    unsigned long long whole = (unsigned long long)(seconds > 0.0 ? seconds : 0.0);
    if (whole >= 3600) {
        (void)snprintf(out, cap, "%llu:%02llu:%02llu", whole / 3600, whole % 3600 / 60, whole % 60);
    } else {
        (void)snprintf(out, cap, "%02llu:%02llu", whole / 60, whole % 60);
    }
}

void gv_number_plain(char *out, size_t cap, double value)
{
    if (!absent(out, cap, value)) {
        (void)snprintf(out, cap, "%.4g", value);
    }
}
