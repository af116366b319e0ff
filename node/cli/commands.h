/*
 * The command table: `--help`, `help CMD`, the manual page, the README's table and the dispatch are all made from it.
 */
#ifndef GV_COMMANDS_H
#define GV_COMMANDS_H

#include <stdbool.h>
#include <stdint.h>

#include "args.h"

struct gv_command {
    const char *name; /* NULL ends the table */
    const char *group;
    const char *arguments; /* as a usage line shows them */
    const char *help;      /* one line */
    const char *details;   /* what else `help CMD` says; lines separated by \n; may be NULL */
    uint32_t positional_min, positional_max;
    const struct gv_option *options;        /* may be NULL */
    int (*run)(const struct gv_args *args); /* returns an exit code; reads by the options above */
    int (*main)(int argc, char **argv);     /* instead of run: reads its arguments itself */
    bool computes;                          /* worth starting again for a better BLAS kernel */
};

const struct gv_command *gv_commands(void);
/** NULL if there is no such command. */
const struct gv_command *gv_command_find(const char *name);

/* One per subcommand, in the file of its name. */
int gv_cmd_create(const struct gv_args *args);
int gv_cmd_invite(const struct gv_args *args);
int gv_cmd_inspect(const struct gv_args *args);
int gv_cmd_update(const struct gv_args *args);
int gv_cmd_revoke(const struct gv_args *args);
int gv_cmd_join(const struct gv_args *args);
int gv_cmd_run(const struct gv_args *args);
int gv_cmd_status(const struct gv_args *args);
int gv_cmd_peers(const struct gv_args *args);
int gv_cmd_doctor(const struct gv_args *args);
int gv_cmd_config(const struct gv_args *args);
int gv_cmd_pause(const struct gv_args *args);
int gv_cmd_resume(const struct gv_args *args);
int gv_cmd_stop(const struct gv_args *args);
int gv_cmd_leave(const struct gv_args *args);
int gv_cmd_eval(const struct gv_args *args);
int gv_cmd_predict(const struct gv_args *args);
int gv_cmd_export(const struct gv_args *args);
int gv_cmd_help(const struct gv_args *args);
int gv_cmd_version(const struct gv_args *args);
int gv_cmd_demo(int argc, char **argv);
int gv_cmd_bench(int argc, char **argv);
int gv_cmd_sim(int argc, char **argv);

#endif
