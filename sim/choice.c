/*
 * Peer choice: see choice.h.
 */
#include "choice.h"

#include <math.h>

void gv_choice_add(struct gv_choice_sums *sums, uint32_t chosen)
{
    sums->nodes++;
    sums->count += chosen;
    sums->squares += (uint64_t)chosen * chosen;
}

double gv_choice_z(double chi_square, double freedom)
{
    double part = 2.0 / (9.0 * freedom);
    return (cbrt(chi_square / freedom) - (1.0 - part)) / sqrt(part);
}

struct gv_choice gv_choice_compare(const struct gv_choice_sums *sums)
{
    const double none = (double)NAN;
    struct gv_choice choice = {sums->nodes, sums->count, none, none, none, none};
    if (sums->nodes < 2 || sums->count == 0) {
        return choice;
    }
    double nodes = (double)sums->nodes;
    double count = (double)sums->count;
    double freedom = nodes - 1.0;
    double expected = count / nodes;
    choice.chi_square = (double)sums->squares / expected - count;
    choice.dispersion = choice.chi_square / freedom;
    choice.spread = choice.dispersion > 1.0 ? sqrt((choice.dispersion - 1.0) / expected) : 0.0;
    choice.z = expected >= GV_CHOICE_EXPECTED_LEAST ? gv_choice_z(choice.chi_square, freedom) : none;
    return choice;
}

double gv_choice_random_deviation(double mean, double nodes)
{
    double share = nodes > 1.0 ? mean / (nodes - 1.0) : 1.0;
    return sqrt(mean * (share < 1.0 ? 1.0 - share : 0.0));
}

void gv_choice_chosen_at(struct gv_choice_ages *ages, uint64_t age_us)
{
    uint64_t bin = age_us / GV_CHOICE_BIN_US;
    if (bin < GV_CHOICE_BINS) {
        ages->chosen[bin]++;
    }
}

void gv_choice_exposed(struct gv_choice_ages *ages, uint64_t age_us)
{
    for (uint32_t bin = 0; bin < GV_CHOICE_BINS && age_us > 0; bin++) {
        uint64_t part = age_us < GV_CHOICE_BIN_US ? age_us : GV_CHOICE_BIN_US;
        ages->exposed_us[bin] += part;
        age_us -= part;
    }
}

void gv_choice_merge(struct gv_choice_ages *sum, const struct gv_choice_ages *ages)
{
    for (uint32_t bin = 0; bin < GV_CHOICE_BINS; bin++) {
        sum->chosen[bin] += ages->chosen[bin];
        sum->exposed_us[bin] += ages->exposed_us[bin];
    }
}

double gv_choice_newcomers(double rates[GV_CHOICE_BINS], const struct gv_choice_ages *ages, double rate)
{
    double reached_s = (double)NAN;
    for (uint32_t bin = 0; bin < GV_CHOICE_BINS; bin++) {
        double expected = rate * (double)ages->exposed_us[bin] / 1e6;
        rates[bin] = expected > 0.0 ? (double)ages->chosen[bin] / expected : (double)NAN;
        if (isnan(reached_s) && rates[bin] >= GV_CHOICE_REACHED) {
            reached_s = (double)bin * GV_CHOICE_BIN_US / 1e6;
        }
    }
    return reached_s;
}
