/*
 * run: a node until it is told to stop.
 */
#include <stdio.h>

#include "cli.h"
#include "commands.h"
#include "daemon.h"
#include "units.h"

#define STEPS_MAX (1ull << 40) /* as the manifest's stop_age: the core counts in Q16 */

static bool read_steps(uint64_t *steps, const char *text)
{
    return text == NULL || (gv_u64_parse(steps, text) && *steps >= 1 && *steps <= STEPS_MAX);
}

int gv_cmd_run(const struct gv_args *args)
{
    struct gv_diag diag = {.code = GV_OK, .text = ""};
    struct gv_run_options options = {.dir = args->positional[0], .daemon = gv_arg_given(args, "daemon")};
    const char *steps = gv_arg(args, "steps");
    const char *age = gv_arg(args, "until-age");
    if (steps != NULL && age != NULL) {
        return gv_cli_usage(args, "--steps and --until-age exclude each other");
    }
    if (!read_steps(&options.steps, steps)) {
        return gv_cli_usage(args, "--steps \"%.40s\": expected 1 to %llu", steps, STEPS_MAX);
    }
    if (!read_steps(&options.until_age, age)) {
        return gv_cli_usage(args, "--until-age \"%.40s\": expected 1 to %llu", age, STEPS_MAX);
    }
    int code = gv_daemon_run(&options, &diag);
    if (code != GV_EXIT_OK && diag.text[0] != '\0') {
        (void)fprintf(stderr, "grapevine run: %s\n", diag.text);
    } else if (code == GV_EXIT_ALONE) {
        gv_cli_note(args, "ended without ever finding another node");
    }
    return code;
}
