/*
 * The liveness phase's invariants: what must hold once faults have ended and the swarm has had time. The definitions are
 * check.c's; this collects what they look at. Copies of keys, nodes that have left and revoked ones do not count.
 */
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define PEERS_MAX 256u

struct gv_sim_views {
    uint32_t nodes;
    bool *counts, *left;     /* (nodes) */
    uint64_t *entries;       /* (nodes) */
    uint32_t *first, *to;    /* active views */
    uint32_t *scratch;       /* (2 nodes) */
};

static bool is_revoked(const struct gv_sim *sim, uint32_t identity)
{
    for (uint32_t e = 0; e < GV_ENTRIES_MAX; e++) {
        if ((sim->revoked >> e & 1) != 0 && gv_identities_entry_target(sim->identities, e) == identity) {
            return true;
        }
    }
    return false;
}

/* True if nobody that this node could turn to is there any more: it cannot come back without a new invite. */
static bool is_stranded(const struct gv_sim *sim, const struct gv_sim_node *node)
{
    struct gv_core_stats stats;
    gv_core_stats(node->core, &stats);
    for (uint32_t i = 0; i < node->seed_count; i++) {
        if (sim->nodes[node->seeds[i]].live && !is_revoked(sim, node->seeds[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < node->book_count; i++) {
        if (sim->nodes[node->book[i]].live && !is_revoked(sim, node->book[i])) {
            return false;
        }
    }
    return stats.peers_known == 0 && node->seed_count > 0;
}

/* Who is linked with a copy of a key names its owner, which knows nothing of it: neither of the two counts. */
static bool counts(const struct gv_sim *sim, uint32_t index)
{
    const struct gv_sim_node *node = &sim->nodes[index];
    return node->live && !node->copied && !node->gone && !is_revoked(sim, node->identity) && !is_stranded(sim, node);
}

static void free_views(struct gv_sim_views *v)
{
    if (v == NULL) {
        return;
    }
    free(v->counts);
    free(v->left);
    free(v->entries);
    free(v->first);
    free(v->to);
    free(v->scratch);
    free(v);
}

static bool fill_views(struct gv_sim_views *v, uint32_t nodes)
{
    v->nodes = nodes;
    v->counts = calloc(nodes + 1u, sizeof *v->counts);
    v->left = calloc(nodes + 1u, sizeof *v->left);
    v->entries = calloc(nodes + 1u, sizeof *v->entries);
    v->first = calloc(nodes + 1u, sizeof *v->first);
    v->to = calloc((size_t)nodes * PEERS_MAX + 1, sizeof *v->to);
    v->scratch = calloc(2u * nodes + 1u, sizeof *v->scratch);
    return v->counts != NULL && v->left != NULL && v->entries != NULL && v->first != NULL && v->to != NULL &&
           v->scratch != NULL;
}

/* NULL: out of memory. */
static struct gv_sim_views *make_views(uint32_t nodes)
{
    struct gv_sim_views *v = calloc(1, sizeof *v);
    if (v != NULL && !fill_views(v, nodes)) {
        free_views(v);
        return NULL;
    }
    return v;
}

static void collect(const struct gv_sim *sim, struct gv_sim_views *v)
{
    uint32_t active = 0;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        const struct gv_sim_node *node = &sim->nodes[i];
        struct gv_peer_info peers[PEERS_MAX];
        v->counts[i] = counts(sim, i);
        v->left[i] = node->left && !node->live;
        v->entries[i] = node->entries;
        v->first[i] = active;
        uint32_t count = v->counts[i] ? gv_core_peers(node->core, peers, PEERS_MAX) : 0;
        count = count < PEERS_MAX ? count : PEERS_MAX;
        for (uint32_t k = 0; k < count; k++) {
            uint32_t peer = gv_identities_find(sim->identities, &peers[k].ref.id);
            if (peer < sim->node_count && peers[k].role == GV_PEER_ACTIVE) {
                v->to[active++] = peer;
            }
        }
    }
    v->first[sim->node_count] = active;
}

static struct gv_overlay active_of(const struct gv_sim_views *v)
{
    return (struct gv_overlay){.nodes = v->nodes, .counts = v->counts, .first = v->first, .to = v->to};
}

static const char *check(const struct gv_sim *sim, struct gv_sim_views *v, uint32_t *node)
{
    const struct gv_overlay active = active_of(v);
    const char *broken = gv_check_connected(&active, v->scratch, node);
    if (broken == NULL && sim->earlier != NULL && sim->earlier->nodes == v->nodes) {
        const struct gv_overlay earlier = active_of(sim->earlier);
        broken = gv_check_symmetric(&active, &earlier, node);
    }
    if (broken == NULL) {
        broken = gv_check_leaves(&active, v->left, node);
    }
    if (broken == NULL) {
        broken = gv_check_revocations(&active, v->entries, sim->revoked, node);
    }
    if (broken == NULL && sim->scenario->swarm.mode == GV_MODE_MEAN) {
        *node = 0;
        broken = gv_check_variance(sim->calm_variance, sim->sample.variance, 1.0 /* of unit normal deviates */);
    }
    return broken;
}

void gv_sim_remember_views(struct gv_sim *sim)
{
    free_views(sim->earlier);
    sim->earlier = make_views(sim->node_count);
    if (sim->earlier != NULL) {
        collect(sim, sim->earlier);
    }
}

void gv_sim_forget_views(struct gv_sim *sim)
{
    free_views(sim->earlier);
    sim->earlier = NULL;
}

const char *gv_sim_check_liveness(struct gv_sim *sim, uint32_t *node)
{
    const char *broken = NULL;
    struct gv_sim_views *v = sim->scenario->swarm.peers == GV_PEERS_OWN ? make_views(sim->node_count) : NULL;
    if (v != NULL) {
        collect(sim, v);
        broken = check(sim, v, node);
    }
    free_views(v);
    return broken;
}
