/*
 * What gv_identities holds. Private to identities.c and revocations.c.
 *
 * Per node there are about 130 bytes here and in the two tables, and some 550 per version of its record. Records and
 * farewells carry their owner's public key at a fixed place, so one look-up by key and one comparison of bytes tell
 * whether a peer's bytes are those that were signed.
 */
#ifndef GV_IDENTITIES_STATE_H
#define GV_IDENTITIES_STATE_H

#include <stdatomic.h>

#include "cert.h"
#include "identities.h"
#include "identity.h"

/* Where the owner's public key begins in a record and in a farewell: array head, bin head and swarm id, bin head. */
#define GV_OWNER_AT (1 + 2 + GV_ID_BYTES + 2)

/* A farewell; immutable. */
struct gv_farewell {
    struct gv_farewell *older;
    uint64_t incarnation;
    uint32_t bytes;
    uint8_t data[];
};

/* A revocation; immutable. */
struct gv_revocation {
    struct gv_hash hash;
    uint32_t target; /* node */
    uint32_t bytes;
    uint8_t data[];
};

struct gv_person {
    _Atomic(struct gv_version *) newest; /* as pushed; release by who signs, acquire by who looks */
    struct gv_farewell *farewell;
    uint64_t key_head; /* first bytes of the public key, for the table */
    uint64_t issued_s; /* of the certificate */
    struct gv_signature certified;
    bool dialable;
    bool by_member; /* invited by the member */
};

/* One table: open addressing, at most half full. */
struct gv_finder_slot {
    uint32_t tag;   /* other bits of the key than those that choose the slot */
    uint32_t taken; /* node + 1; 0: free */
};
struct gv_finder {
    struct gv_finder_slot *slots;
    uint32_t mask;
};

struct gv_identities {
    uint64_t seed;
    uint32_t nodes_max;
    enum gv_signatures signatures;
    struct gv_sign_key *root, *invites[2]; /* [by a member] */
    struct gv_sign_public root_public;
    struct gv_swarm_id swarm;
    struct gv_chain chains[2]; /* root -> INVITE; root -> MEMBER -> INVITE */
    uint64_t inviter;          /* the head of that member's id, who is no node */
    struct gv_id *ids;         /* (nodes_max) */
    struct gv_person *people;
    struct gv_finder by_id, by_key;
    uint32_t revoked;
    struct gv_revocation *revocations[GV_ENTRIES_MAX];
    struct gv_id targets[GV_ENTRIES_MAX]; /* of the revocations */
};

/* The node's signing key, made anew from the run's seed: it lives in guarded pages of its own, too large to keep. */
GV_NODISCARD enum gv_err gv_identities_key(struct gv_sign_key **key, const struct gv_identities *identities,
                                           uint32_t node);

/* Walks a table: *at starts at gv_finder_start(); GV_NODE_NONE at the end. What it gives need not have this key. */
uint32_t gv_finder_start(const struct gv_finder *finder, uint64_t key);
uint32_t gv_finder_next(const struct gv_finder *finder, uint64_t key, uint32_t *at);

#endif
