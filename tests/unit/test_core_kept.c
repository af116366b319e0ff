/*
 * What the core keeps so as not to look it up in every step, against looking it up: deadlines, what is scanned of its
 * tables, the median and the deviation of exchanges. Random swarms of a few cores with small tables, whose links break
 * and whose nodes fall silent, are checked after every step. Prints SEED, accepts SEED.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_state.h"
#include "fixed.h"

#define NODES 9
#define ITEMS_MAX 4096
#define CONNS_MAX 65536
#define STEPS 60000

/* ---- what is kept, looked up ------------------------------------------------------------------------------- */

static const char *kept_links(const struct gv_core *core)
{
    bool bad = false;
    for (uint32_t i = 0; i < core->config.links_max; i++) {
        const struct gv_link *link = &core->links[i];
        if ((link->state == GV_LINK_FREE) != (core->handles[i] == GV_LINK_NONE)) {
            return "handles";
        }
        if (link->state != GV_LINK_VERIFIED) {
            continue;
        }
        bad = bad || gv_score_bad(core, core->link_peers[i]);
        uint64_t idle_us = core->used_us[i] + 2 * GV_SECOND;
        if (core->roles[core->link_peers[i]] != GV_ROLE_ACTIVE && core->idle_from_us > idle_us) {
            return "idle_from_us";
        }
    }
    if (bad && !core->accused) {
        return "accused";
    }
    bool known = core->links_due_us > core->now_us;
    return known && core->links_due_us != gv_links_soonest(core) ? "links_due_us" : NULL;
}

static const char *kept_neighbours(const struct gv_core *core)
{
    uint32_t relays = 0;
    for (uint32_t i = 0; i < core->config.active_max; i++) {
        bool used = core->view[i] != GV_NOBODY;
        bool waits = used && core->active[i].phase != GV_PROBE_IDLE;
        if (waits != (core->probe_due_us[i] != GV_NEVER)) {
            return "probe_due_us";
        }
        if (used && (core->roles[core->view[i]] != GV_ROLE_ACTIVE || core->neighbours[core->view[i]] != i)) {
            return "view";
        }
    }
    for (uint32_t i = 0; i < core->config.relays_max; i++) {
        relays += core->relays[i].used ? 1 : 0;
    }
    return relays == core->relays_used ? NULL : "relays_used";
}

static const char *kept_peers(const struct gv_core *core)
{
    uint32_t passive = 0;
    for (uint32_t i = 0; i < core->config.peers_max; i++) {
        bool used = i < core->peers_used;
        if (used && (core->tags[i] != gv_peers_tag(&core->peers[i].ref.id) ||
                     gv_peers_find(core, &core->peers[i].ref.id) != i)) {
            return "tags";
        }
        if (!used && (core->roles[i] != GV_ROLE_NONE || core->lent[i])) {
            return "peers_used";
        }
        passive += core->roles[i] == GV_ROLE_PASSIVE ? 1 : 0;
    }
    for (uint32_t i = 0; i < core->config.graves_max; i++) {
        const struct gv_grave *grave = &core->graves[i];
        if (grave->until_us != 0 && core->grave_tags[i] != gv_peers_tag(&grave->id)) {
            return "grave_tags";
        }
    }
    return passive == core->passive_count ? NULL : "passive_count";
}

static const char *kept_deadline(const struct gv_core *core)
{
    uint64_t at = gv_sooner(gv_links_soonest(core), gv_exchange_deadline(core));
    at = gv_sooner(at, gv_sooner(gv_fetch_deadline(core), gv_donor_deadline(core)));
    at = gv_sooner(at, gv_sooner(gv_lifecycle_deadline(core), gv_rounds_deadline(core)));
    at = gv_sooner(at, gv_sooner(gv_probe_deadline(core), gv_views_deadline(core)));
    at = gv_sooner(at, gv_sooner(gv_shuffle_deadline(core), gv_swarm_stats_deadline(core)));
    return gv_core_next_deadline(core) == (core->stopped ? GV_NEVER : at) ? NULL : "wake_us";
}

/* ---- a few cores ------------------------------------------------------------------------------------------- */

enum item_kind { ITEM_FREE = 0, ITEM_MESSAGE, ITEM_UP, ITEM_FAILED, ITEM_DOWN, ITEM_WORK };
struct item {
    enum item_kind kind;
    uint64_t at_us, order;
    uint32_t node, link, dial;
    enum gv_event_kind event;
    uint64_t nonce;
    uint32_t index;
    struct gv_msg msg;
};

struct node {
    struct gv_core *core;
    struct gv_ref ref;
    uint64_t steps;
    bool training, silent;
};

struct net {
    uint64_t random, now_us, order, done, closed;
    struct node nodes[NODES];
    struct item items[ITEMS_MAX];
    bool open[2 * CONNS_MAX];        /* by handle: connection * 2 + side, the first connection is 1 */
    uint8_t far_node[2 * CONNS_MAX]; /* who is at the other end */
    uint64_t arrived[2 * CONNS_MAX]; /* a link keeps its order */
    uint32_t conns;
    struct gv_effects fx;
};

static uint64_t draw(struct net *net) /* splitmix64 */
{
    uint64_t z = net->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static struct item *put(struct net *net, enum item_kind kind, uint32_t node, uint64_t wait_us)
{
    for (uint32_t i = 0; i < ITEMS_MAX; i++) {
        if (net->items[i].kind == ITEM_FREE) {
            net->items[i].kind = kind;
            net->items[i].node = node;
            net->items[i].at_us = net->now_us + wait_us;
            net->items[i].order = net->order++;
            return &net->items[i];
        }
    }
    cr_assert_fail("too much under way");
    return NULL;
}

/* On the way to the far end of `link`, behind what went before. */
static struct item *put_across(struct net *net, enum item_kind kind, uint32_t link)
{
    struct item *item = put(net, kind, net->far_node[link], 1000 + draw(net) % 40000);
    item->link = link ^ 1;
    item->at_us = item->at_us < net->arrived[link] ? net->arrived[link] : item->at_us;
    net->arrived[link] = item->at_us;
    return item;
}

static void dial(struct net *net, uint32_t from, uint32_t to, uint32_t number)
{
    bool fails = to == from || net->nodes[to].silent || draw(net) % 8 == 0 || net->conns + 1 >= CONNS_MAX;
    struct item *item = put(net, fails ? ITEM_FAILED : ITEM_UP, from, 2000);
    item->dial = number;
    if (!fails) {
        item->link = 2 * ++net->conns;
        net->far_node[item->link] = (uint8_t)to;
        net->far_node[item->link | 1] = (uint8_t)from;
        net->open[item->link] = net->open[item->link | 1] = true;
    }
}

static void send(struct net *net, uint32_t index, const struct gv_effect *fx)
{
    struct gv_msg *msg;
    if (!net->open[fx->link]) {
        return;
    }
    msg = &put_across(net, ITEM_MESSAGE, fx->link)->msg;
    *msg = fx->u.msg;
    if (msg->kind == GV_KIND_HELLO || msg->kind == GV_KIND_WELCOME) {
        msg->u.hello.self = net->nodes[index].ref;
    } else if (msg->kind == GV_KIND_PING || msg->kind == GV_KIND_PONG) {
        msg->ref_count = msg->u.ping.has_record ? 1 : 0;
        msg->refs[0] = net->nodes[index].ref;
    }
}

static void answer(struct net *net, uint32_t index, enum gv_event_kind event, const struct gv_effect *fx)
{
    struct item *item = put(net, ITEM_WORK, index, draw(net) % 3000);
    item->event = event;
    item->nonce = fx->u.work.nonce;
    item->index = fx->u.work.index;
}

static void carry_out(struct net *net, uint32_t index, const struct gv_effect *fx)
{
    switch (fx->kind) {
    case GV_FX_SEND:
        send(net, index, fx);
        break;
    case GV_FX_CLOSE:
        net->closed++;
        if (net->open[fx->link]) {
            net->open[fx->link] = false;
            (void)put_across(net, ITEM_DOWN, fx->link);
        }
        break;
    case GV_FX_DIAL:
        dial(net, index, fx->target.b[4], fx->u.dial.dial);
        break;
    case GV_FX_DIAL_SEED:
        dial(net, index, 0, fx->u.dial.dial);
        break;
    case GV_FX_SIGN:
        net->nodes[index].ref.sequence = fx->u.self.sequence;
        break;
    case GV_FX_TRAIN:
        net->nodes[index].training = fx->u.train;
        break;
    case GV_FX_SNAPSHOT:
        answer(net, index, GV_EV_SNAPSHOT, fx);
        break;
    case GV_FX_APPLY:
        answer(net, index, GV_EV_APPLIED, fx);
        break;
    case GV_FX_COMMIT:
        net->done++;
        answer(net, index, GV_EV_MERGED, fx);
        break;
    case GV_FX_ADOPT:
        answer(net, index, GV_EV_MERGED, fx);
        break;
    default:
        break;
    }
}

static void step(struct net *net, uint32_t index, struct gv_event *event)
{
    const struct gv_core *core = net->nodes[index].core;
    event->now_us = net->now_us;
    gv_core_step(net->nodes[index].core, event, &net->fx);
    const char *(*const kept[])(const struct gv_core *) = {kept_links, kept_neighbours, kept_peers, kept_deadline};
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        const char *wrong = kept[i](core);
        cr_assert(wrong == NULL, "%.6f s, node %u, event %d: %s", (double)net->now_us / 1e6, index, (int)event->kind,
                  wrong);
    }
    for (uint32_t i = 0; i < net->fx.count; i++) {
        carry_out(net, index, &net->fx.item[i]);
    }
}

static void run_item(struct net *net, struct item *item)
{
    struct gv_event event = {.link = item->link};
    uint32_t link = item->link;
    if (net->nodes[item->node].silent) {
        item->kind = ITEM_FREE;
        return;
    }
    switch (item->kind) {
    case ITEM_MESSAGE:
        if (net->open[link]) {
            if (item->msg.kind == GV_KIND_HELLO) {
                event.kind = GV_EV_LINK_IN;
                step(net, item->node, &event);
            }
            event.kind = GV_EV_MSG;
            event.u.msg.msg = &item->msg;
            bool whole = item->msg.kind == GV_KIND_OFFER || item->msg.kind == GV_KIND_ACCEPT;
            event.u.msg.handle = whole && item->msg.u.offer.inline_state ? 1 : 0;
            event.u.msg.bytes = 0;
            step(net, item->node, &event);
        }
        break;
    case ITEM_DOWN:
        net->open[link] = false;
        event.kind = GV_EV_LINK_DOWN;
        step(net, item->node, &event);
        break;
    case ITEM_WORK:
        event.kind = item->event;
        event.u.work.nonce = item->nonce;
        event.u.work.index = item->index;
        step(net, item->node, &event);
        break;
    default:
        event.kind = item->kind == ITEM_UP ? GV_EV_LINK_UP : GV_EV_DIAL_FAILED;
        event.u.dial.dial = item->dial;
        step(net, item->node, &event);
        break;
    }
    item->kind = ITEM_FREE;
}

/* A round of somebody is done, a link breaks, someone falls silent or is back, someone misbehaves. */
static void mishap(struct net *net)
{
    uint32_t index = (uint32_t)(draw(net) % NODES);
    struct node *node = &net->nodes[index];
    uint32_t link = 2 + (uint32_t)(draw(net) % (2 * (uint64_t)net->conns + 1));
    struct gv_event event = {.kind = GV_EV_STEPS};
    uint64_t what = draw(net) % 400;
    if (what < 380 && node->training && !node->silent) {
        node->steps += 16;
        event.u.steps.total = node->steps;
        event.u.steps.round = true;
        step(net, index, &event);
    } else if (what >= 380 && what < 390 && net->open[link]) {
        (void)put_across(net, ITEM_DOWN, link);
        (void)put_across(net, ITEM_DOWN, link ^ 1);
    } else if (what >= 390 && what < 392) {
        node->silent = !node->silent;
    } else if (what >= 392 && net->open[link] && !net->nodes[net->far_node[link ^ 1]].silent) {
        event = (struct gv_event){.kind = GV_EV_BAD_FRAME, .link = link, .verdict = GV_ERR_EXPIRED};
        step(net, net->far_node[link ^ 1], &event);
    }
}

static void start(struct net *net, uint32_t index, const struct gv_core_config *config)
{
    struct node *node = &net->nodes[index];
    struct gv_event event = {.kind = GV_EV_START};
    node->core = gv_core_init(malloc(gv_core_bytes(config)), config);
    node->ref = (struct gv_ref){.incarnation = 1, .boot = index + 1, .flags = GV_REF_DIALABLE};
    node->ref.id.b[0] = (uint8_t)(index % 2); /* some tags are alike */
    node->ref.id.b[4] = (uint8_t)index;
    for (int i = 0; i < 32; i++) {
        event.u.start.seed[i] = (uint8_t)draw(net);
    }
    event.u.start.self = node->ref;
    event.u.start.has_model = true;
    event.u.start.trains = true;
    event.u.start.seed_count = index > 0 ? 1 : 0;
    event.u.start.manifest = (struct gv_core_manifest){
        .version = 1, .epoch = 1, .block_count = 1, .block_elements = {16}, .local_steps = 16, .stop_age = GV_NEVER};
    step(net, index, &event);
}

/* The next of what is under way, of deadlines and of mishaps. */
static void run_next(struct net *net)
{
    struct item *next = NULL;
    for (uint32_t i = 0; i < ITEMS_MAX; i++) {
        struct item *item = &net->items[i];
        bool sooner =
            next == NULL || item->at_us < next->at_us || (item->at_us == next->at_us && item->order < next->order);
        next = item->kind != ITEM_FREE && sooner ? item : next;
    }
    uint64_t at_us = next == NULL ? GV_NEVER : next->at_us;
    uint32_t tick = NODES;
    for (uint32_t i = 0; i < NODES; i++) {
        uint64_t wake_us = net->nodes[i].silent ? GV_NEVER : gv_core_next_deadline(net->nodes[i].core);
        if (wake_us < at_us) {
            at_us = wake_us;
            tick = i;
        }
    }
    net->now_us = at_us != GV_NEVER && at_us > net->now_us ? at_us : net->now_us;
    if (tick < NODES) {
        step(net, tick, &(struct gv_event){.kind = GV_EV_TICK});
    } else if (next != NULL) {
        run_item(net, next);
    }
    if (draw(net) % 8 == 0) {
        mishap(net);
    }
}

static uint64_t seed_of(uint64_t fallback)
{
    const char *text = getenv("SEED");
    uint64_t seed = text == NULL ? fallback : strtoull(text, NULL, 0);
    fprintf(stderr, "SEED=%" PRIu64 "\n", seed);
    return seed;
}

Test(core_kept, what_is_kept_is_what_a_look_would_find, .timeout = 120)
{
    for (uint64_t seed = seed_of(1), last = seed + 3; seed <= last; seed++) {
        struct net *net = calloc(1, sizeof *net);
        struct gv_core_config config;
        cr_assert_not_null(net);
        net->random = seed;
        net->now_us = GV_SECOND;
        gv_core_defaults(&config);
        config.active_max = 2 + (uint32_t)(seed % 3);
        config.active_target = config.active_min = 2;
        config.links_max = 5 + (uint32_t)(seed % 3);
        config.passive_max = 3;
        config.cached_links_max = 1;
        config.peers_max = config.dials_max = config.relays_max = config.walks_max = config.graves_max = 2;
        for (uint32_t i = 0; i < NODES; i++) {
            start(net, i, &config);
        }
        for (uint32_t i = 0; i < STEPS; i++) {
            run_next(net);
        }
        fprintf(stderr, "%.0f s, %" PRIu64 " exchanges, %u links, %" PRIu64 " closed\n", (double)net->now_us / 1e6,
                net->done / 2, net->conns, net->closed);
        cr_assert_gt(net->done, 100);
        cr_assert_gt(net->closed, 50);
        for (uint32_t i = 0; i < NODES; i++) {
            free(net->nodes[i].core);
        }
        free(net);
    }
}

Test(core_kept, the_median_and_deviation_are_those_of_the_last_32_exchanges)
{
    struct net *net = calloc(1, sizeof *net);
    struct gv_core_config config;
    cr_assert_not_null(net);
    net->random = seed_of(5);
    gv_core_defaults(&config);
    struct gv_core *core = gv_core_init(malloc(gv_core_bytes(&config)), &config);
    uint64_t last[GV_DURATIONS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        uint64_t us = draw(net) % (draw(net) % 2 == 0 ? 5 : 100000); /* many alike */
        last[count++ % GV_DURATIONS_MAX] = us;
        gv_outcome_duration(core, us);
        uint32_t n = count < GV_DURATIONS_MAX ? count : GV_DURATIONS_MAX;
        cr_assert_eq(gv_outcome_median(core), gv_fixed_median(last, n));
        cr_assert_eq(core->duration_mad_us, gv_fixed_mad(last, n, gv_fixed_median(last, n)));
        if (draw(net) % 500 == 0) {
            gv_outcome_forget_durations(core);
            count = 0;
            cr_assert_eq(gv_outcome_median(core), 0);
        }
    }
    free(core);
    free(net);
}

Test(core_kept, asking_for_memory_ahead_changes_nothing)
{
    struct gv_core_config config;
    gv_core_defaults(&config);
    size_t bytes = gv_core_bytes(&config);
    struct gv_core *core = gv_core_init(malloc(bytes), &config);
    unsigned char *before = malloc(bytes);
    cr_assert_not_null(before);
    memcpy(before, core, bytes);
    gv_core_prefetch(core);
    cr_assert_arr_eq((const unsigned char *)core, before, bytes);
    free(before);
    free(core);
}
