/*
 * Scratch memory for steps and evaluations with one model: a batch and what comes of it on the way through. One per
 * thread serves any number of learners; nothing in it outlives a call.
 */
#ifndef GV_SCRATCH_H
#define GV_SCRATCH_H

#include <stdint.h>

#include "data.h"
#include "gv/err.h"
#include "model.h"

struct gv_scratch {
    const struct gv_model *model; /* borrowed */
    uint32_t rows;                /* it has room for */
    float *x;                     /* (rows, features) */
    uint16_t *labels;             /* (rows) */
    uint32_t *picks;              /* (rows): numbers of samples */
    struct gv_workspace *workspace;
};

/** Room for batches of `rows`. Borrows the model. Returns owned. GV_ERR_RANGE if rows is 0 or absurd, GV_ERR_NOMEM. */
GV_NODISCARD enum gv_err gv_scratch_new(struct gv_scratch **scratch, const struct gv_model *model, uint32_t rows);
void gv_scratch_free(struct gv_scratch **scratch);

/** Makes room for at least `rows`. On an error (as above) it stays as it was. */
GV_NODISCARD enum gv_err gv_scratch_reserve(struct gv_scratch *scratch, uint32_t rows);

#endif
