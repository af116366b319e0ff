/*
 * The small files of a state DIR, whole, missing and damaged.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_help.h"
#include "manifest_text.h"
#include "proto_fixture.h"
#include "store.h"

static const char *dir;
static struct fixture f;

static void setup(void)
{
    dir = host_make_dir();
    fixture_init(&f);
}

static void teardown(void)
{
    fixture_deinit(&f);
    host_remove_dir();
}

TestSuite(store, .init = setup, .fini = teardown);

Test(store, the_membership_is_kept)
{
    struct gv_chain chain;
    cr_assert_eq(gv_store_save_member(dir, &f.member_chain, NULL), GV_OK);
    cr_assert_eq(gv_store_load_member(dir, &chain, NULL), GV_OK);
    cr_expect_eq(chain.count, f.member_chain.count);
    cr_expect_eq(gv_chain_verify(&chain, gv_sign_key_public(f.root)), GV_OK);
}

Test(store, the_longest_chain_fits)
{
    struct gv_chain chain = f.creator_chain;
    struct gv_chain read;
    while (chain.count < GV_CHAIN_LINKS_MAX) {
        bool member = chain.link[chain.count - 1].kind == GV_CERT_MEMBER;
        fixture_extend(&chain, &f, member ? GV_CERT_INVITE : GV_CERT_MEMBER, f.creator, f.creator);
    }
    cr_assert_eq(gv_store_save_member(dir, &chain, NULL), GV_OK);
    cr_assert_eq(gv_store_load_member(dir, &read, NULL), GV_OK);
    cr_expect_eq(read.count, GV_CHAIN_LINKS_MAX);
}

Test(store, a_damaged_membership_never_loads_as_another)
{
    struct gv_chain chain;
    size_t bytes;
    cr_expect_eq(gv_store_load_member(dir, &chain, NULL), GV_ERR_CONFIG);
    cr_assert_eq(gv_store_save_member(dir, &f.member_chain, NULL), GV_OK);
    char *text = host_read("member", &bytes);
    for (size_t at = 0; at < bytes; at++) {
        char kept = text[at];
        text[at] = (char)(kept ^ 4);
        host_write("member", text, bytes);
        text[at] = kept;
        enum gv_err err = gv_store_load_member(dir, &chain, NULL);
        cr_expect(err == GV_ERR_CONFIG ||
                      (err == GV_OK && gv_chain_verify(&chain, gv_sign_key_public(f.root)) != GV_OK),
                  "byte %zu", at);
    }
    for (size_t length = 0; length + 1 < bytes; length++) { /* without the last line break it is still whole */
        host_write("member", text, length);
        cr_expect_eq(gv_store_load_member(dir, &chain, NULL), GV_ERR_CONFIG, "%zu bytes", length);
    }
    free(text);
}

Test(store, the_manifest_is_verified_when_read)
{
    struct gv_manifest manifest;
    struct gv_manifest read;
    struct gv_diag diag;
    size_t bytes;
    cr_expect_eq(gv_store_load_manifest(dir, &read, NULL, &diag), GV_ERR_CONFIG);
    example_manifest(&manifest, &f);
    if (manifest.text == NULL) {
        cr_assert_eq(gv_manifest_sign(&manifest, f.root, &diag), GV_OK, "%s", diag.text);
    }
    cr_assert_eq(gv_store_save_manifest(dir, &manifest, &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_store_load_manifest(dir, &read, gv_sign_key_public(f.root), &diag), GV_OK, "%s", diag.text);
    cr_expect(gv_hash_equal(&read.hash, &manifest.hash));
    gv_manifest_deinit(&read);
    cr_expect_neq(gv_store_load_manifest(dir, &read, gv_sign_key_public(f.member), &diag), GV_OK, "another root");
    char *text = host_read("manifest", &bytes);
    text[bytes / 2] = (char)(text[bytes / 2] ^ 1);
    host_write("manifest", text, bytes);
    cr_expect_neq(gv_store_load_manifest(dir, &read, NULL, &diag), GV_OK);
    cr_expect_not_null(strstr(diag.text, "manifest"), "%s", diag.text);
    free(text);
    gv_manifest_deinit(&manifest);
}

Test(store, the_incarnation_starts_at_zero_and_is_kept)
{
    uint64_t incarnation = 9;
    cr_assert_eq(gv_store_load_incarnation(dir, &incarnation, NULL), GV_OK);
    cr_expect_eq(incarnation, 0);
    cr_assert_eq(gv_store_save_incarnation(dir, 1ull << 62, NULL), GV_OK);
    cr_assert_eq(gv_store_load_incarnation(dir, &incarnation, NULL), GV_OK);
    cr_expect_eq(incarnation, 1ull << 62);
}

Test(store, a_damaged_incarnation_is_an_error_not_a_number)
{
    static const char *const bad[] = {"",
                                      "7\n",
                                      "grapevine incarnation 1\n",
                                      "grapevine incarnation 1\n-3\n",
                                      "grapevine incarnation 1\n4611686018427387905\n", /* 2^62 + 1 */
                                      "grapevine incarnation 1\n18446744073709551615\n",
                                      "grapevine incarnation 1\n18446744073709551616\n",
                                      "grapevine incarnation 1\n7",
                                      "grapevine incarnation 1\n7\n8\n",
                                      "grapevine incarnation 2\n7\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gv_diag diag;
        uint64_t incarnation = 9;
        host_write("incarnation", bad[i], strlen(bad[i]));
        cr_expect_eq(gv_store_load_incarnation(dir, &incarnation, &diag), GV_ERR_CONFIG, "\"%s\"", bad[i]);
    }
}

Test(store, trust_is_kept_and_a_damaged_file_is_refused)
{
    struct gv_trust *trust = NULL;
    struct gv_trust *read = NULL;
    struct gv_entry entry = example_revoke(&f);
    uint8_t bytes[GV_TRUST_ENTRY_BYTES_MAX];
    size_t count;
    bool added = false;
    size_t length;
    cr_assert_eq(gv_trust_new(&trust, gv_sign_key_public(f.root)), GV_OK);
    cr_assert_eq(gv_trust_new(&read, gv_sign_key_public(f.root)), GV_OK);
    cr_expect_eq(gv_store_load_trust(dir, read, NULL), GV_OK, "no file: nothing is known");
    cr_assert_eq(gv_entry_sign(bytes, &count, &entry, &f.swarm, entry.by_root ? f.root : f.creator), GV_OK);
    cr_assert_eq(gv_trust_add(trust, &added, bytes, count), GV_OK);
    cr_assert_eq(gv_store_save_trust(dir, trust, NULL), GV_OK);
    cr_assert_eq(gv_store_load_trust(dir, read, NULL), GV_OK);
    cr_expect_eq(gv_trust_digest(read), gv_trust_digest(trust));
    gv_trust_free(&read);
    char *text = host_read("trust", &length);
    host_write("trust", text, length / 2);
    free(text);
    cr_assert_eq(gv_trust_new(&read, gv_sign_key_public(f.root)), GV_OK);
    cr_expect_eq(gv_store_load_trust(dir, read, NULL), GV_ERR_CONFIG);
    gv_trust_free(&read);
    gv_trust_free(&trust);
}
