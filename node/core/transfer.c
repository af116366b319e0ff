/*
 * The chunks of an exchange, both ways at once, under credit; of a push, one way.
 *
 *     ours    0 <= sent <= credit <= sent at the time + 4        CHUNK_SEND while sent < min(credit, count)
 *     theirs  applied <= applying <= received < applied + 4      CREDIT(applied + 4) after each one staged
 *
 * Four chunks each way are allowed from the start; after that credit comes as chunks are staged, so a slow merger
 * holds back the sender and never more than four chunks wait anywhere.
 *
 * The stage is in place: staging their chunk k overwrites our chunk k, so APPLY of k waits until ours is on its way.
 * This cannot lock: of the two sides the one that has staged less is allowed to send what the other needs next. The
 * receiver of a push sends nothing: its APPLYs wait for its snapshot alone.
 *
 * A state in one piece (inline) is chunk 0 of 1, sent by OFFER or ACCEPT.
 */
#include "core_state.h"

#include "fixed.h"

/* Of theirs in the merge. */
static uint32_t weight_q16(const struct gv_core *core)
{
    const struct gv_exchange *x = &core->exchange;
    uint64_t sum = x->age_ours + x->age_theirs;
    if (core->manifest.merge == GV_MERGE_MEAN || sum == 0) {
        return GV_Q16_ONE / 2;
    }
    return (uint32_t)gv_fixed_ratio(x->age_theirs, GV_Q16_ONE, sum);
}

static bool sends(const struct gv_exchange *x)
{
    return !x->push || x->initiator;
}

static bool takes(const struct gv_exchange *x)
{
    return !x->push || !x->initiator;
}

void gv_transfer_begin(struct gv_core *core)
{
    struct gv_exchange *x = &core->exchange;
    x->sent = x->received = x->applying = x->applied = 0;
    x->credit = GV_CREDIT_CHUNKS_MAX;
}

void gv_transfer_hold(struct gv_exchange *x, uint32_t handle)
{
    x->held[x->received % GV_CREDIT_CHUNKS_MAX] = handle;
    x->received++;
}

void gv_transfer_drop_held(struct gv_core *core)
{
    struct gv_exchange *x = &core->exchange;
    for (; x->applying < x->received; x->applying++) {
        gv_fx_drop(core, x->held[x->applying % GV_CREDIT_CHUNKS_MAX]);
    }
}

enum gv_err gv_transfer_chunk(struct gv_core *core, uint32_t index, uint32_t handle)
{
    struct gv_exchange *x = &core->exchange;
    bool in_turn = index == x->received && index < x->chunk_count && index < x->applied + GV_CREDIT_CHUNKS_MAX;
    if (!in_turn || !takes(x) || x->inline_state || handle == 0) {
        return GV_ERR_CHUNK;
    }
    gv_transfer_hold(x, handle);
    x->progress_us = core->now_us;
    return GV_OK;
}

bool gv_transfer_credit(struct gv_core *core, uint32_t credit)
{
    struct gv_exchange *x = &core->exchange;
    if (!sends(x) || credit > x->sent + GV_CREDIT_CHUNKS_MAX) {
        return false;
    }
    if (credit > x->credit) {
        x->credit = credit;
        x->progress_us = core->now_us;
    }
    return true;
}

static void work_fields(const struct gv_exchange *x, struct gv_effect *effect, uint32_t index)
{
    effect->u.work.index = index;
    effect->u.work.codec = x->codec;
    effect->u.work.chunk_bytes = x->inline_state ? GV_INLINE_BYTES_MAX : x->chunk_bytes;
}

bool gv_transfer_pump(struct gv_core *core)
{
    struct gv_exchange *x = &core->exchange;
    while (sends(x) && x->snapshot_ready && x->sent < x->chunk_count && x->sent < x->credit) {
        struct gv_effect *effect = gv_fx_work(core, GV_FX_CHUNK_SEND, x->nonce);
        effect->link = core->handles[x->link];
        work_fields(x, effect, x->sent++);
    }
    while (x->applying < x->received && (sends(x) ? x->applying < x->sent : x->snapshot_ready)) {
        struct gv_effect *effect = gv_fx_work(core, GV_FX_APPLY, x->nonce);
        work_fields(x, effect, x->applying);
        effect->u.work.handle = x->held[x->applying % GV_CREDIT_CHUNKS_MAX];
        effect->u.work.weight_q16 = weight_q16(core);
        x->applying++;
    }
    return (!takes(x) || x->applied == x->chunk_count) && (!sends(x) || x->sent == x->chunk_count);
}
