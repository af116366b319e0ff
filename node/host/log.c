/*
 * The log: see log.h. One process has one log, so its state is the only thing here that outlives a call; a lock guards
 * it, and a line is written with one write(), so that lines of several threads never mix.
 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

#define LINE_MAX_BYTES 2048 /* no more than PIPE_BUF */
#define BUCKETS 64          /* remembered at once; the one silent for longest makes room */
#define BUCKET_NAME_BYTES 80
#define BURST 8           /* lines of one source in a row */
#define BURST_OF_EVENT 60 /* lines of one event, whoever causes it: sources come and go as a peer likes */
#define PER_MINUTE 12     /* and then, of either */
#define LINE_COST_MS (60000 / PER_MINUTE)

/* A token bucket in milliseconds: full at its burst x LINE_COST_MS, a line takes LINE_COST_MS. */
struct bucket {
    char name[BUCKET_NAME_BYTES];
    uint64_t seen_ms;
    uint64_t credit_ms;
    uint64_t suppressed;
};

static struct {
    pthread_mutex_t lock;
    enum gv_log_level level;
    struct bucket sources[BUCKETS];
    struct bucket events[BUCKETS];
    uint64_t lost; /* lines that nobody took */
} gv_the_log = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = GV_LEVEL_INFO};

static const char *const LEVELS[] = {"broken", "unusual", "info", "debug"};

/* Text of others may have got into the line: nothing that a terminal would obey leaves it. */
static void disarm(char *line, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c < 0x20 || c == 0x7f) {
            line[i] = '?';
        }
    }
}

/* A pipe that nobody reads, or a stopped terminal, must not stop the node. A writable pipe has PIPE_BUF free. */
static bool somebody_reads(void)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) != 0;
}

static void write_all(const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(STDERR_FILENO, data, bytes);
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return; /* nobody left to tell */
        }
        data += written;
        bytes -= (size_t)written;
    }
}

struct line {
    char text[LINE_MAX_BYTES];
    size_t used;
};

/* What does not fit is cut off. One place stays free, for the end of the line. */
GV_PRINTF(2, 0)
static void append_list(struct line *line, const char *format, va_list args)
{
    size_t room = sizeof line->text - line->used;
    int more = vsnprintf(line->text + line->used, room, format, args);
    line->used = more < 0 || (size_t)more >= room ? sizeof line->text - 1 : line->used + (size_t)more;
}

GV_PRINTF(2, 3)
static void append(struct line *line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    append_list(line, format, args);
    va_end(args);
}

GV_PRINTF(4, 0)
static void write_line(enum gv_log_level level, uint64_t suppressed, const char *event, const char *format,
                       va_list args)
{
    struct line line;
    if (!somebody_reads()) {
        gv_the_log.lost++;
        return;
    }
    time_t now = time(NULL);
    struct tm utc;
    (void)gmtime_r(&now, &utc);
    line.used = strftime(line.text, sizeof line.text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    append(&line, " %s event=\"%s\"", LEVELS[level], event);
    if (format[0] != '\0') {
        append(&line, " ");
        append_list(&line, format, args);
    }
    if (suppressed > 0) {
        append(&line, " suppressed=%llu", (unsigned long long)suppressed);
    }
    if (gv_the_log.lost > 0) {
        append(&line, " lost=%llu", (unsigned long long)gv_the_log.lost);
        gv_the_log.lost = 0;
    }
    disarm(line.text, line.used);
    line.text[line.used] = '\n';
    write_all(line.text, line.used + 1);
}

/* The bucket of this name, with what it has gained; a full one if the name is new. */
static struct bucket *find_bucket(struct bucket *table, const char *name, uint64_t burst, uint64_t now)
{
    struct bucket *oldest = &table[0];
    name = name[0] != '\0' ? name : "-"; /* a free bucket has none */
    for (size_t i = 0; i < BUCKETS; i++) {
        struct bucket *b = &table[i];
        if (b->name[0] != '\0' && strncmp(b->name, name, sizeof b->name - 1) == 0) {
            uint64_t credit_ms = b->credit_ms + now - b->seen_ms;
            b->credit_ms = credit_ms < burst * LINE_COST_MS ? credit_ms : burst * LINE_COST_MS;
            b->seen_ms = now;
            return b;
        }
        if (b->seen_ms < oldest->seen_ms) {
            oldest = b;
        }
    }
    memset(oldest, 0, sizeof *oldest);
    (void)snprintf(oldest->name, sizeof oldest->name, "%s", name);
    oldest->seen_ms = now;
    oldest->credit_ms = burst * LINE_COST_MS;
    return oldest;
}

/* True if this source may write a line of this event now; *suppressed is then what could not be written before. */
static bool admit(const char *source, const char *event, uint64_t *suppressed)
{
    uint64_t now = gv_now_us() / 1000;
    struct bucket *own = find_bucket(gv_the_log.sources, source, BURST, now);
    struct bucket *all = find_bucket(gv_the_log.events, event, BURST_OF_EVENT, now);
    if (own->credit_ms < LINE_COST_MS || all->credit_ms < LINE_COST_MS) {
        (own->credit_ms < LINE_COST_MS ? own : all)->suppressed++;
        return false;
    }
    own->credit_ms -= LINE_COST_MS;
    all->credit_ms -= LINE_COST_MS;
    *suppressed = own->suppressed + all->suppressed;
    own->suppressed = 0;
    all->suppressed = 0;
    return true;
}

void gv_log_set_level(enum gv_log_level level)
{
    (void)pthread_mutex_lock(&gv_the_log.lock);
    gv_the_log.level = level;
    (void)pthread_mutex_unlock(&gv_the_log.lock);
}

enum gv_err gv_log_parse_level(enum gv_log_level *level, const char *name)
{
    for (int i = 0; i < (int)(sizeof LEVELS / sizeof LEVELS[0]); i++) {
        if (strcmp(name, LEVELS[i]) == 0) {
            *level = (enum gv_log_level)i;
            return GV_OK;
        }
    }
    return GV_ERR_CONFIG;
}

const char *gv_log_level_name(enum gv_log_level level)
{
    return LEVELS[level];
}

void gv_log(enum gv_log_level level, const char *event, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)pthread_mutex_lock(&gv_the_log.lock);
    if (level <= gv_the_log.level) {
        write_line(level, 0, event, format, args);
    }
    (void)pthread_mutex_unlock(&gv_the_log.lock);
    va_end(args);
}

void gv_log_limited(enum gv_log_level level, const char *source, const char *event, const char *format, ...)
{
    va_list args;
    uint64_t suppressed = 0;
    va_start(args, format);
    (void)pthread_mutex_lock(&gv_the_log.lock);
    if (level <= gv_the_log.level && admit(source, event, &suppressed)) {
        write_line(level, suppressed, event, format, args);
    }
    (void)pthread_mutex_unlock(&gv_the_log.lock);
    va_end(args);
}
