/* One core under test: see core_help.h. */
#include "core_help.h"

#include <criterion/criterion.h>
#include <stdlib.h>

struct gv_core *core;
struct gv_effects *effects;
uint64_t now_us;

void core_make(const struct gv_core_config *config)
{
    struct gv_core_config defaults;
    gv_core_defaults(&defaults);
    config = config != NULL ? config : &defaults;
    core_end();
    core = gv_core_init(malloc(gv_core_bytes(config)), config);
    effects = calloc(1, sizeof *effects);
    now_us = 10 * GV_SECOND;
}

void core_end(void)
{
    free(core);
    free(effects);
    core = NULL;
    effects = NULL;
}

struct gv_event core_start(uint64_t elements)
{
    struct gv_event event = {.kind = GV_EV_START};
    event.u.start.self = (struct gv_ref){.incarnation = 1, .boot = 7, .flags = GV_REF_DIALABLE};
    event.u.start.has_model = true;
    event.u.start.manifest = (struct gv_core_manifest){.version = 3,
                                                       .epoch = 1,
                                                       .block_count = 1,
                                                       .block_elements = {elements},
                                                       .local_steps = 16,
                                                       .stop_age = GV_NEVER};
    return event;
}

void core_step(struct gv_event *event)
{
    event->now_us = now_us;
    event->wall_s = 1800000000;
    gv_core_step(core, event, effects);
}

void core_tick(void)
{
    struct gv_event event = {.kind = GV_EV_TICK};
    core_step(&event);
}

void core_give(uint32_t link, struct gv_msg *msg)
{
    core_give_bytes(link, msg, 0);
}

void core_give_bytes(uint32_t link, struct gv_msg *msg, uint32_t handle)
{
    struct gv_event event = {.kind = GV_EV_MSG, .link = link};
    event.u.msg.msg = msg;
    event.u.msg.handle = handle;
    core_step(&event);
}

struct gv_ref core_ref(uint8_t name, uint32_t flags)
{
    struct gv_ref ref = {.incarnation = 1, .boot = 9, .flags = flags};
    ref.id.b[0] = name;
    return ref;
}

void core_greet(uint32_t link, const struct gv_ref *self)
{
    struct gv_event in = {.kind = GV_EV_LINK_IN, .link = link};
    core_step(&in);
    struct gv_msg hello = {.kind = GV_KIND_HELLO};
    hello.u.hello.purpose = GV_PURPOSE_MEMBER;
    hello.u.hello.self = *self;
    core_give(link, &hello);
}

void core_ask(uint32_t link)
{
    struct gv_msg msg = {.kind = GV_KIND_NEIGHBOUR};
    core_give(link, &msg);
}

const struct gv_msg *core_sent(uint32_t link, enum gv_kind kind)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct gv_effect *fx = &effects->item[i];
        if (fx->kind == GV_FX_SEND && fx->link == link && fx->u.msg.kind == kind) {
            return &fx->u.msg;
        }
    }
    return NULL;
}

uint32_t core_count(enum gv_effect_kind kind)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < effects->count; i++) {
        found += effects->item[i].kind == kind ? 1 : 0;
    }
    return found;
}

const struct gv_effect *core_effect(enum gv_effect_kind kind)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        if (effects->item[i].kind == kind) {
            return &effects->item[i];
        }
    }
    return NULL;
}
