/*
 * Fuzz target: any text as a manifest's body, properly signed so that it is read; and each as it is. What parses must
 * sign and parse again to the same fields.
 */
#include "fuzz.h"
#include "identity.h"
#include "manifest_text.h"

static void check(const char *text, size_t bytes, const struct gv_sign_key *root)
{
    struct gv_manifest manifest, again;
    struct gv_diag diag;
    if (gv_manifest_parse(&manifest, text, bytes, NULL, &diag) != GV_OK) {
        GV_ASSERT(diag.text[0] != '\0');
        return;
    }
    if (gv_manifest_sign(&manifest, root, &diag) == GV_OK) { /* fails only where escapes made it too long */
        GV_ASSERT(gv_manifest_parse(&again, manifest.text, manifest.text_bytes, gv_sign_key_public(root), &diag) ==
                  GV_OK);
        GV_ASSERT(manifest.training.rate == again.training.rate && manifest.schema.classes == again.schema.classes);
        gv_manifest_deinit(&again);
    }
    gv_manifest_deinit(&manifest);
}

/* body, with a line for the key that signs it, and its signature. */
static size_t sign(char *out, size_t cap, const uint8_t *body, size_t bytes, const struct gv_sign_key *root)
{
    struct gv_id key;
    struct gv_signature signature;
    char hex[65];
    memcpy(key.b, gv_sign_key_public(root)->b, sizeof key.b);
    gv_id_hex(hex, &key, 64);
    memcpy(out, body, bytes);
    size_t used = bytes + (size_t)snprintf(out + bytes, cap - bytes, "root = %s\n", hex);
    if (gv_sign(&signature, root, GV_DOMAIN_MANIFEST, out, used) != GV_OK) {
        return 0;
    }
    used += (size_t)snprintf(out + used, cap - used, "signature = ");
    for (size_t i = 0; i < sizeof signature.b; i++) {
        used += (size_t)snprintf(out + used, cap - used, "%02x", signature.b[i]);
    }
    out[used++] = '\n';
    return used;
}

FUZZ_TARGET(data, size)
{
    static const uint8_t seed[32] = {1};
    static char text[65536 + 1024];
    struct gv_sign_key *root;
    if (size == 0 || size > 65536 || gv_proto_init() != GV_OK || gv_sign_key_from_seed(&root, seed) != GV_OK) {
        return 0;
    }
    check((const char *)data, size, root);
    size_t bytes = sign(text, sizeof text, data, size, root);
    check(text, bytes, root);

    struct gv_manifest manifest;
    struct gv_diag diag;
    gv_manifest_defaults(&manifest);
    memcpy(text, data, size);
    text[size] = '\0';
    (void)gv_manifest_set(&manifest, text, &diag);
    gv_manifest_deinit(&manifest);
    gv_sign_key_free(&root);
    return 0;
}

FUZZ_MAIN
