/*
 * Layers with few outputs (at most GV_NARROW_MAX), where a general matrix product wastes much of its time on packing:
 * the products of such a layer, the gradient going straight into the parameters. Row-major; weights are (n, k).
 *
 * Sums over k run in sixteen lanes (lane i of a sum holds the terms i, i + 16, i + 32, ..., and the lanes are added
 * pairwise at the end, halves first), sums over rows from the first row to the last, every product fused with its sum.
 * The bits are therefore the same for every compiler and on every processor that fuses: all with AVX2 and FMA, all with
 * AVX-512, all of ARM's with 64 bits. Older ones round product and sum one by one and differ in the last bits.
 */
#ifndef GV_NARROW_H
#define GV_NARROW_H

#include <stdbool.h>
#include <stddef.h>

#include "rows.h"

#define GV_NARROW_MAX 128U

/** True if the processor has an instruction set that the kernels are written for. */
bool gv_narrow_is_fast(void);

/** out (rows, n) <- in (rows, k) weight' + bias.  1 <= n <= GV_NARROW_MAX. */
void gv_narrow_forward(float *out, const struct gv_rows *in, const float *weight, const float *bias, size_t n,
                       size_t k);

/** back (rows, k) <- delta (rows, n) weight, where in (rows, k) is positive, and 0 elsewhere: the derivative of relu.
 * */
void gv_narrow_backward(float *back, const float *in, const float *delta, const float *weight, size_t rows, size_t n,
                        size_t k);

/* Where a gradient g goes. */
struct gv_descent {
    float *velocity; /* v <- momentum v + g (momentum 0: v is not read) + decay w; NULL: v is g + decay w, not kept */
    float *weight;   /* w <- w - rate v; NULL: stays, and decay is 0 */
    float rate, momentum, decay;
};

/** The gradient delta' in, (n, k), of a narrow layer's weights, and what descent does with it. */
void gv_narrow_descend(const struct gv_descent *descent, const float *delta, const struct gv_rows *in, size_t n,
                       size_t k);

#endif
