/*
 * The liveness phase's invariants: what must hold once faults have ended and the swarm has had time. The definitions
 * are check.c's; this collects what they look at.
 *
 * Who counts: live honest members, neither copied nor copies nor revoked, of the largest part of the swarm that can
 * know of one another. A node knows of its seeds, of who is in its address book and of whom its core names, so far as a
 * dial can reach them; it is stranded if none of them counts and none of those who count knows of it. (It joined
 * through a seed that left while it was cut off, or was hostile as were all it named: no protocol brings it back
 * without a new invite.) Hostile members join others like anybody, though whether they are joined is nobody's concern:
 * who has no other neighbours is counted in vitals.c.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define EARLIER_US 45000000u /* before the end: neighbours asymmetric then, lately and at the end are an error */
#define LATELY_US 15000000u  /* whoever is apart then and at the end is another */
#define PEERS_MAX 256u
#define SEEDS_MAX (sizeof((struct gv_sim_node *)NULL)->seeds / sizeof(uint32_t))

/* Lists of nodes, one for each node. */
struct lists {
    uint32_t *first; /* (nodes + 1) */
    uint32_t *to;
};

struct gv_sim_views {
    uint32_t nodes;
    bool *counts, *left; /* (nodes) */
    bool *joins;         /* (nodes) those that count, and hostile ones */
    bool *apart;         /* (nodes) who counts and is not held by the active views */
    uint64_t *entries;   /* (nodes) */
    struct lists active, known;
    uint32_t *scratch; /* (2 nodes) */
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

/* Who is linked with a copy of a key names its owner, which knows nothing of it: neither of the two counts. */
static bool is_valid(const struct gv_sim *sim, uint32_t index)
{
    const struct gv_sim_node *node = &sim->nodes[index];
    return node->live && !node->copied && !node->gone && !is_revoked(sim, node->identity);
}

static void free_views(struct gv_sim_views *v)
{
    if (v == NULL) {
        return;
    }
    free(v->counts);
    free(v->left);
    free(v->joins);
    free(v->apart);
    free(v->entries);
    free(v->active.first);
    free(v->active.to);
    free(v->known.first);
    free(v->known.to);
    free(v->scratch);
    free(v);
}

static bool make_lists(struct lists *lists, uint32_t nodes, size_t each)
{
    lists->first = calloc(nodes + 1u, sizeof *lists->first);
    lists->to = calloc((size_t)nodes * each + 1, sizeof *lists->to);
    return lists->first != NULL && lists->to != NULL;
}

/* NULL: out of memory. */
static struct gv_sim_views *make_views(const struct gv_sim *sim)
{
    uint32_t nodes = sim->node_count;
    struct gv_sim_views *v = calloc(1, sizeof *v);
    if (v == NULL) {
        return NULL;
    }
    v->nodes = nodes;
    v->counts = calloc(nodes + 1u, sizeof *v->counts);
    v->left = calloc(nodes + 1u, sizeof *v->left);
    v->joins = calloc(nodes + 1u, sizeof *v->joins);
    v->apart = calloc(nodes + 1u, sizeof *v->apart);
    v->entries = calloc(nodes + 1u, sizeof *v->entries);
    v->scratch = calloc(2u * nodes + 1u, sizeof *v->scratch);
    bool lists = make_lists(&v->active, nodes, PEERS_MAX) &&
                 make_lists(&v->known, nodes, PEERS_MAX + SEEDS_MAX + sim->scenario->book);
    if (!lists || v->counts == NULL || v->left == NULL || v->joins == NULL || v->apart == NULL || v->entries == NULL ||
        v->scratch == NULL) {
        free_views(v);
        return NULL;
    }
    return v;
}

/* Adds who counts and is in reach: to know of others leads nowhere. */
static uint32_t add_known(const struct gv_sim *sim, struct gv_sim_views *v, uint32_t index, uint32_t at, uint32_t other)
{
    if (other < v->nodes && v->counts[other] && gv_sim_in_reach(sim, index, other)) {
        v->known.to[at++] = other;
    }
    return at;
}

/* Whom a node names, and whom it knows of. */
static void collect_node(const struct gv_sim *sim, struct gv_sim_views *v, uint32_t index)
{
    const struct gv_sim_node *node = &sim->nodes[index];
    struct gv_peer_info peers[PEERS_MAX];
    uint32_t active = v->active.first[index];
    uint32_t known = v->known.first[index];
    uint32_t count = v->joins[index] ? gv_core_peers(node->core, peers, PEERS_MAX) : 0;
    count = count < PEERS_MAX ? count : PEERS_MAX;
    for (uint32_t k = 0; k < count; k++) {
        uint32_t peer = gv_identities_find(sim->identities, &peers[k].ref.id);
        if (peer < sim->node_count && peers[k].role == GV_PEER_ACTIVE) {
            v->active.to[active++] = peer;
        }
        known = v->counts[index] ? add_known(sim, v, index, known, peer) : known;
    }
    for (uint32_t k = 0; v->counts[index] && k < node->seed_count; k++) {
        known = add_known(sim, v, index, known, node->seeds[k]);
    }
    for (uint32_t k = 0; v->counts[index] && k < node->book_count; k++) {
        known = add_known(sim, v, index, known, node->book[k]);
    }
    v->active.first[index + 1] = active;
    v->known.first[index + 1] = known;
}

static struct gv_overlay overlay(const struct gv_sim_views *v, const struct lists *lists)
{
    return (struct gv_overlay){.nodes = v->nodes, .counts = v->counts, .first = lists->first, .to = lists->to};
}

static void collect(const struct gv_sim *sim, struct gv_sim_views *v)
{
    for (uint32_t i = 0; i < v->nodes; i++) {
        const struct gv_sim_node *node = &sim->nodes[i];
        v->joins[i] = is_valid(sim, i);
        v->counts[i] = v->joins[i] && !node->hostile;
        v->left[i] = node->left && !node->live && !node->copied; /* a copy of its key may be there still */
        v->entries[i] = node->entries;
    }
    for (uint32_t i = 0; i < v->nodes; i++) {
        collect_node(sim, v, i);
    }
    const struct gv_overlay known = overlay(v, &v->known);
    gv_check_apart(&known, v->scratch, v->apart);
    for (uint32_t i = 0; i < v->nodes; i++) {
        v->counts[i] = v->counts[i] && !v->apart[i];
    }
}

static double value_of(const struct gv_sim_node *node)
{
    return (double)gv_replica_parameters(node->replica)[0];
}

static double variance(const double *values, uint32_t count, double *mean)
{
    double sum = 0.0;
    double squares = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        sum += values[i];
    }
    *mean = sum / count;
    for (uint32_t i = 0; i < count; i++) {
        squares += (values[i] - *mean) * (values[i] - *mean);
    }
    return squares / (count - 1.0);
}

/* Of the nodes that count, as they are; of all that were there when faults ended, since whoever does not count may have
   been averaged with. */
static const char *check_variance(const struct gv_sim *sim, const struct gv_sim_views *v)
{
    double *begin = calloc(v->nodes + 1u, sizeof *begin);
    double *end = calloc(v->nodes + 1u, sizeof *end);
    uint32_t before_count = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; begin != NULL && end != NULL && i < v->nodes && i < sim->calm_nodes; i++) {
        if (!isnan(sim->calm_values[i])) {
            begin[before_count++] = sim->calm_values[i];
        }
        if (v->counts[i] && sim->nodes[i].has_model) {
            end[count++] = value_of(&sim->nodes[i]);
        }
    }
    const char *broken = NULL;
    if (count > 1 && before_count > 1) {
        double mean;
        double before = variance(begin, before_count, &mean);
        double after = variance(end, count, &mean);
        broken = gv_check_variance(before, after, 1.0 + mean * mean); /* they begin as unit normal deviates */
    }
    free(begin);
    free(end);
    return broken;
}

/* What anybody who counts knows of: a revocation whose only witnesses are gone is nobody's. */
static uint64_t all_entries(const struct gv_sim_views *v)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < v->nodes; i++) {
        all |= v->counts[i] ? v->entries[i] : 0;
    }
    return all;
}

/* Who has no other neighbours than nodes with a copied key, which do not count, is linked with one of the two: that is
   all that can be said. Who does not count joins nobody either, unless it is hostile. */
static void leave_out_beside_copies(const struct gv_sim *sim, struct gv_sim_views *v)
{
    for (uint32_t i = 0; i < v->nodes; i++) {
        uint32_t copied = 0;
        uint32_t neighbours = v->active.first[i + 1] - v->active.first[i];
        for (uint32_t k = 0; k < neighbours; k++) {
            copied += sim->nodes[v->active.to[v->active.first[i] + k]].copied ? 1 : 0;
        }
        v->counts[i] = v->counts[i] && (neighbours == 0 || copied < neighbours);
    }
    for (uint32_t i = 0; i < v->nodes; i++) {
        v->joins[i] = v->counts[i] || (v->joins[i] && sim->nodes[i].hostile);
    }
}

static void mark_apart(struct gv_sim_views *v)
{
    struct gv_overlay active = overlay(v, &v->active);
    active.counts = v->joins;
    gv_check_apart(&active, v->scratch, v->apart);
    for (uint32_t i = 0; i < v->nodes; i++) {
        v->apart[i] = v->apart[i] && v->counts[i];
    }
}

/* Rows are only ever added: who was not there before was not apart. */
static const char *check_connected(const struct gv_sim_views *then, struct gv_sim_views *v, uint32_t *node)
{
    mark_apart(v);
    if (then == NULL) {
        return gv_check_connected(v->nodes, v->apart, v->apart, node);
    }
    return gv_check_connected(then->nodes, v->apart, then->apart, node);
}

static const char *check(const struct gv_sim *sim, struct gv_sim_views *v, uint32_t *node)
{
    leave_out_beside_copies(sim, v);
    const struct gv_overlay active = overlay(v, &v->active);
    const char *broken = check_connected(sim->lately, v, node);
    const struct gv_sim_views *then[] = {sim->lately, sim->earlier};
    bool remembered = then[0] != NULL && then[1] != NULL && then[1]->nodes == v->nodes;
    if (broken == NULL && remembered) { /* between two moments a pair may have parted and met again */
        struct gv_overlay moments[] = {active, overlay(then[0], &then[0]->active), overlay(then[1], &then[1]->active)};
        broken = gv_check_symmetric(moments, 3, node);
    }
    if (broken == NULL) {
        broken = gv_check_leaves(&active, v->left, node);
    }
    if (broken == NULL) {
        broken = gv_check_revocations(&active, v->entries, all_entries(v), node);
    }
    const struct gv_scenario *s = sim->scenario;
    bool one_sided = s->learning.exchange == GV_EXCHANGE_PUSH && s->adversaries.fraction > 0.0;
    if (broken == NULL && sim->calm_values != NULL && !one_sided) {
        *node = 0;
        broken = check_variance(sim, v);
    }
    return broken;
}

void gv_sim_remember_values(struct gv_sim *sim, struct gv_thread *thread)
{
    if (sim->scenario->swarm.mode != GV_MODE_MEAN) {
        return;
    }
    gv_sim_catch_up_all(sim, thread);
    sim->calm_values = calloc(sim->node_count + 1u, sizeof *sim->calm_values);
    sim->calm_nodes = sim->calm_values != NULL ? sim->node_count : 0;
    for (uint32_t i = 0; i < sim->calm_nodes; i++) {
        const struct gv_sim_node *node = &sim->nodes[i];
        bool there = node->live && node->has_model;
        sim->calm_values[i] = there ? value_of(node) : (double)NAN;
    }
}

void gv_sim_remember_views(struct gv_sim *sim, uint64_t left_us)
{
    if (sim->earlier == NULL && left_us <= EARLIER_US) {
        sim->earlier = make_views(sim);
        if (sim->earlier != NULL) {
            collect(sim, sim->earlier);
        }
    }
    if (sim->lately == NULL && left_us <= LATELY_US) {
        sim->lately = make_views(sim);
        if (sim->lately != NULL) {
            collect(sim, sim->lately);
            leave_out_beside_copies(sim, sim->lately);
            mark_apart(sim->lately);
        }
    }
}

void gv_sim_forget_views(struct gv_sim *sim)
{
    free_views(sim->earlier);
    free_views(sim->lately);
    sim->earlier = sim->lately = NULL;
    free(sim->calm_values);
    sim->calm_values = NULL;
}

const char *gv_sim_check_liveness(struct gv_sim *sim, uint32_t *node)
{
    const char *broken = NULL;
    struct gv_sim_views *v = sim->scenario->swarm.peers == GV_PEERS_OWN ? make_views(sim) : NULL;
    if (v != NULL) {
        collect(sim, v);
        broken = check(sim, v, node);
    }
    free_views(v);
    return broken;
}
