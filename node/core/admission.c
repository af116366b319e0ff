/*
 * Admission: from a bare encrypted link to a verified one.
 *
 *     who dials                                   who is dialled
 *     LINK_UP -> HELLO ------------------------>  INBOUND: checks what the host could not (below)
 *     GREETED <------------- WELCOME | REFUSE --  -> VERIFIED, or VISITED, or REFUSE and CLOSE
 *     checks the same; VERIFIED, or REFUSE and CLOSE
 *
 *     about the record's id                       answer
 *     ours                                        ourselves (same boot): close; else alarm, REFUSE COPIED_KEY
 *     has left the swarm                          REFUSE LEFT
 *     an incarnation below the one we know        REFUSE STALE with the one we know
 *     the same incarnation, another boot          alarm, REFUSE COPIED_KEY behind the record that proves it
 *     a higher incarnation                        the old link and its state are destroyed first
 *     a bad score                                 REFUSE RATE with the time until it is good; so on a VERIFIED link
 *
 * INTRODUCE takes the place of all this where the host itself vouches for the peer.
 *
 * Told STALE, a node puts seen + 1 on disk (PERSIST) and dials again once that is done; until then no HELLO leaves it,
 * and none is taken, so it believes that twice (peers may have last met it at different times) and then once a minute.
 */
#include "core_state.h"

#define ADMISSIONS_PER_SECOND 20
#define INCARNATION_JUMP_MAX (1u << 20) /* one start each: nobody restores a backup a million starts old */
#define STALE_EVERY_US (60 * GV_SECOND)
#define STALE_AT_ONCE 2
#define ALARM_EVERY_US (10 * GV_SECOND)
#define REDIRECT_RECORDS 16

static void fill_hello(const struct gv_core *core, struct gv_msg *msg)
{
    struct gv_msg_hello *hello = &msg->u.hello;
    hello->swarm = core->swarm;
    hello->purpose = GV_PURPOSE_MEMBER;
    hello->state = core->shown;
    hello->boot = core->self.boot;
    hello->manifest_version = core->manifest.version;
    hello->manifest_hash = core->manifest.hash;
    hello->trust_digest = core->trust_digest;
    hello->age = core->age;
    hello->wall_s = core->wall_s;
    hello->self = core->self;
}

/* How long a peer with a bad score need not come. */
static uint32_t shut_out_ms(const struct gv_core *core, uint32_t peer)
{
    uint64_t good_us = gv_score_good_at(core, peer);
    return good_us > core->now_us ? (uint32_t)((good_us - core->now_us) / GV_MS + 1) : 0;
}

static void send_refuse(struct gv_core *core, uint32_t link, enum gv_err reason, uint64_t seen, uint32_t retry_ms)
{
    struct gv_msg *msg = gv_fx_send(core, link, GV_KIND_REFUSE);
    msg->u.refuse.reason = reason;
    msg->u.refuse.seen_incarnation = seen;
    msg->u.refuse.retry_ms = retry_ms;
}

static void refuse(struct gv_core *core, uint32_t link, const struct gv_id *id, enum gv_err reason, uint64_t seen,
                   uint32_t retry_ms)
{
    send_refuse(core, link, reason, seen, retry_ms);
    gv_score_count(core, reason);
    if (reason != GV_ERR_DUPLICATE) {
        gv_fx_log(core, GV_LOG_PEER_REFUSED, id, reason, 0);
    }
    gv_links_close(core, link, reason);
}

/* What it did is counted and logged already. */
void gv_admission_shut_out(struct gv_core *core, uint32_t peer)
{
    send_refuse(core, core->peer_links[peer], GV_ERR_RATE, 0, shut_out_ms(core, peer));
}

static void alarm_about(struct gv_core *core, const struct gv_id *id, enum gv_err reason)
{
    if (core->alarm_us == 0 || core->now_us - core->alarm_us >= ALARM_EVERY_US) {
        core->alarm_us = core->now_us;
        gv_fx_alarm(core, id, reason);
    }
}

void gv_admission_stale(struct gv_core *core, uint64_t seen)
{
    bool plausible = seen >= core->self.incarnation && seen - core->self.incarnation <= INCARNATION_JUMP_MAX;
    if (!plausible || core->persisting || !gv_rate_take(&core->stale_us, core->now_us, STALE_EVERY_US, STALE_AT_ONCE)) {
        return;
    }
    core->persisting = true;
    core->persist_to = seen + 1;
    gv_fx(core, GV_FX_PERSIST)->u.self.incarnation = seen + 1;
}

void gv_admission_persisted(struct gv_core *core, uint64_t incarnation, uint32_t sequence)
{
    if (incarnation < core->self.incarnation) {
        return;
    }
    core->self.incarnation = incarnation;
    core->self.sequence = sequence;
    core->self_version++;
    core->persisting = false;
    core->book_us = core->seed_us = core->promote_us = core->now_us; /* dial again, at once */
    core->book_wait_us = 0;
}

void gv_admission_self_seen(struct gv_core *core, const struct gv_ref *ref)
{
    if (ref->incarnation > core->self.incarnation) {
        gv_admission_stale(core, ref->incarnation);
    } else if (ref->incarnation == core->self.incarnation && ref->boot != core->self.boot) {
        alarm_about(core, &core->self.id, GV_ERR_COPIED_KEY);
    }
}

void gv_admission_link_up(struct gv_core *core, const struct gv_event *event)
{
    uint32_t dial = gv_links_dial_find(core, event->u.dial.dial);
    uint32_t link = GV_NOBODY;
    if (dial != GV_NOBODY && core->dials[dial].link == GV_NOBODY && !core->persisting && !core->stopped) {
        link = gv_links_add(core, event->link, GV_LINK_GREETED);
    }
    if (link == GV_NOBODY) {
        struct gv_effect *effect = gv_fx(core, GV_FX_CLOSE);
        effect->link = event->link;
        effect->reason = core->stopped ? GV_ERR_STOPPING : GV_ERR_CROWDED;
        gv_score_count(core, effect->reason);
        if (dial != GV_NOBODY && core->dials[dial].link == GV_NOBODY) {
            gv_links_dial_over(core, dial, GV_ERR_CROWDED);
        }
        return;
    }
    core->links[link].dialled = true;
    core->links[link].records_due = GV_RECORDS_PER_MSG_MAX; /* a crowded peer may name others at once */
    core->links[link].dial = (uint16_t)dial;
    core->dials[dial].link = (uint16_t)link;
    gv_links_changed(core);
    core->links[link].told = core->self_version;
    fill_hello(core, gv_fx_send(core, link, GV_KIND_HELLO));
}

void gv_admission_link_in(struct gv_core *core, const struct gv_event *event)
{
    bool room = core->links_provisional < core->config.provisional_max && gv_links_make_room(core) && !core->stopped;
    uint32_t link = room ? gv_links_add(core, event->link, GV_LINK_INBOUND) : GV_NOBODY;
    if (link == GV_NOBODY) {
        gv_score_count(core, GV_ERR_CROWDED);
        struct gv_effect *effect = gv_fx(core, GV_FX_CLOSE);
        effect->link = event->link;
        effect->reason = core->stopped ? GV_ERR_STOPPING : GV_ERR_CROWDED;
    }
}

/* What the table says about a verified record; GV_OK puts the peer's row into *peer. */
static enum gv_err check_record(struct gv_core *core, const struct gv_msg_hello *hello, uint32_t *peer, uint64_t *seen)
{
    const struct gv_ref *ref = &hello->self;
    *seen = 0;
    if (gv_id_equal(&ref->id, &core->self.id)) {
        bool copy = ref->boot != core->self.boot; /* else we dialled ourselves */
        if (copy) {
            alarm_about(core, &ref->id, GV_ERR_COPIED_KEY);
        }
        return copy ? GV_ERR_COPIED_KEY : GV_ERR_DUPLICATE;
    }
    if (gv_peers_left(core, &ref->id)) {
        return GV_ERR_LEFT;
    }
    gv_peers_exhume(core, &ref->id); /* it speaks: whatever was said of it */
    *peer = gv_peers_intern(core, ref);
    struct gv_peer *p = &core->peers[*peer];
    enum gv_err err = gv_peers_update(core, *peer, ref);
    uint32_t old = core->peer_links[*peer];
    if (err == GV_OK && old != GV_NOBODY && core->links[old].incarnation != (uint32_t)ref->incarnation) {
        gv_views_remove(core, *peer, true); /* it has started anew and knows nothing of us */
        gv_links_close_peer(core, *peer, GV_ERR_STALE);
    }
    if (err == GV_ERR_STALE) {
        *seen = p->ref.incarnation;
    } else if (err == GV_ERR_COPIED_KEY) {
        alarm_about(core, &ref->id, err);
    } else if (gv_score_bad(core, *peer)) {
        err = GV_ERR_RATE;
    }
    return err;
}

static void note_offset(struct gv_core *core, uint64_t wall_s)
{
    if (core->wall_s == 0 || wall_s == 0 || wall_s > INT64_MAX) {
        return;
    }
    core->offsets[core->offset_next] = (int64_t)wall_s - (int64_t)core->wall_s;
    core->offset_next = (core->offset_next + 1) % GV_OFFSETS_MAX;
    core->offset_count += core->offset_count < GV_OFFSETS_MAX ? 1 : 0;
}

/* The link is verified: everyone who waited for it goes on. Without a hello the host has introduced the peer. */
static void verified(struct gv_core *core, uint32_t link, uint32_t why, const struct gv_msg_hello *hello)
{
    struct gv_peer *peer = &core->peers[core->link_peers[link]];
    gv_fx_log(core, GV_LOG_PEER_JOINED, &peer->ref.id, GV_OK, core->links[link].dialled);
    core->ever_met = true;
    uint32_t handle = core->handles[link];
    gv_probe_heard(core, link);
    if (hello != NULL) {
        note_offset(core, hello->wall_s);
        gv_gossip_seen(core, link, hello->manifest_version, &hello->manifest_hash, hello->trust_digest);
    }
    if (!core->config.oracle) {
        gv_views_verified(core, link, why);
    }
    gv_exchange_verified(core, link);
    gv_fetch_verified(core, link);
    gv_lifecycle_verified(core);
    if (gv_links_find(core, handle) == link) {
        gv_rounds_verified(core, link);
    }
}

/* A branch (gv_ref_branch()) that was most of the last few leaves half of what we take at once to others, so that many
   identities of one member do not keep all others out. */
static bool may_enter(struct gv_core *core, const struct gv_ref *ref)
{
    uint64_t branch = gv_ref_branch(&core->self, ref);
    uint32_t same = 0;
    for (uint32_t i = 0; i < GV_ADMITTED_MAX; i++) {
        same += core->admitted[i] == branch ? 1 : 0;
    }
    uint32_t left = same > GV_ADMITTED_MAX / 2 ? ADMISSIONS_PER_SECOND / 2 : 0;
    if (!gv_bucket_take_leaving(&core->admissions, core->now_us, ADMISSIONS_PER_SECOND, ADMISSIONS_PER_SECOND, left)) {
        return false;
    }
    core->admitted[core->admitted_next] = branch;
    core->admitted_next = (core->admitted_next + 1) % GV_ADMITTED_MAX;
    return true;
}

/* The record that we know of a copied key: nobody need take our word for it, or anybody could raise alarms. None if the
   key is ours: both ends have shown theirs. */
static void prove_copy(struct gv_core *core, uint32_t link, uint32_t peer)
{
    if (peer != GV_NOBODY) {
        struct gv_msg *proof = gv_fx_send(core, link, GV_KIND_RECORDS);
        proof->ref_count = 1;
        proof->refs[0] = core->peers[peer].ref;
    }
}

static void on_hello(struct gv_core *core, uint32_t link, const struct gv_event *event)
{
    const struct gv_msg_hello *hello = &event->u.msg.msg->u.hello;
    if (event->verdict != GV_OK) {
        refuse(core, link, &hello->self.id, event->verdict, 0, 0);
        return;
    }
    if (core->persisting) {
        refuse(core, link, &hello->self.id, GV_ERR_BUSY, 0, 1000);
        return;
    }
    if (hello->purpose == GV_PURPOSE_VISIT) {
        gv_links_visited(core, link);
        fill_hello(core, gv_fx_send(core, link, GV_KIND_WELCOME));
        return;
    }
    uint32_t peer = GV_NOBODY;
    uint64_t seen = 0;
    enum gv_err err = check_record(core, hello, &peer, &seen);
    if (err == GV_ERR_COPIED_KEY) { /* before it is greeted it looks at no record */
        fill_hello(core, gv_fx_send(core, link, GV_KIND_WELCOME));
        prove_copy(core, link, peer);
    }
    if (err != GV_OK) {
        refuse(core, link, &hello->self.id, err, seen, err == GV_ERR_RATE ? shut_out_ms(core, peer) : 0);
        return;
    }
    if (!may_enter(core, &hello->self)) { /* redirect: who is welcome nowhere else still learns of others */
        fill_hello(core, gv_fx_send(core, link, GV_KIND_WELCOME));
        gv_views_sample(core, gv_fx_send(core, link, GV_KIND_RECORDS), REDIRECT_RECORDS, &hello->self.id);
        refuse(core, link, &hello->self.id, GV_ERR_CROWDED, 0, 5000);
        return;
    }
    enum gv_place place = gv_links_verify(core, link, peer);
    if (place == GV_PLACE_NONE) {
        refuse(core, link, &hello->self.id, GV_ERR_DUPLICATE, 0, 0);
        return;
    }
    core->links[link].told = core->self_version;
    fill_hello(core, gv_fx_send(core, link, GV_KIND_WELCOME));
    if (place != GV_PLACE_SPARE) {
        verified(core, link, 0, hello);
    }
}

static void on_welcome(struct gv_core *core, uint32_t link, const struct gv_event *event)
{
    const struct gv_msg_hello *hello = &event->u.msg.msg->u.hello;
    struct gv_dial *dial = &core->dials[core->links[link].dial];
    enum gv_err err = event->verdict;
    if (err == GV_OK && dial->kind == GV_DIAL_PEER && !gv_id_equal(&dial->id, &hello->self.id)) {
        err = GV_ERR_KEY_MISMATCH;
    }
    if (err == GV_OK && hello->purpose != GV_PURPOSE_MEMBER) {
        err = GV_ERR_PROTOCOL; /* of visitors the host keeps no record: it would not see that this one is revoked */
    }
    uint32_t peer = GV_NOBODY;
    uint64_t seen = 0;
    if (err == GV_OK) {
        err = check_record(core, hello, &peer, &seen);
    }
    if (err == GV_ERR_COPIED_KEY) {
        prove_copy(core, link, peer);
    }
    if (err == GV_ERR_STALE || err == GV_ERR_COPIED_KEY) {
        refuse(core, link, &hello->self.id, err, seen, 0);
        return;
    }
    if (err != GV_OK) {
        gv_score_count(core, err);
        gv_links_close(core, link, err);
        return;
    }
    uint32_t why = dial->why;
    if (dial->kind == GV_DIAL_SEED && dial->index < GV_SEEDS_MAX) {
        core->seeds[dial->index] = hello->self.id;
        core->seed_met[dial->index] = true;
    }
    gv_links_dial_over(core, core->links[link].dial, GV_OK);
    gv_probe_greeted(core, link, core->now_us - core->used_us[link]); /* since our HELLO */
    enum gv_place place = gv_links_verify(core, link, peer);
    if (place == GV_PLACE_NONE) {
        gv_links_close(core, link, GV_ERR_DUPLICATE);
    }
    if (place == GV_PLACE_NONE || place == GV_PLACE_SPARE) {
        gv_views_verified(core, core->peer_links[peer], why);
        gv_rounds_verified(core, core->peer_links[peer]);
        return;
    }
    verified(core, link, why, hello);
}

static void on_refuse(struct gv_core *core, uint32_t link, const struct gv_msg_refuse *msg)
{
    enum gv_err reason = msg->reason >= 100 && msg->reason < 200 ? (enum gv_err)msg->reason : GV_ERR_PROTOCOL;
    uint32_t peer = core->link_peers[link];
    if (peer == GV_NOBODY && core->links[link].dial != GV_NOBODY) {
        const struct gv_dial *dial = &core->dials[core->links[link].dial];
        peer = dial->kind == GV_DIAL_PEER ? gv_peers_find(core, &dial->id) : GV_NOBODY;
    }
    if (reason != GV_ERR_DUPLICATE) {
        gv_fx_log(core, GV_LOG_WE_REFUSED, peer == GV_NOBODY ? NULL : &core->peers[peer].ref.id, reason, 0);
    }
    uint64_t seen = msg->seen_incarnation;
    uint32_t retry_ms = msg->retry_ms < 600000 ? msg->retry_ms : 600000;
    bool for_now = reason == GV_ERR_BUSY || reason == GV_ERR_CROWDED || reason == GV_ERR_DUPLICATE;
    if (peer != GV_NOBODY && !for_now) {
        gv_views_demote(core, peer, false); /* whoever refuses us is no neighbour: nothing to suspect, no need to ask */
    }
    gv_links_close(core, link, reason);
    if (peer != GV_NOBODY && retry_ms > 0) {
        core->dial_after_us[peer] = core->now_us + retry_ms * GV_MS;
    }
    if (reason == GV_ERR_STALE) {
        gv_admission_stale(core, seen);
    }
}

void gv_admission_message(struct gv_core *core, uint32_t link, const struct gv_event *event)
{
    enum gv_link_state state = core->links[link].state;
    enum gv_kind kind = event->u.msg.msg->kind;
    if (kind == GV_KIND_REFUSE && (state == GV_LINK_GREETED || state == GV_LINK_VERIFIED)) {
        on_refuse(core, link, &event->u.msg.msg->u.refuse);
    } else if (kind == GV_KIND_HELLO && state == GV_LINK_INBOUND) {
        on_hello(core, link, event);
    } else if (kind == GV_KIND_WELCOME && state == GV_LINK_GREETED) {
        on_welcome(core, link, event);
    } else {
        gv_score_add(core, core->link_peers[link], GV_ERR_PROTOCOL, GV_SCORE_SLIGHT);
    }
}

void gv_admission_introduced(struct gv_core *core, const struct gv_event *event)
{
    const struct gv_ref *ref = &event->u.introduce.ref;
    bool room = core->links_used < core->config.links_max && !gv_peers_left(core, &ref->id);
    uint32_t peer = GV_NOBODY;
    if (room) {
        gv_peers_exhume(core, &ref->id);
        peer = gv_peers_intern(core, ref);
    }
    enum gv_err err = GV_ERR_CROWDED;
    if (peer != GV_NOBODY) {
        err = gv_peers_update(core, peer, ref);
        err = err == GV_OK && core->peer_links[peer] != GV_NOBODY ? GV_ERR_DUPLICATE : err;
    }
    uint32_t link = err == GV_OK ? gv_links_add(core, event->link, GV_LINK_INBOUND) : GV_NOBODY;
    if (link == GV_NOBODY) {
        struct gv_effect *effect = gv_fx(core, GV_FX_CLOSE);
        effect->link = event->link;
        effect->reason = err;
        gv_score_count(core, err);
        return;
    }
    enum gv_place place = gv_links_verify(core, link, peer);
    GV_ASSERT(place == GV_PLACE_ONLY);
    core->links[link].told = core->self_version;
    core->offer_after_us[link] = event->u.introduce.answer_only ? GV_NEVER : core->offer_after_us[link];
    verified(core, link, 0, NULL);
    gv_rounds_introduced(core);
}
