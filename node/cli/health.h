/*
 * Whether a running node is healthy, from its status: for `status --check` and `doctor`.
 */
#ifndef GV_HEALTH_H
#define GV_HEALTH_H

#include <jansson.h>
#include <stdbool.h>

#define GV_HEALTH_BYTES 640

/** True, and "", if nothing is wrong; else why and what to do. `status` is a daemon's reply. */
bool gv_healthy(char why[GV_HEALTH_BYTES], const json_t *status);

#endif
