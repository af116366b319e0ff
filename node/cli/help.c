/*
 * help and version: the command table as text, as a manual page and as Markdown.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "blas.h"
#include "cli.h"
#include "commands.h"
#include "daemon.h"
#include "units.h"

#define NAME_COLUMN 10

static const char ABOUT[] = "a peer-to-peer network that trains one model on data that each node keeps to itself";

/* What scripts may rely on; one place for all three forms. */
static const struct {
    int code;
    const char *meaning;
} EXITS[] = {
    {GV_EXIT_OK, "done"},
    {GV_EXIT_FAILED, "failed"},
    {GV_EXIT_USAGE, "wrong usage"},
    {GV_EXIT_CONFIG, "unusable configuration or data"},
    {GV_EXIT_REVOKED, "revoked, left, or an invite that admits nobody any more"},
    {GV_EXIT_IN_USE, "another process uses DIR"},
    {GV_EXIT_ALONE, "run ended without ever finding anybody"},
    {GV_EXIT_TRY_LATER, "nobody answers; try later"},
};

#define EXIT_COUNT (sizeof EXITS / sizeof EXITS[0])

static bool opens_group(const struct gv_command *command)
{
    return command == gv_commands() || strcmp(command->group, command[-1].group) != 0;
}

static void print_overview(void)
{
    (void)printf("grapevine: %s\n\nusage: grapevine COMMAND ...\n", ABOUT);
    for (const struct gv_command *c = gv_commands(); c->name != NULL; c++) {
        if (opens_group(c)) {
            (void)printf("\n%s\n", c->group);
        }
        (void)printf("  %-*s %s\n", NAME_COLUMN, c->name, c->help);
    }
    (void)printf(
        "\n`grapevine help COMMAND` says more. Results go to standard output, everything else to standard error."
        "\n\nexit codes\n");
    for (size_t i = 0; i < EXIT_COUNT; i++) {
        (void)printf("  %2d %s\n", EXITS[i].code, EXITS[i].meaning);
    }
}

static void print_command(const struct gv_command *command)
{
    (void)printf("usage: grapevine %s %s\n\n%s\n", command->name, command->arguments, command->help);
    if (command->details != NULL) {
        (void)printf("\n%s\n", command->details);
    }
    if (command->options != NULL) {
        (void)printf("\n");
    }
    for (const struct gv_option *o = command->options; o != NULL && o->name != NULL; o++) {
        char left[64];
        (void)snprintf(left, sizeof left, "--%s%s%s", o->name, o->value != NULL ? " " : "",
                       o->value != NULL ? o->value : "");
        (void)printf("  %-24s %s\n", left, o->help);
    }
}

/* roff treats "-" as a hyphen that may break, and "\" and a leading "." as its own. */
static void print_roff(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '-' || *c == '\\') {
            (void)fputs(*c == '-' ? "\\-" : "\\e", stdout);
        } else if ((*c == '.' || *c == '\'') && (c == text || c[-1] == '\n')) {
            (void)printf("\\&%c", *c);
        } else {
            (void)putchar(*c);
        }
    }
}

static void roff_options(const struct gv_command *command)
{
    for (const struct gv_option *o = command->options; o != NULL && o->name != NULL; o++) {
        (void)printf(".RS\n.TP\n.BR \"\\-\\-");
        print_roff(o->name);
        (void)printf("\" \" ");
        print_roff(o->value != NULL ? o->value : "");
        (void)printf("\"\n");
        print_roff(o->help);
        (void)printf("\n.RE\n");
    }
}

static void print_man(void)
{
    (void)printf(".TH GRAPEVINE 1 \"\" \"grapevine %s\" \"User Commands\"\n.SH NAME\ngrapevine \\- ", GV_VERSION);
    print_roff(ABOUT);
    (void)printf("\n.SH SYNOPSIS\n.B grapevine\n.I COMMAND\n[\\fIARGUMENT\\fR ...]\n.SH COMMANDS\n");
    for (const struct gv_command *c = gv_commands(); c->name != NULL; c++) {
        if (opens_group(c)) {
            (void)printf(".SS ");
            print_roff(c->group);
            (void)printf("\n");
        }
        (void)printf(".TP\n.BR %s \" ", c->name);
        print_roff(c->arguments);
        (void)printf("\"\n");
        print_roff(c->help);
        (void)printf(".\n");
        if (c->details != NULL) {
            print_roff(c->details);
            (void)printf("\n");
        }
        roff_options(c);
    }
    (void)printf(".SH CONFIGURATION\nDIR/config.ini holds one \"key = value\" a line:\n");
    struct gv_config config;
    const char *key;
    const char *origin;
    char value[GV_DATA_SPEC_BYTES_MAX];
    gv_config_defaults(&config);
    for (uint32_t i = 0; gv_config_item(&config, i, &key, value, sizeof value, &origin); i++) {
        (void)printf(".TP\n.B %s\n", key);
        print_roff(gv_config_help(i));
        (void)printf("\nDefault: ");
        print_roff(value[0] != '\0' ? value : "empty");
        (void)printf(".\n");
    }
    (void)printf(".SH EXIT STATUS\n");
    for (size_t i = 0; i < EXIT_COUNT; i++) {
        (void)printf(".TP\n.B %d\n", EXITS[i].code);
        print_roff(EXITS[i].meaning);
        (void)printf("\n");
    }
}

/* A "|" would end the cell. */
static void print_cell(const char *text)
{
    for (; *text != '\0'; text++) {
        (void)printf(*text == '|' ? "\\|" : "%c", *text);
    }
}

static void print_markdown(void)
{
    (void)printf("| command | what it does |\n| --- | --- |\n");
    for (const struct gv_command *c = gv_commands(); c->name != NULL; c++) {
        if (opens_group(c)) {
            (void)printf("| **%s** | |\n", c->group);
        }
        (void)printf("| `%s%s", c->name, c->arguments[0] != '\0' ? " " : "");
        print_cell(c->arguments);
        (void)printf("` | ");
        print_cell(c->help);
        (void)printf(" |\n");
    }
}

int gv_cmd_help(const struct gv_args *args)
{
    if (gv_arg_given(args, "man")) {
        print_man();
    } else if (gv_arg_given(args, "markdown")) {
        print_markdown();
    } else if (args->positional_count == 0) {
        print_overview();
    } else {
        const struct gv_command *command = gv_command_find(args->positional[0]);
        if (command == NULL) {
            return gv_cli_usage(args, "there is no command \"%.64s\"", args->positional[0]);
        }
        print_command(command);
    }
    return gv_cli_finish(args);
}

int gv_cmd_version(const struct gv_args *args)
{
    int major;
    int minor;
    int patch;
    zmq_version(&major, &minor, &patch);
    (void)printf("grapevine %s (protocol %d; libzmq %d.%d.%d, libsodium %s, jansson %s, OpenBLAS kernel %s)\n",
                 GV_VERSION, GV_PROTOCOL_VERSION, major, minor, patch, sodium_version_string(), JANSSON_VERSION,
                 gv_blas_kernel());
    return gv_cli_finish(args);
}
