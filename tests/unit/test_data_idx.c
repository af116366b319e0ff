/* IDX: good files, and every way a file can be bad. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data.h"
#include "learn_help.h"

/* Three training images and two test images of 2x2. */
static const uint8_t TRAIN_IMAGES[] = {0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2,  0,  0,
                                       0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255};
static const uint8_t TRAIN_LABELS[] = {0, 0, 8, 1, 0, 0, 0, 3, 0, 1, 2};
static const uint8_t TEST_IMAGES[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 21, 22, 23, 24, 25, 26, 27, 28};
static const uint8_t TEST_LABELS[] = {0, 0, 8, 1, 0, 0, 0, 2, 2, 0};

static char spec[128];

static void good_files(void)
{
    (void)snprintf(spec, sizeof spec, "idx:%s", help_make_dir());
    (void)help_write("train-images-idx3-ubyte", TRAIN_IMAGES, sizeof TRAIN_IMAGES);
    (void)help_write("train-labels-idx1-ubyte", TRAIN_LABELS, sizeof TRAIN_LABELS);
    (void)help_write("t10k-images-idx3-ubyte", TEST_IMAGES, sizeof TEST_IMAGES);
    (void)help_write("t10k-labels-idx1-ubyte", TEST_LABELS, sizeof TEST_LABELS);
}

TestSuite(idx, .init = good_files, .fini = help_remove_dir);

static void remove_file(const char *name)
{
    char path[192];
    (void)snprintf(path, sizeof path, "%s/%s", spec + 4, name);
    cr_assert_eq(unlink(path), 0);
}

static void check_good(const struct gv_data *data)
{
    cr_assert_eq(data->features, 4);
    cr_assert_eq(data->classes, 3);
    cr_assert_str_eq(data->class_names[2], "2");
    cr_assert_eq(data->train.count, 3);
    cr_assert_eq(data->test.count, 2);
    cr_assert_arr_eq(data->train.bytes, TRAIN_IMAGES + 16, 12);
    cr_assert_arr_eq(data->test.bytes, TEST_IMAGES + 16, 8);
    cr_assert(data->train.labels[0] == 0 && data->train.labels[2] == 2 && data->test.labels[0] == 2);
    cr_assert_null(data->train.values);
    cr_assert_eq(data->scaling, GV_SCALING_NONE);
}

Test(idx, reads_plain_files)
{
    struct gv_data data;
    help_load(&data, spec);
    check_good(&data);
    gv_data_deinit(&data);
}

Test(idx, reads_gzipped_files)
{
    remove_file("train-images-idx3-ubyte");
    remove_file("t10k-labels-idx1-ubyte");
    (void)help_write_gz("train-images-idx3-ubyte.gz", TRAIN_IMAGES, sizeof TRAIN_IMAGES);
    (void)help_write_gz("t10k-labels-idx1-ubyte.gz", TEST_LABELS, sizeof TEST_LABELS);
    struct gv_data data;
    help_load(&data, spec);
    check_good(&data);
    gv_data_deinit(&data);
}

Test(idx, test_files_may_be_absent_together)
{
    remove_file("t10k-images-idx3-ubyte");
    help_refuse(spec, "0 images");
    remove_file("t10k-labels-idx1-ubyte");
    struct gv_data data;
    help_load(&data, spec);
    cr_assert_eq(data.test.count, 0);
    cr_assert_eq(data.train.count, 3);
    gv_data_deinit(&data);
}

Test(idx, names_a_missing_file)
{
    remove_file("train-labels-idx1-ubyte");
    help_refuse(spec, "train-labels-idx1-ubyte: no such file, with or without .gz");
    remove_file("train-images-idx3-ubyte");
    help_refuse(spec, "train-images-idx3-ubyte: no such file");
}

Test(idx, wants_a_directory)
{
    help_refuse("idx:/dev/null", "is not a directory");
    help_refuse("idx:/nonexistent/dir", "No such file");
    char with_option[160];
    (void)snprintf(with_option, sizeof with_option, "%s,test=0.2", spec);
    help_refuse(with_option, "unknown option \"test\"");
}

Test(idx, refuses_a_directory_in_place_of_a_file)
{
    remove_file("train-images-idx3-ubyte");
    char path[192];
    (void)snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", spec + 4);
    cr_assert_eq(mkdir(path, 0700), 0);
    help_refuse(spec, "is a directory, expected a file");
    cr_assert_eq(rmdir(path), 0);
}

Test(idx, refuses_a_pipe_without_waiting_for_it)
{
    remove_file("train-images-idx3-ubyte");
    char path[192];
    (void)snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", spec + 4);
    cr_assert_eq(mkfifo(path, 0600), 0);
    help_refuse(spec, "a device or pipe");
}

Test(idx, refuses_an_empty_file)
{
    (void)help_write("train-images-idx3-ubyte", "", 0);
    help_refuse(spec, "train-images-idx3-ubyte: is empty");
}

Test(idx, refuses_a_file_cut_anywhere)
{
    for (size_t bytes = 1; bytes < sizeof TRAIN_IMAGES; bytes++) {
        (void)help_write("train-images-idx3-ubyte", TRAIN_IMAGES, bytes);
        help_refuse(spec, bytes < 16 ? "truncated" : "holds at most");
    }
    (void)help_write("train-images-idx3-ubyte", TRAIN_IMAGES, sizeof TRAIN_IMAGES);
    for (size_t bytes = 1; bytes < sizeof TRAIN_LABELS; bytes++) {
        (void)help_write("train-labels-idx1-ubyte", TRAIN_LABELS, bytes);
        help_refuse(spec, bytes < 8 ? "truncated" : "holds at most");
    }
}

Test(idx, refuses_a_truncated_or_damaged_gzip_stream)
{
    remove_file("train-images-idx3-ubyte");
    const char *path = help_write_gz("train-images-idx3-ubyte.gz", TRAIN_IMAGES, sizeof TRAIN_IMAGES);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    uint8_t packed[256];
    size_t bytes = fread(packed, 1, sizeof packed, file);
    (void)fclose(file);
    for (size_t cut = 19; cut < bytes; cut++) {
        (void)help_write("train-images-idx3-ubyte.gz", packed, cut);
        help_refuse(spec, "");
    }
    packed[bytes - 6] ^= 0x10; /* the checksum */
    (void)help_write("train-images-idx3-ubyte.gz", packed, bytes);
    help_refuse(spec, "damaged");
}

Test(idx, refuses_another_magic)
{
    static const uint8_t BAD[][4] = {{0, 0, 8, 1},  {1, 0, 8, 3}, {0, 1, 8, 3},
                                     {0, 0, 13, 3}, {0, 0, 8, 0}, {0, 0, 8, 5}};
    uint8_t images[sizeof TRAIN_IMAGES];
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        memcpy(images, TRAIN_IMAGES, sizeof images);
        memcpy(images, BAD[i], 4);
        (void)help_write("train-images-idx3-ubyte", images, sizeof images);
        help_refuse(spec, "expected 0x00000803 (images)");
    }
    (void)help_write("train-images-idx3-ubyte", TRAIN_IMAGES, sizeof TRAIN_IMAGES);
    (void)help_write("train-labels-idx1-ubyte", TRAIN_IMAGES, sizeof TRAIN_IMAGES);
    help_refuse(spec, "byte 0: magic 0x00000803, expected 0x00000801 (labels)");
}

Test(idx, refuses_absurd_sizes)
{
    static const struct {
        uint8_t at, value;
        const char *part;
    } BAD[] = {
        {4, 0xff, "the header promises"}, /* 4 billion samples */
        {7, 0, "the header promises"},    /* none */
        {8, 0xff, "a size of"},           /* 4 billion rows */
        {11, 0, "a size of 0"},
        {13, 1, "a size of"},              /* 2 x 65538 */
        {10, 0x40, "the header promises"}, /* 16386 x 2: allowed, but not in this file */
    };
    uint8_t images[sizeof TRAIN_IMAGES];
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        memcpy(images, TRAIN_IMAGES, sizeof images);
        images[BAD[i].at] = BAD[i].value;
        (void)help_write("train-images-idx3-ubyte", images, sizeof images);
        help_refuse(spec, BAD[i].part);
        remove_file("train-images-idx3-ubyte");
        (void)help_write_gz("train-images-idx3-ubyte.gz", images, sizeof images);
        help_refuse(spec, i == 5 ? "" : BAD[i].part);
        remove_file("train-images-idx3-ubyte.gz");
    }
}

Test(idx, refuses_bytes_after_the_end)
{
    uint8_t longer[sizeof TRAIN_IMAGES + 1] = {0};
    memcpy(longer, TRAIN_IMAGES, sizeof TRAIN_IMAGES);
    (void)help_write("train-images-idx3-ubyte", longer, sizeof longer);
    help_refuse(spec, "goes on after byte 28");
}

Test(idx, refuses_counts_that_differ)
{
    static const uint8_t TWO[] = {0, 0, 8, 1, 0, 0, 0, 2, 0, 1};
    (void)help_write("train-labels-idx1-ubyte", TWO, sizeof TWO);
    help_refuse(spec, "3 images in train-images-idx3-ubyte, but 2 labels");
}

Test(idx, refuses_test_images_of_another_size)
{
    static const uint8_t WIDE[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4};
    (void)help_write("t10k-images-idx3-ubyte", WIDE, sizeof WIDE);
    help_refuse(spec, "training images have 4 values, test images 2");
}

Test(idx, reads_fashion_mnist)
{
    char real[600];
    (void)snprintf(real, sizeof real, "idx:%s", help_real_data("fashion-mnist"));
    struct gv_data data;
    help_load(&data, real);
    cr_assert_eq(data.train.count, 60000);
    cr_assert_eq(data.test.count, 10000);
    cr_assert_eq(data.features, 784);
    cr_assert_eq(data.classes, 10);
    size_t count[10] = {0};
    for (size_t i = 0; i < 60000; i++) {
        count[data.train.labels[i]]++;
    }
    for (int c = 0; c < 10; c++) {
        cr_assert_eq(count[c], 6000);
    }
    struct gv_schema schema;
    cr_assert_eq(gv_data_schema(&schema, &data, NULL), GV_OK);
    cr_assert_float_eq(schema.mean[0], 0.2860F, 1e-4F); /* as published for this set */
    cr_assert_float_eq(schema.deviation[0], 0.3530F, 1e-4F);
    gv_schema_free(&schema);
    gv_data_deinit(&data);
}
