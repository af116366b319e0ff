/*
 * A core that gives its model away, and takers of several kinds.
 */
#include <criterion/criterion.h>

#include "core_help.h"

#define CHUNK_BYTES GV_CHUNK_BYTES_MIN
#define CHUNKS 100

static void setup(void)
{
    core_make(NULL);
    struct gv_event start = core_start(CHUNKS * (CHUNK_BYTES / sizeof(float)));
    core_step(&start);
    for (uint32_t link = 1; link <= 3; link++) {
        struct gv_ref peer = core_ref((uint8_t)link, 0);
        core_greet(link, &peer);
    }
    core->oriented = true; /* nobody here answers STATE */
    gv_fetch_cancel(core);
}

TestSuite(core_donor, .init = setup, .fini = core_end);

/* How many chunks the last step has ordered, all of the served model or all of an exchange's state. */
static uint32_t ordered(bool fetch)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < effects->count; i++) {
        if (effects->item[i].kind == GV_FX_CHUNK_SEND) {
            cr_assert_eq(effects->item[i].u.work.fetch, fetch);
            count++;
        }
    }
    return count;
}

/* Asks for the model; what the core answers at once, GV_OK if it takes a snapshot. */
static uint32_t fetch(uint32_t link, uint64_t nonce, uint32_t first)
{
    struct gv_msg msg = {.kind = GV_KIND_FETCH};
    msg.u.fetch = (struct gv_msg_fetch){.nonce = nonce, .epoch = 1, .chunk_bytes = CHUNK_BYTES, .first_index = first};
    core_give(link, &msg);
    const struct gv_msg *reply = core_sent(link, GV_KIND_FETCH_REPLY);
    return reply != NULL ? reply->u.fetch.reason : GV_OK;
}

static void pinned(uint64_t nonce)
{
    struct gv_event event = {.kind = GV_EV_PINNED};
    event.u.work.nonce = nonce;
    core_step(&event);
}

static void offer(uint32_t link, uint64_t nonce)
{
    struct gv_msg msg = {.kind = GV_KIND_OFFER};
    msg.u.offer = (struct gv_msg_offer){.nonce = nonce, .epoch = 1, .codecs = 1, .chunk_bytes = CHUNK_BYTES};
    core_give(link, &msg);
}

Test(core_donor, a_taker_gets_the_served_model_whatever_its_nonce)
{
    cr_assert_eq(fetch(1, 0, 0), GV_OK);
    pinned(0);
    cr_assert_eq(ordered(true), GV_CREDIT_CHUNKS_MAX);
    offer(2, 5);
    struct gv_event copied = {.kind = GV_EV_SNAPSHOT};
    copied.u.work.nonce = 5;
    core_step(&copied);
    cr_assert_eq(ordered(false), GV_CREDIT_CHUNKS_MAX);
}

Test(core_donor, no_two_transfers_under_way_have_one_nonce)
{
    offer(1, 0);
    cr_assert_not_null(core_sent(1, GV_KIND_ACCEPT));
    cr_assert_eq(fetch(1, 0, 0), GV_ERR_BUSY);
    cr_assert_eq(fetch(1, 5, 0), GV_OK);
    cr_assert_eq(fetch(2, 5, 0), GV_ERR_BUSY);
    struct gv_msg abort = {.kind = GV_KIND_ABORT};
    core_give(1, &abort);
    offer(1, 5);
    const struct gv_msg *refused = core_sent(1, GV_KIND_ABORT);
    cr_assert(refused != NULL && refused->u.exchange.reason == GV_ERR_PROTOCOL);
    offer(1, 6);
    cr_assert_not_null(core_sent(1, GV_KIND_ACCEPT));
}

static void credit(uint32_t link, uint64_t nonce, uint32_t value)
{
    struct gv_msg msg = {.kind = GV_KIND_CREDIT};
    msg.u.exchange.nonce = nonce;
    msg.u.exchange.credit = value;
    core_give(link, &msg);
}

static void plain(uint32_t link, enum gv_kind kind, uint64_t nonce)
{
    struct gv_msg msg = {.kind = kind};
    msg.u.exchange.nonce = nonce;
    core_give(link, &msg);
}

/* Whether the core says that it would give the model to this peer. */
static bool donates_to(uint32_t link)
{
    plain(link, GV_KIND_STATE, 0);
    return core_sent(link, GV_KIND_STATE_REPLY)->u.state.donates;
}

/* Lets time pass until what is pinned under this nonce is given up, with a CREDIT for one more chunk each `each_us`;
   how long that took. */
static uint64_t held(uint32_t link, uint64_t nonce, uint32_t first, uint64_t each_us)
{
    uint64_t from_us = now_us;
    uint32_t value = first + GV_CREDIT_CHUNKS_MAX;
    uint64_t due_us = now_us + each_us;
    while (gv_donor_owns(core, nonce) && now_us - from_us < 3600 * GV_SECOND) {
        now_us += 100 * GV_MS;
        plain(3, GV_KIND_PING, 0); /* time passes */
        if (now_us >= due_us && value < CHUNKS) {
            credit(link, nonce, ++value);
            due_us += each_us;
        }
    }
    return now_us - from_us;
}

Test(core_donor, one_taker_has_one_place)
{
    cr_assert_eq(fetch(1, 10, 0), GV_OK);
    cr_assert(!donates_to(1) && donates_to(2));
    cr_assert_eq(fetch(1, 11, 0), GV_ERR_BUSY);
    cr_assert_eq(fetch(2, 12, 0), GV_OK);
    cr_assert_eq(fetch(3, 13, 0), GV_ERR_BUSY);
}

Test(core_donor, who_takes_next_to_nothing_is_served_no_longer_than_the_slowest_line_needs)
{
    cr_assert_eq(fetch(1, 10, 0), GV_OK);
    pinned(10);
    uint64_t slowest_us = 10 * GV_SECOND + CHUNKS * (uint64_t)CHUNK_BYTES * GV_SECOND / (16 * 1024);
    uint64_t held_us = held(1, 10, 0, 29 * GV_SECOND);
    cr_assert(held_us >= slowest_us && held_us <= slowest_us + GV_SECOND, "%lu us", (unsigned long)held_us);
    cr_assert_eq(fetch(2, 10, CHUNKS / 2), GV_OK);
    pinned(10);
    cr_assert_eq(held(2, 10, CHUNKS / 2, 29 * GV_SECOND), 10 * GV_SECOND + (slowest_us - 10 * GV_SECOND) / 2,
                 "half is left");
}

Test(core_donor, the_slowest_line_gets_all_of_it)
{
    cr_assert_eq(fetch(1, 10, 0), GV_OK);
    pinned(10);
    uint32_t value = GV_CREDIT_CHUNKS_MAX;
    for (uint32_t staged = 1; staged < CHUNKS; staged++) {
        now_us += CHUNK_BYTES * GV_SECOND / (16 * 1024);
        cr_assert(gv_donor_owns(core, 10));
        credit(1, 10, ++value);
    }
    cr_assert_eq(core->pins[0].sent, CHUNKS);
}

Test(core_donor, who_had_a_place_leaves_it_to_those_that_were_turned_away)
{
    cr_assert_eq(fetch(1, 10, 0), GV_OK);
    pinned(10);
    now_us += 20 * GV_SECOND;
    plain(1, GV_KIND_ABORT, 10);
    cr_assert_eq(fetch(1, 10, 0), GV_OK, "nobody else came");
    cr_assert_eq(fetch(2, 11, 0), GV_OK);
    now_us += 20 * GV_SECOND;
    cr_assert(!donates_to(3));
    plain(1, GV_KIND_ABORT, 10);
    now_us += 19 * GV_SECOND;
    cr_assert(!donates_to(1) && donates_to(3));
    cr_assert_eq(fetch(1, 10, 0), GV_ERR_BUSY);
    now_us += 2 * GV_SECOND;
    cr_assert_eq(fetch(1, 10, 0), GV_OK, "as long as it had it");
}

Test(core_donor, two_takers_that_take_nothing_leave_places_to_others)
{
    cr_assert_eq(fetch(1, 10, 0), GV_OK);
    cr_assert_eq(fetch(2, 11, 0), GV_OK);
    pinned(10);
    pinned(11);
    cr_assert(!donates_to(3));
    cr_assert_eq(held(1, 10, 0, 3600 * GV_SECOND), 30 * GV_SECOND);
    cr_assert_eq(core->pins_used, 0);
    cr_assert(!donates_to(1) && !donates_to(2));
    cr_assert_eq(fetch(3, 12, 0), GV_OK);
    now_us += core->config.backoff_us;
    cr_assert(donates_to(1) && donates_to(2), "a minute at most");
}

Test(core_donor, credit_of_a_taker_counts_against_no_rate_if_it_says_anything)
{
    cr_assert_eq(fetch(1, 10, 0), GV_OK);
    pinned(10);
    uint32_t row = gv_links_find(core, 1);
    core->links[row].messages.tokens = 0;
    credit(1, 10, GV_CREDIT_CHUNKS_MAX + 1);
    cr_assert_eq(ordered(true), 1);
    credit(1, 10, GV_CREDIT_CHUNKS_MAX + 1);
    credit(1, 11, GV_CREDIT_CHUNKS_MAX + 2);
    cr_assert_eq(core->refusals[GV_ERR_RATE - 100], 2);
}
