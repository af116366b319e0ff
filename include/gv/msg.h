/*
 * The messages of the protocol as plain structs of fixed size: what the core receives in events and returns in SEND
 * effects. proto/wire.c turns them into frames and back; PROTOCOL.md is the specification.
 *
 * Whatever has a variable length (records, signed entries, a manifest, parameters) is not here but in struct gv_bulk
 * beside the message, which the host fills; the core names records by struct gv_ref.
 */
#ifndef GV_MSG_H
#define GV_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "gv/id.h"
#include "gv/limits.h"

/* kind, number on the wire, what the bulk items are */
#define GV_KIND_LIST(X)                                                            \
    X(HELLO, 1)           /* [own record]                                       */ \
    X(WELCOME, 2)         /* [own record]                                       */ \
    X(REFUSE, 3)          /* none; the link closes                              */ \
    X(PING, 4)            /* [own record] if `has_record`, else none            */ \
    X(PONG, 5)            /* [own record] if `has_record`, else none            */ \
    X(PROBE, 6)           /* none: "please ping target for me"                  */ \
    X(PROBE_RESULT, 7)    /* none                                               */ \
    X(NEIGHBOUR, 8)       /* none: ask for a place in the active view           */ \
    X(NEIGHBOUR_REPLY, 9) /* [records...] a sample, when refused                */ \
    X(DISCONNECT, 10)     /* none: leaves the active view                       */ \
    X(FORWARD_JOIN, 11)   /* [newcomer's record]                                */ \
    X(SHUFFLE, 12)        /* [records...], the origin's first                   */ \
    X(SHUFFLE_REPLY, 13)  /* [records...]                                       */ \
    X(SAMPLE, 14)         /* none: ask for records                              */ \
    X(RECORDS, 15)        /* [records...]                                       */ \
    X(LEAVE, 16)          /* [signed leave entry]                               */ \
    X(OFFER, 17)          /* [whole encoded state] if it rides inline           */ \
    X(ACCEPT, 18)         /* [whole encoded state] if it rides inline           */ \
    X(BUSY, 19)           /* none                                               */ \
    X(CHUNK, 20)          /* [encoded chunk]                                    */ \
    X(CREDIT, 21)         /* none                                               */ \
    X(DONE, 22)           /* none: all your chunks are staged                   */ \
    X(COMMIT, 23)         /* none                                               */ \
    X(COMMITTED, 24)      /* none                                               */ \
    X(ABORT, 25)          /* none                                               */ \
    X(OUTCOME, 26)        /* none: ask how an exchange ended                    */ \
    X(OUTCOME_REPLY, 27)  /* none                                               */ \
    X(STATE, 28)          /* none: ask for age and readiness to donate          */ \
    X(STATE_REPLY, 29)    /* none                                               */ \
    X(FETCH, 30)          /* none: ask for the current model                    */ \
    X(FETCH_REPLY, 31)    /* none; CHUNKs follow                                */ \
    X(MANIFEST_WANT, 32)  /* none                                               */ \
    X(MANIFEST, 33)       /* [signed manifest]                                  */ \
    X(TRUST_HAVE, 34)     /* [concatenated 8-byte hashes of entries held]       */ \
    X(TRUST, 35)          /* [signed entries...]                                */

enum gv_kind {
#define GV_KIND_ENUM(name, number) GV_KIND_##name = (number),
    GV_KIND_LIST(GV_KIND_ENUM)
#undef GV_KIND_ENUM
        GV_KIND_COUNT
};

/* A record in few bytes. Ordered by (incarnation, sequence). */
enum {
    GV_REF_DIALABLE = 1u << 0, /* the record has at least one endpoint; else the node is outbound-only */
};
struct gv_ref {
    struct gv_id id;
    uint64_t incarnation;
    uint64_t boot;                      /* random at each start of the process */
    uint32_t sequence;                  /* raised by refutations and address changes within one incarnation */
    uint32_t flags;                     /* GV_REF_* */
    uint64_t inviters[GV_INVITERS_MAX]; /* in its chain from the root on: the heads of their ids; 0 behind the last */
};

/* Where a node is in its life; also what `status` prints. */
#define GV_STATE_LIST(X)                                                          \
    X(JOINING, 0, "joining")   /* looking for its first neighbour             */  \
    X(FETCHING, 1, "fetching") /* taking the swarm's model                    */  \
    X(TRAINING, 2, "training")                                                    \
    X(SETTLING, 3, "settling") /* exchanging without training                 */  \
    X(SERVING, 4, "serving")   /* done; answers exchanges and fetches         */  \
    X(ISOLATED, 5, "isolated") /* trains, with nobody to exchange with         */ \
    X(PAUSED, 6, "paused")

enum gv_state {
#define GV_STATE_ENUM(name, number, text) GV_STATE_##name = (number),
    GV_STATE_LIST(GV_STATE_ENUM)
#undef GV_STATE_ENUM
};

/*
 * Swarm-wide figures, averaged pairwise on each committed exchange (push-sum without loss; Jelasity, Montresor,
 * Babaoglu 2005). All fixed point; a node with nothing to say puts weight 0.
 */
#define GV_MINIMA 64
struct gv_swarm_stats {
    uint32_t epoch;             /* 60-second epochs; the later one (modulo 2^31) wins and restarts the average */
    uint32_t minima[GV_MINIMA]; /* minima of exponentials, Q27: E[count] = (GV_MINIMA - 1) / sum */
    uint64_t weight;            /* Q32, the mass of nodes that contributed figures; 1.0 each at the start of an epoch */
    uint64_t loss;              /* Q32, weighted */
    uint64_t accuracy;          /* Q32, weighted, 0..1 */
    uint64_t samples_per_s;     /* Q16, weighted */
};

/* HELLO and WELCOME: who I am, what I know. The record rides in the bulk. */
enum {
    GV_PURPOSE_MEMBER = 0, /* a node of the swarm */
    GV_PURPOSE_VISIT = 1,  /* wants the manifest before it becomes a member: not counted as a use, joins no view */
};
struct gv_msg_hello {
    struct gv_swarm_id swarm;
    uint32_t purpose;  /* GV_PURPOSE_* */
    uint32_t state;    /* enum gv_state */
    uint64_t features; /* bit set, none defined in version 1 */
    uint64_t boot;
    uint64_t manifest_version;
    struct gv_hash manifest_hash;
    uint64_t trust_digest;                    /* XOR of the first 8 bytes of the hashes of all trust entries held */
    uint64_t age;                             /* Q16 steps */
    uint64_t wall_s;                          /* Unix time, advisory */
    char observed[GV_ENDPOINT_BYTES_MAX + 1]; /* the receiver's address as the sender sees it, "" if unknown */
    struct gv_ref self;                       /* not on the wire: the verified record of the bulk, filled by the host */
};

struct gv_msg_refuse {
    uint32_t reason;           /* enum gv_err, 100+ */
    uint64_t seen_incarnation; /* for GV_ERR_STALE: the newest one known */
    uint32_t retry_ms;         /* 0: do not come back with the same */
};

struct gv_msg_ping { /* PING and PONG */
    uint32_t seq;
    bool suspected; /* PING: we suspect you (Lifeguard's buddy system); refute with a higher record sequence */
    bool has_record;
    uint64_t trust_digest;
    uint64_t manifest_version;
    struct gv_hash manifest_hash;
    uint64_t age; /* Q16 steps */
    uint32_t neighbour_count;
    struct gv_id neighbours[GV_NEIGHBOURS_NAMED_MAX]; /* PONG: of the active view; others can probe through them */
};

struct gv_msg_probe { /* PROBE and PROBE_RESULT */
    uint32_t seq;
    bool alive; /* PROBE_RESULT: false is Lifeguard's NACK */
    struct gv_id target;
};

struct gv_msg_neighbour { /* NEIGHBOUR and NEIGHBOUR_REPLY */
    bool urgent;          /* the sender's active view is empty: accept if at all possible */
    bool accepted;        /* NEIGHBOUR_REPLY */
};

struct gv_msg_disconnect {
    bool restarting; /* the process stops and will be back as the same node; else merely demoted */
};

struct gv_msg_walk { /* FORWARD_JOIN, SHUFFLE, SHUFFLE_REPLY */
    uint32_t ttl;
    uint64_t nonce; /* SHUFFLE: finds the way back along the walk */
};

struct gv_msg_sample {
    uint32_t count;
};

struct gv_msg_leave {
    uint32_t ttl;
    struct gv_id id;      /* not on the wire: from the verified entry */
    uint64_t incarnation; /* not on the wire: from the verified entry */
};

struct gv_msg_offer { /* OFFER and ACCEPT */
    uint64_t nonce;
    uint64_t manifest_version;
    uint32_t epoch; /* model generation */
    struct gv_hash layout;
    uint64_t age;         /* Q16 steps */
    uint32_t exchange;    /* enum gv_exchange_kind of core.h; ACCEPT repeats it */
    uint32_t codecs;      /* OFFER: bit set 1 << enum gv_codec; ACCEPT: exactly one bit */
    uint32_t chunk_bytes; /* OFFER: proposed; ACCEPT: agreed, not larger */
    bool inline_state;    /* the bulk holds the whole state */
    struct gv_swarm_stats stats;
};

struct gv_msg_exchange { /* BUSY, CREDIT, DONE, COMMIT, COMMITTED, ABORT, OUTCOME */
    uint64_t nonce;
    uint32_t reason;   /* BUSY, ABORT: enum gv_err */
    uint32_t retry_ms; /* BUSY */
    uint32_t credit;   /* CREDIT: chunks with index < credit may be sent; cumulative */
};

struct gv_msg_chunk {
    uint64_t nonce;
    uint32_t index;
};

enum gv_outcome { GV_OUTCOME_UNKNOWN = 0, GV_OUTCOME_COMMITTED = 1, GV_OUTCOME_ABORTED = 2, GV_OUTCOME_PENDING = 3 };
struct gv_msg_outcome {
    uint64_t nonce;
    uint32_t outcome; /* enum gv_outcome */
};

struct gv_msg_state { /* STATE_REPLY */
    uint32_t state;   /* enum gv_state */
    bool donates;     /* has a model to give and room for one more taker */
    uint32_t epoch;
    uint64_t manifest_version;
    struct gv_hash layout;
    uint64_t age; /* Q16 steps */
};

struct gv_msg_fetch { /* FETCH and FETCH_REPLY */
    uint64_t nonce;
    uint32_t epoch;
    struct gv_hash layout;
    uint32_t chunk_bytes;
    uint32_t codec;       /* enum gv_codec, FETCH_REPLY states the one used */
    uint32_t first_index; /* resume here */
    uint32_t reason;      /* FETCH_REPLY: GV_OK, GV_ERR_BUSY, GV_ERR_LAYOUT, GV_ERR_EPOCH */
    uint64_t age;         /* FETCH_REPLY, Q16 steps */
};

struct gv_msg_manifest {
    uint64_t version;    /* MANIFEST_WANT: anything newer than this; MANIFEST: its own, put in by who has verified it */
    struct gv_hash hash; /* MANIFEST: likewise */
};

struct gv_msg {
    enum gv_kind kind;
    uint32_t ref_count; /* verified records that ride with the message */
    struct gv_ref refs[GV_RECORDS_PER_MSG_MAX];
    union {
        struct gv_msg_hello hello;
        struct gv_msg_refuse refuse;
        struct gv_msg_ping ping;
        struct gv_msg_probe probe;
        struct gv_msg_neighbour neighbour;
        struct gv_msg_disconnect disconnect;
        struct gv_msg_walk walk;
        struct gv_msg_sample sample;
        struct gv_msg_leave leave;
        struct gv_msg_offer offer;
        struct gv_msg_exchange exchange;
        struct gv_msg_chunk chunk;
        struct gv_msg_outcome outcome;
        struct gv_msg_state state;
        struct gv_msg_fetch fetch;
        struct gv_msg_manifest manifest;
    } u;
};

/* Bytes somewhere else; who owns them is said where a span is passed. */
struct gv_span {
    const uint8_t *data;
    size_t bytes;
};

/* The variable parts of one message, in order. Decoding borrows them from the frame. */
struct gv_bulk {
    uint32_t count;
    struct gv_span item[GV_RECORDS_PER_MSG_MAX];
};

enum gv_codec { GV_CODEC_F32 = 0, GV_CODEC_F16 = 1, GV_CODEC_COUNT };

#endif
