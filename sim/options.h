/*
 * The command line of grapevine-sim, which `grapevine sim` hands on as it is.
 */
#ifndef GV_OPTIONS_H
#define GV_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "gv/err.h"

#define GV_SIM_SETS_MAX 64
#define GV_SIM_DIRS_MAX 16
#define GV_SIM_COMPARISON "comparison" /* where `compare` writes if nobody says */

enum gv_sim_action { GV_SIM_DO_RUN = 0, GV_SIM_DO_KEYS, GV_SIM_DO_COMPARE, GV_SIM_DO_CAMPAIGN, GV_SIM_DO_HELP };

/* Strings are borrowed from argv. */
struct gv_sim_options {
    enum gv_sim_action action;
    const char *scenario;              /* RUN */
    const char *sets[GV_SIM_SETS_MAX]; /* RUN: section.key=value */
    uint32_t set_count;
    const char *out; /* RUN: may be NULL; COMPARE */
    bool has_seed;
    uint64_t seed;
    uint32_t threads; /* 0: as many as there are processors */
    bool json;
    const char *dirs[GV_SIM_DIRS_MAX]; /* COMPARE */
    uint32_t dir_count;
    uint64_t seeds, first; /* CAMPAIGN: how many, from which; 0 seeds: the campaign's default */
    bool stop_at_first, print;
};

/** GV_ERR_USAGE with a diagnosis. Reorders argv (getopt_long). */
GV_NODISCARD enum gv_err gv_sim_options_parse(struct gv_sim_options *options, int argc, char **argv,
                                              struct gv_diag *diag);

/** What --help prints. */
const char *gv_sim_usage(void);

#endif
