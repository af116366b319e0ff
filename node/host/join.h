/*
 * Joining a swarm: from a token to a state DIR.
 */
#ifndef GV_JOIN_H
#define GV_JOIN_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "gv/err.h"
#include "gv/id.h"
#include "gv/limits.h"

struct gv_join_options {
    const char *token;
    const char *dir;
    const struct gv_config *config; /* data, listen, advertise, shard...: written to config.ini; borrowed */
};

struct gv_join_result {
    char name[GV_NAME_BYTES_MAX + 1];
    struct gv_id id;
    uint64_t manifest_version;
    char model[128];
    char seed[GV_ENDPOINT_BYTES_MAX + 1]; /* which one answered */
    uint64_t skipped_rows;                /* of the data */
};

/** Binds the configured endpoint for a moment. GV_ERR_NET if it is in use, GV_ERR_CONFIG if it cannot be bound. */
GV_NODISCARD enum gv_err gv_try_listening(const struct gv_config *config, struct gv_diag *diag);

/**
 * Decodes the token, makes keys, asks the seeds for the manifest, checks the data against it and only then writes DIR.
 * Nothing is left behind on failure. Needs gv_proto_init(). Takes up to ten seconds where no seed answers.
 *
 * GV_ERR_TOKEN, GV_ERR_PATH, GV_ERR_DATA and so on for what the user gave; GV_ERR_EXPIRED, _USED_UP, _CLOSED, _REVOKED
 * and other reasons of a seed that refused; GV_ERR_TIMEOUT if none answered.
 */
GV_NODISCARD enum gv_err gv_join(const struct gv_join_options *options, struct gv_join_result *result,
                                 struct gv_diag *diag);

#endif
