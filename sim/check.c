/*
 * The invariants and their definitions, in one table; what looks at one node's step is here, what looks at all nodes in
 * check_global.c, what looks into a core's tables in node/core/check.c, and what the host of a simulated node sees for
 * itself (its buffers, its replica) where it sees it.
 */
#include "check.h"

#include <string.h>

#define INVARIANTS(X)                                                                                                 \
    X(UNNAMED, "unnamed", "not in the table of invariants")                                                           \
    X(EFFECTS_BOUNDED, "effects-bounded", "a step has at most GV_EFFECTS_MAX effects")                                \
    X(INCARNATION_MONOTONIC, "incarnation-monotonic",                                                                 \
      "a node's incarnation never falls, each life begins with a higher one than all before, and PERSIST asks for a " \
      "higher one")                                                                                                   \
    X(NOTHING_SENT_UNPERSISTED, "nothing-sent-unpersisted",                                                           \
      "no message carries a record of our own whose incarnation is not on disk, and no HELLO or WELCOME leaves "      \
      "between PERSIST and PERSISTED")                                                                                \
    X(NO_REVOKED_PEER, "no-revoked-peer-in-a-view",                                                                   \
      "once the core was told that an identity is revoked, no view names it and no verified link leads to it")        \
    X(ONE_EXCHANGE, "one-exchange-at-a-time", "no SNAPSHOT while that of another exchange is held")                   \
    X(CHUNK_ONCE, "chunk-applied-at-most-once",                                                                       \
      "chunks of an exchange or a fetch are handed out in order from 0, each once, and only while it is under way")   \
    X(COMMIT_ONCE, "commit-at-most-once",                                                                             \
      "COMMIT is of the exchange whose SNAPSHOT is held, which ends with it; ADOPT of the fetch under way; neither "  \
      "follows a DISCARD or another COMMIT or ADOPT of the same nonce")                                               \
    X(COMMIT_AGREED, "commit-when-agreed",                                                                            \
      "COMMIT comes when all chunks handed out are staged and none was refused: at an initiator with COMMITTED or "   \
      "an OUTCOME_REPLY that says so, at a responder with COMMIT; the receiver of a push needs no word")              \
    X(SIZES_BOUNDED, "sizes-bounded", "no table and no window of chunks of a core holds more than its limit")         \
    X(COUNTS_CONSISTENT, "counts-consistent", "a core's counters say what its tables hold")                           \
    X(OWN_ID, "own-id-in-no-view", "a node's own id has no row in its core, so no view and no link names it")         \
    X(VIEWS_DISJOINT, "views-disjoint",                                                                               \
      "each id has one row in a core, each row one role: nobody is both active and passive")                          \
    X(VIEWS_CONSISTENT, "views-consistent",                                                                           \
      "neighbours and rows of a core's table name each other, and whoever is passive can be dialled")                 \
    X(LINKS_CONSISTENT, "links-consistent",                                                                           \
      "a core's links, peers and dials name each other, and no peer has more than two links")                         \
    X(WORK_CONSISTENT, "work-consistent",                                                                             \
      "a core's exchange, fetch and pins stand on verified links of the peers they are with")                         \
    X(DEADLINES_KEPT, "deadlines-kept", "a deadline that a core keeps is not later than what it was made from")       \
    X(LEFT_PEER, "left-peer-in-no-view",                                                                              \
      "a core that was told that a node has left for good names it in no view and has no verified link to it")        \
    X(FAILED_EXCHANGE, "failed-exchange-changes-nothing",                                                             \
      "an exchange that is discarded leaves the parameters bit for bit as its SNAPSHOT found them, but for training " \
      "in between")                                                                                                   \
    X(NO_BUFFERS_LEAK, "no-buffers-leak",                                                                             \
      "every handle given to a core is answered by APPLY or DROP once; a node holds no snapshot but those that are "  \
      "pinned, no stage and no parked frame, but in an exchange or fetch one stage and the chunks of its credit")     \
    X(ONE_COMPONENT, "one-component",                                                                                 \
      "in the liveness phase the active views hold all honest live members together that know of one another, "       \
      "directly or through others; nobody is apart for long")                                                         \
    X(SYMMETRIC_LINKS, "symmetric-links",                                                                             \
      "in the liveness phase nobody is for long a neighbour of a node that does not name it")                         \
    X(LEAVES_HONOURED, "leaves-honoured", "in the liveness phase no active view names a node that has left for good") \
    X(REVOCATIONS_EVERYWHERE, "revocations-everywhere",                                                               \
      "in the liveness phase every live member knows every revocation that one of them knows")                        \
    X(VARIANCE_FALLING, "variance-falling",                                                                           \
      "in mean mode the variance over live members falls by half or more during the liveness phase, or has come "     \
      "down to rounding errors; not where hostile members push, who may give and never take")

enum invariant {
#define NUMBER(id, name, definition) id,
    INVARIANTS(NUMBER)
#undef NUMBER
        INVARIANT_COUNT
};

static const struct {
    const char *name, *definition;
} table[] = {
#define ROW(id, name, definition) [id] = {(name), (definition)},
    INVARIANTS(ROW)
#undef ROW
};

#define HOLDS INVARIANT_COUNT

/* ---- one step ------------------------------------------------------------------------------------------------ */

/* The message of the event, or NULL. */
static const struct gv_msg *message(const struct gv_event *event)
{
    return event->kind == GV_EV_MSG ? event->u.msg.msg : NULL;
}

/* What the event itself says, before the effects. */
static enum invariant note_event(struct gv_watch *w, const struct gv_event *event)
{
    enum invariant broken = HOLDS;
    switch (event->kind) {
    case GV_EV_START: {
        uint64_t own = event->u.start.self.incarnation;
        broken = w->incarnation_seen != 0 && own <= w->incarnation_seen ? INCARNATION_MONOTONIC : HOLDS;
        w->incarnation_persisted = own > w->incarnation_persisted ? own : w->incarnation_persisted;
        w->open = w->open_push = w->refused = w->persisting = false;
        w->open_nonce = w->offered_nonce = w->fetch_nonce = w->commit_nonce = 0;
        w->seen = 0;
        w->handed_out = w->staged = w->fetched = w->commits_of_nonce = w->pinned = 0;
        break;
    }
    case GV_EV_PERSISTED: {
        uint64_t own = event->u.self.incarnation;
        w->incarnation_persisted = own > w->incarnation_persisted ? own : w->incarnation_persisted;
        w->persisting = false;
        break;
    }
    case GV_EV_APPLIED:
        if (w->open && event->u.work.nonce == w->open_nonce) {
            w->staged += event->verdict == GV_OK ? 1 : 0;
            w->refused = w->refused || event->verdict != GV_OK;
        }
        break;
    case GV_EV_REVOKED:
        w->revoked_prefix_count++;
        for (uint32_t i = 0; w->targets != NULL && i < 64; i++) {
            w->entries |= gv_id_equal(&w->targets[i], &event->u.revoked) ? UINT64_C(1) << i : 0;
        }
        break;
    default:
        break;
    }
    return broken;
}

/* True if the message says that this exchange, which we began, is committed. */
static bool is_committed(const struct gv_msg *in, uint64_t nonce)
{
    if (in == NULL) {
        return false;
    }
    bool told = in->kind == GV_KIND_COMMITTED && in->u.exchange.nonce == nonce;
    return told || (in->kind == GV_KIND_OUTCOME_REPLY && in->u.outcome.nonce == nonce &&
                    in->u.outcome.outcome == GV_OUTCOME_COMMITTED);
}

static enum invariant note_snapshot(struct gv_watch *w, const struct gv_event *event, uint64_t nonce)
{
    const struct gv_msg *in = message(event);
    bool first = !w->open;
    bool theirs = in != NULL && in->kind == GV_KIND_OFFER && in->u.offer.nonce == nonce;
    w->open = true;
    w->open_nonce = nonce;
    w->open_push = theirs && in->u.offer.exchange == GV_EXCHANGE_PUSH;
    w->handed_out = w->staged = 0;
    w->refused = false;
    return first ? HOLDS : ONE_EXCHANGE;
}

static enum invariant note_apply(struct gv_watch *w, const struct gv_effect *effect)
{
    uint64_t nonce = effect->u.work.nonce;
    if (!effect->u.work.fetch) {
        return w->open && nonce == w->open_nonce && effect->u.work.index == w->handed_out++ ? HOLDS : CHUNK_ONCE;
    }
    if (nonce != w->fetch_nonce) {
        w->fetch_nonce = nonce;
        w->fetched = 0;
    }
    return effect->u.work.index == w->fetched++ ? HOLDS : CHUNK_ONCE;
}

static enum invariant note_commit(struct gv_watch *w, const struct gv_event *event, uint64_t nonce)
{
    const struct gv_msg *in = message(event);
    w->commits_of_nonce = nonce == w->commit_nonce ? w->commits_of_nonce + 1 : 1;
    w->commit_nonce = nonce;
    if (!w->open || nonce != w->open_nonce || w->commits_of_nonce > 1) {
        return COMMIT_ONCE;
    }
    w->open = false;
    bool ours = nonce == w->offered_nonce;
    bool asked = in != NULL && in->kind == GV_KIND_COMMIT && in->u.exchange.nonce == nonce;
    bool agreed = ours ? is_committed(in, nonce) : w->open_push || asked;
    return agreed && w->staged == w->handed_out && !w->refused ? HOLDS : COMMIT_AGREED;
}

/* A nonce of 0 stands for none; a real one is 0 once in 2^64 times, and then only goes unwatched. */
static enum invariant note_adopt(struct gv_watch *w, uint64_t nonce)
{
    bool current = nonce == w->fetch_nonce;
    w->fetch_nonce = 0;
    return current ? HOLDS : COMMIT_ONCE;
}

static bool names_self_unpersisted(const struct gv_watch *w, const struct gv_ref *self, const struct gv_msg *msg)
{
    for (uint32_t i = 0; i < msg->ref_count; i++) {
        if (msg->refs[i].incarnation > w->incarnation_persisted && gv_id_equal(&msg->refs[i].id, &self->id)) {
            return true;
        }
    }
    return false;
}

static enum invariant note_send(struct gv_watch *w, const struct gv_ref *self, const struct gv_msg *msg)
{
    bool early = false;
    switch (msg->kind) {
    case GV_KIND_HELLO:
    case GV_KIND_WELCOME:
        early = w->persisting || msg->u.hello.self.incarnation > w->incarnation_persisted;
        break;
    case GV_KIND_PING:
    case GV_KIND_PONG:
        early = msg->u.ping.has_record && self->incarnation > w->incarnation_persisted;
        break;
    case GV_KIND_OFFER:
        w->offered_nonce = msg->u.offer.nonce;
        break;
    default:
        early = names_self_unpersisted(w, self, msg);
        break;
    }
    return early ? NOTHING_SENT_UNPERSISTED : HOLDS;
}

static enum invariant note_effect(struct gv_watch *w, const struct gv_ref *self, const struct gv_event *event,
                                  const struct gv_effect *effect)
{
    uint64_t nonce = effect->u.work.nonce;
    switch (effect->kind) {
    case GV_FX_SEND:
        return note_send(w, self, &effect->u.msg);
    case GV_FX_PERSIST:
        w->persisting = true;
        return effect->u.self.incarnation > self->incarnation ? HOLDS : INCARNATION_MONOTONIC;
    case GV_FX_SNAPSHOT:
        return note_snapshot(w, event, nonce);
    case GV_FX_APPLY:
        return note_apply(w, effect);
    case GV_FX_COMMIT:
        return note_commit(w, event, nonce);
    case GV_FX_ADOPT:
        return note_adopt(w, nonce);
    case GV_FX_DISCARD:
        w->open = w->open && nonce != w->open_nonce;
        w->fetch_nonce = nonce == w->fetch_nonce ? 0 : w->fetch_nonce;
        return HOLDS;
    case GV_FX_PIN:
        w->pinned++;
        return HOLDS;
    case GV_FX_UNPIN:
        w->pinned -= w->pinned > 0 ? 1 : 0;
        return HOLDS;
    default:
        return HOLDS;
    }
}

/* Beside what is pinned the host holds nothing, unless an exchange or a fetch is under way: then its stage, and the
   chunks that the credit allows. */
static bool leaks_buffers(const struct gv_watch *w)
{
    bool at_work = w->open || w->fetch_nonce != 0;
    return w->buffers > w->pinned + (at_work ? 1 + GV_CREDIT_CHUNKS_MAX : 0);
}

static bool holds_revoked(const struct gv_watch *w, const struct gv_core *core)
{
    uint64_t entries = w->targets != NULL ? w->entries : 0;
    for (uint32_t i = 0; entries != 0; i++, entries >>= 1) {
        if ((entries & 1) != 0 && gv_core_holds(core, &w->targets[i])) {
            return true;
        }
    }
    return false;
}

const char *gv_check_step(struct gv_watch *watch, const struct gv_core *core, const struct gv_event *event,
                          const struct gv_effects *effects)
{
    if (effects->count > GV_EFFECTS_MAX) {
        return table[EFFECTS_BOUNDED].name;
    }
    const struct gv_ref *self = gv_core_self(core);
    enum invariant broken = note_event(watch, event);
    for (uint32_t i = 0; i < effects->count; i++) {
        enum invariant this = note_effect(watch, self, event, &effects->item[i]);
        broken = broken == HOLDS ? this : broken;
    }
    if (self->incarnation < watch->incarnation_seen && event->kind != GV_EV_START) {
        broken = INCARNATION_MONOTONIC;
    }
    watch->incarnation_seen = self->incarnation > watch->incarnation_seen ? self->incarnation : watch->incarnation_seen;
    broken = broken == HOLDS && leaks_buffers(watch) ? NO_BUFFERS_LEAK : broken;
    if (broken != HOLDS) {
        return table[broken].name;
    }
    uint64_t seen = watch->seen;
    const char *inside = gv_core_check(core, &watch->seen);
    if (inside != NULL) {
        return gv_check_name(inside);
    }
    bool look = seen != watch->seen || event->kind == GV_EV_REVOKED;
    return look && holds_revoked(watch, core) ? table[NO_REVOKED_PEER].name : NULL;
}

/* ---- the table ----------------------------------------------------------------------------------------------- */

static enum invariant find(const char *name)
{
    for (uint32_t i = 0; i < INVARIANT_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return (enum invariant)i;
        }
    }
    return UNNAMED;
}

const char *gv_check_name(const char *name)
{
    return table[find(name)].name;
}

const char *gv_check_definition(const char *name)
{
    enum invariant found = find(name);
    return found == UNNAMED ? NULL : table[found].definition;
}

void gv_check_list(void (*visit)(void *context, const char *name, const char *definition), void *context)
{
    for (uint32_t i = UNNAMED + 1; i < INVARIANT_COUNT; i++) {
        visit(context, table[i].name, table[i].definition);
    }
}
