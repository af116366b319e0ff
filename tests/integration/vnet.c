/*
 * What tests call of the in-memory network: nodes come, go, are cut off and looked at.
 */
#include "vnet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vnet_state.h"

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
        vnet_item_free(vnet_pop(*net));
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
    event.u.start.self = vnet_ref(node);
    event.u.start.manifest = node->manifest;
    event.u.start.trust_digest = vnet_digest(node->revoked);
    event.u.start.age = node->options.age;
    event.u.start.has_model = node->options.has_model;
    event.u.start.trains = !node->options.serves_only;
    event.u.start.seed_count = node->options.seed_count;
    if (net->options.round_us > 0) {
        vnet_push(net, vnet_item(net, ITEM_STEPS, index, vnet_around(net, net->options.round_us)));
    }
    vnet_step(net, index, &event);
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
    node->manifest =
        (struct gv_core_manifest){.version = 1,
                                  .epoch = 1,
                                  .block_count = 1,
                                  .merge = net->options.merge,
                                  .exchange = net->options.exchange,
                                  .codec = net->options.codec,
                                  .local_steps = 16,
                                  .settle_exchanges = net->options.settle_exchanges,
                                  .stop_age = net->options.stop_age == 0 ? GV_NEVER : net->options.stop_age};
    uint32_t second = net->options.second_units;
    node->manifest.block_count = second > 0 ? 2 : 1;
    node->manifest.block_elements[1] = (uint64_t)second * UNIT_ELEMENTS;
    node->manifest.block_elements[0] =
        net->options.units == 1 ? 1000 : (uint64_t)(net->options.units - second) * UNIT_ELEMENTS;
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
    struct item *item = vnet_pop(net);
    if (item->at > net->now) {
        net->now = item->at;
        net->steps_now = 0;
    }
    vnet_run_item(net, item);
    vnet_item_free(item);
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
                vnet_reset_conn(net, conn);
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
    vnet_step(net, index, &event);
}

void vnet_revoke(struct vnet *net, uint32_t index)
{
    for (uint32_t i = 0; i < net->node_count; i++) {
        if (net->nodes[i].alive && i != index) {
            vnet_learn_trust(net, i, (uint64_t)1 << index);
            return;
        }
    }
}

void vnet_update_manifest(struct vnet *net, uint32_t index, uint64_t version, uint32_t epoch)
{
    vnet_learn_manifest(net, index, version, epoch);
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
            vnet_reset_conn(net, conn);
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
                vnet_give_message(net, to, conn->handle[s], &copy, with_handle ? &load : NULL);
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

uint32_t vnet_logged(const struct vnet *net, uint32_t index, enum gv_log_code code)
{
    return net->nodes[index].logged[code];
}

uint32_t vnet_dials(const struct vnet *net, uint32_t index)
{
    return net->nodes[index].dials;
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
