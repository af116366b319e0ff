/*
 * A visit: someone who holds an invite but is not a member yet asks the seeds for the manifest.
 *
 *     visitor                          seed
 *       HELLO (purpose VISIT)  ---->
 *                              <----   WELCOME, or REFUSE and the reason
 *       MANIFEST_WANT          ---->
 *                              <----   MANIFEST
 *
 * A visit is no use of the invite and enters nobody's views. A member may visit too, with a link key of its own for it:
 * the greeting alone says whether it would be let in, how the seed sees its address, and what time it is there.
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
    uint64_t boot;      /* as in the record */
    bool greeting_only; /* WELCOME will do: the manifest is not asked for */
    int answer_ms;      /* how long a seed may take to WELCOME; 0: as long as is usual */

    /* The answer. */
    uint32_t seed;                            /* which one gave it */
    char observed[GV_ENDPOINT_BYTES_MAX + 1]; /* our address, as it sees it */
    uint64_t wall_s;                          /* its clock */
    char outcome[160];                        /* else: what came of the last one that was tried */
    struct gv_manifest manifest;              /* verified; the caller deinits it */
    struct gv_record host;                    /* the seed's verified record, and its bytes */
    uint8_t host_bytes[GV_RECORD_BYTES_MAX];
    size_t host_bytes_count;
};

/**
 * Tries the seeds in turn, each a few seconds. GV_ERR_TIMEOUT if none answered; GV_ERR_CONFIG if the family rules all
 * of them out; a refusal's reason if one refused; the diagnosis names every seed and what came of it.
 */
GV_NODISCARD enum gv_err gv_visit(struct gv_visit *visit, struct gv_diag *diag);

#endif
