/*
 * The arithmetic of the simulated nodes: each node's replica of the model, and the pure work on it (training,
 * snapshots, merges, evaluation), done by the daemon's own learn/ and codecs. In `mean` mode a replica is a bare vector
 * of normal deviates and never trains; in `membership` mode there are no replicas.
 *
 * Shared and immutable: data, model, schedule. Per node: the replica. Per thread: scratch. Nothing here knows of time,
 * links or the core; any thread may do a replica's work, one at a time.
 */
#ifndef GV_LEARNING_H
#define GV_LEARNING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "gv/core.h"
#include "gv/err.h"
#include "gv/msg.h"
#include "scenario.h"

struct gv_learning;
struct gv_replica;
struct gv_learning_scratch; /* one per thread */

/** Loads and cuts the data into scenario->swarm.nodes shards (further nodes take shards of earlier ones, node modulo
 *  nodes), makes the model. Errors are about data, model or memory, with the file. Returns owned. */
GV_NODISCARD enum gv_err gv_learning_new(struct gv_learning **learning, const struct gv_scenario *scenario,
                                         uint64_t seed, struct gv_diag *diag);
void gv_learning_free(struct gv_learning **learning);

GV_NODISCARD enum gv_err gv_learning_scratch_new(struct gv_learning_scratch **scratch,
                                                 const struct gv_learning *learning);
void gv_learning_scratch_free(struct gv_learning_scratch **scratch);

/** Sets layout, blocks, codec, merge, exchange kind, local_steps, settle_exchanges of what the core must know. */
void gv_learning_manifest(const struct gv_learning *learning, struct gv_core_manifest *manifest);

uint64_t gv_learning_parameters(const struct gv_learning *learning);
uint64_t gv_learning_data_bytes(const struct gv_learning *learning);
/** Optimiser steps of one round of `node`: local_steps, or with epochs local_steps passes over its rows. */
uint32_t gv_learning_round_steps(const struct gv_learning *learning, uint32_t node);
uint32_t gv_learning_round_samples(const struct gv_learning *learning, uint32_t node);

/* ---- one node's copy of the model --------------------------------------------------------------------------- */

/** The initial model (mean: the node's own normal deviates, a function of seed and node). Returns owned. */
GV_NODISCARD enum gv_err gv_replica_new(struct gv_replica **replica, const struct gv_learning *learning, uint32_t node);
void gv_replica_free(struct gv_replica **replica);

/** (parameters) floats, borrowed. */
const float *gv_replica_parameters(const struct gv_replica *replica);

/** Loads the replica's own fields into the cache. */
void gv_replica_prefetch(const struct gv_replica *replica);

/** True if all of the exchanged state is finite. */
bool gv_replica_finite(const struct gv_replica *replica);

/** Hash of the exchanged state, bit for bit: for the check that a failed exchange changes nothing. */
uint64_t gv_replica_hash(const struct gv_replica *replica);

/** `steps` local steps at the swarm's age `age` (+1 each). Adds each step's loss to *loss_sum, one after another,
 *  so that steps done in several calls give the same sum to the bit; NaN in mean mode. */
void gv_replica_train(struct gv_replica *replica, struct gv_learning_scratch *scratch, uint32_t steps, double age,
                      double *loss_sum);

/** Keeps a copy of the parameters as the checkpoint that gv_replica_restore() goes back to (velocity zero). */
GV_NODISCARD enum gv_err gv_replica_checkpoint(struct gv_replica *replica);
/** False if there is no checkpoint: the replica is then the initial model. */
bool gv_replica_restore(struct gv_replica *replica);

/** Copies the parameters of another; the velocity and the checkpoint stay. */
void gv_replica_copy(struct gv_replica *to, const struct gv_replica *from);

/* ---- snapshots: a state as its chunks' frames ------------------------------------------------------------------ */

/* A copy of the exchanged blocks (for a fetch: of the parameters), encoded, cut into CHUNK frames or in one inline
 * piece. Shared by the sender, frames under way and receivers; freed with the last reference. Immutable once filled. */
struct gv_snapshot {
    atomic_uint references;
    uint32_t codec, chunk_bytes, chunk_count;
    bool inline_state, fetch;
    uint64_t nonce;
    const struct gv_learning *learning;
    size_t stride;       /* bytes from one slot to the next: room for a head, then the payload */
    uint8_t *slots;      /* (chunk_count, stride), in the same block of memory, on cache lines */
    uint8_t *head_bytes; /* (chunk_count), likewise: of the heads, which end where the payloads begin */
};

/** Room for a snapshot; one reference. NULL: out of memory. `chunk_bytes` as in FX_CHUNK_SEND; ignored if the state is
 *  inline with this codec and it is no fetch (a fetch is never inline). */
struct gv_snapshot *gv_snapshot_new(const struct gv_learning *learning, uint64_t nonce, uint32_t codec,
                                    uint32_t chunk_bytes, bool fetch);
struct gv_snapshot *gv_snapshot_hold(struct gv_snapshot *snapshot); /* one more reference; returns it */
void gv_snapshot_release(struct gv_snapshot **snapshot);            /* takes NULL */

/** Fills it from the replica, with the adversary's alteration if `attack` is one. `random_seed` is for noise. */
void gv_replica_snapshot(const struct gv_replica *replica, struct gv_snapshot *snapshot, enum gv_attack attack,
                         double scale, uint64_t random_seed);

/** Chunk `index` as a whole frame (head and payload, as gv_wire_chunk_head), and its payload alone; borrowed. An inline
 *  state has payload 0 only. */
struct gv_span gv_snapshot_frame(const struct gv_snapshot *snapshot, uint32_t index);
struct gv_span gv_snapshot_payload(const struct gv_snapshot *snapshot, uint32_t index);

/* ---- what arrives ------------------------------------------------------------------------------------------------ */

/**
 * Whether a payload can be staged as chunk `index`: GV_OK, GV_ERR_CHUNK, or GV_ERR_NONFINITE if a value of it, or with
 * `ours` (the filled snapshot of this exchange; NULL in a fetch) a delta weight (theirs - ours), is not finite.
 */
GV_NODISCARD enum gv_err gv_payload_check(const struct gv_learning *learning, const struct gv_snapshot *ours,
                                          uint32_t codec, uint32_t chunk_bytes, uint32_t index, float weight,
                                          struct gv_span payload);

/**
 * x <- x + weight (theirs - ours), chunk by chunk, one pass: bit for bit what the daemon's staged delta gives. `theirs`
 * (ours->chunk_count) passed gv_payload_check() with the same weight.
 */
void gv_replica_commit(struct gv_replica *replica, const struct gv_snapshot *ours, const struct gv_span *theirs,
                       float weight);

/** The fetched state replaces the parameters (velocity becomes zero). `chunks` (count) passed gv_payload_check(). */
void gv_replica_adopt(struct gv_replica *replica, const struct gv_span *chunks, uint32_t count, uint32_t codec,
                      uint32_t chunk_bytes);

/* ---- looking at models ----------------------------------------------------------------------------------------- */

struct gv_look {
    double loss, accuracy; /* on the scenario's test samples */
};
void gv_learning_evaluate(const struct gv_learning *learning, struct gv_learning_scratch *scratch,
                          const float *parameters, struct gv_look *look);

/** mean (last - first) <- the mean over `count` vectors of their elements first <= e < last, in double precision, in
 *  the order given; returns the sum over vectors and those elements of the squared distance from it. For many threads,
 *  each a range of elements. */
double gv_learning_spread(const float *const *vectors, uint32_t count, uint64_t first, uint64_t last, float *mean);

#endif
