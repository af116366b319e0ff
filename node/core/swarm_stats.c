/*
 * Figures of the whole swarm, averaged along the way: on each committed exchange both sides take the mean of their
 * weighted figures and the element-wise minimum of 64 exponentials.
 *
 * Time is cut into epochs of 60 s, numbered modulo 2^31; whoever sees a later one (less than 2^30 ahead) jumps to it,
 * so no number that a peer may name is the last. At the start of an epoch a node puts in its own figures with weight 1
 * (later, if it has none to say yet) and fresh exponentials, so what a dead node has put in is gone an epoch later.
 * What is reported is the epoch before, or, while none with others in it is over, what the one under way says so far.
 *
 *     mean of a figure   sum / weight: pairwise averaging conserves both sums over the swarm
 *     number of nodes    (64 - 1) / sum of the minima: the minimum of n exponentials has mean 1 / n, the sum of 64 of
 *                        them a gamma distribution, and (k - 1) / sum is unbiased (deviation 1 / sqrt(62) = 13 %)
 *
 * A push carries half of the initiator's weighted figures (push-sum, Kempe, Dobra, Gehrke 2003): the receiver adds
 * them, the initiator keeps the other half once it knows that they have arrived, or may have. So mass is conserved by
 * every push whose answer comes, lost (weight and figures alike, so the mean stays one) where it is in doubt, and never
 * made. Minima go one way like the model.
 *
 * The exponentials are Q27 (gv_fixed_exponential): fine enough for a million nodes.
 * Sources: Jelasity, Montresor, Babaoglu 2005; Baquero, Almeida, Menezes, Jesus, "Extrema propagation", 2012.
 */
#include "core_state.h"

#include <string.h>

#include "fixed.h"

#define EPOCH_US (60 * GV_SECOND)
#define EPOCH_MAX 0x7fffffffu /* the next is 0 */
#define ONE_Q32 ((uint64_t)1 << 32)
#define SUM_MAX (UINT64_MAX >> 2)

/* Our own figures with weight 1, once an epoch and as soon as there are any. */
static void put_in(struct gv_core *core)
{
    struct gv_swarm_stats *s = &core->figures;
    if (core->figures_put || !core->has_loss || !core->has_accuracy) {
        return;
    }
    core->figures_put = true;
    s->weight += ONE_Q32;
    s->loss += gv_sooner(core->loss, UINT32_MAX) << 16;
    s->accuracy += gv_sooner(core->accuracy, GV_Q16_ONE) << 16;
    s->samples_per_s += gv_sooner(core->samples_per_s, (uint64_t)1 << 47);
}

static void begin_epoch(struct gv_core *core, uint32_t epoch)
{
    struct gv_swarm_stats *s = &core->figures;
    memset(s, 0, sizeof *s);
    s->epoch = epoch;
    for (uint32_t i = 0; i < GV_MINIMA; i++) {
        s->minima[i] = gv_fixed_exponential(gv_rng_u32(&core->rng));
    }
    core->figures_us = core->now_us;
    core->figures_merged = 0;
    core->figures_put = false;
    put_in(core);
}

/* What the figures of the epoch under way say so far. */
static void estimate(const struct gv_core *core, struct gv_swarm_estimate *out)
{
    const struct gv_swarm_stats *s = &core->figures;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < GV_MINIMA; i++) {
        sum += s->minima[i];
    }
    uint64_t nodes = ((GV_MINIMA - 1) * (uint64_t)GV_Q27_ONE + sum / 2) / (sum == 0 ? 1 : sum);
    out->nodes = core->ever_met && nodes > 1 ? nodes : 1;
    if (s->weight > ONE_Q32 / 65536) { /* else the last that was said still holds */
        out->figures = true;
        out->loss = gv_fixed_ratio(s->loss, GV_Q16_ONE, s->weight);
        out->accuracy = gv_fixed_ratio(s->accuracy, GV_Q16_ONE, s->weight);
        out->samples_per_s = gv_fixed_ratio(s->samples_per_s, ONE_Q32, s->weight);
    }
}

static void report(struct gv_core *core)
{
    bool mixed = core->figures_merged > 0 || core->now_us - core->figures_us >= EPOCH_US / 2;
    if (mixed) { /* an epoch cut short before anything was heard says nothing */
        core->estimate.figures = false;
        estimate(core, &core->estimate);
        core->estimated = core->estimated || core->figures_merged > 0;
    }
}

void gv_swarm_stats_start(struct gv_core *core)
{
    core->estimate.nodes = 1;
    begin_epoch(core, 0);
}

void gv_swarm_stats_send(struct gv_core *core, struct gv_swarm_stats *out)
{
    *out = core->figures;
}

void gv_swarm_stats_seen(struct gv_core *core, uint32_t epoch)
{
    uint32_t ahead = (epoch - core->figures.epoch) & EPOCH_MAX;
    if (epoch <= EPOCH_MAX && ahead > 0 && ahead <= EPOCH_MAX / 2) {
        report(core);
        begin_epoch(core, epoch);
    }
}

void gv_swarm_stats_give(const struct gv_core *core, struct gv_swarm_stats *out)
{
    *out = core->figures;
    out->weight /= 2;
    out->loss /= 2;
    out->accuracy /= 2;
    out->samples_per_s /= 2;
}

/* Nothing changes the figures of an epoch while an exchange is under way: their half is the one that was sent. */
void gv_swarm_stats_given(struct gv_core *core, uint32_t sent_epoch)
{
    struct gv_swarm_stats *s = &core->figures;
    if (s->epoch == sent_epoch) {
        s->weight -= s->weight / 2;
        s->loss -= s->loss / 2;
        s->accuracy -= s->accuracy / 2;
        s->samples_per_s -= s->samples_per_s / 2;
    }
}

/* Without branches, which nobody could predict. */
static void take_minima(struct gv_swarm_stats *restrict s, const struct gv_swarm_stats *restrict theirs)
{
    for (uint32_t i = 0; i < GV_MINIMA; i++) {
        uint32_t own = s->minima[i];
        uint32_t other = theirs->minima[i] != 0 ? theirs->minima[i] : UINT32_MAX; /* 0: they have none */
        s->minima[i] = other < own ? other : own;
    }
}

static bool sane(const struct gv_swarm_stats *s)
{
    return s->weight <= SUM_MAX && s->loss <= SUM_MAX && s->accuracy <= SUM_MAX && s->samples_per_s <= SUM_MAX;
}

void gv_swarm_stats_take(struct gv_core *core, const struct gv_swarm_stats *theirs)
{
    struct gv_swarm_stats *s = &core->figures;
    if (theirs->epoch != s->epoch) {
        return;
    }
    core->figures_merged++;
    take_minima(s, theirs);
    if (sane(theirs)) {
        struct gv_swarm_stats sum = {.weight = s->weight + theirs->weight,
                                     .loss = s->loss + theirs->loss,
                                     .accuracy = s->accuracy + theirs->accuracy,
                                     .samples_per_s = s->samples_per_s + theirs->samples_per_s};
        if (sane(&sum)) {
            s->weight = sum.weight;
            s->loss = sum.loss;
            s->accuracy = sum.accuracy;
            s->samples_per_s = sum.samples_per_s;
        }
    }
}

void gv_swarm_stats_merge(struct gv_core *core, uint32_t sent_epoch, const struct gv_swarm_stats *theirs)
{
    struct gv_swarm_stats *s = &core->figures;
    if (theirs->epoch != s->epoch) {
        return;
    }
    core->figures_merged++;
    take_minima(s, theirs);
    bool same_sums = sent_epoch == theirs->epoch; /* else one side has not put its half in: no mean is taken */
    if (same_sums && sane(theirs)) {
        s->weight = (s->weight + theirs->weight) / 2;
        s->loss = (s->loss + theirs->loss) / 2;
        s->accuracy = (s->accuracy + theirs->accuracy) / 2;
        s->samples_per_s = (s->samples_per_s + theirs->samples_per_s) / 2;
    }
}

void gv_swarm_stats_show(const struct gv_core *core, struct gv_core_stats *stats)
{
    struct gv_swarm_estimate shown = core->estimate;
    if (!core->estimated && core->figures_merged > 0) {
        estimate(core, &shown); /* a young swarm: no epoch with others in it is over yet */
    }
    stats->swarm_nodes = shown.nodes;
    stats->swarm_figures = shown.figures;
    stats->swarm_loss = shown.loss;
    stats->swarm_accuracy = shown.accuracy;
    stats->swarm_samples_per_s = shown.samples_per_s;
}

void gv_swarm_stats_tick(struct gv_core *core)
{
    if (gv_exchange_idle(core)) { /* else the far side takes the mean with what we have sent */
        put_in(core);
    }
    if (core->now_us - core->figures_us >= EPOCH_US) {
        report(core);
        begin_epoch(core, (core->figures.epoch + 1) & EPOCH_MAX);
    }
}

uint64_t gv_swarm_stats_deadline(const struct gv_core *core)
{
    return core->figures_us + EPOCH_US;
}
