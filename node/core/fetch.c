/*
 * Finding one's place, and taking the swarm's model if ours is missing or long out of date.
 *
 *     IDLE --a link, not oriented--> ASKING: STATE to up to `donors` peers
 *     ASKING --enough replies, or a few round trips (30 to 300 ms) after the first, or 1.5 s-->
 *            our model is current (or nobody has another)      IDLE, oriented
 *            nobody can give one                               ASKING again, after a while
 *            else                                              REQUESTED: FETCH to a random donor
 *     REQUESTED --FETCH_REPLY ok--> TAKING --all chunks staged--> ADOPTING --MERGED--> IDLE, oriented
 *     REQUESTED, TAKING --BUSY, link lost, stall--> REQUESTED with another donor, from the chunk reached, once what
 *                                                   the old one gave is staged (until then TAKING, without a link)
 *                       --a chunk that is not finite--> that donor scores, the fetch begins anew
 *                       --nobody with a model for 30 s--> the fetch begins anew, and may find that nobody has one
 *
 * A model is out of date if the median age of the donors is more than max(8 H, a quarter of our age) steps ahead:
 * averaging it in would pull its partners back, so it is replaced instead. The age adopted is that median, which two
 * liars among five cannot move.
 *
 * A model that has diverged is replaced too; what made it diverge may do so again at once, so not sooner than HEAL_US
 * after the last time.
 */
#include "core_state.h"

#include <string.h>

#include "fixed.h"
#include "gv/chunks.h"

#define REPLIES_US (1500 * GV_MS)
#define LINGER_MIN_US (30 * GV_MS)
#define LINGER_MAX_US (300 * GV_MS)
#define LINGER_TRIPS 16 /* times the first answer's: a handshake and a STATE of those we only now hear of */
#define AGAIN_US (30 * GV_MS)
#define AGAIN_DOUBLINGS_MAX 4 /* 0.48 s */
#define STALL_US (10 * GV_SECOND)
#define NO_MODEL_US (30 * GV_SECOND) /* neighbours, but no model anywhere: everyone begins at the initial one */
#define HEAL_US (600 * GV_SECOND)
#define FAR_ROUNDS 8
#define FETCH_CHUNK_BYTES (4 * GV_CHUNK_BYTES_MIN)

bool gv_fetch_owns(const struct gv_core *core, uint64_t nonce)
{
    return core->fetch.phase >= GV_FETCH_REQUESTED && core->fetch.nonce == nonce;
}

bool gv_fetch_awaits(const struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    const struct gv_fetch *f = &core->fetch;
    return msg->kind == GV_KIND_CHUNK && f->phase == GV_FETCH_TAKING && f->link == link &&
           f->nonce == msg->u.chunk.nonce;
}

bool gv_fetch_uses_stage(const struct gv_core *core)
{
    return core->fetch.phase >= GV_FETCH_REQUESTED;
}

static struct gv_candidate *candidate(struct gv_core *core, const struct gv_id *id)
{
    for (uint32_t i = 0; i < core->fetch.candidate_count; i++) {
        if (gv_id_equal(&core->fetch.candidates[i].id, id)) {
            return &core->fetch.candidates[i];
        }
    }
    return NULL;
}

/* After an attempt in vain (all asked were joining too, or serve others) the circle widens. */
static uint32_t ask_count(const struct gv_core *core)
{
    return core->fetch.tries == 0 ? core->config.donors : GV_DONORS_MAX;
}

static void ask_state(struct gv_core *core, uint32_t link)
{
    struct gv_fetch *f = &core->fetch;
    const struct gv_id *id = &core->peers[core->link_peers[link]].ref.id;
    if (f->candidate_count >= ask_count(core) || candidate(core, id) != NULL) {
        return;
    }
    f->candidates[f->candidate_count++] = (struct gv_candidate){.id = *id};
    (void)gv_fx_send(core, link, GV_KIND_STATE);
}

static bool is_linked(const struct gv_core *core, uint32_t peer)
{
    return core->peer_links[peer] != GV_NOBODY;
}

static void ask_all(struct gv_core *core)
{
    struct gv_fetch *f = &core->fetch;
    f->phase = GV_FETCH_ASKING;
    f->candidate_count = 0;
    f->first_reply_us = 0;
    f->asked_us = core->now_us;
    f->deadline_us = core->now_us + REPLIES_US;
    for (uint32_t i = 0; i < 4 * ask_count(core); i++) { /* random picks; a repeated one is not asked twice */
        uint32_t peer = gv_peers_pick(core, is_linked);
        if (peer == GV_NOBODY) {
            f->phase = GV_FETCH_IDLE; /* the next verified link begins again */
            return;
        }
        ask_state(core, core->peer_links[peer]);
    }
}

void gv_fetch_begin(struct gv_core *core)
{
    bool early = core->diverged && core->now_us < core->heal_us;
    if (core->fetch.phase == GV_FETCH_IDLE && !early) {
        if (core->fetch.begun_us == 0) {
            core->fetch.begun_us = core->now_us;
            core->fetch.answered = false;
        }
        ask_all(core);
    }
}

static void finish(struct gv_core *core, bool fetched)
{
    core->fetch.phase = GV_FETCH_IDLE;
    core->fetch.begun_us = 0;
    core->fetch.tries = 0;
    core->heal_us = core->diverged ? core->now_us + HEAL_US : core->heal_us;
    core->diverged = false;
    gv_lifecycle_oriented(core, true, fetched);
}

/* FETCH to a random donor that is linked; false if there is none. Not before all that came is staged: beside that, what
   a new one may send without credit would be too much. */
static bool request(struct gv_core *core)
{
    struct gv_fetch *f = &core->fetch;
    uint32_t rows[GV_DONORS_MAX];
    uint32_t count = 0;
    if (f->applied < f->applying) {
        f->phase = GV_FETCH_TAKING;
        f->deadline_us = core->now_us + STALL_US;
        return true;
    }
    for (uint32_t i = 0; i < f->candidate_count; i++) {
        uint32_t link = gv_peer_link(core, gv_peers_find(core, &f->candidates[i].id));
        if (f->candidates[i].donates && link != GV_NOBODY) {
            rows[count++] = link;
        }
    }
    if (count == 0) {
        return false;
    }
    f->link = (uint16_t)rows[gv_rng_below(&core->rng, count)];
    f->donor = core->peers[core->link_peers[f->link]].ref.id;
    f->phase = GV_FETCH_REQUESTED;
    f->deadline_us = core->now_us + STALL_US;
    struct gv_msg *msg = gv_fx_send(core, f->link, GV_KIND_FETCH);
    msg->u.fetch.nonce = f->nonce;
    msg->u.fetch.epoch = core->manifest.epoch;
    msg->u.fetch.layout = core->manifest.layout;
    msg->u.fetch.chunk_bytes = f->chunk_bytes;
    msg->u.fetch.codec = f->codec;
    msg->u.fetch.first_index = f->applying;
    return true;
}

static uint64_t again_us(struct gv_core *core)
{
    uint32_t doublings = core->fetch.tries < AGAIN_DOUBLINGS_MAX ? core->fetch.tries : AGAIN_DOUBLINGS_MAX;
    core->fetch.tries++;
    return core->now_us + gv_rng_jitter(&core->rng, AGAIN_US << doublings, 50);
}

static void start_taking(struct gv_core *core)
{
    struct gv_fetch *f = &core->fetch;
    f->nonce = gv_rng_u64(&core->rng);
    f->codec = core->manifest.codec;
    f->chunk_bytes = FETCH_CHUNK_BYTES;
    f->chunk_count = gv_chunk_count(core->manifest.block_elements, 1, f->codec, f->chunk_bytes);
    f->applying = f->applied = 0;
    if (request(core)) {
        gv_fx_log(core, GV_LOG_FETCH_START, &f->donor, GV_OK, f->age >> 16);
    } else {
        f->deadline_us = again_us(core); /* still ASKING: conclude() runs again, on fresh replies */
        f->candidate_count = 0;
    }
}

static void conclude(struct gv_core *core)
{
    struct gv_fetch *f = &core->fetch;
    uint64_t ages[GV_DONORS_MAX];
    uint32_t aged = 0;
    bool answered = false;
    for (uint32_t i = 0; i < f->candidate_count; i++) {
        answered = answered || f->candidates[i].answered;
        if (f->candidates[i].has_age) {
            ages[aged++] = f->candidates[i].age;
        }
    }
    if (!answered) {
        f->answered = false;
        ask_all(core);
        return;
    }
    f->age = gv_fixed_median(ages, aged);
    uint64_t far = gv_fixed_ratio(FAR_ROUNDS, (uint64_t)core->manifest.local_steps << 16, 1);
    far = far < core->age / 4 ? core->age / 4 : far;
    bool stale = core->has_model && f->age > core->age && f->age - core->age > far;
    bool nowhere = aged == 0 && core->now_us - f->begun_us >= NO_MODEL_US;
    bool swarms = core->has_model && !core->lone_model; /* ours is, or once was, the swarm's */
    if (swarms ? !stale : nowhere) {
        finish(core, false);
    } else {
        start_taking(core);
    }
}

/* Goes on with another donor, or asks anew who could give. */
static void seek_donor(struct gv_core *core)
{
    struct gv_fetch *f = &core->fetch;
    f->seen_us = core->now_us;
    if (!request(core)) {
        f->phase = GV_FETCH_REQUESTED; /* keeps the stage; retried with whoever answers STATE */
        f->candidate_count = 0;
        f->deadline_us = again_us(core);
    }
}

/* The donor is of no more use. */
static void next_donor(struct gv_core *core, enum gv_err reason)
{
    struct gv_fetch *f = &core->fetch;
    struct gv_candidate *old = candidate(core, &f->donor);
    if (old != NULL) {
        old->donates = false;
    }
    gv_fx_log(core, GV_LOG_FETCH_FAILED, &f->donor, reason, f->applied);
    f->link = GV_NOBODY;
    seek_donor(core);
}

static void on_state_reply(struct gv_core *core, uint32_t link, const struct gv_msg_state *reply)
{
    struct gv_fetch *f = &core->fetch;
    struct gv_candidate *c = candidate(core, &core->peers[core->link_peers[link]].ref.id);
    if (f->phase == GV_FETCH_IDLE || c == NULL || c->answered) {
        return;
    }
    bool same = reply->epoch == core->manifest.epoch && gv_hash_equal(&reply->layout, &core->manifest.layout);
    bool settled_in = reply->state != GV_STATE_JOINING && reply->state != GV_STATE_FETCHING;
    c->answered = f->answered = true;
    c->donates = same && reply->donates;
    c->has_age = same && settled_in;
    c->age = gv_age_of(reply->age);
    f->seen_us = c->has_age ? core->now_us : f->seen_us;
    uint32_t answered = 0;
    for (uint32_t i = 0; i < f->candidate_count; i++) {
        answered += f->candidates[i].answered ? 1 : 0;
    }
    if (f->phase == GV_FETCH_REQUESTED && f->link == GV_NOBODY) {
        if (!request(core) && answered == f->candidate_count) { /* nobody has time: no use in waiting for more */
            f->deadline_us = gv_sooner(f->deadline_us, again_us(core));
        }
        return;
    }
    if (f->phase != GV_FETCH_ASKING) {
        return;
    }
    if (f->first_reply_us == 0) {
        f->first_reply_us = core->now_us;
        uint64_t linger = LINGER_TRIPS * (core->now_us - f->asked_us);
        linger = linger < LINGER_MIN_US ? LINGER_MIN_US : gv_sooner(linger, LINGER_MAX_US);
        f->deadline_us = gv_sooner(f->deadline_us, core->now_us + linger);
    }
    bool others_to_come = core->dials_used > 0 || core->passive_count + core->active_count > f->candidate_count;
    if (answered == f->candidate_count && (answered >= ask_count(core) || !others_to_come)) {
        conclude(core);
    }
}

/* When the next one is late: on the slowest line that donors serve, a chunk alone takes longer than STALL_US. */
static uint64_t next_chunk_us(const struct gv_core *core)
{
    return core->now_us + gv_outcome_slowest_us(core->fetch.chunk_bytes);
}

static void on_fetch_reply(struct gv_core *core, uint32_t link, const struct gv_msg_fetch *reply)
{
    struct gv_fetch *f = &core->fetch;
    if (f->phase != GV_FETCH_REQUESTED || f->link != link || reply->nonce != f->nonce) {
        return;
    }
    bool fits = reply->reason == GV_OK && reply->codec == f->codec && reply->chunk_bytes == f->chunk_bytes &&
                reply->first_index == f->applying;
    if (!fits) {
        bool named = reply->reason >= 100 && reply->reason < 200;
        gv_score_declined(core, named ? (enum gv_err)reply->reason : GV_ERR_PROTOCOL);
        next_donor(core, reply->reason == GV_ERR_BUSY ? GV_ERR_BUSY : GV_ERR_PROTOCOL);
        return;
    }
    f->phase = GV_FETCH_TAKING;
    f->deadline_us = next_chunk_us(core);
    f->tries = 0;
}

static void on_chunk(struct gv_core *core, uint32_t link, const struct gv_event *event)
{
    struct gv_fetch *f = &core->fetch;
    uint32_t index = event->u.msg.msg->u.chunk.index;
    if (!gv_fetch_awaits(core, link, event->u.msg.msg) || event->u.msg.handle == 0) {
        gv_fx_drop(core, event->u.msg.handle);
        return;
    }
    if (index != f->applying || index >= f->chunk_count || index >= f->applied + GV_CREDIT_CHUNKS_MAX) {
        gv_fx_drop(core, event->u.msg.handle);
        gv_score_add(core, core->link_peers[link], GV_ERR_CHUNK, GV_SCORE_FAULT);
        next_donor(core, GV_ERR_CHUNK);
        return;
    }
    struct gv_effect *effect = gv_fx_work(core, GV_FX_APPLY, f->nonce);
    effect->u.work.index = index;
    effect->u.work.handle = event->u.msg.handle;
    effect->u.work.codec = f->codec;
    effect->u.work.chunk_bytes = f->chunk_bytes;
    effect->u.work.weight_q16 = GV_Q16_ONE;
    effect->u.work.fetch = true;
    f->applying++;
    f->deadline_us = next_chunk_us(core);
}

void gv_fetch_message(struct gv_core *core, uint32_t link, const struct gv_event *event)
{
    const struct gv_msg *msg = event->u.msg.msg;
    switch (msg->kind) {
    case GV_KIND_STATE_REPLY:
        on_state_reply(core, link, &msg->u.state);
        break;
    case GV_KIND_FETCH_REPLY:
        on_fetch_reply(core, link, &msg->u.fetch);
        break;
    default: /* CHUNK */
        on_chunk(core, link, event);
        break;
    }
}

static void restart(struct gv_core *core)
{
    (void)gv_fx_work(core, GV_FX_DISCARD, core->fetch.nonce);
    core->fetch.phase = GV_FETCH_IDLE;
    gv_fetch_begin(core);
}

void gv_fetch_applied(struct gv_core *core, uint32_t index, enum gv_err verdict)
{
    struct gv_fetch *f = &core->fetch;
    if (f->phase == GV_FETCH_ADOPTING || index != f->applied || f->applied >= f->applying) {
        return;
    }
    if (verdict != GV_OK) {
        gv_fx_log(core, GV_LOG_FETCH_FAILED, &f->donor, verdict, index);
        gv_score_add(core, gv_peers_find(core, &f->donor), verdict, GV_SCORE_GRAVE);
        restart(core);
        return;
    }
    f->applied++;
    f->deadline_us = next_chunk_us(core);
    if (f->applied < f->chunk_count) {
        if (f->link != GV_NOBODY) {
            struct gv_msg *msg = gv_fx_send(core, f->link, GV_KIND_CREDIT);
            msg->u.exchange.nonce = f->nonce;
            msg->u.exchange.credit = f->applied + GV_CREDIT_CHUNKS_MAX;
        } else if (f->applied == f->applying) {
            seek_donor(core);
        }
        return;
    }
    if (f->link != GV_NOBODY) {
        gv_fx_send(core, f->link, GV_KIND_DONE)->u.exchange.nonce = f->nonce;
    }
    f->phase = GV_FETCH_ADOPTING;
    gv_fx_work(core, GV_FX_ADOPT, f->nonce)->u.work.age = f->age;
}

void gv_fetch_merged(struct gv_core *core)
{
    struct gv_fetch *f = &core->fetch;
    if (f->phase != GV_FETCH_ADOPTING) {
        return;
    }
    gv_age_set(core, f->age);
    gv_fx_log(core, GV_LOG_FETCH_DONE, &f->donor, GV_OK, core->now_us - f->begun_us);
    finish(core, true);
}

void gv_fetch_cancel(struct gv_core *core)
{
    if (gv_fetch_uses_stage(core)) {
        (void)gv_fx_work(core, GV_FX_DISCARD, core->fetch.nonce);
    }
    core->fetch.phase = GV_FETCH_IDLE;
    core->fetch.begun_us = 0;
}

void gv_fetch_link_gone(struct gv_core *core, uint32_t link)
{
    struct gv_fetch *f = &core->fetch;
    if ((f->phase != GV_FETCH_REQUESTED && f->phase != GV_FETCH_TAKING) || f->link != link) {
        f->link = f->link == link ? GV_NOBODY : f->link;
        return;
    }
    next_donor(core, GV_ERR_LINK_LOST);
}

void gv_fetch_verified(struct gv_core *core, uint32_t link)
{
    bool seeking = core->fetch.phase == GV_FETCH_REQUESTED && core->fetch.link == GV_NOBODY;
    if (core->fetch.phase == GV_FETCH_ASKING || seeking) {
        ask_state(core, link);
    }
}

void gv_fetch_tick(struct gv_core *core)
{
    struct gv_fetch *f = &core->fetch;
    if (f->phase == GV_FETCH_IDLE || f->phase == GV_FETCH_ADOPTING || f->deadline_us > core->now_us ||
        !gv_fx_room(core)) {
        return;
    }
    if (f->phase == GV_FETCH_ASKING) {
        conclude(core);
    } else if (f->link != GV_NOBODY) { /* told, or it would keep the place for us, and turn us away ourselves */
        struct gv_msg *msg = gv_fx_send(core, f->link, GV_KIND_ABORT);
        msg->u.exchange.nonce = f->nonce;
        msg->u.exchange.reason = GV_ERR_TIMEOUT;
        gv_score_add(core, core->link_peers[f->link], GV_ERR_TIMEOUT, GV_SCORE_FAULT);
        next_donor(core, GV_ERR_TIMEOUT);
    } else if (core->now_us - f->seen_us >= NO_MODEL_US) { /* perhaps nobody has one any more: conclude() decides */
        restart(core);
    } else { /* no donor: ask whoever is there */
        f->deadline_us = core->now_us + REPLIES_US;
        f->candidate_count = 0;
        for (uint32_t i = 0; i < 4 * ask_count(core); i++) {
            uint32_t peer = gv_peers_pick(core, is_linked);
            if (peer != GV_NOBODY) {
                ask_state(core, core->peer_links[peer]);
            }
        }
    }
}

uint64_t gv_fetch_deadline(const struct gv_core *core)
{
    bool waits = core->fetch.phase != GV_FETCH_IDLE && core->fetch.phase != GV_FETCH_ADOPTING;
    return waits ? core->fetch.deadline_us : GV_NEVER;
}
