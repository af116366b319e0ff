/*
 * Checkpoints: two slots in turn; whatever happens to one, the other is used; nothing damaged is ever believed.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host_help.h"
#include "proto_fixture.h"
#include "store.h"

#define STATE 50u
#define SERVED 25u
#define HEADER_BYTES 96u
#define FILE_BYTES (HEADER_BYTES + 4u * (STATE + SERVED) + 32u)

static const char *dir;

static void setup(void)
{
    cr_assert_eq(gv_proto_init(), GV_OK);
    dir = host_make_dir();
}

TestSuite(checkpoint, .init = setup, .fini = host_remove_dir);

static void fill(float *values, size_t count, float start)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = start + (float)i;
    }
}

/* Writes checkpoint number n: age n, values from 1000 n. */
static enum gv_err save(unsigned n, struct gv_diag *diag)
{
    float state[STATE];
    float served[SERVED];
    struct gv_checkpoint c = {.epoch = 1,
                              .age = n,
                              .steps = 10 * n,
                              .exchanges = 3,
                              .state_count = STATE,
                              .served_count = SERVED,
                              .layout = {{1, 2, 3}}};
    fill(state, STATE, 1000.0f * (float)n);
    fill(served, SERVED, 1000.0f * (float)n + 500.0f);
    return gv_store_save_checkpoint(dir, &c, state, served, diag);
}

/* The number of the checkpoint that loads, 0 for none, having checked every value of it. */
static unsigned load(bool *damaged, enum gv_err *err)
{
    float state[STATE];
    float served[SERVED];
    struct gv_checkpoint c;
    struct gv_diag diag;
    *err = gv_store_load_checkpoint(dir, &c, NULL, NULL, damaged, &diag);
    if (*err != GV_OK) {
        return 0;
    }
    unsigned n = (unsigned)c.age;
    cr_assert(c.state_count == STATE && c.served_count == SERVED && c.steps == 10 * n && c.layout.b[2] == 3);
    *err = gv_store_load_checkpoint(dir, &c, state, served, damaged, &diag);
    cr_assert_eq(*err, GV_OK, "%s", diag.text);
    for (size_t i = 0; i < STATE; i++) {
        cr_assert(state[i] == 1000.0f * (float)n + (float)i);
    }
    for (size_t i = 0; i < SERVED; i++) {
        cr_assert(served[i] == 1000.0f * (float)n + 500.0f + (float)i);
    }
    return n;
}

Test(checkpoint, none_is_not_an_empty_one)
{
    bool damaged = true;
    enum gv_err err;
    cr_expect_eq(load(&damaged, &err), 0);
    cr_expect_eq(err, GV_ERR_NOT_FOUND);
    cr_expect_not(damaged);
}

Test(checkpoint, slots_are_written_in_turn_and_the_newest_is_read)
{
    bool damaged = true;
    enum gv_err err;
    for (unsigned n = 1; n <= 5; n++) {
        cr_assert_eq(save(n, NULL), GV_OK);
        cr_expect_eq(load(&damaged, &err), n);
        cr_expect_not(damaged);
        cr_expect_eq(host_count(), n == 1 ? 1 : 2, "two files, no leftovers");
    }
    cr_assert_eq(unlink(host_path("checkpoint.a")), 0);
    cr_expect_eq(load(&damaged, &err), 4);
}

Test(checkpoint, any_flipped_byte_is_seen_and_the_older_slot_used)
{
    bool damaged;
    enum gv_err err;
    size_t bytes;
    cr_assert(save(1, NULL) == GV_OK && save(2, NULL) == GV_OK);
    char *newer = host_read("checkpoint.b", &bytes);
    cr_assert_eq(bytes, FILE_BYTES);
    for (size_t at = 0; at < bytes; at++) {
        newer[at] = (char)(newer[at] ^ (1 << at % 8));
        host_write("checkpoint.b", newer, bytes);
        newer[at] = (char)(newer[at] ^ (1 << at % 8));
        damaged = false;
        cr_expect_eq(load(&damaged, &err), 1, "byte %zu", at);
        cr_expect(damaged, "byte %zu", at);
    }
    free(newer);
}

Test(checkpoint, any_torn_length_is_seen_and_the_older_slot_used)
{
    bool damaged;
    enum gv_err err;
    size_t bytes;
    cr_assert(save(1, NULL) == GV_OK && save(2, NULL) == GV_OK);
    char *newer = host_read("checkpoint.b", &bytes);
    char longer[FILE_BYTES + 1];
    for (size_t length = 0; length < bytes; length++) {
        host_write("checkpoint.b", newer, length);
        cr_expect_eq(load(&damaged, &err), 1, "%zu bytes", length);
        cr_expect(damaged);
    }
    memcpy(longer, newer, bytes);
    longer[bytes] = 0;
    host_write("checkpoint.b", longer, bytes + 1);
    cr_expect_eq(load(&damaged, &err), 1, "a byte too many");
    free(newer);
}

Test(checkpoint, two_damaged_slots_are_corrupt_not_missing)
{
    bool damaged = false;
    struct gv_checkpoint c;
    struct gv_diag diag;
    cr_assert(save(1, NULL) == GV_OK && save(2, NULL) == GV_OK);
    host_write("checkpoint.a", "x", 1);
    host_write("checkpoint.b", "", 0);
    cr_expect_eq(gv_store_load_checkpoint(dir, &c, NULL, NULL, &damaged, &diag), GV_ERR_CORRUPT);
    cr_expect(damaged);
    cr_expect_not_null(strstr(diag.text, "remove them"), "%s", diag.text);
}

Test(checkpoint, counts_are_not_believed_before_the_length)
{
    bool damaged;
    enum gv_err err;
    size_t bytes;
    cr_assert_eq(save(1, NULL), GV_OK);
    char *data = host_read("checkpoint.a", &bytes);
    memset(data + 48, 0xff, 8); /* state_count: what 4 n + 128 would wrap around to anything */
    host_write("checkpoint.a", data, bytes);
    cr_expect_eq(load(&damaged, &err), 0);
    cr_expect_eq(err, GV_ERR_CORRUPT);
    memset(data + 48, 0, 8);
    data[48 + 7] = 0x40; /* 2^62: times four it is 2^64, that is 0 */
    host_write("checkpoint.a", data, bytes);
    cr_expect_eq(load(&damaged, &err), 0);
    free(data);
}

Test(checkpoint, the_intact_slot_is_never_the_one_overwritten)
{
    bool damaged;
    enum gv_err err;
    size_t bytes;
    cr_assert(save(1, NULL) == GV_OK && save(2, NULL) == GV_OK); /* 2 is in b */
    char *data = host_read("checkpoint.b", &bytes);
    data[HEADER_BYTES + 5] ^= 1;
    host_write("checkpoint.b", data, bytes);
    free(data);
    cr_assert_eq(save(3, NULL), GV_OK);
    cr_expect_eq(load(&damaged, &err), 3);
    cr_assert_eq(unlink(host_path("checkpoint.b")), 0);
    cr_expect_eq(load(&damaged, &err), 1, "3 took the place of the damaged one");
}

static void flip_a_byte(const char *name)
{
    size_t bytes;
    char *data = host_read(name, &bytes);
    data[HEADER_BYTES + 5] ^= 1;
    host_write(name, data, bytes);
    free(data);
}

Test(checkpoint, a_slot_that_could_not_be_read_for_a_while_does_not_come_back_as_the_newest)
{
    bool damaged;
    enum gv_err err;
    for (unsigned n = 1; n <= 8; n++) {
        cr_assert_eq(save(n, NULL), GV_OK);
    }
    flip_a_byte("checkpoint.a");
    flip_a_byte("checkpoint.b");
    cr_assert_eq(save(9, NULL), GV_OK);
    cr_expect_eq(load(&damaged, &err), 9);
    flip_a_byte("checkpoint.a"); /* 7; 8 has gone */
    cr_expect_eq(load(&damaged, &err), 9);
}

Test(checkpoint, a_slot_of_another_size_does_not_overrun_the_buffer)
{
    bool damaged;
    float state[STATE];
    struct gv_checkpoint small = {.state_count = STATE};
    struct gv_checkpoint big = {.state_count = 4 * STATE};
    float values[4 * STATE] = {0};
    struct gv_diag diag;
    cr_assert_eq(gv_store_save_checkpoint(dir, &small, values, NULL, NULL), GV_OK);
    cr_assert_eq(gv_store_save_checkpoint(dir, &big, values, NULL, NULL), GV_OK);
    struct gv_checkpoint c = small;
    cr_expect_eq(gv_store_load_checkpoint(dir, &c, state, NULL, &damaged, &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(c.state_count, STATE);
}

static enum gv_err failing_reader(void *context, float *out, size_t offset, size_t count)
{
    (void)context;
    memset(out, 0, count * sizeof *out);
    return offset > 0 ? GV_ERR_NOMEM : GV_OK;
}

Test(checkpoint, a_reader_that_fails_leaves_both_slots)
{
    bool damaged;
    enum gv_err err;
    struct gv_checkpoint c = {.state_count = 200000};
    cr_assert(save(1, NULL) == GV_OK && save(2, NULL) == GV_OK);
    cr_expect_eq(gv_store_stream_checkpoint(dir, &c, failing_reader, NULL, NULL), GV_ERR_NOMEM);
    cr_expect_eq(load(&damaged, &err), 2);
    cr_expect_not(damaged);
    cr_expect_eq(host_count(), 2);
}

static enum gv_err counting_reader(void *context, float *out, size_t offset, size_t count)
{
    size_t *next = context;
    cr_assert_eq(offset, *next, "pieces come in order");
    *next += count;
    for (size_t i = 0; i < count; i++) {
        out[i] = (float)((offset + i) % 1000);
    }
    return GV_OK;
}

Test(checkpoint, a_large_state_streams_in_pieces)
{
    const size_t count = 1000000;
    size_t next = 0;
    bool damaged;
    struct gv_checkpoint c = {.state_count = count - 7, .served_count = 7};
    float *values = malloc(count * sizeof *values);
    cr_assert_not_null(values);
    cr_assert_eq(gv_store_stream_checkpoint(dir, &c, counting_reader, &next, NULL), GV_OK);
    cr_expect_eq(next, count);
    cr_assert_eq(gv_store_load_checkpoint(dir, &c, values, values + count - 7, &damaged, NULL), GV_OK);
    for (size_t i = 0; i < count; i++) {
        cr_assert(values[i] == (float)(i % 1000));
    }
    free(values);
}

Test(checkpoint, a_file_that_may_not_grow_leaves_the_old_slots)
{
    bool damaged;
    enum gv_err err;
    size_t next = 0;
    struct gv_checkpoint c = {.state_count = 100000};
    struct gv_diag diag;
    struct rlimit limit = {.rlim_cur = 8192, .rlim_max = RLIM_INFINITY};
    cr_assert(save(1, NULL) == GV_OK && save(2, NULL) == GV_OK);
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    enum gv_err full = gv_store_stream_checkpoint(dir, &c, counting_reader, &next, &diag);
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_expect_eq(full, GV_ERR_NO_SPACE, "%s", diag.text);
    cr_expect_eq(load(&damaged, &err), 2);
    cr_expect_not(damaged);
    cr_expect_eq(host_count(), 2);
}

Test(checkpoint, a_full_disk_leaves_the_old_slots)
{
    bool damaged;
    enum gv_err err;
    size_t next = 0;
    struct gv_checkpoint c = {.state_count = 100000};
    struct gv_diag diag;
    if (mount("none", dir, "tmpfs", 0, "size=64k") != 0) {
        cr_skip_test("needs the right to mount a tmpfs");
    }
    bool saved = save(1, NULL) == GV_OK && save(2, NULL) == GV_OK;
    enum gv_err full = gv_store_stream_checkpoint(dir, &c, counting_reader, &next, &diag);
    unsigned newest = load(&damaged, &err);
    unsigned files = host_count();
    (void)umount(dir);
    cr_expect(saved);
    cr_expect_eq(full, GV_ERR_NO_SPACE, "%s", diag.text);
    cr_expect_eq(newest, 2);
    cr_expect_eq(files, 2);
}

Test(checkpoint, random_damage_never_loads_wrong_values)
{
    uint64_t state = fixture_seed();
    bool damaged;
    enum gv_err err;
    size_t bytes;
    cr_assert(save(1, NULL) == GV_OK && save(2, NULL) == GV_OK);
    char *slots[2] = {host_read("checkpoint.a", &bytes), host_read("checkpoint.b", &bytes)};
    for (int round = 0; round < 200; round++) {
        for (int slot = 0; slot < 2; slot++) {
            char copy[FILE_BYTES];
            memcpy(copy, slots[slot], FILE_BYTES);
            size_t length = fixture_random(&state) % 4 == 0 ? fixture_random(&state) % FILE_BYTES : FILE_BYTES;
            for (uint64_t hits = fixture_random(&state) % 3; hits > 0; hits--) {
                copy[fixture_random(&state) % FILE_BYTES] = (char)fixture_random(&state);
            }
            host_write(slot == 0 ? "checkpoint.a" : "checkpoint.b", copy, length);
        }
        unsigned n = load(&damaged, &err); /* checks every value itself */
        cr_assert(n <= 2 && (n > 0 || err == GV_ERR_CORRUPT));
    }
    free(slots[0]);
    free(slots[1]);
}
