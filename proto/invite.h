/*
 * Invite tokens: "gv1" and Base64url of {root public key, swarm name, seeds, the invite's secret seed, its chain} with
 * a four-byte checksum, so that a mistyped token is told apart from a forged one.
 */
#ifndef GV_INVITE_H
#define GV_INVITE_H

#include "cert.h"
#include "gv/err.h"
#include "gv/id.h"
#include "identity.h"

#define GV_TOKEN_CHARS_MAX 4096

struct gv_seed {
    char endpoint[GV_ENDPOINT_BYTES_MAX + 1];
    struct gv_curve_public curve;
};

struct gv_invite {
    struct gv_sign_public root;
    char name[GV_NAME_BYTES_MAX + 1];
    uint32_t seed_count;
    struct gv_seed seeds[GV_SEEDS_MAX];
    uint8_t secret[32];    /* seed of the invite's signing key; the caller wipes it */
    struct gv_chain chain; /* ends in the INVITE certificate */
};

/** `out` holds GV_TOKEN_CHARS_MAX + 1. */
GV_NODISCARD enum gv_err gv_invite_encode(char *out, const struct gv_invite *invite);

/**
 * Reads and verifies a token (white space around it is ignored). The diagnosis says what is wrong: not a token, cut
 * short, mistyped, of a newer version, forged. Expiry is not an error here: see gv_invite_expiry.
 */
GV_NODISCARD enum gv_err gv_invite_decode(struct gv_invite *invite, const char *token, struct gv_diag *diag);

/** The last link. */
const struct gv_cert *gv_invite_cert(const struct gv_invite *invite);

/** The joiner's own membership: the invite's chain and a MEMBER link for `identity`, signed with the invite's key. */
GV_NODISCARD enum gv_err gv_invite_accept(struct gv_chain *chain, const struct gv_invite *invite,
                                          const struct gv_sign_public *identity, uint64_t now_s);

#endif
