/*
 * A run over time, as it is plotted: what the samples count is turned into rates, and thinned to what an eye can tell.
 */
#ifndef GV_SERIES_H
#define GV_SERIES_H

#include <stdint.h>

#include "gv/err.h"
#include "metrics.h"
#include "scenario.h"

enum gv_column {
    GV_COL_NONE = 0,
    GV_COL_TIME,     /* s, virtual */
    GV_COL_CYCLE,    /* virtual time over swarm.round */
    GV_COL_SENT,     /* bytes sent by a node that was there all the time */
    GV_COL_ACCURACY, /* 0..1 */
    GV_COL_ACCURACY_MIN,
    GV_COL_ACCURACY_P10,
    GV_COL_ACCURACY_P90,
    GV_COL_ACCURACY_MODEL,
    GV_COL_LOSS,
    GV_COL_CONSENSUS,
    GV_COL_VARIANCE,
    GV_COL_VARIANCE_THEORY, /* from the first variance on, a factor of 1/(2 sqrt(e)) each cycle */
    GV_COL_FACTOR,          /* of the variance a cycle, since the point before */
    GV_COL_FACTOR_THEORY,
    GV_COL_DRIFT, /* |mean - first mean| in first deviations */
    GV_COL_LIVE,
    GV_COL_SERVING,
    GV_COL_COMPONENTS,
    GV_COL_LARGEST, /* nodes in the largest component */
    GV_COL_PEERS,
    GV_COL_IN_DEGREE,
    GV_COL_IN_DEGREE_LOW, /* mean -+ deviation */
    GV_COL_IN_DEGREE_HIGH,
    GV_COL_DEVIATION,
    GV_COL_DEVIATION_RANDOM, /* of a random graph with the same mean: binomial */
    GV_COL_RATE_ALL,         /* bytes a second and live node */
    GV_COL_RATE_STATE,
    GV_COL_RATE_OTHER,
    GV_COL_MESSAGES, /* a second and live node */
    GV_COL_DONE,     /* a second, all nodes */
    GV_COL_REFUSED,
    GV_COL_FAILED,
    GV_COL_DOUBT,
    GV_COL_STEPS,
    GV_COL_AGE,
    GV_COL_COUNT,
};

#define GV_SERIES_POINTS_MAX 1000u

struct gv_series {
    double (*points)[GV_COL_COUNT]; /* (count), owned; NaN where there is no value */
    uint32_t count;
};

/** Of at most GV_SERIES_POINTS_MAX points; where samples are joined, the least accuracy and the most components of them
 *  are kept. GV_ERR_NOMEM. */
GV_NODISCARD enum gv_err gv_series_init(struct gv_series *series, const struct gv_metrics *metrics,
                                        const struct gv_scenario *scenario);
void gv_series_deinit(struct gv_series *series);

/** Least and greatest finite value of a column, widened from what *low and *high are. False if there is none. With
 *  `positive` only values above 0 count. */
bool gv_series_range(const struct gv_series *series, enum gv_column column, bool positive, double *low, double *high);

#endif
