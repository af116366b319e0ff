/*
 * Links of simulated nodes: dials, frames on their way, ends.
 *
 *     dialler                                   dialled
 *     DIAL effect, half a link ---DIAL--->      half a link, LINK_IN
 *     LINK_UP <------------------UP---------
 *     DIAL_FAILED <-----------REFUSED------     nobody listens
 *     DIAL_FAILED after ten seconds             (cut off, or the machine is gone)
 *     CLOSE, process ends -------DOWN----->     LINK_DOWN, behind all frames sent before
 *
 * A dial takes what TCP and CURVE take: three round trips. Each end is known by a handle of its own node's, never used
 * twice in a life; a frame for a handle that is no more is dropped, as a closed socket drops it.
 *
 * With an oracle, links come by introduction: ready at once at both ends, closed after one exchange.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define DIAL_LATENCIES 5u /* until the dialled end has finished its handshake; one more back */

struct gv_sim_link *gv_sim_link(struct gv_sim_node *node, uint32_t handle)
{
    uint32_t slot = handle % GV_SIM_LINK_SLOTS;
    bool there = slot < node->link_cap && node->links[slot].handle == handle && handle != 0;
    return there ? &node->links[slot] : NULL;
}

/* For one more link; only an oracle's swarm can run out of it, with rounds far shorter than the way to others. */
static bool has_room(const struct gv_sim_node *node)
{
    bool room = node->link_cap < GV_SIM_LINK_SLOTS;
    for (uint32_t i = 0; i < node->link_cap && !room; i++) {
        room = node->links[i].handle == 0;
    }
    return room;
}

static uint32_t free_slot(struct gv_sim_node *node)
{
    for (uint32_t i = 0; i < node->link_cap; i++) {
        if (node->links[i].handle == 0) {
            return i;
        }
    }
    uint32_t slot = node->link_cap;
    uint16_t cap = (uint16_t)(slot == 0 ? 8 : 2 * slot);
    GV_ASSERT(cap <= GV_SIM_LINK_SLOTS); /* the core closes what it has no room for */
    struct gv_sim_link *grown = realloc(node->links, cap * sizeof *grown);
    GV_ASSERT(grown != NULL);
    memset(grown + slot, 0, (cap - slot) * sizeof *grown);
    node->links = grown;
    node->link_cap = cap;
    return slot;
}

/* A handle is a count of links and the slot, so that a look-up touches one link only. */
static struct gv_sim_link *add_link(struct gv_sim *sim, uint32_t index, uint32_t far)
{
    struct gv_sim_node *node = &sim->nodes[index];
    uint32_t slot = free_slot(node);
    struct gv_sim_link *link = &node->links[slot];
    memset(link, 0, sizeof *link);
    link->handle = ++node->next_handle * GV_SIM_LINK_SLOTS + slot;
    link->far = far;
    gv_path_init(&link->path, sim->network, index, far);
    return link;
}

static void remove_link(struct gv_sim_link *link)
{
    link->handle = 0;
}

uint64_t gv_sim_latency(const struct gv_sim *sim, uint32_t from, uint32_t to)
{
    struct gv_path path;
    gv_path_init(&path, sim->network, from, to);
    return path.latency_us;
}

bool gv_sim_in_reach(const struct gv_sim *sim, uint32_t from, uint32_t to)
{
    return gv_network_dialable(sim->network, to) &&
           (DIAL_LATENCIES + 1) * gv_sim_latency(sim, from, to) < GV_SIM_DIAL_US;
}

/* Tells the far end that this one is gone, behind all that was sent. */
static void tell_down(const struct gv_sim *sim, struct gv_thread *thread, uint32_t index,
                      const struct gv_sim_link *link)
{
    if (gv_path_broken(&link->path)) {
        return; /* the far end learns of it from the reset that is under way */
    }
    uint64_t reaches_us = gv_network_reaches(sim->network, index, link->far, thread->now_us);
    if (reaches_us > thread->now_us + GV_LINK_DEAD_US) {
        return; /* cut off: the far end finds out by itself */
    }
    uint64_t at = reaches_us + link->path.latency_us;
    uint64_t through_us = gv_path_through_us(&link->path);
    at = at < through_us ? through_us : at;
    gv_engine_post(thread, at, link->far, GV_SIM_DOWN, link->far_life, link->far_handle, 0, NULL);
}

static void dial_failed(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t dial)
{
    struct gv_event event = {.kind = GV_EV_DIAL_FAILED, .verdict = GV_ERR_LINK_LOST};
    event.u.dial.dial = dial;
    gv_sim_step(sim, thread, index, &event);
}

void gv_sim_dial(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t target, uint32_t dial)
{
    uint32_t home = target == GV_NODE_NONE ? index : target;
    struct gv_sim_link *link = add_link(sim, index, home);
    link->dial = dial;
    bool possible = home != index && gv_network_dialable(sim->network, home);
    if (!possible) {
        gv_sim_post_own(sim, thread, index, thread->now_us + 1, GV_SIM_REFUSED, link->handle, NULL);
        return;
    }
    gv_sim_post_own(sim, thread, index, thread->now_us + GV_SIM_DIAL_US, GV_SIM_DIAL_LATE, link->handle, NULL);
    uint64_t now = thread->now_us;
    if (gv_network_reaches(sim->network, index, home, now) == now &&
        gv_network_reaches(sim->network, home, index, now) == now) {
        uint64_t at = now + (uint64_t)DIAL_LATENCIES * link->path.latency_us;
        gv_engine_post(thread, at, home, GV_SIM_DIAL, 0, link->handle, sim->nodes[index].life, NULL);
    }
}

void gv_sim_close(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t handle)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_sim_link *link = gv_sim_link(node, handle);
    if (link == NULL) {
        return;
    }
    if (link->up) {
        tell_down(sim, thread, index, link);
    }
    remove_link(link);
}

void gv_sim_break(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t handle)
{
    const struct gv_sim_link *link = gv_sim_link(&sim->nodes[index], handle);
    if (link != NULL && link->up) {
        tell_down(sim, thread, index, link);
        gv_sim_post_own(sim, thread, index, thread->now_us + 1, GV_SIM_DOWN, handle, NULL);
    }
}

void gv_sim_hang_up(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    for (uint32_t i = 0; i < node->link_cap; i++) {
        const struct gv_sim_link *link = &node->links[i];
        if (link->handle == 0 || !link->up) {
            continue;
        }
        if (node->silent) { /* no word of it: the far end's kernel finds out */
            gv_engine_post(thread, thread->now_us + GV_LINK_DEAD_US, link->far, GV_SIM_DOWN, link->far_life,
                           link->far_handle, 0, NULL);
        } else {
            tell_down(sim, thread, index, link);
        }
    }
    free(node->links);
    node->links = NULL;
    node->link_cap = 0;
}

/* ---- frames ------------------------------------------------------------------------------------------------ */

/* One byte of it is not what it was. */
static struct gv_frame *damage(struct gv_frame *frame, struct gv_random *random)
{
    struct gv_span span = gv_sim_frame_span(frame);
    struct gv_frame *copy = gv_sim_frame_new(span.data, (uint32_t)span.bytes);
    gv_sim_frame_free(frame);
    uint32_t at = gv_random_below(random, copy->bytes);
    copy->data[at] = (uint8_t)(copy->data[at] ^ (1u + gv_random_below(random, 255)));
    return copy;
}

void gv_sim_transmit(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t handle,
                     struct gv_frame *frame)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_sim_local *local = gv_sim_local(thread);
    struct gv_sim_link *link = gv_sim_link(node, handle);
    if (link == NULL || !link->up) {
        gv_sim_frame_free(frame);
        return;
    }
    local->messages++;
    local->bytes += frame->bytes;
    struct gv_transit transit =
        gv_network_send(sim->network, &link->path, index, link->far, thread->now_us, frame->bytes, &node->random);
    switch (transit.fate) {
    case GV_FATE_DELIVER:
        if (transit.damaged) {
            frame = damage(frame, &node->random);
        }
        gv_engine_post(thread, transit.arrive_us, link->far, GV_SIM_FRAME, link->far_life, link->far_handle, 0, frame);
        return;
    case GV_FATE_RESET:
        gv_sim_frame_free(frame);
        gv_engine_post(thread, transit.arrive_us, link->far, GV_SIM_DOWN, link->far_life, link->far_handle, 0, NULL);
        gv_sim_post_own(sim, thread, index, transit.arrive_us, GV_SIM_DOWN, handle, NULL);
        return;
    default:
        gv_sim_frame_free(frame);
        gv_sim_post_own(sim, thread, index, thread->now_us + 1, GV_SIM_SEND_FAILED, handle, NULL);
        return;
    }
}

/* ---- what happens to links --------------------------------------------------------------------------------- */

static void on_dial(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_occurrence *o)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_sim_link *link = add_link(sim, index, o->from);
    link->far_handle = o->a;
    link->far_life = (uint16_t)o->b;
    link->up = true;
    gv_engine_post(thread, thread->now_us + link->path.latency_us, o->from, GV_SIM_UP, link->far_life, o->a,
                   link->handle, (void *)(uintptr_t)node->life);
    struct gv_event event = {.kind = GV_EV_LINK_IN, .link = link->handle};
    gv_sim_step(sim, thread, index, &event);
}

static void introduce_core(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t handle, uint32_t far,
                           bool answer_only)
{
    struct gv_event event = {.kind = GV_EV_INTRODUCE, .link = handle};
    /* Without membership there are no refutations: the far node's record is that of its start. */
    const struct gv_sim_node *other = &sim->nodes[far];
    event.u.introduce.ref = (struct gv_ref){.id = *gv_identities_id(sim->identities, other->identity),
                                            .incarnation = other->incarnation,
                                            .boot = other->boot,
                                            .flags = GV_REF_DIALABLE};
    event.u.introduce.answer_only = answer_only;
    gv_sim_step(sim, thread, index, &event);
}

static void on_up(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_occurrence *o)
{
    struct gv_sim_link *link = gv_sim_link(&sim->nodes[index], o->a);
    uint16_t far_life = (uint16_t)(uintptr_t)o->data;
    if (link == NULL) { /* given up meanwhile */
        gv_engine_post(thread, thread->now_us + gv_sim_latency(sim, index, o->from), o->from, GV_SIM_DOWN, far_life,
                       o->b, 0, NULL);
        return;
    }
    link->up = true;
    link->far_handle = o->b;
    link->far_life = far_life;
    if (link->introduced) {
        introduce_core(sim, thread, index, link->handle, o->from, false);
        struct gv_event due = {.kind = GV_EV_STEPS};
        due.u.steps.total = ++sim->nodes[index].steps;
        sim->nodes[index].age_q16 += GV_Q16_ONE; /* as the core counts it */
        due.u.steps.round = true;
        gv_sim_step(sim, thread, index, &due);
        return;
    }
    struct gv_event event = {.kind = GV_EV_LINK_UP, .link = link->handle};
    event.u.dial.dial = link->dial;
    gv_sim_step(sim, thread, index, &event);
}

static void on_dial_over(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t handle)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_sim_link *link = gv_sim_link(node, handle);
    if (link == NULL || link->up) {
        return;
    }
    uint32_t dial = link->dial;
    bool introduced = link->introduced; /* the core has not heard of it yet */
    remove_link(link);
    if (!introduced) {
        dial_failed(sim, thread, index, dial);
    }
}

/* The end of a link comes behind the frames that wait for the downlink when it arrives (b = 1: they are through). */
static bool waits_for_downlink(struct gv_sim *sim, struct gv_thread *thread, uint32_t index,
                               const struct gv_occurrence *o)
{
    uint64_t through = o->b == 0 ? gv_network_receive(sim->network, index, index, thread->now_us, 0) : thread->now_us;
    if (through > thread->now_us) {
        gv_engine_post(thread, through + 1, index, GV_SIM_DOWN, o->life, o->a, 1, NULL);
    }
    return through > thread->now_us;
}

static void on_down(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_occurrence *o)
{
    struct gv_sim_node *node = &sim->nodes[index];
    uint32_t handle = o->a;
    struct gv_sim_link *link = gv_sim_link(node, handle);
    if (link == NULL || waits_for_downlink(sim, thread, index, o)) {
        return;
    }
    remove_link(link);
    struct gv_event event = {.kind = GV_EV_LINK_DOWN, .link = handle, .verdict = GV_ERR_LINK_LOST};
    gv_sim_step(sim, thread, index, &event);
}

static void on_frame(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_occurrence *o)
{
    struct gv_frame *frame = o->data;
    if (o->kind == GV_SIM_FRAME) {
        uint64_t through = gv_network_receive(sim->network, o->from, index, thread->now_us, frame->bytes);
        if (through > thread->now_us) {
            gv_sim_post_own(sim, thread, index, through, GV_SIM_FRAME_READ, o->a, frame);
            return;
        }
    }
    if (gv_sim_link(&sim->nodes[index], o->a) == NULL) {
        gv_sim_frame_free(frame);
        return;
    }
    gv_sim_receive(sim, thread, index, o->a, frame);
}

static void on_introduced(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_occurrence *o)
{
    if (!has_room(&sim->nodes[index])) {
        gv_engine_post(thread, thread->now_us + gv_sim_latency(sim, index, o->from), o->from, GV_SIM_REFUSED,
                       (uint16_t)o->b, o->a, 0, NULL);
        return;
    }
    struct gv_sim_link *link = add_link(sim, index, o->from);
    uint32_t handle = link->handle;
    link->far_handle = o->a;
    link->far_life = (uint16_t)o->b;
    link->up = true;
    gv_engine_post(thread, thread->now_us + link->path.latency_us, o->from, GV_SIM_UP, link->far_life, o->a, handle,
                   (void *)(uintptr_t)sim->nodes[index].life);
    introduce_core(sim, thread, index, handle, o->from, true);
}

void gv_sim_link_event(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_occurrence *o)
{
    struct gv_event failed = {.kind = GV_EV_SEND_FAILED, .link = o->a};
    switch ((enum gv_sim_kind)o->kind) {
    case GV_SIM_FRAME:
    case GV_SIM_FRAME_READ:
        on_frame(sim, thread, index, o);
        return;
    case GV_SIM_DIAL:
        on_dial(sim, thread, index, o);
        return;
    case GV_SIM_UP:
        on_up(sim, thread, index, o);
        return;
    case GV_SIM_REFUSED:
    case GV_SIM_DIAL_LATE:
        on_dial_over(sim, thread, index, o->a);
        return;
    case GV_SIM_DOWN:
        on_down(sim, thread, index, o);
        return;
    case GV_SIM_INTRODUCED:
        on_introduced(sim, thread, index, o);
        return;
    default:
        gv_sim_step(sim, thread, index, &failed);
        return;
    }
}

/* ---- the oracle -------------------------------------------------------------------------------------------- */

void gv_sim_introduce(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    if (sim->live_count < 2 || !has_room(node)) {
        return;
    }
    uint32_t place = gv_random_below(&node->random, sim->live_count - 1);
    uint32_t target = sim->live[place < sim->live_at[index] ? place : place + 1];
    struct gv_sim_link *link = add_link(sim, index, target);
    link->introduced = true;
    gv_engine_post(thread, thread->now_us + link->path.latency_us, target, GV_SIM_INTRODUCED, 0, link->handle,
                   node->life, NULL);
}

void gv_sim_introduction_over(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    for (uint32_t i = 0; i < node->link_cap; i++) {
        if (node->links[i].handle != 0 && node->links[i].introduced) {
            gv_sim_break(sim, thread, index, node->links[i].handle);
        }
    }
}
