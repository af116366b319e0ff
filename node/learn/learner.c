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

/* Floats in the input of one evaluation batch: 1 MiB, so that evaluating costs a node little memory. */
#define EVALUATION_ELEMENTS (256U * 1024U)
#define EVALUATION_ROWS 256U

/* Room for one batch, from its rows' numbers to the activations. */
struct batch {
    uint32_t size;
    float *x;         /* (size, features) */
    uint16_t *labels; /* (size) */
    uint32_t *rows;   /* (size) */
    struct gv_workspace *workspace;
};

struct gv_learner {
    const struct gv_model *model; /* borrowed */
    const struct gv_data *data;   /* borrowed; NULL: nothing to train on */
    struct gv_training training;
    double age;
    size_t parameters;
    float *state; /* (2 parameters): parameters, then velocity */
    struct batch batch;
    struct gv_random random;
    uint32_t *order; /* (train.count): the rows of this pass, shuffled */
    size_t cursor;   /* how many of them are used up */
};

static void batch_deinit(struct batch *batch)
{
    gv_workspace_free(&batch->workspace);
    free(batch->x);
    free(batch->labels);
    free(batch->rows);
    memset(batch, 0, sizeof *batch);
}

static enum gv_err batch_init(struct batch *batch, const struct gv_model *model, uint32_t size)
{
    memset(batch, 0, sizeof *batch);
    enum gv_err err = gv_workspace_new(&batch->workspace, model, size);
    if (err != GV_OK) {
        return err;
    }
    batch->size = size;
    batch->x = calloc((size_t)size * gv_model_layout(model)->features, sizeof *batch->x);
    batch->labels = calloc(size, sizeof *batch->labels);
    batch->rows = calloc(size, sizeof *batch->rows);
    if (batch->x == NULL || batch->labels == NULL || batch->rows == NULL) {
        batch_deinit(batch);
        return GV_ERR_NOMEM;
    }
    return GV_OK;
}

/* The next rows of the shuffled order. A pass that ends inside a batch is followed at once by the next one, so every
   batch is full, even if there are fewer samples than that. */
static void next_rows(struct gv_learner *learner)
{
    size_t count = learner->data->train.count;
    for (uint32_t i = 0; i < learner->batch.size; i++) {
        if (learner->cursor == count) {
            gv_random_shuffle(&learner->random, learner->order, count);
            learner->cursor = 0;
        }
        learner->batch.rows[i] = learner->order[learner->cursor++];
    }
}

static enum gv_err learner_init(struct gv_learner *learner, uint64_t order_seed)
{
    const struct gv_data *data = learner->data;
    /* Whole cache lines, as aligned_alloc wants it; the velocity is zero at first. */
    size_t bytes = (2 * learner->parameters * sizeof *learner->state + 63U) & ~(size_t)63U;
    learner->state = aligned_alloc(64, bytes);
    if (learner->state == NULL) {
        return GV_ERR_NOMEM;
    }
    memset(learner->state, 0, bytes);
    gv_model_init(learner->model, learner->state, learner->training.seed);
    if (data == NULL) {
        return GV_OK;
    }
    learner->order = calloc(data->train.count, sizeof *learner->order);
    if (learner->order == NULL) {
        return GV_ERR_NOMEM;
    }
    for (size_t i = 0; i < data->train.count; i++) {
        learner->order[i] = (uint32_t)i;
    }
    learner->cursor = data->train.count; /* the first batch shuffles */
    gv_random_seed(&learner->random, order_seed, STREAM_ORDER);
    return batch_init(&learner->batch, learner->model, learner->training.batch);
}

enum gv_err gv_learner_new(struct gv_learner **learner, const struct gv_model *model, const struct gv_data *data,
                           const struct gv_training *training, uint64_t order_seed)
{
    *learner = NULL;
    const struct gv_layout *layout = gv_model_layout(model);
    if (data != NULL && data->train.count == 0) {
        data = NULL;
    }
    if (data != NULL && (data->features != layout->features || data->classes > layout->classes)) {
        return GV_ERR_DATA;
    }
    struct gv_learner *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return GV_ERR_NOMEM;
    }
    made->model = model;
    made->data = data;
    made->training = *training;
    made->parameters = layout->parameters;
    enum gv_err err = learner_init(made, order_seed);
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
    batch_deinit(&(*learner)->batch);
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

size_t gv_learner_parameters(const struct gv_learner *learner)
{
    return learner->parameters;
}

double gv_learner_age(const struct gv_learner *learner)
{
    return learner->age;
}

void gv_learner_set_age(struct gv_learner *learner, double age)
{
    learner->age = age;
}

float gv_learner_step(struct gv_learner *learner)
{
    if (learner->data == NULL) {
        return NAN;
    }
    struct batch *batch = &learner->batch;
    struct gv_sgd sgd = {
        .rate = gv_rate_at(&learner->training, learner->age),
        .momentum = learner->training.momentum,
        .weight_decay = learner->training.weight_decay,
    };
    next_rows(learner);
    gv_data_gather(learner->data, &learner->data->train, batch->rows, batch->size, batch->x, batch->labels);
    learner->age += 1.0;
    return gv_model_sgd_step(learner->model, batch->workspace, learner->state, learner->state + learner->parameters,
                             &sgd, batch->x, batch->labels, batch->size);
}

float gv_rate_at(const struct gv_training *training, double age)
{
    if (training->schedule != GV_SCHEDULE_LINEAR) {
        return training->rate;
    }
    double total = (double)training->total_age;
    double warmup = (double)training->warmup * total;
    age = age > 0.0 ? age : 0.0;
    if (age >= total) {
        return 0.0F;
    }
    /* The warm-up rises to the peak at `warmup`; it does not start at zero, or the first step would be wasted. */
    double share = age < warmup ? (age + 1.0) / (warmup + 1.0) : (total - age) / (total - warmup);
    return (float)((double)training->rate * share);
}

void gv_learner_configure(struct gv_learner *learner, const struct gv_training *training)
{
    uint32_t size = training->batch;
    learner->training = *training;
    if (learner->data == NULL || size == learner->batch.size) {
        return;
    }
    struct batch batch;
    if (batch_init(&batch, learner->model, size) != GV_OK) {
        learner->training.batch = learner->batch.size; /* no memory for it: the old size goes on */
        return;
    }
    batch_deinit(&learner->batch);
    learner->batch = batch;
}

enum gv_err gv_evaluate(struct gv_evaluation *result, const struct gv_model *model, const float *params,
                        const struct gv_data *data, const struct gv_samples *samples)
{
    memset(result, 0, sizeof *result);
    const struct gv_layout *layout = gv_model_layout(model);
    if (data->features != layout->features || data->classes > layout->classes) {
        return GV_ERR_DATA;
    }
    uint32_t size = EVALUATION_ELEMENTS / layout->features;
    size = size > EVALUATION_ROWS ? EVALUATION_ROWS : size;
    struct batch batch;
    enum gv_err err = batch_init(&batch, model, size);
    if (err != GV_OK) {
        return err;
    }
    double loss = 0.0;
    size_t right = 0;
    for (size_t first = 0; first < samples->count; first += size) {
        uint32_t n = samples->count - first < size ? (uint32_t)(samples->count - first) : size;
        for (uint32_t i = 0; i < n; i++) {
            batch.rows[i] = (uint32_t)(first + i);
        }
        gv_data_gather(data, samples, batch.rows, n, batch.x, batch.labels);
        struct gv_score score = gv_model_score(model, batch.workspace, params, batch.x, batch.labels, n);
        loss += (double)score.loss * n;
        right += score.right;
    }
    batch_deinit(&batch);
    result->samples = samples->count;
    if (samples->count > 0) {
        result->loss = loss / (double)samples->count;
        result->accuracy = (double)right / (double)samples->count;
    }
    return GV_OK;
}
