/*
 * Churn: the draws. Each purpose, node and life has a stream of random numbers of its own.
 */
#include "churn.h"

/* Set these draws apart from one another and from other uses of the seed. */
static const uint64_t SESSION_SEED = UINT64_C(0x73657373696f6e73);
static const uint64_t DOWNTIME_SEED = UINT64_C(0x646f776e74696d65);
static const uint64_t TORN_SEED = UINT64_C(0x746f726e20737461);

static void stream(struct gv_random *random, uint64_t seed, uint32_t node, uint32_t life)
{
    gv_random_seed(random, seed, (uint64_t)life << 32 | node);
}

/* Beyond 31,000 years nothing happens any more: no time, and so not gv_sim_whole_us(). */
static uint64_t whole_us(double us)
{
    return us < 1e18 ? (uint64_t)us : UINT64_MAX;
}

/* A life and a break take time: or time would stand still while a node comes and goes. */
static uint64_t some_us(double us)
{
    return whole_us(us < 1.0 ? 1.0 : us);
}

/* Exponential with the mean 1 / rate; the rate is above zero. */
static uint64_t exponential_us(struct gv_random *random, double rate)
{
    return whole_us(-gv_portable_log(gv_random_open(random)) / rate);
}

uint64_t gv_churn_session(const struct gv_scenario *scenario, uint64_t seed, uint32_t node, uint32_t life)
{
    struct gv_random random;
    stream(&random, seed ^ SESSION_SEED, node, life);
    uint64_t session_us = UINT64_MAX;
    if (!gv_dist_is_zero(&scenario->churn.session)) {
        session_us = some_us(gv_dist_draw(&scenario->churn.session, &random));
    }
    if (scenario->churn.rate > 0.0) {
        uint64_t leaves_us = exponential_us(&random, scenario->churn.rate);
        leaves_us = leaves_us > 0 ? leaves_us : 1;
        session_us = leaves_us < session_us ? leaves_us : session_us;
    }
    return session_us;
}

uint64_t gv_churn_downtime(const struct gv_scenario *scenario, uint64_t seed, uint32_t node, uint32_t life)
{
    if (gv_dist_is_zero(&scenario->churn.downtime)) {
        return UINT64_MAX;
    }
    struct gv_random random;
    stream(&random, seed ^ DOWNTIME_SEED, node, life);
    return some_us(gv_dist_draw(&scenario->churn.downtime, &random));
}

bool gv_churn_torn(const struct gv_scenario *scenario, uint64_t seed, uint32_t node, uint32_t life)
{
    struct gv_random random;
    stream(&random, seed ^ TORN_SEED, node, life);
    return gv_random_open(&random) < scenario->churn.torn_state;
}

uint64_t gv_churn_gap(const struct gv_scenario *scenario, struct gv_random *random)
{
    return scenario->churn.arrivals > 0.0 ? exponential_us(random, scenario->churn.arrivals) : UINT64_MAX;
}
