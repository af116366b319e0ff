/*
 * A swarm of fixed keys, and one fixed example of every signed object and message: those of PROTOCOL.md. For the tests
 * of proto.
 */
#ifndef PROTO_FIXTURE_H
#define PROTO_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "cert.h"
#include "gv/manifest.h"
#include "gv/msg.h"
#include "identity.h"
#include "invite.h"
#include "record.h"
#include "trust.h"

/* Seeds of the example keys are 32 equal bytes. */
enum {
    SEED_ROOT = 1,
    SEED_CREATOR = 2,
    SEED_INVITE = 3,
    SEED_MEMBER = 4,
    SEED_CREATOR_CURVE = 5,
    SEED_MEMBER_CURVE = 6
};

#define EXAMPLE_TIME 1700000000u

/* root -> creator -> invite -> member; all owned, freed by fixture_deinit. */
struct fixture {
    struct gv_sign_key *root, *creator, *invite_key, *member;
    struct gv_curve_key *creator_curve, *member_curve;
    struct gv_swarm_id swarm;
    struct gv_chain creator_chain, invite_chain, member_chain;
};

void fixture_init(struct fixture *f);
void fixture_deinit(struct fixture *f);

/** The key whose seed is 32 times `byte`; the caller frees it. */
struct gv_sign_key *fixture_key(uint8_t byte);

/** Appends a link for `subject`; fails the test if it cannot. */
void fixture_extend(struct gv_chain *chain, const struct fixture *f, enum gv_cert_kind kind,
                    const struct gv_sign_key *subject, const struct gv_sign_key *issuer);

/** The examples' fields. */
struct gv_record example_record(const struct fixture *f);
void example_invite(struct gv_invite *invite, const struct fixture *f);
struct gv_entry example_revoke(const struct fixture *f);
struct gv_entry example_close(const struct fixture *f);
void example_manifest(struct gv_manifest *manifest, const struct fixture *f);

#define EXAMPLE_BYTES_MAX 8192
struct example {
    const char *name; /* of its block in PROTOCOL.md: a kind, or "record", "leave"... */
    uint32_t kind;    /* 0: a signed object */
    struct gv_msg msg;
    struct gv_bulk bulk; /* borrows from the examples it was built with */
    uint8_t bytes[EXAMPLE_BYTES_MAX];
    size_t count;
};

enum { EXAMPLE_CHAIN, EXAMPLE_RECORD, EXAMPLE_LEAVE, EXAMPLE_REVOKE, EXAMPLE_CLOSE, EXAMPLE_MANIFEST, EXAMPLE_OBJECTS };
#define EXAMPLES (EXAMPLE_OBJECTS + GV_KIND_COUNT - 1)

/** All examples, the objects first, then the messages by number; the caller frees. */
struct example *examples_new(const struct fixture *f);

/** A small generator (SplitMix64) for random tests; seed from SEED in the environment, printed. */
uint64_t fixture_seed(void);
uint64_t fixture_random(uint64_t *state);

#endif
