/*
 * SIGHUP: configuration and data are read and checked while the node runs on; only if they hold does it start anew with
 * them. Data can take long to read, so a thread of its own does that.
 */
#ifndef GV_RELOAD_H
#define GV_RELOAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "config.h"
#include "gv/err.h"

struct gv_reload {
    pthread_t thread;
    bool running;     /* the thread must be joined */
    bool once_more;   /* asked for again while it ran */
    atomic_bool done; /* what is below is the loop's again */
    const char *dir;  /* borrowed */
    struct gv_config config;
    enum gv_err err;
    struct gv_diag diag;
};

struct gv_node;

/** Checks the configuration at once (its error, and the node runs on as it was) and begins to check the data. */
GV_NODISCARD enum gv_err gv_node_reload(struct gv_node *node, struct gv_diag *diag);
/** To be called now and then: acts on a check that has ended. */
void gv_node_reload_look(struct gv_node *node);
/** Waits for a check that runs; nothing comes of it. */
void gv_reload_stop(struct gv_reload *reload);

#endif
