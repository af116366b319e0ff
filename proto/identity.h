/*
 * Keys: Ed25519 identities and X25519 link keys, in guarded memory, wiped when freed; hashes; key files.
 */
#ifndef GV_IDENTITY_H
#define GV_IDENTITY_H

#include "gv/err.h"
#include "gv/id.h"

/* An Ed25519 key pair. The secret lives in sodium_malloc memory. */
struct gv_sign_key;

/** Must come first in every program that uses proto; initialises libsodium. GV_ERR_CRYPTO if it cannot. */
GV_NODISCARD enum gv_err gv_proto_init(void);

GV_NODISCARD enum gv_err gv_sign_key_new(struct gv_sign_key **key); /* random; returns owned */
GV_NODISCARD enum gv_err gv_sign_key_from_seed(struct gv_sign_key **key, const uint8_t seed[32]);
void gv_sign_key_free(struct gv_sign_key **key);
const struct gv_sign_public *gv_sign_key_public(const struct gv_sign_key *key);
/** Copies the 32-byte seed, for an invite token. The caller wipes it. */
void gv_sign_key_seed(const struct gv_sign_key *key, uint8_t seed[32]);

/* An X25519 key pair for CURVE, raw bytes as ZMQ_CURVE_SECRETKEY takes them. */
struct gv_curve_key;

GV_NODISCARD enum gv_err gv_curve_key_new(struct gv_curve_key **key);
GV_NODISCARD enum gv_err gv_curve_key_from_secret(struct gv_curve_key **key, const uint8_t secret[32]);
void gv_curve_key_free(struct gv_curve_key **key);
const struct gv_curve_public *gv_curve_key_public(const struct gv_curve_key *key);
const uint8_t *gv_curve_key_secret(const struct gv_curve_key *key); /* 32 bytes, borrowed */

/**
 * A node's key file (0600, text, one "name = value" a line: identity seed and curve secret in Base64, a version line);
 * created exclusively, fsynced with its folder. Loading refuses a file that others may read, and never quotes a key.
 */
GV_NODISCARD enum gv_err gv_node_keys_save(const char *path, const struct gv_sign_key *sign,
                                           const struct gv_curve_key *curve, struct gv_diag *diag);
GV_NODISCARD enum gv_err gv_node_keys_load(const char *path, struct gv_sign_key **sign, struct gv_curve_key **curve,
                                           struct gv_diag *diag);
/** The same for a swarm's root key. */
GV_NODISCARD enum gv_err gv_root_key_save(const char *path, const struct gv_sign_key *root, struct gv_diag *diag);
GV_NODISCARD enum gv_err gv_root_key_load(const char *path, struct gv_sign_key **root, struct gv_diag *diag);

/** BLAKE2b-256 of a public key. */
struct gv_id gv_id_of(const struct gv_sign_public *key);
struct gv_swarm_id gv_swarm_id_of(const struct gv_sign_public *root);
struct gv_hash gv_hash_of(const void *data, size_t bytes);

/* What a signature is for; PROTOCOL.md, "Signatures". */
#define GV_DOMAIN_CERTIFICATE "grapevine certificate v1"
#define GV_DOMAIN_RECORD "grapevine record v1"
#define GV_DOMAIN_LEAVE "grapevine leave v1"
#define GV_DOMAIN_ENTRY "grapevine entry v1"
#define GV_DOMAIN_MANIFEST "grapevine manifest v1"

/** Signs domain || 0x00 || data. `domain` is one of the constants of PROTOCOL.md, e.g. "grapevine record v1". */
GV_NODISCARD enum gv_err gv_sign(struct gv_signature *signature, const struct gv_sign_key *key, const char *domain,
                                 const void *data, size_t bytes);
GV_NODISCARD enum gv_err gv_verify(const struct gv_signature *signature, const struct gv_sign_public *key,
                                   const char *domain, const void *data, size_t bytes);

/** Overwrites a secret in a way the compiler keeps. */
void gv_wipe(void *secret, size_t bytes);

/** Random bytes (libsodium's generator). */
void gv_random(void *out, size_t bytes);

/** Lower-case hex of an id, or its first `digits` characters; `out` holds digits + 1. */
void gv_id_hex(char *out, const struct gv_id *id, size_t digits);
/** Parses 64 hex characters. GV_ERR_RANGE if it is anything else. */
GV_NODISCARD enum gv_err gv_id_parse(struct gv_id *id, const char *hex);

#endif
