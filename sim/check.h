/*
 * Invariants: what must hold whatever happens. Local ones are checked after every step of a node, incrementally (only
 * what the step can have changed); global ones at every report; the liveness ones at the end, when faults have ended
 * and the swarm has had time. Each has a name and stands beside its definition in check.c.
 */
#ifndef GV_CHECK_H
#define GV_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "gv/core.h"

/* What the last effects of a node were, for the report of a violation. */
#define GV_TRAIL_LENGTH 32u
struct gv_trail_item {
    uint64_t at_us;
    uint8_t event;           /* enum gv_event_kind of the step */
    uint8_t effect;          /* enum gv_effect_kind; 0: the step had none */
    uint8_t msg_in, msg_out; /* enum gv_kind, 0: none */
    uint32_t link;
};
struct gv_trail { /* kept only where the scenario is small enough, or a replay asks for it */
    uint32_t next;
    struct gv_trail_item item[GV_TRAIL_LENGTH];
};

/*
 * What is remembered of one process between its steps. Zero at its first life; START begins each further life and
 * forgets what belongs to the one before. Beside the host's fields only `incarnation_seen` and `entries` outlive a
 * life: a fault that restores an old state sets `incarnation_seen` to 0.
 */
struct gv_watch {
    uint64_t incarnation_seen;      /* highest of our own core.self, all lives */
    uint64_t incarnation_persisted; /* on disk, all lives; START and PERSISTED raise it by themselves */
    uint64_t commit_nonce;          /* of the last COMMIT */
    uint32_t commits_of_nonce;
    uint32_t buffers;              /* the host's: frames parked, snapshots and stages held */
    uint64_t revoked_prefix_count; /* how many revocations this node knows */

    /* the checks' own */
    const struct gv_id *targets; /* the host's: gv_identities_targets(); NULL: revoked peers are not looked for */
    uint64_t entries;            /* of those, the ones whose REVOKED the core has been given */
    uint64_t open_nonce;         /* of the exchange whose SNAPSHOT is held */
    uint64_t offered_nonce;      /* of our last OFFER */
    uint64_t fetch_nonce;        /* of the chunks last fetched */
    uint64_t seen;               /* gv_core_check()'s */
    uint32_t handed_out, staged; /* chunks of the open exchange: APPLY, APPLIED */
    uint32_t fetched;            /* chunks of the fetch */
    uint32_t pinned;             /* PIN without UNPIN yet */
    bool open, open_push, refused, persisting;
};

/**
 * After each step of one node: NULL, or the name of the invariant that does not hold. `effects` are those of the step,
 * as the core gave them; the event's message must still be there. Allocates nothing.
 */
const char *gv_check_step(struct gv_watch *watch, const struct gv_core *core, const struct gv_event *event,
                          const struct gv_effects *effects);

/** The table's own copy of a name, static; "unnamed" if the table does not have it. */
const char *gv_check_name(const char *name);

/** The definition that belongs to a name, for the report; NULL if there is none. */
const char *gv_check_definition(const char *name);

/** Calls visit for every invariant, in the order of the table. */
void gv_check_list(void (*visit)(void *context, const char *name, const char *definition), void *context);

/* ---- over all nodes ------------------------------------------------------------------------------------------ */

/* Who names whom, at one moment. */
struct gv_overlay {
    uint32_t nodes;
    const bool *counts;    /* (nodes) live, valid, not a copy; the others are as if they were not there */
    const uint32_t *first; /* (nodes + 1) */
    const uint32_t *to;    /* (first[nodes]) node n names to[first[n]] .. to[first[n + 1] - 1] */
};

/** Components of the overlay without regard to direction; scratch (nodes). */
uint32_t gv_check_components(const struct gv_overlay *overlay, uint32_t *scratch);

/** Fills apart (nodes): who counts and is outside of the largest component; scratch (2 * nodes). */
void gv_check_apart(const struct gv_overlay *overlay, uint32_t *scratch, bool *apart);

/* Each of these: NULL, or the name of what does not hold and *node, the first one that shows it. */

/** "one-component": nobody is apart (nodes; as gv_check_apart() fills it for the active views) who was_apart (nodes) at
 *  an earlier moment already: whoever has lost its last neighbour has that long to find another. */
const char *gv_check_connected(uint32_t nodes, const bool *apart, const bool *was_apart, uint32_t *node);

/** "symmetric-links": nobody is neighbour of one who does not name it at each of several moments (active views; the
 * last one first; at least one). */
const char *gv_check_symmetric(const struct gv_overlay *moments, uint32_t count, uint32_t *node);

/** "leaves-honoured": no active view names a node that has left for good. (A passive one may: of a node that was down
 *  when the farewell went round.) */
const char *gv_check_leaves(const struct gv_overlay *active, const bool *left, uint32_t *node);

/** "revocations-everywhere": entries (nodes) of each node that counts are `all`. */
const char *gv_check_revocations(const struct gv_overlay *overlay, const uint64_t *entries, uint64_t all,
                                 uint32_t *node);

/** "variance-falling": from the beginning of the liveness phase to its end by half, or to a millionth of `scale`, the
 *  variance at the start of the run (1: a node's values are unit normal deviates). */
const char *gv_check_variance(double begin, double end, double scale);

#endif
