/*
 * The table of records: what it finds, what it replaces, what it lets go.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory.h"
#include "proto_fixture.h"

static struct gv_directory *d;

static void setup(void)
{
    cr_assert_eq(gv_proto_init(), GV_OK);
    cr_assert_eq(gv_directory_new(&d, 8), GV_OK);
}

static void teardown(void)
{
    gv_directory_free(&d);
    cr_assert_null(d);
}

TestSuite(directory, .init = setup, .fini = teardown);

/* A record as the table sees it: it does not verify, so neither key nor bytes need be real. */
static struct gv_record record_of(uint8_t who, uint64_t incarnation, uint8_t curve)
{
    struct gv_record record = {.incarnation = incarnation, .sequence = who};
    memset(record.identity.b, who, sizeof record.identity.b);
    memset(record.curve.b, curve, sizeof record.curve.b);
    return record;
}

/* Its bytes here: who, incarnation and link key, padded. */
static size_t bytes_of(uint8_t out[64], const struct gv_record *record)
{
    memset(out, record->identity.b[0], 64);
    out[1] = (uint8_t)record->incarnation;
    out[2] = record->curve.b[0];
    return 64;
}

static struct gv_id id_of(uint8_t who)
{
    struct gv_record record = record_of(who, 0, 0);
    return gv_id_of(&record.identity);
}

static struct gv_hash hash_of(uint8_t who, uint64_t incarnation, uint8_t curve)
{
    uint8_t bytes[64];
    struct gv_record record = record_of(who, incarnation, curve);
    return gv_hash_of(bytes, bytes_of(bytes, &record));
}

static enum gv_err put(uint8_t who, uint64_t incarnation, uint8_t curve)
{
    uint8_t bytes[64];
    struct gv_ref ref;
    struct gv_record record = record_of(who, incarnation, curve);
    return gv_directory_put(d, &ref, &record, bytes, bytes_of(bytes, &record), NULL, NULL);
}

Test(directory, finds_by_id_and_hash)
{
    for (uint8_t who = 1; who <= 8; who++) {
        cr_assert_eq(put(who, 1, (uint8_t)(100 + who)), GV_OK);
    }
    for (uint8_t who = 1; who <= 8; who++) {
        struct gv_id id = id_of(who);
        struct gv_hash hash = hash_of(who, 1, (uint8_t)(100 + who));
        struct gv_record expected = record_of(who, 1, (uint8_t)(100 + who));
        struct gv_ref ref;
        cr_assert_eq(gv_directory_bytes(d, &id).bytes, 64);
        cr_assert_eq(gv_directory_bytes(d, &id).data[2], 100 + who);
        cr_assert_eq(memcmp(gv_directory_record(d, &id), &expected, sizeof expected), 0);
        cr_assert(gv_directory_knows(d, &hash, &ref));
        cr_assert(gv_id_equal(&ref.id, &id));
    }
    struct gv_id nobody = id_of(9);
    struct gv_hash nothing = hash_of(9, 1, 1);
    cr_assert_null(gv_directory_record(d, &nobody));
    cr_assert_null(gv_directory_bytes(d, &nobody).data);
    cr_assert_not(gv_directory_knows(d, &nothing, NULL));
}

Test(directory, a_newer_record_replaces_and_an_older_does_not)
{
    uint8_t bytes[64];
    struct gv_ref ref;
    struct gv_id id = id_of(1);
    struct gv_record old = record_of(1, 1, 50);
    cr_assert_eq(put(1, 1, 50), GV_OK);
    cr_assert_eq(put(1, 2, 60), GV_OK);
    cr_assert_eq(gv_directory_count(d), 1);
    cr_assert_eq(gv_directory_record(d, &id)->incarnation, 2);
    cr_assert_eq(gv_directory_put(d, &ref, &old, bytes, bytes_of(bytes, &old), NULL, NULL), GV_OK);
    cr_assert_eq(ref.incarnation, 2, "the stored one's");
    cr_assert_eq(gv_directory_record(d, &id)->incarnation, 2);
}

Test(directory, late_copies_of_replaced_records_are_known)
{
    for (uint64_t incarnation = 1; incarnation <= 6; incarnation++) {
        cr_assert_eq(put(1, incarnation, 50), GV_OK);
    }
    for (uint64_t incarnation = 1; incarnation <= 6; incarnation++) {
        struct gv_hash hash = hash_of(1, incarnation, 50);
        struct gv_ref ref = {.incarnation = 0};
        cr_assert_eq(gv_directory_knows(d, &hash, &ref), incarnation >= 3, "%d", (int)incarnation);
        cr_assert_eq(ref.incarnation, incarnation >= 3 ? 6 : 0, "what is stored, not what was asked for");
    }
}

static bool keep_low(void *context, const struct gv_id *id)
{
    uint8_t below = *(uint8_t *)context;
    for (uint8_t who = 1; who < below; who++) {
        struct gv_id kept = id_of(who);
        if (gv_id_equal(&kept, id)) {
            return true;
        }
    }
    return false;
}

Test(directory, the_oldest_not_kept_makes_room)
{
    uint8_t bytes[64];
    struct gv_ref ref;
    uint8_t below = 3; /* 1 and 2 are kept */
    for (uint8_t who = 1; who <= 8; who++) {
        cr_assert_eq(put(who, 1, who), GV_OK);
    }
    cr_assert_eq(put(3, 1, 3), GV_OK); /* confirmed: no longer the oldest */
    struct gv_record fresh = record_of(9, 1, 9);
    cr_assert_eq(gv_directory_put(d, &ref, &fresh, bytes, bytes_of(bytes, &fresh), keep_low, &below), GV_OK);
    struct gv_id four = id_of(4);
    cr_assert_null(gv_directory_record(d, &four));
    cr_assert_eq(gv_directory_count(d), 8);
    below = 10;
    fresh = record_of(10, 1, 10);
    cr_assert_eq(gv_directory_put(d, &ref, &fresh, bytes, bytes_of(bytes, &fresh), keep_low, &below), GV_ERR_FULL);
    fresh = record_of(9, 2, 9);
    cr_assert_eq(gv_directory_put(d, &ref, &fresh, bytes, bytes_of(bytes, &fresh), keep_low, &below), GV_OK,
                 "replacing needs no room");
}

Test(directory, what_is_removed_is_forgotten_and_the_rest_stays)
{
    struct gv_id one = id_of(1);
    struct gv_id two = id_of(2);
    struct gv_hash hash = hash_of(1, 1, 77);
    cr_assert_eq(put(1, 1, 77), GV_OK);
    cr_assert_eq(put(2, 1, 77), GV_OK);
    gv_directory_remove(d, &one);
    cr_assert_null(gv_directory_record(d, &one));
    cr_assert_not(gv_directory_knows(d, &hash, NULL));
    cr_assert_not_null(gv_directory_record(d, &two));
    gv_directory_remove(d, &one); /* again: nothing */
    cr_assert_eq(gv_directory_count(d), 1);
}

Test(directory, stays_consistent_under_random_changes)
{
    uint64_t state = fixture_seed();
    uint64_t newest[32] = {0}; /* incarnation stored, 0: none */
    gv_directory_free(&d);
    cr_assert_eq(gv_directory_new(&d, 32), GV_OK); /* never full: the model below need not know of evictions */
    for (int round = 0; round < 20000; round++) {
        uint8_t who = (uint8_t)(fixture_random(&state) % 32);
        struct gv_id id = id_of(who);
        uint64_t r = fixture_random(&state);
        if (r % 5 == 0) {
            gv_directory_remove(d, &id);
            newest[who] = 0;
        } else {
            uint64_t incarnation = 1 + r / 5 % 50;
            cr_assert_eq(put(who, incarnation, (uint8_t)(r >> 32 & 7)), GV_OK);
            newest[who] = incarnation > newest[who] ? incarnation : newest[who];
        }
        const struct gv_record *stored = gv_directory_record(d, &id);
        cr_assert_eq(stored != NULL ? stored->incarnation : 0, newest[who]);
        if (round % 100 == 0) {
            uint32_t count = 0;
            for (uint8_t i = 0; i < 32; i++) {
                count += newest[i] != 0 ? 1 : 0;
            }
            cr_assert_eq(gv_directory_count(d), count);
            for (uint32_t i = 0; i < count; i++) {
                struct gv_span span;
                const struct gv_record *at = gv_directory_at(d, i, &span);
                cr_assert_eq(at->incarnation, newest[at->identity.b[0]]);
                cr_assert_eq(span.data[1], (uint8_t)at->incarnation);
            }
        }
    }
}

Test(directory, a_capacity_must_be_one)
{
    struct gv_directory *none;
    cr_assert_eq(gv_directory_new(&none, 0), GV_ERR_RANGE);
    cr_assert_null(none);
    gv_directory_free(&none);
}
