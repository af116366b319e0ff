/*
 * Evaluation, batch by batch.
 */
#include "evaluate.h"

#include <string.h>

/* Floats in the input of one batch: 1 MiB. */
#define BATCH_ELEMENTS (256U * 1024U)
#define BATCH_ROWS 256U

uint32_t gv_evaluation_rows(const struct gv_model *model)
{
    uint32_t rows = BATCH_ELEMENTS / gv_model_layout(model)->features; /* at least 4: GV_FEATURES_MAX */
    return rows < BATCH_ROWS ? rows : BATCH_ROWS;
}

enum gv_err gv_evaluate(struct gv_evaluation *result, struct gv_scratch *scratch, const float *params,
                        const struct gv_data *data, const struct gv_samples *samples, const struct gv_part *part)
{
    memset(result, 0, sizeof *result);
    const struct gv_layout *layout = gv_model_layout(scratch->model);
    if (data->features != layout->features || data->classes > layout->classes) {
        return GV_ERR_DATA;
    }
    static const struct gv_part WHOLE = {.first = 0, .step = 1, .count = SIZE_MAX};
    part = part != NULL ? part : &WHOLE;
    GV_ASSERT(part->step > 0);
    size_t count = part->first < samples->count ? (samples->count - part->first - 1) / part->step + 1 : 0;
    count = count < part->count ? count : part->count;
    uint32_t batch = gv_evaluation_rows(scratch->model);
    batch = batch < scratch->rows ? batch : scratch->rows;
    double loss = 0.0;
    size_t right = 0;
    for (size_t done = 0; done < count; done += batch) {
        uint32_t n = count - done < batch ? (uint32_t)(count - done) : batch;
        for (uint32_t i = 0; i < n; i++) {
            scratch->picks[i] = (uint32_t)(part->first + (done + i) * part->step);
        }
        struct gv_rows rows = gv_scratch_batch(scratch, data, samples, scratch->picks, n);
        struct gv_score score = gv_model_score(scratch->model, scratch->workspace, params, &rows, scratch->labels);
        loss += (double)score.loss * n;
        right += score.right;
    }
    result->samples = count;
    if (count > 0) {
        result->loss = loss / (double)count;
        result->accuracy = (double)right / (double)count;
    }
    return GV_OK;
}
