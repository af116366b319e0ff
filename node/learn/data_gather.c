/*
 * Batches: from stored features to scaled float32 rows. Element by element, so the same bits on every machine.
 */
#include <string.h>

#include "data.h"
#include "hot.h"

/* How far ahead rows are asked for, and how much of each: the rest the processor foresees by itself. */
#define PREFETCH_ROWS 4U
#define PREFETCH_BYTES_MAX 4096U
#define LINE_BYTES 64U

/* x (n) <- scale * bytes + offset */
GV_HOT static void scale_bytes(float *restrict x, const uint8_t *restrict bytes, size_t n, float scale, float offset)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = scale * (float)bytes[i] + offset;
    }
}

/* x (n) <- (values - mean) * inverse */
GV_HOT static void scale_values(float *restrict x, const float *restrict values, size_t n, float mean, float inverse)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = (values[i] - mean) * inverse;
    }
}

/* The same with a mean and a deviation for each feature; x may be values. */
GV_HOT static void scale_features(float *x, const float *values, const float *mean, const float *inverse, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = (values[i] - mean[i]) * inverse[i];
    }
}

/* A byte's scale and offset where they are the same for all features. */
static float byte_scale(const struct gv_data *data)
{
    return data->scaling == GV_SCALING_UNIT ? data->inverse_deviation[0] / 255.0F : 1.0F / 255.0F;
}

static float byte_offset(const struct gv_data *data)
{
    return data->scaling == GV_SCALING_UNIT ? -data->mean[0] * data->inverse_deviation[0] : 0.0F;
}

static void gather_bytes(const struct gv_data *data, const uint8_t *bytes, float *x)
{
    size_t n = data->features;
    scale_bytes(x, bytes, n, byte_scale(data), byte_offset(data));
    if (data->scaling == GV_SCALING_STANDARD) {
        scale_features(x, x, data->mean, data->inverse_deviation, n);
    }
}

static void gather_values(const struct gv_data *data, const float *values, float *x)
{
    size_t n = data->features;
    switch (data->scaling) {
    case GV_SCALING_UNIT:
        scale_values(x, values, n, data->mean[0], data->inverse_deviation[0]);
        return;
    case GV_SCALING_STANDARD:
        scale_features(x, values, data->mean, data->inverse_deviation, n);
        return;
    case GV_SCALING_NONE:
        break;
    }
    memcpy(x, values, n * sizeof *x);
}

/* Asks for a row that will be wanted soon: rows lie all over the data, where no processor foresees them. */
static void prefetch_row(const struct gv_data *data, const struct gv_samples *samples, uint32_t row)
{
    size_t bytes = data->features * (samples->bytes != NULL ? sizeof *samples->bytes : sizeof *samples->values);
    const uint8_t *from = samples->bytes != NULL ? samples->bytes : (const uint8_t *)samples->values;
    from += (size_t)row * bytes;
    bytes = bytes < PREFETCH_BYTES_MAX ? bytes : PREFETCH_BYTES_MAX;
    for (size_t at = 0; at < bytes; at += LINE_BYTES) {
        __builtin_prefetch(from + at);
    }
}

void gv_data_gather(const struct gv_data *data, const struct gv_samples *samples, const uint32_t *rows, uint32_t n,
                    float *x, uint16_t *labels)
{
    for (uint32_t i = 0; i < n && i < PREFETCH_ROWS; i++) {
        prefetch_row(data, samples, rows[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        GV_ASSERT(rows[i] < samples->count);
        if (n - i > PREFETCH_ROWS) {
            prefetch_row(data, samples, rows[i + PREFETCH_ROWS]);
        }
        size_t from = (size_t)rows[i] * data->features;
        float *to = x + (size_t)i * data->features;
        labels[i] = samples->labels[rows[i]];
        if (samples->bytes != NULL) {
            gather_bytes(data, samples->bytes + from, to);
        } else {
            gather_values(data, samples->values + from, to);
        }
    }
}

bool gv_data_refer(const struct gv_data *data, const struct gv_samples *samples, const uint32_t *picks, uint32_t n,
                   struct gv_rows *rows, const uint8_t **bytes, uint16_t *labels)
{
    if (samples->bytes == NULL || data->scaling == GV_SCALING_STANDARD) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        GV_ASSERT(picks[i] < samples->count);
        if (i < PREFETCH_ROWS) {
            prefetch_row(data, samples, picks[i]);
        }
        bytes[i] = samples->bytes + (size_t)picks[i] * data->features;
        labels[i] = samples->labels[picks[i]];
    }
    *rows = (struct gv_rows){.count = n, .bytes = bytes, .scale = byte_scale(data), .offset = byte_offset(data)};
    return true;
}
