/*
 * builtin:glyphs[,seed=N][,train=N][,test=N]: a procedural image set, for demos and tests without any file.
 *
 * Ten signs of a few strokes, drawn into 28x28 bytes by an unsteady hand: their points waver, they are turned, slanted,
 * scaled and shifted, thick or thin, faint or bold; a stray stroke crosses them, a patch hides part of them, and noise
 * covers all. Some signs are mirror images of others, or differ by one stroke. Pixels therefore mean little by
 * themselves: a linear model stays far below a perceptron, and few samples far below many.
 *
 * Sample i of a part depends on seed and i only, and a sign's shape on neither: data of different seeds are different
 * samples of the same task. Only basic operations and square roots are used, so the bytes are the same on every
 * machine.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data_read.h"
#include "random.h"

#define SIDE 28
#define PIXELS (SIDE * SIDE)
#define GLYPHS 10
#define STROKES_MAX 6

#define STREAM_TRAIN UINT64_C(0x676c790000000000) /* "gly", then the sample's number */
#define STREAM_TEST UINT64_C(0x676c790100000000)

#define TRAIN_DEFAULT 8000
#define TEST_DEFAULT 2000
#define SAMPLES_MAX 1000000

struct stroke {
    float ax, ay, bx, by; /* from a to b; x to the right, y down, the sign within [-1, 1] */
};

struct glyph {
    const char *name;
    uint32_t strokes;
    struct stroke stroke[STROKES_MAX];
};

static const struct glyph GLYPH[GLYPHS] = {
    {"ring",
     6,
     {{
          -.8F,
          -.4F,
          0,
          -1,
      },
      {0, -1, .8F, -.4F},
      {.8F, -.4F, .8F, .4F},
      {.8F, .4F, 0, 1},
      {0, 1, -.8F, .4F},
      {-.8F, .4F, -.8F, -.4F}}},
    {"zed", 3, {{-.8F, -1, .8F, -1}, {.8F, -1, -.8F, 1}, {-.8F, 1, .8F, 1}}},
    {"ess", 3, {{.8F, -1, -.8F, -1}, {-.8F, -1, .8F, 1}, {.8F, 1, -.8F, 1}}},
    {"fork", 3, {{-.8F, -1, 0, 0}, {.8F, -1, 0, 0}, {0, 0, 0, 1}}},
    {"arrow", 3, {{0, -1, 0, 1}, {0, -1, -.7F, -.3F}, {0, -1, .7F, -.3F}}},
    {"cross", 2, {{0, -1, 0, 1}, {-.9F, 0, .9F, 0}}},
    {"gate", 3, {{-.7F, 1, -.7F, -1}, {-.7F, -1, .7F, -1}, {.7F, -1, .7F, 1}}},
    {"cup", 3, {{-.7F, -1, -.7F, 1}, {-.7F, 1, .7F, 1}, {.7F, 1, .7F, -1}}},
    {"hook", 3, {{.5F, -1, .5F, .6F}, {.5F, .6F, 0, 1}, {0, 1, -.7F, .5F}}},
    {"flag", 4, {{-.5F, 1, -.5F, -1}, {-.5F, -1, .7F, -.9F}, {.7F, -.9F, .7F, 0}, {.7F, 0, -.5F, .1F}}},
};

/* How unsteady the hand is: lengths in units of the sign's half height unless it says pixels. */
#define WAVER 0.14F
#define TURN 0.18F  /* tangent of half the angle */
#define SLANT 0.25F /* sideways shift for each unit of height */
#define SCALE_MIN 6.5F
#define SCALE_MAX 10.0F /* pixels */
#define SHIFT 2.5F      /* pixels */
#define THICK_MIN 0.4F
#define THICK_MAX 1.4F /* pixels to each side */
#define INK_MIN 0.45F
#define PATCH_MAX 7U /* pixels */
#define NOISE 0.3F

/* Where a sign's points land on the canvas. */
struct hand {
    float xx, xy, yx, yy; /* the linear part */
    float x, y;           /* the centre, pixels */
    float thickness, ink;
};

static float between(struct gv_random *random, float low, float high)
{
    return low + (high - low) * gv_random_float(random);
}

static struct hand draw_hand(struct gv_random *random)
{
    /* A turn without trigonometry: with t the tangent of half the angle, cos = (1 - t^2) / (1 + t^2). */
    float t = between(random, -TURN, TURN);
    float cosine = (1.0F - t * t) / (1.0F + t * t);
    float sine = 2.0F * t / (1.0F + t * t);
    float slant = between(random, -SLANT, SLANT);
    float width = between(random, SCALE_MIN, SCALE_MAX);
    float height = between(random, SCALE_MIN, SCALE_MAX);
    struct hand hand = {
        .xx = cosine * width,
        .xy = (cosine * slant - sine) * height,
        .yx = sine * width,
        .yy = (sine * slant + cosine) * height,
    };
    /* One draw a statement: the order within an initialiser or a call is the compiler's choice. */
    hand.x = 0.5F * SIDE + between(random, -SHIFT, SHIFT);
    hand.y = 0.5F * SIDE + between(random, -SHIFT, SHIFT);
    hand.thickness = between(random, THICK_MIN, THICK_MAX);
    hand.ink = between(random, INK_MIN, 1.0F);
    return hand;
}

/* The pixels of a row or column that a stroke can touch: [*first, *last). */
static void touched(float a, float b, float reach, uint32_t *first, uint32_t *last)
{
    float low = (a < b ? a : b) - reach;
    float high = (a < b ? b : a) + reach + 1.0F;
    *first = low > 0.0F ? (low < SIDE ? (uint32_t)low : SIDE) : 0;
    *last = high > 0.0F ? (high < SIDE ? (uint32_t)high : SIDE) : 0;
}

/* Draws a line of ink from a to b, in pixels; its edge fades over one pixel. */
static void draw_line(float *canvas, float ax, float ay, float bx, float by, float thickness, float ink)
{
    float dx = bx - ax;
    float dy = by - ay;
    float square = dx * dx + dy * dy + 1e-6F;
    float reach = thickness + 0.5F;
    uint32_t left, right, top, bottom;
    touched(ax, bx, reach, &left, &right);
    touched(ay, by, reach, &top, &bottom);
    for (uint32_t row = top; row < bottom; row++) {
        for (uint32_t column = left; column < right; column++) {
            float px = (float)column + 0.5F - ax;
            float py = (float)row + 0.5F - ay;
            float along = (px * dx + py * dy) / square;
            along = along < 0.0F ? 0.0F : along > 1.0F ? 1.0F : along;
            float ox = px - along * dx;
            float oy = py - along * dy;
            float shade = reach - sqrtf(ox * ox + oy * oy);
            shade = shade < 0.0F ? 0.0F : shade > 1.0F ? ink : shade * ink;
            float *pixel = &canvas[row * SIDE + column];
            *pixel = shade > *pixel ? shade : *pixel;
        }
    }
}

static void draw_glyph(float *canvas, struct gv_random *random, const struct glyph *glyph)
{
    struct hand hand = draw_hand(random);
    for (uint32_t s = 0; s < glyph->strokes; s++) {
        const struct stroke *stroke = &glyph->stroke[s];
        float ax = stroke->ax + between(random, -WAVER, WAVER);
        float ay = stroke->ay + between(random, -WAVER, WAVER);
        float bx = stroke->bx + between(random, -WAVER, WAVER);
        float by = stroke->by + between(random, -WAVER, WAVER);
        draw_line(canvas, hand.x + hand.xx * ax + hand.xy * ay, hand.y + hand.yx * ax + hand.yy * ay,
                  hand.x + hand.xx * bx + hand.xy * by, hand.y + hand.yx * bx + hand.yy * by, hand.thickness, hand.ink);
    }
}

static void draw_stray(float *canvas, struct gv_random *random)
{
    float ax = between(random, 0.0F, SIDE);
    float ay = between(random, 0.0F, SIDE);
    float bx = ax + between(random, -10.0F, 10.0F);
    float by = ay + between(random, -10.0F, 10.0F);
    float thickness = between(random, THICK_MIN, THICK_MAX);
    float ink = between(random, INK_MIN, 1.0F);
    draw_line(canvas, ax, ay, bx, by, thickness, ink);
}

static void hide_patch(float *canvas, struct gv_random *random)
{
    uint32_t width = 1 + gv_random_below(random, PATCH_MAX);
    uint32_t height = 1 + gv_random_below(random, PATCH_MAX);
    uint32_t left = gv_random_below(random, SIDE - width);
    uint32_t top = gv_random_below(random, SIDE - height);
    for (uint32_t row = top; row < top + height; row++) {
        memset(canvas + row * SIDE + left, 0, width * sizeof *canvas);
    }
}

/* Adds noise, the difference of two uniform numbers, and rounds to bytes. */
static void expose(uint8_t *pixels, const float *canvas, struct gv_random *random)
{
    for (uint32_t i = 0; i < PIXELS; i += 4) {
        uint64_t bits = gv_random_next(random);
        for (uint32_t j = i; j < i + 4; j++) {
            float noise = (float)(bits & 0xff) - (float)(bits >> 8 & 0xff);
            bits >>= 16;
            float value = 255.0F * canvas[j] + NOISE * noise;
            pixels[j] = (uint8_t)(value < 0.0F ? 0.0F : value > 255.0F ? 255.0F : value + 0.5F);
        }
    }
}

static enum gv_err draw_samples(struct gv_samples *samples, size_t count, uint64_t seed, uint64_t stream,
                                struct gv_diag *diag)
{
    samples->bytes = malloc(count * PIXELS);
    samples->labels = malloc(count * sizeof *samples->labels);
    if (samples->bytes == NULL || samples->labels == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory for %zu images", count);
    }
    samples->count = count;
    for (size_t i = 0; i < count; i++) {
        struct gv_random random;
        gv_random_seed(&random, seed, stream + i);
        samples->labels[i] = (uint16_t)(i % GLYPHS);
        float canvas[PIXELS] = {0};
        draw_glyph(canvas, &random, &GLYPH[i % GLYPHS]);
        hide_patch(canvas, &random);
        draw_stray(canvas, &random);
        expose(samples->bytes + i * PIXELS, canvas, &random);
    }
    return GV_OK;
}

enum gv_err gv_data_read_glyphs(struct gv_data *data, struct gv_data_spec *spec, struct gv_diag *diag)
{
    uint64_t seed = 0;
    uint64_t train = TRAIN_DEFAULT;
    uint64_t test = TEST_DEFAULT;
    if (strcmp(spec->place, "glyphs") != 0) {
        return gv_diag_set(diag, GV_ERR_DATA, "there is no builtin:%s, only builtin:glyphs", spec->place);
    }
    enum gv_err err = gv_data_spec_number(spec, &seed, "seed", 0, UINT64_MAX, diag);
    if (err == GV_OK) {
        err = gv_data_spec_number(spec, &train, "train", GLYPHS, SAMPLES_MAX, diag);
    }
    if (err == GV_OK) {
        err = gv_data_spec_number(spec, &test, "test", GLYPHS, SAMPLES_MAX, diag);
    }
    if (err == GV_OK) {
        err = gv_data_spec_finish(spec, "seed=, train=, test=", diag);
    }
    if (err != GV_OK) {
        return err;
    }
    data->features = PIXELS;
    err = gv_data_number_classes(data, GLYPHS, diag);
    if (err != GV_OK) {
        return err;
    }
    for (uint32_t c = 0; c < GLYPHS; c++) {
        (void)snprintf(data->class_names[c], sizeof data->class_names[c], "%s", GLYPH[c].name);
    }
    err = draw_samples(&data->train, train, seed, STREAM_TRAIN, diag);
    if (err == GV_OK) {
        err = draw_samples(&data->test, test, seed, STREAM_TEST, diag);
    }
    return err;
}
