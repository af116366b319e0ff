/*
 * The folder that a run leaves behind.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report_help.h"

TestSuite(report, .init = help_make_folder, .fini = help_remove_folder);

/* A gnuplot that draws a box, in front of all others. */
static void plant_gnuplot(void)
{
    char path[1024];
    cr_assert_eq(mkdir(help_path("bin"), 0755), 0);
    help_write_file(help_path("bin/gnuplot"),
                    "#!/bin/sh\ncat >/dev/null\necho '<svg><title>Gnuplot</title><g/></svg>'\n");
    cr_assert_eq(chmod(help_path("bin/gnuplot"), 0755), 0);
    (void)snprintf(path, sizeof path, "%s:/bin:/usr/bin", help_path("bin"));
    cr_assert_eq(setenv("PATH", path, 1), 0);
}

static uint32_t count_of(const char *text, const char *what)
{
    uint32_t count = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++) {
        count++;
    }
    return count;
}

/* The report of a run with this name and this end. */
static char *report_of(const char *name, bool partial, const char *violated)
{
    struct gv_report *report = NULL;
    struct gv_diag diag = {.code = GV_OK};
    struct gv_scenario scenario = help_scenario(GV_MODE_TRAIN);
    struct gv_sample last = help_sample(5);
    struct gv_summary summary = help_summary(&last);
    (void)snprintf(scenario.name, sizeof scenario.name, "%s", name);
    summary.partial = partial;
    summary.violated = violated;
    cr_assert_eq(gv_report_new(&report, help_path("run"), &scenario, 17, &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_report_sample(report, &last, &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_report_finish(report, &summary, &diag), GV_OK, "%s", diag.text);
    gv_report_free(&report);
    return help_file(help_path("run/report.html"));
}

Test(report, leaves_four_files)
{
    plant_gnuplot();
    help_run(help_path("run"), GV_MODE_TRAIN, 12);
    char *csv = help_file(help_path("run/metrics.csv")), *ini = help_file(help_path("run/scenario.ini"));
    char *html = help_file(help_path("run/report.html"));
    cr_expect_eq(count_of(csv, "\n"), 13);
    cr_expect_not_null(strstr(ini, "--seed 17"));
    cr_expect(help_has_file(help_path("run/summary.json")));
    cr_expect_eq(count_of(html, "<svg role=\"img\""), 8, "%u drawings", count_of(html, "<svg role=\"img\""));
    cr_expect_eq(count_of(html, "<figcaption>"), 8);
    cr_expect_null(strstr(html, "Gnuplot</title>"), "no title that browsers show on hovering");
    cr_expect_null(strstr(html, "<script"));
    free(csv);
    free(ini);
    free(html);
}

Test(report, each_mode_has_its_figures)
{
    plant_gnuplot();
    help_run(help_path("mean"), GV_MODE_MEAN, 12);
    help_run(help_path("membership"), GV_MODE_MEMBERSHIP, 12);
    char *mean = help_file(help_path("mean/report.html")), *membership = help_file(help_path("membership/report.html"));
    cr_expect(strstr(mean, "id=\"variance\"") != NULL && strstr(mean, "id=\"accuracy\"") == NULL);
    cr_expect(strstr(membership, "id=\"indegree\"") != NULL && strstr(membership, "id=\"exchanges\"") == NULL);
    free(mean);
    free(membership);
}

Test(report, the_scenario_can_be_run_again)
{
    struct gv_scenario again;
    struct gv_diag diag = {.code = GV_OK};
    plant_gnuplot();
    help_run(help_path("run"), GV_MODE_MEAN, 1);
    gv_scenario_defaults(&again);
    cr_assert_eq(gv_scenario_load(&again, help_path("run/scenario.ini"), &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(again.swarm.mode, GV_MODE_MEAN);
    cr_expect_eq(again.swarm.nodes, 100);
    cr_expect_eq(again.swarm.duration_us, 600u * 1000000u);
}

Test(report, a_line_is_in_the_file_as_soon_as_it_is_given)
{
    struct gv_report *report = NULL;
    struct gv_scenario scenario = help_scenario(GV_MODE_TRAIN);
    struct gv_sample sample = help_sample(1);
    cr_assert_eq(gv_report_new(&report, help_path("run"), &scenario, 17, NULL), GV_OK);
    cr_assert_eq(gv_report_sample(report, &sample, NULL), GV_OK);
    char *csv = help_file(help_path("run/metrics.csv"));
    cr_expect_eq(count_of(csv, "\n"), 2);
    free(csv);
    gv_report_free(&report);
}

Test(report, a_second_run_leaves_nothing_of_the_first)
{
    struct gv_report *report = NULL;
    struct gv_scenario scenario = help_scenario(GV_MODE_TRAIN);
    struct gv_diag diag = {.code = GV_OK};
    plant_gnuplot();
    help_run(help_path("run"), GV_MODE_TRAIN, 12);
    cr_assert_eq(gv_report_new(&report, help_path("run"), &scenario, 18, &diag), GV_OK, "%s", diag.text);
    cr_expect_not(help_has_file(help_path("run/summary.json")), "it is not this run's");
    cr_expect_not(help_has_file(help_path("run/report.html")));
    char *csv = help_file(help_path("run/metrics.csv"));
    cr_expect_eq(count_of(csv, "\n"), 1);
    free(csv);
    struct gv_report *other = NULL;
    cr_expect_eq(gv_report_new(&other, help_path("run"), &scenario, 19, &diag), GV_ERR_IN_USE);
    cr_expect_null(other);
    gv_report_free(&report);
}

Test(report, without_gnuplot_it_has_its_tables_and_says_what_is_missing)
{
    cr_assert_eq(setenv("PATH", "", 1), 0);
    cr_assert_eq(chdir(help_path("")), 0);
    char *html = report_of("hundred", false, NULL);
    cr_expect_not_null(strstr(html, "gnuplot-nox"));
    cr_expect_not_null(strstr(html, "accuracy, worst node"));
    cr_expect_null(strstr(html, "<svg"));
    cr_expect_null(strstr(html, "<figure "));
    cr_expect_not_null(strstr(html, "</html>"));
    free(html);
}

Test(report, how_the_run_ended_stands_on_top)
{
    plant_gnuplot();
    char *html = report_of("hundred", false, NULL);
    cr_expect_null(strstr(html, "class=\"box\""));
    free(html);
    html = report_of("hundred", true, NULL);
    cr_expect_not_null(strstr(html, "<b>Partial run.</b> It was interrupted at 50 s of 10 min"), "%s", html);
    free(html);
    html = report_of("hundred", true, "bounded_<sizes>");
    const char *box = strstr(html, "class=\"box\"");
    cr_expect(box != NULL && box < strstr(html, "<table"));
    cr_expect_not_null(strstr(html, "<code>bounded_&lt;sizes&gt;</code> did not hold at 50 s"));
    free(html);
}

Test(report, a_hostile_name_stays_a_name)
{
    plant_gnuplot();
    char *html = report_of("</h1><script>alert(1)</script>'\"&\xff", false, NULL);
    cr_expect_null(strstr(html, "<script"));
    cr_expect_not_null(
        strstr(html, "<h1>&lt;/h1&gt;&lt;script&gt;alert(1)&lt;/script&gt;&#39;&quot;&amp;\xef\xbf\xbd</h1>"));
    free(html);
}

Test(report, no_folder_is_no_file)
{
    struct gv_report *report = NULL;
    struct gv_scenario scenario = help_scenario(GV_MODE_TRAIN);
    struct gv_sample sample = help_sample(1);
    struct gv_summary summary = help_summary(&sample);
    cr_assert_eq(gv_report_new(&report, NULL, &scenario, 17, NULL), GV_OK);
    cr_expect_eq(gv_report_sample(report, &sample, NULL), GV_OK);
    cr_expect_eq(gv_report_finish(report, &summary, NULL), GV_OK);
    gv_report_free(&report);
    gv_report_free(&report);
}

Test(report, a_run_without_a_sample_has_a_report)
{
    struct gv_report *report = NULL;
    struct gv_scenario scenario = help_scenario(GV_MODE_TRAIN);
    struct gv_sample nothing = {.virtual_s = 0.0};
    struct gv_summary summary = help_summary(&nothing);
    struct gv_diag diag = {.code = GV_OK};
    summary.partial = true;
    cr_assert_eq(gv_report_new(&report, help_path("run"), &scenario, 17, &diag), GV_OK);
    cr_expect_eq(gv_report_finish(report, &summary, &diag), GV_OK, "%s", diag.text);
    gv_report_free(&report);
    char *html = help_file(help_path("run/report.html"));
    cr_expect_not_null(strstr(html, "nothing to plot"));
    free(html);
}
