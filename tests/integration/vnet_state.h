/*
 * What the files of the in-memory network share: its queue, its connections and the integer hosts.
 */
#ifndef VNET_STATE_H
#define VNET_STATE_H

#include <criterion/criterion.h>
#include <inttypes.h>

#include "vnet.h"

#define UNIT_ELEMENTS 16384u
#define HANDLES_MAX 256
#define CONNS_MAX 16384
#define PINS_MAX 4
#define STEPS_AT_ONCE_MAX 20000

enum item_kind {
    ITEM_DELIVER,
    ITEM_UP,
    ITEM_DIAL_FAILED,
    ITEM_DOWN,
    ITEM_TICK,
    ITEM_WORK,
    ITEM_ENCODED,
    ITEM_STEPS,
    ITEM_PERSISTED,
};

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
    struct gv_msg *msg;    /* DELIVER, ENCODED, owned */
    struct payload *load;  /* DELIVER, ENCODED, owned, may be NULL */
    uint32_t link;         /* ENCODED: where to */
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
    uint32_t logged[GV_LOG_COUNT];
    uint32_t dials;
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

#define MUST(net, node_index, condition)                                                                         \
    cr_assert(condition, "seed %" PRIu64 ", %.6f s, node %u: %s", (net)->options.seed, (double)(net)->now / 1e6, \
              (unsigned)(node_index), #condition)

/* vnet_queue.c */
void vnet_push(struct vnet *net, struct item *item);
struct item *vnet_pop(struct vnet *net);
struct item *vnet_item(struct vnet *net, enum item_kind kind, uint32_t node, uint64_t delay);
void vnet_item_free(struct item *item);
uint64_t vnet_around(struct vnet *net, uint64_t mean);
void vnet_trace_effect(struct vnet *net, uint32_t node, const struct gv_effect *fx);

/* vnet_host.c */
struct gv_ref vnet_ref(const struct node *node);
uint64_t vnet_digest(uint64_t revoked);
void vnet_step(struct vnet *net, uint32_t index, struct gv_event *event);
void vnet_run_item(struct vnet *net, struct item *item);
void vnet_reset_conn(struct vnet *net, struct conn *conn);
void vnet_learn_trust(struct vnet *net, uint32_t index, uint64_t revoked);
void vnet_learn_manifest(struct vnet *net, uint32_t index, uint64_t version, uint32_t epoch);
void vnet_give_message(struct vnet *net, uint32_t index, uint32_t link, struct gv_msg *msg, const struct payload *load);

#endif
