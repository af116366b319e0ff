/*
 * Frames -> messages, by the tables of wire_schema.h, through the bounded cursor. Every byte here is a peer's.
 */
#include "wire.h"

#include "cursor.h"
#include "text.h"
#include "wire_schema.h"

static void store_u32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
}

static void read_text(struct gv_cursor *c, const struct gv_field *field, uint8_t *at)
{
    char *text = (char *)at;
    gv_cursor_text(c, text, field->max);
    if (!gv_text_ascii(text, strlen(text))) {
        gv_cursor_fail(c, GV_ERR_MALFORMED);
    }
}

static void read_ids(struct gv_cursor *c, const struct gv_field *field, uint8_t *ids, uint8_t *count_at)
{
    uint32_t count = gv_cursor_array(c, field->max);
    for (uint32_t i = 0; i < count; i++) {
        gv_cursor_fixed(c, ids + (size_t)i * GV_ID_BYTES, GV_ID_BYTES);
    }
    store_u32(count_at, count);
}

static void read_u32s(struct gv_cursor *c, const struct gv_field *field, uint8_t *at)
{
    size_t bytes = 4 * (size_t)field->max;
    struct gv_span span = gv_cursor_bin(c, bytes, bytes);
    for (size_t i = 0; i < span.bytes; i += sizeof(uint32_t)) {
        uint32_t value;
        memcpy(&value, span.data + i, sizeof value);
        store_u32(at + i, gv_be32(value));
    }
}

static uint32_t read_number(struct gv_cursor *c, const struct gv_field *field)
{
    uint64_t value = gv_cursor_u64(c);
    if (!gv_field_allows(field, value)) {
        gv_cursor_fail(c, GV_ERR_MALFORMED);
    }
    return (uint32_t)value;
}

/* Any field but a group. */
static void read_field(struct gv_cursor *c, const struct gv_field *field, uint8_t *base)
{
    uint8_t *at = base + field->offset;
    switch (field->type) {
    case GV_FIELD_U64: {
        uint64_t value = gv_cursor_u64(c);
        memcpy(at, &value, sizeof value);
        return;
    }
    case GV_FIELD_BOOL: {
        bool value = gv_cursor_bool(c);
        memcpy(at, &value, sizeof value);
        return;
    }
    case GV_FIELD_FIXED:
        gv_cursor_fixed(c, at, field->max);
        return;
    case GV_FIELD_TEXT:
        read_text(c, field, at);
        return;
    case GV_FIELD_IDS:
        read_ids(c, field, at, base + field->count_offset);
        return;
    case GV_FIELD_U32S:
        read_u32s(c, field, at);
        return;
    case GV_FIELD_U32:
    case GV_FIELD_REASON:
    case GV_FIELD_BIT:
        store_u32(at, read_number(c, field));
        return;
    case GV_FIELD_GROUP:
        break;
    }
    GV_ASSERT(field->type != GV_FIELD_GROUP); /* the tables nest one deep */
}

/* Elements that a newer version put behind those we know. */
static void skip_rest(struct gv_cursor *c, uint32_t present, uint32_t known)
{
    if (present < known) {
        gv_cursor_fail(c, GV_ERR_MALFORMED);
    }
    for (uint32_t i = known; i < present && gv_cursor_ok(c); i++) {
        gv_cursor_skip(c);
    }
}

static void read_fields(struct gv_cursor *c, const struct gv_wire_kind *layout, struct gv_msg *msg)
{
    uint8_t *base = (uint8_t *)msg;
    for (uint32_t i = 0; i < layout->field_count; i++) {
        const struct gv_field *field = &layout->fields[i];
        if (field->type != GV_FIELD_GROUP) {
            read_field(c, field, base);
            continue;
        }
        uint32_t present = gv_cursor_array(c, UINT32_MAX);
        for (uint32_t k = 1; k <= field->max && present >= field->max; k++) {
            read_field(c, field + k, base);
        }
        skip_rest(c, present, field->max);
        i += field->max;
    }
}

static void read_bulk(struct gv_cursor *c, const struct gv_wire_kind *layout, struct gv_msg *msg, struct gv_bulk *bulk)
{
    uint32_t count = 1;
    if (layout->form == GV_BULK_ARRAY) {
        count = gv_cursor_array(c, layout->items_max);
        if (count < layout->items_min) {
            gv_cursor_fail(c, GV_ERR_MALFORMED);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        bulk->item[i] = gv_cursor_bin(c, layout->item_bytes_min, layout->item_bytes_max);
        if (bulk->item[i].bytes % layout->item_unit != 0) {
            gv_cursor_fail(c, GV_ERR_MALFORMED);
        }
    }
    bulk->count = count;
    if (layout->flag_offset != GV_NO_FLAG) {
        bool flag = count > 0;
        memcpy((uint8_t *)msg + layout->flag_offset, &flag, sizeof flag);
    }
}

enum gv_err gv_wire_decode(struct gv_msg *msg, struct gv_bulk *bulk, const uint8_t *frame, size_t bytes)
{
    msg->ref_count = 0;
    bulk->count = 0;
    if (bytes > GV_FRAME_BYTES_MAX) {
        return GV_ERR_OVERSIZE;
    }
    struct gv_cursor c;
    gv_cursor_init(&c, frame, bytes);
    uint32_t present = gv_cursor_array(&c, UINT32_MAX);
    if (gv_cursor_ok(&c) && present < 2) {
        return GV_ERR_MALFORMED;
    }
    uint64_t version = gv_cursor_u64(&c);
    if (gv_cursor_ok(&c) && version != GV_PROTOCOL_VERSION) {
        return GV_ERR_VERSION;
    }
    uint64_t kind = gv_cursor_u64(&c);
    if (!gv_cursor_ok(&c)) {
        return c.err;
    }
    const struct gv_wire_kind *layout = gv_wire_kind(kind);
    if (layout == NULL) {
        return GV_ERR_KIND;
    }
    uint32_t known = layout->arity + (layout->form != GV_BULK_NONE ? 1u : 0u);
    if (present < known) {
        return GV_ERR_MALFORMED;
    }
    msg->kind = (enum gv_kind)kind;
    memset(&msg->u, 0, layout->body_bytes); /* not all of *msg: two kilobytes that nobody reads beyond the counts */
    read_fields(&c, layout, msg);
    if (layout->form != GV_BULK_NONE) {
        read_bulk(&c, layout, msg, bulk);
    }
    skip_rest(&c, present, known);
    return gv_cursor_end(&c);
}
