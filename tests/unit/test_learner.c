/* One node's training: order, schedule, state, evaluation. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluate.h"
#include "learn_help.h"
#include "learner.h"

static struct gv_model *make(const char *spec)
{
    struct gv_model *model;
    cr_assert_eq(gv_model_new(&model, spec, NULL), GV_OK);
    return model;
}

static struct gv_learner *learn_part(const struct gv_model *model, const struct gv_training *training,
                                     const struct gv_learner_options *options)
{
    struct gv_learner *learner;
    cr_assert_eq(gv_learner_new(&learner, model, training, options), GV_OK);
    return learner;
}

static struct gv_learner *learn(const struct gv_model *model, const struct gv_data *data,
                                const struct gv_training *training, uint64_t order_seed)
{
    struct gv_learner_options options = {.data = data, .order_seed = order_seed};
    return learn_part(model, training, &options);
}

static struct gv_scratch *scratch_for(const struct gv_model *model, uint32_t rows)
{
    struct gv_scratch *scratch;
    cr_assert_eq(gv_scratch_new(&scratch, model, rows), GV_OK);
    return scratch;
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
static unsigned row_of_step(struct gv_learner *learner, struct gv_scratch *scratch)
{
    float *state = gv_learner_state(learner);
    memset(state, 0, 4 * sizeof(float));
    (void)gv_learner_step(learner, scratch);
    return (unsigned)lroundf(state[0] / state[2]);
}

Test(learner, sees_every_sample_once_a_pass_in_a_new_order)
{
    struct gv_data data;
    numbered_data(&data, 100);
    struct gv_model *model = make("softmax:1-2");
    struct gv_scratch *scratch = scratch_for(model, 64);
    struct gv_training training = {.rate = 0.1F, .batch = 1};
    struct gv_learner *learner = learn(model, &data, &training, help_seed());
    unsigned order[3][100];
    for (int pass = 0; pass < 3; pass++) {
        bool seen[100] = {false};
        for (int i = 0; i < 100; i++) {
            unsigned row = row_of_step(learner, scratch);
            cr_assert(row < 100 && !seen[row], "row %u twice in pass %d", row, pass);
            seen[row] = true;
            order[pass][i] = row;
        }
    }
    cr_assert_neq(memcmp(order[0], order[1], sizeof order[0]), 0);
    cr_assert_neq(memcmp(order[1], order[2], sizeof order[0]), 0);
    gv_learner_free(&learner);
    gv_scratch_free(&scratch);
    gv_model_free(&model);
    gv_data_deinit(&data);
}

Test(learner, takes_less_data_than_a_batch)
{
    struct gv_data data;
    numbered_data(&data, 3);
    struct gv_model *model = make("softmax:1-2");
    struct gv_scratch *scratch = scratch_for(model, 64);
    struct gv_training training = {.rate = 0.1F, .batch = 32};
    struct gv_learner *learner = learn(model, &data, &training, 1);
    for (int i = 0; i < 10; i++) {
        cr_assert(isfinite(gv_learner_step(learner, scratch)));
    }
    gv_learner_free(&learner);
    gv_scratch_free(&scratch);
    gv_model_free(&model);
    gv_data_deinit(&data);
}

Test(learner, same_seeds_same_training)
{
    struct gv_data data;
    help_load(&data, "builtin:glyphs,train=100,test=10");
    struct gv_model *model = make("mlp:784-8-10");
    struct gv_scratch *scratch = scratch_for(model, 64);
    struct gv_training training = {.seed = 5, .rate = 0.05F, .momentum = 0.9F, .batch = 16};
    struct gv_learner *a = learn(model, &data, &training, 1);
    struct gv_learner *b = learn(model, &data, &training, 1);
    struct gv_learner *c = learn(model, &data, &training, 2);
    size_t parameters = gv_model_layout(model)->parameters;
    size_t bytes = 2 * parameters * sizeof(float);
    cr_assert_eq(gv_learner_velocity(a), gv_learner_state(a) + parameters);
    cr_assert_eq(memcmp(gv_learner_state(a), gv_learner_state(c), bytes), 0, "all start alike");
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(gv_learner_step(a, scratch), gv_learner_step(b, scratch));
        (void)gv_learner_step(c, scratch);
    }
    cr_assert_eq(memcmp(gv_learner_state(a), gv_learner_state(b), bytes), 0);
    cr_assert_neq(memcmp(gv_learner_state(a), gv_learner_state(c), bytes), 0, "order seeds differ");
    gv_learner_free(&a);
    gv_learner_free(&b);
    gv_learner_free(&c);
    gv_scratch_free(&scratch);
    gv_model_free(&model);
    gv_data_deinit(&data);
}

Test(learner, steps_move_the_clock_and_without_data_nothing)
{
    struct gv_data data;
    numbered_data(&data, 4);
    struct gv_model *model = make("softmax:1-2");
    struct gv_scratch *scratch = scratch_for(model, 64);
    struct gv_training training = {.rate = 0.1F, .batch = 2};
    struct gv_learner *learner = learn(model, &data, &training, 1);
    gv_learner_set_age(learner, 7.5);
    (void)gv_learner_step(learner, scratch);
    cr_assert_eq(gv_learner_age(learner), 8.5);
    gv_learner_free(&learner);

    learner = learn(model, NULL, &training, 1);
    cr_assert(isnan(gv_learner_step(learner, scratch)));
    cr_assert_eq(gv_learner_age(learner), 0.0);
    cr_assert_eq(gv_learner_configure(learner, &training), GV_OK);
    gv_learner_free(&learner);
    cr_assert_null(learner);

    data.train.count = 0;
    learner = learn(model, &data, &training, 1);
    cr_assert(isnan(gv_learner_step(learner, scratch)));
    gv_learner_free(&learner);
    gv_scratch_free(&scratch);
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
    struct gv_learner_options options = {.data = &data};
    cr_assert_eq(gv_learner_new(&learner, wide, &training, &options), GV_ERR_DATA);
    cr_assert_null(learner);
    struct gv_model *model = make("softmax:1-2");
    data.classes = 3;
    cr_assert_eq(gv_learner_new(&learner, model, &training, &options), GV_ERR_DATA);
    data.classes = 2;
    training.batch = 0;
    cr_assert_eq(gv_learner_new(&learner, model, &training, &options), GV_ERR_RANGE);
    training.batch = 40000;
    cr_assert_eq(gv_learner_new(&learner, model, &training, &options), GV_ERR_RANGE);
    training.batch = 2;
    options.rows = (const uint32_t[]){3, 4};
    options.row_count = 2;
    cr_assert_eq(gv_learner_new(&learner, model, &training, &options), GV_ERR_RANGE, "row 4 of 4");
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

Test(learner, inverse_schedule_is_pegasos)
{
    struct gv_training training = {.rate = 100.0F, .rate_decay = 1.0F, .schedule = GV_SCHEDULE_INVERSE};
    for (int t = 1; t < 1000; t++) { /* 1 / (lambda t), lambda = 0.01 */
        cr_assert(fabs((double)gv_rate_at(&training, t - 1) * 0.01 * t - 1.0) < 1e-6);
    }
    cr_assert_eq(gv_rate_at(&training, -5.0), 100.0F);
    training.rate_decay = 0.0F;
    cr_assert_eq(gv_rate_at(&training, 1e6), 100.0F);
}

Test(learner, configure_takes_up_new_hyperparameters)
{
    struct gv_data data;
    numbered_data(&data, 64);
    struct gv_model *model = make("softmax:1-2");
    struct gv_scratch *scratch = scratch_for(model, 64);
    struct gv_training training = {.rate = 0.1F, .batch = 2};
    struct gv_learner *learner = learn(model, &data, &training, 1);
    (void)gv_learner_step(learner, scratch);
    float before[4];
    memcpy(before, gv_learner_state(learner), sizeof before);
    training.rate = 0.0F;
    training.batch = 48;
    cr_assert_eq(gv_learner_configure(learner, &training), GV_OK);
    cr_assert_arr_eq(gv_learner_state(learner), before, sizeof before, "the state stays");
    (void)gv_learner_step(learner, scratch);
    cr_assert_arr_eq(gv_learner_state(learner), before, sizeof before, "rate 0 moves nothing");
    gv_learner_free(&learner);
    gv_scratch_free(&scratch);
    gv_model_free(&model);
    gv_data_deinit(&data);
}

Test(learner, has_a_velocity_only_with_momentum_or_on_request)
{
    struct gv_data data;
    numbered_data(&data, 4);
    struct gv_model *model = make("softmax:1-2");
    struct gv_scratch *scratch = scratch_for(model, 2);
    struct gv_training training = {.rate = 0.1F, .batch = 2};
    struct gv_learner *learner = learn(model, &data, &training, 1);
    cr_assert_null(gv_learner_velocity(learner));
    (void)gv_learner_step(learner, scratch);
    float params[4];
    memcpy(params, gv_learner_state(learner), sizeof params);
    training.momentum = 0.9F;
    cr_assert_eq(gv_learner_configure(learner, &training), GV_OK);
    cr_assert_arr_eq(gv_learner_state(learner), params, sizeof params, "the parameters move with the block");
    const float *velocity = gv_learner_velocity(learner);
    cr_assert_eq(velocity, gv_learner_state(learner) + 4);
    cr_assert(velocity[0] == 0.0F && velocity[3] == 0.0F);
    (void)gv_learner_step(learner, scratch);
    cr_assert_neq(velocity[2], 0.0F);
    training.momentum = 0.0F;
    cr_assert_eq(gv_learner_configure(learner, &training), GV_OK);
    cr_assert_eq(velocity[2], 0.0F, "what is no longer kept up does not come back later");
    (void)gv_learner_step(learner, scratch);
    cr_assert_eq(velocity[2], 0.0F);
    gv_learner_free(&learner);
    struct gv_learner_options options = {.data = &data, .keep_velocity = true};
    learner = learn_part(model, &training, &options);
    cr_assert_not_null(gv_learner_velocity(learner));
    gv_learner_free(&learner);
    gv_scratch_free(&scratch);
    gv_model_free(&model);
    gv_data_deinit(&data);
}

Test(learner, trains_on_the_rows_it_is_given)
{
    struct gv_data data;
    numbered_data(&data, 100);
    struct gv_model *model = make("softmax:1-2");
    struct gv_scratch *scratch = scratch_for(model, 1);
    struct gv_training training = {.rate = 0.1F, .batch = 1};
    uint32_t rows[] = {7, 99, 0, 41};
    struct gv_learner_options options = {.data = &data, .rows = rows, .row_count = 4, .order_seed = help_seed()};
    struct gv_learner *learner = learn_part(model, &training, &options);
    cr_assert_eq(gv_learner_samples(learner), 4);
    memset(rows, 0xff, sizeof rows); /* it has its own copy */
    for (int pass = 0; pass < 5; pass++) {
        unsigned sum = 0;
        for (int i = 0; i < 4; i++) {
            unsigned row = row_of_step(learner, scratch);
            cr_assert(row == 7 || row == 99 || row == 0 || row == 41);
            sum += row;
        }
        cr_assert_eq(sum, 7 + 99 + 41, "each once");
    }
    gv_learner_free(&learner);
    options.row_count = 0;
    learner = learn_part(model, &training, &options);
    cr_assert(isnan(gv_learner_step(learner, scratch)), "no rows, no data");
    gv_learner_free(&learner);
    gv_scratch_free(&scratch);
    gv_model_free(&model);
    gv_data_deinit(&data);
}

Test(learner, a_pass_ends_with_a_short_batch)
{
    static const struct {
        uint32_t samples, batch;
    } CASES[] = {{60, 32}, {6, 32}, {64, 32}, {1, 32}, {7, 2}};
    struct gv_data data;
    numbered_data(&data, 64);
    struct gv_model *model = make("softmax:1-2");
    struct gv_scratch *scratch = scratch_for(model, 32);
    for (size_t c = 0; c < sizeof CASES / sizeof CASES[0]; c++) {
        data.train.count = CASES[c].samples;
        /* Rate 0: the losses of a pass are then those of all samples, each counted once. */
        struct gv_training training = {.seed = 3, .batch = CASES[c].batch};
        struct gv_learner_options options = {.data = &data, .short_batches = true};
        struct gv_learner *learner = learn_part(model, &training, &options);
        double expected = 0.0;
        const float *w = gv_learner_state(learner);
        for (uint32_t i = 0; i < CASES[c].samples; i++) { /* all are of class 0 */
            expected += log(1.0 + exp((double)((w[1] - w[0]) * (float)i)));
        }
        for (int pass = 0; pass < 3; pass++) {
            double loss = 0.0;
            for (uint32_t left = CASES[c].samples; left > 0;) {
                uint32_t count = left < CASES[c].batch ? left : CASES[c].batch;
                loss += (double)gv_learner_step(learner, scratch) * count;
                left -= count;
            }
            cr_assert(fabs(loss - expected) < 1e-5 * (CASES[c].samples + expected), "%g, not %g", loss, expected);
        }
        gv_learner_free(&learner);
    }
    data.train.count = 64;
    gv_scratch_free(&scratch);
    gv_model_free(&model);
    gv_data_deinit(&data);
}

Test(learner, many_share_one_scratch)
{
    struct gv_data data;
    help_load(&data, "builtin:glyphs,train=100,test=10");
    struct gv_model *model = make("mlp:784-8-10");
    struct gv_scratch *scratch = scratch_for(model, 16);
    struct gv_scratch *other = scratch_for(model, 64);
    struct gv_training training = {.seed = 5, .rate = 0.05F, .batch = 16};
    struct gv_learner *a = learn(model, &data, &training, 1);
    struct gv_learner *b = learn(model, &data, &training, 2);
    struct gv_learner *alone = learn(model, &data, &training, 1);
    for (int i = 0; i < 20; i++) {
        float loss = gv_learner_step(a, scratch);
        (void)gv_learner_step(b, scratch);
        cr_assert_eq(gv_learner_step(alone, other), loss);
    }
    cr_assert_arr_eq(gv_learner_state(a), gv_learner_state(alone), gv_model_layout(model)->parameters * sizeof(float));
    gv_learner_free(&a);
    gv_learner_free(&b);
    gv_learner_free(&alone);
    gv_scratch_free(&scratch);
    gv_scratch_free(&other);
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
    struct gv_scratch *scratch = scratch_for(model, 64);
    struct gv_training training = {.seed = 1,
                                   .rate = 0.05F,
                                   .momentum = 0.9F,
                                   .batch = 32,
                                   .schedule = GV_SCHEDULE_LINEAR,
                                   .warmup = 0.05F,
                                   .total_age = 900};
    struct gv_learner *learner = learn(model, &data, &training, 1);
    for (int i = 0; i < 900; i++) {
        (void)gv_learner_step(learner, scratch);
    }
    struct gv_evaluation result;
    cr_assert_eq(gv_evaluate(&result, scratch, gv_learner_state(learner), &data, &data.test, NULL), GV_OK);
    cr_log_info("digits: %.2f %% of %zu", 100.0 * result.accuracy, result.samples);
    cr_assert_gt(result.accuracy, 0.95);
    gv_learner_free(&learner);
    gv_scratch_free(&scratch);
    gv_model_free(&model);
    gv_schema_free(&schema);
    gv_data_deinit(&data);
}
