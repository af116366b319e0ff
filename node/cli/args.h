/*
 * The arguments of one subcommand, read by its entry in the command table.
 */
#ifndef GV_ARGS_H
#define GV_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gv/err.h"

#define GV_ARGS_OPTIONS_MAX 64
#define GV_ARGS_POSITIONALS_MAX 8

/* One option of a subcommand, without the leading "--". */
struct gv_option {
    const char *name;  /* NULL ends a list */
    const char *value; /* what follows it, as "NAME"; NULL: nothing; "K=V ...": it may be given more than once */
    const char *help;
};

/* What was given; strings are borrowed from argv. */
struct gv_args {
    const char *command;
    uint32_t positional_count;
    const char *positional[GV_ARGS_POSITIONALS_MAX];
    uint32_t option_count;
    struct {
        const struct gv_option *option;
        const char *value;
    } given[GV_ARGS_OPTIONS_MAX];
};

/** argv[0] is the subcommand. GV_ERR_USAGE with a diagnosis. */
GV_NODISCARD enum gv_err gv_args_parse(struct gv_args *args, const struct gv_option *options, uint32_t positional_min,
                                       uint32_t positional_max, int argc, char **argv, struct gv_diag *diag);

/** The value given for an option (the last one if it may be repeated), or NULL. */
const char *gv_arg(const struct gv_args *args, const char *name);
/** True if the option was given. */
bool gv_arg_given(const struct gv_args *args, const char *name);
/** Value number `index` of an option that may be repeated, or NULL at the end. */
const char *gv_arg_each(const struct gv_args *args, const char *name, uint32_t index);

#endif
