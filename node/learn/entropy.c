/*
 * Softmax cross-entropy, sixteen classes at a time.
 */
#include "entropy.h"

#include <math.h>

#include "gv/err.h"
#include "lanes.h"
#include "random.h"

/* The logarithm of a product is taken once for many rows: each factor lies in [1, classes], far from overflow here. */
#define PRODUCT_MAX 0x1p900

struct entropy {
    float *logits;
    const uint16_t *labels;
    uint32_t batch, classes;
    bool derive;
    double loss; /* out: the rows' sum */
};

/* a where mask is all ones, else b */
GV_LANES_BODY void choose(gv_lanes *out, const gv_lane_bits *mask, const gv_lanes *a, const gv_lanes *b)
{
    *out = (gv_lanes)((*mask & (gv_lane_bits)*a) | (~*mask & (gv_lane_bits)*b));
}

GV_LANES_BODY void largest_of(gv_lanes *a, const gv_lanes *b)
{
    gv_lane_bits above = (gv_lane_bits)(*b > *a);
    choose(a, &above, b, a);
}

/*
 * x <- e^x for x <= 0, good to two units in the last place; 0 below -88; a NaN stays one. x = n ln 2 + r, the
 * polynomial for |r| <= ln 2 / 2 is that of S. Moshier's Cephes library (expf). Adding 1.5 2^23 rounds to a whole
 * number and leaves it in the low bits, so nothing is ever converted to an integer.
 */
GV_LANES_BODY void exponential(gv_lanes *x)
{
    const gv_lanes zero = {0};
    const gv_lanes lowest = zero - 88.0F;
    gv_lane_bits below = (gv_lane_bits)(*x < lowest);
    gv_lanes y;
    choose(&y, &below, &lowest, x);
    gv_lanes shifted = y * 1.44269504F + 12582912.0F;
    gv_lanes n = shifted - 12582912.0F;
    gv_lanes r = y - n * 0.693359375F + n * 2.12194440e-4F;
    gv_lanes p = r * 1.9875691500e-4F + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * (r * r) + r + 1.0F;
    gv_lanes power = (gv_lanes)(((gv_lane_bits)shifted << 23) + 0x3f800000U);
    y = p * power;
    choose(x, &below, &zero, &y);
}

/* Logits [at, at + 16) of a row; what lies beyond its end counts for nothing. */
GV_LANES_BODY void load_logits(gv_lanes *v, const float *row, uint32_t at, uint32_t classes)
{
    if (at + GV_LANES <= classes) {
        gv_lanes_load(v, row + at);
        return;
    }
    float lanes[GV_LANES];
    for (uint32_t i = 0; i < GV_LANES; i++) {
        lanes[i] = at + i < classes ? row[at + i] : -INFINITY;
    }
    gv_lanes_load(v, lanes);
}

GV_LANES_BODY float largest_logit(const float *row, uint32_t classes)
{
    gv_lanes largest;
    load_logits(&largest, row, 0, classes);
    for (uint32_t at = GV_LANES; at < classes; at += GV_LANES) {
        gv_lanes v;
        load_logits(&v, row, at, classes);
        largest_of(&largest, &v);
    }
    gv_lanes other = __builtin_shufflevector(largest, largest, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    largest_of(&largest, &other);
    other = __builtin_shufflevector(largest, largest, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3);
    largest_of(&largest, &other);
    other = __builtin_shufflevector(largest, largest, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1);
    largest_of(&largest, &other);
    return largest[1] > largest[0] ? largest[1] : largest[0];
}

/* Subtracting the row's maximum keeps every exponential in [0, 1]. Returns their sum, which is at least 1 or NaN. */
GV_LANES_BODY float row_sum(float *row, uint32_t classes, float largest, bool keep)
{
    gv_lanes sum = {0};
    for (uint32_t at = 0; at < classes; at += GV_LANES) {
        gv_lanes v;
        load_logits(&v, row, at, classes);
        v -= largest;
        exponential(&v);
        sum += v;
        if (keep && at + GV_LANES <= classes) {
            gv_lanes_store(row + at, &v);
        } else if (keep) {
            gv_lanes_store_part(row + at, &v, classes - at);
        }
    }
    return gv_lanes_sum(&sum);
}

/* One row's loss, apart from the logarithm of its sum, which is gathered in a product. */
GV_LANES_BODY void add_row(struct entropy *e, double *product, float above_target, float sum)
{
    e->loss += (double)above_target;
    *product *= (double)sum;
    if (*product > PRODUCT_MAX) {
        e->loss += gv_portable_log(*product);
        *product = 1.0;
    }
}

/* A row of many classes. */
GV_LANES_BODY void wide_row(struct entropy *e, uint32_t r, float scale, double *product)
{
    float *row = e->logits + (size_t)r * e->classes;
    float largest = largest_logit(row, e->classes);
    float above_target = largest - row[e->labels[r]];
    float sum = row_sum(row, e->classes, largest, e->derive);
    add_row(e, product, above_target, sum);
    if (e->derive) {
        float factor = scale / sum;
        for (uint32_t j = 0; j < e->classes; j++) {
            row[j] *= factor;
        }
        row[e->labels[r]] -= scale;
    }
}

/* Up to sixteen rows of few classes, a row a lane. Lanes without a row stay 0. */
GV_LANES_BODY void narrow_rows(struct entropy *e, uint32_t first, uint32_t count, float scale, double *product)
{
    float column[GV_LANES][GV_LANES]; /* (classes, rows) */
    float *rows = e->logits + (size_t)first * e->classes;
    const uint16_t *labels = e->labels + first;
    memset(column, 0, e->classes * sizeof column[0]);
    for (uint32_t r = 0; r < count; r++) {
        for (uint32_t j = 0; j < e->classes; j++) {
            column[j][r] = rows[r * e->classes + j];
        }
    }
    gv_lanes v, largest;
    gv_lanes_load(&largest, column[0]);
    for (uint32_t j = 1; j < e->classes; j++) {
        gv_lanes_load(&v, column[j]);
        largest_of(&largest, &v);
    }
    gv_lanes sum = {0};
    for (uint32_t j = 0; j < e->classes; j++) {
        gv_lanes_load(&v, column[j]);
        v -= largest;
        exponential(&v);
        sum += v;
        gv_lanes_store(column[j], &v);
    }
    gv_lanes factor = scale / sum;
    for (uint32_t r = 0; r < count; r++) {
        float *row = rows + r * e->classes;
        add_row(e, product, largest[r] - row[labels[r]], sum[r]);
        if (e->derive) {
            for (uint32_t j = 0; j < e->classes; j++) {
                row[j] = column[j][r] * factor[r];
            }
            row[labels[r]] -= scale;
        }
    }
}

GV_LANES_BODY void entropy_body(struct entropy *e)
{
    double product = 1.0;
    float scale = 1.0F / (float)e->batch;
    if (e->classes > GV_LANES) {
        for (uint32_t r = 0; r < e->batch; r++) {
            wide_row(e, r, scale, &product);
        }
    } else {
        for (uint32_t r = 0; r < e->batch; r += GV_LANES) {
            narrow_rows(e, r, e->batch - r < GV_LANES ? e->batch - r : GV_LANES, scale, &product);
        }
    }
    /* A comparison with NaN is false. */
    e->loss += product >= 1.0 ? gv_portable_log(product) : (double)NAN;
}

GV_LANES_VERSIONS(entropy, entropy_body, (struct entropy * e), e)

float gv_cross_entropy(float *logits, const uint16_t *labels, uint32_t batch, uint32_t classes, bool derive)
{
    for (uint32_t r = 0; r < batch; r++) {
        GV_ASSERT(labels[r] < classes);
    }
    struct entropy e = {.logits = logits, .labels = labels, .batch = batch, .classes = classes, .derive = derive};
    entropy(&e);
    return (float)(e.loss / (double)batch);
}
