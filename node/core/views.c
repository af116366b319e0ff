/*
 * HyParView: a small active view of symmetric links, a larger passive view of records to fall back on.
 *
 *     PASSIVE --NEIGHBOUR sent, accepted; NEIGHBOUR received, accepted--> ACTIVE
 *     ACTIVE  --DISCONNECT either way, forced swap--> PASSIVE
 *     ACTIVE  --declared dead (probe.c)--> gone
 *
 *     NEIGHBOUR arrives when              answer
 *     already active                      accepted: so are neighbours asked when their link is there again
 *     there is room                       accepted; if urgent, FORWARD_JOIN walks through our other neighbours
 *     too many that asked, or outbound-   accepted if preferred to one of those, which is demoted; else refused, with
 *     only neighbours already; or full    a sample of records, and the sender backs off
 *     the same, urgent, and full or       accepted once in 20 s all the same, unless of a crowd, and kept for a minute
 *     refused before
 *     more often than once a minute       refused without records, and costs score
 *
 * Room: at most active_max neighbours. active_chosen_min of the places are for peers that we asked ourselves, whom we
 * draw from all that we know: nobody can fill our view by asking, however often and urgently, nor by having us ask
 * (who gets its place because a FORWARD_JOIN named it counts among those who ask). The others are for whom we prefer of
 * those who ask: of whose branch (gv_ref_branch()) there are fewer, so that many identities of one member do not help;
 * then by an order of ids that everybody can work out and that is another every ten minutes (gv_peers_rank()), so that
 * neither coming first nor asking often does. Who looks for neighbours asks where it comes far to the front; who asks
 * everybody comes on average in the middle. With an order that only we knew, those who had asked everybody were ahead
 * of nearly all that asked once, and whom we chose had no room for us, but for the hostile.
 * At most half of active_max are for outbound-only nodes.
 *
 * Records are taken up only if we asked for them, but for a trickle of shuffles and newcomers, so nobody can fill the
 * passive view by sending.
 *
 * Source: Leitao, Pereira, Rodrigues, "HyParView", 2007; refusals that hand out records: gossipsub's peer exchange.
 */
#include "core_state.h"

#define ACTIVE_WALK 6
#define PASSIVE_WALK 3
#define ASK_US (5 * GV_SECOND) /* a NEIGHBOUR without reply may be repeated after this */
#define HURRY_US (500 * GV_MS) /* between promotions while below active_min */
#define LEARNT_US (20 * GV_MS) /* from learning of somebody to dialling it: they have learnt of us too, and dial */
#define SEED_HUNGRY_US (10 * GV_SECOND) /* a few nodes that know only each other find the rest through a seed */
#define PROMOTIONS_MAX 3
#define HEARSAY_AGE 4 /* shuffles: a record from others is replaced before one from its owner that came since */
#define ASKS_EACH_US (60 * GV_SECOND) /* NEIGHBOURs of one peer */
#define ASKS_BURST 4
#define EVICTIONS_EACH_US (20 * GV_SECOND)
#define EVICTIONS_BURST 3
#define ALONE_SOONER 6                /* times sooner to ask again without any neighbour */
#define FORGIVEN_SOONER 3             /* ... to ask those again that were asked before it was lost */
#define ALONE_ASKS_US (2 * GV_SECOND) /* all that may have room are asked within it, not in one moment */
#define KEPT_US (60 * GV_SECOND)      /* who came in so stays at least so long */
#define WELCOME_DRAWS 24
#define SWAPS_WHEN_FULL 3
#define BOOK_DIALS_AT_START 5
#define DISCOVER_RECORDS 32
#define SAMPLE_FIRST_US (250 * GV_MS) /* doubled as long as the answers hold nothing new */
#define SAMPLE_MAX_US (30 * GV_SECOND)

static bool is_chosen(const struct gv_core *core, uint32_t peer)
{
    return core->active[core->neighbours[peer]].chosen;
}

static bool is_theirs(const struct gv_core *core, uint32_t peer)
{
    return !is_chosen(core, peer);
}

static bool is_outbound_only(const struct gv_core *core, uint32_t peer)
{
    return !gv_peer_dialable(&core->peers[peer]);
}

static uint32_t count_active(const struct gv_core *core, bool (*fits)(const struct gv_core *core, uint32_t peer))
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->config.active_max; i++) {
        count += core->view[i] != GV_NOBODY && fits(core, core->view[i]) ? 1 : 0;
    }
    return count;
}

static bool too_many_outbound_only(const struct gv_core *core, uint32_t peer)
{
    return is_outbound_only(core, peer) && count_active(core, is_outbound_only) >= core->config.active_max / 2;
}

/* For who asks us. */
static bool has_room(const struct gv_core *core, uint32_t peer)
{
    return core->active_count < core->config.active_max && !too_many_outbound_only(core, peer) &&
           count_active(core, is_theirs) < core->config.active_max - core->config.active_chosen_min;
}

/* A random linked neighbour of those that fit, or GV_NOBODY. */
static uint32_t random_active(struct gv_core *core, uint32_t except_peer,
                              bool (*fits)(const struct gv_core *core, uint32_t peer))
{
    uint32_t rows[GV_ACTIVE_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->config.active_max; i++) {
        uint32_t peer = core->view[i];
        if (peer != GV_NOBODY && peer != except_peer && core->peer_links[peer] != GV_NOBODY && fits(core, peer)) {
            rows[count++] = peer;
        }
    }
    return count == 0 ? GV_NOBODY : rows[gv_rng_below(&core->rng, count)];
}

static bool is_anybody(const struct gv_core *core, uint32_t peer)
{
    (void)core;
    (void)peer;
    return true;
}

static uint64_t branch_of(const struct gv_core *core, uint32_t peer)
{
    return gv_ref_branch(&core->self, &core->peers[peer].ref);
}

/* How many neighbours one member has let in. */
static uint32_t count_branch(const struct gv_core *core, uint64_t branch)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < core->config.active_max; i++) {
        uint32_t peer = core->view[i];
        count += peer != GV_NOBODY && branch_of(core, peer) == branch ? 1 : 0;
    }
    return count;
}

/* As one that asks us. */
static uint32_t rank_of(const struct gv_core *core, uint32_t peer)
{
    return gv_peers_rank(core, &core->peers[peer].ref.id, &core->self.id);
}

/* Of the linked neighbours that fit, of this branch (0: any), the least preferred: of whose branch there are most, then
   by rank. GV_NOBODY if none fits. */
static uint32_t worst_active(const struct gv_core *core, uint64_t branch,
                             bool (*fits)(const struct gv_core *core, uint32_t peer))
{
    uint32_t worst = GV_NOBODY;
    uint64_t most = 0;
    for (uint32_t i = 0; i < core->config.active_max; i++) {
        uint32_t peer = core->view[i];
        if (peer == GV_NOBODY || core->peer_links[peer] == GV_NOBODY || !fits(core, peer) ||
            core->active[i].kept_us > core->now_us || (branch != 0 && branch_of(core, peer) != branch)) {
            continue;
        }
        uint64_t burden = (uint64_t)count_branch(core, branch_of(core, peer)) << 32 | rank_of(core, peer);
        if (worst == GV_NOBODY || burden > most) {
            worst = peer;
            most = burden;
        }
    }
    return worst;
}

/* Whose place a peer may take that asks for one: that of the least preferred of those who asked as it does, unless more
   were chosen than need be; of outbound-only ones if there are too many. */
static uint32_t find_victim(const struct gv_core *core, uint32_t peer)
{
    if (too_many_outbound_only(core, peer)) {
        return worst_active(core, 0, is_outbound_only);
    }
    uint32_t victim = worst_active(core, 0, is_theirs);
    if (victim == GV_NOBODY && count_active(core, is_chosen) > core->config.active_chosen_min) {
        victim = worst_active(core, 0, is_chosen);
    }
    return victim;
}

/* `chosen`: by us; who asked before and is chosen later counts as chosen. */
static void add_active(struct gv_core *core, uint32_t peer, bool chosen)
{
    struct gv_peer *p = &core->peers[peer];
    if (core->roles[peer] == GV_ROLE_ACTIVE) {
        core->active[core->neighbours[peer]].chosen = is_chosen(core, peer) || chosen;
        return;
    }
    if (core->active_count >= core->config.active_max) {
        return;
    }
    gv_peers_forget(core, peer);
    for (uint32_t i = 0; i < core->config.active_max; i++) {
        if (core->view[i] == GV_NOBODY) {
            core->view[i] = (uint16_t)peer;
            core->probe_due_us[i] = GV_NEVER;
            core->active[i] = (struct gv_neighbour){.phase = GV_PROBE_IDLE, .chosen = chosen};
            core->roles[peer] = GV_ROLE_ACTIVE;
            core->neighbours[peer] = (uint16_t)i;
            break;
        }
    }
    core->active_count++;
    core->changes += GV_CHANGED_VIEWS;
    core->book_wait_us = 0;
    gv_fx_log(core, GV_LOG_PROMOTED, &p->ref.id, GV_OK, core->active_count);
}

/* Who had no room may have it for one that has nobody; and all may know of others. Not at any moment, or who is let go
   again and again would be shut out for asking too often; nor those asked while we had nobody. */
static void forget_backoffs(struct gv_core *core)
{
    uint64_t soon_us = core->now_us + core->config.backoff_us / ALONE_SOONER;
    uint64_t next_us = core->forgiven_us;
    if (!gv_rate_take(&next_us, core->now_us, core->config.backoff_us / FORGIVEN_SOONER, 1)) {
        return;
    }
    for (uint32_t i = 0; i < core->peers_used; i++) {
        struct gv_peer *p = &core->peers[i];
        bool backs_off = core->roles[i] == GV_ROLE_PASSIVE && p->neighbour_after_us > soon_us;
        if (backs_off && core->dial_after_us[i] <= core->now_us) {
            p->neighbour_after_us = core->now_us + gv_rng_u64(&core->rng) % ALONE_ASKS_US;
            core->forgiven_us = next_us;
        }
    }
}

void gv_views_remove(struct gv_core *core, uint32_t peer, bool keep_passive)
{
    struct gv_peer *p = &core->peers[peer];
    if (core->roles[peer] == GV_ROLE_ACTIVE) {
        core->view[core->neighbours[peer]] = GV_NOBODY;
        core->probe_due_us[core->neighbours[peer]] = GV_NEVER;
        core->neighbours[peer] = GV_NOBODY;
        core->roles[peer] = GV_ROLE_NONE;
        gv_links_idle_changed(core);
        core->active_count--;
        core->changes += GV_CHANGED_VIEWS;
        core->promote_us = gv_sooner(core->promote_us, core->now_us + 100 * GV_MS);
        if (core->active_count < core->config.active_min) { /* the seeds may know more than who is left */
            core->book_wait_us = 0;
            core->seed_us = gv_sooner(core->seed_us, core->now_us + HURRY_US);
        }
    } else {
        gv_peers_forget(core, peer);
    }
    p->asked = false;
    if (keep_passive) {
        (void)gv_peers_passive_add(core, peer, true);
    }
}

void gv_views_demote(struct gv_core *core, uint32_t peer, bool tell)
{
    if (core->roles[peer] != GV_ROLE_ACTIVE) {
        return;
    }
    if (tell && core->peer_links[peer] != GV_NOBODY) {
        (void)gv_fx_send(core, core->peer_links[peer], GV_KIND_DISCONNECT);
    }
    gv_fx_log(core, GV_LOG_DEMOTED, &core->peers[peer].ref.id, GV_OK, core->active_count - 1);
    core->peers[peer].neighbour_after_us = core->now_us + core->config.backoff_us;
    gv_views_remove(core, peer, true);
}

uint32_t gv_views_random_active(struct gv_core *core, uint32_t except_peer)
{
    return random_active(core, except_peer, is_anybody);
}

/* A small swarm, or one that we know badly: its members should all know each other. */
static bool knows_few(const struct gv_core *core)
{
    return core->active_count + core->passive_count < 2 * core->config.active_target;
}

void gv_views_learn(struct gv_core *core, const struct gv_ref *ref)
{
    if (gv_id_equal(&ref->id, &core->self.id)) {
        gv_admission_self_seen(core, ref);
        return;
    }
    uint32_t peer = gv_peers_find(core, &ref->id);
    if (peer == GV_NOBODY) {
        if ((ref->flags & GV_REF_DIALABLE) == 0 || core->config.passive_max == 0) {
            return; /* nobody can dial it: of no use in a list of nodes to dial */
        }
        peer = gv_peers_intern(core, ref);
    } else if (gv_peers_buried(core, ref) && core->peer_links[peer] == GV_NOBODY) {
        return;
    } else if (gv_peers_update(core, peer, ref) == GV_ERR_COPIED_KEY) {
        gv_score_count(core, GV_ERR_COPIED_KEY);
        return;
    }
    if (peer == GV_NOBODY || !gv_peers_passive_add(core, peer, false)) {
        return;
    }
    core->ages[peer] = HEARSAY_AGE;
    if (core->active_count < core->config.active_target) {
        core->promote_us = gv_sooner(core->promote_us, core->now_us + gv_rng_u64(&core->rng) % LEARNT_US);
    }
    if (knows_few(core)) { /* where this came from there may be more */
        core->sample_wait_us = SAMPLE_FIRST_US;
        core->sample_us = gv_sooner(core->sample_us, core->now_us + SAMPLE_FIRST_US);
    }
}

static bool is_dialable_known(const struct gv_core *core, uint32_t peer)
{
    return core->roles[peer] != GV_ROLE_NONE && gv_peer_dialable(&core->peers[peer]);
}

static bool coprime(uint32_t a, uint32_t b)
{
    while (b != 0) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a == 1;
}

void gv_views_sample(struct gv_core *core, struct gv_msg *msg, uint32_t count, const struct gv_id *except)
{
    uint32_t start = gv_rng_below(&core->rng, core->config.peers_max);
    uint32_t stride = 1 + gv_rng_below(&core->rng, core->config.peers_max - 1);
    while (!coprime(core->config.peers_max, stride)) {
        stride--; /* any stride gives a varied order; one that shares a factor with the table would miss rows */
    }
    if (count > GV_RECORDS_PER_MSG_MAX) {
        count = GV_RECORDS_PER_MSG_MAX;
    }
    msg->ref_count = 0;
    uint32_t row = start;
    for (uint32_t i = 0; i < core->config.peers_max && msg->ref_count < count; i++) {
        if (is_dialable_known(core, row) && !gv_id_equal(&core->peers[row].ref.id, except)) {
            msg->refs[msg->ref_count++] = core->peers[row].ref;
        }
        row = row + stride < core->config.peers_max ? row + stride : row + stride - core->config.peers_max;
    }
}

static void expect_records(struct gv_core *core, uint32_t link, uint32_t count)
{
    uint32_t due = core->links[link].records_due + count;
    core->links[link].records_due = (uint16_t)(due < GV_RECORDS_DUE_MAX ? due : GV_RECORDS_DUE_MAX);
}

static void ask_sample(struct gv_core *core, uint32_t link)
{
    gv_fx_send(core, link, GV_KIND_SAMPLE)->u.sample.count = DISCOVER_RECORDS;
    expect_records(core, link, DISCOVER_RECORDS);
}

/* Asks a peer for a place in its view, over its link or one to be dialled; again once that link is there. */
static bool ask(struct gv_core *core, uint32_t peer)
{
    struct gv_peer *p = &core->peers[peer];
    uint32_t link = core->peer_links[peer];
    if (link == GV_NOBODY) {
        p->neighbour_after_us = core->now_us + ASK_US;
        return gv_links_dial(core, peer, GV_WHY_NEIGHBOUR);
    }
    gv_fx_send(core, link, GV_KIND_NEIGHBOUR)->u.neighbour.urgent = core->active_count == 0;
    expect_records(core, link, GV_RECORDS_PER_MSG_MAX); /* with a refusal */
    p->asked = true;
    p->renews = core->roles[peer] == GV_ROLE_ACTIVE;
    p->neighbour_after_us = core->now_us + ASK_US;
    return true;
}

void gv_views_verified(struct gv_core *core, uint32_t link, uint32_t why)
{
    uint32_t peer = core->link_peers[link];
    (void)gv_peers_passive_add(core, peer, false);
    if (!core->links[link].dialled) { /* they came to us; whom we chose ourselves grows old all the same */
        core->ages[peer] = 0;
    }
    bool by_the_way =
        core->active_count < core->config.active_min && core->peers[peer].neighbour_after_us <= core->now_us;
    bool want = core->links[link].dialled && ((why & GV_WHY_NEIGHBOUR) != 0 || by_the_way);
    bool again = core->roles[peer] == GV_ROLE_ACTIVE; /* its link was lost, and perhaps a DISCONNECT with it */
    if ((again || want) && !core->peers[peer].asked) {
        (void)ask(core, peer);
    }
    if ((why & GV_WHY_DISCOVER) != 0 || (core->links[link].dialled && knows_few(core))) {
        ask_sample(core, link);
    }
}

/*
 * Makes room for who asks, if it is preferred to one of those who asked before: then what counts is not who asks
 * first, or most often. A branch that would have more neighbours than that of the least preferred has room among its
 * own only. Who has no neighbour at all goes before others; but only the asker knows, so that happens now and then.
 */
static bool evict_for(struct gv_core *core, uint32_t peer, bool urgent, bool *by_need)
{
    uint32_t victim = find_victim(core, peer);
    if (victim == GV_NOBODY) {
        return false;
    }
    uint64_t branch = branch_of(core, peer);
    uint32_t theirs = count_branch(core, branch_of(core, victim));
    uint32_t ours = count_branch(core, branch) + (branch == branch_of(core, victim) ? 0 : 1);
    bool crowd = ours > theirs;
    if (crowd) {
        victim = worst_active(core, branch, too_many_outbound_only(core, peer) ? is_outbound_only : is_theirs);
    }
    bool preferred = victim != GV_NOBODY && (ours < theirs || rank_of(core, peer) < rank_of(core, victim));
    *by_need = !preferred && !crowd && urgent &&
               gv_rate_take(&core->evictions_us, core->now_us, EVICTIONS_EACH_US, EVICTIONS_BURST);
    if (!preferred && !*by_need) {
        return false;
    }
    gv_views_demote(core, victim, true);
    return true;
}

/* An honest peer does not come again within its back-off, but once if it has lost all others. */
static bool may_ask(const struct gv_core *core, struct gv_peer *p)
{
    uint64_t until_us = p->asks_ds * (100 * GV_MS);
    bool may = gv_rate_take(&until_us, core->now_us, ASKS_EACH_US, ASKS_BURST);
    p->asks_ds = (uint32_t)(until_us / (100 * GV_MS));
    return may;
}

static void on_neighbour(struct gv_core *core, uint32_t link, bool urgent)
{
    uint32_t peer = core->link_peers[link];
    struct gv_peer *p = &core->peers[peer];
    bool was_active = core->roles[peer] == GV_ROLE_ACTIVE;
    if (!was_active && !may_ask(core, p)) {
        gv_score_add(core, peer, GV_ERR_RATE, GV_SCORE_SLIGHT);
        gv_fx_send(core, link, GV_KIND_NEIGHBOUR_REPLY)->u.neighbour.accepted = false;
        return;
    }
    bool full = core->active_count >= core->config.active_max;
    bool pressing = urgent && (full || p->turned_away); /* a newcomer may find room elsewhere; this one has not */
    bool by_need = false;
    bool accepted = was_active || has_room(core, peer) || evict_for(core, peer, pressing, &by_need);
    struct gv_msg *reply = gv_fx_send(core, link, GV_KIND_NEIGHBOUR_REPLY);
    reply->u.neighbour.accepted = accepted;
    p->turned_away = !accepted;
    if (!accepted) {
        gv_score_count(core, GV_ERR_CROWDED);
        gv_views_sample(core, reply, GV_RECORDS_PER_MSG_MAX, &p->ref.id);
        return;
    }
    add_active(core, peer, false);
    if (by_need) {
        core->active[core->neighbours[peer]].kept_us = core->now_us + KEPT_US;
    }
    if (was_active || !urgent || !gv_peer_dialable(p)) {
        return;
    }
    for (uint32_t i = 0; i < core->config.active_max; i++) {
        uint32_t other = core->view[i];
        if (other != GV_NOBODY && other != peer && core->peer_links[other] != GV_NOBODY) {
            struct gv_msg *msg = gv_fx_send(core, core->peer_links[other], GV_KIND_FORWARD_JOIN);
            msg->u.walk.ttl = ACTIVE_WALK;
            msg->ref_count = 1;
            msg->refs[0] = p->ref;
        }
    }
}

/* For one more that we chose: a swap, or we filled up meanwhile. With too few of our own choice, those who asked stay
   as long as there is room. */
static void make_way(struct gv_core *core, uint32_t peer)
{
    bool enough = count_active(core, is_chosen) >= core->config.active_chosen_min;
    uint32_t victim = GV_NOBODY;
    if (enough) {
        victim = random_active(core, peer, is_chosen);
    } else if (core->active_count >= core->config.active_max) {
        victim = worst_active(core, 0, is_theirs);
    }
    if (victim != GV_NOBODY) {
        gv_views_demote(core, victim, true);
    }
}

static void on_neighbour_reply(struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    uint32_t peer = core->link_peers[link];
    struct gv_peer *p = &core->peers[peer];
    if (!p->asked) {
        return; /* not any more: it crossed what has ended the neighbourhood meanwhile */
    }
    bool ours = !p->named;
    p->asked = p->named = false;
    if (!msg->u.neighbour.accepted) {
        if (p->renews) {
            gv_views_demote(core, peer, true); /* it has let us go; told, in case it asks us at this moment */
        }
        gv_score_declined(core, GV_ERR_CROWDED);
        gv_score_note(core, peer, GV_ERR_CROWDED);
        bool alone = core->active_count == 0; /* asked again, it may take us in */
        p->neighbour_after_us = core->now_us + core->config.backoff_us / (alone ? ALONE_SOONER : 1);
        core->promote_us = gv_sooner(core->promote_us, core->now_us);
        return;
    }
    bool is_new = core->roles[peer] != GV_ROLE_ACTIVE;
    if (is_new && ours && core->active_count >= core->config.active_target) {
        make_way(core, peer);
    }
    bool room = ours ? core->active_count < core->config.active_max : has_room(core, peer);
    if (is_new && !room) {
        (void)gv_fx_send(core, link, GV_KIND_DISCONNECT);
        return;
    }
    add_active(core, peer, ours && !p->renews);
}

/* Where a walk ends. It is others who say whom we ask: no more often than we ask of our own accord, and it counts among
   those who ask us. */
static void ask_newcomer(struct gv_core *core, uint32_t peer)
{
    bool room = core->active_count < core->config.active_target;
    if (room && core->roles[peer] == GV_ROLE_PASSIVE && core->peers[peer].neighbour_after_us <= core->now_us &&
        gv_rate_take(&core->named_us, core->now_us, core->config.promote_us, PROMOTIONS_MAX)) {
        core->peers[peer].named = true;
        (void)ask(core, peer);
    }
}

static void on_forward_join(struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    uint32_t from = core->link_peers[link];
    if (msg->ref_count == 0 || gv_id_equal(&msg->refs[0].id, &core->self.id)) {
        return;
    }
    if (core->roles[from] != GV_ROLE_ACTIVE || !gv_shuffle_may_bring(core, link, 1)) {
        return;
    }
    uint32_t ttl = msg->u.walk.ttl < ACTIVE_WALK ? msg->u.walk.ttl : ACTIVE_WALK;
    uint32_t next = gv_views_random_active(core, from);
    if (ttl == 0 || ttl == PASSIVE_WALK || next == GV_NOBODY || knows_few(core)) {
        gv_views_learn(core, &msg->refs[0]);
    }
    uint32_t newcomer = gv_peers_find(core, &msg->refs[0].id);
    if (ttl == 0 || next == GV_NOBODY || next == newcomer) {
        if (newcomer != GV_NOBODY) {
            ask_newcomer(core, newcomer);
        }
        return;
    }
    struct gv_msg *forward = gv_fx_send(core, core->peer_links[next], GV_KIND_FORWARD_JOIN);
    forward->u.walk.ttl = ttl - 1;
    forward->ref_count = 1;
    forward->refs[0] = msg->refs[0];
}

/* Records that we asked for; others could be sent by the thousand. */
static void learn_due(struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    uint32_t due = core->links[link].records_due;
    uint32_t count = msg->ref_count < due ? msg->ref_count : due;
    core->links[link].records_due = (uint16_t)(due - count);
    if (msg->ref_count > due) {
        gv_score_count(core, GV_ERR_RATE);
    }
    for (uint32_t i = 0; i < msg->ref_count; i++) {
        bool ours = gv_id_equal(&msg->refs[i].id, &core->self.id); /* takes no place, and may prove a copied key */
        if (i < count || ours) {
            gv_views_learn(core, &msg->refs[i]);
        }
    }
}

void gv_views_message(struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    if (msg->kind == GV_KIND_RECORDS || msg->kind == GV_KIND_NEIGHBOUR_REPLY) {
        learn_due(core, link, msg);
    }
    switch (msg->kind) {
    case GV_KIND_NEIGHBOUR:
        on_neighbour(core, link, msg->u.neighbour.urgent);
        break;
    case GV_KIND_NEIGHBOUR_REPLY:
        on_neighbour_reply(core, link, msg);
        break;
    case GV_KIND_FORWARD_JOIN:
        on_forward_join(core, link, msg);
        break;
    case GV_KIND_SAMPLE:
        gv_views_sample(core, gv_fx_send(core, link, GV_KIND_RECORDS), msg->u.sample.count,
                        &core->peers[core->link_peers[link]].ref.id);
        break;
    default: /* RECORDS: learnt above */
        break;
    }
}

static bool may_promote(const struct gv_core *core, uint32_t peer)
{
    if (core->roles[peer] != GV_ROLE_PASSIVE) {
        return false;
    }
    const struct gv_peer *p = &core->peers[peer];
    bool reachable =
        core->peer_links[peer] != GV_NOBODY || (gv_peer_dialable(p) && core->dial_after_us[peer] <= core->now_us);
    return reachable && p->neighbour_after_us <= core->now_us && !gv_score_bad(core, peer);
}

static bool may_sample(const struct gv_core *core)
{
    return core->active_count > 0 && knows_few(core);
}

/* While we know few: a neighbour may know more. */
static void ask_for_records(struct gv_core *core)
{
    uint32_t peer = gv_views_random_active(core, GV_NOBODY);
    uint64_t wait = core->sample_wait_us == 0 ? SAMPLE_FIRST_US : 2 * core->sample_wait_us;
    core->sample_wait_us = gv_sooner(wait, SAMPLE_MAX_US);
    core->sample_us = core->now_us + gv_rng_jitter(&core->rng, core->sample_wait_us, 20);
    if (peer != GV_NOBODY) {
        ask_sample(core, core->peer_links[peer]);
    }
}

/* Of the wanted, or of those of our own choice, whichever is more. */
static uint32_t missing_neighbours(const struct gv_core *core)
{
    uint32_t chosen = count_active(core, is_chosen);
    uint32_t in_all =
        core->active_count < core->config.active_target ? core->config.active_target - core->active_count : 0;
    uint32_t own = chosen < core->config.active_chosen_min ? core->config.active_chosen_min - chosen : 0;
    return in_all > own ? in_all : own;
}

/* Ours, where we ask. */
static uint32_t our_rank(const struct gv_core *core, uint32_t peer)
{
    return gv_peers_rank(core, &core->self.id, &core->peers[peer].ref.id);
}

/* Whom to ask: where we come first, since its places may be contested. */
static uint32_t pick_welcoming(struct gv_core *core)
{
    return gv_peers_best(core, may_promote, WELCOME_DRAWS, our_rank);
}

static bool ask_chosen(struct gv_core *core, uint32_t peer)
{
    core->peers[peer].named = false;
    return ask(core, peer);
}

static void promote(struct gv_core *core)
{
    bool hurry = core->active_count < core->config.active_min;
    core->promote_us = core->now_us + (hurry ? HURRY_US : core->config.promote_us);
    if (core->active_count == 0) {
        forget_backoffs(core);
    }
    uint32_t missing = missing_neighbours(core);
    for (uint32_t i = 0; i < missing && i < PROMOTIONS_MAX; i++) {
        uint32_t peer = pick_welcoming(core);
        if (peer == GV_NOBODY || !ask_chosen(core, peer)) {
            break;
        }
    }
}

/* Dials the next seed, unless we are linked to it already: then there is nothing to find. */
static void dial_seed(struct gv_core *core)
{
    core->seed_next = (core->seed_next + 1) % core->seed_count;
    bool met = core->seed_next < GV_SEEDS_MAX && core->seed_met[core->seed_next];
    uint32_t peer = met ? gv_peers_find(core, &core->seeds[core->seed_next]) : GV_NOBODY;
    if (gv_peer_link(core, peer) == GV_NOBODY) {
        (void)gv_links_dial_index(core, GV_DIAL_SEED, core->seed_next);
    }
}

/* For ever: the address book and the seeds heal what the views cannot see. Faster while we have nobody. */
static void dial_known(struct gv_core *core)
{
    bool hungry = core->active_count < core->config.active_min;
    if (core->book_us <= core->now_us || core->seed_us <= core->now_us) {
        core->book_wait_us = core->book_wait_us == 0 ? HURRY_US : 2 * core->book_wait_us;
        core->book_wait_us = gv_sooner(core->book_wait_us, core->config.book_dial_us);
    }
    if (core->book_us <= core->now_us) {
        uint64_t wait = hungry ? core->book_wait_us : core->config.book_dial_us;
        bool first = core->book_us == core->started_us;
        core->book_us = core->now_us + gv_rng_jitter(&core->rng, wait, 20);
        for (uint32_t i = 0; i < (first ? BOOK_DIALS_AT_START : 1u) && i < core->book_count; i++) {
            (void)gv_links_dial_index(core, GV_DIAL_BOOK, gv_rng_below(&core->rng, core->book_count));
        }
    }
    if (core->seed_us <= core->now_us) {
        uint64_t wait = hungry ? gv_sooner(core->book_wait_us, SEED_HUNGRY_US) : core->config.seed_dial_us;
        bool first = core->seed_us == core->started_us;
        core->seed_us = core->now_us + gv_rng_jitter(&core->rng, wait, 20);
        for (uint32_t i = 0; i < (first ? GV_SEEDS_MAX : 1u) && i < core->seed_count; i++) {
            dial_seed(core);
        }
    }
}

void gv_views_tick(struct gv_core *core)
{
    if (core->promote_us <= core->now_us && gv_fx_room(core)) {
        promote(core);
    }
    if (core->swap_us <= core->now_us && gv_fx_room(core)) {
        bool full = core->active_count >= core->config.active_max; /* perhaps of those who crowd in everywhere */
        core->swap_us =
            core->now_us + gv_rng_jitter(&core->rng, core->config.swap_us / (full ? SWAPS_WHEN_FULL : 1), 20);
        gv_peers_expire(core);
        uint32_t peer = core->active_count >= core->config.active_target ? pick_welcoming(core) : GV_NOBODY;
        if (peer != GV_NOBODY) {
            (void)ask_chosen(core, peer);
        }
    }
    if (may_sample(core) && core->sample_us <= core->now_us && gv_fx_room(core)) {
        ask_for_records(core);
    }
    if (gv_fx_room(core)) {
        dial_known(core);
    }
}

uint64_t gv_views_deadline(const struct gv_core *core)
{
    uint64_t at = gv_sooner(gv_sooner(core->promote_us, core->swap_us), gv_sooner(core->book_us, core->seed_us));
    return may_sample(core) ? gv_sooner(at, core->sample_us) : at;
}
