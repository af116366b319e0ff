/*
 * Messages <-> frames of simulated nodes, through the real wire format: what the daemon's loop does with what it sends
 * and receives. Records, entries and farewells are checked by identities.c; parameters are parked under a handle.
 *
 * All nodes of a run hold the same manifest, so MANIFEST is never sent; one that comes is a damaged frame.
 */
#include <stdlib.h>
#include <string.h>

#include "newer.h"
#include "wire.h"
#include "world.h"

#define COPIED_BYTES_MAX 8192u
#define HASHED_BYTES_MAX 8192u
#define BOOK_LUCK 8u /* one record in so many finds its way into a full address book */

struct gv_frame *gv_sim_frame_new(const uint8_t *data, uint32_t bytes)
{
    struct gv_frame *frame = malloc(sizeof *frame + bytes);
    GV_ASSERT(frame != NULL);
    memset(frame, 0, sizeof *frame);
    frame->bytes = bytes;
    memcpy(frame->data, data, bytes);
    return frame;
}

void gv_sim_frame_free(struct gv_frame *frame)
{
    if (frame != NULL) {
        gv_snapshot_release(&frame->snapshot);
        free(frame);
    }
}

struct gv_span gv_sim_frame_span(const struct gv_frame *frame)
{
    if (frame->snapshot != NULL) {
        return gv_snapshot_frame(frame->snapshot, frame->index);
    }
    return (struct gv_span){.data = frame->data, .bytes = frame->bytes};
}

/* ---- sending ----------------------------------------------------------------------------------------------- */

static void add_span(struct gv_bulk *bulk, struct gv_span span)
{
    if (span.bytes > 0 && bulk->count < GV_RECORDS_PER_MSG_MAX) {
        bulk->item[bulk->count++] = span;
    }
}

static void add_version(struct gv_bulk *bulk, const struct gv_version *version)
{
    if (version != NULL) {
        add_span(bulk, (struct gv_span){.data = version->data, .bytes = version->bytes});
    }
}

static void add_records(struct gv_sim *sim, const struct gv_sim_node *node, struct gv_bulk *bulk,
                        const struct gv_msg *msg)
{
    gv_identities_prefetch_refs(sim->identities, msg->refs, msg->ref_count);
    for (uint32_t i = 0; i < msg->ref_count; i++) {
        uint32_t owner = gv_identities_find(sim->identities, &msg->refs[i].id);
        if (owner == node->identity) {
            add_version(bulk, node->version);
        } else if (owner != GV_NODE_NONE) { /* one that is forgotten is left out, as the daemon does */
            add_version(bulk, gv_identities_version(sim->identities, owner, &msg->refs[i]));
        }
    }
}

static void add_entries(const struct gv_sim *sim, struct gv_bulk *bulk, uint64_t entries)
{
    for (uint32_t e = 0; entries != 0; e++, entries >>= 1) {
        if ((entries & 1) != 0) {
            add_span(bulk, gv_identities_entry(sim->identities, e));
        }
    }
}

/* The entries we know that expel this identity. */
static uint64_t entries_against(const struct gv_sim *sim, const struct gv_sim_node *node, uint32_t identity)
{
    uint64_t against = 0;
    for (uint32_t e = 0; node->entries >> e != 0; e++) {
        bool known = (node->entries >> e & 1) != 0;
        against |= known && gv_identities_entry_target(sim->identities, e) == identity ? UINT64_C(1) << e : 0;
        if (e == GV_ENTRIES_MAX - 1) {
            break;
        }
    }
    return against;
}

static void fill_bulk(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, struct gv_bulk *bulk,
                      const struct gv_msg *msg, uint8_t hashes[8 * GV_ENTRIES_MAX])
{
    struct gv_sim_node *node = &sim->nodes[index];
    const struct gv_sim_local *local = gv_sim_local(thread);
    switch (msg->kind) {
    case GV_KIND_HELLO:
    case GV_KIND_WELCOME:
        add_version(bulk, node->version);
        return;
    case GV_KIND_PING:
    case GV_KIND_PONG:
        if (msg->u.ping.has_record) {
            add_version(bulk, node->version);
        }
        return;
    case GV_KIND_LEAVE: {
        uint32_t who = gv_identities_find(sim->identities, &msg->u.leave.id);
        struct gv_span farewell = {0};
        if (who != GV_NODE_NONE) {
            farewell = gv_identities_farewell(sim->identities, who);
        }
        if (farewell.bytes == 0 && node->attacker != NULL) {
            farewell = gv_attack_forgery();
        }
        add_span(bulk, farewell);
        return;
    }
    case GV_KIND_OFFER:
    case GV_KIND_ACCEPT:
        if (msg->u.offer.inline_state) {
            add_span(bulk, gv_sim_inline_state(node, msg->u.offer.nonce));
        }
        return;
    case GV_KIND_TRUST_HAVE:
        bulk->item[bulk->count++] =
            (struct gv_span){.data = hashes, .bytes = gv_identities_hashes(sim->identities, node->entries, hashes)};
        return;
    case GV_KIND_TRUST:
        add_entries(sim, bulk, node->entries & ~local->their_entries);
        return;
    default:
        add_records(sim, node, bulk, msg);
    }
}

/* Small frames are cut to size; a large one is encoded where it stays. */
static struct gv_frame *encode(struct gv_sim_local *local, const struct gv_msg *msg, const struct gv_bulk *bulk,
                               bool newer)
{
    size_t bytes = 0;
    size_t bound = gv_wire_bound(msg, bulk) + (newer ? GV_NEWER_BYTES : 0);
    struct gv_frame *frame = NULL;
    uint8_t *out = local->encode;
    if (bound > COPIED_BYTES_MAX) {
        frame = malloc(sizeof *frame + bound);
        GV_ASSERT(frame != NULL);
        memset(frame, 0, sizeof *frame);
        out = frame->data;
    }
    enum gv_err err = gv_wire_encode(out, bound, &bytes, msg, bulk);
    GV_ASSERT(err == GV_OK && (frame != NULL || bound <= GV_SIM_ENCODE_BYTES));
    bytes = newer ? gv_newer_extend(out, bytes) : bytes;
    if (frame == NULL) {
        return gv_sim_frame_new(out, (uint32_t)bytes);
    }
    frame->bytes = (uint32_t)bytes;
    return frame;
}

/* Four lanes side by side: a frame of records is kilobytes, and one lane would wait for each multiplication. What
 * follows in longer ones is parameters. */
static uint64_t hash_bytes(const uint8_t *data, size_t bytes)
{
    uint64_t lane[4] = {bytes, 1, 2, 3};
    bytes = bytes < HASHED_BYTES_MAX ? bytes : HASHED_BYTES_MAX;
    for (; bytes >= 32; data += 32, bytes -= 32) {
        uint64_t word[4];
        memcpy(word, data, sizeof word);
        for (int i = 0; i < 4; i++) {
            lane[i] = gv_sim_mix(lane[i], word[i]);
        }
    }
    uint64_t rest[4] = {0};
    memcpy(rest, data, bytes);
    for (int i = 0; i < 4; i++) {
        lane[i] = gv_sim_mix(lane[i], rest[i]);
    }
    return gv_sim_mix(gv_sim_mix(lane[0], lane[1]), gv_sim_mix(lane[2], lane[3]));
}

/* What is wrong on the node's own machine does not travel, as with the daemon. */
static void mask_reason(struct gv_msg *msg)
{
    bool exchange = msg->kind == GV_KIND_BUSY || msg->kind == GV_KIND_ABORT;
    if (exchange && msg->u.exchange.reason > GV_OK && msg->u.exchange.reason < 100) {
        msg->u.exchange.reason = GV_ERR_BUSY;
    }
}

static void send_frame(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t link,
                       const struct gv_msg *msg)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_sim_local *local = gv_sim_local(thread);
    struct gv_bulk bulk;
    uint8_t hashes[8 * GV_ENTRIES_MAX];
    bulk.count = 0;
    fill_bulk(sim, thread, index, &bulk, msg, hashes);
    struct gv_frame *frame = encode(local, msg, &bulk, node->newer);
    bool state = (msg->kind == GV_KIND_OFFER || msg->kind == GV_KIND_ACCEPT) && msg->u.offer.inline_state;
    if (state && bulk.count > 0) {
        local->bytes_state += bulk.item[0].bytes;
    }
    node->trace = gv_sim_mix(node->trace, hash_bytes(frame->data, frame->bytes));
    gv_sim_transmit(sim, thread, index, link, frame);
}

void gv_sim_send(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t link, struct gv_msg *msg)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_sim_local *local = gv_sim_local(thread);
    if (msg->kind == GV_KIND_MANIFEST || (node->attacker != NULL && !gv_attack_send(sim, thread, index, link, msg))) {
        return;
    }
    if (msg->kind == GV_KIND_REFUSE && msg->u.refuse.reason == GV_ERR_REVOKED && local->greeting != GV_NODE_NONE) {
        /* The signed entries first: nobody should take a peer's word for it. */
        struct gv_msg *evidence = local->msg_out;
        evidence->kind = GV_KIND_TRUST;
        evidence->ref_count = 0;
        local->their_entries = ~entries_against(sim, node, local->greeting);
        send_frame(sim, thread, index, link, evidence);
        local->their_entries = 0;
    }
    if (node->newer) {
        gv_newer_greet(msg);
    }
    mask_reason(msg);
    send_frame(sim, thread, index, link, msg);
    if (node->newer && msg->kind == GV_KIND_PING) {
        size_t bytes;
        const uint8_t *unknown = gv_newer_unknown(&bytes);
        gv_sim_transmit(sim, thread, index, link, gv_sim_frame_new(unknown, (uint32_t)bytes));
    }
}

/* ---- receiving --------------------------------------------------------------------------------------------- */

static void bad_frame(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t link, enum gv_err why)
{
    struct gv_event event = {.kind = GV_EV_BAD_FRAME, .link = link, .verdict = why};
    gv_sim_step(sim, thread, index, &event);
}

static void deliver(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t link, struct gv_msg *msg,
                    enum gv_err verdict, uint32_t handle, uint32_t bytes)
{
    struct gv_event event = {.kind = GV_EV_MSG, .link = link, .verdict = verdict};
    event.u.msg.msg = msg;
    event.u.msg.handle = handle;
    event.u.msg.bytes = bytes;
    gv_sim_step(sim, thread, index, &event);
}

static bool carries_records(enum gv_kind kind)
{
    switch (kind) {
    case GV_KIND_PING:
    case GV_KIND_PONG:
    case GV_KIND_NEIGHBOUR_REPLY:
    case GV_KIND_FORWARD_JOIN:
    case GV_KIND_SHUFFLE:
    case GV_KIND_SHUFFLE_REPLY:
    case GV_KIND_RECORDS:
        return true;
    default:
        return false;
    }
}

/* Someone to dial after a restart, or when a partition has healed. */
static void note_in_book(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t owner)
{
    struct gv_sim_node *node = &sim->nodes[index];
    uint32_t room = sim->scenario->book;
    if (room == 0 || !gv_network_dialable(sim->network, owner)) {
        return;
    }
    if (node->book_count == room && gv_random_below(&node->random, BOOK_LUCK) != 0) {
        return;
    }
    for (uint32_t i = 0; i < node->book_count; i++) {
        if (node->book[i] == owner) {
            return;
        }
    }
    if (node->book == NULL) {
        node->book = calloc(room, sizeof *node->book);
        GV_ASSERT(node->book != NULL);
    }
    if (node->book_count == room) {
        node->book[gv_random_below(&node->random, room)] = owner;
        return;
    }
    node->book[node->book_count++] = owner;
    struct gv_event event = {.kind = GV_EV_BOOK};
    event.u.book.book_count = node->book_count;
    event.u.book.seed_count = node->seed_count;
    gv_sim_step(sim, thread, index, &event);
}

/* Fills msg->refs with the records that hold; the verdict is bad only if something in it is forged. */
static enum gv_err check_records(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, struct gv_msg *msg,
                                 const struct gv_bulk *bulk)
{
    const struct gv_sim_node *node = &sim->nodes[index];
    enum gv_err verdict = GV_OK;
    msg->ref_count = 0;
    gv_identities_prefetch_records(sim->identities, bulk->item, bulk->count);
    for (uint32_t i = 0; i < bulk->count; i++) {
        uint32_t owner = GV_NODE_NONE;
        struct gv_ref ref;
        enum gv_err err = gv_identities_verify(sim->identities, &owner, &ref, bulk->item[i].data, bulk->item[i].bytes);
        if (err == GV_ERR_SIGNATURE || err == GV_ERR_CHAIN) {
            verdict = err; /* nobody passes on what does not verify */
        }
        bool own = owner == node->identity;
        bool proof = msg->kind == GV_KIND_RECORDS && ref.boot != node->boot; /* a copied key */
        if (err != GV_OK || (own && !proof) || entries_against(sim, node, owner) != 0) {
            continue;
        }
        msg->refs[msg->ref_count++] = ref;
        if (own) {
            continue;
        }
        if (node->attacker != NULL) {
            gv_attack_heard(sim, node->attacker, owner, &ref);
        }
        note_in_book(sim, thread, index, owner);
    }
    return verdict;
}

/* HELLO and WELCOME: the verdict that decides admission. */
static enum gv_err check_greeting(struct gv_sim *sim, struct gv_thread *thread, uint32_t index,
                                  const struct gv_sim_link *link, struct gv_msg *msg, const struct gv_bulk *bulk)
{
    const struct gv_sim_node *node = &sim->nodes[index];
    uint32_t owner = GV_NODE_NONE;
    if (bulk->count != 1) {
        return GV_ERR_MALFORMED;
    }
    struct gv_ref ref;
    enum gv_err err = gv_identities_verify(sim->identities, &owner, &ref, bulk->item[0].data, bulk->item[0].bytes);
    if (err != GV_OK) {
        return err;
    }
    if (owner != sim->nodes[link->far].identity) {
        return GV_ERR_KEY_MISMATCH;
    }
    if (memcmp(msg->u.hello.swarm.b, sim->swarm.b, sizeof sim->swarm.b) != 0) {
        return GV_ERR_SWARM;
    }
    if (msg->u.hello.boot != ref.boot) {
        return GV_ERR_MALFORMED;
    }
    gv_sim_local(thread)->greeting = owner;
    if (entries_against(sim, node, owner) != 0) {
        return GV_ERR_REVOKED;
    }
    msg->u.hello.self = ref;
    if (node->attacker != NULL) {
        gv_attack_heard(sim, node->attacker, owner, &ref);
    }
    note_in_book(sim, thread, index, owner);
    return GV_OK;
}

void gv_sim_learn_entries(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint64_t entries)
{
    struct gv_sim_node *node = &sim->nodes[index];
    uint64_t news = entries & ~node->entries;
    if (news == 0) {
        return;
    }
    node->entries |= news;
    for (uint32_t e = 0; e < GV_ENTRIES_MAX && node->live; e++) {
        if ((news >> e & 1) != 0) {
            struct gv_event event = {.kind = GV_EV_REVOKED};
            uint32_t target = gv_identities_entry_target(sim->identities, e);
            event.u.revoked = *gv_identities_id(sim->identities, target);
            node->watch.entries |= UINT64_C(1) << e;
            gv_vitals_learnt(sim, thread, e);
            gv_sim_step(sim, thread, index, &event);
        }
    }
    if (node->live) {
        struct gv_event event = {.kind = GV_EV_TRUST};
        event.u.trust_digest = gv_identities_digest(sim->identities, node->entries);
        gv_sim_step(sim, thread, index, &event);
    }
}

static void take_entries(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t link,
                         struct gv_msg *msg, const struct gv_bulk *bulk, uint32_t bytes)
{
    uint64_t named = 0;
    enum gv_err verdict = GV_OK;
    for (uint32_t i = 0; i < bulk->count; i++) {
        uint32_t entry = 0;
        enum gv_err err = gv_identities_entry_verify(sim->identities, &entry, bulk->item[i].data, bulk->item[i].bytes);
        if (err == GV_OK) {
            named |= UINT64_C(1) << entry;
        } else {
            verdict = err;
        }
    }
    deliver(sim, thread, index, link, msg, verdict, 0, bytes);
    if (sim->nodes[index].live) {
        gv_sim_learn_entries(sim, thread, index, named);
    }
}

/* Keeps the parameters of a frame for the core, which names them by the handle. */
static uint32_t park(struct gv_sim_node *node, struct gv_frame *frame, const struct gv_bulk *bulk, bool inline_state)
{
    struct gv_span span = gv_sim_frame_span(frame);
    frame->handle = ++node->next_frame;
    frame->inline_state = inline_state;
    frame->payload_offset = bulk->count == 1 ? (uint32_t)(bulk->item[0].data - span.data) : 0;
    frame->payload_bytes = bulk->count == 1 ? (uint32_t)bulk->item[0].bytes : 0;
    frame->next = node->parked;
    node->parked = frame;
    return frame->handle;
}

static void greeting(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, struct gv_sim_link *link,
                     struct gv_msg *msg, const struct gv_bulk *bulk, uint32_t bytes)
{
    uint32_t handle = link->handle;
    if (link->greeted) { /* a link introduces itself once */
        bad_frame(sim, thread, index, handle, GV_ERR_PROTOCOL);
        return;
    }
    link->greeted = true;
    enum gv_err verdict = check_greeting(sim, thread, index, link, msg, bulk);
    deliver(sim, thread, index, handle, msg, verdict, 0, bytes);
    gv_sim_local(thread)->greeting = GV_NODE_NONE;
}

/* Everything but parameters. */
static void plain(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t link, struct gv_msg *msg,
                  const struct gv_bulk *bulk, uint32_t bytes)
{
    struct gv_sim_local *local = gv_sim_local(thread);
    enum gv_err verdict = GV_OK;
    const struct gv_sim_node *node = &sim->nodes[index];
    bool ours = gv_sim_link(&sim->nodes[index], link)->dial != 0; /* whom we dial may show us why it refuses us */
    if (msg->kind == GV_KIND_TRUST && (ours || gv_core_link_peer(node->core, link) != NULL)) {
        take_entries(sim, thread, index, link, msg, bulk, bytes);
        return;
    }
    if (msg->kind == GV_KIND_TRUST_HAVE && bulk->count == 1) {
        local->their_entries = gv_identities_named(sim->identities, bulk->item[0].data, bulk->item[0].bytes);
    } else if (msg->kind == GV_KIND_LEAVE) {
        verdict = bulk->count == 1
                      ? gv_identities_farewell_verify(sim->identities, &msg->u.leave.id, &msg->u.leave.incarnation,
                                                      bulk->item[0].data, bulk->item[0].bytes)
                      : GV_ERR_MALFORMED;
    } else if (msg->kind == GV_KIND_MANIFEST) {
        verdict = GV_ERR_SIGNATURE;
    } else if (carries_records(msg->kind)) {
        verdict = check_records(sim, thread, index, msg, bulk);
    }
    if (node->attacker == NULL || gv_attack_receive(sim, index, link, msg->kind)) {
        deliver(sim, thread, index, link, msg, verdict, 0, bytes);
    }
    local->their_entries = 0;
}

void gv_sim_receive(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t link, struct gv_frame *frame)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_msg *msg = gv_sim_local(thread)->msg_in;
    struct gv_bulk bulk;
    struct gv_span span = gv_sim_frame_span(frame);
    enum gv_err err = gv_wire_decode(msg, &bulk, span.data, span.bytes);
    if (err != GV_OK) {
        gv_sim_frame_free(frame);
        bad_frame(sim, thread, index, link, err);
        return;
    }
    uint32_t bytes = frame->bytes;
    bool state = (msg->kind == GV_KIND_OFFER || msg->kind == GV_KIND_ACCEPT) && msg->u.offer.inline_state;
    if ((msg->kind == GV_KIND_CHUNK || state) && gv_core_link_peer(node->core, link) != NULL) {
        uint32_t handle = park(node, frame, &bulk, state);
        deliver(sim, thread, index, link, msg, GV_OK, handle, bytes);
        return;
    }
    if (msg->kind == GV_KIND_HELLO || msg->kind == GV_KIND_WELCOME) {
        greeting(sim, thread, index, gv_sim_link(node, link), msg, &bulk, bytes);
    } else {
        plain(sim, thread, index, link, msg, &bulk, bytes);
    }
    gv_sim_frame_free(frame);
}
