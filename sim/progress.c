/*
 * The line that a person watches while a simulation runs.
 */
#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "number.h"
#include "report.h"

#define SHOW_EVERY_S 0.2
#define LINE_BYTES_MAX 256

void gv_progress_init(struct gv_progress *progress, FILE *out)
{
    *progress = (struct gv_progress){.out = out};
    progress->terminal = out != NULL && isatty(fileno(out)) == 1;
}

/* Columns of the terminal: a longer line would wrap, and then no longer be rewritten in place. */
static size_t columns_of(FILE *out)
{
    struct winsize size;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col < 2) {
        return 80;
    }
    return size.ws_col;
}

static size_t add(char *line, size_t used, const char *text)
{
    int more = snprintf(line + used, LINE_BYTES_MAX - used, "%s%s", used > 0 ? "  " : "", text);
    return more > 0 && (size_t)more < LINE_BYTES_MAX - used ? used + (size_t)more : used;
}

/* What this mode is about. */
static void result_of(char *out, size_t cap, const struct gv_scenario *scenario, const struct gv_sample *sample)
{
    char number[GV_NUMBER_CAP];
    switch (scenario->swarm.mode) {
    case GV_MODE_TRAIN:
        gv_number_share(number, sizeof number, sample->accuracy_mean);
        (void)snprintf(out, cap, "accuracy %s", number);
        if (!isnan(sample->accuracy_mean) && !isnan(sample->accuracy_min)) {
            size_t used = strlen(out);
            (void)snprintf(out + used, cap - used, " (min %.1f)", 100.0 * sample->accuracy_min);
        }
        break;
    case GV_MODE_MEAN:
        gv_number_plain(number, sizeof number, sample->variance);
        (void)snprintf(out, cap, "variance %s", number);
        break;
    case GV_MODE_MEMBERSHIP:
        (void)snprintf(out, cap, "%u component%s", sample->components, sample->components == 1 ? "" : "s");
        break;
    }
}

void gv_progress_show(struct gv_progress *progress, const struct gv_scenario *scenario, const struct gv_sample *sample)
{
    double passed = sample->wall_s - progress->last_wall_s;
    if (!progress->terminal || passed < SHOW_EVERY_S) {
        return;
    }
    struct gv_plain plain;
    gv_plain_begin(&plain);
    char line[LINE_BYTES_MAX] = "", a[GV_NUMBER_CAP], b[GV_NUMBER_CAP], text[3 * GV_NUMBER_CAP];
    double end_s = (double)scenario->swarm.duration_us / 1e6;
    gv_number_clock(a, sizeof a, sample->virtual_s);
    gv_number_clock(b, sizeof b, end_s);
    (void)snprintf(text, sizeof text, "%s of %s", a, b);
    size_t used = add(line, 0, text);
    uint64_t events = sample->events >= progress->last_events ? sample->events - progress->last_events : 0;
    gv_number_count(a, sizeof a, (double)events / passed);
    (void)snprintf(text, sizeof text, "%s events/s", a);
    used = add(line, used, text);
    (void)snprintf(text, sizeof text, "%u nodes", sample->live_nodes);
    used = add(line, used, text);
    result_of(text, sizeof text, scenario, sample);
    used = add(line, used, text);
    if (sample->virtual_s > 0.0 && sample->virtual_s <= end_s) {
        gv_number_span(a, sizeof a, ceil(sample->wall_s * (end_s - sample->virtual_s) / sample->virtual_s));
        (void)snprintf(text, sizeof text, "%s left", a);
        used = add(line, used, text);
    }
    gv_plain_end(&plain);
    size_t columns = columns_of(progress->out) - 1;
    (void)fprintf(progress->out, "\r%.*s\033[K", (int)(used < columns ? used : columns), line);
    (void)fflush(progress->out);
    progress->last_wall_s = sample->wall_s;
    progress->last_events = sample->events;
    progress->shown = true;
}

void gv_progress_clear(struct gv_progress *progress)
{
    if (progress->shown) {
        (void)fputs("\r\033[K", progress->out);
        (void)fflush(progress->out);
        progress->shown = false;
    }
}
