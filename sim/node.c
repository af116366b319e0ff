/*
 * A simulated node: one step of its core for one occurrence, and its effects carried out. See world.h.
 *
 * A node's clocks run as its drift says; everything else is in the world's virtual time.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

struct gv_sim_local *gv_sim_local(const struct gv_thread *thread)
{
    return thread->local;
}

void gv_sim_post_own(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, uint64_t at_us, enum gv_sim_kind kind,
                     uint32_t a, void *data)
{
    gv_engine_post(thread, at_us, node, (uint16_t)kind, sim->nodes[node].life, a, 0, data);
}

/* ---- clocks ------------------------------------------------------------------------------------------------ */

/* What the node's monotonic clock shows; never decreases with now_us. */
static uint64_t node_clock(const struct gv_sim_node *node, uint64_t now_us)
{
    if (node->drift_ppb == 0) {
        return now_us;
    }
    int64_t s = (int64_t)(now_us / 1000000u) * node->drift_ppb / 1000;
    int64_t us = (int64_t)(now_us % 1000000u) * node->drift_ppb / 1000000000;
    return now_us + (uint64_t)(s + us);
}

/* When the node's clock will show `clock_us`. */
static uint64_t world_time(const struct gv_sim_node *node, uint64_t clock_us)
{
    if (node->drift_ppb == 0) {
        return clock_us;
    }
    int64_t ahead = (int64_t)(clock_us / 1000000u) * node->drift_ppb / 1000 + 1000;
    uint64_t at = (int64_t)clock_us > ahead ? clock_us - (uint64_t)ahead : 0;
    at = at > clock_us ? clock_us : at; /* a slow clock: begin too early */
    for (uint64_t shown = node_clock(node, at); shown < clock_us; shown = node_clock(node, at)) {
        at += clock_us - shown;
    }
    return at;
}

static void schedule_tick(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    uint64_t deadline = gv_core_next_deadline(node->core);
    if (deadline == GV_NEVER) {
        return;
    }
    uint64_t at = world_time(node, deadline);
    at = at <= thread->now_us ? thread->now_us + 1 : at; /* time goes on */
    if (at < node->tick_us) {                            /* else the TICK in the queue comes early enough */
        node->tick_us = at;
        gv_sim_post_own(sim, thread, index, at, GV_SIM_TICK, 0, NULL);
    }
}

/* ---- effects ----------------------------------------------------------------------------------------------- */

static void persist(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint64_t incarnation)
{
    gv_sim_post_own(sim, thread, index, thread->now_us + GV_SIM_PERSIST_US, GV_SIM_PERSISTED, 0,
                    (void *)(uintptr_t)incarnation);
}

void gv_sim_sign(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint64_t incarnation, uint32_t sequence)
{
    struct gv_sim_node *node = &sim->nodes[index];
    node->version = gv_identities_sign(sim->identities, node->identity, incarnation, node->boot, sequence,
                                       GV_SIM_WALL_S + thread->now_us / 1000000u, thread->now_us);
    GV_ASSERT(node->version != NULL);
}

/* True if the exchange that this step gives up was offered by us. A responder always has a snapshot to discard; an
   initiator has none before its OFFER is answered, unless the state is in the OFFER. */
static bool is_ours(const struct gv_sim_node *node, const struct gv_effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        if (effects->item[i].kind == GV_FX_DISCARD) {
            return effects->item[i].u.work.nonce == node->offered_nonce;
        }
    }
    return true;
}

/* A failure that the core calls doubtful in the same step: it may have changed the other side. */
static bool is_in_doubt(const struct gv_effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        if (effects->item[i].kind == GV_FX_LOG && effects->item[i].u.log.code == GV_LOG_EXCHANGE_DOUBT) {
            return true;
        }
    }
    return false;
}

bool gv_sim_is_newcomer(const struct gv_sim *sim, const struct gv_sim_node *node)
{
    return node->since_us > sim->choice_from_us && node->life == 1 && !node->copy;
}

/* The node has taken part in an exchange that another began: that one chose it. */
static void count_chosen(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    if (gv_sim_is_newcomer(sim, node)) {
        gv_choice_chosen_at(&gv_sim_local(thread)->newcomers, thread->now_us - node->since_us);
    } else if (thread->now_us >= sim->choice_from_us) {
        node->chosen++;
    }
}

/* Both ends report what becomes of an exchange; it is counted where it was begun. */
static void count(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_event *event,
                  const struct gv_effect *effect)
{
    struct gv_sim_local *local = gv_sim_local(thread);
    bool message = event->kind == GV_EV_MSG;
    enum gv_kind in = message ? event->u.msg.msg->kind : GV_KIND_COUNT;
    bool over = false;
    gv_vitals_log(sim, thread, index, effect);
    switch (effect->u.log.code) {
    case GV_LOG_EXCHANGE_DONE:
        over = in == GV_KIND_COMMITTED || in == GV_KIND_OUTCOME_REPLY;
        local->exchanges_done += over ? 1 : 0;
        if (!over) {
            count_chosen(sim, thread, index);
        }
        break;
    case GV_LOG_EXCHANGE_FAILED:
        over = is_ours(&sim->nodes[index], local->effects);
        local->exchanges_failed += over && !is_in_doubt(local->effects) ? 1 : 0;
        break;
    case GV_LOG_EXCHANGE_REFUSED:
        over = in == GV_KIND_BUSY || in == GV_KIND_ABORT;
        local->exchanges_refused += over ? 1 : 0;
        break;
    case GV_LOG_EXCHANGE_DOUBT:
        local->exchanges_doubt++;
        break;
    default:
        break;
    }
    if (over && sim->scenario->swarm.peers == GV_PEERS_ORACLE) {
        gv_sim_introduction_over(sim, thread, index);
        if (effect->u.log.code == GV_LOG_EXCHANGE_REFUSED) {
            gv_sim_introduce(sim, thread, index); /* busy: another will do */
        }
    }
}

/* False if the process ends with this step. */
static bool carry_out(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_event *event,
                      struct gv_effect *effect)
{
    struct gv_sim_node *node = &sim->nodes[index];
    node->trace = gv_sim_mix(node->trace, (uint64_t)effect->kind << 32 | effect->link);
    switch (effect->kind) {
    case GV_FX_SEND:
        if (effect->u.msg.kind == GV_KIND_OFFER) {
            node->offered_nonce = effect->u.msg.u.offer.nonce;
        }
        gv_sim_send(sim, thread, index, effect->link, &effect->u.msg);
        return true;
    case GV_FX_CLOSE:
        gv_sim_close(sim, thread, index, effect->link);
        return true;
    case GV_FX_DIAL:
        gv_sim_dial(sim, thread, index, gv_identities_find(sim->identities, &effect->target), effect->u.dial.dial);
        return true;
    case GV_FX_DIAL_BOOK:
        gv_sim_dial(sim, thread, index,
                    effect->u.dial.index < node->book_count ? node->book[effect->u.dial.index] : GV_NODE_NONE,
                    effect->u.dial.dial);
        return true;
    case GV_FX_DIAL_SEED:
        gv_sim_dial(sim, thread, index,
                    effect->u.dial.index < node->seed_count ? node->seeds[effect->u.dial.index] : GV_NODE_NONE,
                    effect->u.dial.dial);
        return true;
    case GV_FX_PERSIST:
        persist(sim, thread, index, effect->u.self.incarnation);
        return true;
    case GV_FX_SIGN:
        gv_sim_sign(sim, thread, index, node->incarnation, effect->u.self.sequence);
        return true;
    case GV_FX_TRAIN:
        gv_sim_train(sim, thread, index, effect->u.train);
        return true;
    case GV_FX_LOG:
        count(sim, thread, index, event, effect);
        return true;
    case GV_FX_ALARM:
        gv_sim_local(thread)->alarms++;
        return true;
    case GV_FX_SETTLED:
        return true;
    case GV_FX_STOPPED:
    case GV_FX_GONE:
        node->gone = node->gone || effect->kind == GV_FX_GONE;
        return false;
    default:
        gv_sim_work_effect(sim, thread, index, effect);
        return true;
    }
}

/* ---- steps ------------------------------------------------------------------------------------------------- */

void gv_sim_violate(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, const char *name)
{
    while (__atomic_exchange_n(&sim->violation_lock, 1u, __ATOMIC_ACQUIRE) != 0) {
    }
    struct gv_sim_violation *v = &sim->violation;
    bool earlier = thread->now_us < v->at_us || (thread->now_us == v->at_us && node < v->node);
    if (!v->found || earlier) { /* threads may find several in a window: the first counts, whoever found it */
        v->found = true;
        (void)snprintf(v->name, sizeof v->name, "%s", name);
        v->at_us = thread->now_us;
        v->node = node;
    }
    __atomic_store_n(&sim->violation_lock, 0u, __ATOMIC_RELEASE);
}

static void leave_trail(struct gv_trail *trail, uint64_t now_us, const struct gv_event *event,
                        const struct gv_effects *effects)
{
    struct gv_trail_item item = {.at_us = now_us, .event = (uint8_t)event->kind, .link = event->link};
    item.msg_in = event->kind == GV_EV_MSG ? (uint8_t)event->u.msg.msg->kind : 0;
    for (uint32_t i = 0; i < effects->count || i == 0; i++) {
        if (i < effects->count) {
            const struct gv_effect *effect = &effects->item[i];
            item.effect = (uint8_t)effect->kind;
            item.msg_out = effect->kind == GV_FX_SEND ? (uint8_t)effect->u.msg.kind : 0;
            item.link = effect->link != GV_LINK_NONE ? effect->link : event->link;
        }
        trail->item[trail->next++ % GV_TRAIL_LENGTH] = item;
    }
}

void gv_sim_step(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, struct gv_event *event)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_sim_local *local = gv_sim_local(thread);
    struct gv_effects *effects = local->effects;
    event->now_us = node_clock(node, thread->now_us);
    event->wall_s = GV_SIM_WALL_S + (uint64_t)((int64_t)(thread->now_us / 1000000u) + node->wall_offset_s);
    gv_core_step(node->core, event, effects);
    node->trace = gv_sim_mix(node->trace, thread->now_us << 8 | (uint64_t)event->kind);
    if (node->trail != NULL && event->kind != GV_EV_TICK) {
        leave_trail(node->trail, thread->now_us, event, effects);
    }
    bool goes_on = true;
    for (uint32_t i = 0; i < effects->count; i++) {
        goes_on = carry_out(sim, thread, index, event, &effects->item[i]) && goes_on;
    }
    if (sim->scenario->report.invariants && node->attacker == NULL) {
        node->watch.buffers = gv_sim_buffers(node);
        const char *broken = gv_check_step(&node->watch, node->core, event, effects);
        local->checked++;
        if (broken != NULL) {
            gv_sim_violate(sim, thread, index, broken);
        }
    }
    if (goes_on) {
        schedule_tick(sim, thread, index);
    } else {
        gv_sim_end_process(sim, thread, index, false);
    }
}

static void tick(struct gv_sim *sim, struct gv_thread *thread, const struct gv_occurrence *o)
{
    struct gv_sim_node *node = &sim->nodes[o->to];
    if (node->tick_us != o->at_us && node->tick_us > thread->now_us) {
        return; /* an earlier one has taken its place */
    }
    node->tick_us = UINT64_MAX;
    if (gv_core_next_deadline(node->core) > node_clock(node, thread->now_us)) {
        schedule_tick(sim, thread, o->to);
        return;
    }
    struct gv_event event = {.kind = GV_EV_TICK};
    gv_sim_step(sim, thread, o->to, &event);
}

static void persisted(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint64_t incarnation)
{
    struct gv_sim_node *node = &sim->nodes[index];
    node->incarnation = incarnation;
    gv_sim_sign(sim, thread, index, incarnation, 0);
    struct gv_event event = {.kind = GV_EV_PERSISTED};
    event.u.self.incarnation = incarnation;
    gv_sim_step(sim, thread, index, &event);
}

static void command(struct gv_sim *sim, struct gv_thread *thread, const struct gv_occurrence *o)
{
    struct gv_event event = {.kind = GV_EV_COMMAND};
    event.u.command = (enum gv_command)o->a;
    gv_sim_step(sim, thread, o->to, &event);
}

void gv_sim_starve(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint64_t from_us)
{
    struct gv_random *random = &sim->nodes[index].random;
    double wait_us = gv_dist_draw(&sim->scenario->compute.starved_every, random);
    gv_sim_post_own(sim, thread, index, from_us + 1 + gv_sim_whole_us(wait_us), GV_SIM_STARVE, 0, NULL);
}

static void starve(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    if (sim->faults_ended_us > 0) {
        return;
    }
    double for_us = gv_dist_draw(&sim->scenario->compute.starved_for, &node->random);
    uint64_t until_us = thread->now_us + gv_sim_whole_us(for_us);
    uint64_t end_us = sim->scenario->faults_end_us;
    until_us = end_us > 0 && end_us < until_us ? end_us : until_us;
    gv_sim_stand_still(sim, thread, index, until_us);
    gv_sim_starve(sim, thread, index, until_us);
}

static void handle_live(struct gv_sim *sim, struct gv_thread *thread, const struct gv_occurrence *o)
{
    switch ((enum gv_sim_kind)o->kind) {
    case GV_SIM_START:
        gv_sim_start(sim, thread, o->to);
        return;
    case GV_SIM_TICK:
        tick(sim, thread, o);
        return;
    case GV_SIM_PERSISTED:
        persisted(sim, thread, o->to, (uint64_t)(uintptr_t)o->data);
        return;
    case GV_SIM_COMMAND:
        command(sim, thread, o);
        return;
    case GV_SIM_ATTACK:
        gv_attack_act(sim, thread, o->to);
        return;
    case GV_SIM_STARVE:
        starve(sim, thread, o->to);
        return;
    case GV_SIM_ENTRIES:
        gv_sim_learn_entries(sim, thread, o->to, UINT64_C(1) << o->a);
        return;
    case GV_SIM_FRAME:
    case GV_SIM_FRAME_READ:
    case GV_SIM_DIAL:
    case GV_SIM_UP:
    case GV_SIM_REFUSED:
    case GV_SIM_DIAL_LATE:
    case GV_SIM_DOWN:
    case GV_SIM_SEND_FAILED:
    case GV_SIM_INTRODUCED:
        gv_sim_link_event(sim, thread, o->to, o);
        return;
    default:
        gv_sim_work_event(sim, thread, o->to, o);
        return;
    }
}

void gv_sim_drop(void *context, const struct gv_occurrence *o)
{
    (void)context;
    if (o->kind == GV_SIM_FRAME || o->kind == GV_SIM_FRAME_READ || o->kind == GV_SIM_ENCODED) {
        gv_sim_frame_free(o->data);
    } else if (o->kind == GV_SIM_WORK) {
        gv_sim_work_drop(o);
    }
}

/* What came for an earlier life is not for this one, and a process that starts this microsecond does not listen yet. */
static bool is_there(const struct gv_sim_node *node, const struct gv_occurrence *o)
{
    bool for_any_life = o->kind == GV_SIM_DIAL || o->kind == GV_SIM_INTRODUCED;
    bool started = node->version != NULL || o->kind == GV_SIM_START;
    return node->live && started && (for_any_life || o->life == node->life);
}

/* What comes for a process that is not there (any more). */
static void handle_dead(struct gv_sim *sim, struct gv_thread *thread, const struct gv_occurrence *o)
{
    const struct gv_sim_node *node = &sim->nodes[o->to];
    bool refused = (!node->silent && o->kind == GV_SIM_DIAL) || o->kind == GV_SIM_INTRODUCED;
    if (refused) { /* the machine is up and nobody listens; or the oracle was late */
        gv_engine_post(thread, thread->now_us + gv_sim_latency(sim, o->to, o->from), o->from, GV_SIM_REFUSED,
                       (uint16_t)o->b, o->a, 0, NULL);
    } else if (!node->silent && o->kind == GV_SIM_UP) {
        gv_engine_post(thread, thread->now_us + gv_sim_latency(sim, o->to, o->from), o->from, GV_SIM_DOWN,
                       (uint16_t)(uintptr_t)o->data, o->b, 0, NULL);
    }
    gv_sim_drop(sim, o);
}

void gv_sim_handle(void *context, struct gv_thread *thread, const struct gv_occurrence *o)
{
    struct gv_sim *sim = context;
    struct gv_sim_node *node = &sim->nodes[o->to];
    if (!is_there(node, o)) {
        handle_dead(sim, thread, o);
        return;
    }
    if (node->paused_until_us > thread->now_us) { /* the machine stands still: all waits, each source's in order */
        struct gv_occurrence later = *o;
        gv_engine_repost(thread, node->paused_until_us, &later);
        return;
    }
    handle_live(sim, thread, o);
}

void gv_sim_prefetch(void *context, const struct gv_occurrence *o, bool near)
{
    const struct gv_sim *sim = context;
    const struct gv_sim_node *node = &sim->nodes[o->to];
    if (!near) {
        for (size_t line = 0; line < sizeof *node; line += 64) {
            __builtin_prefetch((const char *)node + line, 1);
        }
        if (o->kind == GV_SIM_FRAME) {
            __builtin_prefetch(o->data);
            __builtin_prefetch((const char *)o->data + 64);
        }
        gv_core_prefetch((const struct gv_core *)(const void *)(sim->cores + (size_t)o->to * sim->core_bytes));
        return;
    }
    uint32_t slot = o->a % GV_SIM_LINK_SLOTS;
    if (o->kind == GV_SIM_FRAME && slot < node->link_cap) {
        __builtin_prefetch(&node->links[slot], 1);
        __builtin_prefetch((const char *)&node->links[slot] + 64, 1);
    }
    if (node->replica != NULL && sim->immediate) {
        gv_replica_prefetch(node->replica);
    }
}
