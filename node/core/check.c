/*
 * What must hold of a core between two steps, whatever events it was given. For the simulator and tests; a daemon never
 * asks. Reads only.
 *
 *     sizes-bounded         no table and no window of chunks holds more than its limit
 *     counts-consistent     the counters say what the tables hold
 *     own-id-in-no-view     our own id has no row, so no view and no link can name it
 *     views-disjoint        each id has one row, each row one role: nobody is both active and passive
 *     views-consistent      neighbours and rows of the table name each other; whoever is passive can be dialled
 *     links-consistent      links, peers and dials name each other; no peer has more than two links
 *     work-consistent       exchange, fetch and pins stand on verified links of the peers they are with
 *     left-peer-in-no-view  who has left for good, as we were told, has no place and no verified link
 *     deadlines-kept        a deadline that is kept is not later than what it was made from
 *
 * Sizes and work are looked at every time. The others can change only where gv_core.changes is counted up, and are
 * looked at when it has been: what lies dense at each change of its kind, all rows through at the first call and then
 * at one change in DEEP.
 */
#include "core_state.h"

#include <string.h>

#define DEEP 64u
#define FINDER_SLOTS 512u

_Static_assert(2 * GV_PEERS_MAX < FINDER_SLOTS, "the ids of all rows fit, sparsely");

static bool is_verified(const struct gv_core *core, uint32_t link)
{
    return link < core->config.links_max && core->link_peers[link] != GV_NOBODY;
}

static const char *check_sizes(const struct gv_core *core)
{
    const struct gv_core_config *c = &core->config;
    const struct gv_exchange *x = &core->exchange;
    const struct gv_fetch *f = &core->fetch;
    bool tables = core->links_used <= c->links_max && core->links_provisional <= core->links_used &&
                  core->passive_count <= c->passive_max && core->active_count <= c->active_max &&
                  core->dials_used <= c->dials_max && core->relays_used <= c->relays_max &&
                  core->peers_used <= c->peers_max && f->candidate_count <= GV_DONORS_MAX;
    bool streaming = x->phase == GV_EXCHANGE_STREAMING || x->phase == GV_EXCHANGE_DECIDING;
    bool chunks = !streaming || (x->sent <= x->chunk_count && x->applied <= x->applying && x->applying <= x->received &&
                                 x->received <= x->chunk_count && x->received <= x->applied + GV_CREDIT_CHUNKS_MAX);
    bool taking = f->phase < GV_FETCH_REQUESTED || (f->applied <= f->applying && f->applying <= f->chunk_count &&
                                                    f->applying <= f->applied + GV_CREDIT_CHUNKS_MAX);
    return tables && chunks && taking ? NULL : "sizes-bounded";
}

/* Work over this link; GV_NOBODY: it waits for one. */
static bool stands_on(const struct gv_core *core, uint32_t link, const struct gv_id *peer)
{
    return link == GV_NOBODY || (is_verified(core, link) && core->tags[core->link_peers[link]] == gv_peers_tag(peer));
}

static const char *check_work(const struct gv_core *core)
{
    const struct gv_exchange *x = &core->exchange;
    const struct gv_fetch *f = &core->fetch;
    bool sound = x->phase == GV_EXCHANGE_IDLE || stands_on(core, x->link, &x->peer);
    sound = sound && (f->phase < GV_FETCH_REQUESTED || stands_on(core, f->link, &f->donor));
    for (uint32_t i = 0; i < GV_PINS_MAX && core->pins_used > 0; i++) {
        const struct gv_pin *pin = &core->pins[i];
        sound = sound && (!pin->used || (is_verified(core, pin->link) && pin->sent <= pin->chunk_count));
    }
    return sound ? NULL : "work-consistent";
}

/* One row for each id, none for ours. Ids are compared where their tags are equal. */
static const char *check_ids(const struct gv_core *core)
{
    uint16_t slots[FINDER_SLOTS] = {0}; /* row + 1 */
    uint32_t own = gv_peers_tag(&core->self.id);
    for (uint32_t row = 0; row < core->peers_used; row++) {
        uint32_t tag = core->tags[row];
        const struct gv_id *id = &core->peers[row].ref.id;
        if (tag == own && gv_id_equal(id, &core->self.id)) {
            return "own-id-in-no-view";
        }
        uint32_t at = tag % FINDER_SLOTS;
        for (; slots[at] != 0; at = (at + 1) % FINDER_SLOTS) {
            uint32_t other = slots[at] - 1u;
            if (core->tags[other] == tag && gv_id_equal(&core->peers[other].ref.id, id)) {
                return "views-disjoint";
            }
        }
        slots[at] = (uint16_t)(row + 1);
    }
    return NULL;
}

/* Places of the active view, and the columns of roles. */
static const char *check_views(const struct gv_core *core)
{
    uint32_t roles[GV_ROLE_ACTIVE + 1] = {0};
    for (uint32_t row = 0; row < core->peers_used; row++) {
        if (core->roles[row] > GV_ROLE_ACTIVE) {
            return "views-consistent";
        }
        roles[core->roles[row]]++;
    }
    uint32_t placed = 0; /* as many as rows that are active, and each with such a row of its own: one to one */
    for (uint32_t i = 0; i < core->config.active_max; i++) {
        uint32_t peer = core->view[i];
        if (peer == GV_NOBODY && core->probe_due_us[i] == GV_NEVER) {
            continue;
        }
        bool known = peer < core->peers_used && core->roles[peer] == GV_ROLE_ACTIVE;
        if (!known || core->neighbours[peer] != i) {
            return "views-consistent";
        }
        placed++;
    }
    bool counted = roles[GV_ROLE_PASSIVE] == core->passive_count && roles[GV_ROLE_ACTIVE] == core->active_count &&
                   placed == core->active_count;
    return counted ? NULL : "counts-consistent";
}

bool gv_core_holds(const struct gv_core *core, const struct gv_id *id)
{
    uint32_t peer = core->stopped ? GV_NOBODY : gv_peers_find(core, id);
    return peer != GV_NOBODY && (core->roles[peer] != GV_ROLE_NONE || core->peer_links[peer] != GV_NOBODY);
}

static const char *check_graves(const struct gv_core *core)
{
    for (uint32_t i = 0; i < core->config.graves_max; i++) {
        const struct gv_grave *grave = &core->graves[i];
        if (grave->until_us > core->now_us && grave->left && gv_core_holds(core, &grave->id)) {
            return "left-peer-in-no-view";
        }
    }
    return NULL;
}

/* What every row says of itself. */
static const char *check_rows(const struct gv_core *core)
{
    for (uint32_t row = 0; row < core->peers_used; row++) {
        const struct gv_peer *peer = &core->peers[row];
        bool active = core->roles[row] == GV_ROLE_ACTIVE;
        bool passive = core->roles[row] == GV_ROLE_PASSIVE;
        uint32_t link = core->peer_links[row];
        if (core->tags[row] != gv_peers_tag(&peer->ref.id) || (!active && core->neighbours[row] != GV_NOBODY) ||
            (passive && !gv_peer_dialable(peer))) {
            return "views-consistent";
        }
        if (link != GV_NOBODY && (!is_verified(core, link) || core->link_peers[link] != row)) {
            return "links-consistent";
        }
    }
    return core->links_due_us <= gv_links_soonest(core) ? NULL : "deadlines-kept";
}

/* What the row of each link in use says of itself. */
static const char *check_link_rows(const struct gv_core *core)
{
    for (uint32_t row = 0; row < core->config.links_max; row++) {
        const struct gv_link *link = &core->links[row];
        bool verified = link->state == GV_LINK_VERIFIED;
        bool greeted = link->state == GV_LINK_GREETED && link->dial < core->config.dials_max &&
                       core->dials[link->dial].kind != GV_DIAL_NONE && core->dials[link->dial].link == row;
        bool sound = link->state != GV_LINK_FREE && verified == is_verified(core, row) &&
                     (link->state == GV_LINK_GREETED ? greeted : link->dial == GV_NOBODY);
        if (core->handles[row] != GV_LINK_NONE && !sound) {
            return "links-consistent";
        }
    }
    return NULL;
}

/* A verified link, and who it leads to: the first of their links is one too. */
static bool link_sound(const struct gv_core *core, uint32_t row)
{
    uint32_t peer = core->link_peers[row];
    uint32_t first = peer < core->peers_used ? core->peer_links[peer] : GV_NOBODY;
    return is_verified(core, first) && core->link_peers[first] == peer;
}

static const char *check_links(const struct gv_core *core)
{
    uint8_t links_of[GV_PEERS_MAX] = {0};
    uint32_t used = 0;
    uint32_t provisional = 0;
    for (uint32_t i = 0; i < core->config.links_max; i++) {
        if (core->handles[i] == GV_LINK_NONE) {
            continue;
        }
        used++;
        provisional += is_verified(core, i) ? 0 : 1;
        if (is_verified(core, i) && (!link_sound(core, i) || ++links_of[core->link_peers[i]] > 2)) {
            return "links-consistent";
        }
    }
    uint32_t dials = 0;
    for (uint32_t i = 0; i < core->config.dials_max && core->dials_used > 0; i++) {
        const struct gv_dial *dial = &core->dials[i];
        dials += dial->kind != GV_DIAL_NONE ? 1 : 0;
        bool up = dial->kind != GV_DIAL_NONE && dial->link != GV_NOBODY;
        if (up && (dial->link >= core->config.links_max || core->links[dial->link].dial != i)) {
            return "links-consistent";
        }
    }
    bool counted = used == core->links_used && provisional == core->links_provisional && dials == core->dials_used;
    return counted ? NULL : "counts-consistent";
}

/* Whether this part of the two counts differs. */
static bool differ(uint64_t a, uint64_t b, uint64_t part, uint64_t next)
{
    return ((a ^ b) & (next - part)) != 0;
}

const char *gv_core_check(const struct gv_core *core, uint64_t *seen)
{
    const char *broken = check_sizes(core);
    if (broken == NULL) {
        broken = check_work(core);
    }
    uint64_t now = core->changes;
    uint64_t then = *seen - 1; /* of a core that was never looked at: no count is like it */
    bool first = *seen == 0;
    if (broken != NULL || (now == then && !first)) {
        return broken;
    }
    *seen = now + 1;
    bool deep = first || (now / GV_CHANGED_LINKS + now / GV_CHANGED_VIEWS + now / GV_CHANGED_IDS) % DEEP == 0;
    if (deep || differ(now, then, GV_CHANGED_IDS, 0)) {
        broken = check_ids(core);
    }
    if (broken == NULL && (deep || differ(now, then, GV_CHANGED_VIEWS, GV_CHANGED_IDS))) {
        broken = check_views(core);
    }
    if (broken == NULL && deep) {
        broken = check_link_rows(core);
    }
    if (broken == NULL && (deep || differ(now, then, GV_CHANGED_LINKS, GV_CHANGED_VIEWS))) {
        broken = check_links(core);
    }
    if (broken == NULL && deep) {
        broken = check_rows(core);
    }
    return broken == NULL && deep ? check_graves(core) : broken;
}

const struct gv_ref *gv_core_self(const struct gv_core *core)
{
    return &core->self;
}
