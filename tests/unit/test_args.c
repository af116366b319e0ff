/*
 * Arguments of subcommands, and the command table itself.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "commands.h"

static const struct gv_option OPTIONS[] = {
    {"set", "K=V ...", "repeatable"}, {"name", "NAME", "text"}, {"json", NULL, "flag"}, {NULL, NULL, NULL}};

static enum gv_err parse(struct gv_args *args, struct gv_diag *diag, const char *line)
{
    static char text[512];
    static char *argv[32];
    int argc = 0;
    char *rest = NULL;
    (void)snprintf(text, sizeof text, "cmd %s", line);
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    return gv_args_parse(args, OPTIONS, 1, 2, argc, argv, diag);
}

Test(args, options_and_positionals_mix)
{
    struct gv_args args;
    struct gv_diag diag = {.text = ""};
    cr_assert_eq(parse(&args, &diag, "--set a=1 DIR --set=b=2 --json FILE --json --name y"), GV_OK, "%s", diag.text);
    cr_expect_eq(args.positional_count, 2);
    cr_expect_str_eq(args.positional[0], "DIR");
    cr_expect_str_eq(args.positional[1], "FILE");
    cr_expect_str_eq(gv_arg_each(&args, "set", 0), "a=1");
    cr_expect_str_eq(gv_arg_each(&args, "set", 1), "b=2");
    cr_expect_null(gv_arg_each(&args, "set", 2));
    cr_expect_str_eq(gv_arg(&args, "set"), "b=2", "the last one counts");
    cr_expect_str_eq(gv_arg(&args, "name"), "y");
    cr_expect(gv_arg_given(&args, "json"));
    cr_expect_str_eq(args.command, "cmd");
}

Test(args, a_single_value_given_twice_is_an_error)
{
    struct gv_args args;
    struct gv_diag diag = {.text = ""};
    cr_expect_eq(parse(&args, &diag, "DIR --name x --name y"), GV_ERR_USAGE);
    cr_expect(strstr(diag.text, "--name") != NULL && strstr(diag.text, "\"x\" and \"y\"") != NULL, "%s", diag.text);
}

Test(args, what_was_not_given_is_not_there)
{
    struct gv_args args;
    struct gv_diag diag = {.text = ""};
    cr_assert_eq(parse(&args, &diag, "DIR"), GV_OK);
    cr_expect_null(gv_arg(&args, "name"));
    cr_expect_not(gv_arg_given(&args, "json"));
    cr_expect_null(gv_arg_each(&args, "set", 0));
}

Test(args, two_dashes_end_the_options)
{
    struct gv_args args;
    struct gv_diag diag = {.text = ""};
    cr_assert_eq(parse(&args, &diag, "-- --json"), GV_OK, "%s", diag.text);
    cr_expect_str_eq(args.positional[0], "--json");
    cr_assert_eq(parse(&args, &diag, "- DIR"), GV_OK, "a single dash is an argument");
    cr_expect_str_eq(args.positional[0], "-");
}

Test(args, wrong_usage_is_named)
{
    static const struct {
        const char *line, *part;
    } bad[] = {{"DIR --nmae x", "did you mean --name?"}, {"DIR --name", "a value is missing"},
               {"DIR --json=yes", "--json=yes"},         {"", "0 arguments given, 1 expected"},
               {"A B C", "unexpected argument \"C\""},   {"DIR -x", "-x"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gv_args args;
        struct gv_diag diag = {.text = ""};
        cr_expect_eq(parse(&args, &diag, bad[i].line), GV_ERR_USAGE, "%s", bad[i].line);
        cr_expect_not_null(strstr(diag.text, bad[i].part), "\"%s\" gave: %s", bad[i].line, diag.text);
    }
}

Test(args, too_many_options_are_refused)
{
    struct gv_args args;
    struct gv_diag diag = {.text = ""};
    static char name[] = "cmd";
    static char flag[] = "--json";
    char *argv[GV_ARGS_OPTIONS_MAX + 3] = {name};
    for (int i = 1; i < GV_ARGS_OPTIONS_MAX + 2; i++) {
        argv[i] = flag;
    }
    cr_expect_eq(gv_args_parse(&args, OPTIONS, 0, 0, GV_ARGS_OPTIONS_MAX + 2, argv, &diag), GV_ERR_USAGE);
}

Test(commands, the_table_is_complete_and_without_doubles)
{
    for (const struct gv_command *c = gv_commands(); c->name != NULL; c++) {
        cr_expect((c->run != NULL) != (c->main != NULL), "%s has exactly one way to run", c->name);
        cr_expect(c->group != NULL && c->arguments != NULL && c->help != NULL, "%s", c->name);
        cr_expect_leq(c->positional_min, c->positional_max);
        cr_expect_eq(gv_command_find(c->name), c, "%s is there once", c->name);
        for (const struct gv_option *o = c->options; o != NULL && o->name != NULL; o++) {
            cr_expect_not_null(o->help, "%s --%s", c->name, o->name);
        }
    }
    cr_expect_null(gv_command_find("nonsense"));
}
