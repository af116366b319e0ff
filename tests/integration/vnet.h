/*
 * An in-memory network in virtual time, with whole cores at its ends: the host's part of the contract in core.h, played
 * by integers. Each node's model is a few int64 values, one per 64 KiB, so that averaging is exact and the sum over the
 * swarm is conserved to the bit; every rule that core.h gives the core is checked after every step.
 *
 * Everything is a function of the seed. A broken rule fails the test with the seed, the virtual time and the node.
 */
#ifndef VNET_H
#define VNET_H

#include <stdbool.h>
#include <stdint.h>

#include "gv/core.h"

#define VNET_NODES_MAX 24
#define VNET_UNITS_MAX 48 /* of 64 KiB */

struct vnet;

struct vnet_options {
    uint64_t seed;
    uint32_t units;           /* values of the model, 64 KiB each on the wire; 1: rides inline in OFFER and ACCEPT */
    uint64_t latency_us;      /* mean, one way; uniform from half to one and a half */
    uint64_t round_us;        /* time of H local steps; 0: nobody trains */
    uint64_t work_us;         /* a snapshot, a chunk staged, a merge: each up to this long */
    uint32_t reset_per_10000; /* messages that break their link instead of arriving */
    uint32_t merge;           /* enum gv_merge */
    uint32_t exchange;        /* enum gv_exchange_kind */
    uint32_t codec;           /* enum gv_codec; a unit has the same number of elements whatever it takes on the wire */
    uint32_t second_units;    /* of the units, this many at the end are a second block, exchanged but not fetched */
    uint64_t stop_age;        /* Q16 */
    uint32_t settle_exchanges;
};

struct vnet_node_options {
    bool outbound_only;
    bool has_model;
    bool serves_only;
    uint64_t age; /* Q16 */
    int64_t value;
    uint32_t seed_count;                 /* nodes 0 .. seed_count - 1 are its seeds */
    const struct gv_core_config *config; /* NULL: defaults */
};

/* What may be done to a message before it arrives. */
enum vnet_fate { VNET_DELIVER, VNET_LOSE_AND_RESET, VNET_DELIVER_AND_RESET, VNET_SWALLOW };
typedef enum vnet_fate (*vnet_filter)(void *context, uint32_t from, uint32_t to, struct gv_msg *msg);

struct vnet *vnet_new(const struct vnet_options *options);
void vnet_free(struct vnet **net);
/** The seed of this run: SEED from the environment, else `fallback`; printed. */
uint64_t vnet_seed(uint64_t fallback);

uint32_t vnet_spawn(struct vnet *net, const struct vnet_node_options *options);
void vnet_run(struct vnet *net, uint64_t us);
/** Runs until `done` or for `us`; true if done. */
bool vnet_run_until(struct vnet *net, bool (*done)(struct vnet *net, void *context), void *context, uint64_t us);
uint64_t vnet_now(const struct vnet *net);

void vnet_kill(struct vnet *net, uint32_t node, bool silent); /* silent: links stay up and swallow everything */
void vnet_restart(struct vnet *net, uint32_t node,
                  uint64_t incarnation_step); /* 1: as it should; 0: a restored backup */
void vnet_set_incarnation(struct vnet *net, uint32_t node, uint64_t incarnation); /* for the next restart */
uint32_t vnet_clone(struct vnet *net, uint32_t node); /* a copied key, same incarnation, other boot */
void vnet_command(struct vnet *net, uint32_t node, enum gv_command command);
void vnet_revoke(struct vnet *net, uint32_t node); /* the first live node learns of it; the rest by digest */
void vnet_update_manifest(struct vnet *net, uint32_t node, uint64_t version, uint32_t epoch);
void vnet_set_filter(struct vnet *net, vnet_filter filter, void *context);
void vnet_poison(struct vnet *net, uint32_t node);         /* its chunks are not finite from now on */
void vnet_cut(struct vnet *net, uint32_t a, uint32_t b);   /* resets the links between two nodes */
void vnet_unplug(struct vnet *net, uint32_t a, bool away); /* nobody can dial it, nor it anybody */
/** Gives node `to` a message as if verified node `from` had sent it over their link; false if they have none. */
bool vnet_inject(struct vnet *net, uint32_t from, uint32_t to, const struct gv_msg *msg, bool with_handle);
uint64_t vnet_random(struct vnet *net); /* of the run's own generator */

bool vnet_alive(const struct vnet *net, uint32_t node);
const struct gv_core *vnet_core(const struct vnet *net, uint32_t node);
struct gv_core_stats vnet_stats(const struct vnet *net, uint32_t node);
const struct gv_id *vnet_id(const struct vnet *net, uint32_t node);
int64_t vnet_value(const struct vnet *net, uint32_t node, uint32_t unit);
int64_t vnet_sum(const struct vnet *net, uint32_t unit); /* over live nodes */
int64_t vnet_spread(const struct vnet *net);             /* largest minus smallest, unit 0, live nodes */
bool vnet_has_peer(const struct vnet *net, uint32_t node, uint32_t other, bool active_only);
bool vnet_connected(const struct vnet *net); /* active views of live nodes form one component */
uint32_t vnet_commits(const struct vnet *net, uint32_t node);
bool vnet_saw(const struct vnet *net, uint32_t node, enum gv_effect_kind kind);
uint32_t vnet_logged(const struct vnet *net, uint32_t node, enum gv_log_code code); /* since its creation */
uint32_t vnet_dials(const struct vnet *net, uint32_t node);
GV_NODISCARD enum gv_err vnet_last_alarm(const struct vnet *net, uint32_t node);
uint64_t vnet_manifest_version(const struct vnet *net, uint32_t node);
uint64_t vnet_trace(const struct vnet *net); /* hash of all effects so far */
uint64_t vnet_handles_open(const struct vnet *net, uint32_t node);
bool vnet_training(const struct vnet *net, uint32_t node);

#endif
