/*
 * Tokens: that they carry what they should, and that no altered one is taken for good.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "invite.h"
#include "proto_fixture.h"

static struct fixture f;
static struct gv_invite invite;
static char token[GV_TOKEN_CHARS_MAX + 1];

static void setup(void)
{
    fixture_init(&f);
    example_invite(&invite, &f);
    cr_assert_eq(gv_invite_encode(token, &invite), GV_OK);
}

static void teardown(void)
{
    fixture_deinit(&f);
}

TestSuite(invite, .init = setup, .fini = teardown);

Test(invite, comes_back_as_it_went)
{
    static struct gv_invite back;
    struct gv_diag diag;
    cr_assert_eq(gv_invite_decode(&back, token, &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(memcmp(&back, &invite, sizeof back), 0);
    cr_assert_eq(gv_invite_cert(&back)->uses, 1);
    cr_assert_eq(gv_invite_cert(&back)->expires_s, EXAMPLE_TIME + 7 * 86400);
}

Test(invite, white_space_is_ignored_wherever_it_stands)
{
    static struct gv_invite back;
    char wrapped[2 * sizeof token] = " \t\r\n";
    size_t used = strlen(wrapped);
    for (size_t at = 0; token[at] != '\0'; at += 76) {
        used += (size_t)snprintf(wrapped + used, sizeof wrapped - used, "%.76s\r\n ", token + at);
    }
    cr_assert_eq(gv_invite_decode(&back, wrapped, NULL), GV_OK);
    cr_assert_eq(memcmp(&back, &invite, sizeof back), 0);
}

Test(invite, every_altered_character_is_noticed)
{
    static struct gv_invite back;
    static const char others[] = "Aa0-_=+/ \n.\x80";
    size_t length = strlen(token);
    for (size_t at = 0; at < length; at++) {
        char original = token[at];
        for (size_t i = 0; i < sizeof others - 1; i++) {
            if (others[i] == original || (at + 1 == length && (others[i] == ' ' || others[i] == '\n'))) {
                continue; /* white space in the last place is a cut, tested below */
            }
            struct gv_diag diag = {0};
            token[at] = others[i];
            cr_assert_eq(gv_invite_decode(&back, token, &diag), GV_ERR_TOKEN, "%zu: %c", at, others[i]);
            cr_assert_neq(diag.text[0], '\0');
        }
        token[at] = original;
    }
}

Test(invite, every_cut_is_noticed)
{
    static struct gv_invite back;
    for (size_t length = strlen(token); length-- > 0;) {
        struct gv_diag diag;
        token[length] = '\0';
        cr_assert_eq(gv_invite_decode(&back, token, &diag), GV_ERR_TOKEN);
        if (length > 10) {
            cr_assert_not_null(strstr(diag.text, "cut short"), "%zu: %s", length, diag.text);
        }
    }
}

static void says(const char *text, const char *expected)
{
    static struct gv_invite back;
    struct gv_diag diag;
    cr_assert_eq(gv_invite_decode(&back, text, &diag), GV_ERR_TOKEN);
    cr_assert_not_null(strstr(diag.text, expected), "%s", diag.text);
}

Test(invite, what_is_wrong_is_said)
{
    says("", "not an invite token");
    says("hello", "not an invite token");
    says("gv2AAAA", "newer version");
    says("gv1", "cut short");
    says("gv1AAAAAAA", "mistyped");
    char *long_token = malloc(GV_TOKEN_CHARS_MAX + 100);
    memset(long_token, 'A', GV_TOKEN_CHARS_MAX + 99);
    long_token[GV_TOKEN_CHARS_MAX + 99] = '\0';
    memcpy(long_token, "gv1", 3);
    says(long_token, "more than any invite");
    free(long_token);
    token[20] = '!';
    says(token, "character 21");
    token[20] = token[20] == 'A' ? 'B' : 'A';
    says(token, "mistyped");
}

static enum gv_err reencode(struct gv_invite *altered)
{
    static struct gv_invite back;
    cr_assert_eq(gv_invite_encode(token, altered), GV_OK);
    struct gv_diag diag;
    enum gv_err err = gv_invite_decode(&back, token, &diag);
    cr_assert(err == GV_OK || strstr(diag.text, "forged") != NULL, "%s", diag.text);
    return err;
}

Test(invite, forgeries_with_a_good_checksum_are_refused)
{
    static struct gv_invite altered;
    altered = invite;
    altered.chain.link[1].uses = 1000;
    cr_assert_eq(reencode(&altered), GV_ERR_TOKEN, "more uses");
    altered = invite;
    altered.secret[0] ^= 1;
    cr_assert_eq(reencode(&altered), GV_ERR_TOKEN, "another key");
    altered = invite;
    altered.root = *gv_sign_key_public(f.member);
    cr_assert_eq(reencode(&altered), GV_ERR_TOKEN, "another swarm");
    altered = invite;
    altered.chain = f.member_chain;
    memset(altered.secret, SEED_MEMBER, sizeof altered.secret);
    cr_assert_eq(reencode(&altered), GV_ERR_TOKEN, "a membership is no invite");
}

Test(invite, the_joiner_makes_its_own_membership)
{
    struct gv_chain chain;
    cr_assert_eq(gv_invite_accept(&chain, &invite, gv_sign_key_public(f.member), EXAMPLE_TIME + 200), GV_OK);
    cr_assert_eq(memcmp(&chain, &f.member_chain, sizeof chain), 0);
    cr_assert_eq(gv_chain_verify(&chain, gv_sign_key_public(f.root)), GV_OK);
}

Test(invite, what_cannot_be_dialled_is_not_encoded)
{
    strcpy(invite.seeds[0].endpoint, "tcp://*:4567");
    cr_assert_eq(gv_invite_encode(token, &invite), GV_ERR_RANGE);
    invite.seed_count = GV_SEEDS_MAX + 1;
    cr_assert_eq(gv_invite_encode(token, &invite), GV_ERR_RANGE);
    invite.seed_count = 0;
    cr_assert_eq(gv_invite_encode(token, &invite), GV_OK);
    invite.chain.count = 0;
    cr_assert_eq(gv_invite_encode(token, &invite), GV_ERR_RANGE);
}
