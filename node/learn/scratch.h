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
    const uint8_t **bytes;        /* (rows): where samples lie that are read without a copy */
    struct gv_workspace *workspace;
};

/** Room for batches of `rows`. Borrows the model. Returns owned. GV_ERR_RANGE if rows is 0 or absurd, GV_ERR_NOMEM. */
GV_NODISCARD enum gv_err gv_scratch_new(struct gv_scratch **scratch, const struct gv_model *model, uint32_t rows);
void gv_scratch_free(struct gv_scratch **scratch);

/** Makes room for at least `rows`. On an error (as above) it stays as it was. */
GV_NODISCARD enum gv_err gv_scratch_reserve(struct gv_scratch *scratch, uint32_t rows);

/** The batch of samples `picks` (n, at most the scratch's rows) of `samples`, which belongs to data, in the form that
 *  suits the model, valid until the next one; their labels are in the scratch. */
struct gv_rows gv_scratch_batch(struct gv_scratch *scratch, const struct gv_data *data,
                                const struct gv_samples *samples, const uint32_t *picks, uint32_t n);

#endif
