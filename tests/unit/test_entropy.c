/* Softmax cross-entropy against double precision, and all its versions against each other. */
#include "entropy.c" /* NOLINT: for the versions that this processor would not choose */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "learn_help.h"

static const uint32_t CLASSES[] = {2, 3, 10, 16, 17, 40, 1024};
enum { BATCH = 7, CLASSES_MAX = 1024 };

static double plain_entropy(const float *logits, const uint16_t *labels, uint32_t classes, double *derivative)
{
    double total = 0.0;
    for (uint32_t r = 0; r < BATCH; r++) {
        const float *row = logits + (size_t)r * classes;
        double sum = 0.0;
        for (uint32_t j = 0; j < classes; j++) {
            sum += exp((double)row[j] - (double)row[labels[r]]);
        }
        total += log(sum);
        for (uint32_t j = 0; j < classes; j++) {
            double share = exp((double)row[j] - (double)row[labels[r]]) / sum;
            derivative[(size_t)r * classes + j] = (share - (j == labels[r] ? 1.0 : 0.0)) / BATCH;
        }
    }
    return total / BATCH;
}

static void make_logits(float *logits, uint16_t *labels, uint32_t classes, float spread, struct gv_random *random)
{
    for (size_t i = 0; i < (size_t)BATCH * classes; i++) {
        logits[i] = spread * (2.0F * gv_random_float(random) - 1.0F);
    }
    for (uint32_t r = 0; r < BATCH; r++) {
        labels[r] = (uint16_t)gv_random_below(random, classes);
    }
}

Test(entropy, agrees_with_double_precision)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    static float logits[BATCH * CLASSES_MAX], kept[BATCH * CLASSES_MAX];
    static double derivative[BATCH * CLASSES_MAX];
    uint16_t labels[BATCH];
    for (size_t c = 0; c < sizeof CLASSES / sizeof CLASSES[0]; c++) {
        for (float spread = 0.1F; spread < 50.0F; spread *= 3.0F) {
            make_logits(logits, labels, CLASSES[c], spread, &random);
            memcpy(kept, logits, sizeof kept);
            double expected = plain_entropy(logits, labels, CLASSES[c], derivative);
            float loss = gv_cross_entropy(logits, labels, BATCH, CLASSES[c], false);
            cr_assert(fabs((double)loss - expected) < 1e-6 * (1.0 + expected), "%u classes", CLASSES[c]);
            cr_assert_arr_eq(logits, kept, sizeof kept, "without derivative the logits stay");
            cr_assert_eq(gv_cross_entropy(logits, labels, BATCH, CLASSES[c], true), loss);
            for (size_t i = 0; i < (size_t)BATCH * CLASSES[c]; i++) {
                cr_assert(fabs((double)logits[i] - derivative[i]) < 1e-6, "%u classes: %g, not %g", CLASSES[c],
                          (double)logits[i], derivative[i]);
            }
        }
    }
}

Test(entropy, exponential_is_good_to_two_units_in_the_last_place)
{
    for (float x = 0.0F; x > -87.0F; x = x * 1.001F - 1e-4F) {
        gv_lanes v = {x, x};
        exponential(&v);
        double expected = exp((double)x);
        cr_assert(fabs((double)v[1] - expected) < 2.0 * 0x1p-23 * expected, "e^%a is %a", (double)x, (double)v[1]);
    }
    gv_lanes special = {0.0F, -88.5F, -1e30F, -INFINITY, NAN};
    exponential(&special);
    cr_assert(special[0] == 1.0F && special[1] == 0.0F && special[2] == 0.0F && special[3] == 0.0F);
    cr_assert(isnan(special[4]));
}

Test(entropy, a_nan_or_an_infinity_shows)
{
    static const float BAD[] = {NAN, -NAN, INFINITY};
    for (size_t b = 0; b < 3; b++) {
        for (uint32_t at = 0; at < 20; at++) {
            float logits[20] = {0};
            uint16_t label = 3;
            logits[at] = BAD[b];
            cr_assert(isnan(gv_cross_entropy(logits, &label, 1, 20, false)), "%g at %u", (double)BAD[b], at);
        }
    }
}

Test(entropy, of_many_rows_does_not_overflow)
{
    enum { ROWS = 4000 }; /* their product of sums is 10^4000 */
    static float logits[ROWS * 10];
    static uint16_t labels[ROWS];
    cr_assert(fabsf(gv_cross_entropy(logits, labels, ROWS, 10, false) - logf(10.0F)) < 1e-6F);
}

#if defined(__x86_64__) && defined(__GNUC__)
Test(entropy, all_versions_compute_the_same_bits)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    static float logits[BATCH * CLASSES_MAX], plain[BATCH * CLASSES_MAX], wide[BATCH * CLASSES_MAX];
    uint16_t labels[BATCH];
    for (size_t c = 0; c < sizeof CLASSES / sizeof CLASSES[0]; c++) {
        make_logits(logits, labels, CLASSES[c], 5.0F, &random);
        size_t bytes = (size_t)BATCH * CLASSES[c] * sizeof(float);
        struct entropy e = {.logits = plain, .labels = labels, .batch = BATCH, .classes = CLASSES[c], .derive = true};
        memcpy(plain, logits, bytes);
        entropy_plain(&e);
        double expected = e.loss;
        e.logits = wide;
        if (__builtin_cpu_supports("avx2")) {
            e.loss = 0.0;
            memcpy(wide, logits, bytes);
            entropy_avx2(&e);
            cr_assert(e.loss == expected && memcmp(wide, plain, bytes) == 0, "%u classes", CLASSES[c]);
        }
        if (__builtin_cpu_supports("avx512f")) {
            e.loss = 0.0;
            memcpy(wide, logits, bytes);
            entropy_avx512(&e);
            cr_assert(e.loss == expected && memcmp(wide, plain, bytes) == 0, "%u classes", CLASSES[c]);
        }
    }
}
#endif
