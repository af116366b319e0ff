/* Models: specifications, layout, gradients against central differences, the optimiser step against its plain form. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn_help.h"
#include "model.h"
#include "random.h"

static struct gv_model *make(const char *spec)
{
    struct gv_model *model;
    struct gv_diag diag = {0};
    cr_assert_eq(gv_model_new(&model, spec, &diag), GV_OK, "%s", diag.text);
    return model;
}

/* A model with a batch of random inputs, and blocks of its size. */
struct bench {
    struct gv_model *model;
    struct gv_workspace *workspace;
    size_t n;
    uint32_t batch;
    float *params, *grad, *velocity;
    float *x;
    uint16_t *labels;
};

static struct bench bench_new(const char *spec, uint32_t batch, uint64_t seed)
{
    struct bench bench = {.model = make(spec), .batch = batch};
    const struct gv_layout *layout = gv_model_layout(bench.model);
    bench.n = layout->parameters;
    cr_assert_eq(gv_workspace_new(&bench.workspace, bench.model, batch), GV_OK);
    bench.params = calloc(bench.n, sizeof(float));
    bench.grad = calloc(bench.n, sizeof(float));
    bench.velocity = calloc(bench.n, sizeof(float));
    bench.x = calloc((size_t)batch * layout->features, sizeof(float));
    bench.labels = calloc(batch, sizeof *bench.labels);
    gv_model_init(bench.model, bench.params, seed);
    struct gv_random random;
    gv_random_seed(&random, seed, 99);
    for (size_t i = 0; i < (size_t)batch * layout->features; i++) {
        bench.x[i] = 2.0F * gv_random_float(&random) - 1.0F;
    }
    for (uint32_t i = 0; i < batch; i++) {
        bench.labels[i] = (uint16_t)gv_random_below(&random, layout->classes);
    }
    for (size_t i = 0; i < bench.n; i++) { /* biases too */
        bench.params[i] += 0.1F * (gv_random_float(&random) - 0.5F);
    }
    return bench;
}

static void bench_free(struct bench *bench)
{
    gv_workspace_free(&bench->workspace);
    gv_model_free(&bench->model);
    free(bench->params);
    free(bench->grad);
    free(bench->velocity);
    free(bench->x);
    free(bench->labels);
}

/* The loss in double precision with plain loops: the reference, and smooth enough for differences. */
static double plain_loss(const struct bench *bench, const double *params)
{
    const struct gv_layout *layout = gv_model_layout(bench->model);
    double in[192], out[192], total = 0.0;
    for (uint32_t r = 0; r < bench->batch; r++) {
        for (uint32_t j = 0; j < layout->features; j++) {
            in[j] = (double)bench->x[r * layout->features + j];
        }
        uint32_t n = 0;
        for (uint32_t v = 0; v < layout->view_count; v += 2) {
            const struct gv_view *weight = &layout->view[v];
            n = weight->shape[0];
            for (uint32_t i = 0; i < n; i++) {
                out[i] = params[layout->view[v + 1].offset + i];
                for (uint32_t j = 0; j < weight->shape[1]; j++) {
                    out[i] += params[weight->offset + i * weight->shape[1] + j] * in[j];
                }
                bool hidden = v + 2 < layout->view_count;
                out[i] = hidden && out[i] < 0.0 ? 0.0 : out[i];
            }
            memcpy(in, out, sizeof in);
        }
        double sum = 0.0;
        for (uint32_t i = 0; i < n; i++) {
            sum += exp(out[i] - out[bench->labels[r]]);
        }
        total += log(sum);
    }
    return total / bench->batch;
}

static void refuse(const char *spec, const char *part)
{
    struct gv_model *model;
    struct gv_diag diag = {0};
    cr_assert_eq(gv_model_new(&model, spec, &diag), GV_ERR_MODEL, "%s", spec);
    cr_assert_null(model);
    cr_assert_not_null(strstr(diag.text, part), "\"%s\" does not say \"%s\"", diag.text, part);
    cr_assert_not_null(strstr(diag.text, spec), "%s", diag.text);
}

Test(model, lays_out_named_shaped_views)
{
    struct gv_model *model = make("mlp:784-128-10");
    const struct gv_layout *layout = gv_model_layout(model);
    cr_assert_eq(layout->view_count, 4);
    cr_assert_str_eq(layout->view[0].name, "layer0.weight");
    cr_assert_eq(layout->view[0].rank, 2);
    cr_assert_eq(layout->view[0].shape[0], 128);
    cr_assert_eq(layout->view[0].shape[1], 784);
    cr_assert_eq(layout->view[0].offset, 0);
    cr_assert_str_eq(layout->view[3].name, "layer1.bias");
    cr_assert_eq(layout->view[3].rank, 1);
    cr_assert_eq(layout->view[3].shape[0], 10);
    cr_assert_eq(layout->view[3].offset, 784 * 128 + 128 + 1280);
    cr_assert_eq(layout->parameters, 101770);
    cr_assert_eq(layout->features, 784);
    cr_assert_eq(layout->classes, 10);
    gv_model_free(&model);
    cr_assert_null(model);
    gv_model_free(&model);
}

Test(model, describes_its_layout_like_snprintf)
{
    struct gv_model *model = make("mlp:3-4-2");
    const char *expected = "layer0.weight f32 4x3\nlayer0.bias f32 4\nlayer1.weight f32 2x4\nlayer1.bias f32 2\n";
    char text[256];
    cr_assert_eq(gv_model_describe(model, NULL, 0), strlen(expected));
    cr_assert_eq(gv_model_describe(model, text, sizeof text), strlen(expected));
    cr_assert_str_eq(text, expected);
    for (size_t cap = 1; cap < strlen(expected); cap++) {
        memset(text, 'x', sizeof text);
        cr_assert_eq(gv_model_describe(model, text, cap), strlen(expected));
        cr_assert_eq(strlen(text), cap - 1);
        cr_assert_eq(strncmp(text, expected, cap - 1), 0);
        cr_assert_eq(text[cap], 'x');
    }
    gv_model_free(&model);
}

Test(model, refuses_bad_specifications)
{
    refuse("", "unknown kind");
    refuse("mlp", "unknown kind");
    refuse("cnn:28x28", "unknown kind");
    refuse("mlp:", "a number is missing");
    refuse("mlp:784--10", "a number is missing");
    refuse("mlp:784-128-", "a number is missing");
    refuse("mlp:-784-10", "a number is missing");
    refuse("mlp:784-0-10", "a width is zero");
    refuse("mlp:784x128", "joined by");
    refuse("mlp:784-128-10 ", "joined by");
    refuse("mlp:784-10", "at least three widths");
    refuse("softmax:784", "exactly two widths");
    refuse("softmax:784-20-10", "exactly two widths");
    refuse("softmax:784-1", "number of classes");
    refuse("softmax:784-1025", "number of classes");
    refuse("softmax:65537-10", "larger than 65536");
    refuse("softmax:99999999999999999999-10", "larger than 65536");
    refuse("mlp:65536-65536-10", "more than 2^30 parameters");
    refuse("mlp:1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-2", "more than 16 layers");
    struct gv_model *model = make("mlp:1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-2");
    cr_assert_eq(gv_model_layout(model)->view_count, 2 * GV_LAYERS_MAX);
    gv_model_free(&model);
}

Test(model, starts_the_same_everywhere)
{
    static const uint64_t GOLDEN = UINT64_C(0xabd00ee6b673070a);
    struct gv_model *model = make("mlp:20-30-5");
    size_t n = gv_model_layout(model)->parameters;
    float *params = calloc(n, sizeof *params);
    gv_model_init(model, params, 1);
    cr_assert_eq(help_hash(params, n * sizeof *params), GOLDEN, "hash %llx",
                 (unsigned long long)help_hash(params, n * sizeof *params));
    gv_model_init(model, params, 2);
    cr_assert_neq(help_hash(params, n * sizeof *params), GOLDEN);
    free(params);
    gv_model_free(&model);
}

Test(model, starts_with_variance_2_over_fan_in_and_no_bias)
{
    struct gv_model *model = make("mlp:200-300-10");
    float *params = calloc(gv_model_layout(model)->parameters, sizeof *params);
    gv_model_init(model, params, help_seed());
    double squares = 0.0;
    for (size_t i = 0; i < 60000; i++) {
        squares += (double)params[i] * (double)params[i];
        cr_assert(fabsf(params[i]) <= sqrtf(6.0F / 200.0F));
    }
    cr_assert(fabs(squares / 60000 / (2.0 / 200) - 1.0) < 0.03);
    for (size_t i = 60000; i < 60300; i++) {
        cr_assert_eq(params[i], 0.0F);
    }
    free(params);
    gv_model_free(&model);
}

/* The last two have layers that are too wide for the kernels of narrow ones. */
static const char *const SPECS[] = {"softmax:7-4", "mlp:7-9-4",      "mlp:5-8-6-3",   "mlp:6-9-7-8-5",
                                    "mlp:3-1-2",   "mlp:7-20-18-17", "softmax:3-130", "mlp:5-130-3"};
enum { SPEC_COUNT = sizeof SPECS / sizeof SPECS[0] };

Test(model, loss_agrees_with_plain_loops)
{
    uint64_t seed = help_seed();
    for (int s = 0; s < SPEC_COUNT; s++) {
        struct bench bench = bench_new(SPECS[s], 11, seed);
        double *params = calloc(bench.n, sizeof *params);
        for (size_t i = 0; i < bench.n; i++) {
            params[i] = (double)bench.params[i];
        }
        float loss = gv_model_loss(bench.model, bench.workspace, bench.params, NULL, bench.x, bench.labels, 11);
        cr_assert(fabs((double)loss - plain_loss(&bench, params)) < 1e-5, "%s", SPECS[s]);
        free(params);
        bench_free(&bench);
    }
}

Test(model, gradient_agrees_with_central_differences)
{
    uint64_t seed = help_seed();
    for (int s = 0; s < SPEC_COUNT - 1; s++) { /* the last one has too many kinks, see below */
        struct bench bench = bench_new(SPECS[s], 11, seed);
        double *params = calloc(bench.n, sizeof *params);
        for (size_t i = 0; i < bench.n; i++) {
            params[i] = (double)bench.params[i];
            bench.grad[i] = NAN; /* to be overwritten */
        }
        (void)gv_model_loss(bench.model, bench.workspace, bench.params, bench.grad, bench.x, bench.labels, 11);
        double worst = 0.0;
        double largest = 0.0;
        for (size_t i = 0; i < bench.n; i++) {
            double h = 1e-6;
            double middle = params[i];
            params[i] = middle + h;
            double above = plain_loss(&bench, params);
            params[i] = middle - h;
            double below = plain_loss(&bench, params);
            params[i] = middle;
            double difference = (above - below) / (2.0 * h);
            worst = fmax(worst, fabs(difference - (double)bench.grad[i]));
            largest = fmax(largest, fabs(difference));
        }
        /* Differences in double are good to 1e-9; the rest is float32's. A kink of relu within 1e-6 of a random input
           is what may in principle hit: about one run in ten thousand. */
        cr_assert(worst < 1e-6 + 1e-5 * largest, "%s: off by %g, largest %g", SPECS[s], worst, largest);
        cr_assert(largest > 1e-3 || s == 4); /* the one hidden unit of mlp:3-1-2 may be dead */
        free(params);
        bench_free(&bench);
    }
}

Test(model, step_is_gradient_momentum_and_decay)
{
    uint64_t seed = help_seed();
    static const struct gv_sgd SGD[] = {
        {0.1F, 0.9F, 0.0F}, {0.05F, 0.5F, 0.01F}, {0.1F, 0.0F, 0.0F}, {0.1F, 0.0F, 0.1F}};
    for (int s = 0; s < SPEC_COUNT; s++) {
        for (size_t o = 0; o < sizeof SGD / sizeof SGD[0]; o++) {
            struct bench bench = bench_new(SPECS[s], 11, seed);
            const struct gv_layout *layout = gv_model_layout(bench.model);
            float *w = calloc(bench.n, sizeof *w);
            float *v = calloc(bench.n, sizeof *v);
            memcpy(w, bench.params, bench.n * sizeof *w);
            const struct gv_rows rows = {.count = 11, .x = bench.x};
            for (int step = 0; step < 4; step++) {
                float expected = gv_model_loss(bench.model, bench.workspace, w, bench.grad, bench.x, bench.labels, 11);
                for (uint32_t k = 0; k < layout->view_count; k++) {
                    const struct gv_view *view = &layout->view[k];
                    size_t size = view->shape[0] * (view->rank == 2 ? view->shape[1] : 1U);
                    float decay = view->rank == 2 ? SGD[o].weight_decay : 0.0F;
                    for (size_t i = view->offset; i < view->offset + size; i++) {
                        v[i] = SGD[o].momentum * v[i] + bench.grad[i] + decay * w[i];
                        w[i] -= SGD[o].rate * v[i];
                    }
                }
                float loss = gv_model_sgd_step(bench.model, bench.workspace, bench.params, bench.velocity, &SGD[o],
                                               &rows, bench.labels);
                cr_assert(fabsf(loss - expected) < 1e-5F * (1.0F + expected));
            }
            for (size_t i = 0; i < bench.n; i++) {
                float velocity = SGD[o].momentum != 0.0F ? v[i] : 0.0F;
                cr_assert(fabsf(bench.velocity[i] - velocity) < 1e-5F, "%s %zu", SPECS[s], o);
                cr_assert(fabsf(bench.params[i] - w[i]) < 1e-5F, "%s %zu", SPECS[s], o);
            }
            free(w);
            free(v);
            bench_free(&bench);
        }
    }
}

Test(model, step_without_momentum_needs_no_velocity_and_leaves_it_alone)
{
    for (int s = 0; s < SPEC_COUNT; s++) {
        struct bench bench = bench_new(SPECS[s], 5, 3);
        float *w = calloc(bench.n, sizeof *w);
        memcpy(w, bench.params, bench.n * sizeof *w);
        for (size_t i = 0; i < bench.n; i++) {
            bench.velocity[i] = 7.0F;
        }
        struct gv_sgd sgd = {.rate = 0.1F, .weight_decay = 0.01F};
        const struct gv_rows rows = {.count = 5, .x = bench.x};
        float loss =
            gv_model_sgd_step(bench.model, bench.workspace, bench.params, bench.velocity, &sgd, &rows, bench.labels);
        cr_assert_eq(gv_model_sgd_step(bench.model, bench.workspace, w, NULL, &sgd, &rows, bench.labels), loss);
        cr_assert_arr_eq(w, bench.params, bench.n * sizeof *w);
        for (size_t i = 0; i < bench.n; i++) {
            cr_assert_eq(bench.velocity[i], 7.0F);
        }
        free(w);
        bench_free(&bench);
    }
}

Test(model, small_batches_use_a_large_workspace)
{
    struct bench bench = bench_new("mlp:7-9-4", 8, 3);
    float sum = 0.0F;
    for (uint32_t r = 0; r < 8; r++) {
        sum += gv_model_loss(bench.model, bench.workspace, bench.params, NULL, bench.x + r * 7, bench.labels + r, 1);
    }
    float whole = gv_model_loss(bench.model, bench.workspace, bench.params, NULL, bench.x, bench.labels, 8);
    cr_assert(fabsf(whole - sum / 8.0F) < 1e-5F);
    bench_free(&bench);
}

Test(model, cross_entropy_survives_huge_logits)
{
    struct bench bench = bench_new("softmax:2-3", 2, 3);
    const float params[] = {1e4F, 0.0F, 0.0F, 0.0F, -1e4F, 0.0F, 0.0F, 0.0F, 0.0F};
    const float x[] = {100.0F, 0.0F, -100.0F, 0.0F}; /* logits +-1e6, 0 */
    const uint16_t right[] = {0, 2};
    const uint16_t wrong[] = {2, 0};
    float loss = gv_model_loss(bench.model, bench.workspace, params, bench.grad, x, right, 2);
    cr_assert_eq(loss, 0.0F);
    loss = gv_model_loss(bench.model, bench.workspace, params, bench.grad, x, wrong, 2);
    cr_assert(fabsf(loss - 2e6F) < 1.0F, "%g", (double)loss);
    for (size_t i = 0; i < bench.n; i++) {
        cr_assert(isfinite(bench.grad[i]));
    }
    bench_free(&bench);
}

Test(model, divergence_shows)
{
    struct bench bench = bench_new("mlp:4-6-3", 4, 3);
    bench.params[5] = NAN; /* a hidden weight: relu must not swallow it */
    float loss = gv_model_loss(bench.model, bench.workspace, bench.params, NULL, bench.x, bench.labels, 4);
    cr_assert(isnan(loss));
    const struct gv_rows rows = {.count = 4, .x = bench.x};
    struct gv_score score = gv_model_score(bench.model, bench.workspace, bench.params, &rows, bench.labels);
    cr_assert_eq(score.right, 0);
    bench_free(&bench);
}

Test(model, score_counts_right_answers)
{
    struct bench bench = bench_new("softmax:2-3", 3, 3);
    const float params[] = {1, 0, 0, 1, -1, -1, 0, 0, 0}; /* logits x0, x1, -x0-x1 */
    const float x[] = {2, 1, 1, 2, -3, -4};
    const uint16_t all[] = {0, 1, 2};
    const uint16_t one[] = {1, 1, 0};
    const uint16_t tie[] = {0, 1, 2};
    const float zero[9] = {0};
    const struct gv_rows rows = {.count = 3, .x = x};
    cr_assert_eq(gv_model_score(bench.model, bench.workspace, params, &rows, all).right, 3);
    cr_assert_eq(gv_model_score(bench.model, bench.workspace, params, &rows, one).right, 1);
    struct gv_score even = gv_model_score(bench.model, bench.workspace, zero, &rows, tie);
    cr_assert_eq(even.right, 1, "a tie goes to the first class");
    cr_assert(fabsf(even.loss - logf(3.0F)) < 1e-6F);
    bench_free(&bench);
}

Test(model, bytes_where_they_lie_are_as_good_as_a_copy)
{
    static const char *const FEW[] = {"softmax:40-10", "mlp:40-16-3"};
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    for (size_t s = 0; s < 2; s++) {
        struct bench bench = bench_new(FEW[s], 7, 3);
        cr_assert(gv_model_takes_bytes(bench.model));
        uint8_t features[7 * 40];
        const uint8_t *row[7];
        for (size_t i = 0; i < 7 * 40; i++) {
            features[i] = (uint8_t)gv_random_below(&random, 256);
            bench.x[i] = 0.01F * (float)features[i] - 1.0F;
            row[i / 40] = features + i / 40 * 40;
        }
        const struct gv_rows copy = {.count = 7, .x = bench.x};
        const struct gv_rows bytes = {.count = 7, .bytes = row, .scale = 0.01F, .offset = -1.0F};
        float *w = calloc(bench.n, sizeof *w);
        float *v = calloc(bench.n, sizeof *v);
        memcpy(w, bench.params, bench.n * sizeof *w);
        const struct gv_sgd sgd = {.rate = 0.05F, .momentum = 0.9F, .weight_decay = 0.01F};
        for (int step = 0; step < 3; step++) {
            (void)gv_model_sgd_step(bench.model, bench.workspace, bench.params, bench.velocity, &sgd, &copy,
                                    bench.labels);
            (void)gv_model_sgd_step(bench.model, bench.workspace, w, v, &sgd, &bytes, bench.labels);
        }
        for (size_t i = 0; i < bench.n; i++) {
            cr_assert(fabsf(bench.params[i] - w[i]) < 1e-5F, "%s", FEW[s]);
        }
        struct gv_score score = gv_model_score(bench.model, bench.workspace, w, &bytes, bench.labels);
        struct gv_score same = gv_model_score(bench.model, bench.workspace, w, &copy, bench.labels);
        cr_assert(fabsf(score.loss - same.loss) < 1e-5F);
        free(w);
        free(v);
        bench_free(&bench);
    }
    struct bench wide = bench_new("mlp:4-17-3", 2, 3);
    cr_assert_not(gv_model_takes_bytes(wide.model));
    bench_free(&wide);
}

Test(model, workspace_refuses_absurd_batches)
{
    struct gv_model *model = make("softmax:2-2");
    struct gv_workspace *workspace;
    cr_assert_eq(gv_workspace_new(&workspace, model, 0), GV_ERR_RANGE);
    cr_assert_null(workspace);
    cr_assert_eq(gv_workspace_new(&workspace, model, UINT32_MAX), GV_ERR_RANGE);
    gv_workspace_free(&workspace);
    gv_model_free(&model);
}
