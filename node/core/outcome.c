/*
 * What is remembered of exchanges that are over: how the last 64 ended, for an initiator that lost the answer, and how
 * long the last 32 took, from which the next one's patience follows (median + k MAD without any progress, and a journey
 * to this partner and back, which may be farther than the others) and the limit of the whole (8 medians and what the
 * slowest sensible link needs): who moves one chunk a patience holds us up no longer than that.
 */
#include "core_state.h"

#include <string.h>

#include "gv/chunks.h"

#define PATIENCE_DEVIATIONS 8
#define PATIENCE_MIN_US (2 * GV_SECOND)
#define DURATIONS_ENOUGH 4
#define JOURNEY_MAX_US (5 * GV_SECOND) /* who answers PINGs late on purpose is not waited for much longer */
#define LIMIT_JOURNEYS 4               /* OFFER, ACCEPT, the chunks and their credit go that way */
#define LIMIT_MEDIANS 8
#define LIMIT_MIN_US (10 * GV_SECOND)
#define SLOWEST_BYTES_PER_SECOND (16 * 1024) /* 128 kbit/s: a link below that takes part only in small models */

/* Some bytes of a nonce, which its sender draws at random: a row whose tag fits is nearly always the one sought. */
static uint16_t tag_of(uint64_t nonce)
{
    return (uint16_t)nonce;
}

static uint32_t durations_kept(const struct gv_core *core)
{
    return core->duration_count < GV_DURATIONS_MAX ? core->duration_count : GV_DURATIONS_MAX;
}

/* gv_fixed_mad() of sorted values around their median: deviations in rising order, from the middle to both sides. */
static uint64_t sorted_mad(const uint64_t *values, uint32_t n)
{
    uint32_t middle = (n - 1) / 2;
    uint32_t low = middle; /* the next to look at on either side */
    uint32_t high = middle + 1;
    uint64_t deviation = 0;
    for (uint32_t i = 0; i <= middle; i++) {
        uint64_t below = low < n ? values[middle] - values[low] : UINT64_MAX; /* low wraps below the first */
        uint64_t above = high < n ? values[high] - values[middle] : UINT64_MAX;
        deviation = gv_sooner(below, above);
        low -= below <= above ? 1 : 0;
        high += below <= above ? 0 : 1;
    }
    return deviation;
}

void gv_outcome_remember(struct gv_core *core, uint64_t nonce, const struct gv_id *peer, enum gv_outcome outcome)
{
    struct gv_outcome_memory *m = &core->outcomes[core->outcome_next];
    m->nonce = nonce;
    m->outcome = (uint8_t)outcome;
    memcpy(m->peer, peer->b, sizeof m->peer);
    core->outcome_tags[core->outcome_next] = tag_of(nonce);
    core->outcome_next = (core->outcome_next + 1) % core->config.outcomes_max;
}

enum gv_outcome gv_outcome_recall(const struct gv_core *core, uint64_t nonce, const struct gv_id *peer)
{
    uint16_t tag = tag_of(nonce);
    for (uint32_t i = 0; i < core->config.outcomes_max; i++) {
        const struct gv_outcome_memory *m = &core->outcomes[i];
        if (core->outcome_tags[i] == tag && m->outcome != GV_OUTCOME_UNKNOWN && m->nonce == nonce &&
            memcmp(m->peer, peer->b, sizeof m->peer) == 0) {
            return (enum gv_outcome)m->outcome;
        }
    }
    return GV_OUTCOME_UNKNOWN;
}

void gv_outcome_duration(struct gv_core *core, uint64_t us)
{
    uint8_t turn = (uint8_t)(core->duration_count % GV_DURATIONS_MAX);
    uint32_t at = durations_kept(core);
    uint32_t last = at < GV_DURATIONS_MAX ? at : GV_DURATIONS_MAX - 1;
    for (uint32_t i = 0; i < at && at == GV_DURATIONS_MAX; i++) { /* all places are taken: in place of the oldest */
        at = core->duration_turns[i] == turn ? i : at;
    }
    for (; at > 0 && core->durations[at - 1] > us; at--) {
        core->durations[at] = core->durations[at - 1];
        core->duration_turns[at] = core->duration_turns[at - 1];
    }
    for (; at < last && core->durations[at + 1] < us; at++) {
        core->durations[at] = core->durations[at + 1];
        core->duration_turns[at] = core->duration_turns[at + 1];
    }
    core->durations[at] = us;
    core->duration_turns[at] = turn;
    core->duration_count++;
    uint32_t n = durations_kept(core);
    core->duration_median_us = core->durations[(n - 1) / 2];
    core->duration_mad_us = sorted_mad(core->durations, n);
}

void gv_outcome_forget_durations(struct gv_core *core)
{
    core->duration_count = 0;
    core->duration_median_us = core->duration_mad_us = 0;
}

uint64_t gv_outcome_median(const struct gv_core *core)
{
    return core->duration_median_us;
}

/* There and back over the exchange's link, as its greeting (where we dialled) and its pings (of neighbours) took; 0 if
   there was neither. */
static uint64_t journey_us(const struct gv_core *core)
{
    uint32_t link = core->exchange.link;
    if (link == GV_NOBODY) {
        return 0;
    }
    return gv_sooner(core->links[link].srtt_us + 4 * (uint64_t)core->links[link].rttvar_us, JOURNEY_MAX_US);
}

uint64_t gv_outcome_slowest_us(uint64_t bytes)
{
    return LIMIT_MIN_US + bytes * GV_SECOND / SLOWEST_BYTES_PER_SECOND;
}

uint64_t gv_outcome_limit(const struct gv_core *core)
{
    uint64_t bytes = gv_state_bytes(core->manifest.block_elements, core->manifest.block_count, core->exchange.codec);
    return gv_outcome_slowest_us(bytes) + LIMIT_MEDIANS * gv_outcome_median(core) + LIMIT_JOURNEYS * journey_us(core);
}

uint64_t gv_outcome_patience(const struct gv_core *core)
{
    if (core->duration_count < DURATIONS_ENOUGH) {
        return core->config.exchange_timeout_us;
    }
    uint64_t patience = core->duration_median_us + PATIENCE_DEVIATIONS * core->duration_mad_us;
    return (patience < PATIENCE_MIN_US ? PATIENCE_MIN_US : patience) + journey_us(core);
}
