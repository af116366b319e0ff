/* Scratch memory: its size. */
#include <criterion/criterion.h>

#include "learn_help.h"
#include "scratch.h"

Test(scratch, grows_at_request_and_never_shrinks)
{
    struct gv_model *model;
    cr_assert_eq(gv_model_new(&model, "mlp:3-4-2", NULL), GV_OK);
    struct gv_scratch *scratch;
    cr_assert_eq(gv_scratch_new(&scratch, model, 5), GV_OK);
    cr_assert_eq(scratch->rows, 5);
    cr_assert_eq(gv_scratch_reserve(scratch, 3), GV_OK);
    cr_assert_eq(scratch->rows, 5);
    cr_assert_eq(gv_scratch_reserve(scratch, 50), GV_OK);
    cr_assert_eq(scratch->rows, 50);
    scratch->picks[49] = 1;
    scratch->labels[49] = 1;
    for (size_t i = 0; i < 150; i++) {
        scratch->x[i] = 1.0F;
    }
    const float params[26] = {0};
    const float *logits = gv_model_forward(model, scratch->workspace, params, scratch->x, 50);
    cr_assert_eq(logits[99], 0.0F);
    gv_scratch_free(&scratch);
    cr_assert_null(scratch);
    gv_scratch_free(&scratch);
    gv_model_free(&model);
}

Test(scratch, copies_a_batch_only_for_models_that_need_a_copy)
{
    struct gv_data data;
    help_load(&data, "builtin:glyphs,train=20,test=10");
    static const char *const SPECS[] = {"softmax:784-10", "mlp:784-20-10"};
    const uint32_t picks[] = {7, 19, 3};
    for (size_t s = 0; s < 2; s++) {
        struct gv_model *model;
        struct gv_scratch *scratch;
        cr_assert_eq(gv_model_new(&model, SPECS[s], NULL), GV_OK);
        cr_assert_eq(gv_scratch_new(&scratch, model, 3), GV_OK);
        struct gv_rows rows = gv_scratch_batch(scratch, &data, &data.train, picks, 3);
        cr_assert_eq(rows.count, 3);
        cr_assert_eq(rows.x, s == 0 ? NULL : scratch->x);
        for (size_t i = 0; i < 3; i++) {
            cr_assert_eq(scratch->labels[i], data.train.labels[picks[i]]);
            cr_assert(s == 1 || rows.bytes[i] == data.train.bytes + 784 * picks[i]);
        }
        gv_scratch_free(&scratch);
        gv_model_free(&model);
    }
    gv_data_deinit(&data);
}

Test(scratch, refuses_absurd_sizes_and_stays)
{
    struct gv_model *model;
    cr_assert_eq(gv_model_new(&model, "softmax:3-2", NULL), GV_OK);
    struct gv_scratch *scratch;
    cr_assert_eq(gv_scratch_new(&scratch, model, 0), GV_ERR_RANGE);
    cr_assert_null(scratch);
    cr_assert_eq(gv_scratch_new(&scratch, model, 40000), GV_ERR_RANGE);
    cr_assert_eq(gv_scratch_new(&scratch, model, 5), GV_OK);
    cr_assert_eq(gv_scratch_reserve(scratch, 40000), GV_ERR_RANGE);
    cr_assert_eq(scratch->rows, 5);
    cr_assert_not_null(scratch->workspace);
    gv_scratch_free(&scratch);
    gv_model_free(&model);
}
