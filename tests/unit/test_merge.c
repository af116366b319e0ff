/* The arithmetic of an exchange against plain references. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learn_help.h"
#include "merge.h"
#include "random.h"

/* Lengths around the vector widths and the guard's stretch. */
static const size_t LENGTHS[] = {0, 1, 3, 15, 16, 17, 63, 4095, 4096, 4097, 10000};
enum { LENGTH_COUNT = sizeof LENGTHS / sizeof LENGTHS[0], LENGTH_MAX = 10000 };

/* Finite values of every size, denormal ones and zeros of both signs too. */
static float any_finite(struct gv_random *random)
{
    for (;;) {
        uint32_t bits = (uint32_t)gv_random_next(random);
        float value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value)) {
            return value;
        }
    }
}

Test(guard, passes_every_finite_value)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    static float values[LENGTH_MAX];
    for (size_t i = 0; i < LENGTH_MAX; i++) {
        values[i] = any_finite(&random);
    }
    values[0] = FLT_MAX;
    values[1] = -FLT_MAX;
    values[2] = FLT_TRUE_MIN;
    for (int k = 0; k < LENGTH_COUNT; k++) {
        cr_assert(gv_guard_finite(values, LENGTHS[k]), "length %zu", LENGTHS[k]);
    }
}

Test(guard, finds_one_bad_value_anywhere)
{
    static const uint32_t BAD[] = {0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001, 0xffffffff};
    static float values[LENGTH_MAX];
    for (int k = 1; k < LENGTH_COUNT; k++) {
        size_t n = LENGTHS[k];
        for (size_t b = 0; b < sizeof BAD / sizeof BAD[0]; b++) {
            for (size_t at = 0; at < n; at += at < 80 || at + 80 > n ? 1 : 61) {
                memcpy(&values[at], &BAD[b], sizeof BAD[b]);
                cr_assert_not(gv_guard_finite(values, n), "%08x at %zu of %zu", BAD[b], at, n);
                values[at] = 0.0F;
            }
        }
    }
}

Test(merge, stages_the_weighted_difference)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    static float ours[LENGTH_MAX], theirs[LENGTH_MAX], stage[LENGTH_MAX];
    for (int k = 0; k < LENGTH_COUNT; k++) {
        for (size_t i = 0; i < LENGTHS[k]; i++) {
            ours[i] = 2.0F * gv_random_float(&random) - 1.0F;
            theirs[i] = 2.0F * gv_random_float(&random) - 1.0F;
        }
        memcpy(stage, ours, sizeof stage);
        cr_assert(gv_merge_stage(stage, theirs, LENGTHS[k], 0.3F));
        for (size_t i = 0; i < LENGTHS[k]; i++) {
            float difference = theirs[i] - ours[i];
            cr_assert_eq(stage[i], 0.3F * difference);
        }
    }
}

Test(merge, deltas_of_the_two_sides_are_exactly_opposite)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    static float a[LENGTH_MAX], b[LENGTH_MAX], a_stage[LENGTH_MAX], b_stage[LENGTH_MAX];
    for (size_t i = 0; i < LENGTH_MAX; i++) {
        a[i] = 0.25F * any_finite(&random);
        b[i] = 0.25F * any_finite(&random);
    }
    memcpy(a_stage, a, sizeof a);
    memcpy(b_stage, b, sizeof b);
    cr_assert(gv_merge_stage(a_stage, b, LENGTH_MAX, 0.5F));
    cr_assert(gv_merge_stage(b_stage, a, LENGTH_MAX, 0.5F));
    for (size_t i = 0; i < LENGTH_MAX; i++) {
        cr_assert_eq(a_stage[i], -b_stage[i], "at %zu: %a and %a", i, (double)a_stage[i], (double)b_stage[i]);
    }
}

Test(merge, conserves_the_sum)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    static float a[LENGTH_MAX], b[LENGTH_MAX], a_stage[LENGTH_MAX], b_stage[LENGTH_MAX];
    static double before[LENGTH_MAX];
    for (size_t i = 0; i < LENGTH_MAX; i++) {
        /* Multiples of 2^-20 below 1: sums and halves are exact, so the sum must be, too. */
        a[i] = ldexpf((float)gv_random_below(&random, 1U << 20), -20);
        b[i] = ldexpf((float)gv_random_below(&random, 1U << 20), -20);
        before[i] = (double)a[i] + (double)b[i];
    }
    memcpy(a_stage, a, sizeof a);
    memcpy(b_stage, b, sizeof b);
    cr_assert(gv_merge_stage(a_stage, b, LENGTH_MAX, 0.5F));
    cr_assert(gv_merge_stage(b_stage, a, LENGTH_MAX, 0.5F));
    gv_merge_commit(a, a_stage, LENGTH_MAX);
    gv_merge_commit(b, b_stage, LENGTH_MAX);
    for (size_t i = 0; i < LENGTH_MAX; i++) {
        cr_assert_eq((double)a[i] + (double)b[i], before[i]);
        cr_assert_eq(a[i], b[i], "weight 1/2 makes both equal");
    }
}

Test(merge, weight_zero_changes_nothing)
{
    float live[3] = {1.0F, -2.0F, 3.0F};
    float stage[3] = {1.0F, -2.0F, 3.0F};
    const float theirs[3] = {100.0F, 5.0F, -7.0F};
    cr_assert(gv_merge_stage(stage, theirs, 3, 0.0F));
    gv_merge_commit(live, stage, 3);
    cr_assert_eq(live[0], 1.0F);
    cr_assert_eq(live[1], -2.0F);
    cr_assert_eq(live[2], 3.0F);
}

Test(merge, says_when_a_difference_overflows)
{
    static float stage[LENGTH_MAX], theirs[LENGTH_MAX];
    for (size_t at = 0; at < LENGTH_MAX; at += 997) {
        memset(stage, 0, sizeof stage);
        stage[at] = -FLT_MAX;
        theirs[at] = FLT_MAX;
        cr_assert_not(gv_merge_stage(stage, theirs, LENGTH_MAX, 0.5F), "at %zu", at);
        theirs[at] = 0.0F;
    }
}

Test(merge, commits_by_adding)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    static float live[LENGTH_MAX], stage[LENGTH_MAX], expected[LENGTH_MAX];
    for (int k = 0; k < LENGTH_COUNT; k++) {
        for (size_t i = 0; i < LENGTH_MAX; i++) {
            live[i] = gv_random_float(&random);
            stage[i] = gv_random_float(&random) - 0.5F;
            expected[i] = i < LENGTHS[k] ? live[i] + stage[i] : live[i];
        }
        gv_merge_commit(live, stage, LENGTHS[k]);
        cr_assert_arr_eq(live, expected, sizeof live);
    }
}

/* Encoded blocks begin anywhere in a frame. */
enum { OFFSET = 3 };
static uint8_t our_bytes[4 * LENGTH_MAX + OFFSET], their_bytes[4 * LENGTH_MAX + OFFSET];

static void encode(uint8_t *bytes, const float *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        for (int k = 0; k < 4; k++) {
            bytes[OFFSET + 4 * i + (size_t)k] = (uint8_t)(bits >> 8 * k);
        }
    }
}

Test(merge, of_bytes_is_stage_and_commit_bit_for_bit)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    static float ours[LENGTH_MAX], theirs[LENGTH_MAX], stage[LENGTH_MAX], live[LENGTH_MAX], expected[LENGTH_MAX];
    for (int k = 0; k < LENGTH_COUNT; k++) {
        for (size_t i = 0; i < LENGTH_MAX; i++) {
            ours[i] = 0.25F * any_finite(&random);
            theirs[i] = i % 3 == 0 ? ours[i] * gv_random_float(&random) : 0.25F * any_finite(&random);
            live[i] = i % 2 == 0 ? ours[i] + gv_random_float(&random) : gv_random_float(&random);
        }
        float weight = gv_random_float(&random);
        memcpy(stage, ours, sizeof stage);
        memcpy(expected, live, sizeof expected);
        cr_assert(gv_merge_stage(stage, theirs, LENGTHS[k], weight));
        gv_merge_commit(expected, stage, LENGTHS[k]);
        encode(our_bytes, ours, LENGTHS[k]);
        encode(their_bytes, theirs, LENGTHS[k]);
        cr_assert(gv_merge_check_bytes(our_bytes + OFFSET, their_bytes + OFFSET, LENGTHS[k], weight));
        gv_merge_apply_bytes(live, our_bytes + OFFSET, their_bytes + OFFSET, LENGTHS[k], weight);
        cr_assert_arr_eq(live, expected, sizeof live, "length %zu", LENGTHS[k]);
    }
}

Test(merge, of_bytes_refuses_what_is_not_finite)
{
    static const uint32_t BAD[] = {0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffffffff};
    static float ours[LENGTH_MAX], theirs[LENGTH_MAX];
    for (size_t at = 0; at < LENGTH_MAX; at += 997) {
        for (size_t b = 0; b < sizeof BAD / sizeof BAD[0]; b++) {
            memcpy(&theirs[at], &BAD[b], sizeof BAD[b]);
            encode(our_bytes, ours, LENGTH_MAX);
            encode(their_bytes, theirs, LENGTH_MAX);
            cr_assert_not(gv_guard_finite_bytes(their_bytes + OFFSET, LENGTH_MAX), "%08x at %zu", BAD[b], at);
            cr_assert(gv_guard_finite_bytes(our_bytes + OFFSET, LENGTH_MAX));
            for (float weight = 0.0F; weight < 1.0F; weight += 0.5F) {
                cr_assert_not(gv_merge_check_bytes(our_bytes + OFFSET, their_bytes + OFFSET, LENGTH_MAX, weight));
                cr_assert_not(gv_merge_check_bytes(their_bytes + OFFSET, our_bytes + OFFSET, LENGTH_MAX, weight));
            }
        }
        theirs[at] = FLT_MAX; /* finite, but the difference is not */
        ours[at] = -FLT_MAX;
        encode(our_bytes, ours, LENGTH_MAX);
        encode(their_bytes, theirs, LENGTH_MAX);
        cr_assert(gv_guard_finite_bytes(their_bytes + OFFSET, LENGTH_MAX));
        cr_assert_not(gv_merge_check_bytes(our_bytes + OFFSET, their_bytes + OFFSET, LENGTH_MAX, 0.5F));
        theirs[at] = ours[at] = 0.0F;
    }
}
