/*
 * Keys, signatures and hashes: libsodium behind types that cannot be mixed up. Secrets live in sodium_malloc memory
 * (guard pages, locked where the system lets us, wiped when freed) and never leave it but into a key file or a token.
 */
#include "identity.h"

#include <sodium.h>
#include <stdlib.h>

_Static_assert(crypto_sign_PUBLICKEYBYTES == GV_KEY_BYTES, "Ed25519 public keys");
_Static_assert(crypto_sign_SEEDBYTES == 32, "Ed25519 seeds");
_Static_assert(crypto_sign_BYTES == GV_SIGNATURE_BYTES, "Ed25519 signatures");
_Static_assert(crypto_box_PUBLICKEYBYTES == GV_KEY_BYTES && crypto_box_SECRETKEYBYTES == 32, "X25519 keys");

struct gv_sign_key {
    struct gv_sign_public public;
    uint8_t secret[crypto_sign_SECRETKEYBYTES]; /* libsodium's form: seed, then public key */
};

struct gv_curve_key {
    struct gv_curve_public public;
    uint8_t secret[crypto_box_SECRETKEYBYTES];
};

static void blake2b(uint8_t out[32], const void *data, size_t bytes)
{
    int failed = crypto_generichash(out, 32, data, bytes, NULL, 0);
    GV_ASSERT(failed == 0); /* fails on wrong sizes only */
}

/* Ed25519 takes one contiguous message. Most are records and certificates and fit on the stack. */
struct framed {
    uint8_t near[4096 + 256];
    uint8_t *all; /* near, or heap */
    size_t bytes;
};

static bool framed_init(struct framed *f, const char *domain, const void *data, size_t bytes)
{
    size_t head = strlen(domain) + 1; /* with its zero byte */
    f->bytes = head + bytes;
    f->all = f->bytes <= sizeof f->near ? f->near : malloc(f->bytes);
    if (f->all == NULL) {
        return false;
    }
    memcpy(f->all, domain, head);
    if (bytes > 0) {
        memcpy(f->all + head, data, bytes);
    }
    return true;
}

static void framed_deinit(struct framed *f)
{
    if (f->all != f->near) {
        free(f->all);
    }
}

enum gv_err gv_proto_init(void)
{
    return sodium_init() >= 0 ? GV_OK : GV_ERR_CRYPTO;
}

enum gv_err gv_sign_key_new(struct gv_sign_key **key)
{
    *key = sodium_malloc(sizeof **key);
    if (*key == NULL) {
        return GV_ERR_NOMEM;
    }
    if (crypto_sign_keypair((*key)->public.b, (*key)->secret) != 0) {
        gv_sign_key_free(key);
        return GV_ERR_CRYPTO;
    }
    return GV_OK;
}

enum gv_err gv_sign_key_from_seed(struct gv_sign_key **key, const uint8_t seed[32])
{
    *key = sodium_malloc(sizeof **key);
    if (*key == NULL) {
        return GV_ERR_NOMEM;
    }
    if (crypto_sign_seed_keypair((*key)->public.b, (*key)->secret, seed) != 0) {
        gv_sign_key_free(key);
        return GV_ERR_CRYPTO;
    }
    return GV_OK;
}

void gv_sign_key_free(struct gv_sign_key **key)
{
    sodium_free(*key); /* wipes; takes NULL */
    *key = NULL;
}

const struct gv_sign_public *gv_sign_key_public(const struct gv_sign_key *key)
{
    return &key->public;
}

void gv_sign_key_seed(const struct gv_sign_key *key, uint8_t seed[32])
{
    int failed = crypto_sign_ed25519_sk_to_seed(seed, key->secret);
    GV_ASSERT(failed == 0);
}

enum gv_err gv_curve_key_new(struct gv_curve_key **key)
{
    *key = sodium_malloc(sizeof **key);
    if (*key == NULL) {
        return GV_ERR_NOMEM;
    }
    if (crypto_box_keypair((*key)->public.b, (*key)->secret) != 0) {
        gv_curve_key_free(key);
        return GV_ERR_CRYPTO;
    }
    return GV_OK;
}

enum gv_err gv_curve_key_from_secret(struct gv_curve_key **key, const uint8_t secret[32])
{
    *key = sodium_malloc(sizeof **key);
    if (*key == NULL) {
        return GV_ERR_NOMEM;
    }
    memcpy((*key)->secret, secret, sizeof(*key)->secret);
    if (crypto_scalarmult_base((*key)->public.b, secret) != 0) {
        gv_curve_key_free(key);
        return GV_ERR_CRYPTO;
    }
    return GV_OK;
}

void gv_curve_key_free(struct gv_curve_key **key)
{
    sodium_free(*key);
    *key = NULL;
}

const struct gv_curve_public *gv_curve_key_public(const struct gv_curve_key *key)
{
    return &key->public;
}

const uint8_t *gv_curve_key_secret(const struct gv_curve_key *key)
{
    return key->secret;
}

struct gv_id gv_id_of(const struct gv_sign_public *key)
{
    struct gv_id id;
    blake2b(id.b, key->b, sizeof key->b);
    return id;
}

struct gv_swarm_id gv_swarm_id_of(const struct gv_sign_public *root)
{
    struct gv_swarm_id id;
    blake2b(id.b, root->b, sizeof root->b);
    return id;
}

struct gv_hash gv_hash_of(const void *data, size_t bytes)
{
    struct gv_hash hash;
    blake2b(hash.b, data, bytes);
    return hash;
}

enum gv_err gv_sign(struct gv_signature *signature, const struct gv_sign_key *key, const char *domain, const void *data,
                    size_t bytes)
{
    struct framed message;
    if (!framed_init(&message, domain, data, bytes)) {
        return GV_ERR_NOMEM;
    }
    int failed = crypto_sign_detached(signature->b, NULL, message.all, message.bytes, key->secret);
    framed_deinit(&message);
    return failed == 0 ? GV_OK : GV_ERR_CRYPTO;
}

enum gv_err gv_verify(const struct gv_signature *signature, const struct gv_sign_public *key, const char *domain,
                      const void *data, size_t bytes)
{
    struct framed message;
    if (!framed_init(&message, domain, data, bytes)) {
        return GV_ERR_NOMEM;
    }
    int failed = crypto_sign_verify_detached(signature->b, message.all, message.bytes, key->b);
    framed_deinit(&message);
    return failed == 0 ? GV_OK : GV_ERR_SIGNATURE;
}

void gv_wipe(void *secret, size_t bytes)
{
    sodium_memzero(secret, bytes);
}

void gv_random(void *out, size_t bytes)
{
    randombytes_buf(out, bytes);
}

void gv_id_hex(char *out, const struct gv_id *id, size_t digits)
{
    static const char hex[16] = "0123456789abcdef";
    digits = digits < 2 * sizeof id->b ? digits : 2 * sizeof id->b;
    for (size_t i = 0; i < digits; i++) {
        out[i] = hex[i % 2 == 0 ? id->b[i / 2] >> 4 : id->b[i / 2] & 0x0f];
    }
    out[digits] = '\0';
}

enum gv_err gv_id_parse(struct gv_id *id, const char *hex)
{
    struct gv_id parsed;
    size_t bytes = 0;
    const char *end = hex;
    if (strnlen(hex, 2 * sizeof parsed.b + 1) != 2 * sizeof parsed.b ||
        sodium_hex2bin(parsed.b, sizeof parsed.b, hex, 2 * sizeof parsed.b, NULL, &bytes, &end) != 0 ||
        bytes != sizeof parsed.b) {
        return GV_ERR_RANGE;
    }
    *id = parsed;
    return GV_OK;
}
