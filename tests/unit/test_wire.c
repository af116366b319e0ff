/*
 * Frames: every kind there and back, everything a peer can do to a frame, and what a newer version may add.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto_fixture.h"
#include "wire.h"
#include "wire_schema.h"

static struct fixture fixture;
static struct example *examples;

static void setup(void)
{
    fixture_init(&fixture);
    examples = examples_new(&fixture);
}

static void teardown(void)
{
    free(examples);
    fixture_deinit(&fixture);
}

TestSuite(wire, .init = setup, .fini = teardown);

/* A copy that ends where the allocation ends, so that a sanitizer sees the first byte read too far. */
static uint8_t *exact_copy(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
    cr_assert(copy != NULL);
    memcpy(copy, data, bytes);
    return copy;
}

/* Decodes from an exact copy; if that works, what was read must encode and read the same again. */
static enum gv_err decode_and_check(const uint8_t *frame, size_t bytes)
{
    static struct gv_msg msg, again;
    struct gv_bulk bulk, bulk_again;
    uint8_t *copy = exact_copy(frame, bytes);
    memset(&msg, 0, sizeof msg); /* whole messages are compared, decoding fills only its kind's part */
    memset(&again, 0, sizeof again);
    enum gv_err err = gv_wire_decode(&msg, &bulk, copy, bytes);
    if (err == GV_OK) {
        size_t cap = gv_wire_bound(&msg, &bulk);
        size_t count;
        uint8_t *encoded = malloc(cap);
        cr_assert(encoded != NULL);
        cr_assert_eq(gv_wire_encode(encoded, cap, &count, &msg, &bulk), GV_OK, "%s", gv_kind_name(msg.kind));
        cr_assert_eq(gv_wire_decode(&again, &bulk_again, encoded, count), GV_OK);
        cr_assert_eq(memcmp(&msg, &again, sizeof msg), 0);
        cr_assert_eq(bulk.count, bulk_again.count);
        for (uint32_t i = 0; i < bulk.count; i++) {
            cr_assert_eq(bulk.item[i].bytes, bulk_again.item[i].bytes);
            cr_assert_eq(memcmp(bulk.item[i].data, bulk_again.item[i].data, bulk.item[i].bytes), 0);
        }
        free(encoded);
    }
    free(copy);
    return err;
}

Test(wire, every_kind_decodes_to_what_was_encoded)
{
    for (size_t i = EXAMPLE_OBJECTS; i < EXAMPLES; i++) {
        const struct example *e = &examples[i];
        static struct gv_msg msg;
        struct gv_bulk bulk;
        memset(&msg, 0, sizeof msg);
        cr_assert_eq(gv_wire_decode(&msg, &bulk, e->bytes, e->count), GV_OK, "%s", e->name);
        cr_assert_eq(memcmp(&msg, &e->msg, sizeof msg), 0, "%s", e->name);
        cr_assert_eq(bulk.count, e->bulk.count, "%s", e->name);
        for (uint32_t k = 0; k < bulk.count; k++) {
            cr_assert_eq(bulk.item[k].bytes, e->bulk.item[k].bytes);
            cr_assert_eq(memcmp(bulk.item[k].data, e->bulk.item[k].data, bulk.item[k].bytes), 0);
        }
        cr_assert_leq(e->count, gv_wire_bound(&e->msg, &e->bulk));
    }
}

Test(wire, every_truncation_is_refused)
{
    for (size_t i = EXAMPLE_OBJECTS; i < EXAMPLES; i++) {
        for (size_t bytes = 0; bytes < examples[i].count; bytes++) {
            cr_assert_neq(decode_and_check(examples[i].bytes, bytes), GV_OK, "%s at %zu", examples[i].name, bytes);
        }
    }
}

Test(wire, every_mutation_of_one_byte_is_survived)
{
    static uint8_t frame[EXAMPLE_BYTES_MAX];
    for (size_t i = EXAMPLE_OBJECTS; i < EXAMPLES; i++) {
        memcpy(frame, examples[i].bytes, examples[i].count);
        for (size_t at = 0; at < examples[i].count; at++) {
            /* Inside bulk all values are alike; structure is met with all of them. */
            int step = at < 64 || at + 8 > examples[i].count ? 1 : 37;
            for (int value = 0; value < 256; value += step) {
                frame[at] = (uint8_t)value;
                (void)decode_and_check(frame, examples[i].count);
            }
            frame[at] = examples[i].bytes[at];
        }
    }
}

static void random_field(uint8_t *base, const struct gv_field *field, uint64_t *state)
{
    uint8_t *at = base + field->offset;
    uint64_t r = fixture_random(state);
    r >>= fixture_random(state) % 64; /* all magnitudes */
    uint32_t u32 = (uint32_t)r;
    bool flag = r & 1;
    switch (field->type) {
    case GV_FIELD_U32:
        u32 = (uint32_t)(field->min + r % ((uint64_t)field->max - field->min + 1));
        break;
    case GV_FIELD_REASON:
        u32 = r % 101 == 0 ? 0 : 100 + (uint32_t)(r % 100);
        break;
    case GV_FIELD_BIT:
        u32 = 1u << r % 32;
        break;
    case GV_FIELD_U64:
        memcpy(at, &r, sizeof r);
        return;
    case GV_FIELD_BOOL:
        memcpy(at, &flag, sizeof flag);
        return;
    case GV_FIELD_FIXED:
        for (uint32_t i = 0; i < field->max; i++) {
            at[i] = (uint8_t)fixture_random(state);
        }
        return;
    case GV_FIELD_TEXT:
        for (uint32_t i = 0; i < r % (field->max + 1); i++) {
            at[i] = (uint8_t)(0x20 + fixture_random(state) % 0x5f);
        }
        return;
    case GV_FIELD_IDS:
        u32 = (uint32_t)(r % (field->max + 1));
        memcpy(base + field->count_offset, &u32, sizeof u32);
        for (uint32_t i = 0; i < u32 * GV_ID_BYTES; i++) {
            at[i] = (uint8_t)fixture_random(state);
        }
        return;
    case GV_FIELD_U32S:
        for (uint32_t i = 0; i < field->max; i++) {
            u32 = (uint32_t)(fixture_random(state) >> (32 + r % 32));
            memcpy(at + 4 * i, &u32, sizeof u32);
        }
        return;
    case GV_FIELD_GROUP:
        return;
    }
    memcpy(at, &u32, sizeof u32);
}

static void random_bulk(struct gv_bulk *bulk, struct gv_msg *msg, const struct gv_wire_kind *layout, uint64_t *state)
{
    static uint8_t noise[GV_CHUNK_BYTES_MAX];
    if (layout->form == GV_BULK_NONE) {
        return;
    }
    bulk->count = layout->items_min + (uint32_t)(fixture_random(state) % (layout->items_max - layout->items_min + 1));
    for (uint32_t i = 0; i < bulk->count; i++) {
        uint32_t range = layout->item_bytes_max - layout->item_bytes_min + 1;
        uint32_t bytes = layout->item_bytes_min + (uint32_t)(fixture_random(state) % range);
        bytes -= bytes % layout->item_unit;
        bulk->item[i] = (struct gv_span){.data = noise, .bytes = bytes};
    }
    if (layout->flag_offset != GV_NO_FLAG) {
        bool flag = bulk->count > 0;
        memcpy((uint8_t *)msg + layout->flag_offset, &flag, sizeof flag);
    }
}

Test(wire, random_messages_survive_the_way_there_and_back)
{
    uint64_t state = fixture_seed();
    static uint8_t frame[GV_FRAME_BYTES_MAX];
    for (uint32_t round = 0; round < 40 * (GV_KIND_COUNT - 1); round++) {
        static struct gv_msg msg, read;
        struct gv_bulk bulk = {0};
        struct gv_bulk bulk_read;
        size_t bytes;
        memset(&msg, 0, sizeof msg);
        memset(&read, 0, sizeof read);
        msg.kind = (enum gv_kind)(1 + round % (GV_KIND_COUNT - 1));
        const struct gv_wire_kind *layout = gv_wire_kind(msg.kind);
        for (uint32_t i = 0; i < layout->field_count; i++) {
            random_field((uint8_t *)&msg, &layout->fields[i], &state);
        }
        random_bulk(&bulk, &msg, layout, &state);
        cr_assert_eq(gv_wire_encode(frame, sizeof frame, &bytes, &msg, &bulk), GV_OK, "%s", layout->name);
        cr_assert_leq(bytes, gv_wire_bound(&msg, &bulk));
        cr_assert_eq(gv_wire_decode(&read, &bulk_read, frame, bytes), GV_OK, "%s", layout->name);
        cr_assert_eq(memcmp(&msg, &read, sizeof msg), 0, "%s", layout->name);
        cr_assert_eq(bulk.count, bulk_read.count);
        for (uint32_t i = 0; i < bulk.count; i++) {
            cr_assert_eq(bulk.item[i].bytes, bulk_read.item[i].bytes);
        }
    }
}

Test(wire, random_garbage_is_refused_without_harm)
{
    uint64_t state = fixture_seed();
    for (int round = 0; round < 20000; round++) {
        uint8_t frame[64];
        size_t bytes = fixture_random(&state) % sizeof frame;
        for (size_t i = 0; i < bytes; i++) {
            frame[i] = (uint8_t)fixture_random(&state);
        }
        if (bytes > 2 && round % 2 == 0) { /* past the first hurdles */
            frame[0] = 0x90 | (frame[0] & 0x0f);
            frame[1] = GV_PROTOCOL_VERSION;
            frame[2] %= GV_KIND_COUNT + 2;
        }
        (void)decode_and_check(frame, bytes);
    }
}

Test(wire, fields_of_a_newer_version_are_ignored)
{
    static const uint8_t extra[] = {0x92, 0x01, 0xc4, 0x02, 0xaa, 0xbb, 0xc0}; /* two values */
    for (size_t i = EXAMPLE_OBJECTS; i < EXAMPLES; i++) {
        static uint8_t frame[EXAMPLE_BYTES_MAX + sizeof extra + 2];
        static struct gv_msg msg;
        struct gv_bulk bulk;
        const struct example *e = &examples[i];
        cr_assert_eq(e->bytes[0] & 0xf0, 0x90, "examples have fewer than 16 elements");
        size_t bytes = e->count + 2 + sizeof extra;
        frame[0] = 0xdc; /* array 16, so that the head has room for two more */
        frame[1] = 0;
        frame[2] = (uint8_t)((e->bytes[0] & 0x0f) + 2);
        memcpy(frame + 3, e->bytes + 1, e->count - 1);
        memcpy(frame + bytes - sizeof extra, extra, sizeof extra);
        memset(&msg, 0, sizeof msg);
        cr_assert_eq(gv_wire_decode(&msg, &bulk, frame, bytes), GV_OK, "%s", e->name);
        cr_assert_eq(memcmp(&msg, &e->msg, sizeof msg), 0, "%s", e->name);
        cr_assert_eq(bulk.count, e->bulk.count, "%s", e->name);
        frame[2]++;
        cr_assert_eq(gv_wire_decode(&msg, &bulk, frame, bytes), GV_ERR_TRUNCATED, "%s", e->name);
        frame[2] = (uint8_t)(frame[2] - 2);
        cr_assert_eq(gv_wire_decode(&msg, &bulk, frame, bytes), GV_ERR_MALFORMED, "%s", e->name);
    }
}

Test(wire, a_missing_field_is_malformed)
{
    for (size_t i = EXAMPLE_OBJECTS; i < EXAMPLES; i++) {
        if (examples[i].bytes[0] == 0x92) {
            continue; /* STATE has no fields */
        }
        uint8_t frame[EXAMPLE_BYTES_MAX];
        memcpy(frame, examples[i].bytes, examples[i].count);
        frame[0]--;
        cr_assert_eq(decode_and_check(frame, examples[i].count), GV_ERR_MALFORMED, "%s", examples[i].name);
    }
}

Test(wire, longer_integers_from_a_peer_are_fine)
{
    static const uint8_t ask[] = {0x93, 0xcc, 0x01, 0xcd, 0x00, 14, 0xcf, 0, 0, 0, 0, 0, 0, 0, 5};
    static struct gv_msg msg;
    struct gv_bulk bulk;
    cr_assert_eq(gv_wire_decode(&msg, &bulk, ask, sizeof ask), GV_OK);
    cr_assert_eq(msg.kind, GV_KIND_SAMPLE);
    cr_assert_eq(msg.u.sample.count, 5);
}

Test(wire, other_versions_and_unknown_kinds_are_told_apart)
{
    static const uint8_t newer[] = {0x92, 0x02, 28};
    static const uint8_t unknown[] = {0x93, 0x01, 36, 0xc0};
    static const uint8_t zero[] = {0x92, 0x01, 0};
    static const uint8_t bomb[] = {0xdd, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t not_array[] = {0x82, 0x01, 0x01, 0x01, 0x01};
    cr_assert_eq(decode_and_check(newer, sizeof newer), GV_ERR_VERSION);
    cr_assert_eq(decode_and_check(unknown, sizeof unknown), GV_ERR_KIND);
    cr_assert_eq(decode_and_check(zero, sizeof zero), GV_ERR_KIND);
    cr_assert_eq(decode_and_check(bomb, sizeof bomb), GV_ERR_TRUNCATED);
    cr_assert_eq(decode_and_check(not_array, sizeof not_array), GV_ERR_MALFORMED);
}

Test(wire, limits_are_kept_on_both_sides)
{
    static uint8_t big[GV_FRAME_BYTES_MAX + 1];
    static uint8_t frame[GV_FRAME_BYTES_MAX];
    static struct gv_msg msg;
    struct gv_bulk bulk;
    size_t bytes;
    cr_assert_eq(gv_wire_decode(&msg, &bulk, big, sizeof big), GV_ERR_OVERSIZE);
    static const uint8_t records[] = {0x93, 0x01, 15, 0xdc, 0x00, 33};
    memcpy(big, records, sizeof records);
    cr_assert_eq(gv_wire_decode(&msg, &bulk, big, 200), GV_ERR_OVERSIZE, "33 records");
    static const uint8_t record[] = {0x93, 0x01, 15, 0x91, 0xc5, 0x0a, 0x01};
    memcpy(big, record, sizeof record);
    cr_assert_eq(gv_wire_decode(&msg, &bulk, big, sizeof record + 0xa01), GV_ERR_OVERSIZE, "2561 bytes of record");

    msg = (struct gv_msg){.kind = GV_KIND_RECORDS};
    bulk = (struct gv_bulk){.count = 1, .item = {{.data = big, .bytes = GV_RECORD_BYTES_MAX + 1}}};
    cr_assert_eq(gv_wire_encode(frame, sizeof frame, &bytes, &msg, &bulk), GV_ERR_RANGE);
    msg = (struct gv_msg){.kind = GV_KIND_SAMPLE, .u.sample = {.count = 33}};
    cr_assert_eq(gv_wire_encode(frame, sizeof frame, &bytes, &msg, NULL), GV_ERR_RANGE);
    msg = (struct gv_msg){.kind = GV_KIND_PING, .u.ping = {.has_record = true}};
    cr_assert_eq(gv_wire_encode(frame, sizeof frame, &bytes, &msg, NULL), GV_ERR_RANGE, "a promised record");
    msg = (struct gv_msg){.kind = GV_KIND_STATE};
    cr_assert_eq(gv_wire_encode(frame, 2, &bytes, &msg, NULL), GV_ERR_RANGE, "no room");
    msg = (struct gv_msg){.kind = GV_KIND_COUNT};
    cr_assert_eq(gv_wire_encode(frame, sizeof frame, &bytes, &msg, NULL), GV_ERR_RANGE, "no such kind");
}

Test(wire, a_chunk_head_and_its_payload_are_an_ordinary_chunk)
{
    static uint8_t frame[GV_CHUNK_HEAD_BYTES_MAX + GV_CHUNK_BYTES_MAX];
    static uint8_t whole[GV_FRAME_BYTES_MAX];
    static const uint32_t sizes[] = {1, 255, 256, 65535, 65536, GV_CHUNK_BYTES_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        static struct gv_msg msg;
        struct gv_bulk bulk;
        size_t bytes;
        size_t head = gv_wire_chunk_head(frame, UINT64_MAX - i, (uint32_t)i * 1000, sizes[i]);
        memset(frame + head, 0x5a, sizes[i]);
        cr_assert_eq(gv_wire_decode(&msg, &bulk, frame, head + sizes[i]), GV_OK);
        cr_assert_eq(msg.u.chunk.nonce, UINT64_MAX - i);
        cr_assert_eq(msg.u.chunk.index, (uint32_t)i * 1000);
        cr_assert_eq(bulk.count, 1);
        cr_assert_eq(bulk.item[0].bytes, sizes[i]);
        cr_assert(bulk.item[0].data == frame + head);
        cr_assert_eq(gv_wire_encode(whole, sizeof whole, &bytes, &msg, &bulk), GV_OK);
        cr_assert_eq(bytes, head + sizes[i]);
        cr_assert_eq(memcmp(whole, frame, bytes), 0);
    }
}

Test(wire, arities_count_each_group_once)
{
    for (uint32_t kind = 1; kind < GV_KIND_COUNT; kind++) {
        const struct gv_wire_kind *layout = gv_wire_kind(kind);
        uint32_t arity = 2;
        for (uint32_t i = 0; i < layout->field_count; i++) {
            arity++;
            if (layout->fields[i].type == GV_FIELD_GROUP) {
                i += layout->fields[i].max;
            }
        }
        cr_assert_eq(layout->arity, arity, "%s", layout->name);
    }
}

Test(wire, unknown_kinds_have_a_name_too)
{
    cr_assert_str_eq(gv_kind_name(GV_KIND_OFFER), "OFFER");
    cr_assert_str_eq(gv_kind_name(0), "?");
    cr_assert_str_eq(gv_kind_name(UINT32_MAX), "?");
}
