/*
 * Revocations and closings, one at a time. On the wire
 *
 *     [kind, swarm, target, issued_s, [kept id...], [certificate...], signature]
 *
 * Kept ids stand in strictly ascending order, so that a set has one encoding. The chain is the issuer's, and empty for
 * the root.
 */
#include "trust_entry.h"

#include <stdlib.h>

#include "cert_codec.h"
#include "sealed.h"

#define ENTRY_FIELDS 7

static int compare_ids(const void *a, const void *b)
{
    return gv_id_compare(a, b);
}

/* Is any member of the chain from link `from` on among these ids? */
static bool keeps_one(const struct gv_id *kept, uint32_t kept_count, const struct gv_chain *chain,
                      const struct gv_id *ids, uint32_t from)
{
    for (uint32_t i = from; i < chain->count; i++) {
        if (chain->link[i].kind == GV_CERT_MEMBER && kept_count > 0 &&
            bsearch(&ids[i], kept, kept_count, sizeof *kept, compare_ids) != NULL) {
            return true;
        }
    }
    return false;
}

enum gv_err gv_entry_decode(struct gv_entry *entry, struct gv_swarm_id *swarm, const uint8_t *data, size_t bytes)
{
    memset(entry, 0, sizeof *entry);
    if (bytes > GV_TRUST_ENTRY_BYTES_MAX) {
        return GV_ERR_OVERSIZE;
    }
    struct gv_cursor c;
    gv_cursor_init_canonical(&c, data, bytes);
    if (gv_cursor_array(&c, ENTRY_FIELDS) != ENTRY_FIELDS) {
        gv_cursor_fail(&c, GV_ERR_MALFORMED);
    }
    entry->kind = (enum gv_entry_kind)gv_cursor_range(&c, GV_ENTRY_REVOKE, GV_ENTRY_CLOSE);
    gv_cursor_fixed(&c, swarm->b, sizeof swarm->b);
    gv_cursor_fixed(&c, entry->target.b, sizeof entry->target.b);
    entry->issued_s = gv_cursor_u64(&c);
    entry->kept_count = gv_cursor_array(&c, GV_KEPT_IDS_MAX);
    for (uint32_t i = 0; i < entry->kept_count; i++) {
        gv_cursor_fixed(&c, entry->kept[i].b, sizeof entry->kept[i].b);
        if (i > 0 && gv_id_compare(&entry->kept[i - 1], &entry->kept[i]) >= 0) {
            gv_cursor_fail(&c, GV_ERR_MALFORMED);
        }
    }
    gv_chain_read(&c, &entry->issuer_chain);
    entry->by_root = entry->issuer_chain.count == 0;
    struct gv_signature signature; /* checked where it lies, by gv_seal_verify */
    gv_cursor_fixed(&c, signature.b, sizeof signature.b);
    return gv_cursor_end(&c);
}

enum gv_err gv_entry_verify(struct gv_entry *entry, struct gv_id *issuer, const struct gv_sign_public *root,
                            const uint8_t *data, size_t bytes)
{
    struct gv_swarm_id named;
    enum gv_err err = gv_entry_decode(entry, &named, data, bytes);
    if (err != GV_OK) {
        return err;
    }
    struct gv_swarm_id swarm = gv_swarm_id_of(root);
    if (memcmp(named.b, swarm.b, sizeof swarm.b) != 0) {
        return GV_ERR_SWARM;
    }
    memset(issuer, 0, sizeof *issuer);
    if (entry->by_root) {
        return gv_seal_verify(data, bytes, GV_DOMAIN_ENTRY, root);
    }
    const struct gv_cert *last = &entry->issuer_chain.link[entry->issuer_chain.count - 1];
    if (last->kind != GV_CERT_MEMBER) {
        return GV_ERR_CHAIN;
    }
    *issuer = gv_id_of(&last->subject);
    err = gv_seal_verify(data, bytes, GV_DOMAIN_ENTRY, &last->subject);
    return err == GV_OK ? gv_chain_verify(&entry->issuer_chain, root) : err;
}

enum gv_err gv_entry_judge(enum gv_entry_kind kind, const struct gv_id *target, const struct gv_id *kept,
                           uint32_t kept_count, const struct gv_id *issuer, bool by_root, const struct gv_chain *chain,
                           const struct gv_id *ids)
{
    enum gv_cert_kind wanted = kind == GV_ENTRY_REVOKE ? GV_CERT_MEMBER : GV_CERT_INVITE;
    for (uint32_t t = 0; t < chain->count; t++) {
        if (chain->link[t].kind != wanted || !gv_id_equal(&ids[t], target)) {
            continue;
        }
        bool entitled = by_root;
        if (kind == GV_ENTRY_CLOSE) {
            entitled = entitled || (t > 0 && gv_id_equal(&ids[t - 1], issuer));
        } else {
            for (uint32_t i = 0; i < t && !entitled; i++) {
                entitled = chain->link[i].kind == GV_CERT_MEMBER && gv_id_equal(&ids[i], issuer);
            }
        }
        if (entitled && !keeps_one(kept, kept_count, chain, ids, t + 1)) {
            return kind == GV_ENTRY_REVOKE ? GV_ERR_REVOKED : GV_ERR_CLOSED;
        }
    }
    return GV_OK;
}

enum gv_err gv_entry_sign(uint8_t *out, size_t *bytes, const struct gv_entry *entry, const struct gv_swarm_id *swarm,
                          const struct gv_sign_key *issuer)
{
    *bytes = 0;
    if (entry->kept_count > GV_KEPT_IDS_MAX || (!entry->by_root && entry->issuer_chain.count == 0)) {
        return GV_ERR_RANGE;
    }
    struct gv_id kept[GV_KEPT_IDS_MAX];
    uint32_t count = 0;
    memcpy(kept, entry->kept, sizeof kept);
    qsort(kept, entry->kept_count, sizeof *kept, compare_ids);
    for (uint32_t i = 0; i < entry->kept_count; i++) { /* each once */
        if (count == 0 || !gv_id_equal(&kept[count - 1], &kept[i])) {
            kept[count++] = kept[i];
        }
    }
    static const struct gv_chain none;
    struct gv_pack p;
    gv_pack_init(&p, out, GV_TRUST_ENTRY_BYTES_MAX);
    gv_pack_array(&p, ENTRY_FIELDS);
    gv_pack_u64(&p, (uint64_t)entry->kind);
    gv_pack_bin(&p, swarm->b, sizeof swarm->b);
    gv_pack_bin(&p, entry->target.b, sizeof entry->target.b);
    gv_pack_u64(&p, entry->issued_s);
    gv_pack_array(&p, count);
    for (uint32_t i = 0; i < count; i++) {
        gv_pack_bin(&p, kept[i].b, sizeof kept[i].b);
    }
    gv_chain_write(&p, entry->by_root ? &none : &entry->issuer_chain);
    return gv_seal(&p, bytes, GV_DOMAIN_ENTRY, issuer);
}
