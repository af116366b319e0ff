/*
 * From links to the core: frames are decoded, whatever carries signatures takes a turn through the worker, bulk
 * parameters are parked under a handle, and what is left is an event.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "node.h"
#include "wire.h"

#define CHECKS_PER_S 64u /* signature checks (of records) that one link may cause */
#define CHECKS_BURST 128u

/* ---- links ----------------------------------------------------------------------------------------------- */

static void on_up(void *context, uint32_t dial, uint32_t link)
{
    struct gv_event event = {.kind = GV_EV_LINK_UP, .link = link};
    event.u.dial.dial = dial;
    gv_node_event(context, &event);
}

static void on_dial_failed(void *context, uint32_t dial, const char *endpoint, enum gv_err why)
{
    gv_log_limited(GV_LEVEL_INFO, "dial", "dial failed", "to=%s why=\"%s\"", endpoint, gv_err_text((int)why));
    struct gv_event event = {.kind = GV_EV_DIAL_FAILED, .verdict = why};
    event.u.dial.dial = dial;
    gv_node_event(context, &event);
}

static void on_in(void *context, uint32_t link)
{
    struct gv_event event = {.kind = GV_EV_LINK_IN, .link = link};
    gv_node_event(context, &event);
}

static void on_bad(void *context, uint32_t link, enum gv_err why)
{
    struct gv_node *node = context;
    char host[GV_ENDPOINT_BYTES_MAX + 1];
    const char *address = gv_net_address(node->net, link);
    const char *port = strrchr(address, ':'); /* a source is a host, or every reconnect would have a fresh allowance */
    (void)snprintf(host, sizeof host, "%.*s", port != NULL ? (int)(port - address) : 0, address);
    enum gv_log_level level = why == GV_ERR_KIND ? GV_LEVEL_DEBUG : GV_LEVEL_UNUSUAL; /* a newer version is no fault */
    gv_log_limited(level, host, "bad frame", "from=%s why=\"%s\"", address, gv_err_text((int)why));
    struct gv_event event = {.kind = GV_EV_BAD_FRAME, .link = link, .verdict = why};
    gv_node_event(node, &event);
}

static void on_down(void *context, uint32_t link, enum gv_err why)
{
    struct gv_event event = {.kind = GV_EV_LINK_DOWN, .link = link, .verdict = why};
    gv_node_event(context, &event);
}

/* ---- parking --------------------------------------------------------------------------------------------- */

struct gv_parked *gv_node_parked(struct gv_node *node, uint32_t handle)
{
    return handle >= 1 && handle <= GV_PARKED_FRAMES && node->parked[handle - 1].used ? &node->parked[handle - 1]
                                                                                      : NULL;
}

/* Takes the frame. 0 if there is no room, which credit makes impossible for peers that keep to it. */
static uint32_t park(struct gv_node *node, zmq_msg_t *frame, bool inline_state)
{
    for (uint32_t i = 0; i < GV_PARKED_FRAMES; i++) {
        struct gv_parked *slot = &node->parked[i];
        if (!slot->used) {
            slot->used = true;
            slot->inline_state = inline_state;
            (void)zmq_msg_init(&slot->frame);
            (void)zmq_msg_move(&slot->frame, frame);
            return i + 1;
        }
    }
    return 0;
}

/* ---- verification ---------------------------------------------------------------------------------------- */

static bool carries_records(enum gv_kind kind)
{
    switch (kind) {
    case GV_KIND_HELLO:
    case GV_KIND_WELCOME:
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

static struct gv_check_rate *check_rate(struct gv_node *node, uint32_t link)
{
    struct gv_check_rate *rate = &node->check_rates[link % GV_LINK_SLOTS];
    if (rate->link != link) {
        *rate = (struct gv_check_rate){.link = link, .tokens = CHECKS_BURST * 1000u, .updated_us = gv_now_us()};
    }
    return rate;
}

/* Takes `count` tokens of this link's budget for signature checks. */
static bool may_check(struct gv_node *node, uint32_t link, uint32_t count)
{
    struct gv_check_rate *rate = check_rate(node, link);
    uint64_t now_us = gv_now_us();
    const uint32_t full = CHECKS_BURST * 1000u;
    uint64_t gained = gv_elapsed_us(now_us, rate->updated_us) * CHECKS_PER_S / 1000u;
    rate->tokens = gained >= full - rate->tokens ? full : rate->tokens + (uint32_t)gained;
    rate->updated_us = now_us;
    if (rate->tokens < count * 1000u) {
        return false;
    }
    rate->tokens -= count * 1000u;
    return true;
}

/* Adds a valid record's ref to the message. Our own record coming back is no news, nor ours to pass on; but in RECORDS
   one of another process by our key is. */
static void add_ref(const struct gv_node *node, struct gv_msg *msg, const struct gv_ref *ref)
{
    bool proof = msg->kind == GV_KIND_RECORDS && ref->boot != node->record.boot;
    bool own = gv_id_equal(&ref->id, &node->id) && !proof;
    if (!own && msg->ref_count < GV_RECORDS_PER_MSG_MAX) {
        msg->refs[msg->ref_count++] = *ref;
    }
}

/* The link's key must be the one its owner's record certifies, and the record that of the process that speaks. */
static enum gv_err check_owner(const struct gv_node *node, uint32_t link, const struct gv_msg_hello *hello,
                               const struct gv_record *record)
{
    const struct gv_curve_public *key = gv_net_key(node->net, link);
    if (key == NULL || memcmp(key->b, record->curve.b, sizeof key->b) != 0) {
        return GV_ERR_KEY_MISMATCH;
    }
    if (memcmp(hello->swarm.b, node->swarm.b, sizeof node->swarm.b) != 0) {
        return GV_ERR_SWARM;
    }
    return hello->boot == record->boot ? GV_OK : GV_ERR_MALFORMED;
}

static bool keep_record(void *context, const struct gv_id *id)
{
    const struct gv_node *node = context;
    return node->started && gv_core_references(node->core, id);
}

/* Stores a verified record of a valid member. */
static enum gv_err learn_record(struct gv_node *node, struct gv_ref *ref, const struct gv_record *record,
                                struct gv_span bytes)
{
    enum gv_err err = gv_trust_check(node->trust, &record->chain);
    if (err != GV_OK) {
        return err;
    }
    *ref = gv_record_ref(record);
    if (gv_id_equal(&ref->id, &node->id)) {
        return GV_OK;
    }
    node->trust_dirty = gv_trust_seen(node->trust, &record->chain) || node->trust_dirty;
    node->peers_dirty = true;
    err = gv_directory_put(node->directory, ref, record, bytes.data, bytes.bytes, keep_record, node);
    return err == GV_ERR_FULL ? GV_OK : err; /* the core may know it all the same; it cannot be dialled or passed on */
}

/* HELLO and WELCOME: the verdict that decides admission. */
static enum gv_err admit(struct gv_node *node, uint32_t link, struct gv_msg *msg, const struct gv_record *record,
                         struct gv_span bytes)
{
    enum gv_err err = check_owner(node, link, &msg->u.hello, record);
    if (err == GV_OK) {
        err = msg->kind == GV_KIND_HELLO ? gv_trust_admit(node->trust, &record->chain, (uint64_t)time(NULL))
                                         : gv_trust_check(node->trust, &record->chain);
    }
    if (err != GV_OK) {
        return err;
    }
    msg->u.hello.self = gv_record_ref(record);
    if (msg->u.hello.purpose == GV_PURPOSE_VISIT) {
        return GV_OK; /* uses no invite, enters no table */
    }
    struct gv_ref stored;
    err = learn_record(node, &stored, record, bytes);
    if (err == GV_OK && msg->kind == GV_KIND_HELLO && !gv_id_equal(&stored.id, &node->id)) {
        gv_tally_came_in(&node->tally, &stored.id, gv_net_address(node->net, link), gv_now_us());
    }
    return err;
}

static void deliver(struct gv_node *node, uint32_t link, struct gv_msg *msg, const struct gv_bulk *bulk,
                    enum gv_err verdict, uint32_t handle, size_t bytes)
{
    struct gv_event event = {.kind = GV_EV_MSG, .link = link, .verdict = verdict};
    event.u.msg.msg = msg;
    event.u.msg.handle = handle;
    event.u.msg.bytes = (uint32_t)bytes;
    node->current_bulk = bulk;
    gv_node_event(node, &event);
    node->current_bulk = NULL;
}

static void keep_leave(struct gv_node *node, const struct gv_verification *job)
{
    struct gv_leave_entry *entry = &node->leaves[node->leave_next++ % GV_LEAVES_KEPT];
    if (job->bulk.item[0].bytes <= sizeof entry->data) {
        entry->id = job->msg.u.leave.id;
        entry->bytes = job->bulk.item[0].bytes;
        memcpy(entry->data, job->bulk.item[0].data, entry->bytes);
    }
}

void gv_node_verified(struct gv_node *node, struct gv_verification *job)
{
    uint32_t link = job->link;
    node->verifications--;
    size_t bytes = zmq_msg_size(&job->frame);
    struct gv_msg *msg = &job->msg;
    enum gv_err verdict = job->verdict;
    if (msg->kind == GV_KIND_MANIFEST) {
        msg->u.manifest.version = job->manifest.version; /* zeros if it did not verify: then nobody looks */
        msg->u.manifest.hash = job->manifest.hash;
        deliver(node, job->link, msg, &job->bulk, verdict, 0, bytes);
        if (verdict == GV_OK) {
            job->has_manifest = false;
            struct gv_diag diag;
            (void)!gv_node_take_manifest(node, &job->manifest, &diag); /* it has logged why */
        }
    } else if (msg->kind == GV_KIND_LEAVE) {
        if (verdict == GV_OK) {
            keep_leave(node, job);
        }
        deliver(node, job->link, msg, &job->bulk, verdict, 0, bytes);
    } else if (msg->kind == GV_KIND_HELLO || msg->kind == GV_KIND_WELCOME) {
        if (verdict == GV_OK && gv_net_key(node->net, job->link) != NULL) {
            verdict = admit(node, job->link, msg, &job->records[0], job->bulk.item[0]);
        }
        node->current_chain = job->verdict == GV_OK ? &job->records[0].chain : NULL;
        deliver(node, job->link, msg, &job->bulk, verdict, 0, bytes);
        node->current_chain = NULL;
        const struct gv_id *peer = gv_core_link_peer(node->core, job->link);
        if (verdict == GV_OK && peer != NULL) { /* whom the core has let in may say where it sees us */
            gv_net_admitted(node->net, job->link);
            gv_node_observed(node, peer, msg->u.hello.observed);
        }
    } else {
        for (uint32_t i = 0; i < job->count; i++) {
            struct gv_ref ref;
            enum gv_err known = job->verdicts[i];
            if (known == GV_OK) {
                known = learn_record(node, &ref, &job->records[i], job->bulk.item[i]);
            }
            if (known == GV_OK) {
                add_ref(node, msg, &ref);
            } else if (job->verdicts[i] == GV_OK) { /* who passes it on may not have heard yet */
                gv_drop(&node->drops, GV_DROP_RECORD, gv_net_address(node->net, job->link));
            } else if (job->verdicts[i] == GV_ERR_SIGNATURE || job->verdicts[i] == GV_ERR_CHAIN) {
                verdict = job->verdicts[i]; /* nobody passes on what does not verify */
            }
        }
        deliver(node, job->link, msg, &job->bulk, verdict, 0, bytes);
    }
    gv_verification_free(&job);
    gv_node_checked(node, link);
}

static void send_to_worker(struct gv_node *node, uint32_t link, const struct gv_msg *msg, zmq_msg_t *frame)
{
    if (node->verifications >= GV_VERIFICATIONS_MAX) {
        gv_drop(&node->drops, GV_DROP_VERIFIER, gv_net_address(node->net, link));
        return;
    }
    struct gv_verification *job = calloc(1, sizeof *job);
    if (job == NULL) {
        gv_drop(&node->drops, GV_DROP_MEMORY, gv_net_address(node->net, link));
        return;
    }
    job->link = link;
    (void)zmq_msg_init(&job->frame);
    (void)zmq_msg_move(&job->frame, frame);
    job->msg = *msg;
    /* The spans must borrow from where the frame lives now. */
    struct gv_msg again;
    if (gv_wire_decode(&again, &job->bulk, zmq_msg_data(&job->frame), zmq_msg_size(&job->frame)) != GV_OK) {
        gv_verification_free(&job);
        return;
    }
    struct gv_mail mail = {.kind = GV_MAIL_VERIFY, .link = link, .data = job};
    if (gv_node_order(node, &mail)) {
        node->verifications++;
        struct gv_check_rate *rate = check_rate(node, link);
        rate->checks++;
        rate->verifying = msg->kind == GV_KIND_HELLO || msg->kind == GV_KIND_WELCOME;
    } else {
        gv_drop(&node->drops, GV_DROP_VERIFIER, gv_net_address(node->net, link));
        gv_verification_free(&job);
    }
}

/* True if every record of the message is known by its hash: refs are filled and nothing needs the worker. */
static bool all_known(const struct gv_node *node, struct gv_msg *msg, const struct gv_bulk *bulk)
{
    msg->ref_count = 0;
    for (uint32_t i = 0; i < bulk->count; i++) {
        struct gv_hash hash = gv_hash_of(bulk->item[i].data, bulk->item[i].bytes);
        struct gv_ref ref;
        if (bulk->item[i].bytes == node->record_bytes &&
            memcmp(bulk->item[i].data, node->record_data, node->record_bytes) == 0) {
            continue;
        }
        if (!gv_directory_knows(node->directory, &hash, &ref)) {
            msg->ref_count = 0;
            return false;
        }
        add_ref(node, msg, &ref);
    }
    return true;
}

static void take_trust(struct gv_node *node, uint32_t link, struct gv_msg *msg, const struct gv_bulk *bulk,
                       size_t bytes)
{
    bool any = false;
    enum gv_err verdict = GV_OK;
    /* Rare and bounded: entries are few in the life of a swarm and each is verified once. */
    for (uint32_t i = 0; i < bulk->count; i++) {
        if (!may_check(node, link, 1)) {
            gv_drop(&node->drops, GV_DROP_CHECKS, gv_net_address(node->net, link));
            break;
        }
        bool added = false;
        enum gv_err err = gv_trust_add(node->trust, &added, bulk->item[i].data, bulk->item[i].bytes);
        /* Who has not heard of the root's entry yet may well send one that this has made void. */
        verdict = err == GV_OK || err == GV_ERR_FULL || err == GV_ERR_REVOKED ? verdict : err;
        any = any || added;
    }
    deliver(node, link, msg, bulk, verdict, 0, bytes);
    node->trust_news = node->trust_news || any;
}

/* ---- frames ---------------------------------------------------------------------------------------------- */

/* Takes the frame, until the worker is done with what came before it on this link. */
static void wait_behind(struct gv_node *node, uint32_t link, zmq_msg_t *frame)
{
    uint32_t same = 0;
    for (uint32_t i = 0; i < node->waiting_count; i++) {
        same += node->waiting[i].link == link ? 1 : 0;
    }
    if (same >= GV_WAITING_PER_LINK || node->waiting_count >= GV_WAITING_FRAMES) { /* lost, as a stranger's is */
        gv_drop(&node->drops, GV_DROP_GREETING, gv_net_address(node->net, link));
        return;
    }
    zmq_msg_t *kept = malloc(sizeof *kept);
    if (kept == NULL) {
        gv_drop(&node->drops, GV_DROP_MEMORY, gv_net_address(node->net, link));
        return;
    }
    (void)zmq_msg_init(kept);
    (void)zmq_msg_move(kept, frame);
    node->waiting[node->waiting_count++] = (struct gv_waiting){.link = link, .frame = kept};
}

static void on_frame(void *context, uint32_t link, zmq_msg_t *frame)
{
    struct gv_node *node = context;
    if (check_rate(node, link)->verifying) { /* the core would take it for a stranger's word */
        wait_behind(node, link, frame);
        return;
    }
    struct gv_msg msg;
    struct gv_bulk bulk;
    size_t bytes = zmq_msg_size(frame);
    enum gv_err err = gv_wire_decode(&msg, &bulk, zmq_msg_data(frame), bytes);
    if (err != GV_OK) {
        on_bad(node, link, err);
        return;
    }
    if (msg.kind == GV_KIND_REFUSE && check_rate(node, link)->checks > 0) { /* the records before it are to be of use */
        wait_behind(node, link, frame);
        return;
    }
    bool greeting = msg.kind == GV_KIND_HELLO || msg.kind == GV_KIND_WELCOME;
    bool known_peer = gv_core_link_peer(node->core, link) != NULL;
    bool parameters = msg.kind == GV_KIND_CHUNK ||
                      ((msg.kind == GV_KIND_OFFER || msg.kind == GV_KIND_ACCEPT) && msg.u.offer.inline_state);
    if (parameters && known_peer) {
        uint32_t handle = park(node, frame, msg.kind != GV_KIND_CHUNK);
        if (handle == 0) {
            on_bad(node, link, GV_ERR_RATE);
            return;
        }
        deliver(node, link, &msg, NULL, GV_OK, handle, bytes);
    } else if (greeting && !known_peer && !check_rate(node, link)->greeted) {
        check_rate(node, link)->greeted = true; /* a link introduces itself once */
        send_to_worker(node, link, &msg, frame);
    } else if (greeting) {
        on_bad(node, link, GV_ERR_PROTOCOL);
    } else if (known_peer && (msg.kind == GV_KIND_LEAVE || msg.kind == GV_KIND_MANIFEST ||
                              (carries_records(msg.kind) && !all_known(node, &msg, &bulk)))) {
        if (may_check(node, link, bulk.count > 0 ? bulk.count : 1)) {
            send_to_worker(node, link, &msg, frame);
        } else { /* whoever floods us with records is not worth the signatures */
            gv_drop(&node->drops, GV_DROP_CHECKS, gv_net_address(node->net, link));
        }
    } else if (msg.kind == GV_KIND_TRUST && (known_peer || gv_net_dialled(node->net, link))) {
        /* whom we dial may show us why it refuses us: the entries carry their own proof */
        take_trust(node, link, &msg, &bulk, bytes);
    } else {
        deliver(node, link, &msg, &bulk, GV_OK, 0, bytes); /* the core knows what an unverified link may say */
    }
}

void gv_node_checked(struct gv_node *node, uint32_t link)
{
    struct gv_check_rate *rate = &node->check_rates[link % GV_LINK_SLOTS];
    bool gone = rate->link != link; /* and another link is in its place */
    if (!gone) {
        rate->checks--;
        rate->verifying = false; /* a greeting is alone at the worker: what follows it waits */
    }
    for (uint32_t i = 0; i < node->waiting_count && (gone || rate->checks == 0);) {
        if (node->waiting[i].link != link) {
            i++;
            continue;
        }
        struct gv_waiting next = node->waiting[i];
        node->waiting_count--;
        memmove(&node->waiting[i], &node->waiting[i + 1], (node->waiting_count - i) * sizeof node->waiting[0]);
        if (!gone) {
            on_frame(node, link, next.frame);
        }
        (void)zmq_msg_close(next.frame);
        free(next.frame);
    }
}

struct gv_net_handler gv_node_net_handler(struct gv_node *node)
{
    return (struct gv_net_handler){.context = node,
                                   .up = on_up,
                                   .dial_failed = on_dial_failed,
                                   .in = on_in,
                                   .frame = on_frame,
                                   .bad = on_bad,
                                   .down = on_down};
}
