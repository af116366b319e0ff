/*
 * Links and dials.
 *
 *     dial:  free --DIAL--> under way --LINK_UP--> greeting --WELCOME--> over
 *                              |                      |
 *                              +--DIAL_FAILED, 15 s---+--REFUSE, LINK_DOWN, 5 s--> over, with back-off
 *
 *     link   INBOUND  --HELLO--> VERIFIED | VISITED | closed     at most 5 s
 *            GREETED  --WELCOME-> VERIFIED | closed              at most 5 s
 *            VISITED  --10 s--> closed
 *            VERIFIED --LINK_DOWN, CLOSE--> free
 *
 * Two links of one pair (dials that crossed; a seed or an address dialled without knowing whose it is; a peer that has
 * lost its end of the old one) both become VERIFIED, so that nothing under way on either is lost, and then are settled
 * by a rule that both ends know:
 *
 *     dialled from both ends    what the lower id dialled carries on, the other is the spare
 *     dialled by one end        the older carries on unless it is silent; only the end that dialled closes the spare
 *     after SPARE_US            the spare is closed if the other was heard of since, else it takes its place
 *     the other link goes down  the spare takes its place; nobody is suspected
 *
 * Links beyond the active view are a cache for exchanges: the least recently used go first.
 *
 * Every step asks for these two times, so they are kept, and forgotten (0: to be looked up) by the one function beside:
 *     links_due_us   the soonest limit of a link or a dial         gv_links_changed()
 *     idle_from_us   no link is idle, and may be closed, before    gv_links_idle_changed()
 */
#include "core_state.h"

#include <string.h>

#define ALIVE_SILENCE_US GV_SECOND
#define SPARE_US (1500 * GV_MS)         /* a PING sent at once is answered by then, or the link is dead */
#define SPARE_THEIRS_US (5 * GV_SECOND) /* theirs to close; a link that nobody closes is closed all the same */
#define IDLE_GRACE_US (2 * GV_SECOND)
#define DIAL_BACKOFF_US (2 * GV_SECOND)
#define DIAL_BACKOFF_MAX 7 /* doublings: 256 s */
#define DIAL_FAILURES_FORGOTTEN 4

uint32_t gv_links_find(const struct gv_core *core, uint32_t handle)
{
    if (handle == GV_LINK_NONE) {
        return GV_NOBODY;
    }
    for (uint32_t i = 0; i < core->config.links_max; i++) {
        if (core->handles[i] == handle) {
            return i;
        }
    }
    return GV_NOBODY;
}

void gv_links_changed(struct gv_core *core)
{
    core->links_due_us = 0;
    core->changes += GV_CHANGED_LINKS;
}

void gv_links_idle_changed(struct gv_core *core)
{
    core->idle_from_us = 0;
}

uint32_t gv_links_add(struct gv_core *core, uint32_t handle, enum gv_link_state state)
{
    for (uint32_t i = 0; i < core->config.links_max; i++) {
        if (core->handles[i] != GV_LINK_NONE) {
            continue;
        }
        struct gv_link *link = &core->links[i];
        memset(link, 0, sizeof *link);
        core->handles[i] = handle;
        link->state = (uint8_t)state;
        link->dial = GV_NOBODY;
        link->heard_us = core->now_us;
        core->used_us[i] = core->now_us;
        core->limits_us[i] = core->now_us + GV_PROVISIONAL_US;
        core->offer_after_us[i] = GV_LINK_OFFERS_US; /* as if the last had been at time 0 */
        link->chunk_bytes = 4 * GV_CHUNK_BYTES_MIN;
        gv_bucket_fill(&link->messages, core->now_us, 1000);
        gv_bucket_fill(&link->requests, core->now_us, 40);
        core->links_used++;
        core->links_provisional++;
        gv_links_changed(core);
        return i;
    }
    return GV_NOBODY;
}

/* Another verified link to the same peer, or GV_NOBODY. */
static uint32_t other_link(const struct gv_core *core, uint32_t peer, uint32_t row)
{
    for (uint32_t i = 0; i < core->config.links_max; i++) {
        if (i != row && core->link_peers[i] == peer) {
            return i;
        }
    }
    return GV_NOBODY;
}

void gv_links_forget(struct gv_core *core, uint32_t row, enum gv_err reason)
{
    struct gv_link *link = &core->links[row];
    uint32_t peer = core->link_peers[row];
    uint32_t dial = link->dial;
    bool verified = link->state == GV_LINK_VERIFIED;
    if (!verified) {
        core->links_provisional--;
    }
    core->links_used--;
    link->state = GV_LINK_FREE;
    core->handles[row] = GV_LINK_NONE;
    core->link_peers[row] = GV_NOBODY;
    core->limits_us[row] = GV_NEVER;
    gv_links_changed(core);
    if (dial != GV_NOBODY) {
        gv_links_dial_over(core, dial, reason);
    }
    if (!verified) {
        return;
    }
    bool last = core->peer_links[peer] == row; /* else it was a spare */
    if (last) {
        core->peer_links[peer] = (uint16_t)other_link(core, peer, row);
        last = core->peer_links[peer] == GV_NOBODY;
    }
    gv_exchange_link_gone(core, row);
    gv_fetch_link_gone(core, row);
    gv_donor_link_gone(core, row);
    if (last) {
        core->peers[peer].asked = false; /* a NEIGHBOUR that went over it has no answer any more */
        gv_fx_log(core, GV_LOG_PEER_LOST, &core->peers[peer].ref.id, reason, 0);
        gv_probe_link_lost(core, peer);
    }
}

void gv_links_close(struct gv_core *core, uint32_t row, enum gv_err reason)
{
    struct gv_effect *effect = gv_fx(core, GV_FX_CLOSE);
    effect->link = core->handles[row];
    effect->reason = reason;
    gv_links_forget(core, row, reason);
}

void gv_links_close_peer(struct gv_core *core, uint32_t peer, enum gv_err reason)
{
    while (core->peer_links[peer] != GV_NOBODY) { /* spares move up */
        gv_links_close(core, core->peer_links[peer], reason);
    }
}

bool gv_links_busy(const struct gv_core *core, uint32_t row)
{
    if (core->exchange.phase != GV_EXCHANGE_IDLE && core->exchange.link == row) {
        return true;
    }
    if (core->fetch.phase >= GV_FETCH_REQUESTED && core->fetch.link == row) {
        return true;
    }
    for (uint32_t i = 0; i < GV_PINS_MAX && core->pins_used > 0; i++) {
        if (core->pins[i].used && core->pins[i].link == row) {
            return true;
        }
    }
    return false;
}

/* True if the new link carries on in place of the old one. */
static bool new_wins(const struct gv_core *core, uint32_t peer, const struct gv_link *old, const struct gv_link *link)
{
    if (old->dialled != link->dialled) {
        bool we_are_lower = gv_id_compare(&core->self.id, &core->peers[peer].ref.id) < 0;
        return link->dialled == we_are_lower;
    }
    return core->now_us - old->heard_us >= ALIVE_SILENCE_US;
}

/* Since when it is a spare; 0: it is none. */
static void set_spare(struct gv_core *core, uint32_t row, uint64_t since_us)
{
    uint64_t patience_us = core->links[row].theirs ? SPARE_THEIRS_US : SPARE_US;
    core->links[row].spare_us = since_us;
    core->limits_us[row] = since_us == 0 ? GV_NEVER : since_us + patience_us;
}

void gv_links_visited(struct gv_core *core, uint32_t row)
{
    core->links[row].state = GV_LINK_VISITED;
    core->limits_us[row] = core->now_us + GV_VISIT_US;
    gv_links_changed(core);
}

enum gv_place gv_links_verify(struct gv_core *core, uint32_t row, uint32_t peer)
{
    struct gv_link *link = &core->links[row];
    struct gv_peer *p = &core->peers[peer];
    uint32_t old = core->peer_links[peer];
    if (old != GV_NOBODY && other_link(core, peer, old) != GV_NOBODY) {
        return GV_PLACE_NONE;
    }
    gv_links_changed(core);
    gv_links_idle_changed(core);
    core->accused = core->accused || gv_score_bad(core, peer);
    link->state = GV_LINK_VERIFIED;
    link->incarnation = (uint32_t)p->ref.incarnation;
    core->link_peers[row] = (uint16_t)peer;
    core->used_us[row] = core->now_us;
    core->limits_us[row] = GV_NEVER;
    core->links_provisional--;
    p->dial_failures = 0;
    p->expelled = false; /* it would not have been let in: what expelled it is void, or its farewell forgotten */
    core->dial_after_us[peer] = 0;
    if (old == GV_NOBODY) {
        core->peer_links[peer] = (uint16_t)row;
        return GV_PLACE_ONLY;
    }
    bool wins = new_wins(core, peer, &core->links[old], link);
    uint32_t spare = wins ? old : row;
    uint32_t first = wins ? row : old;
    core->peer_links[peer] = (uint16_t)first;
    core->links[spare].theirs = !core->links[spare].dialled && core->links[old].dialled == link->dialled;
    set_spare(core, spare, core->now_us);
    set_spare(core, first, 0);
    gv_probe_ping(core, first); /* its answer settles which one goes */
    return wins ? GV_PLACE_BETTER : GV_PLACE_SPARE;
}

static uint32_t dial_row(struct gv_core *core, enum gv_dial_kind kind, uint32_t why)
{
    if (core->persisting || core->stopped || core->dials_used >= core->config.dials_max ||
        core->links_used + core->dials_used >= core->config.links_max) {
        return GV_NOBODY;
    }
    for (uint32_t i = 0; i < core->config.dials_max; i++) {
        struct gv_dial *dial = &core->dials[i];
        if (dial->kind == GV_DIAL_NONE) {
            memset(dial, 0, sizeof *dial);
            dial->kind = (uint8_t)kind;
            dial->why = (uint8_t)why;
            dial->link = GV_NOBODY;
            dial->number = ++core->dial_number;
            dial->until_us = core->now_us + GV_DIAL_US;
            core->dials_used++;
            core->dials_begun[kind - GV_DIAL_PEER]++;
            gv_links_changed(core);
            return i;
        }
    }
    return GV_NOBODY;
}

bool gv_links_dial(struct gv_core *core, uint32_t peer, uint32_t why)
{
    const struct gv_peer *p = &core->peers[peer];
    for (uint32_t i = 0; i < core->config.dials_max; i++) {
        if (core->dials[i].kind == GV_DIAL_PEER && gv_id_equal(&core->dials[i].id, &p->ref.id)) {
            core->dials[i].why |= (uint8_t)why;
            return true;
        }
    }
    if (core->peer_links[peer] != GV_NOBODY || !gv_peer_dialable(p)) {
        return false;
    }
    (void)gv_links_make_room(core);
    uint32_t row = dial_row(core, GV_DIAL_PEER, why);
    if (row == GV_NOBODY) {
        return false;
    }
    core->dials[row].id = p->ref.id;
    struct gv_effect *effect = gv_fx(core, GV_FX_DIAL);
    effect->target = p->ref.id;
    effect->u.dial.dial = core->dials[row].number;
    return true;
}

bool gv_links_dial_index(struct gv_core *core, enum gv_dial_kind kind, uint32_t index)
{
    (void)gv_links_make_room(core);
    uint32_t row = dial_row(core, kind, GV_WHY_DISCOVER);
    if (row == GV_NOBODY) {
        return false;
    }
    core->dials[row].index = index;
    struct gv_effect *effect = gv_fx(core, kind == GV_DIAL_SEED ? GV_FX_DIAL_SEED : GV_FX_DIAL_BOOK);
    effect->u.dial.dial = core->dials[row].number;
    effect->u.dial.index = index;
    return true;
}

uint32_t gv_links_dial_find(const struct gv_core *core, uint32_t number)
{
    for (uint32_t i = 0; i < core->config.dials_max; i++) {
        if (core->dials[i].kind != GV_DIAL_NONE && core->dials[i].number == number) {
            return i;
        }
    }
    return GV_NOBODY;
}

/* Who says so is there. */
static bool is_answer(enum gv_err reason)
{
    return reason == GV_ERR_RATE || reason == GV_ERR_CROWDED || reason == GV_ERR_BUSY;
}

void gv_links_dial_over(struct gv_core *core, uint32_t row, enum gv_err reason)
{
    struct gv_dial dial = core->dials[row];
    core->dials[row].kind = GV_DIAL_NONE;
    core->dials_used--;
    gv_links_changed(core);
    if (dial.link != GV_NOBODY) {
        core->links[dial.link].dial = GV_NOBODY;
    }
    uint32_t peer = dial.kind == GV_DIAL_PEER ? gv_peers_find(core, &dial.id) : GV_NOBODY;
    if (reason != GV_OK && reason != GV_ERR_DUPLICATE) {
        gv_score_dial_failed(core, dial.kind, reason);
    }
    if (reason == GV_OK || peer == GV_NOBODY) {
        return;
    }
    struct gv_peer *p = &core->peers[peer];
    if (reason != GV_ERR_DUPLICATE) {
        uint32_t doublings = p->dial_failures < DIAL_BACKOFF_MAX ? p->dial_failures : DIAL_BACKOFF_MAX;
        core->dial_after_us[peer] = core->now_us + gv_rng_jitter(&core->rng, DIAL_BACKOFF_US << doublings, 25);
        gv_score_note(core, peer, reason);
    }
    if (reason != GV_ERR_DUPLICATE && !is_answer(reason)) {
        p->dial_failures = (uint8_t)(p->dial_failures < UINT8_MAX ? p->dial_failures + 1 : UINT8_MAX);
        if (p->dial_failures >= DIAL_FAILURES_FORGOTTEN && core->roles[peer] == GV_ROLE_PASSIVE) {
            gv_peers_bury(core, &p->ref, false);
            gv_peers_forget(core, peer);
        }
        gv_probe_dial_failed(core, peer);
    }
    gv_rounds_dial_failed(core, &dial.id);
}

/* The least recently used verified link that nobody needs, or GV_NOBODY. */
static uint32_t idle_link(struct gv_core *core)
{
    if (core->now_us < core->idle_from_us) {
        return GV_NOBODY;
    }
    uint32_t victim = GV_NOBODY;
    uint64_t from_us = GV_NEVER;
    for (uint32_t i = 0; i < core->config.links_max; i++) {
        uint32_t peer = core->link_peers[i];
        if (peer == GV_NOBODY || core->roles[peer] == GV_ROLE_ACTIVE) {
            continue;
        }
        from_us = gv_sooner(from_us, core->used_us[i] + IDLE_GRACE_US); /* use only moves it later */
        if (core->used_us[i] + IDLE_GRACE_US > core->now_us || gv_links_busy(core, i)) {
            continue;
        }
        if (victim == GV_NOBODY || core->used_us[i] < core->used_us[victim]) {
            victim = i;
        }
    }
    core->idle_from_us = from_us;
    return victim;
}

bool gv_links_make_room(struct gv_core *core)
{
    if (core->links_used + core->dials_used < core->config.links_max) {
        return true;
    }
    uint32_t victim = idle_link(core);
    if (victim == GV_NOBODY) {
        return core->links_used < core->config.links_max;
    }
    gv_links_close(core, victim, GV_ERR_CROWDED);
    return true;
}

/* The time of a spare is over. */
static void settle_spare(struct gv_core *core, uint32_t row)
{
    const struct gv_link *link = &core->links[row];
    uint32_t first = core->peer_links[core->link_peers[row]];
    gv_links_changed(core);
    if (first == row) {
        set_spare(core, row, 0);
    } else if (core->links[first].heard_us <= link->spare_us) { /* silent since: it is the other that is dead */
        gv_links_close(core, first, GV_ERR_DUPLICATE);
        set_spare(core, row, 0);
    } else if (gv_links_busy(core, row)) {
        set_spare(core, row, core->now_us);
        gv_probe_ping(core, first); /* or it would be silent by then for want of anything to say */
    } else {
        gv_links_close(core, row, GV_ERR_DUPLICATE);
    }
}

static void link_late(struct gv_core *core, uint32_t row)
{
    enum gv_link_state state = core->links[row].state;
    if (state == GV_LINK_VERIFIED) {
        settle_spare(core, row);
        return;
    }
    enum gv_err reason = state == GV_LINK_VISITED ? GV_OK : GV_ERR_STRANGER;
    reason = state == GV_LINK_GREETED ? GV_ERR_TIMEOUT : reason; /* dialled by us: its WELCOME is missing */
    if (state == GV_LINK_INBOUND) {
        gv_score_count(core, reason);
    }
    gv_links_close(core, row, reason);
}

static void close_late(struct gv_core *core)
{
    for (uint32_t i = 0; i < core->config.links_max && core->links_used > 0; i++) {
        if (core->limits_us[i] <= core->now_us && gv_fx_room(core)) {
            link_late(core, i);
        }
    }
    uint32_t left = core->dials_used; /* rows in use that are still to come: mostly few, and the first */
    for (uint32_t i = 0; i < core->config.dials_max && left > 0; i++) {
        const struct gv_dial *dial = &core->dials[i];
        if (dial->kind == GV_DIAL_NONE) {
            continue;
        }
        left--;
        if (dial->link == GV_NOBODY && dial->until_us <= core->now_us && gv_fx_room(core)) {
            gv_links_dial_over(core, i, GV_ERR_TIMEOUT);
        }
    }
}

void gv_links_tick(struct gv_core *core)
{
    if (core->links_due_us <= core->now_us) {
        close_late(core);
    }
    uint32_t kept = core->active_count + core->config.cached_links_max;
    if (core->links_used - core->links_provisional > kept && gv_fx_room(core)) {
        uint32_t victim = idle_link(core);
        if (victim != GV_NOBODY) {
            gv_links_close(core, victim, GV_ERR_CROWDED);
        }
    }
}

uint64_t gv_links_soonest(const struct gv_core *core)
{
    uint64_t at = GV_NEVER;
    for (uint32_t i = 0; i < core->config.links_max && core->links_used > 0; i++) {
        at = gv_sooner(at, core->limits_us[i]);
    }
    uint32_t left = core->dials_used;
    for (uint32_t i = 0; i < core->config.dials_max && left > 0; i++) {
        const struct gv_dial *dial = &core->dials[i];
        left -= dial->kind != GV_DIAL_NONE ? 1 : 0;
        bool waits = dial->kind != GV_DIAL_NONE && dial->link == GV_NOBODY;
        at = waits ? gv_sooner(at, dial->until_us) : at;
    }
    return at;
}

uint64_t gv_links_deadline(struct gv_core *core)
{
    if (core->links_due_us <= core->now_us) {
        core->links_due_us = gv_links_soonest(core);
    }
    return core->links_due_us;
}
