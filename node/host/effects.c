/*
 * From the core to the world: each effect becomes a frame, a dial, an order to a thread, or a line in the log.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "node.h"
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

static bool family_allows(const struct gv_node *node, const char *endpoint)
{
    bool v6 = strchr(endpoint, '[') != NULL;
    return node->config.family == GV_FAMILY_ANY || (node->config.family == GV_FAMILY_IPV6) == v6;
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

bool gv_node_order(struct gv_node *node, const struct gv_mail *mail)
{
    if (gv_mailbox_try_put(node->worker.in, mail)) {
        return true;
    }
    node->drops.count[GV_DROP_WORKER]++;
    gv_log_limited(GV_LEVEL_BROKEN, "worker", "the worker is overwhelmed", "kind=%d", (int)mail->kind);
    return false;
}

/* Orders that touch the stage wait while the trainer has it. */
static void order_on_stage(struct gv_node *node, const struct gv_mail *mail)
{
    if (node->stage_lent > 0 && !(mail->kind == GV_MAIL_ENCODE && mail->fetch)) {
        GV_ASSERT(node->held_count < GV_PARKED_FRAMES);
        node->held[node->held_count++] = *mail;
        return;
    }
    (void)gv_node_order(node, mail);
}

void gv_node_stage_returned(struct gv_node *node)
{
    node->stage_lent -= node->stage_lent > 0 ? 1 : 0;
    if (node->stage_lent > 0) {
        return;
    }
    uint32_t count = node->held_count;
    node->held_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        order_on_stage(node, &node->held[i]);
    }
}

void gv_node_shape(struct gv_node *node, uint64_t now_us)
{
    struct gv_mail mail;
    while (gv_shaper_take(&node->up, &mail, now_us)) {
        order_on_stage(node, &mail);
    }
    while (gv_shaper_take(&node->down, &mail, now_us)) {
        order_on_stage(node, &mail);
    }
}

static bool is_pin(const struct gv_node *node, uint64_t nonce)
{
    for (size_t i = 0; i < GV_PINNED_MAX; i++) {
        if (node->pins[i] == nonce) {
            return nonce != 0;
        }
    }
    return false;
}

static void chunk_send(struct gv_node *node, const struct gv_effect *effect)
{
    struct gv_mail mail = {.kind = GV_MAIL_ENCODE,
                           .link = effect->link,
                           .nonce = effect->u.work.nonce,
                           .index = effect->u.work.index,
                           .codec = effect->u.work.codec,
                           .chunk_bytes = effect->u.work.chunk_bytes,
                           .fetch = is_pin(node, effect->u.work.nonce)};
    if (!gv_shaper_put(&node->up, &mail, effect->u.work.chunk_bytes)) {
        gv_drop(&node->drops, GV_DROP_SHAPER, gv_net_address(node->net, effect->link));
        send_failed(node, effect->link);
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
        struct gv_event event = {.kind = GV_EV_APPLIED, .verdict = GV_ERR_NOMEM};
        event.u.work.nonce = effect->u.work.nonce;
        event.u.work.index = effect->u.work.index;
        queue_event(node, &event);
        if (frame != NULL) {
            (void)zmq_msg_close(frame);
            free(frame);
        }
    }
    gv_node_shape(node, gv_now_us());
}

/* What goes to the trainer goes through the worker, behind all its work of before, so that neither meets the other in
 * the stage. */
static void relay(struct gv_node *node, enum gv_mail_kind kind, uint64_t nonce, uint64_t value)
{
    struct gv_mail mail = {.kind = GV_MAIL_RELAY, .relay = kind, .nonce = nonce, .value = value};
    bool stage = kind == GV_MAIL_SNAPSHOT || kind == GV_MAIL_COMMIT || kind == GV_MAIL_ADOPT;
    if (gv_node_order(node, &mail) && stage) {
        node->stage_lent++;
    }
}

/* Work for this exchange that has not reached the worker yet must not meet the next one in the stage. */
static void forget(struct gv_node *node, uint64_t nonce)
{
    struct gv_mail mail;
    while (gv_shaper_forget(&node->up, &mail, nonce) || gv_shaper_forget(&node->down, &mail, nonce)) {
        gv_mail_drop(&mail);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < node->held_count; i++) {
        if (node->held[i].nonce == nonce) {
            gv_mail_drop(&node->held[i]);
        } else {
            node->held[kept++] = node->held[i];
        }
    }
    node->held_count = kept;
}

static void set_pin(struct gv_node *node, uint64_t old, uint64_t nonce)
{
    for (size_t i = 0; i < GV_PINNED_MAX; i++) {
        if (node->pins[i] == old) {
            node->pins[i] = nonce;
            return;
        }
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
    bool newcomer = !node->admitted && !node->creator && node->trainer.checkpoint.counter == 0;
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
        node->ending = GV_ENDING_CHECKPOINT;
        node->ending_us = gv_now_us();
        if (!gv_node_checkpoint(node) && !node->checkpointing) {
            node->ending = GV_ENDED;
        }
    }
}

/* ---- one effect ------------------------------------------------------------------------------------------ */

static void act_on_work(struct gv_node *node, const struct gv_effect *effect)
{
    uint64_t nonce = effect->u.work.nonce;
    switch (effect->kind) {
    case GV_FX_SNAPSHOT:
        node->snapshot_codec = effect->u.work.codec;
        relay(node, GV_MAIL_SNAPSHOT, nonce, 0);
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
        relay(node, GV_MAIL_COMMIT, nonce, (uint64_t)effect->u.work.age_delta);
        return;
    case GV_FX_ADOPT:
        relay(node, GV_MAIL_ADOPT, nonce, effect->u.work.age);
        return;
    case GV_FX_PIN:
        set_pin(node, 0, nonce);
        relay(node, GV_MAIL_PIN, nonce, 0);
        return;
    case GV_FX_UNPIN:
        set_pin(node, nonce, 0);
        forget(node, nonce);
        relay(node, GV_MAIL_UNPIN, nonce, 0);
        return;
    default: /* DISCARD; what the worker has already been told is done before anything that follows */
        forget(node, nonce);
        relay(node, GV_MAIL_CANCEL, nonce, 0);
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
