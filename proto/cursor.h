/*
 * A reader of msgpack that trusts nothing: every length and count is held against the bytes that are left before it is
 * believed, nothing is allocated, nothing recurses.
 *
 * It is sticky: the first read that fails nulls the cursor and keeps the reason; later reads do nothing and return
 * zero. So a parser reads all its fields in a row and asks once, at the end, whether that went well:
 *
 *     struct gv_cursor c;
 *     gv_cursor_init(&c, data, bytes);
 *     uint32_t n = gv_cursor_array(&c, 3);
 *     x->a = gv_cursor_u64(&c);
 *     gv_cursor_fixed(&c, x->key, sizeof x->key);
 *     return gv_cursor_end(&c);
 *
 * A canonical cursor also refuses everything but the shortest encoding of each value, so that what it has read has
 * exactly one encoding: what signed objects need.
 *
 * Errors: GV_ERR_TRUNCATED (the bytes end too early), GV_ERR_OVERSIZE (more than the caller allows), GV_ERR_MALFORMED.
 */
#ifndef GV_CURSOR_H
#define GV_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gv/err.h"
#include "gv/msg.h"

struct gv_cursor {
    const uint8_t *at; /* next byte, borrowed; NULL once a read has failed */
    size_t left;       /* bytes from there to the end */
    enum gv_err err;   /* why, once failed */
    bool canonical;
};

void gv_cursor_init(struct gv_cursor *c, const uint8_t *data, size_t bytes);
void gv_cursor_init_canonical(struct gv_cursor *c, const uint8_t *data, size_t bytes);

/** Fails the cursor for a reason of the caller's; the first reason stays. */
void gv_cursor_fail(struct gv_cursor *c, enum gv_err err);

static inline bool gv_cursor_ok(const struct gv_cursor *c)
{
    return c->at != NULL;
}

/** Elements of the array that starts here, at most `max` (more: GV_ERR_OVERSIZE) and at most the bytes left. */
uint32_t gv_cursor_array(struct gv_cursor *c, uint32_t max);

/** An unsigned integer, or a signed one that is not negative. */
uint64_t gv_cursor_u64(struct gv_cursor *c);
/** The same within [min, max]; GV_ERR_MALFORMED outside. */
uint64_t gv_cursor_range(struct gv_cursor *c, uint64_t min, uint64_t max);
bool gv_cursor_bool(struct gv_cursor *c);

/** A bin of min to max bytes, borrowed. */
struct gv_span gv_cursor_bin(struct gv_cursor *c, size_t min, size_t max);
/** A bin of exactly `bytes`, copied. */
void gv_cursor_fixed(struct gv_cursor *c, uint8_t *out, size_t bytes);
/** A str of at most `max` bytes of UTF-8 without control characters, copied and terminated; `out` holds max + 1. */
void gv_cursor_text(struct gv_cursor *c, char *out, size_t max);

/** Steps over one value of any type, nested at most GV_MSGPACK_DEPTH_MAX deep. */
void gv_cursor_skip(struct gv_cursor *c);

/** GV_OK if all reads went well and no byte is left; GV_ERR_MALFORMED if some are. */
GV_NODISCARD enum gv_err gv_cursor_end(const struct gv_cursor *c);

#endif
