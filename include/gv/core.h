/*
 * The core: every decision of a node, none of its doing. Events go in, effects come out.
 *
 *     gv_core_step(core, event, effects)      never fails, never blocks, allocates nothing
 *     gv_core_next_deadline(core)             when to send the next GV_EV_TICK at the latest
 *
 * The core calls no clock, socket, file, random source, logger or allocator, and computes with integers only, so a run
 * is a function of its events: the simulator replays a daemon's bug from a seed. Time and wall time are fields of each
 * event; the START event seeds a generator the core owns; verdicts about signatures and numbers come in as events.
 *
 * What never passes through here: parameters, records' bytes, keys, addresses. The host keeps verified records in a
 * directory; the core names them by id. Links are handles the host gives out and never reuses. A nonce may be any
 * number, 0 too, and names one exchange, fetch or pin at a time.
 */
#ifndef GV_CORE_H
#define GV_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gv/err.h"
#include "gv/id.h"
#include "gv/msg.h"

#define GV_LINK_NONE 0u
#define GV_NEVER UINT64_MAX
#define GV_Q16_ONE 65536u
#define GV_LOSS_NOT_FINITE UINT64_MAX /* what no number of Q16 can say; a loss that is too large is one less */

enum gv_merge { GV_MERGE_MEAN = 0, GV_MERGE_AGE = 1 };

enum gv_exchange_kind {
    GV_EXCHANGE_PAIR = 0, /* both ends move towards one another */
    GV_EXCHANGE_PUSH = 1, /* the initiator sends its state, only the receiver moves */
};

/* What the core must know of the manifest. Arrives with START and again with each MANIFEST event. */
struct gv_core_manifest {
    uint64_t version;
    struct gv_hash hash;
    uint32_t epoch; /* model generation: a change restarts the model */
    struct gv_hash layout;
    uint32_t block_count;
    uint64_t block_elements[GV_BLOCKS_MAX]; /* float32 elements of each exchanged block */
    uint32_t codec;                         /* enum gv_codec, preferred */
    uint32_t merge;                         /* enum gv_merge */
    uint32_t exchange;                      /* enum gv_exchange_kind */
    uint32_t local_steps;                   /* H */
    uint32_t settle_exchanges;              /* exchanges without training at the end */
    uint64_t stop_age;                      /* Q16 steps; GV_NEVER: train for ever */
};

/* Tunables; gv_core_defaults() fills them with the values of MEMBERSHIP. All times in microseconds. */
struct gv_core_config {
    uint32_t active_target, active_min, active_max; /* 8, 5, 16 */
    uint32_t active_chosen_min;                     /* 5 of the active view are peers that we asked ourselves */
    uint32_t passive_max;                           /* 96 */
    uint32_t links_max;                             /* 64, verified and provisional */
    uint32_t provisional_max;                       /* 32 */
    uint32_t cached_links_max;                      /* 16 links kept for exchanges beyond the active view */
    uint64_t probe_us, probe_timeout_min_us;        /* 1 s, 500 ms */
    uint64_t shuffle_us, shuffle_early_us;          /* 30 s, 10 s in the first minutes; +-20 % */
    uint64_t promote_us, swap_us;                   /* 5 s, 60 s */
    uint64_t book_dial_us, seed_dial_us;            /* 30 s, 60 s */
    uint64_t record_refresh_us, record_life_us;     /* 10 min, 30 min */
    uint64_t backoff_us;                            /* 60 s after a refusal */
    uint64_t exchange_timeout_us;                   /* first guess, 20 s; then median + k MAD of past exchanges */
    uint32_t exchange_spacing;                      /* 4 of their usual durations lie between exchanges of ours */
    uint64_t isolated_us;                           /* nobody to exchange with for so long: train alone (5 s) */
    uint32_t donors;                                /* 5 are asked for their age */
    uint32_t peers_max;                             /* rows of known nodes, 176: all that views and links can name;
                                                       less: passive records give way sooner */
    uint32_t dials_max, relays_max, walks_max;      /* 16 dials, 8 probes and 32 shuffles for others, at once */
    uint32_t graves_max, outcomes_max;              /* 64 dead nodes, 64 ended exchanges are remembered */
    uint32_t arrivals_max; /* 5 times passive_max: arrivals in the passive view, so that nobody is in it all the time */
    bool outbound_only;    /* our own record has no endpoint */
    /* Peers come by INTRODUCE only, for comparing with theory: no views, dials, shuffles, probes, isolation or fetches
       (the model is there from the start). A round that is due goes to any introduced link, and without one it waits
       for the next introduction. */
    bool oracle;
};

/* ---- events ---------------------------------------------------------------------------------------------- */

enum gv_event_kind {
    GV_EV_START = 1,   /* first, once */
    GV_EV_TICK,        /* the deadline has come, or nothing else did */
    GV_EV_LINK_UP,     /* a dial finished its encrypted handshake: HELLO may be sent */
    GV_EV_DIAL_FAILED, /* a dial came to nothing */
    GV_EV_LINK_IN,     /* someone finished an encrypted handshake with us; provisional until a valid HELLO */
    GV_EV_LINK_DOWN,   /* a link is gone; nothing more comes from it */
    GV_EV_MSG,         /* a decoded message; `verdict` says whether its signatures hold */
    GV_EV_BAD_FRAME,   /* a frame that did not decode or verify: verdict says why */
    GV_EV_SEND_FAILED, /* a SEND found the peer's queue full: the frame is lost */
    GV_EV_PERSISTED,   /* an incarnation is on disk; our record is signed anew with it */
    GV_EV_SELF,        /* our record changed (endpoints): its new sequence */
    GV_EV_STEPS,       /* the trainer finished a round: total steps of this process and the last loss */
    GV_EV_METRICS,     /* a new evaluation */
    GV_EV_SNAPSHOT,    /* the state of this exchange is copied: chunks may be sent */
    GV_EV_APPLIED,     /* a chunk handed out by APPLY is staged, or refused (verdict) */
    GV_EV_MERGED,      /* a COMMIT or ADOPT has reached the live model; the exchange's memory is free */
    GV_EV_PINNED,      /* the donor's snapshot is ready (verdict) */
    GV_EV_MANIFEST,    /* a newer manifest holds from now on */
    GV_EV_TRUST,       /* the set of revocations changed: new digest */
    GV_EV_REVOKED,     /* this identity is no longer valid */
    GV_EV_BOOK,        /* how many address book entries and seeds can be dialled */
    GV_EV_COMMAND,     /* a person wants something */
    GV_EV_INTRODUCE,   /* the host vouches for the peer behind a new link: verified without HELLO (simulations only) */
};

enum gv_command {
    GV_CMD_PAUSE = 1, /* stop training; go on serving others */
    GV_CMD_RESUME,
    GV_CMD_SETTLE, /* stop training for good, settle, then report GV_FX_SETTLED */
    GV_CMD_STOP,   /* tell the neighbours we will be back, then report GV_FX_STOPPED */
    GV_CMD_LEAVE,  /* tell them we will not, then report GV_FX_STOPPED */
};

struct gv_event {
    enum gv_event_kind kind;
    uint64_t now_us; /* monotonic */
    uint64_t wall_s; /* Unix time */
    uint32_t link;
    enum gv_err verdict;
    union {
        struct {
            uint8_t seed[32]; /* for the core's generator */
            struct gv_ref self;
            struct gv_swarm_id swarm;
            struct gv_core_manifest manifest;
            uint64_t trust_digest;
            uint64_t age;   /* Q16, from the checkpoint */
            bool has_model; /* a checkpoint exists, or this node created the swarm: no fetch needed before training */
            bool paused;
            bool trains; /* false: serve and relay only (no data) */
            uint32_t book_count, seed_count;
        } start;
        struct {
            uint32_t dial; /* LINK_UP, DIAL_FAILED: number given in the DIAL effect */
        } dial;
        struct {
            struct gv_msg *msg; /* borrowed for the call; records in msg->refs are verified; hello.self too */
            uint32_t handle;    /* CHUNK, OFFER and ACCEPT with inline state: name of the bytes, else 0 */
            uint32_t bytes;     /* size of the frame */
        } msg;
        struct {
            uint64_t incarnation;
            uint32_t sequence;
        } self; /* PERSISTED, SELF */
        struct {
            uint64_t total;         /* local steps since START */
            uint64_t loss;          /* Q16, running mean, or GV_LOSS_NOT_FINITE */
            uint64_t samples_per_s; /* Q16 */
            bool round;             /* H steps are done: an exchange is due */
        } steps;
        struct {
            uint64_t loss, accuracy; /* Q16 */
        } metrics;
        struct {
            uint64_t nonce; /* SNAPSHOT, APPLIED, MERGED, PINNED */
            uint32_t index; /* APPLIED */
        } work;
        struct gv_core_manifest manifest;
        uint64_t trust_digest;
        struct gv_id revoked;
        struct {
            uint32_t book_count, seed_count;
        } book;
        enum gv_command command;
        struct {
            struct gv_ref ref;
            bool answer_only; /* it is for their round: ours do not go over it */
        } introduce;
    } u;
};

/* ---- effects --------------------------------------------------------------------------------------------- */

enum gv_effect_kind {
    GV_FX_SEND = 1,   /* send msg on link. The host adds the bulk: our record to HELLO, WELCOME, PING, PONG; the records
                         named by refs; the leave entry; the manifest; trust entries; the inline state */
    GV_FX_CLOSE,      /* drop the link at once, after what was sent before; reason for the log */
    GV_FX_DIAL,       /* dial `target` by its record in the directory */
    GV_FX_DIAL_BOOK,  /* dial entry number `index` of the address book */
    GV_FX_DIAL_SEED,  /* dial seed number `index` */
    GV_FX_PERSIST,    /* put this incarnation on disk, sign our record with it, answer PERSISTED */
    GV_FX_SIGN,       /* sign our record with this sequence now (no answer) */
    GV_FX_TRAIN,      /* training on or off from now */
    GV_FX_SNAPSHOT,   /* copy the exchanged blocks for `nonce`; answer SNAPSHOT, with
                         ERR_DIVERGED if they are not finite */
    GV_FX_CHUNK_SEND, /* encode chunk `index` of `nonce`'s snapshot, or pin if `fetch`, and send it on link */
    GV_FX_APPLY,      /* decode the bytes `handle` as chunk `index` into `nonce`'s stage; answer APPLIED */
    GV_FX_DROP,       /* forget the bytes `handle` */
    GV_FX_COMMIT,     /* hand the staged delta to the trainer and add age_delta to the age; answer MERGED */
    GV_FX_ADOPT,      /* the fetched state replaces the model, the age becomes `age`; answer MERGED */
    GV_FX_DISCARD,    /* forget `nonce`: snapshot, stage and queued work; no answer */
    GV_FX_PIN,        /* keep a snapshot for a taker, under `nonce`; answer PINNED */
    GV_FX_UNPIN,      /* forget it */
    GV_FX_ALARM,      /* something everyone should see (copied key, conflicting manifest) */
    GV_FX_LOG,        /* a line for the log: `log` says what, link and target about whom */
    GV_FX_SETTLED, /* the model is finished: age or steps reached and settled; `found` says whether ever met anybody */
    GV_FX_STOPPED, /* all farewells are sent */
    GV_FX_GONE,    /* our own identity is revoked or left: stop for good with this reason */
};

/* Things worth a line in the log; the text is the host's. */
#define GV_LOG_LIST(X)                                              \
    X(PEER_JOINED, info, "peer verified")                           \
    X(PEER_LOST, info, "peer lost")                                 \
    X(PEER_REFUSED, unusual, "peer refused")                        \
    X(WE_REFUSED, unusual, "refused by peer")                       \
    X(SUSPECT, info, "peer suspected")                              \
    X(DEAD, info, "peer declared dead")                             \
    X(REFUTED, info, "we refuted a suspicion")                      \
    X(LEFT, info, "peer left the swarm")                            \
    X(PROMOTED, debug, "peer promoted to active")                   \
    X(DEMOTED, debug, "peer demoted to passive")                    \
    X(EXCHANGE_DONE, debug, "exchange committed")                   \
    X(EXCHANGE_FAILED, info, "exchange failed")                     \
    X(EXCHANGE_REFUSED, debug, "exchange refused")                  \
    X(EXCHANGE_DOUBT, unusual, "exchange in doubt")                 \
    X(FETCH_START, info, "fetching the model")                      \
    X(FETCH_DONE, info, "model adopted")                            \
    X(FETCH_FAILED, info, "donor lost, trying another")             \
    X(ISOLATED, unusual, "nobody to exchange with: training alone") \
    X(STATE, info, "state changed")                                 \
    X(BAD_FRAME, unusual, "bad frame")                              \
    X(SHUT_OUT, unusual, "peer shut out")

enum gv_log_code {
#define GV_LOG_ENUM(name, level, text) GV_LOG_##name,
    GV_LOG_LIST(GV_LOG_ENUM)
#undef GV_LOG_ENUM
        GV_LOG_COUNT
};

struct gv_effect {
    enum gv_effect_kind kind;
    uint32_t link;
    struct gv_id target; /* DIAL, ALARM, LOG */
    enum gv_err reason;  /* CLOSE, ALARM, LOG, GONE */
    union {
        struct gv_msg msg; /* SEND */
        struct {
            uint32_t dial;  /* number to answer with */
            uint32_t index; /* DIAL_BOOK, DIAL_SEED */
        } dial;
        struct {
            uint64_t incarnation;
            uint32_t sequence;
        } self;     /* PERSIST, SIGN */
        bool train; /* TRAIN */
        struct {
            uint64_t nonce;
            uint32_t index;  /* CHUNK_SEND, APPLY */
            uint32_t handle; /* APPLY, DROP */
            uint32_t codec;  /* SNAPSHOT, PIN, CHUNK_SEND, APPLY: enum gv_codec */
            uint32_t
                chunk_bytes; /* SNAPSHOT, PIN, CHUNK_SEND, APPLY: encoded size of a full chunk; fixes where one lies */
            uint32_t weight_q16; /* APPLY: a in d = a (Q(x_j) - Q(x_i)), 0..65536; 65536 in a fetch */
            bool fetch;          /* CHUNK_SEND, APPLY: the bytes are the model itself, not a side of an exchange */
            int64_t age_delta;   /* COMMIT, Q16 steps */
            uint64_t age;        /* ADOPT, Q16 steps */
        } work;
        struct {
            enum gv_log_code code;
            uint64_t value; /* exchange: duration us; state: enum gv_state; bad frame: count */
        } log;
        bool found; /* SETTLED */
    } u;
};

/* One step yields at most this many effects; what is left is done at the next deadline, which is then now. */
#define GV_EFFECTS_MAX 96
struct gv_effects {
    uint32_t count;
    struct gv_effect item[GV_EFFECTS_MAX];
};

/* ---- what a person may ask ------------------------------------------------------------------------------- */

/* Refusals and failures are counted by reason: those of peers (100..139) first, then those of our machine (1..15). */
#define GV_REASONS_OF_PEERS 40u
#define GV_REASONS 56u

/** Where an error is counted; GV_REASONS or more: nowhere. */
static inline uint32_t gv_reason_index(enum gv_err reason)
{
    if (reason >= 100) {
        return (uint32_t)reason - 100 < GV_REASONS_OF_PEERS ? (uint32_t)reason - 100 : GV_REASONS;
    }
    bool ours = reason > GV_OK && (uint32_t)reason < GV_REASONS - GV_REASONS_OF_PEERS;
    return ours ? GV_REASONS_OF_PEERS + (uint32_t)reason : GV_REASONS;
}

/** The error that is counted at this index. */
static inline enum gv_err gv_reason_at(uint32_t index)
{
    return (enum gv_err)(index < GV_REASONS_OF_PEERS ? index + 100 : index - GV_REASONS_OF_PEERS);
}

enum gv_dial_target { GV_TARGET_PEER = 0, GV_TARGET_BOOK, GV_TARGET_SEED, GV_TARGETS };
struct gv_dial_counts {
    uint32_t begun, failed, under_way;
};

struct gv_core_stats {
    enum gv_state state;
    struct gv_ref self;
    uint64_t age;   /* Q16 steps */
    uint64_t steps; /* of this process */
    uint32_t peers_active, peers_known, links, links_provisional;
    uint64_t exchanges_done, exchanges_failed, exchanges_refused, exchanges_doubt;
    uint64_t last_exchange_us; /* monotonic, 0: never */
    uint64_t messages_in, messages_out;
    uint64_t refusals[GV_REASONS];      /* what we refused or failed, by reason */
    uint64_t declined[GV_REASONS];      /* offers, fetches and requests for a place that peers turned down */
    uint64_t dial_failures[GV_REASONS]; /* why dials came to nothing, whoever was dialled */
    struct gv_dial_counts dials[GV_TARGETS];
    uint64_t last_dial_failure_us; /* monotonic, 0: none yet */
    enum gv_err last_dial_error;
    uint32_t book_count, seed_count; /* as the host has said last */
    uint64_t alarms;
    uint64_t swarm_nodes;                /* estimate, 1 when alone */
    uint64_t swarm_loss, swarm_accuracy; /* Q16; swarm_figures false: nobody has said anything */
    uint64_t swarm_samples_per_s;        /* Q16, mean per node */
    bool swarm_figures;
    int64_t clock_offset_s; /* median of the offsets seen in HELLOs */
};

enum gv_peer_role {
    GV_PEER_PASSIVE = 0,
    GV_PEER_ACTIVE = 1,
    GV_PEER_LINKED = 2, /* a link, but not a neighbour */
    GV_PEER_FORMER = 3, /* neither, but what it did is remembered */
};
struct gv_peer_info {
    struct gv_ref ref;
    enum gv_peer_role role;
    bool suspected;
    bool dialled;  /* the link was dialled by us */
    bool dialling; /* a dial to it is under way */
    bool asked;    /* it has not answered yet whether we may be its neighbour */
    uint32_t link;
    uint32_t score;         /* 0 good .. 65535 bad, Q16, decays */
    uint64_t rtt_us;        /* 0: not measured */
    uint64_t heard_us;      /* monotonic time of the last frame */
    uint32_t last_error;    /* enum gv_err of the last failure, 0: none */
    uint64_t last_error_us; /* monotonic, to a tenth of a second */
    uint32_t dial_failures; /* in a row */
    uint64_t dial_after_us; /* back-offs: not before this monotonic time; 0: at any time */
    uint64_t neighbour_after_us;
    uint64_t exchange_after_us;
    uint64_t shut_out_until_us; /* its score is bad until then, if nothing new comes; 0: it is not */
};

/* ---- functions ------------------------------------------------------------------------------------------- */

struct gv_core;

/** The default tunables. */
void gv_core_defaults(struct gv_core_config *config);

/** Bytes of memory a core with this configuration needs (alignment: that of max_align_t). */
size_t gv_core_bytes(const struct gv_core_config *config);

/** Builds a core in `memory` (gv_core_bytes() long, caller's, outlives it); copies config, clamped to limits.h. */
struct gv_core *gv_core_init(void *memory, const struct gv_core_config *config);

/**
 * Takes one event in, replaces *effects by what is to be done, in order. Events' times must not decrease (an earlier
 * time counts as the latest seen). Unknown links and nonces are ignored: they may have died on the way.
 */
void gv_core_step(struct gv_core *core, const struct gv_event *event, struct gv_effects *effects);

/** Monotonic time at which the core wants a TICK at the latest; GV_NEVER before START. */
uint64_t gv_core_next_deadline(const struct gv_core *core);

/**
 * Asks for the memory that every step reads, and returns at once. For who has many cores, of which each is cold when
 * its turn comes, and knows a few events ahead whose turn that is. Changes nothing.
 */
void gv_core_prefetch(const struct gv_core *core);

void gv_core_stats(const struct gv_core *core, struct gv_core_stats *stats);

/** Fills at most `cap` peers, returns how many there are in all: whoever is in a view or linked. */
uint32_t gv_core_peers(const struct gv_core *core, struct gv_peer_info *peers, uint32_t cap);
/** The same of those that are neither, but whose last failure is remembered: dead, shut out, not to be reached. Whoever
 *  has left or is revoked is in neither list. */
uint32_t gv_core_former_peers(const struct gv_core *core, struct gv_peer_info *peers, uint32_t cap);

/** True while the core may still name this id: the host must keep its record. */
bool gv_core_references(const struct gv_core *core, const struct gv_id *id);

/** The peer at the other end of a verified link, or NULL. */
const struct gv_id *gv_core_link_peer(const struct gv_core *core, uint32_t link);

/* ---- for simulations and tests ---------------------------------------------------------------------------- */

/**
 * NULL, or the name of the first invariant that does not hold between two steps; check.c has them, and what they mean.
 * `seen` in/out: begins at 0 for each core; what has not changed since the last call is not looked at again.
 */
const char *gv_core_check(const struct gv_core *core, uint64_t *seen);

/** Our own record as the core has it; zero before START. */
const struct gv_ref *gv_core_self(const struct gv_core *core);

/** True if a view names this id or a verified link leads to it; false once the core has stopped. */
bool gv_core_holds(const struct gv_core *core, const struct gv_id *id);

#endif
