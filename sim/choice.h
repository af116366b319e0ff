/*
 * Peer choice: how often each node is chosen for an exchange, against what uniform choice among all members would give.
 *
 * Of n members that are chosen N times in all, uniform choice gives each N/n times, and chi-square = sum (c - N/n)^2 /
 * (N/n) about n - 1. Divided by that it is the index of dispersion, variance / mean: 1 for uniform choice, whatever N.
 * Nodes that differ in their rates have an index that grows with N; their spread, the rates' deviation in parts of the
 * mean rate once chance is taken out, does not.
 */
#ifndef GV_CHOICE_H
#define GV_CHOICE_H

#include <stdint.h>

#define GV_CHOICE_BIN_US 10000000u /* of newcomers' ages */
#define GV_CHOICE_BINS 30u
#define GV_CHOICE_REACHED 0.9 /* of the others' rate: a newcomer is one of them */

/* Exact sums over the members: the order in which they are added does not matter. */
struct gv_choice_sums {
    uint64_t nodes, count, squares;
};

struct gv_choice {
    uint64_t nodes, count; /* members, and how often they were chosen in all */
    double chi_square;     /* with nodes - 1 degrees of freedom; NaN where there is nothing to compare */
    double z;              /* it as a standard normal deviate; NaN below GV_CHOICE_EXPECTED_LEAST choices a node */
    double dispersion;     /* variance / mean */
    double spread;         /* of the rates, relative; 0: no more than chance */
};
#define GV_CHOICE_EXPECTED_LEAST 5.0

void gv_choice_add(struct gv_choice_sums *sums, uint32_t chosen);
struct gv_choice gv_choice_compare(const struct gv_choice_sums *sums);

/** Wilson and Hilferty, "The distribution of chi-square", 1931: the cube root of chi-square is nearly normal. */
double gv_choice_z(double chi_square, double freedom);

/** Deviation of the in-degree in a random graph of n nodes that each know `mean` others: binomial. */
double gv_choice_random_deviation(double mean, double nodes);

/* Of newcomers, by age: how often they were chosen, and for how long they could have been. */
struct gv_choice_ages {
    uint64_t chosen[GV_CHOICE_BINS], exposed_us[GV_CHOICE_BINS];
};

void gv_choice_chosen_at(struct gv_choice_ages *ages, uint64_t age_us);
/** One newcomer that was there from its first moment to this age. */
void gv_choice_exposed(struct gv_choice_ages *ages, uint64_t age_us);
void gv_choice_merge(struct gv_choice_ages *sum, const struct gv_choice_ages *ages);

/** rates (GV_CHOICE_BINS) <- newcomers' rate in each bin in parts of `rate` (choices a second); NaN where nobody was.
 *  Returns the age in seconds at which the first bin begins in which they reach GV_CHOICE_REACHED; NaN: in none. */
double gv_choice_newcomers(double rates[GV_CHOICE_BINS], const struct gv_choice_ages *ages, double rate);

#endif
