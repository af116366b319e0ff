/* Effects become orders: what must reach the worker does, however much else waits there. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "node.h"

static struct gv_node *node;

static void setup(void)
{
    node = calloc(1, sizeof *node);
    cr_assert_not_null(node);
    cr_assert_eq(gv_mailbox_new(&node->worker.in), GV_OK);
}

static void teardown(void)
{
    gv_mailbox_free(&node->worker.in);
    free(node);
}

TestSuite(effects, .init = setup, .fini = teardown);

static void act(enum gv_effect_kind kind, uint64_t nonce)
{
    struct gv_effect effect = {.kind = kind, .link = 7};
    effect.u.work.nonce = nonce;
    effect.u.work.chunk_bytes = GV_CHUNK_BYTES_MIN;
    gv_node_act(node, &effect);
}

static bool same(const struct gv_mail *a, const struct gv_mail *b)
{
    return a->kind == b->kind && (a->kind != GV_MAIL_RELAY || a->relay == b->relay) && a->nonce == b->nonce;
}

/* Takes all letters to the worker; how many of them are like this one. */
static uint32_t letters_like(struct gv_mail wanted)
{
    struct gv_mail mail;
    uint32_t count = 0;
    while (gv_mailbox_take(node->worker.in, &mail, 0)) {
        count += same(&mail, &wanted) ? 1 : 0;
    }
    return count;
}

static void fill_box(void)
{
    struct gv_mail mail = {.kind = GV_MAIL_ENCODE};
    uint32_t count = 0;
    while (gv_node_order(node, &mail)) {
        cr_assert_leq(++count, GV_MAILBOX_LETTERS);
    }
}

Test(effects, a_box_full_of_work_has_room_for_what_ends_an_exchange)
{
    act(GV_FX_PIN, 5);
    act(GV_FX_SNAPSHOT, 6);
    fill_box();
    act(GV_FX_COMMIT, 6);
    cr_expect_eq(letters_like((struct gv_mail){.kind = GV_MAIL_RELAY, .relay = GV_MAIL_COMMIT, .nonce = 6}), 1);
    fill_box();
    act(GV_FX_UNPIN, 5);
    cr_expect_eq(letters_like((struct gv_mail){.kind = GV_MAIL_RELAY, .relay = GV_MAIL_UNPIN, .nonce = 5}), 1);
    fill_box();
    act(GV_FX_PERSIST, 0);
    cr_expect_eq(letters_like((struct gv_mail){.kind = GV_MAIL_PERSIST}), 1);
}

Test(effects, offers_and_aborts_without_end_lose_no_letter_that_must_come)
{
    struct gv_mail mail;
    uint64_t open = 0;
    act(GV_FX_PIN, 1);
    for (uint64_t nonce = 0; nonce < 3 * GV_MAILBOX_LETTERS; nonce++) { /* while the worker waits for a disk */
        act(GV_FX_SNAPSHOT, nonce % 3);
        act(GV_FX_DISCARD, nonce % 3);
        act(GV_FX_PIN, nonce % 3);
        act(GV_FX_UNPIN, nonce % 3);
    }
    act(GV_FX_UNPIN, 1);
    while (gv_mailbox_take(node->worker.in, &mail, 0)) {
        cr_assert_eq(mail.kind, GV_MAIL_RELAY);
        open += mail.relay == GV_MAIL_SNAPSHOT || mail.relay == GV_MAIL_PIN ? 1 : 0;
        open -= mail.relay == GV_MAIL_CANCEL || mail.relay == GV_MAIL_UNPIN ? 1 : 0;
        cr_assert_leq(open, 2, "each is ended before the next");
    }
    cr_assert_eq(open, 0);
}

Test(effects, at_most_four_chunks_of_a_transfer_wait_to_be_sent)
{
    for (int i = 0; i < 20; i++) {
        act(GV_FX_CHUNK_SEND, 9);
    }
    cr_expect_eq(node->queue_count, 16, "the sends that failed");
    for (int i = 0; i < 4; i++) {
        struct gv_mail mail;
        cr_assert(gv_mailbox_take(node->worker.in, &mail, 0));
        mail.kind = GV_MAIL_ENCODED;
        gv_node_encoded(node, &mail);
        act(GV_FX_CHUNK_SEND, 9);
    }
    cr_expect_eq(node->queue_count, 16);
    act(GV_FX_CHUNK_SEND, 10);
    cr_expect_eq(letters_like((struct gv_mail){.kind = GV_MAIL_ENCODE, .nonce = 10}), 1, "another transfer");
}

Test(effects, chunks_that_are_forgotten_make_room)
{
    gv_shaper_set(&node->up, 1);
    for (int turn = 0; turn < 8; turn++) {
        for (int i = 0; i < 4; i++) {
            act(GV_FX_CHUNK_SEND, 9);
        }
        act(GV_FX_DISCARD, 9);
    }
    cr_expect_eq(node->queue_count, 7, "the one that the cap let pass keeps its place");
}

/* A frame of theirs, to be staged over our chunk `index`. */
static void apply(uint64_t nonce, uint32_t index)
{
    struct gv_effect effect = {.kind = GV_FX_APPLY};
    node->parked[index].used = true;
    cr_assert_eq(zmq_msg_init(&node->parked[index].frame), 0);
    effect.u.work.nonce = nonce;
    effect.u.work.index = index;
    effect.u.work.handle = index + 1;
    gv_node_act(node, &effect);
}

static void expect_order(enum gv_mail_kind kind, uint32_t index)
{
    struct gv_mail mail = {0};
    cr_assert(gv_mailbox_take(node->worker.in, &mail, 0), "an order of kind %d for chunk %u", (int)kind, index);
    cr_expect_eq(mail.kind, kind);
    cr_expect_eq(mail.index, index);
    if (mail.kind == GV_MAIL_APPLY) {
        gv_mail_drop(&mail);
    }
}

Test(effects, theirs_is_not_staged_over_ours_while_a_cap_holds_ours_back)
{
    gv_shaper_set(&node->up, 1);
    for (uint32_t i = 0; i < 3; i++) {
        struct gv_effect effect = {.kind = GV_FX_CHUNK_SEND, .link = 7};
        effect.u.work.nonce = 9;
        effect.u.work.index = i;
        effect.u.work.chunk_bytes = GV_CHUNK_BYTES_MIN;
        gv_node_act(node, &effect);
    }
    for (uint32_t i = 0; i < 3; i++) {
        apply(9, i);
    }
    expect_order(GV_MAIL_ENCODE, 0);
    expect_order(GV_MAIL_APPLY, 0);
    struct gv_mail mail;
    cr_expect_not(gv_mailbox_take(node->worker.in, &mail, 0), "chunk 1 of ours has not left");
    gv_shaper_set(&node->up, 0);
    gv_node_shape(node, gv_now_us());
    for (uint32_t i = 1; i < 3; i++) {
        expect_order(GV_MAIL_ENCODE, i);
    }
    for (uint32_t i = 1; i < 3; i++) {
        expect_order(GV_MAIL_APPLY, i);
    }
}

/* True if a dial to the only address of a record begins with this setting. */
static bool dials(enum gv_family family, const char *endpoint)
{
    struct gv_net_options options = {.listen = "", .family = family};
    struct gv_net_handler handler = gv_node_net_handler(node);
    struct gv_record record = {.endpoint_count = 1};
    struct gv_ref ref;
    struct gv_diag diag;
    cr_assert_eq(gv_curve_key_new(&node->curve), GV_OK);
    options.key = node->curve;
    cr_assert_eq(gv_net_new(&node->net, &options, &handler, &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_directory_new(&node->directory, 1), GV_OK);
    (void)snprintf(record.endpoints[0], sizeof record.endpoints[0], "%s", endpoint);
    cr_assert_eq(gv_directory_put(node->directory, &ref, &record, (const uint8_t *)"record", 6, NULL, NULL), GV_OK);
    node->config.family = family;
    node->queue_count = 0;
    act(GV_FX_DIAL_BOOK, 0);
    bool failed = node->queue_count > 0 && node->queue[node->queue_first].verdict == GV_ERR_FAMILY;
    gv_directory_free(&node->directory);
    gv_net_free(&node->net, 0);
    gv_curve_key_free(&node->curve);
    return !failed;
}

Test(effects, a_setting_for_a_family_rules_out_addresses_of_the_other_and_no_name)
{
    cr_assert_eq(gv_proto_init(), GV_OK);
    cr_expect(dials(GV_FAMILY_IPV4, "tcp://127.0.0.1:9"));
    cr_expect(dials(GV_FAMILY_IPV6, "tcp://[::1]:9"));
    cr_expect(!dials(GV_FAMILY_IPV4, "tcp://[::1]:9"));
    cr_expect(!dials(GV_FAMILY_IPV6, "tcp://127.0.0.1:9"));
    cr_expect(dials(GV_FAMILY_IPV4, "tcp://localhost:9"));
    cr_expect(dials(GV_FAMILY_IPV6, "tcp://localhost:9"));
}

static void refused(enum gv_err reason)
{
    struct gv_effect effect = {.kind = GV_FX_LOG, .link = GV_LINK_NONE, .reason = reason};
    effect.u.log.code = GV_LOG_WE_REFUSED;
    gv_node_act(node, &effect);
}

Test(effects, only_who_was_never_a_member_believes_that_its_invite_is_spent)
{
    cr_assert_eq(gv_mailbox_new(&node->trainer.in), GV_OK);
    node->trainer.had_checkpoint = true;
    for (int i = 0; i < 10; i++) {
        refused(GV_ERR_EXPIRED);
    }
    cr_expect_eq((int)node->ending, (int)GV_RUNNING, "a member, if only of an older epoch's model");
    node->trainer.had_checkpoint = false;
    for (int i = 0; i < 10; i++) {
        refused(GV_ERR_EXPIRED);
    }
    cr_expect_neq((int)node->ending, (int)GV_RUNNING);
    cr_expect_eq(node->exit_code, GV_EXIT_REVOKED);
    gv_mailbox_free(&node->trainer.in);
}
