/*
 * The simulated world: nodes (each a core, with a small host around it), the network between them, and what they share.
 *
 *     engine --occurrence--> node.c: step the core, carry out its effects
 *                              |-- node_links.c    dials, links, frames on their way
 *                              |-- node_frames.c   messages <-> bytes, records and entries checked
 *                              |-- node_work.c     snapshots, staging, merging: what trainer and worker do
 *                              `-- node_rounds.c   local training and cycles
 *     world.c      nodes come, go and are copied; faults and reports between windows
 *     observe.c    figures over all nodes
 *
 * What belongs to a node is touched only by the thread that handles its occurrence, or in a control. What is shared is
 * immutable between controls.
 */
#ifndef GV_WORLD_H
#define GV_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "attack.h"
#include "check.h"
#include "choice.h"
#include "engine.h"
#include "faults.h"
#include "gv/core.h"
#include "identities.h"
#include "learning.h"
#include "network.h"
#include "report.h"
#include "scenario.h"
#include "simulate.h"
#include "vitals.h"

#define GV_SIM_WALL_S 1800000000u /* wall time at the start of every run */
#define GV_SIM_PERSIST_US 2000u   /* an fsync */
#define GV_SIM_DIAL_US 10000000u  /* a dial that nobody answers is given up */
#define GV_SIM_CHECKPOINT_US 60000000u
#define GV_SIM_ENCODE_BYTES (16u * 1024u) /* larger frames are encoded where they stay */
#define GV_SIM_LINK_SLOTS 1024u           /* of one node; its core keeps far fewer */
#define GV_SIM_PINS_MAX 2u
#define GV_SIM_IMMEDIATE_BYTES (4u * 1024u) /* work on smaller states is done at once: a job would cost more */

enum gv_sim_kind {                   /* of occurrences */
                   GV_SIM_START = 1, /* own: the process begins */
                   GV_SIM_TICK,
                   GV_SIM_FRAME,       /* a = far side's... ours: link; data = struct gv_frame */
                   GV_SIM_FRAME_READ,  /* the same, through the downlink */
                   GV_SIM_DIAL,        /* at the dialled: a = link of the dialler; from = dialler; b = its life */
                   GV_SIM_UP,          /* at the dialler: a = its link, b = the far link */
                   GV_SIM_REFUSED,     /* at the dialler: a = its link */
                   GV_SIM_DIAL_LATE,   /* own: a = link */
                   GV_SIM_DOWN,        /* a = link; b = 1: what came before it is through the downlink */
                   GV_SIM_SEND_FAILED, /* own: a = link */
                   GV_SIM_PERSISTED,   /* own: data = incarnation */
                   GV_SIM_ENCODED,     /* own: a chunk is ready to be sent: a = link, data = struct gv_frame */
                   GV_SIM_ROUND,       /* own: an exchange is due */
                   GV_SIM_ROUND_LAST,  /* own: the last step of a round begins: a = round's number */
                   GV_SIM_ROUND_END,   /* own: a = round's number */
                   GV_SIM_TRAINED,     /* own: local training after a merge is over; a = steps */
                   GV_SIM_WORK,        /* own: data = struct gv_sim_work: an answer of trainer or worker */
                   GV_SIM_CHECKPOINT,  /* own */
                   GV_SIM_COMMAND,     /* own: a = enum gv_command */
                   GV_SIM_ENTRIES,     /* own: learns of a revocation by a person; a = entry */
                   GV_SIM_INTRODUCED,  /* oracle: at the drawn peer: a = dialler's link */
                   GV_SIM_STARVE,      /* own: for a while it gets no processor */
                   GV_SIM_ATTACK,      /* own: a hostile node does something beside the protocol */
};

/* Bytes on their way. A chunk is not copied: its frame lies in the sender's snapshot. */
struct gv_frame {
    struct gv_frame *next;        /* in a node's list of parked frames */
    struct gv_snapshot *snapshot; /* a chunk, undamaged; holds one reference */
    uint32_t index;               /* of the chunk */
    uint32_t bytes;
    uint32_t handle;                        /* while parked */
    uint32_t payload_offset, payload_bytes; /* while parked: the parameters in it */
    bool inline_state;
    uint8_t data[]; /* (bytes) unless `snapshot` */
};

struct gv_sim_link { /* our end */
    uint32_t handle; /* ours, never reused within a life */
    uint32_t far_handle;
    uint32_t far;  /* node */
    uint32_t dial; /* number in the core's DIAL; 0: came in */
    uint16_t far_life;
    bool up;      /* both ends know each other */
    bool greeted; /* its HELLO or WELCOME has come */
    bool introduced;
    bool asked;          /* an attacker's: its own core has asked for a place */
    struct gv_path path; /* from us */
};

/* What is staged for one nonce. */
struct gv_sim_stage {
    uint64_t nonce;
    bool fetch;
    bool ready; /* the snapshot is filled, and joined */
    uint32_t codec, chunk_bytes;
    uint32_t weight_q16;
    uint64_t hash;                /* of the replica at the snapshot; small states only */
    uint32_t merges;              /* of the node, before it */
    struct gv_snapshot *snapshot; /* ours; NULL in a fetch */
    struct gv_snapshot *sent;     /* what the peer gets of us: the same, but for hostile nodes */
    uint32_t chunk_count;
    struct gv_frame *chunks[]; /* (chunk_count), owned: theirs as they were staged */
};

struct gv_sim_node { /* by heat: what every step touches stands first */
    struct gv_core *core;
    uint64_t paused_until_us;
    uint64_t tick_us; /* of the TICK in the queue; UINT64_MAX: none */
    uint64_t trace;
    struct gv_sim_link *links;        /* (link_cap), by slot; handle 0: free */
    const struct gv_version *version; /* our record as signed last; NULL: not yet in this life */
    uint64_t entries;                 /* revocations known, bits */
    uint32_t identity;                /* whose key: its own number, unless it is a copy */
    uint16_t life, link_cap;
    struct gv_random random;
    struct gv_frame *parked;
    struct gv_sim_stage *stage;
    int32_t drift_ppb;
    int32_t wall_offset_s;
    uint32_t next_handle, next_frame;
    bool live, silent, training, gone, left, hostile, starved;
    bool newer;  /* it runs the next version of the program */
    bool copy;   /* a second process with somebody's key */
    bool copied; /* it, or the one whose key it is */
    bool has_model;
    struct gv_attacker *attacker; /* NULL: it follows the protocol; owned */
    struct gv_trail *trail;
    struct gv_watch watch;

    uint64_t offered_nonce; /* of our last OFFER */
    uint64_t incarnation;   /* on disk */
    uint64_t boot;
    uint32_t seeds[3];
    uint16_t seed_count, book_count;
    uint32_t *book; /* (scenario.book), owned */
    struct gv_snapshot *pins[GV_SIM_PINS_MAX];

    /* the trainer */
    struct gv_replica *replica;
    struct gv_lane lane;
    double step_us;       /* mean time of a step */
    double round_step_us; /* of this round */
    uint64_t round_us;    /* when it began */
    uint32_t round_number;
    uint32_t round_steps;  /* in it */
    uint32_t pushed_steps; /* of them, given to the lane */
    uint64_t worker_us;    /* until when the worker is busy */
    uint64_t busy_us;      /* train_on = merge: until when it trains */
    uint64_t steps;        /* of this life */
    uint64_t age_q16;
    double loss_sum;
    uint32_t loss_steps;
    uint64_t checkpoint_age_q16;
    uint32_t merges; /* that changed the replica */

    uint8_t end; /* enum gv_end, and since when; changed in controls */
    uint64_t end_us;
    uint64_t exchanged_us; /* its last committed exchange, or its start */
    uint64_t eclipsed_us;  /* since when all its neighbours are hostile, UINT64_MAX: they are not */
    uint32_t chosen;       /* by others, since the node counts for peer choice */
    uint64_t since_us;     /* when this life began */
};

/* One per thread. */
struct gv_sim_local {
    struct gv_effects *effects;
    struct gv_msg *msg_in, *msg_out;
    uint64_t their_entries; /* of the TRUST_HAVE being answered */
    uint32_t greeting;      /* identity of the greeting being judged, or GV_NODE_NONE */
    uint8_t *encode;        /* GV_SIM_ENCODE_BYTES */
    struct gv_learning_scratch *scratch;
    uint64_t checked;
    uint64_t exchanges_done, exchanges_failed, exchanges_refused, exchanges_doubt;
    uint64_t messages, bytes, bytes_state, models, alarms;
    double train_s, merge_s, evaluate_s; /* core time */
    struct gv_vitals_local vitals;
    struct gv_choice_ages newcomers;
};

struct gv_sim_violation {
    bool found;
    char name[64];
    uint64_t at_us;
    uint32_t node;
};

struct gv_sim {
    const struct gv_scenario *scenario;
    const struct gv_run *run;
    uint64_t seed;
    uint32_t nodes_max, node_count;
    struct gv_sim_node *nodes; /* (nodes_max) */
    uint8_t *cores;            /* (nodes_max) of core_bytes, huge pages */
    size_t core_bytes, core_map_bytes;
    struct gv_core_manifest manifest;
    struct gv_swarm_id swarm;
    struct gv_engine *engine;
    struct gv_identities *identities;
    struct gv_network *network;
    struct gv_faults *faults;
    struct gv_learning *learning; /* NULL in membership mode */
    struct gv_sim_local *locals;
    uint32_t threads;
    uint32_t *live;    /* (live_count) live nodes, changed in controls */
    uint32_t *live_at; /* (nodes_max) place in `live` */
    uint32_t live_count;
    bool some_ended; /* by themselves, since `live` was last swept */
    bool immediate;  /* states are small: no jobs */
    bool checkpoints;
    struct gv_random random; /* of the controls */
    uint64_t next_report_us, next_prune_us, faults_ended_us;
    uint32_t identities_made;
    bool identity_failed, partial;
    uint64_t revoked; /* entries, bits */
    struct gv_vitals_watch vitals;
    struct gv_report *report;
    struct gv_progress progress;
    struct gv_sample sample; /* the latest */
    uint64_t choice_from_us; /* who was there then is a member for peer choice, who comes later is a newcomer */
    double newcomer_rates[GV_CHOICE_BINS]; /* as of the latest sample */
    bool first_taken;
    uint64_t first_us, factor_us; /* the span over which the variance's factor is taken */
    double first_variance, first_mean, factor_variance;
    double started_s;                      /* when virtual time began */
    struct gv_sim_views *earlier, *lately; /* liveness.c's */
    bool calm_taken;
    double *calm_values; /* (calm_nodes) of MEAN when faults ended, NAN: none; liveness.c's */
    uint32_t calm_nodes;
    uint32_t violation_lock;
    struct gv_sim_violation violation; /* the earliest by (time, node) of its window */
    enum gv_err failed;
    struct gv_diag *diag;
};

/* node.c */
void gv_sim_handle(void *context, struct gv_thread *thread, const struct gv_occurrence *occurrence);
void gv_sim_prefetch(void *context, const struct gv_occurrence *occurrence, bool near);
void gv_sim_drop(void *context, const struct gv_occurrence *occurrence);
void gv_sim_step(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, struct gv_event *event);
void gv_sim_sign(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, uint64_t incarnation, uint32_t sequence);
void gv_sim_violate(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, const char *name);
/** The next time that the node gets no processor, counted from then. */
void gv_sim_starve(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, uint64_t from_us);
struct gv_sim_local *gv_sim_local(const struct gv_thread *thread);
void gv_sim_post_own(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, uint64_t at_us, enum gv_sim_kind kind,
                     uint32_t a, void *data);
/* Whether the swarm must hold it: hostile members join others, but whether they are joined is nobody's concern, and a
   copy stands for the node it is a copy of. */
static inline bool gv_sim_is_held(const struct gv_sim_node *node)
{
    return node->live && !node->copy && !node->hostile;
}

static inline uint64_t gv_sim_mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ (hash >> 29);
}

#define GV_SIM_LONGEST_US 1e15 /* thirty years: what lasts longer never ends in a run */

/** A span in whole microseconds, cut off where it no longer matters. */
static inline uint64_t gv_sim_whole_us(double us)
{
    return (uint64_t)(us < GV_SIM_LONGEST_US ? us : GV_SIM_LONGEST_US);
}

/** A newcomer in its first life, for peer choice. */
bool gv_sim_is_newcomer(const struct gv_sim *sim, const struct gv_sim_node *node);

/* node_links.c */
void gv_sim_dial(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, uint32_t target, uint32_t dial);
void gv_sim_close(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, uint32_t handle);
void gv_sim_transmit(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, uint32_t handle,
                     struct gv_frame *frame);
void gv_sim_link_event(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, const struct gv_occurrence *o);
/** Of the pair, one way, microseconds; never shorter than a window. */
uint64_t gv_sim_latency(const struct gv_sim *sim, uint32_t from, uint32_t to);
/** Whether a dial on a free line succeeds: `to` can be dialled, and the handshake ends before the dial is given up. */
bool gv_sim_in_reach(const struct gv_sim *sim, uint32_t from, uint32_t to);
struct gv_sim_link *gv_sim_link(struct gv_sim_node *node, uint32_t handle);
/** Resets a link: both ends see it go down. */
void gv_sim_break(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, uint32_t handle);
void gv_sim_hang_up(struct gv_sim *sim, struct gv_thread *thread, uint32_t node); /* the process ends: resets */
void gv_sim_introduce(struct gv_sim *sim, struct gv_thread *thread, uint32_t node);
void gv_sim_introduction_over(struct gv_sim *sim, struct gv_thread *thread, uint32_t node);

/* node_frames.c */
void gv_sim_send(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, uint32_t link, struct gv_msg *msg);
void gv_sim_receive(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, uint32_t link, struct gv_frame *frame);
void gv_sim_learn_entries(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, uint64_t entries);
struct gv_frame *gv_sim_frame_new(const uint8_t *data, uint32_t bytes);
void gv_sim_frame_free(struct gv_frame *frame);
struct gv_span gv_sim_frame_span(const struct gv_frame *frame);

/* node_work.c */
void gv_sim_work_effect(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, const struct gv_effect *effect);
void gv_sim_work_event(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, const struct gv_occurrence *o);
void gv_sim_work_drop(const struct gv_occurrence *o);
void gv_sim_work_start(struct gv_sim *sim, struct gv_thread *thread, uint32_t node);
void gv_sim_work_end(struct gv_sim *sim, struct gv_thread *thread, uint32_t node);
void gv_sim_work_free(struct gv_sim_node *node); /* what it holds of frames and snapshots; its lane is drained */
struct gv_span gv_sim_inline_state(struct gv_sim_node *node, uint64_t nonce);
uint32_t gv_sim_buffers(const struct gv_sim_node *node);

/** Gives the lane `steps` local steps from where the round stands. */
void gv_sim_push_training(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, uint32_t steps, bool offer);

/* node_rounds.c */
void gv_sim_train(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, bool on);
/** Pushes the steps up to the first end of a step at or after now, and returns that time. */
uint64_t gv_sim_boundary(struct gv_sim *sim, struct gv_thread *thread, uint32_t node);
/** Brings the replica to where it stands now: all steps that are over, all work that is pushed. */
void gv_sim_catch_up(struct gv_sim *sim, struct gv_thread *thread, uint32_t node);
/** The process stands still until then, and with it (if it trains by the clock) the round that is under way; a pause
 *  never shortens a longer one. In its own occurrence, or in a control. */
void gv_sim_stand_still(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, uint64_t until_us);
void gv_sim_train_after_merge(struct gv_sim *sim, struct gv_thread *thread, uint32_t node);
void gv_sim_round_event(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, const struct gv_occurrence *o);
void gv_sim_rounds_start(struct gv_sim *sim, struct gv_thread *thread, uint32_t node);
void gv_sim_rounds_end(struct gv_sim_node *node);

/* world.c */
uint64_t gv_sim_control(void *context, struct gv_thread *thread, uint64_t now_us, bool *stop);
void gv_sim_start(struct gv_sim *sim, struct gv_thread *thread, uint32_t node);
void gv_sim_end_process(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, bool silent);
GV_NODISCARD enum gv_err gv_sim_world_new(struct gv_sim *sim, struct gv_diag *diag);
void gv_sim_world_free(struct gv_sim *sim);

/* observe.c */
void gv_sim_observe(struct gv_sim *sim, struct gv_thread *thread, uint64_t now_us, bool last);
/** Of all that nodes were told, decided and sent, and of the parameters that the live ones end with. */
uint64_t gv_sim_trace(const struct gv_sim *sim);
uint64_t gv_sim_rss_bytes(void);
uint64_t gv_sim_peak_rss_bytes(void);
double gv_sim_seconds(void);
/** In a control: all replicas are as their nodes' clocks say. */
void gv_sim_catch_up_all(struct gv_sim *sim, struct gv_thread *thread);

/* liveness.c */
/** In a control, when faults end: keeps what nodes hold, for the check of the variance at the end. */
void gv_sim_remember_values(struct gv_sim *sim, struct gv_thread *thread);
/** When little enough is left: keeps who names whom, for what may be so for a moment but not for long. */
void gv_sim_remember_views(struct gv_sim *sim, uint64_t left_us);
void gv_sim_forget_views(struct gv_sim *sim);
/** The liveness invariants at the end; NULL or the name of the one that does not hold. */
const char *gv_sim_check_liveness(struct gv_sim *sim, uint32_t *node);

#endif
