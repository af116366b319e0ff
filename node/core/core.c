/*
 * The core's front door: memory, dispatch of events, deadlines, and what a person may ask.
 *
 *     a step:  event -> the file it concerns -> its ticks, in a fixed order -> what is left is due at once
 *
 * Guarantees: at most GV_EFFECTS_MAX effects a step; nothing allocated; the same events give the same effects on every
 * machine and compiler.
 */
#include "core_state.h"

#include <string.h>

#define MESSAGES_PER_SECOND 500
#define MESSAGES_BURST 1000
#define REQUESTS_PER_SECOND 10
#define REQUESTS_BURST 40
#define MINUTE_US (60 * GV_SECOND)
#define CACHE_LINE_BYTES 64u
#define COLUMNS_AHEAD_BYTES 256u /* the first tables of TABLES, where they are small */

void gv_core_defaults(struct gv_core_config *config)
{
    *config = (struct gv_core_config){
        .active_target = 8,
        .active_min = 5,
        .active_max = GV_ACTIVE_MAX,
        .active_chosen_min = 5,
        .passive_max = GV_PASSIVE_MAX,
        .arrivals_max = UINT32_MAX, /* what follows from passive_max */
        .peers_max = GV_PEERS_MAX,
        .links_max = GV_LINKS_MAX,
        .provisional_max = 32,
        .cached_links_max = 16,
        .exchange_spacing = 4,
        .probe_us = GV_SECOND,
        .probe_timeout_min_us = 500 * GV_MS,
        .shuffle_us = 30 * GV_SECOND,
        .shuffle_early_us = 10 * GV_SECOND,
        .promote_us = 5 * GV_SECOND,
        .swap_us = MINUTE_US,
        .book_dial_us = 30 * GV_SECOND,
        .seed_dial_us = MINUTE_US,
        .record_refresh_us = 10 * MINUTE_US,
        .record_life_us = 30 * MINUTE_US,
        .backoff_us = MINUTE_US,
        .exchange_timeout_us = 20 * GV_SECOND,
        .isolated_us = 5 * GV_SECOND,
        .donors = 5,
        .dials_max = GV_DIALS_MAX,
        .walks_max = GV_WALKS_MAX,
        .relays_max = GV_RELAYS_MAX,
        .graves_max = GV_GRAVES_MAX,
        .outcomes_max = GV_OUTCOMES_KEPT,
    };
}

static size_t aligned(size_t bytes)
{
    size_t grain = _Alignof(max_align_t);
    return (bytes + grain - 1) / grain * grain;
}

/* The tables behind struct gv_core, in memory as listed: name, and the field of the configuration with its rows. */
#define TABLES(X)                   \
    X(handles, links_max)           \
    X(link_peers, links_max)        \
    X(view, active_max)             \
    X(probe_due_us, active_max)     \
    X(neighbours, peers_max)        \
    X(peer_links, peers_max)        \
    X(roles, peers_max)             \
    X(tags, peers_max)              \
    X(limits_us, links_max)         \
    X(used_us, links_max)           \
    X(offer_after_us, links_max)    \
    X(scores, peers_max)            \
    X(exchange_after_us, peers_max) \
    X(dial_after_us, peers_max)     \
    X(links, links_max)             \
    X(active, active_max)           \
    X(lent, peers_max)              \
    X(ages, peers_max)              \
    X(accused_ds, peers_max)        \
    X(peers, peers_max)             \
    X(dials, dials_max)             \
    X(relays, relays_max)           \
    X(walks, walks_max)             \
    X(arrivals, arrivals_max)       \
    X(grave_tags, graves_max)       \
    X(graves, graves_max)           \
    X(outcome_tags, outcomes_max)   \
    X(outcomes, outcomes_max)

size_t gv_core_bytes(const struct gv_core_config *config)
{
    struct gv_core_config c = *config;
    gv_lifecycle_clamp(&c);
    size_t bytes = aligned(sizeof(struct gv_core));
#define ADD(name, rows) bytes += aligned(c.rows * sizeof *((struct gv_core *)NULL)->name);
    TABLES(ADD)
#undef ADD
    return bytes;
}

struct gv_core *gv_core_init(void *memory, const struct gv_core_config *config)
{
    memset(memory, 0, gv_core_bytes(config));
    struct gv_core *core = memory;
    core->config = *config;
    gv_lifecycle_clamp(&core->config);
    unsigned char *at = (unsigned char *)memory + aligned(sizeof *core);
#define CARVE(name, rows)    \
    core->name = (void *)at; \
    at += aligned(core->config.rows * sizeof *core->name);
    TABLES(CARVE)
#undef CARVE
    for (uint32_t i = 0; i < core->config.active_max; i++) {
        core->view[i] = GV_NOBODY;
        core->probe_due_us[i] = GV_NEVER;
    }
    for (uint32_t i = 0; i < core->config.links_max; i++) {
        core->link_peers[i] = GV_NOBODY;
        core->limits_us[i] = GV_NEVER;
    }
    core->wake_us = GV_NEVER;
    return core;
}

static bool is_request(enum gv_kind kind)
{
    switch (kind) {
    case GV_KIND_PROBE:
    case GV_KIND_NEIGHBOUR:
    case GV_KIND_FORWARD_JOIN:
    case GV_KIND_SHUFFLE:
    case GV_KIND_SAMPLE:
    case GV_KIND_LEAVE:
    case GV_KIND_STATE:
    case GV_KIND_FETCH:
    case GV_KIND_MANIFEST_WANT:
    case GV_KIND_TRUST_HAVE:
        return true;
    default:
        return false;
    }
}

/* Whoever says more than it may pays for it. */
static void over_rate(struct gv_core *core, uint32_t row)
{
    gv_score_add(core, core->link_peers[row], GV_ERR_RATE, GV_SCORE_SLIGHT / 4);
}

/* False: no token of this link is left. */
static bool takes_message(struct gv_core *core, uint32_t row)
{
    return gv_bucket_take(&core->links[row].messages, core->now_us, MESSAGES_PER_SECOND, MESSAGES_BURST);
}

/* What the transfers under way wait for is limited by credit and by their own order; all else by tokens, chunks and
 * credit of a transfer that is over too: there are only a few of those. */
static bool within_rate(struct gv_core *core, uint32_t row, const struct gv_msg *msg)
{
    struct gv_link *link = &core->links[row];
    enum gv_kind kind = msg->kind;
    if (gv_exchange_awaits(core, row, msg) || gv_fetch_awaits(core, row, msg) || gv_donor_awaits(core, row, msg)) {
        return true;
    }
    return takes_message(core, row) &&
           (!is_request(kind) || gv_bucket_take(&link->requests, core->now_us, REQUESTS_PER_SECOND, REQUESTS_BURST));
}

static void dispatch(struct gv_core *core, uint32_t link, const struct gv_event *event)
{
    struct gv_msg *msg = event->u.msg.msg;
    switch (msg->kind) {
    case GV_KIND_HELLO:
    case GV_KIND_WELCOME:
    case GV_KIND_REFUSE:
        gv_admission_message(core, link, event);
        break;
    case GV_KIND_PING:
    case GV_KIND_PONG:
    case GV_KIND_PROBE:
    case GV_KIND_PROBE_RESULT:
        gv_probe_message(core, link, msg);
        break;
    case GV_KIND_NEIGHBOUR:
    case GV_KIND_NEIGHBOUR_REPLY:
    case GV_KIND_FORWARD_JOIN:
    case GV_KIND_SAMPLE:
    case GV_KIND_RECORDS:
        gv_views_message(core, link, msg);
        break;
    case GV_KIND_DISCONNECT:
        gv_lifecycle_disconnect(core, link, msg);
        break;
    case GV_KIND_SHUFFLE:
    case GV_KIND_SHUFFLE_REPLY:
        gv_shuffle_message(core, link, msg);
        break;
    case GV_KIND_LEAVE:
        gv_lifecycle_leave(core, link, msg);
        break;
    case GV_KIND_STATE:
    case GV_KIND_FETCH:
        (void)gv_donor_message(core, link, msg);
        break;
    case GV_KIND_STATE_REPLY:
    case GV_KIND_FETCH_REPLY:
        gv_fetch_message(core, link, event);
        break;
    case GV_KIND_MANIFEST_WANT:
    case GV_KIND_MANIFEST:
    case GV_KIND_TRUST_HAVE:
    case GV_KIND_TRUST:
        gv_gossip_message(core, link, msg);
        break;
    case GV_KIND_CHUNK:
        if (gv_fetch_owns(core, msg->u.chunk.nonce)) {
            gv_fetch_message(core, link, event);
        } else {
            gv_exchange_message(core, link, event);
        }
        break;
    case GV_KIND_CREDIT:
    case GV_KIND_DONE:
    case GV_KIND_ABORT:
        if (!gv_donor_message(core, link, msg)) {
            gv_exchange_message(core, link, event);
        }
        break;
    default:
        gv_exchange_message(core, link, event);
        break;
    }
}

static bool closes_link(enum gv_err verdict)
{
    return verdict != GV_OK && verdict != GV_ERR_VERSION && verdict != GV_ERR_EXPIRED;
}

static void on_bad_frame(struct gv_core *core, const struct gv_event *event)
{
    uint32_t link = gv_links_find(core, event->link);
    if (link == GV_NOBODY) {
        return;
    }
    uint32_t peer = core->link_peers[link];
    if (event->verdict == GV_ERR_KIND) { /* what a newer version says is no fault, but a message like any other */
        if (takes_message(core, link)) {
            gv_score_count(core, GV_ERR_KIND);
        } else {
            over_rate(core, link);
        }
        return;
    }
    gv_score_add(core, peer, event->verdict, GV_SCORE_FAULT);
    if (closes_link(event->verdict)) {
        gv_fx_log(core, GV_LOG_BAD_FRAME, peer == GV_NOBODY ? NULL : &core->peers[peer].ref.id, event->verdict, 1);
        gv_links_close(core, link, event->verdict);
    }
}

/* Asks for what the message's handler will read in the far parts of a core, so that one wait is for all of it. */
static void ask_ahead(const struct gv_core *core, uint32_t row, enum gv_kind kind)
{
    if (core->link_peers[row] != GV_NOBODY) {
        __builtin_prefetch(&core->peers[core->link_peers[row]]);
    }
    if (kind == GV_KIND_OFFER || kind == GV_KIND_ACCEPT || kind == GV_KIND_COMMIT) {
        const unsigned char *at = (const unsigned char *)&core->figures;
        const unsigned char *end = (const unsigned char *)(&core->theirs + 1);
        for (; at < end; at += CACHE_LINE_BYTES) {
            __builtin_prefetch(at);
        }
    }
}

static void on_message(struct gv_core *core, const struct gv_event *event)
{
    uint32_t row = gv_links_find(core, event->link);
    enum gv_kind kind = event->u.msg.msg->kind;
    core->messages_in++;
    if (row == GV_NOBODY) {
        gv_fx_drop(core, event->u.msg.handle);
        return;
    }
    ask_ahead(core, row, kind);
    struct gv_link *link = &core->links[row];
    bool verified = core->link_peers[row] != GV_NOBODY;
    bool greeting = kind == GV_KIND_HELLO || kind == GV_KIND_WELCOME || kind == GV_KIND_REFUSE;
    bool visit = kind == GV_KIND_MANIFEST_WANT && link->state == GV_LINK_VISITED;
    if (!verified && !greeting && !visit) {
        gv_score_count(core, GV_ERR_STRANGER);
        gv_fx_drop(core, event->u.msg.handle);
        return;
    }
    if (!within_rate(core, row, event->u.msg.msg)) {
        over_rate(core, row);
        gv_fx_drop(core, event->u.msg.handle);
        return;
    }
    if (event->verdict != GV_OK && !greeting) {
        gv_fx_drop(core, event->u.msg.handle);
        on_bad_frame(core, event);
        return;
    }
    link->heard_us = core->now_us;
    if (verified) {
        gv_probe_heard(core, row);
    }
    dispatch(core, row, event);
}

static void on_link_down(struct gv_core *core, const struct gv_event *event)
{
    uint32_t link = gv_links_find(core, event->link);
    if (link == GV_NOBODY) {
        return;
    }
    if (event->verdict == GV_ERR_OVERSIZE) { /* the host has cut it */
        gv_score_add(core, core->link_peers[link], event->verdict, GV_SCORE_FAULT);
    }
    gv_links_forget(core, link, GV_ERR_LINK_LOST);
}

static void on_dial_failed(struct gv_core *core, const struct gv_event *event)
{
    uint32_t dial = gv_links_dial_find(core, event->u.dial.dial);
    if (dial != GV_NOBODY && core->dials[dial].link == GV_NOBODY) {
        gv_links_dial_over(core, dial, event->verdict == GV_OK ? GV_ERR_LINK_LOST : event->verdict);
    }
}

static void on_work(struct gv_core *core, const struct gv_event *event)
{
    uint64_t nonce = event->u.work.nonce;
    switch (event->kind) {
    case GV_EV_SNAPSHOT:
        gv_exchange_snapshot(core, nonce, event->verdict);
        break;
    case GV_EV_APPLIED:
        if (gv_fetch_owns(core, nonce)) {
            gv_fetch_applied(core, event->u.work.index, event->verdict);
        } else {
            gv_exchange_applied(core, nonce, event->u.work.index, event->verdict);
        }
        break;
    case GV_EV_MERGED:
        if (gv_fetch_owns(core, nonce)) {
            gv_fetch_merged(core);
        } else {
            gv_exchange_merged(core, nonce);
        }
        break;
    default:
        gv_donor_pinned(core, nonce, event->verdict);
        break;
    }
}

static void on_send_failed(struct gv_core *core, uint32_t handle)
{
    uint32_t link = gv_links_find(core, handle);
    if (link != GV_NOBODY) { /* a peer that does not read; what it missed is found out by timeouts */
        gv_score_add(core, core->link_peers[link], GV_ERR_SEND_QUEUE, GV_SCORE_SLIGHT);
    }
}

/* Events about the node itself. */
static void on_own(struct gv_core *core, const struct gv_event *event)
{
    switch (event->kind) {
    case GV_EV_PERSISTED:
        gv_admission_persisted(core, event->u.self.incarnation, event->u.self.sequence);
        break;
    case GV_EV_SELF:
        if (event->u.self.sequence > core->self.sequence) {
            core->self.sequence = event->u.self.sequence;
            core->self_version++;
        }
        break;
    case GV_EV_STEPS:
        gv_lifecycle_steps(core, event);
        break;
    case GV_EV_METRICS:
        core->accuracy = event->u.metrics.accuracy;
        core->has_accuracy = true;
        break;
    case GV_EV_MANIFEST:
        gv_lifecycle_manifest(core, &event->u.manifest);
        break;
    case GV_EV_TRUST:
        core->trust_digest = event->u.trust_digest;
        core->tell_us = gv_sooner(core->tell_us, core->told_us + GV_TELL_US);
        break;
    case GV_EV_REVOKED:
        gv_lifecycle_revoked(core, &event->u.revoked);
        break;
    case GV_EV_BOOK:
        core->book_count = event->u.book.book_count;
        core->seed_count = event->u.book.seed_count;
        break;
    case GV_EV_COMMAND:
        gv_lifecycle_command(core, event->u.command);
        break;
    default:
        break;
    }
}

static void take(struct gv_core *core, const struct gv_event *event)
{
    switch (event->kind) {
    case GV_EV_LINK_UP:
        gv_admission_link_up(core, event);
        break;
    case GV_EV_DIAL_FAILED:
        on_dial_failed(core, event);
        break;
    case GV_EV_LINK_IN:
        gv_admission_link_in(core, event);
        break;
    case GV_EV_INTRODUCE:
        gv_admission_introduced(core, event);
        break;
    case GV_EV_LINK_DOWN:
        on_link_down(core, event);
        break;
    case GV_EV_MSG:
        on_message(core, event);
        break;
    case GV_EV_BAD_FRAME:
        on_bad_frame(core, event);
        break;
    case GV_EV_SEND_FAILED:
        on_send_failed(core, event->link);
        break;
    case GV_EV_SNAPSHOT:
    case GV_EV_APPLIED:
    case GV_EV_MERGED:
    case GV_EV_PINNED:
        on_work(core, event);
        break;
    default:
        on_own(core, event);
        break;
    }
}

/* Links of peers whose score has become bad. */
static void close_bad(struct gv_core *core)
{
    if (!core->accused) { /* by themselves scores only fall */
        return;
    }
    core->accused = false;
    for (uint32_t i = 0; i < core->config.links_max; i++) {
        uint32_t peer = core->link_peers[i];
        bool bad = peer != GV_NOBODY && gv_score_bad(core, peer);
        core->accused = core->accused || (bad && !gv_fx_room(core)); /* in the next step */
        if (bad && gv_fx_room(core)) {
            enum gv_err reason = (enum gv_err)core->peers[peer].last_error;
            gv_fx_log(core, GV_LOG_SHUT_OUT, &core->peers[peer].ref.id, reason, gv_score_now(core, peer));
            gv_views_remove(core, peer, false);
            core->dial_after_us[peer] = core->now_us + core->config.backoff_us;
            gv_admission_shut_out(core, peer);
            gv_links_close_peer(core, peer, reason);
        }
    }
}

static void tick(struct gv_core *core)
{
    close_bad(core);
    gv_links_tick(core);
    gv_exchange_tick(core);
    gv_fetch_tick(core);
    gv_donor_tick(core);
    gv_lifecycle_tick(core);
    gv_rounds_tick(core);
    if (!core->config.oracle) {
        gv_probe_tick(core);
        gv_views_tick(core);
        gv_shuffle_tick(core);
    }
    gv_swarm_stats_tick(core);
}

static uint64_t soonest(struct gv_core *core)
{
    if (!core->started || core->stopped) {
        return GV_NEVER;
    }
    uint64_t at = gv_sooner(gv_links_deadline(core), gv_exchange_deadline(core));
    at = gv_sooner(at, gv_sooner(gv_fetch_deadline(core), gv_donor_deadline(core)));
    at = gv_sooner(at, gv_sooner(gv_lifecycle_deadline(core), gv_rounds_deadline(core)));
    at = gv_sooner(at, gv_swarm_stats_deadline(core));
    if (core->config.oracle) {
        return at;
    }
    at = gv_sooner(at, gv_sooner(gv_probe_deadline(core), gv_views_deadline(core)));
    return gv_sooner(at, gv_shuffle_deadline(core));
}

/* After a farewell: handles are still answered and links turned away, nothing else. */
static void stopped_step(struct gv_core *core, const struct gv_event *event)
{
    if (event->kind == GV_EV_MSG) {
        gv_fx_drop(core, event->u.msg.handle);
    } else if (event->kind == GV_EV_LINK_IN || event->kind == GV_EV_LINK_UP || event->kind == GV_EV_INTRODUCE) {
        struct gv_effect *effect = gv_fx(core, GV_FX_CLOSE);
        effect->link = event->link;
        effect->reason = GV_ERR_STOPPING;
    }
}

void gv_core_step(struct gv_core *core, const struct gv_event *event, struct gv_effects *effects)
{
    effects->count = 0;
    core->fx = effects;
    core->now_us = event->now_us > core->now_us ? event->now_us : core->now_us;
    core->wall_s = event->wall_s;
    if (event->kind == GV_EV_START) {
        GV_ASSERT(!core->started);
        gv_lifecycle_start(core, event);
        tick(core);
    } else if (core->started && core->stopped) {
        stopped_step(core, event);
    } else if (core->started) {
        take(core, event);
        if (!core->stopped) {
            tick(core);
        }
    }
    core->fx = NULL;
    core->wake_us = soonest(core);
}

uint64_t gv_core_next_deadline(const struct gv_core *core)
{
    return core->wake_us;
}

void gv_core_prefetch(const struct gv_core *core)
{
    const unsigned char *at = (const unsigned char *)core;
    for (size_t i = 0; i < offsetof(struct gv_core, fetch) + CACHE_LINE_BYTES; i += CACHE_LINE_BYTES) {
        __builtin_prefetch(at + i);
    }
    for (size_t i = 0; i < COLUMNS_AHEAD_BYTES; i += CACHE_LINE_BYTES) {
        __builtin_prefetch(at + sizeof *core + i);
    }
}

static int64_t median_offset(const struct gv_core *core)
{
    int64_t sorted[GV_OFFSETS_MAX];
    for (uint32_t i = 0; i < core->offset_count; i++) {
        uint32_t at = i;
        while (at > 0 && sorted[at - 1] > core->offsets[i]) {
            sorted[at] = sorted[at - 1];
            at--;
        }
        sorted[at] = core->offsets[i];
    }
    return core->offset_count == 0 ? 0 : sorted[(core->offset_count - 1) / 2];
}

static void show_reasons(const struct gv_core *core, struct gv_core_stats *stats)
{
    for (uint32_t i = 0; i < GV_REASONS; i++) {
        stats->refusals[i] = core->refusals[i];
        stats->declined[i] = core->declined[i];
        stats->dial_failures[i] = core->dial_failures[i];
    }
    for (uint32_t i = 0; i < GV_TARGETS; i++) {
        stats->dials[i] = (struct gv_dial_counts){.begun = core->dials_begun[i], .failed = core->dials_failed[i]};
    }
    for (uint32_t i = 0; i < core->config.dials_max && core->dials_used > 0; i++) {
        if (core->dials[i].kind != GV_DIAL_NONE) {
            stats->dials[core->dials[i].kind - GV_DIAL_PEER].under_way++;
        }
    }
    stats->last_dial_failure_us = core->dial_failed_us;
    stats->last_dial_error = (enum gv_err)core->dial_error;
    stats->book_count = core->book_count;
    stats->seed_count = core->seed_count;
}

void gv_core_stats(const struct gv_core *core, struct gv_core_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    stats->state = core->shown;
    stats->self = core->self;
    stats->age = core->age;
    stats->steps = core->steps;
    stats->peers_active = core->active_count;
    stats->peers_known = core->active_count + core->passive_count;
    stats->links = core->links_used - core->links_provisional;
    stats->links_provisional = core->links_provisional;
    stats->exchanges_done = core->exchanges_done;
    stats->exchanges_failed = core->exchanges_failed;
    stats->exchanges_refused = core->exchanges_refused;
    stats->exchanges_doubt = core->exchanges_doubt;
    stats->last_exchange_us = core->last_exchange_us;
    stats->messages_in = core->messages_in;
    stats->messages_out = core->messages_out;
    stats->alarms = core->alarms;
    show_reasons(core, stats);
    gv_swarm_stats_show(core, stats);
    stats->clock_offset_s = median_offset(core);
}

static bool is_dialled(const struct gv_core *core, const struct gv_id *id)
{
    for (uint32_t i = 0; i < core->config.dials_max && core->dials_used > 0; i++) {
        if (core->dials[i].kind == GV_DIAL_PEER && gv_id_equal(&core->dials[i].id, id)) {
            return true;
        }
    }
    return false;
}

static enum gv_peer_role role_of(const struct gv_core *core, uint32_t peer)
{
    if (core->roles[peer] == GV_ROLE_ACTIVE) {
        return GV_PEER_ACTIVE;
    }
    if (core->peer_links[peer] != GV_NOBODY) {
        return GV_PEER_LINKED;
    }
    return core->roles[peer] == GV_ROLE_PASSIVE ? GV_PEER_PASSIVE : GV_PEER_FORMER;
}

static struct gv_peer_info info_of(const struct gv_core *core, uint32_t peer)
{
    const struct gv_peer *p = &core->peers[peer];
    uint32_t row = core->peer_links[peer];
    const struct gv_link *link = row == GV_NOBODY ? NULL : &core->links[row];
    return (struct gv_peer_info){.ref = p->ref,
                                 .role = role_of(core, peer),
                                 .suspected = gv_probe_suspected(core, peer),
                                 .dialled = link != NULL && link->dialled,
                                 .dialling = is_dialled(core, &p->ref.id),
                                 .asked = p->asked,
                                 .link = link == NULL ? GV_LINK_NONE : core->handles[row],
                                 .score = gv_score_now(core, peer),
                                 .rtt_us = link == NULL ? 0 : link->srtt_us,
                                 .heard_us = link == NULL ? 0 : link->heard_us,
                                 .last_error = p->last_error,
                                 .last_error_us = p->last_error_ds * (100 * GV_MS),
                                 .dial_failures = p->dial_failures,
                                 .dial_after_us = core->dial_after_us[peer],
                                 .neighbour_after_us = p->neighbour_after_us,
                                 .exchange_after_us = core->exchange_after_us[peer],
                                 .shut_out_until_us = gv_score_good_at(core, peer)};
}

static uint32_t list(const struct gv_core *core, struct gv_peer_info *peers, uint32_t cap, bool former)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->peers_used; i++) {
        bool is_former = role_of(core, i) == GV_PEER_FORMER;
        bool remembered = core->peers[i].last_error != GV_OK && !core->peers[i].expelled;
        if (is_former != former || (former && !remembered)) {
            continue;
        }
        if (count < cap) {
            peers[count] = info_of(core, i);
        }
        count++;
    }
    return count;
}

uint32_t gv_core_peers(const struct gv_core *core, struct gv_peer_info *peers, uint32_t cap)
{
    return list(core, peers, cap, false);
}

uint32_t gv_core_former_peers(const struct gv_core *core, struct gv_peer_info *peers, uint32_t cap)
{
    return list(core, peers, cap, true);
}

bool gv_core_references(const struct gv_core *core, const struct gv_id *id)
{
    if (gv_id_equal(id, &core->self.id)) {
        return true;
    }
    uint32_t peer = gv_peers_find(core, id);
    if (peer != GV_NOBODY && (core->roles[peer] != GV_ROLE_NONE || core->peer_links[peer] != GV_NOBODY)) {
        return true;
    }
    for (uint32_t i = 0; i < core->config.dials_max; i++) {
        if (core->dials[i].kind == GV_DIAL_PEER && gv_id_equal(&core->dials[i].id, id)) {
            return true;
        }
    }
    bool exchanging = core->exchange.phase != GV_EXCHANGE_IDLE && gv_id_equal(&core->exchange.peer, id);
    return exchanging || (core->rounds.waiting && gv_id_equal(&core->rounds.peer, id));
}

const struct gv_id *gv_core_link_peer(const struct gv_core *core, uint32_t handle)
{
    uint32_t link = gv_links_find(core, handle);
    uint32_t peer = link == GV_NOBODY ? GV_NOBODY : core->link_peers[link];
    return peer == GV_NOBODY ? NULL : &core->peers[peer].ref.id;
}
