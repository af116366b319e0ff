/*
 * What a simulation leaves behind: DIR/metrics.csv (one line a sample, written as the run goes), DIR/summary.json,
 * DIR/scenario.ini (the scenario as run, seed included) and DIR/report.html with plots through gnuplot, if present.
 * Values that a mode does not have (accuracy without learning) are NaN and stay empty in the CSV, null in the JSON.
 */
#ifndef GV_REPORT_H
#define GV_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "choice.h"
#include "gv/err.h"
#include "scenario.h"
#include "vitals.h"

/* The state of the run at one moment of virtual time. Counts are cumulative since the start. */
struct gv_sample {
    double virtual_s, wall_s; /* wall time since virtual time began, set-up not counted */
    uint64_t events;
    uint32_t nodes;         /* ever, so far; 0: taken for the most that were seen live */
    uint32_t live_nodes;    /* processes that run */
    uint32_t serving_nodes; /* of them, those that have a model and a neighbour */
    uint32_t components; /* of the graph of active views of the live nodes; those of hostile ones alone do not count */
    uint32_t largest_component; /* nodes that are not hostile */
    double peers_active_mean;
    double in_degree_mean, in_degree_deviation; /* how often a node stands in others' views (active and passive) */
    double in_degree_random_deviation;          /* of a random graph with this mean */
    uint32_t evaluated_nodes;                   /* whose models the accuracies and the loss are of */
    double accuracy_mean, accuracy_min, accuracy_max, accuracy_p10, accuracy_p90, accuracy_of_mean_model; /* 0..1 */
    double loss_mean;
    double consensus_distance; /* root of the mean squared distance of a node's parameters from the mean model */
    double variance;           /* MEAN: of an element over live nodes, unbiased; the mean over the elements */
    double mean;               /* MEAN: its mean */
    double steps_mean, age_mean;
    uint64_t exchanges_done, exchanges_failed, exchanges_refused, exchanges_doubt; /* initiator's view, each once */
    uint64_t messages, bytes;                                                      /* sent, all nodes */
    uint64_t bytes_state; /* of them, chunks and inline states: parameters */
    uint64_t arrivals, departures, crashes, restarts;
    uint64_t alarms;         /* raised by nodes: copied keys, conflicting manifests */
    uint64_t models;         /* local trainings (rounds) finished */
    struct gv_choice choice; /* of members that were there since report.choice_from */
    uint32_t newcomers;      /* nodes that came later */
    double newcomer_s;       /* the age from which they are chosen as often as members, but for a tenth; NaN: never */
    uint64_t invariants_checked;
    uint64_t rss_bytes;
};

/* Of the data, in `train`. */
struct gv_row_counts {
    uint64_t train, test, test_used; /* in all; of the test rows those that models are evaluated on */
    uint64_t node_least, node_most;  /* training rows of a node */
};

struct gv_summary {
    struct gv_sample last;
    struct gv_row_counts rows;
    double setup_wall_s; /* before virtual time began: keys, data */
    uint32_t nodes;      /* ever */
    uint64_t peak_rss_bytes;
    uint32_t threads;
    uint64_t seed;
    uint64_t trace_hash;
    double compute_share;   /* of all core time: inside learning work (BLAS, loss, optimiser); NaN without learning */
    double merge_share;     /* snapshots, codecs, merges */
    double evaluate_share;  /* evaluation for the report */
    double variance_factor; /* MEAN: geometric mean of the variance's factor per cycle; NaN elsewhere */
    double mean_drift;      /* MEAN: |mean - first mean| / first standard deviation */
    struct gv_vitals vitals;
    double newcomer_rates[GV_CHOICE_BINS]; /* how often newcomers are chosen in parts of a member's rate, by age */
    bool partial;                          /* interrupted */
    const char *violated;                  /* name of the invariant that ended the run, or NULL */
};

struct gv_report;

/** Creates DIR (and what is missing above it), scenario.ini and the CSV's header; removes the summary and the report of
 *  an earlier run there. Refuses a path that cannot be written (GV_ERR_PATH, GV_ERR_NO_SPACE), that holds files of
 *  something else (GV_ERR_PATH) or into which another run writes (GV_ERR_IN_USE). `dir` NULL: only the terminal. Copies
 *  the scenario. Returns owned. */
GV_NODISCARD enum gv_err gv_report_new(struct gv_report **report, const char *dir, const struct gv_scenario *scenario,
                                       uint64_t seed, struct gv_diag *diag);
/** One more sample: a line of the CSV. */
GV_NODISCARD enum gv_err gv_report_sample(struct gv_report *report, const struct gv_sample *sample,
                                          struct gv_diag *diag);
/** Writes summary.json and report.html. */
GV_NODISCARD enum gv_err gv_report_finish(struct gv_report *report, const struct gv_summary *summary,
                                          struct gv_diag *diag);
void gv_report_free(struct gv_report **report);

/** The summary as one JSON object on `out` (that of `sim --json` and summary.json). */
void gv_summary_write(const struct gv_summary *summary, const struct gv_scenario *scenario, FILE *out);
/** The summary for a person, a dozen lines. */
void gv_summary_print(const struct gv_summary *summary, const struct gv_scenario *scenario, FILE *out);

/** The live progress line on a terminal (virtual time, events a second, live nodes, accuracy or variance, time left);
 *  does nothing if `out` is none. Rate-limited by itself: may be called often. */
struct gv_progress {
    FILE *out;
    bool terminal;
    double last_wall_s;
    uint64_t last_events;
    bool shown;
};
void gv_progress_init(struct gv_progress *progress, FILE *out);
void gv_progress_show(struct gv_progress *progress, const struct gv_scenario *scenario, const struct gv_sample *sample);
void gv_progress_clear(struct gv_progress *progress);

/**
 * Lays runs over one another: reads each DIR's metrics.csv, summary.json and scenario.ini and writes out/report.html
 * with every run in one plot and a table of summaries and of the settings that differ. GV_OK or a user's error that
 * says which file of which DIR is missing or damaged.
 */
GV_NODISCARD enum gv_err gv_compare(const char *const *dirs, uint32_t count, const char *out, struct gv_diag *diag);

#endif
