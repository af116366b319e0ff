/*
 * What gv_core_check() finds in a core whose tables are damaged by hand, one field at a time.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "core_help.h"

#define PEERS 6u

static uint64_t seen;

static struct gv_ref ref_of(uint32_t number)
{
    struct gv_ref ref = {.incarnation = 1, .boot = 9, .flags = GV_REF_DIALABLE};
    ref.id.b[0] = (uint8_t)number;
    ref.id.b[31] = 1;
    return ref;
}

/* Peer `number` dials us, is verified and becomes a neighbour. */
static void meet(uint32_t number)
{
    struct gv_event in = {.kind = GV_EV_LINK_IN, .link = number};
    core_step(&in);
    struct gv_msg msg = {.kind = GV_KIND_HELLO};
    msg.u.hello.self = ref_of(number);
    struct gv_event hello = {.kind = GV_EV_MSG, .link = number};
    hello.u.msg.msg = &msg;
    core_step(&hello);
    if (number % 2 == 0) {
        return;
    }
    struct gv_msg ask = {.kind = GV_KIND_NEIGHBOUR};
    hello.u.msg.msg = &ask;
    core_step(&hello);
}

static void setup(void)
{
    core_make(NULL);
    seen = 0;
    cr_assert_null(gv_core_check(core, &seen));
    struct gv_event start = {.kind = GV_EV_START};
    start.u.start.self = ref_of(200);
    start.u.start.has_model = true;
    start.u.start.manifest =
        (struct gv_core_manifest){.block_count = 1, .block_elements = {100000}, .stop_age = GV_NEVER};
    core_step(&start);
    for (uint32_t i = 1; i <= PEERS; i++) {
        meet(i);
    }
    cr_assert_null(gv_core_check(core, &seen));
}

TestSuite(core_check, .init = setup, .fini = core_end);

static uint32_t row_of(uint32_t number)
{
    struct gv_ref ref = ref_of(number);
    return gv_peers_find(core, &ref.id);
}

/* Looks at everything, whatever was counted. */
static void expect(const char *name)
{
    uint64_t anew = 0;
    const char *found = gv_core_check(core, &anew);
    if (name == NULL) {
        cr_assert_null(found, "found %s", found);
    } else {
        cr_assert(found != NULL && strcmp(found, name) == 0, "expected %s, found %s", name,
                  found != NULL ? found : "-");
    }
}

#define DAMAGE(field, value, name)          \
    do {                                    \
        __typeof__(field) was = (field);    \
        (field) = (__typeof__(was))(value); \
        expect(name);                       \
        (field) = was;                      \
        expect(NULL);                       \
    } while (0)

Test(core_check, what_has_changed_is_looked_at_and_nothing_else)
{
    uint32_t row = row_of(2);
    cr_assert_eq(core->roles[row], GV_ROLE_PASSIVE);
    core->roles[row] = GV_ROLE_NONE;
    cr_assert_null(gv_core_check(core, &seen)); /* nobody has counted it */
    core->changes += GV_CHANGED_VIEWS;
    const char *found = gv_core_check(core, &seen);
    cr_assert(found != NULL && strcmp(found, "counts-consistent") == 0);
}

Test(core_check, every_change_of_views_links_and_dials_is_counted)
{
    uint32_t row = row_of(2);
    uint64_t before = core->changes;
    gv_peers_forget(core, row);
    cr_assert_neq(core->changes, before);
    before = core->changes;
    cr_assert(gv_peers_passive_add(core, row, false));
    cr_assert_neq(core->changes, before);
    before = core->changes;
    core->fx = effects;
    effects->count = 0;
    gv_views_demote(core, row_of(1), false);
    cr_assert_neq(core->changes, before);
    before = core->changes;
    gv_links_close(core, gv_links_find(core, 3), GV_ERR_TIMEOUT);
    cr_assert_neq(core->changes, before);
    before = core->changes;
    struct gv_ref stranger = ref_of(77);
    uint32_t fresh = gv_peers_intern(core, &stranger);
    cr_assert_neq(core->changes, before);
    before = core->changes;
    cr_assert(gv_links_dial(core, fresh, GV_WHY_NEIGHBOUR));
    cr_assert_neq(core->changes, before);
    before = core->changes;
    stranger.sequence = 5;
    stranger.flags = 0;
    cr_assert_eq(gv_peers_update(core, fresh, &stranger), GV_OK);
    cr_assert_neq(core->changes, before);
    core->fx = NULL;
    expect(NULL);
}

Test(core_check, sizes)
{
    DAMAGE(core->links_used, core->config.links_max + 1, "sizes-bounded");
    DAMAGE(core->links_provisional, core->links_used + 1, "sizes-bounded");
    DAMAGE(core->active_count, core->config.active_max + 1, "sizes-bounded");
    DAMAGE(core->passive_count, core->config.passive_max + 1, "sizes-bounded");
    DAMAGE(core->fetch.candidate_count, GV_DONORS_MAX + 1, "sizes-bounded");
}

Test(core_check, chunks_of_an_exchange)
{
    struct gv_exchange *x = &core->exchange;
    *x = (struct gv_exchange){.phase = GV_EXCHANGE_STREAMING, .link = GV_NOBODY, .chunk_count = 8};
    x->sent = x->received = x->applying = x->applied = 4;
    expect(NULL);
    DAMAGE(x->sent, 9, "sizes-bounded");
    DAMAGE(x->received, 9, "sizes-bounded");
    DAMAGE(x->applying, 5, "sizes-bounded");
    DAMAGE(x->applied, 5, "sizes-bounded");
    x->received = x->applying = 8;
    x->applied = 3; /* five under way */
    expect("sizes-bounded");
}

Test(core_check, counters)
{
    DAMAGE(core->links_used, core->links_used + 1, "counts-consistent");
    DAMAGE(core->active_count, core->active_count - 1, "counts-consistent");
    DAMAGE(core->passive_count, core->passive_count - 1, "counts-consistent");
    DAMAGE(core->dials_used, core->dials_used + 1, "counts-consistent");
}

Test(core_check, ids)
{
    uint32_t row = row_of(2);
    struct gv_id was = core->peers[row].ref.id;
    uint32_t tag = core->tags[row];
    core->peers[row].ref.id = core->self.id;
    expect("views-consistent"); /* not the id that it was entered with */
    memcpy(&core->tags[row], core->self.id.b, sizeof core->tags[row]);
    expect("own-id-in-no-view");
    core->peers[row].ref.id = core->peers[row_of(3)].ref.id;
    core->tags[row] = core->tags[row_of(3)];
    expect("views-disjoint");
    core->peers[row].ref.id = was;
    core->tags[row] = tag;
    expect(NULL);
}

Test(core_check, neighbours_and_rows_name_each_other)
{
    uint32_t active = row_of(1);
    uint32_t passive = row_of(2);
    cr_assert_eq(core->roles[active], GV_ROLE_ACTIVE);
    DAMAGE(core->neighbours[active], GV_NOBODY, "views-consistent");
    DAMAGE(core->neighbours[active], core->neighbours[row_of(3)], "views-consistent");
    DAMAGE(core->view[core->neighbours[active]], passive, "views-consistent");
    DAMAGE(core->neighbours[passive], 0, "views-consistent");
    DAMAGE(core->peers[passive].ref.flags, 0, "views-consistent");
    DAMAGE(core->roles[passive], 7, "views-consistent");
}

Test(core_check, links_peers_and_dials_name_each_other)
{
    uint32_t row = row_of(1);
    uint32_t link = core->peer_links[row];
    DAMAGE(core->peer_links[row], GV_NOBODY, "links-consistent");
    DAMAGE(core->peer_links[row], core->peer_links[row_of(2)], "links-consistent");
    DAMAGE(core->link_peers[link], GV_NOBODY, "links-consistent");
    DAMAGE(core->links[link].dial, 0, "links-consistent");
    DAMAGE(core->handles[link], GV_LINK_NONE, "counts-consistent");
    uint32_t free_row = 0;
    while (core->links[free_row].state != GV_LINK_FREE) {
        free_row++;
    }
    DAMAGE(core->handles[free_row], 99, "links-consistent");
    cr_assert_eq(core->dials_used, 0);
    core->dials_used = 1;
    core->dials[0] = (struct gv_dial){.kind = GV_DIAL_SEED, .link = (uint16_t)link, .until_us = GV_NEVER};
    expect("links-consistent"); /* a dial that is over */
}

Test(core_check, three_links_to_one_peer_are_one_too_many)
{
    uint32_t rows[2] = {core->peer_links[row_of(2)], core->peer_links[row_of(4)]};
    uint32_t peer = row_of(6);
    core->peer_links[row_of(2)] = GV_NOBODY;
    core->link_peers[rows[0]] = (uint16_t)peer;
    expect(NULL); /* a spare */
    core->peer_links[row_of(4)] = GV_NOBODY;
    core->link_peers[rows[1]] = (uint16_t)peer;
    expect("links-consistent");
}

Test(core_check, work_stands_on_links_of_the_peers_it_is_with)
{
    uint32_t link = core->peer_links[row_of(1)];
    struct gv_exchange *x = &core->exchange;
    *x = (struct gv_exchange){.phase = GV_EXCHANGE_DECIDING, .link = (uint16_t)link, .peer = ref_of(1).id};
    expect(NULL);
    DAMAGE(x->peer.b[0], 2, "work-consistent");
    DAMAGE(x->link, core->peer_links[row_of(2)], "work-consistent");
    x->phase = GV_EXCHANGE_IDLE;
    core->pins[1] = (struct gv_pin){.used = true, .link = (uint16_t)link};
    core->pins_used = 1;
    expect(NULL);
    DAMAGE(core->pins[1].link, GV_NOBODY, "work-consistent");
    core->pins[1].used = false;
    core->pins_used = 0;
    core->fetch.phase = GV_FETCH_TAKING;
    core->fetch.link = (uint16_t)link;
    core->fetch.donor = ref_of(3).id;
    expect("work-consistent");
}

Test(core_check, a_kept_deadline_is_not_later_than_a_new_one)
{
    struct gv_event in = {.kind = GV_EV_LINK_IN, .link = 50};
    core_step(&in); /* provisional for five seconds */
    expect(NULL);
    DAMAGE(core->links_due_us, now_us + GV_PROVISIONAL_US + 1, "deadlines-kept");
}

Test(core_check, who_has_left_is_in_no_view)
{
    struct gv_ref dead = ref_of(1);
    struct gv_ref left = ref_of(2);
    gv_peers_bury(core, &dead, false); /* dead, as far as others say: our own link decides */
    expect(NULL);
    gv_peers_bury(core, &left, true);
    expect("left-peer-in-no-view");
}

Test(core_check, who_is_held_is_in_a_view_or_linked)
{
    struct gv_ref known = ref_of(1);
    struct gv_ref stranger = ref_of(99);
    cr_assert(gv_core_holds(core, &known.id));
    cr_assert_not(gv_core_holds(core, &stranger.id));
    cr_assert_eq(gv_core_self(core)->incarnation, 1);
    struct gv_event revoked = {.kind = GV_EV_REVOKED};
    revoked.u.revoked = known.id;
    core_step(&revoked);
    cr_assert_not(gv_core_holds(core, &known.id));
    expect(NULL);
    struct gv_ref other = ref_of(2);
    cr_assert(gv_core_holds(core, &other.id));
    struct gv_event stop = {.kind = GV_EV_COMMAND};
    stop.u.command = GV_CMD_STOP;
    core_step(&stop);
    cr_assert_not(gv_core_holds(core, &other.id)); /* whatever it still remembers, it does nothing with it */
    expect(NULL);
}
