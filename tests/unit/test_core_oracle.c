/*
 * One core whose peers come by introduction only, as in comparisons with theory: whom it offers to, and that it is
 * otherwise left in peace.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "core_help.h"

#define LINKS 24
#define CHUNKED 600000 /* elements: ten chunks of 256 KiB, with which a link begins */

static uint64_t elements = 16;
static uint64_t steps;

static void start(uint32_t exchange, bool oracle)
{
    struct gv_core_config config;
    gv_core_defaults(&config);
    config.oracle = oracle;
    config.links_max = LINKS;
    config.passive_max = 0;
    core_make(&config);
    steps = 0;
    struct gv_event event = core_start(elements);
    event.u.start.trains = true;
    event.u.start.has_model = !oracle;
    event.u.start.manifest.exchange = exchange;
    event.u.start.manifest.settle_exchanges = 3;
    core_step(&event);
}

static void setup(void)
{
    elements = 16;
    start(GV_EXCHANGE_PAIR, true);
}

TestSuite(core_oracle, .init = setup, .fini = core_end);

static void command(enum gv_command command)
{
    struct gv_event event = {.kind = GV_EV_COMMAND, .u.command = command};
    core_step(&event);
}

static struct gv_ref ref_of(uint8_t peer)
{
    struct gv_ref ref = {.incarnation = 1, .boot = 9, .flags = GV_REF_DIALABLE};
    ref.id.b[0] = peer;
    return ref;
}

static void introduce(uint32_t link, uint8_t peer)
{
    struct gv_event event = {.kind = GV_EV_INTRODUCE, .link = link};
    event.u.introduce.ref = ref_of(peer);
    core_step(&event);
}

static void link_down(uint32_t link)
{
    struct gv_event event = {.kind = GV_EV_LINK_DOWN, .link = link};
    core_step(&event);
}

static void round_done(void)
{
    steps += 16;
    struct gv_event event = {.kind = GV_EV_STEPS};
    event.u.steps.total = steps;
    event.u.steps.round = true;
    core_step(&event);
}

static void give_plain(uint32_t link, enum gv_kind kind, uint64_t nonce)
{
    struct gv_msg msg = {.kind = kind};
    msg.u.exchange.nonce = nonce;
    core_give(link, &msg);
}

static void work_done(enum gv_event_kind kind, uint64_t nonce)
{
    struct gv_event event = {.kind = kind};
    event.u.work.nonce = nonce;
    core_step(&event);
}

/* The nonce of the SNAPSHOT that the step before asked for, answered; the OFFER that follows. */
static const struct gv_msg *offered(uint32_t link)
{
    const struct gv_effect *snapshot = core_effect(GV_FX_SNAPSHOT);
    cr_assert_not_null(snapshot);
    work_done(GV_EV_SNAPSHOT, snapshot->u.work.nonce);
    const struct gv_effect *send = core_effect(GV_FX_SEND);
    cr_assert_not_null(send);
    cr_assert_eq(send->link, link);
    cr_assert_eq(send->u.msg.kind, GV_KIND_OFFER);
    return &send->u.msg;
}

static struct gv_msg an_offer(uint32_t exchange)
{
    struct gv_msg msg = {.kind = GV_KIND_OFFER};
    msg.u.offer.nonce = 77;
    msg.u.offer.epoch = 1;
    msg.u.offer.exchange = exchange;
    msg.u.offer.codecs = 1u << GV_CODEC_F32;
    msg.u.offer.inline_state = true;
    return msg;
}

static uint64_t idle_deadline(void)
{
    return 10 * GV_SECOND + 60 * GV_SECOND; /* the end of the epoch of the swarm's figures */
}

Test(core_oracle, it_trains_at_once_and_is_left_in_peace)
{
    start(GV_EXCHANGE_PAIR, true);
    cr_assert_eq(core_count(GV_FX_TRAIN), 1);
    struct gv_core_stats stats;
    gv_core_stats(core, &stats);
    cr_assert_eq(stats.state, GV_STATE_TRAINING);
    cr_assert_eq(gv_core_next_deadline(core), idle_deadline());
    for (uint8_t i = 1; i <= 20; i++) {
        introduce(i, i);
    }
    cr_assert_eq(gv_core_next_deadline(core), idle_deadline());
    for (uint32_t minute = 0; minute < 60; minute++) { /* neither looks for neighbours nor closes idle links */
        now_us = gv_core_next_deadline(core);
        core_tick();
        cr_assert_eq(effects->count, 0, "effect %d", (int)effects->item[0].kind);
    }
    cr_assert_eq(now_us, 10 * GV_SECOND + (uint64_t)60 * 60 * GV_SECOND);
    gv_core_stats(core, &stats);
    cr_assert_eq(stats.links, 20);
    cr_assert_eq(stats.state, GV_STATE_TRAINING);
}

Test(core_oracle, a_round_that_is_due_goes_to_the_next_one_introduced)
{
    round_done();
    cr_assert_eq(effects->count, 0);
    core_tick();
    cr_assert_eq(gv_core_next_deadline(core), idle_deadline(), "there is nobody to wake up for");
    now_us += 3 * GV_SECOND;
    introduce(5, 1);
    cr_assert(gv_id_equal(gv_core_link_peer(core, 5), &(struct gv_id){.b = {1}}));
    cr_assert_eq(offered(5)->u.offer.exchange, GV_EXCHANGE_PAIR);
    cr_assert_eq(core_count(GV_FX_DIAL), 0);
}

Test(core_oracle, a_round_goes_to_a_peer_that_is_there)
{
    introduce(5, 1);
    cr_assert_eq(core_count(GV_FX_SNAPSHOT), 0, "none is due");
    now_us += GV_SECOND;
    round_done();
    uint64_t nonce = offered(5)->u.offer.nonce;
    struct gv_msg busy = {.kind = GV_KIND_BUSY};
    busy.u.exchange = (struct gv_msg_exchange){.nonce = nonce, .reason = GV_ERR_BUSY, .retry_ms = 20};
    core_give(5, &busy);
    uint64_t at = gv_core_next_deadline(core);
    cr_assert_lt(at, now_us + 30 * GV_MS);
    for (uint32_t i = 0; i < 10 && core_count(GV_FX_SNAPSHOT) == 0; i++) {
        now_us = gv_core_next_deadline(core);
        core_tick();
    }
    (void)offered(5);
    cr_assert_geq(now_us, 11 * GV_SECOND + 20 * GV_MS, "not before the hint");
    link_down(5);
    cr_assert_eq(core_count(GV_FX_DIAL), 0);
    now_us += 20 * GV_SECOND;
    core_tick();
    cr_assert_eq(gv_core_next_deadline(core), idle_deadline());
}

Test(core_oracle, a_link_without_room_or_to_a_known_peer_is_closed)
{
    introduce(1, 1);
    cr_assert_eq(core_count(GV_FX_CLOSE), 0);
    introduce(2, 1);
    cr_assert_eq(core_effect(GV_FX_CLOSE)->link, 2);
    cr_assert_eq(core_effect(GV_FX_CLOSE)->reason, GV_ERR_DUPLICATE);
    introduce(3, 0);
    cr_assert_eq(core_effect(GV_FX_CLOSE)->link, 3, "that is ourselves");
    for (uint32_t i = 2; i <= LINKS; i++) {
        introduce(100 + i, (uint8_t)i);
        cr_assert_eq(core_count(GV_FX_CLOSE), 0);
    }
    introduce(4, 99);
    cr_assert_eq(core_effect(GV_FX_CLOSE)->link, 4);
    cr_assert_eq(core_effect(GV_FX_CLOSE)->reason, GV_ERR_CROWDED);
    link_down(1);
    introduce(4, 99);
    cr_assert_eq(core_count(GV_FX_CLOSE), 0);
    introduce(5, 1);
    cr_assert_eq(core_count(GV_FX_CLOSE), 1);
    link_down(4);
    introduce(6, 1);
    cr_assert_eq(core_count(GV_FX_CLOSE), 0, "a peer may come back");
}

Test(core_oracle, any_number_of_peers_may_come_one_after_the_other)
{
    for (uint32_t i = 0; i < 1000; i++) {
        struct gv_event event = {.kind = GV_EV_INTRODUCE, .link = 10 + i};
        event.u.introduce.ref = ref_of(1);
        event.u.introduce.ref.id.b[1] = (uint8_t)i;
        event.u.introduce.ref.id.b[2] = (uint8_t)(i >> 8);
        now_us += GV_MS;
        core_step(&event);
        cr_assert_eq(core_count(GV_FX_CLOSE), 0);
        cr_assert_not_null(gv_core_link_peer(core, 10 + i));
        link_down(10 + i);
    }
}

Test(core_oracle, a_stopped_node_turns_introductions_away)
{
    command(GV_CMD_STOP);
    introduce(1, 1);
    cr_assert_eq(core_count(GV_FX_CLOSE), 1);
}

Test(core_oracle, who_leaves_says_so_on_every_link)
{
    for (uint32_t i = 1; i <= LINKS; i++) {
        introduce(i, (uint8_t)i);
    }
    command(GV_CMD_LEAVE);
    cr_assert_eq(core_count(GV_FX_SEND), LINKS);
    cr_assert_eq(core_effect(GV_FX_SEND)->u.msg.kind, GV_KIND_LEAVE);
}

Test(core_oracle, a_push_needs_no_more_than_a_snapshot_of_its_initiator)
{
    start(GV_EXCHANGE_PUSH, true);
    introduce(5, 1);
    round_done();
    const struct gv_msg *offer = offered(5);
    uint64_t nonce = offer->u.offer.nonce;
    uint64_t age = core->age;
    cr_assert_eq(offer->u.offer.exchange, GV_EXCHANGE_PUSH);
    cr_assert(offer->u.offer.inline_state);
    give_plain(5, GV_KIND_COMMITTED, nonce);
    cr_assert_eq(core_count(GV_FX_DISCARD), 1);
    cr_assert_eq(core_count(GV_FX_COMMIT), 0);
    cr_assert_eq(core_count(GV_FX_SEND), 0);
    cr_assert_eq(core->exchanges_done, 1);
    cr_assert_eq(core->age, age);
    cr_assert(!core->rounds.due);
    give_plain(5, GV_KIND_COMMITTED, nonce);
    cr_assert_eq(core->exchanges_done, 1, "once");
    cr_assert_eq(gv_core_next_deadline(core), idle_deadline());
}

Test(core_oracle, an_age_that_lies_weighs_no_more_than_twice_ours)
{
    start(GV_EXCHANGE_PUSH, true);
    core->manifest.merge = GV_MERGE_AGE;
    core->age = (uint64_t)1000 << 16;
    introduce(5, 1);
    struct gv_msg offer = an_offer(GV_EXCHANGE_PUSH);
    offer.u.offer.age = UINT64_MAX;
    core_give_bytes(5, &offer, 123);
    work_done(GV_EV_SNAPSHOT, 77);
    uint32_t slack = core->manifest.local_steps;
    uint32_t most = (uint32_t)((uint64_t)GV_Q16_ONE * (2000 + slack) / (3000 + slack));
    cr_assert_eq(core_effect(GV_FX_APPLY)->u.work.weight_q16, most);
}

Test(core_oracle, who_stops_with_a_commit_on_its_way_takes_nothing_back)
{
    start(GV_EXCHANGE_PAIR, true);
    introduce(5, 1);
    round_done();
    struct gv_msg accept = {.kind = GV_KIND_ACCEPT, .u.offer = offered(5)->u.offer};
    uint64_t nonce = accept.u.offer.nonce;
    core_give_bytes(5, &accept, 123);
    work_done(GV_EV_APPLIED, nonce);
    give_plain(5, GV_KIND_DONE, nonce);
    cr_assert_eq(core_effect(GV_FX_SEND)->u.msg.kind, GV_KIND_COMMIT);
    command(GV_CMD_STOP);
    cr_assert_eq(core->exchanges_doubt, 1, "they may have merged it");
    cr_assert_eq(core->exchanges_failed, 1);
    cr_assert_eq(core_effect(GV_FX_SEND)->u.msg.kind, GV_KIND_DISCONNECT, "no ABORT after a COMMIT");
}

Test(core_oracle, a_push_is_merged_and_answered_by_its_receiver)
{
    start(GV_EXCHANGE_PUSH, true);
    introduce(5, 1);
    struct gv_msg offer = an_offer(GV_EXCHANGE_PUSH);
    core_give_bytes(5, &offer, 123);
    cr_assert_eq(core_count(GV_FX_SNAPSHOT), 1);
    cr_assert_eq(core_count(GV_FX_APPLY) + core_count(GV_FX_SEND), 0, "not before our own state is copied");
    work_done(GV_EV_SNAPSHOT, 77);
    cr_assert_eq(core_effect(GV_FX_APPLY)->u.work.handle, 123);
    cr_assert_eq(core_effect(GV_FX_APPLY)->u.work.weight_q16, GV_Q16_ONE / 2);
    cr_assert_eq(core_count(GV_FX_SEND), 0, "no ACCEPT");
    work_done(GV_EV_APPLIED, 77);
    cr_assert_not_null(core_effect(GV_FX_COMMIT));
    cr_assert_eq(core_effect(GV_FX_SEND)->u.msg.kind, GV_KIND_COMMITTED);
    struct gv_msg again = an_offer(GV_EXCHANGE_PUSH);
    again.u.offer.nonce = 78;
    core_give_bytes(5, &again, 124);
    cr_assert_eq(core_effect(GV_FX_SEND)->u.msg.kind, GV_KIND_BUSY, "until it is merged");
    cr_assert_eq(core_effect(GV_FX_DROP)->u.work.handle, 124);
    work_done(GV_EV_MERGED, 77);
    core_give_bytes(5, &offer, 125);
    cr_assert_eq(core_effect(GV_FX_SEND)->u.msg.kind, GV_KIND_ABORT, "a nonce is used once");
    cr_assert_eq(core->exchanges_done, 1);
}

Test(core_oracle, another_kind_of_exchange_is_refused_with_its_reason)
{
    for (uint32_t kind = GV_EXCHANGE_PAIR; kind <= GV_EXCHANGE_PUSH; kind++) {
        start(kind, true);
        introduce(5, 1);
        for (uint32_t other = 0; other < 3; other++) {
            struct gv_msg offer = an_offer(other);
            offer.u.offer.nonce = 100 + other;
            if (other == kind) {
                continue;
            }
            core_give_bytes(5, &offer, 200 + other);
            cr_assert_eq(core_effect(GV_FX_SEND)->u.msg.kind, GV_KIND_ABORT);
            cr_assert_eq(core_effect(GV_FX_SEND)->u.msg.u.exchange.reason, GV_ERR_EXCHANGE);
            cr_assert_eq(core_effect(GV_FX_DROP)->u.work.handle, 200 + other);
        }
    }
}

Test(core_oracle, messages_of_a_pair_exchange_have_no_place_in_a_push)
{
    const enum gv_kind kinds[] = {GV_KIND_ACCEPT, GV_KIND_CHUNK, GV_KIND_CREDIT, GV_KIND_DONE, GV_KIND_COMMIT};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        start(GV_EXCHANGE_PUSH, true);
        introduce(5, 1);
        struct gv_msg offer = an_offer(GV_EXCHANGE_PUSH);
        core_give_bytes(5, &offer, 123);
        work_done(GV_EV_SNAPSHOT, 77);
        struct gv_msg msg = {.kind = kinds[i]};
        switch (kinds[i]) {
        case GV_KIND_ACCEPT:
            msg.u.offer.nonce = 77;
            break;
        case GV_KIND_CHUNK:
            msg.u.chunk.nonce = 77;
            break;
        default:
            msg.u.exchange.nonce = 77;
            break;
        }
        core_give_bytes(5, &msg, kinds[i] == GV_KIND_CHUNK || kinds[i] == GV_KIND_ACCEPT ? 9 : 0);
        cr_assert_eq(core->exchange.phase, GV_EXCHANGE_IDLE, "kind %d", (int)kinds[i]);
        cr_assert_eq(core_count(GV_FX_DISCARD), 1);
        work_done(GV_EV_APPLIED, 77);
        cr_assert_eq(core_count(GV_FX_COMMIT), 0);
    }
}

static void give_chunk(uint32_t index, uint32_t handle)
{
    struct gv_msg msg = {.kind = GV_KIND_CHUNK};
    msg.u.chunk.nonce = core->exchange.nonce;
    msg.u.chunk.index = index;
    core_give_bytes(5, &msg, handle);
}

Test(core_oracle, chunks_of_a_push_wait_for_our_own_copy)
{
    elements = CHUNKED;
    start(GV_EXCHANGE_PUSH, true);
    introduce(5, 1);
    struct gv_msg offer = an_offer(GV_EXCHANGE_PUSH);
    offer.u.offer.inline_state = false;
    offer.u.offer.chunk_bytes = GV_CHUNK_BYTES_MAX;
    core_give(5, &offer);
    cr_assert_eq(core_effect(GV_FX_SEND)->u.msg.kind, GV_KIND_ACCEPT);
    uint32_t count_of_chunks = core->exchange.chunk_count;
    cr_assert(count_of_chunks > 4);
    give_chunk(0, 100);
    give_chunk(1, 101);
    cr_assert_eq(core_count(GV_FX_APPLY), 0, "there is nothing to merge into");
    work_done(GV_EV_SNAPSHOT, 77);
    cr_assert_eq(core_count(GV_FX_APPLY), 2);
    for (uint32_t i = 0; i < count_of_chunks; i++) {
        if (i >= 2) {
            give_chunk(i, 100 + i);
            cr_assert_eq(core_count(GV_FX_APPLY), 1);
        }
        struct gv_event applied = {.kind = GV_EV_APPLIED};
        applied.u.work.nonce = 77;
        applied.u.work.index = i;
        cr_assert_eq(core->exchanges_done, 0);
        core_step(&applied);
    }
    cr_assert_eq(core_count(GV_FX_COMMIT), 1);
    cr_assert_eq(core_count(GV_FX_CHUNK_SEND), 0);
    cr_assert_eq(core_effect(GV_FX_SEND)->u.msg.kind, GV_KIND_COMMITTED);
}

/* A push of ours whose ACCEPT has come; nothing is sent before the snapshot. */
static void accepted(void)
{
    elements = CHUNKED;
    start(GV_EXCHANGE_PUSH, true);
    introduce(5, 1);
    round_done();
    cr_assert_eq(core_effect(GV_FX_SEND)->u.msg.kind, GV_KIND_OFFER);
    struct gv_msg accept = {.kind = GV_KIND_ACCEPT, .u.offer = core_effect(GV_FX_SEND)->u.msg.u.offer};
    accept.u.offer.codecs = 1u << GV_CODEC_F32;
    core_give(5, &accept);
    cr_assert_eq(core_count(GV_FX_SNAPSHOT), 1);
    cr_assert_eq(core->exchange.phase, GV_EXCHANGE_STREAMING);
}

Test(core_oracle, a_push_is_not_done_before_all_of_it_is_sent)
{
    accepted();
    give_plain(5, GV_KIND_COMMITTED, core->exchange.nonce);
    cr_assert_eq(core->exchanges_done, 0);
    cr_assert_eq(core->exchange.phase, GV_EXCHANGE_STREAMING);
    link_down(5);
    cr_assert_eq(core->exchanges_doubt, 0, "nobody can have merged it");
    cr_assert_eq(core->exchanges_failed, 1);
}

Test(core_oracle, who_pushes_takes_no_chunks)
{
    accepted();
    give_chunk(0, 100);
    cr_assert_eq(core_effect(GV_FX_DROP)->u.work.handle, 100);
    cr_assert_eq(core_effect(GV_FX_SEND)->u.msg.kind, GV_KIND_ABORT);
    cr_assert_eq(core_effect(GV_FX_SEND)->u.msg.u.exchange.reason, GV_ERR_CHUNK);
    cr_assert_eq(core->exchange.phase, GV_EXCHANGE_IDLE);
}

Test(core_oracle, without_the_oracle_an_introduced_peer_is_a_peer_like_others)
{
    start(GV_EXCHANGE_PAIR, false);
    introduce(5, 1);
    cr_assert(gv_id_equal(gv_core_link_peer(core, 5), &(struct gv_id){.b = {1}}));
    cr_assert_eq(core_effect(GV_FX_SEND)->u.msg.kind, GV_KIND_STATE, "it may have a newer model");
}
