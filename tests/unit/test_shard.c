/* Partitions: disjoint, covering, the same for everyone, and unlike as they promise. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "data.h"
#include "learn_help.h"

enum { SAMPLES = 2000 };

static void load(struct gv_data *data)
{
    help_load(data, "builtin:glyphs,train=2000,test=20");
}

static void cut(uint32_t *owner, const struct gv_data *data, const char *partition, uint32_t count, uint64_t seed)
{
    struct gv_diag diag = {0};
    cr_assert_eq(gv_data_partition(owner, data, partition, count, seed, &diag), GV_OK, "%s", diag.text);
}

static void refuse(const char *partition, uint32_t count, const char *part)
{
    struct gv_data data;
    struct gv_diag diag = {0};
    uint32_t owner[SAMPLES];
    load(&data);
    cr_assert_eq(gv_data_partition(owner, &data, partition, count, 0, &diag), GV_ERR_DATA, "%s", partition);
    cr_assert_not_null(strstr(diag.text, part), "\"%s\" does not say \"%s\"", diag.text, part);
    gv_data_deinit(&data);
}

/* Rows of each class in each shard. */
static void count_rows(size_t table[][10], const struct gv_data *data, const uint32_t *owner, uint32_t count)
{
    memset(table, 0, count * sizeof *table);
    for (size_t i = 0; i < SAMPLES; i++) {
        cr_assert_lt(owner[i], count);
        table[owner[i]][data->train.labels[i]]++;
    }
}

static size_t row_sum(const size_t row[10])
{
    size_t sum = 0;
    for (int c = 0; c < 10; c++) {
        sum += row[c];
    }
    return sum;
}

Test(shard, iid_shards_are_of_one_size_and_alike)
{
    struct gv_data data;
    uint32_t owner[SAMPLES];
    size_t table[7][10];
    load(&data);
    cut(owner, &data, "iid", 7, help_seed());
    count_rows(table, &data, owner, 7);
    for (int s = 0; s < 7; s++) {
        size_t rows = row_sum(table[s]);
        cr_assert(rows == 285 || rows == 286);
        for (int c = 0; c < 10; c++) { /* 28.6 expected, deviation 4.7 */
            cr_assert(table[s][c] > 2 && table[s][c] < 60, "shard %d has %zu of class %d", s, table[s][c], c);
        }
    }
    gv_data_deinit(&data);
}

Test(shard, dirichlet_leaves_every_shard_a_batch)
{
    struct gv_data data;
    uint32_t owner[SAMPLES];
    static size_t table[50][10];
    uint64_t seed = help_seed();
    load(&data);
    static const char *const PARTITIONS[] = {"dirichlet:0.001", "dirichlet:0.1", "dirichlet:0.3", "dirichlet:100"};
    for (int p = 0; p < 4; p++) {
        for (uint32_t count = 1; count <= 50; count += 7) {
            cut(owner, &data, PARTITIONS[p], count, seed);
            count_rows(table, &data, owner, count);
            size_t least = SAMPLES / count / 2 < 32 ? SAMPLES / count / 2 : 32;
            for (uint32_t s = 0; s < count; s++) {
                cr_assert_geq(row_sum(table[s]), least, "%s of %u: shard %u", PARTITIONS[p], count, s);
            }
        }
    }
    gv_data_deinit(&data);
}

/* Mean over shards, and over twenty cuts, of the largest class's share. */
static double lopsidedness(const struct gv_data *data, const char *partition, uint64_t seed)
{
    double sum = 0.0;
    for (uint64_t k = 0; k < 20; k++) {
        uint32_t owner[SAMPLES];
        size_t table[10][10];
        cut(owner, data, partition, 10, seed + k);
        count_rows(table, data, owner, 10);
        for (int s = 0; s < 10; s++) {
            size_t largest = 0;
            for (int c = 0; c < 10; c++) {
                largest = table[s][c] > largest ? table[s][c] : largest;
            }
            sum += (double)largest / (double)row_sum(table[s]) / 200.0;
        }
    }
    return sum;
}

Test(shard, dirichlet_is_the_more_lopsided_the_smaller_alpha)
{
    struct gv_data data;
    uint64_t seed = help_seed();
    load(&data);
    double flat = lopsidedness(&data, "dirichlet:1000", seed);
    double middle = lopsidedness(&data, "dirichlet:0.5", seed);
    double steep = lopsidedness(&data, "dirichlet:0.02", seed);
    cr_assert(flat < 0.2 && flat < middle && middle < steep && steep > 0.45, "%g %g %g", flat, middle, steep);
    gv_data_deinit(&data);
}

Test(shard, classes_gives_each_shard_k_classes)
{
    struct gv_data data;
    uint32_t owner[SAMPLES];
    static size_t table[40][10];
    uint64_t seed = help_seed();
    load(&data);
    for (uint32_t k = 1; k <= 10; k++) {
        char partition[32];
        (void)snprintf(partition, sizeof partition, "classes:%u", k);
        for (uint32_t count = 10; count <= 40; count += 10) {
            cut(owner, &data, partition, count, seed + k);
            count_rows(table, &data, owner, count);
            size_t holders[10] = {0};
            for (uint32_t s = 0; s < count; s++) {
                uint32_t held = 0;
                for (int c = 0; c < 10; c++) {
                    held += table[s][c] > 0;
                    holders[c] += table[s][c] > 0;
                }
                cr_assert_eq(held, k, "%s of %u: shard %u holds %u", partition, count, s, held);
            }
            for (int c = 0; c < 10; c++) {
                cr_assert_eq(holders[c], count * k / 10, "every class is held equally often");
            }
        }
    }
    gv_data_deinit(&data);
}

Test(shard, same_seed_same_cut)
{
    static const char *const PARTITIONS[] = {"iid", "dirichlet:0.3", "classes:2"};
    struct gv_data data;
    uint32_t a[SAMPLES], b[SAMPLES], c[SAMPLES];
    load(&data);
    for (int p = 0; p < 3; p++) {
        cut(a, &data, PARTITIONS[p], 8, 1);
        cut(b, &data, PARTITIONS[p], 8, 1);
        cut(c, &data, PARTITIONS[p], 8, 2);
        cr_assert_arr_eq(a, b, sizeof a);
        cr_assert_arr_neq(a, c, sizeof a);
    }
    gv_data_deinit(&data);
}

Test(shard, cuts_are_the_same_on_every_machine)
{
    static const char *const PARTITIONS[] = {"iid", "dirichlet:0.3", "classes:2"};
    static const uint64_t HASHES[] = {UINT64_C(0x16685145cf8ec285), UINT64_C(0xd4dfae063b6e6354),
                                      UINT64_C(0x6d65a1922126bda5)};
    struct gv_data data;
    uint32_t owner[SAMPLES];
    load(&data);
    for (int p = 0; p < 3; p++) {
        cut(owner, &data, PARTITIONS[p], 8, 1);
        cr_expect_eq(help_hash(owner, sizeof owner), HASHES[p], "%s: hash %llx", PARTITIONS[p],
                     (unsigned long long)help_hash(owner, sizeof owner));
    }
    gv_data_deinit(&data);
}

Test(shard, processes_cut_disjoint_shards_that_cover_everything)
{
    static const char *const PARTITIONS[] = {"iid", "dirichlet:0.1", "classes:3"};
    uint64_t seed = help_seed();
    struct gv_data whole;
    load(&whole);
    for (int p = 0; p < 3; p++) {
        uint32_t owner[SAMPLES];
        cut(owner, &whole, PARTITIONS[p], 6, seed);
        size_t total = 0;
        for (uint32_t s = 0; s < 6; s++) {
            struct gv_data data;
            struct gv_diag diag = {0};
            load(&data);
            cr_assert_eq(gv_data_shard(&data, PARTITIONS[p], s, 6, seed, &diag), GV_OK, "%s", diag.text);
            size_t at = 0;
            for (size_t i = 0; i < SAMPLES; i++) {
                if (owner[i] == s) {
                    cr_assert_arr_eq(data.train.bytes + at * 784, whole.train.bytes + i * 784, 784);
                    cr_assert_eq(data.train.labels[at], whole.train.labels[i]);
                    at++;
                }
            }
            cr_assert_eq(data.train.count, at);
            cr_assert_eq(data.test.count, 20, "the test part stays whole");
            total += at;
            gv_data_deinit(&data);
        }
        cr_assert_eq(total, SAMPLES);
    }
    gv_data_deinit(&whole);
}

Test(shard, refuses_what_cannot_be_cut)
{
    refuse("", 4, "partition \"\": expected iid, dirichlet:ALPHA or classes:K");
    refuse("sorted", 4, "partition \"sorted\"");
    refuse("iid:3", 4, "partition \"iid:3\"");
    refuse("dirichlet:", 4, "expected dirichlet:ALPHA");
    refuse("dirichlet:0", 4, "expected dirichlet:ALPHA");
    refuse("dirichlet:-1", 4, "expected dirichlet:ALPHA");
    refuse("dirichlet:nan", 4, "expected dirichlet:ALPHA");
    refuse("dirichlet:1x", 4, "expected dirichlet:ALPHA");
    refuse("classes:0", 4, "expected classes:K");
    refuse("classes:x", 4, "expected classes:K");
    refuse("classes:11", 4, "4 shards of 11 classes each cannot share out 10 classes");
    refuse("classes:2", 4, "4 shards of 2 classes each cannot share out 10 classes");
    refuse("classes:2", 2000, "would be empty");
    refuse("iid", 0, "cannot be cut into 0 shards");
    refuse("iid", 2001, "2000 training samples cannot be cut into 2001 shards");
    static const char *const bad[] = {"",          "dirichlet:", "dirichlet:0", "dirichlet:-1", "dirichlet:nan",
                                      "classes:0", "classes:x",  "classes:"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(gv_partition_check(bad[i], NULL), GV_ERR_DATA, "%s", bad[i]);
    }
    cr_expect_eq(gv_partition_check("iid", NULL), GV_OK);
    cr_expect_eq(gv_partition_check("dirichlet:0.5", NULL), GV_OK);
    cr_expect_eq(gv_partition_check("classes:2", NULL), GV_OK);
    struct gv_data data;
    struct gv_diag diag = {0};
    load(&data);
    cr_assert_eq(gv_data_shard(&data, "iid", 4, 4, 0, &diag), GV_ERR_DATA);
    cr_assert_not_null(strstr(diag.text, "there is no shard 4 of 4"));
    cr_assert_eq(data.train.count, SAMPLES, "a refusal leaves the data whole");
    gv_data_deinit(&data);
}

Test(shard, one_sample_each_is_the_smallest_cut)
{
    struct gv_data data;
    uint32_t owner[SAMPLES];
    static const char *const PARTITIONS[] = {"iid", "dirichlet:0.3"};
    load(&data);
    for (int p = 0; p < 2; p++) {
        cut(owner, &data, PARTITIONS[p], SAMPLES, 1);
        bool seen[SAMPLES] = {false};
        for (size_t i = 0; i < SAMPLES; i++) {
            cr_assert(!seen[owner[i]]);
            seen[owner[i]] = true;
        }
    }
    gv_data_deinit(&data);
}
