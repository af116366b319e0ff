/*
 * Where the node is in its life, and what a person or the root asks of it.
 *
 *     JOINING --oriented (fetch.c)--> TRAINING | SERVING (no data)
 *     JOINING --model missing or out of date--> FETCHING --adopted, two exchanges--> TRAINING | SERVING
 *     JOINING, TRAINING --nobody to exchange with for isolated_us--> ISOLATED --oriented--> TRAINING
 *     JOINING without a model --nobody for 30 s--> ISOLATED with the initial one, given up for the swarm's when it can
 *     any --our model is not finite--> JOINING without a model, until the swarm's is fetched
 *     TRAINING, ISOLATED --stop age reached, SETTLE--> SETTLING --settle_exchanges done--> SERVING, FX_SETTLED
 *     any --new epoch in the manifest--> the model restarts at age 0; exchanges and fetches are dropped
 *     any --STOP, LEAVE--> farewells, FX_STOPPED, silence      any --own id revoked or left--> FX_GONE, silence
 *
 * "Oriented" means: we know that our model is not out of date. Only then do we exchange (a stale model would pull its
 * partners back). A node alone trains on, so ISOLATED trains; whoever ends its isolation makes it orient itself again.
 *
 * With an oracle a node is oriented from the start and never isolated.
 *
 * PAUSED is shown instead of TRAINING or ISOLATED while a person has stopped the training; exchanges go on.
 */
#include "core_state.h"

#include <string.h>

#define WARMUP_EXCHANGES 2
#define WARMUP_US (10 * GV_SECOND) /* with nobody to exchange with, train anyway */
#define SETTLE_PACE_US (50 * GV_MS)
#define SETTLE_EACH_US (5 * GV_SECOND)
#define SETTLE_US (10 * GV_SECOND)
#define SETTLE_ALONE_US GV_SECOND  /* everyone else is finished and gone */
#define NOBODY_US (30 * GV_SECOND) /* a joiner whom nobody answers begins with the initial model */
#define HOPE_US (600 * GV_SECOND)  /* for so long one who answers STATE may hold us up by what it answers */
#define LEAVE_TTL 3
#define STRANGERS_EACH_US GV_SECOND /* farewells of those we do not know: one in so long, and */
#define STRANGERS_BURST 16          /* so many at once; a peer takes 40 requests at once and 10 a second */
#define PERIOD_MIN_US (10 * GV_MS)
#define SPACING_MOST 64

static uint32_t clamp32(uint32_t value, uint32_t low, uint32_t high)
{
    return value < low ? low : (value > high ? high : value);
}

void gv_lifecycle_clamp(struct gv_core_config *c)
{
    c->links_max = clamp32(c->links_max, 2, GV_LINKS_MAX);
    c->active_max = clamp32(c->active_max, 1, c->links_max < GV_ACTIVE_MAX ? c->links_max : GV_ACTIVE_MAX);
    c->active_target = clamp32(c->active_target, 1, c->active_max);
    c->active_min = clamp32(c->active_min, 1, c->active_target);
    c->active_chosen_min = clamp32(c->active_chosen_min, 0, c->active_max / 2);
    c->passive_max = clamp32(c->passive_max, 0, GV_PASSIVE_MAX);
    c->arrivals_max = clamp32(c->arrivals_max, 1, 1 + 5 * c->passive_max);
    c->provisional_max = clamp32(c->provisional_max, 1, c->links_max);
    c->cached_links_max = c->oracle ? c->links_max : clamp32(c->cached_links_max, 0, c->links_max);
    uint32_t named = c->links_max + c->active_max; /* by links and the active view at once; one more can be freed */
    c->peers_max = clamp32(c->peers_max, named + (c->passive_max > 0 ? 1 : 0), named + c->passive_max);
    c->dials_max = clamp32(c->dials_max, 1, GV_DIALS_MAX);
    c->walks_max = clamp32(c->walks_max, 1, GV_WALKS_MAX);
    c->relays_max = clamp32(c->relays_max, 1, GV_RELAYS_MAX);
    c->graves_max = clamp32(c->graves_max, 1, GV_GRAVES_MAX);
    c->outcomes_max = clamp32(c->outcomes_max, 1, GV_OUTCOMES_KEPT);
    c->exchange_spacing = clamp32(c->exchange_spacing, 0, SPACING_MOST);
    c->donors = clamp32(c->donors, 1, GV_DONORS_MAX);
    uint64_t *periods[] = {&c->probe_us,         &c->probe_timeout_min_us, &c->shuffle_us,
                           &c->shuffle_early_us, &c->promote_us,           &c->swap_us,
                           &c->book_dial_us,     &c->seed_dial_us,         &c->record_refresh_us,
                           &c->record_life_us,   &c->exchange_timeout_us};
    for (size_t i = 0; i < sizeof periods / sizeof periods[0]; i++) {
        *periods[i] = *periods[i] < PERIOD_MIN_US ? PERIOD_MIN_US : *periods[i];
    }
}

bool gv_lifecycle_exchanges(const struct gv_core *core)
{
    return core->oriented && core->has_model && !core->stopped && !core->persisting;
}

bool gv_lifecycle_donates(const struct gv_core *core)
{
    bool placed = core->state != GV_STATE_JOINING && core->state != GV_STATE_FETCHING;
    return core->has_model && placed && !core->stopped;
}

/* Tells the trainer and the log what has changed. */
static void show(struct gv_core *core)
{
    bool trains_now = core->state == GV_STATE_TRAINING || core->state == GV_STATE_ISOLATED;
    enum gv_state shown = trains_now && core->paused ? GV_STATE_PAUSED : core->state;
    bool training = trains_now && !core->paused && core->trains && core->has_model && !core->stopped;
    if (training != core->training) {
        core->training = training;
        gv_fx(core, GV_FX_TRAIN)->u.train = training;
    }
    if (shown != core->shown) {
        core->shown = shown;
        gv_fx_log(core, GV_LOG_STATE, NULL, GV_OK, shown);
    }
}

static void enter(struct gv_core *core, enum gv_state state)
{
    core->state = state;
    show(core);
}

static void settled(struct gv_core *core)
{
    enter(core, GV_STATE_SERVING);
    if (!core->settled) {
        core->settled = true;
        gv_fx(core, GV_FX_SETTLED)->u.found = core->ever_met;
    }
}

static bool is_linked(const struct gv_core *core)
{
    return core->links_used > core->links_provisional;
}

/* Somebody to exchange with; who has no room for us among its neighbours is that too. */
static bool has_company(const struct gv_core *core)
{
    return core->active_count > 0 || is_linked(core) || core->config.oracle;
}

/* To be oriented: somebody answers, and has not put us off for ever. */
static bool has_hope(const struct gv_core *core)
{
    bool long_ago = core->fetch.begun_us > 0 && core->now_us - core->fetch.begun_us >= HOPE_US;
    return core->config.oracle || (core->fetch.answered && !long_ago);
}

static bool must_settle(const struct gv_core *core)
{
    return core->settle_asked || core->age >= core->manifest.stop_age;
}

static void begin_settling(struct gv_core *core)
{
    core->settle_left = core->manifest.settle_exchanges;
    core->phase_until_us = core->now_us + SETTLE_US + core->settle_left * SETTLE_EACH_US;
    if (core->settle_left == 0 || !has_company(core)) {
        settled(core);
        return;
    }
    enter(core, GV_STATE_SETTLING);
    gv_rounds_due(core);
}

/* To work: training or serving, or settling if that is over already. */
static void go(struct gv_core *core)
{
    if (must_settle(core) && !core->settled) {
        begin_settling(core);
    } else {
        enter(core, core->trains && !core->settled ? GV_STATE_TRAINING : GV_STATE_SERVING);
    }
}

void gv_lifecycle_oriented(struct gv_core *core, bool has_model, bool fetched)
{
    core->oriented = true;
    core->has_model = has_model;
    core->lone_model = false;
    if (fetched) {
        core->warmup_left = WARMUP_EXCHANGES;
        core->phase_until_us = core->now_us + WARMUP_US;
        enter(core, GV_STATE_FETCHING);
        gv_rounds_due(core);
    } else if (core->state == GV_STATE_JOINING || core->state == GV_STATE_ISOLATED ||
               core->state == GV_STATE_FETCHING) {
        go(core);
    }
}

/* It can neither be merged nor mend itself. The tick of this very step asks for the swarm's, if it is time for that. */
void gv_lifecycle_diverged(struct gv_core *core)
{
    if (core->config.oracle || core->stopped) { /* with an oracle there is nobody to ask */
        return;
    }
    core->diverged = true;
    core->has_model = core->oriented = false;
    core->warmup_left = 0;
    enter(core, GV_STATE_JOINING);
}

void gv_lifecycle_verified(struct gv_core *core)
{
    if (!core->oriented) {
        gv_fetch_begin(core);
    }
}

void gv_lifecycle_exchanged(struct gv_core *core)
{
    if (core->state == GV_STATE_FETCHING && core->warmup_left > 0) {
        if (--core->warmup_left == 0) {
            go(core);
            return;
        }
        gv_rounds_due(core);
    } else if (core->state == GV_STATE_SETTLING) {
        if (--core->settle_left == 0) {
            settled(core);
            return;
        }
        if (!core->rounds.due) {
            gv_rounds_due(core);
            core->rounds.next_us = core->now_us + gv_rng_jitter(&core->rng, SETTLE_PACE_US, 50);
        }
    }
}

void gv_lifecycle_steps(struct gv_core *core, const struct gv_event *event)
{
    if (event->u.steps.total > core->steps) {
        core->age += (event->u.steps.total - core->steps) << 16;
        core->steps = event->u.steps.total;
    }
    core->loss = event->u.steps.loss;
    core->samples_per_s = event->u.steps.samples_per_s;
    core->has_loss = event->u.steps.loss != GV_LOSS_NOT_FINITE; /* else nobody is told any */
    if (event->u.steps.round && (core->state == GV_STATE_TRAINING || core->state == GV_STATE_ISOLATED)) {
        gv_rounds_due(core);
    }
}

void gv_lifecycle_start(struct gv_core *core, const struct gv_event *event)
{
    uint64_t now = core->now_us;
    gv_rng_seed(&core->rng, event->u.start.seed);
    core->arrival_key = gv_head_of(event->u.start.seed);
    core->self = event->u.start.self;
    if (core->config.outbound_only) {
        core->self.flags &= ~(uint32_t)GV_REF_DIALABLE;
    }
    core->swarm = event->u.start.swarm;
    core->manifest = event->u.start.manifest;
    core->trust_digest = event->u.start.trust_digest;
    gv_age_set(core, gv_age_of(event->u.start.age)); /* a file may say anything */
    core->has_model = event->u.start.has_model;
    core->paused = event->u.start.paused;
    core->trains = event->u.start.trains;
    core->book_count = event->u.start.book_count;
    core->seed_count = event->u.start.seed_count;
    core->self_version = 1;
    core->signed_us = core->started_us = now;
    core->state = core->shown = GV_STATE_JOINING;
    bool alone = core->book_count == 0 && core->seed_count == 0; /* the first of its swarm waits for nobody */
    core->alone_us = now + (alone ? 0 : core->config.isolated_us);
    core->book_us = core->seed_us = core->promote_us = now;
    core->swap_us = now + gv_rng_jitter(&core->rng, core->config.swap_us, 20);
    core->shuffle_us = now + gv_rng_jitter(&core->rng, core->config.shuffle_early_us / 2, 50);
    core->probe_us = now + gv_rng_u64(&core->rng) % core->config.probe_us;
    core->tell_us = GV_NEVER;
    core->fetch.link = core->exchange.link = GV_NOBODY;
    gv_bucket_fill(&core->admissions, now, 20);
    gv_swarm_stats_start(core);
    core->started = true;
    if (core->config.oracle) { /* who could say that the model is out of date? */
        core->alone_us = GV_NEVER;
        gv_lifecycle_oriented(core, true, false);
    }
}

/* Ends everything under way; nothing is sent after this. */
static void fall_silent(struct gv_core *core)
{
    gv_exchange_fail(core, GV_ERR_STOPPING, true);
    gv_fetch_cancel(core);
    gv_donor_cancel(core);
    core->stopped = true;
    show(core);
}

static void stop(struct gv_core *core)
{
    fall_silent(core);
    for (uint32_t i = 0; i < core->config.links_max; i++) {
        if (core->links[i].state == GV_LINK_VERIFIED) {
            gv_fx_send(core, i, GV_KIND_DISCONNECT)->u.disconnect.restarting = true;
        }
    }
    (void)gv_fx(core, GV_FX_STOPPED);
}

static void leave(struct gv_core *core)
{
    fall_silent(core);
    for (uint32_t i = 0; i < core->config.links_max; i++) {
        if (core->links[i].state == GV_LINK_VERIFIED) {
            struct gv_msg *msg = gv_fx_send(core, i, GV_KIND_LEAVE);
            msg->u.leave.ttl = LEAVE_TTL;
            msg->u.leave.id = core->self.id;
            msg->u.leave.incarnation = core->self.incarnation;
        }
    }
    (void)gv_fx(core, GV_FX_STOPPED);
}

void gv_lifecycle_command(struct gv_core *core, enum gv_command command)
{
    switch (command) {
    case GV_CMD_PAUSE:
    case GV_CMD_RESUME:
        core->paused = command == GV_CMD_PAUSE;
        show(core);
        break;
    case GV_CMD_SETTLE:
        core->settle_asked = true;
        break; /* taken up by the tick of this very step */
    case GV_CMD_STOP:
        stop(core);
        break;
    case GV_CMD_LEAVE:
        leave(core);
        break;
    }
}

void gv_lifecycle_manifest(struct gv_core *core, const struct gv_core_manifest *manifest)
{
    bool restart = manifest->epoch != core->manifest.epoch || !gv_hash_equal(&manifest->layout, &core->manifest.layout);
    if (restart) { /* before the manifest changes: what is dropped was counted by the old one */
        gv_exchange_fail(core, GV_ERR_EPOCH, true);
        gv_fetch_cancel(core);
        gv_donor_cancel(core);
    }
    core->manifest = *manifest;
    if (restart) {
        gv_age_set(core, 0);
        core->has_model = true; /* the initial one, which all share */
        core->diverged = false;
        core->warmup_left = 0;
        gv_outcome_forget_durations(core);
        core->oriented = core->oriented || core->active_count > 0;
    }
    if (core->settled && !core->settle_asked && core->age < core->manifest.stop_age) {
        core->settled = false;
    }
    if (restart || (core->state == GV_STATE_SERVING && !core->settled)) {
        go(core);
    }
    gv_probe_tell_all(core);
}

static void gone(struct gv_core *core, enum gv_err reason)
{
    fall_silent(core);
    gv_fx(core, GV_FX_GONE)->reason = reason;
}

/* Out of every view at once; the link drops. */
static void expel(struct gv_core *core, const struct gv_id *id, enum gv_err reason)
{
    uint32_t peer = gv_peers_find(core, id);
    if (peer == GV_NOBODY) {
        return;
    }
#if defined(GV_CANARY) && GV_CANARY == 2 /* an exchange under way may end first; nobody remembers why it waited */
    if (!gv_exchange_idle(core) && gv_id_equal(&core->exchange.peer, id)) {
        return;
    }
#endif
    gv_views_remove(core, peer, false);
    core->peers[peer].expelled = true;
    gv_score_note(core, peer, reason);
    gv_links_close_peer(core, peer, reason);
}

void gv_lifecycle_revoked(struct gv_core *core, const struct gv_id *id)
{
    if (gv_id_equal(id, &core->self.id)) {
        gone(core, GV_ERR_REVOKED);
        return;
    }
    expel(core, id, GV_ERR_REVOKED);
}

/* Anybody can make up identities and part from each with a signature of its own. What is passed on of that reaches all
   within three hops, over each link of theirs: they must not take one another for flooders. */
static bool may_pass_on(struct gv_core *core, const struct gv_id *id)
{
    bool known = gv_peers_find(core, id) != GV_NOBODY; /* by a record, and so a member */
    return known || gv_rate_take(&core->strangers_us, core->now_us, STRANGERS_EACH_US, STRANGERS_BURST);
}

void gv_lifecycle_leave(struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    const struct gv_id id = msg->u.leave.id;
    if (gv_id_equal(&id, &core->self.id)) {
        gone(core, GV_ERR_LEFT);
        return;
    }
    if (gv_peers_left(core, &id)) {
        return; /* told already, and passed on */
    }
    if (!may_pass_on(core, &id)) {
        gv_score_count(core, GV_ERR_RATE);
        return;
    }
    struct gv_ref ref = {.id = id, .incarnation = msg->u.leave.incarnation};
    gv_peers_bury(core, &ref, true);
    gv_fx_log(core, GV_LOG_LEFT, &id, GV_OK, 0);
    uint32_t ttl = msg->u.leave.ttl < LEAVE_TTL ? msg->u.leave.ttl : LEAVE_TTL;
    for (uint32_t i = 0; i < core->config.active_max && ttl > 0; i++) {
        uint32_t to = gv_peer_link(core, core->view[i]);
        if (to != GV_NOBODY && to != link && !gv_id_equal(&core->peers[core->view[i]].ref.id, &id)) {
            struct gv_msg *forward = gv_fx_send(core, to, GV_KIND_LEAVE);
            forward->u.leave = msg->u.leave;
            forward->u.leave.ttl = ttl - 1;
        }
    }
    expel(core, &id, GV_ERR_LEFT);
}

void gv_lifecycle_disconnect(struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    uint32_t peer = core->link_peers[link];
    bool neighbour = core->roles[peer] == GV_ROLE_ACTIVE; /* no other's parting changes a view */
    if (!msg->u.disconnect.restarting) {
        if (neighbour) {
            gv_views_demote(core, peer, false);
        }
        return;
    }
    if (neighbour) { /* it will be back as itself: no suspicion, only a little patience */
        gv_views_remove(core, peer, true);
    }
    core->dial_after_us[peer] = core->now_us + 2 * GV_SECOND;
}

/* When a node that has nobody to exchange with goes its own way, GV_NEVER if not. */
static uint64_t isolation_us(const struct gv_core *core)
{
    bool by_state = core->state == GV_STATE_TRAINING || core->state == GV_STATE_JOINING;
    if (!by_state || core->alone_us == GV_NEVER || gv_fetch_uses_stage(core) || !gv_exchange_idle(core)) {
        return GV_NEVER;
    }
    return core->has_model ? core->alone_us : core->alone_us - core->config.isolated_us + NOBODY_US;
}

/* When settling has nobody left to exchange with. */
static uint64_t settled_alone_us(const struct gv_core *core)
{
    bool alone = core->state == GV_STATE_SETTLING && core->alone_us != GV_NEVER && !has_company(core);
    return alone && gv_exchange_idle(core) ? core->alone_us - core->config.isolated_us + SETTLE_ALONE_US : GV_NEVER;
}

void gv_lifecycle_tick(struct gv_core *core)
{
    if (!gv_fx_room(core)) {
        return;
    }
    if (has_company(core) && (core->oriented || has_hope(core))) {
        core->alone_us = GV_NEVER;
    } else if (core->alone_us == GV_NEVER) {
        core->alone_us = core->now_us + core->config.isolated_us;
    }
    if (isolation_us(core) <= core->now_us) {
        core->oriented = false;
        core->lone_model = core->lone_model || !core->has_model;
        core->has_model = !core->diverged;
        gv_fx_log(core, GV_LOG_ISOLATED, NULL, GV_OK, 0);
        enter(core, GV_STATE_ISOLATED);
    }
    if (!core->oriented && is_linked(core)) {
        gv_fetch_begin(core);
    }
    bool over = core->phase_until_us <= core->now_us && gv_exchange_idle(core);
    if (core->state == GV_STATE_FETCHING && core->warmup_left > 0 && over) {
        core->warmup_left = 0;
        go(core);
    } else if (core->state == GV_STATE_SETTLING && (over || settled_alone_us(core) <= core->now_us)) {
        settled(core);
    }
    bool busy = core->state == GV_STATE_SETTLING || core->state == GV_STATE_FETCHING;
    if (must_settle(core) && !core->settled && !busy && (core->state != GV_STATE_JOINING || core->settle_asked)) {
        begin_settling(core);
    }
    show(core);
}

uint64_t gv_lifecycle_deadline(const struct gv_core *core)
{
    uint64_t at = isolation_us(core);
    if (core->state == GV_STATE_SETTLING || (core->state == GV_STATE_FETCHING && core->warmup_left > 0)) {
        at = gv_exchange_idle(core) ? core->phase_until_us : at;
    }
    uint64_t alone_at = settled_alone_us(core);
    return alone_at < at ? alone_at : at;
}
