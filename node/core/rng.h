/*
 * The core's own generator: ChaCha20 in counter mode, keyed by the 32 bytes of the START event. Deterministic for the
 * simulator, and a peer that sees our nonces cannot tell the next one (an exchange's nonce is what OUTCOME asks by).
 */
#ifndef GV_RNG_H
#define GV_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct gv_rng {
    uint32_t key[8];
    uint64_t counter; /* of the next block */
    uint32_t block[16];
    uint32_t used; /* words of the block already given out */
};

void gv_rng_seed(struct gv_rng *rng, const uint8_t seed[32]);
uint32_t gv_rng_u32(struct gv_rng *rng);
uint64_t gv_rng_u64(struct gv_rng *rng);

/** Uniform in [0, n), n > 0. Taken from 64 bits, so the bias is below n / 2^64. */
uint32_t gv_rng_below(struct gv_rng *rng, uint32_t n);

/** `us` with a uniform jitter of +- percent. */
uint64_t gv_rng_jitter(struct gv_rng *rng, uint64_t us, uint32_t percent);

#endif
