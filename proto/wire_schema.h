/*
 * The layout of every message as data. The encoder, the decoder and the size bound all walk these tables, so they
 * cannot disagree about what a message looks like.
 */
#ifndef GV_WIRE_SCHEMA_H
#define GV_WIRE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gv/err.h"
#include "gv/msg.h"

enum gv_field_type {
    GV_FIELD_U32,    /* uint32_t in [min, max] */
    GV_FIELD_U64,    /* uint64_t */
    GV_FIELD_REASON, /* uint32_t, enum gv_err: 0 or a peer's, 100 to 199 */
    GV_FIELD_BIT,    /* uint32_t with exactly one bit set */
    GV_FIELD_BOOL,   /* bool */
    GV_FIELD_FIXED,  /* max raw bytes, as a bin */
    GV_FIELD_TEXT,   /* at most max bytes of printable ASCII, terminated in memory, as a str */
    GV_FIELD_IDS,    /* array of at most max ids; their number is a uint32_t at `count_offset` */
    GV_FIELD_U32S,   /* exactly max uint32_t, big-endian, as one bin of 4 max bytes */
    GV_FIELD_GROUP,  /* array of the `max` fields that follow */
};

struct gv_field {
    enum gv_field_type type;
    size_t offset; /* in struct gv_msg */
    uint32_t min, max;
    size_t count_offset;
};

/* How the variable parts ride. */
enum gv_bulk_form {
    GV_BULK_NONE,
    GV_BULK_ARRAY,   /* one array of bins */
    GV_BULK_PAYLOAD, /* one bin, the last bytes of the frame */
};

#define GV_NO_FLAG SIZE_MAX

struct gv_wire_kind {
    const char *name;
    size_t body_bytes; /* of the kind's member of the union in struct gv_msg */
    const struct gv_field *fields;
    uint32_t field_count; /* with those inside groups */
    uint32_t arity;       /* elements of the frame's array before the bulk: version, kind, each group counted once */
    enum gv_bulk_form form;
    uint32_t items_min, items_max;
    uint32_t item_bytes_min, item_bytes_max;
    uint32_t item_unit; /* an item's length is a multiple of this */
    size_t flag_offset; /* bool in struct gv_msg that says "there is an item", or GV_NO_FLAG */
};

/** The layout of a kind, or NULL if it is unknown. */
const struct gv_wire_kind *gv_wire_kind(uint64_t kind);

/** Big-endian as it lies in memory <-> the number. */
static inline uint32_t gv_be32(uint32_t value)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap32(value) : value;
}

/** True if this number may stand in a field of type U32, REASON or BIT. */
static inline bool gv_field_allows(const struct gv_field *field, uint64_t value)
{
    switch (field->type) {
    case GV_FIELD_REASON:
        return value == GV_OK || (value >= GV_ERR_TRUNCATED && value < GV_ERR_USAGE);
    case GV_FIELD_BIT:
        return value != 0 && value <= UINT32_MAX && (value & (value - 1)) == 0;
    default:
        return value >= field->min && value <= field->max;
    }
}

#endif
