/*
 * The state DIR on disk. Every write is a temporary file, fsync, rename, fsync of the folder; a failed write (full
 * disk) leaves what was there. No thread of its own: the worker thread calls the slow ones.
 *
 *     config.ini  node.key  manifest  member (certificate chain)  peers  trust  incarnation  checkpoint.a/.b
 *     lock  control.sock  log
 */
#ifndef GV_STORE_H
#define GV_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cert.h"
#include "directory.h"
#include "gv/err.h"
#include "gv/manifest.h"
#include "identity.h"
#include "invite.h"
#include "model.h"
#include "trust.h"

#define GV_STORE_PATH_MAX 4096

/** dir/name into out (GV_STORE_PATH_MAX). GV_ERR_PATH if too long. */
GV_NODISCARD enum gv_err gv_store_path(char *out, const char *dir, const char *name, struct gv_diag *diag);

/** Reads and writes any file as gv_store_read() and gv_store_write() do those of a DIR. */
GV_NODISCARD enum gv_err gv_file_read(const char *path, size_t max, uint8_t **data, size_t *bytes,
                                      struct gv_diag *diag);
GV_NODISCARD enum gv_err gv_file_write(const char *path, const void *data, size_t bytes, unsigned mode,
                                       struct gv_diag *diag);

/**
 * Adds to the diagnosis of a state file that is missing or damaged what to do about it, "<what it says>; <advice>", and
 * returns GV_ERR_CONFIG, since only the user can repair it. Other errors (memory, a failing disk) return unchanged.
 */
GV_PRINTF(3, 4)
GV_NODISCARD enum gv_err gv_file_advise(struct gv_diag *diag, enum gv_err err, const char *format, ...);

/** Writes a file atomically with this mode (e.g. 0600). */
GV_NODISCARD enum gv_err gv_store_write(const char *dir, const char *name, const void *data, size_t bytes,
                                        unsigned mode, struct gv_diag *diag);
/** Reads a whole file of at most `max` bytes; owned, with a terminating zero beyond *bytes. GV_ERR_NOT_FOUND, ... */
GV_NODISCARD enum gv_err gv_store_read(const char *dir, const char *name, size_t max, uint8_t **data, size_t *bytes,
                                       struct gv_diag *diag);

/** Creates an empty state DIR (0700); refuses one that already holds a node. */
GV_NODISCARD enum gv_err gv_store_create(const char *dir, struct gv_diag *diag);
/** GV_ERR_PATH if DIR holds a node, or a file that one would overwrite: to be asked again with the lock held. */
GV_NODISCARD enum gv_err gv_store_check_free(const char *dir, struct gv_diag *diag);
/** Undoes a gv_store_create() that succeeded and all that was put into the DIR since; the folder goes too if asked. */
void gv_store_discard(const char *dir, bool folder);
/** True if DIR holds a node, or what is left of one (a manifest or a key), or if it cannot be looked into. */
bool gv_store_exists(const char *dir);

/** Takes the lock of a DIR for this process; GV_ERR_IN_USE names the process that holds it. Returns a descriptor. */
GV_NODISCARD enum gv_err gv_store_lock(int *fd, const char *dir, struct gv_diag *diag);
/** The same, but waits for whoever holds it, up to wait_ms. */
GV_NODISCARD enum gv_err gv_store_await_lock(int *fd, const char *dir, int wait_ms, struct gv_diag *diag);

/** Membership chain. */
GV_NODISCARD enum gv_err gv_store_save_member(const char *dir, const struct gv_chain *chain, struct gv_diag *diag);
GV_NODISCARD enum gv_err gv_store_load_member(const char *dir, struct gv_chain *chain, struct gv_diag *diag);

/** Manifest text; loading verifies it (against `root` if given). */
GV_NODISCARD enum gv_err gv_store_save_manifest(const char *dir, const struct gv_manifest *manifest,
                                                struct gv_diag *diag);
GV_NODISCARD enum gv_err gv_store_load_manifest(const char *dir, struct gv_manifest *manifest,
                                                const struct gv_sign_public *root, struct gv_diag *diag);

/** The last incarnation used; 0 if never. */
GV_NODISCARD enum gv_err gv_store_load_incarnation(const char *dir, uint64_t *incarnation, struct gv_diag *diag);
GV_NODISCARD enum gv_err gv_store_save_incarnation(const char *dir, uint64_t incarnation, struct gv_diag *diag);

/**
 * Address book: seeds, and every record of the directory. Damaged lines, records of another swarm, and those that
 * `trust` (may be NULL) no longer accepts are skipped and counted. `directory` may be NULL: the seeds only. `seeds` has
 * room for GV_SEEDS_MAX. A DIR without the file has an empty book.
 */
GV_NODISCARD enum gv_err gv_store_save_peers(const char *dir, const struct gv_seed *seeds, uint32_t seed_count,
                                             const struct gv_directory *directory, struct gv_diag *diag);
GV_NODISCARD enum gv_err gv_store_load_peers(const char *dir, struct gv_seed *seeds, uint32_t *seed_count,
                                             struct gv_directory *directory, const struct gv_trust *trust,
                                             const struct gv_sign_public *root, uint32_t *skipped,
                                             struct gv_diag *diag);

/** Revocations and closings, and identities seen through invites: gv_trust_encode()'s bytes. No file: nothing known. */
GV_NODISCARD enum gv_err gv_store_save_trust(const char *dir, const struct gv_trust *trust, struct gv_diag *diag);
GV_NODISCARD enum gv_err gv_store_load_trust(const char *dir, struct gv_trust *trust, struct gv_diag *diag);

/*
 * Checkpoints: two slots, written in turn. Header {magic, format, counter, layout hash, epoch, age, steps, counts},
 * float32 state, BLAKE2b-256 over everything before it. The newer intact slot is used.
 */
struct gv_checkpoint {
    struct gv_hash layout;
    uint32_t epoch;
    uint64_t counter; /* which slot is newer */
    uint64_t age;     /* Q16 steps */
    uint64_t steps;   /* of this node, over all its processes */
    uint64_t exchanges;
    uint64_t state_count;  /* elements in the state block */
    uint64_t served_count; /* elements of the served model after the state; 0: the state's own parameters are it */
};

/* Gives elements [offset, offset + count) of state followed by served; an error ends the writing. */
typedef enum gv_err (*gv_checkpoint_reader)(void *context, float *out, size_t offset, size_t count);

/**
 * Writes the slot that does not hold the newest intact checkpoint, asking `read` for piece after piece, in order, so
 * that no second copy of the state is needed; sets checkpoint->counter. GV_ERR_NO_SPACE and other errors leave both
 * slots as they were.
 */
GV_NODISCARD enum gv_err gv_store_stream_checkpoint(const char *dir, struct gv_checkpoint *checkpoint,
                                                    gv_checkpoint_reader read, void *context, struct gv_diag *diag);
/** The same from memory. `state` and `served` borrowed; served may be NULL if served_count is 0. */
GV_NODISCARD enum gv_err gv_store_save_checkpoint(const char *dir, struct gv_checkpoint *checkpoint, const float *state,
                                                  const float *served, struct gv_diag *diag);
/**
 * Finds the newest intact slot; GV_ERR_NOT_FOUND if there is none at all, GV_ERR_CORRUPT if files exist and none is
 * intact. *damaged says that a slot had to be passed over. `state` (and `served`): NULL to read the header only, else
 * room for state_count (served_count) elements as the header of a first call said, which must still be in *checkpoint:
 * slots of another size are passed over. served may be NULL: it is checked but not copied.
 */
GV_NODISCARD enum gv_err gv_store_load_checkpoint(const char *dir, struct gv_checkpoint *checkpoint, float *state,
                                                  float *served, bool *damaged, struct gv_diag *diag);

/** What a checkpoint and an OFFER carry so that only like models meet: the hash of names, shapes and dtype. Zero if
 *  there is no memory for the description. Defined in daemon.c. */
struct gv_hash gv_layout_hash(const struct gv_model *model);

#endif
