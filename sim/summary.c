/*
 * The end of a run: as JSON for programs, as a dozen lines for a person.
 */
#include "summary.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"
#include "number.h"

/* What scripts rely on, with the kind of JSON value each is. A real may be null. */
static const struct promised {
    const char *name;
    json_type type;
} PROMISED[] = {
    {"nodes", JSON_INTEGER},
    {"virtual_s", JSON_REAL},
    {"wall_s", JSON_REAL},
    {"events", JSON_INTEGER},
    {"exchanges_done", JSON_INTEGER},
    {"exchanges_failed", JSON_INTEGER},
    {"bytes_per_node", JSON_REAL},
    {"accuracy_mean", JSON_REAL},
    {"accuracy_min", JSON_REAL},
    {"accuracy_of_mean_model", JSON_REAL},
    {"consensus_distance", JSON_REAL},
    {"components", JSON_INTEGER},
    {"live_nodes", JSON_INTEGER},
    {"invariants_checked", JSON_INTEGER},
    {"peak_rss_bytes", JSON_INTEGER},
    {"threads", JSON_INTEGER},
    {"seed", JSON_INTEGER},
    {"trace_hash", JSON_STRING},
};

const char *gv_summary_mode(enum gv_mode mode)
{
    static const char *const names[] = {"train", "mean", "membership"};
    GV_ASSERT((size_t)mode < sizeof names / sizeof names[0]);
    return names[mode];
}

/* NULL where there is no memory; json_object_set_new() then fails, and `ok` says so at the end. */
static json_t *real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* JSON's integers have no bound, Jansson's end at 2^63 - 1: a larger one goes as a string, rather than rounded. */
static json_t *whole(uint64_t value)
{
    return value <= INT64_MAX ? json_integer((json_int_t)value) : json_sprintf("%llu", (unsigned long long)value);
}

static double per(double count, double seconds)
{
    return seconds > 0.0 ? count / seconds : (double)NAN;
}

struct setter {
    json_t *object;
    bool ok;
};

static void set(struct setter *to, const char *name, json_t *value)
{
    to->ok = json_object_set_new(to->object, name, value) == 0 && to->ok;
}

static void set_promised(struct setter *to, const struct gv_summary *summary)
{
    const struct gv_sample *last = &summary->last;
    struct gv_sample ever = *last;
    ever.nodes = summary->nodes;
    set(to, "nodes", whole(summary->nodes));
    set(to, "virtual_s", real(last->virtual_s));
    set(to, "wall_s", real(last->wall_s));
    set(to, "events", whole(last->events));
    set(to, "exchanges_done", whole(last->exchanges_done));
    set(to, "exchanges_failed", whole(last->exchanges_failed));
    set(to, "bytes_per_node", real(gv_metrics_bytes_per_node(&ever)));
    set(to, "accuracy_mean", real(last->accuracy_mean));
    set(to, "accuracy_min", real(last->accuracy_min));
    set(to, "accuracy_of_mean_model", real(last->accuracy_of_mean_model));
    set(to, "consensus_distance", real(last->consensus_distance));
    set(to, "components", whole(last->components));
    set(to, "live_nodes", whole(last->live_nodes));
    set(to, "invariants_checked", whole(last->invariants_checked));
    set(to, "peak_rss_bytes", whole(summary->peak_rss_bytes));
    set(to, "threads", whole(summary->threads));
    set(to, "seed", whole(summary->seed));
    set(to, "trace_hash", json_sprintf("%016llx", (unsigned long long)summary->trace_hash));
}

static void set_swarm(struct setter *to, const struct gv_sample *last)
{
    set(to, "serving_nodes", whole(last->serving_nodes));
    set(to, "largest_component", whole(last->largest_component));
    set(to, "peers_active_mean", real(last->peers_active_mean));
    set(to, "in_degree_mean", real(last->in_degree_mean));
    set(to, "in_degree_deviation", real(last->in_degree_deviation));
    set(to, "in_degree_random_deviation", real(last->in_degree_random_deviation));
    set(to, "accuracy_max", real(last->accuracy_max));
    set(to, "accuracy_p10", real(last->accuracy_p10));
    set(to, "accuracy_p90", real(last->accuracy_p90));
    set(to, "loss_mean", real(last->loss_mean));
    set(to, "variance", real(last->variance));
    set(to, "mean", real(last->mean));
    set(to, "steps_mean", real(last->steps_mean));
    set(to, "age_mean", real(last->age_mean));
    set(to, "exchanges_refused", whole(last->exchanges_refused));
    set(to, "exchanges_doubt", whole(last->exchanges_doubt));
    set(to, "messages", whole(last->messages));
    set(to, "bytes", whole(last->bytes));
    set(to, "bytes_state", whole(last->bytes_state));
    set(to, "arrivals", whole(last->arrivals));
    set(to, "departures", whole(last->departures));
    set(to, "crashes", whole(last->crashes));
    set(to, "restarts", whole(last->restarts));
    set(to, "alarms", whole(last->alarms));
    set(to, "models", whole(last->models));
}

/* The bins up to the last in which there was a newcomer. */
static json_t *newcomer_rates(const struct gv_summary *summary)
{
    json_t *rates = json_array();
    uint32_t used = GV_CHOICE_BINS;
    while (used > 0 && isnan(summary->newcomer_rates[used - 1])) {
        used--;
    }
    for (uint32_t i = 0; i < used; i++) {
        if (json_array_append_new(rates, real(summary->newcomer_rates[i])) != 0) {
            json_decref(rates);
            return NULL;
        }
    }
    return rates;
}

static void set_choice(struct setter *to, const struct gv_summary *summary)
{
    const struct gv_sample *last = &summary->last;
    set(to, "choice_nodes", whole(last->choice.nodes));
    set(to, "choice_count", whole(last->choice.count));
    set(to, "choice_chi_square", real(last->choice.chi_square));
    set(to, "choice_z", real(last->choice.z));
    set(to, "choice_dispersion", real(last->choice.dispersion));
    set(to, "choice_spread", real(last->choice.spread));
    set(to, "newcomers", whole(last->newcomers));
    set(to, "newcomer_s", real(last->newcomer_s));
    set(to, "newcomer_bin_s", real(GV_CHOICE_BIN_US / 1e6));
    set(to, "newcomer_rates", newcomer_rates(summary));
}

/* Which data, and how much of it: without that, no accuracy means anything. */
static void set_data(struct setter *to, const struct gv_summary *summary, const struct gv_scenario *scenario)
{
    json_t *data = json_string(scenario->learning.data); /* a path may be no UTF-8 */
    set(to, "data", data != NULL ? data : json_null());
    set(to, "train_rows", whole(summary->rows.train));
    set(to, "node_rows_min", whole(summary->rows.node_least));
    set(to, "node_rows_max", whole(summary->rows.node_most));
    set(to, "test_rows", whole(summary->rows.test));
    set(to, "test_rows_used", whole(summary->rows.test_used));
    set(to, "evaluated_nodes", whole(summary->last.evaluated_nodes));
}

static void set_delays(struct setter *to, const char *name, const struct gv_delay_figures *figures)
{
    set(to, name,
        json_pack("{s:o,s:o,s:o,s:o}", "count", whole(figures->count), "median_s", real(figures->median_s), "p99_s",
                  real(figures->p99_s), "max_s", real(figures->most_s)));
}

static void set_vitals(struct setter *to, const struct gv_vitals *vitals)
{
    set(to, "node_hours", real(vitals->node_hours));
    set(to, "largest_share_min", real(vitals->largest_share_least));
    set(to, "connected_since_s", real(vitals->connected_since_s));
    set(to, "exchange_gap_max_s", real(vitals->exchange_gap_most_s));
    set_delays(to, "crash_detection", &vitals->crashes);
    set_delays(to, "leave_spread", &vitals->leaves);
    set_delays(to, "revocation_spread", &vitals->revocations);
    set(to, "revocations_known_share", real(vitals->revocations_known_share));
    set(to, "dead_neighbour_max_s", real(vitals->ghost_most_s));
    set(to, "false_removals", whole(vitals->false_removals));
    set(to, "messages_per_node_s", real(vitals->messages_per_node_s));
    set(to, "bytes_per_node_s", real(vitals->bytes_per_node_s));
    set(to, "cross_share", real(vitals->cross_share));
    set(to, "cross_share_expected", real(vitals->cross_expected));
    set(to, "hostile_share", real(vitals->hostile_share));
    set(to, "hostile_neighbour_share", real(vitals->hostile_neighbour_share));
    set(to, "hostile_known_share", real(vitals->hostile_known_share));
    set(to, "hostile_exchange_share", real(vitals->hostile_exchange_share));
    set(to, "eclipsed_rate", real(vitals->eclipsed_rate));
    set(to, "eclipsed_rate_expected", real(vitals->eclipsed_expected));
    set(to, "eclipsed_max_s", real(vitals->eclipsed_most_s));
}

json_t *gv_summary_json(const struct gv_summary *summary, const struct gv_scenario *scenario)
{
    const struct gv_sample *last = &summary->last;
    struct setter to = {.object = json_object(), .ok = true};
    set_promised(&to, summary);
    /* The name is a file's: it may be no UTF-8, which JSON cannot carry. */
    json_t *name = json_string(scenario->name);
    set(&to, "scenario", name != NULL ? name : json_null());
    set(&to, "mode", json_string(gv_summary_mode(scenario->swarm.mode)));
    set(&to, "signatures",
        json_string(scenario->swarm.signatures == GV_SIGNATURES_REAL ? "verified by every node" : "memoised"));
    set(&to, "partial", json_boolean(summary->partial));
    set(&to, "violated", summary->violated != NULL ? json_string(summary->violated) : json_null());
    if (scenario->swarm.mode == GV_MODE_TRAIN) {
        set_data(&to, summary, scenario);
    }
    set_swarm(&to, last);
    if (scenario->swarm.mode != GV_MODE_MEMBERSHIP) {
        set_choice(&to, summary);
    }
    set(&to, "setup_wall_s", real(summary->setup_wall_s));
    set(&to, "events_per_s", real(per((double)last->events, last->wall_s)));
    set(&to, "exchanges_per_s", real(per((double)last->exchanges_done, last->wall_s)));
    set(&to, "models_per_s", real(per((double)last->models, last->wall_s)));
    set(&to, "compute_share", real(summary->compute_share));
    set(&to, "merge_share", real(summary->merge_share));
    set(&to, "evaluate_share", real(summary->evaluate_share));
    set(&to, "variance_factor", real(summary->variance_factor));
    set(&to, "mean_drift", real(summary->mean_drift));
    set_vitals(&to, &summary->vitals);
    if (!to.ok) {
        json_decref(to.object);
        return NULL;
    }
    return to.object;
}

char *gv_summary_text(const json_t *json)
{
    char *body = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    char *text = NULL;
    if (body != NULL && asprintf(&text, "%s\n", body) < 0) {
        text = NULL;
    }
    free(body);
    return text;
}

void gv_summary_write(const struct gv_summary *summary, const struct gv_scenario *scenario, FILE *out)
{
    json_t *json = gv_summary_json(summary, scenario);
    char *text = json != NULL ? gv_summary_text(json) : NULL;
    if (text != NULL) {
        (void)fputs(text, out);
    } else {
        (void)fputs("{}\n", out);
        (void)fputs("no memory for the summary\n", stderr);
    }
    free(text);
    json_decref(json);
}

static bool fits(const json_t *value, json_type type)
{
    switch (type) {
    case JSON_INTEGER:
        return json_is_integer(value) || json_is_string(value); /* the latter above 2^63 - 1 */
    case JSON_REAL:
        return json_is_number(value) || json_is_null(value);
    default:
        return json_typeof(value) == type;
    }
}

enum gv_err gv_summary_read(json_t **json, const char *path, struct gv_diag *diag)
{
    *json = NULL;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return gv_diag_set(diag, errno == ENOENT || errno == ENOTDIR ? GV_ERR_NOT_FOUND : GV_ERR_IO,
                           "%s: cannot be opened: %s", path, strerror(errno));
    }
    json_error_t error;
    json_t *root = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    (void)fclose(file);
    if (root == NULL) {
        return gv_diag_set(diag, GV_ERR_DATA, "%s: line %d: %s", path, error.line, error.text);
    }
    enum gv_err err =
        json_is_object(root) ? GV_OK : gv_diag_set(diag, GV_ERR_DATA, "%s: expected one JSON object", path);
    for (size_t i = 0; err == GV_OK && i < sizeof PROMISED / sizeof PROMISED[0]; i++) {
        const json_t *value = json_object_get(root, PROMISED[i].name);
        if (value == NULL) {
            err = gv_diag_set(diag, GV_ERR_DATA, "%s: %s is missing", path, PROMISED[i].name);
        } else if (!fits(value, PROMISED[i].type)) {
            err = gv_diag_set(diag, GV_ERR_DATA, "%s: %s is no %s", path, PROMISED[i].name,
                              PROMISED[i].type == JSON_INTEGER ? "whole number"
                              : PROMISED[i].type == JSON_REAL  ? "number"
                                                               : "text");
        }
    }
    if (err != GV_OK) {
        json_decref(root);
        return err;
    }
    *json = root;
    return GV_OK;
}

static void print_data(const struct gv_summary *summary, const struct gv_scenario *scenario, FILE *out)
{
    char a[GV_NUMBER_CAP], b[GV_NUMBER_CAP];
    const struct gv_row_counts *rows = &summary->rows;
    gv_number_whole(a, sizeof a, (double)rows->node_least);
    gv_number_whole(b, sizeof b, (double)rows->node_most);
    (void)fprintf(out, "  data          %s: %s%s%s rows a node", scenario->learning.data, a,
                  rows->node_least != rows->node_most ? " to " : "", rows->node_least != rows->node_most ? b : "");
    gv_number_whole(a, sizeof a, (double)rows->train);
    (void)fprintf(out, " of %s, ", a);
    gv_number_whole(a, sizeof a, (double)rows->test_used);
    gv_number_whole(b, sizeof b, (double)rows->test);
    (void)fprintf(out, "%s of %s test rows\n", a, b);
    if (rows->test == 0) { /* as the daemon does */
        (void)fputs("                no test rows: accuracies are of rows that nodes train on\n", out);
    }
    if (scenario->learning.samples_per_node > rows->node_most) {
        gv_number_whole(a, sizeof a, scenario->learning.samples_per_node);
        (void)fprintf(out, "                no node has the %s rows of learning.samples_per_node: there are too few\n",
                      a);
    }
}

static void print_learning(const struct gv_summary *summary, FILE *out)
{
    char a[GV_NUMBER_CAP], b[GV_NUMBER_CAP], c[GV_NUMBER_CAP], d[GV_NUMBER_CAP];
    const struct gv_sample *last = &summary->last;
    if (!isnan(last->accuracy_mean)) {
        gv_number_share(a, sizeof a, last->accuracy_mean);
        gv_number_share(b, sizeof b, last->accuracy_min);
        gv_number_share(c, sizeof c, last->accuracy_of_mean_model);
        gv_number_whole(d, sizeof d, last->evaluated_nodes);
        (void)fprintf(out, "  accuracy      %s on average, %s at the worst of %s nodes, %s with the mean model\n", a, b,
                      d, c);
    }
    if (!isnan(last->consensus_distance)) {
        gv_number_plain(a, sizeof a, last->consensus_distance);
        (void)fprintf(out, "  consensus     nodes are %s from their mean (root of the mean squared distance)\n", a);
    } else if (!isnan(last->accuracy_mean)) {
        (void)fputs("  consensus     none: a model is not finite\n", out);
    }
    if (!isnan(last->variance)) {
        gv_number_plain(a, sizeof a, last->variance);
        gv_number_plain(b, sizeof b, summary->variance_factor);
        gv_number_plain(c, sizeof c, summary->mean_drift);
        (void)fprintf(out,
                      "  variance      %s, a factor of %s a cycle (theory: 0.3033); the mean moved by %s deviations\n",
                      a, b, c);
    }
    if (!isnan(last->in_degree_mean)) {
        gv_number_plain(a, sizeof a, last->in_degree_mean);
        gv_number_plain(b, sizeof b, last->in_degree_deviation);
        gv_number_plain(c, sizeof c, last->peers_active_mean);
        (void)fprintf(out, "  views         %s neighbours; in-degree %s, deviation %s", c, a, b);
        gv_number_plain(a, sizeof a, last->in_degree_random_deviation);
        (void)fprintf(out, " (a random graph: %s)\n", a);
    }
}

/* Whom nodes choose: nothing to say where nobody was chosen. */
static void print_choice(const struct gv_summary *summary, FILE *out)
{
    char a[GV_NUMBER_CAP], b[GV_NUMBER_CAP], c[GV_NUMBER_CAP], d[GV_NUMBER_CAP];
    const struct gv_choice *choice = &summary->last.choice;
    if (isnan(choice->chi_square)) {
        return;
    }
    gv_number_plain(a, sizeof a, (double)choice->count / (double)choice->nodes);
    gv_number_plain(b, sizeof b, choice->chi_square);
    gv_number_whole(c, sizeof c, (double)choice->nodes - 1);
    gv_number_plain(d, sizeof d, choice->z);
    (void)fprintf(out, "  choice        each chosen %s times; chi-square %s for %s (z %s), ", a, b, c, d);
    gv_number_plain(a, sizeof a, choice->dispersion);
    gv_number_share(b, sizeof b, choice->spread);
    (void)fprintf(out, "dispersion %s, rates differ by %s\n", a, b);
    if (summary->last.newcomers > 0) {
        gv_number_whole(a, sizeof a, summary->last.newcomers);
        gv_number_span(b, sizeof b, summary->last.newcomer_s);
        gv_number_share(c, sizeof c, summary->newcomer_rates[0]);
        (void)fprintf(out,
                      "  newcomers     %s, chosen %s as often as the others at first, 90 %% from an age of %s on\n", a,
                      c, b);
    }
}

static void print_traffic(const struct gv_summary *summary, bool exchanges, FILE *out)
{
    char a[GV_NUMBER_CAP], b[GV_NUMBER_CAP], c[GV_NUMBER_CAP], d[GV_NUMBER_CAP];
    const struct gv_sample *last = &summary->last;
    struct gv_sample ever = *last;
    ever.nodes = summary->nodes;
    gv_number_bytes(a, sizeof a, gv_metrics_bytes_per_node(&ever));
    if (!exchanges) {
        gv_number_count(b, sizeof b, (double)last->messages);
        (void)fprintf(out, "  traffic       %s a node, %s messages in all\n", a, b);
        return;
    }
    gv_number_share(b, sizeof b, per((double)last->bytes_state, (double)last->bytes));
    (void)fprintf(out, "  traffic       %s a node, %s of it parameters\n", a, b);
    gv_number_whole(a, sizeof a, (double)last->exchanges_done);
    gv_number_whole(b, sizeof b, (double)last->exchanges_refused);
    gv_number_whole(c, sizeof c, (double)last->exchanges_failed);
    gv_number_whole(d, sizeof d, (double)last->exchanges_doubt);
    (void)fprintf(out, "  exchanges     %s done, %s refused, %s failed, %s in doubt\n", a, b, c, d);
}

static void print_work(const struct gv_summary *summary, FILE *out)
{
    char a[GV_NUMBER_CAP], b[GV_NUMBER_CAP], c[GV_NUMBER_CAP];
    const struct gv_sample *last = &summary->last;
    gv_number_count(a, sizeof a, (double)last->events);
    gv_number_count(b, sizeof b, per((double)last->events, last->wall_s));
    gv_number_bytes(c, sizeof c, (double)summary->peak_rss_bytes);
    (void)fprintf(out, "  cost          %s events, %s events/s, %s of memory\n", a, b, c);
    if (last->models > 0) {
        gv_number_count(a, sizeof a, (double)last->models);
        gv_number_count(b, sizeof b, per((double)last->models, last->wall_s));
        (void)fprintf(out, "  rounds        %s models trained, %s models/s\n", a, b);
    }
    if (!isnan(summary->compute_share)) {
        gv_number_share(a, sizeof a, summary->compute_share);
        gv_number_share(b, sizeof b, summary->merge_share);
        gv_number_share(c, sizeof c, summary->evaluate_share);
        (void)fprintf(out, "  core time     %s learning, %s merging, %s evaluating\n", a, b, c);
    }
}

void gv_summary_print(const struct gv_summary *summary, const struct gv_scenario *scenario, FILE *out)
{
    struct gv_plain plain;
    char a[GV_NUMBER_CAP], b[GV_NUMBER_CAP], c[GV_NUMBER_CAP];
    const struct gv_sample *last = &summary->last;
    gv_plain_begin(&plain);
    (void)fprintf(out, "%s: %s, seed %llu, %u thread%s\n", scenario->name, gv_summary_mode(scenario->swarm.mode),
                  (unsigned long long)summary->seed, summary->threads, summary->threads == 1 ? "" : "s");
    if (summary->violated != NULL) {
        (void)fprintf(out, "  VIOLATED      %s\n", summary->violated);
    } else if (summary->partial) {
        (void)fprintf(out, "  PARTIAL       interrupted before its end\n");
    }
    gv_number_span(a, sizeof a, last->virtual_s);
    gv_number_span(b, sizeof b, last->wall_s);
    gv_number_span(c, sizeof c, summary->setup_wall_s);
    (void)fprintf(out, "  time          %s of virtual time in %s, after %s of setting up\n", a, b, c);
    gv_number_whole(a, sizeof a, last->live_nodes);
    gv_number_whole(b, sizeof b, summary->nodes);
    gv_number_whole(c, sizeof c, last->components);
    (void)fprintf(out, "  nodes         %s live of %s ever", a, b);
    if (last->components > 0) { /* an oracle's swarm has no links to count them by */
        (void)fprintf(out, ", in %s component%s", c, last->components == 1 ? "" : "s");
    }
    (void)fputc('\n', out);
    if (scenario->swarm.mode == GV_MODE_TRAIN) {
        print_data(summary, scenario, out);
    }
    print_learning(summary, out);
    print_choice(summary, out);
    print_traffic(summary, scenario->swarm.mode != GV_MODE_MEMBERSHIP, out);
    print_work(summary, out);
    gv_number_whole(a, sizeof a, (double)last->invariants_checked);
    (void)fprintf(out, "  invariants    %s%s\n", scenario->report.invariants ? a : "not checked",
                  !scenario->report.invariants ? ""
                  : summary->violated != NULL  ? " checks, the last one failed"
                                               : " checks, none failed");
    (void)fprintf(out, "  signatures    %s\n",
                  scenario->swarm.signatures == GV_SIGNATURES_REAL ? "verified by every node"
                                                                   : "memoised: a record is verified once");
    (void)fprintf(out, "  trace hash    %016llx\n", (unsigned long long)summary->trace_hash);
    gv_plain_end(&plain);
}
