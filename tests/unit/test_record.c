/*
 * Records, farewells and endpoints.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "proto_fixture.h"
#include "record.h"

static struct fixture f;
static uint8_t bytes[GV_RECORD_BYTES_MAX];
static size_t count;
static struct gv_record record;

static void setup(void)
{
    fixture_init(&f);
    record = example_record(&f);
    cr_assert_eq(gv_record_sign(bytes, &count, &record, f.member), GV_OK);
}

static void teardown(void)
{
    fixture_deinit(&f);
}

TestSuite(record, .init = setup, .fini = teardown);

Test(record, comes_back_as_it_went)
{
    struct gv_record back;
    cr_assert_eq(gv_record_verify(&back, gv_sign_key_public(f.root), bytes, count), GV_OK);
    cr_assert_eq(memcmp(&back, &record, sizeof back), 0);
    struct gv_ref ref = gv_record_ref(&back);
    struct gv_id id = gv_id_of(gv_sign_key_public(f.member));
    cr_assert(gv_id_equal(&ref.id, &id));
    cr_assert_eq(ref.incarnation, 3);
    cr_assert_eq(ref.sequence, 1);
    cr_assert_eq(ref.flags, GV_REF_DIALABLE);
    struct gv_id creator = gv_id_of(gv_sign_key_public(f.creator));
    cr_assert_eq(ref.inviters[0], gv_head_of(creator.b));
    cr_assert_eq(ref.inviters[1], 0);
    back.endpoint_count = 0;
    cr_assert_eq(gv_record_ref(&back).flags, 0);
}

Test(record, no_byte_can_be_altered_and_what_decodes_has_one_encoding)
{
    struct gv_record read;
    for (size_t at = 0; at < count; at++) {
        bytes[at] ^= (uint8_t)(1u << at % 8);
        cr_assert_neq(gv_record_verify(&read, gv_sign_key_public(f.root), bytes, count), GV_OK, "byte %zu", at);
        bytes[at] ^= (uint8_t)(1u << at % 8);
    }
    for (size_t at = 0; at < count; at++) {
        uint8_t original = bytes[at];
        for (int value = 0; value < 256; value++) {
            uint8_t again[GV_RECORD_BYTES_MAX];
            size_t count_again;
            bytes[at] = (uint8_t)value;
            if (gv_record_decode(&read, bytes, count) != GV_OK) {
                continue;
            }
            if (value % 16 != 0) {
                continue; /* signing is slow; a sixteenth of the values shows it */
            }
            cr_assert_eq(gv_record_sign(again, &count_again, &read, f.member), GV_OK);
            cr_assert_eq(count_again, count);
            cr_assert_eq(memcmp(again, bytes, count - GV_SIGNATURE_BYTES), 0, "byte %zu = %d", at, value);
        }
        bytes[at] = original;
    }
}

Test(record, every_truncation_is_refused)
{
    for (size_t cut = 0; cut < count; cut++) {
        struct gv_record read;
        uint8_t *exact = malloc(cut > 0 ? cut : 1);
        memcpy(exact, bytes, cut);
        cr_assert_neq(gv_record_decode(&read, exact, cut), GV_OK);
        free(exact);
    }
}

Test(record, proves_nothing_without_the_right_chain)
{
    struct gv_record other = record, back;
    const struct gv_sign_public *root = gv_sign_key_public(f.root);
    other.chain = f.creator_chain; /* somebody else's */
    cr_assert_eq(gv_record_sign(bytes, &count, &other, f.member), GV_OK);
    cr_assert_eq(gv_record_verify(&back, root, bytes, count), GV_ERR_CHAIN);
    other.chain = f.invite_chain; /* an invite is no membership */
    other.identity = *gv_sign_key_public(f.invite_key);
    cr_assert_eq(gv_record_sign(bytes, &count, &other, f.invite_key), GV_OK);
    cr_assert_eq(gv_record_verify(&back, root, bytes, count), GV_ERR_CHAIN);
    other = record;
    other.chain.count = 0;
    cr_assert_eq(gv_record_sign(bytes, &count, &other, f.member), GV_OK);
    cr_assert_eq(gv_record_verify(&back, root, bytes, count), GV_ERR_CHAIN);
    other = record;
    cr_assert_eq(gv_record_sign(bytes, &count, &other, f.creator), GV_OK); /* another's signature */
    cr_assert_eq(gv_record_verify(&back, root, bytes, count), GV_ERR_SIGNATURE);
    other.swarm.b[0] ^= 1;
    cr_assert_eq(gv_record_sign(bytes, &count, &other, f.member), GV_OK);
    cr_assert_eq(gv_record_verify(&back, root, bytes, count), GV_ERR_SWARM);
}

Test(record, with_everything_at_its_limit_fits)
{
    struct gv_record big = {.swarm = f.swarm,
                            .endpoint_count = GV_ENDPOINTS_MAX,
                            .incarnation = UINT64_MAX,
                            .boot = UINT64_MAX,
                            .sequence = UINT32_MAX,
                            .issued_s = UINT64_MAX,
                            .capabilities = UINT64_MAX};
    struct gv_record back;
    struct gv_sign_key *keys[GV_CHAIN_LINKS_MAX];
    for (uint32_t i = 0; i < GV_CHAIN_LINKS_MAX; i++) {
        keys[i] = fixture_key((uint8_t)(100 + i));
        struct gv_cert fields = {
            .kind = i % 2 == 0 ? GV_CERT_MEMBER : GV_CERT_INVITE,
            .swarm = f.swarm,
            .subject = *gv_sign_key_public(keys[i]),
            .issued_s = UINT64_MAX,
            .expires_s = i % 2 == 0 ? 0 : UINT64_MAX,
            .uses = i % 2 == 0 ? 0 : GV_INVITE_USES_MAX,
        };
        cr_assert_eq(gv_chain_append(&big.chain, &fields, i == 0 ? f.root : keys[i - 1]), GV_OK);
    }
    for (uint32_t i = 0; i < GV_ENDPOINTS_MAX; i++) {
        memset(big.endpoints[i], 'a', GV_ENDPOINT_BYTES_MAX);
        memcpy(big.endpoints[i], "tcp://", 6);
        memcpy(big.endpoints[i] + GV_ENDPOINT_BYTES_MAX - 6, ":65535", 6);
    }
    big.identity = *gv_sign_key_public(keys[GV_CHAIN_LINKS_MAX - 1]);
    cr_assert_eq(gv_record_sign(bytes, &count, &big, keys[GV_CHAIN_LINKS_MAX - 1]), GV_OK);
    cr_assert_eq(gv_record_verify(&back, gv_sign_key_public(f.root), bytes, count), GV_OK);
    for (uint32_t i = 0; i < GV_CHAIN_LINKS_MAX; i++) {
        gv_sign_key_free(&keys[i]);
    }
}

Test(record, order_is_by_incarnation_then_sequence)
{
    struct gv_ref a = {.incarnation = 2, .sequence = 1};
    struct gv_ref b = {.incarnation = 1, .sequence = 9};
    cr_assert_gt(gv_ref_order(&a, &b), 0);
    cr_assert_lt(gv_ref_order(&b, &a), 0);
    b = (struct gv_ref){.incarnation = 2, .sequence = UINT32_MAX};
    cr_assert_lt(gv_ref_order(&a, &b), 0);
    b = a;
    cr_assert_eq(gv_ref_order(&a, &b), 0);
}

Test(record, endpoints_are_what_can_be_dialled)
{
    static const char *const good[] = {"tcp://192.0.2.1:1",
                                       "tcp://a:65535",
                                       "tcp://node-1.example.org:4567",
                                       "tcp://[::1]:4567",
                                       "tcp://[fe80::1%eth0]:4567",
                                       "tcp://[2001:db8::192.0.2.1]:9"};
    static const char *const bad[] = {"",
                                      "tcp://",
                                      "tcp://a",
                                      "tcp://a:",
                                      "tcp://a:0",
                                      "tcp://a:65536",
                                      "tcp://a:01",
                                      "tcp://a:-1",
                                      "tcp://:1",
                                      "tcp://*:1",
                                      "udp://a:1",
                                      "tcp://a b:1",
                                      "tcp://a..b:1",
                                      "tcp://.a:1",
                                      "tcp://a.:1",
                                      "tcp://-a:1",
                                      "tcp://256.1.1.1:1",
                                      "tcp://1.2.3:1",
                                      "tcp://[::1:1",
                                      "tcp://::1:1",
                                      "tcp://[::1]",
                                      "tcp://[]:1",
                                      "tcp://[:1",
                                      "tcp://[::1%]:1",
                                      "tcp://[::1%a/b]:1",
                                      "tcp://[g::]:1",
                                      "tcp://a:1 ",
                                      "tcp://a:1\n",
                                      "tcp://a:100000",
                                      "tcp://[1.2.3.4]:1",
                                      "tcp://a\x80:1",
                                      "TCP://a:1",
                                      "tcp://]:1"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_assert(gv_endpoint_valid(good[i]), "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_not(gv_endpoint_valid(bad[i]), "\"%s\"", bad[i]);
    }
    char longest[GV_ENDPOINT_BYTES_MAX + 2] = "tcp://";
    memset(longest + 6, 'a', GV_ENDPOINT_BYTES_MAX - 8);
    strcpy(longest + GV_ENDPOINT_BYTES_MAX - 2, ":1");
    cr_assert(gv_endpoint_valid(longest));
    strcpy(longest + GV_ENDPOINT_BYTES_MAX - 2, ":12");
    cr_assert_not(gv_endpoint_valid(longest));
}

Test(record, a_farewell_is_its_owners_and_for_this_swarm)
{
    uint8_t leave[GV_LEAVE_BYTES_MAX];
    size_t leave_bytes;
    struct gv_id id, expected = gv_id_of(gv_sign_key_public(f.member));
    uint64_t incarnation;
    cr_assert_eq(gv_leave_sign(leave, &leave_bytes, &f.swarm, UINT64_MAX, f.member), GV_OK);
    cr_assert_eq(gv_leave_verify(&id, &incarnation, &f.swarm, leave, leave_bytes), GV_OK);
    cr_assert(gv_id_equal(&id, &expected));
    cr_assert_eq(incarnation, UINT64_MAX);
    struct gv_swarm_id other = f.swarm;
    other.b[31] ^= 1;
    cr_assert_eq(gv_leave_verify(&id, &incarnation, &other, leave, leave_bytes), GV_ERR_SWARM);
    for (size_t at = 0; at < leave_bytes; at++) {
        leave[at] ^= 0x20;
        cr_assert_neq(gv_leave_verify(&id, &incarnation, &f.swarm, leave, leave_bytes), GV_OK, "byte %zu", at);
        leave[at] ^= 0x20;
        cr_assert_neq(gv_leave_verify(&id, &incarnation, &f.swarm, leave, at), GV_OK, "cut at %zu", at);
    }
}
