/*
 * What the demo's swarm is compared with: models trained in this process, without a swarm, by the same learner. One per
 * shard, with as many steps as that node made, and one on all the data with the sum of all steps. Each gets a schedule
 * of its own length, so that its rate too has come down to zero at its end.
 */
#include "demo.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "blas.h"
#include "data.h"
#include "evaluate.h"
#include "gv/manifest.h"
#include "learner.h"
#include "manifest_text.h"
#include "model.h"

#define THREADS_MAX 8
#define MEASURE_S 0.3
#define HIDDEN 128
#define STEPS_BETWEEN_LOOKS 64

/* A queue of models to train: entry 0 is central, then one per node. */
struct work {
    const struct gv_demo *demo;
    struct gv_training training;
    const struct gv_model *model;
    uint64_t steps[GV_DEMO_NODES_MAX + 2];
    double accuracy[GV_DEMO_NODES_MAX + 2];
    size_t test_samples;
    uint32_t count;
    atomic_uint next;
    atomic_uint finished; /* threads */
    atomic_uint failed;   /* entries */
    atomic_bool stop;
};

/* The hyperparameters the swarm has: the manifest's defaults and the demo's settings. */
static enum gv_err training_of(const struct gv_demo *demo, struct gv_training *training, struct gv_diag *diag)
{
    struct gv_manifest *manifest = calloc(1, sizeof *manifest);
    if (manifest == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    gv_manifest_defaults(manifest);
    enum gv_err err = GV_OK;
    for (size_t i = 0; demo->settings[i] != NULL && err == GV_OK; i++) {
        err = gv_manifest_set(manifest, demo->settings[i], diag);
    }
    *training = manifest->training;
    (void)snprintf(training->model, sizeof training->model, "%s", demo->model);
    gv_manifest_deinit(manifest);
    free(manifest);
    return err;
}

/* All the data, scaled as the swarm scales it, then cut to a shard (shard 0: all of it). */
static enum gv_err load(const struct gv_demo *demo, uint64_t seed, uint32_t shard, struct gv_data *data,
                        struct gv_diag *diag)
{
    struct gv_schema schema = {0};
    enum gv_err err = gv_data_load(data, demo->data, diag);
    if (err != GV_OK) {
        return err;
    }
    err = gv_data_schema(&schema, data, diag);
    if (err == GV_OK) {
        err = gv_data_fit(data, &schema, diag);
        gv_schema_free(&schema);
    }
    if (err == GV_OK && shard > 0) {
        err = gv_data_shard(data, "iid", shard - 1, demo->shard_count, seed, diag);
    }
    if (err != GV_OK) {
        gv_data_deinit(data);
    }
    return err;
}

static enum gv_err train(struct work *work, uint32_t index)
{
    struct gv_data data;
    struct gv_learner *learner = NULL;
    struct gv_training training = work->training;
    training.schedule = GV_SCHEDULE_LINEAR;
    training.total_age = work->steps[index];
    enum gv_err err = load(work->demo, training.seed, index, &data, NULL);
    if (err != GV_OK) {
        return err;
    }
    struct gv_scratch *scratch = NULL;
    struct gv_learner_options options = {.data = &data, .order_seed = index + 1};
    err = gv_scratch_new(&scratch, work->model, training.batch);
    if (err == GV_OK) {
        err = gv_learner_new(&learner, work->model, &training, &options);
    }
    for (uint64_t step = 0; err == GV_OK && step < work->steps[index]; step++) {
        (void)gv_learner_step(learner, scratch);
        if (step % STEPS_BETWEEN_LOOKS == 0 && atomic_load(&work->stop)) {
            break;
        }
    }
    struct gv_evaluation result = {0};
    if (err == GV_OK) {
        err = gv_evaluate(&result, scratch, gv_learner_state(learner), &data, &data.test, NULL);
    }
    if (err == GV_OK) {
        work->accuracy[index] = result.accuracy;
        if (index == 0) {
            work->test_samples = result.samples;
        }
    }
    gv_learner_free(&learner);
    gv_scratch_free(&scratch);
    gv_data_deinit(&data);
    return err;
}

static void *train_all(void *argument)
{
    struct work *work = argument;
    gv_learner_thread_init();
    while (!atomic_load(&work->stop)) {
        uint32_t index = atomic_fetch_add(&work->next, 1);
        if (index >= work->count) {
            break;
        }
        if (work->steps[index] > 0 && train(work, index) != GV_OK) {
            atomic_fetch_add(&work->failed, 1);
        }
    }
    atomic_fetch_add(&work->finished, 1);
    return NULL;
}

/* Runs the queue on every processor, while this thread looks for signals. */
static enum gv_err run(struct gv_demo *demo, struct work *work, struct gv_diag *diag)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t wanted = processors < 1 ? 1 : processors > THREADS_MAX ? THREADS_MAX : (uint32_t)processors;
    pthread_t threads[THREADS_MAX];
    uint32_t started = 0;
    while (started < wanted && pthread_create(&threads[started], NULL, train_all, work) == 0) {
        started++;
    }
    while (atomic_load(&work->finished) < started) {
        if (!gv_demo_sleep(demo, 0.05)) {
            atomic_store(&work->stop, true);
        }
    }
    for (uint32_t i = 0; i < started; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    if (started == 0 || atomic_load(&work->failed) > 0) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "the models to compare with could not be trained");
    }
    return GV_OK;
}

enum gv_err gv_demo_baselines(struct gv_demo *demo, struct gv_diag *diag)
{
    struct gv_model *model = NULL;
    struct work *work = calloc(1, sizeof *work);
    if (work == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    work->demo = demo;
    work->count = demo->node_count + 2;
    work->steps[0] = gv_demo_steps(demo);
    for (uint32_t i = 0; i <= demo->node_count; i++) {
        work->steps[i + 1] = demo->nodes[i].steps;
    }
    gv_blas_set_threads(1);
    enum gv_err err = training_of(demo, &work->training, diag);
    if (err == GV_OK) {
        err = gv_model_new(&model, demo->model, diag);
    }
    if (err == GV_OK) {
        work->model = model;
        err = run(demo, work, diag);
    }
    demo->central_accuracy = work->accuracy[0];
    demo->test_samples = work->test_samples;
    for (uint32_t i = 0; i <= demo->node_count; i++) {
        demo->nodes[i].alone_accuracy = work->steps[i + 1] > 0 ? work->accuracy[i + 1] : -1.0;
    }
    gv_model_free(&model);
    free(work);
    return err;
}

static double steps_per_second(struct gv_learner *learner, struct gv_scratch *scratch)
{
    double start = gv_demo_now();
    double elapsed = 0.0;
    uint64_t steps = 0;
    while (elapsed < MEASURE_S) {
        (void)gv_learner_step(learner, scratch);
        steps++;
        elapsed = gv_demo_now() - start;
    }
    return (double)steps / elapsed;
}

enum gv_err gv_demo_measure(struct gv_demo *demo, double *steps_per_s, struct gv_diag *diag)
{
    struct gv_training training;
    struct gv_data data;
    struct gv_model *model = NULL;
    struct gv_learner *learner = NULL;
    struct gv_scratch *scratch = NULL;
    enum gv_err err = load(demo, 1, 1, &data, diag);
    if (err != GV_OK) {
        return err;
    }
    (void)snprintf(demo->model, sizeof demo->model, "mlp:%u-%d-%u", data.features, HIDDEN, data.classes);
    gv_blas_set_threads(1);
    err = training_of(demo, &training, diag);
    if (err == GV_OK) {
        err = gv_model_new(&model, demo->model, diag);
    }
    if (err == GV_OK) {
        err = gv_scratch_new(&scratch, model, training.batch);
    }
    if (err == GV_OK) {
        struct gv_learner_options options = {.data = &data, .order_seed = 1};
        err = gv_learner_new(&learner, model, &training, &options);
    }
    if (err == GV_OK) {
        *steps_per_s = steps_per_second(learner, scratch);
    }
    gv_learner_free(&learner);
    gv_scratch_free(&scratch);
    gv_model_free(&model);
    gv_data_deinit(&data);
    return err;
}
