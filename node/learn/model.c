/*
 * Fully connected models: softmax regression and multilayer perceptrons with ReLU.
 *
 *     out[l] = relu(out[l-1] W[l]' + b[l])     out[-1] = x, no relu on the last layer, whose output are the logits
 *
 * All parameters lie in one block, layer by layer, weights (out, in) before biases (out). The optimiser step keeps no
 * gradient: each layer's goes straight into the velocity (beta = momentum of the product), which is what keeps a node
 * within four times its model, and without momentum straight into the weights. Narrow layers have kernels of their own
 * (narrow.h), the others are OpenBLAS's.
 */
#include "model.h"

#include <cblas.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "entropy.h"
#include "hot.h"
#include "lanes.h"
#include "narrow.h"
#include "random.h"

#define STREAM_INIT 0x696e6974U /* "init" */

/* Alignment of scratch memory: one cache line, one AVX-512 vector. */
#define ALIGNMENT 64U

/* Where the kernels of narrow layers are better than OpenBLAS's products, see is_narrow(). Measured at 784-128. */
#define FEW_OUTPUTS 16U
#define SMALL_BATCH 64U
#define SMALL_FEATURES 4096U

struct gv_model {
    uint32_t layers;
    uint32_t width[GV_LAYERS_MAX + 1]; /* features, hidden..., classes */
    struct gv_layout layout;           /* views 2 l and 2 l + 1 are weight and bias of layer l */
};

struct gv_workspace {
    uint32_t batch;            /* rows the buffers have room for */
    float *out[GV_LAYERS_MAX]; /* (batch, width[l + 1]): outputs; the last ones become the loss's derivative */
    float *back[2];            /* (batch, widest hidden), taking turns: the derivative on its way back */
    float *memory;             /* owned; the buffers above lie in it */
};

/* ---- specification ---------------------------------------------------------------------------------------- */

static enum gv_err bad_spec(struct gv_diag *diag, const char *spec, const char *why)
{
    return gv_diag_set(diag, GV_ERR_MODEL,
                       "model \"%s\": %s; expected softmax:FEATURES-CLASSES or mlp:FEATURES-HIDDEN-...-CLASSES, for "
                       "example mlp:784-128-10",
                       spec, why);
}

/* Reads "784-128-10" into model->width. */
static enum gv_err parse_widths(struct gv_model *model, const char *spec, const char *text, struct gv_diag *diag)
{
    uint32_t count = 0;
    for (;;) {
        uint32_t width = 0;
        const char *digit = text;
        for (; *digit >= '0' && *digit <= '9'; digit++) {
            width = width * 10 + (uint32_t)(*digit - '0');
            if (width > GV_FEATURES_MAX) {
                return bad_spec(diag, spec, "a width is larger than 65536");
            }
        }
        if (digit == text) {
            return bad_spec(diag, spec, "a number is missing");
        }
        if (width == 0) {
            return bad_spec(diag, spec, "a width is zero");
        }
        if (count > GV_LAYERS_MAX) {
            return bad_spec(diag, spec, "more than 16 layers");
        }
        model->width[count++] = width;
        if (*digit == '\0') {
            model->layers = count - 1;
            return GV_OK;
        }
        if (*digit != '-') {
            return bad_spec(diag, spec, "widths are whole numbers joined by \"-\"");
        }
        text = digit + 1;
    }
}

static enum gv_err parse_spec(struct gv_model *model, const char *spec, struct gv_diag *diag)
{
    bool is_softmax = strncmp(spec, "softmax:", 8) == 0;
    bool is_mlp = strncmp(spec, "mlp:", 4) == 0;
    if (!is_softmax && !is_mlp) {
        return bad_spec(diag, spec, "unknown kind");
    }
    enum gv_err err = parse_widths(model, spec, spec + (is_softmax ? 8 : 4), diag);
    if (err != GV_OK) {
        return err;
    }
    if (is_softmax && model->layers != 1) {
        return bad_spec(diag, spec, "softmax has exactly two widths");
    }
    if (is_mlp && model->layers < 2) {
        return bad_spec(diag, spec, "an mlp has at least three widths");
    }
    uint32_t classes = model->width[model->layers];
    if (classes < 2 || classes > GV_CLASSES_MAX) {
        return bad_spec(diag, spec, "the last width is the number of classes, 2 to 1024");
    }
    return GV_OK;
}

static void add_view(struct gv_layout *layout, uint32_t layer, const char *what, uint32_t rows, uint32_t columns)
{
    struct gv_view *view = &layout->view[layout->view_count++];
    (void)snprintf(view->name, sizeof view->name, "layer%u.%s", layer, what);
    view->rank = columns == 0 ? 1 : 2;
    view->shape[0] = rows;
    view->shape[1] = columns;
    view->offset = layout->parameters;
    layout->parameters += (size_t)rows * (columns == 0 ? 1 : columns);
}

/* Two layers of at most 2^32 weights each cannot overflow a size_t; the limit is checked after each. */
static enum gv_err lay_out(struct gv_model *model, const char *spec, struct gv_diag *diag)
{
    struct gv_layout *layout = &model->layout;
    layout->features = model->width[0];
    layout->classes = model->width[model->layers];
    for (uint32_t l = 0; l < model->layers; l++) {
        add_view(layout, l, "weight", model->width[l + 1], model->width[l]);
        add_view(layout, l, "bias", model->width[l + 1], 0);
        if (layout->parameters > GV_PARAMETERS_MAX) {
            return bad_spec(diag, spec, "more than 2^30 parameters");
        }
    }
    return GV_OK;
}

/* ---- loops over whole blocks ------------------------------------------------------------------------------ */

/* out <- relu(out + bias). Written so that a NaN stays one: a diverged model must not look healthy. */
GV_HOT static void add_bias_relu(float *restrict out, const float *restrict bias, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++) {
        float *row = out + r * n;
        for (size_t j = 0; j < n; j++) {
            float sum = row[j] + bias[j];
            row[j] = sum < 0.0F ? 0.0F : sum;
        }
    }
}

static void relu(float *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = out[i] < 0.0F ? 0.0F : out[i];
    }
}

static void add_bias(float *restrict out, const float *restrict bias, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < n; j++) {
            out[r * n + j] += bias[j];
        }
    }
}

/* The derivative of relu: back (n) stays where relu passed its input on, which is then positive, and is 0 elsewhere. */
GV_HOT static void mask_relu(float *restrict back, const float *restrict out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        back[i] = out[i] > 0.0F ? back[i] : 0.0F;
    }
}

/* The gradient of the biases, the columns' sums of delta (rows, n), and what descent does with it. */
GV_HOT static void descend_bias(const struct gv_descent *to, const float *restrict delta, size_t rows, size_t n)
{
    for (size_t first = 0; first < n; first += GV_LANES) {
        size_t count = n - first < GV_LANES ? n - first : GV_LANES;
        float sum[GV_LANES] = {0};
        for (size_t r = 0; r < rows; r++) {
            for (size_t j = 0; j < count; j++) {
                sum[j] += delta[r * n + first + j];
            }
        }
        for (size_t j = 0; j < count; j++) {
            float step = sum[j];
            if (to->velocity != NULL) {
                step += to->momentum == 0.0F ? 0.0F : to->momentum * to->velocity[first + j];
                to->velocity[first + j] = step;
            }
            if (to->weight != NULL) {
                to->weight[first + j] -= to->rate * step;
            }
        }
    }
}

/* v <- v + decay w,  w <- w - rate v, in one pass. */
GV_HOT static void descend(float *restrict w, float *restrict v, size_t n, float rate, float decay)
{
    for (size_t i = 0; i < n; i++) {
        float velocity = v[i] + decay * w[i];
        v[i] = velocity;
        w[i] -= rate * velocity;
    }
}

/* The same without decay: v is only read. */
GV_HOT static void descend_plain(float *restrict w, const float *restrict v, size_t n, float rate)
{
    for (size_t i = 0; i < n; i++) {
        w[i] -= rate * v[i];
    }
}

/* ---- forward ---------------------------------------------------------------------------------------------- */

/* Where layer l's weights, or with `+ 1` its biases, begin. */
static size_t weight_offset(const struct gv_model *model, uint32_t l)
{
    return model->layout.view[2 * l].offset;
}

static size_t bias_offset(const struct gv_model *model, uint32_t l)
{
    return model->layout.view[2 * l + 1].offset;
}

/* True if the layer's products are those of narrow.h: always with few outputs, and with more where the batch and the
   layer are small enough that a general product's packing is not worth it. */
static bool is_narrow(size_t rows, uint32_t n, uint32_t k)
{
    return n <= FEW_OUTPUTS ||
           (n <= GV_NARROW_MAX && rows <= SMALL_BATCH && k <= SMALL_FEATURES && gv_narrow_is_fast());
}

/* Logits, in the last out[]. */
static float *forward(const struct gv_model *model, struct gv_workspace *workspace, const float *params,
                      const struct gv_rows *rows)
{
    GV_ASSERT(rows->count > 0 && rows->count <= workspace->batch);
    uint32_t batch = (uint32_t)rows->count;
    struct gv_rows in = *rows;
    for (uint32_t l = 0; l < model->layers; l++) {
        uint32_t n = model->width[l + 1];
        uint32_t k = model->width[l];
        const float *weight = params + weight_offset(model, l);
        const float *bias = params + bias_offset(model, l);
        float *out = workspace->out[l];
        bool hidden = l + 1 < model->layers;
        if (is_narrow(batch, n, k)) {
            gv_narrow_forward(out, &in, weight, bias, n, k);
            if (hidden) {
                relu(out, (size_t)batch * n);
            }
        } else {
            GV_ASSERT(in.x != NULL);
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)batch, (int)n, (int)k, 1.0F, in.x, (int)k, weight,
                        (int)k, 0.0F, out, (int)n);
            if (hidden) {
                add_bias_relu(out, bias, batch, n);
            } else {
                add_bias(out, bias, batch, n);
            }
        }
        in = (struct gv_rows){.count = batch, .x = out};
    }
    return workspace->out[model->layers - 1];
}

/* ---- loss and gradient ------------------------------------------------------------------------------------ */

/* True if the label's logit is the largest, the first such one in a tie. Comparisons with NaN are false: not right. */
static bool is_right(const float *logits, uint16_t label, uint32_t classes)
{
    for (uint32_t j = 0; j < classes; j++) {
        bool below = j < label ? logits[j] < logits[label] : logits[j] <= logits[label];
        if (!below) {
            return false;
        }
    }
    return true;
}

/* back (rows, k) <- delta (rows, n) weight where in is positive, else 0. */
static void backward_product(float *back, const float *in, const float *delta, const float *weight, uint32_t rows,
                             uint32_t n, uint32_t k)
{
    if (n <= FEW_OUTPUTS) {
        gv_narrow_backward(back, in, delta, weight, rows, n, k);
        return;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)k, (int)n, 1.0F, delta, (int)n, weight,
                (int)k, 0.0F, back, (int)k);
    mask_relu(back, in, (size_t)rows * k);
}

/* A wide layer's gradient goes into the velocity if there is one. If not, the same product moves the weights:
   w <- (1 - rate decay) w - rate delta' in. */
static void descend_wide(const struct gv_descent *to, const float *delta, const float *in, uint32_t rows, uint32_t n,
                         uint32_t k)
{
    if (to->velocity == NULL) {
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)n, (int)k, (int)rows, -to->rate, delta, (int)n, in,
                    (int)k, 1.0F - to->rate * to->decay, to->weight, (int)k);
        return;
    }
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)n, (int)k, (int)rows, 1.0F, delta, (int)n, in, (int)k,
                to->momentum, to->velocity, (int)k);
    if (to->weight == NULL) {
        return;
    }
    if (to->decay != 0.0F) {
        descend(to->weight, to->velocity, (size_t)n * k, to->rate, to->decay);
    } else {
        descend_plain(to->weight, to->velocity, (size_t)n * k, to->rate);
    }
}

/* The same descent for the part of the blocks at `offset`. */
static struct gv_descent descent_at(const struct gv_descent *to, size_t offset)
{
    struct gv_descent part = *to;
    part.velocity = to->velocity != NULL ? to->velocity + offset : NULL;
    part.weight = to->weight != NULL ? to->weight + offset : NULL;
    return part;
}

/*
 * From the loss's derivative by the logits, left in the last out[], back to the first layer. `to` holds whole blocks.
 * Layer l's weights carry the derivative to layer l - 1 before they move.
 */
static void backward(const struct gv_model *model, struct gv_workspace *workspace, const float *params,
                     const struct gv_descent *to, const struct gv_rows *rows)
{
    uint32_t batch = (uint32_t)rows->count;
    const float *delta = workspace->out[model->layers - 1];
    for (uint32_t l = model->layers; l-- > 0;) {
        uint32_t n = model->width[l + 1];
        uint32_t k = model->width[l];
        struct gv_rows in = *rows;
        if (l > 0) {
            in = (struct gv_rows){.count = batch, .x = workspace->out[l - 1]};
        }
        float *back = workspace->back[l % 2]; /* the other one holds delta */
        if (l > 0) {
            backward_product(back, in.x, delta, params + weight_offset(model, l), batch, n, k);
        }
        struct gv_descent weights = descent_at(to, weight_offset(model, l));
        struct gv_descent biases = descent_at(to, bias_offset(model, l));
        if (is_narrow(batch, n, k)) {
            gv_narrow_descend(&weights, delta, &in, n, k);
        } else {
            descend_wide(&weights, delta, in.x, batch, n, k);
        }
        descend_bias(&biases, delta, batch, n);
        delta = back;
    }
}

/* ---- public ----------------------------------------------------------------------------------------------- */

enum gv_err gv_model_new(struct gv_model **model, const char *spec, struct gv_diag *diag)
{
    *model = NULL;
    struct gv_model *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "model \"%s\": out of memory", spec);
    }
    enum gv_err err = parse_spec(made, spec, diag);
    if (err == GV_OK) {
        err = lay_out(made, spec, diag);
    }
    if (err != GV_OK) {
        free(made);
        return err;
    }
    *model = made;
    return GV_OK;
}

void gv_model_free(struct gv_model **model)
{
    if (model != NULL) {
        free(*model);
        *model = NULL;
    }
}

const struct gv_layout *gv_model_layout(const struct gv_model *model)
{
    return &model->layout;
}

size_t gv_model_describe(const struct gv_model *model, char *out, size_t cap)
{
    size_t used = 0;
    for (uint32_t i = 0; i < model->layout.view_count; i++) {
        const struct gv_view *view = &model->layout.view[i];
        char line[GV_NAME_BYTES_MAX + 32];
        int bytes = view->rank == 1
                        ? snprintf(line, sizeof line, "%s f32 %u\n", view->name, view->shape[0])
                        : snprintf(line, sizeof line, "%s f32 %ux%u\n", view->name, view->shape[0], view->shape[1]);
        GV_ASSERT(bytes > 0 && (size_t)bytes < sizeof line);
        if (used < cap) {
            (void)snprintf(out + used, cap - used, "%s", line);
        }
        used += (size_t)bytes;
    }
    return used;
}

void gv_model_init(const struct gv_model *model, float *params, uint64_t seed)
{
    struct gv_random random;
    gv_random_seed(&random, seed, STREAM_INIT);
    for (uint32_t l = 0; l < model->layers; l++) {
        /* He et al., "Delving deep into rectifiers", 2015: variance 2 / fan-in, here of a uniform distribution. */
        float bound = sqrtf(6.0F / (float)model->width[l]);
        float *weight = params + weight_offset(model, l);
        size_t weights = (size_t)model->width[l + 1] * model->width[l];
        for (size_t i = 0; i < weights; i++) {
            weight[i] = bound * (2.0F * gv_random_float(&random) - 1.0F);
        }
        memset(params + bias_offset(model, l), 0, model->width[l + 1] * sizeof *params);
    }
}

enum gv_err gv_workspace_new(struct gv_workspace **workspace, const struct gv_model *model, uint32_t batch)
{
    *workspace = NULL;
    if (batch == 0 || batch > GV_BATCH_MAX) {
        return GV_ERR_RANGE;
    }
    struct gv_workspace *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return GV_ERR_NOMEM;
    }
    size_t elements = 0;
    size_t offset[GV_LAYERS_MAX];
    size_t widest = 1;
    for (uint32_t l = 0; l < model->layers; l++) {
        offset[l] = elements;
        elements += ((size_t)batch * model->width[l + 1] + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        if (l + 1 < model->layers && model->width[l + 1] > widest) {
            widest = model->width[l + 1];
        }
    }
    size_t back = elements;
    size_t back_elements = ((size_t)batch * widest + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    elements += 2 * back_elements;
    made->memory = aligned_alloc(ALIGNMENT, elements * sizeof *made->memory);
    if (made->memory == NULL) {
        free(made);
        return GV_ERR_NOMEM;
    }
    for (uint32_t l = 0; l < model->layers; l++) {
        made->out[l] = made->memory + offset[l];
    }
    made->back[0] = made->memory + back;
    made->back[1] = made->back[0] + back_elements;
    made->batch = batch;
    *workspace = made;
    return GV_OK;
}

void gv_workspace_free(struct gv_workspace **workspace)
{
    if (workspace != NULL && *workspace != NULL) {
        free((*workspace)->memory);
        free(*workspace);
        *workspace = NULL;
    }
}

bool gv_model_takes_bytes(const struct gv_model *model)
{
    return model->width[1] <= FEW_OUTPUTS;
}

const float *gv_model_forward(const struct gv_model *model, struct gv_workspace *workspace, const float *params,
                              const float *x, uint32_t batch)
{
    struct gv_rows rows = {.count = batch, .x = x};
    return forward(model, workspace, params, &rows);
}

float gv_model_loss(const struct gv_model *model, struct gv_workspace *workspace, const float *params, float *grad,
                    const float *x, const uint16_t *labels, uint32_t batch)
{
    struct gv_rows rows = {.count = batch, .x = x};
    float *logits = forward(model, workspace, params, &rows);
    float loss = gv_cross_entropy(logits, labels, batch, model->layout.classes, grad != NULL);
    if (grad != NULL) {
        struct gv_descent to = {.velocity = grad};
        backward(model, workspace, params, &to, &rows);
    }
    return loss;
}

struct gv_score gv_model_score(const struct gv_model *model, struct gv_workspace *workspace, const float *params,
                               const struct gv_rows *rows, const uint16_t *labels)
{
    uint32_t classes = model->layout.classes;
    float *logits = forward(model, workspace, params, rows);
    struct gv_score score = {.loss = gv_cross_entropy(logits, labels, (uint32_t)rows->count, classes, false)};
    for (size_t r = 0; r < rows->count; r++) { /* a loss without derivative leaves the logits be */
        score.right += is_right(logits + r * classes, labels[r], classes) ? 1U : 0U;
    }
    return score;
}

float gv_model_sgd_step(const struct gv_model *model, struct gv_workspace *workspace, float *params, float *velocity,
                        const struct gv_sgd *sgd, const struct gv_rows *rows, const uint16_t *labels)
{
    float *logits = forward(model, workspace, params, rows);
    float loss = gv_cross_entropy(logits, labels, (uint32_t)rows->count, model->layout.classes, true);
    GV_ASSERT(velocity != NULL || sgd->momentum == 0.0F);
    struct gv_descent to = {.velocity = sgd->momentum == 0.0F ? NULL : velocity,
                            .weight = params,
                            .rate = sgd->rate,
                            .momentum = sgd->momentum,
                            .decay = sgd->weight_decay};
    backward(model, workspace, params, &to, rows);
    return loss;
}
