/* Churn and faults: numbers of victims, times, and who is spared, on a world that only takes notes. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "learn_help.h"
#include "sim_help.h"

enum { NODES = 2000, NOTES = 400000 };

static const uint64_t SECOND = 1000000;
static const double SECONDS = 1e6;

enum what { SPAWN, KILL, VANISH, REVIVE, PAUSE, LEAVE, REVOKE, COPY, CUT, CALM };

struct note {
    uint64_t at_us, until_us;
    enum what what;
    uint32_t node, witness;
    bool torn;
};

/* Each test runs in a process of its own, so this is the test's. */
static struct world {
    struct note note[NOTES];
    uint32_t notes;
    uint32_t nodes, room;
    bool live[NODES];
    uint8_t side[NODES / 8];
    enum gv_cut cut;
    uint64_t flap_us;
} world = {.room = NODES};

static struct note *take_note(uint64_t at_us, enum what what, uint32_t node)
{
    cr_assert_lt(world.notes, NOTES);
    struct note *note = &world.note[world.notes++];
    *note = (struct note){.at_us = at_us, .what = what, .node = node};
    return note;
}

static uint32_t node_count(void *context)
{
    (void)context;
    return world.nodes;
}

static bool is_live(void *context, uint32_t node)
{
    (void)context;
    cr_assert_lt(node, world.nodes);
    return world.live[node];
}

static uint32_t spawn(void *context, struct gv_thread *thread, uint64_t now_us)
{
    (void)context;
    (void)thread;
    if (world.nodes == world.room) {
        return UINT32_MAX;
    }
    (void)take_note(now_us, SPAWN, world.nodes);
    world.live[world.nodes] = true;
    return world.nodes++;
}

static void kill_node(void *context, struct gv_thread *thread, uint32_t node, uint64_t now_us, bool silent)
{
    (void)context;
    (void)thread;
    cr_assert(world.live[node]);
    world.live[node] = false;
    (void)take_note(now_us, silent ? VANISH : KILL, node);
}

static void revive(void *context, struct gv_thread *thread, uint32_t node, uint64_t now_us, bool torn)
{
    (void)context;
    (void)thread;
    cr_assert_not(world.live[node]);
    world.live[node] = true;
    take_note(now_us, REVIVE, node)->torn = torn;
}

static void pause_node(void *context, struct gv_thread *thread, uint32_t node, uint64_t now_us, uint64_t until_us)
{
    (void)context;
    (void)thread;
    cr_assert(world.live[node]);
    take_note(now_us, PAUSE, node)->until_us = until_us;
}

/* Farewells take a while: the node is still live. */
static void leave(void *context, struct gv_thread *thread, uint32_t node, uint64_t now_us)
{
    (void)context;
    (void)thread;
    cr_assert(world.live[node]);
    (void)take_note(now_us, LEAVE, node);
}

static void revoke(void *context, struct gv_thread *thread, uint32_t node, uint32_t witness, uint64_t now_us)
{
    (void)context;
    (void)thread;
    cr_assert(world.live[node]);
    cr_assert(world.live[witness]);
    take_note(now_us, REVOKE, node)->witness = witness;
}

static void copy_key(void *context, struct gv_thread *thread, uint32_t node, uint64_t now_us)
{
    (void)context;
    (void)thread;
    cr_assert(world.live[node]);
    (void)take_note(now_us, COPY, node);
}

static enum gv_err cut(void *context, const uint8_t *side, uint64_t from_us, uint64_t until_us, enum gv_cut kind,
                       uint64_t flap_us)
{
    (void)context;
    memcpy(world.side, side, sizeof world.side);
    world.cut = kind;
    world.flap_us = flap_us;
    take_note(from_us, CUT, 0)->until_us = until_us;
    return GV_OK;
}

static void calm(void *context, uint64_t now_us)
{
    (void)context;
    (void)take_note(now_us, CALM, 0);
}

static struct gv_faults *make(const struct gv_scenario *scenario, uint64_t seed)
{
    static const struct gv_fault_actions actions = {
        .world = &world,
        .node_count = node_count,
        .is_live = is_live,
        .spawn = spawn,
        .kill = kill_node,
        .revive = revive,
        .pause = pause_node,
        .leave = leave,
        .revoke = revoke,
        .copy_key = copy_key,
        .cut = cut,
        .calm = calm,
    };
    struct gv_faults *faults;
    cr_assert_eq(gv_faults_new(&faults, scenario, seed, NODES, &actions), GV_OK);
    return faults;
}

/* Runs as the engine does: each control at the time that the last one asked for. */
static struct gv_fault_counts run(const struct gv_scenario *scenario, uint64_t seed, uint64_t until_us)
{
    struct gv_thread thread = {0};
    struct gv_faults *faults = make(scenario, seed);
    uint64_t now_us = 0;
    while (now_us <= until_us) {
        uint64_t next_us = gv_faults_control(faults, &thread, now_us);
        cr_assert_gt(next_us, now_us);
        now_us = next_us;
    }
    struct gv_fault_counts counts = gv_faults_counts(faults);
    gv_faults_free(&faults);
    cr_assert_null(faults);
    return counts;
}

static struct gv_scenario swarm(uint32_t nodes)
{
    return (struct gv_scenario){.swarm.nodes = nodes};
}

static void add(struct gv_scenario *scenario, struct gv_fault fault)
{
    scenario->faults[scenario->fault_count++] = fault;
}

static uint32_t count_of(enum what what)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < world.notes; i++) {
        count += world.note[i].what == what;
    }
    return count;
}

static const struct note *find(enum what what, uint32_t node)
{
    for (uint32_t i = 0; i < world.notes; i++) {
        if (world.note[i].what == what && world.note[i].node == node) {
            return &world.note[i];
        }
    }
    return NULL;
}

/* Ends the test unless all notes of this kind have this time, and each node has one at most. */
static void expect_all_at(enum what what, uint64_t at_us)
{
    static bool met[NODES];
    memset(met, 0, sizeof met);
    for (uint32_t i = 0; i < world.notes; i++) {
        if (world.note[i].what == what) {
            cr_assert_eq(world.note[i].at_us, at_us);
            cr_assert_not(met[world.note[i].node], "node %u twice", world.note[i].node);
            met[world.note[i].node] = true;
        }
    }
}

/* ---- arrival ------------------------------------------------------------------------------------------- */

Test(faults, the_first_nodes_come_at_once)
{
    struct gv_scenario scenario = swarm(500);
    struct gv_fault_counts counts = run(&scenario, 1, 3600 * SECOND);
    cr_assert_eq(count_of(SPAWN), 500);
    cr_assert_eq(world.notes, 500);
    cr_assert_eq(counts.arrivals, 500);
    cr_assert_eq(counts.departures + counts.crashes + counts.restarts, 0);
    expect_all_at(SPAWN, 0);
}

Test(faults, the_first_nodes_come_spread_over_the_arrival_time)
{
    struct gv_scenario scenario = swarm(7);
    scenario.swarm.arrival_us = 100;
    (void)run(&scenario, 1, SECOND);
    cr_assert_eq(world.notes, 7);
    for (uint32_t n = 0; n < 7; n++) {
        cr_assert_eq(world.note[n].at_us, 100 * n / 7);
    }
}

Test(faults, newcomers_are_a_poisson_process)
{
    static double gap[NODES];
    struct gv_scenario scenario = swarm(10);
    scenario.churn.arrivals = 0.5 / SECONDS;
    (void)run(&scenario, help_seed(), 3000 * SECOND);
    uint32_t count = world.nodes - 10;
    help_expect_share(count, 3000000, 0.0005); /* a Poisson variable: mean 1,500 and nearly the same variance */
    uint64_t last_us = 0;
    for (uint32_t i = 0; i < count; i++) {
        gap[i] = (double)(world.note[10 + i].at_us - last_us);
        last_us = world.note[10 + i].at_us;
    }
    struct gv_dist expected = help_exponential(2 * SECONDS);
    cr_assert_lt(help_distance(gap, count, &expected), HELP_DISTANCE_MAX);
}

Test(faults, nobody_comes_when_there_is_no_room)
{
    struct gv_scenario scenario = swarm(10);
    scenario.churn.arrivals = 0.5 / SECONDS;
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_ARRIVE, .count = 50, .at_us = 5 * SECOND});
    world.room = 12;
    struct gv_fault_counts counts = run(&scenario, 1, 1000 * SECOND);
    cr_assert_eq(world.nodes, 12);
    cr_assert_eq(counts.arrivals, 12);
}

Test(faults, listed_arrivals_come_at_once_or_spread)
{
    struct gv_scenario scenario = swarm(40);
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_ARRIVE, .count = 5, .at_us = 60 * SECOND});
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_ARRIVE, .share = 0.1, .at_us = 90 * SECOND}); /* of 45: 5 */
    (void)run(&scenario, 1, 100 * SECOND);
    cr_assert_eq(world.nodes, 50);
    for (uint32_t n = 40; n < 50; n++) {
        cr_assert_eq(world.note[n].at_us, (n < 45 ? 60 : 90) * SECOND);
    }
    world.notes = world.nodes = 0;
    scenario.swarm.arrival_us = 10 * SECOND;
    (void)run(&scenario, 1, 100 * SECOND);
    cr_assert_eq(world.nodes, 50);
    for (uint32_t n = 40; n < 45; n++) {
        cr_assert_eq(world.note[n].at_us, (60 + 2 * (n - 40)) * SECOND);
    }
}

/* ---- sessions ------------------------------------------------------------------------------------------ */

Test(faults, sessions_and_downtimes_alternate)
{
    struct gv_scenario scenario = swarm(3);
    scenario.churn.session = help_constant(10 * SECONDS);
    scenario.churn.downtime = help_constant(4 * SECONDS);
    struct gv_fault_counts counts = run(&scenario, 1, 30 * SECOND);
    cr_assert_eq(world.notes, 3 * 5);
    static const struct note expected[] = {
        {.at_us = 0, .what = SPAWN},       {.at_us = 10000000, .what = KILL},   {.at_us = 14000000, .what = REVIVE},
        {.at_us = 24000000, .what = KILL}, {.at_us = 28000000, .what = REVIVE},
    };
    for (uint32_t i = 0; i < world.notes; i++) {
        cr_assert_eq(world.note[i].node, i % 3);
        cr_assert_eq(world.note[i].what, expected[i / 3].what);
        cr_assert_eq(world.note[i].at_us, expected[i / 3].at_us);
    }
    cr_assert_eq(counts.departures, 6);
    cr_assert_eq(counts.restarts, 6);
    cr_assert_eq(counts.crashes, 0);
}

Test(faults, without_a_downtime_nobody_returns)
{
    struct gv_scenario scenario = swarm(100);
    scenario.churn.session = help_constant(10 * SECONDS);
    (void)run(&scenario, 1, 3600 * SECOND);
    cr_assert_eq(count_of(KILL), 100);
    cr_assert_eq(count_of(REVIVE), 0);
}

/* Lengths of sessions and of the times between them; sessions that have not ended are left out, so the run must be long
   against them. */
static void expect_lengths(const struct gv_dist *session, const struct gv_dist *downtime, uint32_t lives)
{
    static double up[NOTES], down[NOTES];
    static uint64_t since_us[NODES];
    static uint32_t begun[NODES], ended[NODES];
    size_t ups = 0;
    size_t downs = 0;
    for (uint32_t i = 0; i < world.notes; i++) {
        const struct note *note = &world.note[i];
        uint32_t node = note->node;
        if (note->what == KILL && ended[node]++ < lives) { /* the first lives of all nodes: no bias to short ones */
            up[ups++] = (double)(note->at_us - since_us[node]);
        } else if (note->what == REVIVE && begun[node]++ < lives) {
            down[downs++] = (double)(note->at_us - since_us[node]);
        }
        since_us[node] = note->at_us;
    }
    cr_assert_eq(ups, (size_t)world.nodes * lives);
    cr_assert_eq(downs, (size_t)world.nodes * lives);
    cr_assert_lt(help_distance(up, ups, session), HELP_DISTANCE_MAX);
    cr_assert_lt(help_distance(down, downs, downtime), HELP_DISTANCE_MAX);
}

Test(faults, sessions_and_downtimes_follow_their_distributions)
{
    struct gv_scenario scenario = swarm(1000);
    scenario.churn.session = help_exponential(100 * SECONDS);
    scenario.churn.downtime = help_weibull(20 * SECONDS, 0.7);
    (void)run(&scenario, help_seed(), 6000 * SECOND);
    expect_lengths(&scenario.churn.session, &scenario.churn.downtime, 10);
}

Test(faults, weibull_sessions_follow_theirs)
{
    struct gv_scenario scenario = swarm(1000);
    scenario.churn.session = help_weibull(50 * SECONDS, 0.6);
    scenario.churn.downtime = help_uniform(5 * SECONDS, 15 * SECONDS);
    (void)run(&scenario, help_seed(), 12000 * SECOND);
    expect_lengths(&scenario.churn.session, &scenario.churn.downtime, 5);
}

Test(faults, a_rate_takes_a_share_of_the_live_nodes)
{
    struct gv_scenario scenario = swarm(NODES);
    scenario.churn.rate = 0.05 / (60 * SECONDS); /* 5 % a minute: 1 - exp(-0.5) of them in ten */
    (void)run(&scenario, help_seed(), 600 * SECOND);
    help_expect_share(count_of(KILL), NODES, 0.3934693);
    cr_assert_eq(count_of(REVIVE), 0);
}

Test(faults, newcomers_have_sessions_too)
{
    struct gv_scenario scenario = swarm(1);
    scenario.churn.session = help_constant(10 * SECONDS);
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_ARRIVE, .count = 1, .at_us = 3 * SECOND});
    (void)run(&scenario, 1, 60 * SECOND);
    cr_assert_eq(find(KILL, 1)->at_us, 13 * SECOND);
}

Test(faults, a_process_that_ended_by_itself_is_let_be)
{
    struct gv_scenario scenario = swarm(2);
    scenario.churn.session = help_constant(10 * SECONDS);
    scenario.churn.downtime = help_constant(1 * SECONDS);
    struct gv_thread thread = {0};
    struct gv_faults *faults = make(&scenario, 1);
    (void)gv_faults_control(faults, &thread, 0);
    world.live[1] = false;
    (void)gv_faults_control(faults, &thread, 10 * SECOND);
    (void)gv_faults_control(faults, &thread, 11 * SECOND);
    cr_assert_eq(count_of(KILL), 1);
    cr_assert_eq(count_of(REVIVE), 1);
    cr_assert_eq(find(REVIVE, 0)->at_us, 11 * SECOND);
    gv_faults_free(&faults);
}

Test(faults, restarts_find_torn_states_as_often_as_asked)
{
    struct gv_scenario scenario = swarm(NODES);
    scenario.churn.session = help_constant(10 * SECONDS);
    scenario.churn.downtime = help_constant(10 * SECONDS);
    scenario.churn.torn_state = 0.25;
    (void)run(&scenario, help_seed(), 199 * SECOND);
    uint32_t torn = 0;
    for (uint32_t i = 0; i < world.notes; i++) {
        torn += world.note[i].torn;
    }
    help_expect_share(torn, count_of(REVIVE), 0.25);
    cr_assert_eq(count_of(REVIVE), 9 * NODES);
}

/* ---- listed faults ------------------------------------------------------------------------------------- */

Test(faults, kill_ends_a_share_rounded_to_the_nearest)
{
    static const struct {
        double share;
        uint32_t nodes, victims;
    } cases[] = {{0.5, 100, 50}, {0.5, 101, 51}, {0.1, 14, 1}, {0.1, 15, 2},
                 {0.01, 10, 1},  {1.0, 10, 10},  {0.001, 1, 1}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        world.notes = world.nodes = 0;
        struct gv_scenario scenario = swarm(cases[c].nodes);
        add(&scenario, (struct gv_fault){.kind = GV_FAULT_KILL, .share = cases[c].share, .at_us = 300 * SECOND});
        struct gv_fault_counts counts = run(&scenario, 1, 3600 * SECOND);
        cr_assert_eq(count_of(KILL), cases[c].victims, "%g of %u", cases[c].share, cases[c].nodes);
        cr_assert_eq(counts.crashes, cases[c].victims);
        cr_assert_eq(count_of(REVIVE), 0);
        expect_all_at(KILL, 300 * SECOND);
    }
}

Test(faults, a_number_of_victims_is_that_number_or_all)
{
    struct gv_scenario scenario = swarm(30);
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_VANISH, .count = 7, .at_us = 5 * SECOND});
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_KILL, .count = 100, .at_us = 6 * SECOND});
    (void)run(&scenario, 1, 60 * SECOND);
    cr_assert_eq(count_of(VANISH), 7);
    cr_assert_eq(count_of(KILL), 23); /* of those that are live */
    expect_all_at(VANISH, 5 * SECOND);
    expect_all_at(KILL, 6 * SECOND);
}

Test(faults, victims_are_chosen_evenly)
{
    enum { SWARM = 50, TRIALS = 4000 };
    uint32_t struck[SWARM] = {0};
    uint32_t pairs = 0;
    uint64_t seed = help_seed();
    struct gv_scenario scenario = swarm(SWARM);
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_KILL, .count = 10, .at_us = SECOND});
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        world.notes = world.nodes = 0;
        (void)run(&scenario, seed + trial, SECOND);
        for (uint32_t n = 0; n < SWARM; n++) {
            struck[n] += !world.live[n];
        }
        pairs += !world.live[3] && !world.live[4];
    }
    for (uint32_t n = 0; n < SWARM; n++) {
        help_expect_share(struck[n], TRIALS, 0.2);
    }
    help_expect_share(pairs, TRIALS, 0.2 * 9.0 / 49.0);
}

Test(faults, two_faults_of_a_kind_have_victims_of_their_own)
{
    struct gv_scenario scenario = swarm(1000);
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_COPY_KEY, .count = 100, .at_us = SECOND});
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_COPY_KEY, .count = 100, .at_us = SECOND});
    (void)run(&scenario, help_seed(), SECOND);
    uint32_t both = 0;
    for (uint32_t i = 0; i < 100; i++) {
        for (uint32_t j = 0; j < 100; j++) {
            both += world.note[1000 + i].node == world.note[1100 + j].node;
        }
    }
    cr_assert_eq(count_of(COPY), 200);
    cr_assert_leq(both, 35); /* 10 by chance, deviation 2.9 */
}

Test(faults, the_killed_come_back_after_a_downtime_with_a_new_session)
{
    struct gv_scenario scenario = swarm(10);
    scenario.churn.session = help_constant(100 * SECONDS);
    scenario.churn.downtime = help_constant(30 * SECONDS);
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_KILL, .share = 1.0, .at_us = 60 * SECOND});
    struct gv_fault_counts counts = run(&scenario, 1, 200 * SECOND);
    cr_assert_eq(count_of(KILL), 20);
    expect_all_at(REVIVE, 90 * SECOND);
    cr_assert_eq(count_of(REVIVE), 10);
    cr_assert_eq(world.note[world.notes - 1].at_us, 190 * SECOND); /* and not at 100 s, the end of the old session */
    cr_assert_eq(counts.crashes, 10);
    cr_assert_eq(counts.departures, 10);
}

Test(faults, vanishing_is_silent_and_killing_is_not)
{
    struct gv_scenario scenario = swarm(10);
    scenario.churn.downtime = help_constant(30 * SECONDS);
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_VANISH, .share = 0.3, .at_us = 60 * SECOND});
    (void)run(&scenario, 1, 200 * SECOND);
    cr_assert_eq(count_of(VANISH), 3);
    cr_assert_eq(count_of(KILL), 0);
    cr_assert_eq(count_of(REVIVE), 3);
    expect_all_at(REVIVE, 90 * SECOND);
}

Test(faults, restart_is_back_after_two_seconds)
{
    struct gv_scenario scenario = swarm(10);
    scenario.churn.downtime = help_constant(30 * SECONDS);
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_RESTART, .count = 4, .at_us = 60 * SECOND});
    struct gv_fault_counts counts = run(&scenario, 1, 200 * SECOND);
    cr_assert_eq(count_of(KILL), 4);
    cr_assert_eq(count_of(REVIVE), 4);
    expect_all_at(KILL, 60 * SECOND);
    expect_all_at(REVIVE, 62 * SECOND);
    cr_assert_eq(counts.crashes, 4);
    cr_assert_eq(counts.restarts, 4);
}

Test(faults, pause_lasts_as_long_as_it_says)
{
    struct gv_scenario scenario = swarm(50);
    add(&scenario,
        (struct gv_fault){.kind = GV_FAULT_PAUSE, .share = 0.1, .at_us = 60 * SECOND, .until_us = 90 * SECOND});
    (void)run(&scenario, 1, 200 * SECOND);
    cr_assert_eq(count_of(PAUSE), 5);
    expect_all_at(PAUSE, 60 * SECOND);
    cr_assert_eq(world.note[world.notes - 1].until_us, 90 * SECOND);
}

Test(faults, who_leaves_is_not_struck_again_and_has_no_more_sessions)
{
    struct gv_scenario scenario = swarm(10);
    scenario.churn.session = help_constant(100 * SECONDS);
    scenario.churn.downtime = help_constant(1 * SECONDS);
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_LEAVE, .count = 4, .at_us = 60 * SECOND});
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_KILL, .share = 1.0, .at_us = 60 * SECOND});
    struct gv_fault_counts counts = run(&scenario, 1, 200 * SECOND);
    cr_assert_eq(count_of(LEAVE), 4);
    cr_assert_eq(count_of(KILL), 12); /* at 60 s and at 161 s; those that left still say farewell */
    cr_assert_eq(counts.departures, 10);
    for (uint32_t n = 0; n < 10; n++) {
        cr_assert((find(LEAVE, n) != NULL) != (find(KILL, n) != NULL));
        cr_assert((find(LEAVE, n) != NULL) != (find(REVIVE, n) != NULL));
    }
}

Test(faults, the_last_live_node_neither_leaves_nor_is_revoked)
{
    struct gv_scenario scenario = swarm(10);
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_LEAVE, .share = 0.5, .at_us = 1 * SECOND});
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_REVOKE, .share = 1.0, .at_us = 2 * SECOND});
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_REVOKE, .count = 3, .at_us = 3 * SECOND});
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_LEAVE, .count = 3, .at_us = 4 * SECOND});
    (void)run(&scenario, help_seed(), 60 * SECOND);
    cr_assert_eq(count_of(LEAVE), 5);
    cr_assert_eq(count_of(REVOKE), 4);
    expect_all_at(REVOKE, 2 * SECOND);
}

Test(faults, a_witness_of_a_revocation_is_a_member)
{
    uint64_t seed = help_seed();
    for (uint64_t trial = 0; trial < 300; trial++) {
        world.notes = world.nodes = 0;
        struct gv_scenario scenario = swarm(8);
        add(&scenario, (struct gv_fault){.kind = GV_FAULT_LEAVE, .count = 2, .at_us = 1 * SECOND});
        add(&scenario, (struct gv_fault){.kind = GV_FAULT_REVOKE, .count = 4, .at_us = 2 * SECOND});
        (void)run(&scenario, seed + trial, 60 * SECOND);
        cr_assert_eq(count_of(REVOKE), 4);
        for (uint32_t i = 0; i < world.notes; i++) {
            if (world.note[i].what == REVOKE) {
                cr_assert_null(find(REVOKE, world.note[i].witness));
                cr_assert_null(find(LEAVE, world.note[i].witness));
            }
        }
    }
}

Test(faults, partition_cuts_off_a_share)
{
    struct gv_scenario scenario = swarm(200);
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_PARTITION,
                                     .share = 0.3,
                                     .at_us = 60 * SECOND,
                                     .until_us = 180 * SECOND,
                                     .cut = GV_CUT_FLAPPING,
                                     .flap_us = 10 * SECOND});
    (void)run(&scenario, 1, 200 * SECOND);
    cr_assert_eq(count_of(CUT), 1);
    const struct note *note = find(CUT, 0);
    cr_assert_eq(note->at_us, 60 * SECOND);
    cr_assert_eq(note->until_us, 180 * SECOND);
    cr_assert_eq(world.cut, GV_CUT_FLAPPING);
    cr_assert_eq(world.flap_us, 10 * SECOND);
    uint32_t cut_off = 0;
    for (uint32_t n = 0; n < NODES; n++) {
        bool side = (world.side[n / 8] >> (n % 8) & 1) != 0;
        cut_off += side;
        cr_assert(!side || n < 200);
    }
    cr_assert_eq(cut_off, 60);
}

static uint32_t count_cut_off(void)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < NODES; n++) {
        count += world.side[n / 8] >> (n % 8) & 1;
    }
    return count;
}

/* A share that is nearly all is rounded to all of a few, and a number may be more than are left. */
Test(faults, a_partition_has_two_sides)
{
    struct gv_scenario scenario = swarm(10);
    add(&scenario,
        (struct gv_fault){.kind = GV_FAULT_PARTITION, .share = 0.99, .at_us = SECOND, .until_us = 2 * SECOND});
    (void)run(&scenario, 1, 3 * SECOND);
    cr_assert_eq(count_cut_off(), 9);
    world.notes = world.nodes = 0;
    scenario.fault_count = 0;
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_KILL, .count = 5, .at_us = SECOND});
    add(&scenario,
        (struct gv_fault){.kind = GV_FAULT_PARTITION, .count = 7, .at_us = 2 * SECOND, .until_us = 3 * SECOND});
    (void)run(&scenario, 1, 4 * SECOND);
    cr_assert_eq(count_cut_off(), 4);
}

Test(faults, the_dead_are_not_struck)
{
    struct gv_scenario scenario = swarm(100);
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_KILL, .count = 90, .at_us = 1 * SECOND});
    add(&scenario,
        (struct gv_fault){.kind = GV_FAULT_PAUSE, .share = 0.5, .at_us = 2 * SECOND, .until_us = SECOND * 9});
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_KILL, .count = 90, .at_us = 3 * SECOND});
    add(&scenario,
        (struct gv_fault){.kind = GV_FAULT_PAUSE, .share = 0.5, .at_us = 4 * SECOND, .until_us = SECOND * 9});
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_REVOKE, .share = 0.5, .at_us = 5 * SECOND});
    (void)run(&scenario, 1, 60 * SECOND);
    cr_assert_eq(count_of(PAUSE), 5);
    cr_assert_eq(count_of(KILL), 100);
    cr_assert_eq(count_of(REVOKE), 0);
}

/* ---- the end of faults --------------------------------------------------------------------------------- */

Test(faults, after_their_end_the_swarm_is_whole_and_stays_so)
{
    struct gv_scenario scenario = swarm(300);
    scenario.churn.session = help_exponential(50 * SECONDS);
    scenario.churn.downtime = help_weibull(100 * SECONDS, 0.5);
    scenario.churn.arrivals = 0.1 / SECONDS;
    scenario.faults_end_us = 400 * SECOND;
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_LEAVE, .count = 20, .at_us = 200 * SECOND});
    add(&scenario,
        (struct gv_fault){.kind = GV_FAULT_PAUSE, .count = 1, .at_us = 390 * SECOND, .until_us = 500 * SECOND});
    add(&scenario,
        (struct gv_fault){.kind = GV_FAULT_PARTITION, .share = 0.5, .at_us = 390 * SECOND, .until_us = 500 * SECOND});
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_RESTART, .count = 10, .at_us = 399 * SECOND});
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_KILL, .share = 0.5, .at_us = 500 * SECOND});
    (void)run(&scenario, help_seed(), 10000 * SECOND);
    cr_assert_eq(count_of(CALM), 1);
    cr_assert_eq(find(CALM, 0)->at_us, 400 * SECOND);
    bool over = false;
    for (uint32_t i = 0; i < world.notes; i++) {
        const struct note *note = &world.note[i];
        cr_assert_leq(note->at_us, 400 * SECOND);
        cr_assert(!over || note->what == REVIVE);
        over = over || note->what == CALM;
        cr_assert((note->what != PAUSE && note->what != CUT) || note->until_us == 400 * SECOND);
    }
    for (uint32_t n = 0; n < world.nodes; n++) {
        cr_assert(world.live[n], "node %u is still down", n);
    }
}

Test(faults, the_end_does_not_bring_back_who_was_never_to_return)
{
    struct gv_scenario scenario = swarm(30);
    scenario.swarm.arrival_us = 60 * SECOND; /* the first nodes come all the same */
    scenario.faults_end_us = 40 * SECOND;
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_KILL, .count = 3, .at_us = 30 * SECOND});
    (void)run(&scenario, 1, 100 * SECOND);
    cr_assert_eq(count_of(KILL), 3);
    cr_assert_eq(count_of(REVIVE), 0);
    cr_assert_eq(count_of(SPAWN), 30);
    cr_assert_eq(world.note[world.notes - 1].at_us, 58 * SECOND);
}

/* ---- determinism --------------------------------------------------------------------------------------- */

static struct gv_scenario mixed(void)
{
    struct gv_scenario scenario = swarm(300);
    scenario.swarm.arrival_us = 20 * SECOND;
    scenario.churn.session = help_weibull(200 * SECONDS, 0.6);
    scenario.churn.downtime = help_exponential(50 * SECONDS);
    scenario.churn.arrivals = 0.2 / SECONDS;
    scenario.churn.rate = 0.02 / (60 * SECONDS);
    scenario.churn.torn_state = 0.3;
    scenario.faults_end_us = 900 * SECOND;
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_KILL, .share = 0.4, .at_us = 100 * SECOND});
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_LEAVE, .count = 3, .at_us = 150 * SECOND});
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_REVOKE, .count = 3, .at_us = 150 * SECOND});
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_RESTART, .share = 0.4, .at_us = 300 * SECOND});
    return scenario;
}

static uint64_t hash_of_notes(void)
{
    uint64_t hash = 0;
    for (uint32_t i = 0; i < world.notes; i++) {
        const struct note *note = &world.note[i];
        uint64_t parts[] = {hash, note->at_us, note->until_us, note->what, note->node, note->witness, note->torn};
        hash = help_hash(parts, sizeof parts);
    }
    return hash;
}

Test(faults, a_seed_gives_the_same_run_again)
{
    struct gv_scenario scenario = mixed();
    uint64_t seed = help_seed();
    (void)run(&scenario, seed, 1000 * SECOND);
    uint64_t first = hash_of_notes();
    cr_assert_gt(count_of(REVIVE), 100);
    world.notes = world.nodes = 0;
    (void)run(&scenario, seed, 1000 * SECOND);
    cr_assert_eq(hash_of_notes(), first);
    world.notes = world.nodes = 0;
    (void)run(&scenario, seed + 1, 1000 * SECOND);
    cr_assert_neq(hash_of_notes(), first);
}

Test(faults, the_run_does_not_depend_on_when_controls_come)
{
    struct gv_scenario scenario = mixed();
    uint64_t seed = help_seed();
    (void)run(&scenario, seed, 1000 * SECOND);
    uint64_t first = hash_of_notes();
    world.notes = world.nodes = 0;
    struct gv_thread thread = {0};
    struct gv_faults *faults = make(&scenario, seed);
    struct gv_random random;
    gv_random_seed(&random, seed, 1);
    uint64_t now_us = 0;
    while (now_us <= 1000 * SECOND) { /* more often than needed, as reports do */
        uint64_t next_us = gv_faults_control(faults, &thread, now_us);
        uint64_t early_us = now_us + 1 + gv_random_below(&random, 2000000);
        now_us = early_us < next_us ? early_us : next_us;
    }
    gv_faults_free(&faults);
    cr_assert_eq(hash_of_notes(), first);
}

Test(faults, a_listed_fault_does_not_move_other_nodes_sessions)
{
    struct gv_scenario scenario = swarm(500);
    scenario.churn.session = help_exponential(100 * SECONDS);
    scenario.churn.arrivals = 0.1 / SECONDS;
    static uint64_t ends_us[NODES];
    (void)run(&scenario, 7, 300 * SECOND);
    uint32_t nodes = world.nodes;
    for (uint32_t n = 0; n < nodes; n++) {
        const struct note *note = find(KILL, n);
        ends_us[n] = note != NULL ? note->at_us : UINT64_MAX;
    }
    world.notes = world.nodes = 0;
    add(&scenario, (struct gv_fault){.kind = GV_FAULT_VANISH, .count = 50, .at_us = 30 * SECOND});
    (void)run(&scenario, 7, 300 * SECOND);
    cr_assert_eq(world.nodes, nodes);
    cr_assert_eq(count_of(VANISH), 50);
    for (uint32_t n = 0; n < nodes; n++) {
        const struct note *note = find(KILL, n);
        cr_assert(find(VANISH, n) != NULL || (note != NULL ? note->at_us : UINT64_MAX) == ends_us[n]);
    }
}
