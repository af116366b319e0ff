/*
 * Keys, certificates and records of the simulated nodes. See identities.h.
 *
 * Link keys (CURVE) are derived bytes without a secret: the modelled network encrypts nothing, and a record only
 * carries them.
 */
#include "identities.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "identities_state.h"
#include "record.h"
#include "sealed.h"

enum purpose { FOR_ROOT = 1, FOR_INVITE, FOR_NODE, FOR_CURVE, FOR_INVITER };

#define CACHE_LINE_BYTES 64
#define VERSION_BYTES 640 /* of a record and what is kept beside it, nearly always */

/* 32 bytes for one purpose of this run. */
static struct gv_hash derive(uint64_t seed, enum purpose purpose, uint32_t node)
{
    uint8_t text[16 + 8 + 4 + 1] = "gv sim key v1";
    for (unsigned i = 0; i < 8; i++) {
        text[16 + i] = (uint8_t)(seed >> (8 * i));
    }
    for (unsigned i = 0; i < 4; i++) {
        text[24 + i] = (uint8_t)(node >> (8 * i));
    }
    text[28] = (uint8_t)purpose;
    return gv_hash_of(text, sizeof text);
}

static enum gv_err derive_key(struct gv_sign_key **key, uint64_t seed, enum purpose purpose, uint32_t node)
{
    struct gv_hash secret = derive(seed, purpose, node);
    return gv_sign_key_from_seed(key, secret.b);
}

static enum gv_err finder_init(struct gv_finder *finder, uint32_t nodes_max)
{
    uint32_t slots = 16;
    while (slots < 2 * nodes_max) {
        slots *= 2;
    }
    finder->mask = slots - 1;
    finder->slots = calloc(slots, sizeof *finder->slots);
    return finder->slots != NULL ? GV_OK : GV_ERR_NOMEM;
}

static void finder_put(struct gv_finder *finder, uint64_t key, uint32_t node)
{
    uint32_t at = gv_finder_start(finder, key);
    while (finder->slots[at].taken != 0) {
        at = (at + 1) & finder->mask;
    }
    finder->slots[at] = (struct gv_finder_slot){.tag = (uint32_t)(key >> 32), .taken = node + 1};
}

static struct gv_cert member_cert(const struct gv_identities *identities, const struct gv_sign_public *key,
                                  uint64_t issued_s)
{
    return (struct gv_cert){
        .kind = GV_CERT_MEMBER,
        .swarm = identities->swarm,
        .subject = *key,
        .issued_s = issued_s,
    };
}

/* Ends a chain with an invite of its own key, signed by the last in it. */
static enum gv_err append_invite(struct gv_identities *identities, uint32_t which, const struct gv_sign_key *issuer)
{
    struct gv_sign_key **key = &identities->invites[which];
    enum gv_err err = derive_key(key, identities->seed, FOR_INVITE, which);
    if (err != GV_OK) {
        return err;
    }
    struct gv_cert fields = {
        .kind = GV_CERT_INVITE,
        .swarm = identities->swarm,
        .subject = *gv_sign_key_public(*key),
        .uses = GV_INVITE_USES_MAX,
    };
    struct gv_chain *chain = &identities->chains[which];
    err = gv_chain_append(chain, &fields, issuer);
    return err == GV_OK ? gv_chain_verify(chain, &identities->root_public) : err;
}

/* root -> MEMBER -> INVITE */
static enum gv_err make_inviter(struct gv_identities *identities)
{
    struct gv_sign_key *key;
    enum gv_err err = derive_key(&key, identities->seed, FOR_INVITER, 0);
    if (err != GV_OK) {
        return err;
    }
    struct gv_id id = gv_id_of(gv_sign_key_public(key));
    struct gv_cert member = member_cert(identities, gv_sign_key_public(key), 0);
    identities->inviter = gv_head_of(id.b);
    err = gv_chain_append(&identities->chains[1], &member, identities->root);
    if (err == GV_OK) {
        err = append_invite(identities, 1, key);
    }
    gv_sign_key_free(&key);
    return err;
}

/* The root and the two invites that nodes join with. */
static enum gv_err make_invites(struct gv_identities *identities)
{
    enum gv_err err = derive_key(&identities->root, identities->seed, FOR_ROOT, 0);
    if (err != GV_OK) {
        return err;
    }
    identities->root_public = *gv_sign_key_public(identities->root);
    identities->swarm = gv_swarm_id_of(&identities->root_public);
    err = append_invite(identities, 0, identities->root);
    return err == GV_OK ? make_inviter(identities) : err;
}

/* The last link of a chain whose others are known to be good. */
static enum gv_err verify_last(const struct gv_chain *chain, const struct gv_sign_public *issuer)
{
    struct gv_chain last = {.count = 1, .link = {chain->link[chain->count - 1]}};
    uint8_t data[1 + GV_CERT_BYTES_MAX];
    size_t bytes;
    enum gv_err err = gv_chain_encode(data, sizeof data, &bytes, &last);
    if (err != GV_OK) {
        return err;
    }
    return gv_verify(&last.link[0].signature, issuer, GV_DOMAIN_CERTIFICATE, data + 1, bytes - 1 - GV_SEAL_BYTES);
}

/* The node's own membership from what is kept of it. */
static struct gv_chain chain_of(const struct gv_identities *identities, const struct gv_person *person,
                                const struct gv_sign_public *key)
{
    struct gv_chain chain = identities->chains[person->by_member];
    chain.link[chain.count] = member_cert(identities, key, person->issued_s);
    chain.link[chain.count].signature = person->certified;
    chain.count++;
    return chain;
}

/* Signs and, as the one receiver that stands for all, verifies; the chain was verified in gv_identities_create(). */
static struct gv_version *make_version(const struct gv_record *record, const struct gv_sign_key *key, uint64_t now_us)
{
    uint8_t data[GV_RECORD_BYTES_MAX];
    size_t bytes;
    if (gv_record_sign(data, &bytes, record, key) != GV_OK) {
        return NULL;
    }
    enum gv_err err = gv_seal_verify(data, bytes, GV_DOMAIN_RECORD, &record->identity);
    GV_ASSERT(err != GV_ERR_SIGNATURE);
    struct gv_version *version = err == GV_OK ? malloc(sizeof *version + bytes) : NULL;
    if (version == NULL) {
        return NULL;
    }
    *version = (struct gv_version){
        .incarnation = record->incarnation,
        .boot = record->boot,
        .signed_us = now_us,
        .sequence = record->sequence,
        .flags = record->endpoint_count > 0 ? GV_REF_DIALABLE : 0u,
        .bytes = (uint32_t)bytes,
    };
    memcpy(version->data, data, bytes);
    return version;
}

/* Whether a was signed after b; of one moment, in an order that does not depend on which came first. */
static bool is_later(const struct gv_version *a, const struct gv_version *b)
{
    if (a->signed_us != b->signed_us) {
        return a->signed_us > b->signed_us;
    }
    if (a->incarnation != b->incarnation) {
        return a->incarnation > b->incarnation;
    }
    return a->sequence != b->sequence ? a->sequence > b->sequence : a->boot > b->boot;
}

/* When a newer version than this one was signed; UINT64_MAX: it is the newest. */
static uint64_t superseded_us(const struct gv_version *newest, const struct gv_version *version)
{
    uint64_t at = UINT64_MAX;
    for (const struct gv_version *v = newest; v != NULL; v = v->older) {
        at = is_later(v, version) && v->signed_us < at ? v->signed_us : at;
    }
    return at;
}

/* The interned version with exactly these bytes. */
static const struct gv_version *find_bytes(const struct gv_identities *identities, uint32_t *node, const uint8_t *data,
                                           size_t bytes)
{
    if (bytes < GV_OWNER_AT + GV_KEY_BYTES) {
        return NULL;
    }
    uint64_t key = gv_head_of(data + GV_OWNER_AT);
    uint32_t at = gv_finder_start(&identities->by_key, key);
    while ((*node = gv_finder_next(&identities->by_key, key, &at)) != GV_NODE_NONE) {
        const struct gv_version *v = atomic_load_explicit(&identities->people[*node].newest, memory_order_acquire);
        for (; v != NULL; v = v->older) {
            if (v->bytes == bytes && memcmp(v->data, data, bytes) == 0) {
                return v;
            }
        }
    }
    return NULL;
}

/* Asks the memory for what looking up each of these will read, slots[] being where their keys start: one wait is for
   all. The first slot is nearly always the right one. */
static void prefetch(const struct gv_identities *identities, const struct gv_finder *finder, const uint32_t *slots,
                     uint32_t count)
{
    uint32_t nodes[GV_RECORDS_PER_MSG_MAX];
    for (uint32_t i = 0; i < count; i++) {
        __builtin_prefetch(&finder->slots[slots[i]]);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t taken = finder->slots[slots[i]].taken;
        nodes[i] = taken != 0 ? taken - 1 : 0;
        __builtin_prefetch(&identities->people[nodes[i]]);
        __builtin_prefetch(&identities->ids[nodes[i]]);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct gv_version *version =
            atomic_load_explicit(&identities->people[nodes[i]].newest, memory_order_acquire);
        for (size_t at = 0; version != NULL && at < VERSION_BYTES; at += CACHE_LINE_BYTES) {
            __builtin_prefetch((const uint8_t *)version + at);
        }
    }
}

uint32_t gv_finder_start(const struct gv_finder *finder, uint64_t key)
{
    return (uint32_t)key & finder->mask;
}

uint32_t gv_finder_next(const struct gv_finder *finder, uint64_t key, uint32_t *at)
{
    for (;;) {
        struct gv_finder_slot slot = finder->slots[*at];
        if (slot.taken == 0) {
            return GV_NODE_NONE;
        }
        *at = (*at + 1) & finder->mask;
        if (slot.tag == (uint32_t)(key >> 32)) {
            return slot.taken - 1;
        }
    }
}

enum gv_err gv_identities_key(struct gv_sign_key **key, const struct gv_identities *identities, uint32_t node)
{
    return derive_key(key, identities->seed, FOR_NODE, node);
}

enum gv_err gv_identities_new(struct gv_identities **identities, uint64_t seed, uint32_t nodes_max,
                              enum gv_signatures signatures)
{
    *identities = NULL;
    enum gv_err err = gv_proto_init();
    if (err != GV_OK) {
        return err;
    }
    if (nodes_max == 0 || nodes_max > GV_SCENARIO_NODES_MAX) {
        return GV_ERR_RANGE;
    }
    struct gv_identities *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return GV_ERR_NOMEM;
    }
    fresh->seed = seed;
    fresh->nodes_max = nodes_max;
    fresh->signatures = signatures;
    fresh->ids = calloc(nodes_max, sizeof *fresh->ids);
    fresh->people = calloc(nodes_max, sizeof *fresh->people);
    err = fresh->ids != NULL && fresh->people != NULL ? GV_OK : GV_ERR_NOMEM;
    if (err == GV_OK) {
        err = finder_init(&fresh->by_id, nodes_max);
    }
    if (err == GV_OK) {
        err = finder_init(&fresh->by_key, nodes_max);
    }
    if (err == GV_OK) {
        err = make_invites(fresh);
    }
    if (err != GV_OK) {
        gv_identities_free(&fresh);
    }
    *identities = fresh;
    return err;
}

void gv_identities_free(struct gv_identities **identities)
{
    struct gv_identities *old = *identities;
    if (old == NULL) {
        return;
    }
    for (uint32_t n = 0; old->people != NULL && n < old->nodes_max; n++) {
        for (struct gv_version *v = atomic_load(&old->people[n].newest), *older; v != NULL; v = older) {
            older = v->older;
            free(v);
        }
        for (struct gv_farewell *f = old->people[n].farewell, *older; f != NULL; f = older) {
            older = f->older;
            free(f);
        }
    }
    for (uint32_t i = 0; i < old->revoked; i++) {
        free(old->revocations[i]);
    }
    gv_sign_key_free(&old->root);
    gv_sign_key_free(&old->invites[0]);
    gv_sign_key_free(&old->invites[1]);
    free(old->by_id.slots);
    free(old->by_key.slots);
    free(old->ids);
    free(old->people);
    free(old);
    *identities = NULL;
}

const struct gv_sign_public *gv_identities_root(const struct gv_identities *identities)
{
    return &identities->root_public;
}

struct gv_swarm_id gv_identities_swarm(const struct gv_identities *identities)
{
    return identities->swarm;
}

enum gv_err gv_identities_create(struct gv_identities *identities, uint32_t node, bool dialable, bool by_member,
                                 uint64_t wall_s)
{
    GV_ASSERT(node < identities->nodes_max);
    struct gv_sign_key *key;
    enum gv_err err = gv_identities_key(&key, identities, node);
    if (err != GV_OK) {
        return err;
    }
    struct gv_sign_public public = *gv_sign_key_public(key);
    gv_sign_key_free(&key);
    struct gv_cert fields = member_cert(identities, &public, wall_s);
    struct gv_chain chain = identities->chains[by_member];
    err = gv_chain_append(&chain, &fields, identities->invites[by_member]);
    if (err == GV_OK) {
        err = verify_last(&chain, gv_sign_key_public(identities->invites[by_member]));
    }
    if (err != GV_OK) {
        return err;
    }
    struct gv_person *person = &identities->people[node];
    identities->ids[node] = gv_id_of(&public);
    person->key_head = gv_head_of(public.b);
    person->issued_s = wall_s;
    person->certified = chain.link[chain.count - 1].signature;
    person->dialable = dialable;
    person->by_member = by_member;
    return GV_OK;
}

void gv_identities_index(struct gv_identities *identities, uint32_t first, uint32_t count)
{
    GV_ASSERT(first <= identities->nodes_max && count <= identities->nodes_max - first);
    for (uint32_t node = first; node < first + count; node++) {
        finder_put(&identities->by_id, gv_head_of(identities->ids[node].b), node);
        finder_put(&identities->by_key, identities->people[node].key_head, node);
    }
}

const struct gv_id *gv_identities_id(const struct gv_identities *identities, uint32_t node)
{
    return &identities->ids[node];
}

uint32_t gv_identities_find(const struct gv_identities *identities, const struct gv_id *id)
{
    uint64_t key = gv_head_of(id->b);
    uint32_t at = gv_finder_start(&identities->by_id, key);
    uint32_t node;
    do {
        node = gv_finder_next(&identities->by_id, key, &at);
    } while (node != GV_NODE_NONE && !gv_id_equal(&identities->ids[node], id));
    return node;
}

const struct gv_version *gv_identities_version(const struct gv_identities *identities, uint32_t node,
                                               const struct gv_ref *ref)
{
    const struct gv_version *v = atomic_load_explicit(&identities->people[node].newest, memory_order_acquire);
    while (v != NULL && (v->incarnation != ref->incarnation || v->boot != ref->boot || v->sequence != ref->sequence)) {
        v = v->older;
    }
    return v;
}

const struct gv_version *gv_identities_sign(struct gv_identities *identities, uint32_t node, uint64_t incarnation,
                                            uint64_t boot, uint32_t sequence, uint64_t wall_s, uint64_t now_us)
{
    struct gv_person *person = &identities->people[node];
    const struct gv_ref name = {.incarnation = incarnation, .boot = boot, .sequence = sequence};
    const struct gv_version *known = gv_identities_version(identities, node, &name);
    if (known != NULL) { /* or whoever looks it up at this moment would find the one or the other */
        return known;
    }
    struct gv_sign_key *key;
    if (gv_identities_key(&key, identities, node) != GV_OK) {
        return NULL;
    }
    struct gv_hash curve = derive(identities->seed, FOR_CURVE, node);
    struct gv_record record = {
        .swarm = identities->swarm,
        .identity = *gv_sign_key_public(key),
        .endpoint_count = person->dialable ? 1 : 0,
        .incarnation = incarnation,
        .boot = boot,
        .sequence = sequence,
        .issued_s = wall_s,
        .chain = chain_of(identities, person, gv_sign_key_public(key)),
    };
    memcpy(record.curve.b, curve.b, sizeof record.curve.b);
    (void)snprintf(record.endpoints[0], sizeof record.endpoints[0], "tcp://10.%" PRIu32 ".%" PRIu32 ".%" PRIu32 ":7000",
                   node >> 16 & 0xff, node >> 8 & 0xff, node & 0xff);
    struct gv_version *version = make_version(&record, key, now_us);
    gv_sign_key_free(&key);
    if (version == NULL) {
        return NULL;
    }
    version->older = atomic_load_explicit(&person->newest, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&person->newest, &version->older, version, memory_order_release,
                                                  memory_order_relaxed)) {
    }
    return version;
}

struct gv_ref gv_identities_ref(const struct gv_identities *identities, uint32_t node, const struct gv_version *version)
{
    return (struct gv_ref){
        .id = identities->ids[node],
        .incarnation = version->incarnation,
        .boot = version->boot,
        .sequence = version->sequence,
        .flags = version->flags,
        .inviters = {identities->people[node].by_member ? identities->inviter : 0},
    };
}

enum gv_err gv_identities_verify(const struct gv_identities *identities, uint32_t *node, struct gv_ref *ref,
                                 const uint8_t *data, size_t bytes)
{
    if (identities->signatures == GV_SIGNATURES_MEMOISED) {
        const struct gv_version *version = find_bytes(identities, node, data, bytes);
        if (version != NULL) {
            *ref = gv_identities_ref(identities, *node, version);
            return GV_OK;
        }
    }
    *node = GV_NODE_NONE;
    struct gv_record record;
    enum gv_err err = gv_record_verify(&record, &identities->root_public, data, bytes);
    if (err != GV_OK) {
        return err;
    }
    *ref = gv_record_ref(&record);
    *node = gv_identities_find(identities, &ref->id);
    return *node != GV_NODE_NONE ? GV_OK : GV_ERR_NOT_FOUND;
}

void gv_identities_prefetch_records(const struct gv_identities *identities, const struct gv_span *records,
                                    uint32_t count)
{
    uint32_t slots[GV_RECORDS_PER_MSG_MAX];
    GV_ASSERT(count <= GV_RECORDS_PER_MSG_MAX);
    for (uint32_t i = 0; i < count; i++) {
        bool whole = records[i].bytes >= GV_OWNER_AT + GV_KEY_BYTES;
        slots[i] = whole ? gv_finder_start(&identities->by_key, gv_head_of(records[i].data + GV_OWNER_AT)) : 0;
    }
    prefetch(identities, &identities->by_key, slots, count);
}

void gv_identities_prefetch_refs(const struct gv_identities *identities, const struct gv_ref *refs, uint32_t count)
{
    uint32_t slots[GV_RECORDS_PER_MSG_MAX];
    GV_ASSERT(count <= GV_RECORDS_PER_MSG_MAX);
    for (uint32_t i = 0; i < count; i++) {
        slots[i] = gv_finder_start(&identities->by_id, gv_head_of(refs[i].id.b));
    }
    prefetch(identities, &identities->by_id, slots, count);
}

void gv_identities_keep(struct gv_identities *identities, uint32_t node, const struct gv_version *version)
{
    struct gv_version *v = atomic_load_explicit(&identities->people[node].newest, memory_order_relaxed);
    while (v != NULL && v != version) {
        v = v->older;
    }
    if (v != NULL) {
        v->kept = true;
    }
}

void gv_identities_prune(struct gv_identities *identities, uint64_t now_us, uint64_t keep_us)
{
    for (uint32_t node = 0; node < identities->nodes_max; node++) {
        struct gv_version *newest = atomic_load_explicit(&identities->people[node].newest, memory_order_relaxed);
        if (newest == NULL || newest->older == NULL) {
            continue;
        }
        struct gv_version *left = NULL;
        for (struct gv_version *v = newest, *older; v != NULL; v = older) {
            older = v->older;
            uint64_t at = superseded_us(newest, v);
            if (v->kept || at >= now_us || now_us - at <= keep_us) {
                left = v;
                continue;
            }
            if (left != NULL) {
                left->older = older;
            } else {
                newest = older;
                atomic_store_explicit(&identities->people[node].newest, newest, memory_order_relaxed);
            }
            free(v);
        }
        for (struct gv_version *v = newest; v != NULL; v = v->older) {
            v->kept = false;
        }
    }
}
