/*
 * metrics.csv: a header line with the names of the fields, then one line a sample. A field that a run does not have is
 * empty. Written and read through one table of fields (metrics.c).
 */
#ifndef GV_METRICS_H
#define GV_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "gv/err.h"
#include "report.h"

#define GV_METRICS_LINE_MAX 2048 /* bytes of the longest line, header included */

/** The header or a sample as a line with its newline. Returns the length, below GV_METRICS_LINE_MAX. The plain locale
 *  must be set (number.h). */
size_t gv_metrics_header(char out[GV_METRICS_LINE_MAX]);
size_t gv_metrics_line(char out[GV_METRICS_LINE_MAX], const struct gv_sample *sample);

/** Bytes sent for each node that there ever was; NaN without nodes. */
double gv_metrics_bytes_per_node(const struct gv_sample *sample);

struct gv_metrics {
    struct gv_sample *samples; /* (count), owned */
    uint32_t count;
};

/** Reads a whole file. GV_ERR_NOT_FOUND, GV_ERR_IO, GV_ERR_NOMEM, or GV_ERR_DATA with the line and what was expected.
 *  On an error nothing is owned. */
GV_NODISCARD enum gv_err gv_metrics_read(struct gv_metrics *metrics, const char *path, struct gv_diag *diag);

/** Adds a copy of a sample, for whoever collects them. */
GV_NODISCARD enum gv_err gv_metrics_add(struct gv_metrics *metrics, const struct gv_sample *sample);
void gv_metrics_deinit(struct gv_metrics *metrics);

#endif
