/*
 * A run over time, as it is plotted.
 */
#include "series.h"

#include <math.h>
#include <stdlib.h>

/* 1 / (2 sqrt(e)): what the variance of averaging in pairs shrinks by in a cycle in which each node initiates once,
 * with uniform peers. Source: Jelasity, Montresor, Babaoglu, "Gossip-based aggregation in large dynamic networks",
 * 2005. */
#define VARIANCE_FACTOR 0.30326532985631671

/* What a point is made from: the samples of one group, and the one before them. */
struct group {
    struct gv_sample last;
    const struct gv_sample *before; /* NULL: the start of time, when nothing had happened */
    double accuracy_min;
    uint32_t components;
};

static double difference(uint64_t now, uint64_t before, double seconds)
{
    return seconds > 0.0 && now >= before ? (double)(now - before) / seconds : (double)NAN;
}

static void fill_state(double *at, const struct group *group, const struct gv_scenario *scenario)
{
    const struct gv_sample *s = &group->last;
    at[GV_COL_TIME] = s->virtual_s;
    at[GV_COL_CYCLE] =
        scenario->swarm.round_us > 0 ? s->virtual_s * 1e6 / (double)scenario->swarm.round_us : s->virtual_s;
    at[GV_COL_ACCURACY] = s->accuracy_mean;
    at[GV_COL_ACCURACY_MIN] = group->accuracy_min;
    at[GV_COL_ACCURACY_P10] = s->accuracy_p10;
    at[GV_COL_ACCURACY_P90] = s->accuracy_p90;
    at[GV_COL_ACCURACY_MODEL] = s->accuracy_of_mean_model;
    at[GV_COL_LOSS] = s->loss_mean;
    at[GV_COL_CONSENSUS] = s->consensus_distance;
    at[GV_COL_VARIANCE] = s->variance;
    at[GV_COL_LIVE] = s->live_nodes;
    at[GV_COL_SERVING] = s->serving_nodes;
    at[GV_COL_COMPONENTS] = group->components;
    at[GV_COL_LARGEST] = s->largest_component;
    at[GV_COL_PEERS] = s->peers_active_mean;
    at[GV_COL_IN_DEGREE] = s->in_degree_mean;
    at[GV_COL_IN_DEGREE_LOW] = s->in_degree_mean - s->in_degree_deviation;
    at[GV_COL_IN_DEGREE_HIGH] = s->in_degree_mean + s->in_degree_deviation;
    at[GV_COL_DEVIATION] = s->in_degree_deviation;
    at[GV_COL_DEVIATION_RANDOM] = s->in_degree_random_deviation;
    at[GV_COL_STEPS] = s->steps_mean;
    at[GV_COL_AGE] = s->age_mean;
}

static void fill_rates(double *at, const struct group *group, const double *before_at)
{
    static const struct gv_sample nothing;
    const struct gv_sample *s = &group->last, *b = group->before != NULL ? group->before : &nothing;
    double seconds = s->virtual_s - b->virtual_s;
    double live = group->before != NULL ? 0.5 * ((double)s->live_nodes + b->live_nodes) : s->live_nodes;
    double sent_before = before_at != NULL ? before_at[GV_COL_SENT] : 0.0;
    at[GV_COL_SENT] = sent_before + (live > 0.0 && s->bytes >= b->bytes ? (double)(s->bytes - b->bytes) / live : 0.0);
    if (live > 0.0) {
        at[GV_COL_RATE_ALL] = difference(s->bytes, b->bytes, seconds) / live;
        at[GV_COL_RATE_STATE] = difference(s->bytes_state, b->bytes_state, seconds) / live;
        at[GV_COL_RATE_OTHER] = at[GV_COL_RATE_ALL] - at[GV_COL_RATE_STATE];
        at[GV_COL_MESSAGES] = difference(s->messages, b->messages, seconds) / live;
    }
    at[GV_COL_DONE] = difference(s->exchanges_done, b->exchanges_done, seconds);
    at[GV_COL_REFUSED] = difference(s->exchanges_refused, b->exchanges_refused, seconds);
    at[GV_COL_FAILED] = difference(s->exchanges_failed, b->exchanges_failed, seconds);
    at[GV_COL_DOUBT] = difference(s->exchanges_doubt, b->exchanges_doubt, seconds);
}

/* Against the first point that has a variance, and the one before. */
static void fill_averaging(struct gv_series *series, uint32_t index, uint32_t first, const struct gv_sample *sample,
                           const struct gv_sample *first_sample)
{
    double *at = series->points[index];
    if (isnan(at[GV_COL_VARIANCE]) || first_sample == NULL) {
        return;
    }
    const double *start = series->points[first];
    double cycles = at[GV_COL_CYCLE] - start[GV_COL_CYCLE];
    at[GV_COL_VARIANCE_THEORY] = start[GV_COL_VARIANCE] * pow(VARIANCE_FACTOR, cycles);
    at[GV_COL_FACTOR_THEORY] = VARIANCE_FACTOR;
    double deviation = sqrt(start[GV_COL_VARIANCE]);
    if (deviation > 0.0) {
        at[GV_COL_DRIFT] = fabs(sample->mean - first_sample->mean) / deviation;
    }
    if (index > first) {
        const double *before = series->points[index - 1];
        double passed = at[GV_COL_CYCLE] - before[GV_COL_CYCLE];
        if (passed > 0.0 && before[GV_COL_VARIANCE] > 0.0 && at[GV_COL_VARIANCE] > 0.0) {
            at[GV_COL_FACTOR] = pow(at[GV_COL_VARIANCE] / before[GV_COL_VARIANCE], 1.0 / passed);
        }
    }
}

/* The samples from `from` up to, not including, `to` as one. */
static struct group join(const struct gv_metrics *metrics, uint32_t from, uint32_t to)
{
    struct group group = {.last = metrics->samples[to - 1], .before = from > 0 ? &metrics->samples[from - 1] : NULL};
    group.accuracy_min = (double)NAN;
    for (uint32_t i = from; i < to; i++) {
        const struct gv_sample *sample = &metrics->samples[i];
        group.accuracy_min = fmin(group.accuracy_min, sample->accuracy_min); /* fmin() passes NaN over */
        group.components = sample->components > group.components ? sample->components : group.components;
    }
    return group;
}

enum gv_err gv_series_init(struct gv_series *series, const struct gv_metrics *metrics,
                           const struct gv_scenario *scenario)
{
    *series = (struct gv_series){0};
    uint32_t most = GV_SERIES_POINTS_MAX, each = (metrics->count + most - 1) / most;
    if (metrics->count == 0) {
        return GV_OK;
    }
    series->points = calloc((metrics->count + each - 1) / each, sizeof *series->points);
    if (series->points == NULL) {
        return GV_ERR_NOMEM;
    }
    const struct gv_sample *first_sample = NULL;
    uint32_t first = 0;
    for (uint32_t from = 0; from < metrics->count; from += each) {
        uint32_t to = metrics->count - from > each ? from + each : metrics->count, index = series->count++;
        double *at = series->points[index];
        for (int column = 0; column < GV_COL_COUNT; column++) {
            at[column] = (double)NAN;
        }
        struct group group = join(metrics, from, to);
        fill_state(at, &group, scenario);
        fill_rates(at, &group, index > 0 ? series->points[index - 1] : NULL);
        if (first_sample == NULL && !isnan(at[GV_COL_VARIANCE])) {
            first_sample = &metrics->samples[to - 1];
            first = index;
        }
        fill_averaging(series, index, first, &metrics->samples[to - 1], first_sample);
    }
    return GV_OK;
}

void gv_series_deinit(struct gv_series *series)
{
    free(series->points);
    *series = (struct gv_series){0};
}

bool gv_series_range(const struct gv_series *series, enum gv_column column, bool positive, double *low, double *high)
{
    bool found = false;
    for (uint32_t i = 0; i < series->count; i++) {
        double value = series->points[i][column];
        if (isfinite(value) && !(positive && value <= 0.0)) {
            *low = fmin(*low, value);
            *high = fmax(*high, value);
            found = true;
        }
    }
    return found;
}
