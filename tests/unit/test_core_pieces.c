/*
 * Small parts of the core by themselves: suspicion, scores, buckets, outcomes, patience, the table of peers, figures.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core_state.h"

static struct gv_core *core;
static struct gv_effects *effects;

static void setup(void)
{
    struct gv_core_config config;
    gv_core_defaults(&config);
    core = gv_core_init(malloc(gv_core_bytes(&config)), &config);
    effects = calloc(1, sizeof *effects);
    core->fx = effects;
    core->now_us = 1000 * GV_SECOND;
    memset(core->self.id.b, 0xff, sizeof core->self.id.b);
}

static void teardown(void)
{
    free(core);
    free(effects);
}

static struct gv_ref ref(uint8_t name, uint64_t incarnation, uint32_t sequence)
{
    struct gv_ref r = {.incarnation = incarnation, .boot = incarnation, .sequence = sequence, .flags = GV_REF_DIALABLE};
    r.id.b[0] = name;
    return r;
}

TestSuite(core_pieces, .init = setup, .fini = teardown);

Test(core_pieces, memory_of_a_core_with_defaults_is_below_52_kilobytes)
{
    struct gv_core_config config;
    gv_core_defaults(&config);
    cr_assert_leq(gv_core_bytes(&config), 52 * 1024, "%zu bytes", gv_core_bytes(&config));
}

Test(core_pieces, wild_configurations_are_clamped)
{
    struct gv_core_config config;
    memset(&config, 0xff, sizeof config);
    config.outbound_only = config.oracle = false;
    size_t most = gv_core_bytes(&config);
    cr_assert_leq(most, 64 * 1024);
    memset(&config, 0, sizeof config);
    cr_assert_gt(gv_core_bytes(&config), 0);
    struct gv_core *small = gv_core_init(malloc(gv_core_bytes(&config)), &config);
    cr_assert_eq(gv_core_next_deadline(small), GV_NEVER);
    free(small);
}

Test(core_pieces, suspicion_lasts_four_to_29_seconds)
{
    for (uint32_t n = 1; n <= GV_ACTIVE_MAX; n++) {
        cr_assert_leq(gv_probe_suspicion_us(n, 0), 29 * GV_SECOND);
        cr_assert_geq(gv_probe_suspicion_us(n, 2), 4 * GV_SECOND);
        cr_assert_gt(gv_probe_suspicion_us(n, 0), gv_probe_suspicion_us(n, 1));
        cr_assert_gt(gv_probe_suspicion_us(n, 1), gv_probe_suspicion_us(n, 2));
    }
    cr_assert_eq(gv_probe_suspicion_us(8, 0), 24 * GV_SECOND);
    /* max - (max - min) ln 2 / ln 3 = 24 - 20 * 0.63093 s */
    cr_assert_eq(gv_probe_suspicion_us(8, 1) / GV_MS, 11381);
}

Test(core_pieces, scores_halve_every_minute)
{
    struct gv_ref r = ref(1, 1, 0);
    uint32_t peer = gv_peers_intern(core, &r);
    gv_score_add(core, peer, GV_ERR_CHUNK, 40000);
    cr_assert(gv_score_bad(core, peer));
    core->now_us += 60 * GV_SECOND;
    cr_assert_eq(gv_score_now(core, peer), 20000);
    cr_assert(!gv_score_bad(core, peer));
    core->now_us += 60 * 20 * GV_SECOND;
    cr_assert_eq(gv_score_now(core, peer), 0);
    for (int i = 0; i < 100; i++) {
        gv_score_add(core, peer, GV_ERR_CHUNK, 40000);
    }
    cr_assert_eq(gv_score_now(core, peer), 65535, "bounded");
    cr_assert_eq(core->refusals[GV_ERR_CHUNK - 100], 101);
}

Test(core_pieces, a_bucket_gives_its_burst_and_then_its_rate)
{
    struct gv_bucket bucket;
    uint64_t now = 5 * GV_SECOND;
    uint32_t given = 0;
    gv_bucket_fill(&bucket, now, 10);
    for (int i = 0; i < 100; i++) {
        given += gv_bucket_take(&bucket, now, 3, 10) ? 1 : 0;
    }
    cr_assert_eq(given, 10);
    for (int i = 0; i < 10000; i++) { /* asked every millisecond for ten seconds */
        now += GV_MS;
        given += gv_bucket_take(&bucket, now, 3, 10) ? 1 : 0;
    }
    cr_assert(given >= 39 && given <= 40, "%u", given);
}

Test(core_pieces, outcomes_are_remembered_per_peer_and_forgotten_in_order)
{
    struct gv_ref a = ref(1, 1, 0);
    struct gv_ref b = ref(2, 1, 0);
    for (uint64_t nonce = 0; nonce < GV_OUTCOMES_KEPT + 1; nonce++) {
        gv_outcome_remember(core, nonce, &a.id, GV_OUTCOME_COMMITTED);
    }
    cr_assert_eq(gv_outcome_recall(core, 0, &a.id), GV_OUTCOME_UNKNOWN);
    cr_assert_eq(gv_outcome_recall(core, 1, &a.id), GV_OUTCOME_COMMITTED);
    cr_assert_eq(gv_outcome_recall(core, 1, &b.id), GV_OUTCOME_UNKNOWN, "nobody asks about another's exchange");
}

Test(core_pieces, patience_is_the_median_and_eight_deviations)
{
    cr_assert_eq(gv_outcome_patience(core), core->config.exchange_timeout_us, "the first guess");
    for (uint64_t s = 0; s < 9; s++) {
        gv_outcome_duration(core, (10 + s) * GV_SECOND);
    }
    cr_assert_eq(gv_outcome_patience(core), (14 + 8 * 2) * GV_SECOND);
    for (int i = 0; i < 32; i++) {
        gv_outcome_duration(core, 5 * GV_MS);
    }
    cr_assert_eq(gv_outcome_patience(core), 2 * GV_SECOND, "never below two seconds");
}

Test(core_pieces, patience_grows_with_the_way_to_the_partner_up_to_five_seconds)
{
    for (int i = 0; i < 32; i++) {
        gv_outcome_duration(core, 5 * GV_MS);
    }
    uint64_t limit = gv_outcome_limit(core);
    core->exchange.link = 3;
    core->links[3].srtt_us = 3000000;
    core->links[3].rttvar_us = 250000;
    cr_assert_eq(gv_outcome_patience(core), (2 + 4) * GV_SECOND);
    cr_assert_eq(gv_outcome_limit(core), limit + 4 * 4 * GV_SECOND, "OFFER, ACCEPT and the chunks go that way");
    core->links[3].rttvar_us = 60000000;
    cr_assert_eq(gv_outcome_patience(core), (2 + 5) * GV_SECOND);
    core->exchange.link = GV_NOBODY;
    cr_assert_eq(gv_outcome_patience(core), 2 * GV_SECOND);
}

Test(core_pieces, who_lost_its_link_is_asked_for_the_outcome_as_long_as_the_way_to_it_takes)
{
    struct gv_exchange *x = &core->exchange;
    for (int i = 0; i < 32; i++) {
        gv_outcome_duration(core, 5 * GV_MS);
    }
    core->links[3].srtt_us = 3000000;
    x->phase = GV_EXCHANGE_DECIDING;
    x->initiator = true;
    x->link = 3;
    gv_exchange_link_gone(core, 3);
    cr_assert_eq(x->phase, GV_EXCHANGE_ASKING);
    cr_assert_eq(x->link, GV_NOBODY);
    cr_assert_eq(x->deadline_us, core->now_us + (2 + 3) * GV_SECOND);
}

Test(core_pieces, a_record_only_becomes_newer)
{
    struct gv_ref old = ref(1, 5, 3);
    uint32_t peer = gv_peers_intern(core, &old);
    struct gv_ref stale = ref(1, 4, 9);
    cr_assert_eq(gv_peers_update(core, peer, &stale), GV_ERR_STALE);
    struct gv_ref copy = old;
    copy.boot++;
    cr_assert_eq(gv_peers_update(core, peer, &copy), GV_ERR_COPIED_KEY);
    struct gv_ref newer = ref(1, 5, 4);
    cr_assert_eq(gv_peers_update(core, peer, &newer), GV_OK);
    cr_assert_eq(core->peers[peer].ref.sequence, 4);
    cr_assert_eq(gv_peers_update(core, peer, &old), GV_OK);
    cr_assert_eq(core->peers[peer].ref.sequence, 4);
}

Test(core_pieces, the_passive_view_is_bounded_and_replaces_the_lent_and_the_old)
{
    for (uint32_t i = 0; i < 250; i++) {
        struct gv_ref r = ref((uint8_t)i, 1, 0);
        r.id.b[1] = 1;
        uint32_t peer = gv_peers_intern(core, &r);
        cr_assert(gv_peers_passive_add(core, peer, false));
        cr_assert_leq(core->passive_count, core->config.passive_max);
        core->ages[peer] = (uint16_t)(1000 - i);
    }
    cr_assert_eq(core->passive_count, core->config.passive_max);
    cr_assert_eq(gv_peers_intern(core, &core->self), GV_NOBODY, "never ourselves");
}

Test(core_pieces, the_room_of_who_became_a_neighbour_is_kept_for_its_return)
{
    uint32_t rows[150];
    for (uint32_t i = 0; i < 150; i++) {
        struct gv_ref r = ref((uint8_t)i, 1, 0);
        rows[i] = gv_peers_intern(core, &r);
        (void)gv_peers_passive_add(core, rows[i], false);
        core->ages[rows[i]] = (uint16_t)(1000 - i);
    }
    uint32_t neighbour = rows[149];
    gv_peers_forget(core, neighbour); /* as a neighbour it is in the passive view no more */
    core->active_count = 1;
    cr_assert_not(gv_peers_passive_add(core, rows[0], false), "it was here");
    cr_assert_eq(core->passive_count, core->config.passive_max - 1);
    cr_assert_not(gv_peers_passive_add(core, neighbour, false), "so was this one");
    core->active_count = 0;
    cr_assert(gv_peers_passive_add(core, neighbour, true));
    cr_assert_eq(core->passive_count, core->config.passive_max);
}

Test(core_pieces, nobody_comes_into_a_full_passive_view_twice_in_half_an_hour)
{
    uint32_t rows[250];
    for (uint32_t i = 0; i < 150; i++) {
        struct gv_ref r = ref((uint8_t)i, 1, 0);
        r.id.b[1] = 1;
        rows[i] = gv_peers_intern(core, &r);
        (void)gv_peers_passive_add(core, rows[i], false);
        core->ages[rows[i]] = (uint16_t)(1000 - i); /* the first is the oldest, and gives way first */
    }
    struct gv_ref first = ref(0, 1, 0);
    first.id.b[1] = 1;
    uint32_t again = gv_peers_intern(core, &first);
    cr_assert_eq(core->roles[again], GV_ROLE_NONE, "it gave way");
    cr_assert_not(gv_peers_passive_add(core, again, false), "however often it comes");
    core->now_us += 29 * 60 * GV_SECOND;
    cr_assert_not(gv_peers_passive_add(core, again, false));
    core->now_us += 2 * 60 * GV_SECOND;
    cr_assert(gv_peers_passive_add(core, again, false));
}

Test(core_pieces, nobody_is_kept_out_for_another_whose_id_begins_alike)
{
    for (uint32_t i = 0; i <= core->config.passive_max; i++) {
        struct gv_ref r = ref((uint8_t)i, 1, 0);
        r.id.b[1] = 1;
        (void)gv_peers_passive_add(core, gv_peers_intern(core, &r), false);
    }
    struct gv_ref twin = ref(5, 1, 0);
    twin.id.b[1] = 1;
    twin.id.b[5] = 1; /* four bytes alike are found in an hour */
    cr_assert(gv_peers_passive_add(core, gv_peers_intern(core, &twin), false));
}

Test(core_pieces, who_was_in_the_passive_view_hours_ago_comes_in_at_any_minute)
{
    core->config.record_life_us = 24 * 60 * 60 * GV_SECOND;
    for (uint32_t i = 0; i <= core->config.passive_max; i++) {
        struct gv_ref r = ref((uint8_t)i, 1, 0);
        r.id.b[1] = 1;
        (void)gv_peers_passive_add(core, gv_peers_intern(core, &r), false);
    }
    uint32_t gone = 0; /* who gave way to the last */
    while (core->roles[gone] == GV_ROLE_PASSIVE) {
        gone++;
    }
    cr_assert_not(gv_peers_passive_add(core, gone, false), "it was there just now");
    for (uint32_t minute = 1; minute <= 270; minute++) {
        core->now_us += 60 * GV_SECOND;
        gv_peers_expire(core);
    }
    cr_assert_eq(core->passive_count, core->config.passive_max);
    cr_assert(gv_peers_passive_add(core, gone, false));
}

Test(core_pieces, who_left_stays_buried_and_who_died_returns_with_a_newer_record)
{
    struct gv_ref dead = ref(1, 5, 3);
    gv_peers_bury(core, &dead, false);
    cr_assert_eq(gv_peers_intern(core, &dead), GV_NOBODY);
    struct gv_ref refreshed = ref(1, 5, 4);
    cr_assert_neq(gv_peers_intern(core, &refreshed), GV_NOBODY);
    struct gv_ref left = ref(2, 5, 3);
    gv_peers_bury(core, &left, true);
    struct gv_ref later = ref(2, 9, 0);
    cr_assert_eq(gv_peers_intern(core, &later), GV_NOBODY);
    for (uint32_t i = 0; i < 200; i++) { /* deaths do not push out farewells */
        struct gv_ref other = ref((uint8_t)i, 1, 0);
        other.id.b[1] = 7;
        gv_peers_bury(core, &other, false);
    }
    cr_assert(gv_peers_left(core, &left.id));
    core->now_us += GV_GRAVE_US + 1;
    cr_assert(!gv_peers_left(core, &left.id), "bounded in time");
}

Test(core_pieces, a_farewell_that_is_forgotten_does_not_come_back_with_a_death)
{
    struct gv_ref left = ref(2, 5, 3);
    gv_peers_bury(core, &left, true);
    core->now_us += GV_GRAVE_US + 1;
    struct gv_ref again = ref(2, 6, 0);
    gv_peers_exhume(core, &again.id);
    cr_assert_neq(gv_peers_intern(core, &again), GV_NOBODY, "it may come back then");
    gv_peers_bury(core, &again, false);
    cr_assert(!gv_peers_left(core, &again.id), "and to lose its link is not to leave");
    struct gv_ref refreshed = ref(2, 6, 1);
    cr_assert(!gv_peers_buried(core, &refreshed));
}

Test(core_pieces, figures_are_averaged_and_minima_taken)
{
    static const uint8_t seed[32] = {3};
    gv_rng_seed(&core->rng, seed);
    core->has_loss = core->has_accuracy = core->ever_met = true;
    core->loss = GV_Q16_ONE;
    core->accuracy = GV_Q16_ONE / 2;
    gv_swarm_stats_start(core);
    struct gv_swarm_stats theirs = core->figures;
    for (uint32_t i = 0; i < GV_MINIMA; i++) {
        theirs.minima[i] /= 2;
    }
    theirs.loss *= 3;
    struct gv_core_stats stats;
    gv_swarm_stats_show(core, &stats);
    cr_assert_eq(stats.swarm_nodes, 1);
    gv_swarm_stats_merge(core, core->figures.epoch, &theirs);
    gv_swarm_stats_show(core, &stats);
    cr_assert(stats.swarm_figures, "a young swarm shows what it has heard so far");
    cr_assert_eq(stats.swarm_loss, 2 * GV_Q16_ONE);
    for (uint32_t i = 0; i < GV_MINIMA; i++) {
        cr_assert_eq(core->figures.minima[i], theirs.minima[i]);
    }
    core->now_us += 60 * GV_SECOND;
    gv_swarm_stats_tick(core);
    cr_assert(core->estimate.figures);
    cr_assert_eq(core->estimate.loss, 2 * GV_Q16_ONE);
    cr_assert_eq(core->estimate.accuracy, GV_Q16_ONE / 2);
    cr_assert(core->estimate.nodes >= 1 && core->estimate.nodes <= 3);
    gv_swarm_stats_seen(core, UINT32_MAX);
    cr_assert_lt(core->figures.epoch, 10, "an impossible epoch is not believed");
    gv_swarm_stats_seen(core, 50);
    cr_assert_eq(core->figures.epoch, 50);
    gv_swarm_stats_seen(core, 49);
    cr_assert_eq(core->figures.epoch, 50);
}

Test(core_pieces, no_epoch_that_a_peer_may_name_is_the_last)
{
    const uint32_t last = 0x7fffffff;
    gv_swarm_stats_start(core);
    gv_swarm_stats_seen(core, last / 2);
    gv_swarm_stats_seen(core, last - 1);
    gv_swarm_stats_seen(core, last);
    cr_assert_eq(core->figures.epoch, last);
    core->now_us += 60 * GV_SECOND;
    gv_swarm_stats_tick(core);
    cr_assert_eq(core->figures.epoch, 0);
    gv_swarm_stats_seen(core, last);
    cr_assert_eq(core->figures.epoch, 0, "who lags follows");
}

/* A second core beside the suite's; the caller frees it. */
static struct gv_core *second_core(void)
{
    struct gv_core_config config;
    gv_core_defaults(&config);
    struct gv_core *other = gv_core_init(malloc(gv_core_bytes(&config)), &config);
    other->now_us = core->now_us;
    return other;
}

static void put_figures(struct gv_core *at, uint8_t name, uint64_t loss)
{
    uint8_t seed[32] = {name};
    gv_rng_seed(&at->rng, seed);
    at->has_loss = at->has_accuracy = at->ever_met = true;
    at->loss = loss;
    at->accuracy = GV_Q16_ONE / name;
    gv_swarm_stats_start(at);
}

Test(core_pieces, a_push_moves_half_of_the_figures_and_makes_none)
{
    struct gv_core *other = second_core();
    put_figures(core, 2, GV_Q16_ONE);
    put_figures(other, 3, 3 * GV_Q16_ONE + 1);
    uint64_t weight = core->figures.weight + other->figures.weight;
    uint64_t loss = core->figures.loss + other->figures.loss;
    uint64_t accuracy = core->figures.accuracy + other->figures.accuracy;
    for (uint32_t i = 0; i < 9; i++) {
        struct gv_core *from = i % 3 == 0 ? other : core;
        struct gv_core *to = i % 3 == 0 ? core : other;
        struct gv_swarm_stats sent;
        struct gv_swarm_stats before = from->figures;
        gv_swarm_stats_give(from, &sent);
        cr_assert_eq(memcmp(&before, &from->figures, sizeof before), 0, "a push that is turned down changes nothing");
        gv_swarm_stats_take(to, &sent);
        gv_swarm_stats_given(from, sent.epoch);
        cr_assert_eq(core->figures.weight + other->figures.weight, weight);
        cr_assert_eq(core->figures.loss + other->figures.loss, loss);
        cr_assert_eq(core->figures.accuracy + other->figures.accuracy, accuracy);
        cr_assert(to->figures_merged > 0);
        for (uint32_t k = 0; k < GV_MINIMA; k++) {
            cr_assert_leq(to->figures.minima[k], from->figures.minima[k]);
        }
    }
    struct gv_core_stats stats;
    gv_swarm_stats_show(other, &stats);
    cr_assert(stats.swarm_loss > GV_Q16_ONE && stats.swarm_loss < 3 * GV_Q16_ONE, "a mean of both");
    free(other);
}

Test(core_pieces, a_push_out_of_an_epoch_or_with_absurd_figures_moves_none)
{
    struct gv_core *other = second_core();
    put_figures(core, 2, GV_Q16_ONE);
    put_figures(other, 3, 3 * GV_Q16_ONE);
    struct gv_swarm_stats sent;
    gv_swarm_stats_give(other, &sent);
    gv_swarm_stats_seen(core, 7);
    struct gv_swarm_stats before = core->figures;
    gv_swarm_stats_take(core, &sent);
    gv_swarm_stats_given(core, sent.epoch);
    cr_assert_eq(memcmp(&before, &core->figures, sizeof before), 0);
    sent.epoch = 7;
    sent.loss = UINT64_MAX;
    gv_swarm_stats_take(core, &sent);
    cr_assert_eq(core->figures.loss, before.loss);
    cr_assert_eq(core->figures.weight, before.weight);
    for (int i = 0; i < 10; i++) { /* each of them sane, their sum not */
        sent.loss = UINT64_MAX >> 2;
        gv_swarm_stats_take(core, &sent);
        cr_assert_leq(core->figures.loss, UINT64_MAX >> 2);
    }
    free(other);
}

Test(core_pieces, credit_never_lets_more_than_four_chunks_wait)
{
    struct gv_exchange *x = &core->exchange;
    x->phase = GV_EXCHANGE_STREAMING;
    x->chunk_count = 10;
    gv_transfer_begin(core);
    for (uint32_t i = 0; i < 4; i++) {
        cr_assert_eq(gv_transfer_chunk(core, i, i + 1), GV_OK);
    }
    cr_assert_eq(gv_transfer_chunk(core, 4, 5), GV_ERR_CHUNK, "the fifth unasked");
    cr_assert_eq(gv_transfer_chunk(core, 2, 5), GV_ERR_CHUNK, "twice");
    cr_assert(!gv_transfer_credit(core, 5), "more than can be");
    cr_assert(gv_transfer_credit(core, 3), "less than before changes nothing");
    cr_assert_eq(x->credit, 4);
    (void)gv_transfer_pump(core);
    cr_assert_eq(effects->count, 0, "theirs waits until ours is copied and sent");
}

Test(core_pieces, an_exchange_that_barely_moves_ends_at_its_limit)
{
    struct gv_exchange *x = &core->exchange;
    struct gv_ref r = ref(1, 1, 0);
    uint32_t peer = gv_peers_intern(core, &r);
    core->manifest.block_count = 1;
    core->manifest.block_elements[0] = 100000; /* 400 kB */
    for (int i = 0; i < 32; i++) {
        gv_outcome_duration(core, 100 * GV_MS);
    }
    x->phase = GV_EXCHANGE_STREAMING;
    x->peer = core->peers[peer].ref.id;
    x->link = GV_NOBODY;
    x->started_us = x->progress_us = core->now_us;
    uint64_t from = core->now_us;
    while (x->phase == GV_EXCHANGE_STREAMING && core->now_us - from < 600 * GV_SECOND) {
        core->now_us += GV_SECOND; /* a chunk just before each patience of two seconds is over */
        x->progress_us = core->now_us;
        effects->count = 0;
        gv_exchange_tick(core);
    }
    uint64_t took = core->now_us - from;
    uint64_t slow_link = 400000 * GV_SECOND / (16 * 1024); /* what 128 kbit/s need */
    cr_assert_geq(took, slow_link);
    cr_assert_leq(took, slow_link + 12 * GV_SECOND, "%.1f s", (double)took / 1e6);
    cr_assert_eq(core->refusals[GV_ERR_TIMEOUT - 100], 1);
}

Test(core_pieces, a_branch_is_all_that_one_member_has_let_in)
{
    struct gv_ref self = ref(1, 1, 1);
    self.inviters[0] = 50;
    self.inviters[1] = 51;
    uint64_t own = gv_head_of(self.id.b);
    const struct {
        uint64_t inviters[GV_INVITERS_MAX];
        uint64_t branch; /* 0: one of its own */
    } cases[] = {
        {{0}, 0},                /* the root's guest, as those who let us in once were */
        {{50}, 0},               /* a guest of who let our inviter in */
        {{50, 51}, 0},           /* of our own inviter */
        {{50, 51, own}, 0},      /* of ours */
        {{50, 51, own, 60}, 60}, /* of one of those */
        {{50, 70}, 70},          /* another guest of 50 and its guests, at any remove */
        {{50, 70, 71, 72}, 70},
        {{80, 51}, 80},
        {{51, 50}, 51},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gv_ref other = ref((uint8_t)(10 + i), 1, 1);
        memcpy(other.inviters, cases[i].inviters, sizeof other.inviters);
        uint64_t branch = cases[i].branch != 0 ? cases[i].branch : gv_head_of(other.id.b);
        cr_expect_eq(gv_ref_branch(&self, &other), branch, "case %zu", i);
    }
}

Test(core_pieces, a_rank_is_even_differs_by_both_and_changes_in_ten_minutes)
{
    struct gv_id ids[2];
    uint32_t low = 0, same = 0, later = 0;
    for (uint32_t i = 0; i < 4000; i++) {
        for (uint32_t k = 0; k < 2 * GV_ID_BYTES; k++) {
            ids[k / GV_ID_BYTES].b[k % GV_ID_BYTES] = (uint8_t)gv_rng_u32(&core->rng);
        }
        core->wall_s = 1800000000 + i;
        uint32_t rank = gv_peers_rank(core, &ids[0], &ids[1]);
        low += rank < UINT32_MAX / 10 ? 1 : 0;
        same += rank == gv_peers_rank(core, &ids[1], &ids[0]) ? 1 : 0;
        core->wall_s += 60;
        later += rank == gv_peers_rank(core, &ids[0], &ids[1]) ? 1 : 0;
    }
    cr_expect(low > 300 && low < 500, "%u", low);
    cr_expect_leq(same, 1);
    cr_expect(later > 3450 && later < 3750, "nine of ten are the same a minute later: %u", later);
}

Test(core_pieces, a_rank_is_that_of_the_protocol)
{
    struct gv_id ids[2];
    for (uint32_t i = 0; i < 2 * GV_ID_BYTES; i++) {
        ids[i / GV_ID_BYTES].b[i % GV_ID_BYTES] = (uint8_t)(i % GV_ID_BYTES + (i < GV_ID_BYTES ? 1 : 9));
    }
    core->wall_s = 1800000000;
    cr_expect_eq(gv_peers_rank(core, &ids[0], &ids[1]), 2740901990u, "%u", gv_peers_rank(core, &ids[0], &ids[1]));
}
