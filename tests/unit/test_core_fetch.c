/*
 * A core without a model, and donors that come, go and are slow.
 */
#include <criterion/criterion.h>

#include "core_help.h"

#define CHUNKS 10
#define AGE ((uint64_t)1000 << 16)

static enum gv_state states[3]; /* what peers 1 and 2 say that they are */

static void comes_in(uint32_t link)
{
    struct gv_ref peer = core_ref((uint8_t)link, 0);
    core_greet(link, &peer);
    core_ask(link);
}

static void setup(void)
{
    core_make(NULL);
    struct gv_event start = core_start(CHUNKS * (4 * GV_CHUNK_BYTES_MIN / sizeof(float)));
    start.u.start.has_model = false;
    start.u.start.trains = true;
    core_step(&start);
    states[1] = states[2] = GV_STATE_TRAINING;
}

TestSuite(core_fetch, .init = setup, .fini = core_end);

/* The message of this kind among what the last step sent over this link, copied to *out. */
static bool sent(uint32_t link, enum gv_kind kind, struct gv_msg *out)
{
    const struct gv_msg *msg = core_sent(link, kind);
    out->u = msg != NULL ? msg->u : out->u;
    return msg != NULL;
}

/* The peer that the last step asked for the model, 0: nobody. */
static uint32_t donor_asked(void)
{
    struct gv_msg msg;
    return sent(1, GV_KIND_FETCH, &msg) ? 1 : (sent(2, GV_KIND_FETCH, &msg) ? 2 : 0);
}

/* Answers what the last step asked of peers 1 and 2; the peer that it asked for the model meanwhile, 0: nobody. */
static uint32_t answer(void)
{
    struct gv_msg state[3], ping[3];
    bool asked[3], pinged[3];
    for (uint32_t link = 1; link <= 2; link++) {
        asked[link] = sent(link, GV_KIND_STATE, &state[link]);
        pinged[link] = sent(link, GV_KIND_PING, &ping[link]);
    }
    uint32_t donor = donor_asked();
    for (uint32_t link = 1; link <= 2; link++) {
        struct gv_msg pong = {.kind = GV_KIND_PONG};
        struct gv_msg reply = {.kind = GV_KIND_STATE_REPLY};
        reply.u.state = (struct gv_msg_state){
            .state = states[link], .donates = states[link] == GV_STATE_TRAINING, .epoch = 1, .age = AGE};
        if (pinged[link]) {
            pong.u.ping.seq = ping[link].u.ping.seq;
            pong.u.ping.neighbour_count = 1; /* us */
            core_give(link, &pong);
            donor = donor != 0 ? donor : donor_asked();
        }
        if (asked[link]) {
            core_give(link, &reply);
            donor = donor != 0 ? donor : donor_asked();
        }
    }
    return donor;
}

/* Lets time pass until the core asks somebody for the model, or has given up the search. */
static uint32_t until_asked(uint64_t us)
{
    uint32_t donor = answer();
    for (uint64_t end_us = now_us + us; donor == 0 && now_us < end_us && core->fetch.phase != GV_FETCH_IDLE;) {
        now_us += 10 * GV_MS;
        core_tick();
        donor = answer();
    }
    return donor;
}

static void reply(uint32_t link, enum gv_err reason)
{
    struct gv_msg msg = {.kind = GV_KIND_FETCH_REPLY};
    msg.u.fetch = (struct gv_msg_fetch){.nonce = core->fetch.nonce,
                                        .reason = reason,
                                        .epoch = 1,
                                        .chunk_bytes = core->fetch.chunk_bytes,
                                        .first_index = core->fetch.applying};
    core_give(link, &msg);
}

static void goes(uint32_t link)
{
    struct gv_event down = {.kind = GV_EV_LINK_DOWN, .link = link};
    core_step(&down);
}

Test(core_fetch, who_loses_the_only_donor_begins_without_one)
{
    states[2] = GV_STATE_JOINING;
    comes_in(1);
    comes_in(2);
    cr_assert_eq(until_asked(10 * GV_SECOND), 1);
    reply(1, GV_OK);
    goes(1);
    uint64_t from_us = now_us;
    cr_assert_eq(until_asked(3600 * GV_SECOND), 0);
    cr_assert(now_us - from_us >= 30 * GV_SECOND && now_us - from_us < 35 * GV_SECOND, "after %lu us",
              (unsigned long)(now_us - from_us));
    cr_assert(core->oriented && core->has_model);
    cr_assert_eq(core->state, GV_STATE_TRAINING);
}

Test(core_fetch, who_loses_everybody_begins_alone)
{
    comes_in(1);
    cr_assert_eq(until_asked(10 * GV_SECOND), 1);
    reply(1, GV_OK);
    goes(1);
    for (uint32_t i = 0; i < 70; i++) {
        now_us += GV_SECOND;
        core_tick();
    }
    cr_assert(core->has_model && core->lone_model);
    cr_assert_eq(core->state, GV_STATE_ISOLATED);
}

Test(core_fetch, what_has_come_is_kept_while_there_is_somebody_with_a_model)
{
    comes_in(1);
    comes_in(2);
    uint32_t donor = until_asked(10 * GV_SECOND);
    cr_assert_neq(donor, 0);
    reply(donor, GV_OK);
    uint64_t nonce = core->fetch.nonce;
    uint32_t other = 3 - donor;
    goes(donor);
    cr_assert_eq(until_asked(GV_SECOND), other);
    states[other] = GV_STATE_SETTLING; /* here: has a model, but no place for us */
    reply(other, GV_ERR_BUSY);
    cr_assert_eq(until_asked(120 * GV_SECOND), 0);
    cr_assert_eq(core->fetch.phase, GV_FETCH_REQUESTED);
    states[other] = GV_STATE_TRAINING;
    cr_assert_eq(until_asked(10 * GV_SECOND), other);
    cr_assert_eq(core->fetch.nonce, nonce);
}

static void chunk(uint32_t link, uint32_t index)
{
    struct gv_msg msg = {.kind = GV_KIND_CHUNK};
    msg.u.chunk.nonce = core->fetch.nonce;
    msg.u.chunk.index = index;
    core_give_bytes(link, &msg, index + 1);
}

Test(core_fetch, chunks_of_the_donor_count_against_no_rate)
{
    comes_in(1);
    comes_in(2);
    uint32_t donor = until_asked(10 * GV_SECOND);
    reply(donor, GV_OK);
    core->links[0].messages.tokens = core->links[1].messages.tokens = 0;
    chunk(donor, 0);
    cr_assert_eq(core->fetch.applying, 1);
    chunk(3 - donor, 1);
    cr_assert_eq(core->refusals[GV_ERR_RATE - 100], 1);
}

Test(core_fetch, a_donor_that_is_given_up_is_told_so_and_has_its_place_back)
{
    comes_in(1);
    cr_assert_eq(until_asked(10 * GV_SECOND), 1);
    reply(1, GV_OK);
    now_us += 20 * GV_SECOND;
    core_tick();
    cr_assert_null(core_sent(1, GV_KIND_ABORT));
    now_us += 10 * GV_SECOND;
    core_tick();
    const struct gv_msg *msg = core_sent(1, GV_KIND_ABORT);
    cr_assert_not_null(msg);
    cr_expect_eq(msg->u.exchange.nonce, core->fetch.nonce);
    cr_expect_eq(msg->u.exchange.reason, GV_ERR_TIMEOUT);
}

static void staged(uint32_t index)
{
    struct gv_event event = {.kind = GV_EV_APPLIED};
    event.u.work.nonce = core->fetch.nonce;
    event.u.work.index = index;
    core_step(&event);
}

Test(core_fetch, a_new_donor_is_asked_once_what_the_old_one_gave_is_staged)
{
    comes_in(1);
    comes_in(2);
    uint32_t donor = until_asked(10 * GV_SECOND);
    uint32_t other = 3 - donor;
    reply(donor, GV_OK);
    for (uint32_t i = 0; i < GV_CREDIT_CHUNKS_MAX; i++) {
        chunk(donor, i);
    }
    goes(donor);
    for (uint32_t i = 0; i < GV_CREDIT_CHUNKS_MAX; i++) {
        now_us += 5 * GV_SECOND; /* a slow line of our own */
        cr_assert_eq(donor_asked(), 0);
        staged(i);
    }
    cr_assert_eq(donor_asked(), other);
    reply(other, GV_OK);
    for (uint32_t i = GV_CREDIT_CHUNKS_MAX; i < 2 * GV_CREDIT_CHUNKS_MAX; i++) {
        chunk(other, i);
    }
    cr_assert_eq(core->fetch.applying, 2 * GV_CREDIT_CHUNKS_MAX);
    cr_assert_eq(gv_score_now(core, core->link_peers[gv_links_find(core, other)]), 0);
}

Test(core_fetch, what_is_complete_is_adopted_without_its_donor)
{
    comes_in(1);
    comes_in(2);
    uint32_t donor = until_asked(10 * GV_SECOND);
    reply(donor, GV_OK);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        chunk(donor, i);
        if (i + 1 < CHUNKS) {
            staged(i);
        }
    }
    goes(donor);
    cr_assert_eq(donor_asked(), 0);
    staged(CHUNKS - 1);
    cr_assert_eq(core->fetch.phase, GV_FETCH_ADOPTING);
}

Test(core_fetch, the_slowest_line_brings_all_of_it)
{
    comes_in(1);
    cr_assert_eq(until_asked(10 * GV_SECOND), 1);
    reply(1, GV_OK);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        uint64_t at_us = now_us + core->fetch.chunk_bytes * GV_SECOND / (16 * 1024);
        while (now_us < at_us) {
            now_us += 100 * GV_MS;
            core_tick();
            cr_assert_eq(answer(), 0);
        }
        cr_assert_eq(core->fetch.phase, GV_FETCH_TAKING, "before chunk %u", i);
        chunk(1, i);
        staged(i);
    }
    cr_assert_eq(core->fetch.phase, GV_FETCH_ADOPTING);
    cr_assert_eq(gv_score_now(core, core->link_peers[gv_links_find(core, 1)]), 0);
}

/* Twenty peers come in at once, four of which, others each time, claim an absurd age. True if it is believed. */
static bool is_fooled(struct gv_rng *rng)
{
    bool lies[21] = {false};
    for (uint32_t liars = 0; liars < 4;) {
        uint32_t who = 1 + gv_rng_below(rng, 20);
        liars += lies[who] ? 0 : 1;
        lies[who] = true;
    }
    setup();
    bool asked[21];
    for (uint32_t link = 1; link <= 20; link++) {
        struct gv_ref peer = core_ref((uint8_t)link, 0);
        core_greet(link, &peer);
        asked[link] = core_sent(link, GV_KIND_STATE) != NULL;
    }
    for (uint32_t link = 1; link <= 20; link++) {
        struct gv_msg reply = {.kind = GV_KIND_STATE_REPLY};
        reply.u.state = (struct gv_msg_state){
            .state = GV_STATE_TRAINING, .donates = true, .epoch = 1, .age = lies[link] ? 1000 * AGE : AGE};
        if (asked[link]) {
            core_give(link, &reply);
        }
    }
    now_us += GV_SECOND;
    core_tick();
    cr_assert_eq(core->fetch.phase, GV_FETCH_REQUESTED);
    return core->fetch.age != AGE;
}

Test(core_fetch, of_those_who_join_among_a_fifth_of_liars_one_in_twenty_is_fooled_at_most)
{
    struct gv_rng rng;
    uint8_t seed[32] = {5};
    uint32_t fooled = 0;
    gv_rng_seed(&rng, seed);
    for (uint32_t turn = 0; turn < 1000; turn++) {
        fooled += is_fooled(&rng) ? 1 : 0;
    }
    cr_expect_leq(fooled, 50, "%u of 1000", fooled);
}

/* Takes the whole model from whoever is asked for it. */
static void adopt(void)
{
    uint32_t donor = until_asked(10 * GV_SECOND);
    cr_assert_neq(donor, 0);
    reply(donor, GV_OK);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        chunk(donor, i);
        staged(i);
    }
    cr_assert_eq(core_count(GV_FX_ADOPT), 1);
    struct gv_event merged = {.kind = GV_EV_MERGED};
    merged.u.work.nonce = core->fetch.nonce;
    core_step(&merged);
    cr_assert(core->oriented && core->has_model);
}

/* Peer 1 accepts our offer, and our own copy turns out not to be finite. */
static void diverge(void)
{
    for (uint32_t i = 0; i < 1000 && core_sent(1, GV_KIND_OFFER) == NULL; i++) {
        now_us += 10 * GV_MS;
        core_tick();
    }
    const struct gv_msg *offer = core_sent(1, GV_KIND_OFFER);
    cr_assert_not_null(offer);
    struct gv_msg accept = {.kind = GV_KIND_ACCEPT, .u.offer = offer->u.offer};
    accept.u.offer.codecs = 1u << core->manifest.codec;
    core_give(1, &accept);
    cr_assert_eq(core_count(GV_FX_SNAPSHOT), 1);
    struct gv_event copied = {.kind = GV_EV_SNAPSHOT, .verdict = GV_ERR_DIVERGED};
    copied.u.work.nonce = accept.u.offer.nonce;
    core_step(&copied);
}

Test(core_fetch, a_model_of_ours_that_is_not_finite_is_no_fault_of_the_peer)
{
    comes_in(1);
    adopt();
    diverge();
    cr_assert_not_null(core_sent(1, GV_KIND_ABORT));
    cr_assert_eq(core_count(GV_FX_DISCARD), 1);
    uint32_t row = core->link_peers[0];
    cr_expect_eq(core->scores[row], 0);
    cr_expect_eq(core->peers[row].last_error, GV_OK);
    cr_expect_eq(core->exchanges_failed, 1);
    cr_expect_eq(core->refusals[gv_reason_index(GV_ERR_DIVERGED)], 1);
    cr_expect_eq(core->refusals[gv_reason_index(GV_ERR_NONFINITE)], 0);
    cr_expect(!core->training && !gv_lifecycle_exchanges(core) && !gv_lifecycle_donates(core));
}

Test(core_fetch, a_model_that_diverges_is_replaced_once_in_ten_minutes)
{
    comes_in(1);
    adopt();
    diverge();
    adopt(); /* at once, the first time */
    uint64_t from_us = now_us;
    diverge();
    uint32_t donor = answer();
    while (donor == 0 && now_us < from_us + 3600 * GV_SECOND) {
        cr_assert(!core->has_model);
        now_us += 100 * GV_MS;
        core_tick();
        donor = answer();
    }
    cr_assert_eq(donor, 1);
    cr_assert(now_us - from_us >= 600 * GV_SECOND && now_us - from_us < 610 * GV_SECOND, "after %lu us",
              (unsigned long)(now_us - from_us));
}

Test(core_fetch, a_model_that_diverges_is_left_to_a_new_epoch)
{
    comes_in(1);
    adopt();
    diverge();
    struct gv_event manifest = {.kind = GV_EV_MANIFEST, .u.manifest = core->manifest};
    manifest.u.manifest.epoch++;
    core_step(&manifest);
    cr_assert(core->has_model && core->oriented && core->training);
    cr_assert_eq(core->state, GV_STATE_TRAINING);
    cr_assert(!core->diverged);
}

Test(core_fetch, a_loss_that_is_not_finite_is_told_to_nobody)
{
    struct gv_event metrics = {.kind = GV_EV_METRICS};
    struct gv_event steps = {.kind = GV_EV_STEPS};
    steps.u.steps.loss = GV_LOSS_NOT_FINITE;
    core_step(&metrics);
    core_step(&steps);
    core_tick();
    cr_expect_eq(core->figures.weight, 0);
    steps.u.steps.loss = 3 * GV_Q16_ONE;
    core_step(&steps);
    core_tick();
    cr_expect_eq(core->figures.weight, (uint64_t)1 << 32);
    cr_expect_eq(core->figures.loss, (uint64_t)3 << 32);
}
