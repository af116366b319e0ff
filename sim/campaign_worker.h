/*
 * A process that runs simulations of a campaign, one after another: it is sent seeds and sends results back.
 */
#ifndef GV_CAMPAIGN_WORKER_H
#define GV_CAMPAIGN_WORKER_H

#include <signal.h>
#include <sys/types.h>

#include "simulate.h"

struct gv_campaign_result {
    uint64_t seed;
    enum gv_err err; /* of gv_simulate(), with its diagnosis in `text` */
    bool partial;
    uint64_t trace_hash;
    uint64_t events, exchanges, invariants_checked;
    struct gv_violation violation;
    char text[256];
};

struct gv_campaign_worker {
    pid_t pid;  /* 0: none */
    int socket; /* seeds one way, results the other */
    bool busy;
    uint64_t seed;   /* while busy */
    double waited_s; /* for its result */
};

/** Starts a worker. False if the system has no room for one. */
bool gv_campaign_worker_start(struct gv_campaign_worker *worker, const volatile sig_atomic_t *interrupted);
/** Gives it a seed; false if it is gone. */
bool gv_campaign_worker_give(struct gv_campaign_worker *worker, uint64_t seed);
/** Takes a result that poll() has announced on worker->socket. False: it is gone, and how it ended is in
 *  result->text. */
bool gv_campaign_worker_take(struct gv_campaign_worker *worker, struct gv_campaign_result *result);
/** Ends it: lets it finish if it has nothing to do, else kills it. */
void gv_campaign_worker_end(struct gv_campaign_worker *worker);

#endif
