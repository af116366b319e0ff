/*
 * Chains inside other objects: records, invites and entries hold one each. For those three only; everyone else takes
 * cert.h.
 */
#ifndef GV_CERT_CODEC_H
#define GV_CERT_CODEC_H

#include "cert.h"
#include "cursor.h"
#include "pack.h"

/** Reads an array of certificates; fails the cursor if it is not well-formed. Verifies nothing. */
void gv_chain_read(struct gv_cursor *c, struct gv_chain *chain);
void gv_chain_write(struct gv_pack *p, const struct gv_chain *chain);

#endif
