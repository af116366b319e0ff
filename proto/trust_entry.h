/*
 * Entries of the trust set on their own: bytes <-> struct, and whether one applies to a member. For trust.c; everyone
 * else takes trust.h.
 */
#ifndef GV_TRUST_ENTRY_H
#define GV_TRUST_ENTRY_H

#include "trust.h"

/** Reads without verifying. Errors as gv_wire_decode. */
GV_NODISCARD enum gv_err gv_entry_decode(struct gv_entry *entry, struct gv_swarm_id *swarm, const uint8_t *data,
                                         size_t bytes);

/** Decodes and verifies: swarm, issuer's chain, signature. *issuer is the issuer's id, zero for the root. */
GV_NODISCARD enum gv_err gv_entry_verify(struct gv_entry *entry, struct gv_id *issuer,
                                         const struct gv_sign_public *root, const uint8_t *data, size_t bytes);

/** GV_OK if the entry leaves the owner of this chain a member, else GV_ERR_REVOKED or GV_ERR_CLOSED. `ids` are the ids
 *  of the chain's subjects, in order. Only kind, target, kept and by_root of the entry are looked at. */
GV_NODISCARD enum gv_err gv_entry_judge(enum gv_entry_kind kind, const struct gv_id *target, const struct gv_id *kept,
                                        uint32_t kept_count, const struct gv_id *issuer, bool by_root,
                                        const struct gv_chain *chain, const struct gv_id *ids);

#endif
