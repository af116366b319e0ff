/*
 * Simulations for tests: see sim_world.h.
 */
#include "sim_world.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "identity.h"

#define PEERS_MAX 256u

uint64_t sim_seed(void)
{
    const char *given = getenv("SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 1;
    (void)fprintf(stderr, "SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

void sim_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

void sim_scenario(struct gv_scenario *scenario, const char *text)
{
    struct gv_diag diag = {0};
    cr_assert_eq(gv_proto_init(), GV_OK);
    gv_scenario_defaults(scenario);
    cr_assert_eq(gv_scenario_parse(scenario, text, "test.ini", &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_scenario_check(scenario, &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_scenario_find_data(scenario, &diag), GV_OK, "%s", diag.text);
}

void sim_run(struct gv_summary *summary, const struct gv_scenario *scenario, uint64_t seed, uint32_t threads,
             const char *out_dir)
{
    const struct gv_run run = {.seed = seed, .threads = threads, .out_dir = out_dir, .trail = true};
    struct gv_violation violation = {.name = ""};
    struct gv_diag diag = {0};
    enum gv_err err = gv_simulate(summary, &violation, scenario, &run, &diag);
    cr_assert_eq(err, GV_OK, "%s", diag.text);
    cr_assert_null(summary->violated, "%s at %.6f s, node %u, seed %llu\n%s", violation.name, violation.virtual_s,
                   violation.node, (unsigned long long)seed, violation.trail);
    cr_assert_not(summary->partial);
}

/* ---- from inside ------------------------------------------------------------------------------------------------ */

struct watched {
    struct gv_sim *sim;
    sim_look *look;
    void *context;
};

static void handle(void *context, struct gv_thread *thread, const struct gv_occurrence *occurrence)
{
    gv_sim_handle(((struct watched *)context)->sim, thread, occurrence);
}

static void drop(void *context, const struct gv_occurrence *occurrence)
{
    gv_sim_drop(((struct watched *)context)->sim, occurrence);
}

static uint64_t control(void *context, struct gv_thread *thread, uint64_t now_us, bool *stop)
{
    struct watched *watched = context;
    uint64_t next = gv_sim_control(watched->sim, thread, now_us, stop);
    watched->look(watched->sim, now_us, watched->context);
    return next;
}

static void local_new(struct gv_sim_local *local, const struct gv_learning *learning)
{
    local->greeting = GV_NODE_NONE;
    local->effects = calloc(1, sizeof *local->effects);
    local->msg_in = calloc(1, sizeof *local->msg_in);
    local->msg_out = calloc(1, sizeof *local->msg_out);
    local->encode = malloc(GV_SIM_ENCODE_BYTES);
    cr_assert(local->effects != NULL && local->msg_in != NULL && local->msg_out != NULL && local->encode != NULL);
    cr_assert(learning == NULL || gv_learning_scratch_new(&local->scratch, learning) == GV_OK);
}

static void local_free(struct gv_sim_local *local)
{
    free(local->effects);
    free(local->msg_in);
    free(local->msg_out);
    free(local->encode);
    gv_learning_scratch_free(&local->scratch);
}

static void check_end(struct gv_sim *sim, const struct gv_diag *diag)
{
    cr_assert_eq(sim->failed, GV_OK, "%s", diag->text);
    cr_assert_not(sim->violation.found, "%s at %.6f s, node %u, seed %llu", sim->violation.name,
                  (double)sim->violation.at_us / 1e6, sim->violation.node, (unsigned long long)sim->seed);
}

void sim_watch(struct gv_summary *summary, const char *text, uint64_t seed, sim_look *look, void *context)
{
    struct gv_scenario scenario;
    struct gv_diag diag = {0};
    struct gv_sim_local locals[2];
    void *places[2] = {&locals[0], &locals[1]};
    struct gv_sim *sim = calloc(1, sizeof *sim);
    const struct gv_run run = {.seed = seed, .threads = 2, .trail = true};
    struct watched watched = {.sim = sim, .look = look, .context = context};
    const struct gv_world world = {.context = &watched, .handle = handle, .control = control, .drop = drop};
    cr_assert_not_null(sim);
    sim_scenario(&scenario, text);
    memset(locals, 0, sizeof locals);
    sim->scenario = &scenario;
    sim->run = &run;
    sim->seed = seed;
    sim->threads = 2;
    sim->diag = &diag;
    gv_progress_init(&sim->progress, NULL);
    if (scenario.swarm.mode != GV_MODE_MEMBERSHIP) {
        cr_assert_eq(gv_learning_new(&sim->learning, &scenario, seed, &diag), GV_OK, "%s", diag.text);
    }
    cr_assert_eq(gv_sim_world_new(sim, &diag), GV_OK, "%s", diag.text);
    sim->checkpoints = true;
    sim->locals = locals;
    for (int i = 0; i < 2; i++) {
        local_new(&locals[i], sim->learning);
    }
    enum gv_err err = gv_engine_new(&sim->engine, &world, sim->nodes_max, gv_network_window(&scenario), 2, places);
    cr_assert_eq(err, GV_OK);
    gv_engine_run(sim->engine, scenario.swarm.duration_us);
    check_end(sim, &diag);
    memset(summary, 0, sizeof *summary);
    summary->last = sim->sample;
    summary->nodes = sim->node_count;
    gv_engine_free(&sim->engine);
    gv_sim_world_free(sim);
    local_free(&locals[0]);
    local_free(&locals[1]);
    gv_learning_free(&sim->learning);
    free(sim);
}

/* Nodes other than copies of itself that name it. */
static uint32_t namers(struct gv_sim *sim, uint32_t identity, bool active_only)
{
    struct gv_peer_info peers[PEERS_MAX];
    uint32_t found = 0;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (!sim->nodes[i].live) {
            continue;
        }
        uint32_t count = gv_core_peers(sim->nodes[i].core, peers, PEERS_MAX);
        for (uint32_t k = 0; k < count && k < PEERS_MAX; k++) {
            bool counts = peers[k].role == GV_PEER_ACTIVE || (!active_only && peers[k].role == GV_PEER_PASSIVE);
            if (counts && gv_identities_find(sim->identities, &peers[k].ref.id) == identity) {
                found++;
                break;
            }
        }
    }
    return found;
}

uint32_t sim_neighbours_of(struct gv_sim *sim, uint32_t identity)
{
    return namers(sim, identity, true);
}

uint32_t sim_knowers_of(struct gv_sim *sim, uint32_t identity)
{
    return namers(sim, identity, false);
}

uint32_t sim_active(struct gv_sim *sim, uint32_t node)
{
    struct gv_peer_info peers[PEERS_MAX];
    uint32_t found = 0;
    uint32_t count = gv_core_peers(sim->nodes[node].core, peers, PEERS_MAX);
    for (uint32_t k = 0; k < count && k < PEERS_MAX; k++) {
        found += peers[k].role == GV_PEER_ACTIVE ? 1 : 0;
    }
    return found;
}
