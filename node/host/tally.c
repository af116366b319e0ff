/*
 * Counts by reason: see tally.h.
 */
#include "tally.h"

#include "clock.h"

static void count(uint64_t counts[GV_REASONS], enum gv_err reason)
{
    uint32_t index = gv_reason_index(reason);
    if (index < GV_REASONS) {
        counts[index]++;
    }
}

void gv_tally_effect(struct gv_tally *tally, const struct gv_effect *effect, uint64_t now_us)
{
    if (effect->kind == GV_FX_CLOSE) {
        count(tally->closed, effect->reason);
    } else if (effect->kind == GV_FX_ALARM) {
        count(tally->alarms, effect->reason);
    } else if (effect->kind == GV_FX_LOG && effect->u.log.code == GV_LOG_SHUT_OUT) {
        count(tally->shut_out, effect->reason);
    } else if (effect->kind == GV_FX_LOG && effect->u.log.code == GV_LOG_WE_REFUSED) {
        count(tally->refused_by_peers, effect->reason);
        tally->last_refused = effect->reason;
        tally->last_refused_us = now_us;
    }
}

void gv_tally_came_in(struct gv_tally *tally, const struct gv_id *id, const char *address, uint64_t now_us)
{
    enum gv_scope scope = gv_scope_of(address);
    tally->came_in_us = now_us;
    for (uint32_t i = 0; i < tally->seen_count && i < GV_CAME_IN_MAX; i++) {
        if (gv_id_equal(&tally->seen[i], id)) {
            return;
        }
    }
    tally->seen[tally->seen_count++ % GV_CAME_IN_MAX] = *id;
    if (scope < GV_SCOPE_COUNTED) {
        tally->came_in[scope]++;
    }
}

uint64_t gv_tally_sum(const uint64_t counts[GV_REASONS])
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < GV_REASONS; i++) {
        sum += counts[i];
    }
    return sum;
}

enum gv_err gv_tally_most(const uint64_t counts[GV_REASONS])
{
    uint64_t most = 0;
    enum gv_err reason = GV_OK;
    for (uint32_t i = 0; i < GV_REASONS; i++) {
        if (counts[i] > most) {
            most = counts[i];
            reason = gv_reason_at(i);
        }
    }
    return reason;
}
