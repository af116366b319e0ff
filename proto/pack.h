/*
 * A writer of msgpack into a buffer of the caller's, through msgpack-c, which always picks the shortest encoding: the
 * canonical form of PROTOCOL.md. Sticky like the cursor: once something did not fit, nothing more is written.
 */
#ifndef GV_PACK_H
#define GV_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gv/err.h"

struct gv_pack {
    uint8_t *out;
    size_t cap;
    size_t used;
    bool overflow;
};

void gv_pack_init(struct gv_pack *p, uint8_t *out, size_t cap);
void gv_pack_array(struct gv_pack *p, size_t count);
void gv_pack_u64(struct gv_pack *p, uint64_t value);
void gv_pack_bool(struct gv_pack *p, bool value);
void gv_pack_bin(struct gv_pack *p, const uint8_t *data, size_t bytes);
/** Announces a bin of this length, whose bytes the caller puts behind what is written. */
void gv_pack_bin_head(struct gv_pack *p, size_t bytes);
void gv_pack_text(struct gv_pack *p, const char *text);

/** GV_OK and the length, or GV_ERR_RANGE if the buffer was too small. */
GV_NODISCARD enum gv_err gv_pack_end(const struct gv_pack *p, size_t *bytes);

#endif
