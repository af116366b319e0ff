/*
 * The parts of `grapevine bench`: one measurement each, side by side with what the machine can do at best.
 */
#ifndef GV_BENCH_H
#define GV_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gv/err.h"

#define GV_BENCH_ROWS_MAX 48

struct gv_bench_row {
    const char *group; /* "train" */
    const char *key;   /* "samples_per_s" */
    const char *unit;
    double value;
    char note[96]; /* what it stands beside; "" if nothing */
};

struct gv_bench {
    bool json;
    uint32_t row_count;
    struct gv_bench_row rows[GV_BENCH_ROWS_MAX];
};

GV_PRINTF(6, 7)
void gv_bench_put(struct gv_bench *bench, const char *group, const char *key, double value, const char *unit,
                  const char *note, ...);
/** Monotonic seconds. */
double gv_bench_now(void);

/* ---- one measurement each; 0 good, or an error with a diagnosis ---- */

GV_NODISCARD enum gv_err gv_bench_train(struct gv_bench *bench, struct gv_diag *diag);
GV_NODISCARD enum gv_err gv_bench_merge(struct gv_bench *bench, struct gv_diag *diag);
GV_NODISCARD enum gv_err gv_bench_codec(struct gv_bench *bench, struct gv_diag *diag);
GV_NODISCARD enum gv_err gv_bench_core(struct gv_bench *bench, struct gv_diag *diag);
GV_NODISCARD enum gv_err gv_bench_exchange(struct gv_bench *bench, struct gv_diag *diag);

/**
 * Two processes move `frames` frames of `frame_bytes` each way at a time over ZeroMQ with CURVE on loopback, and do
 * nothing else. *seconds <- from the first frame to the last.
 */
GV_NODISCARD enum gv_err gv_bench_bare_link(double *seconds, uint32_t frames, size_t frame_bytes, struct gv_diag *diag);

#endif
