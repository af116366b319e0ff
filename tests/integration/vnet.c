/*
 * The in-memory network of vnet.h: an event queue, connections, and a host made of integers for each core.
 */
#include "vnet.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gv/chunks.h"

#define UNIT_ELEMENTS 16384u
#define HANDLES_MAX 256
#define CONNS_MAX 16384
#define PINS_MAX 4
#define STEPS_AT_ONCE_MAX 20000

enum item_kind { ITEM_DELIVER, ITEM_UP, ITEM_DIAL_FAILED, ITEM_DOWN, ITEM_TICK, ITEM_WORK, ITEM_STEPS, ITEM_PERSISTED };

struct payload {
    int64_t values[VNET_UNITS_MAX];
    bool bad;
    uint64_t revoked; /* TRUST: bit per node */
    uint64_t version; /* MANIFEST */
    uint32_t epoch;
};

struct item {
    uint64_t at, order;
    enum item_kind kind;
    uint32_t node, life;
    uint32_t conn, side; /* side: the end it is for */
    uint32_t dial;
    struct gv_event event; /* WORK, PERSISTED */
    struct gv_msg *msg;    /* DELIVER, owned */
    struct payload *load;  /* DELIVER, owned, may be NULL */
    int64_t apply_unit;    /* WORK of a chunk: what to stage */
};

struct conn {
    uint32_t node[2], life[2], handle[2];
    bool open[2], announced;
    uint64_t last[2]; /* arrival of the last message sent to that side */
};

struct handle {
    uint32_t id; /* 0: free */
    struct payload load;
};

struct stage {
    bool used, fetch;
    uint64_t nonce;
    uint32_t applied_units;
    int64_t values[VNET_UNITS_MAX];
    uint8_t sent[VNET_UNITS_MAX], applied[VNET_UNITS_MAX];
};

struct pin {
    bool used;
    uint64_t nonce;
    int64_t values[VNET_UNITS_MAX];
};

struct node {
    struct vnet_node_options options;
    struct gv_core_config config;
    struct gv_core *core;
    bool alive, training, silent, unplugged, poisoned;
    uint32_t life, index_id; /* index_id: whose key it has */
    struct gv_id id;
    uint64_t incarnation, boot;
    uint32_t sequence, flags;
    uint64_t steps, tick_at;
    int64_t live[VNET_UNITS_MAX];
    struct stage stage;
    struct pin pins[PINS_MAX];
    struct handle handles[HANDLES_MAX];
    uint64_t work_until;
    uint64_t revoked;
    struct gv_core_manifest manifest;
    uint32_t commits;
    bool saw[GV_FX_GONE + 1];
    enum gv_err last_alarm;
    uint64_t sent_incarnation;
};

struct vnet {
    struct vnet_options options;
    uint64_t now, order, random, trace, boots;
    uint32_t node_count, conn_count, next_handle, steps_now;
    struct node nodes[VNET_NODES_MAX];
    struct conn *conns;
    struct item **heap;
    size_t heap_count, heap_cap;
    struct gv_effects *fx;
    vnet_filter filter;
    void *filter_context;
};

#define MUST(net, node_index, condition)                                                                        \
    cr_assert(condition, "seed %" PRIu64 ", %.6f s, node %u: %s", (net)->options.seed, (double)(net)->now / 1e6, \
              (unsigned)(node_index), #condition)

uint64_t vnet_seed(uint64_t fallback)
{
    const char *text = getenv("SEED");
    uint64_t seed = text == NULL ? fallback : strtoull(text, NULL, 0);
    fprintf(stderr, "SEED=%" PRIu64 "\n", seed);
    return seed;
}

uint64_t vnet_random(struct vnet *net) /* splitmix64 */
{
    uint64_t z = net->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t around(struct vnet *net, uint64_t mean)
{
    return mean / 2 + (mean == 0 ? 0 : vnet_random(net) % (mean + 1));
}

/* ---- the queue --------------------------------------------------------------------------------------------- */

static bool before(const struct item *a, const struct item *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct vnet *net, struct item *item)
{
    if (net->heap_count == net->heap_cap) {
        net->heap_cap = net->heap_cap == 0 ? 1024 : 2 * net->heap_cap;
        net->heap = realloc(net->heap, net->heap_cap * sizeof(struct item *));
        cr_assert_not_null(net->heap);
    }
    item->order = net->order++;
    size_t at = net->heap_count++;
    while (at > 0 && before(item, net->heap[(at - 1) / 2])) {
        net->heap[at] = net->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    net->heap[at] = item;
}

static struct item *pop(struct vnet *net)
{
    struct item *top = net->heap[0];
    struct item *last = net->heap[--net->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= net->heap_count) {
            break;
        }
        if (child + 1 < net->heap_count && before(net->heap[child + 1], net->heap[child])) {
            child++;
        }
        if (!before(net->heap[child], last)) {
            break;
        }
        net->heap[at] = net->heap[child];
        at = child;
    }
    if (net->heap_count > 0) {
        net->heap[at] = last;
    }
    return top;
}

static struct item *new_item(struct vnet *net, enum item_kind kind, uint32_t node, uint64_t delay)
{
    struct item *item = calloc(1, sizeof *item);
    cr_assert_not_null(item);
    item->kind = kind;
    item->node = node;
    item->life = node < net->node_count ? net->nodes[node].life : 0;
    item->at = net->now + delay;
    return item;
}

static void free_item(struct item *item)
{
    free(item->msg);
    free(item->load);
    free(item);
}

/* ---- the trace --------------------------------------------------------------------------------------------- */

static void mix(struct vnet *net, const void *data, size_t bytes)
{
    const uint8_t *b = data;
    for (size_t i = 0; i < bytes; i++) {
        net->trace = (net->trace ^ b[i]) * 0x100000001b3u;
    }
}

static void mix_number(struct vnet *net, uint64_t value)
{
    uint8_t b[8];
    for (int i = 0; i < 8; i++) {
        b[i] = (uint8_t)(value >> (8 * i));
    }
    mix(net, b, sizeof b);
}

static void trace_message(struct vnet *net, const struct gv_msg *msg)
{
    mix_number(net, msg->kind);
    for (uint32_t i = 0; i < msg->ref_count; i++) {
        mix(net, &msg->refs[i].id, sizeof msg->refs[i].id);
        mix_number(net, msg->refs[i].incarnation);
        mix_number(net, msg->refs[i].sequence);
    }
    switch (msg->kind) {
    case GV_KIND_PING:
    case GV_KIND_PONG:
        mix_number(net, msg->u.ping.seq);
        mix_number(net, msg->u.ping.suspected);
        mix(net, msg->u.ping.neighbours, msg->u.ping.neighbour_count * sizeof(struct gv_id));
        break;
    case GV_KIND_OFFER:
    case GV_KIND_ACCEPT:
        mix_number(net, msg->u.offer.nonce);
        mix_number(net, msg->u.offer.age);
        mix_number(net, msg->u.offer.chunk_bytes);
        mix_number(net, msg->u.offer.stats.epoch);
        mix_number(net, msg->u.offer.stats.weight);
        for (uint32_t i = 0; i < GV_MINIMA; i++) {
            mix_number(net, msg->u.offer.stats.minima[i]);
        }
        break;
    case GV_KIND_CREDIT:
    case GV_KIND_BUSY:
    case GV_KIND_ABORT:
        mix_number(net, msg->u.exchange.nonce);
        mix_number(net, msg->u.exchange.reason);
        mix_number(net, msg->u.exchange.credit);
        break;
    case GV_KIND_SHUFFLE:
    case GV_KIND_SHUFFLE_REPLY:
    case GV_KIND_FORWARD_JOIN:
        mix_number(net, msg->u.walk.ttl);
        mix_number(net, msg->u.walk.nonce);
        break;
    default:
        break;
    }
}

static void trace_effect(struct vnet *net, uint32_t node, const struct gv_effect *fx)
{
    mix_number(net, net->now);
    mix_number(net, node);
    mix_number(net, fx->kind);
    mix_number(net, fx->link);
    mix(net, &fx->target, sizeof fx->target);
    mix_number(net, fx->reason);
    switch (fx->kind) {
    case GV_FX_SEND:
        trace_message(net, &fx->u.msg);
        break;
    case GV_FX_DIAL:
    case GV_FX_DIAL_BOOK:
    case GV_FX_DIAL_SEED:
        mix_number(net, fx->u.dial.dial);
        mix_number(net, fx->u.dial.index);
        break;
    case GV_FX_LOG:
        mix_number(net, fx->u.log.code);
        mix_number(net, fx->u.log.value);
        break;
    case GV_FX_SNAPSHOT:
    case GV_FX_CHUNK_SEND:
    case GV_FX_APPLY:
    case GV_FX_COMMIT:
    case GV_FX_ADOPT:
        mix_number(net, fx->u.work.nonce);
        mix_number(net, fx->u.work.index);
        mix_number(net, (uint64_t)fx->u.work.age_delta);
        break;
    default:
        break;
    }
}

/* ---- hosts ------------------------------------------------------------------------------------------------- */

static struct gv_ref ref_of(const struct node *node)
{
    return (struct gv_ref){.id = node->id,
                           .incarnation = node->incarnation,
                           .boot = node->boot,
                           .sequence = node->sequence,
                           .flags = node->flags};
}

static uint64_t digest_of(uint64_t revoked)
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
    bool exists = gv_chunk_at(&block, &offset, &elements, m->block_elements, 1, fx->u.work.codec,
                              fx->u.work.chunk_bytes, fx->u.work.index);
    cr_assert(exists, "chunk %u does not exist", fx->u.work.index);
    *first = (uint32_t)(offset / UNIT_ELEMENTS);
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
    MUST(net, index, !"a handle answered twice, or never given");
    return NULL;
}

static void work(struct vnet *net, uint32_t index, enum gv_event_kind kind, uint64_t nonce, uint32_t chunk,
                 enum gv_err verdict)
{
    struct node *node = &net->nodes[index];
    uint64_t start = node->work_until > net->now ? node->work_until : net->now; /* one worker, in order */
    node->work_until = start + (net->options.work_us == 0 ? 0 : vnet_random(net) % net->options.work_us);
    struct item *item = new_item(net, ITEM_WORK, index, node->work_until - net->now);
    item->event = (struct gv_event){.kind = kind, .verdict = verdict};
    item->event.u.work.nonce = nonce;
    item->event.u.work.index = chunk;
    push(net, item);
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
    struct item *item = new_item(net, ITEM_DOWN, conn->node[side], at - net->now);
    item->conn = (uint32_t)(conn - net->conns);
    item->side = side;
    push(net, item);
}

static void reset_conn(struct vnet *net, struct conn *conn)
{
    for (uint32_t side = 0; side < 2; side++) {
        conn->last[side] = 0; /* what is under way is lost: DOWN comes first */
        if (conn->open[side]) {
            push_down(net, conn, side, around(net, net->options.latency_us));
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
        push_down(net, conn, 1 - side, around(net, net->options.latency_us));
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
    uint64_t at = net->now + around(net, net->options.latency_us);
    at = at <= conn->last[to] ? conn->last[to] + 1 : at;
    conn->last[to] = at;
    struct item *item = new_item(net, ITEM_DELIVER, conn->node[to], at - net->now);
    item->life = conn->life[to];
    item->conn = (uint32_t)(conn - net->conns);
    item->side = to;
    item->msg = malloc(sizeof *item->msg);
    cr_assert_not_null(item->msg);
    *item->msg = *msg;
    item->load = load;
    push(net, item);
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
        msg.u.hello.self = ref_of(node);
        break;
    case GV_KIND_PING:
    case GV_KIND_PONG:
        msg.ref_count = msg.u.ping.has_record ? 1 : 0;
        msg.refs[0] = ref_of(node);
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
    bool is_pin = false;
    for (uint32_t i = 0; i < PINS_MAX; i++) {
        if (node->pins[i].used && node->pins[i].nonce == fx->u.work.nonce) {
            from = node->pins[i].values;
            is_pin = true;
        }
    }
    units_of(node, fx, is_pin, &first, &count);
    if (from == NULL) {
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
    transmit(net, index, fx->link, &msg, load);
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
        MUST(net, index, !stage->applied[u]);                       /* a chunk is applied at most once */
        MUST(net, index, stage->fetch || stage->sent[u]);           /* and overwrites only what was sent */
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
    MUST(net, index, stage->applied_units == net->options.units);
    for (uint32_t u = 0; u < net->options.units; u++) {
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
    uint64_t delay = 2 * around(net, net->options.latency_us);
    struct item *item = new_item(net, reachable ? ITEM_UP : ITEM_DIAL_FAILED, index, delay);
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
    push(net, item);
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
    trace_effect(net, index, fx);
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
        item = new_item(net, ITEM_PERSISTED, index, 1000);
        item->event = (struct gv_event){.kind = GV_EV_PERSISTED};
        item->event.u.self.incarnation = fx->u.self.incarnation;
        push(net, item);
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
    push(net, new_item(net, ITEM_TICK, index, at - net->now));
}

static void step(struct vnet *net, uint32_t index, struct gv_event *event)
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
    MUST(net, index, !"handles leak");
    return 0;
}

static void learn_trust(struct vnet *net, uint32_t index, uint64_t revoked)
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
            step(net, index, &event);
        }
    }
    struct gv_event event = {.kind = GV_EV_TRUST};
    event.u.trust_digest = digest_of(node->revoked);
    step(net, index, &event);
}

static void learn_manifest(struct vnet *net, uint32_t index, uint64_t version, uint32_t epoch)
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
    step(net, index, &event);
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

static void give_message(struct vnet *net, uint32_t index, uint32_t link, struct gv_msg *msg, const struct payload *load)
{
    struct node *node = &net->nodes[index];
    struct gv_event event = {.kind = GV_EV_MSG, .link = link};
    if (msg->kind == GV_KIND_TRUST && load != NULL) {
        learn_trust(net, index, load->revoked);
    }
    if (msg->kind == GV_KIND_MANIFEST && load != NULL) {
        learn_manifest(net, index, load->version, load->epoch);
    }
    drop_revoked(net, node, msg);
    bool state = msg->kind == GV_KIND_CHUNK || msg->kind == GV_KIND_OFFER || msg->kind == GV_KIND_ACCEPT;
    event.u.msg.msg = msg;
    event.u.msg.handle = state && load != NULL ? give_handle(net, index, load) : 0;
    if (msg->kind == GV_KIND_HELLO || msg->kind == GV_KIND_WELCOME) {
        event.verdict = hello_verdict(net, node, msg);
    }
    step(net, index, &event);
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
        reset_conn(net, conn);
    }
    if (fate == VNET_LOSE_AND_RESET || fate == VNET_SWALLOW) {
        return;
    }
    if (side == 1 && !conn->announced) {
        conn->announced = true;
        struct gv_event in = {.kind = GV_EV_LINK_IN, .link = conn->handle[1]};
        step(net, item->node, &in);
    }
    give_message(net, item->node, conn->handle[side], item->msg, item->load);
    if (fate == VNET_DELIVER_AND_RESET) {
        reset_conn(net, conn);
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
    step(net, item->node, &event);
}

static void on_steps(struct vnet *net, uint32_t index)
{
    struct node *node = &net->nodes[index];
    push(net, new_item(net, ITEM_STEPS, index, around(net, net->options.round_us)));
    if (!node->training) {
        return;
    }
    node->steps += node->manifest.local_steps;
    struct gv_event event = {.kind = GV_EV_STEPS};
    event.u.steps.total = node->steps;
    event.u.steps.loss = GV_Q16_ONE / 2;
    event.u.steps.samples_per_s = 1000ull << 16;
    event.u.steps.round = true;
    step(net, index, &event);
}

static void run_item(struct vnet *net, struct item *item)
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
        step(net, item->node, &event);
        break;
    case ITEM_DOWN:
        net->conns[item->conn].open[item->side] = false;
        event.kind = GV_EV_LINK_DOWN;
        event.link = net->conns[item->conn].handle[item->side];
        step(net, item->node, &event);
        break;
    case ITEM_TICK:
        if (node->tick_at == item->at) {
            node->tick_at = GV_NEVER;
            step(net, item->node, &event);
        }
        break;
    case ITEM_PERSISTED:
        node->incarnation = item->event.u.self.incarnation;
        node->sequence = 0;
        step(net, item->node, &item->event);
        break;
    case ITEM_WORK:
        step(net, item->node, &item->event);
        break;
    case ITEM_STEPS:
        on_steps(net, item->node);
        break;
    }
}

/* ---- what tests call --------------------------------------------------------------------------------------- */

struct vnet *vnet_new(const struct vnet_options *options)
{
    struct vnet *net = calloc(1, sizeof *net);
    cr_assert_not_null(net);
    net->options = *options;
    net->random = options->seed;
    net->trace = 0xcbf29ce484222325u;
    net->now = 1000000;
    net->next_handle = 1;
    net->conns = calloc(CONNS_MAX, sizeof *net->conns);
    net->fx = malloc(sizeof *net->fx);
    cr_assert(net->conns != NULL && net->fx != NULL);
    return net;
}

void vnet_free(struct vnet **net)
{
    if (*net == NULL) {
        return;
    }
    while ((*net)->heap_count > 0) {
        free_item(pop(*net));
    }
    for (uint32_t i = 0; i < (*net)->node_count; i++) {
        free((*net)->nodes[i].core);
    }
    free((*net)->heap);
    free((*net)->conns);
    free((*net)->fx);
    free(*net);
    *net = NULL;
}

static void boot(struct vnet *net, uint32_t index)
{
    struct node *node = &net->nodes[index];
    free(node->core);
    void *memory = malloc(gv_core_bytes(&node->config));
    cr_assert_not_null(memory);
    node->core = gv_core_init(memory, &node->config);
    node->alive = true;
    node->silent = node->training = false;
    node->life++;
    node->boot = ++net->boots;
    node->sequence = 0;
    node->steps = 0;
    node->tick_at = GV_NEVER;
    node->work_until = 0;
    memset(&node->stage, 0, sizeof node->stage);
    memset(node->pins, 0, sizeof node->pins);
    memset(node->handles, 0, sizeof node->handles);
    struct gv_event event = {.kind = GV_EV_START};
    for (int i = 0; i < 32; i++) {
        event.u.start.seed[i] = (uint8_t)vnet_random(net);
    }
    event.u.start.self = ref_of(node);
    event.u.start.manifest = node->manifest;
    event.u.start.trust_digest = digest_of(node->revoked);
    event.u.start.age = node->options.age;
    event.u.start.has_model = node->options.has_model;
    event.u.start.trains = !node->options.serves_only;
    event.u.start.seed_count = node->options.seed_count;
    if (net->options.round_us > 0) {
        push(net, new_item(net, ITEM_STEPS, index, around(net, net->options.round_us)));
    }
    step(net, index, &event);
}

uint32_t vnet_spawn(struct vnet *net, const struct vnet_node_options *options)
{
    cr_assert_lt(net->node_count, VNET_NODES_MAX);
    uint32_t index = net->node_count++;
    struct node *node = &net->nodes[index];
    node->options = *options;
    if (options->config != NULL) {
        node->config = *options->config;
    } else {
        gv_core_defaults(&node->config);
    }
    node->config.outbound_only = options->outbound_only;
    for (int i = 0; i < GV_ID_BYTES; i++) {
        node->id.b[i] = (uint8_t)vnet_random(net);
    }
    node->incarnation = 1;
    node->flags = options->outbound_only ? 0 : GV_REF_DIALABLE;
    node->manifest = (struct gv_core_manifest){.version = 1,
                                               .epoch = 1,
                                               .block_count = 1,
                                               .merge = net->options.merge,
                                               .local_steps = 16,
                                               .settle_exchanges = net->options.settle_exchanges,
                                               .stop_age = net->options.stop_age == 0 ? GV_NEVER : net->options.stop_age};
    node->manifest.block_elements[0] = net->options.units == 1 ? 1000 : (uint64_t)net->options.units * UNIT_ELEMENTS;
    for (uint32_t u = 0; u < VNET_UNITS_MAX; u++) {
        node->live[u] = options->value * (int64_t)(u + 1);
    }
    boot(net, index);
    return index;
}

static bool run_next(struct vnet *net, uint64_t until)
{
    if (net->heap_count == 0 || net->heap[0]->at > until) {
        return false;
    }
    struct item *item = pop(net);
    if (item->at > net->now) {
        net->now = item->at;
        net->steps_now = 0;
    }
    run_item(net, item);
    free_item(item);
    return true;
}

void vnet_run(struct vnet *net, uint64_t us)
{
    uint64_t until = net->now + us;
    while (run_next(net, until)) {
    }
    net->now = until;
    net->steps_now = 0;
}

bool vnet_run_until(struct vnet *net, bool (*done)(struct vnet *net, void *context), void *context, uint64_t us)
{
    uint64_t until = net->now + us;
    while (!done(net, context)) {
        if (!run_next(net, until)) {
            return false;
        }
    }
    return true;
}

uint64_t vnet_now(const struct vnet *net)
{
    return net->now;
}

void vnet_kill(struct vnet *net, uint32_t index, bool silent)
{
    struct node *node = &net->nodes[index];
    if (silent) {
        node->silent = true;
        node->alive = false;
        return;
    }
    for (uint32_t i = 0; i < net->conn_count; i++) {
        struct conn *conn = &net->conns[i];
        for (uint32_t s = 0; s < 2; s++) {
            if (conn->node[s] == index && conn->life[s] == node->life && conn->open[s]) {
                reset_conn(net, conn);
            }
        }
    }
    node->alive = false;
}

void vnet_restart(struct vnet *net, uint32_t index, uint64_t incarnation_step)
{
    net->nodes[index].incarnation += incarnation_step;
    net->nodes[index].sent_incarnation = 0;
    boot(net, index);
}

void vnet_set_incarnation(struct vnet *net, uint32_t index, uint64_t incarnation)
{
    net->nodes[index].incarnation = incarnation;
}

uint32_t vnet_clone(struct vnet *net, uint32_t index)
{
    cr_assert_lt(net->node_count, VNET_NODES_MAX);
    uint32_t copy = net->node_count++;
    net->nodes[copy] = net->nodes[index];
    net->nodes[copy].core = NULL;
    net->nodes[copy].life = 0;
    boot(net, copy);
    return copy;
}

void vnet_command(struct vnet *net, uint32_t index, enum gv_command command)
{
    struct gv_event event = {.kind = GV_EV_COMMAND};
    event.u.command = command;
    step(net, index, &event);
}

void vnet_revoke(struct vnet *net, uint32_t index)
{
    for (uint32_t i = 0; i < net->node_count; i++) {
        if (net->nodes[i].alive && i != index) {
            learn_trust(net, i, (uint64_t)1 << index);
            return;
        }
    }
}

void vnet_update_manifest(struct vnet *net, uint32_t index, uint64_t version, uint32_t epoch)
{
    learn_manifest(net, index, version, epoch);
}

void vnet_set_filter(struct vnet *net, vnet_filter filter, void *context)
{
    net->filter = filter;
    net->filter_context = context;
}

void vnet_poison(struct vnet *net, uint32_t index)
{
    net->nodes[index].poisoned = true;
}

void vnet_cut(struct vnet *net, uint32_t a, uint32_t b)
{
    for (uint32_t i = 0; i < net->conn_count; i++) {
        struct conn *conn = &net->conns[i];
        bool between = (conn->node[0] == a && conn->node[1] == b) || (conn->node[0] == b && conn->node[1] == a);
        if (between && (conn->open[0] || conn->open[1])) {
            reset_conn(net, conn);
        }
    }
}

void vnet_unplug(struct vnet *net, uint32_t index, bool away)
{
    net->nodes[index].unplugged = away;
}

bool vnet_inject(struct vnet *net, uint32_t from, uint32_t to, const struct gv_msg *msg, bool with_handle)
{
    for (uint32_t i = 0; i < net->conn_count; i++) {
        struct conn *conn = &net->conns[i];
        for (uint32_t s = 0; s < 2; s++) {
            bool match = conn->node[s] == to && conn->node[1 - s] == from && conn->open[s] &&
                         conn->life[s] == net->nodes[to].life &&
                         gv_core_link_peer(net->nodes[to].core, conn->handle[s]) != NULL;
            if (match) {
                struct gv_msg copy = *msg;
                struct payload load = {.bad = false};
                give_message(net, to, conn->handle[s], &copy, with_handle ? &load : NULL);
                return true;
            }
        }
    }
    return false;
}

bool vnet_alive(const struct vnet *net, uint32_t index)
{
    return net->nodes[index].alive;
}

const struct gv_core *vnet_core(const struct vnet *net, uint32_t index)
{
    return net->nodes[index].core;
}

struct gv_core_stats vnet_stats(const struct vnet *net, uint32_t index)
{
    struct gv_core_stats stats;
    gv_core_stats(net->nodes[index].core, &stats);
    return stats;
}

const struct gv_id *vnet_id(const struct vnet *net, uint32_t index)
{
    return &net->nodes[index].id;
}

int64_t vnet_value(const struct vnet *net, uint32_t index, uint32_t unit)
{
    return net->nodes[index].live[unit];
}

int64_t vnet_sum(const struct vnet *net, uint32_t unit)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < net->node_count; i++) {
        sum += net->nodes[i].alive ? net->nodes[i].live[unit] : 0;
    }
    return sum;
}

int64_t vnet_spread(const struct vnet *net)
{
    int64_t low = INT64_MAX;
    int64_t high = INT64_MIN;
    for (uint32_t i = 0; i < net->node_count; i++) {
        if (net->nodes[i].alive) {
            low = net->nodes[i].live[0] < low ? net->nodes[i].live[0] : low;
            high = net->nodes[i].live[0] > high ? net->nodes[i].live[0] : high;
        }
    }
    return high - low;
}

bool vnet_has_peer(const struct vnet *net, uint32_t index, uint32_t other, bool active_only)
{
    struct gv_peer_info peers[512];
    uint32_t count = gv_core_peers(net->nodes[index].core, peers, 512);
    for (uint32_t i = 0; i < count; i++) {
        if (gv_id_equal(&peers[i].ref.id, &net->nodes[other].id) && (!active_only || peers[i].role == GV_PEER_ACTIVE)) {
            return true;
        }
    }
    return false;
}

bool vnet_connected(const struct vnet *net)
{
    uint32_t reached = 0;
    uint32_t live = 0;
    for (uint32_t i = 0; i < net->node_count; i++) {
        live |= net->nodes[i].alive ? 1u << i : 0;
    }
    reached = live & (~live + 1);
    for (uint32_t pass = 0; pass < net->node_count; pass++) {
        for (uint32_t i = 0; i < net->node_count; i++) {
            for (uint32_t k = 0; (reached >> i & 1) != 0 && k < net->node_count; k++) {
                if ((live >> k & 1) != 0 && (reached >> k & 1) == 0 && vnet_has_peer(net, i, k, true)) {
                    reached |= 1u << k;
                }
            }
        }
    }
    return reached == live;
}

uint32_t vnet_commits(const struct vnet *net, uint32_t index)
{
    return net->nodes[index].commits;
}

bool vnet_saw(const struct vnet *net, uint32_t index, enum gv_effect_kind kind)
{
    return net->nodes[index].saw[kind];
}

enum gv_err vnet_last_alarm(const struct vnet *net, uint32_t index)
{
    return net->nodes[index].last_alarm;
}

uint64_t vnet_manifest_version(const struct vnet *net, uint32_t index)
{
    return net->nodes[index].manifest.version;
}

uint64_t vnet_trace(const struct vnet *net)
{
    return net->trace;
}

uint64_t vnet_handles_open(const struct vnet *net, uint32_t index)
{
    uint64_t open = 0;
    for (uint32_t i = 0; i < HANDLES_MAX; i++) {
        open += net->nodes[index].handles[i].id != 0 ? 1 : 0;
    }
    return open;
}

bool vnet_training(const struct vnet *net, uint32_t index)
{
    return net->nodes[index].training;
}
