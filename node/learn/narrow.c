/*
 * Kernels of narrow layers. Both products walk k in blocks of sixteen lanes and keep a tile of sums in registers: two
 * rows by five outputs forward, five outputs by two blocks for the gradient; ten of the thirty-two registers of
 * AVX-512, and half as wide a tile would fit those of AVX2.
 */
#include "narrow.h"

#include <stdbool.h>

#include "lanes.h"

/* ---- forward ---------------------------------------------------------------------------------------------- */

/* One block's products for R rows and J outputs; both are constants where this is inlined. */
#define TILE_OUTPUTS 5U

struct forward {
    float *out;
    const float *x, *weight, *bias;
    size_t rows, n, k;
};

/* out[r][j] for rows r of [row, row + R) and outputs j of [first, first + J). */
GV_LANES_BODY void forward_tile(const struct forward *f, size_t row, size_t first, const size_t R, const size_t J)
{
    gv_lanes sum[2][TILE_OUTPUTS];
    memset(sum, 0, sizeof sum);
    size_t k = f->k;
    const float *x = f->x + row * k;
    const float *weight = f->weight + first * k;
    size_t whole = k / GV_LANES * GV_LANES;
    for (size_t at = 0; at < whole; at += GV_LANES) {
        gv_lanes in[2];
#pragma GCC unroll 2
        for (size_t r = 0; r < R; r++) {
            gv_lanes_load(&in[r], x + r * k + at);
        }
#pragma GCC unroll 5
        for (size_t j = 0; j < J; j++) {
            gv_lanes w;
            gv_lanes_load(&w, weight + j * k + at);
#pragma GCC unroll 2
            for (size_t r = 0; r < R; r++) {
                sum[r][j] += in[r] * w;
            }
        }
    }
    if (whole < k) {
        gv_lanes in[2];
        for (size_t r = 0; r < R; r++) {
            gv_lanes_load_part(&in[r], x + r * k + whole, k - whole);
        }
        for (size_t j = 0; j < J; j++) {
            gv_lanes w;
            gv_lanes_load_part(&w, weight + j * k + whole, k - whole);
            for (size_t r = 0; r < R; r++) {
                sum[r][j] += in[r] * w;
            }
        }
    }
    float tile[2 * TILE_OUTPUTS][GV_LANES]; /* so that what follows need not be unrolled */
#pragma GCC unroll 2
    for (size_t r = 0; r < R; r++) {
#pragma GCC unroll 5
        for (size_t j = 0; j < J; j++) {
            gv_lanes_store(tile[r * J + j], &sum[r][j]);
        }
    }
#pragma GCC unroll 1
    for (size_t i = 0; i < R * J; i++) {
        gv_lanes v;
        gv_lanes_load(&v, tile[i]);
        size_t j = first + i % J;
        f->out[(row + i / J) * f->n + j] = gv_lanes_sum(&v) + f->bias[j];
    }
}

/* All rows for J outputs. */
GV_LANES_BODY void forward_outputs(const struct forward *f, size_t first, const size_t J)
{
    size_t row = 0;
    for (; row + 2 <= f->rows; row += 2) {
        forward_tile(f, row, first, 2, J);
    }
    if (row < f->rows) {
        forward_tile(f, row, first, 1, J);
    }
}

GV_LANES_BODY void forward_body(const struct forward *f)
{
    size_t first = 0;
    for (; first + TILE_OUTPUTS <= f->n; first += TILE_OUTPUTS) {
        forward_outputs(f, first, TILE_OUTPUTS);
    }
    for (; first + 2 <= f->n; first += 2) {
        forward_outputs(f, first, 2);
    }
    if (first < f->n) {
        forward_outputs(f, first, 1);
    }
}

GV_LANES_VERSIONS(forward, forward_body, (const struct forward *f), f)

/* ---- gradient --------------------------------------------------------------------------------------------- */

struct descend {
    const struct gv_descent *to;
    const float *delta, *x;
    size_t rows, n, k;
};

/* What becomes of a block of the gradient; the velocity and the weights it belongs to are in v and w. */
GV_LANES_BODY void apply(const struct gv_descent *to, const gv_lanes *g, gv_lanes *v, gv_lanes *w)
{
    gv_lanes step = *g;
    if (to->momentum != 0.0F) {
        step += to->momentum * *v;
    }
    if (to->weight != NULL && to->decay != 0.0F) {
        step += to->decay * *w;
    }
    *v = step;
    *w -= to->rate * step;
}

/* The same for a block of the parameters, `count` lanes of it at offset `at`. */
GV_LANES_BODY void apply_at(const struct gv_descent *to, const gv_lanes *g, size_t at, size_t count)
{
    gv_lanes v = {0};
    gv_lanes w = {0};
    bool whole = count == GV_LANES;
    if (to->velocity != NULL && to->momentum != 0.0F) {
        whole ? gv_lanes_load(&v, to->velocity + at) : gv_lanes_load_part(&v, to->velocity + at, count);
    }
    if (to->weight != NULL) {
        whole ? gv_lanes_load(&w, to->weight + at) : gv_lanes_load_part(&w, to->weight + at, count);
    }
    apply(to, g, &v, &w);
    if (to->velocity != NULL) {
        whole ? gv_lanes_store(to->velocity + at, &v) : gv_lanes_store_part(to->velocity + at, &v, count);
    }
    if (to->weight != NULL) {
        whole ? gv_lanes_store(to->weight + at, &w) : gv_lanes_store_part(to->weight + at, &w, count);
    }
}

/* Outputs [first, first + J), columns [at, at + B * 16). */
GV_LANES_BODY void descend_tile(const struct descend *d, size_t first, size_t at, const size_t J, const size_t B)
{
    gv_lanes sum[TILE_OUTPUTS][2];
    memset(sum, 0, sizeof sum);
    const float *x = d->x + at;
    const float *delta = d->delta + first;
    for (size_t r = 0; r < d->rows; r++) {
        gv_lanes in[2];
#pragma GCC unroll 2
        for (size_t b = 0; b < B; b++) {
            gv_lanes_load(&in[b], x + r * d->k + b * GV_LANES);
        }
#pragma GCC unroll 5
        for (size_t j = 0; j < J; j++) {
#pragma GCC unroll 2
            for (size_t b = 0; b < B; b++) {
                sum[j][b] += delta[r * d->n + j] * in[b];
            }
        }
    }
    float tile[2 * TILE_OUTPUTS][GV_LANES]; /* so that what follows need not be unrolled */
#pragma GCC unroll 5
    for (size_t j = 0; j < J; j++) {
#pragma GCC unroll 2
        for (size_t b = 0; b < B; b++) {
            gv_lanes_store(tile[j * B + b], &sum[j][b]);
        }
    }
#pragma GCC unroll 1
    for (size_t i = 0; i < B * J; i++) {
        gv_lanes g;
        gv_lanes_load(&g, tile[i]);
        apply_at(d->to, &g, (first + i / B) * d->k + at + i % B * GV_LANES, GV_LANES);
    }
}

/* The columns from `at` on, fewer than sixteen of them. */
GV_LANES_BODY void descend_rest(const struct descend *d, size_t first, size_t at, const size_t J)
{
    gv_lanes sum[TILE_OUTPUTS];
    memset(sum, 0, sizeof sum);
    size_t count = d->k - at;
    for (size_t r = 0; r < d->rows; r++) {
        gv_lanes in;
        gv_lanes_load_part(&in, d->x + r * d->k + at, count);
        for (size_t j = 0; j < J; j++) {
            sum[j] += d->delta[r * d->n + first + j] * in;
        }
    }
    for (size_t j = 0; j < J; j++) {
        apply_at(d->to, &sum[j], (first + j) * d->k + at, count);
    }
}

GV_LANES_BODY void descend_outputs(const struct descend *d, size_t first, const size_t J)
{
    size_t at = 0;
    for (; at + 2 * GV_LANES <= d->k; at += 2 * GV_LANES) {
        descend_tile(d, first, at, J, 2);
    }
    if (at + GV_LANES <= d->k) {
        descend_tile(d, first, at, J, 1);
        at += GV_LANES;
    }
    if (at < d->k) {
        descend_rest(d, first, at, J);
    }
}

GV_LANES_BODY void descend_body(const struct descend *d)
{
    size_t first = 0;
    for (; first + TILE_OUTPUTS <= d->n; first += TILE_OUTPUTS) {
        descend_outputs(d, first, TILE_OUTPUTS);
    }
    for (; first + 2 <= d->n; first += 2) {
        descend_outputs(d, first, 2);
    }
    if (first < d->n) {
        descend_outputs(d, first, 1);
    }
}

GV_LANES_VERSIONS(descend, descend_body, (const struct descend *d), d)

/* ---- back through the layer -------------------------------------------------------------------------------- */

struct back {
    float *out;
    const float *in, *delta, *weight;
    size_t rows, n, k;
};

/* One row's block at `at`, `count` lanes of it. */
GV_LANES_BODY void back_block(const struct back *b, size_t row, size_t at, size_t count)
{
    bool whole = count == GV_LANES;
    const float *delta = b->delta + row * b->n;
    gv_lanes sum = {0};
    gv_lanes v;
    for (size_t j = 0; j < b->n; j++) {
        const float *weight = b->weight + j * b->k + at;
        whole ? gv_lanes_load(&v, weight) : gv_lanes_load_part(&v, weight, count);
        sum += delta[j] * v;
    }
    const float *in = b->in + row * b->k + at;
    whole ? gv_lanes_load(&v, in) : gv_lanes_load_part(&v, in, count);
    gv_lane_bits passed = (gv_lane_bits)(v > 0.0F);
    sum = (gv_lanes)((gv_lane_bits)sum & passed);
    float *out = b->out + row * b->k + at;
    whole ? gv_lanes_store(out, &sum) : gv_lanes_store_part(out, &sum, count);
}

GV_LANES_BODY void back_body(const struct back *b)
{
    for (size_t row = 0; row < b->rows; row++) {
        size_t at = 0;
        for (; at + GV_LANES <= b->k; at += GV_LANES) {
            back_block(b, row, at, GV_LANES);
        }
        if (at < b->k) {
            back_block(b, row, at, b->k - at);
        }
    }
}

GV_LANES_VERSIONS(back_through, back_body, (const struct back *b), b)

/* ---- public ------------------------------------------------------------------------------------------------ */

void gv_narrow_forward(float *out, const float *x, const float *weight, const float *bias, size_t rows, size_t n,
                       size_t k)
{
    struct forward f = {.out = out, .x = x, .weight = weight, .bias = bias, .rows = rows, .n = n, .k = k};
    forward(&f);
}

void gv_narrow_backward(float *back, const float *in, const float *delta, const float *weight, size_t rows, size_t n,
                        size_t k)
{
    struct back b = {.out = back, .in = in, .delta = delta, .weight = weight, .rows = rows, .n = n, .k = k};
    back_through(&b);
}

void gv_narrow_descend(const struct gv_descent *descent, const float *delta, const float *x, size_t rows, size_t n,
                       size_t k)
{
    struct descend d = {.to = descent, .delta = delta, .x = x, .rows = rows, .n = n, .k = k};
    descend(&d);
}
