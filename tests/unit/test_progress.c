/*
 * The line on a terminal: only there, not too often, never wider.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "report_help.h"

static int master = -1;

/* A terminal of so many columns. */
static FILE *terminal(unsigned short columns)
{
    struct winsize size = {.ws_col = columns, .ws_row = 24};
    master = posix_openpt(O_RDWR | O_NOCTTY);
    bool ready = master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0;
    const char *name = ready ? ptsname(master) : NULL;
    int slave = name != NULL ? open(name, O_RDWR | O_NOCTTY) : -1;
    if (slave < 0) { /* a bare root without /dev/pts has none to give */
        cr_skip("there are no pseudo-terminals here");
    }
    cr_assert_eq(ioctl(slave, TIOCSWINSZ, &size), 0);
    FILE *out = fdopen(slave, "w");
    cr_assert_not_null(out);
    return out;
}

/* What stands in the terminal's input since the last call. */
static const char *shown(void)
{
    static char text[4096];
    cr_assert_geq(fcntl(master, F_SETFL, O_NONBLOCK), 0);
    ssize_t got = read(master, text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

static struct gv_sample sample_at(double wall_s)
{
    struct gv_sample sample = help_sample(20);
    sample.wall_s = wall_s;
    sample.events = (uint64_t)(wall_s * 1.24e6);
    sample.virtual_s = 200.0;
    sample.live_nodes = 100;
    sample.accuracy_mean = 0.841;
    sample.accuracy_min = 0.82;
    return sample;
}

Test(progress, shows_where_the_run_is)
{
    struct gv_progress progress;
    struct gv_scenario scenario = help_scenario(GV_MODE_TRAIN);
    struct gv_sample sample = sample_at(6.0);
    FILE *out = terminal(120);
    gv_progress_init(&progress, out);
    gv_progress_show(&progress, &scenario, &sample);
    cr_expect_str_eq(shown(),
                     "\r03:20 of 10:00  1.24 M events/s  100 nodes  accuracy 84.1 % (min 82.0)  12 s left\033[K");
    gv_progress_clear(&progress);
    cr_expect_str_eq(shown(), "\r\033[K");
    gv_progress_clear(&progress);
    cr_expect_str_eq(shown(), "", "nothing is shown any more");
    (void)fclose(out);
}

Test(progress, shows_what_the_mode_is_about)
{
    struct gv_progress progress;
    struct gv_sample sample = sample_at(6.0);
    FILE *out = terminal(120);
    gv_progress_init(&progress, out);
    struct gv_scenario scenario = help_scenario(GV_MODE_MEAN);
    sample.variance = 1.25e-9;
    gv_progress_show(&progress, &scenario, &sample);
    cr_expect_not_null(strstr(shown(), "  variance 1.25e-09  "));
    scenario = help_scenario(GV_MODE_MEMBERSHIP);
    sample = sample_at(7.0);
    sample.components = 1;
    gv_progress_show(&progress, &scenario, &sample);
    cr_expect_not_null(strstr(shown(), "  1 component  "));
    scenario = help_scenario(GV_MODE_TRAIN);
    sample = sample_at(8.0);
    sample.accuracy_mean = sample.accuracy_min = (double)NAN;
    sample.virtual_s = 0.0;
    gv_progress_show(&progress, &scenario, &sample);
    const char *line = shown();
    cr_expect_not_null(strstr(line, "  accuracy -"), "%s", line);
    cr_expect_null(strstr(line, "left"), "no time is left to be told from nothing");
    (void)fclose(out);
}

Test(progress, at_most_five_times_a_second)
{
    struct gv_progress progress;
    struct gv_scenario scenario = help_scenario(GV_MODE_TRAIN);
    FILE *out = terminal(120);
    unsigned lines = 0;
    gv_progress_init(&progress, out);
    for (int i = 0; i <= 1000; i++) {
        struct gv_sample sample = sample_at(i / 1000.0);
        gv_progress_show(&progress, &scenario, &sample);
        lines += shown()[0] != '\0' ? 1 : 0;
    }
    cr_expect(lines >= 4 && lines <= 5, "%u", lines);
    (void)fclose(out);
}

Test(progress, never_wraps)
{
    struct gv_progress progress;
    struct gv_scenario scenario = help_scenario(GV_MODE_TRAIN);
    struct gv_sample sample = sample_at(6.0);
    FILE *out = terminal(20);
    gv_progress_init(&progress, out);
    gv_progress_show(&progress, &scenario, &sample);
    cr_expect_str_eq(shown(), "\r03:20 of 10:00  1.2\033[K");
    (void)fclose(out);
}

Test(progress, is_silent_elsewhere)
{
    struct gv_progress progress;
    struct gv_scenario scenario = help_scenario(GV_MODE_TRAIN);
    struct gv_sample sample = sample_at(6.0);
    FILE *out = tmpfile();
    cr_assert_not_null(out);
    gv_progress_init(&progress, out);
    gv_progress_show(&progress, &scenario, &sample);
    gv_progress_clear(&progress);
    cr_expect_eq(ftell(out), 0);
    (void)fclose(out);
    gv_progress_init(&progress, NULL);
    gv_progress_show(&progress, &scenario, &sample);
    gv_progress_clear(&progress);
}
