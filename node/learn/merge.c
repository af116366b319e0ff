/*
 * The arithmetic of a pairwise exchange at memory speed: plain loops over whole blocks, without branches, so that the
 * compiler vectorises them. Element by element, hence the same on every machine.
 */
#include "merge.h"

#include <stdint.h>
#include <string.h>

#include "hot.h"

/* The exponent of a float32; all ones in infinities and NaNs. Looked at as an integer, it cannot be optimised away. */
#define EXPONENT 0x7f800000U

/* Values looked at between two checks for a way out: 16 KiB, a few hundred vectors. */
#define GUARD_STRIDE 4096U

static uint32_t bits_of(const float *value)
{
    uint32_t bits;
    memcpy(&bits, value, sizeof bits);
    return bits;
}

GV_HOT static uint32_t count_nonfinite(const float *values, size_t n)
{
    uint32_t found = 0;
    for (size_t i = 0; i < n; i++) {
        found += (bits_of(&values[i]) & EXPONENT) == EXPONENT ? 1U : 0U;
    }
    return found;
}

GV_HOT static void subtract_weighted(float *restrict stage, const float *restrict theirs, size_t n, float weight)
{
    for (size_t i = 0; i < n; i++) {
        stage[i] = weight * (theirs[i] - stage[i]);
    }
}

/* The bits of the value at an encoded block's element i. */
static inline uint32_t encoded_bits(const uint8_t *bytes, size_t i)
{
    uint32_t bits;
    memcpy(&bits, bytes + 4 * i, sizeof bits);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bits = __builtin_bswap32(bits);
#endif
    return bits;
}

static inline float encoded_value(const uint8_t *bytes, size_t i)
{
    uint32_t bits = encoded_bits(bytes, i);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

GV_HOT static uint32_t count_nonfinite_bytes(const uint8_t *bytes, size_t n)
{
    uint32_t found = 0;
    for (size_t i = 0; i < n; i++) {
        found += (encoded_bits(bytes, i) & EXPONENT) == EXPONENT ? 1U : 0U;
    }
    return found;
}

GV_HOT static uint32_t count_nonfinite_deltas(const uint8_t *ours, const uint8_t *theirs, size_t n, float weight)
{
    uint32_t found = 0;
    for (size_t i = 0; i < n; i++) {
        float delta = weight * (encoded_value(theirs, i) - encoded_value(ours, i));
        found += (bits_of(&delta) & EXPONENT) == EXPONENT ? 1U : 0U;
    }
    return found;
}

bool gv_guard_finite(const float *values, size_t n)
{
    for (size_t i = 0; i < n; i += GUARD_STRIDE) {
        if (count_nonfinite(values + i, n - i < GUARD_STRIDE ? n - i : GUARD_STRIDE) != 0) {
            return false;
        }
    }
    return true;
}

bool gv_merge_stage(float *stage, const float *theirs, size_t n, float weight)
{
    /* Each stretch is looked at while it is still in the first-level cache. */
    bool finite = true;
    for (size_t i = 0; i < n; i += GUARD_STRIDE) {
        size_t stretch = n - i < GUARD_STRIDE ? n - i : GUARD_STRIDE;
        subtract_weighted(stage + i, theirs + i, stretch, weight);
        finite = count_nonfinite(stage + i, stretch) == 0 && finite;
    }
    return finite;
}

GV_HOT void gv_merge_commit(float *live, const float *stage, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        live[i] += stage[i];
    }
}

bool gv_guard_finite_bytes(const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i += GUARD_STRIDE) {
        if (count_nonfinite_bytes(bytes + 4 * i, n - i < GUARD_STRIDE ? n - i : GUARD_STRIDE) != 0) {
            return false;
        }
    }
    return true;
}

bool gv_merge_check_bytes(const uint8_t *ours, const uint8_t *theirs, size_t n, float weight)
{
    for (size_t i = 0; i < n; i += GUARD_STRIDE) {
        size_t stretch = n - i < GUARD_STRIDE ? n - i : GUARD_STRIDE;
        if (count_nonfinite_deltas(ours + 4 * i, theirs + 4 * i, stretch, weight) != 0) {
            return false;
        }
    }
    return true;
}

GV_HOT void gv_merge_apply_bytes(float *restrict live, const uint8_t *restrict ours, const uint8_t *restrict theirs,
                                 size_t n, float weight)
{
    for (size_t i = 0; i < n; i++) {
        float delta = weight * (encoded_value(theirs, i) - encoded_value(ours, i));
        live[i] += delta;
    }
}
