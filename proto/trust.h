/*
 * Who is a member right now: the root key, the add-only set of revocations and invite closings, and the identities seen
 * through each invite. No input or output; the host stores gv_trust_encode()'s bytes.
 *
 * An entry {kind, target, kept ids} by issuer I applies to a member M when
 *   REVOKE: target is M or stands above M in its chain, no member below the target down to M is kept, and I is the root
 *           or stands above the target in M's chain;
 *   CLOSE:  target is an invite in M's chain, no member below it down to M is kept, and I is the root or that invite's
 *           inviter.
 * So keeping an id keeps those it invited too, and an id cannot be kept from its own revocation.
 *
 * An entry whose issuer is itself expelled by an entry of the root is void: it is dropped, and refused from then on.
 * Its only effect could have been on those that the root chose to keep, and a revoked inviter must not be able to expel
 * them. Entries of the root are never void. Both rules make the valid set independent of the order of arrival.
 *
 * No member can fill the table. Members' entries are bounded per issuer, per branch of the tree of invitations (half as
 * many at each generation down, so that a member's own invitees cannot add up to more than its branch), and in all; the
 * root's always find room. In a full bucket the latest entry by (issued_s, hash) gives way, whichever came first.
 */
#ifndef GV_TRUST_H
#define GV_TRUST_H

#include "cert.h"
#include "gv/err.h"
#include "gv/id.h"
#include "gv/manifest.h"
#include "identity.h"

/* Entries by members, of GV_TRUST_ENTRIES_MAX. */
#define GV_TRUST_MEMBERS_MAX 768   /* in all; generation g's branch may hold GV_TRUST_MEMBERS_MAX >> g */
#define GV_TRUST_PER_ISSUER_MAX 32 /* by one identity */

/* Pairs of invite and user that are remembered, those of them whose invites one member issued, and those of one invite
   for each of its uses: whoever has its key can make any number, and they must not displace those that came before. */
#define GV_TRUST_SEEN_MAX 16384
#define GV_TRUST_SEEN_PER_INVITER_MAX 4096
#define GV_TRUST_SEEN_PER_USE_MAX 2 /* more than one, since some are admitted elsewhere at the same time */

struct gv_trust;

enum gv_entry_kind { GV_ENTRY_REVOKE = 1, GV_ENTRY_CLOSE = 2 };

struct gv_entry {
    enum gv_entry_kind kind;
    struct gv_id target; /* a node, or an invite's id */
    uint64_t issued_s;
    uint32_t kept_count;
    struct gv_id kept[GV_KEPT_IDS_MAX];
    bool by_root; /* else issuer_chain ends in the issuer's MEMBER certificate */
    struct gv_chain issuer_chain;
};

GV_NODISCARD enum gv_err gv_trust_new(struct gv_trust **trust, const struct gv_sign_public *root);
void gv_trust_free(struct gv_trust **trust);

/** From each manifest: who may invite. */
void gv_trust_set_inviters(struct gv_trust *trust, enum gv_inviters inviters);

/** Signs and encodes an entry. `issuer` is the root key or the identity at the end of issuer_chain. `out` holds
 *  GV_TRUST_ENTRY_BYTES_MAX. */
GV_NODISCARD enum gv_err gv_entry_sign(uint8_t *out, size_t *bytes, const struct gv_entry *entry,
                                       const struct gv_swarm_id *swarm, const struct gv_sign_key *issuer);

/** Verifies and adds an entry. *added is false if it was there. GV_ERR_FULL (its bucket holds only earlier ones),
 *  GV_ERR_REVOKED (void: the root has expelled its issuer), or why it is not valid. */
GV_NODISCARD enum gv_err gv_trust_add(struct gv_trust *trust, bool *added, const uint8_t *entry, size_t bytes);

/** XOR of the first eight bytes of the entries' hashes: equal sets have equal digests. */
uint64_t gv_trust_digest(const struct gv_trust *trust);

uint32_t gv_trust_count(const struct gv_trust *trust);
/** Entries that this member has issued, of GV_TRUST_PER_ISSUER_MAX. */
uint32_t gv_trust_issued(const struct gv_trust *trust, const struct gv_id *member);
/** Entry `index`, borrowed until the next add. */
struct gv_span gv_trust_entry(const struct gv_trust *trust, uint32_t index);
/** The first eight bytes of each entry's hash, concatenated in order of index, as TRUST_HAVE carries them; borrowed. */
struct gv_span gv_trust_hashes(const struct gv_trust *trust);

/** May the owner of this verified chain be a member? GV_OK, GV_ERR_REVOKED, GV_ERR_CLOSED, or GV_ERR_CHAIN (the
 *  manifest lets only the root invite). Says nothing of expiry and uses. */
GV_NODISCARD enum gv_err gv_trust_check(const struct gv_trust *trust, const struct gv_chain *chain);

/**
 * gv_trust_check() and, for an identity never seen before, the invite's expiry and uses by our clock: GV_ERR_EXPIRED,
 * GV_ERR_USED_UP. An identity seen before passes: admission limits never expel anyone.
 */
GV_NODISCARD enum gv_err gv_trust_admit(const struct gv_trust *trust, const struct gv_chain *chain, uint64_t now_s);

/** Remembers that this chain's member uses its invite, from HELLOs and from records alike; true if that is new.
 *  Bounded: of too many by one invite the first are kept, of too many by one inviter or in all three quarters, the
 *  first, and the latest of the others. */
bool gv_trust_seen(struct gv_trust *trust, const struct gv_chain *chain);

/** True if entry `index` names a subject of this chain as its target. */
bool gv_trust_concerns(const struct gv_trust *trust, uint32_t index, const struct gv_chain *chain);
/** True if an entry that closes this invite is held. */
bool gv_trust_closed(const struct gv_trust *trust, const struct gv_id *invite);

/** Ids seen to have used this invite, at most cap; returns how many are known. */
uint32_t gv_trust_users(const struct gv_trust *trust, const struct gv_id *invite, struct gv_id *ids, uint32_t cap);

/** The whole object as bytes, and back. Encoding returns owned memory (free()). Decoding is for a new object; every
 *  entry is verified again. GV_ERR_CORRUPT. */
GV_NODISCARD enum gv_err gv_trust_encode(const struct gv_trust *trust, uint8_t **data, size_t *bytes);
GV_NODISCARD enum gv_err gv_trust_decode(struct gv_trust *trust, const uint8_t *data, size_t bytes);

#endif
