/*
 * What a core remembers, and the functions its files call in one another. Private to node/core/.
 *
 * Everything is reached from struct gv_core; tables are carved from the caller's memory once, so nothing is allocated
 * after gv_core_init(). Rows are named by index, never by address; GV_NOBODY is "no row".
 *
 *     admission --verified--> links --> rounds, exchange, fetch, views      who uses a link
 *     peers     the table of known nodes: role (none, passive, active), score, back-offs
 *     views     which of them are neighbours; probe watches those; shuffle renews the rest
 *     rounds    when to exchange and with whom; exchange does one; fetch and donor move whole models
 *     lifecycle the node's own state, and what a person asks of it
 *
 * Calls between files go down this list or come back as one of the gv_*_link_gone / gv_*_verified notices below.
 */
#ifndef GV_CORE_STATE_H
#define GV_CORE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gv/core.h"
#include "rng.h"

#define GV_NOBODY 0xffffu
#define GV_SECOND ((uint64_t)1000 * 1000)
#define GV_MS ((uint64_t)1000)

/* Most rows of each table; struct gv_core_config says how many there are. */
#define GV_PEERS_MAX (GV_PASSIVE_MAX + GV_LINKS_MAX + GV_ACTIVE_MAX) /* all that views and links can name at once */
#define GV_DIALS_MAX 16  /* dials under way; a dial is over when its link is verified */
#define GV_WALKS_MAX 32  /* shuffles that passed through us and may come back */
#define GV_RELAYS_MAX 8  /* probes made for others */
#define GV_GRAVES_MAX 64 /* left and dead nodes remembered */

#define GV_DIAL_US (15 * GV_SECOND)
#define GV_VISIT_US (10 * GV_SECOND)
#define GV_GRAVE_US (3600 * GV_SECOND)
#define GV_TELL_US GV_SECOND /* between PINGs to all about entries, which a member can change for ever */
#define GV_PINS_MAX 2        /* takers served at once */
#define GV_DONORS_MAX 8
#define GV_DURATIONS_MAX 32
#define GV_AGE_GAPS 9
#define GV_OFFSETS_MAX 15
#define GV_RECORDS_DUE_MAX 96
#define GV_ADMITTED_MAX 8
#define GV_TICK_ROOM 24               /* effects that must be free before a periodic task starts */
#define GV_LINK_OFFERS_US (4 * GV_MS) /* between OFFERs on one link: half of what a peer takes in messages a second */

/* A token bucket; tokens are Q10 so that slow rates fill evenly. */
struct gv_bucket {
    uint64_t filled_us;
    uint32_t tokens;
};

enum gv_role { GV_ROLE_NONE = 0, GV_ROLE_PASSIVE, GV_ROLE_ACTIVE };

struct gv_peer {
    struct gv_ref ref;
    uint64_t fresh_us;           /* when this version of the record first came */
    uint64_t score_us;           /* score was last brought up to date */
    uint64_t neighbour_after_us; /* back-off: not before */
    uint32_t last_error_ds;      /* when, in tenths of a second */
    uint16_t last_error;
    uint8_t dial_failures;
    bool asked : 1;       /* a NEIGHBOUR of ours awaits its reply */
    bool renews : 1;      /* it was a neighbour when we asked */
    bool named : 1;       /* we ask because of a FORWARD_JOIN: it is no choice of ours */
    bool turned_away : 1; /* its last NEIGHBOUR was refused */
    bool expelled : 1;    /* left or revoked: nobody is told of it any more */
    uint16_t met;         /* the number of the last exchange offered to or done with it, 0: none yet */
    uint16_t exchanged;   /* of the last done with it */
    uint32_t asks_ds;     /* its NEIGHBOURs: when those it has sent are forgotten, tenths of a second */
};

enum gv_link_state {
    GV_LINK_FREE = 0,
    GV_LINK_INBOUND, /* came in, awaits HELLO */
    GV_LINK_GREETED, /* dialled, HELLO sent, awaits WELCOME */
    GV_LINK_VISITED, /* someone who only wants the manifest */
    GV_LINK_VERIFIED,
};

/* What a dial is for; bits, since several may want the same link. */
enum {
    GV_WHY_NEIGHBOUR = 1,
    GV_WHY_EXCHANGE = 2,
    GV_WHY_OUTCOME = 4,
    GV_WHY_DISCOVER = 8, /* seeds and the address book: ask for records */
    GV_WHY_PROBE = 16,   /* a neighbour whose link was lost */
};

struct gv_link {
    uint8_t state;
    bool dialled;
    bool theirs;   /* a spare that the far side, which dialled both, will close */
    uint16_t dial; /* GREETED: row of the dial */
    uint64_t heard_us;
    struct gv_bucket messages, requests;
    uint64_t spare_us;    /* since when there is a better link to the same peer; 0: this is the one */
    uint64_t trust_us;    /* TRUST_HAVE last sent */
    uint64_t manifest_us; /* MANIFEST_WANT last sent */
    uint32_t srtt_us, rttvar_us;
    uint32_t told;        /* our record's version they have (gv_core.self_version) */
    uint32_t chunk_bytes; /* what suits this link */
    uint64_t walks_us;    /* its SHUFFLEs and FORWARD_JOINs: when those that came are forgotten */
    uint16_t records_due; /* records that we have asked for on it */
    uint32_t incarnation; /* VERIFIED: low bits of the far side's, as it last said over this link */
};

enum gv_dial_kind { GV_DIAL_NONE = 0, GV_DIAL_PEER, GV_DIAL_BOOK, GV_DIAL_SEED }; /* 1 + enum gv_dial_target */
_Static_assert((int)GV_DIAL_SEED == (int)GV_TARGET_SEED + 1 && (int)GV_DIAL_PEER == (int)GV_TARGET_PEER + 1,
               "dials are counted by what is dialled");
struct gv_dial {
    uint8_t kind;
    uint8_t why;
    uint16_t link; /* once up */
    uint32_t number;
    uint32_t index; /* BOOK, SEED */
    uint64_t until_us;
    struct gv_id id; /* PEER */
};

enum gv_probe_phase { GV_PROBE_IDLE = 0, GV_PROBE_PINGED, GV_PROBE_INDIRECT, GV_PROBE_SUSPECT };
struct gv_neighbour {
    uint8_t phase;
    uint8_t asked, nacks;         /* helpers of the indirect probe */
    uint8_t confirmations;        /* of the suspicion */
    uint8_t omitted;              /* PONGs in a row that do not name us */
    uint8_t far_count;            /* its neighbours, first 8 bytes of their ids */
    bool chosen;                  /* we asked it, it did not only ask us */
    bool vouched;                 /* a helper reached it: alive, even if we cannot reach it */
    bool helpers_linked;          /* the helpers have a link to it themselves: their NACK is evidence */
    uint32_t seq;                 /* of the PROBEs last sent to helpers */
    uint32_t ping_seq;            /* of the PING that the last probe began with */
    uint64_t kept_us;             /* until then it is not displaced: it had nobody else */
    uint64_t sent_us, suspect_us; /* that PING; 0: answered */
    uint64_t far[GV_NEIGHBOURS_NAMED_MAX];
};

struct gv_relay { /* we ping `target` for `asker` */
    bool used;
    uint32_t asker, target; /* link handles */
    uint32_t asker_peer;
    uint32_t their_seq, our_seq;
    uint64_t until_us;
    struct gv_id target_id;
};

struct gv_walk {
    uint64_t nonce;
    uint32_t from; /* link handle; GV_LINK_NONE: free */
    uint64_t until_us;
};

struct gv_grave {
    struct gv_id id;
    uint64_t incarnation;
    uint32_t sequence;
    bool left;         /* for good; else only this version of the record is dead */
    uint64_t until_us; /* 0: free */
};

enum gv_exchange_phase {
    GV_EXCHANGE_IDLE = 0,
    GV_EXCHANGE_COPYING,   /* inline: waits for the snapshot before OFFER or ACCEPT */
    GV_EXCHANGE_OFFERED,   /* initiator: waits for ACCEPT or BUSY */
    GV_EXCHANGE_STREAMING, /* chunks both ways */
    GV_EXCHANGE_DECIDING,  /* DONE both ways; responder waits for COMMIT, initiator for COMMITTED */
    GV_EXCHANGE_ASKING,    /* initiator: COMMITTED is missing, asks OUTCOME */
    GV_EXCHANGE_MERGING,   /* committed; waits for the trainer */
};

struct gv_exchange {
    uint8_t phase;
    bool initiator, inline_state;
    bool push; /* enum gv_exchange_kind as agreed */
    bool snapshot_asked, snapshot_ready;
    bool done_sent, done_received;
    uint16_t link; /* row, or GV_NOBODY once lost */
    struct gv_id peer;
    uint64_t nonce;
    uint32_t codec, chunk_bytes, chunk_count;
    uint32_t sent, credit;                /* ours: next index to send; they allow indices below credit */
    uint32_t received, applying, applied; /* theirs: arrived, handed to the host, staged */
    uint32_t held[GV_CREDIT_CHUNKS_MAX];  /* handles of chunks applying..received-1, at index % 4 */
    uint64_t started_us, progress_us, deadline_us, asked_us;
    uint64_t age_ours, age_theirs; /* ours as offered, theirs as believed */
    uint32_t stats_epoch;          /* of the figures we sent */
};

struct gv_outcome_memory {
    uint64_t nonce;
    uint8_t peer[7]; /* first bytes of the id */
    uint8_t outcome;
};

struct gv_rounds {
    uint16_t met;       /* number of the last exchange that was offered or done, 1 .. 2^16 - 1, then from 1 again */
    uint16_t exchanged; /* of the last that was done, likewise */
    uint64_t due_us;    /* when the last round was over, 0: none yet */
    uint64_t period_us; /* since the one before */
    bool due;
    bool waiting; /* for a link to `peer` */
    struct gv_id peer;
    uint64_t wait_until_us;
    uint64_t next_us;
    uint32_t attempts; /* failed in a row */
};

enum gv_fetch_phase { GV_FETCH_IDLE = 0, GV_FETCH_ASKING, GV_FETCH_REQUESTED, GV_FETCH_TAKING, GV_FETCH_ADOPTING };
struct gv_candidate {
    struct gv_id id;
    uint64_t age;
    bool answered, donates, has_age;
};
struct gv_fetch {
    uint8_t phase;
    bool answered; /* STATE by somebody, when we asked last */
    uint16_t link;
    struct gv_id donor;
    uint32_t candidate_count;
    struct gv_candidate candidates[GV_DONORS_MAX];
    uint64_t asked_us, deadline_us, first_reply_us, begun_us;
    uint64_t seen_us; /* REQUESTED and later: when we last heard of somebody with a model, or lost the donor */
    uint64_t nonce;
    uint64_t age;
    uint32_t codec, chunk_bytes, chunk_count;
    uint32_t applying, applied;
    uint32_t tries; /* in vain, in a row */
};

struct gv_pin {
    bool used, ready;
    bool wanted; /* others were turned away while it was used */
    uint16_t link;
    uint64_t taker; /* first bytes of its id; remembered when it is unpinned */
    uint64_t nonce;
    uint32_t codec, chunk_bytes, chunk_count, first;
    uint32_t sent, credit;
    uint64_t age;
    uint64_t begun_us, progress_us;
    uint64_t until_us; /* used: then it ends at the latest; else until then it is closed to its last taker */
};

/* What is reported of the whole swarm. */
struct gv_swarm_estimate {
    uint64_t nodes, loss, accuracy, samples_per_s;
    bool figures;
};

/*
 * Ordered by how often it is looked at: a step of a core whose memory is not in the cache costs what it touches. What
 * every step reads comes first, then what probes and their answers read, then the tables, then the rest.
 */
struct gv_core {
    uint64_t now_us, wall_s;
    uint64_t wake_us;      /* gv_core_next_deadline(), as of the end of the last step */
    struct gv_effects *fx; /* of the step under way */
    bool started, stopped;
    bool persisting; /* no HELLO leaves before PERSISTED */
    bool accused;    /* a score has become bad, or its peer a link, since close_bad() last looked */
    bool has_model, trains, paused, training, oriented, ever_met, settle_asked, settled;
    bool lone_model; /* a joiner that found nobody started from the initial model: it takes the swarm's when it can */
    bool diverged;   /* our model is not finite; it is the swarm's again once that is fetched */
    bool has_loss, has_accuracy;
    bool figures_put; /* our own are in */
    uint32_t links_used, links_provisional, passive_count, active_count, dials_used, relays_used, peers_used;
    uint32_t pins_used;

    /* when periodic work is due */
    uint64_t links_due_us, idle_from_us; /* links.c */
    uint64_t promote_us, swap_us, book_us, seed_us, sample_us;
    uint64_t shuffle_us, probe_us, figures_us;
    uint64_t tell_us; /* neighbours are to hear of our set of entries, GV_NEVER: they have */
    uint64_t alone_us, phase_until_us;
    uint64_t heal_us; /* a model that has diverged is not fetched anew before this */
    enum gv_state state, shown;
    uint32_t warmup_left, settle_left;

    uint64_t changes; /* GV_CHANGED_* counted: for gv_core_check() */
    uint64_t age, steps;
    uint64_t messages_in, messages_out;
    struct gv_rounds rounds;
    uint64_t duration_median_us, duration_mad_us; /* of the last exchanges */
    uint32_t duration_count;                      /* in all */
    uint32_t outcome_next;
    uint64_t trust_digest;
    uint32_t self_version;                  /* counts changes of our record */
    uint32_t probe_next, probe_seq, health; /* Lifeguard's LHM, 0..7 */
    uint64_t signed_us;

    /* columns: what is scanned of a table, dense; one entry a row */
    uint32_t *handles;        /* links: the host's, GV_LINK_NONE if free */
    uint16_t *link_peers;     /* links: who is at the far end of a verified one, else GV_NOBODY */
    uint64_t *limits_us;      /* links: when it is to be verified or closed, GV_NEVER: it may stay */
    uint64_t *used_us;        /* links: last used by more than probes */
    uint64_t *offer_after_us; /* links: our next OFFER not before, GV_NEVER: introduced for the far side's round */
    uint16_t *view;           /* active view: the peer, GV_NOBODY if free */
    uint64_t *probe_due_us;   /* active view: end of the probe's phase, GV_NEVER while it is idle or the place free */
    uint32_t *tags;           /* peers: gv_peers_tag() */
    uint8_t *roles;           /* peers: enum gv_role */
    uint16_t *peer_links;     /* peers: verified link, or GV_NOBODY */
    uint16_t *neighbours;     /* peers: row of the active view, or GV_NOBODY */
    uint16_t *scores;         /* peers: as of score_us */
    uint64_t *exchange_after_us; /* peers: back-offs: not before */
    uint64_t *dial_after_us;
    bool *lent;             /* peers: sent in the shuffle under way: first to be replaced */
    uint16_t *ages;         /* peers: shuffles since it came (Cyclon) */
    uint32_t *accused_ds;   /* peers: it suspected us: when that is forgotten, tenths of a second */
    uint32_t *arrivals;     /* passive view: who came into it, in turn: 24 bits for the id, and the minute; 0: free */
    uint32_t *grave_tags;   /* graves: gv_peers_tag() */
    uint16_t *outcome_tags; /* outcomes: first bytes of the nonce */

    /* rows; how many is in the configuration */
    struct gv_peer *peers; /* the first peers_used are in use */
    struct gv_link *links;
    struct gv_neighbour *active;
    struct gv_dial *dials;
    struct gv_relay *relays;
    struct gv_walk *walks;
    struct gv_grave *graves;
    struct gv_outcome_memory *outcomes;

    struct gv_core_manifest manifest;
    struct gv_core_config config;
    struct gv_exchange exchange;
    struct gv_fetch fetch; /* every step reads its first words: behind it nothing is prefetched */
    struct gv_pin pins[GV_PINS_MAX];

    struct gv_rng rng;
    struct gv_swarm_id swarm;
    struct gv_ref self;
    uint64_t persist_to;
    uint64_t stale_us; /* newer incarnations that we heard of and took: when they are forgotten */
    uint64_t refuted_us, alarm_us, manifest_alarm_us;
    uint64_t told_us; /* neighbours, of a change */
    uint32_t dial_number;
    struct gv_bucket admissions;
    uint64_t admitted[GV_ADMITTED_MAX]; /* branches of the last that were, in turn; 0: none yet */
    uint32_t admitted_next;
    uint64_t evictions_us; /* of neighbours by who asks urgently: when they are forgotten */
    uint64_t named_us;     /* asks of those whom others named: when they are forgotten */
    uint64_t strangers_us; /* farewells of those we do not know: when they are forgotten */
    uint64_t forgiven_us;  /* back-offs of others have been forgotten; it may be done again */

    uint64_t book_wait_us, sample_wait_us;
    uint32_t book_count, seed_count, seed_next;
    struct gv_id seeds[GV_SEEDS_MAX]; /* whose they turned out to be */
    bool seed_met[GV_SEEDS_MAX];
    uint64_t shuffle_nonce;
    uint64_t started_us;
    uint64_t arrival_key; /* nobody else knows which ids are alike in arrivals */
    uint32_t walk_next, grave_next, arrival_next;

    uint64_t durations[GV_DURATIONS_MAX];     /* of the last exchanges, sorted */
    uint8_t duration_turns[GV_DURATIONS_MAX]; /* beside each its number, modulo GV_DURATIONS_MAX */

    int64_t age_gaps[GV_AGE_GAPS]; /* to the ages of the last partners, since ours last moved */
    uint32_t age_gap_next;

    /* swarm statistics */
    struct gv_swarm_stats figures;          /* of the epoch that began at figures_us */
    struct gv_swarm_stats theirs;           /* of the far side of the exchange under way */
    uint64_t loss, accuracy, samples_per_s; /* own, Q16 */
    uint32_t figures_merged;                /* exchanges that counted, in this epoch */
    bool estimated;                         /* an epoch with others in it is over */
    struct gv_swarm_estimate estimate;

    int64_t offsets[GV_OFFSETS_MAX];
    uint32_t offset_next, offset_count;
    uint64_t exchanges_done, exchanges_failed, exchanges_refused, exchanges_doubt, last_exchange_us;
    uint64_t alarms;
    uint64_t dial_failed_us;
    uint16_t dial_error;
    uint32_t dials_begun[GV_TARGETS], dials_failed[GV_TARGETS];
    /* by reason; they stay at their largest value */
    uint32_t refusals[GV_REASONS], declined[GV_REASONS], dial_failures[GV_REASONS];
};

/* Parts of gv_core.changes; one that overflows looks like a change of the next, which does no harm. */
#define GV_CHANGED_LINKS UINT64_C(1)
#define GV_CHANGED_VIEWS (UINT64_C(1) << 21)
#define GV_CHANGED_IDS (UINT64_C(1) << 42)

/* effects.c: the only writer of *fx */
struct gv_effect *gv_fx(struct gv_core *core, enum gv_effect_kind kind);
struct gv_msg *gv_fx_send(struct gv_core *core, uint32_t link, enum gv_kind kind); /* link: row */
struct gv_effect *gv_fx_work(struct gv_core *core, enum gv_effect_kind kind, uint64_t nonce);
void gv_fx_drop(struct gv_core *core, uint32_t handle); /* 0: nothing */
void gv_fx_log(struct gv_core *core, enum gv_log_code code, const struct gv_id *id, enum gv_err reason, uint64_t value);
void gv_fx_alarm(struct gv_core *core, const struct gv_id *id, enum gv_err reason);
static inline bool gv_fx_room(const struct gv_core *core)
{
    return core->fx->count + GV_TICK_ROOM <= GV_EFFECTS_MAX;
}
static inline uint64_t gv_sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}
/* An age that came from outside: sums and differences of such never overflow. */
static inline uint64_t gv_age_of(uint64_t claimed)
{
    return claimed & (UINT64_MAX >> 3);
}

/* age.c: the swarm's clock */
void gv_age_set(struct gv_core *core, uint64_t age);
uint64_t gv_age_believed(const struct gv_core *core, uint64_t claimed); /* of the partner of the exchange under way */
int64_t gv_age_follow(struct gv_core *core);                            /* after it; by how much ours moved */

/* score.c: who misbehaves, how often, and token buckets */
void gv_score_count(struct gv_core *core, enum gv_err reason);
void gv_score_declined(struct gv_core *core, enum gv_err reason);                   /* a peer turned us down */
void gv_score_dial_failed(struct gv_core *core, uint32_t kind, enum gv_err reason); /* kind: enum gv_dial_kind */
void gv_score_note(struct gv_core *core, uint32_t peer, enum gv_err reason);        /* its last failure */
void gv_score_add(struct gv_core *core, uint32_t peer, enum gv_err reason, uint32_t amount);
uint32_t gv_score_now(const struct gv_core *core, uint32_t peer);
bool gv_score_bad(const struct gv_core *core, uint32_t peer);
uint64_t gv_score_good_at(const struct gv_core *core, uint32_t peer); /* 0: it is not bad */
bool gv_bucket_take(struct gv_bucket *bucket, uint64_t now_us, uint32_t per_second, uint32_t burst);
/* The same, but `left` tokens are for others. */
bool gv_bucket_take_leaving(struct gv_bucket *bucket, uint64_t now_us, uint32_t per_second, uint32_t burst,
                            uint32_t left);
void gv_bucket_fill(struct gv_bucket *bucket, uint64_t now_us, uint32_t burst);
/* A rate of one in `each_us`, with `burst` at once: false if this one is too many. *until_us begins at 0. */
bool gv_rate_take(uint64_t *until_us, uint64_t now_us, uint64_t each_us, uint32_t burst);
#define GV_SCORE_SLIGHT 512u
#define GV_SCORE_FAULT 4096u
#define GV_SCORE_GRAVE 24576u

/* peers.c: the table of known nodes and of graves */
uint32_t gv_peers_tag(const struct gv_id *id);
uint32_t gv_peers_find(const struct gv_core *core, const struct gv_id *id);
uint32_t gv_peers_intern(struct gv_core *core, const struct gv_ref *ref); /* GV_NOBODY: ours, or buried */
GV_NODISCARD enum gv_err gv_peers_update(struct gv_core *core, uint32_t peer, const struct gv_ref *ref);
int gv_ref_compare(const struct gv_ref *a, const struct gv_ref *b);
/* Who is the first in its chain that is not in ours: the same for all that one member has let in, at any remove. */
uint64_t gv_ref_branch(const struct gv_ref *self, const struct gv_ref *ref);
void gv_peers_forget(struct gv_core *core, uint32_t peer); /* passive -> none */
/* How little `asked` prefers `asker` to others that ask it for a place: an order of its own, as of Basalt's ranks
   (Auvolat, Bromberg, Frey, Taiani, 2021), but another every ten minutes, and known to all: PROTOCOL 12. */
uint32_t gv_peers_rank(const struct gv_core *core, const struct gv_id *asker, const struct gv_id *asked);
/* `returns`: from the active view, and its room may be free. */
bool gv_peers_passive_add(struct gv_core *core, uint32_t peer, bool returns);
/* The rows that fit, in order, into rows; their number. */
uint32_t gv_peers_fitting(const struct gv_core *core, uint16_t rows[GV_PEERS_MAX],
                          bool (*fits)(const struct gv_core *core, uint32_t peer));
/* A random one of those that fit, or GV_NOBODY. */
uint32_t gv_peers_pick(struct gv_core *core, bool (*fits)(const struct gv_core *core, uint32_t peer));
/* Of as many drawn as `draws`, the one that comes first in `order` (least; NULL: all alike), or GV_NOBODY. */
uint32_t gv_peers_best(struct gv_core *core, bool (*fits)(const struct gv_core *core, uint32_t peer), uint32_t draws,
                       uint32_t (*order)(const struct gv_core *core, uint32_t peer));
void gv_peers_bury(struct gv_core *core, const struct gv_ref *ref, bool left);
bool gv_peers_buried(const struct gv_core *core, const struct gv_ref *ref);
bool gv_peers_left(const struct gv_core *core, const struct gv_id *id);
void gv_peers_exhume(struct gv_core *core, const struct gv_id *id);
void gv_peers_expire(struct gv_core *core);
static inline bool gv_peer_dialable(const struct gv_peer *peer)
{
    return (peer->ref.flags & GV_REF_DIALABLE) != 0;
}

/* links.c: connections and dials */
uint32_t gv_links_find(const struct gv_core *core, uint32_t handle);
uint32_t gv_links_add(struct gv_core *core, uint32_t handle, enum gv_link_state state);
void gv_links_close(struct gv_core *core, uint32_t link, enum gv_err reason); /* emits CLOSE, then forgets */
void gv_links_forget(struct gv_core *core, uint32_t link, enum gv_err reason);
void gv_links_close_peer(struct gv_core *core, uint32_t peer, enum gv_err reason); /* all links to it */
enum gv_place {
    GV_PLACE_ONLY,   /* the only link to its peer */
    GV_PLACE_BETTER, /* takes the place of an older one, which becomes the spare */
    GV_PLACE_SPARE,  /* the older one is better; this one is closed in a moment */
    GV_PLACE_NONE,   /* a third: not wanted */
};
GV_NODISCARD enum gv_place gv_links_verify(struct gv_core *core, uint32_t link, uint32_t peer);
bool gv_links_dial(struct gv_core *core, uint32_t peer, uint32_t why);
bool gv_links_dial_index(struct gv_core *core, enum gv_dial_kind kind, uint32_t index);
uint32_t gv_links_dial_find(const struct gv_core *core, uint32_t number);
void gv_links_dial_over(struct gv_core *core, uint32_t dial, enum gv_err reason); /* reason GV_OK: verified */
bool gv_links_make_room(struct gv_core *core);
bool gv_links_busy(const struct gv_core *core, uint32_t link);
void gv_links_tick(struct gv_core *core);
void gv_links_visited(struct gv_core *core, uint32_t link); /* it only wants the manifest */
void gv_links_changed(struct gv_core *core);                /* after any change of a link's or dial's state or times */
void gv_links_idle_changed(struct gv_core *core);      /* after a link may have become idle sooner than any before */
uint64_t gv_links_soonest(const struct gv_core *core); /* the soonest limit, looked up */
uint64_t gv_links_deadline(struct gv_core *core);      /* the same, kept */
static inline uint32_t gv_peer_link(const struct gv_core *core, uint32_t peer)
{
    return peer == GV_NOBODY ? GV_NOBODY : core->peer_links[peer];
}

/* admission.c */
void gv_admission_link_up(struct gv_core *core, const struct gv_event *event);
void gv_admission_link_in(struct gv_core *core, const struct gv_event *event);
void gv_admission_introduced(struct gv_core *core, const struct gv_event *event);
void gv_admission_shut_out(struct gv_core *core, uint32_t peer); /* tells a linked one, before its links are closed */
void gv_admission_message(struct gv_core *core, uint32_t link, const struct gv_event *event);
void gv_admission_self_seen(struct gv_core *core, const struct gv_ref *ref); /* someone holds a record of ours */
void gv_admission_stale(struct gv_core *core, uint64_t seen);
void gv_admission_persisted(struct gv_core *core, uint64_t incarnation, uint32_t sequence);

/* views.c */
void gv_views_learn(struct gv_core *core, const struct gv_ref *ref); /* a verified record reached us */
void gv_views_sample(struct gv_core *core, struct gv_msg *msg, uint32_t count, const struct gv_id *except);
void gv_views_verified(struct gv_core *core, uint32_t link, uint32_t why);
void gv_views_message(struct gv_core *core, uint32_t link, const struct gv_msg *msg);
void gv_views_remove(struct gv_core *core, uint32_t peer, bool keep_passive);
void gv_views_demote(struct gv_core *core, uint32_t peer, bool tell);
uint32_t gv_views_random_active(struct gv_core *core, uint32_t except_peer); /* linked; peer row */
void gv_views_tick(struct gv_core *core);
uint64_t gv_views_deadline(const struct gv_core *core);

/* shuffle.c */
/* Whether this link may bring `records` more that we did not ask for. */
bool gv_shuffle_may_bring(struct gv_core *core, uint32_t link, uint32_t records);
void gv_shuffle_message(struct gv_core *core, uint32_t link, struct gv_msg *msg);
void gv_shuffle_tick(struct gv_core *core);
uint64_t gv_shuffle_deadline(const struct gv_core *core);

/* probe.c */
void gv_probe_heard(struct gv_core *core, uint32_t link);
void gv_probe_greeted(struct gv_core *core, uint32_t link, uint64_t rtt_us); /* a first measure of the way */
void gv_probe_link_lost(struct gv_core *core, uint32_t peer);
void gv_probe_dial_failed(struct gv_core *core, uint32_t peer);
void gv_probe_message(struct gv_core *core, uint32_t link, const struct gv_msg *msg);
bool gv_probe_suspected(const struct gv_core *core, uint32_t peer);
void gv_probe_ping(struct gv_core *core, uint32_t link);
void gv_probe_tell_all(struct gv_core *core);
void gv_probe_sign(struct gv_core *core);
void gv_probe_tick(struct gv_core *core);
uint64_t gv_probe_deadline(const struct gv_core *core);
uint64_t gv_probe_suspicion_us(uint32_t neighbours, uint32_t confirmations);

/* gossip.c: manifest and trust */
void gv_gossip_seen(struct gv_core *core, uint32_t link, uint64_t version, const struct gv_hash *hash, uint64_t digest);
void gv_gossip_message(struct gv_core *core, uint32_t link, const struct gv_msg *msg);

/* exchange.c, transfer.c, outcome.c */
void gv_exchange_offer(struct gv_core *core, uint32_t peer);
void gv_exchange_message(struct gv_core *core, uint32_t link, const struct gv_event *event);
void gv_exchange_snapshot(struct gv_core *core, uint64_t nonce, enum gv_err verdict);
void gv_exchange_applied(struct gv_core *core, uint64_t nonce, uint32_t index, enum gv_err verdict);
void gv_exchange_merged(struct gv_core *core, uint64_t nonce);
void gv_exchange_link_gone(struct gv_core *core, uint32_t link);
void gv_exchange_verified(struct gv_core *core, uint32_t link);
bool gv_exchange_awaits(const struct gv_core *core, uint32_t link, const struct gv_msg *msg);
void gv_exchange_fail(struct gv_core *core, enum gv_err reason, bool tell);
bool gv_exchange_owns(const struct gv_core *core, uint64_t nonce);
bool gv_exchange_idle(const struct gv_core *core);
void gv_exchange_tick(struct gv_core *core);
uint64_t gv_exchange_deadline(const struct gv_core *core);

/* offer.c */
void gv_offer_fill(struct gv_core *core, struct gv_msg *msg); /* OFFER or ACCEPT of the exchange under way */
/* Why an OFFER cannot be taken up, GV_OK if it can; *codec is the one to use. */
GV_NODISCARD enum gv_err gv_offer_judge(const struct gv_core *core, const struct gv_msg_offer *offer, uint32_t handle,
                                        uint32_t *codec);
/* Whether an ACCEPT fits our OFFER; *codec is the one it names. */
GV_NODISCARD enum gv_err gv_offer_judge_accept(const struct gv_core *core, const struct gv_msg_offer *accept,
                                               uint32_t handle, uint32_t *codec);

void gv_transfer_begin(struct gv_core *core);
void gv_transfer_hold(struct gv_exchange *exchange, uint32_t handle);
void gv_transfer_drop_held(struct gv_core *core);
bool gv_transfer_pump(struct gv_core *core); /* true: everything of theirs is staged and ours is sent */
/* Takes the handle if GV_OK. */
GV_NODISCARD enum gv_err gv_transfer_chunk(struct gv_core *core, uint32_t index, uint32_t handle);
bool gv_transfer_credit(struct gv_core *core, uint32_t credit);

void gv_outcome_remember(struct gv_core *core, uint64_t nonce, const struct gv_id *peer, enum gv_outcome outcome);
enum gv_outcome gv_outcome_recall(const struct gv_core *core, uint64_t nonce, const struct gv_id *peer);
void gv_outcome_duration(struct gv_core *core, uint64_t us);
void gv_outcome_forget_durations(struct gv_core *core);
uint64_t gv_outcome_median(const struct gv_core *core);
uint64_t gv_outcome_limit(const struct gv_core *core);
uint64_t gv_outcome_patience(const struct gv_core *core);
uint64_t gv_outcome_slowest_us(uint64_t bytes); /* what so much may take at most on the slowest line there may be */

/* rounds.c */
/* Whether it may exchange again, or others are to come first. */
bool gv_rounds_in_turn(const struct gv_core *core, uint32_t peer);
void gv_rounds_due(struct gv_core *core);
void gv_rounds_done(struct gv_core *core);
void gv_rounds_refused(struct gv_core *core);
void gv_rounds_failed(struct gv_core *core);
void gv_rounds_verified(struct gv_core *core, uint32_t link);
void gv_rounds_introduced(struct gv_core *core);
void gv_rounds_offered(struct gv_core *core, uint32_t link);
void gv_rounds_dial_failed(struct gv_core *core, const struct gv_id *id);
void gv_rounds_tick(struct gv_core *core);
uint64_t gv_rounds_deadline(const struct gv_core *core);

/* fetch.c: the taker; donor.c: the giver */
void gv_fetch_begin(struct gv_core *core);
void gv_fetch_cancel(struct gv_core *core);
bool gv_fetch_owns(const struct gv_core *core, uint64_t nonce);
bool gv_fetch_awaits(const struct gv_core *core, uint32_t link, const struct gv_msg *msg);
void gv_fetch_message(struct gv_core *core, uint32_t link, const struct gv_event *event);
void gv_fetch_applied(struct gv_core *core, uint32_t index, enum gv_err verdict);
void gv_fetch_merged(struct gv_core *core);
void gv_fetch_link_gone(struct gv_core *core, uint32_t link);
void gv_fetch_verified(struct gv_core *core, uint32_t link);
bool gv_fetch_uses_stage(const struct gv_core *core);
void gv_fetch_tick(struct gv_core *core);
uint64_t gv_fetch_deadline(const struct gv_core *core);

bool gv_donor_message(struct gv_core *core, uint32_t link, const struct gv_msg *msg);
void gv_donor_pinned(struct gv_core *core, uint64_t nonce, enum gv_err verdict);
void gv_donor_link_gone(struct gv_core *core, uint32_t link);
void gv_donor_cancel(struct gv_core *core);
bool gv_donor_owns(const struct gv_core *core, uint64_t nonce);
bool gv_donor_awaits(const struct gv_core *core, uint32_t link, const struct gv_msg *msg);
void gv_donor_tick(struct gv_core *core);
uint64_t gv_donor_deadline(const struct gv_core *core);

/* swarm_stats.c */
void gv_swarm_stats_start(struct gv_core *core);
void gv_swarm_stats_send(struct gv_core *core, struct gv_swarm_stats *out);
void gv_swarm_stats_give(const struct gv_core *core, struct gv_swarm_stats *out); /* PUSH: half of our mass */
void gv_swarm_stats_given(struct gv_core *core, uint32_t sent_epoch);             /* and it has arrived, or is lost */
void gv_swarm_stats_take(struct gv_core *core, const struct gv_swarm_stats *theirs);
void gv_swarm_stats_seen(struct gv_core *core, uint32_t epoch);
void gv_swarm_stats_merge(struct gv_core *core, uint32_t sent_epoch, const struct gv_swarm_stats *theirs);
void gv_swarm_stats_show(const struct gv_core *core, struct gv_core_stats *stats);
void gv_swarm_stats_tick(struct gv_core *core);
uint64_t gv_swarm_stats_deadline(const struct gv_core *core);

/* lifecycle.c */
void gv_lifecycle_start(struct gv_core *core, const struct gv_event *event);
void gv_lifecycle_command(struct gv_core *core, enum gv_command command);
void gv_lifecycle_manifest(struct gv_core *core, const struct gv_core_manifest *manifest);
void gv_lifecycle_steps(struct gv_core *core, const struct gv_event *event);
void gv_lifecycle_revoked(struct gv_core *core, const struct gv_id *id);
void gv_lifecycle_leave(struct gv_core *core, uint32_t link, const struct gv_msg *msg);
void gv_lifecycle_disconnect(struct gv_core *core, uint32_t link, const struct gv_msg *msg);
void gv_lifecycle_verified(struct gv_core *core);
void gv_lifecycle_oriented(struct gv_core *core, bool has_model, bool fetched);
void gv_lifecycle_diverged(struct gv_core *core); /* our model is not finite; no exchange may be under way */
void gv_lifecycle_exchanged(struct gv_core *core);
bool gv_lifecycle_exchanges(const struct gv_core *core); /* may take part in exchanges now */
bool gv_lifecycle_donates(const struct gv_core *core);
void gv_lifecycle_clamp(struct gv_core_config *config);
void gv_lifecycle_tick(struct gv_core *core);
uint64_t gv_lifecycle_deadline(const struct gv_core *core);

#endif
