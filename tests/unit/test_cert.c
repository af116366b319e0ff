/*
 * Chains: what may follow what, who must have signed, and that nothing in them can be altered.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "cert.h"
#include "cert_codec.h"
#include "proto_fixture.h"

static struct fixture f;

static void setup(void)
{
    fixture_init(&f);
}

static void teardown(void)
{
    fixture_deinit(&f);
}

TestSuite(cert, .init = setup, .fini = teardown);

Test(cert, a_chain_reaches_its_root_and_no_other)
{
    const struct gv_sign_public *root = gv_sign_key_public(f.root);
    cr_assert_eq(gv_chain_verify(&f.creator_chain, root), GV_OK);
    cr_assert_eq(gv_chain_verify(&f.invite_chain, root), GV_OK);
    cr_assert_eq(gv_chain_verify(&f.member_chain, root), GV_OK);
    cr_assert_eq(gv_chain_verify(&f.member_chain, gv_sign_key_public(f.creator)), GV_ERR_SWARM);
    struct gv_chain empty = {0};
    cr_assert_eq(gv_chain_verify(&empty, root), GV_ERR_CHAIN);
}

Test(cert, each_link_is_signed_by_the_one_before)
{
    const struct gv_sign_public *root = gv_sign_key_public(f.root);
    struct gv_chain forged = f.creator_chain;
    struct gv_cert fields = {
        .kind = GV_CERT_INVITE, .swarm = f.swarm, .subject = *gv_sign_key_public(f.invite_key), .uses = 1};
    cr_assert_eq(gv_chain_append(&forged, &fields, f.member), GV_OK, "anyone can write one");
    cr_assert_eq(gv_chain_verify(&forged, root), GV_ERR_SIGNATURE, "but not for somebody else");
    forged = f.member_chain;
    forged.link[1] = f.member_chain.link[0];
    cr_assert_eq(gv_chain_verify(&forged, root), GV_ERR_CHAIN);
    forged = f.member_chain;
    memmove(&forged.link[0], &forged.link[1], 2 * sizeof forged.link[0]);
    forged.count = 2;
    cr_assert_eq(gv_chain_verify(&forged, root), GV_ERR_SIGNATURE, "a tail without its head");
}

Test(cert, kinds_alternate)
{
    struct gv_chain chain = f.creator_chain;
    struct gv_cert fields = {.kind = GV_CERT_MEMBER, .swarm = f.swarm, .subject = *gv_sign_key_public(f.member)};
    cr_assert_eq(gv_chain_append(&chain, &fields, f.creator), GV_ERR_CHAIN);
    fields =
        (struct gv_cert){.kind = GV_CERT_INVITE, .swarm = f.swarm, .subject = *gv_sign_key_public(f.member), .uses = 1};
    chain = f.invite_chain;
    cr_assert_eq(gv_chain_append(&chain, &fields, f.invite_key), GV_ERR_CHAIN);
    cr_assert_eq(chain.count, f.invite_chain.count);
}

Test(cert, only_invites_carry_limits)
{
    struct gv_chain chain = {0};
    struct gv_cert member = {.kind = GV_CERT_MEMBER, .swarm = f.swarm, .uses = 1};
    struct gv_cert invite = {.kind = GV_CERT_INVITE, .swarm = f.swarm, .uses = 0};
    cr_assert_eq(gv_chain_append(&chain, &member, f.root), GV_ERR_RANGE);
    cr_assert_eq(gv_chain_append(&chain, &invite, f.root), GV_ERR_RANGE);
    invite.uses = GV_INVITE_USES_MAX + 1;
    cr_assert_eq(gv_chain_append(&chain, &invite, f.root), GV_ERR_RANGE);
    invite.uses = GV_INVITE_USES_MAX;
    cr_assert_eq(gv_chain_append(&chain, &invite, f.root), GV_OK);
}

Test(cert, the_longest_chain_fits_and_no_longer_one)
{
    struct gv_chain chain = {0};
    struct gv_chain back;
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
        cr_assert_eq(gv_chain_append(&chain, &fields, i == 0 ? f.root : keys[i - 1]), GV_OK);
    }
    cr_assert_eq(gv_chain_verify(&chain, gv_sign_key_public(f.root)), GV_OK);
    uint8_t bytes[GV_CHAIN_LINKS_MAX * GV_CERT_BYTES_MAX];
    size_t count;
    cr_assert_eq(gv_chain_encode(bytes, sizeof bytes, &count, &chain), GV_OK);
    cr_assert_eq(gv_chain_decode(&back, bytes, count), GV_OK);
    cr_assert_eq(gv_chain_verify(&back, gv_sign_key_public(f.root)), GV_OK);
    struct gv_cert more = {.kind = GV_CERT_INVITE, .swarm = f.swarm, .uses = 1};
    cr_assert_eq(gv_chain_append(&chain, &more, keys[GV_CHAIN_LINKS_MAX - 1]), GV_ERR_FULL);
    bytes[0]++;
    cr_assert_eq(gv_chain_decode(&back, bytes, count), GV_ERR_OVERSIZE);
    for (uint32_t i = 0; i < GV_CHAIN_LINKS_MAX; i++) {
        gv_sign_key_free(&keys[i]);
    }
}

Test(cert, no_byte_of_a_chain_can_be_altered)
{
    uint8_t bytes[1024];
    size_t count;
    cr_assert_eq(gv_chain_encode(bytes, sizeof bytes, &count, &f.member_chain), GV_OK);
    for (size_t at = 0; at < count; at++) {
        struct gv_chain read;
        bytes[at] ^= (uint8_t)(1u << at % 8);
        cr_assert(gv_chain_decode(&read, bytes, count) != GV_OK ||
                      gv_chain_verify(&read, gv_sign_key_public(f.root)) != GV_OK,
                  "byte %zu", at);
        bytes[at] ^= (uint8_t)(1u << at % 8);
    }
}

Test(cert, has_one_encoding)
{
    /* Every byte, every value: whatever still decodes must encode to the very bytes it came from. */
    uint8_t bytes[1024], again[1024];
    size_t count, count_again;
    cr_assert_eq(gv_chain_encode(bytes, sizeof bytes, &count, &f.member_chain), GV_OK);
    for (size_t at = 0; at < count; at++) {
        uint8_t original = bytes[at];
        for (int value = 0; value < 256; value++) {
            struct gv_chain read;
            bytes[at] = (uint8_t)value;
            if (gv_chain_decode(&read, bytes, count) == GV_OK) {
                cr_assert_eq(gv_chain_encode(again, sizeof again, &count_again, &read), GV_OK);
                cr_assert_eq(count_again, count);
                cr_assert_eq(memcmp(again, bytes, count), 0, "byte %zu = %d", at, value);
            }
        }
        bytes[at] = original;
    }
    for (size_t cut = 0; cut < count; cut++) {
        struct gv_chain read;
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, bytes, cut);
        uint8_t *exact = realloc(copy, cut > 0 ? cut : 1);
        cr_assert_neq(gv_chain_decode(&read, exact, cut), GV_OK);
        free(exact);
    }
}
