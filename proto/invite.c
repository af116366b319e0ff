/*
 * Invite tokens: "gv1" + Base64url(payload || checksum), no padding. The payload is canonical msgpack,
 *
 *     [root, name, [[endpoint, curve]...], secret, [certificate...]]
 *
 * and the checksum the first four bytes of its BLAKE2b-256. The prefix carries the version. Whoever holds a token holds
 * the invite's secret key, so every buffer that a token passes through is wiped.
 */
#include "invite.h"

#include <sodium.h>

#include "cert_codec.h"
#include "identity.h"
#include "record.h"

#define PREFIX "gv1"
#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define CHECKSUM_BYTES 4
#define PAYLOAD_BYTES_MAX (GV_TOKEN_CHARS_MAX / 4 * 3)
#define INVITE_FIELDS 5
#define SEED_FIELDS 2

_Static_assert(PAYLOAD_BYTES_MAX >= GV_CHAIN_LINKS_MAX * GV_CERT_BYTES_MAX +
                                        GV_SEEDS_MAX * (GV_ENDPOINT_BYTES_MAX + GV_KEY_BYTES + 6) + GV_NAME_BYTES_MAX +
                                        2 * GV_KEY_BYTES + 32,
               "a token with the longest chain fits");

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void write_payload(struct gv_pack *p, const struct gv_invite *invite)
{
    gv_pack_array(p, INVITE_FIELDS);
    gv_pack_bin(p, invite->root.b, sizeof invite->root.b);
    gv_pack_text(p, invite->name);
    gv_pack_array(p, invite->seed_count);
    for (uint32_t i = 0; i < invite->seed_count; i++) {
        gv_pack_array(p, SEED_FIELDS);
        gv_pack_text(p, invite->seeds[i].endpoint);
        gv_pack_bin(p, invite->seeds[i].curve.b, sizeof invite->seeds[i].curve.b);
    }
    gv_pack_bin(p, invite->secret, sizeof invite->secret);
    gv_chain_write(p, &invite->chain);
}

static void read_seed(struct gv_cursor *c, struct gv_seed *seed)
{
    if (gv_cursor_array(c, SEED_FIELDS) != SEED_FIELDS) {
        gv_cursor_fail(c, GV_ERR_MALFORMED);
    }
    gv_cursor_text(c, seed->endpoint, GV_ENDPOINT_BYTES_MAX);
    gv_cursor_fixed(c, seed->curve.b, sizeof seed->curve.b);
    if (!gv_endpoint_valid(seed->endpoint)) {
        gv_cursor_fail(c, GV_ERR_MALFORMED);
    }
}

static enum gv_err read_payload(struct gv_invite *invite, const uint8_t *data, size_t bytes)
{
    struct gv_cursor c;
    gv_cursor_init_canonical(&c, data, bytes);
    if (gv_cursor_array(&c, INVITE_FIELDS) != INVITE_FIELDS) {
        gv_cursor_fail(&c, GV_ERR_MALFORMED);
    }
    gv_cursor_fixed(&c, invite->root.b, sizeof invite->root.b);
    gv_cursor_text(&c, invite->name, GV_NAME_BYTES_MAX);
    invite->seed_count = gv_cursor_array(&c, GV_SEEDS_MAX);
    for (uint32_t i = 0; i < invite->seed_count; i++) {
        read_seed(&c, &invite->seeds[i]);
    }
    gv_cursor_fixed(&c, invite->secret, sizeof invite->secret);
    gv_chain_read(&c, &invite->chain);
    return gv_cursor_end(&c);
}

/* The chain reaches the root, ends in an INVITE, and the secret is that invite's. */
static enum gv_err verify(const struct gv_invite *invite)
{
    enum gv_err err = gv_chain_verify(&invite->chain, &invite->root);
    if (err != GV_OK) {
        return err;
    }
    const struct gv_cert *cert = gv_invite_cert(invite);
    struct gv_sign_key *key;
    err = gv_sign_key_from_seed(&key, invite->secret);
    if (err != GV_OK) {
        return err;
    }
    bool fits = cert->kind == GV_CERT_INVITE &&
                memcmp(cert->subject.b, gv_sign_key_public(key)->b, sizeof cert->subject.b) == 0;
    gv_sign_key_free(&key);
    return fits ? GV_OK : GV_ERR_CHAIN;
}

/* Was the payload cut off, rather than altered? Then its array or the checksum wants more bytes than there are. */
static bool looks_cut(const uint8_t *payload, size_t bytes)
{
    struct gv_cursor c;
    gv_cursor_init(&c, payload, bytes);
    gv_cursor_skip(&c);
    return gv_cursor_ok(&c) ? c.left < CHECKSUM_BYTES : c.err == GV_ERR_TRUNCATED;
}

static enum gv_err decode_payload(struct gv_invite *invite, const uint8_t *payload, size_t bytes, struct gv_diag *diag)
{
    if (bytes <= CHECKSUM_BYTES) {
        return gv_diag_set(diag, GV_ERR_TOKEN, "the token is cut short");
    }
    size_t body = bytes - CHECKSUM_BYTES;
    struct gv_hash hash = gv_hash_of(payload, body);
    if (memcmp(hash.b, payload + body, CHECKSUM_BYTES) != 0) {
        return gv_diag_set(diag, GV_ERR_TOKEN,
                           looks_cut(payload, bytes) ? "the token is cut short; copy it whole"
                                                     : "the token is mistyped (its checksum differs)");
    }
    if (read_payload(invite, payload, body) != GV_OK) {
        return gv_diag_set(diag, GV_ERR_TOKEN, "the token's contents are not an invite's");
    }
    enum gv_err err = verify(invite);
    if (err == GV_ERR_NOMEM || err == GV_ERR_CRYPTO) {
        return gv_diag_set(diag, err, "%s", gv_err_text((int)err));
    }
    if (err != GV_OK) {
        return gv_diag_set(diag, GV_ERR_TOKEN, "the token is forged: %s", gv_err_text((int)err));
    }
    return GV_OK;
}

enum gv_err gv_invite_encode(char *out, const struct gv_invite *invite)
{
    if (invite->seed_count > GV_SEEDS_MAX || invite->chain.count == 0 || invite->chain.count > GV_CHAIN_LINKS_MAX) {
        return GV_ERR_RANGE;
    }
    for (uint32_t i = 0; i < invite->seed_count; i++) {
        if (!gv_endpoint_valid(invite->seeds[i].endpoint)) {
            return GV_ERR_RANGE;
        }
    }
    uint8_t payload[PAYLOAD_BYTES_MAX];
    struct gv_pack p;
    gv_pack_init(&p, payload, sizeof payload - CHECKSUM_BYTES);
    write_payload(&p, invite);
    size_t bytes;
    enum gv_err err = gv_pack_end(&p, &bytes);
    size_t cap = GV_TOKEN_CHARS_MAX + 1 - strlen(PREFIX);
    if (err == GV_OK && sodium_base64_encoded_len(bytes + CHECKSUM_BYTES, VARIANT) > cap) {
        err = GV_ERR_RANGE;
    }
    if (err == GV_OK) {
        struct gv_hash hash = gv_hash_of(payload, bytes);
        memcpy(payload + bytes, hash.b, CHECKSUM_BYTES);
        (void)snprintf(out, sizeof PREFIX, "%s", PREFIX);
        (void)sodium_bin2base64(out + strlen(PREFIX), cap, payload, bytes + CHECKSUM_BYTES, VARIANT);
    }
    gv_wipe(payload, sizeof payload);
    return err;
}

static enum gv_err decode_plain(struct gv_invite *invite, const char *token, size_t chars, struct gv_diag *diag)
{
    if (chars < 3 || token[0] != 'g' || token[1] != 'v' || token[2] < '1' || token[2] > '9') {
        return gv_diag_set(diag, GV_ERR_TOKEN, "not an invite token: it should begin with \"%s\"", PREFIX);
    }
    if (token[2] != PREFIX[2]) {
        return gv_diag_set(diag, GV_ERR_TOKEN, "the token is of a newer version (%.3s); this program reads %s", token,
                           PREFIX);
    }
    if (chars > GV_TOKEN_CHARS_MAX) {
        return gv_diag_set(diag, GV_ERR_TOKEN, "the token has %zu characters, more than any invite", chars);
    }
    size_t good = strspn(token, ALPHABET); /* our own check: libsodium's takes some bytes above 0x7f for letters */
    if (good < chars) {
        return gv_diag_set(diag, GV_ERR_TOKEN, "character %zu of the token cannot be part of one", good + 1);
    }
    uint8_t payload[PAYLOAD_BYTES_MAX];
    size_t bytes = 0;
    size_t prefix = strlen(PREFIX);
    int failed =
        sodium_base642bin(payload, sizeof payload, token + prefix, chars - prefix, NULL, &bytes, NULL, VARIANT);
    enum gv_err err = failed != 0 ? gv_diag_set(diag, GV_ERR_TOKEN, "the token is cut short or mistyped at its end")
                                  : decode_payload(invite, payload, bytes, diag);
    gv_wipe(payload, sizeof payload);
    return err;
}

enum gv_err gv_invite_decode(struct gv_invite *invite, const char *token, struct gv_diag *diag)
{
    char plain[GV_TOKEN_CHARS_MAX + 1] = "";
    size_t chars = 0;
    memset(invite, 0, sizeof *invite);
    /* Mail programs break long lines: white space is nowhere part of a token. */
    for (; *token != '\0'; token++) {
        if (!is_space(*token)) {
            plain[chars < GV_TOKEN_CHARS_MAX ? chars : GV_TOKEN_CHARS_MAX] = *token;
            chars++;
        }
    }
    plain[GV_TOKEN_CHARS_MAX] = '\0';
    enum gv_err err = decode_plain(invite, plain, chars, diag);
    gv_wipe(plain, sizeof plain);
    if (err != GV_OK) {
        gv_wipe(invite, sizeof *invite);
    }
    return err;
}

const struct gv_cert *gv_invite_cert(const struct gv_invite *invite)
{
    GV_ASSERT(invite->chain.count > 0);
    return &invite->chain.link[invite->chain.count - 1];
}

enum gv_err gv_invite_accept(struct gv_chain *chain, const struct gv_invite *invite,
                             const struct gv_sign_public *identity, uint64_t now_s)
{
    struct gv_sign_key *key;
    enum gv_err err = gv_sign_key_from_seed(&key, invite->secret);
    if (err != GV_OK) {
        return err;
    }
    struct gv_cert fields = {
        .kind = GV_CERT_MEMBER,
        .swarm = gv_swarm_id_of(&invite->root),
        .subject = *identity,
        .issued_s = now_s,
    };
    *chain = invite->chain;
    err = gv_chain_append(chain, &fields, key);
    gv_sign_key_free(&key);
    return err;
}
