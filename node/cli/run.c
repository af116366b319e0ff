/*
 * run: a node until it is told to stop.
 */
#include <stdio.h>

#include "cli.h"
#include "commands.h"
#include "daemon.h"
#include "units.h"

int gv_cmd_run(const struct gv_args *args)
{
    struct gv_diag diag = {.code = GV_OK, .text = ""};
    struct gv_run_options options = {.dir = args->positional[0], .daemon = gv_arg_given(args, "daemon")};
    const char *steps = gv_arg(args, "steps");
    const char *age = gv_arg(args, "until-age");
    if (steps != NULL && age != NULL) {
        return gv_cli_usage(args, "--steps and --until-age exclude each other");
    }
    if (steps != NULL && (!gv_u64_parse(&options.steps, steps) || options.steps == 0)) {
        return gv_cli_usage(args, "--steps \"%.40s\": expected a number from 1", steps);
    }
    if (age != NULL && (!gv_u64_parse(&options.until_age, age) || options.until_age == 0)) {
        return gv_cli_usage(args, "--until-age \"%.40s\": expected a number from 1", age);
    }
    int code = gv_daemon_run(&options, &diag);
    if (code != GV_EXIT_OK && diag.text[0] != '\0') {
        (void)fprintf(stderr, "grapevine run: %s\n", diag.text);
    } else if (code == GV_EXIT_ALONE) {
        gv_cli_note(args, "ended without ever finding another node");
    }
    return code;
}
