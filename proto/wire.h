/*
 * Frames: one msgpack array [version, kind, fields...] per message, bulk as trailing bins. PROTOCOL.md is the
 * specification. msgpack-c packs; a peer's bytes are read by the bounded cursor of cursor.c, which allocates nothing.
 */
#ifndef GV_WIRE_H
#define GV_WIRE_H

#include "gv/err.h"
#include "gv/msg.h"

/**
 * Reads a frame. On success *msg is filled (no refs, host-filled fields of the kind's member zero) and *bulk borrows
 * from `frame`; refs and items beyond their counts, and the rest of the union, are as they were.
 * GV_ERR_TRUNCATED, _MALFORMED, _VERSION, _KIND or _OVERSIZE; *msg then unspecified. Never reads beyond `bytes`.
 */
GV_NODISCARD enum gv_err gv_wire_decode(struct gv_msg *msg, struct gv_bulk *bulk, const uint8_t *frame, size_t bytes);

/** Upper bound of the encoded size of msg with bulk, for sizing a buffer. */
size_t gv_wire_bound(const struct gv_msg *msg, const struct gv_bulk *bulk);

/** Writes a frame. bulk may be NULL (no items). GV_OK and *bytes, or GV_ERR_RANGE if cap is too small. */
GV_NODISCARD enum gv_err gv_wire_encode(uint8_t *frame, size_t cap, size_t *bytes, const struct gv_msg *msg,
                                        const struct gv_bulk *bulk);

/**
 * Writes what precedes the payload of a CHUNK, so that the payload can be encoded in place behind it: the frame is
 * head + payload_bytes. `head` holds GV_CHUNK_HEAD_BYTES_MAX. Returns the head's length.
 */
size_t gv_wire_chunk_head(uint8_t *head, uint64_t nonce, uint32_t index, uint32_t payload_bytes);

/** The name of a kind for logs ("OFFER"); "?" if unknown. */
const char *gv_kind_name(uint32_t kind);

#endif
