/*
 * Campaigns: thousands of short simulations in which everything goes wrong at once, each a function of its seed,
 * and none may break an invariant. Faults end after a minute or two of virtual time, and then the swarm must
 * recover.
 *
 * Every simulation runs in a worker process of its own kind, one after another, so that an assertion that fails or
 * a run that never ends is a finding like any other, with its seed.
 */
#ifndef GV_CAMPAIGN_H
#define GV_CAMPAIGN_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define GV_CAMPAIGN_SEEDS 500u /* if nobody says how many */
#define GV_CAMPAIGN_TEXT_MAX 4096u

struct gv_campaign_options {
    uint64_t seeds, first; /* first .. first + seeds - 1; 0 seeds: GV_CAMPAIGN_SEEDS */
    uint32_t threads;      /* simulations at once, each on one thread; 0: one */
    bool stop_at_first;
    bool print;                               /* writes the scenarios as INI instead of running them */
    const volatile sig_atomic_t *interrupted; /* may be NULL */
    FILE *out;                                /* results; NULL: stdout */
};

/**
 * Runs the seeds, prints those that failed with the invariant, time, node, last events and the line that replays
 * them, and a summary line with a hash over all runs. The exit code: 0 all held, 1 some did not, could not be run
 * or were not finished.
 */
int gv_campaign(const struct gv_campaign_options *options);

/** The scenario of a seed as INI text; `out` holds GV_CAMPAIGN_TEXT_MAX. */
void gv_campaign_scenario(char *out, uint64_t seed);

#endif
