/*
 * What a core can say of why its peers are where they are, and why it is alone: counts by reason, in both directions.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "core_help.h"

static struct gv_core_stats stats;

static void tick(uint64_t later_us)
{
    struct gv_event event = {.kind = GV_EV_TICK};
    now_us += later_us;
    core_step(&event);
}

static void start(uint32_t seeds)
{
    core_make(NULL);
    struct gv_event event = core_start(100000);
    event.u.start.trains = true;
    event.u.start.seed_count = seeds;
    core_step(&event);
}

TestSuite(core_reasons, .fini = core_end);

static bool logged(enum gv_log_code code, enum gv_err reason)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct gv_effect *fx = &effects->item[i];
        if (fx->kind == GV_FX_LOG && fx->u.log.code == code && fx->reason == reason) {
            return true;
        }
    }
    return false;
}

static const struct gv_core_stats *look(void)
{
    gv_core_stats(core, &stats);
    return &stats;
}

static uint32_t number_of(enum gv_effect_kind kind)
{
    const struct gv_effect *fx = core_effect(kind);
    cr_assert_not_null(fx);
    return fx->u.dial.dial;
}

static void dial_fails(uint32_t number, enum gv_err why)
{
    struct gv_event event = {.kind = GV_EV_DIAL_FAILED, .verdict = why};
    event.u.dial.dial = number;
    core_step(&event);
}

static void link_up(uint32_t number, uint32_t link)
{
    struct gv_event event = {.kind = GV_EV_LINK_UP, .link = link};
    event.u.dial.dial = number;
    core_step(&event);
}

static struct gv_ref ref_of(uint8_t name)
{
    struct gv_ref ref = {.incarnation = 1, .boot = 9, .flags = GV_REF_DIALABLE};
    ref.id.b[0] = name;
    return ref;
}

static void comes_in(uint32_t link, uint8_t name)
{
    struct gv_event event = {.kind = GV_EV_LINK_IN, .link = link};
    struct gv_msg hello = {.kind = GV_KIND_HELLO};
    core_step(&event);
    hello.u.hello.purpose = GV_PURPOSE_MEMBER;
    hello.u.hello.self = ref_of(name);
    core_give(link, &hello);
}

static struct gv_peer_info only_peer(void)
{
    struct gv_peer_info peers[4];
    cr_assert_eq(gv_core_peers(core, peers, 4), 1);
    return peers[0];
}

static struct gv_peer_info only_former(void)
{
    struct gv_peer_info peers[4];
    cr_assert_eq(gv_core_peers(core, peers, 4), 0);
    cr_assert_eq(gv_core_former_peers(core, peers, 4), 1);
    cr_assert_eq(peers[0].role, GV_PEER_FORMER);
    return peers[0];
}

static uint32_t at(enum gv_err reason)
{
    uint32_t index = gv_reason_index(reason);
    cr_assert_lt(index, GV_REASONS);
    return index;
}

Test(core_reasons, every_error_of_ours_and_of_peers_has_a_place_of_its_own)
{
    start(0);
    static const enum gv_err all[] = {
#define ONE(name, code, text) GV_##name,
        GV_ERR_LIST(ONE)
#undef ONE
    };
    bool taken[GV_REASONS] = {false};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        uint32_t index = gv_reason_index(all[i]);
        bool counts = all[i] != GV_OK && all[i] < GV_ERR_USAGE;
        cr_assert_eq(index < GV_REASONS, counts, "%s", gv_err_text((int)all[i]));
        if (counts) {
            cr_assert_eq(gv_reason_at(index), all[i]);
            cr_assert(!taken[index], "%s", gv_err_text((int)all[i]));
            taken[index] = true;
        }
    }
}

Test(core_reasons, failed_dials_are_counted_by_target_and_reason)
{
    start(1);
    uint32_t number = number_of(GV_FX_DIAL_SEED);
    cr_assert_eq(look()->dials[GV_TARGET_SEED].begun, 1);
    cr_assert_eq(look()->dials[GV_TARGET_SEED].under_way, 1);
    cr_assert_eq(look()->seed_count, 1);
    now_us += 100 * GV_MS;
    dial_fails(number, GV_ERR_UNREACHABLE);
    cr_assert_eq(look()->dials[GV_TARGET_SEED].failed, 1);
    cr_assert_eq(look()->dials[GV_TARGET_SEED].under_way, 0);
    cr_assert_eq(look()->dials[GV_TARGET_PEER].begun, 0);
    cr_assert_eq(look()->dial_failures[at(GV_ERR_UNREACHABLE)], 1);
    cr_assert_eq(look()->last_dial_error, GV_ERR_UNREACHABLE);
    cr_assert_eq(look()->last_dial_failure_us, now_us);
}

Test(core_reasons, a_dialled_peer_that_never_answers_the_greeting_took_too_long)
{
    start(1);
    link_up(number_of(GV_FX_DIAL_SEED), 5);
    tick(GV_PROVISIONAL_US + GV_SECOND);
    cr_assert_eq(look()->dial_failures[at(GV_ERR_TIMEOUT)], 1);
    cr_assert_eq(look()->refusals[at(GV_ERR_STRANGER)], 0, "nobody who came in was silent");
}

Test(core_reasons, a_place_refused_is_counted_on_both_sides)
{
    start(1);
    link_up(number_of(GV_FX_DIAL_SEED), 5);
    struct gv_msg welcome = {.kind = GV_KIND_WELCOME};
    welcome.u.hello.self = ref_of(3);
    core_give(5, &welcome);
    struct gv_msg no = {.kind = GV_KIND_NEIGHBOUR_REPLY};
    core_give(5, &no);
    cr_assert_eq(look()->declined[at(GV_ERR_CROWDED)], 1);
    struct gv_peer_info peer = only_peer();
    cr_assert_eq(peer.last_error, GV_ERR_CROWDED);
    cr_assert_eq(peer.neighbour_after_us, now_us + core->config.backoff_us / 6); /* it has nobody */
    cr_assert_eq(peer.last_error_us, now_us);
    core->active_count = core->config.active_max; /* as if the view were full */
    struct gv_msg ask = {.kind = GV_KIND_NEIGHBOUR};
    core_give(5, &ask);
    core->active_count = 0;
    cr_assert_eq(look()->refusals[at(GV_ERR_CROWDED)], 1);
}

Test(core_reasons, a_peer_whose_score_is_bad_is_listed_as_shut_out_until_it_has_decayed)
{
    start(0);
    comes_in(7, 4);
    uint32_t row = core->link_peers[0];
    struct gv_ref ref = ref_of(4);
    gv_score_add(core, row, GV_ERR_NONFINITE, GV_SCORE_GRAVE);
    gv_score_add(core, row, GV_ERR_NONFINITE, GV_SCORE_GRAVE);
    tick(0);
    cr_assert(logged(GV_LOG_SHUT_OUT, GV_ERR_NONFINITE));
    struct gv_peer_info peer = only_former();
    cr_assert(gv_id_equal(&peer.ref.id, &ref.id));
    cr_assert_eq(peer.last_error, GV_ERR_NONFINITE);
    cr_assert(peer.shut_out_until_us > now_us && peer.shut_out_until_us <= now_us + 60 * GV_SECOND);
    uint64_t until_us = peer.shut_out_until_us;
    tick(until_us - now_us - 10 * GV_MS);
    cr_assert(gv_score_bad(core, row));
    tick(20 * GV_MS);
    cr_assert(!gv_score_bad(core, row), "%u", gv_score_now(core, row));
    cr_assert_eq(only_former().shut_out_until_us, 0);
}

static const struct gv_msg *sent(enum gv_kind kind)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        if (effects->item[i].kind == GV_FX_SEND && effects->item[i].u.msg.kind == kind) {
            return &effects->item[i].u.msg;
        }
    }
    return NULL;
}

Test(core_reasons, who_is_shut_out_is_told_so_and_for_how_long)
{
    start(0);
    comes_in(7, 4);
    uint32_t row = core->link_peers[0];
    gv_score_add(core, row, GV_ERR_TIMEOUT, 40000);
    tick(0);
    const struct gv_msg *refuse = sent(GV_KIND_REFUSE);
    cr_assert_not_null(refuse);
    cr_assert_eq(refuse->u.refuse.reason, GV_ERR_RATE);
    uint64_t until_us = now_us + refuse->u.refuse.retry_ms * GV_MS;
    cr_assert_geq(until_us, gv_score_good_at(core, row));
    cr_assert_leq(until_us, gv_score_good_at(core, row) + 2 * GV_MS);
    cr_assert_not_null(core_effect(GV_FX_CLOSE));
    now_us += GV_SECOND;
    comes_in(8, 4); /* sooner than that: the same answer */
    refuse = sent(GV_KIND_REFUSE);
    cr_assert_not_null(refuse);
    cr_assert_eq(now_us + refuse->u.refuse.retry_ms * GV_MS, until_us);
}

Test(core_reasons, who_refuses_us_is_a_neighbour_no_more_and_is_left_alone_as_long_as_it_says)
{
    start(0);
    comes_in(7, 4);
    struct gv_msg ask = {.kind = GV_KIND_NEIGHBOUR};
    core_give(7, &ask);
    cr_assert_eq(core->active_count, 1);
    uint32_t row = core->link_peers[0];
    struct gv_msg refuse = {.kind = GV_KIND_REFUSE, .u.refuse = {.reason = GV_ERR_RATE, .retry_ms = 30000}};
    core_give(7, &refuse);
    cr_assert_eq(core->active_count, 0);
    cr_assert(!logged(GV_LOG_SUSPECT, GV_ERR_TIMEOUT));
    uint64_t until_us = now_us + 30 * GV_SECOND;
    cr_assert_eq(core->dial_after_us[row], until_us);
    while (now_us < until_us - GV_SECOND) {
        tick(500 * GV_MS);
        cr_assert_null(core_effect(GV_FX_DIAL), "after %.1f s", (double)(now_us + 30 * GV_SECOND - until_us) / 1e6);
    }
}

Test(core_reasons, who_is_only_crowded_stays_a_neighbour)
{
    start(0);
    comes_in(7, 4);
    struct gv_msg ask = {.kind = GV_KIND_NEIGHBOUR};
    core_give(7, &ask);
    struct gv_msg refuse = {.kind = GV_KIND_REFUSE, .u.refuse = {.reason = GV_ERR_CROWDED, .retry_ms = 5000}};
    core_give(7, &refuse);
    cr_assert_eq(core->active_count, 1);
}

Test(core_reasons, who_refuses_us_is_not_taken_for_dead)
{
    start(0);
    comes_in(7, 4);
    uint32_t row = core->link_peers[0];
    struct gv_ref ref = ref_of(4);
    for (uint32_t link = 20; link < 30; link++) {
        core->dial_after_us[row] = 0;
        core->fx = effects;
        gv_links_close_peer(core, row, GV_ERR_LINK_LOST);
        cr_assert(gv_links_dial(core, row, GV_WHY_EXCHANGE));
        link_up(number_of(GV_FX_DIAL), link);
        struct gv_msg refuse = {.kind = GV_KIND_REFUSE, .u.refuse = {.reason = GV_ERR_RATE, .retry_ms = 30000}};
        core_give(link, &refuse);
        cr_assert_eq(gv_peers_find(core, &ref.id), row);
        cr_assert_eq(core->roles[row], GV_ROLE_PASSIVE, "after %u", link);
    }
}

/* Whether an offer that comes on the link now, in this state, is taken up. */
static bool takes_up(uint32_t link, bool trains, bool due)
{
    static uint64_t nonce;
    core->oriented = true;
    core->training = trains;
    core->rounds.due = due;
    core->rounds.next_us = now_us + GV_SECOND;
    struct gv_msg offer = {.kind = GV_KIND_OFFER};
    offer.u.offer.nonce = ++nonce;
    offer.u.offer.epoch = 1;
    offer.u.offer.codecs = 1u << GV_CODEC_F32;
    offer.u.offer.chunk_bytes = GV_CHUNK_BYTES_MIN;
    core_give(link, &offer);
    return sent(GV_KIND_ACCEPT) != NULL;
}

Test(core_reasons, who_offers_again_before_half_of_the_others_have_is_asked_to_come_later)
{
    start(0);
    for (uint32_t i = 0; i < 8; i++) {
        comes_in(7 + i, (uint8_t)(4 + i));
    }
    uint32_t row = core->link_peers[0];
    core->rounds.period_us = GV_SECOND;
    core->rounds.due_us = now_us;
    core->rounds.exchanged = 100;
    core->peers[row].exchanged = 98; /* two others since, of seven */
    cr_expect(!takes_up(7, true, false));
    cr_assert_not_null(sent(GV_KIND_BUSY));
    cr_assert_eq(look()->refusals[at(GV_ERR_BUSY)], 1);
    core->peers[row].exchanged = 97;
    cr_expect(takes_up(7, true, false));
}

Test(core_reasons, who_offers_and_aborts_does_not_put_off_our_own_exchange)
{
    start(0);
    comes_in(7, 4);
    for (uint32_t i = 0; i < 10; i++) {
        cr_assert(takes_up(7, true, true));
        struct gv_msg aborted = {.kind = GV_KIND_ABORT};
        aborted.u.exchange.nonce = core->exchange.nonce;
        aborted.u.exchange.reason = GV_ERR_BUSY;
        core_give(7, &aborted);
        cr_assert(gv_exchange_idle(core));
        cr_expect_eq(core->rounds.next_us, now_us + GV_SECOND, "after %u", i);
        cr_expect_eq(core->rounds.attempts, 0);
    }
}

Test(core_reasons, an_exchange_that_waits_for_our_own_copy_is_no_fault_of_the_peer)
{
    for (uint32_t copied = 0; copied < 2; copied++) {
        for (uint32_t told = 0; told < 2; told++) {
            start(0);
            comes_in(7, 4);
            cr_assert(takes_up(7, true, false));
            struct gv_event snapshot = {.kind = GV_EV_SNAPSHOT};
            snapshot.u.work.nonce = core->exchange.nonce;
            if (copied == 1) {
                core_step(&snapshot);
            }
            if (told == 1) { /* it has lost its patience first */
                struct gv_msg aborted = {.kind = GV_KIND_ABORT};
                aborted.u.exchange.nonce = core->exchange.nonce;
                aborted.u.exchange.reason = GV_ERR_TIMEOUT;
                core_give(7, &aborted);
            } else {
                tick(core->config.exchange_timeout_us);
            }
            cr_assert(gv_exchange_idle(core));
            cr_expect_eq(gv_score_now(core, core->link_peers[0]), copied == 1 ? GV_SCORE_FAULT : 0, "copied %u told %u",
                         copied, told);
            core_end();
        }
    }
}

Test(core_reasons, who_waits_for_an_exchange_or_has_no_rounds_takes_whoever_offers)
{
    const struct {
        bool trains, due;
        uint64_t since_us; /* the last round */
        bool takes_up;
    } cases[] = {{true, false, 2 * GV_SECOND, false},
                 {true, true, 0, true},
                 {false, false, 0, true},
                 {true, false, 2 * GV_SECOND + 1, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        start(0);
        for (uint32_t k = 0; k < 4; k++) {
            comes_in(7 + k, (uint8_t)(4 + k));
        }
        core->rounds.exchanged = core->peers[core->link_peers[0]].exchanged = 100;
        core->rounds.period_us = GV_SECOND;
        core->rounds.due_us = now_us - cases[i].since_us;
        cr_expect_eq(takes_up(7, cases[i].trains, cases[i].due), cases[i].takes_up, "%zu", i);
        if (i + 1 < sizeof cases / sizeof cases[0]) {
            core_end();
        }
    }
}

Test(core_reasons, who_has_left_or_is_revoked_is_listed_nowhere)
{
    start(0);
    comes_in(7, 4);
    struct gv_event event = {.kind = GV_EV_REVOKED, .u.revoked = ref_of(4).id};
    core_step(&event);
    gv_score_note(core, gv_peers_find(core, &event.u.revoked), GV_ERR_UNREACHABLE); /* a dial that was under way */
    struct gv_peer_info peers[1];
    cr_assert_eq(gv_core_peers(core, peers, 1), 0);
    cr_assert_eq(gv_core_former_peers(core, peers, 1), 0);
}

Test(core_reasons, whose_revocation_turned_out_void_is_listed_again)
{
    start(0);
    comes_in(7, 4);
    struct gv_event event = {.kind = GV_EV_REVOKED, .u.revoked = ref_of(4).id};
    core_step(&event);
    comes_in(8, 4); /* the root has expelled whose word that was */
    gv_score_note(core, core->link_peers[0], GV_ERR_TIMEOUT);
    gv_views_remove(core, core->link_peers[0], false);
    struct gv_event down = {.kind = GV_EV_LINK_DOWN, .link = 8};
    core_step(&down);
    cr_assert_eq(only_former().last_error, GV_ERR_TIMEOUT);
}

Test(core_reasons, the_age_of_a_failure_is_told_to_a_tenth_of_a_second)
{
    start(0);
    comes_in(7, 4);
    uint64_t failed_us = now_us;
    gv_score_add(core, core->link_peers[0], GV_ERR_TIMEOUT, GV_SCORE_SLIGHT);
    tick(3 * GV_SECOND + 40 * GV_MS);
    struct gv_peer_info peer = only_peer();
    cr_assert(peer.last_error_us <= failed_us && failed_us - peer.last_error_us < 100 * GV_MS);
    cr_assert(!peer.dialled);
    cr_assert_eq(peer.last_error, GV_ERR_TIMEOUT);
}

Test(core_reasons, the_machines_own_failures_count_too)
{
    start(0);
    gv_score_count(core, GV_ERR_NOMEM);
    cr_assert_eq(look()->refusals[at(GV_ERR_NOMEM)], 1);
    gv_score_count(core, GV_OK);
    gv_score_count(core, GV_ERR_USAGE);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < GV_REASONS; i++) {
        sum += look()->refusals[i];
    }
    cr_assert_eq(sum, 1);
}
