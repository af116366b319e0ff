/*
 * grapevine: dispatches to the subcommands of the command table.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "commands.h"
#include "daemon.h"
#include "log.h"
#include "nearest.h"
#include "reexec.h"
#include "resolver.h"
#include "units.h"

static int unknown_command(const char *name)
{
    const char *names[64] = {NULL};
    size_t count = 0;
    for (const struct gv_command *c = gv_commands(); c->name != NULL && count + 1 < sizeof names / sizeof names[0];
         c++) {
        names[count++] = c->name;
    }
    const char *nearest = gv_nearest(name, strlen(name), names);
    (void)fprintf(stderr, "grapevine: unknown command \"%.64s\"; ", name);
    if (nearest != NULL) {
        (void)fprintf(stderr, "did you mean \"%s\"?\n", nearest);
    } else {
        (void)fprintf(stderr, "see `grapevine help`\n");
    }
    return GV_EXIT_USAGE;
}

/* `grapevine CMD --help` is `grapevine help CMD`. */
static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

static int run_command(const struct gv_command *command, int argc, char **argv)
{
    struct gv_args args;
    struct gv_diag diag = {.code = GV_OK};
    if (asks_for_help(argc, argv)) {
        args = (struct gv_args){.command = "help", .positional_count = 1, .positional = {command->name}};
        return gv_cmd_help(&args);
    }
    if (command->main != NULL) {
        return command->main(argc, argv);
    }
    if (gv_args_parse(&args, command->options, command->positional_min, command->positional_max, argc, argv, &diag) !=
        GV_OK) {
        return gv_cli_usage(&args, "%s", diag.text);
    }
    return command->run(&args);
}

/* Or the first files and sockets we open would take the numbers of those that are closed, and get what is written to
 * standard output and the log. To read only: a result that cannot be written is still an error. */
static void open_standard_descriptors(void)
{
    int fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO) {
        fd = open("/dev/null", O_RDONLY);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

int main(int argc, char **argv)
{
    open_standard_descriptors();
    const struct gv_args none = {.command = "help"};
    const struct gv_command *command = argc < 2 ? NULL : gv_command_find(argv[1]);
    if (command != NULL && command->computes) {
        /* Of a daemon's log it is a part; beside a result it would be noise. */
        gv_log_set_level(command->run == gv_cmd_run ? GV_LEVEL_INFO : GV_LEVEL_UNUSUAL);
        gv_reexec_for_blas();
    }
    gv_resolver_bound_lookups();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk, not the end */
    if (gv_proto_init() != GV_OK) {
        (void)fprintf(stderr, "grapevine: libsodium cannot be initialised: no source of randomness\n");
        return GV_EXIT_FAILED;
    }
    if (argc < 2) {
        (void)fprintf(stderr, "grapevine: a command is missing; see `grapevine help`\n");
        return GV_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        return gv_cmd_help(&none);
    }
    if (strcmp(argv[1], "--version") == 0) {
        return gv_cmd_version(&none);
    }
    return command == NULL ? unknown_command(argv[1]) : run_command(command, argc - 1, argv + 1);
}
