/*
 * The list of effects of the step under way. Filled in place, since a gv_effect is two kilobytes.
 *
 * Every handler emits a bounded number (the largest, STOP, tells 64 links); periodic work first asks gv_fx_room() and
 * otherwise waits for the next step, which gv_core_next_deadline() then wants at once.
 */
#include "core_state.h"

#include <string.h>

struct gv_effect *gv_fx(struct gv_core *core, enum gv_effect_kind kind)
{
    GV_ASSERT(core->fx != NULL && core->fx->count < GV_EFFECTS_MAX);
    struct gv_effect *effect = &core->fx->item[core->fx->count++];
    memset(effect, 0, offsetof(struct gv_effect, u));
    effect->kind = kind;
    if (kind != GV_FX_SEND) {
        memset(&effect->u.work, 0, sizeof effect->u.work);
    }
    return effect;
}

/* Of the kind's member of the union: what lies behind stays as it was. */
static size_t body_bytes(enum gv_kind kind)
{
    switch (kind) {
    case GV_KIND_HELLO:
    case GV_KIND_WELCOME:
        return sizeof(struct gv_msg_hello);
    case GV_KIND_PING:
    case GV_KIND_PONG:
        return offsetof(struct gv_msg_ping, neighbours); /* as many as are counted */
    case GV_KIND_OFFER:
    case GV_KIND_ACCEPT:
        return sizeof(struct gv_msg_offer);
    default:
        return sizeof(struct gv_msg_fetch); /* the largest of the others */
    }
}

struct gv_msg *gv_fx_send(struct gv_core *core, uint32_t link, enum gv_kind kind)
{
    GV_ASSERT(link < core->config.links_max && core->links[link].state != GV_LINK_FREE);
    struct gv_effect *effect = gv_fx(core, GV_FX_SEND);
    effect->link = core->handles[link];
    effect->u.msg.kind = kind;
    effect->u.msg.ref_count = 0; /* refs beyond the count stay as they were: nobody reads them */
    memset(&effect->u.msg.u, 0, body_bytes(kind));
    core->messages_out++;
    return &effect->u.msg;
}

struct gv_effect *gv_fx_work(struct gv_core *core, enum gv_effect_kind kind, uint64_t nonce)
{
    struct gv_effect *effect = gv_fx(core, kind);
    effect->u.work.nonce = nonce;
    return effect;
}

void gv_fx_drop(struct gv_core *core, uint32_t handle)
{
    if (handle != 0) {
        gv_fx(core, GV_FX_DROP)->u.work.handle = handle;
    }
}

void gv_fx_log(struct gv_core *core, enum gv_log_code code, const struct gv_id *id, enum gv_err reason, uint64_t value)
{
    struct gv_effect *effect = gv_fx(core, GV_FX_LOG);
    if (id != NULL) {
        effect->target = *id;
    }
    effect->reason = reason;
    effect->u.log.code = code;
    effect->u.log.value = value;
}

void gv_fx_alarm(struct gv_core *core, const struct gv_id *id, enum gv_err reason)
{
    struct gv_effect *effect = gv_fx(core, GV_FX_ALARM);
    effect->target = *id;
    effect->reason = reason;
    core->alarms++;
}
