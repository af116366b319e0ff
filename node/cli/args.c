/*
 * Arguments: see args.h. getopt_long() does the reading; the table of options is built from the subcommand's own.
 */
#include "args.h"

#include <getopt.h>
#include <string.h>

#include "nearest.h"
#include "units.h"

static enum gv_err unknown_option(const struct gv_option *options, const char *text, struct gv_diag *diag)
{
    const char *names[GV_ARGS_OPTIONS_MAX + 1] = {NULL};
    char word[64] = "";
    size_t count = 0;
    for (; options[count].name != NULL && count < GV_ARGS_OPTIONS_MAX; count++) {
        names[count] = options[count].name;
    }
    size_t length = strcspn(text + strspn(text, "-"), "=");
    if (length < sizeof word) {
        memcpy(word, text + strspn(text, "-"), length);
    }
    const char *nearest = gv_nearest(word, strlen(word), names);
    if (nearest != NULL) {
        return gv_diag_set(diag, GV_ERR_USAGE, "unknown option %.80s; did you mean --%s?", text, nearest);
    }
    return gv_diag_set(diag, GV_ERR_USAGE, "unknown option %.80s", text);
}

const char *gv_arg_each(const struct gv_args *args, const char *name, uint32_t index)
{
    for (uint32_t i = 0; i < args->option_count; i++) {
        if (strcmp(args->given[i].option->name, name) == 0 && index-- == 0) {
            return args->given[i].value;
        }
    }
    return NULL;
}

const char *gv_arg(const struct gv_args *args, const char *name)
{
    for (uint32_t i = args->option_count; i > 0; i--) {
        if (strcmp(args->given[i - 1].option->name, name) == 0) {
            return args->given[i - 1].value;
        }
    }
    return NULL;
}

bool gv_arg_given(const struct gv_args *args, const char *name)
{
    for (uint32_t i = 0; i < args->option_count; i++) {
        if (strcmp(args->given[i].option->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool repeatable(const struct gv_option *option)
{
    size_t length = option->value != NULL ? strlen(option->value) : 0;
    return length >= 3 && strcmp(option->value + length - 3, "...") == 0;
}

static enum gv_err take_option(struct gv_args *args, const struct gv_option *option, const char *value,
                               struct gv_diag *diag)
{
    if (args->option_count == GV_ARGS_OPTIONS_MAX) {
        return gv_diag_set(diag, GV_ERR_USAGE, "more than %d options", GV_ARGS_OPTIONS_MAX);
    }
    if (option->value != NULL && !repeatable(option) && gv_arg_given(args, option->name)) {
        return gv_diag_set(diag, GV_ERR_USAGE, "--%s: given more than once, \"%.80s\" and \"%.80s\"", option->name,
                           gv_arg(args, option->name), value);
    }
    args->given[args->option_count].option = option;
    args->given[args->option_count].value = value;
    args->option_count++;
    return GV_OK;
}

static enum gv_err take_options(struct gv_args *args, const struct gv_option *options, int argc, char **argv,
                                struct gv_diag *diag)
{
    struct option table[GV_ARGS_OPTIONS_MAX + 1];
    memset(table, 0, sizeof table);
    for (size_t i = 0; options[i].name != NULL && i < GV_ARGS_OPTIONS_MAX; i++) {
        table[i] = (struct option){.name = options[i].name,
                                   .has_arg = options[i].value != NULL ? required_argument : no_argument};
    }
    opterr = 0;
    optind = 0; /* glibc: start anew */
    int index = -1;
    for (;;) {
        int at = optind > 0 ? optind : 1;
        int found = getopt_long(argc, argv, ":", table, &index);
        enum gv_err err = GV_OK;
        if (found == -1) {
            return GV_OK;
        }
        if (found == ':') {
            err = gv_diag_set(diag, GV_ERR_USAGE, "%s: a value is missing behind it", argv[optind - 1]);
        } else if (found == '?') {
            err = unknown_option(options, argv[optind > at ? optind - 1 : at], diag);
        } else {
            err = take_option(args, &options[index], optarg, diag);
        }
        if (err != GV_OK) {
            return err;
        }
    }
}

enum gv_err gv_args_parse(struct gv_args *args, const struct gv_option *options, uint32_t positional_min,
                          uint32_t positional_max, int argc, char **argv, struct gv_diag *diag)
{
    static const struct gv_option none[] = {{NULL, NULL, NULL}};
    memset(args, 0, sizeof *args);
    args->command = argv[0];
    enum gv_err err = take_options(args, options != NULL ? options : none, argc, argv, diag);
    if (err != GV_OK) {
        return err;
    }
    uint32_t count = (uint32_t)(argc - optind);
    if (count > positional_max || count > GV_ARGS_POSITIONALS_MAX) {
        return gv_diag_set(diag, GV_ERR_USAGE, "unexpected argument \"%.200s\"",
                           argv[(uint32_t)optind + positional_max]);
    }
    if (count < positional_min) {
        return gv_diag_set(diag, GV_ERR_USAGE, "%u argument%s given, %u expected", count, count == 1 ? "" : "s",
                           positional_min);
    }
    for (uint32_t i = 0; i < count; i++) {
        args->positional[i] = argv[(uint32_t)optind + i];
    }
    args->positional_count = count;
    return GV_OK;
}
