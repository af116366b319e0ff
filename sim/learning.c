/*
 * Data, model and replicas of a simulation. See learning.h.
 */
#include "learning.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "blas.h"
#include "identity.h"
#include "learning_state.h"
#include "merge.h"

#define STREAM_VECTOR 0x76656374u
#define STREAM_TEST 0x74657374u

/* ---- setting up ---------------------------------------------------------------------------------------------- */

static enum gv_err cut_data(struct gv_learning *learning, struct gv_diag *diag)
{
    const struct gv_scenario *scenario = learning->scenario;
    size_t count = learning->data.train.count;
    learning->shards = scenario->swarm.nodes;
    uint32_t *owner = calloc(count + 1, sizeof *owner);
    learning->rows = calloc(count + 1, sizeof *learning->rows);
    learning->first = calloc((size_t)learning->shards + 2, sizeof *learning->first);
    if (owner == NULL || learning->rows == NULL || learning->first == NULL) {
        free(owner);
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    enum gv_err err =
        gv_data_partition(owner, &learning->data, scenario->learning.partition, learning->shards, learning->seed, diag);
    if (err == GV_OK) { /* counting sort by owner; first[k + 1] runs from the begin of shard k to its end */
        for (size_t i = 0; i < count; i++) {
            learning->first[owner[i] + 2]++;
        }
        for (uint32_t k = 0; k < learning->shards; k++) {
            learning->first[k + 2] += learning->first[k + 1];
        }
        for (size_t i = 0; i < count; i++) {
            learning->rows[learning->first[owner[i] + 1]++] = (uint32_t)i;
        }
    }
    free(owner);
    return err;
}

static void swap_bytes(uint8_t *a, uint8_t *b, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        uint8_t kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

/* Moves a random choice of the test rows to the front. Every n-th row would not do: classes often come in turn. */
static void draw_test_rows(struct gv_learning *learning, size_t wanted)
{
    struct gv_samples *test = &learning->data.test;
    uint8_t *rows = test->bytes != NULL ? test->bytes : (uint8_t *)test->values;
    size_t row_bytes = learning->data.features * (test->bytes != NULL ? sizeof *test->bytes : sizeof *test->values);
    struct gv_random random;
    gv_random_seed(&random, learning->seed, (uint64_t)STREAM_TEST << 32);
    for (size_t i = 0; i < wanted; i++) {
        size_t k = i + gv_random_below(&random, (uint32_t)(test->count - i));
        if (k != i) {
            uint16_t label = test->labels[i];
            test->labels[i] = test->labels[k];
            test->labels[k] = label;
            swap_bytes(rows + i * row_bytes, rows + k * row_bytes, row_bytes);
        }
    }
}

static enum gv_err load(struct gv_learning *learning, struct gv_diag *diag)
{
    const struct gv_scenario *scenario = learning->scenario;
    enum gv_err err = gv_data_load(&learning->data, scenario->learning.data, diag);
    if (err == GV_OK) {
        err = gv_data_schema(&learning->schema, &learning->data, diag);
    }
    if (err == GV_OK && scenario->learning.scaling != GV_SIM_SCALING_AUTO) {
        learning->schema.scaling = (enum gv_scaling)(scenario->learning.scaling - GV_SIM_SCALING_NONE);
        err = gv_schema_scale(&learning->schema, &learning->data, diag);
    }
    if (err == GV_OK) {
        err = gv_data_fit(&learning->data, &learning->schema, diag);
    }
    if (err == GV_OK) {
        err = gv_model_new(&learning->model, scenario->learning.training.model, diag);
    }
    if (err != GV_OK) {
        return err;
    }
    const struct gv_layout *layout = gv_model_layout(learning->model);
    if (layout->features != learning->data.features || layout->classes < learning->data.classes) {
        return gv_diag_set(diag, GV_ERR_DATA,
                           "the model %s takes %u features and %u classes, but %s has %u features and %u classes",
                           scenario->learning.training.model, layout->features, layout->classes,
                           scenario->learning.data, learning->data.features, learning->data.classes);
    }
    size_t test = learning->data.test.count;
    size_t wanted = scenario->learning.evaluate_samples;
    learning->part = (struct gv_part){.first = 0, .step = 1, .count = test};
    if (wanted > 0 && wanted < test) {
        draw_test_rows(learning, wanted);
        learning->part.count = wanted;
    }
    learning->parameters = layout->parameters;
    char text[4096];
    size_t length = gv_model_describe(learning->model, text, sizeof text);
    learning->layout = gv_hash_of(text, length < sizeof text ? length : sizeof text - 1);
    return cut_data(learning, diag);
}

enum gv_err gv_learning_new(struct gv_learning **learning, const struct gv_scenario *scenario, uint64_t seed,
                            struct gv_diag *diag)
{
    *learning = NULL;
    struct gv_learning *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    made->scenario = scenario;
    made->seed = seed;
    enum gv_err err = GV_OK;
    if (scenario->swarm.mode == GV_MODE_MEAN) {
        made->parameters = scenario->swarm.elements;
        made->layout = gv_hash_of(&made->parameters, sizeof made->parameters);
    } else {
        gv_blas_set_threads(1); /* the engine's threads are all there should be */
        err = load(made, diag);
    }
    if (err != GV_OK) {
        gv_learning_free(&made);
        return err;
    }
    made->block_count = scenario->learning.exchange_momentum && made->model != NULL ? 2 : 1;
    made->block_elements[0] = made->block_elements[1] = made->parameters;
    *learning = made;
    return GV_OK;
}

void gv_learning_free(struct gv_learning **learning)
{
    struct gv_learning *old = *learning;
    if (old == NULL) {
        return;
    }
    gv_model_free(&old->model);
    gv_schema_free(&old->schema);
    gv_data_deinit(&old->data);
    free(old->rows);
    free(old->first);
    free(old);
    *learning = NULL;
}

enum gv_err gv_learning_scratch_new(struct gv_learning_scratch **scratch, const struct gv_learning *learning)
{
    *scratch = calloc(1, sizeof **scratch);
    if (*scratch == NULL) {
        return GV_ERR_NOMEM;
    }
    if (learning->model == NULL) {
        return GV_OK;
    }
    uint32_t batch = learning->scenario->learning.training.batch;
    uint32_t rows = gv_evaluation_rows(learning->model);
    enum gv_err err = gv_scratch_new(&(*scratch)->scratch, learning->model, batch > rows ? batch : rows);
    if (err != GV_OK) {
        gv_learning_scratch_free(scratch);
    }
    return err;
}

void gv_learning_scratch_free(struct gv_learning_scratch **scratch)
{
    if (*scratch != NULL) {
        gv_scratch_free(&(*scratch)->scratch);
        free(*scratch);
        *scratch = NULL;
    }
}

void gv_learning_manifest(const struct gv_learning *learning, struct gv_core_manifest *manifest)
{
    const struct gv_scenario *scenario = learning->scenario;
    manifest->layout = learning->layout;
    manifest->block_count = learning->block_count;
    memcpy(manifest->block_elements, learning->block_elements, sizeof manifest->block_elements);
    manifest->codec = scenario->learning.codec;
    manifest->merge = scenario->learning.merge;
    manifest->exchange = scenario->learning.exchange;
    manifest->local_steps = scenario->swarm.mode == GV_MODE_MEAN ? 1 : gv_learning_round_steps(learning, 0);
    manifest->settle_exchanges = scenario->learning.settle_exchanges;
}

uint64_t gv_learning_parameters(const struct gv_learning *learning)
{
    return learning->parameters;
}

uint64_t gv_learning_data_bytes(const struct gv_learning *learning)
{
    size_t samples = learning->data.train.count + learning->data.test.count;
    size_t each = learning->data.train.bytes != NULL ? 1 : sizeof(float);
    return samples * (learning->data.features * each + sizeof(uint16_t));
}

static uint32_t shard_of(const struct gv_learning *learning, uint32_t node)
{
    return node % learning->shards;
}

static uint32_t shard_samples(const struct gv_learning *learning, uint32_t node)
{
    uint32_t shard = shard_of(learning, node);
    uint32_t count = learning->first[shard + 1] - learning->first[shard];
    uint32_t most = learning->scenario->learning.samples_per_node;
    return most > 0 && most < count ? most : count;
}

uint32_t gv_learning_round_steps(const struct gv_learning *learning, uint32_t node)
{
    const struct gv_scenario *scenario = learning->scenario;
    if (learning->model == NULL || !scenario->learning.epochs) {
        return scenario->learning.local_steps;
    }
    uint32_t batch = scenario->learning.training.batch;
    return scenario->learning.local_steps * ((shard_samples(learning, node) + batch - 1) / batch);
}

uint32_t gv_learning_round_samples(const struct gv_learning *learning, uint32_t node)
{
    const struct gv_scenario *scenario = learning->scenario;
    if (learning->model == NULL) {
        return 0;
    }
    return scenario->learning.local_steps *
           (scenario->learning.epochs ? shard_samples(learning, node) : scenario->learning.training.batch);
}

/* ---- replicas ------------------------------------------------------------------------------------------------ */

static enum gv_err make_learner(struct gv_replica *replica, uint32_t node)
{
    const struct gv_learning *learning = replica->learning;
    const struct gv_scenario *scenario = learning->scenario;
    struct gv_random random;
    gv_random_seed(&random, learning->seed, node);
    const struct gv_learner_options options = {.data = &learning->data,
                                               .rows = learning->rows + learning->first[shard_of(learning, node)],
                                               .row_count = shard_samples(learning, node),
                                               .order_seed = gv_random_next(&random),
                                               .short_batches = scenario->learning.epochs,
                                               .keep_velocity = scenario->learning.exchange_momentum};
    enum gv_err err = gv_learner_new(&replica->learner, learning->model, &scenario->learning.training, &options);
    replica->vector = err == GV_OK ? gv_learner_state(replica->learner) : NULL;
    return err;
}

static enum gv_err make_vector(struct gv_replica *replica, uint32_t node)
{
    const struct gv_learning *learning = replica->learning;
    struct gv_random random;
    replica->vector = calloc(learning->parameters, sizeof *replica->vector);
    if (replica->vector == NULL) {
        return GV_ERR_NOMEM;
    }
    gv_random_seed(&random, learning->seed, ((uint64_t)STREAM_VECTOR << 32) + node);
    for (uint64_t i = 0; i < learning->parameters; i++) {
        replica->vector[i] = (float)gv_random_normal(&random);
    }
    return GV_OK;
}

enum gv_err gv_replica_new(struct gv_replica **replica, const struct gv_learning *learning, uint32_t node)
{
    *replica = calloc(1, sizeof **replica);
    if (*replica == NULL) {
        return GV_ERR_NOMEM;
    }
    (*replica)->learning = learning;
    enum gv_err err = learning->model == NULL ? make_vector(*replica, node) : make_learner(*replica, node);
    if (err != GV_OK) {
        gv_replica_free(replica);
    }
    return err;
}

void gv_replica_free(struct gv_replica **replica)
{
    struct gv_replica *old = *replica;
    if (old == NULL) {
        return;
    }
    if (old->learner == NULL) {
        free(old->vector);
    }
    gv_learner_free(&old->learner);
    free(old->checkpoint);
    free(old);
    *replica = NULL;
}

const float *gv_replica_parameters(const struct gv_replica *replica)
{
    return replica->vector;
}

void gv_replica_prefetch(const struct gv_replica *replica)
{
    __builtin_prefetch(replica, 1);
}

float *gv_replica_block(const struct gv_replica *replica, uint32_t block)
{
    return replica->vector + block * replica->learning->parameters;
}

bool gv_replica_finite(const struct gv_replica *replica)
{
    return gv_guard_finite(replica->vector, replica->learning->parameters * replica->learning->block_count);
}

uint64_t gv_replica_hash(const struct gv_replica *replica)
{
    /* Four lanes side by side: one alone would wait for each multiplication. */
    uint64_t lane[4] = {0x9e3779b97f4a7c15u, 1, 2, 3};
    uint64_t count = replica->learning->parameters * replica->learning->block_count;
    for (uint64_t i = 0; i < count; i += 4) {
        uint32_t bits[4] = {0};
        memcpy(bits, &replica->vector[i], (count - i < 4 ? count - i : 4) * sizeof bits[0]);
        for (int k = 0; k < 4; k++) {
            lane[k] = (lane[k] ^ bits[k]) * 0x9e3779b97f4a7c15u;
            lane[k] ^= lane[k] >> 32;
        }
    }
    uint64_t hash = lane[0];
    for (int k = 1; k < 4; k++) {
        hash = (hash ^ lane[k]) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
    }
    return hash;
}

void gv_replica_train(struct gv_replica *replica, struct gv_learning_scratch *scratch, uint32_t steps, double age,
                      double *loss_sum)
{
    if (replica->learner == NULL) {
        *loss_sum = (double)NAN;
        return;
    }
    gv_learner_set_age(replica->learner, age);
    for (uint32_t i = 0; i < steps; i++) {
        *loss_sum += (double)gv_learner_step(replica->learner, scratch->scratch);
    }
}

enum gv_err gv_replica_checkpoint(struct gv_replica *replica)
{
    size_t bytes = replica->learning->parameters * sizeof(float);
    if (replica->checkpoint == NULL) {
        replica->checkpoint = malloc(bytes);
    }
    if (replica->checkpoint == NULL) {
        return GV_ERR_NOMEM;
    }
    memcpy(replica->checkpoint, replica->vector, bytes);
    return GV_OK;
}

bool gv_replica_restore(struct gv_replica *replica)
{
    const struct gv_learning *learning = replica->learning;
    size_t bytes = learning->parameters * sizeof(float);
    float *velocity = replica->learner != NULL ? gv_learner_velocity(replica->learner) : NULL;
    if (velocity != NULL) {
        memset(velocity, 0, bytes);
    }
    if (replica->checkpoint != NULL) {
        memcpy(replica->vector, replica->checkpoint, bytes);
    } else if (learning->model != NULL) {
        gv_model_init(learning->model, replica->vector, learning->scenario->learning.training.seed);
    }
    return replica->checkpoint != NULL;
}

void gv_replica_copy(struct gv_replica *to, const struct gv_replica *from)
{
    memcpy(to->vector, from->vector, to->learning->parameters * sizeof *to->vector);
}

/* ---- looking at models ----------------------------------------------------------------------------------------- */

void gv_learning_evaluate(const struct gv_learning *learning, struct gv_learning_scratch *scratch,
                          const float *parameters, struct gv_look *look)
{
    struct gv_evaluation result;
    *look = (struct gv_look){.loss = (double)NAN, .accuracy = (double)NAN};
    const struct gv_samples *samples = learning->data.test.count > 0 ? &learning->data.test : &learning->data.train;
    const struct gv_part *part = learning->data.test.count > 0 ? &learning->part : NULL;
    if (gv_evaluate(&result, scratch->scratch, parameters, &learning->data, samples, part) == GV_OK &&
        result.samples > 0) {
        *look = (struct gv_look){.loss = result.loss, .accuracy = result.accuracy};
    }
}

double gv_learning_spread(const float *const *vectors, uint32_t count, uint64_t first, uint64_t last, float *mean)
{
    double sums[256];
    double squares = 0.0;
    for (uint64_t from = first; from < last; from += 256) {
        uint64_t n = last - from < 256 ? last - from : 256;
        memset(sums, 0, sizeof sums);
        for (uint32_t v = 0; v < count; v++) {
            const float *x = vectors[v] + from;
            for (uint64_t i = 0; i < n; i++) {
                sums[i] += (double)x[i];
            }
        }
        for (uint64_t i = 0; i < n; i++) {
            sums[i] /= count;
            mean[from - first + i] = (float)sums[i];
        }
        for (uint32_t v = 0; v < count; v++) {
            const float *x = vectors[v] + from;
            for (uint64_t i = 0; i < n; i++) {
                double d = (double)x[i] - sums[i];
                squares += d * d;
            }
        }
    }
    return squares;
}
