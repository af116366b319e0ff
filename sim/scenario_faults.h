/*
 * Faults as text: "50% at 5min", "10% at 2min for 30s", "50% from 5min to 8min flapping:10s". For scenario_keys.c.
 */
#ifndef GV_SCENARIO_FAULTS_H
#define GV_SCENARIO_FAULTS_H

#include "scenario.h"

/** The key's name: "kill", "copy_key". */
const char *gv_scenario_fault_name(enum gv_fault_kind kind);

/** Reads one or more faults of a kind, with commas between, and adds them to the scenario in the order of their times;
 *  "none" takes those of this kind out. On an error nothing has changed. */
GV_NODISCARD enum gv_err gv_scenario_faults_read(struct gv_scenario *scenario, enum gv_fault_kind kind,
                                                 const char *text, struct gv_diag *diag);

/** One fault as it could be read again. snprintf's contract. */
size_t gv_scenario_fault_write(char *out, size_t cap, const struct gv_fault *fault);

#endif
