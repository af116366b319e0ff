/*
 * The kernels of narrow layers, written in terms of narrow_lanes.h and as it compiled for one instruction set: narrow.c
 * includes this once for each. TILE_OUTPUTS, TILE_ROWS and TILE_BLOCKS say how many sums the registers hold: outputs by
 * rows forward, outputs by blocks of sixteen columns for the gradient.
 */

#include "narrow_lanes.h"

/* `count` lanes, at most sixteen; the others are 0. */
INLINE LANES KERNEL(load)(const float *from, size_t count)
{
    if (count == GV_LANES) {
        return KERNEL(load_whole)(from);
    }
    float lanes[GV_LANES] = {0};
    for (size_t i = 0; i < count; i++) {
        lanes[i] = from[i];
    }
    return KERNEL(load_whole)(lanes);
}

INLINE void KERNEL(store)(float *to, LANES v, size_t count)
{
    if (count == GV_LANES) {
        KERNEL(store_whole)(to, v);
        return;
    }
    float lanes[GV_LANES];
    KERNEL(store_whole)(lanes, v);
    for (size_t i = 0; i < count; i++) {
        to[i] = lanes[i];
    }
}

/* Features [at, at + count) of a row; bytes unscaled. */
INLINE LANES KERNEL(features)(const struct gv_rows *in, size_t row, size_t k, size_t at, size_t count, bool bytes)
{
    if (!bytes) {
        return KERNEL(load)(in->x + row * k + at, count);
    }
    if (count == GV_LANES) {
        return KERNEL(load_bytes)(in->bytes[row] + at);
    }
    uint8_t lanes[GV_LANES] = {0};
    for (size_t i = 0; i < count; i++) {
        lanes[i] = in->bytes[row][at + i];
    }
    return KERNEL(load_bytes)(lanes);
}

/* ---- forward ---------------------------------------------------------------------------------------------- */

/* One block of `count` columns at `at`, for R rows and J outputs. */
INLINE void KERNEL(forward_block)(const struct forward *f, LANES *sum, size_t row, size_t first, size_t at,
                                  size_t count, const size_t R, const size_t J, bool bytes)
{
    LANES in[TILE_ROWS];
#pragma GCC unroll 2
    for (size_t r = 0; r < R; r++) {
        in[r] = KERNEL(features)(f->in, row + r, f->k, at, count, bytes);
        if (bytes) {
            in[r] = KERNEL(fma)(in[r], KERNEL(all)(f->in->scale), KERNEL(all)(f->in->offset));
        }
    }
#pragma GCC unroll 10
    for (size_t j = 0; j < J; j++) {
        LANES w = KERNEL(keep)(KERNEL(load)(f->weight + (first + j) * f->k + at, count));
#pragma GCC unroll 2
        for (size_t r = 0; r < R; r++) {
            sum[r * TILE_OUTPUTS + j] = KERNEL(fma)(in[r], w, sum[r * TILE_OUTPUTS + j]);
        }
    }
}

/* out[r][j] for rows r of [row, row + R) and outputs j of [first, first + J). */
INLINE void KERNEL(forward_tile)(const struct forward *f, size_t row, size_t first, const size_t R, const size_t J,
                                 bool bytes)
{
    LANES sum[TILE_ROWS * TILE_OUTPUTS];
#pragma GCC unroll 20
    for (size_t i = 0; i < TILE_ROWS * TILE_OUTPUTS; i++) {
        sum[i] = KERNEL(zero)();
    }
    size_t at = 0;
    const uint8_t *ahead[TILE_ROWS]; /* rows lie all over the data, where no processor foresees them */
    for (size_t r = 0; bytes && r < R; r++) {
        size_t wanted = row + r + PREFETCH_ROWS;
        ahead[r] = f->in->bytes[wanted < f->in->count ? wanted : row];
    }
#pragma GCC unroll 1
    for (; at + GV_LANES <= f->k; at += GV_LANES) {
        for (size_t r = 0; bytes && r < R; r++) {
            __builtin_prefetch(ahead[r] + at);
        }
        KERNEL(forward_block)(f, sum, row, first, at, GV_LANES, R, J, bytes);
    }
    if (at < f->k) {
        KERNEL(forward_block)(f, sum, row, first, at, f->k - at, R, J, bytes);
    }
#pragma GCC unroll 2
    for (size_t r = 0; r < R; r++) {
        KERNEL(sums)(f->out + (row + r) * f->n + first, sum + r * TILE_OUTPUTS, f->bias + first, J);
    }
}

/* Rows [row, end) for J outputs. */
INLINE void KERNEL(forward_outputs)(const struct forward *f, size_t row, size_t end, size_t first, const size_t J,
                                    bool bytes)
{
    for (; row + TILE_ROWS <= end; row += TILE_ROWS) {
        KERNEL(forward_tile)(f, row, first, TILE_ROWS, J, bytes);
    }
    for (; row < end; row++) {
        KERNEL(forward_tile)(f, row, first, 1, J, bytes);
    }
}

/* Rows [row, end) for all outputs. */
INLINE void KERNEL(forward_panel)(const struct forward *f, size_t row, size_t end, bool bytes)
{
    size_t first = 0;
    for (; first + TILE_OUTPUTS <= f->n; first += TILE_OUTPUTS) {
        KERNEL(forward_outputs)(f, row, end, first, TILE_OUTPUTS, bytes);
    }
    for (; TILE_OUTPUTS > 5 && first + 5 <= f->n; first += 5) {
        KERNEL(forward_outputs)(f, row, end, first, 5, bytes);
    }
    for (; first + 2 <= f->n; first += 2) {
        KERNEL(forward_outputs)(f, row, end, first, 2, bytes);
    }
    if (first < f->n) {
        KERNEL(forward_outputs)(f, row, end, first, 1, bytes);
    }
}

INLINE void KERNEL(forward_all)(const struct forward *f, bool bytes)
{
    for (size_t row = 0; row < f->in->count; row += PANEL_ROWS) {
        size_t left = f->in->count - row;
        KERNEL(forward_panel)(f, row, row + (left < PANEL_ROWS ? left : PANEL_ROWS), bytes);
    }
}

VERSION void KERNEL(forward)(const struct forward *f)
{
    if (f->in->x == NULL) {
        KERNEL(forward_all)(f, true);
    } else {
        KERNEL(forward_all)(f, false);
    }
}

/* ---- gradient --------------------------------------------------------------------------------------------- */

/* What becomes of a block of the gradient, `count` lanes of it; the parameters it belongs to are at offset `at`. */
INLINE void KERNEL(apply)(const struct gv_descent *to, LANES step, size_t at, size_t count)
{
    LANES w = KERNEL(zero)();
    if (to->weight != NULL) {
        w = KERNEL(load)(to->weight + at, count);
    }
    if (to->velocity != NULL && to->momentum != 0.0F) {
        step = KERNEL(fma)(KERNEL(all)(to->momentum), KERNEL(load)(to->velocity + at, count), step);
    }
    if (to->decay != 0.0F) {
        step = KERNEL(fma)(KERNEL(all)(to->decay), w, step);
    }
    if (to->velocity != NULL) {
        KERNEL(store)(to->velocity + at, step, count);
    }
    if (to->weight != NULL) {
        KERNEL(store)(to->weight + at, KERNEL(fma)(KERNEL(all)(-to->rate), step, w), count);
    }
}

/* Outputs [first, first + J), B blocks of columns from `at` on, each of `count` columns. Of bytes the sums are of
   unscaled ones: delta' (scale b + offset) = scale (delta' b) + offset (delta' 1). */
INLINE void KERNEL(descend_tile)(const struct descend *d, size_t first, size_t at, size_t count, const size_t J,
                                 const size_t B, bool bytes)
{
    LANES sum[TILE_BLOCKS * TILE_OUTPUTS];
#pragma GCC unroll 20
    for (size_t i = 0; i < TILE_BLOCKS * TILE_OUTPUTS; i++) {
        sum[i] = KERNEL(zero)();
    }
    const float *delta = d->delta + first;
#pragma GCC unroll 1
    for (size_t r = 0; r < d->in->count; r++) {
        LANES in[TILE_BLOCKS];
#pragma GCC unroll 2
        for (size_t b = 0; b < B; b++) {
            in[b] = KERNEL(features)(d->in, r, d->k, at + b * GV_LANES, count, bytes);
        }
#pragma GCC unroll 10
        for (size_t j = 0; j < J; j++) {
            LANES factor = KERNEL(all)(delta[r * d->n + j]);
#pragma GCC unroll 2
            for (size_t b = 0; b < B; b++) {
                sum[j * TILE_BLOCKS + b] = KERNEL(fma)(factor, in[b], sum[j * TILE_BLOCKS + b]);
            }
        }
    }
    float tile[TILE_BLOCKS * TILE_OUTPUTS][GV_LANES]; /* so that what follows need not be unrolled */
#pragma GCC unroll 20
    for (size_t i = 0; i < TILE_BLOCKS * TILE_OUTPUTS; i++) {
        KERNEL(store_whole)(tile[i], sum[i]);
    }
    const struct gv_descent to = *d->to; /* the stores below are of floats, too */
    const LANES scale = KERNEL(all)(d->in->scale);
    for (size_t j = 0; j < J; j++) {
        LANES constant = KERNEL(all)(d->constant[first + j]);
#pragma GCC unroll 1
        for (size_t b = 0; b < B; b++) {
            LANES g = KERNEL(load_whole)(tile[j * TILE_BLOCKS + b]);
            if (bytes) {
                g = KERNEL(fma)(g, scale, constant);
            }
            KERNEL(apply)(&to, g, (first + j) * d->k + at + b * GV_LANES, count);
        }
    }
}

INLINE void KERNEL(descend_outputs)(const struct descend *d, size_t first, const size_t J, bool bytes)
{
    size_t at = 0;
    for (; at + TILE_BLOCKS * GV_LANES <= d->k; at += TILE_BLOCKS * GV_LANES) {
        KERNEL(descend_tile)(d, first, at, GV_LANES, J, TILE_BLOCKS, bytes);
    }
    for (; at + GV_LANES <= d->k; at += GV_LANES) {
        KERNEL(descend_tile)(d, first, at, GV_LANES, J, 1, bytes);
    }
    if (at < d->k) {
        KERNEL(descend_tile)(d, first, at, d->k - at, J, 1, bytes);
    }
}

INLINE void KERNEL(descend_all)(const struct descend *d, bool bytes)
{
    size_t first = 0;
    for (; first + TILE_OUTPUTS <= d->n; first += TILE_OUTPUTS) {
        KERNEL(descend_outputs)(d, first, TILE_OUTPUTS, bytes);
    }
    for (; TILE_OUTPUTS > 5 && first + 5 <= d->n; first += 5) {
        KERNEL(descend_outputs)(d, first, 5, bytes);
    }
    for (; first + 2 <= d->n; first += 2) {
        KERNEL(descend_outputs)(d, first, 2, bytes);
    }
    if (first < d->n) {
        KERNEL(descend_outputs)(d, first, 1, bytes);
    }
}

VERSION void KERNEL(descend)(const struct descend *d)
{
    if (d->in->x == NULL) {
        KERNEL(descend_all)(d, true);
    } else {
        KERNEL(descend_all)(d, false);
    }
}

/* ---- back through the layer -------------------------------------------------------------------------------- */

/* One row's block at `at`, `count` lanes of it. */
INLINE void KERNEL(back_block)(const struct back *b, size_t row, size_t at, size_t count)
{
    const float *delta = b->delta + row * b->n;
    LANES sum = KERNEL(zero)();
    for (size_t j = 0; j < b->n; j++) {
        LANES w = KERNEL(load)(b->weight + j * b->k + at, count);
        sum = KERNEL(fma)(KERNEL(all)(delta[j]), w, sum);
    }
    LANES in = KERNEL(load)(b->in + row * b->k + at, count);
    KERNEL(store)(b->out + row * b->k + at, KERNEL(where_positive)(in, sum), count);
}

VERSION void KERNEL(back_through)(const struct back *b)
{
    for (size_t row = 0; row < b->rows; row++) {
        size_t at = 0;
        for (; at + GV_LANES <= b->k; at += GV_LANES) {
            KERNEL(back_block)(b, row, at, GV_LANES);
        }
        if (at < b->k) {
            KERNEL(back_block)(b, row, at, b->k - at);
        }
    }
}
