/*
 * Signed objects: one canonical msgpack array whose last element is an Ed25519 signature, as a bin of 64 bytes. The
 * signature covers every byte before it, the array's head included: all of the object but its last 66 bytes. So what
 * was received is verified as it came, and nothing is encoded again to check it.
 */
#ifndef GV_SEALED_H
#define GV_SEALED_H

#include "cursor.h"
#include "gv/err.h"
#include "gv/id.h"
#include "identity.h"
#include "pack.h"

#define GV_SEAL_BYTES (2 + GV_SIGNATURE_BYTES)

/** Signs what `p` holds and appends the signature. GV_ERR_RANGE if it did not fit. */
GV_NODISCARD enum gv_err gv_seal(struct gv_pack *p, size_t *bytes, const char *domain, const struct gv_sign_key *key);

/** Verifies a decoded object (of at least GV_SEAL_BYTES, canonical, so that it ends in its signature). */
GV_NODISCARD enum gv_err gv_seal_verify(const uint8_t *data, size_t bytes, const char *domain,
                                        const struct gv_sign_public *key);

#endif
