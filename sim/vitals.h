/*
 * How well a swarm holds together: whether it stays in one piece, how soon deaths, farewells and revocations are known,
 * who is dropped by mistake, who waits for an exchange, and what hostile members get of it.
 *
 *     faults, in controls -----> how and when each node ended           (read by all shards)
 *     effects of nodes' cores -> delays and counts, per thread            gv_vitals_log()
 *     each sample -------------> components, old ghosts, hostile views    gv_vitals_graph()
 *     at the end --------------> struct gv_vitals, for the summary        gv_vitals_sum()
 *
 * Nothing here decides anything, and nothing enters the trace.
 */
#ifndef GV_VITALS_H
#define GV_VITALS_H

#include <stdbool.h>
#include <stdint.h>

#define GV_DELAY_BINS 1200u /* of 100 ms; what takes longer counts in the last */

struct gv_delays {
    uint64_t count, most_us;
    uint32_t bins[GV_DELAY_BINS];
};

/* Of many delays; seconds, NAN if there are none. The percentiles are upper ends of bins. */
struct gv_delay_figures {
    uint64_t count;
    double median_s, p99_s, most_s;
};

/* How a node ended by the will of the scenario; NONE: it is up. */
enum gv_end { GV_END_NONE = 0, GV_END_CRASHED, GV_END_LEFT, GV_END_REVOKED };

/* Figures over a whole run; NAN where there was nothing to measure. */
struct gv_vitals {
    double node_hours; /* of live nodes */
    /* Of live nodes that are not hostile, those in the largest component: the least of all samples once the first have
       come, without those that started 5 s ago or less and are alone yet. */
    double largest_share_least;
    double connected_since_s;            /* all later samples found one component; NAN: the last one did not */
    double exchange_gap_most_s;          /* the longest that a live node went without a committed exchange */
    struct gv_delay_figures crashes;     /* from a crash until a neighbour has declared the node dead */
    struct gv_delay_figures leaves;      /* from a farewell until a node knows of it */
    struct gv_delay_figures revocations; /* from a revocation until a node knows of it */
    double revocations_known_share;      /* of (live node, revocation) pairs at the end */
    double ghost_most_s;                 /* the longest that a sample found a crashed node to be a neighbour still */
    uint64_t false_removals;             /* honest neighbours declared dead that had been up for a minute, and were */
    double messages_per_node_s, bytes_per_node_s; /* sent, in the second half of the run */
    double cross_share, cross_expected;           /* links between the sides of the last partition; and by chance */
    double hostile_share;                         /* of live nodes */
    double hostile_neighbour_share;               /* of neighbours of honest nodes, mean over samples */
    double hostile_known_share;                   /* of neighbours and passive nodes */
    double hostile_exchange_share;                /* of committed exchanges of honest nodes, those with hostile ones */
    double eclipsed_rate;                         /* of honest active views at samples: hostile nodes only */
    double eclipsed_expected; /* by chance: each view drawn from the live others, without repetition */
    double eclipsed_most_s;   /* the longest that one node's was so */
};

/** Adds one delay. */
void gv_delays_add(struct gv_delays *delays, uint64_t us);
/** into += from. */
void gv_delays_merge(struct gv_delays *into, const struct gv_delays *from);
struct gv_delay_figures gv_delays_figures(const struct gv_delays *delays);

/* What each thread counts. */
struct gv_vitals_local {
    struct gv_delays crashes, leaves, revocations;
    uint64_t false_removals, honest_ends, hostile_ends; /* ends of committed exchanges at honest nodes; with hostile */
    uint64_t gap_most_us;
};

/* What the controls gather; part of struct gv_sim. */
struct gv_vitals_watch {
    double node_s; /* live nodes times seconds, up to counted_us */
    uint64_t counted_us;
    double half_node_s; /* the same when the second half began, and what had been sent by then */
    uint64_t half_messages, half_bytes;
    bool half_taken, apart, sampled;
    double largest_share_least;
    uint64_t connected_since_us, ghost_most_us, gap_most_us;
    uint8_t *side; /* of the last partition, by node; NULL: there was none */
    uint32_t side_count;
    uint64_t cross_links, side_links; /* at the last sample */
    double cross_expected;
    uint64_t revoked_us[64]; /* by entry */
    uint64_t hostile_neighbours, neighbours, hostile_known, known, eclipsed, views;
    double eclipsed_expected;
    uint64_t eclipsed_most_us;
};

struct gv_sim;
struct gv_thread;
struct gv_effect;

/* A node's active view (first `active` of `known` nodes) at a sample, see observe.c. */
struct gv_view_table {
    const uint32_t *peers;          /* (node_count, width) */
    const uint16_t *active, *known; /* (node_count) */
    uint32_t width;
};

/** In a control: a node starts (NONE) or is ended. */
void gv_vitals_end(struct gv_sim *sim, uint32_t node, enum gv_end end, uint64_t now_us);
/** In a control: `side` (a bit for each of sim->node_count nodes) is cut off from the others. */
void gv_vitals_cut(struct gv_sim *sim, const uint8_t *side);
/** A LOG effect of a node's core. */
void gv_vitals_log(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, const struct gv_effect *effect);
/** A node has learnt of a revocation. */
void gv_vitals_learnt(struct gv_sim *sim, struct gv_thread *thread, uint32_t entry);
/** In each control: counts the time of live nodes. */
void gv_vitals_count(struct gv_sim *sim, uint64_t now_us);
/** In a control, at a sample whose counts and components are known. */
void gv_vitals_graph(struct gv_sim *sim, const struct gv_view_table *views, uint64_t now_us);
void gv_vitals_sum(const struct gv_sim *sim, struct gv_vitals *vitals);
void gv_vitals_free(struct gv_sim *sim);

#endif
