/*
 * What is remembered of exchanges that are over: how the last 64 ended, for an initiator that lost the answer, and how
 * long the last 32 took, from which the next one's patience follows (median + k MAD without any progress) and the
 * limit of the whole (8 medians and what the slowest sensible link needs): who moves one chunk a patience holds us up
 * no longer than that.
 */
#include "core_state.h"

#include <string.h>

#include "fixed.h"
#include "gv/chunks.h"

#define PATIENCE_DEVIATIONS 8
#define PATIENCE_MIN_US (2 * GV_SECOND)
#define DURATIONS_ENOUGH 4
#define LIMIT_MEDIANS 8
#define LIMIT_MIN_US (10 * GV_SECOND)
#define SLOWEST_BYTES_PER_SECOND (16 * 1024) /* 128 kbit/s: a link below that takes part only in small models */

static uint64_t prefix(const struct gv_id *id)
{
    uint64_t value;
    memcpy(&value, id->b, sizeof value); /* compared with itself only: byte order does not matter */
    return value;
}

void gv_outcome_remember(struct gv_core *core, uint64_t nonce, const struct gv_id *peer, enum gv_outcome outcome)
{
    core->outcomes[core->outcome_next] =
        (struct gv_outcome_memory){.nonce = nonce, .peer = prefix(peer), .outcome = (uint8_t)outcome};
    core->outcome_next = (core->outcome_next + 1) % GV_OUTCOMES_KEPT;
}

enum gv_outcome gv_outcome_recall(const struct gv_core *core, uint64_t nonce, const struct gv_id *peer)
{
    for (uint32_t i = 0; i < GV_OUTCOMES_KEPT; i++) {
        const struct gv_outcome_memory *m = &core->outcomes[i];
        if (m->outcome != GV_OUTCOME_UNKNOWN && m->nonce == nonce && m->peer == prefix(peer)) {
            return (enum gv_outcome)m->outcome;
        }
    }
    return GV_OUTCOME_UNKNOWN;
}

void gv_outcome_duration(struct gv_core *core, uint64_t us)
{
    core->durations[core->duration_count % GV_DURATIONS_MAX] = us;
    core->duration_count++;
}

uint64_t gv_outcome_median(const struct gv_core *core)
{
    uint32_t n = core->duration_count < GV_DURATIONS_MAX ? core->duration_count : GV_DURATIONS_MAX;
    return gv_fixed_median(core->durations, n);
}

uint64_t gv_outcome_limit(const struct gv_core *core)
{
    uint64_t bytes = gv_state_bytes(core->manifest.block_elements, core->manifest.block_count, core->exchange.codec);
    return LIMIT_MIN_US + bytes * GV_SECOND / SLOWEST_BYTES_PER_SECOND + LIMIT_MEDIANS * gv_outcome_median(core);
}

uint64_t gv_outcome_patience(const struct gv_core *core)
{
    uint32_t n = core->duration_count < GV_DURATIONS_MAX ? core->duration_count : GV_DURATIONS_MAX;
    if (n < DURATIONS_ENOUGH) {
        return core->config.exchange_timeout_us;
    }
    uint64_t median = gv_fixed_median(core->durations, n);
    uint64_t patience = median + PATIENCE_DEVIATIONS * gv_fixed_mad(core->durations, n, median);
    return patience < PATIENCE_MIN_US ? PATIENCE_MIN_US : patience;
}
