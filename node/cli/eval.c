/*
 * eval: accuracy and loss of a node's model on data.
 */
#include <stdio.h>

#include "cli.h"
#include "commands.h"
#include "daemon.h"
#include "evaluate.h"
#include "served.h"

static int report(const struct gv_args *args, const struct gv_served *served, const struct gv_evaluation *result,
                  bool test_part)
{
    if (!gv_arg_given(args, "json")) {
        (void)printf("accuracy %.4f  loss %.4f  (%s model, %zu samples of the %s part)\n", result->accuracy,
                     result->loss, gv_served_name(served), result->samples, test_part ? "test" : "training");
        return gv_cli_finish(args);
    }
    json_t *object = json_pack("{s:s,s:f,s:f,s:I,s:s,s:I,s:f}", "model", gv_served_name(served), "accuracy",
                               result->accuracy, "loss", result->loss, "samples", (json_int_t)result->samples, "part",
                               test_part ? "test" : "train", "steps", (json_int_t)served->steps, "age", served->age);
    int code = gv_cli_print_json(args, object);
    json_decref(object);
    return code;
}

int gv_cmd_eval(const struct gv_args *args)
{
    struct gv_diag diag = {.code = GV_OK};
    struct gv_served served;
    struct gv_data data;
    const struct gv_samples *samples;
    struct gv_evaluation result;
    int code = GV_EXIT_FAILED;
    const char *spec = gv_arg(args, "data");
    if (spec == NULL) {
        return gv_cli_usage(args, "--data SPEC is missing");
    }
    enum gv_err err = gv_served_open(&served, args, &diag);
    if (err == GV_OK) {
        err = gv_served_data(&served, &data, &samples, spec, true, &diag);
    }
    if (err == GV_OK) {
        struct gv_scratch *scratch = NULL;
        err = gv_scratch_new(&scratch, served.model, gv_evaluation_rows(served.model));
        if (err == GV_OK) {
            err = gv_evaluate(&result, scratch, served.parameters, &data, samples, NULL);
        }
        gv_scratch_free(&scratch);
        if (err == GV_OK) {
            gv_cli_note_skipped(args, data.skipped_rows);
            code = report(args, &served, &result, samples == &data.test);
        } else {
            (void)gv_diag_set(&diag, err, "cannot evaluate: %s", gv_err_text((int)err));
        }
        gv_data_deinit(&data);
    }
    gv_served_close(&served);
    return err == GV_OK ? code : gv_cli_fail(args, &diag);
}
