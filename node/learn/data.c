/*
 * Loading and freeing data sets.
 */
#include "data.h"

#include <stdlib.h>
#include <string.h>

#include "data_read.h"
#include "data_spec.h"

static void samples_deinit(struct gv_samples *samples)
{
    free(samples->bytes);
    free(samples->values);
    free(samples->labels);
    free(samples->place);
}

static void forget_labels(struct gv_samples *samples)
{
    if (samples->labels != NULL) {
        memset(samples->labels, 0, samples->count * sizeof *samples->labels);
    }
}

static enum gv_err read_kind(struct gv_data *data, struct gv_data_spec *spec, bool labelled, struct gv_diag *diag)
{
    if (strcmp(spec->kind, "idx") == 0) {
        return gv_data_read_idx(data, spec, diag);
    }
    if (strcmp(spec->kind, "csv") == 0) {
        return gv_data_read_csv(data, spec, labelled, diag);
    }
    if (strcmp(spec->kind, "builtin") == 0) {
        return gv_data_read_glyphs(data, spec, diag);
    }
    return gv_diag_set(diag, GV_ERR_DATA, "unknown kind \"%s\"; expected idx:DIRECTORY, csv:FILE or builtin:glyphs",
                       spec->kind);
}

enum gv_err gv_data_number_classes(struct gv_data *data, uint32_t classes, struct gv_diag *diag)
{
    data->class_names = calloc(classes, sizeof *data->class_names);
    if (data->class_names == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    for (uint32_t c = 0; c < classes; c++) {
        (void)snprintf(data->class_names[c], sizeof data->class_names[c], "%u", c);
    }
    data->classes = classes;
    return GV_OK;
}

static enum gv_err load(struct gv_data *data, const char *spec, bool labelled, struct gv_diag *diag)
{
    memset(data, 0, sizeof *data);
    struct gv_data_spec parsed;
    enum gv_err err = gv_data_spec_parse(&parsed, spec, diag);
    if (err == GV_OK) {
        err = read_kind(data, &parsed, labelled, diag);
        gv_data_spec_deinit(&parsed);
    }
    if (err != GV_OK) {
        gv_data_deinit(data);
        (void)gv_diag_wrap(diag, "data \"%.250s\"", spec);
    }
    return err;
}

enum gv_err gv_data_load(struct gv_data *data, const char *spec, struct gv_diag *diag)
{
    return load(data, spec, true, diag);
}

enum gv_err gv_data_load_unlabelled(struct gv_data *data, const char *spec, struct gv_diag *diag)
{
    enum gv_err err = load(data, spec, false, diag);
    if (err == GV_OK) {
        forget_labels(&data->train);
        forget_labels(&data->test);
        data->classes = 0;
    }
    return err;
}

void gv_data_deinit(struct gv_data *data)
{
    samples_deinit(&data->train);
    samples_deinit(&data->test);
    free(data->class_names);
    free(data->mean);
    free(data->inverse_deviation);
    memset(data, 0, sizeof *data);
}
