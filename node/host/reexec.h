/*
 * Starting this very program again: for a better BLAS kernel, or with a new manifest or configuration. A fresh process
 * image is the one clean way: OpenBLAS chooses its kernel when it is loaded, and libzmq's context is meant to be one
 * per process.
 */
#ifndef GV_REEXEC_H
#define GV_REEXEC_H

/**
 * If OpenBLAS fell back to a slow kernel, or would start threads this program does not use, sets OPENBLAS_CORETYPE and
 * OPENBLAS_NUM_THREADS and executes the program again with the same arguments, once. Returns if there is no need or no
 * way. Call it first thing in main, before any thread.
 */
void gv_reexec_for_blas(void);

/** Executes this program with these arguments. Returns only if it cannot. */
void gv_reexec(char *const arguments[]);

#endif
