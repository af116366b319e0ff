/*
 * Whether a running node is healthy: see health.h.
 */
#include "health.h"

#include <stdio.h>
#include <string.h>

/* A node that exchanges does so within seconds; ten minutes without is no longer bad luck. */
#define EXCHANGE_LATE_S 600.0

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

bool gv_healthy(char why[GV_HEALTH_BYTES], const json_t *status)
{
    const json_t *last = json_object_get(status, "last_exchange_s");
    double since_s = json_number_value(json_is_number(last) ? last : json_object_get(status, "uptime_s"));
    const char *lonely = text_of(status, "lonely");
    /* Begins no exchange, and its peers may rest like it. */
    bool idle = strcmp(text_of(status, "state"), "paused") == 0 || json_is_true(json_object_get(status, "resting"));
    why[0] = '\0';
    if (json_is_false(json_object_get(status, "model_finite"))) {
        (void)snprintf(why, GV_HEALTH_BYTES,
                       "the model is not finite: check this node's data, and the swarm's rate if others say so too; "
                       "the node takes the swarm's model over, at most once in ten minutes");
    } else if (text_of(status, "checkpoint_error")[0] != '\0') {
        (void)snprintf(why, GV_HEALTH_BYTES,
                       "the last checkpoint could not be written: %s; what was learnt since the one before is lost if "
                       "the node is killed",
                       text_of(status, "checkpoint_error"));
    } else if (strcmp(text_of(status, "state"), "isolated") == 0) {
        (void)snprintf(why, GV_HEALTH_BYTES, "isolated: %s",
                       lonely[0] != '\0' ? lonely
                                         : "no neighbour says how old the swarm's model is; see `grapevine peers`");
    } else if (json_number_value(json_object_get(status, "alarms")) > 0) {
        (void)snprintf(why, GV_HEALTH_BYTES, "alarms were raised, the last one: %s", text_of(status, "last_alarm"));
    } else if (since_s > EXCHANGE_LATE_S && !idle) {
        (void)snprintf(why, GV_HEALTH_BYTES, "no exchange for more than ten minutes%s%s", lonely[0] != '\0' ? ": " : "",
                       lonely);
    }
    return why[0] == '\0';
}
