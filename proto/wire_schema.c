/*
 * The tables of wire_schema.h. PROTOCOL.md, "Messages", says the same in prose; what a field means is said in gv/msg.h.
 */
#include "wire_schema.h"

#include "record.h"

#define AT(member) offsetof(struct gv_msg, u.member)
#define U32(member, low, high)                     \
    {                                              \
        GV_FIELD_U32, AT(member), (low), (high), 0 \
    }
#define ANY32(member) U32(member, 0, UINT32_MAX)
#define U64(member)                       \
    {                                     \
        GV_FIELD_U64, AT(member), 0, 0, 0 \
    }
#define REASON(member)                       \
    {                                        \
        GV_FIELD_REASON, AT(member), 0, 0, 0 \
    }
#define BIT(member)                       \
    {                                     \
        GV_FIELD_BIT, AT(member), 0, 0, 0 \
    }
#define BOOL(member)                       \
    {                                      \
        GV_FIELD_BOOL, AT(member), 0, 0, 0 \
    }
#define RAW32(member)                        \
    {                                        \
        GV_FIELD_FIXED, AT(member), 0, 32, 0 \
    }
#define TEXT(member, high)                      \
    {                                           \
        GV_FIELD_TEXT, AT(member), 0, (high), 0 \
    }
#define GROUP(fields)                     \
    {                                     \
        GV_FIELD_GROUP, 0, 0, (fields), 0 \
    }

#define STATE_MAX GV_STATE_PAUSED
#define TTL_MAX 16 /* twice the longest walk */

/* clang-format off: a field a line, as in PROTOCOL.md */
static const struct gv_field hello[] = {
    RAW32(hello.swarm),
    U32(hello.purpose, 0, GV_PURPOSE_VISIT),
    U32(hello.state, 0, STATE_MAX),
    U64(hello.features),
    U64(hello.boot),
    U64(hello.manifest_version),
    RAW32(hello.manifest_hash),
    U64(hello.trust_digest),
    U64(hello.age),
    U64(hello.wall_s),
    TEXT(hello.observed, GV_ENDPOINT_BYTES_MAX),
};
static const struct gv_field refuse[] = {
    REASON(refuse.reason),
    U64(refuse.seen_incarnation),
    ANY32(refuse.retry_ms),
};
static const struct gv_field ping[] = {
    ANY32(ping.seq),           BOOL(ping.suspected), U64(ping.trust_digest), U64(ping.manifest_version),
    RAW32(ping.manifest_hash), U64(ping.age),
};
static const struct gv_field pong[] = {
    ANY32(ping.seq),
    U64(ping.trust_digest),
    U64(ping.manifest_version),
    RAW32(ping.manifest_hash),
    U64(ping.age),
    {GV_FIELD_IDS, AT(ping.neighbours), 0, GV_NEIGHBOURS_NAMED_MAX, AT(ping.neighbour_count)},
};
static const struct gv_field probe[] = {
    ANY32(probe.seq),
    RAW32(probe.target),
};
static const struct gv_field probe_result[] = {
    ANY32(probe.seq),
    BOOL(probe.alive),
    RAW32(probe.target),
};
static const struct gv_field neighbour[] = {
    BOOL(neighbour.urgent),
};
static const struct gv_field neighbour_reply[] = {
    BOOL(neighbour.accepted),
};
static const struct gv_field disconnect[] = {
    BOOL(disconnect.restarting),
};
static const struct gv_field walk[] = {
    U32(walk.ttl, 0, TTL_MAX),
    U64(walk.nonce),
};
static const struct gv_field sample[] = {
    U32(sample.count, 0, GV_RECORDS_PER_MSG_MAX),
};
static const struct gv_field leave[] = {
    U32(leave.ttl, 0, TTL_MAX),
};

#define STATS 6 /* fields of the group at the end of OFFER and ACCEPT */
#define OFFER(codecs)                                                                                                \
    U64(offer.nonce), U64(offer.manifest_version), ANY32(offer.epoch), RAW32(offer.layout), U64(offer.age),          \
        ANY32(offer.exchange), codecs, U32(offer.chunk_bytes, 0, GV_CHUNK_BYTES_MAX), GROUP(STATS),                  \
        ANY32(offer.stats.epoch), {GV_FIELD_U32S, AT(offer.stats.minima), 0, GV_MINIMA, 0}, U64(offer.stats.weight), \
        U64(offer.stats.loss), U64(offer.stats.accuracy), U64(offer.stats.samples_per_s)
static const struct gv_field offer[] = {
    OFFER(U32(offer.codecs, 1, UINT32_MAX)),
};
static const struct gv_field accept[] = {
    OFFER(BIT(offer.codecs)),
};
static const struct gv_field busy[] = {
    U64(exchange.nonce),
    REASON(exchange.reason),
    ANY32(exchange.retry_ms),
};
static const struct gv_field chunk[] = {
    U64(chunk.nonce),
    ANY32(chunk.index),
};
static const struct gv_field credit[] = {
    U64(exchange.nonce),
    ANY32(exchange.credit),
};
static const struct gv_field nonce[] = {
    /* DONE, COMMIT, COMMITTED, OUTCOME */
    U64(exchange.nonce),
};
static const struct gv_field aborted[] = {
    U64(exchange.nonce),
    REASON(exchange.reason),
};
static const struct gv_field outcome_reply[] = {
    U64(outcome.nonce),
    U32(outcome.outcome, 0, GV_OUTCOME_PENDING),
};
static const struct gv_field state_reply[] = {
    U32(state.state, 0, STATE_MAX), BOOL(state.donates), ANY32(state.epoch),
    U64(state.manifest_version),    RAW32(state.layout), U64(state.age),
};

#define FETCH                                                                                                 \
    U64(fetch.nonce), ANY32(fetch.epoch), RAW32(fetch.layout), U32(fetch.chunk_bytes, 0, GV_CHUNK_BYTES_MAX), \
        U32(fetch.codec, 0, GV_CODEC_COUNT - 1), ANY32(fetch.first_index)
static const struct gv_field fetch[] = {
    FETCH,
};
static const struct gv_field fetch_reply[] = {
    FETCH,
    REASON(fetch.reason),
    U64(fetch.age),
};
static const struct gv_field manifest_want[] = {
    U64(manifest.version),
};
/* clang-format on */

#define COUNT(table) (sizeof(table) / sizeof(table)[0])
#define FIELDS(table) (table), COUNT(table), 2 + COUNT(table)
#define FIELDS_AND_GROUP(table, members) (table), COUNT(table), 2 + COUNT(table) - (members)
#define BODY(member) sizeof(((struct gv_msg *)NULL)->u.member)
#define NO_FIELDS 0, NULL, 0, 2
#define NO_BULK GV_BULK_NONE, 0, 0, 0, 0, 1, GV_NO_FLAG
#define RECORD_BYTES 1, GV_RECORD_BYTES_MAX, 1
#define ONE_RECORD GV_BULK_ARRAY, 1, 1, RECORD_BYTES, GV_NO_FLAG
#define RECORD_IF(flag) GV_BULK_ARRAY, 0, 1, RECORD_BYTES, AT(flag)
#define RECORDS GV_BULK_ARRAY, 0, GV_RECORDS_PER_MSG_MAX, RECORD_BYTES, GV_NO_FLAG
#define STATE_IF(flag) GV_BULK_ARRAY, 0, 1, 1, GV_INLINE_BYTES_MAX, 1, AT(flag)
#define KIND(name, ...) [GV_KIND_##name] = {#name, __VA_ARGS__}

static const struct gv_wire_kind kinds[GV_KIND_COUNT] = {
    KIND(HELLO, BODY(hello), FIELDS(hello), ONE_RECORD),
    KIND(WELCOME, BODY(hello), FIELDS(hello), ONE_RECORD),
    KIND(REFUSE, BODY(refuse), FIELDS(refuse), NO_BULK),
    KIND(PING, BODY(ping), FIELDS(ping), RECORD_IF(ping.has_record)),
    KIND(PONG, BODY(ping), FIELDS(pong), RECORD_IF(ping.has_record)),
    KIND(PROBE, BODY(probe), FIELDS(probe), NO_BULK),
    KIND(PROBE_RESULT, BODY(probe), FIELDS(probe_result), NO_BULK),
    KIND(NEIGHBOUR, BODY(neighbour), FIELDS(neighbour), NO_BULK),
    KIND(NEIGHBOUR_REPLY, BODY(neighbour), FIELDS(neighbour_reply), RECORDS),
    KIND(DISCONNECT, BODY(disconnect), FIELDS(disconnect), NO_BULK),
    KIND(FORWARD_JOIN, BODY(walk), FIELDS(walk), ONE_RECORD),
    KIND(SHUFFLE, BODY(walk), FIELDS(walk), RECORDS),
    KIND(SHUFFLE_REPLY, BODY(walk), FIELDS(walk), RECORDS),
    KIND(SAMPLE, BODY(sample), FIELDS(sample), NO_BULK),
    KIND(RECORDS, NO_FIELDS, RECORDS),
    KIND(LEAVE, BODY(leave), FIELDS(leave), GV_BULK_ARRAY, 1, 1, 1, GV_LEAVE_BYTES_MAX, 1, GV_NO_FLAG),
    KIND(OFFER, BODY(offer), FIELDS_AND_GROUP(offer, STATS), STATE_IF(offer.inline_state)),
    KIND(ACCEPT, BODY(offer), FIELDS_AND_GROUP(accept, STATS), STATE_IF(offer.inline_state)),
    KIND(BUSY, BODY(exchange), FIELDS(busy), NO_BULK),
    KIND(CHUNK, BODY(chunk), FIELDS(chunk), GV_BULK_PAYLOAD, 1, 1, 1, GV_CHUNK_BYTES_MAX, 1, GV_NO_FLAG),
    KIND(CREDIT, BODY(exchange), FIELDS(credit), NO_BULK),
    KIND(DONE, BODY(exchange), FIELDS(nonce), NO_BULK),
    KIND(COMMIT, BODY(exchange), FIELDS(nonce), NO_BULK),
    KIND(COMMITTED, BODY(exchange), FIELDS(nonce), NO_BULK),
    KIND(ABORT, BODY(exchange), FIELDS(aborted), NO_BULK),
    KIND(OUTCOME, BODY(exchange), FIELDS(nonce), NO_BULK),
    KIND(OUTCOME_REPLY, BODY(outcome), FIELDS(outcome_reply), NO_BULK),
    KIND(STATE, NO_FIELDS, NO_BULK),
    KIND(STATE_REPLY, BODY(state), FIELDS(state_reply), NO_BULK),
    KIND(FETCH, BODY(fetch), FIELDS(fetch), NO_BULK),
    KIND(FETCH_REPLY, BODY(fetch), FIELDS(fetch_reply), NO_BULK),
    KIND(MANIFEST_WANT, BODY(manifest), FIELDS(manifest_want), NO_BULK),
    KIND(MANIFEST, NO_FIELDS, GV_BULK_ARRAY, 1, 1, 1, GV_MANIFEST_BYTES_MAX, 1, GV_NO_FLAG),
    KIND(TRUST_HAVE, NO_FIELDS, GV_BULK_ARRAY, 1, 1, 0, 8 * GV_TRUST_ENTRIES_MAX, 8, GV_NO_FLAG),
    KIND(TRUST, NO_FIELDS, GV_BULK_ARRAY, 0, GV_RECORDS_PER_MSG_MAX, 1, GV_TRUST_ENTRY_BYTES_MAX, 1, GV_NO_FLAG),
};

const struct gv_wire_kind *gv_wire_kind(uint64_t kind)
{
    return kind < GV_KIND_COUNT && kinds[kind].name != NULL ? &kinds[kind] : NULL;
}
