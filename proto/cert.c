/*
 * Certificates and chains. A certificate on the wire is
 *
 *     [kind, swarm, subject, issued_s, expires_s, uses, signature]
 *
 * with expires_s and uses zero in a MEMBER certificate.
 */
#include "cert.h"

#include "cert_codec.h"
#include "identity.h"
#include "sealed.h"

#define CERT_FIELDS 7

/* Everything but the signature. */
static void write_fields(struct gv_pack *p, const struct gv_cert *cert)
{
    gv_pack_array(p, CERT_FIELDS);
    gv_pack_u64(p, (uint64_t)cert->kind);
    gv_pack_bin(p, cert->swarm.b, sizeof cert->swarm.b);
    gv_pack_bin(p, cert->subject.b, sizeof cert->subject.b);
    gv_pack_u64(p, cert->issued_s);
    gv_pack_u64(p, cert->expires_s);
    gv_pack_u64(p, cert->uses);
}

static void read_cert(struct gv_cursor *c, struct gv_cert *cert)
{
    memset(cert, 0, sizeof *cert);
    if (gv_cursor_array(c, CERT_FIELDS) != CERT_FIELDS) {
        gv_cursor_fail(c, GV_ERR_MALFORMED);
    }
    cert->kind = (enum gv_cert_kind)gv_cursor_range(c, GV_CERT_MEMBER, GV_CERT_INVITE);
    bool invite = cert->kind == GV_CERT_INVITE;
    gv_cursor_fixed(c, cert->swarm.b, sizeof cert->swarm.b);
    gv_cursor_fixed(c, cert->subject.b, sizeof cert->subject.b);
    cert->issued_s = gv_cursor_u64(c);
    cert->expires_s = gv_cursor_range(c, 0, invite ? UINT64_MAX : 0);
    cert->uses = (uint32_t)gv_cursor_range(c, invite ? 1 : 0, invite ? GV_INVITE_USES_MAX : 0);
    gv_cursor_fixed(c, cert->signature.b, sizeof cert->signature.b);
}

/* A link must differ in kind from the one before it. */
static bool may_follow(const struct gv_chain *chain, uint32_t index, enum gv_cert_kind kind)
{
    return index == 0 || chain->link[index - 1].kind != kind;
}

static enum gv_err verify_link(const struct gv_cert *cert, const struct gv_sign_public *issuer)
{
    uint8_t bytes[GV_CERT_BYTES_MAX];
    struct gv_pack p;
    gv_pack_init(&p, bytes, sizeof bytes);
    write_fields(&p, cert);
    GV_ASSERT(!p.overflow);
    return gv_verify(&cert->signature, issuer, GV_DOMAIN_CERTIFICATE, bytes, p.used);
}

void gv_chain_read(struct gv_cursor *c, struct gv_chain *chain)
{
    chain->count = gv_cursor_array(c, GV_CHAIN_LINKS_MAX);
    for (uint32_t i = 0; i < chain->count; i++) {
        read_cert(c, &chain->link[i]);
    }
}

void gv_chain_write(struct gv_pack *p, const struct gv_chain *chain)
{
    gv_pack_array(p, chain->count);
    for (uint32_t i = 0; i < chain->count; i++) {
        write_fields(p, &chain->link[i]);
        gv_pack_bin(p, chain->link[i].signature.b, sizeof chain->link[i].signature.b);
    }
}

enum gv_err gv_chain_append(struct gv_chain *chain, const struct gv_cert *fields, const struct gv_sign_key *issuer)
{
    if (chain->count >= GV_CHAIN_LINKS_MAX) {
        return GV_ERR_FULL;
    }
    if (!may_follow(chain, chain->count, fields->kind)) {
        return GV_ERR_CHAIN;
    }
    bool invite = fields->kind == GV_CERT_INVITE;
    if (invite ? fields->uses < 1 || fields->uses > GV_INVITE_USES_MAX : fields->uses != 0 || fields->expires_s != 0) {
        return GV_ERR_RANGE;
    }
    uint8_t bytes[GV_CERT_BYTES_MAX];
    struct gv_pack p;
    gv_pack_init(&p, bytes, sizeof bytes);
    write_fields(&p, fields);
    struct gv_cert *link = &chain->link[chain->count];
    *link = *fields;
    enum gv_err err = gv_sign(&link->signature, issuer, GV_DOMAIN_CERTIFICATE, bytes, p.used);
    if (err == GV_OK) {
        chain->count++;
    }
    return err;
}

enum gv_err gv_chain_verify(const struct gv_chain *chain, const struct gv_sign_public *root)
{
    if (chain->count == 0 || chain->count > GV_CHAIN_LINKS_MAX) {
        return GV_ERR_CHAIN;
    }
    struct gv_swarm_id swarm = gv_swarm_id_of(root);
    for (uint32_t i = 0; i < chain->count; i++) { /* what is cheap first */
        if (memcmp(chain->link[i].swarm.b, swarm.b, sizeof swarm.b) != 0) {
            return GV_ERR_SWARM;
        }
        if (!may_follow(chain, i, chain->link[i].kind)) {
            return GV_ERR_CHAIN;
        }
    }
    const struct gv_sign_public *issuer = root;
    for (uint32_t i = 0; i < chain->count; i++) {
        enum gv_err err = verify_link(&chain->link[i], issuer);
        if (err != GV_OK) {
            return err;
        }
        issuer = &chain->link[i].subject;
    }
    return GV_OK;
}

bool gv_chain_has_member_invite(const struct gv_chain *chain)
{
    for (uint32_t i = 1; i < chain->count; i++) {
        if (chain->link[i].kind == GV_CERT_INVITE) {
            return true;
        }
    }
    return false;
}

enum gv_err gv_chain_encode(uint8_t *out, size_t cap, size_t *bytes, const struct gv_chain *chain)
{
    struct gv_pack p;
    gv_pack_init(&p, out, cap);
    gv_chain_write(&p, chain);
    return gv_pack_end(&p, bytes);
}

enum gv_err gv_chain_decode(struct gv_chain *chain, const uint8_t *data, size_t bytes)
{
    memset(chain, 0, sizeof *chain);
    struct gv_cursor c;
    gv_cursor_init_canonical(&c, data, bytes);
    gv_chain_read(&c, chain);
    return gv_cursor_end(&c);
}
