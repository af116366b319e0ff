/*
 * Aged Cyclon shuffles by random walk, which keep the passive view a fresh sample of the swarm.
 *
 *     origin: SHUFFLE(nonce, ttl 4; self, 3 active, 4 passive) to a random neighbour
 *     on the way (ttl > 0, another neighbour there): remembers nonce -> where it came from, passes it on
 *     at the end: answers SHUFFLE_REPLY with as many records, takes up what came
 *     SHUFFLE_REPLY: retraces the walk by its nonce; the origin takes up what came
 *
 * What was lent to the other side is the first to be replaced, then what is oldest: a record that its owner brought is
 * young, one from others is not, or those that many know would be passed on ever more.
 *
 * The table of walks is bounded and overwrites its oldest entry: a lost reply costs one shuffle.
 */
#include "core_state.h"

#include <string.h>

#define WALK_TTL 4
#define ACTIVE_SENT 3
#define PASSIVE_SENT 4
#define WALK_US (10 * GV_SECOND)
#define SHUFFLES_BURST 12
#define EARLY_US (180 * GV_SECOND)

_Static_assert(1 + ACTIVE_SENT + PASSIVE_SENT == GV_SHUFFLE_RECORDS, "a shuffle's records");

static void learn_all(struct gv_core *core, const struct gv_msg *msg)
{
    if (msg->kind == GV_KIND_SHUFFLE && msg->ref_count > 0) { /* the first is the origin's own */
        gv_views_learn(core, &msg->refs[0]);
        uint32_t origin = gv_peers_find(core, &msg->refs[0].id);
        if (origin != GV_NOBODY) {
            core->ages[origin] = 0;
        }
    }
    for (uint32_t i = 0; i < msg->ref_count && i < GV_SHUFFLE_RECORDS; i++) {
        gv_views_learn(core, &msg->refs[i]);
    }
}

static void clear_lent(struct gv_core *core)
{
    memset(core->lent, 0, core->peers_used * sizeof core->lent[0]);
}

static bool may_lend_passive(const struct gv_core *core, uint32_t peer)
{
    return core->roles[peer] == GV_ROLE_PASSIVE && !core->lent[peer];
}

static bool may_lend_active(const struct gv_core *core, uint32_t peer)
{
    const struct gv_peer *p = &core->peers[peer];
    return core->roles[peer] == GV_ROLE_ACTIVE && !core->lent[peer] && gv_peer_dialable(p) &&
           core->peer_links[peer] != GV_NOBODY;
}

static void lend(struct gv_core *core, struct gv_msg *msg, uint32_t count, uint32_t except,
                 bool (*fits)(const struct gv_core *core, uint32_t peer))
{
    uint16_t rows[GV_PEERS_MAX];
    uint32_t left = gv_peers_fitting(core, rows, fits);
    for (uint32_t i = 0; i < count && left > 0 && msg->ref_count < GV_SHUFFLE_RECORDS; i++) {
        uint32_t at = gv_rng_below(&core->rng, left);
        uint32_t peer = rows[at];
        left--;
        memmove(&rows[at], &rows[at + 1], (left - at) * sizeof rows[0]);
        core->lent[peer] = true;
        if (peer != except) {
            msg->refs[msg->ref_count++] = core->peers[peer].ref;
        }
    }
}

/* A node begins a shuffle each period, and each passes through a handful: on one of its links that is one in several.
   All other records that come unasked are charged as parts of one. */
bool gv_shuffle_may_bring(struct gv_core *core, uint32_t link, uint32_t records)
{
    uint64_t each_us = core->config.shuffle_early_us / 2 / GV_SHUFFLE_RECORDS;
    uint32_t burst = SHUFFLES_BURST * GV_SHUFFLE_RECORDS / records;
    bool may = gv_rate_take(&core->links[link].walks_us, core->now_us, records * each_us, burst);
    if (!may) {
        gv_score_count(core, GV_ERR_RATE);
    }
    return may;
}

static void on_shuffle(struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    if (!gv_shuffle_may_bring(core, link, GV_SHUFFLE_RECORDS)) {
        return;
    }
    uint32_t ttl = msg->u.walk.ttl < WALK_TTL ? msg->u.walk.ttl : WALK_TTL;
    uint32_t next = ttl == 0 ? GV_NOBODY : gv_views_random_active(core, core->link_peers[link]);
    bool known = msg->u.walk.nonce == core->shuffle_nonce; /* our own walk has come back to us */
    for (uint32_t i = 0; i < core->config.walks_max; i++) {
        known = known || (core->walks[i].from != GV_LINK_NONE && core->walks[i].nonce == msg->u.walk.nonce);
    }
    if (next == GV_NOBODY || known) {
        clear_lent(core);
        struct gv_msg *reply = gv_fx_send(core, link, GV_KIND_SHUFFLE_REPLY);
        reply->u.walk.nonce = msg->u.walk.nonce;
        lend(core, reply, msg->ref_count, core->link_peers[link], may_lend_passive);
        learn_all(core, msg);
        clear_lent(core);
        return;
    }
    GV_ASSERT(core->config.walks_max > 0); /* the clamp sees to it */
    core->walks[core->walk_next] =
        (struct gv_walk){.nonce = msg->u.walk.nonce, .from = core->handles[link], .until_us = core->now_us + WALK_US};
    core->walk_next = (core->walk_next + 1) % core->config.walks_max;
    struct gv_msg *forward = gv_fx_send(core, core->peer_links[next], GV_KIND_SHUFFLE);
    forward->u.walk.ttl = ttl - 1;
    forward->u.walk.nonce = msg->u.walk.nonce;
    for (uint32_t i = 0; i < msg->ref_count && i < GV_SHUFFLE_RECORDS; i++) {
        forward->refs[forward->ref_count++] = msg->refs[i];
    }
}

static void on_reply(struct gv_core *core, const struct gv_msg *msg)
{
    if (core->shuffle_nonce != 0 && msg->u.walk.nonce == core->shuffle_nonce) {
        core->shuffle_nonce = 0;
        learn_all(core, msg);
        clear_lent(core);
        return;
    }
    for (uint32_t i = 0; i < core->config.walks_max; i++) {
        struct gv_walk *walk = &core->walks[i];
        if (walk->from == GV_LINK_NONE || walk->nonce != msg->u.walk.nonce) {
            continue;
        }
        uint32_t back = gv_links_find(core, walk->from);
        bool alive = walk->until_us > core->now_us && back != GV_NOBODY && core->links[back].state == GV_LINK_VERIFIED;
        walk->from = GV_LINK_NONE;
        if (!alive) {
            return;
        }
        struct gv_msg *forward = gv_fx_send(core, back, GV_KIND_SHUFFLE_REPLY);
        forward->u.walk.nonce = msg->u.walk.nonce;
        for (uint32_t k = 0; k < msg->ref_count && k < GV_SHUFFLE_RECORDS; k++) {
            forward->refs[forward->ref_count++] = msg->refs[k];
        }
        return;
    }
}

void gv_shuffle_message(struct gv_core *core, uint32_t link, struct gv_msg *msg)
{
    if (msg->kind == GV_KIND_SHUFFLE) {
        on_shuffle(core, link, msg);
    } else {
        on_reply(core, msg);
    }
}

void gv_shuffle_tick(struct gv_core *core)
{
    if (core->shuffle_us > core->now_us || !gv_fx_room(core)) {
        return;
    }
    bool early = core->now_us - core->started_us < EARLY_US;
    uint64_t period = early ? core->config.shuffle_early_us : core->config.shuffle_us;
    core->shuffle_us = core->now_us + gv_rng_jitter(&core->rng, period, 20);
    uint32_t target = gv_views_random_active(core, GV_NOBODY);
    if (target == GV_NOBODY) {
        return;
    }
    clear_lent(core);
    for (uint32_t i = 0; i < core->peers_used; i++) {
        bool older = core->roles[i] == GV_ROLE_PASSIVE && core->ages[i] < UINT16_MAX;
        core->ages[i] = (uint16_t)(core->ages[i] + (older ? 1 : 0));
    }
    core->shuffle_nonce = gv_rng_u64(&core->rng) | 1;
    struct gv_msg *msg = gv_fx_send(core, core->peer_links[target], GV_KIND_SHUFFLE);
    msg->u.walk.ttl = WALK_TTL;
    msg->u.walk.nonce = core->shuffle_nonce;
    msg->ref_count = 1;
    msg->refs[0] = core->self;
    lend(core, msg, ACTIVE_SENT, target, may_lend_active);
    lend(core, msg, PASSIVE_SENT, target, may_lend_passive);
}

uint64_t gv_shuffle_deadline(const struct gv_core *core)
{
    return core->shuffle_us;
}
