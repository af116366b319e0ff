/* The manifest in force: what a node does that cannot keep a new one. Invites that have expired. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host_help.h"
#include "manifest_text.h"
#include "node.h"
#include "proto_fixture.h"

/* On disk there is no room, or no disk: a start anew would find the old manifest, or end at the last checkpoint. */
Test(standing, a_manifest_that_cannot_be_saved_starts_nothing_anew)
{
    struct gv_node *node = calloc(1, sizeof *node);
    struct gv_diag diag = {.code = GV_OK};
    cr_assert_not_null(node);
    cr_assert_eq(gv_mailbox_new(&node->trainer.in), GV_OK);
    node->dir = "/nowhere/at/all";
    node->manifest.version = 1;
    struct gv_manifest fresh = {.version = 2, .epoch = 1};
    cr_expect_neq(gv_node_take_manifest(node, &fresh, &diag), GV_OK);
    cr_expect_neq(diag.text[0], '\0', "the person who gave it is told");
    cr_expect_eq(node->manifest.version, 1);
    cr_expect_eq((int)node->ending, (int)GV_RUNNING);
    cr_expect_not(node->restart);
    gv_mailbox_free(&node->trainer.in);
    free(node);
}

#define UP_US 1000000000u /* the node runs for a thousand seconds */
#define INVITES 30u

static struct fixture f;

/* The creator's node, with this many invites that expired 200 s ago, of which the fixture's is the first. */
static struct gv_node *inviter(uint32_t count)
{
    static char lines[INVITES * 2 * GV_ID_BYTES * 2];
    struct gv_node *node = calloc(1, sizeof *node);
    cr_assert_not_null(node);
    fixture_init(&f);
    node->dir = host_make_dir();
    node->sign = f.creator;
    node->swarm = f.swarm;
    node->id = gv_id_of(gv_sign_key_public(f.creator));
    node->member = f.creator_chain;
    node->started_us = gv_now_us() - UP_US;
    cr_assert_eq(gv_trust_new(&node->trust, gv_sign_key_public(f.root)), GV_OK);
    cr_assert_eq(gv_directory_new(&node->directory, 16), GV_OK);
    struct gv_id invite = gv_id_of(gv_sign_key_public(f.invite_key));
    size_t length = 0;
    for (uint32_t i = 0; i < count; i++) {
        char hex[2 * GV_ID_BYTES + 1];
        gv_id_hex(hex, &invite, 2 * GV_ID_BYTES);
        length +=
            (size_t)snprintf(lines + length, sizeof lines - length, "%s %lld\n", hex, (long long)time(NULL) - 200);
        invite.b[0]++;
    }
    host_write("invites", lines, length);
    return node;
}

static void end(struct gv_node *node)
{
    gv_trust_free(&node->trust);
    gv_directory_free(&node->directory);
    fixture_deinit(&f);
    host_remove_dir();
    free(node);
}

Test(standing, only_invites_that_were_used_are_closed)
{
    struct gv_node *node = inviter(2);
    struct gv_id invite = gv_id_of(gv_sign_key_public(f.invite_key));
    gv_node_close_invites(node);
    cr_expect_eq(gv_trust_count(node->trust), 0);
    cr_assert(gv_trust_seen(node->trust, &f.member_chain));
    gv_node_close_invites(node);
    gv_node_close_invites(node);
    cr_expect_eq(gv_trust_count(node->trust), 1);
    cr_expect(gv_trust_closed(node->trust, &invite));
    cr_expect_eq(gv_trust_check(node->trust, &f.member_chain), GV_OK, "who used it stays");
    end(node);
}

/* An inviter whose entries are spent on closings can expel nobody any more. */
Test(standing, closings_leave_entries_for_what_people_decide)
{
    struct gv_node *node = inviter(INVITES);
    uint8_t data[GV_TRUST_ENTRY_BYTES_MAX];
    size_t bytes = 0;
    bool added = false;
    for (uint8_t i = 0; i < 24; i++) {
        struct gv_entry entry = example_close(&f);
        memset(&entry.target, 0x80 + i, sizeof entry.target);
        cr_assert_eq(gv_entry_sign(data, &bytes, &entry, &f.swarm, f.creator), GV_OK);
        cr_assert_eq(gv_trust_add(node->trust, &added, data, bytes), GV_OK);
    }
    cr_assert_eq(gv_trust_issued(node->trust, &node->id), 24);
    cr_assert(gv_trust_seen(node->trust, &f.member_chain));
    gv_node_close_invites(node);
    cr_expect_eq(gv_trust_issued(node->trust, &node->id), 24);
    end(node);
}
