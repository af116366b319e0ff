/*
 * Churn and faults: which nodes come, go, stand still, are cut off or copied, and when. Runs in the engine's controls,
 * so it may touch everything; draws from a generator of its own, so that a fault's victims do not depend on anything
 * that nodes do.
 *
 * What is done to a node is the world's affair: struct gv_fault_actions. Faults only chooses victims and times.
 */
#ifndef GV_FAULTS_H
#define GV_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine.h"
#include "gv/err.h"
#include "scenario.h"

struct gv_fault_actions {
    void *world;
    uint32_t (*node_count)(void *world);         /* ever spawned */
    bool (*is_live)(void *world, uint32_t node); /* its process runs */
    /* GV_SCENARIO_NODES_MAX-like UINT32_MAX if there is no room for another. New nodes join with an invite. */
    uint32_t (*spawn)(void *world, struct gv_thread *thread, uint64_t now_us);
    void (*kill)(void *world, struct gv_thread *thread, uint32_t node, uint64_t now_us, bool silent);
    void (*revive)(void *world, struct gv_thread *thread, uint32_t node, uint64_t now_us, bool torn);
    void (*pause)(void *world, struct gv_thread *thread, uint32_t node, uint64_t now_us, uint64_t until_us);
    void (*leave)(void *world, struct gv_thread *thread, uint32_t node, uint64_t now_us);
    void (*revoke)(void *world, struct gv_thread *thread, uint32_t node, uint32_t witness, uint64_t now_us);
    void (*copy_key)(void *world, struct gv_thread *thread, uint32_t node, uint64_t now_us);
    GV_NODISCARD enum gv_err (*cut)(void *world, const uint8_t *side, uint64_t from_us, uint64_t until_us,
                                    enum gv_cut cut, uint64_t flap_us);
    void (*calm)(void *world, uint64_t now_us); /* faults end: loss and damage too */
};

struct gv_faults;

/** Copies actions. Returns owned. */
GV_NODISCARD enum gv_err gv_faults_new(struct gv_faults **faults, const struct gv_scenario *scenario, uint64_t seed,
                                       uint32_t nodes_max, const struct gv_fault_actions *actions);
void gv_faults_free(struct gv_faults **faults);

/**
 * Does everything due at or before now_us, in a fixed order; returns the time of the next, UINT64_MAX for none. The
 * first call (time 0) spawns the first nodes or schedules their arrival.
 *
 * Sessions and down times are functions of (seed, node, life), a fault's victims of (seed, its number, who is live).
 * With both [churn] session and rate a process ends at the earlier of the two. Who left or was revoked is not struck
 * again and has no more sessions. Neither fault takes the last of the live nodes, and a partition has two sides.
 *
 * At scenario.faults_end_us: calm() first; then all nodes that were to return later do so at once; from then on no
 * session ends, nothing strikes, and nobody new comes but what is missing of the first nodes. Pauses and partitions
 * that would last longer were told to end then.
 */
uint64_t gv_faults_control(struct gv_faults *faults, struct gv_thread *thread, uint64_t now_us);

/** Counts since the start, for the report. */
struct gv_fault_counts {
    uint64_t arrivals;   /* nodes spawned, the first ones too */
    uint64_t departures; /* sessions that ended, and nodes that left for good */
    uint64_t crashes;    /* processes ended by kill, vanish or restart */
    uint64_t restarts;   /* nodes that came back */
};
struct gv_fault_counts gv_faults_counts(const struct gv_faults *faults);

#endif
