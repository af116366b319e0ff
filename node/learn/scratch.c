/*
 * Scratch memory: see scratch.h.
 */
#include "scratch.h"

#include <stdlib.h>
#include <string.h>

static void deinit(struct gv_scratch *scratch)
{
    gv_workspace_free(&scratch->workspace);
    free(scratch->x);
    free(scratch->labels);
    free(scratch->picks);
    free(scratch->bytes);
}

static enum gv_err init(struct gv_scratch *scratch, const struct gv_model *model, uint32_t rows)
{
    memset(scratch, 0, sizeof *scratch);
    enum gv_err err = gv_workspace_new(&scratch->workspace, model, rows);
    if (err != GV_OK) {
        return err;
    }
    scratch->model = model;
    scratch->rows = rows;
    /* Whole cache lines, as aligned_alloc wants it. */
    size_t bytes = (size_t)rows * gv_model_layout(model)->features * sizeof *scratch->x;
    scratch->x = aligned_alloc(64, (bytes + 63U) & ~(size_t)63U);
    scratch->labels = calloc(rows, sizeof *scratch->labels);
    scratch->picks = calloc(rows, sizeof *scratch->picks);
    scratch->bytes = calloc(rows, sizeof *scratch->bytes);
    if (scratch->x == NULL || scratch->labels == NULL || scratch->picks == NULL || scratch->bytes == NULL) {
        deinit(scratch);
        return GV_ERR_NOMEM;
    }
    return GV_OK;
}

enum gv_err gv_scratch_new(struct gv_scratch **scratch, const struct gv_model *model, uint32_t rows)
{
    *scratch = NULL;
    struct gv_scratch *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return GV_ERR_NOMEM;
    }
    enum gv_err err = init(made, model, rows);
    if (err != GV_OK) {
        free(made);
        return err;
    }
    *scratch = made;
    return GV_OK;
}

void gv_scratch_free(struct gv_scratch **scratch)
{
    if (scratch == NULL || *scratch == NULL) {
        return;
    }
    deinit(*scratch);
    free(*scratch);
    *scratch = NULL;
}

enum gv_err gv_scratch_reserve(struct gv_scratch *scratch, uint32_t rows)
{
    if (rows <= scratch->rows) {
        return GV_OK;
    }
    struct gv_scratch larger;
    enum gv_err err = init(&larger, scratch->model, rows);
    if (err != GV_OK) {
        return err;
    }
    deinit(scratch);
    *scratch = larger;
    return GV_OK;
}

struct gv_rows gv_scratch_batch(struct gv_scratch *scratch, const struct gv_data *data,
                                const struct gv_samples *samples, const uint32_t *picks, uint32_t n)
{
    GV_ASSERT(n <= scratch->rows);
    struct gv_rows rows;
    if (!gv_model_takes_bytes(scratch->model) ||
        !gv_data_refer(data, samples, picks, n, &rows, scratch->bytes, scratch->labels)) {
        gv_data_gather(data, samples, picks, n, scratch->x, scratch->labels);
        rows = (struct gv_rows){.count = n, .x = scratch->x};
    }
    return rows;
}
