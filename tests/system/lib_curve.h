/*
 * A ZeroMQ client with CURVE, byte by byte (ZMTP 3.1, RFC 23 and 26): for tests that open thousands of connections from
 * one thread, send a handshake in pieces or stop in the middle of it, which the library does not do.
 *
 *     greeting ->  <- greeting  HELLO ->  <- WELCOME  INITIATE ->  <- READY  MESSAGE ->
 *
 * One key pair serves as both the long-term and the transient key: the server cannot tell, and the client saves half of
 * its X25519 work. That gives forward secrecy away, which junk has no use for.
 */
#ifndef GV_LIB_CURVE_H
#define GV_LIB_CURVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BARE_KEY_BYTES 32
#define BARE_GREETING_BYTES 64
#define BARE_HELLO_BYTES 202   /* with its two bytes of framing, as all below */
#define BARE_WELCOME_BYTES 170 /* */
#define BARE_INITIATE_BYTES 301
#define BARE_MESSAGE_EXTRA_BYTES 42 /* at most, around a message */

struct bare_key {
    uint8_t public[BARE_KEY_BYTES], secret[BARE_KEY_BYTES];
    uint8_t server[BARE_KEY_BYTES]; /* whom it talks to */
    uint8_t shared[BARE_KEY_BYTES]; /* what X25519 makes of them */
};

/** What a connection holds once INITIATE is made. */
struct bare_session {
    uint8_t shared[BARE_KEY_BYTES];
    uint64_t nonce;
};

/** A fresh key pair that talks to `server`. */
void bare_key_init(struct bare_key *key, const uint8_t server[BARE_KEY_BYTES]);

void bare_greeting(uint8_t out[BARE_GREETING_BYTES]);
void bare_hello(uint8_t out[BARE_HELLO_BYTES], const struct bare_key *key);
/** False if this WELCOME does not open: the server does not hold the key we took it for. */
bool bare_initiate(uint8_t out[BARE_INITIATE_BYTES], struct bare_session *session, const struct bare_key *key,
                   const uint8_t welcome[BARE_WELCOME_BYTES]);
/** One frame of at most 60,000 bytes; `out` holds bytes + BARE_MESSAGE_EXTRA_BYTES. Returns what it came to. */
size_t bare_message(uint8_t *out, struct bare_session *session, const uint8_t *data, size_t bytes);
/** The same for a ZMTP command, such as "\4PING" and two bytes. */
size_t bare_command(uint8_t *out, struct bare_session *session, const uint8_t *data, size_t bytes);

#endif
