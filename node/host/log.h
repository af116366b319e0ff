/*
 * The log: lines of key=value on standard error, rate-limited per source and per event.
 *
 *     2026-11-20T13:30:00Z unusual event="peer refused" peer=ab12cd34 reason="the invite has expired"
 *
 * Levels: broken (our bug or our machine), unusual (someone else's), info, debug. Thread-safe.
 */
#ifndef GV_LOG_H
#define GV_LOG_H

#include "gv/err.h"

enum gv_log_level { GV_LEVEL_BROKEN = 0, GV_LEVEL_UNUSUAL = 1, GV_LEVEL_INFO = 2, GV_LEVEL_DEBUG = 3 };

void gv_log_set_level(enum gv_log_level level);
GV_NODISCARD enum gv_err gv_log_parse_level(enum gv_log_level *level, const char *name);
const char *gv_log_level_name(enum gv_log_level level);

/** event is quoted by the logger; `format` continues the line with key=value pairs (may be ""). Never waits: a line
 *  that standard error does not take at once is lost, and counted on the next one (lost=N). */
GV_PRINTF(3, 4)
void gv_log(enum gv_log_level level, const char *event, const char *format, ...);

/** The same, at most 8 lines in a row and then 12 a minute for one `source` (a peer, say), and 60 and then 12 for one
 *  `event` of all sources; what was swallowed is counted on the next line that passes (suppressed=N). */
GV_PRINTF(4, 5)
void gv_log_limited(enum gv_log_level level, const char *source, const char *event, const char *format, ...);

#endif
