/*
 * Measurements of arithmetic: training beside a bare matrix product, merging and codecs beside a bare memory copy. Each
 * figure is the best of several short runs, so that a neighbour on the same machine disturbs it little.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "blas.h"
#include "data.h"
#include "gv/manifest.h"
#include "learner.h"
#include "manifest_text.h"
#include "merge.h"
#include "model.h"
#include "tensor.h"

#define MODEL "mlp:784-128-10"
#define BATCH 32
#define ROUNDS 7
#define TRAIN_S 0.25
/* Well beyond any cache: 64 MB a vector. */
#define ELEMENTS ((size_t)16 * 1024 * 1024)

static enum gv_err make_learner(struct gv_learner **learner, struct gv_scratch **scratch, struct gv_model **model,
                                struct gv_data *data, struct gv_diag *diag)
{
    struct gv_manifest manifest;
    memset(&manifest, 0, sizeof manifest);
    gv_manifest_defaults(&manifest);
    manifest.training.batch = BATCH;
    (void)snprintf(manifest.training.model, sizeof manifest.training.model, "%s", MODEL);
    struct gv_schema schema = {0};
    enum gv_err err = gv_data_schema(&schema, data, diag);
    if (err == GV_OK) {
        err = gv_data_fit(data, &schema, diag);
        gv_schema_free(&schema);
    }
    if (err == GV_OK) {
        err = gv_model_new(model, MODEL, diag);
    }
    if (err == GV_OK) {
        err = gv_scratch_new(scratch, *model, BATCH);
    }
    if (err == GV_OK) {
        struct gv_learner_options options = {.data = data, .order_seed = 1};
        err = gv_learner_new(learner, *model, &manifest.training, &options);
    }
    gv_manifest_deinit(&manifest);
    return err;
}

enum gv_err gv_bench_train(struct gv_bench *bench, struct gv_diag *diag)
{
    struct gv_data data;
    struct gv_model *model = NULL;
    struct gv_learner *learner = NULL;
    struct gv_scratch *scratch = NULL;
    enum gv_err err = gv_data_load(&data, "builtin:glyphs,train=8192,test=16", diag);
    if (err != GV_OK) {
        return err;
    }
    err = make_learner(&learner, &scratch, &model, &data, diag);
    double best = 0.0, gflops = 0.0;
    gv_learner_thread_init();
    for (int round = 0; round < ROUNDS && err == GV_OK; round++) {
        double start = gv_bench_now(), elapsed = 0.0;
        uint64_t steps = 0;
        while (elapsed < TRAIN_S) {
            (void)gv_learner_step(learner, scratch);
            steps++;
            elapsed = gv_bench_now() - start;
        }
        double rate = (double)steps * BATCH / elapsed;
        best = rate > best ? rate : best;
        double product = gv_blas_measure(20);
        gflops = product > gflops ? product : gflops;
    }
    if (err == GV_OK) {
        gv_bench_put(bench, "train", "samples_per_s", best, "1/s", "%s, batch %d, one thread", MODEL, BATCH);
        gv_bench_put(bench, "train", "sgemm_gflops", gflops, "GFLOP/s", "32x128x784, kernel %s", gv_blas_kernel());
        /* Products of a step, forward and backward: 6 operations a weight and sample, 4 in the first layer. */
        double per_sample = 4.0 * 784 * 128 + 6.0 * 128 * 10;
        gv_bench_put(bench, "train", "share_of_sgemm", best * per_sample / (gflops * 1e9), "",
                     "is what the products alone would take at that speed");
    }
    gv_learner_free(&learner);
    gv_scratch_free(&scratch);
    gv_model_free(&model);
    gv_data_deinit(&data);
    return err;
}

/* Three vectors, two of them filled with ordinary values, or an error. */
struct vectors {
    float *ours, *theirs;
    uint8_t *bytes;
};

static enum gv_err make_vectors(struct vectors *vectors, struct gv_diag *diag)
{
    *vectors = (struct vectors){0};
    vectors->ours = malloc(ELEMENTS * sizeof(float));
    vectors->theirs = malloc(ELEMENTS * sizeof(float));
    vectors->bytes = malloc(4 * ELEMENTS); /* as f32, the widest codec */
    if (vectors->ours == NULL || vectors->theirs == NULL || vectors->bytes == NULL) {
        free(vectors->ours);
        free(vectors->theirs);
        free(vectors->bytes);
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < ELEMENTS; i++) {
        vectors->ours[i] = (float)(i % 1013) * 1e-3f - 0.5f;
        vectors->theirs[i] = (float)(i % 1021) * 1e-3f - 0.5f;
    }
    memset(vectors->bytes, 0, ELEMENTS * sizeof(float));
    return GV_OK;
}

static void drop_vectors(struct vectors *vectors)
{
    free(vectors->ours);
    free(vectors->theirs);
    free(vectors->bytes);
}

/* One thing to time; returns whether it went well. */
typedef bool (*operation)(struct vectors *vectors);

static bool do_copy(struct vectors *v)
{
    memcpy(v->bytes, v->theirs, ELEMENTS * sizeof(float));
    return true;
}
static bool do_guard(struct vectors *v)
{
    return gv_guard_finite(v->theirs, ELEMENTS);
}
static bool do_stage(struct vectors *v)
{
    return gv_merge_stage(v->ours, v->theirs, ELEMENTS, 0.5f);
}
static bool do_commit(struct vectors *v)
{
    gv_merge_commit(v->ours, v->theirs, ELEMENTS);
    return true;
}
static bool do_encode_f32(struct vectors *v)
{
    gv_tensor_encode(v->bytes, GV_CODEC_F32, v->theirs, ELEMENTS);
    return true;
}
static bool do_decode_f32(struct vectors *v)
{
    return gv_tensor_decode(v->ours, ELEMENTS, GV_CODEC_F32, v->bytes, ELEMENTS * 4) == GV_OK;
}
static bool do_encode_f16(struct vectors *v)
{
    gv_tensor_encode(v->bytes, GV_CODEC_F16, v->theirs, ELEMENTS);
    return true;
}
static bool do_decode_f16(struct vectors *v)
{
    return gv_tensor_decode(v->ours, ELEMENTS, GV_CODEC_F16, v->bytes, ELEMENTS * 2) == GV_OK;
}

/* GB/s of float32 values passed through, the best of several runs. */
static enum gv_err time_operation(struct gv_bench *bench, const char *group, const char *key, operation run,
                                  struct vectors *vectors, const char *note, struct gv_diag *diag)
{
    double best = 0.0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = gv_bench_now();
        if (!run(vectors)) {
            return gv_diag_set(diag, GV_ERR_RANGE, "%s refused ordinary values", key);
        }
        double rate = (double)(ELEMENTS * sizeof(float)) / (gv_bench_now() - start) / 1e9;
        best = rate > best ? rate : best;
    }
    gv_bench_put(bench, group, key, best, "GB/s", "%s", note);
    return GV_OK;
}

static enum gv_err time_merge(struct gv_bench *bench, struct vectors *vectors, struct gv_diag *diag)
{
    enum gv_err err = time_operation(bench, "merge", "memcpy", do_copy, vectors, "of float32 values, one thread", diag);
    if (err == GV_OK) {
        err = time_operation(bench, "merge", "guard", do_guard, vectors, "all finite?", diag);
    }
    if (err == GV_OK) {
        err = time_operation(bench, "merge", "stage", do_stage, vectors, "d = a (theirs - ours), checked", diag);
    }
    if (err == GV_OK) {
        err = time_operation(bench, "merge", "commit", do_commit, vectors, "live += d", diag);
    }
    return err;
}

static enum gv_err time_codec(struct gv_bench *bench, struct vectors *vectors, struct gv_diag *diag)
{
    enum gv_err err = time_operation(bench, "codec", "memcpy", do_copy, vectors, "of float32 values, one thread", diag);
    if (err == GV_OK) {
        err = time_operation(bench, "codec", "encode_f32", do_encode_f32, vectors, "", diag);
    }
    if (err == GV_OK) {
        err = time_operation(bench, "codec", "decode_f32", do_decode_f32, vectors, "finite values only", diag);
    }
    if (err == GV_OK) {
        err = time_operation(bench, "codec", "encode_f16", do_encode_f16, vectors, "", diag);
    }
    if (err == GV_OK) {
        err = time_operation(bench, "codec", "decode_f16", do_decode_f16, vectors, "finite values only", diag);
    }
    return err;
}

enum gv_err gv_bench_merge(struct gv_bench *bench, struct gv_diag *diag)
{
    struct vectors vectors;
    enum gv_err err = make_vectors(&vectors, diag);
    if (err != GV_OK) {
        return err;
    }
    err = time_merge(bench, &vectors, diag);
    drop_vectors(&vectors);
    return err;
}

enum gv_err gv_bench_codec(struct gv_bench *bench, struct gv_diag *diag)
{
    struct vectors vectors;
    enum gv_err err = make_vectors(&vectors, diag);
    if (err != GV_OK) {
        return err;
    }
    err = time_codec(bench, &vectors, diag);
    drop_vectors(&vectors);
    return err;
}
