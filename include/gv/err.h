/*
 * Errors, assertions and diagnostics: the vocabulary every part shares.
 *
 * Ranges say whose fault it is: 1+ ours or the machine's, 100+ a peer's, 200+ the user's. The numbers 100+ travel in
 * REFUSE, ABORT and BUSY frames and therefore never change meaning.
 */
#ifndef GV_ERR_H
#define GV_ERR_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GV_ERR_LIST(X)                                                         \
    X(OK, 0, "ok")                                                             \
    X(ERR_NOMEM, 1, "out of memory")                                           \
    X(ERR_IO, 2, "input/output failed")                                        \
    X(ERR_CRYPTO, 3, "the cryptographic library failed")                       \
    X(ERR_RANGE, 4, "a value is outside its range")                            \
    X(ERR_FULL, 5, "a bounded table is full")                                  \
    X(ERR_NOT_FOUND, 6, "not found")                                           \
    X(ERR_IN_USE, 7, "already in use")                                         \
    X(ERR_NO_SPACE, 8, "no space left")                                        \
    X(ERR_CORRUPT, 9, "a file of ours is damaged")                             \
    X(ERR_NET, 10, "the network layer failed")                                 \
    X(ERR_UNREACHABLE, 11, "nothing answers at that address")                  \
    X(ERR_HANDSHAKE, 12, "the encrypted handshake failed")                     \
    X(ERR_FAMILY, 13, "no address that this node may dial")                    \
    X(ERR_SEND_QUEUE, 14, "it does not read what is sent to it")               \
    X(ERR_DIVERGED, 15, "our own model is not finite")                         \
    X(ERR_TRUNCATED, 100, "the frame ends too early")                          \
    X(ERR_MALFORMED, 101, "the frame is not of the expected form")             \
    X(ERR_VERSION, 102, "unsupported protocol version")                        \
    X(ERR_KIND, 103, "unknown message kind")                                   \
    X(ERR_OVERSIZE, 104, "the frame exceeds a limit")                          \
    X(ERR_MULTIPART, 105, "a frame with MORE set")                             \
    X(ERR_SIGNATURE, 106, "a signature does not verify")                       \
    X(ERR_CHAIN, 107, "the certificate chain does not reach the swarm's root") \
    X(ERR_SWARM, 108, "belongs to another swarm")                              \
    X(ERR_EXPIRED, 109, "the invite has expired")                              \
    X(ERR_USED_UP, 110, "the invite is used up")                               \
    X(ERR_CLOSED, 111, "the invite is closed")                                 \
    X(ERR_REVOKED, 112, "the identity is revoked")                             \
    X(ERR_STALE, 113, "a newer incarnation of this identity exists")           \
    X(ERR_COPIED_KEY, 114, "the same incarnation runs twice: a copied key")    \
    X(ERR_STRANGER, 115, "no valid HELLO on this link")                        \
    X(ERR_NONFINITE, 116, "a value is not finite")                             \
    X(ERR_LAYOUT, 117, "the model layout differs")                             \
    X(ERR_EPOCH, 118, "the model epoch differs")                               \
    X(ERR_CHUNK, 119, "an unexpected chunk")                                   \
    X(ERR_PROTOCOL, 120, "a message out of turn")                              \
    X(ERR_TIMEOUT, 121, "the peer took too long")                              \
    X(ERR_BUSY, 122, "busy")                                                   \
    X(ERR_CROWDED, 123, "no room for another link")                            \
    X(ERR_LINK_LOST, 124, "the link was lost")                                 \
    X(ERR_KEY_MISMATCH, 125, "the record does not own this link's key")        \
    X(ERR_LEFT, 126, "the node has left the swarm")                            \
    X(ERR_RATE, 127, "too many messages")                                      \
    X(ERR_CODEC, 128, "no codec in common")                                    \
    X(ERR_DUPLICATE, 129, "a second link between the same pair")               \
    X(ERR_MANIFEST, 130, "the manifest is not valid")                          \
    X(ERR_STOPPING, 131, "the node is stopping")                               \
    X(ERR_EXCHANGE, 132, "another kind of exchange")                           \
    X(ERR_USAGE, 200, "wrong usage")                                           \
    X(ERR_CONFIG, 201, "wrong configuration")                                  \
    X(ERR_DATA, 202, "unusable data")                                          \
    X(ERR_TOKEN, 203, "unusable invite token")                                 \
    X(ERR_PATH, 204, "unusable path")                                          \
    X(ERR_KEY_FILE, 205, "unusable key file")                                  \
    X(ERR_MODEL, 206, "unusable model specification")

enum gv_err {
#define GV_ERR_ENUM(name, code, text) GV_##name = (code),
    GV_ERR_LIST(GV_ERR_ENUM)
#undef GV_ERR_ENUM
};

#define GV_NODISCARD __attribute__((warn_unused_result))
#define GV_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/** The fixed text of an error; "unknown error" for a number that is not ours (it may come from a newer peer). */
static inline const char *gv_err_text(int err)
{
    switch (err) {
#define GV_ERR_CASE(name, code, text) \
    case (code):                      \
        return text;
        GV_ERR_LIST(GV_ERR_CASE)
#undef GV_ERR_CASE
    default:
        return "unknown error";
    }
}

/** Reports a broken promise of our own code and aborts; defined in proto/assert.c. Bytes of a peer never get here. */
_Noreturn void gv_assert_fail(const char *condition, const char *file, int line);

#define GV_ASSERT(condition) ((condition) ? (void)0 : gv_assert_fail(#condition, __FILE__, __LINE__))
/** Where no run of our code ever comes. */
#define GV_UNREACHABLE(text) gv_assert_fail("unreachable: " text, __FILE__, __LINE__)

/*
 * What set-up paths fill for a person to read. `code` is the innermost error; `text` is wrapped from the outside in:
 * "load node.key: line 2: key has 39 characters, expected 40".
 */
struct gv_diag {
    enum gv_err code;
    char text[768];
};

/** Starts a diagnosis. d may be NULL. Returns err, so that `return gv_diag_set(d, GV_ERR_DATA, ...)` reads well. */
GV_PRINTF(3, 4)
static inline enum gv_err gv_diag_set(struct gv_diag *d, enum gv_err err, const char *format, ...)
{
    if (d == NULL) {
        return err;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(d->text, sizeof d->text, format, args);
    va_end(args);
    d->code = err;
    return err;
}

#ifdef __clang_analyzer__ /* it does not look into functions with "...", and believes that they may return GV_OK */
#define gv_diag_set(d, err, ...) ((void)!gv_diag_set((d), (err), __VA_ARGS__), (err))
#endif

/** Puts "<context>: " in front of what d already says. d may be NULL. Returns d's code (GV_ERR_RANGE if d is NULL). */
GV_PRINTF(2, 3)
static inline enum gv_err gv_diag_wrap(struct gv_diag *d, const char *format, ...)
{
    if (d == NULL) {
        return GV_ERR_RANGE;
    }
    char inner[sizeof d->text];
    memcpy(inner, d->text, sizeof inner);
    va_list args;
    va_start(args, format);
    int used = vsnprintf(d->text, sizeof d->text, format, args);
    va_end(args);
    if (used >= 0 && (size_t)used < sizeof d->text) {
        size_t room = sizeof d->text - (size_t)used;
        (void)snprintf(d->text + used, room, ": %.*s", room > 3 ? (int)(room - 3) : 0, inner);
    }
    return d->code;
}

#endif
