/*
 * What OFFER and ACCEPT say, and whether they can be taken up.
 *
 *     OFFER of                         refused with
 *     a stopping node                  STOPPING (as BUSY)
 *     another epoch, layout, kind      EPOCH, LAYOUT, EXCHANGE
 *     while we fetch or find our place BUSY
 *     no codec of ours                 CODEC
 *     a state inline that we would not send so, or the other way round
 *                                      PROTOCOL
 *     chunks of a size out of range    OVERSIZE
 *
 * Another manifest version alone is no reason: each end merges by its own.
 */
#include "core_state.h"

#include "gv/chunks.h"

static uint32_t codec_bits(const struct gv_core *core)
{
    return 1u << core->manifest.codec | 1u << GV_CODEC_F32;
}

void gv_offer_fill(struct gv_core *core, struct gv_msg *msg)
{
    struct gv_exchange *x = &core->exchange;
    struct gv_msg_offer *offer = &msg->u.offer;
    offer->nonce = x->nonce;
    offer->manifest_version = core->manifest.version;
    offer->epoch = core->manifest.epoch;
    offer->layout = core->manifest.layout;
    offer->age = x->age_ours;
    offer->exchange = x->push ? GV_EXCHANGE_PUSH : GV_EXCHANGE_PAIR;
    offer->codecs = x->initiator && !x->inline_state ? codec_bits(core) : 1u << x->codec;
    offer->chunk_bytes = x->chunk_bytes;
    offer->inline_state = x->inline_state;
    if (x->push && x->initiator) {
        gv_swarm_stats_give(core, &offer->stats);
    } else {
        gv_swarm_stats_send(core, &offer->stats);
    }
    x->stats_epoch = offer->stats.epoch;
}

enum gv_err gv_offer_judge(const struct gv_core *core, const struct gv_msg_offer *offer, uint32_t handle,
                           uint32_t *codec)
{
    const struct gv_core_manifest *m = &core->manifest;
    if (core->stopped) {
        return GV_ERR_STOPPING;
    }
    if (offer->epoch != m->epoch) {
        return GV_ERR_EPOCH;
    }
    if (!gv_hash_equal(&offer->layout, &m->layout)) {
        return GV_ERR_LAYOUT;
    }
    if (offer->exchange != m->exchange) {
        return GV_ERR_EXCHANGE;
    }
    if (!gv_lifecycle_exchanges(core) || gv_fetch_uses_stage(core)) {
        return GV_ERR_BUSY;
    }
    uint32_t common = offer->codecs & codec_bits(core);
    *codec = (common >> m->codec & 1u) != 0 ? m->codec : GV_CODEC_F32;
    if ((common >> *codec & 1u) == 0) {
        return GV_ERR_CODEC;
    }
    bool fits_inline = gv_state_is_inline(m->block_elements, m->block_count, *codec);
    if (offer->inline_state != fits_inline || (handle != 0) != offer->inline_state) {
        return GV_ERR_PROTOCOL;
    }
    if (!fits_inline && (offer->chunk_bytes < GV_CHUNK_BYTES_MIN || offer->chunk_bytes > GV_CHUNK_BYTES_MAX)) {
        return GV_ERR_OVERSIZE;
    }
    return GV_OK;
}

enum gv_err gv_offer_judge_accept(const struct gv_core *core, const struct gv_msg_offer *accept, uint32_t handle,
                                  uint32_t *codec)
{
    const struct gv_exchange *x = &core->exchange;
    *codec = GV_CODEC_COUNT;
    for (uint32_t c = 0; c < GV_CODEC_COUNT; c++) {
        *codec = accept->codecs == 1u << c ? c : *codec;
    }
    bool in_turn = x->phase == GV_EXCHANGE_OFFERED && accept->inline_state == x->inline_state;
    bool same_kind = accept->exchange == (x->push ? GV_EXCHANGE_PUSH : GV_EXCHANGE_PAIR);
    if (!in_turn || !same_kind || (x->push && x->inline_state) || (handle != 0) != x->inline_state) {
        return GV_ERR_PROTOCOL;
    }
    if (accept->epoch != core->manifest.epoch) {
        return GV_ERR_EPOCH;
    }
    if (!gv_hash_equal(&accept->layout, &core->manifest.layout)) {
        return GV_ERR_LAYOUT;
    }
    bool offered = *codec != GV_CODEC_COUNT && (codec_bits(core) >> *codec & 1u) != 0;
    if (!offered || (x->inline_state && *codec != x->codec)) {
        return GV_ERR_CODEC;
    }
    bool fits = accept->chunk_bytes >= GV_CHUNK_BYTES_MIN && accept->chunk_bytes <= x->chunk_bytes;
    return x->inline_state || fits ? GV_OK : GV_ERR_OVERSIZE;
}
