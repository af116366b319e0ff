/*
 * A learner: one node's parameters, its samples in an order of its own, and its clock; what the trainer thread (or the
 * simulator's workers) drives. Not thread-safe: it belongs to one thread at a time; any number may share a model and
 * data.
 *
 * It holds what must outlive a step and no more: parameters, a velocity only where there is momentum, four bytes a
 * sample. A step's buffers are the caller's scratch.
 */
#ifndef GV_LEARNER_H
#define GV_LEARNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data.h"
#include "gv/err.h"
#include "gv/manifest.h"
#include "model.h"
#include "scratch.h"

struct gv_learner;

struct gv_learner_options {
    const struct gv_data *data; /* borrowed; NULL, or without training part: nothing to train on */
    const uint32_t *rows;       /* copied, (row_count): the training rows that are this node's; NULL: all of them */
    size_t row_count;
    uint64_t order_seed; /* the node's own: shuffles its samples */
    /* A pass over the samples ends with a short batch, or is one short batch (60 samples at batch 32: 32 and 28; 6
       samples: 6). Otherwise every batch is full, and the next pass begins inside it. */
    bool short_batches;
    bool keep_velocity; /* a velocity block even without momentum (all zeros then): the state is always two blocks */
};

/** Borrows the model, copies training. Parameters start from training->seed. Returns owned. GV_ERR_DATA if data does
 *  not fit the model, GV_ERR_RANGE if the batch is 0 or absurd or a row is none of the data's, GV_ERR_NOMEM. */
GV_NODISCARD enum gv_err gv_learner_new(struct gv_learner **learner, const struct gv_model *model,
                                        const struct gv_training *training, const struct gv_learner_options *options);
void gv_learner_free(struct gv_learner **learner);

/** Sets flush-to-zero and denormals-are-zero for the calling thread: denormal momentum costs a factor of four. */
void gv_learner_thread_init(void);

/** The state block [parameters | velocity], the velocity only where gv_learner_velocity() is not NULL; borrowed, valid
 *  until gv_learner_configure() or the end. */
float *gv_learner_state(struct gv_learner *learner);

/** The velocity, right behind the parameters, or NULL if there is none. Borrowed, as the state. */
float *gv_learner_velocity(struct gv_learner *learner);

/** Samples it trains on. */
size_t gv_learner_samples(const struct gv_learner *learner);

/** The swarm's clock, in steps; drives the schedule. */
double gv_learner_age(const struct gv_learner *learner);
void gv_learner_set_age(struct gv_learner *learner, double age);

/** One local step on the next batch of the shuffled samples, as much of it as the scratch has rows for; age += 1.
 *  Returns its loss, NaN without data. */
float gv_learner_step(struct gv_learner *learner, struct gv_scratch *scratch);

/**
 * Learning rate at an age (steps; negative counts as 0).
 *   constant  rate
 *   linear    rises to rate over the warm-up, then falls to 0 at total_age
 *   inverse   rate / (1 + rate_decay age). With rate = 1/lambda, rate_decay = 1 and weight_decay = lambda it is
 *             Pegasos' 1/(lambda t), t = age + 1 (Shalev-Shwartz et al. 2007), as used by gossip learning (Ormandi et
 *             al. 2013)
 */
float gv_rate_at(const struct gv_training *training, double age);

/** A newer manifest's hyperparameters, same layout; the state may move. Without memory for a velocity that is now
 *  needed, GV_ERR_NOMEM, and everything stays as it was. A velocity that is no longer needed is set to zero. */
GV_NODISCARD enum gv_err gv_learner_configure(struct gv_learner *learner, const struct gv_training *training);

#endif
