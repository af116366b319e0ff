/*
 * ChaCha20 (RFC 8439 without the nonce: one key gives one stream, the counter has 64 bits).
 */
#include "rng.h"

#include <string.h>

static uint32_t rotate(uint32_t x, uint32_t bits)
{
    return (x << bits) | (x >> (32 - bits));
}

static void quarter_round(uint32_t *x, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 7);
}

static void refill(struct gv_rng *rng)
{
    uint32_t input[16] = {0x61707865u, 0x3320646eu, 0x79622d32u, 0x6b206574u}; /* "expand 32-byte k" */
    memcpy(&input[4], rng->key, sizeof rng->key);
    input[12] = (uint32_t)rng->counter;
    input[13] = (uint32_t)(rng->counter >> 32);
    rng->counter++;
    memcpy(rng->block, input, sizeof input);
    for (int i = 0; i < 10; i++) {
        quarter_round(rng->block, 0, 4, 8, 12);
        quarter_round(rng->block, 1, 5, 9, 13);
        quarter_round(rng->block, 2, 6, 10, 14);
        quarter_round(rng->block, 3, 7, 11, 15);
        quarter_round(rng->block, 0, 5, 10, 15);
        quarter_round(rng->block, 1, 6, 11, 12);
        quarter_round(rng->block, 2, 7, 8, 13);
        quarter_round(rng->block, 3, 4, 9, 14);
    }
    for (int i = 0; i < 16; i++) {
        rng->block[i] += input[i];
    }
    rng->used = 0;
}

void gv_rng_seed(struct gv_rng *rng, const uint8_t seed[32])
{
    memset(rng, 0, sizeof *rng);
    for (int i = 0; i < 8; i++) {
        rng->key[i] = (uint32_t)seed[4 * i] | (uint32_t)seed[4 * i + 1] << 8 | (uint32_t)seed[4 * i + 2] << 16 |
                      (uint32_t)seed[4 * i + 3] << 24;
    }
    rng->used = 16;
}

uint32_t gv_rng_u32(struct gv_rng *rng)
{
    if (rng->used == 16) {
        refill(rng);
    }
    return rng->block[rng->used++];
}

uint64_t gv_rng_u64(struct gv_rng *rng)
{
    uint64_t low = gv_rng_u32(rng);
    return low | (uint64_t)gv_rng_u32(rng) << 32;
}

uint32_t gv_rng_below(struct gv_rng *rng, uint32_t n)
{
    return (uint32_t)(gv_rng_u64(rng) % n);
}

uint64_t gv_rng_jitter(struct gv_rng *rng, uint64_t us, uint32_t percent)
{
    uint64_t swing = us / 100 * percent;
    return us - swing + (swing == 0 ? 0 : gv_rng_u64(rng) % (2 * swing + 1));
}
