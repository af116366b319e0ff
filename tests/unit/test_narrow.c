/*
 * Kernels of narrow layers: bit for bit a plain loop over sixteen lanes, in every version that this processor can run.
 * The file itself is included, so that versions can be called that the processor would not choose.
 */
#include "narrow.c" /* NOLINT */

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "learn_help.h"
#include "random.h"

enum { ROWS_MAX = 9, K_MAX = 100 };

/* Shapes around the tiles: outputs by five, two and one, columns by thirty-two, sixteen and the rest, rows by two. */
static const size_t OUTPUTS[] = {1, 2, 3, 5, 8, 10, 16};
static const size_t COLUMNS[] = {1, 15, 16, 30, 32, 47, 48, 64, 100};
static const size_t ROWS[] = {1, 2, 3, 9};

struct layer {
    size_t rows, n, k;
    float x[ROWS_MAX * K_MAX], in[ROWS_MAX * K_MAX], delta[ROWS_MAX * GV_NARROW_MAX];
    float weight[GV_NARROW_MAX * K_MAX], velocity[GV_NARROW_MAX * K_MAX], bias[GV_NARROW_MAX];
};

static void fill(float *values, size_t n, struct gv_random *random)
{
    for (size_t i = 0; i < n; i++) {
        values[i] = 2.0F * gv_random_float(random) - 1.0F;
    }
}

static void make_layer(struct layer *layer, size_t rows, size_t n, size_t k, struct gv_random *random)
{
    layer->rows = rows;
    layer->n = n;
    layer->k = k;
    fill(layer->x, rows * k, random);
    fill(layer->in, rows * k, random);
    fill(layer->delta, rows * n, random);
    fill(layer->weight, n * k, random);
    fill(layer->velocity, n * k, random);
    fill(layer->bias, n, random);
}

/* Calls check for every shape. */
static void each_shape(void (*check)(const struct layer *layer))
{
    static struct layer layer;
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

static void expect_bits(const float *got, const float *expected, size_t n, const struct layer *layer, const char *what)
{
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(got[i], expected[i], "%s, %zu rows, %zu outputs, %zu columns: element %zu is %a, not %a", what,
                     layer->rows, layer->n, layer->k, i, (double)got[i], (double)expected[i]);
    }
}

/* Runs a kernel in each of its versions. RUN sets up and calls `version`, then compares. */
#if defined(__x86_64__) && defined(__GNUC__)
#define EACH_VERSION(name, RUN)              \
    RUN(name##_plain)                        \
    if (__builtin_cpu_supports("avx2")) {    \
        RUN(name##_avx2)                     \
    }                                        \
    if (__builtin_cpu_supports("avx512f")) { \
        RUN(name##_avx512)                   \
    }
#else
#define EACH_VERSION(name, RUN) RUN(name)
#endif

static void check_forward(const struct layer *layer)
{
    float expected[ROWS_MAX * GV_NARROW_MAX], out[ROWS_MAX * GV_NARROW_MAX];
    for (size_t r = 0; r < layer->rows; r++) {
        for (size_t j = 0; j < layer->n; j++) {
            float lanes[GV_LANES] = {0};
            double exact = (double)layer->bias[j];
            for (size_t i = 0; i < layer->k; i++) {
                lanes[i % GV_LANES] += layer->x[r * layer->k + i] * layer->weight[j * layer->k + i];
                exact += (double)layer->x[r * layer->k + i] * (double)layer->weight[j * layer->k + i];
            }
            expected[r * layer->n + j] = sum_lanes(lanes) + layer->bias[j];
            cr_assert(fabs((double)expected[r * layer->n + j] - exact) < 1e-5);
        }
    }
    struct forward f = {.out = out,
                        .x = layer->x,
                        .weight = layer->weight,
                        .bias = layer->bias,
                        .rows = layer->rows,
                        .n = layer->n,
                        .k = layer->k};
#define RUN(version)               \
    memset(out, 0xff, sizeof out); \
    version(&f);                   \
    expect_bits(out, expected, layer->rows * layer->n, layer, #version);
    EACH_VERSION(forward, RUN)
#undef RUN
    memset(out, 0xff, sizeof out);
    gv_narrow_forward(out, layer->x, layer->weight, layer->bias, layer->rows, layer->n, layer->k);
    expect_bits(out, expected, layer->rows * layer->n, layer, "gv_narrow_forward");
}

Test(narrow, forward_is_a_sum_in_sixteen_lanes_in_every_version)
{
    each_shape(check_forward);
}

static void check_backward(const struct layer *layer)
{
    float expected[ROWS_MAX * K_MAX], out[ROWS_MAX * K_MAX];
    for (size_t r = 0; r < layer->rows; r++) {
        for (size_t i = 0; i < layer->k; i++) {
            float sum = 0.0F;
            for (size_t j = 0; j < layer->n; j++) {
                sum += layer->delta[r * layer->n + j] * layer->weight[j * layer->k + i];
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
#define RUN(version)               \
    memset(out, 0xff, sizeof out); \
    version(&b);                   \
    expect_bits(out, expected, layer->rows * layer->k, layer, #version);
    EACH_VERSION(back_through, RUN)
#undef RUN
    memset(out, 0xff, sizeof out);
    gv_narrow_backward(out, layer->in, layer->delta, layer->weight, layer->rows, layer->n, layer->k);
    expect_bits(out, expected, layer->rows * layer->k, layer, "gv_narrow_backward");
}

Test(narrow, backward_is_a_sum_over_outputs_where_relu_let_pass)
{
    each_shape(check_backward);
}

/* A copy of what a descent changes. */
struct blocks {
    float weight[GV_NARROW_MAX * K_MAX], velocity[GV_NARROW_MAX * K_MAX];
};

static void plain_descend(struct blocks *blocks, const struct layer *layer, const struct gv_descent *to)
{
    for (size_t j = 0; j < layer->n; j++) {
        for (size_t i = 0; i < layer->k; i++) {
            float step = 0.0F;
            for (size_t r = 0; r < layer->rows; r++) {
                step += layer->delta[r * layer->n + j] * layer->x[r * layer->k + i];
            }
            float *v = &blocks->velocity[j * layer->k + i];
            float *w = &blocks->weight[j * layer->k + i];
            if (to->momentum != 0.0F) {
                step += to->momentum * *v;
            }
            if (to->weight != NULL && to->decay != 0.0F) {
                step += to->decay * *w;
            }
            if (to->velocity != NULL) {
                *v = step;
            }
            if (to->weight != NULL) {
                *w -= to->rate * step;
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
        struct descend d = {
            .to = &to, .delta = layer->delta, .x = layer->x, .rows = layer->rows, .n = layer->n, .k = layer->k};
        /* The whole blocks: what lies behind the layer must stay. */
#define RUN(version)                                                                             \
    memcpy(got.weight, layer->weight, sizeof got.weight);                                        \
    memcpy(got.velocity, layer->velocity, sizeof got.velocity);                                  \
    version(&d);                                                                                 \
    expect_bits(got.weight, expected.weight, GV_NARROW_MAX *K_MAX, layer, #version ", weights"); \
    expect_bits(got.velocity, expected.velocity, GV_NARROW_MAX *K_MAX, layer, #version ", velocity");
        EACH_VERSION(descend, RUN)
#undef RUN
    }
}

Test(narrow, descent_is_gradient_momentum_and_decay_in_every_version)
{
    each_shape(check_descend);
}
