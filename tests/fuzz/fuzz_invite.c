/*
 * Fuzz target: any text as an invite token, and the same bytes as the payload of one whose checksum is right, so that
 * the fuzzer gets past it.
 */
#include <sodium.h>

#include "fuzz.h"
#include "identity.h"
#include "invite.h"

static void decode(const char *token)
{
    static struct gv_invite invite;
    static char again[GV_TOKEN_CHARS_MAX + 1];
    struct gv_diag diag;
    if (gv_invite_decode(&invite, token, &diag) == GV_OK) {
        GV_ASSERT(gv_invite_encode(again, &invite) == GV_OK);
    } else {
        GV_ASSERT(diag.text[0] != '\0');
    }
}

FUZZ_TARGET(data, size)
{
    static uint8_t payload[3072];
    static char token[2 * sizeof payload];
    if (gv_proto_init() != GV_OK || size + 4 > sizeof payload) {
        return 0;
    }
    memcpy(token, data, size);
    token[size] = '\0';
    decode(token);
    if (size > 0) {
        memcpy(payload, data, size);
    }
    struct gv_hash hash = gv_hash_of(payload, size);
    memcpy(payload + size, hash.b, 4);
    memcpy(token, "gv1", 3);
    (void)sodium_bin2base64(token + 3, sizeof token - 3, payload, size + 4, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    decode(token);
    return 0;
}

FUZZ_MAIN
