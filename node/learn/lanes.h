/*
 * Sixteen float32 side by side, as a compiler's vector type: written once, it becomes one AVX-512 register, two of AVX2
 * or four of SSE2 (NEON). What is added to what is thereby fixed by the source: lane i of a sum holds the terms i, i +
 * 16, i + 32, ..., and the lanes are added pairwise at the end. With -ffp-contract=off every compiler, optimisation
 * level and processor computes the same bits.
 *
 * A kernel is a function BODY(arguments) marked GV_LANES_BODY, and GV_LANES_VERSIONS compiles it for each vector width
 * and chooses when it is called. (target_clones, as in hot.h, cannot: clang lacks it and sanitizers start too early.)
 */
#ifndef GV_LANES_H
#define GV_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GV_LANES 16U

typedef float gv_lanes __attribute__((vector_size(64)));
typedef uint32_t gv_lane_bits __attribute__((vector_size(64)));

#define GV_LANES_BODY __attribute__((always_inline)) static inline

#if defined(__x86_64__) && defined(__GNUC__)
#define GV_LANES_VERSIONS(name, body, parameters, ...)                      \
    __attribute__((target("avx512f"))) static void name##_avx512 parameters \
    {                                                                       \
        body(__VA_ARGS__);                                                  \
    }                                                                       \
    __attribute__((target("avx2"))) static void name##_avx2 parameters      \
    {                                                                       \
        body(__VA_ARGS__);                                                  \
    }                                                                       \
    static void name##_plain parameters                                     \
    {                                                                       \
        body(__VA_ARGS__);                                                  \
    }                                                                       \
    static void name parameters                                             \
    {                                                                       \
        if (__builtin_cpu_supports("avx512f")) {                            \
            name##_avx512(__VA_ARGS__);                                     \
        } else if (__builtin_cpu_supports("avx2")) {                        \
            name##_avx2(__VA_ARGS__);                                       \
        } else {                                                            \
            name##_plain(__VA_ARGS__);                                      \
        }                                                                   \
    }
#else
#define GV_LANES_VERSIONS(name, body, parameters, ...) \
    static void name parameters                        \
    {                                                  \
        body(__VA_ARGS__);                             \
    }
#endif

/* Vectors are handed over by address: by value, their way would depend on the instruction set. */

GV_LANES_BODY void gv_lanes_load(gv_lanes *v, const float *from)
{
    memcpy(v, from, sizeof *v);
}

GV_LANES_BODY void gv_lanes_store(float *to, const gv_lanes *v)
{
    memcpy(to, v, sizeof *v);
}

/* The first `count` lanes, at most all; the rest is zero. */
GV_LANES_BODY void gv_lanes_load_part(gv_lanes *v, const float *from, size_t count)
{
    float lanes[GV_LANES] = {0};
    for (size_t i = 0; i < count; i++) {
        lanes[i] = from[i];
    }
    gv_lanes_load(v, lanes);
}

GV_LANES_BODY void gv_lanes_store_part(float *to, const gv_lanes *v, size_t count)
{
    float lanes[GV_LANES];
    gv_lanes_store(lanes, v);
    for (size_t i = 0; i < count; i++) {
        to[i] = lanes[i];
    }
}

/* The sum of all lanes, halves first: 0+8 1+9 ..., then 0+4 ..., 0+2, 0+1. */
GV_LANES_BODY float gv_lanes_sum(const gv_lanes *v)
{
    gv_lanes a = *v;
    a += __builtin_shufflevector(a, a, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
    a += __builtin_shufflevector(a, a, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
    a += __builtin_shufflevector(a, a, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3);
    return a[0] + a[1];
}

#endif
