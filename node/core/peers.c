/*
 * The table of known nodes, and the graves of those that left or died.
 *
 *     role     NONE --record learnt--> PASSIVE --neighbour--> ACTIVE --demoted, lost--> PASSIVE or NONE
 *
 * A row is worth keeping while it has a role or a link; rows without either are memory of scores and back-offs, and are
 * reused, least bad first, when a new node needs one. There are as many rows as all views and links together can
 * name, so one is always free.
 *
 * Guarantees: one row per id; our own id is never in it; the record in a row only ever becomes newer.
 */
#include "core_state.h"

#include <string.h>

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

uint32_t gv_peers_find(const struct gv_core *core, const struct gv_id *id)
{
    for (uint32_t i = 0; i < core->peers_cap; i++) {
        if (core->peers[i].used && gv_id_equal(&core->peers[i].ref.id, id)) {
            return i;
        }
    }
    return GV_NOBODY;
}

static uint32_t free_row(struct gv_core *core)
{
    uint32_t best = GV_NOBODY;
    uint32_t best_score = UINT32_MAX;
    for (uint32_t i = 0; i < core->peers_cap; i++) {
        const struct gv_peer *peer = &core->peers[i];
        if (!peer->used) {
            return i;
        }
        if (peer->role == GV_ROLE_NONE && peer->link == GV_NOBODY && gv_score_now(core, i) < best_score) {
            best = i;
            best_score = gv_score_now(core, i);
        }
    }
    GV_ASSERT(best != GV_NOBODY);
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
    peer->used = true;
    peer->ref = *ref;
    peer->fresh_us = core->now_us;
    peer->score_us = core->now_us;
    peer->link = GV_NOBODY;
    peer->neighbour = GV_NOBODY;
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
        peer->ref = *ref;
        peer->fresh_us = core->now_us;
        peer->dial_failures = 0;
        if (peer->role == GV_ROLE_PASSIVE && !gv_peer_dialable(peer)) {
            gv_peers_forget(core, row);
        }
    }
    return GV_OK;
}

void gv_peers_forget(struct gv_core *core, uint32_t row)
{
    if (core->peers[row].role == GV_ROLE_PASSIVE) {
        core->peers[row].role = GV_ROLE_NONE;
        core->passive_count--;
    }
}

bool gv_peers_passive_add(struct gv_core *core, uint32_t row)
{
    struct gv_peer *peer = &core->peers[row];
    if (peer->role != GV_ROLE_NONE || !gv_peer_dialable(peer) || core->config.passive_max == 0) {
        return false;
    }
    if (core->passive_count >= core->config.passive_max) {
        uint32_t victim = GV_NOBODY;
        for (uint32_t i = 0; i < core->peers_cap; i++) { /* lent ones first, then the oldest (Cyclon) */
            const struct gv_peer *p = &core->peers[i];
            if (!p->used || p->role != GV_ROLE_PASSIVE) {
                continue;
            }
            const struct gv_peer *v = victim == GV_NOBODY ? NULL : &core->peers[victim];
            if (v == NULL || (p->lent && !v->lent) || (p->lent == v->lent && p->age > v->age)) {
                victim = i;
            }
        }
        gv_peers_forget(core, victim);
    }
    peer->role = GV_ROLE_PASSIVE;
    peer->age = 0;
    peer->lent = false;
    core->passive_count++;
    return true;
}

uint32_t gv_peers_pick(struct gv_core *core, bool (*fits)(const struct gv_core *core, uint32_t peer))
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->peers_cap; i++) {
        count += core->peers[i].used && fits(core, i) ? 1 : 0;
    }
    if (count == 0) {
        return GV_NOBODY;
    }
    uint32_t nth = gv_rng_below(&core->rng, count);
    for (uint32_t i = 0; i < core->peers_cap; i++) {
        if (core->peers[i].used && fits(core, i) && nth-- == 0) {
            return i;
        }
    }
    return GV_NOBODY;
}

void gv_peers_bury(struct gv_core *core, const struct gv_ref *ref, bool left)
{
    struct gv_grave *grave = NULL;
    for (uint32_t i = 0; i < GV_GRAVES_MAX && grave == NULL; i++) {
        if (core->graves[i].until_us != 0 && gv_id_equal(&core->graves[i].id, &ref->id)) {
            grave = &core->graves[i];
            left = left || grave->left;
        }
    }
    /* Bounded by count: the oldest grave makes room, but a dead node's before one that left for good. */
    for (uint32_t i = 0; i < GV_GRAVES_MAX && grave == NULL; i++) {
        uint32_t at = (core->grave_next + i) % GV_GRAVES_MAX;
        if (core->graves[at].until_us <= core->now_us || !core->graves[at].left) {
            grave = &core->graves[at];
            core->grave_next = (at + 1) % GV_GRAVES_MAX;
        }
    }
    if (grave == NULL) {
        grave = &core->graves[core->grave_next];
        core->grave_next = (core->grave_next + 1) % GV_GRAVES_MAX;
    }
    *grave = (struct gv_grave){.id = ref->id,
                               .incarnation = ref->incarnation,
                               .sequence = ref->sequence,
                               .left = left,
                               .until_us = core->now_us + GV_GRAVE_US};
}

static const struct gv_grave *grave_of(const struct gv_core *core, const struct gv_id *id)
{
    for (uint32_t i = 0; i < GV_GRAVES_MAX; i++) {
        if (core->graves[i].until_us > core->now_us && gv_id_equal(&core->graves[i].id, id)) {
            return &core->graves[i];
        }
    }
    return NULL;
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
    for (uint32_t i = 0; i < GV_GRAVES_MAX; i++) {
        if (core->graves[i].until_us != 0 && gv_id_equal(&core->graves[i].id, id) && !core->graves[i].left) {
            core->graves[i].until_us = 0;
        }
    }
}

void gv_peers_expire(struct gv_core *core)
{
    for (uint32_t i = 0; i < core->peers_cap; i++) {
        struct gv_peer *peer = &core->peers[i];
        if (!peer->used || peer->role != GV_ROLE_PASSIVE || peer->link != GV_NOBODY) {
            continue;
        }
        bool old = core->now_us - peer->fresh_us > core->config.record_life_us;
        if (old && core->passive_count > RECORD_KEEP_MIN) {
            gv_peers_bury(core, &peer->ref, false); /* this version is not taken back from others either */
            gv_peers_forget(core, i);
        }
    }
}
