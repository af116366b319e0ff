/*
 * When to exchange, and with whom.
 *
 *     nothing due --H steps done (or settling, warming up)--> due --peer with a link--> OFFER
 *                                                             due --peer without--> dials, waits --verified--> OFFER
 *     exchange committed --> nothing due        exchange failed, BUSY, dial failed --> due, after a back-off
 *
 * The peer is one of everyone we know (active, passive, linked), not only the neighbours: the passive view is a fresh
 * sample of the swarm, and a uniform peer each time mixes fastest. Of several drawn, it is the one with which we
 * exchanged least recently, whoever began: then each record that reaches us is used about once, and how often a node is
 * chosen follows how often it makes itself known, which is the same for all, rather than how long others remember it.
 * A committed exchange that somebody else began does not count as ours.
 *
 * Everybody gets a turn: an offer is answered BUSY if the last exchange with the same peer is not yet followed by
 * nearly half as many as we know nodes; chance would bring it back after about as many as we know. Otherwise one that
 * offers all the time is most of what we hear between two rounds of ours. Nobody waits for others that may never come:
 * while our own exchange is due, or if we have no rounds now, everybody is welcome; so they are in a very small swarm.
 *
 * When rounds are not much longer than exchanges, exchanges of ours keep a distance of about four of their durations,
 * so that a node is free more than half of the time; more would only be refused (BUSY), and mix no faster.
 *
 * With an oracle the host decides who meets whom and when: nobody is dialled, exchanges keep no distance, and a round
 * that is due while there is nobody waits for the next introduction.
 */
#include "core_state.h"

#define BACKOFF_US (10 * GV_MS)
#define BACKOFF_DOUBLINGS_MAX 8 /* 2.56 s */
#define REFUSED_US (2 * GV_MS)
#define REFUSED_MAX_US (500 * GV_MS)
#define REFUSED_DOUBLINGS_MAX 3
#define SPACING_MAX_US GV_SECOND
#define NOBODY_US (250 * GV_MS)
#define WAIT_US (5 * GV_SECOND)
#define DRAWS 9
#define NEVER UINT32_MAX

static bool suits(const struct gv_core *core, uint32_t peer)
{
    if (core->exchange_after_us[peer] > core->now_us || gv_score_bad(core, peer) || gv_probe_suspected(core, peer)) {
        return false;
    }
    uint32_t link = core->peer_links[peer];
    if (core->roles[peer] == GV_ROLE_NONE && gv_peer_dialable(&core->peers[peer]) && !core->config.oracle) {
        return false; /* who only keeps a link to us has had its turn in the passive view */
    }
    if (link != GV_NOBODY) {
        return core->offer_after_us[link] <= core->now_us;
    }
    if (core->config.oracle || core->roles[peer] == GV_ROLE_NONE) {
        return false;
    }
    bool dialable = core->roles[peer] == GV_ROLE_PASSIVE || gv_peer_dialable(&core->peers[peer]);
    return dialable && core->dial_after_us[peer] <= core->now_us; /* who is passive is dialable */
}

/* When the first of those who are only busy may be asked again; GV_NEVER: not before the next introduction. */
static uint64_t soonest(const struct gv_core *core)
{
    uint64_t at = core->config.oracle ? GV_NEVER : core->now_us + NOBODY_US;
    for (uint32_t i = 0; i < core->peers_used; i++) {
        uint32_t link = core->peer_links[i];
        if (link != GV_NOBODY && !gv_score_bad(core, i) && !gv_probe_suspected(core, i)) {
            uint64_t offer_us = core->offer_after_us[link];
            at = gv_sooner(at, core->exchange_after_us[i] > offer_us ? core->exchange_after_us[i] : offer_us);
        }
    }
    return at <= core->now_us ? core->now_us + GV_MS : at;
}

static void back_off(struct gv_core *core)
{
    uint32_t doublings = core->rounds.attempts < BACKOFF_DOUBLINGS_MAX ? core->rounds.attempts : BACKOFF_DOUBLINGS_MAX;
    core->rounds.attempts++;
    core->rounds.next_us = core->now_us + gv_rng_jitter(&core->rng, BACKOFF_US << doublings, 50);
}

void gv_rounds_due(struct gv_core *core)
{
    if (!core->rounds.due) {
        core->rounds.due = true;
        core->rounds.attempts = 0;
        core->rounds.period_us = core->rounds.due_us == 0 ? 0 : core->now_us - core->rounds.due_us;
        core->rounds.due_us = core->now_us;
        bool past = core->rounds.next_us < core->now_us || core->rounds.next_us == GV_NEVER;
        core->rounds.next_us = past ? core->now_us : core->rounds.next_us;
    }
}

static uint16_t next_number(uint16_t *last)
{
    *last = (uint16_t)(*last % UINT16_MAX + 1);
    return *last;
}

static void note_met(struct gv_core *core, uint32_t peer)
{
    if (peer != GV_NOBODY) {
        core->peers[peer].met = next_number(&core->rounds.met);
    }
}

/* How many have been numbered since one of number `then`; NEVER: it was none, or is forgotten. */
static uint32_t since(uint16_t now, uint16_t then)
{
    return then == 0 ? NEVER : (uint16_t)(now - then);
}

/* Whom we met longest ago comes first. */
static uint32_t recency(const struct gv_core *core, uint32_t peer)
{
    return NEVER - since(core->rounds.met, core->peers[peer].met);
}

/* A node that is paused or has done its work has none, nor has one at an hour at which it does not train. */
static bool has_rounds(const struct gv_core *core)
{
    return core->training && core->now_us - core->rounds.due_us <= 2 * core->rounds.period_us;
}

bool gv_rounds_in_turn(const struct gv_core *core, uint32_t peer)
{
    if (core->rounds.due || !has_rounds(core) || core->config.oracle) {
        return true;
    }
    uint32_t half = (core->active_count + core->passive_count) / 2;
    return half <= 1 || since(core->rounds.exchanged, core->peers[peer].exchanged) >= half - 1;
}

void gv_rounds_done(struct gv_core *core)
{
    core->rounds.attempts = 0;
    uint32_t peer = gv_peers_find(core, &core->exchange.peer);
    note_met(core, peer);
    if (peer != GV_NOBODY) {
        core->peers[peer].exchanged = next_number(&core->rounds.exchanged);
    }
    if (!core->exchange.initiator) {
        return;
    }
    core->rounds.due = false;
    bool hurry = core->state == GV_STATE_FETCHING || core->state == GV_STATE_SETTLING || core->config.oracle;
    uint64_t spacing = hurry ? 0 : gv_sooner(core->config.exchange_spacing * gv_outcome_median(core), SPACING_MAX_US);
    core->rounds.next_us = core->now_us + (spacing == 0 ? 0 : gv_rng_jitter(&core->rng, spacing, 50));
}

/* They are busy: another will do. Soon, but not as often as messages can fly. */
void gv_rounds_refused(struct gv_core *core)
{
    uint64_t median = gv_outcome_median(core) / 2;
    uint64_t wait = median < REFUSED_US ? REFUSED_US : gv_sooner(median, REFUSED_MAX_US / 8);
    uint32_t attempts = core->rounds.attempts++;
    wait <<= attempts < REFUSED_DOUBLINGS_MAX ? attempts : REFUSED_DOUBLINGS_MAX;
    core->rounds.next_us = core->now_us + gv_rng_jitter(&core->rng, wait, 50);
}

void gv_rounds_failed(struct gv_core *core)
{
    back_off(core);
}

static void stop_waiting(struct gv_core *core)
{
    core->rounds.waiting = false;
    back_off(core);
}

void gv_rounds_dial_failed(struct gv_core *core, const struct gv_id *id)
{
    if (core->rounds.waiting && gv_id_equal(&core->rounds.peer, id)) {
        stop_waiting(core);
    }
}

static bool may_start(const struct gv_core *core)
{
    return core->rounds.due && gv_exchange_idle(core) && gv_lifecycle_exchanges(core) && !gv_fetch_uses_stage(core);
}

void gv_rounds_verified(struct gv_core *core, uint32_t link)
{
    uint32_t peer = core->link_peers[link];
    if (!core->rounds.waiting || !gv_id_equal(&core->rounds.peer, &core->peers[peer].ref.id)) {
        return;
    }
    core->rounds.waiting = false;
    if (may_start(core) && suits(core, peer)) {
        gv_exchange_offer(core, peer);
    }
}

void gv_rounds_offered(struct gv_core *core, uint32_t link)
{
    core->offer_after_us[link] = core->now_us + GV_LINK_OFFERS_US;
}

void gv_rounds_introduced(struct gv_core *core)
{
    core->rounds.next_us = core->rounds.next_us == GV_NEVER ? core->now_us : core->rounds.next_us;
}

void gv_rounds_tick(struct gv_core *core)
{
    struct gv_rounds *r = &core->rounds;
    if (!gv_fx_room(core)) {
        return;
    }
    if (r->waiting && r->wait_until_us <= core->now_us) {
        stop_waiting(core);
    }
    if (r->waiting || r->next_us > core->now_us || !may_start(core)) {
        return;
    }
    uint32_t draws = core->config.oracle ? 1 : DRAWS; /* an oracle's choice is not ours to change */
    uint32_t peer = gv_peers_best(core, suits, draws, recency);
    if (peer == GV_NOBODY) {
        r->next_us = soonest(core);
        return;
    }
    note_met(core, peer);
    if (core->peer_links[peer] != GV_NOBODY) {
        gv_exchange_offer(core, peer);
        return;
    }
    if (!gv_links_dial(core, peer, GV_WHY_EXCHANGE)) {
        back_off(core);
        return;
    }
    r->waiting = true;
    r->peer = core->peers[peer].ref.id;
    r->wait_until_us = core->now_us + WAIT_US;
}

uint64_t gv_rounds_deadline(const struct gv_core *core)
{
    if (core->rounds.waiting) {
        return core->rounds.wait_until_us;
    }
    return may_start(core) ? core->rounds.next_us : GV_NEVER;
}
