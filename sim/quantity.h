/*
 * Quantities with units, as people write them in scenarios: "50ms", "20Mbit", "5%", "5%/min", "16MB". A number without
 * its unit is an error that says which units there are; only 0 needs none.
 */
#ifndef GV_QUANTITY_H
#define GV_QUANTITY_H

#include <stddef.h>

#include "gv/err.h"

enum gv_dimension {
    GV_DIM_TIME,       /* us, ms, s, min, h, d        -> microseconds */
    GV_DIM_BANDWIDTH,  /* bit, kbit, Mbit, Gbit (per second, decimal), kB, MB, GB -> bytes per second */
    GV_DIM_SHARE,      /* %, or a bare number 0..1     -> 0..1 */
    GV_DIM_RATE,       /* 5%/min, 3/s, 0.1/h           -> per microsecond, share or count */
    GV_DIM_BYTES,      /* B, kB, MB, GB (decimal), KiB, MiB, GiB -> bytes */
    GV_DIM_COUNT,      /* a bare whole number */
    GV_DIM_NUMBER,     /* a bare number */
    GV_DIM_SHARE_RATE, /* a rate that is a share: 5%/min */
    GV_DIM_COUNT_RATE, /* a rate that is a count: 3/s */
};

/** Parses all of `text` (white space around it ignored). GV_ERR_USER-range error with what was expected. */
GV_NODISCARD enum gv_err gv_quantity_parse(double *value, const char *text, enum gv_dimension dimension,
                                           struct gv_diag *diag);

/** Writes a value in the unit a person would choose. Any value that was parsed is parsed again exactly; others may move
 *  by a rounding. snprintf's contract. */
size_t gv_quantity_write(char *out, size_t cap, double value, enum gv_dimension dimension);

#endif
