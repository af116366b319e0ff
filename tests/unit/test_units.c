/*
 * Values with units, and suggestions for mistyped words.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "proto_fixture.h"
#include "units.h"

Test(duration, reads_each_unit)
{
    static const struct {
        const char *text;
        uint64_t seconds;
    } good[] = {{"90s", 90}, {"30m", 1800}, {"12h", 43200}, {"7d", 604800}, {"0s", 0}, {"36600d", 36600ull * 86400}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint64_t seconds = 1;
        cr_expect(gv_duration_parse(&seconds, good[i].text), "%s", good[i].text);
        cr_expect_eq(seconds, good[i].seconds, "%s", good[i].text);
    }
}

Test(duration, refuses_anything_else)
{
    static const char *const bad[] = {"",
                                      "7",
                                      "d",
                                      "7 d",
                                      " 7d",
                                      "7d ",
                                      "-7d",
                                      "+7d",
                                      "7.5d",
                                      "7w",
                                      "7dd",
                                      "0x7d",
                                      "18446744073709551616s",
                                      "18446744073709551615d",
                                      "99999999d"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t seconds = 42;
        cr_expect_not(gv_duration_parse(&seconds, bad[i]), "\"%s\"", bad[i]);
        cr_expect_eq(seconds, 42, "\"%s\" must change nothing", bad[i]);
    }
}

Test(duration, prints_what_it_reads)
{
    uint64_t state = fixture_seed();
    for (int i = 0; i < 1000; i++) {
        uint64_t seconds = fixture_random(&state) % 1000000;
        uint64_t again = 0;
        char text[32];
        (void)gv_duration_print(text, sizeof text, seconds);
        cr_assert(gv_duration_parse(&again, text) && again == seconds, "%llu -> %s", (unsigned long long)seconds, text);
    }
}

Test(rate, reads_bits_and_bytes)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"20Mbit", 2500000},    {"500kB", 500000}, {"0", 0},  {"1.5MB", 1500000},
                {"1Gbit/s", 125000000}, {"8bit", 1},       {"3B", 3}, {"2GB", 2000000000},
                {"64kbit", 8000},       {"0Mbit", 0}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint64_t bytes = 42;
        cr_expect(gv_rate_parse(&bytes, good[i].text), "%s", good[i].text);
        cr_expect_eq(bytes, good[i].bytes, "%s -> %llu", good[i].text, (unsigned long long)bytes);
    }
}

Test(rate, refuses_a_number_without_a_unit)
{
    static const char *const bad[] = {"",     "20",     "Mbit",     "20 Mbit", "20mbit", "-1B",   "inf",
                                      "nanB", "1e99GB", "20Mbit/h", "4bit",    " 1B",    "0x10B "};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t bytes = 42;
        cr_expect_not(gv_rate_parse(&bytes, bad[i]), "\"%s\"", bad[i]);
    }
}

Test(rate, prints_what_it_reads)
{
    uint64_t state = fixture_seed();
    for (int i = 0; i < 1000; i++) {
        uint64_t bytes = fixture_random(&state) % 1000000000;
        bytes = i % 3 == 0 ? bytes / 125000 * 125000 : bytes;
        uint64_t again = 1;
        char text[32];
        (void)gv_rate_print(text, sizeof text, bytes);
        cr_assert(gv_rate_parse(&again, text) && again == bytes, "%llu -> %s", (unsigned long long)bytes, text);
    }
}

Test(hours, read_spans_across_midnight)
{
    uint32_t from = 1;
    uint32_t to = 1;
    cr_assert(gv_hours_parse(&from, &to, "22:00-07:30"));
    cr_assert(from == 22 * 60 && to == 7 * 60 + 30);
    cr_assert(gv_hours_parse(&from, &to, "always"));
    cr_assert(from == 0 && to == 0);
    cr_assert(gv_hours_parse(&from, &to, "08:00-24:00"));
    cr_assert(from == 480 && to == 1440);
    cr_assert(gv_hours_parse(&from, &to, "00:00-24:00"), "the whole day");
    cr_assert_eq(from, to);
}

Test(hours, refuse_anything_else)
{
    static const char *const bad[] = {
        "",       "22-7",        "22:00",       "22:00-25:00", "22:60-07:00", "2:00-7:00", "22:00 - 07:00",
        "Always", "07:00-07:00", "24:01-07:00", "22:00-07:00x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint32_t from;
        uint32_t to;
        cr_expect_not(gv_hours_parse(&from, &to, bad[i]), "\"%s\"", bad[i]);
    }
}

Test(percent, is_from_one_to_a_hundred)
{
    uint32_t percent = 0;
    cr_assert(gv_percent_parse(&percent, "50%") && percent == 50);
    cr_assert(gv_percent_parse(&percent, "100%") && percent == 100);
    cr_assert_not(gv_percent_parse(&percent, "0%") || gv_percent_parse(&percent, "101%") ||
                  gv_percent_parse(&percent, "50") || gv_percent_parse(&percent, "50 %"));
}

Test(shard, counts_from_one_on_the_command_line)
{
    uint32_t index = 9;
    uint32_t count = 9;
    cr_assert(gv_shard_parse(&index, &count, "1/8") && index == 0 && count == 8);
    cr_assert(gv_shard_parse(&index, &count, "8/8") && index == 7 && count == 8);
    cr_assert_not(gv_shard_parse(&index, &count, "0/8") || gv_shard_parse(&index, &count, "9/8") ||
                  gv_shard_parse(&index, &count, "1/") || gv_shard_parse(&index, &count, "/8") ||
                  gv_shard_parse(&index, &count, "1/100001") || gv_shard_parse(&index, &count, "1/8 "));
}

Test(bytes, are_short_to_read)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {{0, "0 B"},          {999, "999 B"},     {1000, "1.0 kB"},     {1536, "1.5 kB"},
                 {14127020, "14 MB"}, {999700, "1.0 MB"}, {UINT64_MAX, "18 EB"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[32];
        (void)gv_bytes_print(text, sizeof text, cases[i].bytes);
        cr_expect_str_eq(text, cases[i].text);
    }
}
