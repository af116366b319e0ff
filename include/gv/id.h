/*
 * Identities, keys and hashes: wrapped, so that two kinds of 32 bytes cannot be swapped by mistake.
 */
#ifndef GV_ID_H
#define GV_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "gv/limits.h"

struct gv_id { /* BLAKE2b-256 of a node's Ed25519 public key; also of an invite's, as that invite's id */
    uint8_t b[GV_ID_BYTES];
};

struct gv_swarm_id { /* BLAKE2b-256 of the swarm's root public key */
    uint8_t b[GV_ID_BYTES];
};

struct gv_sign_public { /* Ed25519 public key */
    uint8_t b[GV_KEY_BYTES];
};

struct gv_curve_public { /* X25519 public key, raw */
    uint8_t b[GV_KEY_BYTES];
};

struct gv_signature { /* Ed25519, detached */
    uint8_t b[GV_SIGNATURE_BYTES];
};

struct gv_hash { /* BLAKE2b-256 */
    uint8_t b[32];
};

static inline bool gv_id_equal(const struct gv_id *a, const struct gv_id *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

/** Total order of ids: < 0, 0, > 0. Decides which of two links or OFFERs counts. */
static inline int gv_id_compare(const struct gv_id *a, const struct gv_id *b)
{
    return memcmp(a->b, b->b, sizeof a->b);
}

/** First eight bytes, least significant first. */
static inline uint64_t gv_head_of(const uint8_t *bytes)
{
    uint64_t head = 0;
    for (unsigned i = 0; i < 8; i++) {
        head |= (uint64_t)bytes[i] << (8 * i);
    }
    return head;
}

static inline bool gv_id_is_zero(const struct gv_id *a)
{
    static const struct gv_id zero;
    return gv_id_equal(a, &zero);
}

static inline bool gv_hash_equal(const struct gv_hash *a, const struct gv_hash *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

#endif
