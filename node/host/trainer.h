/*
 * The trainer thread: owns the live parameters. Between two local steps it looks into its mailbox; copies (snapshots,
 * commits, adoptions, slices of a checkpoint, parts of an evaluation) run in slices of at most about a millisecond at
 * those boundaries, so training never waits for an exchange.
 *
 *     live    [parameters | velocity], the learner's
 *     stage   the exchanged blocks: snapshot, then delta in place; lent to the worker (and, for a state that rides in
 *             an OFFER, to the loop) between SNAPSHOT_READY and COMMIT
 *     served  the model right after the last merge: what `eval` and `export` show and what late joiners are given;
 *             does not move while it is pinned
 */
#ifndef GV_TRAINER_H
#define GV_TRAINER_H

#include <pthread.h>
#include <stdatomic.h>

#include "config.h"
#include "gv/core.h"
#include "gv/err.h"
#include "gv/manifest.h"
#include "learner.h"
#include "mailbox.h"
#include "store.h"

struct gv_trainer_options {
    const char *dir;
    const struct gv_config *config;     /* borrowed until READY or FAILED */
    const struct gv_manifest *manifest; /* borrowed likewise */
    struct gv_hash layout;
    bool creator; /* this node made the swarm: the initial parameters are the model */
    uint64_t order_seed;
    uint64_t steps_max; /* 0: no limit. The swarm's clock is the core's to watch: it says TRAIN off */
};

struct gv_trainer {
    struct gv_mailbox *in;     /* owned */
    struct gv_mailbox *slices; /* owned; answers to the worker's GV_MAIL_SLICE */
    struct gv_mailbox *loop;   /* borrowed */
    struct gv_trainer_options options;
    struct gv_model *model; /* owned, immutable */
    pthread_t thread;
    bool running;

    /* Lent between the threads by messages; valid from READY on. */
    float *stage;  /* (exchanged) */
    float *served; /* (parameters) */
    size_t parameters;
    size_t exchanged;                /* parameters, or twice that with exchange_momentum */
    struct gv_checkpoint checkpoint; /* what was loaded; zero if nothing */
    bool had_checkpoint;             /* there was one, if only of another epoch or damaged */
    bool checkpoint_damaged;         /* a slot had to be passed over */
    uint64_t test_samples;
    bool evaluates_train;  /* there is no test part */
    bool trains;           /* there is data, and it fits */
    struct gv_diag misfit; /* why the data does not fit the manifest; code GV_OK: it does, or there is none */
};

struct gv_slice {
    float *out;           /* borrowed */
    size_t offset, count; /* elements of [parameters | velocity], or of the served model */
    bool served;
};

/** In fixed point, as events carry it; 0 for what is negative, GV_LOSS_NOT_FINITE for what is not finite, one less for
 *  what is too large. */
uint64_t gv_q16(double value);

/** Starts the thread; it answers READY or FAILED. The model is there on return. */
GV_NODISCARD enum gv_err gv_trainer_start(struct gv_trainer *trainer, const struct gv_trainer_options *options,
                                          struct gv_mailbox *loop, struct gv_diag *diag);
/** Tells it to stop, waits, frees. */
void gv_trainer_stop(struct gv_trainer *trainer);

#endif
