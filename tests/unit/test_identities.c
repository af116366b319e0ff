/*
 * Identities of a simulation: what they sign is what the daemon's own verification accepts, and the short way of
 * checking bytes answers as the long one does.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>

#include "identities.h"
#include "record.h"
#include "trust.h"

#define NODES 50u
#define WALL 1800000000u

static struct gv_identities *ids;

static void create(struct gv_identities **out, enum gv_signatures signatures)
{
    cr_assert_eq(gv_identities_new(out, 7, NODES, signatures), GV_OK);
    for (uint32_t n = 0; n < NODES; n++) {
        cr_assert_eq(gv_identities_create(*out, n, n % 3 != 0, n % 4 == 1, WALL + n), GV_OK);
    }
    gv_identities_index(*out, 0, NODES);
}

static void setup(void)
{
    create(&ids, GV_SIGNATURES_MEMOISED);
}

static void teardown(void)
{
    gv_identities_free(&ids);
    cr_assert_null(ids);
}

TestSuite(identities, .init = setup, .fini = teardown);

static const struct gv_version *sign(uint32_t node, uint32_t sequence, uint64_t now_us)
{
    const struct gv_version *v = gv_identities_sign(ids, node, 3, 99, sequence, WALL, now_us);
    cr_assert_not_null(v);
    return v;
}

Test(identities, records_pass_the_daemons_own_verification)
{
    for (uint32_t n = 0; n < NODES; n++) {
        const struct gv_version *v = sign(n, 1, 0);
        struct gv_record record;
        cr_assert_eq(gv_record_verify(&record, gv_identities_root(ids), v->data, v->bytes), GV_OK);
        struct gv_ref real = gv_record_ref(&record);
        struct gv_ref ours = gv_identities_ref(ids, n, v);
        cr_assert(gv_id_equal(&real.id, &ours.id));
        cr_assert(gv_id_equal(&real.id, gv_identities_id(ids, n)));
        cr_assert_eq(real.incarnation, ours.incarnation);
        cr_assert_eq(real.boot, ours.boot);
        cr_assert_eq(real.sequence, ours.sequence);
        cr_assert_eq(real.flags, ours.flags);
        cr_assert_eq(real.flags, n % 3 != 0 ? GV_REF_DIALABLE : 0u);
        cr_assert_eq(memcmp(real.inviters, ours.inviters, sizeof real.inviters), 0);
        cr_assert_eq(real.inviters[0] != 0, n % 4 == 1, "invited by the member");
        uint32_t invite = n % 4 == 1 ? 1 : 0;
        cr_assert_eq(record.chain.count, invite + 2);
        cr_assert_eq(record.chain.link[invite].kind, GV_CERT_INVITE);
        cr_assert_eq(record.chain.link[invite].uses, GV_INVITE_USES_MAX);
    }
}

Test(identities, two_runs_of_one_seed_sign_the_same_bytes)
{
    struct gv_identities *again;
    create(&again, GV_SIGNATURES_REAL);
    const struct gv_version *a = sign(5, 1, 0);
    const struct gv_version *b = gv_identities_sign(again, 5, 3, 99, 1, WALL, 0);
    cr_assert_not_null(b);
    cr_assert_eq(a->bytes, b->bytes);
    cr_assert_eq(memcmp(a->data, b->data, a->bytes), 0);
    gv_identities_free(&again);
    cr_assert_eq(gv_identities_new(&again, 8, NODES, GV_SIGNATURES_MEMOISED), GV_OK);
    cr_assert_neq(memcmp(gv_identities_root(ids), gv_identities_root(again), sizeof(struct gv_sign_public)), 0);
    gv_identities_free(&again);
}

Test(identities, a_record_altered_or_cut_anywhere_is_refused)
{
    const struct gv_version *v = sign(4, 1, 0);
    (void)sign(5, 1, 0);
    uint8_t *copy = malloc(v->bytes);
    cr_assert_not_null(copy);
    memcpy(copy, v->data, v->bytes);
    uint32_t node;
    struct gv_ref ref;
    cr_assert_eq(gv_identities_verify(ids, &node, &ref, copy, v->bytes), GV_OK);
    cr_assert_eq(node, 4);
    for (size_t at = 0; at < v->bytes; at++) {
        copy[at] ^= (uint8_t)(1u << at % 8);
        cr_assert_neq(gv_identities_verify(ids, &node, &ref, copy, v->bytes), GV_OK, "byte %zu", at);
        copy[at] ^= (uint8_t)(1u << at % 8);
    }
    free(copy);
    for (size_t cut = 0; cut < v->bytes; cut++) {
        uint8_t *exact = malloc(cut > 0 ? cut : 1);
        cr_assert_not_null(exact);
        memcpy(exact, v->data, cut);
        cr_assert_neq(gv_identities_verify(ids, &node, &ref, exact, cut), GV_OK, "cut at %zu", cut);
        free(exact);
    }
}

Test(identities, real_and_memoised_verification_agree)
{
    struct gv_identities *real;
    create(&real, GV_SIGNATURES_REAL);
    for (uint32_t sequence = 1; sequence <= 4; sequence++) {
        const struct gv_version *v = sign(8, sequence, sequence);
        cr_assert_not_null(gv_identities_sign(real, 8, 3, 99, sequence, WALL, sequence));
        uint32_t node[2];
        struct gv_ref ref[2];
        memset(ref, 0, sizeof ref);
        cr_assert_eq(gv_identities_verify(ids, &node[0], &ref[0], v->data, v->bytes), GV_OK);
        cr_assert_eq(gv_identities_verify(real, &node[1], &ref[1], v->data, v->bytes), GV_OK);
        cr_assert_eq(node[0], 8);
        cr_assert_eq(node[1], 8);
        cr_assert_eq(memcmp(&ref[0], &ref[1], sizeof ref[0]), 0);
        cr_assert_eq(ref[0].sequence, sequence);
    }
    gv_identities_free(&real);
}

Test(identities, a_record_of_another_swarm_is_refused)
{
    struct gv_identities *other;
    cr_assert_eq(gv_identities_new(&other, 1, NODES, GV_SIGNATURES_MEMOISED), GV_OK);
    cr_assert_eq(gv_identities_create(other, 0, true, false, WALL), GV_OK);
    const struct gv_version *v = gv_identities_sign(other, 0, 1, 1, 1, WALL, 0);
    uint32_t node;
    struct gv_ref ref;
    cr_assert_eq(gv_identities_verify(ids, &node, &ref, v->data, v->bytes), GV_ERR_SWARM);
    gv_identities_free(&other);
}

Test(identities, every_node_is_found_by_its_id_and_strangers_are_not)
{
    for (uint32_t n = 0; n < NODES; n++) {
        cr_assert_eq(gv_identities_find(ids, gv_identities_id(ids, n)), n);
        struct gv_id stranger = *gv_identities_id(ids, n);
        stranger.b[31] ^= 1; /* the same place in the table */
        cr_assert_eq(gv_identities_find(ids, &stranger), GV_NODE_NONE);
    }
    struct gv_id zero = {0};
    cr_assert_eq(gv_identities_find(ids, &zero), GV_NODE_NONE);
}

Test(identities, versions_are_found_exactly_until_they_are_pruned)
{
    const struct gv_version *v[4];
    for (uint32_t i = 0; i < 4; i++) {
        v[i] = sign(2, i + 1, 1000 * i);
    }
    (void)sign(3, 1, 0);
    struct gv_ref ref[4];
    for (uint32_t i = 0; i < 4; i++) {
        ref[i] = gv_identities_ref(ids, 2, v[i]);
        cr_assert_eq(gv_identities_version(ids, 2, &ref[i]), v[i]);
        struct gv_ref other = ref[i];
        other.boot++;
        cr_assert_null(gv_identities_version(ids, 2, &other));
    }
    gv_identities_prune(ids, 5000, 3000); /* superseded at 1000, 2000, 3000 */
    cr_assert_null(gv_identities_version(ids, 2, &ref[0]));
    cr_assert_eq(gv_identities_version(ids, 2, &ref[1]), v[1]);
    cr_assert_eq(gv_identities_version(ids, 2, &ref[2]), v[2]);
    gv_identities_prune(ids, UINT64_MAX, 0);
    cr_assert_null(gv_identities_version(ids, 2, &ref[2]));
    cr_assert_eq(gv_identities_version(ids, 2, &ref[3]), v[3]);
    struct gv_ref first = {.incarnation = 3, .boot = 99, .sequence = 1};
    cr_assert_not_null(gv_identities_version(ids, 3, &first));
}

/* A hostile node signs one number twice; who looks it up meanwhile must not find now this one, now that. */
Test(identities, of_one_incarnation_boot_and_sequence_there_is_one_record)
{
    const struct gv_version *first = gv_identities_sign(ids, 2, 3, 99, 1, WALL, 0);
    cr_assert_eq(gv_identities_sign(ids, 2, 3, 99, 1, WALL + 5, 5000000), first);
    cr_assert_neq(gv_identities_sign(ids, 2, 3, 100, 1, WALL + 5, 5000000), first);
}

/* Two processes with one key, as after a copy: only one of them signed last. */
Test(identities, a_version_that_is_kept_survives_being_superseded)
{
    const struct gv_version *a = gv_identities_sign(ids, 2, 1, 1, 0, WALL, 100);
    const struct gv_version *b = gv_identities_sign(ids, 2, 1, 2, 0, WALL, 50); /* pushed later, signed earlier */
    const struct gv_version *c = gv_identities_sign(ids, 2, 1, 2, 1, WALL, 200);
    cr_assert(a != NULL && b != NULL && c != NULL);
    struct gv_ref ref_a = gv_identities_ref(ids, 2, a);
    struct gv_ref ref_b = gv_identities_ref(ids, 2, b);
    gv_identities_prune(ids, 1000, 850); /* b was superseded at 100, a at 200 */
    cr_assert_null(gv_identities_version(ids, 2, &ref_b));
    cr_assert_eq(gv_identities_version(ids, 2, &ref_a), a);
    gv_identities_keep(ids, 2, a);
    gv_identities_keep(ids, 2, NULL);
    gv_identities_prune(ids, 1000, 0);
    cr_assert_eq(gv_identities_version(ids, 2, &ref_a), a);
    gv_identities_prune(ids, 1000, 0);
    cr_assert_null(gv_identities_version(ids, 2, &ref_a));
}

Test(identities, bytes_of_a_pruned_version_are_still_good)
{
    const struct gv_version *v = sign(2, 1, 0);
    uint32_t bytes = v->bytes;
    uint8_t *copy = malloc(bytes);
    cr_assert_not_null(copy);
    memcpy(copy, v->data, bytes);
    (void)sign(2, 2, 10);
    gv_identities_prune(ids, 1000, 0);
    uint32_t node;
    struct gv_ref ref;
    cr_assert_eq(gv_identities_verify(ids, &node, &ref, copy, bytes), GV_OK);
    cr_assert_eq(node, 2);
    cr_assert_eq(ref.sequence, 1);
    free(copy);
}

Test(identities, revocations_are_those_of_a_real_trust_set)
{
    struct gv_trust *trust;
    cr_assert_eq(gv_trust_new(&trust, gv_identities_root(ids)), GV_OK);
    uint64_t held = 0;
    cr_assert_eq(gv_identities_digest(ids, held), gv_trust_digest(trust));
    for (uint32_t i = 0; i < 5; i++) {
        uint32_t entry;
        bool added;
        cr_assert_eq(gv_identities_revoke(ids, 2 * i, WALL + i, &entry), GV_OK);
        cr_assert_eq(entry, i);
        cr_assert_eq(gv_identities_entry_target(ids, entry), 2 * i);
        cr_assert(gv_id_equal(&gv_identities_targets(ids)[entry], gv_identities_id(ids, 2 * i)));
        if (i == 3) {
            continue; /* this node does not know of it */
        }
        struct gv_span span = gv_identities_entry(ids, entry);
        cr_assert_eq(gv_trust_add(trust, &added, span.data, span.bytes), GV_OK);
        cr_assert(added);
        held |= UINT64_C(1) << entry;
        cr_assert_eq(gv_identities_digest(ids, held), gv_trust_digest(trust));
    }
    uint8_t hashes[8 * GV_ENTRIES_MAX];
    size_t bytes = gv_identities_hashes(ids, held, hashes);
    struct gv_span real = gv_trust_hashes(trust);
    cr_assert_eq(bytes, real.bytes);
    cr_assert_eq(memcmp(hashes, real.data, bytes), 0);
    cr_assert_eq(gv_identities_named(ids, hashes, bytes), held);
    cr_assert_eq(gv_identities_named(ids, hashes + 8, bytes - 8), held & ~UINT64_C(1));
    hashes[0] ^= 1;
    cr_assert_eq(gv_identities_named(ids, hashes, bytes), held & ~UINT64_C(1));
    gv_trust_free(&trust);
}

Test(identities, an_altered_revocation_is_refused)
{
    struct gv_identities *real;
    create(&real, GV_SIGNATURES_REAL);
    uint32_t entry;
    for (uint32_t node = 9; node < 11; node++) {
        cr_assert_eq(gv_identities_revoke(ids, node, WALL, &entry), GV_OK);
        cr_assert_eq(gv_identities_revoke(real, node, WALL, &entry), GV_OK);
    }
    struct gv_span span = gv_identities_entry(ids, entry);
    cr_assert_eq(gv_identities_entry_verify(ids, &entry, span.data, span.bytes), GV_OK);
    cr_assert_eq(entry, 1);
    cr_assert_eq(gv_identities_entry_verify(real, &entry, span.data, span.bytes), GV_OK);
    cr_assert_eq(entry, 1);
    uint8_t *copy = malloc(span.bytes);
    cr_assert_not_null(copy);
    memcpy(copy, span.data, span.bytes);
    for (size_t at = 0; at < span.bytes; at++) {
        copy[at] ^= (uint8_t)(1u << at % 8);
        cr_assert_neq(gv_identities_entry_verify(ids, &entry, copy, span.bytes), GV_OK, "byte %zu", at);
        copy[at] ^= (uint8_t)(1u << at % 8);
        cr_assert_neq(gv_identities_entry_verify(ids, &entry, copy, at), GV_OK, "cut at %zu", at);
    }
    free(copy);
    gv_identities_free(&real);
}

Test(identities, there_is_room_for_so_many_revocations_and_no_more)
{
    uint32_t entry;
    for (uint32_t i = 0; i < GV_ENTRIES_MAX; i++) {
        cr_assert_eq(gv_identities_revoke(ids, i % NODES, WALL + i, &entry), GV_OK);
    }
    cr_assert_eq(gv_identities_revoke(ids, 0, WALL + GV_ENTRIES_MAX, &entry), GV_ERR_FULL);
    cr_assert_eq(gv_identities_revoke(ids, 1, WALL + 1, &entry), GV_OK); /* the same once more */
    cr_assert_eq(entry, 1);
    uint8_t hashes[8 * GV_ENTRIES_MAX];
    cr_assert_eq(gv_identities_hashes(ids, UINT64_MAX, hashes), sizeof hashes);
    cr_assert_eq(gv_identities_named(ids, hashes, sizeof hashes), UINT64_MAX);
}

Test(identities, farewells_pass_the_daemons_own_verification_and_no_altered_one_does)
{
    cr_assert_eq(gv_identities_farewell(ids, 6).bytes, 0);
    cr_assert_eq(gv_identities_leave(ids, 6, 12), GV_OK);
    cr_assert_eq(gv_identities_leave(ids, 7, 1), GV_OK);
    struct gv_span span = gv_identities_farewell(ids, 6);
    struct gv_swarm_id swarm = gv_identities_swarm(ids);
    struct gv_id id;
    uint64_t incarnation;
    cr_assert_eq(gv_leave_verify(&id, &incarnation, &swarm, span.data, span.bytes), GV_OK);
    cr_assert(gv_id_equal(&id, gv_identities_id(ids, 6)));
    cr_assert_eq(incarnation, 12);
    incarnation = 0;
    cr_assert_eq(gv_identities_farewell_verify(ids, &id, &incarnation, span.data, span.bytes), GV_OK);
    cr_assert(gv_id_equal(&id, gv_identities_id(ids, 6)));
    cr_assert_eq(incarnation, 12);
    uint8_t copy[GV_LEAVE_BYTES_MAX];
    memcpy(copy, span.data, span.bytes);
    for (size_t at = 0; at < span.bytes; at++) {
        copy[at] ^= (uint8_t)(1u << at % 8);
        cr_assert_neq(gv_identities_farewell_verify(ids, &id, &incarnation, copy, span.bytes), GV_OK, "byte %zu", at);
        copy[at] ^= (uint8_t)(1u << at % 8);
        cr_assert_neq(gv_identities_farewell_verify(ids, &id, &incarnation, copy, at), GV_OK, "cut at %zu", at);
    }
}

Test(identities, a_second_farewell_does_not_unsay_the_first)
{
    cr_assert_eq(gv_identities_leave(ids, 6, 1), GV_OK);
    struct gv_span first = gv_identities_farewell(ids, 6);
    cr_assert_eq(gv_identities_leave(ids, 6, 2), GV_OK);
    struct gv_id id;
    uint64_t incarnation;
    cr_assert_eq(gv_identities_farewell_verify(ids, &id, &incarnation, first.data, first.bytes), GV_OK);
    cr_assert_eq(incarnation, 1);
    struct gv_span second = gv_identities_farewell(ids, 6);
    cr_assert_eq(gv_identities_farewell_verify(ids, &id, &incarnation, second.data, second.bytes), GV_OK);
    cr_assert_eq(incarnation, 2);
}

/* ---- threads ------------------------------------------------------------------------------------------------- */

#define WORKERS 4u
#define ROUNDS 20u

struct worker {
    pthread_t thread;
    uint32_t index;
    uint32_t wrong;
};

static void *make_some(void *argument)
{
    struct worker *w = argument;
    for (uint32_t n = w->index; n < NODES; n += WORKERS) {
        w->wrong += gv_identities_create(ids, n, true, false, WALL) != GV_OK ? 1 : 0;
    }
    return NULL;
}

/* Signs for its own nodes and reads everybody's. */
static void *sign_and_read(void *argument)
{
    struct worker *w = argument;
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        uint32_t own = w->index + WORKERS * (round % 5);
        const struct gv_version *mine = gv_identities_sign(ids, own, 3, 99, 10 + round, WALL, round);
        const struct gv_version *shared = gv_identities_sign(ids, NODES - 1, 3, w->index, round, WALL, round);
        w->wrong += mine == NULL || shared == NULL ? 1 : 0;
        for (uint32_t n = 0; n < NODES; n++) {
            struct gv_ref first = {.incarnation = 3, .boot = 99, .sequence = 1};
            const struct gv_version *v = gv_identities_version(ids, n, &first);
            uint32_t node = GV_NODE_NONE;
            struct gv_ref ref;
            bool good = v != NULL && gv_identities_verify(ids, &node, &ref, v->data, v->bytes) == GV_OK && node == n;
            w->wrong += good && gv_identities_find(ids, &ref.id) == n ? 0 : 1;
        }
    }
    return NULL;
}

static uint32_t on_all_threads(void *(*work)(void *))
{
    struct worker workers[WORKERS];
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.index = i};
        cr_assert_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (uint32_t i = 0; i < WORKERS; i++) {
        cr_assert_eq(pthread_join(workers[i].thread, NULL), 0);
        wrong += workers[i].wrong;
    }
    return wrong;
}

Test(identities, threads_create_sign_and_look_up_at_once)
{
    gv_identities_free(&ids);
    cr_assert_eq(gv_identities_new(&ids, 7, NODES, GV_SIGNATURES_MEMOISED), GV_OK);
    cr_assert_eq(on_all_threads(make_some), 0);
    gv_identities_index(ids, 0, NODES);
    for (uint32_t n = 0; n < NODES; n++) {
        (void)sign(n, 1, 0);
    }
    cr_assert_eq(on_all_threads(sign_and_read), 0);
    for (uint32_t i = 0; i < WORKERS * ROUNDS; i++) { /* none is lost where all signed with one key */
        struct gv_ref ref = {.incarnation = 3, .boot = i / ROUNDS, .sequence = 1 + i % ROUNDS};
        cr_assert_not_null(gv_identities_version(ids, NODES - 1, &ref));
    }
}
