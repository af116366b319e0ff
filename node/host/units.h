/*
 * Values with units, as people write them: 90s, 7d, 20Mbit, 500kB, 22:00-07:00, 50%; and the known word nearest to a
 * mistyped one. No input or output.
 */
#ifndef GV_UNITS_H
#define GV_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** "90s", "30m", "12h", "7d" -> seconds, at most 100 years. False if it is anything else. */
bool gv_duration_parse(uint64_t *seconds, const char *text);
/** The shortest exact form ("90s", "2m", "7d"); snprintf's contract. */
int gv_duration_print(char *out, size_t cap, uint64_t seconds);

/** "20Mbit", "500kB", "1.5MB" (bit, kbit, Mbit, Gbit, B, kB, MB, GB; decimal; "/s" may follow) -> bytes a second; "0"
 *  needs no unit. False if it is anything else. */
bool gv_rate_parse(uint64_t *bytes_per_s, const char *text);
/** A form that gv_rate_parse() reads back exactly; snprintf's contract. */
int gv_rate_print(char *out, size_t cap, uint64_t bytes_per_s);

/** "always" or "HH:MM-HH:MM" -> minutes of the day; always is 0 and 0. False if it is anything else. */
bool gv_hours_parse(uint32_t *from, uint32_t *to, const char *text);
int gv_hours_print(char *out, size_t cap, uint32_t from, uint32_t to);

/** "1%".."100%" -> percent. False if it is anything else. */
bool gv_percent_parse(uint32_t *percent, const char *text);

/** "I/N" with 1 <= I <= N <= 100000 -> index from 0, and count. False if it is anything else. */
bool gv_shard_parse(uint32_t *index, uint32_t *count, const char *text);

/** A decimal number without sign, blanks or anything else. */
bool gv_u64_parse(uint64_t *value, const char *text);

/** 1536 -> "1.5 kB": for reading only; snprintf's contract. */
int gv_bytes_print(char *out, size_t cap, uint64_t bytes);

#endif
