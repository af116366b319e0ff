/*
 * One core and those who ask it for a place in its view: places are bounded by kind, and whoever has nobody gets one.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core_state.h"

static struct gv_core *core;
static struct gv_effects *effects;

static void step(struct gv_event *event)
{
    event->now_us = 10 * GV_SECOND;
    event->wall_s = 1800000000;
    gv_core_step(core, event, effects);
}

static void setup(void)
{
    struct gv_core_config config;
    gv_core_defaults(&config);
    core = gv_core_init(malloc(gv_core_bytes(&config)), &config);
    effects = calloc(1, sizeof *effects);
    struct gv_event start = {.kind = GV_EV_START};
    start.u.start.self = (struct gv_ref){.incarnation = 1, .boot = 7, .flags = GV_REF_DIALABLE};
    start.u.start.has_model = true;
    start.u.start.manifest = (struct gv_core_manifest){.block_count = 1, .block_elements = {16}, .stop_age = GV_NEVER};
    step(&start);
}

static void teardown(void)
{
    free(core);
    free(effects);
}

TestSuite(core_views, .init = setup, .fini = teardown);

static void give(uint32_t link, struct gv_msg *msg)
{
    struct gv_event event = {.kind = GV_EV_MSG, .link = link};
    event.u.msg.msg = msg;
    step(&event);
}

/* Asks for a place. True if it gets one. */
static bool asks_again(uint32_t link, bool urgent)
{
    struct gv_msg msg = {.kind = GV_KIND_NEIGHBOUR};
    msg.u.neighbour.urgent = urgent;
    give(link, &msg);
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct gv_effect *fx = &effects->item[i];
        if (fx->kind == GV_FX_SEND && fx->link == link && fx->u.msg.kind == GV_KIND_NEIGHBOUR_REPLY) {
            return fx->u.msg.u.neighbour.accepted;
        }
    }
    cr_assert_fail("link %u: no reply", link);
    return false;
}

/* Somebody dials us, introduces itself and asks for a place; `flags` of its record. */
static bool asks(uint32_t link, uint32_t flags, bool urgent)
{
    struct gv_event in = {.kind = GV_EV_LINK_IN, .link = link};
    step(&in);
    struct gv_msg hello = {.kind = GV_KIND_HELLO};
    hello.u.hello.self = (struct gv_ref){.incarnation = 1, .boot = 9, .flags = flags};
    hello.u.hello.self.id.b[0] = (uint8_t)link;
    give(link, &hello);
    return asks_again(link, urgent);
}

/* The link over which a neighbour was told in the last step that it is none any more; 0: nobody was. */
static uint32_t dismissed(void)
{
    uint32_t link = 0;
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct gv_effect *fx = &effects->item[i];
        if (fx->kind == GV_FX_SEND && fx->u.msg.kind == GV_KIND_DISCONNECT) {
            cr_assert_eq(link, 0, "one is enough");
            link = fx->link;
        }
    }
    return link;
}

Test(core_views, who_has_nobody_takes_the_place_of_another_outbound_only_node)
{
    uint32_t places = core->config.active_max / 2;
    for (uint32_t link = 1; link <= places; link++) {
        cr_assert(asks(link, 0, false));
    }
    cr_assert(asks(places + 1, GV_REF_DIALABLE, false), "there is room for others");
    cr_assert(!asks(places + 2, 0, false));
    cr_assert_lt(core->active_count, core->config.active_max);
    cr_assert(!asks(places + 3, 0, true), "others may have room");
    cr_assert(asks_again(places + 3, true), "it would be alone");
    cr_assert(dismissed() >= 1 && dismissed() <= places, "link %u", dismissed());
    cr_assert_eq(core->active_count, places + 1);
}

Test(core_views, who_has_nobody_takes_the_place_of_another_that_came_in)
{
    uint32_t places = core->config.active_max - core->config.active_dialled_min;
    for (uint32_t link = 1; link <= places; link++) {
        cr_assert(asks(link, GV_REF_DIALABLE, false));
    }
    cr_assert(!asks(places + 1, GV_REF_DIALABLE, false), "the other places are for those whom we dial");
    cr_assert(!asks(places + 2, GV_REF_DIALABLE, true));
    cr_assert(!asks_again(places + 1, false), "it has somebody");
    cr_assert(asks_again(places + 2, true));
    cr_assert(dismissed() >= 1 && dismissed() <= places, "link %u", dismissed());
    cr_assert_eq(core->active_count, places);
}

Test(core_views, who_is_a_neighbour_already_may_ask_again)
{
    cr_assert(asks(1, GV_REF_DIALABLE, false));
    cr_assert(asks_again(1, true));
    cr_assert_eq(core->active_count, 1);
    cr_assert_eq(dismissed(), 0);
}
