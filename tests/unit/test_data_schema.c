/* What a creator writes down, and what a joiner's data must fit. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data.h"
#include "learn_help.h"

static void make_dir(void)
{
    (void)help_make_dir();
}

TestSuite(schema, .init = make_dir, .fini = help_remove_dir);

static void load_table(struct gv_data *data, const char *text)
{
    char spec[640];
    (void)snprintf(spec, sizeof spec, "csv:%s", help_write("t.csv", text, strlen(text)));
    help_load(data, spec);
}

static void write_schema(struct gv_schema *schema, const struct gv_data *data)
{
    struct gv_diag diag = {0};
    cr_assert_eq(gv_data_schema(schema, data, &diag), GV_OK, "%s", diag.text);
}

static void expect_misfit(const char *text, const struct gv_schema *schema, const char *part)
{
    struct gv_data data;
    struct gv_diag diag = {0};
    load_table(&data, text);
    uint32_t classes = data.classes;
    cr_assert_eq(gv_data_fit(&data, schema, &diag), GV_ERR_DATA);
    cr_assert_not_null(strstr(diag.text, part), "\"%s\" does not say \"%s\"", diag.text, part);
    cr_assert_eq(data.classes, classes, "a misfit is left as it was");
    gv_data_deinit(&data);
}

Test(schema, standardises_each_column_of_a_table)
{
    struct gv_data data;
    struct gv_schema schema;
    load_table(&data, "1,1000,7,a\n3,3000,7,b\n5,5000,7,a\n");
    write_schema(&schema, &data);
    cr_assert_eq(schema.scaling, GV_SCALING_STANDARD);
    cr_assert_eq(schema.scale_count, 3);
    cr_assert_float_eq(schema.mean[1], 3000.0F, 1e-3F);
    cr_assert_float_eq(schema.deviation[1], 1632.993F, 1e-2F);
    cr_assert_eq(schema.deviation[2], 1.0F, "a constant column has deviation 1");
    cr_assert_eq(gv_data_fit(&data, &schema, NULL), GV_OK);
    float x[9];
    uint16_t labels[3];
    const uint32_t rows[] = {0, 1, 2};
    gv_data_gather(&data, &data.train, rows, 3, x, labels);
    cr_assert_float_eq(x[0], -1.224745F, 1e-5F);
    cr_assert_float_eq(x[1], -1.224745F, 1e-5F);
    cr_assert_eq(x[2], 0.0F);
    cr_assert_float_eq(x[3], 0.0F, 1e-6F);
    gv_schema_free(&schema);
    gv_data_deinit(&data);
}

Test(schema, scales_images_by_one_mean_and_deviation)
{
    struct gv_data data;
    struct gv_schema schema;
    help_load(&data, "builtin:glyphs,train=200,test=10");
    write_schema(&schema, &data);
    cr_assert_eq(schema.scaling, GV_SCALING_UNIT);
    cr_assert_eq(schema.scale_count, 1);
    double sum = 0.0, squares = 0.0;
    size_t n = (size_t)200 * 784;
    for (size_t i = 0; i < n; i++) {
        double v = data.train.bytes[i] / 255.0;
        sum += v;
        squares += v * v;
    }
    cr_assert(fabs(sum / (double)n - (double)schema.mean[0]) < 1e-6);
    cr_assert(fabs(sqrt(squares / (double)n - sum / (double)n * (sum / (double)n)) - (double)schema.deviation[0]) <
              1e-6);
    struct gv_diag diag = {0};
    schema.scaling = GV_SCALING_STANDARD;
    cr_expect_eq(gv_schema_scale(&schema, &data, &diag), GV_ERR_DATA, "images have no columns");
    gv_schema_free(&schema);
    gv_data_deinit(&data);
}

Test(schema, scales_a_table_as_it_is_told)
{
    struct gv_data data;
    struct gv_schema schema;
    struct gv_diag diag = {0};
    load_table(&data, "1,2,a\n3,6,b\n");
    write_schema(&schema, &data);
    schema.scaling = GV_SCALING_UNIT;
    cr_assert_eq(gv_schema_scale(&schema, &data, &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(schema.scale_count, 1);
    cr_expect_float_eq(schema.mean[0], 3.0F, 1e-6F);
    schema.scaling = GV_SCALING_STANDARD;
    cr_assert_eq(gv_schema_scale(&schema, &data, &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(schema.scale_count, 2);
    cr_expect_float_eq(schema.mean[1], 4.0F, 1e-6F);
    gv_schema_free(&schema);
    gv_data_deinit(&data);
}

Test(schema, renumbers_classes_by_name)
{
    struct gv_data creator, joiner;
    struct gv_schema schema;
    load_table(&creator, "1,ant\n2,bee\n3,cat\n4,dog\n");
    write_schema(&schema, &creator);
    load_table(&joiner, "1,dog\n2,bee\n3,dog\n");
    cr_assert_eq(gv_data_fit(&joiner, &schema, NULL), GV_OK);
    cr_assert_eq(joiner.classes, 4);
    cr_assert_str_eq(joiner.class_names[3], "dog");
    cr_assert(joiner.train.labels[0] == 3 && joiner.train.labels[1] == 1 && joiner.train.labels[2] == 3);
    cr_assert_eq(joiner.mean[0], schema.mean[0]);
    cr_assert_eq(gv_data_fit(&joiner, &schema, NULL), GV_OK, "fitting twice is fitting once");
    cr_assert_eq(joiner.train.labels[1], 1);
    gv_schema_free(&schema);
    gv_data_deinit(&creator);
    gv_data_deinit(&joiner);
}

Test(schema, fits_data_without_classes)
{
    struct gv_data creator, data;
    struct gv_schema schema;
    help_load(&creator, "builtin:glyphs,train=50,test=10");
    write_schema(&schema, &creator);
    schema.classes = 2; /* the images have labels that this schema has no class for */
    cr_assert_eq(gv_data_load_unlabelled(&data, "builtin:glyphs,train=50,test=10", NULL), GV_OK);
    cr_assert_eq(gv_data_fit(&data, &schema, NULL), GV_OK);
    cr_assert(data.classes == 2 && data.train.count == 50 && data.test.count == 10);
    for (size_t i = 0; i < 50; i++) {
        cr_assert_eq(data.train.labels[i], 0);
    }
    gv_schema_free(&schema);
    gv_data_deinit(&creator);
    gv_data_deinit(&data);
}

Test(schema, says_how_data_does_not_fit)
{
    struct gv_data creator;
    struct gv_schema schema;
    load_table(&creator, "1,2,ant\n2,3,bee\n");
    write_schema(&schema, &creator);
    expect_misfit("1,ant\n2,bee\n", &schema, "samples have 1 features, the swarm's have 2");
    expect_misfit(
        "1,2,ant\n2,3,wasp\n", &schema,
        "class \"wasp\" (1 samples, the first is number 1 of the training part) is none of the swarm's 2 classes");
    gv_schema_free(&schema);
    gv_data_deinit(&creator);
}

Test(schema, refuses_other_units)
{
    struct gv_data images, table;
    struct gv_schema schema;
    help_load(&images, "builtin:glyphs,train=50,test=10");
    images.features = 2; /* the schema of two pixels is enough here */
    for (size_t i = 0; i < 50; i++) {
        images.train.bytes[i] = (uint8_t)(i % 3);
    }
    write_schema(&schema, &images);
    load_table(&table, "120,255,ring\n200,90,zed\n");
    struct gv_diag diag = {0};
    cr_assert_eq(gv_data_fit(&table, &schema, &diag), GV_ERR_DATA);
    cr_assert_not_null(strstr(diag.text, "other units"), "%s", diag.text);
    gv_schema_free(&schema);
    gv_data_deinit(&images);
    gv_data_deinit(&table);
}

Test(schema, refuses_classes_without_a_sample)
{
    struct gv_data data;
    struct gv_schema schema;
    struct gv_diag diag = {0};
    help_load(&data, "builtin:glyphs,train=50,test=10");
    for (size_t i = 0; i < 50; i++) {
        data.train.labels[i] = data.train.labels[i] == 4 ? 9 : data.train.labels[i];
    }
    cr_assert_eq(gv_data_schema(&schema, &data, &diag), GV_ERR_DATA);
    cr_assert_not_null(strstr(diag.text, "has no training sample"), "%s", diag.text);
    cr_assert_null(schema.class_names);
    gv_data_deinit(&data);
    load_table(&data, "1,a\n2,a\n");
    cr_assert_eq(gv_data_schema(&schema, &data, &diag), GV_ERR_DATA);
    cr_assert_not_null(strstr(diag.text, "1 classes"), "%s", diag.text);
    gv_data_deinit(&data);
}
