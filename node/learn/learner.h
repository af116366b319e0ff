/*
 * A learner: one node's model, optimiser, data order and clock; what the trainer thread (or the simulator's worker)
 * drives. Owns the live parameters. Not thread-safe: it belongs to one thread at a time.
 *
 * The state is one block: [parameters | velocity]; an exchange covers its first `exchanged` elements.
 */
#ifndef GV_LEARNER_H
#define GV_LEARNER_H

#include <stddef.h>
#include <stdint.h>

#include "data.h"
#include "gv/err.h"
#include "gv/manifest.h"
#include "model.h"

struct gv_learner;

/** Borrows model and data (may be NULL or empty: serves only), copies training. Parameters start from training->seed;
 *  `order_seed` is this node's own and shuffles its samples. Returns owned. GV_ERR_DATA if data does not fit the model,
 *  GV_ERR_RANGE if the batch is 0 or absurd. */
GV_NODISCARD enum gv_err gv_learner_new(struct gv_learner **learner, const struct gv_model *model,
                                        const struct gv_data *data, const struct gv_training *training,
                                        uint64_t order_seed);
void gv_learner_free(struct gv_learner **learner);

/** Sets flush-to-zero and denormals-are-zero for the calling thread: denormal momentum costs a factor of four. */
void gv_learner_thread_init(void);

/** The state block [parameters | velocity], 2 * parameters elements; borrowed. */
float *gv_learner_state(struct gv_learner *learner);
size_t gv_learner_parameters(const struct gv_learner *learner);

/** The swarm's clock, in steps; drives the schedule. */
double gv_learner_age(const struct gv_learner *learner);
void gv_learner_set_age(struct gv_learner *learner, double age);

/** One local step on the next batch of the shuffled training part; age += 1. Returns its loss, NaN without data. */
float gv_learner_step(struct gv_learner *learner);

/** Learning rate at an age. */
float gv_rate_at(const struct gv_training *training, double age);

/** A newer manifest's hyperparameters, same layout. If there is no memory for a larger batch, the old size stays. */
void gv_learner_configure(struct gv_learner *learner, const struct gv_training *training);

struct gv_evaluation {
    double loss, accuracy; /* accuracy 0..1 */
    size_t samples;
};

/** Mean loss and accuracy of params over all of `samples`, which belong to data; zeros if there are none. Takes about a
 *  mebibyte of memory beside the model. */
GV_NODISCARD enum gv_err gv_evaluate(struct gv_evaluation *result, const struct gv_model *model, const float *params,
                                     const struct gv_data *data, const struct gv_samples *samples);

#endif
