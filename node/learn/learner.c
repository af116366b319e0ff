/*
 * One node's training: its samples in an order of their own, the schedule, and the state that exchanges average.
 */
#include "learner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "random.h"

#define STREAM_ORDER 0x6f726472U /* "ordr" */

struct gv_learner {
    const struct gv_model *model; /* borrowed */
    const struct gv_data *data;   /* borrowed; NULL: nothing to train on */
    struct gv_training training;
    double age;
    size_t parameters;
    float *state; /* (parameters), then the velocity's as many if there is one */
    bool has_velocity, keep_velocity, short_batches;
    struct gv_random random;
    uint32_t *order; /* (samples): the rows of this pass, shuffled */
    size_t samples;
    size_t cursor; /* how many of them are used up */
};

/* A state block; with_velocity, twice as long, the velocity zero. */
static float *state_new(size_t parameters, bool with_velocity)
{
    /* Whole cache lines, as aligned_alloc wants it. */
    size_t bytes = ((with_velocity ? 2 : 1) * parameters * sizeof(float) + 63U) & ~(size_t)63U;
    float *state = aligned_alloc(64, bytes);
    if (state != NULL && with_velocity) {
        memset(state + parameters, 0, parameters * sizeof *state);
    }
    return state;
}

/* The next rows of the shuffled order, at most `limit`: as many as a batch takes, fewer at the end of a pass if batches
   may be short; else a pass that ends inside a batch is followed at once by the next one. `room` holds those of such a
   batch. */
static const uint32_t *next_rows(struct gv_learner *learner, uint32_t limit, uint32_t *room, uint32_t *count)
{
    size_t samples = learner->samples;
    if (learner->cursor == samples) {
        gv_random_shuffle(&learner->random, learner->order, samples);
        learner->cursor = 0;
    }
    size_t left = samples - learner->cursor;
    const uint32_t *rows = learner->order + learner->cursor;
    if (left >= limit || learner->short_batches) {
        *count = left < limit ? (uint32_t)left : limit;
        learner->cursor += *count;
        return rows;
    }
    *count = limit;
    for (uint32_t i = 0; i < limit; i++) {
        if (learner->cursor == samples) {
            gv_random_shuffle(&learner->random, learner->order, samples);
            learner->cursor = 0;
        }
        room[i] = learner->order[learner->cursor++];
    }
    return room;
}

static enum gv_err take_rows(struct gv_learner *learner, const struct gv_learner_options *options)
{
    size_t all = options->data->train.count;
    learner->samples = options->rows != NULL ? options->row_count : all;
    if (learner->samples == 0) {
        return GV_OK;
    }
    learner->order = calloc(learner->samples, sizeof *learner->order);
    if (learner->order == NULL) {
        return GV_ERR_NOMEM;
    }
    for (size_t i = 0; i < learner->samples; i++) {
        learner->order[i] = options->rows != NULL ? options->rows[i] : (uint32_t)i;
        if (learner->order[i] >= all) {
            return GV_ERR_RANGE;
        }
    }
    learner->data = options->data;
    learner->cursor = learner->samples; /* the first batch shuffles */
    return GV_OK;
}

static enum gv_err learner_init(struct gv_learner *learner, const struct gv_learner_options *options)
{
    learner->has_velocity = learner->keep_velocity || learner->training.momentum != 0.0F;
    learner->state = state_new(learner->parameters, learner->has_velocity);
    if (learner->state == NULL) {
        return GV_ERR_NOMEM;
    }
    gv_model_init(learner->model, learner->state, learner->training.seed);
    gv_random_seed(&learner->random, options->order_seed, STREAM_ORDER);
    return options->data != NULL ? take_rows(learner, options) : GV_OK;
}

enum gv_err gv_learner_new(struct gv_learner **learner, const struct gv_model *model,
                           const struct gv_training *training, const struct gv_learner_options *options)
{
    *learner = NULL;
    const struct gv_layout *layout = gv_model_layout(model);
    const struct gv_data *data = options->data;
    if (data != NULL && data->train.count > 0 &&
        (data->features != layout->features || data->classes > layout->classes)) {
        return GV_ERR_DATA;
    }
    if (training->batch == 0 || training->batch > GV_BATCH_MAX) {
        return GV_ERR_RANGE;
    }
    struct gv_learner *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return GV_ERR_NOMEM;
    }
    made->model = model;
    made->training = *training;
    made->parameters = layout->parameters;
    made->short_batches = options->short_batches;
    made->keep_velocity = options->keep_velocity;
    enum gv_err err = learner_init(made, options);
    if (err != GV_OK) {
        gv_learner_free(&made);
        return err;
    }
    *learner = made;
    return GV_OK;
}

void gv_learner_free(struct gv_learner **learner)
{
    if (learner == NULL || *learner == NULL) {
        return;
    }
    free((*learner)->order);
    free((*learner)->state);
    free(*learner);
    *learner = NULL;
}

void gv_learner_thread_init(void)
{
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040U); /* bit 15 flush-to-zero, bit 6 denormals-are-zero */
#elif defined(__aarch64__)
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    control |= UINT64_C(1) << 24; /* FZ: both at once */
    __asm__ volatile("msr fpcr, %0" : : "r"(control));
#endif
}

float *gv_learner_state(struct gv_learner *learner)
{
    return learner->state;
}

float *gv_learner_velocity(struct gv_learner *learner)
{
    return learner->has_velocity ? learner->state + learner->parameters : NULL;
}

size_t gv_learner_samples(const struct gv_learner *learner)
{
    return learner->samples;
}

double gv_learner_age(const struct gv_learner *learner)
{
    return learner->age;
}

void gv_learner_set_age(struct gv_learner *learner, double age)
{
    learner->age = age;
}

float gv_learner_step(struct gv_learner *learner, struct gv_scratch *scratch)
{
    if (learner->data == NULL) {
        return NAN;
    }
    GV_ASSERT(scratch->model == learner->model);
    struct gv_sgd sgd = {
        .rate = gv_rate_at(&learner->training, learner->age),
        .momentum = learner->training.momentum,
        .weight_decay = learner->training.weight_decay,
    };
    uint32_t batch = learner->training.batch;
    batch = batch < scratch->rows ? batch : scratch->rows;
    uint32_t count;
    const uint32_t *rows = next_rows(learner, batch, scratch->picks, &count);
    struct gv_rows in = gv_scratch_batch(scratch, learner->data, &learner->data->train, rows, count);
    learner->age += 1.0;
    return gv_model_sgd_step(learner->model, scratch->workspace, learner->state, gv_learner_velocity(learner), &sgd,
                             &in, scratch->labels);
}

float gv_rate_at(const struct gv_training *training, double age)
{
    age = age > 0.0 ? age : 0.0;
    if (training->schedule == GV_SCHEDULE_INVERSE) {
        return (float)((double)training->rate / (1.0 + (double)training->rate_decay * age));
    }
    if (training->schedule != GV_SCHEDULE_LINEAR) {
        return training->rate;
    }
    double total = (double)training->total_age;
    double warmup = (double)training->warmup * total;
    if (age >= total) {
        return 0.0F;
    }
    /* The warm-up rises to the peak at `warmup`; it does not start at zero, or the first step would be wasted. */
    double share = age < warmup ? (age + 1.0) / (warmup + 1.0) : (total - age) / (total - warmup);
    return (float)((double)training->rate * share);
}

enum gv_err gv_learner_configure(struct gv_learner *learner, const struct gv_training *training)
{
    bool momentum = training->momentum != 0.0F;
    if (momentum && !learner->has_velocity) {
        float *state = state_new(learner->parameters, true);
        if (state == NULL) {
            return GV_ERR_NOMEM;
        }
        memcpy(state, learner->state, learner->parameters * sizeof *state);
        free(learner->state);
        learner->state = state;
        learner->has_velocity = true;
    } else if (!momentum && learner->has_velocity) {
        memset(gv_learner_velocity(learner), 0, learner->parameters * sizeof *learner->state);
    }
    learner->training = *training;
    return GV_OK;
}
