/*
 * The table of known nodes, and the graves of those that left or died.
 *
 *     role     NONE --record learnt--> PASSIVE --neighbour--> ACTIVE --demoted, lost--> PASSIVE or NONE
 *
 * A row is worth keeping while it has a role or a link; rows without either are memory of scores and back-offs, and are
 * reused, least bad first, when a new node needs one. There are as many rows as all views and links together can
 * name, so one is always free.
 *
 * Nobody comes into a full passive view twice within ARRIVAL_AGAIN_MIN, or until several views' worth of others have,
 * so the view deals out the ids it hears of like a pack of cards. Before, members that made themselves known all the
 * time were in everybody's view all the time, and were chosen for half of all exchanges. The room of who has become a
 * neighbour is kept for its return: filled with whoever was heard of next, it made those who are heard of most 46 % of
 * all that honest nodes knew in half an hour, where they were 20 % of 300.
 *
 * What is scanned (tags of ids, roles, Cyclon's ages, what is lent) lies in dense columns beside the rows; rows in use
 * are the first peers_used, and none is ever given back.
 *
 * Guarantees: one row per id; our own id is never in it; the record in a row only ever becomes newer.
 */
#include "core_state.h"

#include <string.h>

#define ARRIVAL_AGAIN_MIN 30
#define ARRIVAL_PAST_MIN 128 /* an arrival is no older, since its minute is kept in a byte */
#define RANK_PERIOD_S 600
#define KEPT_ROOM 4       /* a part of the passive view, at most, for the return of neighbours */
#define RECORD_KEEP_MIN 8 /* passive rows below which old records are better than none */

int gv_ref_compare(const struct gv_ref *a, const struct gv_ref *b)
{
    if (a->incarnation != b->incarnation) {
        return a->incarnation < b->incarnation ? -1 : 1;
    }
    if (a->sequence != b->sequence) {
        return a->sequence < b->sequence ? -1 : 1;
    }
    return 0;
}

/* The first bytes of an id. Ids are hashes, so a row whose tag fits is nearly always the one sought. */
uint32_t gv_peers_tag(const struct gv_id *id)
{
    uint32_t tag;
    memcpy(&tag, id->b, sizeof tag); /* compared with its like only: byte order does not matter */
    return tag;
}

uint32_t gv_peers_find(const struct gv_core *core, const struct gv_id *id)
{
    uint32_t tag = gv_peers_tag(id);
    for (uint32_t i = 0; i < core->peers_used; i++) {
        if (core->tags[i] == tag && gv_id_equal(&core->peers[i].ref.id, id)) {
            return i;
        }
    }
    return GV_NOBODY;
}

/* A permutation of 64 bits that leaves no trace of the order in x. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

uint32_t gv_peers_rank(const struct gv_core *core, const struct gv_id *asker, const struct gv_id *asked)
{
    uint64_t theirs = mix(gv_head_of(asked->b));
    uint64_t period = (core->wall_s + theirs % RANK_PERIOD_S) / RANK_PERIOD_S; /* not for all at once */
    return (uint32_t)mix(mix(gv_head_of(asker->b) ^ theirs) + period);
}

uint64_t gv_ref_branch(const struct gv_ref *self, const struct gv_ref *ref)
{
    for (uint32_t i = 0; i < GV_INVITERS_MAX && ref->inviters[i] != 0; i++) {
        if (ref->inviters[i] != self->inviters[i] && ref->inviters[i] != gv_head_of(self->id.b)) {
            return ref->inviters[i];
        }
    }
    return gv_head_of(ref->id.b);
}

/* Lent ones first, then the oldest (Cyclon); GV_NOBODY if no passive row fits. */
static uint32_t passive_victim(const struct gv_core *core, bool linked_too)
{
    uint32_t victim = GV_NOBODY;
    uint32_t most = 0;
    for (uint32_t i = 0; i < core->peers_used; i++) {
        uint32_t worth = 1u + core->ages[i] + (core->lent[i] ? UINT16_MAX + 1u : 0);
        if (worth > most && core->roles[i] == GV_ROLE_PASSIVE && (linked_too || core->peer_links[i] == GV_NOBODY)) {
            victim = i;
            most = worth;
        }
    }
    return victim;
}

/* The first of those with the least score that nobody names; in a table smaller than all views, a passive one. */
static uint32_t free_row(struct gv_core *core)
{
    if (core->peers_used < core->config.peers_max) {
        return core->peers_used++;
    }
    uint32_t best = GV_NOBODY;
    uint32_t best_score = UINT32_MAX;
    for (uint32_t i = 0; i < core->peers_used && best_score > 0; i++) {
        if (core->roles[i] == GV_ROLE_NONE && core->peer_links[i] == GV_NOBODY && gv_score_now(core, i) < best_score) {
            best = i;
            best_score = gv_score_now(core, i);
        }
    }
    if (best == GV_NOBODY) {
        best = passive_victim(core, false);
        GV_ASSERT(best != GV_NOBODY); /* gv_lifecycle_clamp(): more rows than links and neighbours together */
        gv_peers_forget(core, best);
    }
    return best;
}

uint32_t gv_peers_intern(struct gv_core *core, const struct gv_ref *ref)
{
    if (gv_id_equal(&ref->id, &core->self.id)) {
        return GV_NOBODY;
    }
    uint32_t row = gv_peers_find(core, &ref->id);
    if (row != GV_NOBODY) {
        return row;
    }
    if (gv_peers_buried(core, ref)) {
        return GV_NOBODY;
    }
    row = free_row(core);
    struct gv_peer *peer = &core->peers[row];
    memset(peer, 0, sizeof *peer);
    core->changes += GV_CHANGED_IDS;
    core->tags[row] = gv_peers_tag(&ref->id);
    core->roles[row] = GV_ROLE_NONE;
    core->ages[row] = 0;
    core->lent[row] = false;
    peer->ref = *ref;
    peer->fresh_us = core->now_us;
    peer->score_us = core->now_us;
    core->peer_links[row] = GV_NOBODY;
    core->neighbours[row] = GV_NOBODY;
    core->scores[row] = 0;
    core->exchange_after_us[row] = 0;
    core->dial_after_us[row] = 0;
    core->accused_ds[row] = 0;
    return row;
}

enum gv_err gv_peers_update(struct gv_core *core, uint32_t row, const struct gv_ref *ref)
{
    struct gv_peer *peer = &core->peers[row];
    if (ref->incarnation < peer->ref.incarnation) {
        return GV_ERR_STALE;
    }
    if (ref->incarnation == peer->ref.incarnation && ref->boot != peer->ref.boot) {
        return GV_ERR_COPIED_KEY;
    }
    if (gv_ref_compare(ref, &peer->ref) > 0) {
        core->changes += peer->ref.flags != ref->flags ? GV_CHANGED_VIEWS : 0;
        peer->ref = *ref;
        peer->fresh_us = core->now_us;
        peer->dial_failures = 0;
        if (core->roles[row] == GV_ROLE_PASSIVE && !gv_peer_dialable(peer)) {
            gv_peers_forget(core, row);
        }
    }
    return GV_OK;
}

void gv_peers_forget(struct gv_core *core, uint32_t row)
{
    if (core->roles[row] == GV_ROLE_PASSIVE) {
        core->roles[row] = GV_ROLE_NONE;
        core->passive_count--;
        core->changes += GV_CHANGED_VIEWS;
    }
}

/* Keyed, or who tries keys until an id begins like another's could keep that one out by coming itself. */
static uint32_t arrival_tag(const struct gv_core *core, uint32_t row)
{
    return (uint32_t)mix(gv_head_of(core->peers[row].ref.id.b) ^ core->arrival_key);
}

/* Of an arrival now: the minute in the low byte, never 0 as a whole. */
static uint32_t arrival_of(const struct gv_core *core, uint32_t tag)
{
    uint32_t minute = (uint32_t)(core->now_us / (60 * GV_SECOND)) & 0xffu;
    return (tag << 8 | minute) == 0 ? 1u : tag << 8 | minute;
}

/* Whether it has come into the passive view within half an hour, unless many others came since. */
static bool was_here(const struct gv_core *core, uint32_t tag)
{
    uint32_t now = arrival_of(core, tag);
    for (uint32_t i = 0; i < core->config.arrivals_max; i++) {
        uint32_t then = core->arrivals[i];
        if (then != 0 && then >> 8 == now >> 8) {
            return ((now - then) & 0xffu) < ARRIVAL_AGAIN_MIN;
        }
    }
    return false;
}

static void note_arrival(struct gv_core *core, uint32_t tag)
{
    uint32_t now = arrival_of(core, tag);
    for (uint32_t i = 0; i < core->config.arrivals_max; i++) { /* one for each id: the later counts */
        if (core->arrivals[i] != 0 && core->arrivals[i] >> 8 == now >> 8) {
            core->arrivals[i] = now;
            return;
        }
    }
    GV_ASSERT(core->config.arrivals_max > 0); /* gv_lifecycle_clamp() */
    core->arrivals[core->arrival_next] = now;
    core->arrival_next = (core->arrival_next + 1) % core->config.arrivals_max;
}

bool gv_peers_passive_add(struct gv_core *core, uint32_t row, bool returns)
{
    if (core->roles[row] != GV_ROLE_NONE || !gv_peer_dialable(&core->peers[row]) || core->config.passive_max == 0) {
        return false;
    }
    bool full = core->passive_count >= core->config.passive_max;
    uint32_t most = core->config.passive_max / KEPT_ROOM;
    uint32_t kept = core->active_count < most ? core->active_count : most;
    bool all_known = core->passive_count + kept >= core->config.passive_max;
    if ((full || (all_known && !returns)) && was_here(core, arrival_tag(core, row))) {
        return false;
    }
    if (full) {
        gv_peers_forget(core, passive_victim(core, true));
    }
    note_arrival(core, arrival_tag(core, row));
    core->roles[row] = GV_ROLE_PASSIVE;
    core->ages[row] = 0;
    core->lent[row] = false;
    core->passive_count++;
    core->changes += GV_CHANGED_VIEWS;
    return true;
}

uint32_t gv_peers_fitting(const struct gv_core *core, uint16_t rows[GV_PEERS_MAX],
                          bool (*fits)(const struct gv_core *core, uint32_t peer))
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->peers_used; i++) {
        if (fits(core, i)) {
            rows[count++] = (uint16_t)i;
        }
    }
    return count;
}

uint32_t gv_peers_pick(struct gv_core *core, bool (*fits)(const struct gv_core *core, uint32_t peer))
{
    return gv_peers_best(core, fits, 1, NULL);
}

uint32_t gv_peers_best(struct gv_core *core, bool (*fits)(const struct gv_core *core, uint32_t peer), uint32_t draws,
                       uint32_t (*order)(const struct gv_core *core, uint32_t peer))
{
    uint16_t rows[GV_PEERS_MAX];
    uint32_t count = gv_peers_fitting(core, rows, fits);
    uint32_t best = GV_NOBODY;
    uint32_t least = 0;
    for (uint32_t i = 0; i < draws && count > 0; i++) {
        uint32_t peer = rows[gv_rng_below(&core->rng, count)];
        uint32_t its = order != NULL ? order(core, peer) : 0;
        if (best == GV_NOBODY || its < least) {
            best = peer;
            least = its;
        }
    }
    return best;
}

/* An id has at most one grave; this one may be past its time. */
static uint32_t grave_row(const struct gv_core *core, const struct gv_id *id)
{
    uint32_t tag = gv_peers_tag(id);
    for (uint32_t i = 0; i < core->config.graves_max; i++) {
        if (core->grave_tags[i] == tag && core->graves[i].until_us != 0 && gv_id_equal(&core->graves[i].id, id)) {
            return i;
        }
    }
    return GV_NOBODY;
}

void gv_peers_bury(struct gv_core *core, const struct gv_ref *ref, bool left)
{
    uint32_t graves_max = core->config.graves_max;
    GV_ASSERT(graves_max > 0); /* gv_lifecycle_clamp() */
    uint32_t row = grave_row(core, &ref->id);
    left = left || gv_peers_left(core, &ref->id); /* a farewell past its time is none any more */
    /* Bounded by count: the oldest grave makes room, but a dead node's before one that left for good. */
    for (uint32_t i = 0; i < graves_max && row == GV_NOBODY; i++) {
        uint32_t at = (core->grave_next + i) % graves_max;
        if (core->graves[at].until_us <= core->now_us || !core->graves[at].left) {
            row = at;
            core->grave_next = (at + 1) % graves_max;
        }
    }
    if (row == GV_NOBODY) {
        row = core->grave_next;
        core->grave_next = (row + 1) % graves_max;
    }
    core->grave_tags[row] = gv_peers_tag(&ref->id);
    core->graves[row] = (struct gv_grave){.id = ref->id,
                                          .incarnation = ref->incarnation,
                                          .sequence = ref->sequence,
                                          .left = left,
                                          .until_us = core->now_us + GV_GRAVE_US};
}

static const struct gv_grave *grave_of(const struct gv_core *core, const struct gv_id *id)
{
    uint32_t row = grave_row(core, id);
    return row != GV_NOBODY && core->graves[row].until_us > core->now_us ? &core->graves[row] : NULL;
}

bool gv_peers_buried(const struct gv_core *core, const struct gv_ref *ref)
{
    const struct gv_grave *grave = grave_of(core, &ref->id);
    if (grave == NULL) {
        return false;
    }
    return grave->left || ref->incarnation < grave->incarnation ||
           (ref->incarnation == grave->incarnation && ref->sequence <= grave->sequence);
}

bool gv_peers_left(const struct gv_core *core, const struct gv_id *id)
{
    const struct gv_grave *grave = grave_of(core, id);
    return grave != NULL && grave->left;
}

void gv_peers_exhume(struct gv_core *core, const struct gv_id *id)
{
    uint32_t row = grave_row(core, id);
    if (row != GV_NOBODY && !core->graves[row].left) {
        core->graves[row].until_us = 0;
    }
}

/* Minutes come again after 256: an arrival long past is kept half as long past, or it would seem to be of now. */
static void age_arrivals(struct gv_core *core)
{
    uint32_t now = arrival_of(core, 0);
    for (uint32_t i = 0; i < core->config.arrivals_max; i++) {
        uint32_t then = core->arrivals[i];
        if (then != 0 && ((now - then) & 0xffu) > ARRIVAL_PAST_MIN) {
            core->arrivals[i] = (then & ~0xffu) | ((now - ARRIVAL_PAST_MIN) & 0xffu);
        }
    }
}

void gv_peers_expire(struct gv_core *core)
{
    age_arrivals(core);
    for (uint32_t i = 0; i < core->peers_used; i++) {
        const struct gv_peer *peer = &core->peers[i];
        if (core->roles[i] != GV_ROLE_PASSIVE || core->peer_links[i] != GV_NOBODY) {
            continue;
        }
        bool old = core->now_us - peer->fresh_us > core->config.record_life_us;
        if (old && core->passive_count > RECORD_KEEP_MIN) {
            gv_peers_bury(core, &peer->ref, false); /* this version is not taken back from others either */
            gv_peers_forget(core, i);
        }
    }
}
