/*
 * Nodes that run the next version of the program: what it may add to the protocol without asking anybody (PROTOCOL.md,
 * section 9). Its frames, but for the chunks of a model, have one more field, its greetings announce features that
 * nobody knows yet, and beside each PING goes a message of a kind that does not exist. Nothing of it may matter to the
 * others.
 */
#ifndef GV_NEWER_H
#define GV_NEWER_H

#include <stddef.h>
#include <stdint.h>

#include "gv/msg.h"

#define GV_NEWER_BYTES 8u /* a frame grows by so many at most */

/** Sets in a greeting what the next version announces. */
void gv_newer_greet(struct gv_msg *msg);

/** Adds a field to a frame, in place; there is room for GV_NEWER_BYTES more. Returns the new length. */
size_t gv_newer_extend(uint8_t *frame, size_t bytes);

/** A frame of a kind that this version does not know; writes its length, at most GV_NEWER_BYTES, to *bytes. */
const uint8_t *gv_newer_unknown(size_t *bytes);

#endif
