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
}

static enum gv_err read_kind(struct gv_data *data, struct gv_data_spec *spec, struct gv_diag *diag)
{
    if (strcmp(spec->kind, "idx") == 0) {
        return gv_data_read_idx(data, spec, diag);
    }
    if (strcmp(spec->kind, "csv") == 0) {
        return gv_data_read_csv(data, spec, diag);
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

enum gv_err gv_data_load(struct gv_data *data, const char *spec, struct gv_diag *diag)
{
    memset(data, 0, sizeof *data);
    struct gv_data_spec parsed;
    enum gv_err err = gv_data_spec_parse(&parsed, spec, diag);
    if (err == GV_OK) {
        err = read_kind(data, &parsed, diag);
        gv_data_spec_deinit(&parsed);
    }
    if (err != GV_OK) {
        gv_data_deinit(data);
        (void)gv_diag_wrap(diag, "data \"%.250s\"", spec);
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
