/*
 * How good a model is on data.
 */
#ifndef GV_EVALUATE_H
#define GV_EVALUATE_H

#include <stddef.h>

#include "data.h"
#include "gv/err.h"
#include "scratch.h"

struct gv_evaluation {
    double loss, accuracy; /* means over the samples; accuracy 0..1 */
    size_t samples;
};

/* A part of a set of samples: first, first + step, ..., at most `count` of them. */
struct gv_part {
    size_t first, step, count; /* step > 0 */
};

/** Rows a scratch must have so that an evaluation runs at full speed; about a mebibyte. */
uint32_t gv_evaluation_rows(const struct gv_model *model);

/**
 * Loss and accuracy of params on `part` of `samples` (NULL: all), which belong to data; zeros if there are none.
 * Allocates nothing; goes by batches of the scratch's rows, at most gv_evaluation_rows(). The result depends on that
 * number only in the last bits of the loss. GV_ERR_DATA if data does not fit the scratch's model.
 */
GV_NODISCARD enum gv_err gv_evaluate(struct gv_evaluation *result, struct gv_scratch *scratch, const float *params,
                                     const struct gv_data *data, const struct gv_samples *samples,
                                     const struct gv_part *part);

#endif
