/*
 * Churn and faults: whom they strike, and when.
 *
 * The agenda has a slot for each node (the end of its session while it runs, its return while it is down), and slots
 * for the first nodes' arrival, the stream of newcomers, the end of all faults, and each listed fault.
 */
#include "faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agenda.h"
#include "churn.h"
#include "random.h"

#define RESTART_US (2u * 1000u * 1000u) /* a service manager's pause, and the start itself */

/* Slots behind those of the nodes. */
enum { SLOT_FIRST, SLOT_NEWCOMER, SLOT_END, SLOT_FAULT, SLOTS = SLOT_FAULT + GV_SCENARIO_FAULTS_MAX };

static const uint64_t VICTIM_SEED =
    UINT64_C(0x76696374696d7320); /* sets these draws apart from other uses of the seed */
static const uint64_t NEWCOMER_SEED = UINT64_C(0x6e6577636f6d6572);

enum standing {
    STANDING_UNKNOWN = 0, /* not yet spawned, or by the world itself */
    STANDING_UP,
    STANDING_DOWN,
    STANDING_GONE, /* left or revoked: never struck, never back */
};

struct gv_faults {
    struct gv_scenario scenario;
    struct gv_fault_actions actions;
    struct gv_fault_counts counts;
    struct gv_agenda agenda;
    struct gv_random newcomers;
    uint64_t seed;
    uint32_t nodes_max;
    uint32_t first_come;                             /* of the first nodes, how many have come */
    uint32_t arrived[GV_SCENARIO_FAULTS_MAX];        /* ARRIVE: how many have come */
    uint32_t expected[GV_SCENARIO_FAULTS_MAX];       /* ARRIVE: of how many */
    uint64_t arrive_from_us[GV_SCENARIO_FAULTS_MAX]; /* ARRIVE: since when */
    uint32_t *life;                                  /* by node: times started */
    uint8_t *standing;                               /* by node: enum standing */
    uint32_t *pool;                                  /* scratch: nodes to choose from */
    uint8_t *side;                                   /* scratch: a partition's */
    bool begun, over;
};

/* What an event needs: when it was due, and when it is done. */
struct moment {
    struct gv_thread *thread;
    uint64_t due_us, now_us;
};

static uint64_t later(uint64_t at_us, uint64_t by_us)
{
    return by_us < UINT64_MAX - at_us ? at_us + by_us : UINT64_MAX;
}

/* When the index-th of `count` comes, if they are spread evenly over `span_us`. */
static uint64_t spread_us(uint64_t span_us, uint32_t index, uint32_t count)
{
    GV_ASSERT(index < count);
    return span_us / count * index + span_us % count * index / count;
}

/* A process of this node starts: its session is drawn. */
static void begin_session(struct gv_faults *faults, uint32_t node, uint64_t at_us)
{
    faults->standing[node] = STANDING_UP;
    uint32_t life = faults->life[node]++;
    uint64_t session_us = UINT64_MAX;
    if (!faults->over) {
        session_us = gv_churn_session(&faults->scenario, faults->seed, node, life);
    }
    gv_agenda_set(&faults->agenda, node, later(at_us, session_us));
}

/* False if there is no room for another. */
static bool spawn(struct gv_faults *faults, const struct moment *moment)
{
    uint32_t node = faults->actions.spawn(faults->actions.world, moment->thread, moment->now_us);
    if (node == UINT32_MAX) {
        return false;
    }
    GV_ASSERT(node < faults->nodes_max);
    faults->counts.arrivals++;
    begin_session(faults, node, moment->due_us);
    return true;
}

static void end_process(struct gv_faults *faults, const struct moment *moment, uint32_t node, bool silent,
                        uint64_t downtime_us)
{
    faults->actions.kill(faults->actions.world, moment->thread, node, moment->now_us, silent);
    faults->standing[node] = STANDING_DOWN;
    gv_agenda_set(&faults->agenda, node, later(moment->due_us, downtime_us));
}

static uint64_t downtime_of(const struct gv_faults *faults, uint32_t node)
{
    uint32_t life = faults->life[node] > 0 ? faults->life[node] - 1 : 0;
    return gv_churn_downtime(&faults->scenario, faults->seed, node, life);
}

static void revive(struct gv_faults *faults, const struct moment *moment, uint32_t node)
{
    bool torn = gv_churn_torn(&faults->scenario, faults->seed, node, faults->life[node]);
    faults->actions.revive(faults->actions.world, moment->thread, node, moment->now_us, torn);
    faults->counts.restarts++;
    begin_session(faults, node, moment->due_us);
}

/* A node's appointment. A process that has ended by itself has no session to end, and does not come back. */
static void turn(struct gv_faults *faults, const struct moment *moment, uint32_t node)
{
    if (faults->standing[node] == STANDING_DOWN) {
        revive(faults, moment, node);
    } else if (faults->actions.is_live(faults->actions.world, node)) {
        faults->counts.departures++;
        end_process(faults, moment, node, false, downtime_of(faults, node));
    }
}

/* The first nodes: all that are due, as long as there is room. */
static void first_nodes(struct gv_faults *faults, const struct moment *moment)
{
    uint32_t nodes = faults->scenario.swarm.nodes;
    uint64_t span_us = faults->scenario.swarm.arrival_us;
    while (faults->first_come < nodes) {
        uint64_t due_us = spread_us(span_us, faults->first_come, nodes);
        if (due_us > moment->due_us) {
            gv_agenda_set(&faults->agenda, faults->nodes_max + SLOT_FIRST, due_us);
            return;
        }
        faults->first_come = spawn(faults, moment) ? faults->first_come + 1 : nodes;
    }
}

static void newcomer(struct gv_faults *faults, const struct moment *moment)
{
    if (spawn(faults, moment)) {
        uint64_t gap_us = gv_churn_gap(&faults->scenario, &faults->newcomers);
        gv_agenda_set(&faults->agenda, faults->nodes_max + SLOT_NEWCOMER, later(moment->due_us, gap_us));
    }
}

/* Nodes of a listed arrival: all that are due, as long as there is room. */
static void arrivals(struct gv_faults *faults, const struct moment *moment, uint32_t index)
{
    uint32_t expected = faults->expected[index];
    while (faults->arrived[index] < expected) {
        uint64_t wait_us = spread_us(faults->scenario.swarm.arrival_us, faults->arrived[index], expected);
        uint64_t due_us = later(faults->arrive_from_us[index], wait_us);
        if (due_us > moment->due_us) {
            gv_agenda_set(&faults->agenda, faults->nodes_max + SLOT_FAULT + index, due_us);
            return;
        }
        faults->arrived[index] = spawn(faults, moment) ? faults->arrived[index] + 1 : expected;
    }
}

/* pool <- the nodes that can be struck; returns how many. */
static uint32_t gather(struct gv_faults *faults)
{
    uint32_t count = 0;
    uint32_t nodes = faults->actions.node_count(faults->actions.world);
    GV_ASSERT(nodes <= faults->nodes_max);
    for (uint32_t node = 0; node < nodes; node++) {
        if (faults->standing[node] != STANDING_GONE && faults->actions.is_live(faults->actions.world, node)) {
            faults->pool[count++] = node;
        }
    }
    return count;
}

/* How many of `live` a fault is about: a share is rounded to the nearest, but some are struck if any can be. */
static uint32_t how_many(const struct gv_fault *fault, uint32_t live)
{
    if (!(fault->share > 0.0)) {
        return fault->count;
    }
    double rounded = fault->share * (double)live + 0.5;
    uint32_t count = rounded < (double)live ? (uint32_t)rounded : live;
    return count > 0 || live == 0 ? count : 1;
}

/* Puts `count` of the pool's nodes in front, at random (Fisher, Yates). */
static void choose(uint32_t *pool, uint32_t pool_count, uint32_t count, struct gv_random *random)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = i + gv_random_below(random, pool_count - i);
        uint32_t chosen = pool[j];
        pool[j] = pool[i];
        pool[i] = chosen;
    }
}

/* Faults' own ends are over with the last of them. */
static uint64_t until_us(const struct gv_faults *faults, const struct gv_fault *fault)
{
    uint64_t end_us = faults->scenario.faults_end_us;
    return end_us > 0 && end_us < fault->until_us ? end_us : fault->until_us;
}

static void leave_for_good(struct gv_faults *faults, uint32_t node)
{
    faults->standing[node] = STANDING_GONE;
    gv_agenda_set(&faults->agenda, node, UINT64_MAX);
}

static void strike_node(struct gv_faults *faults, const struct moment *moment, const struct gv_fault *fault,
                        uint32_t node, uint32_t witness)
{
    const struct gv_fault_actions *actions = &faults->actions;
    switch (fault->kind) {
    case GV_FAULT_KILL:
    case GV_FAULT_VANISH:
    case GV_FAULT_RESTART:
        faults->counts.crashes++;
        end_process(faults, moment, node, fault->kind == GV_FAULT_VANISH,
                    fault->kind == GV_FAULT_RESTART ? RESTART_US : downtime_of(faults, node));
        break;
    case GV_FAULT_PAUSE:
        actions->pause(actions->world, moment->thread, node, moment->now_us, until_us(faults, fault));
        break;
    case GV_FAULT_LEAVE:
        faults->counts.departures++;
        leave_for_good(faults, node);
        actions->leave(actions->world, moment->thread, node, moment->now_us);
        break;
    case GV_FAULT_REVOKE:
        leave_for_good(faults, node);
        actions->revoke(actions->world, moment->thread, node, witness, moment->now_us);
        break;
    case GV_FAULT_COPY_KEY:
        actions->copy_key(actions->world, moment->thread, node, moment->now_us);
        break;
    case GV_FAULT_PARTITION:
    case GV_FAULT_ARRIVE:
    case GV_FAULT_KINDS:
        GV_UNREACHABLE("faults that are not about one node");
    }
}

/* The victims are the first side. */
static void partition(struct gv_faults *faults, const struct moment *moment, const struct gv_fault *fault,
                      uint32_t count)
{
    memset(faults->side, 0, ((size_t)faults->nodes_max + 7) / 8);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = faults->pool[i];
        faults->side[node / 8] = (uint8_t)(faults->side[node / 8] | 1u << (node % 8));
    }
    enum gv_err err = faults->actions.cut(faults->actions.world, faults->side, moment->now_us, until_us(faults, fault),
                                          fault->cut, fault->flap_us);
    if (err != GV_OK) { /* as in the engine: a run without its partition would be another run */
        (void)fprintf(stderr, "grapevine: a partition cannot be made: %s\n", gv_err_text((int)err));
        exit(1);
    }
}

/* Puts the live ones of the nodes that all invites name in front; returns how many there are. */
static uint32_t choose_seeds(const struct gv_faults *faults, uint32_t live)
{
    uint32_t count = 0;
    while (count < live && faults->pool[count] < faults->scenario.swarm.seeds) { /* the pool is in nodes' order */
        count++;
    }
    return count;
}

static void strike(struct gv_faults *faults, const struct moment *moment, uint32_t index)
{
    const struct gv_fault *fault = &faults->scenario.faults[index];
    uint32_t live = gather(faults);
    uint32_t count = fault->seeds ? choose_seeds(faults, live) : how_many(fault, live);
    if (fault->kind == GV_FAULT_ARRIVE) {
        faults->expected[index] = count;
        faults->arrive_from_us[index] = moment->due_us;
        arrivals(faults, moment, index);
        return;
    }
    /* Somebody must be left to tell the others, and to be told; and on the other side of a line. */
    bool some_stay =
        fault->kind == GV_FAULT_LEAVE || fault->kind == GV_FAULT_REVOKE || fault->kind == GV_FAULT_PARTITION;
    uint32_t most = some_stay && live > 0 ? live - 1 : live;
    count = count < most ? count : most;

    struct gv_random random;
    gv_random_seed(&random, faults->seed ^ VICTIM_SEED, index);
    if (!fault->seeds) {
        choose(faults->pool, live, count, &random);
    }
    if (fault->kind == GV_FAULT_PARTITION) {
        partition(faults, moment, fault, count);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t witness = UINT32_MAX;
        if (fault->kind == GV_FAULT_REVOKE) {
            witness = faults->pool[count + gv_random_below(&random, live - count)];
        }
        strike_node(faults, moment, fault, faults->pool[i], witness);
    }
}

/* From now on: no sessions end, nobody new comes (but for the first nodes), and who was to come back does so now. */
static void end_faults(struct gv_faults *faults, const struct moment *moment)
{
    faults->over = true;
    for (uint32_t slot = SLOT_NEWCOMER; slot < SLOTS; slot++) {
        gv_agenda_set(&faults->agenda, faults->nodes_max + slot, UINT64_MAX);
    }
    faults->actions.calm(faults->actions.world, moment->now_us);
    for (uint32_t node = 0; node < faults->nodes_max; node++) {
        if (gv_agenda_at(&faults->agenda, node) == UINT64_MAX) {
            continue;
        }
        gv_agenda_set(&faults->agenda, node, UINT64_MAX);
        if (faults->standing[node] == STANDING_DOWN) {
            revive(faults, moment, node);
        }
    }
}

/* Appointments of the same time are kept in the order in which they are made here. */
static void begin(struct gv_faults *faults)
{
    const struct gv_scenario *scenario = &faults->scenario;
    uint32_t base = faults->nodes_max;
    faults->begun = true;
    gv_agenda_set(&faults->agenda, base + SLOT_FIRST, 0);
    for (uint32_t i = 0; i < scenario->fault_count; i++) {
        gv_agenda_set(&faults->agenda, base + SLOT_FAULT + i, scenario->faults[i].at_us);
    }
    gv_agenda_set(&faults->agenda, base + SLOT_NEWCOMER, gv_churn_gap(scenario, &faults->newcomers));
    if (scenario->faults_end_us > 0) {
        gv_agenda_set(&faults->agenda, base + SLOT_END, scenario->faults_end_us);
    }
}

enum gv_err gv_faults_new(struct gv_faults **faults, const struct gv_scenario *scenario, uint64_t seed,
                          uint32_t nodes_max, const struct gv_fault_actions *actions)
{
    struct gv_faults *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return GV_ERR_NOMEM;
    }
    made->scenario = *scenario;
    made->actions = *actions;
    made->seed = seed;
    made->nodes_max = nodes_max;
    gv_random_seed(&made->newcomers, seed ^ NEWCOMER_SEED, 0);
    size_t nodes = (size_t)nodes_max + 1;
    made->life = calloc(nodes, sizeof *made->life);
    made->standing = calloc(nodes, sizeof *made->standing);
    made->pool = calloc(nodes, sizeof *made->pool);
    made->side = calloc(nodes / 8 + 1, sizeof *made->side);
    bool complete = made->life != NULL && made->standing != NULL && made->pool != NULL && made->side != NULL;
    if (!complete || gv_agenda_init(&made->agenda, nodes_max + SLOTS) != GV_OK) {
        gv_faults_free(&made);
        return GV_ERR_NOMEM;
    }
    *faults = made;
    return GV_OK;
}

void gv_faults_free(struct gv_faults **faults)
{
    if (*faults != NULL) {
        gv_agenda_deinit(&(*faults)->agenda);
        free((*faults)->life);
        free((*faults)->standing);
        free((*faults)->pool);
        free((*faults)->side);
        free(*faults);
        *faults = NULL;
    }
}

uint64_t gv_faults_control(struct gv_faults *faults, struct gv_thread *thread, uint64_t now_us)
{
    if (!faults->begun) {
        begin(faults);
    }
    uint32_t base = faults->nodes_max;
    for (uint64_t due_us; (due_us = gv_agenda_next(&faults->agenda)) <= now_us && due_us != UINT64_MAX;) {
        uint32_t slot = gv_agenda_take(&faults->agenda);
        struct moment moment = {.thread = thread, .due_us = due_us, .now_us = now_us};
        if (slot < base) {
            turn(faults, &moment, slot);
        } else if (slot == base + SLOT_FIRST) {
            first_nodes(faults, &moment);
        } else if (slot == base + SLOT_NEWCOMER) {
            newcomer(faults, &moment);
        } else if (slot == base + SLOT_END) {
            end_faults(faults, &moment);
        } else if (faults->expected[slot - base - SLOT_FAULT] > 0) {
            arrivals(faults, &moment, slot - base - SLOT_FAULT);
        } else {
            strike(faults, &moment, slot - base - SLOT_FAULT);
        }
    }
    return gv_agenda_next(&faults->agenda);
}

struct gv_fault_counts gv_faults_counts(const struct gv_faults *faults)
{
    return faults->counts;
}
