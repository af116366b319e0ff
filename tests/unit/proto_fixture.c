/*
 * The examples of PROTOCOL.md. See proto_fixture.h.
 */
#include "proto_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "manifest_text.h"
#include "tensor.h"
#include "wire.h"

static struct gv_id id_of_key(const struct gv_sign_key *key)
{
    return gv_id_of(gv_sign_key_public(key));
}

struct gv_sign_key *fixture_key(uint8_t byte)
{
    uint8_t seed[32];
    struct gv_sign_key *key;
    memset(seed, byte, sizeof seed);
    cr_assert(gv_sign_key_from_seed(&key, seed) == GV_OK);
    return key;
}

static struct gv_curve_key *curve_of(uint8_t byte)
{
    uint8_t secret[32];
    struct gv_curve_key *key;
    memset(secret, byte, sizeof secret);
    cr_assert(gv_curve_key_from_secret(&key, secret) == GV_OK);
    return key;
}

void fixture_extend(struct gv_chain *chain, const struct fixture *f, enum gv_cert_kind kind,
                    const struct gv_sign_key *subject, const struct gv_sign_key *issuer)
{
    bool invite = kind == GV_CERT_INVITE;
    struct gv_cert fields = {
        .kind = kind,
        .swarm = f->swarm,
        .subject = *gv_sign_key_public(subject),
        .issued_s = EXAMPLE_TIME + 100 * chain->count,
        .expires_s = invite ? EXAMPLE_TIME + 7 * 86400 : 0,
        .uses = invite ? 1 : 0,
    };
    cr_assert(gv_chain_append(chain, &fields, issuer) == GV_OK);
}

void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    cr_assert(gv_proto_init() == GV_OK);
    f->root = fixture_key(SEED_ROOT);
    f->creator = fixture_key(SEED_CREATOR);
    f->invite_key = fixture_key(SEED_INVITE);
    f->member = fixture_key(SEED_MEMBER);
    f->creator_curve = curve_of(SEED_CREATOR_CURVE);
    f->member_curve = curve_of(SEED_MEMBER_CURVE);
    f->swarm = gv_swarm_id_of(gv_sign_key_public(f->root));
    fixture_extend(&f->creator_chain, f, GV_CERT_MEMBER, f->creator, f->root);
    f->invite_chain = f->creator_chain;
    fixture_extend(&f->invite_chain, f, GV_CERT_INVITE, f->invite_key, f->creator);
    f->member_chain = f->invite_chain;
    fixture_extend(&f->member_chain, f, GV_CERT_MEMBER, f->member, f->invite_key);
}

void fixture_deinit(struct fixture *f)
{
    gv_sign_key_free(&f->root);
    gv_sign_key_free(&f->creator);
    gv_sign_key_free(&f->invite_key);
    gv_sign_key_free(&f->member);
    gv_curve_key_free(&f->creator_curve);
    gv_curve_key_free(&f->member_curve);
}

struct gv_record example_record(const struct fixture *f)
{
    struct gv_record record = {
        .swarm = f->swarm,
        .identity = *gv_sign_key_public(f->member),
        .curve = *gv_curve_key_public(f->member_curve),
        .endpoint_count = 2,
        .endpoints = {"tcp://192.0.2.7:4567", "tcp://[2001:db8::7]:4567"},
        .incarnation = 3,
        .boot = 0x0123456789abcdef,
        .sequence = 1,
        .issued_s = EXAMPLE_TIME + 300,
        .chain = f->member_chain,
    };
    return record;
}

void example_invite(struct gv_invite *invite, const struct fixture *f)
{
    *invite = (struct gv_invite){
        .root = *gv_sign_key_public(f->root),
        .name = "example",
        .seed_count = 1,
        .seeds = {{.endpoint = "tcp://192.0.2.1:4567", .curve = *gv_curve_key_public(f->creator_curve)}},
        .chain = f->invite_chain,
    };
    memset(invite->secret, SEED_INVITE, sizeof invite->secret);
}

struct gv_entry example_revoke(const struct fixture *f)
{
    struct gv_entry entry = {
        .kind = GV_ENTRY_REVOKE,
        .target = id_of_key(f->member),
        .issued_s = EXAMPLE_TIME + 400,
        .by_root = true,
    };
    return entry;
}

struct gv_entry example_close(const struct fixture *f)
{
    struct gv_entry entry = {
        .kind = GV_ENTRY_CLOSE,
        .target = id_of_key(f->invite_key),
        .issued_s = EXAMPLE_TIME + 500,
        .kept_count = 1,
        .kept = {id_of_key(f->member)},
        .issuer_chain = f->creator_chain,
    };
    return entry;
}

void example_manifest(struct gv_manifest *manifest, const struct fixture *f)
{
    static const char *const settings[] = {
        "name=example",     "model=mlp:4-8-3",    "seed=7",
        "schedule=linear",  "total_age=2000",     "stop_age=2000",
        "features=4",       "codec=f16",          "classes=setosa,versicolor,50%25 other",
        "scaling=standard", "mean=5.8,3,3.8,1.2", "deviation=0.8,0.4,1.7,0.7",
    };
    gv_manifest_defaults(manifest);
    manifest->training.rate = 0.1f; /* what the examples of PROTOCOL.md show, whatever the default */
    struct gv_diag diag;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        cr_assert(gv_manifest_set(manifest, settings[i], &diag) == GV_OK, "%s", diag.text);
    }
    cr_assert(gv_manifest_sign(manifest, f->root, &diag) == GV_OK, "%s", diag.text);
}

static void build_objects(struct example *e, const struct fixture *f)
{
    static const char *const names[EXAMPLE_OBJECTS] = {"chain",        "record",      "leave",
                                                       "entry-revoke", "entry-close", "manifest"};
    for (size_t i = 0; i < EXAMPLE_OBJECTS; i++) {
        e[i].name = names[i];
    }
    struct gv_record record = example_record(f);
    struct gv_entry revoke = example_revoke(f);
    struct gv_entry close = example_close(f);
    struct gv_manifest manifest;
    cr_assert(gv_chain_encode(e[EXAMPLE_CHAIN].bytes, EXAMPLE_BYTES_MAX, &e[EXAMPLE_CHAIN].count, &f->member_chain) ==
              GV_OK);
    cr_assert(gv_record_sign(e[EXAMPLE_RECORD].bytes, &e[EXAMPLE_RECORD].count, &record, f->member) == GV_OK);
    cr_assert(gv_leave_sign(e[EXAMPLE_LEAVE].bytes, &e[EXAMPLE_LEAVE].count, &f->swarm, 3, f->member) == GV_OK);
    cr_assert(gv_entry_sign(e[EXAMPLE_REVOKE].bytes, &e[EXAMPLE_REVOKE].count, &revoke, &f->swarm, f->root) == GV_OK);
    cr_assert(gv_entry_sign(e[EXAMPLE_CLOSE].bytes, &e[EXAMPLE_CLOSE].count, &close, &f->swarm, f->creator) == GV_OK);
    example_manifest(&manifest, f);
    memcpy(e[EXAMPLE_MANIFEST].bytes, manifest.text, manifest.text_bytes);
    e[EXAMPLE_MANIFEST].count = manifest.text_bytes;
    gv_manifest_deinit(&manifest);
}

static void put(struct gv_bulk *bulk, const uint8_t *data, size_t bytes)
{
    bulk->item[bulk->count++] = (struct gv_span){.data = data, .bytes = bytes};
}

static void fill_admission(struct gv_msg *m, const struct example *e, const struct fixture *f)
{
    struct gv_id creator = id_of_key(f->creator);
    switch (m->kind) {
    case GV_KIND_HELLO:
    case GV_KIND_WELCOME:
        m->u.hello = (struct gv_msg_hello){
            .swarm = f->swarm,
            .state = m->kind == GV_KIND_HELLO ? GV_STATE_JOINING : GV_STATE_TRAINING,
            .boot = 0x0123456789abcdef,
            .manifest_version = 1,
            .manifest_hash = gv_hash_of(e[EXAMPLE_MANIFEST].bytes, e[EXAMPLE_MANIFEST].count),
            .trust_digest = 0x1122334455667788,
            .age = 1234567,
            .wall_s = EXAMPLE_TIME + 300,
            .observed = "198.51.100.9:40112",
        };
        return;
    case GV_KIND_REFUSE:
        m->u.refuse = (struct gv_msg_refuse){.reason = GV_ERR_STALE, .seen_incarnation = 4, .retry_ms = 1000};
        return;
    case GV_KIND_PING:
    case GV_KIND_PONG:
        m->u.ping = (struct gv_msg_ping){
            .seq = 77,
            .has_record = m->kind == GV_KIND_PONG,
            .trust_digest = 0x1122334455667788,
            .manifest_version = 1,
            .manifest_hash = gv_hash_of(e[EXAMPLE_MANIFEST].bytes, e[EXAMPLE_MANIFEST].count),
            .age = 1234567,
        };
        if (m->kind == GV_KIND_PONG) {
            m->u.ping.neighbour_count = 2;
            m->u.ping.neighbours[0] = creator;
            m->u.ping.neighbours[1] = id_of_key(f->member);
        } else {
            m->u.ping.suspected = true;
        }
        return;
    case GV_KIND_PROBE:
        m->u.probe = (struct gv_msg_probe){.seq = 78, .target = creator};
        return;
    default:
        m->u.probe = (struct gv_msg_probe){.seq = 78, .alive = true, .target = creator};
        return;
    }
}

static void fill_membership(struct gv_msg *m)
{
    switch (m->kind) {
    case GV_KIND_NEIGHBOUR:
        m->u.neighbour.urgent = true;
        return;
    case GV_KIND_DISCONNECT:
        m->u.disconnect.restarting = true;
        return;
    case GV_KIND_FORWARD_JOIN:
        m->u.walk.ttl = 6;
        return;
    case GV_KIND_SHUFFLE:
    case GV_KIND_SHUFFLE_REPLY:
        m->u.walk = (struct gv_msg_walk){.ttl = m->kind == GV_KIND_SHUFFLE ? 4 : 0, .nonce = 0xfeedfacecafebeef};
        return;
    case GV_KIND_SAMPLE:
        m->u.sample.count = 32;
        return;
    case GV_KIND_LEAVE:
        m->u.leave.ttl = 3;
        return;
    default:
        return;
    }
}

static void fill_offer(struct gv_msg_offer *offer, bool accept)
{
    *offer = (struct gv_msg_offer){
        .nonce = 0x0102030405060708,
        .manifest_version = 1,
        .epoch = 1,
        .layout = gv_hash_of("layout", 6),
        .age = 1234567,
        .exchange = accept ? 0 : 1, /* a pair exchange's ACCEPT, a push's OFFER */
        .codecs = accept ? 1u << GV_CODEC_F16 : 1u << GV_CODEC_F16 | 1u << GV_CODEC_F32,
        .chunk_bytes = 262144,
        .inline_state = accept,
        .stats = {.epoch = 28333333,
                  .weight = 1ull << 32,
                  .loss = 1ull << 31,
                  .accuracy = 7ull << 29,
                  .samples_per_s = 120000ull << 16},
    };
    for (uint32_t i = 0; i < GV_MINIMA; i++) {
        offer->stats.minima[i] = 1000 * i;
    }
}

static void fill_exchange(struct gv_msg *m)
{
    struct gv_msg_exchange plain = {.nonce = 0x0102030405060708};
    switch (m->kind) {
    case GV_KIND_OFFER:
    case GV_KIND_ACCEPT:
        fill_offer(&m->u.offer, m->kind == GV_KIND_ACCEPT);
        return;
    case GV_KIND_CHUNK:
        m->u.chunk = (struct gv_msg_chunk){.nonce = plain.nonce, .index = 300};
        return;
    case GV_KIND_OUTCOME_REPLY:
        m->u.outcome = (struct gv_msg_outcome){.nonce = plain.nonce, .outcome = GV_OUTCOME_COMMITTED};
        return;
    case GV_KIND_BUSY:
        m->u.exchange = plain;
        m->u.exchange.reason = GV_ERR_BUSY;
        m->u.exchange.retry_ms = 250;
        return;
    case GV_KIND_CREDIT:
        m->u.exchange = plain;
        m->u.exchange.credit = 4;
        return;
    case GV_KIND_ABORT:
        m->u.exchange = plain;
        m->u.exchange.reason = GV_ERR_NONFINITE;
        return;
    default:
        m->u.exchange = plain;
        return;
    }
}

static void fill_transfer(struct gv_msg *m)
{
    switch (m->kind) {
    case GV_KIND_STATE_REPLY:
        m->u.state = (struct gv_msg_state){.state = GV_STATE_SERVING,
                                           .donates = true,
                                           .epoch = 1,
                                           .manifest_version = 1,
                                           .layout = gv_hash_of("layout", 6),
                                           .age = 1234567};
        return;
    case GV_KIND_FETCH:
    case GV_KIND_FETCH_REPLY:
        m->u.fetch = (struct gv_msg_fetch){.nonce = 0x0807060504030201,
                                           .epoch = 1,
                                           .layout = gv_hash_of("layout", 6),
                                           .chunk_bytes = 262144,
                                           .codec = GV_CODEC_F32,
                                           .first_index = 2};
        m->u.fetch.age = m->kind == GV_KIND_FETCH_REPLY ? 1234567 : 0;
        return;
    case GV_KIND_MANIFEST_WANT:
        m->u.manifest.version = 1;
        return;
    default:
        return;
    }
}

static void fill_bulk(struct gv_bulk *bulk, enum gv_kind kind, const struct example *e)
{
    static const uint8_t state[8] = {0x00, 0x3c, 0x00, 0xc0, 0x00, 0x00, 0xff, 0x7b}; /* 1, -2, 0, 65504 as f16 */
    static const uint8_t hashes[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    switch (kind) {
    case GV_KIND_HELLO:
    case GV_KIND_WELCOME:
    case GV_KIND_PONG:
    case GV_KIND_NEIGHBOUR_REPLY:
    case GV_KIND_FORWARD_JOIN:
    case GV_KIND_SHUFFLE:
    case GV_KIND_RECORDS:
        put(bulk, e[EXAMPLE_RECORD].bytes, e[EXAMPLE_RECORD].count);
        return;
    case GV_KIND_LEAVE:
        put(bulk, e[EXAMPLE_LEAVE].bytes, e[EXAMPLE_LEAVE].count);
        return;
    case GV_KIND_ACCEPT:
    case GV_KIND_CHUNK:
        put(bulk, state, sizeof state);
        return;
    case GV_KIND_MANIFEST:
        put(bulk, e[EXAMPLE_MANIFEST].bytes, e[EXAMPLE_MANIFEST].count);
        return;
    case GV_KIND_TRUST_HAVE:
        put(bulk, hashes, sizeof hashes);
        return;
    case GV_KIND_TRUST:
        put(bulk, e[EXAMPLE_REVOKE].bytes, e[EXAMPLE_REVOKE].count);
        put(bulk, e[EXAMPLE_CLOSE].bytes, e[EXAMPLE_CLOSE].count);
        return;
    default:
        return;
    }
}

struct example *examples_new(const struct fixture *f)
{
    struct example *e = calloc(EXAMPLES, sizeof *e);
    cr_assert(e != NULL);
    build_objects(e, f);
    for (uint32_t kind = 1; kind < GV_KIND_COUNT; kind++) {
        struct example *m = &e[EXAMPLE_OBJECTS + kind - 1];
        m->name = gv_kind_name(kind);
        m->kind = kind;
        m->msg.kind = (enum gv_kind)kind;
        if (kind <= GV_KIND_PROBE_RESULT) {
            fill_admission(&m->msg, e, f);
        } else if (kind <= GV_KIND_LEAVE) {
            fill_membership(&m->msg);
        } else if (kind <= GV_KIND_OUTCOME_REPLY) {
            fill_exchange(&m->msg);
        } else {
            fill_transfer(&m->msg);
        }
        fill_bulk(&m->bulk, m->msg.kind, e);
        enum gv_err err = gv_wire_encode(m->bytes, sizeof m->bytes, &m->count, &m->msg, &m->bulk);
        cr_assert(err == GV_OK, "%s: %s", m->name, gv_err_text((int)err));
    }
    return e;
}

uint64_t fixture_seed(void)
{
    const char *text = getenv("SEED");
    uint64_t seed = 0;
    if (text != NULL) {
        seed = strtoull(text, NULL, 0);
    } else {
        gv_random(&seed, sizeof seed);
    }
    (void)fprintf(stderr, "SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

uint64_t fixture_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}
