/*
 * Who the simulated nodes are: keys, certificates, signed records in all their versions, revocations and farewells.
 * Bytes are shared by the whole swarm (interned): a node's memory holds ids, not records.
 *
 * Everything is really signed, with keys derived from the run's seed. With memoised signatures, bytes that equal those
 * of an interned version need no second check, since signing verified them once; any other bytes (damaged ones) go
 * through the real verification. With real signatures every receiver verifies everything.
 *
 * Threads: gv_identities_create(), _revoke(), _leave() and _prune() run in controls (create: for different nodes at
 * once). All else may run in any shard at any time. A version that a node has heard of was signed in an earlier window,
 * so what a look-up finds does not depend on threads; nor does what is pruned, if two processes sign with one key.
 */
#ifndef GV_IDENTITIES_H
#define GV_IDENTITIES_H

#include <stdbool.h>
#include <stdint.h>

#include "gv/err.h"
#include "gv/id.h"
#include "gv/msg.h"
#include "scenario.h"

#define GV_NODE_NONE UINT32_MAX
#define GV_ENTRIES_MAX GV_SCENARIO_REVOCATIONS_MAX /* revocations of one run: a node knows them as bits */

struct gv_identities;

/* One signed record. Only pruning, between windows, changes `older` and `kept`. */
struct gv_version {
    struct gv_version *older;
    uint64_t incarnation, boot;
    uint64_t signed_us; /* virtual time */
    uint32_t sequence;
    uint32_t flags; /* GV_REF_* */
    uint32_t bytes;
    bool kept; /* gv_identities_keep() */
    uint8_t data[];
};

/** Makes the root key, an invite of the root's and one of a member's that is no node, and room for `nodes_max`. Returns
 *  owned. */
GV_NODISCARD enum gv_err gv_identities_new(struct gv_identities **identities, uint64_t seed, uint32_t nodes_max,
                                           enum gv_signatures signatures);
void gv_identities_free(struct gv_identities **identities);

const struct gv_sign_public *gv_identities_root(const struct gv_identities *identities);
struct gv_swarm_id gv_identities_swarm(const struct gv_identities *identities);

/** Keys and membership certificate of `node` (a number below nodes_max, in any order). For different nodes on different
 *  threads at once; gv_identities_find() knows it after gv_identities_index(). `by_member`: it joins with the member's
 *  invite, not the root's. `wall_s` dates the certificate. */
GV_NODISCARD enum gv_err gv_identities_create(struct gv_identities *identities, uint32_t node, bool dialable,
                                              bool by_member, uint64_t wall_s);
/** In a control, after create: enters the nodes first <= n < first + count into the look-up tables. */
void gv_identities_index(struct gv_identities *identities, uint32_t first, uint32_t count);

const struct gv_id *gv_identities_id(const struct gv_identities *identities, uint32_t node);
/** GV_NODE_NONE if there is none. */
uint32_t gv_identities_find(const struct gv_identities *identities, const struct gv_id *id);

/** Signs a new version of the node's record (and verifies it, once), or returns the one that has this incarnation, boot
 *  and sequence already: of each there is one only. A boot id is one process's, and so
 *  one thread's. NULL: out of memory. */
const struct gv_version *gv_identities_sign(struct gv_identities *identities, uint32_t node, uint64_t incarnation,
                                            uint64_t boot, uint32_t sequence, uint64_t wall_s, uint64_t now_us);

/** The version with exactly this incarnation, boot and sequence, or NULL if it is pruned or never was. */
const struct gv_version *gv_identities_version(const struct gv_identities *identities, uint32_t node,
                                               const struct gv_ref *ref);
struct gv_ref gv_identities_ref(const struct gv_identities *identities, uint32_t node,
                                const struct gv_version *version);

/** Before `count` records are looked up, by their bytes or by what names them (borrowed; at most
 *  GV_RECORDS_PER_MSG_MAX): asks the memory for them all at once. Changes nothing but the cache. */
void gv_identities_prefetch_records(const struct gv_identities *identities, const struct gv_span *records,
                                    uint32_t count);
void gv_identities_prefetch_refs(const struct gv_identities *identities, const struct gv_ref *refs, uint32_t count);

/** Checks a record's bytes as a node would: *node and *ref are filled if GV_OK. */
GV_NODISCARD enum gv_err gv_identities_verify(const struct gv_identities *identities, uint32_t *node,
                                              struct gv_ref *ref, const uint8_t *data, size_t bytes);

/** In a control, before gv_identities_prune(): spares this version once more. For those that a process still sends as
 *  its own: of two processes with one key, only one holds the newest. NULL is ignored. */
void gv_identities_keep(struct gv_identities *identities, uint32_t node, const struct gv_version *version);
/** Forgets versions superseded longer than `keep_us` ago, but never the newest. In a control. */
void gv_identities_prune(struct gv_identities *identities, uint64_t now_us, uint64_t keep_us);

/* ---- revocations: signed entries, known by number ----------------------------------------------------------- */

/** The root revokes `node`. In a control. *entry < GV_ENTRIES_MAX, the same one if it was revoked in this second
 *  already. GV_ERR_FULL beyond that. */
GV_NODISCARD enum gv_err gv_identities_revoke(struct gv_identities *identities, uint32_t node, uint64_t wall_s,
                                              uint32_t *entry);
uint32_t gv_identities_entry_target(const struct gv_identities *identities, uint32_t entry); /* node */
/** The ids of all entries' targets by number (GV_ENTRIES_MAX); borrowed, grows in controls. For struct gv_watch. */
const struct gv_id *gv_identities_targets(const struct gv_identities *identities);
struct gv_span gv_identities_entry(const struct gv_identities *identities, uint32_t entry);
/** As gv_trust_digest() of the entries whose bits are set. */
uint64_t gv_identities_digest(const struct gv_identities *identities, uint64_t entries);
/** out (8 per entry) <- the entries' hashes as TRUST_HAVE carries them; returns the bytes. */
size_t gv_identities_hashes(const struct gv_identities *identities, uint64_t entries, uint8_t out[8 * GV_ENTRIES_MAX]);
/** The bits of the entries that these hashes name; unknown ones are ignored. */
uint64_t gv_identities_named(const struct gv_identities *identities, const uint8_t *hashes, size_t bytes);
/** Checks an entry's bytes: *entry is its number if GV_OK. */
GV_NODISCARD enum gv_err gv_identities_entry_verify(const struct gv_identities *identities, uint32_t *entry,
                                                    const uint8_t *data, size_t bytes);

/* ---- farewells for good --------------------------------------------------------------------------------------- */

/** Signs the node's LEAVE. In a control. */
GV_NODISCARD enum gv_err gv_identities_leave(struct gv_identities *identities, uint32_t node, uint64_t incarnation);
/** Its bytes; an empty span if it has not left. */
struct gv_span gv_identities_farewell(const struct gv_identities *identities, uint32_t node);
GV_NODISCARD enum gv_err gv_identities_farewell_verify(const struct gv_identities *identities, struct gv_id *id,
                                                       uint64_t *incarnation, const uint8_t *data, size_t bytes);

#endif
