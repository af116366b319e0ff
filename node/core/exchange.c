/*
 * One exchange: agree, copy, stream, decide, merge. At most one at a time. A pair exchange:
 *
 *     initiator                                              responder
 *     IDLE                                                   IDLE
 *      | [inline: COPYING, SNAPSHOT]                          |
 *     OFFERED ------------------- OFFER --------------------> | busy: BUSY; other layout, epoch, codec: ABORT
 *      | <----------------------- ACCEPT -------------------- | [inline: COPYING, SNAPSHOT, then ACCEPT]
 *     STREAMING <---- CHUNK, CREDIT both ways (transfer.c)--> STREAMING
 *      | ------------------------ DONE --------------------> <------- DONE as soon as theirs is staged, ours sent
 *     DECIDING ------------------ COMMIT -------------------> DECIDING: FX_COMMIT, remembers COMMITTED
 *      | <----------------------- COMMITTED ----------------- MERGING --MERGED--> IDLE
 *     FX_COMMIT, MERGING --MERGED--> IDLE
 *
 *     state      event                              next
 *     any but MERGING: ABORT                        DISCARD, IDLE
 *     any but MERGING: no progress for the patience, link lost ->
 *                initiator in DECIDING              ASKING: OUTCOME over any link to the peer, until the deadline
 *                otherwise                          ABORT to the peer, DISCARD, IDLE
 *     any but MERGING: a wrong message ->
 *                initiator in DECIDING, ASKING      DISCARD, IDLE; counted as in doubt
 *                otherwise                          ABORT to the peer, DISCARD, IDLE
 *     ASKING     COMMITTED, OUTCOME_REPLY committed FX_COMMIT, MERGING
 *                OUTCOME_REPLY pending              COMMIT again
 *                OUTCOME_REPLY aborted              DISCARD, IDLE
 *                OUTCOME_REPLY unknown, deadline    DISCARD, IDLE; counted as in doubt
 *
 * A push: the initiator's state goes one way, only the receiver's model and age move.
 *
 *     initiator                                              receiver
 *     inline: COPYING, SNAPSHOT
 *     OFFERED --------------- OFFER, state -----------------> STREAMING: SNAPSHOT of its own state, APPLY
 *     IDLE, DISCARD <-------- COMMITTED --------------------- FX_COMMIT, MERGING --MERGED--> IDLE
 *
 *     chunks:
 *     OFFERED --------------- OFFER ------------------------> SNAPSHOT of its own state
 *     STREAMING <------------ ACCEPT ------------------------ STREAMING
 *      | -------------------- CHUNK ------------------------> APPLY
 *      | <------------------- CREDIT ------------------------ staged
 *     IDLE, DISCARD <-------- COMMITTED --------------------- all staged: FX_COMMIT, MERGING --MERGED--> IDLE
 *
 *     state      event                              next
 *     everything sent: no answer for the patience, link lost ->
 *                                                   DISCARD, IDLE; counted as in doubt: there is nothing to undo
 *     else, receiver: as above                      DISCARD, IDLE
 *
 * Nothing but COMMITTED ends a push well: a word of the initiator that all is sent could overtake the chunks, which
 * are encoded elsewhere.
 *
 * Guarantees: the live model changes only by FX_COMMIT, once; a responder that has forgotten or aborted an exchange
 * never commits it later; every handle is applied or dropped once; OFFERs that cross: the lower id's counts.
 */
#include "core_state.h"

#include <string.h>

#include "fixed.h"
#include "gv/chunks.h"

#define ASK_AGAIN_US GV_SECOND
#define BUSY_MIN_MS 2u
#define TURN_MEDIANS 8
#define TURN_MIN_MS 1000u
#define MISMATCH_BACKOFF_US (10 * GV_SECOND)
#define BUSY_BACKOFF_MAX_MS 30000u
#define CHUNKS_PER_SECOND 8 /* size aimed at: a control message waits at most an eighth of a second behind one */

bool gv_exchange_idle(const struct gv_core *core)
{
    return core->exchange.phase == GV_EXCHANGE_IDLE;
}

bool gv_exchange_owns(const struct gv_core *core, uint64_t nonce)
{
    return !gv_exchange_idle(core) && core->exchange.nonce == nonce;
}

/* True if the exchange is with whom this link leads to; the link that it stands on does, without looking further. */
static bool is_with(const struct gv_core *core, uint32_t link)
{
    uint32_t peer = core->link_peers[link];
    return peer != GV_NOBODY &&
           (core->exchange.link == link || gv_id_equal(&core->exchange.peer, &core->peers[peer].ref.id));
}

static bool has_link(const struct gv_exchange *x)
{
    return x->link != GV_NOBODY;
}

static struct gv_msg *send_plain(struct gv_core *core, uint32_t link, enum gv_kind kind, uint64_t nonce)
{
    struct gv_msg *msg = gv_fx_send(core, link, kind);
    msg->u.exchange.nonce = nonce;
    return msg;
}

static void snapshot(struct gv_core *core)
{
    struct gv_exchange *x = &core->exchange;
    x->snapshot_asked = true;
    struct gv_effect *effect = gv_fx_work(core, GV_FX_SNAPSHOT, x->nonce);
    effect->u.work.codec = x->codec;
    effect->u.work.chunk_bytes = x->chunk_bytes;
}

/* Sets what both roles share. */
static void begin(struct gv_core *core, uint32_t link, uint64_t nonce, bool initiator, uint32_t codec)
{
    struct gv_exchange *x = &core->exchange;
    memset(x, 0, sizeof *x);
    x->initiator = initiator;
    x->link = (uint16_t)link;
    x->peer = core->peers[core->link_peers[link]].ref.id;
    x->nonce = nonce;
    x->codec = codec;
    x->push = core->manifest.exchange == GV_EXCHANGE_PUSH;
    x->inline_state = gv_state_is_inline(core->manifest.block_elements, core->manifest.block_count, codec);
    x->started_us = x->progress_us = core->now_us;
    x->deadline_us = GV_NEVER;
    x->age_ours = core->age;
    core->used_us[link] = core->now_us;
    gv_transfer_begin(core);
}

static void count_chunks(struct gv_core *core)
{
    struct gv_exchange *x = &core->exchange;
    x->chunk_count = x->inline_state ? 1
                                     : gv_chunk_count(core->manifest.block_elements, core->manifest.block_count,
                                                      x->codec, x->chunk_bytes);
}

/* Back to IDLE without having changed anything. */
static void discard(struct gv_core *core, bool remember)
{
    struct gv_exchange *x = &core->exchange;
    gv_transfer_drop_held(core);
    if (x->snapshot_asked) {
        (void)gv_fx_work(core, GV_FX_DISCARD, x->nonce);
    }
    if (remember) {
        gv_outcome_remember(core, x->nonce, &x->peer, GV_OUTCOME_ABORTED);
    }
    x->phase = GV_EXCHANGE_IDLE;
}

/* A copy of our own state is not there yet, or what came is not staged: the peer could not have hurried. */
static bool is_held_up_by_us(const struct gv_exchange *x)
{
    return (x->snapshot_asked && !x->snapshot_ready) || x->applied < x->applying;
}

static void fail(struct gv_core *core, enum gv_err reason, bool tell)
{
    struct gv_exchange *x = &core->exchange;
    bool silent = x->initiator && x->phase == GV_EXCHANGE_COPYING; /* they have not heard of it */
    if (tell && !silent && has_link(x)) {
        send_plain(core, x->link, GV_KIND_ABORT, x->nonce)->u.exchange.reason = reason;
    }
    bool ours = reason < 100 || (reason == GV_ERR_TIMEOUT && is_held_up_by_us(x)); /* is nobody else's fault */
    uint32_t peer = ours ? GV_NOBODY : gv_peers_find(core, &x->peer);
    bool theirs = reason == GV_ERR_TIMEOUT || reason == GV_ERR_CHUNK || reason == GV_ERR_PROTOCOL;
    gv_score_add(core, peer, reason,
                 reason == GV_ERR_NONFINITE ? GV_SCORE_GRAVE : (theirs ? GV_SCORE_FAULT : GV_SCORE_SLIGHT));
    core->exchanges_failed++;
    gv_fx_log(core, GV_LOG_EXCHANGE_FAILED, &x->peer, reason, core->now_us - x->started_us);
    discard(core, true);
    if (x->initiator) { /* else whoever offers and aborts again and again puts off our own for ever */
        gv_rounds_failed(core);
    }
}

/* A push of which everything is on its way: the receiver may have merged it, whatever we hear or not. */
static bool is_given(const struct gv_exchange *x)
{
    bool all_sent = x->inline_state ? x->phase == GV_EXCHANGE_OFFERED
                                    : x->phase == GV_EXCHANGE_STREAMING && x->sent == x->chunk_count;
    return x->push && x->initiator && all_sent;
}

/* COMMIT is sent: the same. */
static bool is_promised(const struct gv_exchange *x)
{
    return x->initiator && (x->phase == GV_EXCHANGE_DECIDING || x->phase == GV_EXCHANGE_ASKING);
}

/* What is not awaited changes nothing, or ends the exchange. */
bool gv_exchange_awaits(const struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    const struct gv_exchange *x = &core->exchange;
    bool streaming = x->phase == GV_EXCHANGE_STREAMING;
    bool awaited = x->phase != GV_EXCHANGE_IDLE && x->phase != GV_EXCHANGE_MERGING;
    uint64_t nonce = msg->u.exchange.nonce;
    switch (msg->kind) {
    case GV_KIND_ACCEPT:
        nonce = msg->u.offer.nonce;
        break;
    case GV_KIND_BUSY:
        awaited = x->phase == GV_EXCHANGE_OFFERED;
        break;
    case GV_KIND_CHUNK:
        nonce = msg->u.chunk.nonce;
        awaited = streaming;
        break;
    case GV_KIND_CREDIT:
        awaited = streaming && msg->u.exchange.credit > x->credit;
        break;
    case GV_KIND_COMMITTED:
        awaited = is_given(x) || is_promised(x);
        break;
    case GV_KIND_DONE:
    case GV_KIND_COMMIT:
    case GV_KIND_ABORT:
        break;
    default:
        return false;
    }
    return awaited && x->nonce == nonce && is_with(core, link);
}

void gv_exchange_fail(struct gv_core *core, enum gv_err reason, bool tell)
{
    struct gv_exchange *x = &core->exchange;
    if (x->phase == GV_EXCHANGE_IDLE || x->phase == GV_EXCHANGE_MERGING) {
        return;
    }
    bool promised = is_promised(x);
    bool given = is_given(x);
    if (promised || given) {
        core->exchanges_doubt++;
        gv_fx_log(core, GV_LOG_EXCHANGE_DOUBT, &x->peer, reason, core->now_us - x->started_us);
    }
    if (given) {
        gv_swarm_stats_given(core, x->stats_epoch);
    }
    fail(core, reason, tell && !promised); /* a promise is not taken back */
}

/* What a completed exchange says about time and the link. */
static void count_done(struct gv_core *core)
{
    struct gv_exchange *x = &core->exchange;
    core->exchanges_done++;
    core->last_exchange_us = core->now_us;
    gv_outcome_duration(core, core->now_us - x->started_us);
    gv_fx_log(core, GV_LOG_EXCHANGE_DONE, &x->peer, GV_OK, core->now_us - x->started_us);
    if (has_link(x) && !x->inline_state && core->now_us > x->started_us) {
        uint64_t bytes = gv_state_bytes(core->manifest.block_elements, core->manifest.block_count, x->codec);
        uint64_t fit = gv_fixed_ratio(bytes, GV_SECOND, core->now_us - x->started_us) / CHUNKS_PER_SECOND;
        uint32_t chunk = GV_CHUNK_BYTES_MIN;
        while (chunk < GV_CHUNK_BYTES_MAX && 2 * (uint64_t)chunk <= fit) {
            chunk *= 2;
        }
        core->links[x->link].chunk_bytes = chunk;
    }
}

static void commit(struct gv_core *core)
{
    struct gv_exchange *x = &core->exchange;
    gv_fx_work(core, GV_FX_COMMIT, x->nonce)->u.work.age_delta = gv_age_follow(core);
    gv_outcome_remember(core, x->nonce, &x->peer, GV_OUTCOME_COMMITTED);
    if (x->push) {
        gv_swarm_stats_take(core, &core->theirs);
    } else {
        gv_swarm_stats_merge(core, x->stats_epoch, &core->theirs);
    }
    x->phase = GV_EXCHANGE_MERGING;
    count_done(core);
}

/* The responder's end: merges, and says so over the link that asked for it. */
static void commit_and_tell(struct gv_core *core, uint32_t link)
{
    commit(core);
    (void)send_plain(core, link, GV_KIND_COMMITTED, core->exchange.nonce);
}

/* After each change: sends, stages, and moves on when both sides have said DONE; a push, when all of it is staged. */
static void advance(struct gv_core *core)
{
    struct gv_exchange *x = &core->exchange;
    if (x->phase != GV_EXCHANGE_STREAMING) {
        return;
    }
    bool all = gv_transfer_pump(core);
    if (x->push) {
        if (all && !x->initiator) {
            commit_and_tell(core, x->link);
        }
        return;
    }
    if (all && !x->done_sent) {
        (void)send_plain(core, x->link, GV_KIND_DONE, x->nonce);
        x->done_sent = true;
    }
    if (x->done_sent && x->done_received) {
        x->phase = GV_EXCHANGE_DECIDING;
        x->progress_us = core->now_us;
        if (x->initiator) {
            (void)send_plain(core, x->link, GV_KIND_COMMIT, x->nonce);
        }
    }
}

static void send_offer(struct gv_core *core)
{
    struct gv_exchange *x = &core->exchange;
    gv_offer_fill(core, gv_fx_send(core, x->link, GV_KIND_OFFER));
    x->phase = GV_EXCHANGE_OFFERED;
    x->progress_us = core->now_us;
    gv_rounds_offered(core, x->link);
}

void gv_exchange_offer(struct gv_core *core, uint32_t peer)
{
    struct gv_exchange *x = &core->exchange;
    uint32_t link = core->peer_links[peer];
    GV_ASSERT(x->phase == GV_EXCHANGE_IDLE && link != GV_NOBODY);
    begin(core, link, gv_rng_u64(&core->rng), true, core->manifest.codec);
    x->chunk_bytes = core->links[link].chunk_bytes;
    if (x->inline_state) {
        x->phase = GV_EXCHANGE_COPYING;
        snapshot(core);
    } else {
        send_offer(core);
    }
}

static uint32_t busy_hint_ms(const struct gv_core *core, uint32_t peer)
{
    uint64_t ms = gv_outcome_median(core) / GV_MS;
    if (core->diverged) {
        return TURN_MIN_MS; /* until the swarm's model is fetched, which may be minutes */
    }
    if (!gv_rounds_in_turn(core, peer)) { /* others come first: that takes several exchanges */
        ms = TURN_MEDIANS * ms < TURN_MIN_MS ? TURN_MIN_MS : TURN_MEDIANS * ms;
    }
    return ms < BUSY_MIN_MS ? BUSY_MIN_MS : (ms > BUSY_BACKOFF_MAX_MS ? BUSY_BACKOFF_MAX_MS : (uint32_t)ms);
}

static void turn_down(struct gv_core *core, uint32_t link, uint64_t nonce, enum gv_err reason)
{
    uint32_t peer = core->link_peers[link];
    bool busy = reason == GV_ERR_BUSY || reason == GV_ERR_STOPPING;
    struct gv_msg *msg = send_plain(core, link, busy ? GV_KIND_BUSY : GV_KIND_ABORT, nonce);
    msg->u.exchange.reason = reason;
    msg->u.exchange.retry_ms = busy ? busy_hint_ms(core, peer) : 0;
    core->exchanges_refused++;
    gv_score_count(core, reason);
    gv_fx_log(core, GV_LOG_EXCHANGE_REFUSED, &core->peers[peer].ref.id, reason, 0);
}

static void on_offer(struct gv_core *core, uint32_t link, const struct gv_msg_offer *offer, uint32_t handle)
{
    struct gv_exchange *x = &core->exchange;
    const struct gv_id *them = &core->peers[core->link_peers[link]].ref.id;
    bool ours_open = x->initiator && (x->phase == GV_EXCHANGE_OFFERED || x->phase == GV_EXCHANGE_COPYING);
    bool crossing = ours_open && gv_id_equal(&x->peer, them);
    if (crossing && x->phase == GV_EXCHANGE_OFFERED && gv_id_compare(&core->self.id, them) < 0) {
        gv_fx_drop(core, handle); /* ours counts: they drop theirs when they see it */
        return;
    }
    uint32_t codec = 0;
    enum gv_err err = gv_offer_judge(core, offer, handle, &codec);
    if (crossing) {
        discard(core, false);
    }
    if (err == GV_OK && (x->phase != GV_EXCHANGE_IDLE || !gv_rounds_in_turn(core, core->link_peers[link]))) {
        err = GV_ERR_BUSY;
    }
    bool used = gv_donor_owns(core, offer->nonce) || gv_outcome_recall(core, offer->nonce, them) != GV_OUTCOME_UNKNOWN;
    if (err == GV_OK && used) {
        err = GV_ERR_PROTOCOL; /* a nonce is used once */
    }
    if (err != GV_OK) {
        gv_fx_drop(core, handle);
        turn_down(core, link, offer->nonce, err);
        return;
    }
    gv_swarm_stats_seen(core, offer->stats.epoch);
    begin(core, link, offer->nonce, false, codec);
    x->age_theirs = gv_age_believed(core, offer->age);
    core->theirs = offer->stats;
    uint32_t ours = core->links[link].chunk_bytes;
    x->chunk_bytes = offer->chunk_bytes < ours ? offer->chunk_bytes : ours;
    count_chunks(core);
    snapshot(core);
    if (x->inline_state) {
        gv_transfer_hold(x, handle);
        x->phase = x->push ? GV_EXCHANGE_STREAMING : GV_EXCHANGE_COPYING;
    } else {
        gv_offer_fill(core, gv_fx_send(core, link, GV_KIND_ACCEPT));
        x->phase = GV_EXCHANGE_STREAMING;
    }
}

static void on_accept(struct gv_core *core, const struct gv_msg_offer *accept, uint32_t handle)
{
    struct gv_exchange *x = &core->exchange;
    uint32_t codec = GV_CODEC_COUNT;
    enum gv_err err = gv_offer_judge_accept(core, accept, handle, &codec);
    if (err != GV_OK) {
        gv_fx_drop(core, handle);
        gv_exchange_fail(core, err, true);
        return;
    }
    gv_swarm_stats_seen(core, accept->stats.epoch);
    x->age_theirs = gv_age_believed(core, accept->age);
    core->theirs = accept->stats;
    x->codec = codec;
    x->phase = GV_EXCHANGE_STREAMING;
    x->progress_us = core->now_us;
    if (x->inline_state) {
        count_chunks(core);
        x->sent = 1; /* in the OFFER */
        gv_transfer_hold(x, handle);
    } else {
        x->chunk_bytes = accept->chunk_bytes;
        count_chunks(core);
        snapshot(core);
    }
    advance(core);
}

/* BUSY, or ABORT before anything was agreed: someone else will do. */
static void on_turned_down(struct gv_core *core, const struct gv_msg_exchange *msg, bool busy)
{
    struct gv_exchange *x = &core->exchange;
    uint32_t peer = gv_peers_find(core, &x->peer);
    uint32_t retry_ms = msg->retry_ms < BUSY_MIN_MS ? BUSY_MIN_MS : msg->retry_ms;
    retry_ms = retry_ms > BUSY_BACKOFF_MAX_MS ? BUSY_BACKOFF_MAX_MS : retry_ms;
    enum gv_err reason = msg->reason >= 100 && msg->reason < 200 ? (enum gv_err)msg->reason : GV_ERR_BUSY;
    if (peer != GV_NOBODY) {
        core->exchange_after_us[peer] = core->now_us + (busy ? retry_ms * GV_MS : MISMATCH_BACKOFF_US);
        if (reason != GV_ERR_BUSY) { /* which is no failure */
            gv_score_note(core, peer, reason);
        }
    }
    core->exchanges_refused++;
    gv_score_declined(core, reason);
    gv_fx_log(core, GV_LOG_EXCHANGE_REFUSED, &x->peer, reason, retry_ms);
    discard(core, false);
    gv_rounds_refused(core);
}

static void on_commit(struct gv_core *core, uint32_t link)
{
    struct gv_exchange *x = &core->exchange;
    if (x->initiator || x->phase != GV_EXCHANGE_DECIDING) {
        gv_exchange_fail(core, GV_ERR_PROTOCOL, true);
        return;
    }
    commit_and_tell(core, link);
}

/* They have merged our push. */
static void pushed(struct gv_core *core)
{
    struct gv_exchange *x = &core->exchange;
    if (!is_given(x)) {
        return;
    }
    count_done(core);
    gv_swarm_stats_given(core, x->stats_epoch);
    discard(core, false);
    gv_rounds_done(core);
    gv_lifecycle_exchanged(core);
}

static void committed(struct gv_core *core)
{
    struct gv_exchange *x = &core->exchange;
    if (x->push) {
        pushed(core);
        return;
    }
    if (!x->initiator || (x->phase != GV_EXCHANGE_DECIDING && x->phase != GV_EXCHANGE_ASKING)) {
        return;
    }
    commit(core);
}

static void on_outcome(struct gv_core *core, uint32_t link, uint64_t nonce)
{
    const struct gv_exchange *x = &core->exchange;
    const struct gv_id *them = &core->peers[core->link_peers[link]].ref.id;
    enum gv_outcome outcome = gv_outcome_recall(core, nonce, them);
    bool current = x->nonce == nonce && gv_id_equal(&x->peer, them) && !x->initiator;
    if (current && x->phase == GV_EXCHANGE_DECIDING) {
        outcome = GV_OUTCOME_PENDING;
    } else if (current && x->phase != GV_EXCHANGE_IDLE && x->phase != GV_EXCHANGE_MERGING) {
        gv_exchange_fail(core, GV_ERR_PROTOCOL, true); /* they ask about what we have not agreed to */
        outcome = GV_OUTCOME_ABORTED;
    }
    struct gv_msg *msg = gv_fx_send(core, link, GV_KIND_OUTCOME_REPLY);
    msg->u.outcome.nonce = nonce;
    msg->u.outcome.outcome = outcome;
}

static void on_outcome_reply(struct gv_core *core, uint32_t link, uint32_t outcome)
{
    struct gv_exchange *x = &core->exchange;
    if (x->phase != GV_EXCHANGE_ASKING) {
        return;
    }
    if (outcome == GV_OUTCOME_COMMITTED) {
        committed(core);
    } else if (outcome == GV_OUTCOME_PENDING) {
        x->link = (uint16_t)link;
        (void)send_plain(core, link, GV_KIND_COMMIT, x->nonce);
    } else if (outcome == GV_OUTCOME_ABORTED) {
        fail(core, GV_ERR_LINK_LOST, false);
    } else { /* the responder has restarted since; whether it had committed before, nobody can say any more */
        gv_exchange_fail(core, GV_ERR_LINK_LOST, false);
    }
}

static void on_running(struct gv_core *core, uint32_t link, const struct gv_event *event)
{
    struct gv_exchange *x = &core->exchange;
    const struct gv_msg *msg = event->u.msg.msg;
    enum gv_err err = GV_OK;
    switch (msg->kind) {
    case GV_KIND_CHUNK:
        err = GV_ERR_CHUNK;
        if (x->phase == GV_EXCHANGE_STREAMING) {
            err = gv_transfer_chunk(core, msg->u.chunk.index, event->u.msg.handle);
        }
        if (err != GV_OK) {
            gv_fx_drop(core, event->u.msg.handle);
        }
        break;
    case GV_KIND_CREDIT:
        if (x->phase == GV_EXCHANGE_STREAMING && !gv_transfer_credit(core, msg->u.exchange.credit)) {
            err = GV_ERR_PROTOCOL;
        }
        break;
    case GV_KIND_DONE:
        /* DONE says that all of ours is staged there: it cannot come before all of ours is sent. */
        if (x->phase != GV_EXCHANGE_STREAMING || x->sent != x->chunk_count || x->done_received || x->push) {
            err = GV_ERR_PROTOCOL;
        }
        x->done_received = true;
        break;
    case GV_KIND_COMMIT:
        on_commit(core, link);
        return;
    default: /* COMMITTED */
        committed(core);
        return;
    }
    if (err != GV_OK) {
        gv_exchange_fail(core, err, true);
        return;
    }
    advance(core);
}

static void on_abort(struct gv_core *core, const struct gv_msg_exchange *msg)
{
    struct gv_exchange *x = &core->exchange;
    enum gv_err reason = msg->reason >= 100 && msg->reason < 200 ? (enum gv_err)msg->reason : GV_ERR_PROTOCOL;
    if (x->phase == GV_EXCHANGE_OFFERED) {
        on_turned_down(core, msg, false);
    } else {
        fail(core, reason, false); /* who says so has not merged: no doubt */
    }
}

void gv_exchange_message(struct gv_core *core, uint32_t link, const struct gv_event *event)
{
    struct gv_exchange *x = &core->exchange;
    const struct gv_msg *msg = event->u.msg.msg;
    if (msg->kind == GV_KIND_OFFER) {
        on_offer(core, link, &msg->u.offer, event->u.msg.handle);
        return;
    }
    uint64_t nonce = msg->kind == GV_KIND_ACCEPT          ? msg->u.offer.nonce
                     : msg->kind == GV_KIND_CHUNK         ? msg->u.chunk.nonce
                     : msg->kind == GV_KIND_OUTCOME_REPLY ? msg->u.outcome.nonce
                                                          : msg->u.exchange.nonce;
    if (msg->kind == GV_KIND_OUTCOME) {
        on_outcome(core, link, nonce);
        return;
    }
    if (x->phase == GV_EXCHANGE_IDLE || x->phase == GV_EXCHANGE_MERGING || x->nonce != nonce || !is_with(core, link)) {
        gv_fx_drop(core, event->u.msg.handle); /* late: of an exchange that is over */
        return;
    }
    core->used_us[link] = core->now_us;
    switch (msg->kind) {
    case GV_KIND_ACCEPT:
        on_accept(core, &msg->u.offer, event->u.msg.handle);
        break;
    case GV_KIND_BUSY:
        if (x->phase == GV_EXCHANGE_OFFERED) {
            on_turned_down(core, &msg->u.exchange, true);
        }
        break;
    case GV_KIND_ABORT:
        on_abort(core, &msg->u.exchange);
        break;
    case GV_KIND_OUTCOME_REPLY:
        on_outcome_reply(core, link, msg->u.outcome.outcome);
        break;
    default:
        on_running(core, link, event);
        break;
    }
}

void gv_exchange_snapshot(struct gv_core *core, uint64_t nonce, enum gv_err verdict)
{
    struct gv_exchange *x = &core->exchange;
    bool waits = x->phase == GV_EXCHANGE_COPYING || x->phase == GV_EXCHANGE_STREAMING;
    if (!waits || x->nonce != nonce || !x->snapshot_asked || x->snapshot_ready) {
        return;
    }
    if (verdict == GV_ERR_DIVERGED) { /* before theirs is looked at: the delta would be as bad, and seem theirs */
        gv_exchange_fail(core, verdict, true);
        gv_lifecycle_diverged(core);
        return;
    }
    if (verdict != GV_OK) {
        gv_exchange_fail(core, GV_ERR_BUSY, true);
        return;
    }
    x->snapshot_ready = true;
    x->progress_us = core->now_us;
    if (x->phase == GV_EXCHANGE_COPYING && x->initiator) {
        send_offer(core);
        return;
    }
    if (x->phase == GV_EXCHANGE_COPYING) {
        gv_offer_fill(core, gv_fx_send(core, x->link, GV_KIND_ACCEPT));
        x->sent = 1; /* in the ACCEPT */
        x->phase = GV_EXCHANGE_STREAMING;
    }
    advance(core);
}

void gv_exchange_applied(struct gv_core *core, uint64_t nonce, uint32_t index, enum gv_err verdict)
{
    struct gv_exchange *x = &core->exchange;
    if (x->phase != GV_EXCHANGE_STREAMING || x->nonce != nonce || index != x->applied || x->applied >= x->applying) {
        return;
    }
    if (verdict != GV_OK) {
        gv_exchange_fail(core, verdict, true);
        return;
    }
    x->applied++;
    x->progress_us = core->now_us;
    if (!x->inline_state && x->applied < x->chunk_count) {
        send_plain(core, x->link, GV_KIND_CREDIT, nonce)->u.exchange.credit = x->applied + GV_CREDIT_CHUNKS_MAX;
    }
    advance(core);
}

void gv_exchange_merged(struct gv_core *core, uint64_t nonce)
{
    struct gv_exchange *x = &core->exchange;
    if (x->phase != GV_EXCHANGE_MERGING || x->nonce != nonce) {
        return;
    }
    x->phase = GV_EXCHANGE_IDLE;
    gv_rounds_done(core);
    gv_lifecycle_exchanged(core);
}

static void start_asking(struct gv_core *core)
{
    struct gv_exchange *x = &core->exchange;
    x->phase = GV_EXCHANGE_ASKING;
    x->deadline_us = core->now_us + gv_outcome_patience(core);
    x->asked_us = core->now_us;
}

/* Asks over whatever link there is, or dials. */
static void ask_outcome(struct gv_core *core)
{
    struct gv_exchange *x = &core->exchange;
    x->asked_us = core->now_us + ASK_AGAIN_US;
    uint32_t peer = gv_peers_find(core, &x->peer);
    if (peer == GV_NOBODY) {
        return;
    }
    uint32_t link = core->peer_links[peer];
    x->link = (uint16_t)link;
    if (link == GV_NOBODY && !core->config.oracle && core->dial_after_us[peer] <= core->now_us) {
        (void)gv_links_dial(core, peer, GV_WHY_OUTCOME);
    } else if (link != GV_NOBODY) {
        (void)send_plain(core, link, GV_KIND_OUTCOME, x->nonce);
    }
}

void gv_exchange_link_gone(struct gv_core *core, uint32_t link)
{
    struct gv_exchange *x = &core->exchange;
    if (x->phase == GV_EXCHANGE_IDLE || x->link != link) {
        return;
    }
    if (x->phase == GV_EXCHANGE_DECIDING && x->initiator) {
        start_asking(core); /* before the link is forgotten: the way over it is part of the patience */
    }
    x->link = GV_NOBODY;
#if defined(GV_CANARY) && GV_CANARY == 1 /* a responder that loses its partner takes it that COMMIT was under way */
    if (x->phase == GV_EXCHANGE_DECIDING && !x->initiator) {
        commit(core);
        return;
    }
#endif
    if (x->phase != GV_EXCHANGE_ASKING && x->phase != GV_EXCHANGE_MERGING) {
        gv_exchange_fail(core, GV_ERR_LINK_LOST, false);
    }
}

void gv_exchange_verified(struct gv_core *core, uint32_t link)
{
    struct gv_exchange *x = &core->exchange;
    if (x->phase == GV_EXCHANGE_ASKING && gv_id_equal(&x->peer, &core->peers[core->link_peers[link]].ref.id)) {
        ask_outcome(core);
    }
}

/* When a silent partner, or one that is only just not silent, has held us up long enough. */
static uint64_t give_up_us(const struct gv_core *core)
{
    const struct gv_exchange *x = &core->exchange;
    uint64_t at = x->progress_us + gv_outcome_patience(core);
    return x->phase == GV_EXCHANGE_STREAMING ? gv_sooner(at, x->started_us + gv_outcome_limit(core)) : at;
}

void gv_exchange_tick(struct gv_core *core)
{
    struct gv_exchange *x = &core->exchange;
    if (x->phase == GV_EXCHANGE_IDLE || x->phase == GV_EXCHANGE_MERGING || !gv_fx_room(core)) {
        return;
    }
    if (x->phase == GV_EXCHANGE_ASKING) {
        if (x->deadline_us <= core->now_us) {
#if defined(GV_CANARY) && GV_CANARY == 3 /* an initiator that never heard how it ended takes it for committed */
            commit(core);
            return;
#endif
            gv_exchange_fail(core, GV_ERR_TIMEOUT, false);
        } else if (x->asked_us <= core->now_us) {
            ask_outcome(core);
        }
        return;
    }
    if (core->now_us < give_up_us(core)) {
        return;
    }
    if (x->phase == GV_EXCHANGE_DECIDING && x->initiator) {
        start_asking(core);
        ask_outcome(core);
    } else {
        gv_exchange_fail(core, GV_ERR_TIMEOUT, true);
    }
}

uint64_t gv_exchange_deadline(const struct gv_core *core)
{
    const struct gv_exchange *x = &core->exchange;
    switch (x->phase) {
    case GV_EXCHANGE_IDLE:
    case GV_EXCHANGE_MERGING:
        return GV_NEVER;
    case GV_EXCHANGE_ASKING:
        return gv_sooner(x->deadline_us, x->asked_us);
    default:
        return give_up_us(core);
    }
}
