/*
 * A new state DIR, as `create` and `join` make it: all of it or nothing.
 */
#ifndef GV_STATE_H
#define GV_STATE_H

#include "cert.h"
#include "config.h"
#include "gv/err.h"
#include "gv/manifest.h"
#include "identity.h"
#include "invite.h"
#include "record.h"

/* What goes into it; everything borrowed. */
struct gv_state_files {
    const struct gv_sign_key *sign;
    const struct gv_curve_key *curve;
    const struct gv_chain *chain;
    const struct gv_manifest *manifest; /* signed */
    const struct gv_config *config;
    uint64_t incarnation; /* the last one used */
    const struct gv_seed *seeds;
    uint32_t seed_count;
    const struct gv_record *peer; /* verified, and its bytes; or NULL */
    struct gv_span peer_bytes;
};

/* A DIR in the making. */
struct gv_state_draft {
    const char *dir; /* borrowed; NULL: nothing is open */
    bool made;       /* the folder did not exist before */
    int lock;
};

/** Creates and locks the DIR; refuses one that holds a node. One of keep and drop must follow on GV_OK. */
GV_NODISCARD enum gv_err gv_state_begin(struct gv_state_draft *draft, const char *dir, struct gv_diag *diag);
/** Writes the files. */
GV_NODISCARD enum gv_err gv_state_write(const struct gv_state_draft *draft, const struct gv_state_files *files,
                                        struct gv_diag *diag);
/** Lets go of a finished DIR. */
void gv_state_keep(struct gv_state_draft *draft);
/** Removes everything again. Nothing if nothing is open. */
void gv_state_drop(struct gv_state_draft *draft);

#endif
