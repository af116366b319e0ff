/*
 * The simulator's invariants: each is broken by hand, on a core that does nothing or on small overlays.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static struct gv_core *core;
static struct gv_effects *effects;
static struct gv_watch watch;
static struct gv_msg in;
static struct gv_id own;

static struct gv_ref own_ref(uint64_t incarnation)
{
    return (struct gv_ref){.id = own, .incarnation = incarnation, .flags = GV_REF_DIALABLE};
}

/* A new process with this incarnation. */
static const char *start(uint64_t incarnation)
{
    struct gv_core_config config;
    gv_core_defaults(&config);
    free(core);
    core = gv_core_init(malloc(gv_core_bytes(&config)), &config);
    struct gv_event event = {.kind = GV_EV_START, .now_us = 1000000};
    event.u.start.self = own_ref(incarnation);
    event.u.start.manifest = (struct gv_core_manifest){.block_count = 1, .block_elements = {16}, .stop_age = GV_NEVER};
    event.u.start.trains = event.u.start.has_model = true;
    gv_core_step(core, &event, effects);
    const char *broken = gv_check_step(&watch, core, &event, effects);
    effects->count = 0;
    return broken;
}

static void setup(void)
{
    own.b[0] = 1;
    effects = calloc(1, sizeof *effects);
    memset(&watch, 0, sizeof watch);
    cr_assert_null(start(5));
}

static void teardown(void)
{
    free(core);
    free(effects);
    core = NULL;
}

TestSuite(check, .init = setup, .fini = teardown);

static struct gv_effect *fx(enum gv_effect_kind kind, uint64_t nonce)
{
    struct gv_effect *effect = &effects->item[effects->count++];
    memset(effect, 0, sizeof *effect);
    effect->kind = kind;
    effect->u.work.nonce = nonce;
    return effect;
}

static struct gv_msg *fx_send(enum gv_kind kind)
{
    struct gv_effect *effect = fx(GV_FX_SEND, 0);
    memset(&effect->u.msg, 0, sizeof effect->u.msg);
    effect->u.msg.kind = kind;
    return &effect->u.msg;
}

/* What a step with the effects gathered so far breaks. */
static const char *after(struct gv_event event)
{
    const char *broken = gv_check_step(&watch, core, &event, effects);
    effects->count = 0;
    return broken;
}

static const char *after_tick(void)
{
    return after((struct gv_event){.kind = GV_EV_TICK});
}

static const char *after_message(enum gv_kind kind, uint64_t nonce)
{
    struct gv_event event = {.kind = GV_EV_MSG};
    event.u.msg.msg = &in;
    memset(&in, 0, sizeof in);
    in.kind = kind;
    if (kind == GV_KIND_OFFER) {
        in.u.offer.nonce = nonce;
    } else {
        in.u.exchange.nonce = nonce;
    }
    return after(event);
}

static const char *after_applied(uint64_t nonce, uint32_t index, enum gv_err verdict)
{
    struct gv_event event = {.kind = GV_EV_APPLIED, .verdict = verdict};
    event.u.work.nonce = nonce;
    event.u.work.index = index;
    return after(event);
}

static void expect(const char *broken, const char *name)
{
    cr_assert(broken != NULL && strcmp(broken, name) == 0, "expected %s, found %s", name,
              broken != NULL ? broken : "-");
    cr_assert_not_null(gv_check_definition(broken));
    cr_assert_eq(gv_check_name(broken), broken);
}

/* As a responder takes part: OFFER, one chunk, COMMIT. */
static void respond_until_staged(uint64_t nonce)
{
    fx(GV_FX_SNAPSHOT, nonce);
    cr_assert_null(after_message(GV_KIND_OFFER, nonce));
    fx(GV_FX_APPLY, nonce)->u.work.handle = 9;
    cr_assert_null(after_tick());
    cr_assert_null(after_applied(nonce, 0, GV_OK));
}

static void initiate_until_staged(uint64_t nonce)
{
    fx(GV_FX_SNAPSHOT, nonce);
    cr_assert_null(after_tick());
    fx_send(GV_KIND_OFFER)->u.offer.nonce = nonce;
    cr_assert_null(after_tick());
    fx(GV_FX_APPLY, nonce)->u.work.handle = 9;
    cr_assert_null(after_message(GV_KIND_ACCEPT, nonce));
    cr_assert_null(after_applied(nonce, 0, GV_OK));
}

Test(check, exchanges_as_they_should_be_break_nothing)
{
    respond_until_staged(7);
    fx(GV_FX_COMMIT, 7);
    cr_assert_null(after_message(GV_KIND_COMMIT, 7));
    initiate_until_staged(8);
    fx(GV_FX_COMMIT, 8);
    cr_assert_null(after_message(GV_KIND_COMMITTED, 8));
    initiate_until_staged(9);
    fx(GV_FX_DISCARD, 9);
    cr_assert_null(after_tick());
    fx(GV_FX_SNAPSHOT, 10); /* crossing OFFERs: ours gives way in the same step */
    cr_assert_null(after_tick());
    fx(GV_FX_DISCARD, 10);
    fx(GV_FX_SNAPSHOT, 11);
    cr_assert_null(after_message(GV_KIND_OFFER, 11));
}

Test(check, an_initiator_learns_the_outcome_late)
{
    initiate_until_staged(8);
    fx(GV_FX_COMMIT, 8);
    struct gv_event event = {.kind = GV_EV_MSG};
    event.u.msg.msg = &in;
    in = (struct gv_msg){.kind = GV_KIND_OUTCOME_REPLY};
    in.u.outcome.nonce = 8;
    in.u.outcome.outcome = GV_OUTCOME_COMMITTED;
    cr_assert_null(after(event));
    initiate_until_staged(9);
    fx(GV_FX_COMMIT, 9);
    in.u.outcome.nonce = 9;
    in.kind = GV_KIND_OUTCOME_REPLY;
    in.u.outcome.outcome = GV_OUTCOME_UNKNOWN;
    expect(after(event), "commit-when-agreed");
}

Test(check, nobody_commits_twice)
{
    respond_until_staged(7);
    fx(GV_FX_COMMIT, 7);
    cr_assert_null(after_message(GV_KIND_COMMIT, 7));
    fx(GV_FX_COMMIT, 7);
    expect(after_message(GV_KIND_COMMIT, 7), "commit-at-most-once");
}

Test(check, nobody_commits_what_was_discarded)
{
    respond_until_staged(7);
    fx(GV_FX_DISCARD, 7);
    cr_assert_null(after_tick());
    fx(GV_FX_COMMIT, 7);
    expect(after_message(GV_KIND_COMMIT, 7), "commit-at-most-once");
}

Test(check, nobody_commits_on_its_own)
{
    initiate_until_staged(8);
    fx(GV_FX_COMMIT, 8);
    expect(after_tick(), "commit-when-agreed");
    respond_until_staged(9);
    fx(GV_FX_COMMIT, 9);
    expect(after_applied(9, 1, GV_OK), "commit-when-agreed");
}

Test(check, a_receiver_of_a_push_needs_no_word)
{
    struct gv_event event = {.kind = GV_EV_MSG};
    event.u.msg.msg = &in;
    in = (struct gv_msg){.kind = GV_KIND_OFFER};
    in.u.offer.nonce = 7;
    in.u.offer.exchange = GV_EXCHANGE_PUSH;
    fx(GV_FX_SNAPSHOT, 7);
    fx(GV_FX_APPLY, 7);
    cr_assert_null(after(event));
    fx(GV_FX_COMMIT, 7);
    cr_assert_null(after_applied(7, 0, GV_OK));
}

Test(check, what_is_refused_or_not_staged_is_not_committed)
{
    fx(GV_FX_SNAPSHOT, 7);
    cr_assert_null(after_message(GV_KIND_OFFER, 7));
    fx(GV_FX_APPLY, 7);
    cr_assert_null(after_tick());
    fx(GV_FX_COMMIT, 7);
    expect(after_message(GV_KIND_COMMIT, 7), "commit-when-agreed");
    fx(GV_FX_SNAPSHOT, 8);
    cr_assert_null(after_message(GV_KIND_OFFER, 8));
    fx(GV_FX_APPLY, 8);
    cr_assert_null(after_tick());
    cr_assert_null(after_applied(8, 0, GV_ERR_NONFINITE));
    fx(GV_FX_COMMIT, 8);
    expect(after_message(GV_KIND_COMMIT, 8), "commit-when-agreed");
}

Test(check, chunks_come_once_and_in_order)
{
    fx(GV_FX_SNAPSHOT, 7);
    fx(GV_FX_APPLY, 7);
    fx(GV_FX_APPLY, 7)->u.work.index = 1;
    cr_assert_null(after_tick());
    fx(GV_FX_APPLY, 7)->u.work.index = 1;
    expect(after_tick(), "chunk-applied-at-most-once");
    fx(GV_FX_DISCARD, 7);
    fx(GV_FX_APPLY, 7)->u.work.index = 2;
    expect(after_tick(), "chunk-applied-at-most-once");
}

Test(check, chunks_of_a_fetch_come_once_and_it_is_adopted_once)
{
    for (uint32_t i = 0; i < 3; i++) {
        struct gv_effect *effect = fx(GV_FX_APPLY, 5);
        effect->u.work.fetch = true;
        effect->u.work.index = i;
        cr_assert_null(after_tick());
    }
    fx(GV_FX_ADOPT, 5);
    cr_assert_null(after_tick());
    fx(GV_FX_ADOPT, 5);
    expect(after_tick(), "commit-at-most-once");
    struct gv_effect *effect = fx(GV_FX_APPLY, 6);
    effect->u.work.fetch = true;
    effect->u.work.index = 1;
    expect(after_tick(), "chunk-applied-at-most-once");
}

Test(check, one_exchange_at_a_time)
{
    fx(GV_FX_SNAPSHOT, 7);
    cr_assert_null(after_tick());
    fx(GV_FX_SNAPSHOT, 8);
    expect(after_tick(), "one-exchange-at-a-time");
}

Test(check, nothing_leaves_with_an_incarnation_that_is_not_on_disk)
{
    fx_send(GV_KIND_HELLO)->u.hello.self.incarnation = 5;
    cr_assert_null(after_tick());
    fx_send(GV_KIND_HELLO)->u.hello.self.incarnation = 6;
    expect(after_tick(), "nothing-sent-unpersisted");
    struct gv_msg *shuffle = fx_send(GV_KIND_SHUFFLE);
    shuffle->ref_count = 2;
    shuffle->refs[0] = (struct gv_ref){.incarnation = 99}; /* somebody else's */
    shuffle->refs[1] = own_ref(5);
    cr_assert_null(after_tick());
    shuffle = fx_send(GV_KIND_SHUFFLE);
    shuffle->ref_count = 1;
    shuffle->refs[0] = own_ref(6);
    expect(after_tick(), "nothing-sent-unpersisted");
    watch.incarnation_persisted = 4;
    fx_send(GV_KIND_PING);
    cr_assert_null(after_tick());
    fx_send(GV_KIND_PONG)->u.ping.has_record = true;
    expect(after_tick(), "nothing-sent-unpersisted");
}

Test(check, no_greeting_while_an_incarnation_is_being_written)
{
    fx(GV_FX_PERSIST, 0)->u.self.incarnation = 6;
    cr_assert_null(after_tick());
    fx_send(GV_KIND_WELCOME)->u.hello.self.incarnation = 5;
    expect(after_tick(), "nothing-sent-unpersisted");
    struct gv_event event = {.kind = GV_EV_PERSISTED};
    event.u.self.incarnation = 6;
    cr_assert_null(after(event));
    fx_send(GV_KIND_WELCOME)->u.hello.self.incarnation = 6;
    cr_assert_null(after_tick());
}

Test(check, incarnations_only_rise)
{
    fx(GV_FX_PERSIST, 0)->u.self.incarnation = 5;
    expect(after_tick(), "incarnation-monotonic");
    cr_assert_null(start(6));
    expect(start(6), "incarnation-monotonic");
    expect(start(3), "incarnation-monotonic");
    watch.incarnation_seen = 0; /* a restored backup */
    cr_assert_null(start(3));
    watch.incarnation_seen = 9;
    expect(after_tick(), "incarnation-monotonic");
}

Test(check, a_new_life_forgets_what_the_last_one_left_open)
{
    fx(GV_FX_SNAPSHOT, 7);
    fx(GV_FX_PERSIST, 0)->u.self.incarnation = 6;
    cr_assert_null(after_tick());
    cr_assert_null(start(6));
    fx(GV_FX_SNAPSHOT, 8);
    fx_send(GV_KIND_HELLO)->u.hello.self.incarnation = 6;
    cr_assert_null(after_tick());
}

Test(check, a_revoked_peer_is_in_no_view)
{
    static struct gv_id targets[64];
    targets[3].b[5] = 42;
    watch.targets = targets;
    struct gv_event event = {.kind = GV_EV_REVOKED, .now_us = 2000000};
    event.u.revoked = targets[3];
    gv_core_step(core, &event, effects);
    cr_assert_null(after(event));
    cr_assert_eq(watch.entries, UINT64_C(1) << 3);
    /* A host that does not check who greets. */
    struct gv_event link = {.kind = GV_EV_LINK_IN, .now_us = 2000000, .link = 4};
    gv_core_step(core, &link, effects);
    cr_assert_null(after(link));
    struct gv_event hello = {.kind = GV_EV_MSG, .now_us = 2000000, .link = 4};
    in = (struct gv_msg){.kind = GV_KIND_HELLO};
    in.u.hello.self = (struct gv_ref){.id = targets[3], .incarnation = 1, .flags = GV_REF_DIALABLE};
    hello.u.msg.msg = &in;
    gv_core_step(core, &hello, effects);
    expect(after(hello), "no-revoked-peer-in-a-view");
}

Test(check, effects_are_bounded)
{
    effects->count = GV_EFFECTS_MAX + 1;
    expect(after_tick(), "effects-bounded");
}

/* ---- the table ----------------------------------------------------------------------------------------------- */

Test(check, buffers_that_belong_to_nothing_are_a_leak)
{
    struct gv_event tick = {.kind = GV_EV_TICK};
    watch.buffers = 1;
    cr_assert_str_eq(after(tick), "no-buffers-leak");
    (void)fx(GV_FX_PIN, 9);
    cr_assert_null(after(tick), "a pinned snapshot is nobody's leak");
    (void)fx(GV_FX_UNPIN, 9);
    cr_assert_str_eq(after(tick), "no-buffers-leak", "unpinned, and still there");
    (void)fx(GV_FX_SNAPSHOT, 7);
    cr_assert_null(after(tick), "the stage of an exchange");
    (void)fx(GV_FX_DISCARD, 7);
    cr_assert_str_eq(after(tick), "no-buffers-leak", "discarded, and still there");
}

static void count(void *context, const char *name, const char *definition)
{
    uint32_t *found = context;
    cr_assert(strlen(name) > 3 && strlen(definition) > 10);
    cr_assert_eq(gv_check_name(name), name);
    cr_assert_eq(gv_check_definition(name), definition);
    (*found)++;
}

Test(check, every_name_has_a_definition)
{
    uint32_t found = 0;
    gv_check_list(count, &found);
    cr_assert_gt(found, 20);
    static const char *const promised[] = {"no-buffers-leak", "failed-exchange-changes-nothing", "own-id-in-no-view",
                                           "views-disjoint",  "incarnation-monotonic",           "sizes-bounded"};
    for (size_t i = 0; i < sizeof promised / sizeof promised[0]; i++) {
        cr_assert_not_null(gv_check_definition(promised[i]), "%s", promised[i]);
    }
    cr_assert_null(gv_check_definition("no-such-thing"));
    cr_assert_str_eq(gv_check_name("no-such-thing"), "unnamed");
}

/* ---- over all nodes ------------------------------------------------------------------------------------------ */

/* 0 - 1 - 2   3 - 4, both ways; 5 is not there, but named by 4. */
static const bool there[6] = {true, true, true, true, true, false};
static const uint32_t first[7] = {0, 1, 3, 4, 5, 7, 7};
static const uint32_t to[7] = {1, 0, 2, 1, 4, 3, 5};

static struct gv_overlay overlay(void)
{
    return (struct gv_overlay){.nodes = 6, .counts = there, .first = first, .to = to};
}

/* Fills `apart`; returns what one-component says of who is apart now and was before. */
static const char *connected(const struct gv_overlay *o, bool *apart, const bool *was_apart, uint32_t *node)
{
    uint32_t scratch[12];
    gv_check_apart(o, scratch, apart);
    return gv_check_connected(o->nodes, apart, was_apart, node);
}

static const bool everybody[6] = {true, true, true, true, true, true};

Test(check, components_are_counted_among_those_who_are_there)
{
    struct gv_overlay o = overlay();
    uint32_t scratch[6];
    uint32_t node = 0;
    bool apart[6];
    cr_assert_eq(gv_check_components(&o, scratch), 2);
    expect(connected(&o, apart, everybody, &node), "one-component");
    cr_assert_eq(node, 3);
    for (uint32_t n = 0; n < 6; n++) {
        cr_assert_eq(apart[n], n == 3 || n == 4, "node %u", n);
    }
    bool left_half[6] = {true, true, true, false, false, false};
    o.counts = left_half;
    cr_assert_null(connected(&o, apart, everybody, &node));
    bool nobody[6] = {false};
    o.counts = nobody;
    cr_assert_eq(gv_check_components(&o, scratch), 0);
    cr_assert_null(connected(&o, apart, everybody, &node));
}

Test(check, who_is_apart_for_a_moment_only_breaks_nothing)
{
    struct gv_overlay o = overlay();
    uint32_t node = 0;
    bool apart[6];
    bool was_apart[6] = {true, true, true, false, true, true};
    expect(connected(&o, apart, was_apart, &node), "one-component");
    cr_assert_eq(node, 4);
    was_apart[4] = false;
    cr_assert_null(connected(&o, apart, was_apart, &node));
}

Test(check, one_direction_holds_a_component_together)
{
    const bool all[3] = {true, true, true};
    const uint32_t from[4] = {0, 0, 1, 2};
    const uint32_t names[2] = {2, 0};
    struct gv_overlay o = {.nodes = 3, .counts = all, .first = from, .to = names};
    uint32_t scratch[6];
    cr_assert_eq(gv_check_components(&o, scratch), 1);
}

Test(check, links_are_symmetric_or_only_for_a_moment_not)
{
    struct gv_overlay o = overlay();
    uint32_t node = 0;
    cr_assert_null(gv_check_symmetric(&o, 1, &node)); /* 4 names 5, who is not there */
    bool all[6] = {true, true, true, true, true, true};
    struct gv_overlay now = o;
    now.counts = all;
    expect(gv_check_symmetric(&now, 1, &node), "symmetric-links");
    cr_assert_eq(node, 4);
    struct gv_overlay came[] = {now, o};
    cr_assert_null(gv_check_symmetric(came, 2, &node), "5 has just come");
    struct gv_overlay met[] = {now, o, now};
    cr_assert_null(gv_check_symmetric(met, 3, &node), "the two have parted and met again");
    struct gv_overlay long_so[] = {now, now, now};
    expect(gv_check_symmetric(long_so, 3, &node), "symmetric-links");
}

Test(check, who_has_left_is_in_no_view)
{
    struct gv_overlay o = overlay();
    uint32_t node = 0;
    bool left[6] = {false};
    cr_assert_null(gv_check_leaves(&o, left, &node));
    left[5] = true;
    expect(gv_check_leaves(&o, left, &node), "leaves-honoured");
    cr_assert_eq(node, 4);
}

Test(check, revocations_are_known_everywhere)
{
    struct gv_overlay o = overlay();
    uint32_t node = 0;
    uint64_t entries[6] = {3, 7, 3, 3, 3, 0}; /* 5 is not there */
    cr_assert_null(gv_check_revocations(&o, entries, 3, &node));
    entries[2] = 2;
    expect(gv_check_revocations(&o, entries, 3, &node), "revocations-everywhere");
    cr_assert_eq(node, 2);
}

Test(check, the_variance_falls)
{
    cr_assert_null(gv_check_variance(0.5, 0.2, 1.0));
    expect(gv_check_variance(0.5, 0.4, 1.0), "variance-falling");
    cr_assert_null(gv_check_variance(1e-7, 1e-7, 1.0)); /* there is nothing left to fall */
    expect(gv_check_variance(0.5, (double)NAN, 1.0), "variance-falling");
}
