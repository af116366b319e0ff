/* Batches against a plain reference, for every kind of features and scaling. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "data.h"
#include "learn_help.h"
#include "random.h"

enum { FEATURES = 37, COUNT = 20, BATCH = 11 };

static void fill(struct gv_data *data, struct gv_random *random, bool bytes, enum gv_scaling scaling)
{
    memset(data, 0, sizeof *data);
    data->features = FEATURES;
    data->classes = 7;
    data->scaling = scaling;
    data->scale_count = scaling == GV_SCALING_NONE ? 0 : scaling == GV_SCALING_UNIT ? 1 : FEATURES;
    data->mean = calloc(FEATURES, sizeof(float));
    data->inverse_deviation = calloc(FEATURES, sizeof(float));
    data->train.count = COUNT;
    data->train.labels = calloc(COUNT, sizeof(uint16_t));
    data->train.bytes = bytes ? calloc(COUNT, FEATURES) : NULL;
    data->train.values = bytes ? NULL : calloc(COUNT * FEATURES, sizeof(float));
    for (uint32_t i = 0; i < COUNT * FEATURES; i++) {
        if (bytes) {
            data->train.bytes[i] = (uint8_t)gv_random_below(random, 256);
        } else {
            data->train.values[i] = 100.0F * gv_random_float(random);
        }
    }
    for (uint32_t j = 0; j < FEATURES; j++) {
        data->mean[j] = gv_random_float(random);
        data->inverse_deviation[j] = 0.5F + gv_random_float(random);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        data->train.labels[i] = (uint16_t)gv_random_below(random, 7);
    }
}

Test(gather, scales_every_kind_of_data)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    for (int kind = 0; kind < 6; kind++) {
        enum gv_scaling scaling = (enum gv_scaling)(kind % 3);
        struct gv_data data;
        fill(&data, &random, kind < 3, scaling);
        uint32_t rows[BATCH];
        for (int i = 0; i < BATCH; i++) {
            rows[i] = gv_random_below(&random, COUNT);
        }
        float x[BATCH * FEATURES];
        uint16_t labels[BATCH];
        gv_data_gather(&data, &data.train, rows, BATCH, x, labels);
        for (uint32_t i = 0; i < BATCH; i++) {
            cr_assert_eq(labels[i], data.train.labels[rows[i]]);
            for (uint32_t j = 0; j < FEATURES; j++) {
                uint32_t at = rows[i] * FEATURES + j;
                float expected = kind < 3 ? (float)data.train.bytes[at] / 255.0F : data.train.values[at];
                if (scaling != GV_SCALING_NONE) {
                    uint32_t s = scaling == GV_SCALING_UNIT ? 0 : j;
                    expected = (expected - data.mean[s]) * data.inverse_deviation[s];
                }
                cr_assert_float_eq(x[i * FEATURES + j], expected,
                                   1e-5F * (1.0F + (expected < 0 ? -expected : expected)));
            }
        }
        gv_data_deinit(&data);
    }
}

Test(gather, refers_to_bytes_of_one_scale_without_a_copy)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    for (int kind = 0; kind < 6; kind++) {
        enum gv_scaling scaling = (enum gv_scaling)(kind % 3);
        struct gv_data data;
        fill(&data, &random, kind < 3, scaling);
        uint32_t picks[BATCH];
        for (int i = 0; i < BATCH; i++) {
            picks[i] = gv_random_below(&random, COUNT);
        }
        float x[BATCH * FEATURES];
        uint16_t expected[BATCH], labels[BATCH];
        const uint8_t *bytes[BATCH];
        struct gv_rows rows;
        gv_data_gather(&data, &data.train, picks, BATCH, x, expected);
        bool referred = gv_data_refer(&data, &data.train, picks, BATCH, &rows, bytes, labels);
        cr_assert_eq(referred, kind < 3 && scaling != GV_SCALING_STANDARD);
        for (uint32_t i = 0; referred && i < BATCH; i++) {
            cr_assert_eq(labels[i], expected[i]);
            cr_assert(rows.count == BATCH && rows.x == NULL);
            for (uint32_t j = 0; j < FEATURES; j++) {
                cr_assert_eq(rows.scale * (float)rows.bytes[i][j] + rows.offset, x[i * FEATURES + j]);
            }
        }
        gv_data_deinit(&data);
    }
}
