/*
 * The world's side of the engine's controls: nodes come, end, come back, are copied; faults strike; figures are taken.
 */
#include "world.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HEARTBEAT_US 1000000u /* how often a run looks whether it shall stop */
#define PRUNE_US 60000000u
#define PRUNE_KEEP_US (uint64_t)2400000000u /* longer than any core keeps a record that was not refreshed */
#define SEED_TRIES 64u
#define STREAM_NODES 0x6e6f6465u
#define STREAM_CONTROL 0x6374726cu

/* True for exactly round(share n) of the first n nodes, evenly spread; ids are random, so any choice is. */
static bool chosen(double share, uint32_t node)
{
    return floor(share * (node + 1.0)) > floor(share * node);
}

/* ---- processes ---------------------------------------------------------------------------------------------- */

static void live_add(struct gv_sim *sim, uint32_t index)
{
    sim->live_at[index] = sim->live_count;
    sim->live[sim->live_count++] = index;
}

/* At once, so that whoever is killed and started again in one control stands in the list once. */
static void live_remove(struct gv_sim *sim, uint32_t index)
{
    uint32_t last = sim->live[--sim->live_count];
    sim->live[sim->live_at[index]] = last;
    sim->live_at[last] = sim->live_at[index];
}

/* In a control: those that have ended by themselves. */
static void live_sweep(struct gv_sim *sim)
{
    if (!sim->some_ended) {
        return;
    }
    sim->some_ended = false;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < sim->live_count; i++) {
        uint32_t index = sim->live[i];
        if (sim->nodes[index].live) {
            sim->live_at[index] = kept;
            sim->live[kept++] = index;
        }
    }
    sim->live_count = kept;
}

/* The endpoints of a node's invite: nodes that can be dialled, live ones if there are any. The first is an earlier
 * node, so that nobody begins apart (node 0 can always be dialled); the others are any of those that come at the
 * same time. */
static void choose_seeds(struct gv_sim *sim, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    if (sim->scenario->swarm.same_seeds) {
        while (node->seed_count < sim->scenario->swarm.seeds && node->seed_count < index) {
            node->seeds[node->seed_count] = node->seed_count;
            node->seed_count++;
        }
        return;
    }
    bool together = index < sim->scenario->swarm.nodes && sim->scenario->swarm.arrival_us == 0;
    for (uint32_t i = 0; i < SEED_TRIES && node->seed_count < sim->scenario->swarm.seeds && index > 0; i++) {
        bool any = together && node->seed_count > 0;
        bool living = !any && i < SEED_TRIES / 2 && sim->live_count > 0; /* whoever invites is there */
        uint32_t among = any ? sim->scenario->swarm.nodes : living ? sim->live_count : index;
        uint32_t seed = gv_random_below(&sim->random, among);
        seed = living ? sim->live[seed] : seed;
        bool known = seed == index || sim->nodes[seed].copy || !gv_network_dialable(sim->network, seed);
        for (uint32_t k = 0; k < node->seed_count; k++) {
            known = known || node->seeds[k] == seed;
        }
        if (!known) {
            node->seeds[node->seed_count++] = seed;
        }
    }
    if (node->seed_count == 0 && index > 0) { /* by chance, where few can be dialled: no invite names nobody */
        node->seeds[node->seed_count++] = 0;
    }
}

/* The rest is an occurrence of the node's own: signing takes time, and shards sign at once. */
static void start_process(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_core_config config = sim->scenario->views;
    config.outbound_only = !gv_network_dialable(sim->network, index);
    config.oracle = sim->scenario->swarm.peers == GV_PEERS_ORACLE;
    if (node->attacker != NULL) {
        gv_attack_configure(node->attacker, &config);
    }
    node->core = gv_core_init(sim->cores + (size_t)index * sim->core_bytes, &config);
    node->life++;
    node->live = true;
    node->since_us = thread->now_us;
    node->silent = false;
    node->tick_us = UINT64_MAX;
    node->boot = gv_random_next(&node->random);
    node->version = NULL;
    node->watch.targets = gv_identities_targets(sim->identities);
    node->incarnation++; /* on disk before the first frame */
    live_add(sim, index);
    gv_vitals_end(sim, index, GV_END_NONE, thread->now_us);
    thread->node = index;
    gv_sim_post_own(sim, thread, index, thread->now_us, GV_SIM_START, 0, NULL);
    if (node->attacker != NULL) {
        gv_attack_start(sim, thread, index);
    }
    if (node->starved) {
        gv_sim_starve(sim, thread, index, thread->now_us);
    }
}

void gv_sim_start(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    gv_sim_sign(sim, thread, index, node->incarnation, 0);
    struct gv_event event = {.kind = GV_EV_START};
    for (int i = 0; i < 4; i++) {
        uint64_t word = gv_random_next(&node->random);
        memcpy(event.u.start.seed + 8 * i, &word, sizeof word);
    }
    event.u.start.self = gv_identities_ref(sim->identities, node->identity, node->version);
    event.u.start.swarm = sim->swarm;
    event.u.start.manifest = sim->manifest;
    event.u.start.trust_digest = gv_identities_digest(sim->identities, node->entries);
    event.u.start.age = node->age_q16;
    event.u.start.has_model = node->has_model;
    event.u.start.trains = sim->learning != NULL;
    event.u.start.book_count = node->book_count;
    event.u.start.seed_count = node->seed_count;
    gv_sim_work_start(sim, thread, index);
    gv_sim_step(sim, thread, index, &event);
}

void gv_sim_end_process(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, bool silent)
{
    struct gv_sim_node *node = &sim->nodes[index];
    if (!node->live) {
        return;
    }
    node->silent = silent;
    gv_sim_hang_up(sim, thread, index);
    gv_sim_work_end(sim, thread, index);
    if (gv_sim_is_newcomer(sim, node)) {
        gv_choice_exposed(&gv_sim_local(thread)->newcomers, thread->now_us - node->since_us);
    }
    node->live = false;
    node->paused_until_us = 0;
    if (thread->shard != NULL) {
        __atomic_store_n(&sim->some_ended, true, __ATOMIC_RELAXED);
    }
}

static bool is_late(const struct gv_sim *sim, uint64_t now_us)
{
    return now_us > sim->scenario->swarm.arrival_us;
}

/* How many of those before it are. */
static uint32_t chosen_before(double share, uint32_t node)
{
    return (uint32_t)floor(share * node);
}

static bool is_hostile(const struct gv_scenario *scenario, uint32_t index)
{
    return scenario->adversaries.attack != GV_ATTACK_NONE && chosen(scenario->adversaries.fraction, index);
}

static enum gv_err create_person(struct gv_sim *sim, uint32_t index, uint64_t wall_s)
{
    bool by_member = sim->scenario->adversaries.one_inviter && is_hostile(sim->scenario, index);
    return gv_identities_create(sim->identities, index, gv_network_dialable(sim->network, index), by_member, wall_s);
}

static enum gv_err make_node(struct gv_sim *sim, uint32_t index, uint32_t identity)
{
    struct gv_sim_node *node = &sim->nodes[index];
    const struct gv_scenario *scenario = sim->scenario;
    gv_random_seed(&node->random, sim->seed, ((uint64_t)STREAM_NODES << 32) + index);
    gv_lane_init(&node->lane);
    node->identity = identity;
    node->drift_ppb = (int32_t)((2.0 * gv_random_open(&node->random) - 1.0) * scenario->churn.drift * 1e9);
    node->wall_offset_s =
        (int32_t)((2.0 * gv_random_open(&node->random) - 1.0) * (double)scenario->churn.offset_us / 1e6);
    node->step_us = gv_dist_draw(&scenario->compute.step_time, &node->random);
    node->step_us *= chosen(scenario->compute.straggler_share, index) ? scenario->compute.straggler_factor : 1.0;
    node->starved = chosen(scenario->compute.starved_share, index);
    node->hostile = is_hostile(scenario, identity);               /* a copy is of the same mind */
    node->newer = chosen(scenario->swarm.newer_share, index + 1); /* shifted: not the same ones as above */
    if (node->hostile && gv_attack_is_on_protocol(scenario->adversaries.attack)) {
        uint32_t ordinal = chosen_before(scenario->adversaries.fraction, identity);
        node->attacker = gv_attacker_new(scenario->adversaries.attack, ordinal);
        if (node->attacker == NULL) {
            return GV_ERR_NOMEM;
        }
    }
    if (sim->run->trail) {
        node->trail = calloc(1, sizeof *node->trail);
        if (node->trail == NULL) {
            return GV_ERR_NOMEM;
        }
    }
    return sim->learning == NULL ? GV_OK : gv_replica_new(&node->replica, sim->learning, identity);
}

/* ---- what faults do ------------------------------------------------------------------------------------------ */

static uint32_t node_count(void *world)
{
    return ((struct gv_sim *)world)->node_count;
}

static bool is_live(void *world, uint32_t node)
{
    return ((struct gv_sim *)world)->nodes[node].live;
}

static void fail(struct gv_sim *sim, enum gv_err err, const char *what)
{
    if (sim->failed == GV_OK) {
        sim->failed = gv_diag_set(sim->diag, err, "%s at node %u", what, sim->node_count);
    }
}

static uint32_t spawn(void *world, struct gv_thread *thread, uint64_t now_us)
{
    struct gv_sim *sim = world;
    if (sim->node_count >= sim->nodes_max) {
        return UINT32_MAX;
    }
    uint32_t index = sim->node_count;
    if (index >= sim->identities_made) {
        enum gv_err err = create_person(sim, index, GV_SIM_WALL_S + now_us / 1000000u);
        if (err != GV_OK) {
            fail(sim, err, "cannot make keys");
            return UINT32_MAX;
        }
        gv_identities_index(sim->identities, index, 1);
        sim->identities_made = index + 1;
    }
    if (make_node(sim, index, index) != GV_OK) {
        fail(sim, GV_ERR_NOMEM, "out of memory");
        return UINT32_MAX;
    }
    sim->node_count++;
    struct gv_sim_node *node = &sim->nodes[index];
    node->has_model = sim->learning == NULL || sim->scenario->swarm.mode == GV_MODE_MEAN || !is_late(sim, now_us);
    if (sim->scenario->swarm.peers == GV_PEERS_OWN) {
        choose_seeds(sim, index);
    }
    start_process(sim, thread, index);
    return index;
}

static void kill_node(void *world, struct gv_thread *thread, uint32_t index, uint64_t now_us, bool silent)
{
    struct gv_sim *sim = world;
    if (!sim->nodes[index].live) {
        return;
    }
    gv_vitals_end(sim, index, GV_END_CRASHED, now_us);
    thread->node = index;
    gv_sim_end_process(sim, thread, index, silent);
    live_remove(sim, index);
}

static void revive(void *world, struct gv_thread *thread, uint32_t index, uint64_t now_us, bool torn)
{
    struct gv_sim *sim = world;
    struct gv_sim_node *node = &sim->nodes[index];
    (void)now_us;
    if (node->live || node->gone) {
        return;
    }
    if (sim->scenario->swarm.mode == GV_MODE_TRAIN) {
        bool kept = !torn && gv_replica_restore(node->replica);
        node->has_model = kept;
        node->age_q16 = kept ? node->checkpoint_age_q16 : 0;
    }
    start_process(sim, thread, index);
}

static void pause_node(void *world, struct gv_thread *thread, uint32_t index, uint64_t now_us, uint64_t until_us)
{
    (void)now_us;
    thread->node = index;
    gv_sim_stand_still(world, thread, index, until_us);
}

static void leave(void *world, struct gv_thread *thread, uint32_t index, uint64_t now_us)
{
    struct gv_sim *sim = world;
    struct gv_sim_node *node = &sim->nodes[index];
    enum gv_err err = gv_identities_leave(sim->identities, node->identity, node->incarnation);
    if (err != GV_OK) {
        fail(sim, err, "cannot sign a farewell");
        return;
    }
    thread->node = index;
    node->gone = true;
    node->left = true;
    gv_vitals_end(sim, index, GV_END_LEFT, now_us);
    gv_sim_post_own(sim, thread, index, now_us, GV_SIM_COMMAND, GV_CMD_LEAVE, NULL);
}

static void revoke_node(void *world, struct gv_thread *thread, uint32_t index, uint32_t witness, uint64_t now_us)
{
    struct gv_sim *sim = world;
    uint32_t entry = 0;
    enum gv_err err =
        gv_identities_revoke(sim->identities, sim->nodes[index].identity, GV_SIM_WALL_S + now_us / 1000000u, &entry);
    if (err != GV_OK) {
        fail(sim, err, "cannot revoke");
        return;
    }
    sim->revoked |= UINT64_C(1) << entry;
    sim->vitals.revoked_us[entry] = now_us;
    gv_vitals_end(sim, index, GV_END_REVOKED, now_us);
    thread->node = witness;
    gv_sim_post_own(sim, thread, witness, now_us, GV_SIM_ENTRIES, entry, NULL);
}

static void copy_key(void *world, struct gv_thread *thread, uint32_t index, uint64_t now_us)
{
    struct gv_sim *sim = world;
    (void)now_us;
    if (sim->node_count >= sim->nodes_max) {
        return;
    }
    if (sim->learning != NULL) { /* its model is what it is now */
        gv_sim_catch_up(sim, thread, index);
    }
    uint32_t copy = sim->node_count;
    if (make_node(sim, copy, sim->nodes[index].identity) != GV_OK) {
        fail(sim, GV_ERR_NOMEM, "out of memory");
        return;
    }
    sim->node_count++;
    struct gv_sim_node *node = &sim->nodes[copy];
    const struct gv_sim_node *original = &sim->nodes[index];
    node->incarnation = original->incarnation - 1; /* it counts on from there, as the original did */
    node->entries = node->watch.entries = original->entries;
    node->has_model = original->has_model;
    node->copy = node->copied = true;
    sim->nodes[index].copied = true;
    node->age_q16 = original->age_q16 + ((uint64_t)original->pushed_steps << 16);
    if (sim->learning != NULL) {
        gv_replica_copy(node->replica, original->replica);
    }
    memcpy(node->seeds, original->seeds, sizeof node->seeds);
    node->seed_count = original->seed_count;
    start_process(sim, thread, copy);
}

static enum gv_err cut(void *world, const uint8_t *side, uint64_t from_us, uint64_t until_us, enum gv_cut kind,
                       uint64_t flap_us)
{
    struct gv_sim *sim = world;
    enum gv_err err = gv_network_cut(sim->network, side, from_us, until_us, kind, flap_us);
    if (err != GV_OK) {
        fail(sim, err, "no memory for a partition");
    }
    gv_vitals_cut(sim, side);
    return GV_OK; /* the run ends at the next look */
}

static void calm(void *world, uint64_t now_us)
{
    struct gv_sim *sim = world;
    gv_network_calm(sim->network);
    sim->faults_ended_us = now_us;
}

/* ---- controls ------------------------------------------------------------------------------------------------ */

static void create_identity(void *context, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim *sim = context;
    (void)thread;
    enum gv_err err = create_person(sim, index, GV_SIM_WALL_S);
    if (err != GV_OK) {
        __atomic_store_n(&sim->identity_failed, true, __ATOMIC_RELAXED);
    }
}

static void begin(struct gv_sim *sim, struct gv_thread *thread)
{
    uint32_t count = sim->scenario->swarm.nodes;
    gv_engine_each(thread, count, create_identity, sim);
    if (sim->identity_failed) {
        fail(sim, GV_ERR_NOMEM, "cannot make keys");
        return;
    }
    gv_identities_index(sim->identities, 0, count);
    sim->identities_made = count;
}

static void prune(struct gv_sim *sim, uint64_t now_us)
{
    for (uint32_t i = 0; i < sim->live_count; i++) {
        const struct gv_sim_node *node = &sim->nodes[sim->live[i]];
        gv_identities_keep(sim->identities, node->identity, node->version);
    }
    gv_identities_prune(sim->identities, now_us, PRUNE_KEEP_US);
}

static bool must_stop(struct gv_sim *sim, uint64_t now_us)
{
    const volatile sig_atomic_t *interrupted = sim->run->interrupted;
    sim->partial = interrupted != NULL && *interrupted != 0;
    return sim->partial || sim->violation.found || sim->failed != GV_OK || now_us >= sim->scenario->swarm.duration_us;
}

uint64_t gv_sim_control(void *context, struct gv_thread *thread, uint64_t now_us, bool *stop)
{
    struct gv_sim *sim = context;
    if (now_us == 0 && sim->identities_made == 0) {
        begin(sim, thread);
        sim->started_s = gv_sim_seconds();
    }
    uint64_t next = sim->failed == GV_OK ? gv_faults_control(sim->faults, thread, now_us) : UINT64_MAX;
    live_sweep(sim);
    gv_vitals_count(sim, now_us);
    if (now_us >= sim->next_prune_us) {
        prune(sim, now_us);
        sim->next_prune_us = now_us + PRUNE_US;
    }
    if (sim->faults_ended_us > 0 && !sim->calm_taken) {
        sim->calm_taken = true;
        gv_sim_remember_values(sim, thread);
    }
    if (sim->calm_taken && now_us < sim->scenario->swarm.duration_us) {
        gv_sim_remember_views(sim, sim->scenario->swarm.duration_us - now_us);
    }
    *stop = must_stop(sim, now_us);
    if (*stop || now_us >= sim->next_report_us) {
        gv_sim_observe(sim, thread, now_us, *stop);
        sim->next_report_us = (now_us / sim->scenario->report.every_us + 1) * sim->scenario->report.every_us;
        if (sim->report != NULL && sim->failed == GV_OK) {
            sim->failed = gv_report_sample(sim->report, &sim->sample, sim->diag);
        }
    }
    sim->sample.virtual_s = (double)now_us / 1e6;
    gv_progress_show(&sim->progress, sim->scenario, &sim->sample);
    uint64_t beat = (now_us / HEARTBEAT_US + 1) * HEARTBEAT_US;
    next = next < beat ? next : beat;
    next = next < sim->next_report_us ? next : sim->next_report_us;
    next = next < sim->scenario->swarm.duration_us ? next : sim->scenario->swarm.duration_us;
    return *stop ? UINT64_MAX : (next > now_us ? next : now_us + 1);
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

/* How many nodes there can ever be. */
static uint32_t most_nodes(const struct gv_scenario *scenario)
{
    double most = scenario->swarm.nodes;
    double arrivals = scenario->churn.arrivals * (double)scenario->swarm.duration_us;
    most += arrivals > 0.0 ? arrivals + 8.0 * sqrt(arrivals) + 16.0 : 0.0;
    for (uint32_t i = 0; i < scenario->fault_count; i++) {
        const struct gv_fault *fault = &scenario->faults[i];
        if (fault->kind == GV_FAULT_ARRIVE || fault->kind == GV_FAULT_COPY_KEY) {
            most += fault->count + ceil(fault->share * most);
        }
    }
    return most < GV_SCENARIO_NODES_MAX ? (uint32_t)most : GV_SCENARIO_NODES_MAX;
}

static enum gv_err allocate(struct gv_sim *sim)
{
    size_t grain = 64;
    sim->core_bytes = (gv_core_bytes(&sim->scenario->views) + grain - 1) / grain * grain;
    sim->core_map_bytes = sim->core_bytes * sim->nodes_max;
    void *map =
        mmap(NULL, sim->core_map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    sim->cores = map == MAP_FAILED ? NULL : map;
    sim->nodes = calloc(sim->nodes_max, sizeof *sim->nodes);
    sim->live = calloc(sim->nodes_max, sizeof *sim->live);
    sim->live_at = calloc(sim->nodes_max, sizeof *sim->live_at);
    if (sim->cores == NULL || sim->nodes == NULL || sim->live == NULL || sim->live_at == NULL) {
        return GV_ERR_NOMEM;
    }
    /* Every step touches another core: without huge pages each would miss the TLB as well. Only a wish. */
    (void)madvise(sim->cores, sim->core_map_bytes, MADV_HUGEPAGE);
    return GV_OK;
}

static void fill_manifest(struct gv_sim *sim)
{
    struct gv_core_manifest *manifest = &sim->manifest;
    manifest->version = 1;
    manifest->epoch = 1;
    manifest->stop_age = GV_NEVER;
    if (sim->learning != NULL) {
        gv_learning_manifest(sim->learning, manifest);
    } else {
        manifest->block_count = 1;
        manifest->block_elements[0] = 1;
        manifest->local_steps = 1;
    }
}

enum gv_err gv_sim_world_new(struct gv_sim *sim, struct gv_diag *diag)
{
    const struct gv_scenario *scenario = sim->scenario;
    uint64_t from_us = scenario->report.choice_from_us;
    sim->choice_from_us = from_us > scenario->swarm.arrival_us ? from_us : scenario->swarm.arrival_us;
    sim->nodes_max = most_nodes(scenario);
    gv_random_seed(&sim->random, sim->seed, STREAM_CONTROL);
    const struct gv_fault_actions actions = {.world = sim,
                                             .node_count = node_count,
                                             .is_live = is_live,
                                             .spawn = spawn,
                                             .kill = kill_node,
                                             .revive = revive,
                                             .pause = pause_node,
                                             .leave = leave,
                                             .revoke = revoke_node,
                                             .copy_key = copy_key,
                                             .cut = cut,
                                             .calm = calm};
    enum gv_err err = allocate(sim);
    if (err == GV_OK) {
        err = gv_identities_new(&sim->identities, sim->seed, sim->nodes_max, scenario->swarm.signatures);
    }
    if (err == GV_OK) {
        err = gv_network_new(&sim->network, scenario, sim->seed, sim->nodes_max);
    }
    if (err == GV_OK) {
        err = gv_faults_new(&sim->faults, scenario, sim->seed, sim->nodes_max, &actions);
    }
    if (err != GV_OK) {
        return gv_diag_set(diag, err, "no memory for %u nodes", sim->nodes_max);
    }
    sim->swarm = gv_identities_swarm(sim->identities);
    fill_manifest(sim);
    return GV_OK;
}

void gv_sim_world_free(struct gv_sim *sim)
{
    for (uint32_t i = 0; i < sim->node_count; i++) {
        gv_sim_work_free(&sim->nodes[i]);
        gv_replica_free(&sim->nodes[i].replica);
        free(sim->nodes[i].links);
        free(sim->nodes[i].book);
        gv_attacker_free(&sim->nodes[i].attacker);
        free(sim->nodes[i].trail);
    }
    gv_sim_forget_views(sim);
    gv_vitals_free(sim);
    gv_faults_free(&sim->faults);
    gv_network_free(&sim->network);
    gv_identities_free(&sim->identities);
    if (sim->cores != NULL) {
        (void)munmap(sim->cores, sim->core_map_bytes);
    }
    free(sim->nodes);
    free(sim->live);
    free(sim->live_at);
}
