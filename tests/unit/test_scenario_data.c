/*
 * Where a scenario's data is: auto, $GV_DATA, and files that are not there.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host_help.h"
#include "scenario.h"

static void setup(void)
{
    (void)host_make_dir();
}

TestSuite(scenario_data, .init = setup, .fini = host_remove_dir);

static struct gv_scenario with_data(const char *data)
{
    struct gv_scenario scenario;
    gv_scenario_defaults(&scenario);
    (void)snprintf(scenario.learning.data, sizeof scenario.learning.data, "%s", data);
    (void)snprintf(scenario.source, sizeof scenario.source, "trial.ini");
    return scenario;
}

static void expect_found(const char *data, const char *found)
{
    struct gv_scenario scenario = with_data(data);
    struct gv_diag diag = {.text = ""};
    cr_expect_eq(gv_scenario_find_data(&scenario, &diag), GV_OK, "%s: %s", data, diag.text);
    cr_expect_str_eq(scenario.learning.data, found);
}

static void expect_refused(const char *data, const char *part)
{
    struct gv_scenario scenario = with_data(data);
    struct gv_diag diag = {.text = ""};
    cr_expect_eq(gv_scenario_find_data(&scenario, &diag), GV_ERR_DATA, "%s", data);
    cr_expect_not_null(strstr(diag.text, part), "%s gave: %s", data, diag.text);
    cr_expect_not_null(strstr(diag.text, "trial.ini"), "%s", diag.text);
}

Test(scenario_data, auto_takes_what_there_is)
{
    char expected[600];
    cr_assert_eq(unsetenv("GV_DATA"), 0);
    expect_found("auto", "builtin:glyphs");
    cr_assert_eq(setenv("GV_DATA", host_path("."), 1), 0);
    expect_found("auto", "builtin:glyphs");
    cr_assert_eq(mkdir(host_path("fashion-mnist"), 0700), 0);
    expect_found("auto", "builtin:glyphs"); /* an empty folder is none */
    host_write("fashion-mnist/train-images-idx3-ubyte.gz", "x", 1);
    (void)snprintf(expected, sizeof expected, "idx:%s/fashion-mnist", getenv("GV_DATA"));
    expect_found("auto", expected);
    expect_found("idx:$GV_DATA/fashion-mnist", expected);
    expect_found("idx:${GV_DATA}/fashion-mnist", expected);
    cr_expect_eq(unlink(host_path("fashion-mnist/train-images-idx3-ubyte.gz")), 0);
    expect_refused("idx:$GV_DATA/fashion-mnist", "train-images");
    cr_expect_eq(rmdir(host_path("fashion-mnist")), 0);
    expect_refused("idx:$GV_DATA/fashion-mnist", "no such file");
}

Test(scenario_data, a_file_must_be_there)
{
    char spec[600];
    host_write("table.csv", "1,2,a\n", 6);
    (void)snprintf(spec, sizeof spec, "csv:%s,label=last,header", host_path("table.csv"));
    expect_found(spec, spec);
    expect_refused("csv:/absent/table.csv,header", "no such file");
    expect_refused("idx:/absent", "no such file");
    (void)snprintf(spec, sizeof spec, "idx:%s", host_path("table.csv"));
    expect_refused(spec, "train-images");
    expect_found("builtin:glyphs,train=500", "builtin:glyphs,train=500");
}

Test(scenario_data, the_variable_must_be_set_and_usable)
{
    char long_path[600];
    memset(long_path, 'x', sizeof long_path - 1);
    long_path[sizeof long_path - 1] = '\0';
    cr_assert_eq(unsetenv("GV_DATA"), 0);
    expect_refused("csv:$GV_DATA/a.csv", "the environment has no GV_DATA");
    cr_assert_eq(setenv("GV_DATA", "", 1), 0);
    expect_refused("csv:$GV_DATA/a.csv", "the environment has no GV_DATA");
    cr_assert_eq(setenv("GV_DATA", "/a,b", 1), 0);
    expect_refused("csv:$GV_DATA/a.csv", "comma");
    expect_found("auto", "builtin:glyphs");
    cr_assert_eq(setenv("GV_DATA", long_path, 1), 0);
    expect_refused("csv:$GV_DATA/a.csv", "too long");
    expect_found("auto", "builtin:glyphs");
}

Test(scenario_data, modes_without_data_look_for_none)
{
    struct gv_scenario scenario = with_data("csv:/absent/table.csv");
    scenario.swarm.mode = GV_MODE_MEAN;
    cr_expect_eq(gv_scenario_find_data(&scenario, NULL), GV_OK);
}
