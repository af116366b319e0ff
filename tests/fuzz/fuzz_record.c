/*
 * Fuzz target: any bytes as a record, a chain, a farewell, an entry of the trust set and a stored trust set. What
 * decodes must have been in canonical form.
 */
#include "cert.h"
#include "fuzz.h"
#include "identity.h"
#include "record.h"
#include "trust.h"
#include "trust_entry.h"

static void check_chain(const uint8_t *data, size_t size)
{
    static struct gv_chain chain;
    static uint8_t again[GV_CHAIN_LINKS_MAX * GV_CERT_BYTES_MAX + 8];
    size_t bytes;
    if (gv_chain_decode(&chain, data, size) == GV_OK) {
        GV_ASSERT(gv_chain_encode(again, sizeof again, &bytes, &chain) == GV_OK);
        GV_ASSERT(bytes == size && memcmp(again, data, size) == 0);
    }
}

static void check_record(const uint8_t *data, size_t size, const struct gv_sign_key *key)
{
    static struct gv_record record;
    static uint8_t again[GV_RECORD_BYTES_MAX];
    size_t bytes;
    if (gv_record_decode(&record, data, size) == GV_OK) {
        GV_ASSERT(gv_record_sign(again, &bytes, &record, key) == GV_OK);
        GV_ASSERT(bytes == size && memcmp(again, data, size - GV_SIGNATURE_BYTES) == 0);
        (void)gv_record_ref(&record);
    }
    (void)gv_record_verify(&record, gv_sign_key_public(key), data, size);
}

static void check_entry(const uint8_t *data, size_t size, const struct gv_sign_key *key)
{
    static struct gv_entry entry;
    static uint8_t again[GV_TRUST_ENTRY_BYTES_MAX];
    struct gv_swarm_id swarm;
    size_t bytes;
    if (gv_entry_decode(&entry, &swarm, data, size) == GV_OK) {
        GV_ASSERT(gv_entry_sign(again, &bytes, &entry, &swarm, key) == GV_OK);
        GV_ASSERT(bytes == size && memcmp(again, data, size - GV_SIGNATURE_BYTES) == 0);
    }
}

FUZZ_TARGET(data, size)
{
    static const uint8_t seed[32] = {1};
    struct gv_sign_key *key;
    struct gv_trust *trust;
    struct gv_swarm_id swarm = {{0}};
    struct gv_id id;
    uint64_t incarnation;
    if (gv_proto_init() != GV_OK || gv_sign_key_from_seed(&key, seed) != GV_OK) {
        return 0;
    }
    check_chain(data, size);
    check_record(data, size, key);
    check_entry(data, size, key);
    (void)gv_leave_verify(&id, &incarnation, &swarm, data, size);
    if (gv_trust_new(&trust, gv_sign_key_public(key)) == GV_OK) {
        (void)gv_trust_decode(trust, data, size);
        gv_trust_free(&trust);
    }
    gv_sign_key_free(&key);
    return 0;
}

FUZZ_MAIN
