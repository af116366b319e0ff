/* The one line that says why a node has no neighbour. */
#include <criterion/criterion.h>
#include <string.h>

#include "lonely.h"

static struct gv_core_stats core;
static struct gv_tally tally;
static struct gv_lonely facts;
static char text[GV_LONELY_BYTES];

static void setup(void)
{
    memset(&core, 0, sizeof core);
    memset(&tally, 0, sizeof tally);
    facts = (struct gv_lonely){
        .core = &core, .tally = &tally, .listens = true, .endpoint = "tcp://192.0.2.1:7400", .now_us = 100000000};
}

TestSuite(lonely, .init = setup);

static void fails(enum gv_err reason, uint32_t times)
{
    core.dials[GV_TARGET_SEED].begun += times;
    core.dials[GV_TARGET_SEED].failed += times;
    core.dial_failures[gv_reason_index(reason)] += times;
    core.last_dial_failure_us = facts.now_us - 4000000;
    core.last_dial_error = reason;
}

static void says(const char *expected)
{
    cr_assert(gv_lonely_why(text, &facts));
    cr_assert_str_eq(text, expected);
}

Test(lonely, nobody_is_with_a_neighbour)
{
    core.peers_active = 1;
    cr_assert(!gv_lonely_why(text, &facts));
    cr_assert_str_eq(text, "");
}

Test(lonely, dials_that_fail_and_peers_that_refuse)
{
    core.seed_count = 1;
    fails(GV_ERR_UNREACHABLE, 3);
    says("no neighbour: 3 dials to 1 seed failed (nothing answers at that address), the last 4 s ago");
    fails(GV_ERR_CLOSED, 2);
    tally.refused_by_peers[gv_reason_index(GV_ERR_CLOSED)] = 2;
    tally.last_refused = GV_ERR_CLOSED;
    tally.last_refused_us = facts.now_us - 9000000;
    says("no neighbour: 3 dials to 1 seed failed (nothing answers at that address); refused 2 times (the invite is "
         "closed), the last 9 s ago");
}

Test(lonely, several_reasons_name_the_most_frequent)
{
    core.seed_count = 2;
    core.book_count = 9; /* four of them only dial out */
    facts.addresses = 5;
    fails(GV_ERR_TIMEOUT, 1);
    fails(GV_ERR_UNREACHABLE, 6);
    says("no neighbour: 7 dials to 2 seeds and 5 known addresses failed (mostly: nothing answers at that address), the "
         "last 4 s ago");
}

Test(lonely, an_address_book_without_seeds)
{
    core.book_count = 1;
    facts.addresses = 1;
    fails(GV_ERR_TIMEOUT, 2);
    says("no neighbour: 2 dials to 1 known address failed (the peer took too long), the last 4 s ago");
}

Test(lonely, nobody_to_dial)
{
    says("no neighbour: it knows nobody to dial, and nobody has dialled it at tcp://192.0.2.1:7400");
    core.book_count = 2; /* members that only dial out */
    says("no neighbour: it knows nobody to dial, and nobody has dialled it at tcp://192.0.2.1:7400");
    facts.endpoint = "";
    says("no neighbour: it knows nobody to dial, and nobody has dialled it: its own address is not known either (set "
         "advertise)");
    facts.listens = false;
    says("no neighbour: it knows nobody to dial and does not listen");
}

Test(lonely, the_rest)
{
    core.seed_count = 1;
    says("no neighbour: nothing has been tried yet");
    core.dials[GV_TARGET_SEED].begun = core.dials[GV_TARGET_SEED].under_way = 1;
    says("no neighbour: 1 dial is under way");
    core.dials[GV_TARGET_SEED].under_way = 0;
    core.links = 2;
    core.declined[gv_reason_index(GV_ERR_CROWDED)] = 3;
    says("no neighbour: linked to 2 peers, which turned 3 requests for a place down");
    core.links = 0;
    core.declined[gv_reason_index(GV_ERR_CROWDED)] = 0;
    core.refusals[gv_reason_index(GV_ERR_KEY_MISMATCH)] = 4;
    tally.shut_out[gv_reason_index(GV_ERR_NONFINITE)] = 1;
    says(
        "no neighbour: this node refused others 4 times (the record does not own this link's key); it shut peers out 1 "
        "time (a value is not finite)");
}
