/*
 * When to exchange, and with whom.
 *
 *     nothing due --H steps done (or settling, warming up)--> due --peer with a link--> OFFER
 *                                                             due --peer without--> dials, waits --verified--> OFFER
 *     exchange committed --> nothing due        exchange failed, BUSY, dial failed --> due, after a back-off
 *
 * The peer is uniform over everyone we know (active, passive, linked), not only the neighbours: the passive view is a
 * fresh sample of the swarm, and a uniform peer each time mixes fastest. A committed exchange that somebody else began
 * does not count as ours.
 */
#include "core_state.h"

#define BACKOFF_US (10 * GV_MS)
#define BACKOFF_DOUBLINGS_MAX 8 /* 2.56 s */
#define NOBODY_US (250 * GV_MS)
#define WAIT_US (5 * GV_SECOND)

static bool suits(const struct gv_core *core, uint32_t peer)
{
    const struct gv_peer *p = &core->peers[peer];
    if (p->exchange_after_us > core->now_us || gv_score_bad(core, peer) || gv_probe_suspected(core, peer)) {
        return false;
    }
    bool can_dial = p->role != GV_ROLE_NONE && gv_peer_dialable(p) && p->dial_after_us <= core->now_us;
    return p->link != GV_NOBODY || can_dial;
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
        core->rounds.next_us = core->now_us;
    }
}

void gv_rounds_done(struct gv_core *core)
{
    if (core->exchange.initiator) {
        core->rounds.due = false;
    }
    core->rounds.attempts = 0;
    core->rounds.next_us = core->now_us;
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
    uint32_t peer = core->links[link].peer;
    if (!core->rounds.waiting || !gv_id_equal(&core->rounds.peer, &core->peers[peer].ref.id)) {
        return;
    }
    core->rounds.waiting = false;
    if (may_start(core) && suits(core, peer)) {
        gv_exchange_offer(core, peer);
    }
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
    uint32_t peer = gv_peers_pick(core, suits);
    if (peer == GV_NOBODY) {
        r->next_us = core->now_us + NOBODY_US;
        return;
    }
    if (core->peers[peer].link != GV_NOBODY) {
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
