/*
 * One simulation, from a checked scenario to its summary. sim/main.c is the command line around it, sim/campaign.c runs
 * thousands of small ones.
 */
#ifndef GV_SIMULATE_H
#define GV_SIMULATE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "gv/err.h"
#include "report.h"
#include "scenario.h"

struct gv_run {
    uint64_t seed;
    uint32_t threads;
    const char *out_dir; /* NULL: nothing is written */
    bool quiet;          /* no observation of models and graphs on the way, only at the end (campaigns) */
    bool trail;          /* keep each node's last events for the report of a violation */
    const volatile sig_atomic_t *interrupted; /* may be NULL */
    FILE *progress;                           /* NULL: none */
};

/* Where an invariant did not hold. */
struct gv_violation {
    char name[64]; /* empty: none */
    double virtual_s;
    uint32_t node;
    char trail[4096]; /* its last events, a line each */
};

/**
 * Runs it. GV_OK also if an invariant was violated (summary->violated and *violation, which may be NULL, say so) or the
 * run was interrupted (summary->partial). Else an error about data, memory or files with its diagnosis; nothing is left
 * behind but what the report has written. If the run had begun by then, *summary is filled as well (threads above 0).
 * summary->violated borrows a static string.
 */
GV_NODISCARD enum gv_err gv_simulate(struct gv_summary *summary, struct gv_violation *violation,
                                     const struct gv_scenario *scenario, const struct gv_run *run,
                                     struct gv_diag *diag);

#endif
