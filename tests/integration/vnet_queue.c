/*
 * The network's event queue (a heap by time, then by order of entry) and the hash of everything the cores did.
 */
#include "vnet_state.h"

#include <stdlib.h>

uint64_t vnet_around(struct vnet *net, uint64_t mean)
{
    return mean / 2 + (mean == 0 ? 0 : vnet_random(net) % (mean + 1));
}

/* ---- the queue --------------------------------------------------------------------------------------------- */

static bool before(const struct item *a, const struct item *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void vnet_push(struct vnet *net, struct item *item)
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

struct item *vnet_pop(struct vnet *net)
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

struct item *vnet_item(struct vnet *net, enum item_kind kind, uint32_t node, uint64_t delay)
{
    struct item *item = calloc(1, sizeof *item);
    cr_assert_not_null(item);
    item->kind = kind;
    item->node = node;
    item->life = node < net->node_count ? net->nodes[node].life : 0;
    item->at = net->now + delay;
    return item;
}

void vnet_item_free(struct item *item)
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

void vnet_trace_effect(struct vnet *net, uint32_t node, const struct gv_effect *fx)
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
