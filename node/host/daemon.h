/*
 * A running node: loop, worker and trainer threads around one core.
 */
#ifndef GV_DAEMON_H
#define GV_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "gv/err.h"

/* Exit codes of every subcommand; a unit file does not restart 3 to 5. */
enum gv_exit {
    GV_EXIT_OK = 0,
    GV_EXIT_FAILED = 1,
    GV_EXIT_USAGE = 2,
    GV_EXIT_CONFIG = 3,
    GV_EXIT_REVOKED = 4,
    GV_EXIT_IN_USE = 5,
    GV_EXIT_ALONE = 6,
    GV_EXIT_TRY_LATER = 75,
};

struct gv_run_options {
    const char *dir;
    bool daemon;        /* detach; the parent returns once the node listens, or with the reason why it does not */
    uint64_t steps;     /* stop after this many local steps, settle, exit; 0: never */
    uint64_t until_age; /* the same by the swarm's clock, in steps; 0: never */
};

/**
 * Runs a node until it is told to stop. Returns enum gv_exit; on anything but 0 and 6, diag says why (and it has been
 * logged). Must be called from a process with one thread: it may fork.
 */
int gv_daemon_run(const struct gv_run_options *options, struct gv_diag *diag);

/** The exit code that fits a diagnosis. */
int gv_exit_for(enum gv_err err);

#endif
