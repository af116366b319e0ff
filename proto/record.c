/*
 * Signed records and farewells. On the wire
 *
 *     record   [swarm, identity, curve, [endpoint...], incarnation, boot, sequence, issued_s, capabilities,
 *               [certificate...], signature]
 *     leave    [swarm, identity, incarnation, signature]
 */
#include "record.h"

#include "cert_codec.h"
#include "identity.h"
#include "sealed.h"

#define RECORD_FIELDS 11
#define LEAVE_FIELDS 4

static void read_endpoint(struct gv_cursor *c, char *endpoint)
{
    gv_cursor_text(c, endpoint, GV_ENDPOINT_BYTES_MAX);
    if (!gv_endpoint_valid(endpoint)) {
        gv_cursor_fail(c, GV_ERR_MALFORMED);
    }
}

/* The chain makes this identity a member. */
static bool owns_chain(const struct gv_record *record)
{
    if (record->chain.count == 0) {
        return false;
    }
    const struct gv_cert *last = &record->chain.link[record->chain.count - 1];
    return last->kind == GV_CERT_MEMBER && memcmp(last->subject.b, record->identity.b, sizeof last->subject.b) == 0;
}

enum gv_err gv_record_sign(uint8_t *out, size_t *bytes, const struct gv_record *record,
                           const struct gv_sign_key *identity)
{
    *bytes = 0;
    if (record->endpoint_count > GV_ENDPOINTS_MAX) {
        return GV_ERR_RANGE;
    }
    struct gv_pack p;
    gv_pack_init(&p, out, GV_RECORD_BYTES_MAX);
    gv_pack_array(&p, RECORD_FIELDS);
    gv_pack_bin(&p, record->swarm.b, sizeof record->swarm.b);
    gv_pack_bin(&p, record->identity.b, sizeof record->identity.b);
    gv_pack_bin(&p, record->curve.b, sizeof record->curve.b);
    gv_pack_array(&p, record->endpoint_count);
    for (uint32_t i = 0; i < record->endpoint_count; i++) {
        if (!gv_endpoint_valid(record->endpoints[i])) {
            return GV_ERR_RANGE;
        }
        gv_pack_text(&p, record->endpoints[i]);
    }
    gv_pack_u64(&p, record->incarnation);
    gv_pack_u64(&p, record->boot);
    gv_pack_u64(&p, record->sequence);
    gv_pack_u64(&p, record->issued_s);
    gv_pack_u64(&p, record->capabilities);
    gv_chain_write(&p, &record->chain);
    return gv_seal(&p, bytes, GV_DOMAIN_RECORD, identity);
}

enum gv_err gv_record_decode(struct gv_record *record, const uint8_t *data, size_t bytes)
{
    memset(record, 0, sizeof *record);
    if (bytes > GV_RECORD_BYTES_MAX) {
        return GV_ERR_OVERSIZE;
    }
    struct gv_cursor c;
    gv_cursor_init_canonical(&c, data, bytes);
    if (gv_cursor_array(&c, RECORD_FIELDS) != RECORD_FIELDS) {
        gv_cursor_fail(&c, GV_ERR_MALFORMED);
    }
    gv_cursor_fixed(&c, record->swarm.b, sizeof record->swarm.b);
    gv_cursor_fixed(&c, record->identity.b, sizeof record->identity.b);
    gv_cursor_fixed(&c, record->curve.b, sizeof record->curve.b);
    record->endpoint_count = gv_cursor_array(&c, GV_ENDPOINTS_MAX);
    for (uint32_t i = 0; i < record->endpoint_count; i++) {
        read_endpoint(&c, record->endpoints[i]);
    }
    record->incarnation = gv_cursor_u64(&c);
    record->boot = gv_cursor_u64(&c);
    record->sequence = (uint32_t)gv_cursor_range(&c, 0, UINT32_MAX);
    record->issued_s = gv_cursor_u64(&c);
    record->capabilities = gv_cursor_u64(&c);
    gv_chain_read(&c, &record->chain);
    struct gv_signature signature; /* checked where it lies, by gv_seal_verify */
    gv_cursor_fixed(&c, signature.b, sizeof signature.b);
    return gv_cursor_end(&c);
}

enum gv_err gv_record_verify(struct gv_record *record, const struct gv_sign_public *root, const uint8_t *data,
                             size_t bytes)
{
    enum gv_err err = gv_record_decode(record, data, bytes);
    if (err != GV_OK) {
        return err;
    }
    struct gv_swarm_id swarm = gv_swarm_id_of(root);
    if (memcmp(record->swarm.b, swarm.b, sizeof swarm.b) != 0) {
        return GV_ERR_SWARM;
    }
    if (!owns_chain(record)) {
        return GV_ERR_CHAIN;
    }
    err = gv_seal_verify(data, bytes, GV_DOMAIN_RECORD, &record->identity);
    return err == GV_OK ? gv_chain_verify(&record->chain, root) : err;
}

struct gv_ref gv_record_ref(const struct gv_record *record)
{
    struct gv_ref ref = {
        .id = gv_id_of(&record->identity),
        .incarnation = record->incarnation,
        .boot = record->boot,
        .sequence = record->sequence,
        .flags = record->endpoint_count > 0 ? GV_REF_DIALABLE : 0u,
    };
    uint32_t inviters = 0;
    for (uint32_t i = 0; i + 1 < record->chain.count && inviters < GV_INVITERS_MAX; i++) {
        if (record->chain.link[i].kind == GV_CERT_MEMBER) {
            struct gv_id inviter = gv_id_of(&record->chain.link[i].subject);
            ref.inviters[inviters++] = gv_head_of(inviter.b);
        }
    }
    return ref;
}

int gv_ref_order(const struct gv_ref *a, const struct gv_ref *b)
{
    if (a->incarnation != b->incarnation) {
        return a->incarnation < b->incarnation ? -1 : 1;
    }
    return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

enum gv_err gv_leave_sign(uint8_t *out, size_t *bytes, const struct gv_swarm_id *swarm, uint64_t incarnation,
                          const struct gv_sign_key *identity)
{
    struct gv_pack p;
    gv_pack_init(&p, out, GV_LEAVE_BYTES_MAX);
    gv_pack_array(&p, LEAVE_FIELDS);
    gv_pack_bin(&p, swarm->b, sizeof swarm->b);
    gv_pack_bin(&p, gv_sign_key_public(identity)->b, GV_KEY_BYTES);
    gv_pack_u64(&p, incarnation);
    return gv_seal(&p, bytes, GV_DOMAIN_LEAVE, identity);
}

enum gv_err gv_leave_verify(struct gv_id *id, uint64_t *incarnation, const struct gv_swarm_id *swarm,
                            const uint8_t *data, size_t bytes)
{
    struct gv_swarm_id named;
    struct gv_sign_public identity;
    struct gv_signature signature;
    struct gv_cursor c;
    gv_cursor_init_canonical(&c, data, bytes);
    if (gv_cursor_array(&c, LEAVE_FIELDS) != LEAVE_FIELDS) {
        gv_cursor_fail(&c, GV_ERR_MALFORMED);
    }
    gv_cursor_fixed(&c, named.b, sizeof named.b);
    gv_cursor_fixed(&c, identity.b, sizeof identity.b);
    *incarnation = gv_cursor_u64(&c);
    gv_cursor_fixed(&c, signature.b, sizeof signature.b);
    enum gv_err err = gv_cursor_end(&c);
    if (err != GV_OK) {
        return err;
    }
    if (memcmp(named.b, swarm->b, sizeof named.b) != 0) {
        return GV_ERR_SWARM;
    }
    *id = gv_id_of(&identity);
    return gv_seal_verify(data, bytes, GV_DOMAIN_LEAVE, &identity);
}
