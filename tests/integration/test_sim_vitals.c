/*
 * What the simulator says of how a swarm holds together, and what its newer faults do.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "sim_world.h"

#define MEMBERS "[swarm]\nnodes = 60\nmode = membership\narrival = 10s\n[network]\nlatency = 30ms\n[views]\nbook = 16\n"
#define OFTEN "[report]\nevery = 2s\n"

static struct gv_summary run(const char *text)
{
    struct gv_scenario scenario;
    struct gv_summary summary;
    sim_scenario(&scenario, text);
    sim_run(&summary, &scenario, sim_seed(), 2, NULL);
    return summary;
}

Test(sim_vitals, crashes_are_found_out_and_nobody_else_is_dropped)
{
    struct gv_summary s = run(MEMBERS OFTEN "[faults]\nkill = 30% at 60s\n[swarm]\nduration = 2min\n");
    cr_expect_geq(s.vitals.crashes.count, 18, "%llu", (unsigned long long)s.vitals.crashes.count);
    cr_expect_lt(s.vitals.crashes.p99_s, 15.0, "%g", s.vitals.crashes.p99_s);
    cr_expect_lt(s.vitals.ghost_most_s, 20.0, "%g", s.vitals.ghost_most_s);
    cr_expect_eq(s.vitals.false_removals, 0);
    cr_expect_lt(s.vitals.connected_since_s, 90.0, "%g", s.vitals.connected_since_s);
}

Test(sim_vitals, farewells_and_revocations_are_timed)
{
    struct gv_summary s =
        run(MEMBERS OFTEN "[faults]\nleave = 4 at 60s\nrevoke = 2 at 70s\n[swarm]\nduration = 2min\n");
    cr_expect_geq(s.vitals.leaves.count, 4);
    cr_expect_lt(s.vitals.leaves.p99_s, 2.0, "%g", s.vitals.leaves.p99_s);
    cr_expect_geq(s.vitals.revocations.count, 54);
    cr_expect_lt(s.vitals.revocations.p99_s, 30.0, "%g", s.vitals.revocations.p99_s);
    cr_expect_float_eq(s.vitals.revocations_known_share, 1.0, 1e-9);
}

Test(sim_vitals, the_seeds_can_be_killed_and_nobody_notices)
{
    struct gv_summary s =
        run("[swarm]\nnodes = 60\nmode = membership\narrival = 10s\nsame_seeds = yes\nseeds = 3\n"
            "duration = 3min\n[network]\nlatency = 30ms\n[views]\nbook = 16\n" OFTEN "[faults]\nkill = seeds at 60s\n");
    cr_expect_eq(s.last.live_nodes, 57);
    cr_expect_eq(s.last.components, 1);
    cr_expect_lt(s.vitals.connected_since_s, 60.0, "%g", s.vitals.connected_since_s);
}

static void look_at_paused(struct gv_sim *sim, uint64_t now_us, void *context)
{
    uint32_t *paused = context;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        bool is = sim->nodes[i].paused_until_us > now_us;
        cr_assert(!is || sim->nodes[i].starved);
        *paused += is ? 1 : 0;
    }
}

Test(sim_vitals, starved_nodes_stand_still_now_and_then)
{
    struct gv_summary summary;
    uint32_t paused = 0;
    sim_watch(&summary,
              MEMBERS "[compute]\nstarved_share = 20%\nstarved_for = 1s\nstarved_every = 2s\n"
                      "[swarm]\nduration = 2min\n",
              sim_seed(), look_at_paused, &paused);
    /* A third of the time of 12 nodes, at 120 looks. */
    cr_expect(paused > 300 && paused < 700, "%u", paused);
    cr_expect_eq(summary.vitals.false_removals, 0);
    cr_expect_eq(summary.last.components, 1);
}

static void look_at_calm(struct gv_sim *sim, uint64_t now_us, void *context)
{
    uint32_t *paused = context;
    for (uint32_t i = 0; now_us >= 60000000 && i < sim->node_count; i++) {
        *paused += sim->nodes[i].paused_until_us > now_us ? 1 : 0;
    }
}

Test(sim_vitals, when_faults_end_nobody_stands_still_any_more)
{
    struct gv_summary summary;
    uint32_t paused = 0;
    sim_watch(&summary,
              MEMBERS "[compute]\nstarved_share = 20%\nstarved_for = 40s\nstarved_every = 5s\n"
                      "[swarm]\nduration = 3min\n[faults]\nend = 60s\n",
              sim_seed(), look_at_calm, &paused);
    cr_expect_eq(paused, 0, "%u", paused);
}

Test(sim_vitals, failed_exchanges_move_the_mean_by_what_is_in_doubt_only)
{
    struct gv_summary s = run("[swarm]\nnodes = 60\nmode = mean\nround = 1s\nduration = 2min\n"
                              "[network]\nlatency = 20ms\nresets = 3%\n[views]\nbook = 16\n");
    double failed = (double)s.last.exchanges_failed / (double)(s.last.exchanges_failed + s.last.exchanges_done);
    cr_expect(failed > 0.04 && failed < 0.2, "%g", failed);
    cr_expect(s.last.exchanges_doubt > 0 || s.mean_drift < 1e-6, "%g", s.mean_drift);
}

/* A state that is not in the OFFER is copied once that is answered: until then there is nothing to discard. */
Test(sim_vitals, an_offer_that_nobody_answers_is_a_failed_exchange)
{
    struct gv_summary s = run("[swarm]\nnodes = 40\nmode = mean\nelements = 20000\nround = 1s\nduration = 2min\n"
                              "[network]\nlatency = 300ms\n[views]\nbook = 16\n[faults]\nvanish = 20 at 60s\n");
    cr_expect_geq(s.last.exchanges_failed, 5, "%llu", (unsigned long long)s.last.exchanges_failed);
}

/* Each exchange ends one way only: done, refused, failed or in doubt. */
Test(sim_vitals, what_is_in_doubt_does_not_count_as_failed_too)
{
    struct gv_summary s = run("[swarm]\nnodes = 60\nmode = mean\nround = 1s\nduration = 2min\n"
                              "[network]\nlatency = 20ms\n[views]\nbook = 16\n[learning]\nexchange = push\n"
                              "[faults]\nvanish = 30 at 60s\n");
    cr_expect_gt(s.last.exchanges_doubt, 0);
    cr_expect_eq(s.last.exchanges_failed, 0, "%llu failed, %llu in doubt", (unsigned long long)s.last.exchanges_failed,
                 (unsigned long long)s.last.exchanges_doubt);
}

/* Samples at 60 and 120 s: those that end at 119 s are in none after 60 s. */
Test(sim_vitals, who_ends_between_two_samples_has_waited_for_an_exchange_too)
{
    struct gv_summary s = run("[swarm]\nnodes = 10\nmode = mean\nround = 10min\nduration = 4min\n"
                              "[network]\nlatency = 20ms\n[report]\nevery = 1min\n"
                              "[faults]\nkill = 100% at 119s\n");
    cr_expect_geq(s.vitals.exchange_gap_most_s, 119.0, "%g", s.vitals.exchange_gap_most_s);
}

static struct gv_summary run_attack(const char *attack, const char *mode)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "[swarm]\nnodes = 40\nmode = %s\nduration = 2min\narrival = 5s\n[network]\nlatency = 30ms\n"
                   "[views]\nbook = 16\n" OFTEN "[adversaries]\nfraction = 20%%\nattack = %s\n",
                   mode, attack);
    return run(text);
}

Test(sim_vitals, no_attack_on_the_protocol_parts_the_honest_or_breaks_an_invariant)
{
    static const char *const attacks[] = {"eclipse", "flood", "accuse", "replay",      "stall",  "reset",
                                          "age",     "busy",  "any",    "incarnation", "greedy", "any"};
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++) {
        bool exchanges = i % 2 == 0 || strcmp(attacks[i], "greedy") == 0;
        struct gv_summary s = run_attack(attacks[i], exchanges ? "mean" : "membership");
        cr_expect_eq(s.last.components, 1, "%s", attacks[i]);
        cr_expect_float_eq(s.vitals.hostile_share, 0.2, 1e-9, "%s: %g", attacks[i], s.vitals.hostile_share);
        cr_expect_eq(s.vitals.false_removals, 0, "%s: %llu", attacks[i], (unsigned long long)s.vitals.false_removals);
    }
}

static void look_at_attacks(struct gv_sim *sim, uint64_t now_us, void *context)
{
    uint32_t *count = context;
    for (uint32_t i = 0; now_us == 0 && i < sim->node_count; i++) {
        if (sim->nodes[i].attacker != NULL) {
            count[gv_attacker_kind(sim->nodes[i].attacker)]++;
        }
    }
}

/* Ten ways to attack the protocol, whatever the share of those who do. */
Test(sim_vitals, any_attack_is_each_of_them_in_turn)
{
    static const char *const shares[] = {"5%", "10%", "20%", "33%"};
    for (size_t i = 0; i < 4; i++) {
        struct gv_summary summary;
        uint32_t count[GV_ATTACK_ANY + 1] = {0};
        char text[256];
        (void)snprintf(text, sizeof text,
                       "[swarm]\nnodes = 400\nmode = membership\nduration = 1s\n"
                       "[adversaries]\nfraction = %s\nattack = any\n",
                       shares[i]);
        sim_watch(&summary, text, sim_seed(), look_at_attacks, count);
        for (uint32_t attack = GV_ATTACK_ECLIPSE; attack < GV_ATTACK_ANY; attack++) {
            cr_expect_gt(count[attack], 0, "nobody of %s does number %u", shares[i], attack);
            cr_expect_leq(count[attack], count[GV_ATTACK_GREEDY] + 1, "%s: number %u", shares[i], attack);
        }
    }
}

Test(sim_vitals, each_attack_does_what_it_says)
{
    struct gv_summary busy = run_attack("busy", "mean");
    cr_expect_lt(busy.vitals.hostile_exchange_share, 0.15, "%g", busy.vitals.hostile_exchange_share);
    struct gv_summary stall = run_attack("stall", "mean");
    cr_expect_eq(stall.vitals.hostile_exchange_share, 0.0);
    cr_expect_gt(stall.last.exchanges_failed, 100);
    struct gv_summary age = run_attack("age", "mean"); /* the clock goes on nearly as if nobody lied */
    cr_expect_lt(age.last.age_mean, 1.2 * age.last.steps_mean, "%g", age.last.age_mean / age.last.steps_mean);
    struct gv_summary reset = run_attack("reset", "mean");
    cr_expect_gt(reset.last.exchanges_failed, 100);
}

Test(sim_vitals, who_offers_all_the_time_waits_for_the_turns_of_others)
{
    struct gv_summary s =
        run("[swarm]\nnodes = 40\nmode = mean\nduration = 10min\narrival = 5s\nround = 20s\n"
            "[network]\nlatency = 30ms\n[views]\nbook = 16\n" OFTEN "[adversaries]\nfraction = 20%\nattack = greedy\n");
    /* Without turns: 0.75. */
    cr_expect_gt(s.vitals.hostile_exchange_share, 0.25, "%g", s.vitals.hostile_exchange_share);
    cr_expect_lt(s.vitals.hostile_exchange_share, 0.58, "%g", s.vitals.hostile_exchange_share);
    cr_expect_lt(s.vitals.exchange_gap_most_s, 60.0, "%g", s.vitals.exchange_gap_most_s);
}
