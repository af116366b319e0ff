/* Evaluation: means over all samples or a part of them. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "evaluate.h"
#include "learn_help.h"

static struct gv_data data;
static struct gv_model *model;
static struct gv_scratch *scratch;
static float *params;

static void set_up(void)
{
    help_load(&data, "builtin:glyphs,train=600,test=10"); /* more than two batches, the last not full */
    cr_assert_eq(gv_model_new(&model, "softmax:784-10", NULL), GV_OK);
    cr_assert_eq(gv_scratch_new(&scratch, model, gv_evaluation_rows(model)), GV_OK);
    params = calloc(gv_model_layout(model)->parameters, sizeof *params);
    gv_model_init(model, params, 3);
}

static void tear_down(void)
{
    gv_scratch_free(&scratch);
    gv_model_free(&model);
    free(params);
    gv_data_deinit(&data);
}

TestSuite(evaluate, .init = set_up, .fini = tear_down);

/* One sample at a time. */
static struct gv_evaluation plain(size_t first, size_t step, size_t count)
{
    struct gv_evaluation result = {.samples = count};
    for (size_t i = 0; i < count; i++) {
        uint32_t row = (uint32_t)(first + i * step);
        float x[784];
        uint16_t label;
        gv_data_gather(&data, &data.train, &row, 1, x, &label);
        struct gv_rows rows = {.count = 1, .x = x};
        struct gv_score score = gv_model_score(model, scratch->workspace, params, &rows, &label);
        result.loss += (double)score.loss / (double)count;
        result.accuracy += (double)score.right / (double)count;
    }
    return result;
}

static void expect(const struct gv_part *part, size_t first, size_t step, size_t count)
{
    struct gv_evaluation result;
    cr_assert_eq(gv_evaluate(&result, scratch, params, &data, &data.train, part), GV_OK);
    struct gv_evaluation expected = plain(first, step, count);
    cr_assert_eq(result.samples, count);
    cr_assert(fabs(result.loss - expected.loss) < 1e-5);
    cr_assert(fabs(result.accuracy - expected.accuracy) < 1e-9);
}

Test(evaluate, is_the_mean_over_all_samples)
{
    expect(NULL, 0, 1, 600);
    data.test.count = 0;
    struct gv_evaluation result;
    cr_assert_eq(gv_evaluate(&result, scratch, params, &data, &data.test, NULL), GV_OK);
    cr_assert(result.samples == 0 && result.loss == 0.0 && result.accuracy == 0.0);
}

Test(evaluate, takes_a_part)
{
    expect(&(struct gv_part){.first = 128, .step = 1, .count = 128}, 128, 1, 128);
    expect(&(struct gv_part){.first = 590, .step = 1, .count = 128}, 590, 1, 10);
    expect(&(struct gv_part){.first = 0, .step = 7, .count = SIZE_MAX}, 0, 7, 86);
    expect(&(struct gv_part){.first = 4, .step = 5, .count = SIZE_MAX}, 4, 5, 120);
    expect(&(struct gv_part){.first = 3, .step = 3, .count = 100}, 3, 3, 100);
    expect(&(struct gv_part){.first = 599, .step = SIZE_MAX, .count = SIZE_MAX}, 599, 1, 1);
    struct gv_evaluation result;
    struct gv_part beyond = {.first = 600, .step = 1, .count = 5};
    cr_assert_eq(gv_evaluate(&result, scratch, params, &data, &data.train, &beyond), GV_OK);
    cr_assert_eq(result.samples, 0);
}

Test(evaluate, does_with_a_small_scratch)
{
    gv_scratch_free(&scratch);
    cr_assert_eq(gv_scratch_new(&scratch, model, 7), GV_OK);
    expect(NULL, 0, 1, 600);
}

Test(evaluate, refuses_data_that_does_not_fit_the_model)
{
    struct gv_evaluation result;
    data.features = 783;
    cr_assert_eq(gv_evaluate(&result, scratch, params, &data, &data.train, NULL), GV_ERR_DATA);
    data.features = 784;
    data.classes = 11;
    cr_assert_eq(gv_evaluate(&result, scratch, params, &data, &data.train, NULL), GV_ERR_DATA);
}
