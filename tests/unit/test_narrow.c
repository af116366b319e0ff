/*
 * Kernels of narrow layers: bit for bit a plain loop over sixteen lanes of fused products, in every version that this
 * processor can run, the one for processors that do not fuse nearly so.
 * The file itself is included, so that versions can be called that the processor would not choose.
 */
#include "narrow.c" /* NOLINT */

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "learn_help.h"
#include "random.h"

enum { ROWS_MAX = 35, K_MAX = 100, N_MAX = 27 };

/* Shapes around the tiles: outputs by ten, five, two and one, columns by thirty-two, sixteen and the rest, rows by two,
   and a panel of them that is full. */
static const size_t OUTPUTS[] = {1, 2, 3, 5, 8, 10, 16, 27};
static const size_t COLUMNS[] = {1, 15, 16, 30, 32, 47, 48, 64, 100};
static const size_t ROWS[] = {1, 2, 3, 9, 35};

struct layer {
    size_t rows, n, k;
    bool bytes; /* x is what the bytes scale to */
    struct gv_rows input;
    uint8_t byte[ROWS_MAX * K_MAX];
    const uint8_t *byte_row[ROWS_MAX]; /* from the last to the first */
    float x[ROWS_MAX * K_MAX], in[ROWS_MAX * K_MAX], delta[ROWS_MAX * N_MAX];
    float weight[N_MAX * K_MAX], velocity[N_MAX * K_MAX], bias[N_MAX];
};

static void fill(float *values, size_t n, struct gv_random *random)
{
    for (size_t i = 0; i < n; i++) {
        values[i] = 2.0F * gv_random_float(random) - 1.0F;
    }
}

static void fill_input(struct layer *layer, struct gv_random *random)
{
    size_t rows = layer->rows;
    size_t k = layer->k;
    layer->input = (struct gv_rows){.count = rows, .x = layer->x};
    fill(layer->x, rows * k, random);
    if (!layer->bytes) {
        return;
    }
    layer->input = (struct gv_rows){.count = rows, .bytes = layer->byte_row, .scale = 0.01F, .offset = -0.8F};
    for (size_t r = 0; r < rows; r++) {
        layer->byte_row[r] = layer->byte + (rows - 1 - r) * k;
    }
    for (size_t i = 0; i < rows * k; i++) {
        layer->byte[i] = (uint8_t)gv_random_below(random, 256);
    }
    for (size_t i = 0; i < rows * k; i++) {
        layer->x[i] = fmaf((float)layer->byte_row[i / k][i % k], 0.01F, -0.8F);
    }
}

static void make_layer(struct layer *layer, size_t rows, size_t n, size_t k, struct gv_random *random)
{
    layer->rows = rows;
    layer->n = n;
    layer->k = k;
    fill_input(layer, random);
    fill(layer->in, rows * k, random);
    fill(layer->delta, rows * n, random);
    fill(layer->weight, n * k, random);
    fill(layer->velocity, n * k, random);
    fill(layer->bias, n, random);
}

/* Calls check for every shape. */
static void each_shape(void (*check)(const struct layer *layer), bool bytes)
{
    static struct layer layer;
    layer.bytes = bytes;
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    for (size_t r = 0; r < sizeof ROWS / sizeof ROWS[0]; r++) {
        for (size_t n = 0; n < sizeof OUTPUTS / sizeof OUTPUTS[0]; n++) {
            for (size_t k = 0; k < sizeof COLUMNS / sizeof COLUMNS[0]; k++) {
                make_layer(&layer, ROWS[r], OUTPUTS[n], COLUMNS[k], &random);
                check(&layer);
            }
        }
    }
}

/* The sum of sixteen lanes, halves first. */
static float sum_lanes(float *lanes)
{
    for (size_t half = 8; half > 0; half /= 2) {
        for (size_t i = 0; i < half; i++) {
            lanes[i] += lanes[i + half];
        }
    }
    return lanes[0];
}

/* tolerance 0: bit for bit */
static void expect_near(const float *got, const float *expected, size_t n, double tolerance, const struct layer *layer,
                        const char *what)
{
    for (size_t i = 0; i < n; i++) {
        cr_assert(fabs((double)got[i] - (double)expected[i]) <= tolerance,
                  "%s, %zu rows, %zu outputs, %zu columns: element %zu is %a, not %a", what, layer->rows, layer->n,
                  layer->k, i, (double)got[i], (double)expected[i]);
    }
}

/* Rounding twice where the reference rounds once, in sums of a hundred terms below four. */
#define UNFUSED 1e-4

/* Runs a kernel in each of its versions. RUN sets up and calls `version`, then compares. */
#if defined(__x86_64__) && defined(__GNUC__)
#define EACH_VERSION(name, RUN)                                            \
    RUN(name##_plain, UNFUSED)                                             \
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) { \
        RUN(name##_avx2, 0.0)                                              \
    }                                                                      \
    if (__builtin_cpu_supports("avx512f")) {                               \
        RUN(name##_avx512, 0.0)                                            \
    }
#define CHOSEN (gv_narrow_is_fast() ? 0.0 : UNFUSED)
#elif defined(__aarch64__)
#define EACH_VERSION(name, RUN) RUN(name##_plain, 0.0)
#define CHOSEN 0.0
#else
#define EACH_VERSION(name, RUN) RUN(name##_plain, UNFUSED)
#define CHOSEN UNFUSED
#endif

static void check_forward(const struct layer *layer)
{
    float expected[ROWS_MAX * N_MAX], out[ROWS_MAX * N_MAX];
    for (size_t r = 0; r < layer->rows; r++) {
        for (size_t j = 0; j < layer->n; j++) {
            float lanes[GV_LANES] = {0};
            double exact = (double)layer->bias[j];
            for (size_t i = 0; i < layer->k; i++) {
                float *lane = &lanes[i % GV_LANES];
                *lane = fmaf(layer->x[r * layer->k + i], layer->weight[j * layer->k + i], *lane);
                exact += (double)layer->x[r * layer->k + i] * (double)layer->weight[j * layer->k + i];
            }
            expected[r * layer->n + j] = sum_lanes(lanes) + layer->bias[j];
            cr_assert(fabs((double)expected[r * layer->n + j] - exact) < 2e-5);
        }
    }
    struct forward f = {
        .out = out, .in = &layer->input, .weight = layer->weight, .bias = layer->bias, .n = layer->n, .k = layer->k};
#define RUN(version, tolerance)    \
    memset(out, 0xff, sizeof out); \
    version(&f);                   \
    expect_near(out, expected, layer->rows * layer->n, tolerance, layer, #version);
    EACH_VERSION(forward, RUN)
#undef RUN
    memset(out, 0xff, sizeof out);
    gv_narrow_forward(out, &layer->input, layer->weight, layer->bias, layer->n, layer->k);
    expect_near(out, expected, layer->rows * layer->n, CHOSEN, layer, "gv_narrow_forward");
}

Test(narrow, forward_is_a_sum_in_sixteen_lanes_in_every_version)
{
    each_shape(check_forward, false);
}

Test(narrow, forward_scales_bytes_in_every_version)
{
    each_shape(check_forward, true);
}

static void check_backward(const struct layer *layer)
{
    float expected[ROWS_MAX * K_MAX], out[ROWS_MAX * K_MAX];
    for (size_t r = 0; r < layer->rows; r++) {
        for (size_t i = 0; i < layer->k; i++) {
            float sum = 0.0F;
            for (size_t j = 0; j < layer->n; j++) {
                sum = fmaf(layer->delta[r * layer->n + j], layer->weight[j * layer->k + i], sum);
            }
            expected[r * layer->k + i] = layer->in[r * layer->k + i] > 0.0F ? sum : 0.0F;
        }
    }
    struct back b = {.out = out,
                     .in = layer->in,
                     .delta = layer->delta,
                     .weight = layer->weight,
                     .rows = layer->rows,
                     .n = layer->n,
                     .k = layer->k};
#define RUN(version, tolerance)    \
    memset(out, 0xff, sizeof out); \
    version(&b);                   \
    expect_near(out, expected, layer->rows * layer->k, tolerance, layer, #version);
    EACH_VERSION(back_through, RUN)
#undef RUN
    memset(out, 0xff, sizeof out);
    gv_narrow_backward(out, layer->in, layer->delta, layer->weight, layer->rows, layer->n, layer->k);
    expect_near(out, expected, layer->rows * layer->k, CHOSEN, layer, "gv_narrow_backward");
}

Test(narrow, backward_is_a_sum_over_outputs_where_relu_let_pass)
{
    each_shape(check_backward, false);
}

/* A copy of what a descent changes. */
struct blocks {
    float weight[N_MAX * K_MAX], velocity[N_MAX * K_MAX];
};

/* One element of the gradient. Of bytes the scale is applied to sums of unscaled ones. */
static float plain_gradient(const struct layer *layer, size_t j, size_t i)
{
    const struct gv_rows *in = &layer->input;
    float sum = 0.0F;
    float constant = 0.0F;
    double exact = 0.0;
    for (size_t r = 0; r < layer->rows; r++) {
        float delta = layer->delta[r * layer->n + j];
        sum = fmaf(delta, layer->bytes ? (float)in->bytes[r][i] : layer->x[r * layer->k + i], sum);
        constant += delta;
        exact += (double)delta * (double)layer->x[r * layer->k + i];
    }
    constant *= in->offset;
    sum = layer->bytes ? fmaf(sum, in->scale, constant) : sum;
    cr_assert(fabs((double)sum - exact) < 2e-5);
    return sum;
}

static void plain_descend(struct blocks *blocks, const struct layer *layer, const struct gv_descent *to)
{
    for (size_t j = 0; j < layer->n; j++) {
        for (size_t i = 0; i < layer->k; i++) {
            float step = plain_gradient(layer, j, i);
            float *v = &blocks->velocity[j * layer->k + i];
            float *w = &blocks->weight[j * layer->k + i];
            if (to->momentum != 0.0F) {
                step = fmaf(to->momentum, *v, step);
            }
            if (to->weight != NULL && to->decay != 0.0F) {
                step = fmaf(to->decay, *w, step);
            }
            if (to->velocity != NULL) {
                *v = step;
            }
            if (to->weight != NULL) {
                *w = fmaf(-to->rate, step, *w);
            }
        }
    }
}

static void check_descend(const struct layer *layer)
{
    static struct blocks expected, got;
    static const struct gv_descent KINDS[] = {
        {.weight = expected.weight, .rate = 0.1F},
        {.weight = expected.weight, .rate = 0.1F, .decay = 0.01F},
        {.weight = expected.weight, .velocity = expected.velocity, .rate = 0.1F, .momentum = 0.9F},
        {.weight = expected.weight, .velocity = expected.velocity, .rate = 0.1F, .momentum = 0.9F, .decay = 0.5F},
        {.velocity = expected.velocity},
    };
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        struct gv_descent to = KINDS[i];
        memcpy(expected.weight, layer->weight, sizeof expected.weight);
        memcpy(expected.velocity, layer->velocity, sizeof expected.velocity);
        plain_descend(&expected, layer, &to);
        to.weight = to.weight != NULL ? got.weight : NULL;
        to.velocity = to.velocity != NULL ? got.velocity : NULL;
        /* The whole blocks: what lies behind the layer must stay. */
#define RUN(version, tolerance)                                                                     \
    memcpy(got.weight, layer->weight, sizeof got.weight);                                           \
    memcpy(got.velocity, layer->velocity, sizeof got.velocity);                                     \
    version(&d);                                                                                    \
    expect_near(got.weight, expected.weight, N_MAX *K_MAX, tolerance, layer, #version ", weights"); \
    expect_near(got.velocity, expected.velocity, N_MAX *K_MAX, tolerance, layer, #version ", velocity");
        struct descend d = make_descend(&to, layer->delta, &layer->input, layer->n, layer->k);
        EACH_VERSION(descend, RUN)
#undef RUN
    }
}

Test(narrow, descent_is_gradient_momentum_and_decay_in_every_version)
{
    each_shape(check_descend, false);
}

Test(narrow, descent_scales_the_sums_of_bytes_in_every_version)
{
    each_shape(check_descend, true);
}
