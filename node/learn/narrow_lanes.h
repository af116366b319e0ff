/*
 * What the kernels of narrow layers are made of, for one instruction set: sixteen float32 side by side, with fused
 * multiply-add. Included by narrow.c once for each instruction set, with
 *
 *     GV_NARROW_AVX512 or GV_NARROW_AVX2   defined, or neither
 *     KERNEL(name)                         the name with the instruction set's ending
 *     INLINE                               always inlined, compiled for that instruction set
 *
 * which leaves the type LANES and the functions below. Intrinsics and not a vector type of the compiler, because only
 * they say where a product is fused with a sum, whatever the compiler and its optimisation.
 */

#if defined(GV_NARROW_AVX512)

#define LANES __m512

INLINE LANES KERNEL(zero)(void)
{
    return _mm512_setzero_ps();
}

INLINE LANES KERNEL(all)(float value)
{
    return _mm512_set1_ps(value);
}

INLINE LANES KERNEL(load_whole)(const float *from)
{
    return _mm512_loadu_ps(from);
}

INLINE void KERNEL(store_whole)(float *to, LANES v)
{
    _mm512_storeu_ps(to, v);
}

INLINE LANES KERNEL(load_bytes)(const uint8_t *from)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)from)));
}

/* a b + c, rounded once */
INLINE LANES KERNEL(fma)(LANES a, LANES b, LANES c)
{
    return _mm512_fmadd_ps(a, b, c);
}

/* v where x > 0, else 0 */
INLINE LANES KERNEL(where_positive)(LANES x, LANES v)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ), v);
}

/* Loads once what is used twice: a compiler that takes it for free would read it from memory at each use, and the
   loads, not the products, would be what limits a tile. */
INLINE LANES KERNEL(keep)(LANES v)
{
    __asm__("" : "+v"(v));
    return v;
}

/* The sums of eight lanes that the sums of sixteen begin with, those of a in the lower half, of b in the upper. */
INLINE LANES KERNEL(fold_8)(LANES a, LANES b)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}

/* out[j] (count, at most sixteen) <- the sum of all lanes of v[j], halves first, + bias[j]. All vectors are folded
   together, two into one at each step. */
INLINE void KERNEL(sums)(float *out, LANES *v, const float *bias, const size_t count)
{
    LANES eight[8], four[4];
#pragma GCC unroll 8
    for (size_t i = 0; i < 8; i++) {
        LANES upper = 2 * i + 1 < count ? v[2 * i + 1] : _mm512_setzero_ps();
        eight[i] = 2 * i < count ? KERNEL(fold_8)(v[2 * i], upper) : _mm512_setzero_ps();
    }
    /* 128 bits of vector i: two quarters of 2 i, then of 2 i + 1 */
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) {
        LANES low = _mm512_shuffle_f32x4(eight[2 * i], eight[2 * i + 1], 0x88);
        LANES high = _mm512_shuffle_f32x4(eight[2 * i], eight[2 * i + 1], 0xdd);
        four[i] = _mm512_add_ps(low, high);
    }
    /* 128 bits of four[i] belong to vectors 4 i, 4 i + 1, 4 i + 2, 4 i + 3: now 0+2 and 1+3 of each, then 0+1. */
    LANES two[2];
#pragma GCC unroll 2
    for (size_t i = 0; i < 2; i++) {
        LANES low = _mm512_shuffle_ps(four[2 * i], four[2 * i + 1], 0x44);
        LANES high = _mm512_shuffle_ps(four[2 * i], four[2 * i + 1], 0xee);
        two[i] = _mm512_add_ps(low, high);
    }
    LANES one = _mm512_add_ps(_mm512_shuffle_ps(two[0], two[1], 0x88), _mm512_shuffle_ps(two[0], two[1], 0xdd));
    /* Lane 4 q + p holds vector 4 p + q. */
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    one = _mm512_permutexvar_ps(order, one);
    const __mmask16 there = (__mmask16)((1U << count) - 1U);
    _mm512_mask_storeu_ps(out, there, _mm512_add_ps(one, _mm512_maskz_loadu_ps(there, bias)));
}

#elif defined(GV_NARROW_AVX2)

struct lanes_avx2 {
    __m256 low, high;
};

#define LANES struct lanes_avx2

INLINE LANES KERNEL(zero)(void)
{
    return (LANES){_mm256_setzero_ps(), _mm256_setzero_ps()};
}

INLINE LANES KERNEL(all)(float value)
{
    return (LANES){_mm256_set1_ps(value), _mm256_set1_ps(value)};
}

INLINE LANES KERNEL(load_whole)(const float *from)
{
    return (LANES){_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
}

INLINE void KERNEL(store_whole)(float *to, LANES v)
{
    _mm256_storeu_ps(to, v.low);
    _mm256_storeu_ps(to + 8, v.high);
}

INLINE LANES KERNEL(load_bytes)(const uint8_t *from)
{
    __m128i low = _mm_loadl_epi64((const void *)from);
    __m128i high = _mm_loadl_epi64((const void *)(from + 8));
    return (LANES){_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(low)), _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(high))};
}

INLINE LANES KERNEL(fma)(LANES a, LANES b, LANES c)
{
    return (LANES){_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
}

INLINE LANES KERNEL(where_positive)(LANES x, LANES v)
{
    const __m256 none = _mm256_setzero_ps();
    return (LANES){_mm256_and_ps(v.low, _mm256_cmp_ps(x.low, none, _CMP_GT_OQ)),
                   _mm256_and_ps(v.high, _mm256_cmp_ps(x.high, none, _CMP_GT_OQ))};
}

INLINE LANES KERNEL(keep)(LANES v)
{
    return v;
}

INLINE void KERNEL(sums)(float *out, LANES *v, const float *bias, const size_t count)
{
    for (size_t j = 0; j < count; j++) {
        __m256 eight = _mm256_add_ps(v[j].low, v[j].high);
        __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
        __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        out[j] = _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1))) + bias[j];
    }
}

#else

struct lanes_plain {
    float lane[GV_LANES];
};

#define LANES struct lanes_plain

INLINE LANES KERNEL(zero)(void)
{
    return (LANES){{0}};
}

INLINE LANES KERNEL(all)(float value)
{
    LANES v;
    for (size_t i = 0; i < GV_LANES; i++) {
        v.lane[i] = value;
    }
    return v;
}

INLINE LANES KERNEL(load_whole)(const float *from)
{
    LANES v;
    memcpy(v.lane, from, sizeof v.lane);
    return v;
}

INLINE void KERNEL(store_whole)(float *to, LANES v)
{
    memcpy(to, v.lane, sizeof v.lane);
}

INLINE LANES KERNEL(load_bytes)(const uint8_t *from)
{
    LANES v;
    for (size_t i = 0; i < GV_LANES; i++) {
        v.lane[i] = (float)from[i];
    }
    return v;
}

/* Where the processor fuses (every one of ARM's with 64 bits), the same bits as above; where a fused operation would be
   a call into the library, product and sum are rounded one by one. */
INLINE LANES KERNEL(fma)(LANES a, LANES b, LANES c)
{
    for (size_t i = 0; i < GV_LANES; i++) {
#if defined(__aarch64__)
        c.lane[i] = __builtin_fmaf(a.lane[i], b.lane[i], c.lane[i]);
#else
        c.lane[i] += a.lane[i] * b.lane[i];
#endif
    }
    return c;
}

INLINE LANES KERNEL(where_positive)(LANES x, LANES v)
{
    for (size_t i = 0; i < GV_LANES; i++) {
        v.lane[i] = x.lane[i] > 0.0F ? v.lane[i] : 0.0F;
    }
    return v;
}

INLINE LANES KERNEL(keep)(LANES v)
{
    return v;
}

INLINE void KERNEL(sums)(float *out, LANES *v, const float *bias, const size_t count)
{
    for (size_t j = 0; j < count; j++) {
        for (size_t half = GV_LANES / 2; half > 0; half /= 2) {
            for (size_t i = 0; i < half; i++) {
                v[j].lane[i] += v[j].lane[i + half];
            }
        }
        out[j] = v[j].lane[0] + bias[j];
    }
}

#endif
