/*
 * Where others see us: see observed.h.
 */
#include "observed.h"

#include <string.h>

#include "record.h"
#include "scope.h"

static uint32_t voices_for(const struct gv_observed *observed, const char *host)
{
    uint32_t count = 0;
    for (size_t i = 0; i < GV_SIGHTINGS; i++) {
        count += strcmp(observed->sightings[i].host, host) == 0 ? 1 : 0;
    }
    return count;
}

/* All of them, where there are fewer than three. */
static uint32_t voices_needed(const struct gv_observed *observed)
{
    uint32_t heard = GV_SIGHTINGS - voices_for(observed, "");
    return heard < GV_SIGHTINGS_TO_MOVE ? heard : GV_SIGHTINGS_TO_MOVE;
}

/* In the place of what this peer said before, or of the oldest. */
static void note(struct gv_observed *observed, const struct gv_id *peer, const char *host)
{
    size_t at = 0;
    while (at < GV_SIGHTINGS && !gv_id_equal(&observed->sightings[at].peer, peer)) {
        at++;
    }
    if (at == GV_SIGHTINGS) {
        at = observed->next++ % GV_SIGHTINGS;
    }
    observed->sightings[at].peer = *peer;
    (void)snprintf(observed->sightings[at].host, sizeof observed->sightings[at].host, "%s", host);
}

bool gv_observed_report(struct gv_observed *observed, const struct gv_id *peer, const char *endpoint)
{
    char host[GV_ENDPOINT_BYTES_MAX + 1];
    uint32_t port;
    /* A scope is a link of the peer's machine. */
    if (!gv_endpoint_valid(endpoint) || !gv_endpoint_literal(endpoint) || gv_scope_of(endpoint) == GV_SCOPE_ANY ||
        strchr(endpoint, '%') != NULL || !gv_endpoint_split(host, &port, endpoint)) {
        return false;
    }
    note(observed, peer, host);
    uint32_t voices = voices_for(observed, host);
    bool agreed = voices >= voices_needed(observed) && voices > voices_for(observed, observed->host);
    if (strcmp(host, observed->host) == 0 || (observed->host[0] != '\0' && !agreed)) {
        return false;
    }
    memcpy(observed->host, host, sizeof host);
    return true;
}
