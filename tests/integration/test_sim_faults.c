/*
 * Each fault and each kind of churn does in a running swarm what its definition says.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_world.h"

#define SECOND UINT64_C(1000000)
#define NODES_MAX 80u

#define MEMBERS "[swarm]\nnodes = 40\nmode = membership\n[network]\nlatency = 20ms\n"
#define GLYPHS                                                                                        \
    "[learning]\nmodel = softmax:784-10\ndata = builtin:glyphs,train=400,test=100\nlocal_steps = 4\n" \
    "[compute]\nstep_time = 100ms\n[network]\nlatency = 20ms\n"

/* What a test remembers from one look to the next. */
struct seen {
    uint64_t at_us;         /* of the fault; the looks before it see the swarm as it was */
    bool victim[NODES_MAX]; /* whom it struck */
    uint32_t victims;
    uint32_t least, most; /* live nodes since then */
    uint32_t named_late;  /* victims that are still somebody's neighbour after a while */
    uint32_t known_late;  /* ... or known */
    uint64_t counted;
    uint64_t more;
    bool flag;
    double value[4];
};

static uint32_t live_count(const struct gv_sim *sim)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        live += sim->nodes[i].live ? 1 : 0;
    }
    return live;
}

/* Once, at the first look at or after the fault: those for whom it is true are its victims. */
static void note_dead(struct gv_sim *sim, uint64_t now_us, struct seen *seen)
{
    if (now_us < seen->at_us || seen->victims > 0) {
        return;
    }
    for (uint32_t i = 0; i < sim->node_count; i++) {
        seen->victim[i] = !sim->nodes[i].live;
        seen->victims += seen->victim[i] ? 1 : 0;
    }
    seen->least = seen->most = live_count(sim);
}

static void look_at_dead(struct gv_sim *sim, uint64_t now_us, void *context)
{
    struct seen *seen = context;
    note_dead(sim, now_us, seen);
    if (seen->victims == 0) {
        return;
    }
    uint32_t live = live_count(sim);
    seen->least = live < seen->least ? live : seen->least;
    seen->most = live > seen->most ? live : seen->most;
    seen->named_late = seen->known_late = 0;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (seen->victim[i]) {
            seen->named_late += sim_neighbours_of(sim, i);
            seen->known_late += sim_knowers_of(sim, i);
        }
    }
}

/* ---- ends ------------------------------------------------------------------------------------------------------ */

Test(sim_faults, killed_nodes_end_and_are_nobodys_neighbours)
{
    struct gv_summary summary;
    struct seen seen = {.at_us = 20 * SECOND};
    sim_watch(&summary, MEMBERS "[swarm]\nduration = 60s\n[faults]\nkill = 25% at 20s\n", sim_seed(), look_at_dead,
              &seen);
    cr_assert_eq(seen.victims, 10);
    cr_assert_eq(seen.least, 30);
    cr_assert_eq(seen.most, 30);
    cr_assert_eq(seen.named_late, 0);
    cr_assert_eq(summary.last.crashes, 10);
    cr_assert_eq(summary.last.live_nodes, 30);
    cr_assert_eq(summary.last.components, 1);
}

Test(sim_faults, vanished_nodes_are_found_out_without_a_word_from_them)
{
    struct gv_summary summary;
    struct seen seen = {.at_us = 20 * SECOND};
    sim_watch(&summary, MEMBERS "[swarm]\nduration = 90s\n[faults]\nvanish = 10 at 20s\n", sim_seed(), look_at_dead,
              &seen);
    cr_assert_eq(seen.victims, 10);
    cr_assert_eq(seen.most, 30);
    cr_assert_eq(seen.named_late, 0, "%u still have a vanished neighbour", seen.named_late);
    cr_assert_eq(summary.last.components, 1);
}

Test(sim_faults, killed_nodes_come_back_after_their_downtime)
{
    struct gv_summary summary;
    struct seen seen = {.at_us = 20 * SECOND};
    sim_watch(&summary, MEMBERS "[swarm]\nduration = 50s\n[churn]\ndowntime = 10s\n[faults]\nkill = 10 at 20s\n",
              sim_seed(), look_at_dead, &seen);
    cr_assert_eq(seen.victims, 10);
    cr_assert_eq(seen.least, 30);
    cr_assert_eq(seen.most, 40);
    cr_assert_eq(summary.last.restarts, 10);
    cr_assert_gt(seen.named_late, 10, "those that came back have neighbours");
    cr_assert_eq(summary.last.components, 1);
}

static void look_at_leavers(struct gv_sim *sim, uint64_t now_us, void *context)
{
    struct seen *seen = context;
    seen->named_late = seen->known_late = seen->victims = 0;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (sim->nodes[i].left) {
            seen->victims++;
            seen->named_late += sim_neighbours_of(sim, i);
            seen->known_late += sim_knowers_of(sim, i);
            cr_assert(now_us < seen->at_us + SECOND || !sim->nodes[i].live, "node %u has left and lives", i);
        }
    }
}

Test(sim_faults, who_leaves_is_soon_in_no_view)
{
    struct gv_summary summary;
    struct seen seen = {.at_us = 20 * SECOND};
    sim_watch(&summary,
              MEMBERS "[swarm]\nduration = 50s\n[churn]\ndowntime = 5s\n[faults]\nkill = 2 at 10s\nleave = 5 at 20s\n",
              sim_seed(), look_at_leavers, &seen);
    cr_assert_eq(seen.victims, 5);
    cr_assert_eq(seen.named_late, 0);
    cr_assert_eq(seen.known_late, 0);
    cr_assert_eq(summary.last.departures, 5);
    cr_assert_eq(summary.last.live_nodes, 35, "who has left for good does not come back");
}

static void look_at_revoked(struct gv_sim *sim, uint64_t now_us, void *context)
{
    struct seen *seen = context;
    (void)now_us;
    seen->victims = seen->named_late = seen->known_late = 0;
    seen->least = 0;
    for (uint32_t e = 0; e < GV_ENTRIES_MAX; e++) {
        if ((sim->revoked >> e & 1) != 0) {
            uint32_t target = gv_identities_entry_target(sim->identities, e);
            seen->victims++;
            seen->named_late += sim_neighbours_of(sim, target);
            seen->known_late += sim_knowers_of(sim, target);
            seen->least += sim->nodes[target].live ? 1 : 0;
        }
    }
    seen->counted = 0;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        seen->counted += sim->nodes[i].live && (sim->nodes[i].entries & sim->revoked) == sim->revoked ? 1 : 0;
    }
}

Test(sim_faults, revoked_nodes_end_and_everybody_knows)
{
    struct gv_summary summary;
    struct seen seen = {.at_us = 0};
    sim_watch(&summary, MEMBERS "[swarm]\nduration = 60s\n[faults]\nrevoke = 3 at 20s\n", sim_seed(), look_at_revoked,
              &seen);
    cr_assert_eq(seen.victims, 3);
    cr_assert_eq(seen.named_late, 0);
    cr_assert_eq(seen.known_late, 0);
    cr_assert_eq(seen.least, 0, "%u revoked nodes still run", seen.least);
    cr_assert_eq(seen.counted, 37);
    cr_assert_eq(summary.last.live_nodes, 37);
}

/* ---- standing still ---------------------------------------------------------------------------------------------- */

static bool names_victim(struct gv_sim *sim, const struct seen *seen, uint32_t node)
{
    struct gv_peer_info peers[256];
    uint32_t count = gv_core_peers(sim->nodes[node].core, peers, 256);
    for (uint32_t k = 0; k < count && k < 256; k++) {
        uint32_t peer = gv_identities_find(sim->identities, &peers[k].ref.id);
        if (peers[k].role == GV_PEER_ACTIVE && peer < sim->node_count && seen->victim[peer]) {
            return true;
        }
    }
    return false;
}

static void look_at_paused(struct gv_sim *sim, uint64_t now_us, void *context)
{
    struct seen *seen = context;
    uint64_t traces = 0;
    uint32_t lonely = 0;
    uint32_t named = 0;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (now_us == seen->at_us) {
            seen->victim[i] = sim->nodes[i].paused_until_us > now_us;
            seen->victims += seen->victim[i] ? 1 : 0;
        }
        if (seen->victim[i]) {
            traces += sim->nodes[i].trace;
            lonely += sim_neighbours_of(sim, i) == 0 ? 1 : 0;
        } else { /* those that run: have they one that stands still? */
            named += sim_active(sim, i) > 0 && names_victim(sim, seen, i) ? 1 : 0;
        }
    }
    if (now_us == seen->at_us) {
        seen->counted = traces;
    } else if (now_us > seen->at_us && now_us < seen->at_us + 60 * SECOND) {
        cr_assert_eq(traces, seen->counted, "a paused process did something at %g s", (double)now_us / 1e6);
        seen->most = named;
    } else if (now_us > seen->at_us) {
        seen->flag = traces != seen->counted;
        seen->least = lonely;
    }
}

Test(sim_faults, paused_nodes_stand_still_are_dropped_and_come_back)
{
    struct gv_summary summary;
    struct seen seen = {.at_us = 20 * SECOND};
    sim_watch(&summary, MEMBERS "[swarm]\nduration = 120s\n[faults]\npause = 8 at 20s for 60s\n", sim_seed(),
              look_at_paused, &seen);
    cr_assert_eq(seen.victims, 8);
    cr_assert_eq(seen.most, 0, "%u still have a neighbour that stands still", seen.most);
    cr_assert(seen.flag, "they go on");
    cr_assert_eq(seen.least, 0, "%u have found no neighbour again", seen.least);
    cr_assert_eq(summary.last.live_nodes, 40);
    cr_assert_eq(summary.last.components, 1);
    cr_assert_eq(summary.last.crashes, 0);
}

static void look_at_two_pauses(struct gv_sim *sim, uint64_t now_us, void *context)
{
    struct seen *seen = context;
    for (uint32_t i = 0; now_us == 40 * SECOND && i < sim->node_count; i++) {
        seen->counted += sim->nodes[i].paused_until_us > now_us ? 1 : 0;
    }
}

/* Or what waits for the end of the first would be overtaken by what comes after the end of the second. */
Test(sim_faults, a_short_pause_does_not_end_a_longer_one)
{
    struct gv_summary summary;
    struct seen seen = {.at_us = 0};
    sim_watch(&summary,
              MEMBERS "[swarm]\nduration = 60s\n[faults]\npause = 10 at 20s for 30s\npause = 100% at 30s for 2s\n",
              sim_seed(), look_at_two_pauses, &seen);
    cr_assert_eq(seen.counted, 10, "%llu stand still", (unsigned long long)seen.counted);
}

/* A node's round is ten seconds of steps; it gets no processor in half of the time. */
Test(sim_faults, who_gets_no_processor_does_not_train)
{
    struct gv_scenario scenario;
    struct gv_summary all, half;
    static const char text[] = GLYPHS "[swarm]\nnodes = 8\nduration = 2min\n";
    sim_scenario(&scenario, text);
    scenario.learning.local_steps = 100;
    sim_run(&all, &scenario, sim_seed(), 2, NULL);
    scenario.compute.starved_share = 1.0;
    scenario.compute.starved_for.a = scenario.compute.starved_every.a = 1e6;
    sim_run(&half, &scenario, sim_seed(), 2, NULL);
    double share = half.last.steps_mean / all.last.steps_mean;
    cr_assert(share > 0.35 && share < 0.6, "%g of the steps", share);
}

/* ---- partitions -------------------------------------------------------------------------------------------------- */

static void look_at_parts(struct gv_sim *sim, uint64_t now_us, void *context)
{
    struct seen *seen = context;
    uint32_t components = sim->sample.components;
    if (now_us < seen->at_us || now_us >= seen->at_us + 70 * SECOND) {
        return;
    }
    if (components > seen->most) {
        seen->most = components;
        seen->least = sim->sample.largest_component;
    }
}

static void partition(struct gv_summary *summary, struct seen *seen, const char *how)
{
    char text[512];
    (void)snprintf(
        text, sizeof text,
        MEMBERS "[swarm]\nduration = 150s\n[report]\nevery = 1s\n[faults]\npartition = 50%% from 20s to 90s%s\n", how);
    *seen = (struct seen){.at_us = 20 * SECOND};
    sim_watch(summary, text, sim_seed(), look_at_parts, seen);
    cr_assert_eq(summary->last.live_nodes, 40);
    cr_assert_eq(summary->last.components, 1, "a partition that is over heals: %u components",
                 summary->last.components);
}

Test(sim_faults, a_partition_splits_the_swarm_in_two_and_heals)
{
    struct gv_summary summary;
    struct seen seen;
    partition(&summary, &seen, "");
    cr_assert_eq(seen.most, 2, "%u components", seen.most);
    cr_assert_eq(seen.least, 20);
}

Test(sim_faults, a_partition_one_way_lets_no_link_live_across_it_and_heals)
{
    struct gv_summary summary;
    struct seen seen;
    partition(&summary, &seen, " one-way");
    cr_assert_eq(seen.most, 2, "%u components", seen.most);
}

Test(sim_faults, a_flapping_partition_is_lived_through)
{
    struct gv_summary summary;
    struct seen seen;
    partition(&summary, &seen, " flapping:2s");
}

/* ---- states ------------------------------------------------------------------------------------------------------ */

/* Processes that have come back without a model, and all without one now. */
static void look_at_models(struct gv_sim *sim, uint64_t now_us, void *context)
{
    struct seen *seen = context;
    seen->counted = 0;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        const struct gv_sim_node *node = &sim->nodes[i];
        bool back = node->live && (node->life > 1 || i >= sim->scenario->swarm.nodes);
        if (back && !seen->victim[i]) {
            seen->victim[i] = true;
            seen->victims++;
            seen->more += node->has_model ? 0 : 1;
        }
        seen->counted += node->live && !node->has_model ? 1 : 0;
    }
    (void)now_us;
}

Test(sim_faults, a_restart_goes_on_from_the_checkpoint)
{
    struct gv_summary summary;
    struct seen seen = {.at_us = 0};
    sim_watch(&summary, GLYPHS "[swarm]\nnodes = 12\nduration = 90s\n[faults]\nrestart = 4 at 75s\n", sim_seed(),
              look_at_models, &seen);
    cr_assert_eq(summary.last.restarts, 4);
    cr_assert_eq(seen.victims, 4);
    cr_assert_eq(seen.more, 0, "%llu of them came back without a model", (unsigned long long)seen.more);
    cr_assert_eq(seen.counted, 0);
}

Test(sim_faults, who_finds_its_state_torn_fetches_the_model_anew)
{
    struct gv_summary summary;
    struct seen seen = {.at_us = 0};
    sim_watch(&summary,
              GLYPHS "[swarm]\nnodes = 12\nduration = 60s\n[churn]\ndowntime = 3s\ntorn_state = 100%\n"
                     "[faults]\nkill = 4 at 20s\n",
              sim_seed(), look_at_models, &seen);
    cr_assert_eq(summary.last.restarts, 4);
    cr_assert_eq(seen.victims, 4);
    cr_assert_eq(seen.more, 4, "only %llu of them came back without a model", (unsigned long long)seen.more);
    cr_assert_eq(seen.counted, 0, "%llu still have none", (unsigned long long)seen.counted);
    cr_assert_eq(summary.last.serving_nodes, 12);
}

static void look_at_late(struct gv_sim *sim, uint64_t now_us, void *context)
{
    struct seen *seen = context;
    look_at_models(sim, now_us, context);
    double age[2] = {0.0, 0.0};
    uint32_t count[2] = {0, 0};
    for (uint32_t i = 0; i < sim->node_count; i++) {
        uint32_t late = i >= sim->scenario->swarm.nodes ? 1 : 0;
        age[late] += (double)sim->nodes[i].age_q16 / 65536.0;
        count[late]++;
    }
    seen->value[0] = age[0] / count[0];
    seen->value[1] = count[1] > 0 ? age[1] / count[1] : 0.0;
}

Test(sim_faults, late_arrivals_adopt_the_model_and_its_age)
{
    struct gv_summary summary;
    struct seen seen = {.at_us = 0};
    sim_watch(&summary, GLYPHS "[swarm]\nnodes = 12\nduration = 60s\n[faults]\narrive = 4 at 40s\n", sim_seed(),
              look_at_late, &seen);
    cr_assert_eq(summary.nodes, 16);
    cr_assert_eq(summary.last.live_nodes, 16);
    cr_assert_eq(summary.last.arrivals, 16);
    cr_assert_eq(seen.victims, 4);
    cr_assert_eq(seen.more, 4, "they come without a model");
    cr_assert_eq(seen.counted, 0, "%llu still have none", (unsigned long long)seen.counted);
    /* Alone, in 20 s at 100 ms a step, they would be 200 steps old. */
    cr_assert_gt(seen.value[0], 500.0, "age %g", seen.value[0]);
    cr_assert_lt(fabs(seen.value[1] / seen.value[0] - 1.0), 0.25, "ages %g and %g", seen.value[0], seen.value[1]);
}

/* What the last steps of all nodes say: has one of them raised an alarm? */
static void look_at_copies(struct gv_sim *sim, uint64_t now_us, void *context)
{
    struct seen *seen = context;
    (void)now_us;
    seen->least = 0;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        const struct gv_sim_node *node = &sim->nodes[i];
        if (node->copy) {
            seen->victims++;
            seen->least = (node->live ? 1U : 0U) + (sim->nodes[node->identity].live ? 1U : 0U);
        }
        for (uint32_t k = 0; node->trail != NULL && k < GV_TRAIL_LENGTH; k++) {
            seen->counted += node->trail->item[k].effect == GV_FX_ALARM ? 1 : 0;
        }
    }
    cr_assert(seen->victims > 0 || seen->counted == 0, "an alarm before there was a copy");
}

Test(sim_faults, a_copied_key_is_noticed)
{
    struct gv_summary summary;
    struct seen seen = {.at_us = 0};
    sim_watch(&summary, MEMBERS "[swarm]\nduration = 60s\n[faults]\ncopy_key = 1 at 20s\n", sim_seed(), look_at_copies,
              &seen);
    cr_assert_eq(summary.nodes, 41);
    cr_assert_gt(seen.victims, 0);
    cr_assert(seen.least < 2 || seen.counted > 0, "both run on, and nobody has raised an alarm");
    cr_assert_eq(summary.last.largest_component, 40, "the original has lost its neighbours");
}

static void look_at_copied_model(struct gv_sim *sim, uint64_t now_us, void *context)
{
    struct seen *seen = context;
    for (uint32_t i = 0; now_us == seen->at_us && i < sim->node_count; i++) {
        const struct gv_sim_node *node = &sim->nodes[i];
        if (node->copy) {
            seen->victims++;
            seen->value[0] = (double)gv_replica_parameters(node->replica)[0];
            seen->value[1] = (double)gv_replica_parameters(sim->nodes[node->identity].replica)[0];
        }
    }
}

Test(sim_faults, a_copy_of_a_key_comes_with_the_model)
{
    struct gv_summary summary;
    struct seen seen = {.at_us = 40 * SECOND};
    sim_watch(&summary,
              "[swarm]\nnodes = 20\nmode = mean\nround = 1s\nduration = 50s\n[network]\nlatency = 20ms\n"
              "[faults]\ncopy_key = 1 at 40s\n",
              sim_seed(), look_at_copied_model, &seen);
    cr_assert_eq(seen.victims, 1);
    cr_assert_eq(seen.value[0], seen.value[1], "%g, of one that has %g", seen.value[0], seen.value[1]);
}

/* A node's value is lost; at the end, who has none, and how many exchanges were refused for that. */
static void look_at_lost_value(struct gv_sim *sim, uint64_t now_us, void *context)
{
    struct seen *seen = context;
    struct gv_core_stats stats;
    if (now_us >= seen->at_us && !seen->flag) {
        seen->flag = true;
        float *value = (float *)(uintptr_t)gv_replica_parameters(sim->nodes[3].replica);
        value[0] = (float)NAN;
    }
    seen->counted = seen->more = 0;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        gv_core_stats(sim->nodes[i].core, &stats);
        seen->counted += isfinite(gv_replica_parameters(sim->nodes[i].replica)[0]) ? 0 : 1;
        seen->more += stats.refusals[gv_reason_index(GV_ERR_NONFINITE)];
    }
}

Test(sim_faults, a_model_that_is_not_finite_is_fetched_anew_and_is_no_peers_fault)
{
    struct gv_summary summary;
    struct seen seen = {.at_us = 20 * SECOND};
    sim_watch(&summary, "[swarm]\nnodes = 20\nmode = mean\nround = 1s\nduration = 60s\n[network]\nlatency = 20ms\n",
              sim_seed(), look_at_lost_value, &seen);
    cr_assert(seen.flag);
    cr_assert_eq(seen.counted, 0, "%llu models are not finite", (unsigned long long)seen.counted);
    cr_assert_eq(seen.more, 0, "%llu were refused for it", (unsigned long long)seen.more);
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

static void averaging(struct gv_summary *summary, const char *network)
{
    struct gv_scenario scenario;
    char text[512];
    (void)snprintf(text, sizeof text,
                   "[swarm]\nnodes = 40\nmode = mean\nround = 1s\nduration = 40s\n[network]\nlatency = 20ms\n%s",
                   network);
    sim_scenario(&scenario, text);
    sim_run(summary, &scenario, sim_seed(), 2, NULL);
    cr_assert_eq(summary->last.components, 1);
}

Test(sim_faults, damage_loss_and_slow_readers_cost_exchanges_and_break_nothing)
{
    struct gv_summary clean, damaged, lossy, slow;
    averaging(&clean, "");
    averaging(&damaged, "damage = 2%\n");
    averaging(&lossy, "loss = 10%\n");
    averaging(&slow, "slow_share = 30%\nslow_rate = 4\n");
    cr_assert_gt(clean.last.exchanges_done, 1000);
    cr_assert_lt(clean.last.exchanges_failed, 20);
    cr_assert_gt(damaged.last.exchanges_failed + damaged.last.exchanges_doubt, 2 * clean.last.exchanges_failed + 10);
    cr_assert_gt(damaged.last.exchanges_done, 300);
    cr_assert_lt(lossy.last.exchanges_done, clean.last.exchanges_done);
    cr_assert_gt(lossy.last.exchanges_done, 300);
    cr_assert_lt(slow.last.exchanges_done, clean.last.exchanges_done);
    cr_assert_gt(slow.last.exchanges_done, 100);
}

/* Ages grow by one a round; whoever merges with an older model and then counts its own step is a little ahead. */
static void look_at_ages(struct gv_sim *sim, uint64_t now_us, void *context)
{
    struct gv_core_stats stats;
    uint64_t most = 2 * (now_us / SECOND + 2) << 16;
    (void)context;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        if (sim->nodes[i].live) {
            gv_core_stats(sim->nodes[i].core, &stats);
            cr_assert_leq(stats.age, most, "node %u at %llu us: %llu", i, (unsigned long long)now_us,
                          (unsigned long long)stats.age);
            cr_assert_leq(sim->nodes[i].age_q16, most, "node %u at %llu us: %llu", i, (unsigned long long)now_us,
                          (unsigned long long)sim->nodes[i].age_q16);
        }
    }
}

Test(sim_faults, who_comes_back_while_averaging_is_as_old_as_it_was)
{
    struct gv_summary summary;
    sim_watch(&summary,
              "[swarm]\nnodes = 40\nmode = mean\nround = 1s\nduration = 60s\n[network]\nlatency = 20ms\n"
              "[churn]\nsession = exponential:10s\ndowntime = exponential:1s\n",
              sim_seed(), look_at_ages, NULL);
    cr_assert_gt(summary.last.exchanges_done, 500);
}

struct versions {
    uint64_t unknown_kinds, other_faults; /* counted by all nodes */
    uint32_t links, mixed_links;          /* between neighbours; of unlike versions */
};

static void count_links(struct gv_sim *sim, uint32_t index, struct versions *seen)
{
    struct gv_peer_info peers[64];
    uint32_t count = gv_core_peers(sim->nodes[index].core, peers, 64);
    for (uint32_t k = 0; k < count && k < 64; k++) {
        uint32_t other = gv_identities_find(sim->identities, &peers[k].ref.id);
        cr_assert_neq(other, GV_NODE_NONE);
        bool active = peers[k].role == GV_PEER_ACTIVE;
        seen->links += active ? 1 : 0;
        seen->mixed_links += active && sim->nodes[other].newer != sim->nodes[index].newer ? 1 : 0;
        bool lost = peers[k].last_error == GV_ERR_LINK_LOST &&
                    peers[k].score <= 512; /* closed as idle while an OFFER was on its way */
        cr_expect(peers[k].score == 0 || lost, "node %u, of node %u: %u for %d", index, other, peers[k].score,
                  peers[k].last_error);
    }
}

static void look_at_versions(struct gv_sim *sim, uint64_t now_us, void *context)
{
    struct versions *seen = context;
    struct gv_core_stats stats;
    (void)now_us;
    memset(seen, 0, sizeof *seen);
    for (uint32_t i = 0; i < sim->node_count; i++) {
        gv_core_stats(sim->nodes[i].core, &stats);
        seen->unknown_kinds += stats.refusals[gv_reason_index(GV_ERR_KIND)];
        seen->other_faults += stats.refusals[gv_reason_index(GV_ERR_MALFORMED)];
        seen->other_faults += stats.refusals[gv_reason_index(GV_ERR_PROTOCOL)];
        seen->other_faults += stats.refusals[gv_reason_index(GV_ERR_VERSION)];
        count_links(sim, i, seen);
    }
}

Test(sim_faults, half_of_the_swarm_may_be_of_the_next_version)
{
    struct gv_summary summary;
    struct versions seen;
    sim_watch(&summary,
              "[swarm]\nnodes = 40\nmode = mean\nround = 1s\nduration = 60s\nnewer = 50%\n"
              "[network]\nlatency = 20ms\n[views]\nactive = 6\nactive_max = 8\nchosen_min = 3\n",
              sim_seed(), look_at_versions, &seen);
    cr_assert_eq(summary.last.components, 1);
    cr_assert_gt(seen.unknown_kinds, 1000);
    cr_assert_eq(seen.other_faults, 0);
    double mixed = (double)seen.mixed_links / seen.links;
    cr_assert(mixed > 0.4 && mixed < 0.6, "%g of the links are mixed; chance: 20 of 39", mixed);
    cr_assert_gt(summary.last.exchanges_done, 1000);
    cr_assert_lt(summary.last.exchanges_failed, 20);
}

static void look_at_dials(struct gv_sim *sim, uint64_t now_us, void *context)
{
    struct gv_peer_info peers[256];
    struct seen *seen = context;
    (void)now_us;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        uint32_t count = gv_network_dialable(sim->network, i) ? 0 : gv_core_peers(sim->nodes[i].core, peers, 256);
        seen->victim[i] = !gv_network_dialable(sim->network, i);
        for (uint32_t k = 0; k < count && k < 256; k++) {
            seen->counted += peers[k].role == GV_PEER_ACTIVE && !peers[k].dialled ? 1 : 0;
        }
    }
}

Test(sim_faults, nobody_dials_who_is_outbound_only)
{
    struct gv_summary summary;
    struct seen seen = {.at_us = 0};
    uint32_t outbound = 0;
    sim_watch(&summary, MEMBERS "outbound_only = 50%\n[swarm]\nduration = 40s\n", sim_seed(), look_at_dials, &seen);
    for (uint32_t i = 0; i < 40; i++) {
        outbound += seen.victim[i] ? 1 : 0;
    }
    cr_assert(outbound >= 10 && outbound <= 30, "%u of 40", outbound);
    cr_assert_eq(seen.counted, 0, "an outbound-only node was dialled");
    cr_assert_eq(summary.last.components, 1);
}

static void look_at_clocks(struct gv_sim *sim, uint64_t now_us, void *context)
{
    struct seen *seen = context;
    (void)now_us;
    seen->counted = 0;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        const struct gv_sim_node *node = &sim->nodes[i];
        cr_assert(abs(node->drift_ppb) <= 50000000 && abs(node->wall_offset_s) <= 60);
        seen->counted += abs(node->drift_ppb) > 10000000 ? 1 : 0;
        seen->more += abs(node->wall_offset_s) > 10 ? 1 : 0;
    }
}

static void look_at_seeds(struct gv_sim *sim, uint64_t now_us, void *context)
{
    struct seen *seen = context;
    seen->counted = 0;
    for (uint32_t i = 1; now_us > 0 && i < sim->node_count; i++) {
        seen->counted += sim->nodes[i].seed_count == 0 ? 1 : 0;
    }
}

Test(sim_faults, every_invite_names_somebody_who_can_be_dialled)
{
    struct gv_summary summary;
    struct seen seen = {.at_us = 0};
    sim_watch(&summary,
              "[swarm]\nnodes = 200\nmode = membership\narrival = 5s\nduration = 10s\n[network]\nlatency = 20ms\n"
              "outbound_only = 95%\n",
              sim_seed(), look_at_seeds, &seen);
    cr_assert_eq(seen.counted, 0, "%llu invites name nobody", (unsigned long long)seen.counted);
}

Test(sim_faults, clocks_that_drift_and_are_off_are_lived_with)
{
    struct gv_summary summary;
    struct seen seen = {.at_us = 0};
    sim_watch(&summary, MEMBERS "[churn]\ndrift = 5%\noffset = 60s\n[swarm]\nduration = 60s\n", sim_seed(),
              look_at_clocks, &seen);
    cr_assert_gt(seen.counted, 20);
    cr_assert_gt(seen.more, 20);
    cr_assert_eq(summary.last.components, 1);
    cr_assert_eq(summary.last.live_nodes, 40);
}

/* ---- afterwards -------------------------------------------------------------------------------------------------- */

/* The liveness phase: sim_run() fails if one of its invariants does not hold. */
Test(sim_faults, when_faults_end_the_swarm_recovers)
{
    struct gv_scenario scenario;
    struct gv_summary summary;
    sim_scenario(&scenario, "[swarm]\nnodes = 40\nmode = mean\nround = 1s\nduration = 150s\n"
                            "[network]\nlatency = 20ms\ndamage = 0.5%\nloss = 1%\n"
                            "[churn]\nrate = 60%/min\ndowntime = exponential:5s\narrivals = 6/min\n"
                            "[faults]\nkill = 10% at 10s\nvanish = 2 at 12s\nleave = 2 at 14s\nrevoke = 2 at 16s\n"
                            "partition = 50% from 20s to 30s\npause = 4 at 32s for 5s\nend = 50s\n");
    sim_run(&summary, &scenario, sim_seed(), 2, NULL);
    cr_assert_eq(summary.last.components, 1);
    cr_assert_gt(summary.last.crashes, 5);
}

/* A handshake takes six times the way, and is given up after ten seconds: whom one cannot reach one need not join. */
Test(sim_faults, who_is_too_far_for_a_dial_is_not_missed)
{
    struct gv_scenario scenario;
    struct gv_summary summary;
    sim_scenario(&scenario, "[swarm]\nnodes = 20\nmode = membership\nduration = 150s\n"
                            "[network]\nlatency = 1800ms\n[faults]\nend = 50s\n");
    sim_run(&summary, &scenario, sim_seed(), 1, NULL);
    cr_assert_eq(summary.last.components, 20);
    sim_scenario(&scenario, "[swarm]\nnodes = 20\nmode = membership\nduration = 150s\n"
                            "[network]\nlatency = 1500ms\n[faults]\nend = 50s\n");
    sim_run(&summary, &scenario, sim_seed(), 1, NULL);
    cr_assert_eq(summary.last.components, 1);
}
