/*
 * Tensor codecs. Everything runs in blocks of fixed length over local arrays: the compiler turns each inner loop into
 * vector code at -O2, unaligned wire bytes are only ever touched by memcpy, and a check rides along in the cache.
 *
 * All decisions about values are made on their bits. So nothing here depends on rounding or denormal modes of the
 * thread (training threads flush denormals to zero), and no compiler option can optimise a check away.
 */
#include "tensor.h"

#include <stdint.h>

#include "gv/chunks.h"

#define BLOCK 512 /* elements: 2 KiB of float32, well inside the first-level cache */

#define F32_EXPONENT 0x7f800000u
#define F32_MAGNITUDE 0x7fffffffu
#define F16_MAX_AS_F32 0x477fe000u /* 65504 */
#define F16_NORMAL_MIN 0x38800000u /* 2^-14 */
#define BIAS_SHIFT 0x38000000u     /* (127 - 15) << 23: between the two exponents' zero points */
#define HALF 0x3f000000u           /* 0.5: its last place is 2^-24, the step of f16's subnormals */

static float as_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t as_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* On a big-endian machine words change their byte order on the way; elsewhere nothing is compiled. */
static void swap32(uint32_t *words, size_t count)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (size_t i = 0; i < count; i++) {
        words[i] = __builtin_bswap32(words[i]);
    }
#else
    (void)words;
    (void)count;
#endif
}

static void swap16(uint16_t *words, size_t count)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    for (size_t i = 0; i < count; i++) {
        words[i] = __builtin_bswap16(words[i]);
    }
#else
    (void)words;
    (void)count;
#endif
}

/*
 * One float32 to binary16, to nearest, ties to even. Finite values beyond 65504 become 65504; infinities and NaN stay
 * what they are, for the receiver to refuse. Branch-free: both ranges are computed, one is selected.
 */
static inline uint16_t half_of(uint32_t bits)
{
    uint32_t magnitude = bits & F32_MAGNITUDE;
    uint32_t sign = bits >> 16 & 0x8000u;
    uint32_t clamped = magnitude < F16_MAX_AS_F32 ? magnitude : F16_MAX_AS_F32;
    /* Normal: add just under half of a last place (and its own last bit, for the tie), drop 13 bits, shift the bias. */
    uint32_t normal = (clamped + 0xfffu + (clamped >> 13 & 1u) - BIAS_SHIFT) >> 13;
    /* Subnormal: adding 0.5 lets the processor round at 2^-24, also to nearest even; the sum's low bits are the result.
       A float32 denormal, which some threads read as zero, is below 2^-126 and rounds to zero anyway. */
    uint32_t small = as_bits(as_float(clamped) + as_float(HALF)) - HALF;
    uint32_t finite = clamped < F16_NORMAL_MIN ? small : normal;
    uint32_t special = magnitude > F32_EXPONENT ? 0x7e00u : 0x7c00u;
    return (uint16_t)(sign | (magnitude < F32_EXPONENT ? finite : special));
}

/* One binary16 to float32, exact. Infinities and NaN keep an exponent of all ones. */
static inline uint32_t single_of(uint16_t half)
{
    uint32_t magnitude = (uint32_t)(half & 0x7fffu) << 13;
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t normal = magnitude + BIAS_SHIFT;
    uint32_t special = magnitude + 2 * BIAS_SHIFT;
    /* Subnormal: 2^-14 (1 + m) - 2^-14, exact and never a float32 denormal. */
    uint32_t small = as_bits(as_float(magnitude + F16_NORMAL_MIN) - as_float(F16_NORMAL_MIN));
    uint32_t finite = magnitude < 0x00800000u ? small : normal;
    return sign | (magnitude < 0x0f800000u ? finite : special);
}

/* Full blocks have a constant length, so that these loops become vector code; `count` <= BLOCK is for the last. */
static void halves_of(uint16_t *out, const uint32_t *bits)
{
    for (size_t i = 0; i < BLOCK; i++) {
        out[i] = half_of(bits[i]);
    }
}

static void singles_of(uint32_t *bits, const uint16_t *halves)
{
    for (size_t i = 0; i < BLOCK; i++) {
        bits[i] = single_of(halves[i]);
    }
}

/* All ones in the exponent of any of them? */
static uint32_t any_nonfinite(const uint32_t *bits)
{
    uint32_t found = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        found |= (bits[i] & F32_EXPONENT) == F32_EXPONENT ? 1u : 0u;
    }
    return found;
}

static void encode_f32(uint8_t *out, const float *x, size_t count)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(out, x, 4 * count);
#else
    uint32_t bits[BLOCK];
    for (size_t at = 0; at < count; at += BLOCK) {
        size_t n = count - at < BLOCK ? count - at : BLOCK;
        memcpy(bits, x + at, 4 * n);
        swap32(bits, n);
        memcpy(out + 4 * at, bits, 4 * n);
    }
#endif
}

/* Encodes; with `back`, also decodes again into it. */
static void encode_f16(uint8_t *out, const float *x, float *back, size_t count)
{
    uint32_t bits[BLOCK] = {0};
    uint16_t halves[BLOCK];
    for (size_t at = 0; at < count; at += BLOCK) {
        size_t n = count - at < BLOCK ? count - at : BLOCK;
        memcpy(bits, x + at, 4 * n);
        halves_of(halves, bits);
        if (back != NULL) {
            singles_of(bits, halves);
            memcpy(back + at, bits, 4 * n);
        }
        swap16(halves, n);
        memcpy(out + 2 * at, halves, 2 * n);
    }
}

static enum gv_err decode_f32(float *x, const uint8_t *data, size_t count)
{
    uint32_t bits[BLOCK] = {0};
    uint32_t bad = 0;
    for (size_t at = 0; at < count; at += BLOCK) {
        size_t n = count - at < BLOCK ? count - at : BLOCK;
        memset(bits + n, 0, 4 * (BLOCK - n));
        memcpy(bits, data + 4 * at, 4 * n);
        swap32(bits, n);
        bad |= any_nonfinite(bits);
        memcpy(x + at, bits, 4 * n);
    }
    return bad == 0 ? GV_OK : GV_ERR_NONFINITE;
}

static enum gv_err decode_f16(float *x, const uint8_t *data, size_t count)
{
    uint32_t bits[BLOCK];
    uint16_t halves[BLOCK] = {0};
    uint32_t bad = 0;
    for (size_t at = 0; at < count; at += BLOCK) {
        size_t n = count - at < BLOCK ? count - at : BLOCK;
        memset(halves + n, 0, 2 * (BLOCK - n));
        memcpy(halves, data + 2 * at, 2 * n);
        swap16(halves, n);
        singles_of(bits, halves);
        bad |= any_nonfinite(bits);
        memcpy(x + at, bits, 4 * n);
    }
    return bad == 0 ? GV_OK : GV_ERR_NONFINITE;
}

static size_t element_bytes(enum gv_codec codec)
{
    size_t bytes = gv_codec_element_bytes((uint32_t)codec);
    GV_ASSERT(bytes != 0);
    return bytes;
}

size_t gv_tensor_bytes(enum gv_codec codec, size_t count)
{
    return count * element_bytes(codec);
}

void gv_tensor_encode(uint8_t *out, enum gv_codec codec, const float *x, size_t count)
{
    if (element_bytes(codec) == 2) {
        encode_f16(out, x, NULL, count);
    } else {
        encode_f32(out, x, count);
    }
}

void gv_tensor_quantise(uint8_t *out, enum gv_codec codec, float *x, size_t count)
{
    if (element_bytes(codec) == 2) {
        encode_f16(out, x, x, count);
    } else {
        encode_f32(out, x, count); /* Q is the identity */
    }
}

enum gv_err gv_tensor_decode(float *x, size_t count, enum gv_codec codec, const uint8_t *data, size_t bytes)
{
    if (bytes != gv_tensor_bytes(codec, count)) {
        return GV_ERR_CHUNK;
    }
    return element_bytes(codec) == 2 ? decode_f16(x, data, count) : decode_f32(x, data, count);
}
