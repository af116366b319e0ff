/*
 * What the simulator's tests share: scenarios from text, runs that must succeed, and runs that are looked at from
 * inside at every control.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "simulate.h"
#include "world.h"

/** The seed of a run: SEED from the environment, or 1; printed, so that a failure can be repeated. */
uint64_t sim_seed(void);

/** A figure worth seeing in the test's output (a Criterion log line of this level would fail the program). */
void sim_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Parses, checks, finds the data; ends the test with the diagnosis. */
void sim_scenario(struct gv_scenario *scenario, const char *text);

/** Runs it and ends the test on an error or a violated invariant. `out_dir` may be NULL. */
void sim_run(struct gv_summary *summary, const struct gv_scenario *scenario, uint64_t seed, uint32_t threads,
             const char *out_dir);

/* Called in controls, after the world's own: at least once a virtual second and at each fault. */
typedef void sim_look(struct gv_sim *sim, uint64_t now_us, void *context);

/** The same, with two threads and a look inside. */
void sim_watch(struct gv_summary *summary, const char *text, uint64_t seed, sim_look *look, void *context);

/** How many live nodes have `identity` among their neighbours, or know it at all. */
uint32_t sim_neighbours_of(struct gv_sim *sim, uint32_t identity);
uint32_t sim_knowers_of(struct gv_sim *sim, uint32_t identity);
/** Neighbours of one node. */
uint32_t sim_active(struct gv_sim *sim, uint32_t node);

#endif
