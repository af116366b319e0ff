/*
 * The host's part of core.h, played by integers: carries out effects, gives events, and checks after every step what
 * core.h and the limits promise.
 */
#include "vnet_state.h"

#include <stdlib.h>
#include <string.h>

#include "gv/chunks.h"

/* ---- hosts ------------------------------------------------------------------------------------------------- */

struct gv_ref vnet_ref(const struct node *node)
{
    return (struct gv_ref){.id = node->id,
                           .incarnation = node->incarnation,
                           .boot = node->boot,
                           .sequence = node->sequence,
                           .flags = node->flags};
}

uint64_t vnet_digest(uint64_t revoked)
{
    uint64_t digest = 0;
    for (uint32_t i = 0; i < VNET_NODES_MAX; i++) {
        digest ^= (revoked >> i & 1) != 0 ? (i + 1) * 0x9e3779b97f4a7c15u : 0;
    }
    return digest;
}

/* Units of chunk `index`: first and number. An inline state is unit 0 alone. */
static void units_of(const struct node *node, const struct gv_effect *fx, bool fetch, uint32_t *first, uint32_t *count)
{
    const struct gv_core_manifest *m = &node->manifest;
    *first = 0;
    *count = 1;
    if (m->block_elements[0] < UNIT_ELEMENTS && !fetch) {
        return;
    }
    uint32_t block = 0;
    uint64_t offset = 0;
    uint64_t elements = 0;
    bool exists = gv_chunk_at(&block, &offset, &elements, m->block_elements, fetch ? 1 : m->block_count,
                              fx->u.work.codec, fx->u.work.chunk_bytes, fx->u.work.index);
    cr_assert(exists, "chunk %u does not exist", fx->u.work.index);
    *first = (uint32_t)(((block == 0 ? 0 : m->block_elements[0]) + offset) / UNIT_ELEMENTS);
    *count = (uint32_t)((elements + UNIT_ELEMENTS - 1) / UNIT_ELEMENTS);
}

static void check_views(struct vnet *net, uint32_t index)
{
    const struct node *node = &net->nodes[index];
    struct gv_peer_info peers[512];
    uint32_t count = gv_core_peers(node->core, peers, 512);
    struct gv_core_stats stats;
    gv_core_stats(node->core, &stats);
    MUST(net, index, count <= 512);
    MUST(net, index, stats.peers_active <= node->config.active_max);
    MUST(net, index, stats.peers_known - stats.peers_active <= node->config.passive_max);
    MUST(net, index, stats.links + stats.links_provisional <= node->config.links_max);
    uint32_t active = 0;
    for (uint32_t i = 0; i < count; i++) {
        MUST(net, index, !gv_id_equal(&peers[i].ref.id, &node->id));
        MUST(net, index, gv_core_references(node->core, &peers[i].ref.id));
        active += peers[i].role == GV_PEER_ACTIVE ? 1 : 0;
        for (uint32_t k = 0; k < i; k++) { /* one row each: active and passive are disjoint */
            MUST(net, index, !gv_id_equal(&peers[i].ref.id, &peers[k].ref.id));
        }
        for (uint32_t k = 0; k < net->node_count; k++) {
            bool revoked = (node->revoked >> k & 1) != 0 && gv_id_equal(&net->nodes[k].id, &peers[i].ref.id);
            MUST(net, index, !revoked || peers[i].role == GV_PEER_PASSIVE);
        }
    }
    MUST(net, index, active == stats.peers_active);
}

static struct handle *handle_take(struct vnet *net, uint32_t index, uint32_t id)
{
    for (uint32_t i = 0; i < HANDLES_MAX; i++) {
        if (net->nodes[index].handles[i].id == id) {
            return &net->nodes[index].handles[i];
        }
    }
    bool given = false; /* answered twice, or never given */
    MUST(net, index, given);
    return NULL;
}

/* How long until the worker has done one more thing: there is one, and it works in order. */
static uint64_t worked(struct vnet *net, uint32_t index)
{
    struct node *node = &net->nodes[index];
    uint64_t start = node->work_until > net->now ? node->work_until : net->now;
    node->work_until = start + (net->options.work_us == 0 ? 0 : vnet_random(net) % net->options.work_us);
    return node->work_until - net->now;
}

static void work(struct vnet *net, uint32_t index, enum gv_event_kind kind, uint64_t nonce, uint32_t chunk,
                 enum gv_err verdict)
{
    struct item *item = vnet_item(net, ITEM_WORK, index, worked(net, index));
    item->event = (struct gv_event){.kind = kind, .verdict = verdict};
    item->event.u.work.nonce = nonce;
    item->event.u.work.index = chunk;
    vnet_push(net, item);
}

static struct conn *conn_of(struct vnet *net, uint32_t index, uint32_t handle, uint32_t *side)
{
    for (uint32_t i = net->conn_count; i-- > 0;) {
        for (uint32_t s = 0; s < 2; s++) {
            struct conn *c = &net->conns[i];
            if (c->handle[s] == handle && c->node[s] == index && c->life[s] == net->nodes[index].life) {
                *side = s;
                return c;
            }
        }
    }
    return NULL;
}

static void push_down(struct vnet *net, struct conn *conn, uint32_t side, uint64_t delay)
{
    uint64_t at = net->now + delay;
    at = at < conn->last[side] ? conn->last[side] : at;
    struct item *item = vnet_item(net, ITEM_DOWN, conn->node[side], at - net->now);
    item->conn = (uint32_t)(conn - net->conns);
    item->side = side;
    vnet_push(net, item);
}

void vnet_reset_conn(struct vnet *net, struct conn *conn)
{
    for (uint32_t side = 0; side < 2; side++) {
        conn->last[side] = 0; /* what is under way is lost: DOWN comes first */
        if (conn->open[side]) {
            push_down(net, conn, side, vnet_around(net, net->options.latency_us));
        }
        conn->open[side] = false;
    }
}

static void do_close(struct vnet *net, uint32_t index, uint32_t handle)
{
    uint32_t side = 0;
    struct conn *conn = conn_of(net, index, handle, &side);
    if (conn == NULL) {
        return;
    }
    conn->open[side] = false;
    if (conn->open[1 - side]) {
        push_down(net, conn, 1 - side, vnet_around(net, net->options.latency_us));
    }
}

/* Puts a message on its way; load is taken. */
static void transmit(struct vnet *net, uint32_t index, uint32_t handle, const struct gv_msg *msg, struct payload *load)
{
    uint32_t side = 0;
    struct conn *conn = conn_of(net, index, handle, &side);
    if (conn == NULL || !conn->open[side]) {
        free(load);
        return;
    }
    uint32_t to = 1 - side;
    uint64_t at = net->now + vnet_around(net, net->options.latency_us);
    at = at <= conn->last[to] ? conn->last[to] + 1 : at;
    conn->last[to] = at;
    struct item *item = vnet_item(net, ITEM_DELIVER, conn->node[to], at - net->now);
    item->life = conn->life[to];
    item->conn = (uint32_t)(conn - net->conns);
    item->side = to;
    item->msg = malloc(sizeof *item->msg);
    cr_assert_not_null(item->msg);
    *item->msg = *msg;
    item->load = load;
    vnet_push(net, item);
}

static struct payload *new_load(void)
{
    struct payload *load = calloc(1, sizeof *load);
    cr_assert_not_null(load);
    return load;
}

static void do_send(struct vnet *net, uint32_t index, const struct gv_effect *fx)
{
    struct node *node = &net->nodes[index];
    struct gv_msg msg = fx->u.msg;
    struct payload *load = NULL;
    MUST(net, index, msg.kind != GV_KIND_CHUNK);
    switch (msg.kind) {
    case GV_KIND_HELLO:
    case GV_KIND_WELCOME:
        MUST(net, index, node->incarnation >= node->sent_incarnation); /* incarnations are monotonic */
        node->sent_incarnation = node->incarnation;
        msg.u.hello.self = vnet_ref(node);
        break;
    case GV_KIND_PING:
    case GV_KIND_PONG:
        msg.ref_count = msg.u.ping.has_record ? 1 : 0;
        msg.refs[0] = vnet_ref(node);
        break;
    case GV_KIND_OFFER:
    case GV_KIND_ACCEPT:
        if (msg.u.offer.inline_state) {
            MUST(net, index, node->stage.used && node->stage.nonce == msg.u.offer.nonce && !node->stage.applied[0]);
            load = new_load();
            load->values[0] = node->stage.values[0];
            load->bad = node->poisoned;
            node->stage.sent[0] = 1;
        }
        break;
    case GV_KIND_TRUST:
        load = new_load();
        load->revoked = node->revoked;
        break;
    case GV_KIND_MANIFEST:
        load = new_load();
        load->version = node->manifest.version;
        load->epoch = node->manifest.epoch;
        break;
    default:
        break;
    }
    transmit(net, index, fx->link, &msg, load);
}

static void do_chunk_send(struct vnet *net, uint32_t index, const struct gv_effect *fx)
{
    struct node *node = &net->nodes[index];
    const int64_t *from = NULL;
    uint32_t first = 0;
    uint32_t count = 0;
    struct gv_msg msg = {.kind = GV_KIND_CHUNK};
    struct payload *load = new_load();
    for (uint32_t i = 0; i < PINS_MAX && fx->u.work.fetch; i++) {
        if (node->pins[i].used && node->pins[i].nonce == fx->u.work.nonce) {
            from = node->pins[i].values;
        }
    }
    units_of(node, fx, fx->u.work.fetch, &first, &count);
    if (fx->u.work.fetch) {
        MUST(net, index, from != NULL);
    } else {
        MUST(net, index, node->stage.used && node->stage.nonce == fx->u.work.nonce && !node->stage.fetch);
        from = node->stage.values;
        for (uint32_t u = first; u < first + count; u++) {
            MUST(net, index, !node->stage.applied[u] && !node->stage.sent[u]);
            node->stage.sent[u] = 1;
        }
    }
    memcpy(load->values, from + first, count * sizeof *from);
    load->bad = node->poisoned;
    msg.u.chunk.nonce = fx->u.work.nonce;
    msg.u.chunk.index = fx->u.work.index;
    /* Encoded by the worker: what the core sends meanwhile overtakes it. */
    struct item *item = vnet_item(net, ITEM_ENCODED, index, worked(net, index));
    item->msg = malloc(sizeof msg);
    cr_assert_not_null(item->msg);
    *item->msg = msg;
    item->load = load;
    item->link = fx->link;
    vnet_push(net, item);
}

static void do_apply(struct vnet *net, uint32_t index, const struct gv_effect *fx)
{
    struct node *node = &net->nodes[index];
    struct handle *handle = handle_take(net, index, fx->u.work.handle);
    struct stage *stage = &node->stage;
    uint32_t first = 0;
    uint32_t count = 0;
    if (fx->u.work.fetch && !stage->used) {
        memset(stage, 0, sizeof *stage);
        stage->used = stage->fetch = true;
        stage->nonce = fx->u.work.nonce;
    }
    MUST(net, index, stage->used && stage->nonce == fx->u.work.nonce && stage->fetch == fx->u.work.fetch);
    units_of(node, fx, fx->u.work.fetch, &first, &count);
    enum gv_err verdict = handle->load.bad ? GV_ERR_NONFINITE : GV_OK;
    for (uint32_t u = first; u < first + count; u++) {
        MUST(net, index, !stage->applied[u]); /* a chunk is applied at most once */
        /* and overwrites only what was sent, or need not be */
        MUST(net, index, stage->fetch || stage->sent[u] || net->options.exchange == GV_EXCHANGE_PUSH);
        stage->applied[u] = 1;
        int64_t theirs = handle->load.values[u - first];
        if (!stage->fetch) {
            theirs = (theirs - stage->values[u]) * (int64_t)fx->u.work.weight_q16 / 65536;
        }
        stage->values[u] = theirs;
    }
    stage->applied_units += count;
    handle->id = 0;
    work(net, index, GV_EV_APPLIED, fx->u.work.nonce, fx->u.work.index, verdict);
}

static void do_merge(struct vnet *net, uint32_t index, const struct gv_effect *fx, bool adopt)
{
    struct node *node = &net->nodes[index];
    struct stage *stage = &node->stage;
    MUST(net, index, stage->used && stage->nonce == fx->u.work.nonce && stage->fetch == adopt);
    uint32_t units = net->options.units - (adopt ? net->options.second_units : 0);
    MUST(net, index, stage->applied_units == units);
    for (uint32_t u = 0; u < units; u++) {
        node->live[u] = adopt ? stage->values[u] : node->live[u] + stage->values[u];
    }
    node->commits += adopt ? 0 : 1;
    stage->used = false;
    work(net, index, GV_EV_MERGED, fx->u.work.nonce, 0, GV_OK);
}

static uint32_t find_id(const struct vnet *net, const struct gv_id *id)
{
    for (uint32_t i = 0; i < net->node_count; i++) {
        if (gv_id_equal(&net->nodes[i].id, id) && net->nodes[i].alive) {
            return i;
        }
    }
    return UINT32_MAX;
}

static void do_dial(struct vnet *net, uint32_t index, uint32_t target, uint32_t dial)
{
    bool reachable = target < net->node_count && target != index && net->nodes[target].alive &&
                     !net->nodes[target].options.outbound_only && !net->nodes[target].silent &&
                     !net->nodes[target].unplugged && !net->nodes[index].unplugged;
    uint64_t delay = 2 * vnet_around(net, net->options.latency_us);
    net->nodes[index].dials++;
    struct item *item = vnet_item(net, reachable ? ITEM_UP : ITEM_DIAL_FAILED, index, delay);
    item->dial = dial;
    if (reachable) {
        cr_assert_lt(net->conn_count, CONNS_MAX);
        struct conn *conn = &net->conns[net->conn_count];
        *conn = (struct conn){.node = {index, target},
                              .life = {net->nodes[index].life, net->nodes[target].life},
                              .handle = {net->next_handle, net->next_handle + 1},
                              .open = {true, true}};
        net->next_handle += 2;
        item->conn = net->conn_count++;
    }
    vnet_push(net, item);
}

static void do_work(struct vnet *net, uint32_t index, const struct gv_effect *fx)
{
    struct node *node = &net->nodes[index];
    uint64_t nonce = fx->u.work.nonce;
    switch (fx->kind) {
    case GV_FX_SNAPSHOT:
        MUST(net, index, !node->stage.used); /* one exchange at a time, never beside a fetch */
        memset(&node->stage, 0, sizeof node->stage);
        node->stage.used = true;
        node->stage.nonce = nonce;
        memcpy(node->stage.values, node->live, sizeof node->live);
        work(net, index, GV_EV_SNAPSHOT, nonce, 0, GV_OK);
        break;
    case GV_FX_CHUNK_SEND:
        do_chunk_send(net, index, fx);
        break;
    case GV_FX_APPLY:
        do_apply(net, index, fx);
        break;
    case GV_FX_DROP:
        handle_take(net, index, fx->u.work.handle)->id = 0;
        break;
    case GV_FX_COMMIT:
    case GV_FX_ADOPT:
        do_merge(net, index, fx, fx->kind == GV_FX_ADOPT);
        break;
    case GV_FX_DISCARD:
        if (node->stage.used && node->stage.nonce == nonce) {
            node->stage.used = false;
        }
        break;
    default: /* PIN, UNPIN */
        for (uint32_t i = 0; i < PINS_MAX; i++) {
            bool mine = node->pins[i].used && node->pins[i].nonce == nonce;
            if (fx->kind == GV_FX_UNPIN ? mine : !node->pins[i].used) {
                node->pins[i].used = fx->kind == GV_FX_PIN;
                node->pins[i].nonce = nonce;
                memcpy(node->pins[i].values, node->live, sizeof node->live);
                break;
            }
        }
        if (fx->kind == GV_FX_PIN) {
            work(net, index, GV_EV_PINNED, nonce, 0, GV_OK);
        }
        break;
    }
}

static void do_effect(struct vnet *net, uint32_t index, const struct gv_effect *fx)
{
    struct node *node = &net->nodes[index];
    node->saw[fx->kind] = true;
    vnet_trace_effect(net, index, fx);
    struct item *item;
    switch (fx->kind) {
    case GV_FX_SEND:
        do_send(net, index, fx);
        break;
    case GV_FX_CLOSE:
        do_close(net, index, fx->link);
        break;
    case GV_FX_DIAL:
        do_dial(net, index, find_id(net, &fx->target), fx->u.dial.dial);
        break;
    case GV_FX_DIAL_BOOK:
    case GV_FX_DIAL_SEED:
        do_dial(net, index, fx->u.dial.index, fx->u.dial.dial);
        break;
    case GV_FX_PERSIST:
        MUST(net, index, fx->u.self.incarnation > node->incarnation);
        item = vnet_item(net, ITEM_PERSISTED, index, 1000);
        item->event = (struct gv_event){.kind = GV_EV_PERSISTED};
        item->event.u.self.incarnation = fx->u.self.incarnation;
        vnet_push(net, item);
        break;
    case GV_FX_SIGN:
        MUST(net, index, fx->u.self.sequence > node->sequence);
        node->sequence = fx->u.self.sequence;
        break;
    case GV_FX_TRAIN:
        node->training = fx->u.train;
        break;
    case GV_FX_ALARM:
        node->last_alarm = fx->reason;
        break;
    case GV_FX_LOG:
        node->logged[fx->u.log.code]++;
        break;
    case GV_FX_SETTLED:
    case GV_FX_STOPPED:
    case GV_FX_GONE:
        break;
    default:
        do_work(net, index, fx);
        break;
    }
}

static void schedule_tick(struct vnet *net, uint32_t index)
{
    struct node *node = &net->nodes[index];
    uint64_t at = gv_core_next_deadline(node->core);
    at = at < net->now ? net->now : at;
    if (at == GV_NEVER || at == node->tick_at) {
        return;
    }
    node->tick_at = at;
    vnet_push(net, vnet_item(net, ITEM_TICK, index, at - net->now));
}

void vnet_step(struct vnet *net, uint32_t index, struct gv_event *event)
{
    struct node *node = &net->nodes[index];
    event->now_us = net->now;
    event->wall_s = 1800000000 + net->now / 1000000;
    gv_core_step(node->core, event, net->fx);
    MUST(net, index, net->fx->count <= GV_EFFECTS_MAX);
    MUST(net, index, ++net->steps_now < STEPS_AT_ONCE_MAX); /* time goes on */
    for (uint32_t i = 0; i < net->fx->count; i++) {
        do_effect(net, index, &net->fx->item[i]);
    }
    check_views(net, index);
    schedule_tick(net, index);
}

static uint32_t give_handle(struct vnet *net, uint32_t index, const struct payload *load)
{
    for (uint32_t i = 0; i < HANDLES_MAX; i++) {
        struct handle *handle = &net->nodes[index].handles[i];
        if (handle->id == 0) {
            handle->id = ++net->next_handle;
            handle->load = *load;
            return handle->id;
        }
    }
    bool handles_leak = true;
    MUST(net, index, !handles_leak);
    return 0;
}

void vnet_learn_trust(struct vnet *net, uint32_t index, uint64_t revoked)
{
    struct node *node = &net->nodes[index];
    uint64_t news = revoked & ~node->revoked;
    if (news == 0) {
        return;
    }
    node->revoked |= revoked;
    for (uint32_t i = 0; i < net->node_count; i++) {
        if ((news >> i & 1) != 0) {
            struct gv_event event = {.kind = GV_EV_REVOKED};
            event.u.revoked = net->nodes[i].id;
            vnet_step(net, index, &event);
        }
    }
    struct gv_event event = {.kind = GV_EV_TRUST};
    event.u.trust_digest = vnet_digest(node->revoked);
    vnet_step(net, index, &event);
}

void vnet_learn_manifest(struct vnet *net, uint32_t index, uint64_t version, uint32_t epoch)
{
    struct node *node = &net->nodes[index];
    if (version <= node->manifest.version) {
        return;
    }
    node->manifest.version = version;
    node->manifest.epoch = epoch;
    memset(&node->manifest.hash, (int)(version & 0xff), sizeof node->manifest.hash);
    struct gv_event event = {.kind = GV_EV_MANIFEST};
    event.u.manifest = node->manifest;
    vnet_step(net, index, &event);
}

/* What the host's directory would let through: no records of the revoked. */
static void drop_revoked(const struct vnet *net, const struct node *node, struct gv_msg *msg)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < msg->ref_count; i++) {
        bool revoked = false;
        for (uint32_t k = 0; k < net->node_count; k++) {
            revoked = revoked || ((node->revoked >> k & 1) != 0 && gv_id_equal(&net->nodes[k].id, &msg->refs[i].id));
        }
        if (!revoked) {
            msg->refs[kept++] = msg->refs[i];
        }
    }
    msg->ref_count = kept;
}

static enum gv_err hello_verdict(const struct vnet *net, const struct node *node, const struct gv_msg *msg)
{
    for (uint32_t k = 0; k < net->node_count; k++) {
        if ((node->revoked >> k & 1) != 0 && gv_id_equal(&net->nodes[k].id, &msg->u.hello.self.id)) {
            return GV_ERR_REVOKED;
        }
    }
    return GV_OK;
}

void vnet_give_message(struct vnet *net, uint32_t index, uint32_t link, struct gv_msg *msg, const struct payload *load)
{
    struct node *node = &net->nodes[index];
    struct gv_event event = {.kind = GV_EV_MSG, .link = link};
    if (msg->kind == GV_KIND_TRUST && load != NULL) {
        vnet_learn_trust(net, index, load->revoked);
    }
    if (msg->kind == GV_KIND_MANIFEST && load != NULL) {
        vnet_learn_manifest(net, index, load->version, load->epoch);
    }
    drop_revoked(net, node, msg);
    bool state = msg->kind == GV_KIND_CHUNK || msg->kind == GV_KIND_OFFER || msg->kind == GV_KIND_ACCEPT;
    event.u.msg.msg = msg;
    event.u.msg.handle = state && load != NULL ? give_handle(net, index, load) : 0;
    if (msg->kind == GV_KIND_HELLO || msg->kind == GV_KIND_WELCOME) {
        event.verdict = hello_verdict(net, node, msg);
    }
    vnet_step(net, index, &event);
}

static void deliver(struct vnet *net, struct item *item)
{
    struct conn *conn = &net->conns[item->conn];
    struct node *node = &net->nodes[item->node];
    uint32_t side = item->side;
    if (!conn->open[side] || node->silent) {
        return;
    }
    enum vnet_fate fate = VNET_DELIVER;
    if (net->filter != NULL) {
        fate = net->filter(net->filter_context, conn->node[1 - side], item->node, item->msg);
    }
    bool accident = net->options.reset_per_10000 > 0 && vnet_random(net) % 10000 < net->options.reset_per_10000;
    fate = fate == VNET_DELIVER && accident ? VNET_LOSE_AND_RESET : fate;
    if (fate == VNET_LOSE_AND_RESET) {
        vnet_reset_conn(net, conn);
    }
    if (fate == VNET_LOSE_AND_RESET || fate == VNET_SWALLOW) {
        return;
    }
    if (side == 1 && !conn->announced) {
        conn->announced = true;
        struct gv_event in = {.kind = GV_EV_LINK_IN, .link = conn->handle[1]};
        vnet_step(net, item->node, &in);
    }
    vnet_give_message(net, item->node, conn->handle[side], item->msg, item->load);
    if (fate == VNET_DELIVER_AND_RESET) {
        vnet_reset_conn(net, conn);
    }
}

static void on_up(struct vnet *net, const struct item *item)
{
    struct gv_event event = {.kind = GV_EV_LINK_UP};
    const struct conn *conn = &net->conns[item->conn];
    event.u.dial.dial = item->dial;
    event.link = conn->handle[0];
    if (!conn->open[0]) {
        event.kind = GV_EV_DIAL_FAILED;
        event.link = GV_LINK_NONE;
    }
    vnet_step(net, item->node, &event);
}

static void on_steps(struct vnet *net, uint32_t index)
{
    struct node *node = &net->nodes[index];
    vnet_push(net, vnet_item(net, ITEM_STEPS, index, vnet_around(net, net->options.round_us)));
    if (!node->training) {
        return;
    }
    node->steps += node->manifest.local_steps;
    struct gv_event event = {.kind = GV_EV_STEPS};
    event.u.steps.total = node->steps;
    event.u.steps.loss = GV_Q16_ONE / 2;
    event.u.steps.samples_per_s = 1000ull << 16;
    event.u.steps.round = true;
    vnet_step(net, index, &event);
}

void vnet_run_item(struct vnet *net, struct item *item)
{
    struct node *node = &net->nodes[item->node];
    if (!node->alive || node->life != item->life) {
        return;
    }
    struct gv_event event = {.kind = GV_EV_TICK};
    switch (item->kind) {
    case ITEM_DELIVER:
        deliver(net, item);
        break;
    case ITEM_UP:
        on_up(net, item);
        break;
    case ITEM_DIAL_FAILED:
        event.kind = GV_EV_DIAL_FAILED;
        event.u.dial.dial = item->dial;
        vnet_step(net, item->node, &event);
        break;
    case ITEM_DOWN:
        net->conns[item->conn].open[item->side] = false;
        event.kind = GV_EV_LINK_DOWN;
        event.link = net->conns[item->conn].handle[item->side];
        vnet_step(net, item->node, &event);
        break;
    case ITEM_TICK:
        if (node->tick_at == item->at) {
            node->tick_at = GV_NEVER;
            vnet_step(net, item->node, &event);
        }
        break;
    case ITEM_PERSISTED:
        node->incarnation = item->event.u.self.incarnation;
        node->sequence = 0;
        vnet_step(net, item->node, &item->event);
        break;
    case ITEM_WORK:
        vnet_step(net, item->node, &item->event);
        break;
    case ITEM_ENCODED:
        transmit(net, item->node, item->link, item->msg, item->load);
        item->load = NULL;
        break;
    case ITEM_STEPS:
        on_steps(net, item->node);
        break;
    }
}
