/*
 * The address book: seeds and records there and back; damaged and foreign lines cost only themselves.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_help.h"
#include "proto_fixture.h"
#include "store.h"

static const char *dir;
static struct fixture f;
static struct gv_directory *directory;
static struct gv_seed seeds[GV_SEEDS_MAX];

static void setup(void)
{
    struct gv_record record;
    uint8_t bytes[GV_RECORD_BYTES_MAX];
    size_t count;
    struct gv_ref ref;
    dir = host_make_dir();
    fixture_init(&f);
    record = example_record(&f);
    cr_assert_eq(gv_record_sign(bytes, &count, &record, f.member), GV_OK);
    cr_assert_eq(gv_record_verify(&record, gv_sign_key_public(f.root), bytes, count), GV_OK);
    cr_assert_eq(gv_directory_new(&directory, 16), GV_OK);
    cr_assert_eq(gv_directory_put(directory, &ref, &record, bytes, count, NULL, NULL), GV_OK);
    for (int i = 0; i < GV_SEEDS_MAX; i++) {
        (void)snprintf(seeds[i].endpoint, sizeof seeds[i].endpoint, "tcp://[2001:db8::%d]:7400", i);
        memset(seeds[i].curve.b, i + 1, sizeof seeds[i].curve.b);
    }
}

static void teardown(void)
{
    gv_directory_free(&directory);
    fixture_deinit(&f);
    host_remove_dir();
}

TestSuite(peers, .init = setup, .fini = teardown);

/* Loads into a fresh book; returns how many records it holds. */
static uint32_t load(uint32_t *seed_count, uint32_t *skipped, const struct gv_trust *trust,
                     const struct gv_sign_public *root)
{
    struct gv_directory *read = NULL;
    struct gv_seed read_seeds[GV_SEEDS_MAX];
    struct gv_diag diag;
    cr_assert_eq(gv_directory_new(&read, 16), GV_OK);
    cr_assert_eq(gv_store_load_peers(dir, read_seeds, seed_count, read, trust, root, skipped, &diag), GV_OK, "%s",
                 diag.text);
    for (uint32_t i = 0; i < *seed_count; i++) {
        cr_expect_str_eq(read_seeds[i].endpoint, seeds[i].endpoint);
        cr_expect_arr_eq(read_seeds[i].curve.b, seeds[i].curve.b, sizeof seeds[i].curve.b);
    }
    uint32_t count = gv_directory_count(read);
    gv_directory_free(&read);
    return count;
}

Test(peers, are_kept)
{
    uint32_t seed_count = 9;
    uint32_t skipped = 9;
    cr_expect_eq(load(&seed_count, &skipped, NULL, gv_sign_key_public(f.root)), 0, "no file: an empty book");
    cr_expect(seed_count == 0 && skipped == 0);
    cr_assert_eq(gv_store_save_peers(dir, seeds, GV_SEEDS_MAX, directory, NULL), GV_OK);
    cr_expect_eq(load(&seed_count, &skipped, NULL, gv_sign_key_public(f.root)), 1);
    cr_expect_eq(seed_count, GV_SEEDS_MAX);
    cr_expect_eq(skipped, 0);
}

Test(peers, seeds_alone_can_be_asked_for)
{
    struct gv_seed read[GV_SEEDS_MAX];
    uint32_t seed_count = 0;
    uint32_t skipped = 9;
    cr_assert_eq(gv_store_save_peers(dir, seeds, 2, NULL, NULL), GV_OK);
    cr_assert_eq(gv_store_load_peers(dir, read, &seed_count, NULL, NULL, gv_sign_key_public(f.root), &skipped, NULL),
                 GV_OK);
    cr_expect(seed_count == 2 && skipped == 0);
}

Test(peers, records_of_another_swarm_or_revoked_are_skipped)
{
    uint32_t seed_count;
    uint32_t skipped;
    struct gv_trust *trust = NULL;
    struct gv_entry entry = {
        .kind = GV_ENTRY_REVOKE, .target = gv_id_of(gv_sign_key_public(f.member)), .by_root = true};
    uint8_t bytes[GV_TRUST_ENTRY_BYTES_MAX];
    size_t count;
    bool added;
    cr_assert_eq(gv_store_save_peers(dir, seeds, 1, directory, NULL), GV_OK);
    cr_expect_eq(load(&seed_count, &skipped, NULL, gv_sign_key_public(f.member)), 0);
    cr_expect_eq(skipped, 1);
    cr_assert_eq(gv_trust_new(&trust, gv_sign_key_public(f.root)), GV_OK);
    cr_expect_eq(load(&seed_count, &skipped, trust, gv_sign_key_public(f.root)), 1);
    cr_assert_eq(gv_entry_sign(bytes, &count, &entry, &f.swarm, f.root), GV_OK);
    cr_assert_eq(gv_trust_add(trust, &added, bytes, count), GV_OK);
    cr_expect_eq(load(&seed_count, &skipped, trust, gv_sign_key_public(f.root)), 0);
    cr_expect_eq(skipped, 1);
    gv_trust_free(&trust);
}

Test(peers, any_flipped_byte_costs_at_most_its_line)
{
    uint32_t seed_count;
    uint32_t skipped;
    size_t bytes;
    cr_assert_eq(gv_store_save_peers(dir, seeds, 1, directory, NULL), GV_OK);
    char *text = host_read("peers", &bytes);
    for (size_t at = 0; at < bytes; at++) {
        char kept = text[at];
        text[at] = (char)(kept ^ 2);
        host_write("peers", text, bytes);
        text[at] = kept;
        struct gv_directory *read = NULL;
        struct gv_seed read_seeds[GV_SEEDS_MAX];
        cr_assert_eq(gv_directory_new(&read, 16), GV_OK);
        cr_assert_eq(
            gv_store_load_peers(dir, read_seeds, &seed_count, read, NULL, gv_sign_key_public(f.root), &skipped, NULL),
            GV_OK);
        bool line_break = kept == '\n';
        cr_expect_geq(seed_count + gv_directory_count(read), line_break ? 0 : 1, "byte %zu", at);
        gv_directory_free(&read);
    }
    free(text);
}

Test(peers, lines_of_a_newer_program_are_skipped_and_counted)
{
    uint32_t seed_count;
    uint32_t skipped;
    static const char text[] =
        "grapevine peers 1\nrumour x\n\nseed tcp://[2001:db8::0]:7400 "
        "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\nseed tcp://x:1\nseed nonsense AAAA\nrecord "
        "!!!\nrecord\nseed";
    host_write("peers", text, sizeof text - 1);
    cr_expect_eq(load(&seed_count, &skipped, NULL, gv_sign_key_public(f.root)), 0);
    cr_expect_eq(seed_count, 1);
    cr_expect_eq(skipped, 6);
}

Test(peers, a_full_table_of_seeds_takes_no_more)
{
    uint32_t seed_count;
    uint32_t skipped;
    char text[2000] = "grapevine peers 1\n";
    for (int i = 0; i < GV_SEEDS_MAX + 2; i++) {
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used, "seed tcp://[2001:db8::%d]:7400 %s\n", i,
                       i == 0   ? "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
                       : i == 1 ? "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
                                : "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=");
    }
    host_write("peers", text, strlen(text));
    (void)load(&seed_count, &skipped, NULL, gv_sign_key_public(f.root));
    cr_expect_eq(seed_count, GV_SEEDS_MAX);
    cr_expect_eq(skipped, 2);
}
