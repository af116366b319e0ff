/*
 * A visit: someone who holds an invite but is not a member yet asks the seeds for the manifest.
 *
 *     visitor                          seed
 *       HELLO (purpose VISIT)  ---->
 *                              <----   WELCOME, or REFUSE and the reason
 *       MANIFEST_WANT          ---->
 *                              <----   MANIFEST
 *
 * A visit is no use of the invite and enters nobody's views.
 */
#ifndef GV_VISIT_H
#define GV_VISIT_H

#include "config.h"
#include "gv/err.h"
#include "gv/manifest.h"
#include "invite.h"
#include "record.h"

struct gv_visit {
    const struct gv_invite *invite;   /* borrowed */
    const struct gv_curve_key *curve; /* borrowed */
    enum gv_family family;
    const uint8_t *record; /* our signed record, borrowed */
    size_t record_bytes;
    uint64_t boot; /* as in the record */

    /* The answer. */
    uint32_t seed;               /* which one gave it */
    struct gv_manifest manifest; /* verified; the caller deinits it */
    struct gv_record host;       /* the seed's verified record, and its bytes */
    uint8_t host_bytes[GV_RECORD_BYTES_MAX];
    size_t host_bytes_count;
};

/**
 * Tries the seeds in turn, each a few seconds. GV_ERR_TIMEOUT if none answered; a refusal's reason if one refused; the
 * diagnosis names every seed and what came of it.
 */
GV_NODISCARD enum gv_err gv_visit(struct gv_visit *visit, struct gv_diag *diag);

#endif
