/*
 * Pseudo-random numbers for learning: initial weights, sample order, partitions, glyphs. Never for keys or nonces.
 *
 * xoshiro256** (Blackman, Vigna, "Scrambled linear pseudorandom number generators", 2021), seeded by splitmix64. All
 * numbers, the continuous ones too, are the same on every machine: they are made from the four basic operations and
 * square roots alone, which IEEE 754 defines to the last bit; the C library's logarithm is not so defined.
 */
#ifndef GV_RANDOM_H
#define GV_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct gv_random {
    uint64_t s[4];
};

/** Seeds a generator. Streams of one seed are independent, so each use of a seed takes a stream of its own. */
void gv_random_seed(struct gv_random *random, uint64_t seed, uint64_t stream);

uint64_t gv_random_next(struct gv_random *random);

/** Uniform in [0, n), without bias; n > 0. */
uint32_t gv_random_below(struct gv_random *random, uint32_t n);

/** Uniform in [0, 1): a multiple of 2^-24. */
float gv_random_float(struct gv_random *random);

/** Uniform in (0, 1): an odd multiple of 2^-54. */
double gv_random_open(struct gv_random *random);

/** Normal with mean 0 and variance 1. */
double gv_random_normal(struct gv_random *random);

/** The logarithm of a gamma variate of shape `alpha` > 0, scale 1: the variate itself underflows for small shapes. */
double gv_random_log_gamma(struct gv_random *random, double alpha);

/** share (n) <- a draw from the symmetric Dirichlet distribution with parameter alpha > 0; sums to 1. */
void gv_random_dirichlet(struct gv_random *random, double *share, size_t n, double alpha);

/** Puts items (n) into random order (Fisher, Yates); n < 2^32. */
void gv_random_shuffle(struct gv_random *random, uint32_t *items, size_t n);

/** e^x and ln x from basic operations only, good to about 1e-13: the same on every machine. ln needs a normal x > 0. */
double gv_portable_exp(double x);
double gv_portable_log(double x);

#endif
