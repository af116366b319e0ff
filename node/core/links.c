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
 * Of two verified links of one pair the one dialled by the lower id stays, on both ends. That rule settles dials that
 * crossed; a peer that dials while our link to it is no longer new has lost its end of it, and then the new link
 * wins, unless the old one was heard of within a second (five in the middle of a transfer): then it is alive, and the
 * peer dialled a seed or an address without knowing whose it is.
 *
 * Links beyond the active view are a cache for exchanges: the least recently used go first.
 */
#include "core_state.h"

#include <string.h>

#define CROSSING_US (10 * GV_SECOND) /* dials cross within the time of a slow handshake */
#define BUSY_SILENCE_US (5 * GV_SECOND)
#define ALIVE_SILENCE_US GV_SECOND
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
        if (core->links[i].state != GV_LINK_FREE && core->links[i].handle == handle) {
            return i;
        }
    }
    return GV_NOBODY;
}

uint32_t gv_links_add(struct gv_core *core, uint32_t handle, enum gv_link_state state)
{
    for (uint32_t i = 0; i < core->config.links_max; i++) {
        struct gv_link *link = &core->links[i];
        if (link->state != GV_LINK_FREE) {
            continue;
        }
        memset(link, 0, sizeof *link);
        link->handle = handle;
        link->state = (uint8_t)state;
        link->peer = GV_NOBODY;
        link->dial = GV_NOBODY;
        link->since_us = link->heard_us = link->used_us = core->now_us;
        link->chunk_bytes = 4 * GV_CHUNK_BYTES_MIN;
        gv_bucket_fill(&link->messages, core->now_us, 1000);
        gv_bucket_fill(&link->requests, core->now_us, 40);
        core->links_used++;
        core->links_provisional++;
        return i;
    }
    return GV_NOBODY;
}

void gv_links_forget(struct gv_core *core, uint32_t row, enum gv_err reason)
{
    struct gv_link *link = &core->links[row];
    uint32_t peer = link->peer;
    uint32_t dial = link->dial;
    bool verified = link->state == GV_LINK_VERIFIED;
    if (!verified) {
        core->links_provisional--;
    }
    core->links_used--;
    link->state = GV_LINK_FREE;
    if (dial != GV_NOBODY) {
        gv_links_dial_over(core, dial, reason);
    }
    if (!verified) {
        return;
    }
    bool last = core->peers[peer].link == row; /* else it was replaced by another */
    if (last) {
        core->peers[peer].link = GV_NOBODY;
    }
    gv_exchange_link_gone(core, row);
    gv_fetch_link_gone(core, row);
    gv_donor_link_gone(core, row);
    if (last) {
        gv_fx_log(core, GV_LOG_PEER_LOST, &core->peers[peer].ref.id, reason, 0);
        gv_probe_link_lost(core, peer);
    }
}

void gv_links_close(struct gv_core *core, uint32_t row, enum gv_err reason)
{
    struct gv_effect *effect = gv_fx(core, GV_FX_CLOSE);
    effect->link = core->links[row].handle;
    effect->reason = reason;
    gv_links_forget(core, row, reason);
}

bool gv_links_busy(const struct gv_core *core, uint32_t row)
{
    if (core->exchange.phase != GV_EXCHANGE_IDLE && core->exchange.link == row) {
        return true;
    }
    if (core->fetch.phase >= GV_FETCH_REQUESTED && core->fetch.link == row) {
        return true;
    }
    for (uint32_t i = 0; i < GV_PINS_MAX; i++) {
        if (core->pins[i].used && core->pins[i].link == row) {
            return true;
        }
    }
    return false;
}

/* True if the link that is there already survives the new one. */
static bool old_wins(const struct gv_core *core, const struct gv_link *old, const struct gv_link *new_link,
                     uint32_t old_row, uint32_t peer)
{
    uint64_t silent_us = core->now_us - old->heard_us;
    if (gv_links_busy(core, old_row) && silent_us < BUSY_SILENCE_US) {
        return true;
    }
    if (old->dialled == new_link->dialled || core->now_us - old->since_us > CROSSING_US) {
        return silent_us < ALIVE_SILENCE_US; /* a seed or an address dialled blindly was this very peer */
    }
    bool we_are_lower = gv_id_compare(&core->self.id, &core->peers[peer].ref.id) < 0;
    return old->dialled == we_are_lower;
}

bool gv_links_verify(struct gv_core *core, uint32_t row, uint32_t peer)
{
    struct gv_link *link = &core->links[row];
    uint32_t old = core->peers[peer].link;
    if (old != GV_NOBODY && old != row && old_wins(core, &core->links[old], link, old, peer)) {
        return false;
    }
    link->state = GV_LINK_VERIFIED;
    link->peer = (uint16_t)peer;
    link->since_us = link->used_us = core->now_us;
    core->links_provisional--;
    core->peers[peer].link = (uint16_t)row;
    core->peers[peer].dial_failures = 0;
    core->peers[peer].dial_after_us = 0;
    if (old != GV_NOBODY && old != row) {
        gv_links_close(core, old, GV_ERR_DUPLICATE);
    }
    return true;
}

static uint32_t dial_row(struct gv_core *core, enum gv_dial_kind kind, uint32_t why)
{
    if (core->persisting || core->stopped || core->dials_used >= GV_DIALS_MAX ||
        core->links_used + core->dials_used >= core->config.links_max) {
        return GV_NOBODY;
    }
    for (uint32_t i = 0; i < GV_DIALS_MAX; i++) {
        struct gv_dial *dial = &core->dials[i];
        if (dial->kind == GV_DIAL_NONE) {
            memset(dial, 0, sizeof *dial);
            dial->kind = (uint8_t)kind;
            dial->why = (uint8_t)why;
            dial->link = GV_NOBODY;
            dial->number = ++core->dial_number;
            dial->until_us = core->now_us + GV_DIAL_US;
            core->dials_used++;
            return i;
        }
    }
    return GV_NOBODY;
}

bool gv_links_dial(struct gv_core *core, uint32_t peer, uint32_t why)
{
    const struct gv_peer *p = &core->peers[peer];
    for (uint32_t i = 0; i < GV_DIALS_MAX; i++) {
        if (core->dials[i].kind == GV_DIAL_PEER && gv_id_equal(&core->dials[i].id, &p->ref.id)) {
            core->dials[i].why |= (uint8_t)why;
            return true;
        }
    }
    if (p->link != GV_NOBODY || !gv_peer_dialable(p)) {
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
    struct gv_effect *effect = gv_fx(core, kind == GV_DIAL_SEED ? GV_FX_DIAL_SEED : GV_FX_DIAL_BOOK);
    effect->u.dial.dial = core->dials[row].number;
    effect->u.dial.index = index;
    return true;
}

uint32_t gv_links_dial_find(const struct gv_core *core, uint32_t number)
{
    for (uint32_t i = 0; i < GV_DIALS_MAX; i++) {
        if (core->dials[i].kind != GV_DIAL_NONE && core->dials[i].number == number) {
            return i;
        }
    }
    return GV_NOBODY;
}

void gv_links_dial_over(struct gv_core *core, uint32_t row, enum gv_err reason)
{
    struct gv_dial dial = core->dials[row];
    core->dials[row].kind = GV_DIAL_NONE;
    core->dials_used--;
    if (dial.link != GV_NOBODY) {
        core->links[dial.link].dial = GV_NOBODY;
    }
    uint32_t peer = dial.kind == GV_DIAL_PEER ? gv_peers_find(core, &dial.id) : GV_NOBODY;
    if (reason == GV_OK || peer == GV_NOBODY) {
        return;
    }
    struct gv_peer *p = &core->peers[peer];
    if (reason != GV_ERR_DUPLICATE) {
        uint32_t doublings = p->dial_failures < DIAL_BACKOFF_MAX ? p->dial_failures : DIAL_BACKOFF_MAX;
        p->dial_after_us = core->now_us + gv_rng_jitter(&core->rng, DIAL_BACKOFF_US << doublings, 25);
        p->dial_failures = (uint8_t)(p->dial_failures < UINT8_MAX ? p->dial_failures + 1 : UINT8_MAX);
        p->last_error = (uint16_t)reason;
        if (p->dial_failures >= DIAL_FAILURES_FORGOTTEN && p->role == GV_ROLE_PASSIVE) {
            gv_peers_bury(core, &p->ref, false);
            gv_peers_forget(core, peer);
        }
        gv_probe_dial_failed(core, peer);
    }
    gv_rounds_dial_failed(core, &dial.id);
}

/* The least recently used verified link that nobody needs, or GV_NOBODY. */
static uint32_t idle_link(const struct gv_core *core)
{
    uint32_t victim = GV_NOBODY;
    for (uint32_t i = 0; i < core->config.links_max; i++) {
        const struct gv_link *link = &core->links[i];
        if (link->state != GV_LINK_VERIFIED || core->peers[link->peer].role == GV_ROLE_ACTIVE ||
            core->now_us - link->used_us < IDLE_GRACE_US || gv_links_busy(core, i)) {
            continue;
        }
        if (victim == GV_NOBODY || link->used_us < core->links[victim].used_us) {
            victim = i;
        }
    }
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

static uint64_t link_limit(const struct gv_link *link)
{
    switch (link->state) {
    case GV_LINK_INBOUND:
    case GV_LINK_GREETED:
        return link->since_us + GV_PROVISIONAL_US;
    case GV_LINK_VISITED:
        return link->since_us + GV_VISIT_US;
    default:
        return GV_NEVER;
    }
}

void gv_links_tick(struct gv_core *core)
{
    for (uint32_t i = 0; i < core->config.links_max && core->links_provisional > 0; i++) {
        if (link_limit(&core->links[i]) <= core->now_us && gv_fx_room(core)) {
            bool visit = core->links[i].state == GV_LINK_VISITED;
            gv_score_count(core, visit ? GV_OK : GV_ERR_STRANGER);
            gv_links_close(core, i, visit ? GV_OK : GV_ERR_STRANGER);
        }
    }
    for (uint32_t i = 0; i < GV_DIALS_MAX && core->dials_used > 0; i++) {
        const struct gv_dial *dial = &core->dials[i];
        if (dial->kind != GV_DIAL_NONE && dial->link == GV_NOBODY && dial->until_us <= core->now_us &&
            gv_fx_room(core)) {
            gv_links_dial_over(core, i, GV_ERR_TIMEOUT);
        }
    }
    uint32_t spare = core->active_count + core->config.cached_links_max;
    if (core->links_used - core->links_provisional > spare && gv_fx_room(core)) {
        uint32_t victim = idle_link(core);
        if (victim != GV_NOBODY) {
            gv_links_close(core, victim, GV_ERR_CROWDED);
        }
    }
}

uint64_t gv_links_deadline(const struct gv_core *core)
{
    uint64_t at = GV_NEVER;
    for (uint32_t i = 0; i < core->config.links_max && core->links_provisional > 0; i++) {
        at = gv_sooner(at, link_limit(&core->links[i]));
    }
    for (uint32_t i = 0; i < GV_DIALS_MAX && core->dials_used > 0; i++) {
        if (core->dials[i].kind != GV_DIAL_NONE && core->dials[i].link == GV_NOBODY) {
            at = gv_sooner(at, core->dials[i].until_us);
        }
    }
    return at;
}
