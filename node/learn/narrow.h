/*
 * Layers with few outputs (at most GV_NARROW_MAX), where a general matrix product wastes most of its time on packing:
 * the products of such a layer, the gradient going straight into the parameters. Row-major; weights are (n, k).
 *
 * Sums over k run in sixteen lanes (lanes.h), sums over rows from the first row to the last: the same bits on every
 * machine.
 */
#ifndef GV_NARROW_H
#define GV_NARROW_H

#include <stddef.h>

#define GV_NARROW_MAX 16U

/** out (rows, n) <- x (rows, k) weight' + bias.  1 <= n <= GV_NARROW_MAX. */
void gv_narrow_forward(float *out, const float *x, const float *weight, const float *bias, size_t rows, size_t n,
                       size_t k);

/** back (rows, k) <- delta (rows, n) weight, where in (rows, k) is positive, and 0 elsewhere: the derivative of relu.
 * */
void gv_narrow_backward(float *back, const float *in, const float *delta, const float *weight, size_t rows, size_t n,
                        size_t k);

/* Where a gradient g goes. */
struct gv_descent {
    float *velocity; /* v <- momentum v + g (momentum 0: v is not read) + decay w; NULL: v is g + decay w, not kept */
    float *weight;   /* w <- w - rate v; NULL: stays, and there is no decay */
    float rate, momentum, decay;
};

/** The gradient delta' x, (n, k), of a narrow layer's weights, and what descent does with it. */
void gv_narrow_descend(const struct gv_descent *descent, const float *delta, const float *x, size_t rows, size_t n,
                       size_t k);

#endif
