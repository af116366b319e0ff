/*
 * Models: a specification ("softmax:784-10", "mlp:784-128-10", any number of hidden layers) -> one contiguous float32
 * block with named, shaped views, and the arithmetic on it. Row-major; weights are (out, in), biases (out).
 *
 * A model object is immutable after gv_model_new() and may be shared by threads; scratch memory lives in a workspace,
 * one per thread. Threads with a workspace each may then work at the same time (gv_blas_set_threads(1) first:
 * OpenBLAS's own threads would stand in each other's way).
 */
#ifndef GV_MODEL_H
#define GV_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gv/err.h"
#include "gv/limits.h"
#include "rows.h"

struct gv_view {
    char name[GV_NAME_BYTES_MAX + 1]; /* "layer0.weight", "layer0.bias" */
    uint32_t rank;                    /* 1 or 2 */
    uint32_t shape[2];
    size_t offset; /* elements from the start of the block */
};

struct gv_layout {
    uint32_t view_count;
    struct gv_view view[2 * GV_LAYERS_MAX];
    size_t parameters; /* elements in the block */
    uint32_t features, classes;
};

struct gv_model;
struct gv_workspace;

/** Parses a specification. The diagnosis quotes it and says what was expected. Returns owned. */
GV_NODISCARD enum gv_err gv_model_new(struct gv_model **model, const char *spec, struct gv_diag *diag);
void gv_model_free(struct gv_model **model);
const struct gv_layout *gv_model_layout(const struct gv_model *model);

/** Canonical description of names, shapes and dtype, one view a line, for hashing. snprintf's contract. */
size_t gv_model_describe(const struct gv_model *model, char *out, size_t cap);

/** params (parameters) <- the initial values for `seed`: He-uniform weights, zero biases; the same on every machine. */
void gv_model_init(const struct gv_model *model, float *params, uint64_t seed);

/** Scratch for batches of at most `batch` rows. Returns owned. GV_ERR_RANGE for 0 or more than 32767 rows. */
GV_NODISCARD enum gv_err gv_workspace_new(struct gv_workspace **workspace, const struct gv_model *model,
                                          uint32_t batch);
void gv_workspace_free(struct gv_workspace **workspace);

/** True if the model reads a batch's bytes where they lie: one whose first layer has few outputs. */
bool gv_model_takes_bytes(const struct gv_model *model);

/** logits (batch, classes), borrowed from the workspace until its next use. x (batch, features). */
const float *gv_model_forward(const struct gv_model *model, struct gv_workspace *workspace, const float *params,
                              const float *x, uint32_t batch);

/** Mean softmax cross-entropy over the batch and, if `grad` is not NULL, its gradient (parameters, overwritten). */
float gv_model_loss(const struct gv_model *model, struct gv_workspace *workspace, const float *params, float *grad,
                    const float *x, const uint16_t *labels, uint32_t batch);

struct gv_score {
    float loss;     /* mean softmax cross-entropy */
    uint32_t right; /* rows whose label has the largest logit; a row with NaN is not right */
};

/** Loss and number of right answers over a batch, whose rows may be bytes if gv_model_takes_bytes(). */
struct gv_score gv_model_score(const struct gv_model *model, struct gv_workspace *workspace, const float *params,
                               const struct gv_rows *rows, const uint16_t *labels);

struct gv_sgd {
    float rate, momentum, weight_decay;
};

/**
 * One step of SGD with momentum, the gradient accumulated straight into the velocity, so that no gradient block exists:
 *   v <- momentum v + g + weight_decay w (weights only),  w <- w - rate v.
 * Without momentum there is no velocity either (NULL will do; one that is given is not touched):
 *   w <- w - rate (g + weight_decay w).
 * The rows may be bytes if gv_model_takes_bytes(). Returns the batch's mean loss before the step.
 */
float gv_model_sgd_step(const struct gv_model *model, struct gv_workspace *workspace, float *params, float *velocity,
                        const struct gv_sgd *sgd, const struct gv_rows *rows, const uint16_t *labels);

#endif
