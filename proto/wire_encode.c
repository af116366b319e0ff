/*
 * Messages -> frames, by the tables of wire_schema.h. What the tables do not allow is not written: a mistake of ours is
 * found here, not by the peer that would close the link.
 */
#include "wire.h"

#include "gv/err.h"
#include "pack.h"
#include "wire_schema.h"

#define HEAD_BYTES 5 /* the longest head of an array, str or bin */

static uint32_t load_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t load_u64(const uint8_t *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static bool load_bool(const uint8_t *at)
{
    bool value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* Bytes a field may take at most; a group is its head, its members count for themselves. */
static size_t field_bound(const struct gv_field *field)
{
    switch (field->type) {
    case GV_FIELD_BOOL:
        return 1;
    case GV_FIELD_U64:
        return 9;
    case GV_FIELD_FIXED:
    case GV_FIELD_TEXT:
        return HEAD_BYTES + (size_t)field->max;
    case GV_FIELD_IDS:
        return HEAD_BYTES + (size_t)field->max * (2 + GV_ID_BYTES);
    case GV_FIELD_U32S:
        return HEAD_BYTES + (size_t)field->max * 4;
    case GV_FIELD_U32:
    case GV_FIELD_REASON:
    case GV_FIELD_BIT:
    case GV_FIELD_GROUP:
        break;
    }
    return 5;
}

static bool pack_ids(struct gv_pack *p, const struct gv_field *field, const uint8_t *ids, uint32_t count)
{
    if (count > field->max) {
        return false;
    }
    gv_pack_array(p, count);
    for (uint32_t i = 0; i < count; i++) {
        gv_pack_bin(p, ids + (size_t)i * GV_ID_BYTES, GV_ID_BYTES);
    }
    return true;
}

static void pack_u32s(struct gv_pack *p, const struct gv_field *field, const uint8_t *at)
{
    uint8_t bytes[4 * GV_MINIMA];
    GV_ASSERT(field->max <= GV_MINIMA);
    for (uint32_t i = 0; i < field->max; i++) {
        uint32_t value = gv_be32(load_u32(at + i * sizeof value));
        memcpy(bytes + i * sizeof value, &value, sizeof value);
    }
    gv_pack_bin(p, bytes, 4 * (size_t)field->max);
}

/* False if the value is one that the table forbids. */
static bool pack_field(struct gv_pack *p, const struct gv_field *field, const struct gv_msg *msg)
{
    const uint8_t *base = (const uint8_t *)msg;
    const uint8_t *at = base + field->offset;
    switch (field->type) {
    case GV_FIELD_U64:
        gv_pack_u64(p, load_u64(at));
        return true;
    case GV_FIELD_BOOL:
        gv_pack_bool(p, load_bool(at));
        return true;
    case GV_FIELD_FIXED:
        gv_pack_bin(p, at, field->max);
        return true;
    case GV_FIELD_TEXT:
        if (memchr(at, '\0', (size_t)field->max + 1) == NULL) {
            return false;
        }
        gv_pack_text(p, (const char *)at);
        return true;
    case GV_FIELD_IDS:
        return pack_ids(p, field, at, load_u32(base + field->count_offset));
    case GV_FIELD_U32S:
        pack_u32s(p, field, at);
        return true;
    case GV_FIELD_GROUP:
        gv_pack_array(p, field->max);
        return true;
    case GV_FIELD_U32:
    case GV_FIELD_REASON:
    case GV_FIELD_BIT:
        break;
    }
    gv_pack_u64(p, load_u32(at));
    return gv_field_allows(field, load_u32(at));
}

static bool bulk_allowed(const struct gv_wire_kind *layout, const struct gv_msg *msg, const struct gv_bulk *bulk)
{
    uint32_t count = bulk != NULL ? bulk->count : 0;
    if (layout->form == GV_BULK_NONE) {
        return count == 0;
    }
    if (count < layout->items_min || count > layout->items_max) {
        return false;
    }
    if (layout->flag_offset != GV_NO_FLAG && load_bool((const uint8_t *)msg + layout->flag_offset) != (count > 0)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t bytes = bulk->item[i].bytes;
        if (bytes < layout->item_bytes_min || bytes > layout->item_bytes_max || bytes % layout->item_unit != 0) {
            return false;
        }
    }
    return true;
}

/* Everything before the bulk. */
static bool pack_fields(struct gv_pack *p, const struct gv_wire_kind *layout, const struct gv_msg *msg)
{
    gv_pack_array(p, layout->arity + (layout->form != GV_BULK_NONE ? 1u : 0u));
    gv_pack_u64(p, GV_PROTOCOL_VERSION);
    gv_pack_u64(p, (uint64_t)msg->kind);
    for (uint32_t i = 0; i < layout->field_count; i++) {
        if (!pack_field(p, &layout->fields[i], msg)) {
            return false;
        }
    }
    return true;
}

size_t gv_wire_bound(const struct gv_msg *msg, const struct gv_bulk *bulk)
{
    const struct gv_wire_kind *layout = gv_wire_kind((uint64_t)msg->kind);
    GV_ASSERT(layout != NULL);
    size_t bound = HEAD_BYTES + 2 + HEAD_BYTES; /* the frame's array, version and kind, the bulk's array */
    for (uint32_t i = 0; i < layout->field_count; i++) {
        bound += field_bound(&layout->fields[i]);
    }
    for (uint32_t i = 0; bulk != NULL && i < bulk->count; i++) {
        bound += HEAD_BYTES + bulk->item[i].bytes;
    }
    return bound;
}

enum gv_err gv_wire_encode(uint8_t *frame, size_t cap, size_t *bytes, const struct gv_msg *msg,
                           const struct gv_bulk *bulk)
{
    *bytes = 0;
    const struct gv_wire_kind *layout = gv_wire_kind((uint64_t)msg->kind);
    if (layout == NULL || !bulk_allowed(layout, msg, bulk)) {
        return GV_ERR_RANGE;
    }
    struct gv_pack p;
    gv_pack_init(&p, frame, cap < GV_FRAME_BYTES_MAX ? cap : GV_FRAME_BYTES_MAX);
    if (!pack_fields(&p, layout, msg)) {
        return GV_ERR_RANGE;
    }
    uint32_t items = bulk != NULL ? bulk->count : 0;
    if (layout->form == GV_BULK_ARRAY) {
        gv_pack_array(&p, items);
    }
    for (uint32_t i = 0; i < items; i++) {
        gv_pack_bin(&p, bulk->item[i].data, bulk->item[i].bytes);
    }
    return gv_pack_end(&p, bytes);
}

size_t gv_wire_chunk_head(uint8_t *head, uint64_t nonce, uint32_t index, uint32_t payload_bytes)
{
    GV_ASSERT(payload_bytes > 0 && payload_bytes <= GV_CHUNK_BYTES_MAX);
    struct gv_msg msg = {.kind = GV_KIND_CHUNK, .u.chunk = {.nonce = nonce, .index = index}};
    struct gv_pack p;
    gv_pack_init(&p, head, GV_CHUNK_HEAD_BYTES_MAX);
    bool packed = pack_fields(&p, gv_wire_kind(GV_KIND_CHUNK), &msg);
    gv_pack_bin_head(&p, payload_bytes);
    size_t bytes;
    GV_ASSERT(packed && gv_pack_end(&p, &bytes) == GV_OK);
    return bytes;
}

const char *gv_kind_name(uint32_t kind)
{
    const struct gv_wire_kind *layout = gv_wire_kind(kind);
    return layout != NULL ? layout->name : "?";
}
