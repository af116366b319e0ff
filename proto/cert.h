/*
 * Certificates and their chains: root -> inviter -> invite -> member. Each link is signed by the key of the link
 * before it, the first by the root; so anyone who knows the root key can check a member without asking anybody.
 *
 *     kind      subject            may be followed by
 *     MEMBER    a node's identity  INVITE (if the manifest lets members invite)
 *     INVITE    an invite's key    MEMBER
 *
 * The root may sign either. Expiry and uses are limits on *admission* only (see trust.h).
 */
#ifndef GV_CERT_H
#define GV_CERT_H

#include "gv/err.h"
#include "gv/id.h"
#include "gv/msg.h"

struct gv_sign_key;

enum gv_cert_kind { GV_CERT_MEMBER = 1, GV_CERT_INVITE = 2 };

struct gv_cert {
    enum gv_cert_kind kind;
    struct gv_swarm_id swarm;
    struct gv_sign_public subject;
    uint64_t issued_s;
    uint64_t expires_s; /* INVITE; 0: never */
    uint32_t uses;      /* INVITE: 1.. */
    struct gv_signature signature;
};

struct gv_chain {
    uint32_t count;
    struct gv_cert link[GV_CHAIN_LINKS_MAX]; /* link[0] is signed by the root */
};

/** Appends a link signed by `issuer` (the root for an empty chain, else the subject of the last link). GV_ERR_FULL. */
GV_NODISCARD enum gv_err gv_chain_append(struct gv_chain *chain, const struct gv_cert *fields,
                                         const struct gv_sign_key *issuer);

/**
 * Every signature, the alternation of kinds, the swarm. GV_OK, GV_ERR_SWARM, GV_ERR_SIGNATURE or GV_ERR_CHAIN.
 * Does not look at expiry, uses or revocation: that is gv_trust_*.
 */
GV_NODISCARD enum gv_err gv_chain_verify(const struct gv_chain *chain, const struct gv_sign_public *root);
/** Whether an invite in it was signed by a member, not by the root. */
bool gv_chain_has_member_invite(const struct gv_chain *chain);

/** Canonical bytes <-> chain. Decoding is bounded and copies. */
GV_NODISCARD enum gv_err gv_chain_encode(uint8_t *out, size_t cap, size_t *bytes, const struct gv_chain *chain);
GV_NODISCARD enum gv_err gv_chain_decode(struct gv_chain *chain, const uint8_t *data, size_t bytes);

#endif
