/*
 * The folder of a run: made, checked, locked, and never filled with a mixture.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outdir.h"
#include "report_help.h"

TestSuite(outdir, .init = help_make_folder, .fini = help_remove_folder);

static enum gv_err try_open(const char *dir, enum gv_outdir_kind kind, struct gv_diag *diag)
{
    struct gv_outdir outdir;
    enum gv_err err = gv_outdir_open(&outdir, dir, kind, diag);
    gv_outdir_close(&outdir);
    return err;
}

Test(outdir, is_made_with_what_is_missing_above)
{
    struct gv_diag diag = {.code = GV_OK};
    cr_expect_eq(try_open(help_path("a/b//c/"), GV_OUTDIR_RUN, &diag), GV_OK, "%s", diag.text);
    cr_expect(help_has_file(help_path("a/b/c")));
    cr_expect_eq(try_open(help_path("a/b/c"), GV_OUTDIR_RUN, &diag), GV_OK, "empty: may be used");
}

Test(outdir, what_is_no_folder_is_refused)
{
    struct gv_diag diag = {.code = GV_OK};
    help_write_file(help_path("file"), "x");
    cr_expect_eq(try_open(help_path("file"), GV_OUTDIR_RUN, &diag), GV_ERR_PATH);
    cr_expect_not_null(strstr(diag.text, "/file: "), "%s", diag.text);
    cr_expect_eq(try_open(help_path("file/x"), GV_OUTDIR_RUN, &diag), GV_ERR_PATH);
    cr_expect_eq(try_open("", GV_OUTDIR_RUN, &diag), GV_ERR_PATH);
    cr_expect_eq(try_open("/proc/nothing/here", GV_OUTDIR_RUN, &diag), GV_ERR_PATH, "%s", diag.text);
}

Test(outdir, files_of_something_else_are_never_touched)
{
    struct gv_diag diag = {.code = GV_OK};
    cr_assert_eq(mkdir(help_path("d"), 0700), 0);
    help_write_file(help_path("d/thesis.tex"), "ten years");
    cr_expect_eq(try_open(help_path("d"), GV_OUTDIR_RUN, &diag), GV_ERR_PATH);
    cr_expect_not_null(strstr(diag.text, "thesis.tex"), "%s", diag.text);
    cr_expect_eq(try_open(help_path("d"), GV_OUTDIR_COMPARISON, &diag), GV_ERR_PATH);
    cr_assert_eq(unlink(help_path("d/thesis.tex")), 0);
    help_write_file(help_path("d/scenario.ini"), "[swarm]\nnodes = 10\n");
    cr_expect_eq(try_open(help_path("d"), GV_OUTDIR_RUN, &diag), GV_ERR_PATH, "a scenario that the user wrote");
    help_write_file(help_path("d/scenario.ini"), GV_OUTDIR_RUN_MARK ".\n[swarm]\n");
    cr_expect_eq(try_open(help_path("d"), GV_OUTDIR_RUN, &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(try_open(help_path("d"), GV_OUTDIR_COMPARISON, &diag), GV_ERR_PATH, "a run's own report stays");
    help_write_file(help_path("d/notes"), "x");
    cr_expect_eq(try_open(help_path("d"), GV_OUTDIR_RUN, &diag), GV_ERR_PATH);
}

Test(outdir, only_one_writes)
{
    struct gv_outdir first;
    struct gv_diag diag = {.code = GV_OK};
    cr_assert_eq(gv_outdir_open(&first, help_path("d"), GV_OUTDIR_RUN, &diag), GV_OK);
    cr_expect_eq(try_open(help_path("d"), GV_OUTDIR_RUN, &diag), GV_ERR_IN_USE);
    gv_outdir_close(&first);
    cr_expect_eq(try_open(help_path("d"), GV_OUTDIR_RUN, &diag), GV_OK);
}

Test(outdir, a_full_disk_leaves_what_was_there)
{
    struct gv_outdir outdir;
    struct gv_diag diag = {.code = GV_OK};
    struct rlimit limit;
    static char big[20000];
    int fd = -1;
    memset(big, 'x', sizeof big);
    cr_assert_eq(gv_outdir_open(&outdir, help_path("d"), GV_OUTDIR_RUN, &diag), GV_OK);
    cr_assert_eq(gv_outdir_replace(&outdir, "summary.json", "old", 3, &diag), GV_OK);
    cr_assert_eq(gv_outdir_create(&outdir, "metrics.csv", &fd, &diag), GV_OK);
    cr_assert_eq(gv_outdir_append(&outdir, "metrics.csv", fd, "a,b\n", 4, &diag), GV_OK);
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    struct rlimit small = {.rlim_cur = 4096, .rlim_max = limit.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum gv_err replaced = gv_outdir_replace(&outdir, "summary.json", big, sizeof big, &diag);
    enum gv_err appended = gv_outdir_append(&outdir, "metrics.csv", fd, big, sizeof big, &diag);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_expect_eq(replaced, GV_ERR_NO_SPACE);
    cr_expect_eq(appended, GV_ERR_NO_SPACE);
    cr_expect_not_null(strstr(diag.text, "/metrics.csv: cannot be written"), "%s", diag.text);
    char *summary = help_file(help_path("d/summary.json")), *csv = help_file(help_path("d/metrics.csv"));
    cr_expect_str_eq(summary, "old");
    cr_expect_str_eq(csv, "a,b\n", "no half line stays");
    cr_expect_not(help_has_file(help_path("d/.summary.json.new")));
    free(summary);
    free(csv);
    cr_assert_eq(close(fd), 0);
    gv_outdir_close(&outdir);
}

Test(outdir, a_planted_link_is_replaced_and_not_followed)
{
    struct gv_outdir outdir;
    struct gv_diag diag = {.code = GV_OK};
    help_write_file(help_path("precious"), "mine");
    cr_assert_eq(gv_outdir_open(&outdir, help_path("d"), GV_OUTDIR_RUN, &diag), GV_OK);
    cr_assert_eq(symlink("../precious", help_path("d/summary.json")), 0);
    cr_assert_eq(symlink("../precious", help_path("d/.summary.json.new")), 0);
    cr_expect_eq(gv_outdir_replace(&outdir, "summary.json", "{}", 2, &diag), GV_OK, "%s", diag.text);
    gv_outdir_close(&outdir);
    char *precious = help_file(help_path("precious")), *summary = help_file(help_path("d/summary.json"));
    cr_expect_str_eq(precious, "mine");
    cr_expect_str_eq(summary, "{}");
    free(precious);
    free(summary);
}
