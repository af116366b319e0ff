/*
 * Which OpenBLAS kernel runs, which one should, and how fast it is.
 */
#include "blas.h"

#include <cblas.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What OpenBLAS falls back to when it does not know a processor: kernels without AVX. */
static const char *const FALLBACKS[] = {"Prescott", "Core2",   "Penryn",     "Dunnington", "Atom",
                                        "Nehalem",  "Katmai",  "Coppermine", "Northwood",  "Banias",
                                        "Generic",  "generic", "Unknown",    "ARMV8"};

#if defined(__x86_64__)
/* Written out one by one: the compiler wants literal names. */
static const char *best_for_processor(void)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        return "SkylakeX"; /* the float32 kernels of Cooperlake and SapphireRapids are the same */
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return "Haswell"; /* Zen's are the same */
    }
    if (__builtin_cpu_supports("avx")) {
        return "Sandybridge";
    }
    return NULL;
}
#else
static const char *best_for_processor(void)
{
    return NULL;
}
#endif

const char *gv_blas_kernel(void)
{
    const char *name = openblas_get_corename();
    return name != NULL ? name : "unknown";
}

const char *gv_blas_better_kernel(void)
{
    const char *kernel = gv_blas_kernel();
    for (size_t i = 0; i < sizeof FALLBACKS / sizeof FALLBACKS[0]; i++) {
        if (strcmp(kernel, FALLBACKS[i]) == 0) {
            return best_for_processor();
        }
    }
    return NULL;
}

void gv_blas_set_threads(int threads)
{
    openblas_set_num_threads(threads);
}

static double seconds(void)
{
    struct timespec time;
    if (clock_gettime(CLOCK_MONOTONIC, &time) != 0) {
        return 0.0;
    }
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

double gv_blas_measure(int repeats)
{
    enum { M = 32, N = 128, K = 784, CALLS = 10 };
    float *memory = calloc((size_t)M * K + (size_t)K * N + (size_t)M * N, sizeof *memory);
    if (memory == NULL) {
        return 0.0;
    }
    float *a = memory;
    float *b = a + (size_t)M * K;
    float *c = b + (size_t)K * N;
    double best = 0.0;
    for (int r = 0; r < repeats; r++) {
        double start = seconds();
        for (int i = 0; i < CALLS; i++) {
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, M, N, K, 1.0F, a, K, b, N, 0.0F, c, N);
        }
        double elapsed = seconds() - start;
        double rate = elapsed > 0.0 ? 2.0 * M * N * K * CALLS / elapsed * 1e-9 : 0.0;
        best = rate > best ? rate : best;
    }
    free(memory);
    return best;
}
