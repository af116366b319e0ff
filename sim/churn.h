/*
 * Churn: how long processes run, how long they stay away, and when new nodes come. Every number follows from (seed,
 * node, which of the node's lives), so it does not depend on what happens to others.
 */
#ifndef GV_CHURN_H
#define GV_CHURN_H

#include <stdbool.h>
#include <stdint.h>

#include "random.h"
#include "scenario.h"

/** The length of a node's session number `life`, microseconds: by [churn] session; with [churn] rate the node leaves at
 *  that rate besides. UINT64_MAX: it has no end. */
uint64_t gv_churn_session(const struct gv_scenario *scenario, uint64_t seed, uint32_t node, uint32_t life);

/** The time that a node stays down after session number `life`; UINT64_MAX: it never returns. */
uint64_t gv_churn_downtime(const struct gv_scenario *scenario, uint64_t seed, uint32_t node, uint32_t life);

/** Whether the process that starts session number `life` finds its state torn. */
bool gv_churn_torn(const struct gv_scenario *scenario, uint64_t seed, uint32_t node, uint32_t life);

/** The time to the next arrival of a Poisson process with [churn] arrivals; UINT64_MAX: there is none. */
uint64_t gv_churn_gap(const struct gv_scenario *scenario, struct gv_random *random);

#endif
