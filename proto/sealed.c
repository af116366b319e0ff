/*
 * Signing and verifying of signed objects. See sealed.h.
 */
#include "sealed.h"

enum gv_err gv_seal(struct gv_pack *p, size_t *bytes, const char *domain, const struct gv_sign_key *key)
{
    *bytes = 0;
    if (p->overflow) {
        return GV_ERR_RANGE;
    }
    struct gv_signature signature;
    enum gv_err err = gv_sign(&signature, key, domain, p->out, p->used);
    if (err != GV_OK) {
        return err;
    }
    gv_pack_bin(p, signature.b, sizeof signature.b);
    return gv_pack_end(p, bytes);
}

enum gv_err gv_seal_verify(const uint8_t *data, size_t bytes, const char *domain, const struct gv_sign_public *key)
{
    GV_ASSERT(bytes >= GV_SEAL_BYTES);
    struct gv_signature signature;
    memcpy(signature.b, data + bytes - GV_SIGNATURE_BYTES, sizeof signature.b);
    return gv_verify(&signature, key, domain, data, bytes - GV_SEAL_BYTES);
}
