/*
 * One core and a scripted stranger: what a link may do before it is verified, and how much after.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "core_help.h"

static uint64_t inviter; /* of whoever greets; 0: the root */

static void setup(void)
{
    core_make(NULL);
    inviter = 0;
    struct gv_event start = core_start(100000);
    start.u.start.trains = true;
    core_step(&start);
}

TestSuite(core_admission, .init = setup, .fini = core_end);

static void link_in(uint32_t link)
{
    struct gv_event event = {.kind = GV_EV_LINK_IN, .link = link};
    core_step(&event);
}

static void hello(uint32_t link, uint32_t purpose)
{
    struct gv_msg msg = {.kind = GV_KIND_HELLO};
    msg.u.hello.purpose = purpose;
    msg.u.hello.self = (struct gv_ref){.incarnation = 1, .boot = 9, .flags = GV_REF_DIALABLE};
    msg.u.hello.self.id.b[0] = (uint8_t)link;
    msg.u.hello.self.inviters[0] = inviter;
    core_give(link, &msg);
}

static void plain(uint32_t link, enum gv_kind kind)
{
    struct gv_msg msg = {.kind = kind};
    if (kind == GV_KIND_SAMPLE) {
        msg.u.sample.count = 8;
    }
    core_give(link, &msg);
}

static uint32_t sent(uint32_t link, enum gv_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct gv_effect *fx = &effects->item[i];
        count += fx->kind == GV_FX_SEND && fx->link == link && fx->u.msg.kind == kind ? 1 : 0;
    }
    return count;
}

static bool closed(uint32_t link)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        if (effects->item[i].kind == GV_FX_CLOSE && effects->item[i].link == link) {
            return true;
        }
    }
    return false;
}

/* Ticks until the link is closed; how long that took. */
static uint64_t until_closed(uint32_t link)
{
    uint64_t from = now_us;
    while (now_us - from < 60 * GV_SECOND) {
        core_tick();
        if (closed(link)) {
            return now_us - from;
        }
        now_us += 10 * GV_MS;
    }
    return GV_NEVER;
}

static bool alarmed(enum gv_err reason)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        if (effects->item[i].kind == GV_FX_ALARM && effects->item[i].reason == reason) {
            return true;
        }
    }
    return false;
}

Test(core_admission, another_manifest_is_an_alarm_once_it_is_there_and_not_by_its_hash)
{
    link_in(5);
    hello(5, GV_PURPOSE_MEMBER);
    core->manifest.hash.b[0] = 8;
    for (uint8_t first = 7; first <= 9; first += 2) { /* whichever of the two is to win */
        now_us += 10 * GV_SECOND;
        struct gv_msg ping = {.kind = GV_KIND_PING};
        ping.u.ping.manifest_version = 3;
        ping.u.ping.manifest_hash.b[0] = first;
        core_give(5, &ping);
        cr_assert_not(alarmed(GV_ERR_MANIFEST), "anybody can say so");
        cr_assert_eq(sent(5, GV_KIND_MANIFEST_WANT), 1, "but it is asked for");
    }
    struct gv_msg manifest = {.kind = GV_KIND_MANIFEST};
    manifest.u.manifest.version = 3;
    manifest.u.manifest.hash = core->manifest.hash;
    core_give(5, &manifest);
    cr_assert_not(alarmed(GV_ERR_MANIFEST), "it is ours");
    manifest.u.manifest.hash.b[0] = 7;
    manifest.u.manifest.version = 2;
    core_give(5, &manifest);
    cr_assert_not(alarmed(GV_ERR_MANIFEST), "it is an older one");
    manifest.u.manifest.version = 3;
    core_give(5, &manifest);
    cr_assert(alarmed(GV_ERR_MANIFEST));
    core_give(5, &manifest);
    cr_assert_not(alarmed(GV_ERR_MANIFEST), "once a minute");
}

Test(core_admission, our_key_is_copied_if_a_record_says_so_and_not_if_a_peer_does)
{
    link_in(5);
    link_in(6);
    hello(5, GV_PURPOSE_MEMBER);
    hello(6, GV_PURPOSE_MEMBER);
    struct gv_msg refuse = {.kind = GV_KIND_REFUSE};
    refuse.u.refuse.reason = GV_ERR_COPIED_KEY;
    core_give(5, &refuse);
    cr_assert_not(alarmed(GV_ERR_COPIED_KEY));
    struct gv_msg records = {.kind = GV_KIND_RECORDS, .ref_count = 1};
    records.refs[0] = core->self;
    core_give(6, &records);
    cr_assert_not(alarmed(GV_ERR_COPIED_KEY), "it is our own");
    records.refs[0].boot++;
    core_give(6, &records);
    cr_assert(alarmed(GV_ERR_COPIED_KEY));
}

Test(core_admission, a_copied_key_is_shown_the_record_that_proves_it)
{
    link_in(5);
    hello(5, GV_PURPOSE_MEMBER);
    link_in(6);
    struct gv_msg msg = {.kind = GV_KIND_HELLO};
    msg.u.hello.self = (struct gv_ref){.id.b = {5}, .incarnation = 1, .boot = 10, .flags = GV_REF_DIALABLE};
    core_give(6, &msg);
    cr_assert(alarmed(GV_ERR_COPIED_KEY));
    cr_assert_eq(sent(6, GV_KIND_WELCOME), 1, "on a link that is not verified it would not look at it");
    cr_assert_eq(sent(6, GV_KIND_REFUSE), 1);
    for (uint32_t i = 0; i < effects->count; i++) {
        const struct gv_effect *fx = &effects->item[i];
        if (fx->kind == GV_FX_SEND && fx->u.msg.kind == GV_KIND_RECORDS) {
            cr_assert_eq(fx->link, 6);
            cr_assert_eq(fx->u.msg.ref_count, 1);
            cr_assert_eq(fx->u.msg.refs[0].boot, 9);
        }
    }
    cr_assert_eq(sent(6, GV_KIND_RECORDS), 1);
}

Test(core_admission, a_visitor_gets_the_manifest_and_nothing_else)
{
    link_in(5);
    hello(5, GV_PURPOSE_VISIT);
    cr_assert_eq(sent(5, GV_KIND_WELCOME), 1);
    struct gv_msg want = {.kind = GV_KIND_MANIFEST_WANT};
    core_give(5, &want);
    cr_assert_eq(sent(5, GV_KIND_MANIFEST), 1);
    static const enum gv_kind kinds[] = {GV_KIND_SAMPLE,    GV_KIND_STATE, GV_KIND_FETCH,      GV_KIND_OFFER,
                                         GV_KIND_NEIGHBOUR, GV_KIND_PING,  GV_KIND_TRUST_HAVE, GV_KIND_SHUFFLE};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        uint64_t strangers = core->refusals[GV_ERR_STRANGER - 100];
        plain(5, kinds[i]);
        for (uint32_t k = 0; k < effects->count; k++) {
            cr_assert_neq(effects->item[k].kind, GV_FX_SEND, "kind %d is answered", (int)kinds[i]);
        }
        cr_assert_eq(core->refusals[GV_ERR_STRANGER - 100], strangers + 1);
    }
    cr_assert_eq(core->active_count + core->passive_count, 0, "a visitor is not a peer");
    uint64_t took = until_closed(5);
    cr_assert(took >= GV_VISIT_US - GV_SECOND && took <= GV_VISIT_US + 20 * GV_MS, "closed after %lu us",
              (unsigned long)took);
}

Test(core_admission, who_is_dialled_and_calls_itself_a_visitor_is_not_let_in)
{
    struct gv_event seeds = {.kind = GV_EV_BOOK, .u.book.seed_count = 1};
    core_step(&seeds);
    static const uint32_t purposes[] = {GV_PURPOSE_VISIT, GV_PURPOSE_MEMBER};
    for (uint32_t turn = 0; turn < 2; turn++) {
        uint32_t purpose = purposes[turn];
        uint32_t link = 5 + turn;
        const struct gv_effect *dial = NULL;
        for (uint32_t i = 0; i < 600 && dial == NULL; i++) {
            now_us += 100 * GV_MS;
            core_tick();
            dial = core_effect(GV_FX_DIAL_SEED);
        }
        cr_assert_not_null(dial);
        struct gv_event up = {.kind = GV_EV_LINK_UP, .link = link, .u.dial.dial = dial->u.dial.dial};
        core_step(&up);
        struct gv_msg welcome = {.kind = GV_KIND_WELCOME};
        welcome.u.hello.purpose = purpose;
        welcome.u.hello.self = core_ref(9, GV_REF_DIALABLE);
        core_give(link, &welcome);
        cr_expect_eq(closed(link), purpose == GV_PURPOSE_VISIT, "purpose %u", purpose);
        cr_expect_eq(gv_core_link_peer(core, link) != NULL, purpose == GV_PURPOSE_MEMBER, "purpose %u", purpose);
    }
}

Test(core_admission, a_link_that_says_nothing_is_closed_after_five_seconds)
{
    link_in(6);
    plain(6, GV_KIND_PING);
    cr_assert_eq(sent(6, GV_KIND_PONG), 0);
    uint64_t took = until_closed(6);
    cr_assert(took >= GV_PROVISIONAL_US && took <= GV_PROVISIONAL_US + 20 * GV_MS, "%lu us", (unsigned long)took);
    cr_assert_eq(core->links_used, 0);
    cr_assert_eq(core->links_provisional, 0);
}

Test(core_admission, bare_links_are_bounded)
{
    for (uint32_t i = 1; i <= 40; i++) {
        link_in(i);
        cr_assert_eq(closed(i), i > core->config.provisional_max, "link %u", i);
    }
    cr_assert_eq(core->links_provisional, core->config.provisional_max);
}

Test(core_admission, a_flood_of_requests_is_dropped_and_counted_and_costs_the_link)
{
    link_in(7);
    hello(7, GV_PURPOSE_MEMBER);
    cr_assert_eq(sent(7, GV_KIND_WELCOME), 1);
    uint32_t answered = 0;
    bool gone = false;
    for (uint32_t i = 0; i < 2000 && !gone; i++) { /* two seconds of one request a millisecond */
        now_us += GV_MS;
        plain(7, GV_KIND_SAMPLE);
        answered += sent(7, GV_KIND_RECORDS);
        gone = closed(7);
    }
    cr_assert(answered >= 40 && answered <= 40 + 20, "%u answered", answered);
    cr_assert_gt(core->refusals[GV_ERR_RATE - 100], 200);
    cr_assert(gone, "its score is %u", gv_score_now(core, core->link_peers[0]));
}

Test(core_admission, what_a_newer_version_says_is_no_fault_but_counts_like_other_messages)
{
    link_in(7);
    hello(7, GV_PURPOSE_MEMBER);
    struct gv_event unknown = {.kind = GV_EV_BAD_FRAME, .link = 7, .verdict = GV_ERR_KIND};
    core_step(&unknown);
    cr_assert_eq(core->refusals[GV_ERR_KIND - 100], 1);
    cr_assert_eq(core->peers[core->link_peers[0]].last_error, GV_OK);
    bool gone = false;
    uint32_t count = 0;
    for (; count < 5000 && !gone; count++) {
        core_step(&unknown);
        gone = closed(7);
    }
    cr_assert(gone && count > 1000, "%u", count);
}

Test(core_admission, two_links_of_one_peer_are_both_taken_and_the_third_is_not)
{
    for (uint32_t link = 1; link <= 3; link++) {
        link_in(link);
        struct gv_msg msg = {.kind = GV_KIND_HELLO};
        msg.u.hello.purpose = GV_PURPOSE_MEMBER;
        msg.u.hello.self = (struct gv_ref){.incarnation = 1, .boot = 9, .flags = GV_REF_DIALABLE};
        msg.u.hello.self.id.b[0] = 1;
        core_give(link, &msg);
        cr_assert_eq(sent(link, GV_KIND_WELCOME), link < 3 ? 1 : 0);
        cr_assert_eq(closed(link), link == 3);
    }
    struct gv_event down = {.kind = GV_EV_LINK_DOWN, .link = 1};
    core_step(&down);
    uint32_t row = gv_links_find(core, 2);
    cr_assert_eq(core->peer_links[core->link_peers[row]], row, "the spare takes its place");
    for (uint32_t i = 0; i < effects->count; i++) {
        cr_assert(effects->item[i].kind != GV_FX_LOG || effects->item[i].u.log.code != GV_LOG_PEER_LOST);
    }
}

Test(core_admission, a_link_that_answers_outlives_a_spare_with_a_long_exchange)
{
    struct gv_ref peer = core_ref(1, GV_REF_DIALABLE);
    core_greet(1, &peer);
    core_greet(2, &peer);
    uint32_t spare = gv_links_find(core, 2);
    core->probe_us = GV_NEVER; /* it is no neighbour */
    core->exchange = (struct gv_exchange){.phase = GV_EXCHANGE_STREAMING,
                                          .link = (uint16_t)spare,
                                          .peer = peer.id,
                                          .started_us = now_us,
                                          .chunk_count = 2};
    bool spare_closed = false;
    for (uint32_t i = 0; i < 200; i++) {
        core->exchange.phase = i < 120 ? GV_EXCHANGE_STREAMING : GV_EXCHANGE_IDLE;
        core->exchange.progress_us = core->exchange.started_us = now_us;
        bool pinged = sent(1, GV_KIND_PING) > 0;
        now_us += 100 * GV_MS;
        pinged ? plain(1, GV_KIND_PONG) : core_tick();
        cr_assert(!closed(1), "after %u tenths of a second", i);
        spare_closed = spare_closed || closed(2);
        cr_assert(!spare_closed || i >= 120);
    }
    cr_assert(spare_closed);
}

/* How many of `count` that come at once are let in, from link `first` on. */
static uint32_t let_in(uint32_t first, uint32_t count, bool each_its_own)
{
    uint32_t taken = 0;
    for (uint32_t link = first; link < first + count; link++) {
        inviter = each_its_own ? link : 77;
        link_in(link);
        hello(link, GV_PURPOSE_MEMBER);
        cr_assert_eq(sent(link, GV_KIND_WELCOME), 1);
        taken += closed(link) ? 0 : 1;
    }
    return taken;
}

Test(core_admission, the_guests_of_one_inviter_leave_half_of_what_is_let_in_to_others)
{
    cr_assert_eq(let_in(1, 25, false), 10);
    cr_assert_eq(let_in(31, 25, true), 10);
    now_us += GV_SECOND;
    cr_assert_eq(let_in(61, 25, true), 20);
}

/* The incarnation that the last step wants on disk, 0: none. */
static uint64_t persist_wanted(void)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        if (effects->item[i].kind == GV_FX_PERSIST) {
            return effects->item[i].u.self.incarnation;
        }
    }
    return 0;
}

/* Somebody greets us and then says that it knows a newer incarnation of us; true if we take one for it. */
static bool told_stale(uint32_t link, uint64_t seen)
{
    link_in(link);
    hello(link, GV_PURPOSE_MEMBER);
    struct gv_msg refuse = {.kind = GV_KIND_REFUSE};
    refuse.u.refuse.reason = GV_ERR_STALE;
    refuse.u.refuse.seen_incarnation = seen;
    core_give(link, &refuse);
    uint64_t wanted = persist_wanted();
    cr_assert(wanted == 0 || wanted == seen + 1);
    struct gv_event persisted = {.kind = GV_EV_PERSISTED};
    persisted.u.self.incarnation = wanted;
    if (wanted != 0) {
        core_step(&persisted);
    }
    return wanted != 0;
}

Test(core_admission, who_says_that_we_are_stale_is_believed_twice_and_then_once_a_minute)
{
    uint32_t believed = 0;
    for (uint32_t link = 1; link <= 10; link++) {
        now_us += 100 * GV_MS;
        believed += told_stale(link, core->self.incarnation) ? 1 : 0;
    }
    cr_assert_eq(believed, 2);
    now_us += 60 * GV_SECOND;
    cr_assert(told_stale(11, core->self.incarnation));
    cr_assert(!told_stale(12, core->self.incarnation));
}

Test(core_admission, who_is_restored_from_a_backup_believes_the_first_and_who_knows_better)
{
    cr_assert(told_stale(1, 4)); /* it has not met us for a while */
    cr_assert(told_stale(2, 7));
    cr_assert_eq(core->self.incarnation, 8);
}

static void chunk(uint32_t link, uint64_t nonce, uint32_t index)
{
    struct gv_msg msg = {.kind = GV_KIND_CHUNK};
    msg.u.chunk.nonce = nonce;
    msg.u.chunk.index = index;
    struct gv_event event = {.kind = GV_EV_MSG, .link = link};
    event.u.msg.msg = &msg;
    event.u.msg.handle = index + 1;
    core_step(&event);
}

static void of_exchange(uint32_t link, enum gv_kind kind, uint64_t nonce, uint32_t credit)
{
    struct gv_msg msg = {.kind = kind};
    msg.u.exchange.nonce = nonce;
    msg.u.exchange.credit = credit;
    core_give(link, &msg);
}

/* A member that has an exchange of nonce 5 with us under way, chunks going both ways. */
static void exchanges(uint32_t link)
{
    link_in(link);
    hello(link, GV_PURPOSE_MEMBER);
    core->oriented = true; /* nobody here answers STATE */
    gv_fetch_cancel(core);
    struct gv_msg msg = {.kind = GV_KIND_OFFER};
    msg.u.offer = (struct gv_msg_offer){.nonce = 5, .epoch = 1, .codecs = 1, .chunk_bytes = GV_CHUNK_BYTES_MIN};
    core_give(link, &msg);
    cr_assert_eq(sent(link, GV_KIND_ACCEPT), 1);
    struct gv_event copied = {.kind = GV_EV_SNAPSHOT};
    copied.u.work.nonce = 5;
    core_step(&copied);
}

static uint32_t score(void)
{
    return gv_score_now(core, core->link_peers[0]);
}

Test(core_admission, chunks_and_credit_of_nothing_under_way_count_like_other_messages)
{
    static const enum gv_kind kinds[] = {GV_KIND_CHUNK, GV_KIND_CREDIT, GV_KIND_BUSY, GV_KIND_COMMITTED};
    for (uint32_t link = 1; link <= 4; link++) {
        exchanges(link);
        enum gv_kind kind = kinds[link - 1];
        bool gone = false;
        uint32_t count = 0;
        for (; count < 5000 && !gone; count++) {
            if (kind == GV_KIND_CHUNK) {
                chunk(link, 4711, 3);
            } else { /* of the exchange, but nothing that it waits for */
                of_exchange(link, kind, 5, GV_CREDIT_CHUNKS_MAX);
            }
            gone = closed(link);
        }
        cr_assert(gone && count > 1000, "kind %d: %u", (int)kind, count);
    }
}

Test(core_admission, late_chunks_and_credit_cost_nothing)
{
    exchanges(1);
    of_exchange(1, GV_KIND_ABORT, 5, 0);
    uint32_t before = score();
    for (uint32_t i = 0; i < GV_CREDIT_CHUNKS_MAX; i++) {
        chunk(1, 5, i);
        of_exchange(1, GV_KIND_CREDIT, 5, GV_CREDIT_CHUNKS_MAX + 1 + i);
    }
    cr_assert_eq(score(), before);
}

Test(core_admission, chunks_and_credit_of_the_exchange_under_way_count_against_no_rate)
{
    exchanges(1);
    core->links[0].messages.tokens = 0;
    chunk(1, 5, 0);
    of_exchange(1, GV_KIND_CREDIT, 5, GV_CREDIT_CHUNKS_MAX + 1);
    cr_assert_eq(core->exchange.received, 1);
    cr_assert_eq(core->exchange.credit, GV_CREDIT_CHUNKS_MAX + 1);
    of_exchange(1, GV_KIND_CREDIT, 5, GV_CREDIT_CHUNKS_MAX + 1); /* says nothing new */
    cr_assert_eq(core->refusals[GV_ERR_RATE - 100], 1);
}

/* The peer of link 1 greets us over another link, as this incarnation. */
static void comes_back(uint32_t link, const struct gv_ref *as)
{
    link_in(link);
    struct gv_msg msg = {.kind = GV_KIND_HELLO};
    msg.u.hello.self = *as;
    core_give(link, &msg);
    cr_assert_eq(sent(link, GV_KIND_WELCOME), 1);
}

Test(core_admission, a_newer_incarnation_ends_the_older_also_if_others_told_of_it_first)
{
    for (uint32_t link = 1; link <= 2; link++) {
        link_in(link);
        hello(link, GV_PURPOSE_MEMBER);
        plain(link, GV_KIND_NEIGHBOUR);
    }
    uint32_t peer = core->link_peers[gv_links_find(core, 1)];
    struct gv_ref newer = core->peers[peer].ref;
    newer.incarnation = 2;
    newer.boot = 10;
    struct gv_msg shuffle = {.kind = GV_KIND_SHUFFLE, .ref_count = 2};
    shuffle.refs[0] = core->peers[core->link_peers[gv_links_find(core, 2)]].ref;
    shuffle.refs[1] = newer;
    core_give(2, &shuffle);
    cr_assert_eq(core->peers[peer].ref.incarnation, 2);
    cr_assert_neq(gv_links_find(core, 1), GV_NOBODY, "nobody has greeted us");
    comes_back(3, &newer);
    cr_assert_eq(gv_links_find(core, 1), GV_NOBODY);
    cr_assert_eq(core->roles[peer], GV_ROLE_PASSIVE, "it knows nothing of being our neighbour");
    cr_assert_eq(core->peer_links[peer], gv_links_find(core, 3));
    comes_back(4, &newer);
    cr_assert_neq(gv_links_find(core, 3), GV_NOBODY, "a second link of one incarnation");
}

Test(core_admission, who_takes_a_newer_incarnation_without_a_start_keeps_its_link)
{
    link_in(1);
    hello(1, GV_PURPOSE_MEMBER);
    uint32_t peer = core->link_peers[gv_links_find(core, 1)];
    struct gv_msg ping = {.kind = GV_KIND_PING, .ref_count = 1};
    ping.refs[0] = core->peers[peer].ref;
    ping.refs[0].incarnation = 2;
    core_give(1, &ping);
    struct gv_ref newer = core->peers[peer].ref;
    cr_assert_eq(newer.incarnation, 2);
    comes_back(2, &newer);
    cr_assert_neq(gv_links_find(core, 1), GV_NOBODY);
}
