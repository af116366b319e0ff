/*
 * The tables of a page: settings and results.
 */
#include <math.h>
#include <string.h>

#include "html.h"
#include "number.h"
#include "page_parts.h"
#include "scenario_keys.h"
#include "summary.h"

#define TRAIN (1u << GV_MODE_TRAIN)
#define MEAN (1u << GV_MODE_MEAN)
#define MEMBERSHIP (1u << GV_MODE_MEMBERSHIP)
#define ALL (TRAIN | MEAN | MEMBERSHIP)

enum form { FORM_GROUP, FORM_WHOLE, FORM_COUNT, FORM_SHARE, FORM_BYTES, FORM_SPAN, FORM_PLAIN, FORM_TEXT };

/* A row of the results: a field of summary.json. */
static const struct row {
    const char *key, *label;
    enum form form;
    unsigned modes;
} ROWS[] = {
    {NULL, "Result", FORM_GROUP, ALL},
    {"evaluated_nodes", "nodes whose models were evaluated", FORM_WHOLE, TRAIN},
    {"accuracy_mean", "accuracy, mean of the nodes", FORM_SHARE, TRAIN},
    {"accuracy_min", "accuracy, worst node", FORM_SHARE, TRAIN},
    {"accuracy_of_mean_model", "accuracy, mean model", FORM_SHARE, TRAIN},
    {"loss_mean", "loss, mean", FORM_PLAIN, TRAIN},
    {"consensus_distance", "consensus distance", FORM_PLAIN, TRAIN},
    {"variance", "variance at the end", FORM_PLAIN, MEAN},
    {"variance_factor", "variance, factor per cycle (theory 0.3033)", FORM_PLAIN, MEAN},
    {"mean_drift", "drift of the mean (first deviations)", FORM_PLAIN, MEAN},
    {"in_degree_mean", "in-degree, mean", FORM_PLAIN, MEMBERSHIP},
    {"in_degree_deviation", "in-degree, deviation", FORM_PLAIN, MEMBERSHIP},
    {"in_degree_random_deviation", "in-degree, deviation in a random graph", FORM_PLAIN, MEMBERSHIP},
    {"choice_dispersion", "peer choice, variance / mean (uniform: 1)", FORM_PLAIN, TRAIN | MEAN},
    {"choice_spread", "peer choice, deviation of nodes' rates", FORM_SHARE, TRAIN | MEAN},
    {"newcomer_s", "age at which newcomers are chosen as others", FORM_SPAN, TRAIN | MEAN},
    {"peers_active_mean", "neighbours, mean", FORM_PLAIN, ALL},
    {"live_nodes", "live nodes", FORM_WHOLE, ALL},
    {"components", "components", FORM_WHOLE, ALL},
    {NULL, "Data", FORM_GROUP, TRAIN},
    {"data", "data", FORM_TEXT, TRAIN},
    {"train_rows", "training rows in all", FORM_WHOLE, TRAIN},
    {"node_rows_min", "training rows of a node, least", FORM_WHOLE, TRAIN},
    {"node_rows_max", "training rows of a node, most", FORM_WHOLE, TRAIN},
    {"test_rows_used", "test rows used", FORM_WHOLE, TRAIN},
    {"test_rows", "test rows in all", FORM_WHOLE, TRAIN},
    {NULL, "What happened", FORM_GROUP, ALL},
    {"virtual_s", "virtual time", FORM_SPAN, ALL},
    {"nodes", "nodes ever", FORM_WHOLE, ALL},
    {"arrivals", "arrivals", FORM_WHOLE, ALL},
    {"departures", "departures", FORM_WHOLE, ALL},
    {"crashes", "crashes", FORM_WHOLE, ALL},
    {"restarts", "restarts", FORM_WHOLE, ALL},
    {"alarms", "alarms", FORM_WHOLE, ALL},
    {"exchanges_done", "exchanges done", FORM_WHOLE, TRAIN | MEAN},
    {"exchanges_refused", "exchanges refused", FORM_WHOLE, TRAIN | MEAN},
    {"exchanges_failed", "exchanges failed", FORM_WHOLE, TRAIN | MEAN},
    {"exchanges_doubt", "exchanges in doubt", FORM_WHOLE, TRAIN | MEAN},
    {"models", "models trained (rounds)", FORM_WHOLE, TRAIN},
    {"messages", "messages", FORM_WHOLE, ALL},
    {"bytes_per_node", "sent per node", FORM_BYTES, ALL},
    {NULL, "The simulation", FORM_GROUP, ALL},
    {"wall_s", "wall time", FORM_SPAN, ALL},
    {"setup_wall_s", "wall time before, for setting up", FORM_SPAN, ALL},
    {"threads", "threads", FORM_WHOLE, ALL},
    {"events", "events", FORM_WHOLE, ALL},
    {"events_per_s", "events per second", FORM_COUNT, ALL},
    {"exchanges_per_s", "exchanges per second", FORM_COUNT, MEAN},
    {"models_per_s", "models per second", FORM_COUNT, TRAIN},
    {"compute_share", "core time in learning", FORM_SHARE, TRAIN},
    {"merge_share", "core time in merging", FORM_SHARE, TRAIN | MEAN},
    {"evaluate_share", "core time in evaluation", FORM_SHARE, TRAIN},
    {"peak_rss_bytes", "memory at its peak", FORM_BYTES, ALL},
    {"signatures", "signatures", FORM_TEXT, ALL},
    {"invariants_checked", "invariants checked", FORM_WHOLE, ALL},
    {"trace_hash", "trace hash", FORM_TEXT, ALL},
};
#define ROW_COUNT (sizeof ROWS / sizeof ROWS[0])

/* The value of a number; NaN for anything else. */
static double value_of(const json_t *summary, const char *key)
{
    const json_t *value = json_object_get(summary, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* "1.2e-05" as people write it. */
static void write_plain(FILE *out, const char *text)
{
    const char *exponent = strchr(text, 'e');
    if (exponent == NULL) {
        (void)fputs(text, out);
        return;
    }
    const char *digits = exponent + 2 + strspn(exponent + 2, "0");
    (void)fprintf(out,
                  "%.*s\xc2\xa0\xc3\x97\xc2\xa0"
                  "10<sup>%s%s</sup>",
                  (int)(exponent - text), text, exponent[1] == '-' ? "\xe2\x88\x92" : "", digits);
}

static void write_value(FILE *out, const json_t *summary, const struct row *row)
{
    static void (*const forms[])(char *, size_t, double) = {
        [FORM_WHOLE] = gv_number_whole, [FORM_COUNT] = gv_number_count, [FORM_SHARE] = gv_number_share,
        [FORM_BYTES] = gv_number_bytes, [FORM_SPAN] = gv_number_span,   [FORM_PLAIN] = gv_number_plain,
    };
    const json_t *value = json_object_get(summary, row->key);
    if (json_is_string(value)) {
        gv_html_text(out, json_string_value(value));
    } else if (row->form != FORM_TEXT) {
        char text[GV_NUMBER_CAP];
        forms[row->form](text, sizeof text, value_of(summary, row->key));
        if (row->form == FORM_PLAIN) {
            write_plain(out, text);
        } else {
            gv_html_text(out, text);
        }
    }
}

/* A group that has nothing to say about any of these runs has no heading. */
static bool meant(const struct row *row, const struct gv_page_run *runs, uint32_t count)
{
    bool found = false;
    for (uint32_t i = 0; i < count; i++) {
        found = found || (row->modes & 1u << runs[i].scenario.swarm.mode) != 0;
    }
    return found;
}

static bool row_known(const struct row *row, const struct gv_page_run *runs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(runs[i].summary, row->key);
        if ((row->modes & 1u << runs[i].scenario.swarm.mode) != 0 && value != NULL && !json_is_null(value)) {
            return true;
        }
    }
    return false;
}

static void write_ratio(FILE *out, double value, double first)
{
    double ratio = value / first;
    if (isfinite(ratio) && first != 0.0) {
        (void)fprintf(out, " <small>\xc3\x97%.*f</small>", ratio < 0.095 ? 3 : ratio < 99.5 ? 2 : 0, ratio);
    }
}

static void write_row(FILE *out, const struct row *row, const struct gv_page_run *runs, uint32_t count)
{
    (void)fputs("<tr><th scope=\"row\">", out);
    gv_html_text(out, row->label);
    (void)fputs("</th>", out);
    for (uint32_t i = 0; i < count; i++) {
        (void)fputs(row->form == FORM_TEXT && count == 1 ? "<td class=\"number code\">" : "<td class=\"number\">", out);
        write_value(out, runs[i].summary, row);
        if (i > 0 && row->form != FORM_TEXT) {
            write_ratio(out, value_of(runs[i].summary, row->key), value_of(runs[0].summary, row->key));
        }
        (void)fputs("</td>", out);
    }
    (void)fputs("</tr>\n", out);
}

/* Above the columns of a comparison. */
static void write_labels(FILE *out, const struct gv_page_run *runs, uint32_t count, const char *classes)
{
    (void)fputs("<thead><tr><th></th>", out);
    for (uint32_t i = 0; i < count; i++) {
        (void)fprintf(out, "<th scope=\"col\" class=\"%s\">", classes);
        gv_html_text(out, runs[i].label);
        (void)fputs("</th>", out);
    }
    (void)fputs("</tr></thead>\n", out);
}

void gv_page_results(FILE *out, const struct gv_page_run *runs, uint32_t count)
{
    (void)fputs("<section>\n<h2>Results</h2>\n<div class=\"wide\"><table>\n", out);
    if (count > 1) {
        write_labels(out, runs, count, "number");
    }
    (void)fputs("<tbody>\n", out);
    for (size_t i = 0; i < ROW_COUNT; i++) {
        if (ROWS[i].form == FORM_GROUP) {
            if (!meant(&ROWS[i], runs, count)) {
                continue;
            }
            (void)fprintf(out, "<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"%u\">%s</th></tr>\n", count + 1,
                          ROWS[i].label);
        } else if (row_known(&ROWS[i], runs, count)) {
            write_row(out, &ROWS[i], runs, count);
        }
    }
    (void)fputs("</tbody>\n</table></div>\n</section>\n", out);
}

static void write_setting(FILE *out, const char *key, const char *value)
{
    (void)fputs("<tr><th scope=\"row\">", out);
    gv_html_text(out, key);
    (void)fputs("</th><td class=\"code\">", out);
    gv_html_text(out, value);
    (void)fputs("</td></tr>\n", out);
}

static void write_settings(FILE *out, const struct gv_page_run *run)
{
    char text[GV_NUMBER_CAP];
    const struct gv_settings *settings = &run->settings;
    (void)fputs("<section>\n<h2>Settings</h2>\n<table>\n<tbody>\n", out);
    write_setting(out, "mode", gv_summary_mode(run->scenario.swarm.mode));
    gv_number_whole(text, sizeof text, run->scenario.swarm.nodes);
    write_setting(out, "nodes", text);
    gv_number_span(text, sizeof text, (double)run->scenario.swarm.duration_us / 1e6);
    write_setting(out, "duration", text);
    if (run->scenario.swarm.mode == GV_MODE_TRAIN) { /* whether that is the default or not */
        write_setting(out, "model", run->scenario.learning.training.model);
    }
    (void)fputs("<tr><th scope=\"row\">seed</th><td class=\"code\">", out);
    write_value(out, run->summary, &(struct row){"seed", "", FORM_WHOLE, ALL});
    (void)fputs("</td></tr>\n", out);
    char section[32] = "";
    for (size_t i = 0; i < settings->count; i++) {
        const char *key = settings->list[i].key, *dot = strchr(key, '.');
        size_t length = dot != NULL ? (size_t)(dot - key) : 0;
        if (strcmp(key, "swarm.mode") == 0 || strcmp(key, "swarm.nodes") == 0 || strcmp(key, "swarm.duration") == 0 ||
            strcmp(key, "learning.model") == 0) {
            continue;
        }
        if (length != strlen(section) || strncmp(key, section, length) != 0) {
            (void)snprintf(section, sizeof section, "%.*s", (int)length, key);
            (void)fputs("<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"2\">", out);
            gv_html_text(out, section);
            (void)fputs("</th></tr>\n", out);
        }
        write_setting(out, dot != NULL ? dot + 1 : key, settings->list[i].value);
    }
    (void)fputs("</tbody>\n</table>\n<p><small>All else has its default.</small></p>\n</section>\n", out);
}

/* The value of a setting, a default's too; "-" where there is none: another mode's, or no fault of that kind. */
static void value_of_setting(char out[GV_KEY_VALUE_MAX], const struct gv_page_run *run, const char *key)
{
    char section[64];
    struct gv_scenario scenario = run->scenario;
    const char *dot = strchr(key, '.');
    (void)snprintf(section, sizeof section, "%.*s", dot != NULL ? (int)(dot - key) : 0, key);
    size_t index = dot != NULL ? gv_scenario_key_find(section, dot + 1) : GV_KEY_NONE;
    if (scenario.report.every_us == 0) {
        scenario.report.every_us = gv_scenario_every(scenario.swarm.duration_us);
    }
    if (index == GV_KEY_NONE || !gv_scenario_key_applies(index, scenario.swarm.mode) ||
        !gv_scenario_key_write(out, &scenario, index)) {
        (void)snprintf(out, GV_KEY_VALUE_MAX, "-");
    }
}

static bool differs(const struct gv_page_run *runs, uint32_t count, const char *key)
{
    char first[GV_KEY_VALUE_MAX], other[GV_KEY_VALUE_MAX];
    value_of_setting(first, &runs[0], key);
    for (uint32_t i = 1; i < count; i++) {
        value_of_setting(other, &runs[i], key);
        if (strcmp(first, other) != 0) {
            return true;
        }
    }
    return false;
}

/* True if an earlier run has the key too: its row is written already. */
static bool earlier_has(const struct gv_page_run *runs, uint32_t before, const char *key)
{
    for (uint32_t i = 0; i < before; i++) {
        if (gv_settings_find(&runs[i].settings, key) != NULL) {
            return true;
        }
    }
    return false;
}

static uint32_t write_differences(FILE *out, const struct gv_page_run *runs, uint32_t count)
{
    char value[GV_KEY_VALUE_MAX];
    uint32_t written = 0;
    for (uint32_t r = 0; r < count; r++) {
        for (size_t i = 0; i < runs[r].settings.count; i++) {
            const char *key = runs[r].settings.list[i].key;
            if (earlier_has(runs, r, key) || !differs(runs, count, key)) {
                continue;
            }
            (void)fputs("<tr><th scope=\"row\">", out);
            gv_html_text(out, key);
            (void)fputs("</th>", out);
            for (uint32_t c = 0; c < count; c++) {
                (void)fputs("<td class=\"code\">", out);
                value_of_setting(value, &runs[c], key);
                gv_html_text(out, value);
                (void)fputs("</td>", out);
            }
            (void)fputs("</tr>\n", out);
            written++;
        }
    }
    return written;
}

void gv_page_settings(FILE *out, const struct gv_page_run *runs, uint32_t count)
{
    if (count == 1) {
        write_settings(out, &runs[0]);
        return;
    }
    (void)fputs("<section>\n<h2>Settings that differ</h2>\n<div class=\"wide\"><table>\n", out);
    write_labels(out, runs, count, "");
    (void)fputs("<tbody>\n<tr><th scope=\"row\">seed</th>", out);
    for (uint32_t i = 0; i < count; i++) {
        (void)fputs("<td class=\"code\">", out);
        write_value(out, runs[i].summary, &(struct row){"seed", "", FORM_WHOLE, ALL});
        (void)fputs("</td>", out);
    }
    (void)fputs("</tr>\n", out);
    uint32_t written = write_differences(out, runs, count);
    (void)fputs("</tbody>\n</table></div>\n", out);
    if (written == 0) {
        (void)fputs("<p>The scenarios are the same.</p>\n", out);
    }
    (void)fputs("</section>\n", out);
}
