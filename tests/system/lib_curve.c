/*
 * CURVE, client's side: see lib_curve.h.
 */
#include "lib_curve.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COOKIE_BYTES 96
#define FRAME_COMMAND 0x04
#define FRAME_LARGE 0x02
#define MESSAGE_BYTES_MAX 60000

/* A nonce is a prefix and a counter, big-endian. */
static void counted_nonce(uint8_t out[24], const char *prefix, uint64_t count)
{
    memcpy(out, prefix, 16);
    for (int i = 0; i < 8; i++) {
        out[16 + i] = (uint8_t)(count >> (56 - 8 * i));
    }
}

static void must(int result)
{
    if (result != 0) {
        (void)fprintf(stderr, "libsodium failed\n");
        exit(1);
    }
}

void bare_key_init(struct bare_key *key, const uint8_t server[BARE_KEY_BYTES])
{
    must(crypto_box_keypair(key->public, key->secret));
    memcpy(key->server, server, BARE_KEY_BYTES);
    must(crypto_box_beforenm(key->shared, server, key->secret));
}

void bare_greeting(uint8_t out[BARE_GREETING_BYTES])
{
    memset(out, 0, BARE_GREETING_BYTES);
    out[0] = 0xff;
    out[9] = 0x7f;
    out[10] = 3; /* version 3.0 */
    memcpy(out + 12, "CURVE", 5);
}

void bare_hello(uint8_t out[BARE_HELLO_BYTES], const struct bare_key *key)
{
    uint8_t nonce[24], zeros[64] = {0};
    memset(out, 0, BARE_HELLO_BYTES);
    out[0] = FRAME_COMMAND;
    out[1] = BARE_HELLO_BYTES - 2;
    memcpy(out + 2, "\5HELLO\1", 7);
    memcpy(out + 2 + 80, key->public, BARE_KEY_BYTES);
    counted_nonce(nonce, "CurveZMQHELLO---", 1);
    memcpy(out + 2 + 112, nonce + 16, 8);
    must(crypto_box_easy_afternm(out + 2 + 120, zeros, sizeof zeros, nonce, key->shared));
}

bool bare_initiate(uint8_t out[BARE_INITIATE_BYTES], struct bare_session *session, const struct bare_key *key,
                   const uint8_t welcome[BARE_WELCOME_BYTES])
{
    static const uint8_t metadata[] = "\13Socket-Type\0\0\0\6DEALER\10Identity\0\0\0";
    uint8_t nonce[24], opened[BARE_KEY_BYTES + COOKIE_BYTES];
    uint8_t plain[BARE_KEY_BYTES + 96 + sizeof metadata];
    memcpy(nonce, "WELCOME-", 8);
    memcpy(nonce + 8, welcome + 2 + 8, 16);
    if (memcmp(welcome + 2, "\7WELCOME", 8) != 0 ||
        crypto_box_open_easy_afternm(opened, welcome + 2 + 24, 144, nonce, key->shared) != 0) {
        return false;
    }
    must(crypto_box_beforenm(session->shared, opened, key->secret));
    session->nonce = 2;
    /* The vouch: the long-term key says that the transient key is its own. */
    uint8_t vouched[2 * BARE_KEY_BYTES];
    memcpy(vouched, key->public, BARE_KEY_BYTES);
    memcpy(vouched + BARE_KEY_BYTES, key->server, BARE_KEY_BYTES);
    memcpy(plain, key->public, BARE_KEY_BYTES);
    memcpy(nonce, "VOUCH---", 8);
    randombytes_buf(nonce + 8, 16);
    memcpy(plain + BARE_KEY_BYTES, nonce + 8, 16);
    must(crypto_box_easy_afternm(plain + BARE_KEY_BYTES + 16, vouched, sizeof vouched, nonce, session->shared));
    memcpy(plain + BARE_KEY_BYTES + 96, metadata, sizeof metadata);
    memset(out, 0, 9);
    out[0] = FRAME_COMMAND | FRAME_LARGE;
    out[7] = (uint8_t)((BARE_INITIATE_BYTES - 9) >> 8);
    out[8] = (uint8_t)((BARE_INITIATE_BYTES - 9) & 0xff);
    memcpy(out + 9, "\10INITIATE", 9);
    memcpy(out + 9 + 9, opened + BARE_KEY_BYTES, COOKIE_BYTES);
    counted_nonce(nonce, "CurveZMQINITIATE", session->nonce++);
    memcpy(out + 9 + 105, nonce + 16, 8);
    must(crypto_box_easy_afternm(out + 9 + 113, plain, sizeof plain, nonce, session->shared));
    _Static_assert(9 + 113 + 16 + sizeof plain == BARE_INITIATE_BYTES, "an INITIATE fits");
    return true;
}

static size_t seal(uint8_t *out, struct bare_session *session, uint8_t flags, const uint8_t *data, size_t bytes)
{
    static uint8_t plain[MESSAGE_BYTES_MAX + 1];
    uint8_t nonce[24];
    if (bytes > MESSAGE_BYTES_MAX) {
        must(-1);
    }
    plain[0] = flags;
    memcpy(plain + 1, data, bytes);
    size_t body = 8 + 8 + 16 + 1 + bytes, head = body > 255 ? 9 : 2;
    memset(out, 0, head);
    out[0] = body > 255 ? FRAME_LARGE : 0;
    out[head - 1] = (uint8_t)(body & 0xff);
    if (body > 255) {
        out[head - 2] = (uint8_t)(body >> 8);
    }
    memcpy(out + head, "\7MESSAGE", 8);
    counted_nonce(nonce, "CurveZMQMESSAGEC", session->nonce++);
    memcpy(out + head + 8, nonce + 16, 8);
    must(crypto_box_easy_afternm(out + head + 16, plain, bytes + 1, nonce, session->shared));
    return head + body;
}

size_t bare_message(uint8_t *out, struct bare_session *session, const uint8_t *data, size_t bytes)
{
    return seal(out, session, 0 /* no part follows */, data, bytes);
}

size_t bare_command(uint8_t *out, struct bare_session *session, const uint8_t *data, size_t bytes)
{
    return seal(out, session, 2, data, bytes);
}
