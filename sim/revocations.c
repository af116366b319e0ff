/*
 * Revocations and farewells of a run: signed once, known by number or by node from then on. See identities.h.
 */
#include <stdlib.h>

#include "identities_state.h"
#include "record.h"
#include "trust_entry.h"

/* The first eight bytes of an entry's hash as a number, as gv_trust_digest() takes them. */
static uint64_t digest_of(const struct gv_hash *hash)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++) {
        value = value << 8 | hash->b[i];
    }
    return value;
}

static uint32_t find_entry(const struct gv_identities *identities, const uint8_t *data, size_t bytes)
{
    uint32_t entry = 0;
    while (entry < identities->revoked && (identities->revocations[entry]->bytes != bytes ||
                                           memcmp(identities->revocations[entry]->data, data, bytes) != 0)) {
        entry++;
    }
    return entry;
}

static const struct gv_farewell *find_farewell(const struct gv_identities *identities, uint32_t *node,
                                               const uint8_t *data, size_t bytes)
{
    if (bytes < GV_OWNER_AT + GV_KEY_BYTES) {
        return NULL;
    }
    uint64_t key = gv_head_of(data + GV_OWNER_AT);
    uint32_t at = gv_finder_start(&identities->by_key, key);
    while ((*node = gv_finder_next(&identities->by_key, key, &at)) != GV_NODE_NONE) {
        for (const struct gv_farewell *f = identities->people[*node].farewell; f != NULL; f = f->older) {
            if (f->bytes == bytes && memcmp(f->data, data, bytes) == 0) {
                return f;
            }
        }
    }
    return NULL;
}

enum gv_err gv_identities_revoke(struct gv_identities *identities, uint32_t node, uint64_t wall_s, uint32_t *entry)
{
    GV_ASSERT(node < identities->nodes_max);
    uint8_t data[GV_TRUST_ENTRY_BYTES_MAX];
    size_t bytes;
    struct gv_entry fields = {
        .kind = GV_ENTRY_REVOKE,
        .target = identities->ids[node],
        .issued_s = wall_s,
        .by_root = true,
    };
    enum gv_err err = gv_entry_sign(data, &bytes, &fields, &identities->swarm, identities->root);
    if (err == GV_OK) { /* the one verification that stands for all */
        struct gv_id issuer;
        err = gv_entry_verify(&fields, &issuer, &identities->root_public, data, bytes);
    }
    if (err != GV_OK) {
        return err;
    }
    *entry = find_entry(identities, data, bytes);
    if (*entry < identities->revoked) { /* two processes with one key, struck in one second */
        return GV_OK;
    }
    if (identities->revoked >= GV_ENTRIES_MAX) {
        return GV_ERR_FULL;
    }
    struct gv_revocation *fresh = malloc(sizeof *fresh + bytes);
    if (fresh == NULL) {
        return GV_ERR_NOMEM;
    }
    *fresh = (struct gv_revocation){.hash = gv_hash_of(data, bytes), .target = node, .bytes = (uint32_t)bytes};
    memcpy(fresh->data, data, bytes);
    identities->targets[identities->revoked] = identities->ids[node];
    identities->revocations[identities->revoked++] = fresh;
    return GV_OK;
}

uint32_t gv_identities_entry_target(const struct gv_identities *identities, uint32_t entry)
{
    GV_ASSERT(entry < identities->revoked);
    return identities->revocations[entry]->target;
}

const struct gv_id *gv_identities_targets(const struct gv_identities *identities)
{
    return identities->targets;
}

struct gv_span gv_identities_entry(const struct gv_identities *identities, uint32_t entry)
{
    GV_ASSERT(entry < identities->revoked);
    const struct gv_revocation *r = identities->revocations[entry];
    return (struct gv_span){.data = r->data, .bytes = r->bytes};
}

uint64_t gv_identities_digest(const struct gv_identities *identities, uint64_t entries)
{
    uint64_t digest = 0;
    for (uint32_t i = 0; i < identities->revoked; i++) {
        digest ^= (entries >> i & 1) != 0 ? digest_of(&identities->revocations[i]->hash) : 0;
    }
    return digest;
}

size_t gv_identities_hashes(const struct gv_identities *identities, uint64_t entries, uint8_t out[8 * GV_ENTRIES_MAX])
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < identities->revoked; i++) {
        if ((entries >> i & 1) != 0) {
            memcpy(out + bytes, identities->revocations[i]->hash.b, 8);
            bytes += 8;
        }
    }
    return bytes;
}

uint64_t gv_identities_named(const struct gv_identities *identities, const uint8_t *hashes, size_t bytes)
{
    uint64_t entries = 0;
    for (size_t at = 0; at + 8 <= bytes; at += 8) {
        for (uint32_t i = 0; i < identities->revoked; i++) {
            if (memcmp(hashes + at, identities->revocations[i]->hash.b, 8) == 0) {
                entries |= UINT64_C(1) << i;
            }
        }
    }
    return entries;
}

enum gv_err gv_identities_entry_verify(const struct gv_identities *identities, uint32_t *entry, const uint8_t *data,
                                       size_t bytes)
{
    *entry = find_entry(identities, data, bytes);
    bool known = *entry < identities->revoked;
    if (known && identities->signatures == GV_SIGNATURES_MEMOISED) {
        return GV_OK;
    }
    struct gv_entry fields;
    struct gv_id issuer;
    enum gv_err err = gv_entry_verify(&fields, &issuer, &identities->root_public, data, bytes);
    return err == GV_OK && !known ? GV_ERR_NOT_FOUND : err;
}

enum gv_err gv_identities_leave(struct gv_identities *identities, uint32_t node, uint64_t incarnation)
{
    GV_ASSERT(node < identities->nodes_max);
    struct gv_sign_key *key;
    enum gv_err err = gv_identities_key(&key, identities, node);
    if (err != GV_OK) {
        return err;
    }
    uint8_t data[GV_LEAVE_BYTES_MAX];
    size_t bytes;
    err = gv_leave_sign(data, &bytes, &identities->swarm, incarnation, key);
    gv_sign_key_free(&key);
    if (err == GV_OK) {
        struct gv_id id;
        uint64_t read;
        err = gv_leave_verify(&id, &read, &identities->swarm, data, bytes);
    }
    if (err != GV_OK) {
        return err;
    }
    struct gv_farewell *fresh = malloc(sizeof *fresh + bytes);
    if (fresh == NULL) {
        return GV_ERR_NOMEM;
    }
    *fresh = (struct gv_farewell){
        .older = identities->people[node].farewell,
        .incarnation = incarnation,
        .bytes = (uint32_t)bytes,
    };
    memcpy(fresh->data, data, bytes);
    identities->people[node].farewell = fresh;
    return GV_OK;
}

struct gv_span gv_identities_farewell(const struct gv_identities *identities, uint32_t node)
{
    const struct gv_farewell *f = identities->people[node].farewell;
    return f != NULL ? (struct gv_span){.data = f->data, .bytes = f->bytes} : (struct gv_span){0};
}

enum gv_err gv_identities_farewell_verify(const struct gv_identities *identities, struct gv_id *id,
                                          uint64_t *incarnation, const uint8_t *data, size_t bytes)
{
    if (identities->signatures == GV_SIGNATURES_MEMOISED) {
        uint32_t node;
        const struct gv_farewell *f = find_farewell(identities, &node, data, bytes);
        if (f != NULL) {
            *id = identities->ids[node];
            *incarnation = f->incarnation;
            return GV_OK;
        }
    }
    return gv_leave_verify(id, incarnation, &identities->swarm, data, bytes);
}
