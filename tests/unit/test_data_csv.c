/* Tables as data: columns, headers, classes, missing values, held-out rows. */
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

TestSuite(data_csv, .init = make_dir, .fini = help_remove_dir);

/* Writes a table and returns the specification that reads it with these options. */
static const char *table(const char *text, const char *options)
{
    static char spec[640];
    (void)snprintf(spec, sizeof spec, "csv:%s%s", help_write("t.csv", text, strlen(text)), options);
    return spec;
}

Test(data_csv, reads_features_and_classes)
{
    struct gv_data data;
    help_load(&data, table("1,2.5,cat\n-3,1e2,dog\n 4 , .5 , cat \n", ""));
    cr_assert_eq(data.features, 2);
    cr_assert_eq(data.train.count, 3);
    cr_assert_eq(data.test.count, 0);
    cr_assert_eq(data.classes, 2);
    cr_assert_str_eq(data.class_names[0], "cat");
    cr_assert_str_eq(data.class_names[1], "dog");
    static const float VALUES[] = {1.0F, 2.5F, -3.0F, 100.0F, 4.0F, 0.5F};
    cr_assert_arr_eq(data.train.values, VALUES, sizeof VALUES);
    cr_assert(data.train.labels[0] == 0 && data.train.labels[1] == 1 && data.train.labels[2] == 0);
    cr_assert_null(data.train.bytes);
    gv_data_deinit(&data);
}

Test(data_csv, takes_the_class_from_any_column)
{
    static const char *const OPTIONS[] = {",label=first", ",label=1", ",label=kind"};
    static const char *const TEXTS[] = {"b,1,2\na,3,4\n", "b,1,2\na,3,4\n", "kind,x,y\nb,1,2\na,3,4\n"};
    static const float VALUES[] = {1.0F, 2.0F, 3.0F, 4.0F};
    for (int i = 0; i < 3; i++) {
        struct gv_data data;
        help_load(&data, table(TEXTS[i], OPTIONS[i]));
        cr_assert_eq(data.train.count, 2);
        cr_assert_arr_eq(data.train.values, VALUES, sizeof VALUES);
        cr_assert(data.train.labels[0] == 1 && data.train.labels[1] == 0, "classes are sorted by name");
        gv_data_deinit(&data);
    }
    struct gv_data data;
    help_load(&data, table("1,b,2\n3,a,4\n", ",label=2"));
    cr_assert_arr_eq(data.train.values, VALUES, sizeof VALUES);
    gv_data_deinit(&data);
}

Test(data_csv, a_name_counts_only_in_a_header_as_wide_as_the_rows)
{
    /* Rows named without a heading: by the header alone, "kind" would be the column of x. */
    static const char ROWS[] = "kind,x,y\n1,7,10,20\n2,8,30,40\n";
    help_refuse(table(ROWS, ",label=kind"), "line 2: has 4 fields, the header 3, so which one is \"kind\"?");
    struct gv_data data;
    help_load(&data, table(ROWS, ",label=2,header"));
    cr_assert_str_eq(data.class_names[0], "7");
    gv_data_deinit(&data);
}

Test(data_csv, knows_a_header_when_no_feature_is_a_number)
{
    struct gv_data data;
    help_load(&data, table("width,height,class\n1,2,a\n3,4,b\n", ""));
    cr_assert_eq(data.train.count, 2);
    cr_assert_eq(data.classes, 2);
    gv_data_deinit(&data);
    help_refuse(table("1,height,class\n1,2,a\n", ""),
                "line 1, column 2: \"height\" is not a number; if the first line is not");
}

Test(data_csv, header_skips_the_first_line_whatever_it_holds)
{
    struct gv_data data;
    help_load(&data, table("569,30,malignant,benign\n1,2,a\n3,4,b\n", ",header"));
    cr_assert_eq(data.features, 2);
    cr_assert_eq(data.train.count, 2);
    gv_data_deinit(&data);
    help_load(&data, table("9,9,9\n1,2,0\n3,4,1\n", ",header"));
    cr_assert_eq(data.train.count, 2);
    gv_data_deinit(&data);
    help_refuse(table("569,30,1\n1,2,3,a\n", ""), "line 2: has 4 fields, the rows before it 3");
}

Test(data_csv, sorts_numeric_classes_by_size_and_takes_3_0_for_3)
{
    struct gv_data data;
    help_load(&data, table("1,10\n1,9\n1,3.0\n1,3\n1,-1\n", ""));
    cr_assert_eq(data.classes, 4);
    cr_assert_str_eq(data.class_names[0], "-1");
    cr_assert_str_eq(data.class_names[1], "3");
    cr_assert_str_eq(data.class_names[2], "9");
    cr_assert_str_eq(data.class_names[3], "10");
    cr_assert_eq(data.train.labels[2], data.train.labels[3]);
    gv_data_deinit(&data);
}

Test(data_csv, skips_and_counts_rows_with_missing_or_nonfinite_fields)
{
    struct gv_data data;
    help_load(&data,
              table("1,2,a\n,2,a\n1,nan,a\n1,inf,b\nNA,2,a\n?,1,a\n1e39,1,a\n1,-inf,a\n1,2,\n1,2,nan\n5,6,b\n", ""));
    cr_assert_eq(data.skipped_rows, 9);
    cr_assert_eq(data.train.count, 2);
    cr_assert_eq(data.train.values[2], 5.0F);
    for (size_t i = 0; i < 4; i++) {
        cr_assert(isfinite(data.train.values[i]));
    }
    gv_data_deinit(&data);
}

Test(data_csv, unlabelled_looks_at_no_class)
{
    static const char *const SPECS[][2] = {
        {"1,2,?\n3,4,\n", ""},
        {"1,2,a\tb\n3,4,\xff\n", ""},
        {"kind,x,y\nnan,1,2\n,3,4\n", ",label=kind"},
        {"1,2\n3,4\n", ",label=none"},
        {"width,height\n1,2\n3,4\n", ",label=none"},
    };
    static const float VALUES[] = {1.0F, 2.0F, 3.0F, 4.0F};
    struct gv_data data;
    struct gv_diag diag = {0};
    for (size_t i = 0; i < sizeof SPECS / sizeof SPECS[0]; i++) {
        cr_assert_eq(gv_data_load_unlabelled(&data, table(SPECS[i][0], SPECS[i][1]), &diag), GV_OK, "%s", diag.text);
        cr_assert(data.features == 2 && data.train.count == 2 && data.classes == 0 && data.skipped_rows == 0);
        cr_assert_arr_eq(data.train.values, VALUES, sizeof VALUES);
        cr_assert(data.train.labels[0] == 0 && data.train.labels[1] == 0);
        gv_data_deinit(&data);
    }
    cr_assert_eq(gv_data_load_unlabelled(&data, table("1\n2\n", ",label=none"), &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(data.features, 1);
    gv_data_deinit(&data);
    help_refuse(table("x,y\n1,2\n", ",label=none"), "no column is called \"none\"");
}

Test(data_csv, unlabelled_rows_know_their_place)
{
    static const size_t PLACES[] = {0, 2, 5};
    struct gv_data data;
    struct gv_diag diag = {0};
    cr_assert_eq(gv_data_load_unlabelled(&data, table("x\n0\n\n?\n2\nnan\n\ninf\n5\n", ",header,label=none"), &diag),
                 GV_OK, "%s", diag.text);
    cr_assert_eq(data.skipped_rows, 3);
    cr_assert_eq(data.train.count, 3);
    cr_assert_arr_eq(data.train.place, PLACES, sizeof PLACES);
    gv_data_deinit(&data);
    char text[8192] = "";
    for (int i = 0; i < 500; i++) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), i % 7 == 0 ? "?,a\n" : "%d,a\n", i);
    }
    cr_assert_eq(gv_data_load_unlabelled(&data, table(text, ",test=0.2"), &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(data.train.count + data.test.count + data.skipped_rows, 500);
    for (size_t i = 0; i < data.train.count; i++) {
        cr_assert_eq(data.train.values[i], (float)data.train.place[i]);
    }
    for (size_t i = 0; i < data.test.count; i++) {
        cr_assert_eq(data.test.values[i], (float)data.test.place[i]);
    }
    gv_data_deinit(&data);
}

Test(data_csv, refuses_a_table_without_a_usable_row)
{
    help_refuse(table("1,,a\nnan,2,a\n", ""),
                "no usable row: all 2 have a missing or non-finite field, the first in line 1, "
                "column 2");
    help_refuse(table("x,y,class\n", ""), "holds no rows");
    help_refuse(table("\n\n", ""), "holds no rows");
    help_refuse(table("", ""), "is empty");
    help_refuse(table("1,2,a\n", ",header"), "holds no rows");
}

Test(data_csv, names_line_and_column_of_what_is_wrong)
{
    help_refuse(table("1,2,a\n3,4,a\n5,x,a\n", ""), "t.csv: line 3, column 2: \"x\" is not a number");
    help_refuse(table("1,2,a\n3,4\n", ""), "line 2: has 2 fields, the rows before it 3");
    help_refuse(table("1,2,a\n3,4,a,5\n", ""), "line 2: has 4 fields");
    help_refuse(table("1;2;a\n", ""), "line 1: only one field");
    help_refuse(table("1,2,a\n", ",label=4"), "there is no column 4, only 1 to 3");
    help_refuse(table("1,2,a\n", ",label=0"), "there is no column 0");
    help_refuse(table("x,y,z\n1,2,a\n", ",label=kind"), "no column is called \"kind\"");
    help_refuse(table("x,y,kind\n1,2\n", ",label=kind"),
                "line 2: has 2 fields, the header 3, so which one is \"kind\"?");
    help_refuse(table("1,2,a\n", ",headr"), "unknown option \"headr\"");
    help_refuse("csv:/nonexistent.csv", "/nonexistent.csv: cannot be opened: No such file");
    help_refuse("csv:/tmp", "is a directory");
}

Test(data_csv, refuses_a_label_column_that_is_none)
{
    char text[32 * 1100] = "";
    size_t used = 0;
    for (int i = 0; i < 1100; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%d,%d.5\n", i, i);
    }
    help_refuse(table(text, ""), "line 1025: more than 1024 classes; is column 2 the class?");
    char name[100] = "1,";
    memset(name + 2, 'n', 70);
    help_refuse(table(name, ""), "a class name of 70 bytes");
    help_refuse(table("1,a\tb\n", ""), "a control character in a class name");
    static const char *const bytes[] = {"\xff",         "a\xc3",    "\xc0\xaf",         "\xe0\x80\x80",
                                        "\xed\xa0\x80", "\xc2\x85", "\xf4\x90\x80\x80", "\x80"};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        (void)snprintf(text, sizeof text, "1,fine\n2,%s\n", bytes[i]);
        help_refuse(table(text, ""), "line 2, column 2: a control character in a class name, or bytes");
    }
}

Test(data_csv, reads_gzipped_tables_and_refuses_torn_ones)
{
    char text[4096] = "";
    for (int i = 0; i < 200; i++) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%d,%d,%c\n", i, i * 37 % 101, 'a' + i % 3);
    }
    char spec[640];
    const char *path = help_write_gz("t.csv.gz", text, strlen(text));
    (void)snprintf(spec, sizeof spec, "csv:%s", path);
    struct gv_data data;
    help_load(&data, spec);
    cr_assert_eq(data.train.count, 200);
    gv_data_deinit(&data);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    char packed[4096];
    size_t bytes = fread(packed, 1, sizeof packed, file);
    (void)fclose(file);
    (void)help_write("t.csv.gz", packed, bytes / 2);
    help_refuse(spec, "truncated");
}

Test(data_csv, holds_out_the_same_rows_for_the_same_seed)
{
    char text[8192] = "";
    for (int i = 0; i < 500; i++) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%d,%d\n", i, i % 4);
    }
    struct gv_data a, b, c;
    help_load(&a, table(text, ",test=0.2"));
    help_load(&b, table(text, ",test=0.2,seed=0"));
    help_load(&c, table(text, ",test=0.2,seed=1"));
    cr_assert_eq(a.test.count, 100);
    cr_assert_eq(a.train.count, 400);
    cr_assert_arr_eq(a.test.values, b.test.values, 100 * sizeof(float));
    cr_assert_arr_neq(a.test.values, c.test.values, 100 * sizeof(float));
    bool seen[500] = {false};
    for (size_t i = 0; i < 500; i++) {
        const struct gv_samples *part = i < 400 ? &a.train : &a.test;
        size_t at = i < 400 ? i : i - 400;
        unsigned row = (unsigned)part->values[at];
        cr_assert(!seen[row], "row %u is in both parts", row);
        seen[row] = true;
        cr_assert_eq(part->labels[at], row % 4, "labels move with their rows");
    }
    gv_data_deinit(&a);
    gv_data_deinit(&b);
    gv_data_deinit(&c);
    help_refuse(table("1,a\n2,b\n", ",test=0.1"), "leaves none to test on");
    help_refuse(table("1,a\n2,b\n", ",test=0.9"), "leaves none to train on");
    help_refuse(table("1,a\n", ",test=2"), "expected a share");
}

Test(data_csv, reads_digits)
{
    char spec[600];
    (void)snprintf(spec, sizeof spec, "csv:%s", help_real_data("digits/digits.csv.gz"));
    struct gv_data data;
    help_load(&data, spec);
    cr_assert_eq(data.train.count, 1797);
    cr_assert_eq(data.features, 64);
    cr_assert_eq(data.classes, 10);
    cr_assert_eq(data.skipped_rows, 0);
    cr_assert(data.train.labels[0] == 0 && data.train.labels[1] == 1 && data.train.values[2] == 5.0F);
    gv_data_deinit(&data);
}

Test(data_csv, reads_breast_cancer_past_its_odd_first_line)
{
    char spec[600];
    const char *path = help_real_data("breast_cancer/breast_cancer.csv");
    (void)snprintf(spec, sizeof spec, "csv:%s", path);
    help_refuse(spec, "line 1, column 3: \"malignant\" is not a number; if the first line is not data, add ,header");
    (void)snprintf(spec, sizeof spec, "csv:%s,header", help_real_data("breast_cancer/breast_cancer.csv"));
    struct gv_data data;
    help_load(&data, spec);
    cr_assert_eq(data.train.count, 569);
    cr_assert_eq(data.features, 30);
    cr_assert_eq(data.classes, 2);
    size_t malignant = 0;
    for (size_t i = 0; i < 569; i++) {
        malignant += data.train.labels[i] == 0;
    }
    cr_assert_eq(malignant, 212);
    cr_assert_eq(data.train.values[0], 17.99F);
    gv_data_deinit(&data);
}
