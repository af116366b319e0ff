/*
 * The features of a batch as a layer reads them: float32 side by side, or samples' own bytes, wherever each lies, which
 * are scaled when they are used. No copy of the batch is then ever written.
 */
#ifndef GV_ROWS_H
#define GV_ROWS_H

#include <stddef.h>
#include <stdint.h>

struct gv_rows {
    size_t count;
    const float *x;              /* borrowed, (count, features); NULL: bytes */
    const uint8_t *const *bytes; /* borrowed, (count) rows of (features) bytes: a feature is scale byte + offset */
    float scale, offset;
};

#endif
