/*
 * Giving the model to late joiners.
 *
 *     FETCH --ready to donate, a place free--> PIN --PINNED--> FETCH_REPLY ok, CHUNKs under credit
 *       |                                                        | DONE, link lost, no credit for 30 s, the limit
 *       +--otherwise--> FETCH_REPLY busy, layout, epoch, codec   +--> UNPIN
 *
 * At most GV_PINS_MAX takers at once, so that one node never serves a crowd (they spread over donors). A peer has one
 * place, for no longer than the slowest line needs, and if others were turned away meanwhile leaves it to them for as
 * long as it had it, a minute at most: else two members that take a chunk now and then keep all others out for ever.
 */
#include "core_state.h"

#include <string.h>

#include "gv/chunks.h"

#define STALL_US (30 * GV_SECOND)

static uint32_t pin_of(const struct gv_core *core, uint64_t nonce)
{
    for (uint32_t i = 0; i < GV_PINS_MAX && core->pins_used > 0; i++) {
        if (core->pins[i].used && core->pins[i].nonce == nonce) {
            return i;
        }
    }
    return GV_NOBODY;
}

bool gv_donor_owns(const struct gv_core *core, uint64_t nonce)
{
    return pin_of(core, nonce) != GV_NOBODY;
}

/* The pin of this nonce, for who is at this link. */
static uint32_t pin_at(const struct gv_core *core, uint32_t link, uint64_t nonce)
{
    uint32_t row = pin_of(core, nonce);
    return row != GV_NOBODY && core->pins[row].link == link ? row : GV_NOBODY;
}

bool gv_donor_awaits(const struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    if (msg->kind != GV_KIND_CREDIT) {
        return false;
    }
    uint32_t row = pin_at(core, link, msg->u.exchange.nonce);
    return row != GV_NOBODY && msg->u.exchange.credit > core->pins[row].credit;
}

static uint64_t taker_at(const struct gv_core *core, uint32_t link)
{
    return gv_head_of(core->peers[core->link_peers[link]].ref.id.b);
}

/* The place for the peer at this link, GV_NOBODY if all are taken (they are wanted then: their takers will wait), it
   has one, or is to leave one to others. Whoever gets that makes us forget it, so of free places the one goes first
   that has been closed to its last taker longest. */
static uint32_t place_for(struct gv_core *core, uint32_t link)
{
    uint64_t taker = taker_at(core, link);
    uint32_t place = GV_NOBODY;
    bool closed = false;
    for (uint32_t i = 0; i < GV_PINS_MAX; i++) {
        struct gv_pin *pin = &core->pins[i];
        pin->wanted = pin->wanted || core->pins_used == GV_PINS_MAX;
        closed = closed || (pin->taker == taker && (pin->used || core->now_us < pin->until_us));
        bool sooner = place == GV_NOBODY || pin->until_us < core->pins[place].until_us;
        place = !pin->used && sooner ? i : place;
    }
    return closed ? GV_NOBODY : place;
}

static void unpin(struct gv_core *core, uint32_t row)
{
    struct gv_pin *pin = &core->pins[row];
    (void)gv_fx_work(core, GV_FX_UNPIN, pin->nonce);
    pin->used = false;
    pin->until_us = core->now_us;
    if (pin->wanted) {
        pin->until_us += gv_sooner(core->now_us - pin->begun_us, core->config.backoff_us);
    }
    core->pins_used--;
}

static void reply(struct gv_core *core, uint32_t link, const struct gv_msg_fetch *asked, enum gv_err reason,
                  uint64_t age)
{
    struct gv_msg *msg = gv_fx_send(core, link, GV_KIND_FETCH_REPLY);
    msg->u.fetch = *asked;
    msg->u.fetch.epoch = core->manifest.epoch;
    msg->u.fetch.layout = core->manifest.layout;
    msg->u.fetch.reason = reason;
    msg->u.fetch.age = age;
}

static enum gv_err judge(const struct gv_core *core, const struct gv_msg_fetch *asked, uint32_t *chunk_count)
{
    if (asked->epoch != core->manifest.epoch) {
        return GV_ERR_EPOCH;
    }
    if (!gv_hash_equal(&asked->layout, &core->manifest.layout)) {
        return GV_ERR_LAYOUT;
    }
    if (gv_codec_element_bytes(asked->codec) == 0) {
        return GV_ERR_CODEC;
    }
    if (asked->chunk_bytes < GV_CHUNK_BYTES_MIN || asked->chunk_bytes > GV_CHUNK_BYTES_MAX) {
        return GV_ERR_OVERSIZE;
    }
    *chunk_count = gv_chunk_count(core->manifest.block_elements, 1, asked->codec, asked->chunk_bytes);
    if (asked->first_index >= *chunk_count) {
        return GV_ERR_CHUNK;
    }
    bool used =
        gv_donor_owns(core, asked->nonce) || gv_exchange_owns(core, asked->nonce) || gv_fetch_owns(core, asked->nonce);
    return used || !gv_lifecycle_donates(core) ? GV_ERR_BUSY : GV_OK;
}

static void on_fetch(struct gv_core *core, uint32_t link, const struct gv_msg_fetch *asked)
{
    uint32_t chunk_count = 0;
    enum gv_err err = judge(core, asked, &chunk_count);
    uint32_t place = err == GV_OK ? place_for(core, link) : GV_NOBODY;
    err = err == GV_OK && place == GV_NOBODY ? GV_ERR_BUSY : err;
    if (err != GV_OK) {
        gv_score_count(core, err);
        reply(core, link, asked, err, core->age);
        return;
    }
    core->pins[place] = (struct gv_pin){.used = true,
                                        .link = (uint16_t)link,
                                        .taker = taker_at(core, link),
                                        .nonce = asked->nonce,
                                        .codec = asked->codec,
                                        .chunk_bytes = asked->chunk_bytes,
                                        .chunk_count = chunk_count,
                                        .first = asked->first_index,
                                        .sent = asked->first_index,
                                        .credit = asked->first_index + GV_CREDIT_CHUNKS_MAX,
                                        .age = core->age,
                                        .begun_us = core->now_us,
                                        .progress_us = core->now_us,
                                        .until_us = GV_NEVER};
    core->pins_used++;
    struct gv_effect *effect = gv_fx_work(core, GV_FX_PIN, asked->nonce);
    effect->u.work.codec = asked->codec;
    effect->u.work.chunk_bytes = asked->chunk_bytes;
}

static void pump(struct gv_core *core, struct gv_pin *pin)
{
    while (pin->ready && pin->sent < pin->chunk_count && pin->sent < pin->credit) {
        struct gv_effect *effect = gv_fx_work(core, GV_FX_CHUNK_SEND, pin->nonce);
        effect->link = core->handles[pin->link];
        effect->u.work.index = pin->sent++;
        effect->u.work.codec = pin->codec;
        effect->u.work.chunk_bytes = pin->chunk_bytes;
        effect->u.work.fetch = true;
    }
}

/* STATE, FETCH, and CREDIT, DONE, ABORT of a taker; false if the message is not about a pin. */
bool gv_donor_message(struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    if (msg->kind == GV_KIND_STATE) {
        struct gv_msg_state *state = &gv_fx_send(core, link, GV_KIND_STATE_REPLY)->u.state;
        state->state = core->shown;
        state->donates = gv_lifecycle_donates(core) && place_for(core, link) != GV_NOBODY;
        state->epoch = core->manifest.epoch;
        state->manifest_version = core->manifest.version;
        state->layout = core->manifest.layout;
        state->age = core->age;
        return true;
    }
    if (msg->kind == GV_KIND_FETCH) {
        on_fetch(core, link, &msg->u.fetch);
        return true;
    }
    uint32_t row = pin_at(core, link, msg->u.exchange.nonce);
    if (row == GV_NOBODY) {
        return false;
    }
    struct gv_pin *pin = &core->pins[row];
    if (msg->kind == GV_KIND_CREDIT && msg->u.exchange.credit <= pin->sent + GV_CREDIT_CHUNKS_MAX) {
        if (msg->u.exchange.credit > pin->credit) {
            pin->credit = msg->u.exchange.credit;
            pin->progress_us = core->now_us;
        }
        pump(core, pin);
    } else { /* DONE, ABORT, or credit that cannot be */
        unpin(core, row);
    }
    return true;
}

void gv_donor_pinned(struct gv_core *core, uint64_t nonce, enum gv_err verdict)
{
    uint32_t row = pin_of(core, nonce);
    if (row == GV_NOBODY || core->pins[row].ready) {
        return;
    }
    struct gv_pin *pin = &core->pins[row];
    struct gv_msg_fetch asked = {
        .nonce = nonce, .chunk_bytes = pin->chunk_bytes, .codec = pin->codec, .first_index = pin->first};
    pin->progress_us = core->now_us;
    pin->ready = verdict == GV_OK;
    pin->until_us = core->now_us + gv_outcome_slowest_us((uint64_t)(pin->chunk_count - pin->first) * pin->chunk_bytes);
    reply(core, pin->link, &asked, verdict == GV_OK ? GV_OK : GV_ERR_BUSY, pin->age);
    if (pin->ready) {
        pump(core, pin);
    } else {
        unpin(core, row);
    }
}

void gv_donor_link_gone(struct gv_core *core, uint32_t link)
{
    for (uint32_t i = 0; i < GV_PINS_MAX && core->pins_used > 0; i++) {
        if (core->pins[i].used && core->pins[i].link == link) {
            unpin(core, i);
        }
    }
}

void gv_donor_cancel(struct gv_core *core)
{
    for (uint32_t i = 0; i < GV_PINS_MAX && core->pins_used > 0; i++) {
        if (core->pins[i].used) {
            unpin(core, i);
        }
    }
}

/* When a pin has been idle, or there, for long enough. */
static uint64_t give_up_us(const struct gv_pin *pin)
{
    return gv_sooner(pin->progress_us + STALL_US, pin->until_us);
}

void gv_donor_tick(struct gv_core *core)
{
    for (uint32_t i = 0; i < GV_PINS_MAX && core->pins_used > 0; i++) {
        if (core->pins[i].used && give_up_us(&core->pins[i]) <= core->now_us && gv_fx_room(core)) {
            unpin(core, i);
        }
    }
}

uint64_t gv_donor_deadline(const struct gv_core *core)
{
    uint64_t at = GV_NEVER;
    for (uint32_t i = 0; i < GV_PINS_MAX && core->pins_used > 0; i++) {
        if (core->pins[i].used) {
            at = gv_sooner(at, give_up_us(&core->pins[i]));
        }
    }
    return at;
}
