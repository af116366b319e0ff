/*
 * Kernels of narrow layers. Both products walk k in blocks of sixteen lanes and keep a tile of sums in registers: two
 * rows by ten outputs forward, ten outputs by two blocks for the gradient; twenty of the thirty-two registers of
 * AVX-512. AVX2 has sixteen of half the width: one row or block by five outputs.
 *
 * Bytes become floats right before each use: half a cache line of them is read where floats would need two lines.
 */
#include "narrow.h"

#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

#include "lanes.h"

/* How far ahead rows are asked for. */
#define PREFETCH_ROWS 4U

/* Rows that all outputs take their turn on before the next rows, so that they are still in the second-level cache. */
#define PANEL_ROWS 32U

struct forward {
    float *out;
    const struct gv_rows *in;
    const float *weight, *bias;
    size_t n, k;
};

struct descend {
    const struct gv_descent *to;
    const float *delta;
    const struct gv_rows *in;
    size_t n, k;
    float constant[GV_NARROW_MAX]; /* what the offset of the bytes adds to an output's gradient */
};

struct back {
    float *out;
    const float *in, *delta, *weight;
    size_t rows, n, k;
};

#if defined(__x86_64__) && defined(__GNUC__)

#define KERNEL(name) name##_avx512
#define INLINE __attribute__((always_inline, target("avx512f"))) static inline
#define VERSION __attribute__((target("avx512f"))) static
#define TILE_OUTPUTS 10U
#define TILE_ROWS 2U
#define TILE_BLOCKS 2U
#define GV_NARROW_AVX512
#include "narrow_kernels.h"
#undef GV_NARROW_AVX512
#undef KERNEL
#undef INLINE
#undef VERSION
#undef LANES
#undef TILE_OUTPUTS
#undef TILE_ROWS
#undef TILE_BLOCKS

#define TILE_OUTPUTS 5U
#define TILE_ROWS 1U
#define TILE_BLOCKS 1U

#define KERNEL(name) name##_avx2
#define INLINE __attribute__((always_inline, target("avx2,fma"))) static inline
#define VERSION __attribute__((target("avx2,fma"))) static
#define GV_NARROW_AVX2
#include "narrow_kernels.h"
#undef GV_NARROW_AVX2
#undef KERNEL
#undef INLINE
#undef VERSION
#undef LANES

#else

#define TILE_OUTPUTS 5U
#define TILE_ROWS 1U
#define TILE_BLOCKS 1U

#endif

#define KERNEL(name) name##_plain
#define INLINE __attribute__((always_inline)) static inline
#define VERSION static
#include "narrow_kernels.h"

/* Calls the version for this processor. */
#if defined(__x86_64__) && defined(__GNUC__)
#define HAS_AVX512 __builtin_cpu_supports("avx512f")
#define HAS_AVX2 (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
#define CALL(name, argument)         \
    do {                             \
        if (HAS_AVX512) {            \
            name##_avx512(argument); \
        } else if (HAS_AVX2) {       \
            name##_avx2(argument);   \
        } else {                     \
            name##_plain(argument);  \
        }                            \
    } while (0)
#else
#define HAS_AVX512 false
#define HAS_AVX2 false
#define CALL(name, argument) name##_plain(argument)
#endif

static struct descend make_descend(const struct gv_descent *to, const float *delta, const struct gv_rows *in, size_t n,
                                   size_t k)
{
    struct descend d = {.to = to, .delta = delta, .in = in, .n = n, .k = k};
    for (size_t r = 0; in->x == NULL && r < in->count; r++) {
        for (size_t j = 0; j < n; j++) {
            d.constant[j] += delta[r * n + j];
        }
    }
    for (size_t j = 0; in->x == NULL && j < n; j++) {
        d.constant[j] *= in->offset;
    }
    return d;
}

/* ---- public ------------------------------------------------------------------------------------------------ */

bool gv_narrow_is_fast(void)
{
    return HAS_AVX512 || HAS_AVX2;
}

void gv_narrow_forward(float *out, const struct gv_rows *in, const float *weight, const float *bias, size_t n, size_t k)
{
    struct forward f = {.out = out, .in = in, .weight = weight, .bias = bias, .n = n, .k = k};
    CALL(forward, &f);
}

void gv_narrow_backward(float *back, const float *in, const float *delta, const float *weight, size_t rows, size_t n,
                        size_t k)
{
    struct back b = {.out = back, .in = in, .delta = delta, .weight = weight, .rows = rows, .n = n, .k = k};
    CALL(back_through, &b);
}

void gv_narrow_descend(const struct gv_descent *descent, const float *delta, const struct gv_rows *in, size_t n,
                       size_t k)
{
    struct descend d = make_descend(descent, delta, in, n, k);
    CALL(descend, &d);
}
