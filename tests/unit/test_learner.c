/* One node's training: order, schedule, state, evaluation. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn_help.h"
#include "learner.h"

static struct gv_model *make(const char *spec)
{
    struct gv_model *model;
    cr_assert_eq(gv_model_new(&model, spec, NULL), GV_OK);
    return model;
}

static struct gv_learner *learn(const struct gv_model *model, const struct gv_data *data,
                                const struct gv_training *training, uint64_t order_seed)
{
    struct gv_learner *learner;
    cr_assert_eq(gv_learner_new(&learner, model, data, training, order_seed), GV_OK);
    return learner;
}

/* Data whose row i is the single feature i: what a step saw can be told from what it did. */
static void numbered_data(struct gv_data *data, size_t count)
{
    memset(data, 0, sizeof *data);
    data->features = 1;
    data->classes = 2;
    data->train.count = count;
    data->train.values = calloc(count, sizeof(float));
    data->train.labels = calloc(count, sizeof(uint16_t));
    for (size_t i = 0; i < count; i++) {
        data->train.values[i] = (float)i;
    }
}

/* The row a step of batch 1 was made on. With zero parameters, class 0's weight has gradient -x/2, its bias -1/2. */
static unsigned row_of_step(struct gv_learner *learner)
{
    memset(gv_learner_state(learner), 0, 8 * sizeof(float));
    (void)gv_learner_step(learner);
    const float *velocity = gv_learner_state(learner) + gv_learner_parameters(learner);
    return (unsigned)lroundf(velocity[0] / velocity[2]);
}

Test(learner, sees_every_sample_once_a_pass_in_a_new_order)
{
    struct gv_data data;
    numbered_data(&data, 100);
    struct gv_model *model = make("softmax:1-2");
    struct gv_training training = {.rate = 0.1F, .batch = 1};
    struct gv_learner *learner = learn(model, &data, &training, help_seed());
    unsigned order[3][100];
    for (int pass = 0; pass < 3; pass++) {
        bool seen[100] = {false};
        for (int i = 0; i < 100; i++) {
            unsigned row = row_of_step(learner);
            cr_assert(row < 100 && !seen[row], "row %u twice in pass %d", row, pass);
            seen[row] = true;
            order[pass][i] = row;
        }
    }
    cr_assert_neq(memcmp(order[0], order[1], sizeof order[0]), 0);
    cr_assert_neq(memcmp(order[1], order[2], sizeof order[0]), 0);
    gv_learner_free(&learner);
    gv_model_free(&model);
    gv_data_deinit(&data);
}

Test(learner, takes_less_data_than_a_batch)
{
    struct gv_data data;
    numbered_data(&data, 3);
    struct gv_model *model = make("softmax:1-2");
    struct gv_training training = {.rate = 0.1F, .batch = 32};
    struct gv_learner *learner = learn(model, &data, &training, 1);
    for (int i = 0; i < 10; i++) {
        cr_assert(isfinite(gv_learner_step(learner)));
    }
    gv_learner_free(&learner);
    gv_model_free(&model);
    gv_data_deinit(&data);
}

Test(learner, same_seeds_same_training)
{
    struct gv_data data;
    help_load(&data, "builtin:glyphs,train=100,test=10");
    struct gv_model *model = make("mlp:784-8-10");
    struct gv_training training = {.seed = 5, .rate = 0.05F, .momentum = 0.9F, .batch = 16};
    struct gv_learner *a = learn(model, &data, &training, 1);
    struct gv_learner *b = learn(model, &data, &training, 1);
    struct gv_learner *c = learn(model, &data, &training, 2);
    size_t bytes = 2 * gv_learner_parameters(a) * sizeof(float);
    cr_assert_eq(memcmp(gv_learner_state(a), gv_learner_state(c), bytes), 0, "all start alike");
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(gv_learner_step(a), gv_learner_step(b));
        (void)gv_learner_step(c);
    }
    cr_assert_eq(memcmp(gv_learner_state(a), gv_learner_state(b), bytes), 0);
    cr_assert_neq(memcmp(gv_learner_state(a), gv_learner_state(c), bytes), 0, "order seeds differ");
    gv_learner_free(&a);
    gv_learner_free(&b);
    gv_learner_free(&c);
    gv_model_free(&model);
    gv_data_deinit(&data);
}

Test(learner, steps_move_the_clock_and_without_data_nothing)
{
    struct gv_data data;
    numbered_data(&data, 4);
    struct gv_model *model = make("softmax:1-2");
    struct gv_training training = {.rate = 0.1F, .batch = 2};
    struct gv_learner *learner = learn(model, &data, &training, 1);
    gv_learner_set_age(learner, 7.5);
    (void)gv_learner_step(learner);
    cr_assert_eq(gv_learner_age(learner), 8.5);
    gv_learner_free(&learner);

    learner = learn(model, NULL, &training, 1);
    cr_assert(isnan(gv_learner_step(learner)));
    cr_assert_eq(gv_learner_age(learner), 0.0);
    gv_learner_configure(learner, &training);
    gv_learner_free(&learner);
    cr_assert_null(learner);

    data.train.count = 0;
    learner = learn(model, &data, &training, 1);
    cr_assert(isnan(gv_learner_step(learner)));
    gv_learner_free(&learner);
    gv_model_free(&model);
    gv_data_deinit(&data);
}

Test(learner, refuses_data_that_does_not_fit_the_model)
{
    struct gv_data data;
    numbered_data(&data, 4);
    struct gv_training training = {.batch = 2};
    struct gv_model *wide = make("softmax:2-2");
    struct gv_learner *learner;
    cr_assert_eq(gv_learner_new(&learner, wide, &data, &training, 1), GV_ERR_DATA);
    cr_assert_null(learner);
    struct gv_evaluation result;
    float params[6] = {0};
    cr_assert_eq(gv_evaluate(&result, wide, params, &data, &data.train), GV_ERR_DATA);
    struct gv_model *model = make("softmax:1-2");
    data.classes = 3;
    cr_assert_eq(gv_learner_new(&learner, model, &data, &training, 1), GV_ERR_DATA);
    data.classes = 2;
    training.batch = 0;
    cr_assert_eq(gv_learner_new(&learner, model, &data, &training, 1), GV_ERR_RANGE);
    cr_assert_null(learner);
    gv_model_free(&wide);
    gv_model_free(&model);
    gv_data_deinit(&data);
}

Test(learner, constant_schedule_stays)
{
    struct gv_training training = {.rate = 0.25F, .schedule = GV_SCHEDULE_CONSTANT};
    cr_assert_eq(gv_rate_at(&training, 0.0), 0.25F);
    cr_assert_eq(gv_rate_at(&training, 1e12), 0.25F);
}

Test(learner, linear_schedule_warms_up_and_ends_at_exactly_zero)
{
    struct gv_training training = {.rate = 0.1F, .schedule = GV_SCHEDULE_LINEAR, .warmup = 0.05F, .total_age = 1000};
    cr_assert_gt(gv_rate_at(&training, 0.0), 0.0F, "the first step is not wasted");
    float last = 0.0F;
    for (int age = 0; age <= 50; age++) {
        cr_assert_gt(gv_rate_at(&training, age), last);
        last = gv_rate_at(&training, age);
    }
    cr_assert(fabsf(gv_rate_at(&training, 50.0) - 0.1F) < 1e-6F, "the peak is the rate");
    for (int age = 51; age <= 1000; age++) {
        cr_assert_lt(gv_rate_at(&training, age), last);
        last = gv_rate_at(&training, age);
    }
    cr_assert_eq(last, 0.0F);
    cr_assert_eq(gv_rate_at(&training, 1e9), 0.0F);
    cr_assert(fabsf(gv_rate_at(&training, 525.0) - 0.05F) < 1e-6F, "half way down, half the rate");
    cr_assert_eq(gv_rate_at(&training, -5.0), gv_rate_at(&training, 0.0));
    training.warmup = 0.0F;
    cr_assert_eq(gv_rate_at(&training, 0.0), 0.1F);
    training.total_age = 0;
    cr_assert_eq(gv_rate_at(&training, 0.0), 0.0F);
}

Test(learner, configure_takes_up_new_hyperparameters)
{
    struct gv_data data;
    numbered_data(&data, 64);
    struct gv_model *model = make("softmax:1-2");
    struct gv_training training = {.rate = 0.1F, .batch = 2};
    struct gv_learner *learner = learn(model, &data, &training, 1);
    (void)gv_learner_step(learner);
    float before[8];
    memcpy(before, gv_learner_state(learner), sizeof before);
    training.rate = 0.0F;
    training.batch = 48;
    gv_learner_configure(learner, &training);
    cr_assert_arr_eq(gv_learner_state(learner), before, sizeof before, "the state stays");
    (void)gv_learner_step(learner);
    cr_assert_arr_eq(gv_learner_state(learner), before, 4 * sizeof(float), "rate 0 moves nothing");
    gv_learner_free(&learner);
    gv_model_free(&model);
    gv_data_deinit(&data);
}

Test(learner, evaluation_is_the_mean_over_all_samples)
{
    struct gv_data data;
    help_load(&data, "builtin:glyphs,train=600,test=10"); /* more than two evaluation batches, the last not full */
    struct gv_model *model = make("softmax:784-10");
    float *params = calloc(gv_model_layout(model)->parameters, sizeof *params);
    gv_model_init(model, params, 3);
    struct gv_evaluation result;
    cr_assert_eq(gv_evaluate(&result, model, params, &data, &data.train), GV_OK);
    cr_assert_eq(result.samples, 600);
    struct gv_workspace *workspace;
    cr_assert_eq(gv_workspace_new(&workspace, model, 1), GV_OK);
    double loss = 0.0;
    unsigned right = 0;
    for (uint32_t i = 0; i < 600; i++) {
        float x[784];
        uint16_t label;
        gv_data_gather(&data, &data.train, &i, 1, x, &label);
        struct gv_score score = gv_model_score(model, workspace, params, x, &label, 1);
        loss += (double)score.loss;
        right += score.right;
    }
    cr_assert(fabs(result.loss - loss / 600) < 1e-5);
    cr_assert_eq(result.accuracy, right / 600.0);
    data.test.count = 0;
    cr_assert_eq(gv_evaluate(&result, model, params, &data, &data.test), GV_OK);
    cr_assert(result.samples == 0 && result.loss == 0.0 && result.accuracy == 0.0);
    gv_workspace_free(&workspace);
    free(params);
    gv_model_free(&model);
    gv_data_deinit(&data);
}

Test(learner, thread_init_flushes_denormals)
{
    volatile float tiny = 1e-40F;
    cr_assert_neq(tiny * 0.5F, 0.0F);
#if defined(__x86_64__) || defined(__aarch64__)
    gv_learner_thread_init();
    cr_assert_eq(tiny * 0.5F, 0.0F);
#endif
}

Test(learner, learns_the_digits_of_real_data)
{
    char spec[600];
    (void)snprintf(spec, sizeof spec, "csv:%s,test=0.2", help_real_data("digits/digits.csv.gz"));
    struct gv_data data;
    struct gv_schema schema;
    help_load(&data, spec);
    cr_assert_eq(gv_data_schema(&schema, &data, NULL), GV_OK);
    cr_assert_eq(gv_data_fit(&data, &schema, NULL), GV_OK);
    struct gv_model *model = make("mlp:64-32-10");
    struct gv_training training = {.seed = 1,
                                   .rate = 0.05F,
                                   .momentum = 0.9F,
                                   .batch = 32,
                                   .schedule = GV_SCHEDULE_LINEAR,
                                   .warmup = 0.05F,
                                   .total_age = 900};
    struct gv_learner *learner = learn(model, &data, &training, 1);
    for (int i = 0; i < 900; i++) {
        (void)gv_learner_step(learner);
    }
    struct gv_evaluation result;
    cr_assert_eq(gv_evaluate(&result, model, gv_learner_state(learner), &data, &data.test), GV_OK);
    cr_log_info("digits: %.2f %% of %zu", 100.0 * result.accuracy, result.samples);
    cr_assert_gt(result.accuracy, 0.95);
    gv_learner_free(&learner);
    gv_model_free(&model);
    gv_schema_free(&schema);
    gv_data_deinit(&data);
}
