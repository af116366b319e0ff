/*
 * From the core to the world: each effect becomes a frame, a dial, an order to a thread, or a line in the log.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "node.h"
#include "scope.h"
#include "tensor.h"
#include "wire.h"

#define REFUSALS_BELIEVED 3

/* ---- sending --------------------------------------------------------------------------------------------- */

static struct gv_span own_record(const struct gv_node *node)
{
    return (struct gv_span){.data = node->record_data, .bytes = node->record_bytes};
}

/* The records a message names. One that is no longer known is left out: the peer gets what there is. */
static void add_records(const struct gv_node *node, struct gv_bulk *bulk, const struct gv_msg *msg)
{
    for (uint32_t i = 0; i < msg->ref_count && bulk->count < GV_RECORDS_PER_MSG_MAX; i++) {
        const struct gv_id *id = &msg->refs[i].id;
        struct gv_span bytes = gv_id_equal(id, &node->id) ? own_record(node) : gv_directory_bytes(node->directory, id);
        if (bytes.bytes > 0) {
            bulk->item[bulk->count++] = bytes;
        }
    }
}

/* The entries that say why the member whose HELLO the core is looking at is none any more. */
static void add_evidence(const struct gv_node *node, struct gv_bulk *bulk)
{
    for (uint32_t i = 0; i < gv_trust_count(node->trust) && bulk->count < GV_RECORDS_PER_MSG_MAX; i++) {
        if (gv_trust_concerns(node->trust, i, node->current_chain)) {
            bulk->item[bulk->count++] = gv_trust_entry(node->trust, i);
        }
    }
}

/* Entries that the peer, whose TRUST_HAVE the core is answering, does not list; as many as fit a frame. */
static void add_missing_entries(const struct gv_node *node, struct gv_bulk *bulk)
{
    struct gv_span theirs = {0};
    if (node->current_bulk != NULL && node->current_bulk->count > 0) {
        theirs = node->current_bulk->item[0];
    }
    struct gv_span ours = gv_trust_hashes(node->trust);
    for (uint32_t i = 0; i < gv_trust_count(node->trust) && bulk->count < GV_RECORDS_PER_MSG_MAX; i++) {
        bool has = false;
        for (size_t at = 0; at + 8 <= theirs.bytes && !has; at += 8) {
            has = memcmp(theirs.data + at, ours.data + 8 * (size_t)i, 8) == 0;
        }
        if (!has) {
            bulk->item[bulk->count++] = gv_trust_entry(node->trust, i);
        }
    }
}

static void add_leave(struct gv_node *node, struct gv_bulk *bulk, const struct gv_id *id)
{
    if (gv_id_equal(id, &node->id)) {
        struct gv_leave_entry *entry = &node->leaves[node->leave_next++ % GV_LEAVES_KEPT];
        entry->id = *id;
        if (gv_leave_sign(entry->data, &entry->bytes, &node->swarm, node->record.incarnation, node->sign) == GV_OK) {
            bulk->item[bulk->count++] = (struct gv_span){.data = entry->data, .bytes = entry->bytes};
        }
        return;
    }
    for (size_t i = 0; i < GV_LEAVES_KEPT; i++) {
        const struct gv_leave_entry *entry = &node->leaves[i];
        if (entry->bytes > 0 && gv_id_equal(&entry->id, id)) {
            bulk->item[bulk->count++] = (struct gv_span){.data = entry->data, .bytes = entry->bytes};
            return;
        }
    }
}

/* The whole stage, small enough to ride in an OFFER or ACCEPT. Its values become what the peer will see. */
static void add_state(struct gv_node *node, struct gv_bulk *bulk, uint8_t encoded[GV_INLINE_BYTES_MAX])
{
    enum gv_codec codec = (enum gv_codec)node->snapshot_codec;
    size_t bytes = gv_tensor_bytes(codec, node->trainer.exchanged);
    GV_ASSERT(bytes <= GV_INLINE_BYTES_MAX);
    gv_tensor_quantise(encoded, codec, node->trainer.stage, node->trainer.exchanged);
    bulk->item[bulk->count++] = (struct gv_span){.data = encoded, .bytes = bytes};
}

static void fill_bulk(struct gv_node *node, struct gv_bulk *bulk, struct gv_msg *msg,
                      uint8_t encoded[GV_INLINE_BYTES_MAX], uint32_t link)
{
    switch (msg->kind) {
    case GV_KIND_HELLO:
    case GV_KIND_WELCOME:
        memcpy(msg->u.hello.observed, gv_net_address(node->net, link), sizeof msg->u.hello.observed);
        bulk->item[bulk->count++] = own_record(node);
        return;
    case GV_KIND_PING:
    case GV_KIND_PONG:
        if (msg->u.ping.has_record) {
            bulk->item[bulk->count++] = own_record(node);
        }
        return;
    case GV_KIND_LEAVE:
        add_leave(node, bulk, &msg->u.leave.id);
        return;
    case GV_KIND_OFFER:
    case GV_KIND_ACCEPT:
        if (msg->u.offer.inline_state) {
            add_state(node, bulk, encoded);
        }
        return;
    case GV_KIND_MANIFEST:
        bulk->item[bulk->count++] =
            (struct gv_span){.data = (const uint8_t *)node->manifest.text, .bytes = node->manifest.text_bytes};
        return;
    case GV_KIND_TRUST_HAVE:
        bulk->item[bulk->count++] = gv_trust_hashes(node->trust);
        return;
    case GV_KIND_TRUST:
        if (node->current_chain != NULL) {
            add_evidence(node, bulk);
        } else {
            add_missing_entries(node, bulk);
        }
        return;
    default:
        add_records(node, bulk, msg);
    }
}

static void queue_event(struct gv_node *node, const struct gv_event *event)
{
    if (node->queue_count < GV_QUEUED_EVENTS) {
        node->queue[(node->queue_first + node->queue_count++) % GV_QUEUED_EVENTS] = *event;
    } else {
        gv_drop(&node->drops, GV_DROP_EVENTS, "");
    }
}

static void send_failed(struct gv_node *node, uint32_t link)
{
    struct gv_event event = {.kind = GV_EV_SEND_FAILED, .link = link};
    queue_event(node, &event);
}

/* Only errors of the protocol travel: what is wrong on our machine is nobody else's business. */
static void mask_reason(struct gv_msg *msg)
{
    uint32_t *reason = NULL;
    if (msg->kind == GV_KIND_REFUSE) {
        reason = &msg->u.refuse.reason;
    } else if (msg->kind == GV_KIND_BUSY || msg->kind == GV_KIND_ABORT) {
        reason = &msg->u.exchange.reason;
    } else if (msg->kind == GV_KIND_FETCH_REPLY) {
        reason = &msg->u.fetch.reason;
    }
    if (reason != NULL && *reason != GV_OK && (*reason < 100 || *reason > 199)) {
        *reason = GV_ERR_BUSY;
    }
}

static void send_frame(struct gv_node *node, uint32_t link, struct gv_msg *msg)
{
    uint8_t encoded[GV_INLINE_BYTES_MAX];
    struct gv_bulk bulk = {0};
    zmq_msg_t frame;
    size_t bytes = 0;
    mask_reason(msg);
    fill_bulk(node, &bulk, msg, encoded, link);
    if (gv_wire_encode(node->scratch, GV_FRAME_BYTES_MAX, &bytes, msg, &bulk) != GV_OK) {
        gv_log(GV_LEVEL_BROKEN, "cannot encode a message", "kind=%s", gv_kind_name((uint32_t)msg->kind));
        return;
    }
    if (zmq_msg_init_size(&frame, bytes) != 0) {
        send_failed(node, link);
        return;
    }
    memcpy(zmq_msg_data(&frame), node->scratch, bytes);
    gv_shaper_debit(&node->up, bytes);
    if (gv_net_send(node->net, link, &frame) == GV_ERR_BUSY) {
        send_failed(node, link);
    }
}

/* Who is refused as no longer a member gets the signed entries first: it should not take a peer's word for it. */
static void send_message(struct gv_node *node, uint32_t link, struct gv_msg *msg)
{
    if (msg->kind == GV_KIND_REFUSE && node->current_chain != NULL &&
        (msg->u.refuse.reason == GV_ERR_REVOKED || msg->u.refuse.reason == GV_ERR_CLOSED)) {
        struct gv_msg *evidence = calloc(1, sizeof *evidence);
        if (evidence != NULL) {
            evidence->kind = GV_KIND_TRUST;
            send_frame(node, link, evidence);
            free(evidence);
        }
    }
    send_frame(node, link, msg);
}

/* ---- dialling -------------------------------------------------------------------------------------------- */

static void dial_failed(struct gv_node *node, uint32_t dial, enum gv_err why)
{
    struct gv_event event = {.kind = GV_EV_DIAL_FAILED, .verdict = why};
    event.u.dial.dial = dial;
    queue_event(node, &event);
}

/* Of a name, only addresses of the family are looked up. */
static bool family_allows(const struct gv_node *node, const char *endpoint)
{
    bool v6 = strchr(endpoint, '[') != NULL;
    return node->config.family == GV_FAMILY_ANY || !gv_endpoint_literal(endpoint) ||
           (node->config.family == GV_FAMILY_IPV6) == v6;
}

/* One of the record's endpoints; another at each try. */
static void dial_record(struct gv_node *node, uint32_t dial, const struct gv_record *record)
{
    for (uint32_t i = 0; record != NULL && i < record->endpoint_count; i++) {
        const char *endpoint = record->endpoints[(dial + i) % record->endpoint_count];
        if (family_allows(node, endpoint)) {
            gv_net_dial(node->net, dial, endpoint, &record->curve, gv_now_us());
            return;
        }
    }
    dial_failed(node, dial, GV_ERR_FAMILY);
}

static void dial_book(struct gv_node *node, uint32_t dial, uint32_t index)
{
    const struct gv_record *record = NULL;
    if (index < gv_directory_count(node->directory)) {
        struct gv_span bytes;
        record = gv_directory_at(node->directory, index, &bytes);
    }
    if (record == NULL || record->endpoint_count == 0) { /* it dials out only, or has gone: nothing has failed */
        dial_failed(node, dial, GV_ERR_DUPLICATE);
        return;
    }
    dial_record(node, dial, record);
}

static void dial_seed(struct gv_node *node, uint32_t dial, uint32_t index)
{
    if (index >= node->seed_count ||
        memcmp(node->seeds[index].curve.b, gv_curve_key_public(node->curve)->b, GV_KEY_BYTES) == 0) {
        dial_failed(node, dial, GV_ERR_DUPLICATE); /* we are that seed */
        return;
    }
    gv_net_dial(node->net, dial, node->seeds[index].endpoint, &node->seeds[index].curve, gv_now_us());
}

/* ---- orders ---------------------------------------------------------------------------------------------- */

/* What ends something must reach the worker, or an exchange never ends and the served model never moves again. Each PIN
 * and SNAPSHOT is followed by one such letter at most: with half of the box for either kind there is always room. */
static bool must_arrive(const struct gv_mail *mail)
{
    bool begins = mail->relay == GV_MAIL_SNAPSHOT || mail->relay == GV_MAIL_PIN;
    return mail->kind == GV_MAIL_PERSIST || (mail->kind == GV_MAIL_RELAY && !begins);
}

bool gv_node_order(struct gv_node *node, const struct gv_mail *mail)
{
    if (must_arrive(mail) ? gv_mailbox_try_put(node->worker.in, mail) : gv_mailbox_offer(node->worker.in, mail)) {
        return true;
    }
    node->drops.count[GV_DROP_WORKER]++;
    gv_log_limited(GV_LEVEL_BROKEN, "worker", "the worker is overwhelmed", "kind=%d", (int)mail->kind);
    return false;
}

static struct gv_sending *find_sending(struct gv_node *node, uint32_t link, uint64_t nonce)
{
    for (size_t i = 0; i < GV_SENDING_MAX; i++) {
        struct gv_sending *sending = &node->sending[i];
        if (sending->chunks > 0 && sending->link == link && sending->nonce == nonce) {
            return sending;
        }
    }
    return NULL;
}

/* The core counts what it has ordered, the peer says what it may: a CREDIT ahead of what has left buys nothing here. */
static bool begin_sending(struct gv_node *node, uint32_t link, uint64_t nonce)
{
    struct gv_sending *sending = find_sending(node, link, nonce);
    for (size_t i = 0; sending == NULL && i < GV_SENDING_MAX; i++) {
        sending = node->sending[i].chunks == 0 ? &node->sending[i] : NULL;
    }
    if (sending == NULL || sending->chunks == GV_CREDIT_CHUNKS_MAX) {
        return false;
    }
    sending->link = link;
    sending->nonce = nonce;
    sending->chunks++;
    return true;
}

static void end_sending(struct gv_node *node, const struct gv_mail *mail)
{
    struct gv_sending *sending = find_sending(node, mail->link, mail->nonce);
    GV_ASSERT(sending != NULL);
    sending->chunks--;
}

void gv_node_encoded(struct gv_node *node, struct gv_mail *mail)
{
    zmq_msg_t *message = mail->data;
    end_sending(node, mail);
    enum gv_err err = message != NULL ? gv_net_send(node->net, mail->link, message) : GV_ERR_BUSY;
    free(message);
    if (err == GV_ERR_BUSY) {
        struct gv_event event = {.kind = GV_EV_SEND_FAILED, .link = mail->link};
        gv_node_event(node, &event);
    }
}

/* An ENCODE or APPLY that nobody will do. */
static void give_up(struct gv_node *node, struct gv_mail *mail)
{
    if (mail->kind == GV_MAIL_ENCODE) {
        end_sending(node, mail);
    }
    gv_mail_drop(mail);
}

/* The same, and the core is told. */
static void fail_work(struct gv_node *node, struct gv_mail *mail)
{
    if (mail->kind == GV_MAIL_ENCODE) {
        send_failed(node, mail->link);
    } else {
        struct gv_event event = {.kind = GV_EV_APPLIED, .verdict = GV_ERR_NOMEM};
        event.u.work.nonce = mail->nonce;
        event.u.work.index = mail->index;
        queue_event(node, &event);
    }
    give_up(node, mail);
}

/* Orders that touch the stage wait while the trainer has it, and theirs until ours has left that place in it: the core
 * has ordered ours first, but a cap may hold it back, and then the peer would get our delta for our parameters. */
static void order_on_stage(struct gv_node *node, struct gv_mail *mail)
{
    bool lent = node->stage_lent > 0 && !(mail->kind == GV_MAIL_ENCODE && mail->fetch);
    bool early = mail->kind == GV_MAIL_APPLY && gv_shaper_holds(&node->up, mail->nonce, mail->index);
    if (lent || early) {
        GV_ASSERT(node->held_count < GV_PARKED_FRAMES);
        node->held[node->held_count++] = *mail;
    } else if (!gv_node_order(node, mail)) {
        fail_work(node, mail);
    }
}

/* What must wait on is held again, in the same order. */
static void order_held(struct gv_node *node)
{
    uint32_t count = node->held_count;
    node->held_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct gv_mail mail = node->held[i];
        order_on_stage(node, &mail);
    }
}

void gv_node_stage_returned(struct gv_node *node)
{
    node->stage_lent -= node->stage_lent > 0 ? 1 : 0;
    order_held(node);
}

void gv_node_shape(struct gv_node *node, uint64_t now_us)
{
    struct gv_mail mail;
    while (gv_shaper_take(&node->up, &mail, now_us)) {
        order_on_stage(node, &mail);
    }
    order_held(node);
    while (gv_shaper_take(&node->down, &mail, now_us)) {
        order_on_stage(node, &mail);
    }
}

/* The place of a pin with this nonce; pin_count if there is none. */
static uint32_t find_pin(const struct gv_node *node, uint64_t nonce)
{
    uint32_t at = 0;
    while (at < node->pin_count && node->pins[at] != nonce) {
        at++;
    }
    return at;
}

static void chunk_send(struct gv_node *node, const struct gv_effect *effect)
{
    struct gv_mail mail = {.kind = GV_MAIL_ENCODE,
                           .link = effect->link,
                           .nonce = effect->u.work.nonce,
                           .index = effect->u.work.index,
                           .codec = effect->u.work.codec,
                           .chunk_bytes = effect->u.work.chunk_bytes,
                           .fetch = effect->u.work.fetch};
    if (!begin_sending(node, mail.link, mail.nonce)) {
        send_failed(node, mail.link);
    } else if (!gv_shaper_put(&node->up, &mail, mail.chunk_bytes)) {
        gv_drop(&node->drops, GV_DROP_SHAPER, gv_net_address(node->net, mail.link));
        fail_work(node, &mail);
    }
    gv_node_shape(node, gv_now_us());
}

static void release(struct gv_parked *parked)
{
    (void)zmq_msg_close(&parked->frame);
    parked->used = false;
}

static void apply(struct gv_node *node, const struct gv_effect *effect)
{
    struct gv_parked *parked = gv_node_parked(node, effect->u.work.handle);
    GV_ASSERT(parked != NULL);
    zmq_msg_t *frame = malloc(sizeof *frame);
    struct gv_mail mail = {.kind = GV_MAIL_APPLY,
                           .nonce = effect->u.work.nonce,
                           .index = effect->u.work.index,
                           .codec = effect->u.work.codec,
                           .chunk_bytes = effect->u.work.chunk_bytes,
                           .weight_q16 = effect->u.work.weight_q16,
                           .fetch = effect->u.work.fetch,
                           .inline_state = parked->inline_state,
                           .data = frame};
    uint32_t bytes = (uint32_t)zmq_msg_size(&parked->frame);
    if (frame != NULL) {
        (void)zmq_msg_init(frame);
        (void)zmq_msg_move(frame, &parked->frame);
    }
    release(parked);
    if (frame == NULL || !gv_shaper_put(&node->down, &mail, bytes)) {
        gv_drop(&node->drops, frame == NULL ? GV_DROP_MEMORY : GV_DROP_SHAPER, "");
        fail_work(node, &mail);
    }
    gv_node_shape(node, gv_now_us());
}

/* What goes to the trainer goes through the worker, behind all its work of before, so that neither meets the other in
 * the stage. */
static bool relay(struct gv_node *node, enum gv_mail_kind kind, uint64_t nonce, uint64_t value)
{
    struct gv_mail mail = {.kind = GV_MAIL_RELAY, .relay = kind, .nonce = nonce, .value = value};
    bool stage = kind == GV_MAIL_SNAPSHOT || kind == GV_MAIL_COMMIT || kind == GV_MAIL_ADOPT;
    bool ordered = gv_node_order(node, &mail);
    node->stage_lent += ordered && stage ? 1 : 0;
    return ordered;
}

/* Work for this exchange that has not reached the worker yet must not meet the next one in the stage. */
static void forget(struct gv_node *node, uint64_t nonce)
{
    struct gv_mail mail;
    while (gv_shaper_forget(&node->up, &mail, nonce) || gv_shaper_forget(&node->down, &mail, nonce)) {
        give_up(node, &mail);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < node->held_count; i++) {
        if (node->held[i].nonce == nonce) {
            give_up(node, &node->held[i]);
        } else {
            node->held[kept++] = node->held[i];
        }
    }
    node->held_count = kept;
}

/* A pin that was not ordered is never ready, and ends when its taker gives up. */
static void pin(struct gv_node *node, uint64_t nonce)
{
    if (node->pin_count < GV_PINNED_MAX && relay(node, GV_MAIL_PIN, nonce, 0)) {
        node->pins[node->pin_count++] = nonce;
    }
}

static void unpin(struct gv_node *node, uint64_t nonce)
{
    uint32_t at = find_pin(node, nonce);
    forget(node, nonce);
    if (at < node->pin_count) {
        node->pins[at] = node->pins[--node->pin_count];
        (void)relay(node, GV_MAIL_UNPIN, nonce, 0);
    }
}

static void snapshot(struct gv_node *node, uint64_t nonce, uint32_t codec)
{
    node->snapshot_codec = codec;
    node->snapshot = nonce;
    node->has_snapshot = relay(node, GV_MAIL_SNAPSHOT, nonce, 0);
}

/* What the worker has already been told is done before anything that follows. */
static void discard(struct gv_node *node, uint64_t nonce)
{
    forget(node, nonce);
    if (node->has_snapshot && node->snapshot == nonce) {
        node->has_snapshot = false;
        (void)relay(node, GV_MAIL_CANCEL, nonce, 0);
    }
}

static void persist(struct gv_node *node, uint64_t incarnation)
{
    struct gv_mail mail = {.kind = GV_MAIL_PERSIST, .value = incarnation};
    node->persist_wanted = incarnation;
    node->persist_us = gv_now_us();
    (void)gv_node_order(node, &mail);
}

/* ---- words ----------------------------------------------------------------------------------------------- */

static void log_effect(const struct gv_node *node, const struct gv_effect *effect)
{
    static const struct {
        enum gv_log_level level;
        const char *text;
    } lines[GV_LOG_COUNT] = {
#define LEVEL_broken GV_LEVEL_BROKEN
#define LEVEL_unusual GV_LEVEL_UNUSUAL
#define LEVEL_info GV_LEVEL_INFO
#define LEVEL_debug GV_LEVEL_DEBUG
#define LINE(name, level, text) {LEVEL_##level, text},
        GV_LOG_LIST(LINE)
#undef LINE
    };
    static const char *const states[] = {
#define STATE_TEXT(name, number, text) [number] = (text),
        GV_STATE_LIST(STATE_TEXT)
#undef STATE_TEXT
    };
    enum gv_log_code code = effect->u.log.code;
    char peer[9] = "-";
    if (!gv_id_is_zero(&effect->target)) {
        gv_id_hex(peer, &effect->target, 8);
    }
    if (code == GV_LOG_STATE) {
        size_t state = (size_t)effect->u.log.value;
        gv_log(GV_LEVEL_INFO, "state", "state=%s", state < sizeof states / sizeof states[0] ? states[state] : "?");
        return;
    }
    const char *address = effect->link != GV_LINK_NONE ? gv_net_address(node->net, effect->link) : "";
    bool why = effect->reason != GV_OK;
    gv_log_limited(lines[code].level, peer, lines[code].text, "peer=%s%s%s value=%llu%s%s%s", peer,
                   address[0] != '\0' ? " at=" : "", address, (unsigned long long)effect->u.log.value,
                   why ? " reason=\"" : "", why ? gv_err_text((int)effect->reason) : "", why ? "\"" : "");
}

/*
 * A newcomer whom every seed turns away because its invite is spent should say so instead of knocking for ever. Whoever
 * has been a member before takes no peer's word for it: then only signed entries count.
 */
static void note_admission(struct gv_node *node, const struct gv_effect *effect)
{
    enum gv_err reason = effect->reason;
    node->admitted = node->admitted || effect->u.log.code == GV_LOG_PEER_JOINED;
    bool spent = reason == GV_ERR_EXPIRED || reason == GV_ERR_USED_UP || reason == GV_ERR_CLOSED;
    bool newcomer = !node->admitted && !node->creator && !node->trainer.had_checkpoint;
    if (effect->u.log.code == GV_LOG_WE_REFUSED && spent && newcomer &&
        ++node->refused_admission >= REFUSALS_BELIEVED) {
        (void)gv_diag_set(&node->diag, reason,
                          "nobody admits this node: %s; ask a member for a new invite and join in an "
                          "empty folder",
                          gv_err_text((int)reason));
        gv_node_end(node, GV_EXIT_REVOKED);
    }
}

static void raise_alarm(struct gv_node *node, const struct gv_effect *effect)
{
    char peer[9];
    gv_id_hex(peer, &effect->target, 8);
    node->alarms++;
    (void)snprintf(node->last_alarm, sizeof node->last_alarm, "%s: %s", peer, gv_err_text((int)effect->reason));
    gv_log_limited(GV_LEVEL_UNUSUAL, peer, "ALARM", "peer=%s reason=\"%s\"", peer, gv_err_text((int)effect->reason));
}

static void gone(struct gv_node *node, enum gv_err reason)
{
    (void)gv_diag_set(&node->diag, reason, "this node is no longer a member: %s", gv_err_text((int)reason));
    gv_log(GV_LEVEL_UNUSUAL, "no longer a member", "reason=\"%s\"", gv_err_text((int)reason));
    gv_node_end(node, GV_EXIT_REVOKED);
}

static void settled(struct gv_node *node, bool found)
{
    node->settled = true;
    node->found = found;
    gv_log(GV_LEVEL_INFO, "settled", "met_others=%s", found ? "yes" : "no");
    if (node->options->steps > 0 || node->options->until_age > 0) {
        gv_node_end(node, found ? GV_EXIT_OK : GV_EXIT_ALONE);
    }
}

static void stopped(struct gv_node *node)
{
    if (node->ending == GV_ENDING_FAREWELL) {
        gv_node_last_checkpoint(node);
    }
}

/* ---- one effect ------------------------------------------------------------------------------------------ */

static void act_on_work(struct gv_node *node, const struct gv_effect *effect)
{
    uint64_t nonce = effect->u.work.nonce;
    switch (effect->kind) {
    case GV_FX_SNAPSHOT:
        snapshot(node, nonce, effect->u.work.codec);
        return;
    case GV_FX_CHUNK_SEND:
        chunk_send(node, effect);
        return;
    case GV_FX_APPLY:
        apply(node, effect);
        return;
    case GV_FX_DROP: {
        struct gv_parked *parked = gv_node_parked(node, effect->u.work.handle);
        GV_ASSERT(parked != NULL);
        release(parked);
        return;
    }
    case GV_FX_COMMIT:
        (void)relay(node, GV_MAIL_COMMIT, nonce, (uint64_t)effect->u.work.age_delta);
        return;
    case GV_FX_ADOPT:
        (void)relay(node, GV_MAIL_ADOPT, nonce, effect->u.work.age);
        return;
    case GV_FX_PIN:
        pin(node, nonce);
        return;
    case GV_FX_UNPIN:
        unpin(node, nonce);
        return;
    default: /* DISCARD */
        discard(node, nonce);
        return;
    }
}

void gv_node_act(struct gv_node *node, struct gv_effect *effect)
{
    switch (effect->kind) {
    case GV_FX_SEND:
        send_message(node, effect->link, &effect->u.msg);
        return;
    case GV_FX_CLOSE:
        gv_net_close(node->net, effect->link, gv_now_us());
        return;
    case GV_FX_DIAL:
        dial_record(node, effect->u.dial.dial, gv_directory_record(node->directory, &effect->target));
        return;
    case GV_FX_DIAL_BOOK:
        dial_book(node, effect->u.dial.dial, effect->u.dial.index);
        return;
    case GV_FX_DIAL_SEED:
        dial_seed(node, effect->u.dial.dial, effect->u.dial.index);
        return;
    case GV_FX_PERSIST:
        persist(node, effect->u.self.incarnation);
        return;
    case GV_FX_SIGN:
        node->record.sequence = effect->u.self.sequence;
        (void)!gv_node_sign_record(node); /* it has logged why, and the old record still holds */
        return;
    case GV_FX_TRAIN:
        node->core_trains = effect->u.train;
        gv_node_update_training(node);
        return;
    case GV_FX_ALARM:
        raise_alarm(node, effect);
        return;
    case GV_FX_LOG:
        log_effect(node, effect);
        note_admission(node, effect);
        return;
    case GV_FX_SETTLED:
        settled(node, effect->u.found);
        return;
    case GV_FX_STOPPED:
        stopped(node);
        return;
    case GV_FX_GONE:
        gone(node, effect->reason);
        return;
    default:
        act_on_work(node, effect);
    }
}

/* ---- events ---------------------------------------------------------------------------------------------- */

static void step(struct gv_node *node, struct gv_event *event)
{
    event->now_us = gv_now_us();
    event->wall_s = (uint64_t)time(NULL);
    gv_core_step(node->core, event, node->effects);
    for (uint32_t i = 0; i < node->effects->count; i++) {
        gv_tally_effect(&node->tally, &node->effects->item[i], event->now_us);
        gv_node_act(node, &node->effects->item[i]);
    }
}

void gv_node_event(struct gv_node *node, struct gv_event *event)
{
    if (!node->started && event->kind != GV_EV_START) {
        return;
    }
    if (node->stepping) { /* caused by an effect: its turn comes when the effects of this step are done */
        queue_event(node, event);
        return;
    }
    node->stepping = true;
    step(node, event);
    node->current_bulk = NULL;
    while (node->queue_count > 0) {
        struct gv_event next = node->queue[node->queue_first];
        node->queue_first = (node->queue_first + 1) % GV_QUEUED_EVENTS;
        node->queue_count--;
        step(node, &next);
    }
    node->stepping = false;
}
