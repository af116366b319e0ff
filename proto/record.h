/*
 * A node's signed record: who it is, its link key, where it can be dialled, how new this is, why it is a member.
 */
#ifndef GV_RECORD_H
#define GV_RECORD_H

#include "cert.h"
#include "gv/err.h"
#include "gv/id.h"
#include "gv/msg.h"

#define GV_LEAVE_BYTES_MAX 256

struct gv_record {
    struct gv_swarm_id swarm;
    struct gv_sign_public identity; /* equals the subject of the chain's last link */
    struct gv_curve_public curve;
    uint32_t endpoint_count;
    char endpoints[GV_ENDPOINTS_MAX][GV_ENDPOINT_BYTES_MAX + 1]; /* "tcp://host:port" */
    uint64_t incarnation;
    uint64_t boot;
    uint32_t sequence;
    uint64_t issued_s;
    uint64_t capabilities; /* bit set, none defined in version 1 */
    struct gv_chain chain;
};

/** Signs and encodes. `out` holds GV_RECORD_BYTES_MAX. */
GV_NODISCARD enum gv_err gv_record_sign(uint8_t *out, size_t *bytes, const struct gv_record *record,
                                        const struct gv_sign_key *identity);

/** Reads without verifying: for a look at the hash or the order first. Errors as gv_wire_decode. */
GV_NODISCARD enum gv_err gv_record_decode(struct gv_record *record, const uint8_t *data, size_t bytes);

/** Decodes and verifies everything but expiry, uses and revocation. */
GV_NODISCARD enum gv_err gv_record_verify(struct gv_record *record, const struct gv_sign_public *root,
                                          const uint8_t *data, size_t bytes);

struct gv_ref gv_record_ref(const struct gv_record *record);

/** < 0 if a is older than b, by (incarnation, sequence). */
int gv_ref_order(const struct gv_ref *a, const struct gv_ref *b);

/** True if `text` is "tcp://HOST:PORT" with HOST a name, IPv4 or [IPv6] and PORT 1..65535. */
bool gv_endpoint_valid(const char *text);

/** A signed farewell for good: {swarm, identity, incarnation}. `out` holds GV_LEAVE_BYTES_MAX. */
GV_NODISCARD enum gv_err gv_leave_sign(uint8_t *out, size_t *bytes, const struct gv_swarm_id *swarm,
                                       uint64_t incarnation, const struct gv_sign_key *identity);
GV_NODISCARD enum gv_err gv_leave_verify(struct gv_id *id, uint64_t *incarnation, const struct gv_swarm_id *swarm,
                                         const uint8_t *data, size_t bytes);

#endif
