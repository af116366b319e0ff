/*
 * Two to twenty whole cores against each other over the network of vnet.h, in virtual time. Rules are checked by vnet
 * after every step; the scenarios here say what must come out. Prints SEED, accepts SEED.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swarm_help.h"

static bool both_committed(struct vnet *net, void *context)
{
    (void)context;
    return vnet_commits(net, 0) > 0 && vnet_commits(net, 1) > 0;
}

Test(swarm, two_nodes_meet_and_average)
{
    for (uint32_t units = 1; units <= 48; units += 47) {
        struct vnet_options o = swarm_options(1, units);
        struct vnet *net = vnet_new(&o);
        swarm_spawn_all(net, 2);
        int64_t sums[VNET_UNITS_MAX];
        for (uint32_t u = 0; u < units; u++) {
            sums[u] = vnet_sum(net, u);
        }
        cr_assert(vnet_run_until(net, both_committed, NULL, 3 * SECOND), "no exchange within 3 s of joining");
        vnet_set_filter(net, NULL, NULL);
        vnet_run(net, 5 * SECOND);
        vnet_command(net, 0, GV_CMD_STOP);
        vnet_run(net, SECOND);
        for (uint32_t u = 0; u < units; u++) {
            cr_assert_eq(vnet_sum(net, u), sums[u], "unit %u: the mean has moved", u);
        }
        cr_assert_leq(vnet_spread(net), 1);
        vnet_free(&net);
    }
}

static bool converged(struct vnet *net, void *context)
{
    return vnet_spread(net) <= *(const int64_t *)context;
}

static void swarm_converges(uint32_t units, uint32_t resets, uint64_t seed)
{
    struct vnet_options o = swarm_options(seed, units);
    o.reset_per_10000 = resets;
    struct vnet *net = vnet_new(&o);
    swarm_spawn_all(net, 20);
    int64_t sum = vnet_sum(net, 0);
    int64_t close = 19 << 20 >> 10; /* a thousandth of the initial spread */
    cr_assert(vnet_run_until(net, converged, &close, 60 * SECOND), "spread %" PRId64, vnet_spread(net));
    vnet_run(net, 10 * SECOND);
    cr_assert(vnet_connected(net));
    uint64_t doubt = 0;
    for (uint32_t i = 0; i < 20; i++) {
        struct gv_core_stats stats = vnet_stats(net, i);
        doubt += stats.exchanges_doubt;
        cr_expect_geq(stats.peers_active, resets > 0 ? 3 : 5, "node %u has %u neighbours", i, stats.peers_active);
        cr_expect_geq(stats.exchanges_done, 20);
        vnet_command(net, i, GV_CMD_PAUSE);
    }
    vnet_run(net, 10 * SECOND); /* exchanges under way end */
    if (doubt == 0) {
        cr_assert_eq(vnet_sum(net, 0), sum, "the mean has moved by %" PRId64, vnet_sum(net, 0) - sum);
    }
    for (uint32_t i = 0; i < 20; i++) {
        cr_assert_eq(vnet_handles_open(net, i), 0, "node %u leaks handles", i);
    }
    vnet_free(&net);
}

Test(swarm, twenty_nodes_form_one_component_and_converge)
{
    swarm_converges(1, 0, 2);
}

Test(swarm, twenty_nodes_converge_with_chunks)
{
    swarm_converges(16, 0, 3);
}

Test(swarm, twenty_nodes_converge_while_links_break)
{
    swarm_converges(1, 20, 4);
    swarm_converges(16, 20, 5);
}

Test(swarm, the_trace_depends_on_the_seed_only)
{
    uint64_t traces[3];
    for (uint32_t run = 0; run < 3; run++) {
        struct vnet_options o = swarm_options(run == 2 ? 8 : 7, 16);
        o.seed = run == 2 ? 8 : 7;
        o.reset_per_10000 = 5;
        struct vnet *net = vnet_new(&o);
        swarm_spawn_all(net, 12);
        vnet_run(net, 20 * SECOND);
        traces[run] = vnet_trace(net);
        vnet_free(&net);
    }
    fprintf(stderr, "trace %016" PRIx64 "\n", traces[0]);
    cr_assert_eq(traces[0], traces[1]);
    cr_assert_neq(traces[0], traces[2]);
}

/* ---- failures ---------------------------------------------------------------------------------------------- */

static bool nobody_lists(struct vnet *net, void *context)
{
    uint32_t dead = *(const uint32_t *)context;
    for (uint32_t i = 0; i < 20; i++) {
        if (vnet_alive(net, i) && vnet_has_peer(net, i, dead, true)) {
            return false;
        }
    }
    return true;
}

Test(swarm, a_killed_node_is_detected_within_26_seconds)
{
    for (uint32_t silent = 0; silent < 2; silent++) {
        struct vnet_options o = swarm_options(11 + silent, 1);
        struct vnet *net = vnet_new(&o);
        swarm_spawn_all(net, 20);
        vnet_run(net, 30 * SECOND);
        uint32_t victim = 5;
        uint64_t done_before = vnet_stats(net, 6).exchanges_done;
        vnet_kill(net, victim, silent != 0);
        uint64_t at = vnet_now(net);
        cr_assert(vnet_run_until(net, nobody_lists, &victim, 40 * SECOND), "%s: never detected",
                  silent ? "silent" : "reset");
        uint64_t took = vnet_now(net) - at;
        fprintf(stderr, "detected by all neighbours after %.1f s (%s)\n", (double)took / 1e6,
                silent ? "silent" : "reset");
        cr_expect_leq(took, 26 * SECOND);
        vnet_run(net, 10 * SECOND);
        cr_assert(vnet_connected(net));
        cr_assert_gt(vnet_stats(net, 6).exchanges_done, done_before + 10);
        vnet_free(&net);
    }
}

Test(swarm, nobody_is_declared_dead_who_is_not)
{
    struct vnet_options o = swarm_options(13, 1);
    struct vnet *net = vnet_new(&o);
    swarm_spawn_all(net, 20);
    vnet_run(net, 20 * SECOND);
    for (uint32_t minute = 0; minute < 5; minute++) {
        vnet_run(net, 60 * SECOND);
        cr_assert(vnet_connected(net));
        for (uint32_t i = 0; i < 20; i++) {
            cr_assert_geq(vnet_stats(net, i).peers_active, 5, "node %u", i);
        }
    }
    vnet_free(&net);
}

struct cut {
    uint32_t seen, at; /* message of the exchange at which the link breaks */
    enum vnet_fate fate;
    bool kill;
    uint32_t killed;
    bool hit;
};

static bool of_an_exchange(enum gv_kind kind)
{
    return kind == GV_KIND_OFFER || kind == GV_KIND_ACCEPT || kind == GV_KIND_CHUNK || kind == GV_KIND_CREDIT ||
           kind == GV_KIND_DONE || kind == GV_KIND_COMMIT || kind == GV_KIND_COMMITTED;
}

static enum vnet_fate cutter(void *context, uint32_t from, uint32_t to, struct gv_msg *msg)
{
    struct cut *cut = context;
    (void)from;
    (void)to;
    if (!of_an_exchange(msg->kind) || cut->hit || cut->seen++ != cut->at) {
        return VNET_DELIVER;
    }
    cut->hit = true;
    return cut->fate;
}

static void cut_at(uint32_t units, uint32_t index, enum vnet_fate fate, bool *beyond, bool *moved)
{
    struct vnet_options o = {
        .seed = 100 + index, .units = units, .latency_us = 5 * MS, .round_us = 200 * MS, .work_us = 2 * MS};
    struct vnet *net = vnet_new(&o);
    struct cut cut = {.at = index, .fate = fate};
    vnet_set_filter(net, cutter, &cut);
    swarm_spawn_all(net, 2);
    int64_t before[2][VNET_UNITS_MAX];
    for (uint32_t u = 0; u < units; u++) {
        before[0][u] = vnet_value(net, 0, u);
        before[1][u] = vnet_value(net, 1, u);
    }
    for (uint32_t i = 0; i < 400 && !cut.hit; i++) {
        vnet_run(net, 10 * MS);
    }
    bool first = cut.hit && vnet_commits(net, 0) == 0 && vnet_commits(net, 1) == 0;
    *moved = false;
    if (first) { /* untouched, bit for bit, as long as nothing is committed */
        for (uint32_t u = 0; u < units; u++) {
            *moved = *moved || before[0][u] != vnet_value(net, 0, u) || before[1][u] != vnet_value(net, 1, u);
        }
    }
    vnet_command(net, 0, GV_CMD_PAUSE);
    vnet_command(net, 1, GV_CMD_PAUSE);
    vnet_run(net, 90 * SECOND);
    uint64_t doubt = vnet_stats(net, 0).exchanges_doubt + vnet_stats(net, 1).exchanges_doubt;
    cr_assert(doubt == 0, "message %u: in doubt although the link came back", index);
    cr_assert_eq(vnet_commits(net, 0), vnet_commits(net, 1), "message %u: applied on one side only (fate %d)", index,
                 (int)fate);
    for (uint32_t u = 0; u < units; u++) {
        cr_assert_eq(vnet_value(net, 0, u) + vnet_value(net, 1, u), before[0][u] + before[1][u]);
    }
    cr_assert_eq(vnet_handles_open(net, 0) + vnet_handles_open(net, 1), 0);
    *beyond = vnet_commits(net, 0) >= 2 || !cut.hit;
    vnet_free(&net);
}

static void sweep(uint32_t units)
{
    enum vnet_fate fates[] = {VNET_LOSE_AND_RESET, VNET_DELIVER_AND_RESET, VNET_SWALLOW};
    for (uint32_t f = 0; f < 3; f++) {
        for (uint32_t index = 0; index < (units == 1 ? 14u : 50u); index++) {
            bool beyond = false;
            bool moved = false;
            cut_at(units, index, fates[f], &beyond, &moved);
            cr_assert(!moved, "message %u: a failed exchange has changed a model", index);
        }
    }
}

Test(swarm, a_cut_at_any_message_of_an_inline_exchange_never_applies_on_one_side)
{
    sweep(1);
}

Test(swarm, a_cut_at_any_message_of_a_chunked_exchange_never_applies_on_one_side, .timeout = 120)
{
    sweep(24);
}

static enum vnet_fate swallow_committed(void *context, uint32_t from, uint32_t to, struct gv_msg *msg)
{
    (void)from;
    (void)to;
    bool *on = context;
    return *on && (msg->kind == GV_KIND_COMMITTED || msg->kind == GV_KIND_OUTCOME_REPLY) ? VNET_SWALLOW : VNET_DELIVER;
}

Test(swarm, a_lost_answer_that_nobody_repeats_is_counted_as_in_doubt)
{
    struct vnet_options o = swarm_options(17, 1);
    struct vnet *net = vnet_new(&o);
    bool on = true;
    vnet_set_filter(net, swallow_committed, &on);
    swarm_spawn_all(net, 2);
    vnet_run(net, 90 * SECOND);
    uint64_t doubt = vnet_stats(net, 0).exchanges_doubt + vnet_stats(net, 1).exchanges_doubt;
    cr_assert_gt(doubt, 0);
    cr_assert_leq(doubt, vnet_stats(net, 0).exchanges_failed + vnet_stats(net, 1).exchanges_failed);
    on = false;
    vnet_run(net, 40 * SECOND);
    cr_assert_leq(vnet_spread(net), 2);
    vnet_free(&net);
}

static bool killer_filter_kills(uint32_t units, uint32_t index, uint32_t victim)
{
    struct vnet_options o = {
        .seed = 500 + index, .units = units, .latency_us = 5 * MS, .round_us = 200 * MS, .work_us = 2 * MS};
    struct vnet *net = vnet_new(&o);
    struct cut cut = {.at = index, .fate = VNET_SWALLOW};
    swarm_spawn_all(net, 3);
    vnet_set_filter(net, cutter, &cut);
    for (uint32_t i = 0; i < 4000 && !cut.hit; i++) {
        vnet_run(net, 1 * MS);
    }
    vnet_kill(net, victim, false);
    vnet_set_filter(net, NULL, NULL);
    vnet_run(net, 60 * SECOND);
    bool alive = vnet_stats(net, 0).exchanges_done > 5;
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert(!vnet_alive(net, i) || vnet_handles_open(net, i) <= 4);
    }
    vnet_free(&net);
    return alive;
}

Test(swarm, a_node_killed_in_the_middle_of_an_exchange_holds_nobody_up)
{
    for (uint32_t index = 0; index < 12; index++) {
        cr_assert(killer_filter_kills(1, index, 1), "message %u", index);
        cr_assert(killer_filter_kills(24, 3 * index, 2), "message %u", index);
    }
}

Test(swarm, a_restarted_node_comes_back_as_itself)
{
    struct vnet_options o = swarm_options(19, 1);
    struct vnet *net = vnet_new(&o);
    swarm_spawn_all(net, 8);
    vnet_run(net, 20 * SECOND);
    vnet_kill(net, 3, false);
    vnet_run(net, 2 * SECOND);
    vnet_restart(net, 3, 1);
    vnet_run(net, 15 * SECOND);
    cr_assert_geq(vnet_stats(net, 3).peers_active, 5);
    cr_assert_gt(vnet_stats(net, 3).exchanges_done, 3);
    cr_assert_eq(vnet_stats(net, 3).self.incarnation, 2);
    for (uint32_t i = 0; i < 8; i++) {
        cr_assert_eq(vnet_stats(net, i).alarms, 0, "node %u", i);
    }
    vnet_free(&net);
}

Test(swarm, a_restored_backup_learns_its_incarnation_and_recovers)
{
    struct vnet_options o = swarm_options(23, 1);
    struct vnet *net = vnet_new(&o);
    swarm_spawn_all(net, 6);
    vnet_run(net, 10 * SECOND);
    for (uint32_t i = 0; i < 4; i++) {
        vnet_kill(net, 3, false);
        vnet_run(net, SECOND);
        vnet_restart(net, 3, 1);
        vnet_run(net, 5 * SECOND);
    }
    vnet_kill(net, 3, false);
    vnet_run(net, SECOND);
    vnet_set_incarnation(net, 3, 2); /* from the backup */
    vnet_restart(net, 3, 1);
    vnet_run(net, 10 * SECOND);
    cr_assert(vnet_saw(net, 3, GV_FX_PERSIST));
    cr_assert_gt(vnet_stats(net, 3).self.incarnation, 5);
    cr_assert_geq(vnet_stats(net, 3).peers_active, 3);
    cr_assert_gt(vnet_stats(net, 3).exchanges_done, 3);
    vnet_free(&net);
}

Test(swarm, a_copied_key_raises_an_alarm)
{
    struct vnet_options o = swarm_options(29, 1);
    struct vnet *net = vnet_new(&o);
    swarm_spawn_all(net, 5);
    vnet_run(net, 10 * SECOND);
    uint32_t copy = vnet_clone(net, 3);
    vnet_run(net, 10 * SECOND);
    cr_assert_eq(vnet_last_alarm(net, 0), GV_ERR_COPIED_KEY);
    cr_assert_eq(vnet_last_alarm(net, copy), GV_ERR_COPIED_KEY);
    cr_assert_eq(vnet_stats(net, copy).exchanges_done, 0, "the copy takes no part");
    cr_assert_geq(vnet_stats(net, 3).peers_active, 3, "the original is left alone");
    vnet_free(&net);
}

/* ---- joining and leaving ----------------------------------------------------------------------------------- */

static uint32_t late_joiner(struct vnet *net)
{
    return vnet_spawn(net, &(struct vnet_node_options){.has_model = false, .value = -(1 << 24), .seed_count = 1});
}

static bool trains(struct vnet *net, void *context)
{
    return vnet_training(net, *(const uint32_t *)context);
}

Test(swarm, a_late_joiner_takes_the_model_and_two_exchanges_before_it_trains)
{
    for (uint32_t units = 1; units <= 48; units += 47) {
        struct vnet_options o = swarm_options(31, units);
        struct vnet *net = vnet_new(&o);
        swarm_spawn_all(net, 6);
        vnet_run(net, 30 * SECOND);
        int64_t model = vnet_value(net, 0, 0);
        uint32_t joiner = late_joiner(net);
        uint64_t at = vnet_now(net);
        cr_assert(vnet_run_until(net, trains, &joiner, 20 * SECOND), "units %u: state %d", units,
                  (int)vnet_stats(net, joiner).state);
        fprintf(stderr, "trains %.2f s after its start\n", (double)(vnet_now(net) - at) / 1e6);
        cr_assert(vnet_saw(net, joiner, GV_FX_ADOPT));
        cr_assert_geq(vnet_commits(net, joiner), 2);
        cr_assert_leq(llabs(vnet_value(net, joiner, 0) - model), 1 << 12);
        cr_assert_gt(vnet_stats(net, joiner).age, vnet_stats(net, 0).age / 2);
        cr_assert_eq(vnet_handles_open(net, joiner), 0);
        vnet_free(&net);
    }
}

static enum vnet_fate kill_donor(void *context, uint32_t from, uint32_t to, struct gv_msg *msg)
{
    struct cut *cut = context;
    (void)to;
    if (msg->kind == GV_KIND_FETCH_REPLY && !cut->hit) {
        cut->killed = from;
    }
    if (msg->kind == GV_KIND_CHUNK && from == cut->killed && !cut->hit && cut->seen++ == cut->at) {
        cut->hit = true;
        return VNET_LOSE_AND_RESET;
    }
    return VNET_DELIVER;
}

Test(swarm, a_fetch_goes_on_with_another_donor_when_one_dies)
{
    for (uint32_t at = 0; at < 12; at += 3) {
        struct vnet_options o = swarm_options(37 + at, 48);
        struct vnet *net = vnet_new(&o);
        swarm_spawn_all(net, 6);
        vnet_run(net, 20 * SECOND);
        for (uint32_t i = 0; i < 6; i++) {
            vnet_command(net, i, GV_CMD_PAUSE); /* so that the only chunks are the fetch's */
        }
        vnet_run(net, 3 * SECOND);
        struct cut cut = {.at = at, .killed = UINT32_MAX};
        vnet_set_filter(net, kill_donor, &cut);
        uint32_t joiner = late_joiner(net);
        for (uint32_t i = 0; i < 2000 && !cut.hit; i++) {
            vnet_run(net, 5 * MS);
        }
        cr_assert(cut.hit);
        vnet_kill(net, cut.killed, false);
        cr_assert(vnet_run_until(net, trains, &joiner, 60 * SECOND), "cut at chunk %u", at);
        cr_assert(vnet_saw(net, joiner, GV_FX_ADOPT));
        vnet_free(&net);
    }
}

Test(swarm, a_node_back_from_long_absence_adopts_instead_of_averaging)
{
    struct vnet_options o = swarm_options(41, 1);
    struct vnet *net = vnet_new(&o);
    swarm_spawn_all(net, 5);
    vnet_run(net, 60 * SECOND);
    uint32_t stale = vnet_spawn(
        net, &(struct vnet_node_options){.has_model = true, .value = -(1 << 28), .age = 16 << 16, .seed_count = 1});
    vnet_run(net, 10 * SECOND);
    cr_assert(vnet_saw(net, stale, GV_FX_ADOPT));
    cr_assert_gt(vnet_value(net, 0, 0), 0, "its old model pulled at nobody");
    uint32_t fresh =
        vnet_spawn(net, &(struct vnet_node_options){
                            .has_model = true, .value = 2 << 20, .seed_count = 1, .age = vnet_stats(net, 0).age});
    vnet_run(net, 10 * SECOND);
    cr_assert(!vnet_saw(net, fresh, GV_FX_ADOPT));
    vnet_free(&net);
}

Test(swarm, a_farewell_is_honoured_within_two_seconds)
{
    struct vnet_options o = swarm_options(43, 1);
    struct vnet *net = vnet_new(&o);
    swarm_spawn_all(net, 20);
    vnet_run(net, 30 * SECOND);
    uint32_t leaver = 7;
    vnet_command(net, leaver, GV_CMD_LEAVE);
    cr_assert(vnet_saw(net, leaver, GV_FX_STOPPED));
    cr_assert(vnet_run_until(net, nobody_lists, &leaver, 2 * SECOND));
    vnet_run(net, SECOND);
    vnet_kill(net, leaver, false);
    vnet_run(net, 5 * SECOND);
    vnet_restart(net, leaver, 1);
    vnet_run(net, 10 * SECOND);
    cr_assert(nobody_lists(net, &leaver), "who left for good does not come back");
    vnet_free(&net);
}

Test(swarm, a_stop_is_no_death)
{
    struct vnet_options o = swarm_options(47, 1);
    struct vnet *net = vnet_new(&o);
    swarm_spawn_all(net, 8);
    vnet_run(net, 20 * SECOND);
    uint32_t leaver = 2;
    vnet_command(net, leaver, GV_CMD_STOP);
    cr_assert(vnet_saw(net, leaver, GV_FX_STOPPED));
    cr_assert(vnet_run_until(net, nobody_lists, &leaver, SECOND));
    vnet_kill(net, leaver, false);
    vnet_run(net, SECOND);
    bool known = false;
    for (uint32_t i = 0; i < 8; i++) {
        known = known || (i != leaver && vnet_has_peer(net, i, leaver, false));
    }
    cr_assert(known, "it stays in passive views");
    vnet_restart(net, leaver, 1);
    vnet_run(net, 10 * SECOND);
    cr_assert_geq(vnet_stats(net, leaver).peers_active, 5);
    vnet_free(&net);
}

static bool revoked_everywhere(struct vnet *net, void *context)
{
    uint32_t victim = *(const uint32_t *)context;
    for (uint32_t i = 0; i < 20; i++) {
        if (i != victim && vnet_has_peer(net, i, victim, false)) {
            return false;
        }
    }
    return vnet_saw(net, victim, GV_FX_GONE) || vnet_stats(net, victim).peers_active == 0;
}

Test(swarm, a_revocation_reaches_everyone_and_drops_links)
{
    struct vnet_options o = swarm_options(53, 1);
    struct vnet *net = vnet_new(&o);
    swarm_spawn_all(net, 20);
    vnet_run(net, 30 * SECOND);
    uint32_t victim = 9;
    vnet_revoke(net, victim);
    uint64_t at = vnet_now(net);
    cr_assert(vnet_run_until(net, revoked_everywhere, &victim, 30 * SECOND));
    fprintf(stderr, "revoked everywhere after %.2f s\n", (double)(vnet_now(net) - at) / 1e6);
    uint64_t done = vnet_stats(net, victim).exchanges_done;
    vnet_run(net, 20 * SECOND);
    cr_assert_eq(vnet_stats(net, victim).exchanges_done, done, "a revoked node exchanges no more");
    vnet_free(&net);
}

Test(swarm, a_manifest_reaches_everyone)
{
    struct vnet_options o = swarm_options(59, 1);
    struct vnet *net = vnet_new(&o);
    swarm_spawn_all(net, 20);
    vnet_run(net, 30 * SECOND);
    uint64_t failed = 0;
    for (uint32_t i = 0; i < 20; i++) {
        failed += vnet_stats(net, i).exchanges_failed;
    }
    vnet_update_manifest(net, 11, 2, 1);
    vnet_run(net, 10 * SECOND);
    for (uint32_t i = 0; i < 20; i++) {
        cr_assert_eq(vnet_manifest_version(net, i), 2, "node %u", i);
        failed -= vnet_stats(net, i).exchanges_failed;
    }
    cr_assert_eq(failed, 0, "exchanges under way finished");
    vnet_update_manifest(net, 3, 3, 2); /* a new epoch: the model restarts */
    vnet_run(net, 10 * SECOND);
    for (uint32_t i = 0; i < 20; i++) {
        cr_assert_eq(vnet_manifest_version(net, i), 3, "node %u", i);
        cr_assert_lt(vnet_stats(net, i).age, (uint64_t)1200 << 16, "node %u: the age restarts", i);
        cr_assert(vnet_training(net, i));
    }
    vnet_free(&net);
}

Test(swarm, outbound_only_nodes_mix_through_the_others)
{
    struct vnet_options o = swarm_options(61, 1);
    struct vnet *net = vnet_new(&o);
    swarm_spawn_all(net, 4);
    for (uint32_t i = 0; i < 4; i++) {
        (void)vnet_spawn(
            net, &(struct vnet_node_options){
                     .has_model = true, .value = (int64_t)(10 + i) << 20, .seed_count = 1, .outbound_only = true});
    }
    int64_t sum = vnet_sum(net, 0);
    int64_t close = 1 << 12;
    cr_assert(vnet_run_until(net, converged, &close, 60 * SECOND), "spread %" PRId64, vnet_spread(net));
    for (uint32_t i = 0; i < 8; i++) {
        cr_assert_gt(vnet_stats(net, i).exchanges_done, 3, "node %u", i);
        for (uint32_t k = 4; i >= 4 && k < 8; k++) {
            cr_assert(!vnet_has_peer(net, i, k, false), "two nodes that cannot dial each other");
        }
        vnet_command(net, i, GV_CMD_PAUSE);
    }
    vnet_run(net, 5 * SECOND);
    cr_assert_eq(vnet_sum(net, 0), sum);
    vnet_free(&net);
}
