/* The procedural data set. */
#include <criterion/criterion.h>
#include <string.h>

#include "data.h"
#include "learn_help.h"

Test(glyphs, are_the_same_on_every_machine)
{
    struct gv_data data;
    help_load(&data, "builtin:glyphs,train=500,test=100");
    uint64_t hash = help_hash(data.train.bytes, 500 * 784) ^ help_hash(data.test.bytes, 100 * 784);
    cr_assert_eq(hash, UINT64_C(0xc334636c97901166), "hash %llx", (unsigned long long)hash);
    gv_data_deinit(&data);
}

Test(glyphs, have_ten_balanced_named_classes)
{
    struct gv_data data;
    help_load(&data, "builtin:glyphs");
    cr_assert_eq(data.features, 784);
    cr_assert_eq(data.classes, 10);
    cr_assert_eq(data.train.count, 8000);
    cr_assert_eq(data.test.count, 2000);
    size_t count[10] = {0};
    for (size_t i = 0; i < data.train.count; i++) {
        count[data.train.labels[i]]++;
    }
    for (int c = 0; c < 10; c++) {
        cr_assert_eq(count[c], 800);
        cr_assert_gt(strlen(data.class_names[c]), 0);
        for (int d = 0; d < c; d++) {
            cr_assert_str_neq(data.class_names[c], data.class_names[d]);
        }
    }
    gv_data_deinit(&data);
}

Test(glyphs, depend_on_seed_and_number_only)
{
    struct gv_data few, many, other;
    help_load(&few, "builtin:glyphs,seed=3,train=50,test=20");
    help_load(&many, "builtin:glyphs,seed=3,train=100,test=10");
    help_load(&other, "builtin:glyphs,seed=4,train=50,test=20");
    cr_assert_arr_eq(few.train.bytes, many.train.bytes, 50 * 784);
    cr_assert_arr_eq(few.test.bytes, many.test.bytes, 10 * 784);
    cr_assert_arr_neq(few.train.bytes, other.train.bytes, 50 * 784);
    cr_assert_arr_neq(few.train.bytes, few.test.bytes, 20 * 784, "test samples are not training samples");
    gv_data_deinit(&few);
    gv_data_deinit(&many);
    gv_data_deinit(&other);
}

Test(glyphs, refuse_bad_options)
{
    help_refuse("builtin:glyphs,seed=-1", "seed=-1");
    help_refuse("builtin:glyphs,train=5", "expected a whole number from 10 to 1000000");
    help_refuse("builtin:glyphs,test=0.2", "test=0.2");
    help_refuse("builtin:glyphs,header", "unknown option \"header\"");
}
