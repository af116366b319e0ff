/*
 * The command line of the simulator.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "options.h"

/* Words with blanks between; "sim" stands in front. */
static enum gv_err parse(struct gv_sim_options *options, const char *line, struct gv_diag *diag)
{
    static char text[4096]; /* options borrow from it */
    static char name[] = "sim";
    char *argv[128] = {name};
    int argc = 1;
    (void)snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word != NULL && argc < 127; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    return gv_sim_options_parse(options, argc, argv, diag);
}

Test(options, a_run_takes_a_scenario_and_its_options_in_any_order)
{
    struct gv_sim_options o;
    struct gv_diag diag = {.text = ""};
    cr_assert_eq(parse(&o, "--set a.b=1 x.ini --seed 7 --set=c.d=2 --threads 3 --json --out dir", &diag), GV_OK, "%s",
                 diag.text);
    cr_expect_eq(o.action, GV_SIM_DO_RUN);
    cr_expect_str_eq(o.scenario, "x.ini");
    cr_assert_eq(o.set_count, 2);
    cr_expect_str_eq(o.sets[0], "a.b=1");
    cr_expect_str_eq(o.sets[1], "c.d=2");
    cr_expect(o.has_seed && o.seed == 7 && o.threads == 3 && o.json);
    cr_expect_str_eq(o.out, "dir");
    cr_assert_eq(parse(&o, "x.ini --seed 18446744073709551615", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(o.seed, UINT64_MAX);
    cr_assert_eq(parse(&o, "x.ini", &diag), GV_OK, "%s", diag.text);
    cr_expect(!o.has_seed && o.threads == 0 && o.out == NULL && !o.json);
}

Test(options, each_other_action_is_known)
{
    struct gv_sim_options o;
    struct gv_diag diag = {.text = ""};
    cr_assert_eq(parse(&o, "--keys", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(o.action, GV_SIM_DO_KEYS);
    cr_assert_eq(parse(&o, "--help", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(o.action, GV_SIM_DO_HELP);
    cr_assert_eq(parse(&o, "compare a b c --out d", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(o.action, GV_SIM_DO_COMPARE);
    cr_expect(o.dir_count == 3 && strcmp(o.dirs[2], "c") == 0 && strcmp(o.out, "d") == 0);
    cr_assert_eq(parse(&o, "compare a b", &diag), GV_OK, "%s", diag.text);
    cr_expect_str_eq(o.out, GV_SIM_COMPARISON);
    cr_assert_eq(parse(&o, "campaign --seeds 20000 --first 5 --threads 2 --stop-at-first", &diag), GV_OK, "%s",
                 diag.text);
    cr_expect_eq(o.action, GV_SIM_DO_CAMPAIGN);
    cr_expect(o.seeds == 20000 && o.first == 5 && o.threads == 2 && o.stop_at_first);
    cr_expect_eq(parse(&o, "campaign --seeds 2 --first 18446744073709551615", &diag), GV_ERR_USAGE,
                 "there is no seed after the last");
    cr_assert_eq(parse(&o, "./compare", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(o.action, GV_SIM_DO_RUN, "a scenario may have any name");
}

Test(options, wrong_usage_is_told)
{
    static const struct {
        const char *line, *part;
    } bad[] = {
        {"", "a scenario is missing"},
        {"--json", "a scenario is missing"},
        {"a.ini b.ini", "unexpected argument \"b.ini\""},
        {"a.ini --thread", "--thread"},
        {"a.ini --seedd 5", "did you mean --seed"},
        {"a.ini --wrong", "unknown option --wrong"},
        {"a.ini -x", "unknown option -x"},
        {"a.ini --seed", "a value is missing"},
        {"a.ini --seed x", "whole number"},
        {"a.ini --seed -1", "whole number"},
        {"a.ini --seed 18446744073709551616", "whole number"},
        {"a.ini --seed 1 --seed 2", "more than once"},
        {"a.ini --threads 0", "from 1 to"},
        {"a.ini --threads 100000", "from 1 to"},
        {"a.ini --out=", "expected a folder"},
        {"a.ini --json=yes", "--json"},
        {"a.ini --seeds 5", "unknown option"},
        {"a.ini --keys more.ini", "unexpected argument"},
        {"compare", "2 to 16"},
        {"compare a", "1 folder given"},
        {"compare a b --json", "unknown option"},
        {"campaign x.ini", "unexpected argument"},
        {"campaign --seeds 0", "whole number from 1"},
        {"campaign --set a.b=c", "unknown option"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gv_sim_options o;
        struct gv_diag diag = {.text = ""};
        cr_expect_eq(parse(&o, bad[i].line, &diag), GV_ERR_USAGE, "\"%s\"", bad[i].line);
        cr_expect_not_null(strstr(diag.text, bad[i].part), "\"%s\" gave: %s", bad[i].line, diag.text);
    }
}

Test(options, there_are_only_so_many_settings)
{
    struct gv_sim_options o;
    struct gv_diag diag = {.text = ""};
    char name[] = "sim";
    char scenario[] = "x.ini";
    char option[] = "--set";
    char value[] = "swarm.nodes=5";
    char *argv[2 * GV_SIM_SETS_MAX + 8] = {name, scenario};
    int argc = 2;
    for (int i = 0; i <= GV_SIM_SETS_MAX; i++) {
        argv[argc++] = option;
        argv[argc++] = value;
    }
    cr_expect_eq(gv_sim_options_parse(&o, argc - 2, argv, &diag), GV_OK, "%s", diag.text);
    char *again[2 * GV_SIM_SETS_MAX + 8];
    memcpy(again, argv, sizeof again);
    cr_expect_eq(gv_sim_options_parse(&o, argc, again, &diag), GV_ERR_USAGE);
    cr_expect_not_null(strstr(diag.text, "--set"), "%s", diag.text);
}
