/*
 * The model of a state DIR, for eval, predict and export.
 */
#ifndef GV_SERVED_H
#define GV_SERVED_H

#include "cli.h"
#include "data.h"
#include "learner.h"
#include "model.h"

struct gv_served {
    struct gv_node_dir node;
    struct gv_model *model;
    float *memory; /* owned */
    const float *parameters;
    bool raw; /* the node's own after its last local step, else what the swarm agrees on */
    uint64_t steps;
    double age;
};

/** "served" or "raw": every command says which. */
const char *gv_served_name(const struct gv_served *served);

/**
 * Loads the model of the first positional argument, DIR, from its newest checkpoint, and with --raw the node's own. A
 * running daemon is asked for a fresh one first; if it writes none, the one there is does, and a note says so.
 * gv_served_close() follows in any case.
 */
GV_NODISCARD enum gv_err gv_served_open(struct gv_served *served, const struct gv_args *args, struct gv_diag *diag);
void gv_served_close(struct gv_served *served);

/**
 * Loads data and makes it fit the swarm. *samples <- its test part, or all of it if it has none. Not `labelled`: its
 * classes may be any, or none. Returns owned.
 */
GV_NODISCARD enum gv_err gv_served_data(const struct gv_served *served, struct gv_data *data,
                                        const struct gv_samples **samples, const char *spec, bool labelled,
                                        struct gv_diag *diag);

#endif
