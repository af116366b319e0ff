/*
 * What hostile members do to the protocol: see attack.h.
 */
#include "attack.h"

#include <stdlib.h>
#include <string.h>

#include "world.h"

#define COLLUDERS_MAX 64u
#define OLD_MAX 64u
#define ACT_US 1000000u
#define FLOOD_US 100000u
#define INCARNATION_US 2000000u
#define GREEDY_US 50000u
#define RESET_ONE_IN 8u
#define BUSY_RETRY_MS 60000u
#define AGE_LIE (UINT64_C(1) << 50)
#define SHUFFLE_TTL 4u
#define LEAVE_TTL 3u
#define JOINS_EACH_ACT 4u

struct gv_attacker {
    enum gv_attack attack;
    uint32_t colluder_count, old_count, turn;
    struct gv_ref colluders[COLLUDERS_MAX]; /* the newest that was heard of each */
    struct gv_ref old[OLD_MAX];             /* of honest nodes, the first */
    struct gv_msg msg;                      /* being made */
};

static const enum gv_attack PROTOCOL[] = {GV_ATTACK_ECLIPSE,     GV_ATTACK_FLOOD, GV_ATTACK_ACCUSE, GV_ATTACK_REPLAY,
                                          GV_ATTACK_STALL,       GV_ATTACK_RESET, GV_ATTACK_AGE,    GV_ATTACK_BUSY,
                                          GV_ATTACK_INCARNATION, GV_ATTACK_GREEDY};
#define PROTOCOL_COUNT (sizeof PROTOCOL / sizeof PROTOCOL[0])

bool gv_attack_is_on_protocol(enum gv_attack attack)
{
    return attack >= GV_ATTACK_ECLIPSE;
}

struct gv_attacker *gv_attacker_new(enum gv_attack attack, uint32_t ordinal)
{
    struct gv_attacker *made = calloc(1, sizeof *made);
    if (made != NULL) {
        made->attack = attack == GV_ATTACK_ANY ? PROTOCOL[ordinal % PROTOCOL_COUNT] : attack;
    }
    return made;
}

void gv_attacker_free(struct gv_attacker **attacker)
{
    free(*attacker);
    *attacker = NULL;
}

enum gv_attack gv_attacker_kind(const struct gv_attacker *attacker)
{
    return attacker->attack;
}

static bool pushes_records(const struct gv_attacker *a)
{
    return a->attack == GV_ATTACK_ECLIPSE || a->attack == GV_ATTACK_FLOOD;
}

void gv_attack_configure(const struct gv_attacker *attacker, struct gv_core_config *config)
{
    if (attacker->attack == GV_ATTACK_GREEDY) {
        config->exchange_spacing = 0;
    }
    if (!pushes_records(attacker)) {
        return;
    }
    config->active_target = config->active_max; /* it looks for as many as it can hold, at once and all the time */
    config->active_min = config->active_max;
    config->active_chosen_min = 0;
    config->cached_links_max = config->links_max;
    config->promote_us = 200000;
    config->swap_us = 1000000;
    config->backoff_us = 1000000;
    config->shuffle_us = config->shuffle_early_us = 1000000;
}

static uint64_t pause_us(const struct gv_attacker *a)
{
    switch (a->attack) {
    case GV_ATTACK_FLOOD:
        return FLOOD_US;
    case GV_ATTACK_INCARNATION:
        return INCARNATION_US;
    case GV_ATTACK_GREEDY:
        return GREEDY_US;
    default:
        return ACT_US;
    }
}

void gv_attack_start(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    const struct gv_attacker *a = sim->nodes[index].attacker;
    gv_sim_post_own(sim, thread, index, thread->now_us + pause_us(a), GV_SIM_ATTACK, 0, NULL);
}

/* A list of one record for each node; `newest`: a later one takes the place of what is there. */
static void note(struct gv_ref *list, uint32_t *count, uint32_t most, const struct gv_ref *ref, bool newest,
                 struct gv_random *random)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (gv_id_equal(&list[i].id, &ref->id)) {
            list[i] = newest ? *ref : list[i];
            return;
        }
    }
    uint32_t at = *count < most ? (*count)++ : gv_random_below(random, most);
    list[at] = *ref;
}

void gv_attack_heard(struct gv_sim *sim, struct gv_attacker *a, uint32_t owner, const struct gv_ref *ref)
{
    struct gv_random random;
    gv_random_seed(&random, owner, ref->sequence);
    if (sim->nodes[owner].hostile) {
        note(a->colluders, &a->colluder_count, COLLUDERS_MAX, ref, true, &random);
    } else {
        note(a->old, &a->old_count, OLD_MAX, ref, false, &random);
    }
}

/* ---- what its core says ------------------------------------------------------------------------------------- */

/* refs <- `count` of the list, drawn without repetition. */
static void draw_refs(struct gv_msg *msg, uint32_t count, const struct gv_ref *list, uint32_t length,
                      struct gv_random *random)
{
    uint32_t at = gv_random_below(random, length);
    count = count < length ? count : length;
    msg->ref_count = 0;
    for (uint32_t i = 0; i < count && msg->ref_count < GV_RECORDS_PER_MSG_MAX; i++) {
        msg->refs[msg->ref_count++] = list[(at + i) % length];
    }
}

static bool hands_out(enum gv_kind kind)
{
    return kind == GV_KIND_SHUFFLE || kind == GV_KIND_SHUFFLE_REPLY || kind == GV_KIND_RECORDS ||
           kind == GV_KIND_NEIGHBOUR_REPLY || kind == GV_KIND_FORWARD_JOIN;
}

static void hand_out(struct gv_attacker *a, struct gv_msg *msg, struct gv_random *random)
{
    bool shuffle = msg->kind == GV_KIND_SHUFFLE || msg->kind == GV_KIND_SHUFFLE_REPLY;
    uint32_t count = msg->kind == GV_KIND_FORWARD_JOIN ? 1 : shuffle ? GV_SHUFFLE_RECORDS : GV_RECORDS_PER_MSG_MAX;
    bool replay = a->attack == GV_ATTACK_REPLAY;
    uint32_t length = replay ? a->old_count : a->colluder_count;
    if (length > 0) {
        draw_refs(msg, count, replay ? a->old : a->colluders, length, random);
    }
}

/* An eclipser's neighbours find themselves named, whoever they are. */
static void name_receiver(const struct gv_core *core, uint32_t link, struct gv_msg *msg)
{
    const struct gv_id *peer = gv_core_link_peer(core, link);
    if (peer != NULL) {
        uint32_t at = msg->u.ping.neighbour_count < GV_NEIGHBOURS_NAMED_MAX ? msg->u.ping.neighbour_count++ : 0;
        msg->u.ping.neighbours[at] = *peer;
    }
}

static bool push(struct gv_sim *sim, uint32_t index, uint32_t link, struct gv_msg *msg)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_sim_link *l = gv_sim_link(node, link);
    if (msg->kind == GV_KIND_NEIGHBOUR && msg != &node->attacker->msg && l != NULL) {
        l->asked = true;
    }
    if (hands_out(msg->kind)) {
        hand_out(node->attacker, msg, &node->random);
    }
    if (msg->kind == GV_KIND_NEIGHBOUR_REPLY) {
        msg->u.neighbour.accepted = true;
    } else if (msg->kind == GV_KIND_PONG) {
        name_receiver(node->core, link, msg);
    }
    return msg->kind != GV_KIND_DISCONNECT;
}

static bool stall(struct gv_msg *msg)
{
    if (msg->kind == GV_KIND_OUTCOME_REPLY) {
        msg->u.outcome.outcome = GV_OUTCOME_ABORTED;
    }
    return msg->kind != GV_KIND_DONE && msg->kind != GV_KIND_COMMIT && msg->kind != GV_KIND_COMMITTED;
}

static void lie_about_age(struct gv_msg *msg)
{
    if (msg->kind == GV_KIND_OFFER || msg->kind == GV_KIND_ACCEPT) {
        msg->u.offer.age = AGE_LIE;
    } else if (msg->kind == GV_KIND_STATE_REPLY) {
        msg->u.state.age = AGE_LIE;
        msg->u.state.donates = true;
    } else if (msg->kind == GV_KIND_FETCH_REPLY) {
        msg->u.fetch.age = AGE_LIE;
    }
}

static void be_busy(struct gv_msg *msg)
{
    if (msg->kind == GV_KIND_ACCEPT) {
        uint64_t nonce = msg->u.offer.nonce;
        msg->kind = GV_KIND_BUSY;
        msg->u.exchange = (struct gv_msg_exchange){.nonce = nonce, .reason = GV_ERR_BUSY, .retry_ms = BUSY_RETRY_MS};
    } else if (msg->kind == GV_KIND_BUSY) {
        msg->u.exchange.retry_ms = BUSY_RETRY_MS;
    }
}

bool gv_attack_send(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t link, struct gv_msg *msg)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_attacker *a = node->attacker;
    bool mid = msg->kind == GV_KIND_ACCEPT || msg->kind == GV_KIND_COMMIT || msg->kind == GV_KIND_COMMITTED;
    switch (a->attack) {
    case GV_ATTACK_ECLIPSE:
    case GV_ATTACK_FLOOD:
        return push(sim, index, link, msg);
    case GV_ATTACK_ACCUSE:
        if (msg->kind == GV_KIND_PING) {
            msg->u.ping.suspected = true;
        } else if (msg->kind == GV_KIND_PROBE_RESULT) {
            msg->u.probe.alive = false;
        }
        return true;
    case GV_ATTACK_REPLAY:
        if (hands_out(msg->kind)) {
            hand_out(a, msg, &node->random);
        }
        return true;
    case GV_ATTACK_STALL:
        return stall(msg);
    case GV_ATTACK_RESET:
        if (mid) {
            gv_sim_break(sim, thread, index, link);
        }
        return !mid;
    case GV_ATTACK_AGE:
        if (sim->learning != NULL) {
            lie_about_age(msg);
        }
        return true;
    case GV_ATTACK_BUSY:
        be_busy(msg);
        return true;
    case GV_ATTACK_INCARNATION:
        if (msg->kind == GV_KIND_HELLO || msg->kind == GV_KIND_WELCOME) {
            msg->u.hello.boot = node->version->boot; /* what its record says, not what its core thinks */
        }
        return true;
    default:
        return true;
    }
}

bool gv_attack_receive(struct gv_sim *sim, uint32_t index, uint32_t link, enum gv_kind kind)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_sim_link *l = gv_sim_link(node, link);
    if (kind != GV_KIND_NEIGHBOUR_REPLY || !pushes_records(node->attacker) || l == NULL) {
        return true;
    }
    bool asked = l->asked;
    l->asked = false;
    return asked;
}

struct gv_span gv_attack_forgery(void)
{
    static const uint8_t farewell[128] = {0x94};
    return (struct gv_span){.data = farewell, .bytes = sizeof farewell};
}

/* ---- what it does of its own -------------------------------------------------------------------------------- */

/* A message of its own on one link. */
static struct gv_msg *begin(struct gv_attacker *a, enum gv_kind kind)
{
    memset(&a->msg, 0, sizeof a->msg);
    a->msg.kind = kind;
    return &a->msg;
}

static void send_records(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t link, bool unasked)
{
    struct gv_attacker *a = sim->nodes[index].attacker;
    begin(a, GV_KIND_NEIGHBOUR)->u.neighbour.urgent = true;
    gv_sim_send(sim, thread, index, link, &a->msg);
    for (uint32_t i = 0; i < JOINS_EACH_ACT && a->colluder_count > 0; i++) {
        (void)begin(a, GV_KIND_FORWARD_JOIN); /* whom the receiver shall ask is filled in on its way out */
        gv_sim_send(sim, thread, index, link, &a->msg);
    }
    if (!unasked) {
        return;
    }
    (void)begin(a, GV_KIND_RECORDS); /* filled on its way out */
    gv_sim_send(sim, thread, index, link, &a->msg);
    struct gv_msg *walk = begin(a, GV_KIND_SHUFFLE);
    walk->u.walk.ttl = SHUFFLE_TTL;
    walk->u.walk.nonce = gv_random_next(&sim->nodes[index].random);
    gv_sim_send(sim, thread, index, link, walk);
}

static void accuse(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t link)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_attacker *a = node->attacker;
    struct gv_msg *ping = begin(a, GV_KIND_PING);
    ping->u.ping.seq = ++a->turn;
    ping->u.ping.suspected = true;
    ping->u.ping.trust_digest = gv_identities_digest(sim->identities, node->entries);
    ping->u.ping.manifest_version = sim->manifest.version;
    ping->u.ping.manifest_hash = sim->manifest.hash;
    gv_sim_send(sim, thread, index, link, ping);
    if (a->old_count > 0 && gv_random_below(&node->random, RESET_ONE_IN) == 0) {
        struct gv_msg *farewell = begin(a, GV_KIND_LEAVE); /* of somebody who is there: nobody has signed it */
        farewell->u.leave.ttl = LEAVE_TTL;
        farewell->u.leave.id = a->old[gv_random_below(&node->random, a->old_count)].id;
        gv_sim_send(sim, thread, index, link, farewell);
    }
}

/* A new incarnation for the others to take note of; its own core hears of it from them. */
static void be_born_again(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    node->incarnation++;
    node->boot = gv_random_next(&node->random);
    gv_sim_sign(sim, thread, index, node->incarnation, 0);
}

static void tell_record(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t link)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_msg *ping = begin(node->attacker, GV_KIND_PING);
    ping->u.ping.has_record = true;
    ping->u.ping.seq = ++node->attacker->turn;
    ping->u.ping.trust_digest = gv_identities_digest(sim->identities, node->entries);
    ping->u.ping.manifest_version = sim->manifest.version;
    ping->u.ping.manifest_hash = sim->manifest.hash;
    gv_sim_send(sim, thread, index, link, ping);
}

/* As if another round were over. */
static void want_exchange(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_event event = {.kind = GV_EV_STEPS};
    event.u.steps.total = sim->nodes[index].steps;
    event.u.steps.round = true;
    gv_sim_step(sim, thread, index, &event);
}

static void act_on(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t link)
{
    struct gv_sim_node *node = &sim->nodes[index];
    switch (node->attacker->attack) {
    case GV_ATTACK_ECLIPSE:
    case GV_ATTACK_FLOOD:
        send_records(sim, thread, index, link, node->attacker->attack == GV_ATTACK_FLOOD);
        break;
    case GV_ATTACK_ACCUSE:
        accuse(sim, thread, index, link);
        break;
    case GV_ATTACK_RESET:
        if (gv_random_below(&node->random, RESET_ONE_IN) == 0) {
            gv_sim_break(sim, thread, index, link);
        }
        break;
    case GV_ATTACK_INCARNATION:
        tell_record(sim, thread, index, link);
        break;
    default:
        break;
    }
}

void gv_attack_act(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    gv_attack_start(sim, thread, index);
    if (node->attacker->attack == GV_ATTACK_INCARNATION) {
        be_born_again(sim, thread, index);
    } else if (node->attacker->attack == GV_ATTACK_GREEDY && sim->learning != NULL) {
        want_exchange(sim, thread, index);
    }
    for (uint32_t i = 0; i < node->link_cap; i++) { /* the table may grow, and move, while this goes on */
        uint32_t handle = node->links[i].handle;
        if (handle != 0 && node->links[i].up && gv_core_link_peer(node->core, handle) != NULL) {
            act_on(sim, thread, index, handle);
        }
    }
}
