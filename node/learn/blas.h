/*
 * OpenBLAS with run-time dispatch does not know every newer processor and then falls back to a kernel several times
 * slower. This says so, and which kernel to ask for.
 */
#ifndef GV_BLAS_H
#define GV_BLAS_H

/** The kernel in use, e.g. "SkylakeX". */
const char *gv_blas_kernel(void);

/**
 * The value of OPENBLAS_CORETYPE that fits this processor better than the kernel in use, or NULL if that is fine (or
 * unknown). OpenBLAS reads the variable when it is loaded, so the caller sets it and executes itself again, once.
 */
const char *gv_blas_better_kernel(void);

/** OpenBLAS threads of this process; 1 for nodes: many small matrices, one trainer thread. */
void gv_blas_set_threads(int threads);

/** GFLOP/s of a 32x128x784 sgemm, the best of `repeats` timings of about a millisecond each. */
double gv_blas_measure(int repeats);

#endif
