/*
 * The core's generator against the published keystream, and its derived draws.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "rng.h"

Test(core_rng, is_chacha20)
{
    /* RFC 8439, appendix A.1, test vector 1: zero key, counter 0. */
    static const uint8_t zero[32];
    static const uint32_t expected[4] = {0xade0b876u, 0x903df1a0u, 0xe56a5d40u, 0x28bd8653u};
    struct gv_rng rng;
    gv_rng_seed(&rng, zero);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(gv_rng_u32(&rng), expected[i]);
    }
    for (int i = 4; i < 16; i++) {
        (void)gv_rng_u32(&rng);
    }
    cr_assert_eq(gv_rng_u32(&rng), 0xbee7079fu); /* test vector 2: counter 1 */
}

Test(core_rng, depends_on_every_byte_of_the_seed)
{
    uint8_t seed[32] = {0};
    struct gv_rng a;
    struct gv_rng b;
    gv_rng_seed(&a, seed);
    uint64_t first = gv_rng_u64(&a);
    for (int i = 0; i < 32; i++) {
        seed[i] ^= 1;
        gv_rng_seed(&b, seed);
        cr_assert_neq(gv_rng_u64(&b), first, "byte %d", i);
        seed[i] ^= 1;
    }
}

Test(core_rng, below_is_uniform)
{
    static const uint8_t seed[32] = {7};
    struct gv_rng rng;
    uint32_t counts[10] = {0};
    gv_rng_seed(&rng, seed);
    for (int i = 0; i < 100000; i++) {
        counts[gv_rng_below(&rng, 10)]++;
    }
    uint64_t chi2_x10000 = 0;
    for (int i = 0; i < 10; i++) {
        int64_t d = (int64_t)counts[i] - 10000;
        chi2_x10000 += (uint64_t)(d * d);
    }
    cr_assert_lt(chi2_x10000 / 10000, 28, "chi-square with 9 degrees of freedom, p = 0.001"); /* 27.9 */
}

Test(core_rng, jitter_stays_within_its_percentage)
{
    static const uint8_t seed[32] = {9};
    struct gv_rng rng;
    gv_rng_seed(&rng, seed);
    for (int i = 0; i < 1000; i++) {
        uint64_t us = gv_rng_jitter(&rng, 1000000, 20);
        cr_assert(us >= 800000 && us <= 1200000);
    }
    cr_assert_eq(gv_rng_jitter(&rng, 0, 20), 0);
}
