/*
 * The age, the swarm's clock: how far it follows those of others, any of whom may lie.
 *
 *     claim of a partner -> believed up to twice ours and a round -> gap to ours -> median of the last nine gaps
 *                        -> half of it is how far ours moves; then the gaps are forgotten
 *
 * An average would follow every liar: claims of twice our age, from a fifth of all members, double the swarm's every
 * few rounds, and its schedule is over. The median follows only what most partners say. Gaps that are not there yet
 * count as none, so at least five partners must agree before ours moves; and all ages grow alike, so a gap stays what
 * it was until we or the others move.
 */
#include "core_state.h"

#include <string.h>

#include "fixed.h"

static const uint64_t BIAS = UINT64_C(1) << 62; /* larger than any gap: for a median of signed values */

void gv_age_set(struct gv_core *core, uint64_t age)
{
    core->age = age;
    memset(core->age_gaps, 0, sizeof core->age_gaps);
}

uint64_t gv_age_believed(const struct gv_core *core, uint64_t claimed)
{
    uint64_t most = 2 * core->exchange.age_ours + ((uint64_t)core->manifest.local_steps << 16);
    return gv_sooner(gv_age_of(claimed), most);
}

static int64_t median_gap(const struct gv_core *core)
{
    uint64_t gaps[GV_AGE_GAPS];
    for (uint32_t i = 0; i < GV_AGE_GAPS; i++) {
        gaps[i] = (uint64_t)core->age_gaps[i] + BIAS;
    }
    return (int64_t)(gv_fixed_median(gaps, GV_AGE_GAPS) - BIAS);
}

int64_t gv_age_follow(struct gv_core *core)
{
    const struct gv_exchange *x = &core->exchange;
    core->age_gaps[core->age_gap_next] = (int64_t)x->age_theirs - (int64_t)x->age_ours;
    core->age_gap_next = (core->age_gap_next + 1) % GV_AGE_GAPS;
    int64_t delta = median_gap(core) / 2;
    if (delta < 0 && (uint64_t)-delta > core->age) {
        delta = -(int64_t)core->age;
    }
    if (delta != 0) {
        gv_age_set(core, (uint64_t)((int64_t)core->age + delta));
    }
    return delta;
}
