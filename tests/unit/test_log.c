/*
 * The log: its form, its levels, its limits per source, its threads.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host_help.h"
#include "log.h"

static int kept; /* standard error, which is the file "log" meanwhile */

static void setup(void)
{
    (void)host_make_dir();
    kept = dup(STDERR_FILENO);
    int log = open(host_path("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    cr_assert(kept >= 0 && log >= 0 && dup2(log, STDERR_FILENO) >= 0);
    (void)close(log);
}

static void teardown(void)
{
    (void)dup2(kept, STDERR_FILENO);
    (void)close(kept);
    host_remove_dir();
}

TestSuite(log, .init = setup, .fini = teardown);

static unsigned lines_with(const char *part)
{
    size_t bytes;
    char *text = host_read("log", &bytes);
    char *rest = NULL;
    unsigned count = 0;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        count += strstr(line, part) != NULL ? 1 : 0;
    }
    free(text);
    return count;
}

Test(log, a_line_is_time_level_event_and_pairs)
{
    size_t bytes;
    int year;
    char rest[128] = "";
    gv_log(GV_LEVEL_UNUSUAL, "peer refused", "peer=%s n=%d", "ab12", 7);
    char *text = host_read("log", &bytes);
    cr_assert_eq(sscanf(text, "%d-%*d-%*dT%*d:%*d:%*dZ %127[^\n]", &year, rest), 2, "%s", text);
    cr_expect_geq(year, 2024);
    cr_expect_str_eq(rest, "unusual event=\"peer refused\" peer=ab12 n=7");
    free(text);
}

Test(log, levels_above_the_chosen_one_are_silent)
{
    gv_log_set_level(GV_LEVEL_UNUSUAL);
    gv_log(GV_LEVEL_INFO, "quiet", "%s", "");
    gv_log(GV_LEVEL_BROKEN, "loud", "%s", "");
    cr_expect_eq(lines_with("quiet"), 0);
    cr_expect_eq(lines_with("loud"), 1);
}

Test(log, level_names_are_read_back)
{
    for (int level = GV_LEVEL_BROKEN; level <= GV_LEVEL_DEBUG; level++) {
        enum gv_log_level parsed = GV_LEVEL_INFO;
        cr_expect_eq(gv_log_parse_level(&parsed, gv_log_level_name((enum gv_log_level)level)), GV_OK);
        cr_expect_eq((int)parsed, level);
    }
    enum gv_log_level parsed = GV_LEVEL_INFO;
    cr_expect_eq(gv_log_parse_level(&parsed, "loud"), GV_ERR_CONFIG);
}

Test(log, one_source_cannot_flood_it)
{
    for (int i = 0; i < 1000; i++) {
        gv_log_limited(GV_LEVEL_INFO, "noisy", "flood", "i=%d", i);
    }
    gv_log_limited(GV_LEVEL_INFO, "other", "still heard", "%s", "");
    cr_expect_leq(lines_with("flood"), 9);
    cr_expect_geq(lines_with("flood"), 8);
    cr_expect_eq(lines_with("still heard"), 1);
}

Test(log, a_source_without_a_name_is_one_as_well)
{
    for (int i = 0; i < 1000; i++) {
        gv_log_limited(GV_LEVEL_INFO, "", "flood", "i=%d", i);
    }
    cr_expect_leq(lines_with("flood"), 9);
}

Test(log, many_sources_cannot_flood_it_either)
{
    char name[32];
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "peer-%d", i);
        gv_log_limited(GV_LEVEL_INFO, name, "hello", "i=%d", i);
    }
    cr_expect_leq(lines_with("hello"), 61);
    cr_expect_geq(lines_with("hello"), 60);
    gv_log_limited(GV_LEVEL_INFO, "peer-999", "something else", "%s", "");
    cr_expect_eq(lines_with("something else"), 1, "of another kind");
}

Test(log, what_many_sources_could_not_say_is_counted)
{
    char name[32];
    for (int i = 0; i < 70; i++) {
        (void)snprintf(name, sizeof name, "peer-%d", i);
        gv_log_limited(GV_LEVEL_INFO, name, "hello", "i=%d", i);
    }
    (void)usleep(5100000); /* until one more line may be written */
    gv_log_limited(GV_LEVEL_INFO, "late", "hello", "%s", "");
    cr_expect_eq(lines_with("hello"), 61);
    cr_expect_eq(lines_with("suppressed=10"), 1);
}

Test(log, a_line_stays_one_line_whatever_is_in_it)
{
    gv_log(GV_LEVEL_INFO, "evil", "name=\"a\nb\033[2Jc\"");
    cr_expect_eq(lines_with(""), 1);
    cr_expect_eq(lines_with("a?b?[2Jc"), 1);
}

Test(log, a_line_that_is_too_long_is_cut)
{
    char big[8000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    gv_log(GV_LEVEL_INFO, "big", "x=%s", big);
    gv_log(GV_LEVEL_INFO, "next", "%s", "");
    cr_expect_eq(lines_with("next"), 1);
    cr_expect_eq(lines_with(""), 2);
}

static void *chatter(void *name)
{
    for (int i = 0; i < 200; i++) {
        gv_log(GV_LEVEL_INFO, name, "i=%d end", i);
    }
    return NULL;
}

Test(log, lines_of_threads_do_not_mix)
{
    pthread_t threads[4];
    char names[4][8] = {"t0", "t1", "t2", "t3"};
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(pthread_create(&threads[i], NULL, chatter, names[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    cr_expect_eq(lines_with(" end"), 800);
    cr_expect_eq(lines_with("event=\"t"), 800);
}

/* `grapevine run DIR 2>&1 | less`: the pager takes a page and no more. */
Test(log, lines_that_nobody_takes_are_lost_and_counted_but_stop_nobody, .timeout = 10)
{
    static char text[1 << 20];
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_geq(dup2(ends[1], STDERR_FILENO), 0);
    for (int i = 0; i < 2000; i++) {
        gv_log(GV_LEVEL_INFO, "one of many", "n=%d why=\"%s\"", i, "so that the pipe is full long before the last one");
    }
    cr_assert_gt(read(ends[0], text, sizeof text - 1), 0);
    gv_log(GV_LEVEL_INFO, "read again", " ");
    ssize_t got = read(ends[0], text, sizeof text - 1);
    cr_assert_gt(got, 0);
    text[got] = '\0';
    cr_expect_not_null(strstr(text, "event=\"read again\""), "%s", text);
    cr_expect_not_null(strstr(text, " lost="), "%s", text);
    (void)close(ends[0]);
    (void)close(ends[1]);
}
