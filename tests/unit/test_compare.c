/*
 * Runs laid over one another.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report_help.h"

static void setup(void)
{
    help_make_folder();
    cr_assert_eq(setenv("PATH", help_path(""), 1), 0); /* plots have their own tests */
}

TestSuite(compare, .init = setup, .fini = help_remove_folder);

static void expect_refused(enum gv_err expected, const char *const *dirs, uint32_t count, const char *said)
{
    struct gv_diag diag = {.code = GV_OK};
    cr_expect_eq(gv_compare(dirs, count, help_path("out"), &diag), expected, "%s", diag.text);
    cr_expect_not_null(strstr(diag.text, said), "%s", diag.text);
    cr_expect_not(help_has_file(help_path("out")), "nothing is made before all is read");
}

Test(compare, shows_what_differs_and_by_how_much)
{
    char *a = strdup(help_path("a")), *b = strdup(help_path("b"));
    const char *dirs[] = {a, b};
    struct gv_diag diag = {.code = GV_OK};
    help_run(a, GV_MODE_TRAIN, 3);
    help_run(b, GV_MODE_MEAN, 5);
    cr_assert_eq(gv_compare(dirs, 2, help_path("out"), &diag), GV_OK, "%s", diag.text);
    char *html = help_file(help_path("out/report.html"));
    cr_expect_not_null(strstr(html, "<th scope=\"row\">swarm.mode</th><td class=\"code\">train</td>"
                                    "<td class=\"code\">mean</td>"),
                       "a default is told too");
    cr_expect_not_null(strstr(html, "<th scope=\"row\">learning.data</th><td class=\"code\">builtin:glyphs</td>"
                                    "<td class=\"code\">-</td>"));
    cr_expect_null(strstr(html, "report.every"), "nobody chose it");
    cr_expect_null(strstr(html, "<th scope=\"row\">swarm.duration</th>"), "the same in both");
    cr_expect_not_null(strstr(html, "40 s <small>\xc3\x97"
                                    "2.00</small>"));
    cr_expect_not_null(strstr(html, "<th scope=\"col\" class=\"number\">b</th>"));
    free(html);
    cr_expect_eq(gv_compare(dirs, 2, help_path("out"), &diag), GV_OK, "again, over the old one: %s", diag.text);
    cr_expect_eq(gv_compare(dirs, 1, help_path("one"), &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(gv_compare(dirs, 1, help_path("one"), &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(gv_compare(dirs, 2, a, &diag), GV_ERR_PATH, "a run's own report is not replaced");
    free(a);
    free(b);
}

Test(compare, runs_of_one_name_are_told_apart)
{
    char *a = strdup(help_path("a/out")), *b = strdup(help_path("b/out/"));
    const char *dirs[] = {a, b};
    struct gv_diag diag = {.code = GV_OK};
    help_run(a, GV_MODE_TRAIN, 3);
    help_run(b, GV_MODE_TRAIN, 3);
    cr_assert_eq(gv_compare(dirs, 2, help_path("cmp"), &diag), GV_OK, "%s", diag.text);
    char *html = help_file(help_path("cmp/report.html"));
    cr_expect_not_null(strstr(html, "/a/out</b>"));
    cr_expect_not_null(strstr(html, "/b/out/</b>"));
    cr_expect_not_null(strstr(html, "The scenarios are the same."));
    free(html);
    free(a);
    free(b);
}

Test(compare, what_is_missing_or_damaged_is_named)
{
    char *a = strdup(help_path("a")), *none = strdup(help_path("none"));
    const char *dirs[] = {a, none};
    help_run(a, GV_MODE_TRAIN, 3);
    expect_refused(GV_ERR_USAGE, dirs, 0, "0 runs to compare");
    struct gv_diag diag = {.code = GV_OK};
    cr_expect_neq(gv_compare(dirs, 2, help_path("out"), &diag), GV_OK);
    cr_expect_not_null(strstr(diag.text, "/none/scenario.ini"), "%s", diag.text);
    help_write_file(help_path("a/summary.json"), "{\"nodes\": 3}");
    expect_refused(GV_ERR_DATA, dirs, 1, "/a/summary.json: virtual_s is missing");
    cr_assert_eq(unlink(help_path("a/summary.json")), 0);
    expect_refused(GV_ERR_NOT_FOUND, dirs, 1, "/a/summary.json: is missing: the run has not ended");
    char *csv = help_file(help_path("a/metrics.csv"));
    csv[strlen(csv) - 30] = '\0';
    help_write_file(help_path("a/metrics.csv"), csv);
    expect_refused(GV_ERR_DATA, dirs, 1, "/a/metrics.csv: line 4: is cut off");
    free(csv);
    free(a);
    free(none);
}

Test(compare, more_than_can_be_told_apart_is_refused)
{
    const char *dirs[13];
    for (size_t i = 0; i < 13; i++) {
        dirs[i] = "x";
    }
    expect_refused(GV_ERR_USAGE, dirs, 13, "13 runs to compare, expected 1 to 12");
}
