/*
 * Data and the swarm's schema: what a creator writes into the manifest, and whether a joiner's data fits it.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data.h"

/* Below this share of its mean's size, a feature's deviation is rounding noise: the feature is constant. */
#define CONSTANT_SHARE 1e-6

/* A deviation's inverse must be a finite float32. */
#define DEVIATION_MIN 1e-30

/* A mean this many deviations off the swarm's was measured in other units, as 0..255 where the swarm has 0..1. */
#define UNITS_OFF 20.0

/* How many samples of a set have a label, and the first of them. */
struct census {
    size_t count;
    size_t first;
};

static struct census count_label(const struct gv_samples *samples, uint32_t label)
{
    struct census census = {0};
    for (size_t i = 0; i < samples->count; i++) {
        if (samples->labels[i] == label) {
            census.first = census.count == 0 ? i : census.first;
            census.count++;
        }
    }
    return census;
}

/* A constant feature keeps its size: (x - mean) / 1 = 0. */
static float usable_deviation(double deviation, double mean)
{
    return deviation <= CONSTANT_SHARE * fabs(mean) || deviation < DEVIATION_MIN ? 1.0F : (float)deviation;
}

/* ---- scaling learnt from data ----------------------------------------------------------------------------- */

/* One mean and deviation over all bytes, in units of 1/255; exact, since it sums whole numbers. */
static void measure_bytes(const struct gv_samples *samples, uint32_t features, double *mean, double *deviation)
{
    uint64_t sum = 0;
    uint64_t squares = 0; /* 2^16 a value: good for 2^48 values */
    size_t n = samples->count * features;
    for (size_t i = 0; i < n; i++) {
        uint64_t b = samples->bytes[i];
        sum += b;
        squares += b * b;
    }
    double average = (double)sum / (double)n;
    double variance = (double)squares / (double)n - average * average;
    *mean = average / 255.0;
    *deviation = sqrt(variance > 0.0 ? variance : 0.0) / 255.0;
}

/* The same over float values of columns [first, first + width), in two passes. */
static void measure_values(const struct gv_samples *samples, uint32_t features, uint32_t first, uint32_t width,
                           double *mean, double *deviation)
{
    double n = (double)samples->count * width;
    double sum = 0.0;
    for (size_t i = 0; i < samples->count; i++) {
        for (uint32_t j = first; j < first + width; j++) {
            sum += (double)samples->values[i * features + j];
        }
    }
    double average = sum / n;
    double squares = 0.0;
    for (size_t i = 0; i < samples->count; i++) {
        for (uint32_t j = first; j < first + width; j++) {
            double off = (double)samples->values[i * features + j] - average;
            squares += off * off;
        }
    }
    *mean = average;
    *deviation = sqrt(squares / n);
}

static void measure_all(const struct gv_data *data, double *mean, double *deviation)
{
    if (data->train.bytes != NULL) {
        measure_bytes(&data->train, data->features, mean, deviation);
    } else {
        measure_values(&data->train, data->features, 0, data->features, mean, deviation);
    }
}

/* ---- fitting ---------------------------------------------------------------------------------------------- */

/* number (data->classes) <- the schema's number of each class, by name. Classes without a sample need none. */
static enum gv_err match_classes(uint16_t *number, const struct gv_data *data, const struct gv_schema *schema,
                                 struct gv_diag *diag)
{
    for (uint32_t c = 0; c < data->classes; c++) {
        uint32_t s = 0;
        while (s < schema->classes && strcmp(schema->class_names[s], data->class_names[c]) != 0) {
            s++;
        }
        number[c] = (uint16_t)s;
        if (s < schema->classes) {
            continue;
        }
        struct census train = count_label(&data->train, c);
        struct census test = count_label(&data->test, c);
        if (train.count + test.count > 0) {
            return gv_diag_set(
                diag, GV_ERR_DATA,
                "class \"%s\" (%zu samples, the first is number %zu of the %s part) is none of the swarm's "
                "%u classes, \"%s\" to \"%s\"",
                data->class_names[c], train.count + test.count, train.count > 0 ? train.first : test.first,
                train.count > 0 ? "training" : "test", schema->classes, schema->class_names[0],
                schema->class_names[schema->classes - 1]);
        }
    }
    return GV_OK;
}

static void renumber(struct gv_samples *samples, const uint16_t *number)
{
    for (size_t i = 0; i < samples->count; i++) {
        samples->labels[i] = number[samples->labels[i]];
    }
}

static enum gv_err check_units(const struct gv_data *data, const struct gv_schema *schema, struct gv_diag *diag)
{
    if (schema->scaling != GV_SCALING_UNIT || data->train.count == 0) {
        return GV_OK;
    }
    double mean;
    double deviation;
    measure_all(data, &mean, &deviation);
    if (fabs(mean - (double)schema->mean[0]) > UNITS_OFF * (double)schema->deviation[0]) {
        return gv_diag_set(diag, GV_ERR_DATA,
                           "features have mean %g, the swarm's %g with deviation %g: they are measured in other units",
                           mean, (double)schema->mean[0], (double)schema->deviation[0]);
    }
    return GV_OK;
}

/* Everything of the schema that data takes over, allocated before anything of data changes. */
struct taken {
    uint16_t *number;
    char (*class_names)[GV_NAME_BYTES_MAX + 1];
    float *mean;
    float *inverse;
};

static void taken_deinit(struct taken *taken)
{
    free(taken->number);
    free(taken->class_names);
    free(taken->mean);
    free(taken->inverse);
}

static enum gv_err taken_init(struct taken *taken, const struct gv_data *data, const struct gv_schema *schema,
                              struct gv_diag *diag)
{
    /* One element more: calloc may answer NULL for none. */
    taken->number = calloc((size_t)data->classes + 1, sizeof *taken->number);
    taken->class_names = calloc((size_t)schema->classes + 1, sizeof *taken->class_names);
    taken->mean = calloc((size_t)schema->scale_count + 1, sizeof *taken->mean);
    taken->inverse = calloc((size_t)schema->scale_count + 1, sizeof *taken->inverse);
    if (taken->number == NULL || taken->class_names == NULL || taken->mean == NULL || taken->inverse == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    memcpy(taken->class_names, schema->class_names, schema->classes * sizeof *taken->class_names);
    for (uint32_t j = 0; j < schema->scale_count; j++) {
        taken->mean[j] = schema->mean[j];
        taken->inverse[j] = 1.0F / schema->deviation[j];
    }
    return GV_OK;
}

/* ---- public ----------------------------------------------------------------------------------------------- */

enum gv_err gv_schema_scale(struct gv_schema *schema, const struct gv_data *data, struct gv_diag *diag)
{
    bool per_feature = schema->scaling == GV_SCALING_STANDARD;
    if (per_feature && (data->train.values == NULL || data->features > GV_SCALED_FEATURES_MAX)) {
        return gv_diag_set(diag, GV_ERR_DATA, "one mean for each feature is for tables of at most %d features",
                           GV_SCALED_FEATURES_MAX);
    }
    free(schema->mean);
    free(schema->deviation);
    schema->scale_count = schema->scaling == GV_SCALING_NONE ? 0 : per_feature ? data->features : 1;
    schema->mean = calloc((size_t)schema->scale_count + 1, sizeof *schema->mean); /* calloc may answer NULL for none */
    schema->deviation = calloc((size_t)schema->scale_count + 1, sizeof *schema->deviation);
    if (schema->mean == NULL || schema->deviation == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    for (uint32_t j = 0; j < schema->scale_count; j++) {
        double mean;
        double deviation;
        if (per_feature) {
            measure_values(&data->train, data->features, j, 1, &mean, &deviation);
        } else {
            measure_all(data, &mean, &deviation);
        }
        schema->mean[j] = (float)mean;
        schema->deviation[j] = usable_deviation(deviation, mean);
    }
    return GV_OK;
}

enum gv_err gv_data_schema(struct gv_schema *schema, const struct gv_data *data, struct gv_diag *diag)
{
    memset(schema, 0, sizeof *schema);
    if (data->classes < 2 || data->classes > GV_CLASSES_MAX) {
        return gv_diag_set(diag, GV_ERR_DATA, "%u classes; a swarm learns to tell 2 to %d apart", data->classes,
                           GV_CLASSES_MAX);
    }
    for (uint32_t c = 0; c < data->classes; c++) {
        if (count_label(&data->train, c).count == 0) {
            struct census last = count_label(&data->train, data->classes - 1);
            return gv_diag_set(
                diag, GV_ERR_DATA,
                "class \"%s\" has no training sample, though the classes go up to \"%s\" (%zu samples, the "
                "first is number %zu): is a label out of range?",
                data->class_names[c], data->class_names[data->classes - 1], last.count, last.first);
        }
    }
    schema->features = data->features;
    schema->classes = data->classes;
    schema->class_names = calloc(data->classes, sizeof *schema->class_names);
    if (schema->class_names == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    memcpy(schema->class_names, data->class_names, data->classes * sizeof *schema->class_names);
    /* Images have one scale for all pixels; tables one for each column, as far as the manifest has room for them. */
    bool per_feature = data->train.values != NULL && data->features <= GV_SCALED_FEATURES_MAX;
    schema->scaling = per_feature ? GV_SCALING_STANDARD : GV_SCALING_UNIT;
    enum gv_err err = gv_schema_scale(schema, data, diag);
    if (err != GV_OK) {
        gv_schema_free(schema);
    }
    return err;
}

void gv_schema_free(struct gv_schema *schema)
{
    free(schema->class_names);
    free(schema->mean);
    free(schema->deviation);
    memset(schema, 0, sizeof *schema);
}

enum gv_err gv_data_fit(struct gv_data *data, const struct gv_schema *schema, struct gv_diag *diag)
{
    if (data->features != schema->features) {
        return gv_diag_set(diag, GV_ERR_DATA, "samples have %u features, the swarm's have %u", data->features,
                           schema->features);
    }
    struct taken taken = {0};
    enum gv_err err = taken_init(&taken, data, schema, diag);
    if (err == GV_OK) {
        err = match_classes(taken.number, data, schema, diag);
    }
    if (err == GV_OK) {
        err = check_units(data, schema, diag);
    }
    if (err != GV_OK) {
        taken_deinit(&taken);
        return err;
    }
    renumber(&data->train, taken.number);
    renumber(&data->test, taken.number);
    free(taken.number);
    free(data->class_names);
    free(data->mean);
    free(data->inverse_deviation);
    data->classes = schema->classes;
    data->class_names = taken.class_names;
    data->scaling = schema->scaling;
    data->scale_count = schema->scale_count;
    data->mean = taken.mean;
    data->inverse_deviation = taken.inverse;
    return GV_OK;
}
