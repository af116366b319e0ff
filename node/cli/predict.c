/*
 * predict: the most likely class of every row, as CSV.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "commands.h"
#include "daemon.h"
#include "served.h"

#define BATCH 256u

/* A name with a comma or a quote is quoted, as RFC 4180 has it. */
static void print_field(const char *text)
{
    if (strpbrk(text, ",\"") == NULL) {
        (void)fputs(text, stdout);
        return;
    }
    (void)putchar('"');
    for (; *text != '\0'; text++) {
        (void)fputs(*text == '"' ? "\"\"" : (const char[2]){*text, '\0'}, stdout);
    }
    (void)putchar('"');
}

static void print_row(size_t row, const float *logits, const struct gv_schema *schema)
{
    uint32_t best = 0;
    double sum = 0;
    for (uint32_t k = 1; k < schema->classes; k++) {
        best = logits[k] > logits[best] ? k : best;
    }
    for (uint32_t k = 0; k < schema->classes; k++) {
        sum += exp((double)logits[k] - (double)logits[best]);
    }
    (void)printf("%zu,", row);
    print_field(schema->class_names[best]);
    (void)printf(",%.6f\n", 1 / sum);
}

static enum gv_err predict(const struct gv_served *served, const struct gv_data *data, const struct gv_samples *samples)
{
    struct gv_workspace *workspace = NULL;
    uint32_t rows[BATCH];
    uint16_t labels[BATCH];
    float *x = malloc((size_t)BATCH * data->features * sizeof *x);
    enum gv_err err = x == NULL ? GV_ERR_NOMEM : gv_workspace_new(&workspace, served->model, BATCH);
    for (size_t at = 0; err == GV_OK && at < samples->count; at += BATCH) {
        uint32_t count = samples->count - at < BATCH ? (uint32_t)(samples->count - at) : BATCH;
        for (uint32_t i = 0; i < count; i++) {
            rows[i] = (uint32_t)(at + i);
        }
        gv_data_gather(data, samples, rows, count, x, labels);
        const float *logits = gv_model_forward(served->model, workspace, served->parameters, x, count);
        for (uint32_t i = 0; i < count; i++) {
            print_row(samples->place != NULL ? samples->place[at + i] : at + i, logits + (size_t)i * data->classes,
                      &served->node.manifest.schema);
        }
    }
    gv_workspace_free(&workspace);
    free(x);
    return err;
}

int gv_cmd_predict(const struct gv_args *args)
{
    struct gv_diag diag = {.code = GV_OK};
    struct gv_served served;
    struct gv_data data;
    const struct gv_samples *samples;
    const char *spec = gv_arg(args, "data");
    if (spec == NULL) {
        return gv_cli_usage(args, "--data SPEC is missing");
    }
    enum gv_err err = gv_served_open(&served, args, &diag);
    if (err == GV_OK) {
        err = gv_served_data(&served, &data, &samples, spec, false, &diag);
    }
    if (err == GV_OK) {
        (void)printf("row,class,probability\n");
        err = predict(&served, &data, samples);
        if (err == GV_OK) {
            gv_cli_note_skipped(args, data.skipped_rows);
            gv_cli_note(args, "%s model, %zu rows of the %s part; 0 is the file's first, a header not counted",
                        gv_served_name(&served), samples->count, samples == &data.test ? "test" : "training");
        } else {
            (void)gv_diag_set(&diag, err, "cannot predict: %s", gv_err_text((int)err));
        }
        gv_data_deinit(&data);
    }
    gv_served_close(&served);
    return err == GV_OK ? gv_cli_finish(args) : gv_cli_fail(args, &diag);
}
