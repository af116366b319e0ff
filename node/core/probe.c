/*
 * Failure detection of neighbours: SWIM probes with Lifeguard's self-awareness.
 *
 *     IDLE --PING--> PINGED --timeout--> INDIRECT --timeout--> SUSPECT --suspicion over--> dead
 *       ^               |                   |                    |
 *       +---------------+-- any frame of it, or a helper's "alive" (only SUSPECT without a link goes on) --+
 *     any --link lost--> SUSPECT at once, with helpers asked and a redial
 *
 *     timeout    max(min, srtt + 4 rttvar) (LHM + 1)
 *     LHM        0..7; -1 per answered probe; +1 per failed probe, missing NACK, refutation of ourselves
 *     suspicion  max - (max - min) ln(c + 1) / ln(k + 1), k = 2, min = 4 max(1, log10 n) s, max = 6 min, with c the
 *                helpers linked to the suspect that could not reach it either, and dials that failed
 *
 * A PING says whether we suspect its receiver; the receiver then raises its record's sequence (refutation). A PONG
 * names the sender's neighbours: the helpers of later indirect probes; and if it leaves us out twice, the two views
 * have come apart and we drop it from ours.
 *
 * Sources: Das, Gupta, Motivala, "SWIM", 2002; Dadgar, Phillips, Currey, "Lifeguard", 2018.
 */
#include "core_state.h"

#include <string.h>

#include "fixed.h"

#define HEALTH_MAX 7
#define HELPERS 3
#define CONFIRMATIONS_MAX 2
#define LN2_OVER_LN3_Q16 41349u
#define LOG10_OF_2_Q16 19728u
#define RTTVAR_FIRST_DIVISOR 2
#define REFUTE_EVERY_US GV_SECOND
#define ACCUSED_EACH_US (60 * GV_SECOND)
#define OMITTED_MAX 2
#define RELAYS_PER_PEER 4          /* of the probes made for others at once, or one could leave none to anybody else */
#define SILENT_US (20 * GV_SECOND) /* longer than a host needs to find a dead connection */

uint64_t gv_probe_suspicion_us(uint32_t neighbours, uint32_t confirmations)
{
    uint64_t log10_q16 = ((gv_fixed_log2(neighbours < 1 ? 1 : neighbours) >> 11) * LOG10_OF_2_Q16) >> 16;
    uint64_t min_us = 4 * GV_SECOND * (log10_q16 < GV_Q16_ONE ? GV_Q16_ONE : log10_q16) / GV_Q16_ONE;
    uint64_t max_us = 6 * min_us;
    if (confirmations == 0) {
        return max_us;
    }
    return confirmations == 1 ? max_us - (max_us - min_us) * LN2_OVER_LN3_Q16 / GV_Q16_ONE : min_us;
}

static uint64_t prefix(const struct gv_id *id)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++) {
        value = value << 8 | id->b[i];
    }
    return value;
}

static void health_worse(struct gv_core *core)
{
    core->health += core->health < HEALTH_MAX ? 1 : 0;
}

static uint64_t timeout_us(const struct gv_core *core, uint32_t link)
{
    uint64_t us = 0;
    if (link != GV_NOBODY) {
        us = core->links[link].srtt_us + 4 * (uint64_t)core->links[link].rttvar_us;
    }
    us = us < core->config.probe_timeout_min_us ? core->config.probe_timeout_min_us : us;
    return us * (core->health + 1);
}

static void fill_ping(const struct gv_core *core, struct gv_msg *msg, uint32_t seq)
{
    msg->u.ping.seq = seq;
    msg->u.ping.trust_digest = core->trust_digest;
    msg->u.ping.manifest_version = core->manifest.version;
    msg->u.ping.manifest_hash = core->manifest.hash;
    msg->u.ping.age = core->age;
}

/* Our record rides along once after each change of it. */
static bool tell_record(struct gv_core *core, uint32_t link)
{
    bool news = core->links[link].told != core->self_version && !core->persisting;
    if (news) {
        core->links[link].told = core->self_version;
    }
    return news;
}

static uint32_t send_ping(struct gv_core *core, uint32_t link, bool suspected)
{
    uint32_t seq = ++core->probe_seq;
    struct gv_msg *msg = gv_fx_send(core, link, GV_KIND_PING);
    fill_ping(core, msg, seq);
    msg->u.ping.suspected = suspected;
    msg->u.ping.has_record = tell_record(core, link);
    return seq;
}

static void relief(struct gv_core *core, uint32_t row)
{
    struct gv_neighbour *n = &core->active[row];
    n->phase = GV_PROBE_IDLE;
    n->confirmations = 0;
    n->vouched = false;
    core->probe_due_us[row] = GV_NEVER;
}

void gv_probe_heard(struct gv_core *core, uint32_t link)
{
    uint32_t row = core->neighbours[core->link_peers[link]];
    if (row != GV_NOBODY && core->probe_due_us[row] != GV_NEVER) { /* any phase but IDLE */
        relief(core, row);
    }
}

bool gv_probe_suspected(const struct gv_core *core, uint32_t peer)
{
    uint32_t row = core->neighbours[peer];
    return row != GV_NOBODY && core->probe_due_us[row] != GV_NEVER && core->active[row].phase >= GV_PROBE_INDIRECT;
}

static bool is_far_neighbour(const struct gv_neighbour *n, const struct gv_id *id)
{
    uint64_t value = prefix(id);
    for (uint32_t i = 0; i < n->far_count; i++) {
        if (n->far[i] == value) {
            return true;
        }
    }
    return false;
}

static void ask_helpers(struct gv_core *core, uint32_t row)
{
    struct gv_neighbour *n = &core->active[row];
    uint32_t peer = core->view[row];
    uint32_t rows[GV_LINKS_MAX];
    uint32_t count = 0;
    n->helpers_linked = true;
    for (uint32_t pass = 0; pass < 2 && count == 0; pass++) {
        n->helpers_linked = pass == 0;
        for (uint32_t i = 0; i < core->config.links_max; i++) {
            uint32_t helper = core->link_peers[i];
            if (helper == GV_NOBODY || helper == peer) {
                continue;
            }
            if (pass == 0 ? is_far_neighbour(n, &core->peers[helper].ref.id) : core->roles[helper] == GV_ROLE_ACTIVE) {
                rows[count++] = i;
            }
        }
    }
    n->asked = n->nacks = 0;
    n->seq = ++core->probe_seq;
    while (n->asked < HELPERS && count > 0) {
        uint32_t at = gv_rng_below(&core->rng, count);
        struct gv_msg *msg = gv_fx_send(core, rows[at], GV_KIND_PROBE);
        msg->u.probe.seq = n->seq;
        msg->u.probe.target = core->peers[peer].ref.id;
        n->asked++;
        rows[at] = rows[--count];
    }
}

static void suspect(struct gv_core *core, uint32_t row)
{
    struct gv_neighbour *n = &core->active[row];
    n->phase = GV_PROBE_SUSPECT;
    n->suspect_us = core->now_us;
    core->probe_due_us[row] = core->now_us + gv_probe_suspicion_us(core->active_count, n->confirmations);
    gv_fx_log(core, GV_LOG_SUSPECT, &core->peers[core->view[row]].ref.id, GV_ERR_TIMEOUT, 0);
}

static void confirm(struct gv_core *core, uint32_t row)
{
    struct gv_neighbour *n = &core->active[row];
    if (n->confirmations < CONFIRMATIONS_MAX) {
        n->confirmations++;
    }
    if (n->phase == GV_PROBE_SUSPECT) {
        core->probe_due_us[row] = n->suspect_us + gv_probe_suspicion_us(core->active_count, n->confirmations);
    }
}

void gv_probe_link_lost(struct gv_core *core, uint32_t peer)
{
    uint32_t row = core->neighbours[peer];
    if (row == GV_NOBODY || core->stopped) {
        return;
    }
    if (core->active[row].phase != GV_PROBE_SUSPECT) {
        core->active[row].confirmations = 0;
        suspect(core, row);
        ask_helpers(core, row);
    }
    if (gv_peer_dialable(&core->peers[peer]) && core->dial_after_us[peer] <= core->now_us) {
        (void)gv_links_dial(core, peer, GV_WHY_PROBE);
    }
}

void gv_probe_dial_failed(struct gv_core *core, uint32_t peer)
{
    uint32_t row = core->neighbours[peer];
    if (row != GV_NOBODY && core->active[row].phase == GV_PROBE_SUSPECT && core->peer_links[peer] == GV_NOBODY) {
        confirm(core, row);
    }
}

static void declare_dead(struct gv_core *core, uint32_t row)
{
    uint32_t peer = core->view[row];
    bool vouched = core->active[row].vouched;
    uint64_t since_us = core->active[row].suspect_us;
    struct gv_id id = core->peers[peer].ref.id;
    gv_fx_log(core, GV_LOG_DEAD, &id, vouched ? GV_ERR_LINK_LOST : GV_ERR_TIMEOUT, core->now_us - since_us);
    if (!vouched) {
        gv_peers_bury(core, &core->peers[peer].ref, false);
    }
    gv_score_count(core, GV_ERR_TIMEOUT);
    gv_score_note(core, peer, GV_ERR_TIMEOUT);
    gv_views_remove(core, peer, vouched);
    gv_links_close_peer(core, peer, GV_ERR_TIMEOUT);
}

/* Who asks comes first, if it is one of them: it looks for itself. */
static void name_neighbours(const struct gv_core *core, uint32_t asker, struct gv_msg_ping *pong)
{
    if (core->roles[asker] == GV_ROLE_ACTIVE) {
        pong->neighbours[pong->neighbour_count++] = core->peers[asker].ref.id;
    }
    for (uint32_t i = 0; i < core->config.active_max && pong->neighbour_count < GV_NEIGHBOURS_NAMED_MAX; i++) {
        if (core->view[i] != GV_NOBODY && core->view[i] != asker) {
            pong->neighbours[pong->neighbour_count++] = core->peers[core->view[i]].ref.id;
        }
    }
}

/* Once a minute for each accuser, over however many links, or a few could blunt our judgement of others. */
static bool takes_to_heart(struct gv_core *core, uint32_t accuser)
{
    uint64_t until_us = core->accused_ds[accuser] * (100 * GV_MS);
    bool takes = gv_rate_take(&until_us, core->now_us, ACCUSED_EACH_US, 1);
    core->accused_ds[accuser] = (uint32_t)(until_us / (100 * GV_MS));
    return takes;
}

static void on_ping(struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    bool refute = msg->u.ping.suspected && !core->persisting &&
                  (core->refuted_us == 0 || core->now_us - core->refuted_us >= REFUTE_EVERY_US);
    if (refute) {
        core->refuted_us = core->now_us;
        if (takes_to_heart(core, core->link_peers[link])) {
            health_worse(core);
        }
        gv_probe_sign(core);
        gv_fx_log(core, GV_LOG_REFUTED, &core->peers[core->link_peers[link]].ref.id, GV_OK, core->self.sequence);
    }
    struct gv_msg *pong = gv_fx_send(core, link, GV_KIND_PONG);
    fill_ping(core, pong, msg->u.ping.seq);
    pong->u.ping.has_record = tell_record(core, link);
    name_neighbours(core, core->link_peers[link], &pong->u.ping);
}

static void measure(struct gv_link *link, uint64_t rtt_us)
{
    uint32_t rtt = rtt_us > 60 * GV_SECOND ? (uint32_t)(60 * GV_SECOND) : (uint32_t)rtt_us;
    rtt = rtt == 0 ? 1 : rtt;
    if (link->srtt_us == 0) {
        link->srtt_us = rtt;
        link->rttvar_us = rtt / RTTVAR_FIRST_DIVISOR;
        return;
    }
    uint32_t error = rtt > link->srtt_us ? rtt - link->srtt_us : link->srtt_us - rtt; /* RFC 6298 */
    link->rttvar_us = (3 * link->rttvar_us + error) / 4;
    link->srtt_us = (uint32_t)((7 * (uint64_t)link->srtt_us + rtt) / 8);
}

void gv_probe_greeted(struct gv_core *core, uint32_t link, uint64_t rtt_us)
{
    if (core->links[link].srtt_us == 0) {
        measure(&core->links[link], rtt_us);
    }
}

/* The answer to a probe's PING. A late one counts too, or we would never learn how far away a peer is; but for twice
   what we would have waited at most, so that a pause of a minute does not make us patient for an hour. */
static void note_answer(struct gv_core *core, struct gv_link *link, uint64_t rtt_us)
{
    uint64_t waited_us = timeout_us(core, (uint32_t)(link - core->links));
    bool late = rtt_us > waited_us;
    measure(link, late ? gv_sooner(rtt_us, 2 * waited_us) : rtt_us);
    core->health -= !late && core->health > 0 ? 1 : 0;
}

static void answer_relay(struct gv_core *core, const struct gv_relay *relay, bool alive)
{
    uint32_t asker = gv_links_find(core, relay->asker);
    if (asker == GV_NOBODY || core->links[asker].state != GV_LINK_VERIFIED) {
        return;
    }
    struct gv_msg *msg = gv_fx_send(core, asker, GV_KIND_PROBE_RESULT);
    msg->u.probe.seq = relay->their_seq;
    msg->u.probe.alive = alive;
    msg->u.probe.target = relay->target_id;
}

static void end_relay(struct gv_core *core, struct gv_relay *relay, bool alive)
{
    relay->used = false;
    core->relays_used--;
    answer_relay(core, relay, alive);
}

static void on_pong(struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    const struct gv_msg_ping *pong = &msg->u.ping;
    for (uint32_t i = 0; i < core->config.relays_max && core->relays_used > 0; i++) {
        if (core->relays[i].used && core->relays[i].target == core->handles[link] &&
            core->relays[i].our_seq == pong->seq) {
            end_relay(core, &core->relays[i], true);
        }
    }
    uint32_t peer = core->link_peers[link];
    uint32_t row = core->neighbours[peer];
    if (row == GV_NOBODY) {
        return;
    }
    struct gv_neighbour *n = &core->active[row];
    bool probed = n->ping_seq == pong->seq; /* else asked for by the way, perhaps before they took us up */
    if (n->sent_us != 0 && probed) {
        note_answer(core, &core->links[link], core->now_us - n->sent_us);
        n->sent_us = 0;
    }
    bool named = false;
    n->far_count = 0;
    for (uint32_t i = 0; i < pong->neighbour_count && i < GV_NEIGHBOURS_NAMED_MAX; i++) {
        n->far[n->far_count++] = prefix(&pong->neighbours[i]);
        named = named || gv_id_equal(&pong->neighbours[i], &core->self.id);
    }
    n->omitted = named ? 0 : (uint8_t)(n->omitted + (probed ? 1 : 0));
    if (n->omitted >= OMITTED_MAX) {
        gv_views_demote(core, peer, false);
    }
}

/* A place for a probe made for this peer; NULL: it has its share of them, or all are taken. */
static struct gv_relay *relay_for(struct gv_core *core, uint32_t peer)
{
    struct gv_relay *free_one = NULL;
    uint32_t same = 0;
    for (uint32_t i = 0; i < core->config.relays_max; i++) {
        struct gv_relay *relay = &core->relays[i];
        same += relay->used && relay->asker_peer == peer ? 1 : 0;
        free_one = relay->used ? free_one : relay;
    }
    return same < RELAYS_PER_PEER ? free_one : NULL;
}

static void on_probe(struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    uint32_t target = gv_peer_link(core, gv_peers_find(core, &msg->u.probe.target));
    struct gv_relay relay = {.used = true,
                             .asker = core->handles[link],
                             .asker_peer = core->link_peers[link],
                             .their_seq = msg->u.probe.seq,
                             .target_id = msg->u.probe.target};
    if (target == GV_NOBODY) {
        answer_relay(core, &relay, false);
        return;
    }
    struct gv_relay *place = relay_for(core, relay.asker_peer);
    if (place == NULL) {
        return; /* we have not tried, and to say that it is not alive would confirm a suspicion */
    }
    relay.target = core->handles[target];
    relay.until_us = core->now_us + timeout_us(core, target);
    relay.our_seq = send_ping(core, target, false);
    *place = relay;
    core->relays_used++;
}

static void on_result(struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    uint32_t peer = gv_peers_find(core, &msg->u.probe.target);
    uint32_t row = peer == GV_NOBODY ? GV_NOBODY : core->neighbours[peer];
    if (row == GV_NOBODY || core->link_peers[link] == peer) {
        return;
    }
    struct gv_neighbour *n = &core->active[row];
    if (n->phase < GV_PROBE_INDIRECT || n->seq != msg->u.probe.seq || n->asked == 0) {
        return;
    }
    if (!msg->u.probe.alive) {
        if (n->nacks == n->asked) {
            return; /* more answers than helpers */
        }
        n->nacks++;
        if (n->helpers_linked) {
            confirm(core, row);
        }
        return;
    }
    n->vouched = true;
    n->confirmations = 0;
    uint32_t own = core->peer_links[peer];
    if (own != GV_NOBODY && core->now_us - core->links[own].heard_us >= SILENT_US) {
        gv_links_close(core, own, GV_ERR_TIMEOUT); /* it lives, and this link does not: suspect again, and redial */
    } else if (own != GV_NOBODY) {
        relief(core, row);
    } else {
        core->probe_due_us[row] = n->suspect_us + gv_probe_suspicion_us(core->active_count, 0);
    }
}

void gv_probe_message(struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    if (msg->kind == GV_KIND_PING || msg->kind == GV_KIND_PONG) {
        uint32_t peer = core->link_peers[link];
        if (msg->ref_count > 0 && gv_id_equal(&msg->refs[0].id, &core->peers[peer].ref.id)) {
            gv_views_learn(core, &msg->refs[0]);
            core->links[link].incarnation = (uint32_t)msg->refs[0].incarnation;
        }
        gv_gossip_seen(core, link, msg->u.ping.manifest_version, &msg->u.ping.manifest_hash, msg->u.ping.trust_digest);
    }
    switch (msg->kind) {
    case GV_KIND_PING:
        on_ping(core, link, msg);
        break;
    case GV_KIND_PONG:
        on_pong(core, link, msg);
        break;
    case GV_KIND_PROBE:
        on_probe(core, link, msg);
        break;
    default:
        on_result(core, link, msg);
        break;
    }
}

void gv_probe_ping(struct gv_core *core, uint32_t link)
{
    (void)send_ping(core, link, false);
}

void gv_probe_tell_all(struct gv_core *core)
{
    core->tell_us = GV_NEVER;
    core->told_us = core->now_us;
    for (uint32_t i = 0; i < core->config.active_max; i++) {
        uint32_t link = gv_peer_link(core, core->view[i]);
        if (link != GV_NOBODY) {
            (void)send_ping(core, link, false);
        }
    }
}

void gv_probe_sign(struct gv_core *core)
{
    core->self.sequence++;
    core->self_version++;
    core->signed_us = core->now_us;
    struct gv_effect *effect = gv_fx(core, GV_FX_SIGN);
    effect->u.self.incarnation = core->self.incarnation;
    effect->u.self.sequence = core->self.sequence;
}

static void probe_next(struct gv_core *core)
{
    for (uint32_t i = 0; i < core->config.active_max && gv_fx_room(core); i++) { /* a redial may close a link first */
        core->probe_next = core->probe_next + 1 < core->config.active_max ? core->probe_next + 1 : 0;
        uint32_t peer = core->view[core->probe_next];
        struct gv_neighbour *n = &core->active[core->probe_next];
        if (peer == GV_NOBODY || (n->phase != GV_PROBE_IDLE && n->phase != GV_PROBE_SUSPECT)) {
            continue;
        }
        uint32_t link = core->peer_links[peer];
        if (link == GV_NOBODY) { /* suspect: its redial is all we can do */
            gv_probe_link_lost(core, peer);
            continue;
        }
        uint32_t seq = send_ping(core, link, n->phase == GV_PROBE_SUSPECT);
        if (n->phase == GV_PROBE_IDLE) {
            n->phase = GV_PROBE_PINGED;
            n->ping_seq = seq;
            n->sent_us = core->now_us;
            core->probe_due_us[core->probe_next] = core->now_us + timeout_us(core, link);
        }
        return;
    }
}

static void neighbour_late(struct gv_core *core, uint32_t row)
{
    struct gv_neighbour *n = &core->active[row];
    switch (n->phase) {
    case GV_PROBE_PINGED:
        health_worse(core);
        n->phase = GV_PROBE_INDIRECT;
        n->confirmations = 0;
        core->probe_due_us[row] = core->now_us + 2 * timeout_us(core, core->peer_links[core->view[row]]);
        ask_helpers(core, row);
        break;
    case GV_PROBE_INDIRECT:
        if (n->nacks < n->asked) {
            health_worse(core);
        }
        suspect(core, row);
        break;
    case GV_PROBE_SUSPECT:
        declare_dead(core, row);
        break;
    default:
        break;
    }
}

void gv_probe_tick(struct gv_core *core)
{
    for (uint32_t i = 0; i < core->config.active_max; i++) {
        if (core->probe_due_us[i] <= core->now_us && gv_fx_room(core)) {
            neighbour_late(core, i);
        }
    }
    for (uint32_t i = 0; i < core->config.relays_max && core->relays_used > 0; i++) {
        if (core->relays[i].used && core->relays[i].until_us <= core->now_us && gv_fx_room(core)) {
            end_relay(core, &core->relays[i], false);
        }
    }
    if (core->tell_us <= core->now_us && gv_fx_room(core)) {
        gv_probe_tell_all(core);
    }
    if (core->probe_us <= core->now_us && gv_fx_room(core)) {
        core->probe_us = core->now_us + core->config.probe_us;
        if (core->now_us - core->signed_us >= core->config.record_refresh_us && !core->persisting) {
            gv_probe_sign(core);
        }
        probe_next(core);
    }
}

uint64_t gv_probe_deadline(const struct gv_core *core)
{
    uint64_t at = gv_sooner(core->probe_us, core->tell_us);
    for (uint32_t i = 0; i < core->config.active_max; i++) {
        at = gv_sooner(at, core->probe_due_us[i]);
    }
    for (uint32_t i = 0; i < core->config.relays_max && core->relays_used > 0; i++) {
        if (core->relays[i].used) {
            at = gv_sooner(at, core->relays[i].until_us);
        }
    }
    return at;
}
