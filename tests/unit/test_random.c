/* The generator of learn/: distributions, and the same numbers everywhere. */
#include <criterion/criterion.h>
#include <math.h>

#include "learn_help.h"
#include "random.h"

Test(random, follows_the_published_generator)
{
    /* First outputs of xoshiro256** from the state 1, 2, 3, 4, as in the authors' reference code. */
    struct gv_random random = {{1, 2, 3, 4}};
    cr_assert_eq(gv_random_next(&random), UINT64_C(11520));
    cr_assert_eq(gv_random_next(&random), UINT64_C(0));
    cr_assert_eq(gv_random_next(&random), UINT64_C(1509978240));
    cr_assert_eq(gv_random_next(&random), UINT64_C(1215971899390074240));
}

Test(random, streams_of_one_seed_differ)
{
    struct gv_random a, b, c;
    gv_random_seed(&a, 7, 1);
    gv_random_seed(&b, 7, 2);
    gv_random_seed(&c, 8, 1);
    uint64_t first = gv_random_next(&a);
    cr_assert_neq(first, gv_random_next(&b));
    cr_assert_neq(first, gv_random_next(&c));
}

Test(random, below_is_even_and_in_range)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    enum { SIDES = 6, THROWS = 60000 };
    int count[SIDES] = {0};
    for (int i = 0; i < THROWS; i++) {
        uint32_t side = gv_random_below(&random, SIDES);
        cr_assert_lt(side, SIDES);
        count[side]++;
    }
    for (int s = 0; s < SIDES; s++) { /* deviation 91: six of them in a billion throws of the whole test */
        cr_assert(abs(count[s] - THROWS / SIDES) < 600, "side %d came %d times", s, count[s]);
    }
    for (int i = 0; i < 100; i++) {
        cr_assert_eq(gv_random_below(&random, 1), 0);
    }
}

Test(random, fractions_stay_in_their_interval)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    for (int i = 0; i < 100000; i++) {
        float half_open = gv_random_float(&random);
        double open = gv_random_open(&random);
        cr_assert(half_open >= 0.0F && half_open < 1.0F);
        cr_assert(open > 0.0 && open < 1.0);
    }
}

Test(random, normal_has_mean_0_and_variance_1)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    enum { N = 100000 };
    double sum = 0.0;
    double squares = 0.0;
    for (int i = 0; i < N; i++) {
        double x = gv_random_normal(&random);
        sum += x;
        squares += x * x;
    }
    cr_assert(fabs(sum / N) < 6.0 / sqrt(N));
    cr_assert(fabs(squares / N - 1.0) < 6.0 * sqrt(2.0 / N));
}

Test(random, gamma_has_the_shape_as_mean_and_variance)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    static const double SHAPES[] = {0.3, 1.0, 4.5};
    enum { N = 50000 };
    for (size_t k = 0; k < sizeof SHAPES / sizeof SHAPES[0]; k++) {
        double a = SHAPES[k];
        double sum = 0.0;
        double squares = 0.0;
        for (int i = 0; i < N; i++) {
            double x = exp(gv_random_log_gamma(&random, a));
            sum += x;
            squares += (x - a) * (x - a);
        }
        cr_assert(fabs(sum / N - a) < 6.0 * sqrt(a / N), "shape %g: mean %g", a, sum / N);
        /* The fourth central moment is 3 a^2 + 6 a. */
        cr_assert(fabs(squares / N - a) < 6.0 * sqrt((2.0 * a * a + 6.0 * a) / N), "shape %g: %g", a, squares / N);
    }
}

Test(random, dirichlet_shares_sum_to_one_even_for_tiny_alpha)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    static const double ALPHAS[] = {0.001, 0.1, 1.0, 1000.0};
    for (size_t k = 0; k < sizeof ALPHAS / sizeof ALPHAS[0]; k++) {
        double share[50];
        gv_random_dirichlet(&random, share, 50, ALPHAS[k]);
        double sum = 0.0;
        for (int i = 0; i < 50; i++) {
            cr_assert(share[i] >= 0.0 && share[i] <= 1.0);
            sum += share[i];
        }
        cr_assert(fabs(sum - 1.0) < 1e-12, "alpha %g: %g", ALPHAS[k], sum);
    }
}

Test(random, shuffle_keeps_every_item)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    uint32_t items[1000];
    for (uint32_t i = 0; i < 1000; i++) {
        items[i] = i;
    }
    gv_random_shuffle(&random, items, 1000);
    bool seen[1000] = {false};
    int moved = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        cr_assert(items[i] < 1000 && !seen[items[i]]);
        seen[items[i]] = true;
        moved += items[i] != i;
    }
    cr_assert_gt(moved, 900);
}

Test(random, portable_functions_agree_with_the_c_library)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    for (int i = 0; i < 100000; i++) {
        double x = 1400.0 * gv_random_open(&random) - 700.0;
        double e = gv_portable_exp(x);
        cr_assert(fabs(e / exp(x) - 1.0) < 1e-12, "exp(%.17g) = %.17g", x, e);
        cr_assert(fabs(gv_portable_log(e) - x) < 1e-12 * (1.0 + fabs(x)), "log(%.17g)", e);
        double u = gv_random_open(&random);
        cr_assert(fabs(gv_portable_log(u) - log(u)) < 1e-13 * (1.0 + fabs(log(u))));
    }
    cr_assert_eq(gv_portable_log(1.0), 0.0);
    cr_assert_eq(gv_portable_exp(0.0), 1.0);
    cr_assert_eq(gv_portable_exp(-1e9), 0.0);
    cr_assert(isinf(gv_portable_exp(1e9)));
}

Test(random, continuous_numbers_are_the_same_on_every_machine)
{
    struct gv_random random;
    gv_random_seed(&random, 1, 2);
    double drawn[64];
    for (int i = 0; i < 32; i++) {
        drawn[i] = gv_random_normal(&random);
    }
    gv_random_dirichlet(&random, drawn + 32, 32, 0.3);
    cr_assert_eq(help_hash(drawn, sizeof drawn), UINT64_C(0x990ce5c7809dfd87), "hash %llx",
                 (unsigned long long)help_hash(drawn, sizeof drawn));
}
