/*
 * Codecs: every half-precision number, the edges of rounding against a plain reference, and what must be refused.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "proto_fixture.h"
#include "tensor.h"

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint16_t encode_one(float value)
{
    uint8_t out[2];
    gv_tensor_encode(out, GV_CODEC_F16, &value, 1);
    return (uint16_t)(out[0] | out[1] << 8);
}

/* The value of a half by the definition of the format. */
static double half_value(uint16_t half)
{
    int exponent = half >> 10 & 31;
    double fraction = half & 1023;
    double magnitude = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

/* To nearest, ties to even, by search: the slow and obvious way. `value` >= 0 and finite. */
static uint16_t reference(double value)
{
    if (value >= 65504) {
        return 0x7bff;
    }
    uint16_t low = 0;
    uint16_t high = 0x7bff;
    while (high - low > 1) {
        uint16_t middle = (uint16_t)((low + high) / 2);
        if (half_value(middle) <= value) {
            low = middle;
        } else {
            high = middle;
        }
    }
    double down = value - half_value(low);
    double up = half_value(high) - value;
    return down < up || (down == up && low % 2 == 0) ? low : high;
}

Test(tensor, every_half_decodes_to_its_value_and_encodes_back)
{
    uint8_t wire[2 * 65536];
    static float x[65536];
    for (uint32_t h = 0; h < 65536; h++) {
        wire[2 * h] = (uint8_t)h;
        wire[2 * h + 1] = (uint8_t)(h >> 8);
    }
    cr_assert_eq(gv_tensor_decode(x, 65536, GV_CODEC_F16, wire, sizeof wire), GV_ERR_NONFINITE);
    for (uint32_t h = 0; h < 65536; h++) {
        float one;
        bool finite = (h & 0x7c00) != 0x7c00;
        cr_assert_eq(gv_tensor_decode(&one, 1, GV_CODEC_F16, wire + 2 * h, 2), finite ? GV_OK : GV_ERR_NONFINITE);
        if (finite) {
            cr_assert_eq((double)x[h], half_value((uint16_t)h), "%04x", h);
            cr_assert_eq(signbit(x[h]) != 0, h >= 0x8000);
            cr_assert_eq(encode_one(x[h]), h);
        }
    }
}

Test(tensor, halves_round_to_nearest_even)
{
    for (uint32_t h = 0; h < 0x7bff; h++) {
        double low = half_value((uint16_t)h);
        double high = half_value((uint16_t)(h + 1));
        float middle = (float)((low + high) / 2); /* exact */
        uint32_t bits = bits_of(middle);
        cr_assert_eq(encode_one(middle), h % 2 == 0 ? h : h + 1, "%04x", h);
        cr_assert_eq(encode_one(float_of(bits - 1)), h, "%04x", h);
        cr_assert_eq(encode_one(float_of(bits + 1)), h + 1, "%04x", h);
        cr_assert_eq(encode_one(-middle), (h % 2 == 0 ? h : h + 1) | 0x8000);
    }
}

Test(tensor, random_floats_round_as_the_reference_does)
{
    uint64_t state = fixture_seed();
    for (int i = 0; i < 200000; i++) {
        uint32_t bits = (uint32_t)fixture_random(&state) & 0x7fffffff;
        if (i % 2 == 0) { /* most random floats are out of range */
            bits = 0x33000000 + bits % (0x47800000 - 0x33000000);
        }
        if ((bits & 0x7f800000) != 0x7f800000) {
            cr_assert_eq(encode_one(float_of(bits)), reference((double)float_of(bits)), "%08x", bits);
        }
    }
}

Test(tensor, edges_of_the_half_range)
{
    cr_assert_eq(encode_one(65504.0f), 0x7bff);
    cr_assert_eq(encode_one(65519.0f), 0x7bff);
    cr_assert_eq(encode_one(65520.0f), 0x7bff, "saturates instead of overflowing");
    cr_assert_eq(encode_one(-3e38f), 0xfbff);
    cr_assert_eq(encode_one(0.0f), 0);
    cr_assert_eq(encode_one(-0.0f), 0x8000);
    cr_assert_eq(encode_one(float_of(1)), 0, "smallest denormal float");
    cr_assert_eq(encode_one(float_of(0x80800000)), 0x8000);
    cr_assert_eq(encode_one(ldexpf(1, -25)), 0, "a tie, to even");
    cr_assert_eq(encode_one(ldexpf(1.0001f, -25)), 1);
    cr_assert_eq(encode_one(INFINITY) & 0x7fff, 0x7c00, "stays infinite, for the receiver to refuse");
    cr_assert_gt(encode_one(NAN) & 0x7fff, 0x7c00);
    cr_assert_gt(encode_one(float_of(0x7f800001)) & 0x7fff, 0x7c00, "a NaN with only low bits");
}

Test(tensor, one_bad_value_anywhere_is_found)
{
    enum { COUNT = 1500 };
    static const uint32_t bad[] = {0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffffffff};
    static float x[COUNT], y[COUNT];
    static uint8_t wire[4 * COUNT];
    for (int codec = 0; codec < GV_CODEC_COUNT; codec++) {
        for (size_t at = 0; at < COUNT; at += at < 520 ? 1 : 97) {
            x[at] = float_of(bad[at % 5]);
            gv_tensor_encode(wire, (enum gv_codec)codec, x, COUNT);
            size_t bytes = gv_tensor_bytes((enum gv_codec)codec, COUNT);
            cr_assert_eq(gv_tensor_decode(y, COUNT, (enum gv_codec)codec, wire, bytes), GV_ERR_NONFINITE, "%zu", at);
            x[at] = 3.0e38f;
            gv_tensor_encode(wire, (enum gv_codec)codec, x, COUNT);
            cr_assert_eq(gv_tensor_decode(y, COUNT, (enum gv_codec)codec, wire, bytes), GV_OK, "%zu", at);
            x[at] = 0;
        }
    }
}

Test(tensor, every_length_round_trips_at_any_alignment)
{
    uint64_t state = fixture_seed();
    for (int codec = 0; codec < GV_CODEC_COUNT; codec++) {
        for (size_t count = 0; count < 1100; count += count < 20 ? 1 : 53) {
            size_t bytes = gv_tensor_bytes((enum gv_codec)codec, count);
            float *x = malloc(4 * count + 4);
            float *q = malloc(4 * count + 4);
            float *y = malloc(4 * count + 4);
            uint8_t *wire = malloc(bytes + 1);
            uint8_t *wire2 = malloc(bytes + 1);
            for (size_t i = 0; i < count; i++) {
                x[i] = (float)((double)(int64_t)fixture_random(&state) / 1e18);
            }
            memcpy(q, x, 4 * count);
            gv_tensor_encode(wire + 1, (enum gv_codec)codec, x, count);
            gv_tensor_quantise(wire2 + 1, (enum gv_codec)codec, q, count);
            cr_assert_eq(memcmp(wire + 1, wire2 + 1, bytes), 0);
            cr_assert_eq(gv_tensor_decode(y, count, (enum gv_codec)codec, wire + 1, bytes), GV_OK);
            cr_assert_eq(memcmp(y, q, 4 * count), 0, "Q(x) is what the receiver sees");
            gv_tensor_quantise(wire2 + 1, (enum gv_codec)codec, q, count);
            cr_assert_eq(memcmp(y, q, 4 * count), 0, "Q(Q(x)) = Q(x)");
            if (codec == GV_CODEC_F32) {
                cr_assert_eq(memcmp(x, y, 4 * count), 0);
            }
            free(x);
            free(q);
            free(y);
            free(wire);
            free(wire2);
        }
    }
}

Test(tensor, wire_order_is_little_endian)
{
    static const uint8_t f32[] = {0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x00, 0xc0};
    static const uint8_t f16[] = {0x00, 0x3c, 0x00, 0xc0};
    static const float x[] = {1.0f, -2.0f};
    uint8_t out[8];
    gv_tensor_encode(out, GV_CODEC_F32, x, 2);
    cr_assert_eq(memcmp(out, f32, 8), 0);
    gv_tensor_encode(out, GV_CODEC_F16, x, 2);
    cr_assert_eq(memcmp(out, f16, 4), 0);
}

Test(tensor, a_wrong_length_is_refused)
{
    float x[4];
    static const uint8_t wire[16];
    cr_assert_eq(gv_tensor_decode(x, 4, GV_CODEC_F32, wire, 15), GV_ERR_CHUNK);
    cr_assert_eq(gv_tensor_decode(x, 3, GV_CODEC_F32, wire, 16), GV_ERR_CHUNK);
    cr_assert_eq(gv_tensor_decode(x, 4, GV_CODEC_F16, wire, 16), GV_ERR_CHUNK);
    cr_assert_eq(gv_tensor_decode(x, 4, GV_CODEC_F32, wire, 16), GV_OK);
}
