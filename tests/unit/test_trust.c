/*
 * Who is a member: what each entry does and must not do, who may write it, and that no member can fill the table.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto_fixture.h"
#include "trust.h"

/*
 * root -> A -> (invite X) -> B -> (invite Y) -> C, and root -> D. Keys by number: A 10, X 11, B 12, Y 13, C 14, D 15.
 */
enum { A, X, B, Y, C, D, PEOPLE };

static struct fixture f;
static struct gv_trust *trust;
static struct gv_sign_key *key[PEOPLE];
static struct gv_id id[PEOPLE];
static struct gv_chain chain[PEOPLE];

static void setup(void)
{
    fixture_init(&f);
    cr_assert_eq(gv_trust_new(&trust, gv_sign_key_public(f.root)), GV_OK);
    for (int who = 0; who < PEOPLE; who++) {
        key[who] = fixture_key((uint8_t)(10 + who));
        id[who] = gv_id_of(gv_sign_key_public(key[who]));
        bool from_root = who == A || who == D;
        if (!from_root) {
            chain[who] = chain[who - 1];
        }
        fixture_extend(&chain[who], &f, who == X || who == Y ? GV_CERT_INVITE : GV_CERT_MEMBER, key[who],
                       from_root ? f.root : key[who - 1]);
    }
}

static void teardown(void)
{
    gv_trust_free(&trust);
    for (int who = 0; who < PEOPLE; who++) {
        gv_sign_key_free(&key[who]);
        chain[who].count = 0;
    }
    fixture_deinit(&f);
}

TestSuite(trust, .init = setup, .fini = teardown);

#define BY_ROOT (-1)

/* An entry by `issuer` about `target`, keeping `kept` (or nobody: -1). */
static size_t make(uint8_t out[GV_TRUST_ENTRY_BYTES_MAX], enum gv_entry_kind kind, int issuer, int target, int kept,
                   uint64_t issued_s)
{
    struct gv_entry entry = {.kind = kind, .target = id[target], .issued_s = issued_s, .by_root = issuer == BY_ROOT};
    size_t bytes;
    if (kept >= 0) {
        entry.kept[entry.kept_count++] = id[kept];
    }
    if (issuer != BY_ROOT) {
        entry.issuer_chain = chain[issuer];
    }
    cr_assert_eq(gv_entry_sign(out, &bytes, &entry, &f.swarm, issuer == BY_ROOT ? f.root : key[issuer]), GV_OK);
    return bytes;
}

static enum gv_err add_at(enum gv_entry_kind kind, int issuer, int target, int kept, uint64_t issued_s, bool *added)
{
    uint8_t entry[GV_TRUST_ENTRY_BYTES_MAX];
    size_t bytes = make(entry, kind, issuer, target, kept, issued_s);
    return gv_trust_add(trust, added, entry, bytes);
}

static enum gv_err add(enum gv_entry_kind kind, int issuer, int target, int kept)
{
    bool added;
    return add_at(kind, issuer, target, kept, EXAMPLE_TIME, &added);
}

/* Asserts the verdict on each of A, B, C, D. */
static void verdicts(enum gv_err a, enum gv_err b, enum gv_err c, enum gv_err d)
{
    cr_expect_eq(gv_trust_check(trust, &chain[A]), a, "A");
    cr_expect_eq(gv_trust_check(trust, &chain[B]), b, "B");
    cr_expect_eq(gv_trust_check(trust, &chain[C]), c, "C");
    cr_expect_eq(gv_trust_check(trust, &chain[D]), d, "D");
}

Test(trust, everyone_with_a_chain_is_a_member_at_first)
{
    verdicts(GV_OK, GV_OK, GV_OK, GV_OK);
    cr_assert_eq(gv_trust_digest(trust), 0);
    cr_assert_eq(gv_trust_hashes(trust).bytes, 0);
}

Test(trust, the_root_revokes_anyone_and_all_below)
{
    cr_assert_eq(add(GV_ENTRY_REVOKE, BY_ROOT, B, -1), GV_OK);
    verdicts(GV_OK, GV_ERR_REVOKED, GV_ERR_REVOKED, GV_OK);
    cr_assert_eq(add(GV_ENTRY_REVOKE, BY_ROOT, A, -1), GV_OK);
    verdicts(GV_ERR_REVOKED, GV_ERR_REVOKED, GV_ERR_REVOKED, GV_OK);
}

Test(trust, kept_ids_stay_and_those_they_invited)
{
    cr_assert_eq(add(GV_ENTRY_REVOKE, BY_ROOT, A, B), GV_OK);
    verdicts(GV_ERR_REVOKED, GV_OK, GV_OK, GV_OK);
    cr_assert_eq(add(GV_ENTRY_REVOKE, BY_ROOT, B, C), GV_OK);
    verdicts(GV_ERR_REVOKED, GV_ERR_REVOKED, GV_OK, GV_OK);
}

Test(trust, keeping_only_the_grandchild_keeps_only_it)
{
    cr_assert_eq(add(GV_ENTRY_REVOKE, BY_ROOT, A, C), GV_OK);
    verdicts(GV_ERR_REVOKED, GV_ERR_REVOKED, GV_OK, GV_OK);
}

Test(trust, nobody_can_be_kept_from_its_own_revocation)
{
    cr_assert_eq(add(GV_ENTRY_REVOKE, BY_ROOT, B, B), GV_OK);
    verdicts(GV_OK, GV_ERR_REVOKED, GV_ERR_REVOKED, GV_OK);
}

Test(trust, an_inviter_revokes_below_itself_only)
{
    cr_assert_eq(add(GV_ENTRY_REVOKE, B, A, -1), GV_OK, "well-formed, so it is held, but");
    cr_assert_eq(add(GV_ENTRY_REVOKE, B, D, -1), GV_OK);
    cr_assert_eq(add(GV_ENTRY_REVOKE, D, C, -1), GV_OK);
    cr_assert_eq(add(GV_ENTRY_REVOKE, C, B, -1), GV_OK);
    verdicts(GV_OK, GV_OK, GV_OK, GV_OK);
    cr_assert_eq(add(GV_ENTRY_REVOKE, A, C, -1), GV_OK);
    verdicts(GV_OK, GV_OK, GV_ERR_REVOKED, GV_OK);
    cr_assert_eq(add(GV_ENTRY_REVOKE, A, B, -1), GV_OK);
    verdicts(GV_OK, GV_ERR_REVOKED, GV_ERR_REVOKED, GV_OK);
}

Test(trust, a_second_membership_elsewhere_is_not_below_the_inviter)
{
    struct gv_chain direct = {0};
    fixture_extend(&direct, &f, GV_CERT_MEMBER, key[B], f.root);
    cr_assert_eq(add(GV_ENTRY_REVOKE, A, B, -1), GV_OK);
    cr_assert_eq(gv_trust_check(trust, &chain[B]), GV_ERR_REVOKED);
    cr_assert_eq(gv_trust_check(trust, &direct), GV_OK);
    cr_assert_eq(add(GV_ENTRY_REVOKE, BY_ROOT, B, -1), GV_OK);
    cr_assert_eq(gv_trust_check(trust, &direct), GV_ERR_REVOKED, "the root's holds for the identity");
}

Test(trust, a_closed_invite_keeps_whom_it_names)
{
    cr_assert_eq(add(GV_ENTRY_CLOSE, A, X, B), GV_OK);
    verdicts(GV_OK, GV_OK, GV_OK, GV_OK);
    cr_assert_eq(add(GV_ENTRY_CLOSE, B, Y, -1), GV_OK);
    verdicts(GV_OK, GV_OK, GV_ERR_CLOSED, GV_OK);
}

Test(trust, only_the_inviter_or_the_root_closes_an_invite)
{
    cr_assert_eq(add(GV_ENTRY_CLOSE, A, Y, -1), GV_OK);
    cr_assert_eq(add(GV_ENTRY_CLOSE, D, X, -1), GV_OK);
    cr_assert_eq(add(GV_ENTRY_CLOSE, C, Y, -1), GV_OK);
    cr_assert_eq(add(GV_ENTRY_CLOSE, A, B, -1), GV_OK, "a node is no invite");
    cr_assert_eq(add(GV_ENTRY_REVOKE, BY_ROOT, X, -1), GV_OK, "an invite is no node");
    verdicts(GV_OK, GV_OK, GV_OK, GV_OK);
    cr_assert_eq(add(GV_ENTRY_CLOSE, BY_ROOT, X, -1), GV_OK);
    verdicts(GV_OK, GV_ERR_CLOSED, GV_ERR_CLOSED, GV_OK);
}

Test(trust, entries_of_an_issuer_the_root_expelled_are_void_in_any_order)
{
    uint8_t spite[GV_TRUST_ENTRY_BYTES_MAX];
    bool added;
    size_t bytes = make(spite, GV_ENTRY_REVOKE, A, B, -1, EXAMPLE_TIME);
    cr_assert_eq(gv_trust_add(trust, &added, spite, bytes), GV_OK);
    verdicts(GV_OK, GV_ERR_REVOKED, GV_ERR_REVOKED, GV_OK);
    cr_assert_eq(add(GV_ENTRY_REVOKE, BY_ROOT, A, B), GV_OK);
    verdicts(GV_ERR_REVOKED, GV_OK, GV_OK, GV_OK);
    cr_assert_eq(gv_trust_count(trust), 1, "dropped");
    uint64_t digest = gv_trust_digest(trust);
    cr_assert_eq(gv_trust_add(trust, &added, spite, bytes), GV_ERR_REVOKED, "and refused when it comes again");
    cr_assert_not(added);
    cr_assert_eq(gv_trust_digest(trust), digest);
    verdicts(GV_ERR_REVOKED, GV_OK, GV_OK, GV_OK);
}

Test(trust, entries_of_a_kept_issuer_still_count)
{
    cr_assert_eq(add(GV_ENTRY_REVOKE, B, C, -1), GV_OK);
    cr_assert_eq(add(GV_ENTRY_REVOKE, BY_ROOT, A, B), GV_OK);
    verdicts(GV_ERR_REVOKED, GV_OK, GV_ERR_REVOKED, GV_OK);
    cr_assert_eq(gv_trust_count(trust), 2);
}

Test(trust, a_member_cannot_make_anothers_entries_void)
{
    cr_assert_eq(add(GV_ENTRY_REVOKE, A, B, -1), GV_OK);
    cr_assert_eq(add(GV_ENTRY_REVOKE, B, C, -1), GV_OK, "A's entry expels B, but only the root's voids");
    cr_assert_eq(gv_trust_count(trust), 2);
}

Test(trust, a_policy_of_root_only_leaves_its_invitees)
{
    struct gv_chain by_root = {0};
    fixture_extend(&by_root, &f, GV_CERT_INVITE, key[X], f.root);
    fixture_extend(&by_root, &f, GV_CERT_MEMBER, key[B], key[X]);
    gv_trust_set_inviters(trust, GV_INVITERS_ROOT);
    verdicts(GV_OK, GV_ERR_CHAIN, GV_ERR_CHAIN, GV_OK);
    cr_assert_eq(gv_trust_check(trust, &by_root), GV_OK);
    gv_trust_set_inviters(trust, GV_INVITERS_MEMBERS);
    verdicts(GV_OK, GV_OK, GV_OK, GV_OK);
}

Test(trust, altered_cut_and_foreign_entries_are_refused)
{
    uint8_t entry[GV_TRUST_ENTRY_BYTES_MAX];
    bool added;
    size_t bytes = make(entry, GV_ENTRY_CLOSE, B, Y, C, EXAMPLE_TIME);
    for (size_t at = 0; at < bytes; at++) {
        entry[at] ^= (uint8_t)(1u << at % 8);
        cr_assert_neq(gv_trust_add(trust, &added, entry, bytes), GV_OK, "byte %zu", at);
        entry[at] ^= (uint8_t)(1u << at % 8);
        uint8_t *exact = malloc(at > 0 ? at : 1);
        memcpy(exact, entry, at);
        cr_assert_neq(gv_trust_add(trust, &added, exact, at), GV_OK, "cut at %zu", at);
        free(exact);
    }
    struct gv_swarm_id other = {{7}};
    struct gv_entry foreign = {.kind = GV_ENTRY_REVOKE, .target = id[B], .by_root = true};
    cr_assert_eq(gv_entry_sign(entry, &bytes, &foreign, &other, f.root), GV_OK);
    cr_assert_eq(gv_trust_add(trust, &added, entry, bytes), GV_ERR_SWARM);
    cr_assert_eq(gv_entry_sign(entry, &bytes, &foreign, &f.swarm, key[A]), GV_OK);
    cr_assert_eq(gv_trust_add(trust, &added, entry, bytes), GV_ERR_SIGNATURE, "a member posing as the root");
    foreign.by_root = false;
    foreign.issuer_chain = chain[X];
    cr_assert_eq(gv_entry_sign(entry, &bytes, &foreign, &f.swarm, key[X]), GV_OK);
    cr_assert_eq(gv_trust_add(trust, &added, entry, bytes), GV_ERR_CHAIN, "an invite's key issues no entries");
    cr_assert_eq(gv_trust_count(trust), 0);
}

Test(trust, the_largest_entry_fits_and_kept_ids_are_sorted_and_single)
{
    uint8_t entry[GV_TRUST_ENTRY_BYTES_MAX];
    size_t bytes, bytes_again;
    uint8_t again[GV_TRUST_ENTRY_BYTES_MAX];
    bool added;
    struct gv_entry big = {
        .kind = GV_ENTRY_CLOSE, .target = id[X], .kept_count = GV_KEPT_IDS_MAX, .issuer_chain = chain[C]};
    for (uint32_t i = 0; i < GV_KEPT_IDS_MAX; i++) {
        memset(big.kept[i].b, (int)(GV_KEPT_IDS_MAX - i), GV_ID_BYTES);
    }
    cr_assert_eq(gv_entry_sign(entry, &bytes, &big, &f.swarm, key[C]), GV_OK);
    cr_assert_eq(gv_trust_add(trust, &added, entry, bytes), GV_OK);
    cr_assert(added);
    big.kept_count = 2;
    big.kept[1] = big.kept[0];
    cr_assert_eq(gv_entry_sign(entry, &bytes, &big, &f.swarm, key[C]), GV_OK);
    big.kept_count = 1;
    cr_assert_eq(gv_entry_sign(again, &bytes_again, &big, &f.swarm, key[C]), GV_OK);
    cr_assert_eq(bytes, bytes_again);
    cr_assert_eq(memcmp(entry, again, bytes), 0);
}

Test(trust, digest_and_hashes_name_the_set_whatever_the_order)
{
    uint8_t one[GV_TRUST_ENTRY_BYTES_MAX], two[GV_TRUST_ENTRY_BYTES_MAX];
    size_t one_bytes = make(one, GV_ENTRY_REVOKE, BY_ROOT, B, -1, 1);
    size_t two_bytes = make(two, GV_ENTRY_CLOSE, A, X, -1, 2);
    bool added;
    struct gv_trust *other;
    cr_assert_eq(gv_trust_new(&other, gv_sign_key_public(f.root)), GV_OK);
    cr_assert_eq(gv_trust_add(trust, &added, one, one_bytes), GV_OK);
    cr_assert_eq(gv_trust_add(trust, &added, two, two_bytes), GV_OK);
    cr_assert_eq(gv_trust_add(other, &added, two, two_bytes), GV_OK);
    cr_assert_eq(gv_trust_add(other, &added, one, one_bytes), GV_OK);
    cr_assert_eq(gv_trust_digest(trust), gv_trust_digest(other));
    cr_assert_neq(gv_trust_digest(trust), 0);
    cr_assert_eq(gv_trust_add(trust, &added, one, one_bytes), GV_OK);
    cr_assert_not(added);
    struct gv_hash hash = gv_hash_of(one, one_bytes);
    cr_assert_eq(gv_trust_hashes(trust).bytes, 16);
    cr_assert_eq(memcmp(gv_trust_hashes(trust).data, hash.b, 8), 0);
    cr_assert_eq(gv_trust_entry(trust, 1).bytes, two_bytes);
    cr_assert_eq(memcmp(gv_trust_entry(trust, 1).data, two, two_bytes), 0);
    gv_trust_free(&other);
}

Test(trust, one_member_cannot_fill_the_table)
{
    bool added;
    for (uint64_t i = 0; i < GV_TRUST_PER_ISSUER_MAX; i++) {
        cr_assert_eq(add_at(GV_ENTRY_REVOKE, D, A, -1, 1000 + i, &added), GV_OK);
        cr_assert(added);
    }
    cr_assert_eq(add_at(GV_ENTRY_REVOKE, D, A, -1, 5000, &added), GV_ERR_FULL, "the latest gives way");
    cr_assert_eq(add_at(GV_ENTRY_REVOKE, D, A, -1, 5, &added), GV_OK, "an earlier one takes its place");
    cr_assert_eq(gv_trust_count(trust), GV_TRUST_PER_ISSUER_MAX);
    cr_assert_eq(gv_trust_hashes(trust).bytes, 8 * GV_TRUST_PER_ISSUER_MAX);
    cr_assert_eq(add_at(GV_ENTRY_REVOKE, A, B, -1, 9000, &added), GV_OK, "others are not touched by it");
}

Test(trust, what_a_full_bucket_holds_does_not_depend_on_the_order)
{
    struct gv_trust *other;
    bool added;
    uint8_t entry[GV_TRUST_ENTRY_BYTES_MAX];
    cr_assert_eq(gv_trust_new(&other, gv_sign_key_public(f.root)), GV_OK);
    for (uint64_t i = 0; i < 2 * GV_TRUST_PER_ISSUER_MAX; i++) {
        uint64_t there = i * 29 % (2 * GV_TRUST_PER_ISSUER_MAX);
        size_t bytes = make(entry, GV_ENTRY_REVOKE, D, A, -1, i);
        enum gv_err err = gv_trust_add(trust, &added, entry, bytes);
        cr_assert(err == GV_OK || err == GV_ERR_FULL);
        bytes = make(entry, GV_ENTRY_REVOKE, D, A, -1, there);
        err = gv_trust_add(other, &added, entry, bytes);
        cr_assert(err == GV_OK || err == GV_ERR_FULL);
    }
    cr_assert_eq(gv_trust_digest(trust), gv_trust_digest(other));
    cr_assert_eq(gv_trust_count(other), GV_TRUST_PER_ISSUER_MAX);
    gv_trust_free(&other);
}

Test(trust, a_member_with_many_identities_is_held_to_its_branch_and_the_root_finds_room)
{
    /* D invites one identity after another; each writes as many entries as one may. */
    struct gv_chain invite = chain[D];
    fixture_extend(&invite, &f, GV_CERT_INVITE, key[Y], key[D]);
    uint8_t bytes[GV_TRUST_ENTRY_BYTES_MAX];
    bool added;
    for (uint32_t sybil = 0; sybil < 30; sybil++) {
        struct gv_sign_key *puppet = fixture_key((uint8_t)(100 + sybil));
        struct gv_entry entry = {.kind = GV_ENTRY_REVOKE, .target = id[A], .issuer_chain = invite};
        fixture_extend(&entry.issuer_chain, &f, GV_CERT_MEMBER, puppet, key[Y]);
        for (uint32_t i = 0; i < GV_TRUST_PER_ISSUER_MAX; i++) {
            size_t count;
            entry.issued_s = EXAMPLE_TIME + i;
            cr_assert_eq(gv_entry_sign(bytes, &count, &entry, &f.swarm, puppet), GV_OK);
            enum gv_err err = gv_trust_add(trust, &added, bytes, count);
            cr_assert(err == GV_OK || err == GV_ERR_FULL);
        }
        gv_sign_key_free(&puppet);
    }
    cr_assert_eq(gv_trust_count(trust), GV_TRUST_MEMBERS_MAX, "D is of the first generation");
    cr_assert_eq(add(GV_ENTRY_CLOSE, BY_ROOT, Y, -1), GV_OK);
    cr_assert_eq(gv_trust_count(trust), 1, "one word of the root makes it all void");
}

/* As many entries as one identity may write, by each of so many that D, of this chain, has invited. */
static void fill_branch(struct gv_trust *into, uint32_t puppets, const struct gv_chain *inviter)
{
    struct gv_chain invite = *inviter;
    fixture_extend(&invite, &f, GV_CERT_INVITE, key[Y], key[D]);
    uint8_t bytes[GV_TRUST_ENTRY_BYTES_MAX];
    bool added;
    for (uint32_t i = 0; i < puppets * GV_TRUST_PER_ISSUER_MAX; i++) {
        struct gv_sign_key *puppet = fixture_key((uint8_t)(100 + i / GV_TRUST_PER_ISSUER_MAX));
        struct gv_entry entry = {.kind = GV_ENTRY_REVOKE, .target = id[A], .issued_s = i, .issuer_chain = invite};
        size_t count;
        fixture_extend(&entry.issuer_chain, &f, GV_CERT_MEMBER, puppet, key[Y]);
        cr_assert_eq(gv_entry_sign(bytes, &count, &entry, &f.swarm, puppet), GV_OK);
        cr_assert_eq(gv_trust_add(into, &added, bytes, count), GV_OK);
        gv_sign_key_free(&puppet);
    }
}

/* D -> (invite Y) -> B -> (invite X) -> D: it is of the first generation and of the third. */
static struct gv_chain third_generation(void)
{
    struct gv_chain twice = chain[D];
    fixture_extend(&twice, &f, GV_CERT_INVITE, key[Y], key[D]);
    fixture_extend(&twice, &f, GV_CERT_MEMBER, key[B], key[Y]);
    fixture_extend(&twice, &f, GV_CERT_INVITE, key[X], key[B]);
    fixture_extend(&twice, &f, GV_CERT_MEMBER, key[D], key[X]);
    return twice;
}

Test(trust, a_member_invited_by_its_own_guest_brings_no_two_nodes_to_disagree)
{
    struct gv_entry entry = {
        .kind = GV_ENTRY_REVOKE, .target = id[A], .issued_s = EXAMPLE_TIME, .issuer_chain = third_generation()};
    uint8_t bytes[GV_TRUST_ENTRY_BYTES_MAX];
    size_t count;
    bool added;
    cr_assert_eq(gv_entry_sign(bytes, &count, &entry, &f.swarm, key[D]), GV_OK);
    const uint32_t puppets = (GV_TRUST_MEMBERS_MAX >> 2) / GV_TRUST_PER_ISSUER_MAX; /* what the third one may hold */
    struct gv_trust *other;
    cr_assert_eq(gv_trust_new(&other, gv_sign_key_public(f.root)), GV_OK);
    cr_assert_eq(gv_trust_add(other, &added, bytes, count), GV_OK);
    fill_branch(other, puppets, &chain[D]);
    fill_branch(trust, puppets, &chain[D]);
    (void)!gv_trust_add(trust, &added, bytes, count); /* as often as a neighbour offers it */
    cr_assert_eq(gv_trust_digest(trust), gv_trust_digest(other));
    gv_trust_free(&other);
}

Test(trust, an_entry_that_is_not_let_in_displaces_none)
{
    struct gv_entry entry = {
        .kind = GV_ENTRY_REVOKE, .target = id[A], .issued_s = EXAMPLE_TIME, .issuer_chain = third_generation()};
    fill_branch(trust, (GV_TRUST_MEMBERS_MAX >> 2) / GV_TRUST_PER_ISSUER_MAX, &entry.issuer_chain); /* all earlier */
    bool added;
    for (uint64_t i = 0; i < GV_TRUST_PER_ISSUER_MAX; i++) {
        cr_assert_eq(add_at(GV_ENTRY_REVOKE, D, A, -1, EXAMPLE_TIME + 1 + i, &added), GV_OK);
    }
    uint64_t digest = gv_trust_digest(trust);
    uint8_t bytes[GV_TRUST_ENTRY_BYTES_MAX];
    size_t count;
    cr_assert_eq(gv_entry_sign(bytes, &count, &entry, &f.swarm, key[D]), GV_OK);
    cr_assert_eq(gv_trust_add(trust, &added, bytes, count), GV_ERR_FULL, "one more of its third generation");
    cr_assert_eq(gv_trust_digest(trust), digest, "and its first keeps what it has");
}

Test(trust, the_roots_entries_displace_members_when_the_table_is_full)
{
    bool added;
    cr_assert_eq(add_at(GV_ENTRY_REVOKE, D, A, -1, 1, &added), GV_OK);
    for (uint64_t i = 0; i < GV_TRUST_ENTRIES_MAX; i++) {
        cr_assert_eq(add_at(GV_ENTRY_REVOKE, BY_ROOT, Y, -1, i, &added), GV_OK, "%d", (int)i);
    }
    cr_assert_eq(gv_trust_count(trust), GV_TRUST_ENTRIES_MAX);
    cr_assert_eq(add_at(GV_ENTRY_REVOKE, BY_ROOT, Y, -1, 9999, &added), GV_ERR_FULL);
    cr_assert_eq(add_at(GV_ENTRY_REVOKE, D, A, -1, 0, &added), GV_ERR_FULL);
}

Test(trust, of_too_many_by_the_root_the_earliest_are_held_in_any_order)
{
    enum { ALL = GV_TRUST_ENTRIES_MAX + 6 };
    struct gv_trust *other;
    bool added;
    uint8_t entry[GV_TRUST_ENTRY_BYTES_MAX];
    cr_assert_eq(gv_trust_new(&other, gv_sign_key_public(f.root)), GV_OK);
    for (uint64_t i = 0; i < ALL; i++) {
        size_t bytes = make(entry, GV_ENTRY_REVOKE, BY_ROOT, Y, -1, i);
        cr_assert_eq(gv_trust_add(trust, &added, entry, bytes), i < GV_TRUST_ENTRIES_MAX ? GV_OK : GV_ERR_FULL);
        bytes = make(entry, GV_ENTRY_REVOKE, BY_ROOT, Y, -1, ALL - 1 - i);
        cr_assert_eq(gv_trust_add(other, &added, entry, bytes), GV_OK);
    }
    cr_assert_eq(gv_trust_count(other), GV_TRUST_ENTRIES_MAX);
    cr_assert_eq(gv_trust_digest(trust), gv_trust_digest(other), "or they would ask each other for ever");
    gv_trust_free(&other);
}

Test(trust, admission_looks_at_expiry_and_uses_but_expels_nobody)
{
    uint64_t before = EXAMPLE_TIME + 3600;
    uint64_t after = EXAMPLE_TIME + 8 * 86400;
    struct gv_chain second = chain[X];
    fixture_extend(&second, &f, GV_CERT_MEMBER, key[C], key[X]);
    cr_assert_eq(gv_trust_admit(trust, &chain[B], before), GV_OK);
    cr_assert_eq(gv_trust_admit(trust, &chain[B], after), GV_ERR_EXPIRED);
    cr_assert_eq(gv_trust_admit(trust, &chain[D], after), GV_OK, "the root's own word does not expire");
    gv_trust_seen(trust, &chain[B]);
    gv_trust_seen(trust, &chain[B]);
    cr_assert_eq(gv_trust_admit(trust, &chain[B], after), GV_OK, "seen before");
    cr_assert_eq(gv_trust_admit(trust, &second, before), GV_ERR_USED_UP, "uses = 1");
    struct gv_id users[2];
    cr_assert_eq(gv_trust_users(trust, &id[X], users, 2), 1);
    cr_assert(gv_id_equal(&users[0], &id[B]));
    gv_trust_seen(trust, &second); /* admitted elsewhere at the same time */
    cr_assert_eq(gv_trust_admit(trust, &second, before), GV_OK);
    cr_assert_eq(gv_trust_users(trust, &id[X], NULL, 0), 2);
    cr_assert_eq(add(GV_ENTRY_CLOSE, A, X, B), GV_OK);
    cr_assert_eq(gv_trust_admit(trust, &second, before), GV_ERR_CLOSED);
    cr_assert_eq(gv_trust_admit(trust, &chain[B], before), GV_OK);
}

/* Member number `n` of those made up by whoever has the invite at the end of this chain; not verified here, so
   signatures do not matter. */
static struct gv_chain guest(const struct gv_chain *invited, uint32_t n)
{
    struct gv_chain chain_of = *invited;
    struct gv_cert user = {.kind = GV_CERT_MEMBER, .swarm = f.swarm};
    memcpy(user.subject.b, &n, sizeof n);
    chain_of.link[chain_of.count++] = user;
    return chain_of;
}

Test(trust, uses_are_remembered_within_bounds_and_per_inviter)
{
    uint64_t after = EXAMPLE_TIME + 8 * 86400;
    struct gv_chain of_a = chain[X];
    of_a.link[of_a.count - 1].uses = GV_INVITE_USES_MAX;
    gv_trust_seen(trust, &chain[B]);
    struct gv_chain user = {0};
    for (uint32_t i = 0; i < GV_TRUST_SEEN_PER_INVITER_MAX + 10; i++) {
        user = guest(&of_a, i);
        gv_trust_seen(trust, &user);
    }
    cr_assert_eq(gv_trust_users(trust, &id[X], NULL, 0), GV_TRUST_SEEN_PER_INVITER_MAX);
    cr_assert_eq(gv_trust_admit(trust, &chain[B], after), GV_OK, "the first is remembered");
    cr_assert_eq(gv_trust_admit(trust, &user, after), GV_OK, "and so is the last");
    gv_trust_seen(trust, &chain[C]);
    cr_assert_eq(gv_trust_users(trust, &id[Y], NULL, 0), 1, "another inviter's are not touched");
}

Test(trust, who_has_an_invite_makes_nobody_forget_those_that_came_by_it_before)
{
    uint64_t after = EXAMPLE_TIME + 8 * 86400;
    gv_trust_seen(trust, &chain[B]);
    for (uint32_t i = 0; i < GV_TRUST_SEEN_PER_INVITER_MAX + 10; i++) {
        struct gv_chain user = guest(&chain[X], i);
        gv_trust_seen(trust, &user);
    }
    cr_assert_eq(gv_trust_admit(trust, &chain[B], after), GV_OK, "the invite has expired since it came");
    cr_assert_eq(gv_trust_users(trust, &id[X], NULL, 0), 2, "twice the uses: some were admitted elsewhere meanwhile");
}

Test(trust, who_lets_in_any_number_makes_nobody_forget_those_that_others_have_let_in)
{
    enum { INVITERS = 200, GUESTS = 100 };
    uint64_t after = EXAMPLE_TIME + 8 * 86400;
    struct gv_chain of_d = chain[D]; /* who makes members that invite others */
    fixture_extend(&of_d, &f, GV_CERT_INVITE, key[Y], key[D]);
    of_d.link[of_d.count - 1].uses = GV_INVITE_USES_MAX;
    gv_trust_seen(trust, &chain[B]);
    gv_trust_seen(trust, &chain[C]);
    for (uint32_t i = 0; i < INVITERS; i++) {
        struct gv_chain inviter = guest(&of_d, 1000000 + i);
        gv_trust_seen(trust, &inviter);
        struct gv_cert invite = chain[X].link[chain[X].count - 1];
        memcpy(invite.subject.b, &i, sizeof i);
        invite.uses = GUESTS;
        inviter.link[inviter.count++] = invite;
        for (uint32_t k = 0; k < GUESTS; k++) {
            struct gv_chain user = guest(&inviter, i * GUESTS + k);
            gv_trust_seen(trust, &user);
        }
    }
    cr_expect_eq(gv_trust_admit(trust, &chain[B], after), GV_OK, "it came when there was room");
    cr_expect_eq(gv_trust_admit(trust, &chain[C], after), GV_OK);
    struct gv_chain late = chain[A];
    fixture_extend(&late, &f, GV_CERT_INVITE, key[C], key[A]);
    fixture_extend(&late, &f, GV_CERT_MEMBER, key[X], key[C]);
    cr_expect(gv_trust_seen(trust, &late));
    cr_expect_eq(gv_trust_admit(trust, &late, after), GV_OK, "and who comes later has room all the same");
    uint8_t *data;
    size_t bytes;
    cr_assert_eq(gv_trust_encode(trust, &data, &bytes), GV_OK);
    cr_expect_leq(bytes, 100 + 3 * GV_ID_BYTES * (size_t)GV_TRUST_SEEN_MAX);
    cr_expect_geq(bytes, 3 * GV_ID_BYTES * (size_t)GV_TRUST_SEEN_MAX, "no more is forgotten than need be");
    free(data);
}

Test(trust, comes_back_from_its_bytes)
{
    uint8_t *data;
    size_t bytes;
    struct gv_trust *back;
    cr_assert_eq(add(GV_ENTRY_CLOSE, A, X, B), GV_OK);
    cr_assert_eq(add(GV_ENTRY_REVOKE, BY_ROOT, D, -1), GV_OK);
    gv_trust_seen(trust, &chain[B]);
    gv_trust_seen(trust, &chain[C]);
    cr_assert_eq(gv_trust_encode(trust, &data, &bytes), GV_OK);
    cr_assert_eq(gv_trust_new(&back, gv_sign_key_public(f.root)), GV_OK);
    cr_assert_eq(gv_trust_decode(back, data, bytes), GV_OK);
    cr_assert_eq(gv_trust_digest(back), gv_trust_digest(trust));
    cr_assert_eq(gv_trust_check(back, &chain[D]), GV_ERR_REVOKED);
    cr_assert_eq(gv_trust_users(back, &id[X], NULL, 0), 1);
    cr_assert_eq(gv_trust_users(back, &id[Y], NULL, 0), 1);
    gv_trust_seen(back, &chain[B]);
    cr_assert_eq(gv_trust_users(back, &id[X], NULL, 0), 1);
    gv_trust_free(&back);
    for (size_t cut = 0; cut < bytes; cut++) {
        uint8_t *exact = malloc(cut > 0 ? cut : 1);
        memcpy(exact, data, cut);
        cr_assert_eq(gv_trust_new(&back, gv_sign_key_public(f.root)), GV_OK);
        cr_assert_eq(gv_trust_decode(back, exact, cut), GV_ERR_CORRUPT, "cut at %zu", cut);
        gv_trust_free(&back);
        free(exact);
    }
    cr_assert_eq(gv_trust_new(&back, gv_sign_key_public(key[A])), GV_OK);
    cr_assert_eq(gv_trust_decode(back, data, bytes), GV_ERR_CORRUPT, "another swarm's");
    gv_trust_free(&back);
    free(data);
}

Test(trust, an_empty_set_comes_back_too)
{
    uint8_t *data;
    size_t bytes;
    struct gv_trust *back;
    cr_assert_eq(gv_trust_encode(trust, &data, &bytes), GV_OK);
    cr_assert_eq(gv_trust_new(&back, gv_sign_key_public(f.root)), GV_OK);
    cr_assert_eq(gv_trust_decode(back, data, bytes), GV_OK);
    gv_trust_seen(back, &chain[B]);
    cr_assert_eq(gv_trust_users(back, &id[X], NULL, 0), 1);
    gv_trust_free(&back);
    free(data);
}
