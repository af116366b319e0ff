/*
 * A core that gives its model away, and takers of several kinds.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "core_state.h"

#define CHUNK_BYTES GV_CHUNK_BYTES_MIN
#define CHUNKS 100

static struct gv_core *core;
static struct gv_effects *effects;
static uint64_t now_us;

static void step(struct gv_event *event)
{
    event->now_us = now_us;
    event->wall_s = 1800000000;
    gv_core_step(core, event, effects);
}

static void give(uint32_t link, struct gv_msg *msg)
{
    struct gv_event event = {.kind = GV_EV_MSG, .link = link};
    event.u.msg.msg = msg;
    step(&event);
}

/* Peer number `link` dials us and is verified. */
static void comes_in(uint32_t link)
{
    struct gv_event in = {.kind = GV_EV_LINK_IN, .link = link};
    step(&in);
    struct gv_msg msg = {.kind = GV_KIND_HELLO};
    msg.u.hello.self = (struct gv_ref){.incarnation = 1, .boot = 9};
    msg.u.hello.self.id.b[0] = (uint8_t)link;
    give(link, &msg);
}

static void setup(void)
{
    struct gv_core_config config;
    gv_core_defaults(&config);
    core = gv_core_init(malloc(gv_core_bytes(&config)), &config);
    effects = calloc(1, sizeof *effects);
    now_us = 10 * GV_SECOND;
    struct gv_event start = {.kind = GV_EV_START};
    start.u.start.self = (struct gv_ref){.incarnation = 1, .boot = 7, .flags = GV_REF_DIALABLE};
    start.u.start.has_model = true;
    start.u.start.manifest = (struct gv_core_manifest){.epoch = 1,
                                                       .block_count = 1,
                                                       .block_elements = {CHUNKS * (CHUNK_BYTES / sizeof(float))},
                                                       .local_steps = 16,
                                                       .stop_age = GV_NEVER};
    step(&start);
    for (uint32_t link = 1; link <= 3; link++) {
        comes_in(link);
    }
    core->oriented = true; /* nobody here answers STATE */
    gv_fetch_cancel(core);
}

static void teardown(void)
{
    free(core);
    free(effects);
}

TestSuite(core_donor, .init = setup, .fini = teardown);

static const struct gv_msg *sent(uint32_t link, enum gv_kind kind)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct gv_effect *fx = &effects->item[i];
        if (fx->kind == GV_FX_SEND && fx->link == link && fx->u.msg.kind == kind) {
            return &fx->u.msg;
        }
    }
    return NULL;
}

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
    give(link, &msg);
    const struct gv_msg *reply = sent(link, GV_KIND_FETCH_REPLY);
    return reply != NULL ? reply->u.fetch.reason : GV_OK;
}

static void pinned(uint64_t nonce)
{
    struct gv_event event = {.kind = GV_EV_PINNED};
    event.u.work.nonce = nonce;
    step(&event);
}

static void offer(uint32_t link, uint64_t nonce)
{
    struct gv_msg msg = {.kind = GV_KIND_OFFER};
    msg.u.offer = (struct gv_msg_offer){.nonce = nonce, .epoch = 1, .codecs = 1, .chunk_bytes = CHUNK_BYTES};
    give(link, &msg);
}

Test(core_donor, a_taker_gets_the_served_model_whatever_its_nonce)
{
    cr_assert_eq(fetch(1, 0, 0), GV_OK);
    pinned(0);
    cr_assert_eq(ordered(true), GV_CREDIT_CHUNKS_MAX);
    offer(2, 5);
    struct gv_event copied = {.kind = GV_EV_SNAPSHOT};
    copied.u.work.nonce = 5;
    step(&copied);
    cr_assert_eq(ordered(false), GV_CREDIT_CHUNKS_MAX);
}

Test(core_donor, no_two_transfers_under_way_have_one_nonce)
{
    offer(1, 0);
    cr_assert_not_null(sent(1, GV_KIND_ACCEPT));
    cr_assert_eq(fetch(1, 0, 0), GV_ERR_BUSY);
    cr_assert_eq(fetch(1, 5, 0), GV_OK);
    cr_assert_eq(fetch(2, 5, 0), GV_ERR_BUSY);
    struct gv_msg abort = {.kind = GV_KIND_ABORT};
    give(1, &abort);
    offer(1, 5);
    const struct gv_msg *refused = sent(1, GV_KIND_ABORT);
    cr_assert(refused != NULL && refused->u.exchange.reason == GV_ERR_PROTOCOL);
    offer(1, 6);
    cr_assert_not_null(sent(1, GV_KIND_ACCEPT));
}
