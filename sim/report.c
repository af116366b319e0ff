/*
 * What a simulation leaves behind: the folder, from the first line of the CSV to the page.
 */
#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "metrics.h"
#include "number.h"
#include "outdir.h"
#include "page.h"
#include "summary.h"

struct gv_report {
    bool writes; /* false: only the terminal, there is no folder */
    struct gv_outdir outdir;
    int csv; /* -1: none */
    struct gv_scenario scenario;
    struct gv_metrics metrics; /* for the plots */
    uint32_t most_live;
};

static enum gv_err write_scenario(struct gv_report *report, uint64_t seed, struct gv_diag *diag)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (out == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "no memory for the scenario");
    }
    (void)fprintf(out, GV_OUTDIR_RUN_MARK ". To replay it: grapevine sim scenario.ini --seed %llu\n",
                  (unsigned long long)seed);
    struct gv_plain plain;
    gv_plain_begin(&plain);
    gv_scenario_write(&report->scenario, out);
    gv_plain_end(&plain);
    bool written = ferror(out) == 0;
    written = fclose(out) == 0 && written;
    enum gv_err err = written ? gv_outdir_replace(&report->outdir, "scenario.ini", text, bytes, diag)
                              : gv_diag_set(diag, GV_ERR_NOMEM, "no memory for the scenario");
    free(text);
    return err;
}

/* From here on the folder holds this run and nothing of an earlier one. */
static enum gv_err start_folder(struct gv_report *report, uint64_t seed, struct gv_diag *diag)
{
    char header[GV_METRICS_LINE_MAX];
    size_t bytes = gv_metrics_header(header);
    enum gv_err err = write_scenario(report, seed, diag);
    if (err == GV_OK) {
        err = gv_outdir_remove(&report->outdir, "summary.json", diag);
    }
    if (err == GV_OK) {
        err = gv_outdir_remove(&report->outdir, "report.html", diag);
    }
    if (err == GV_OK) {
        err = gv_outdir_create(&report->outdir, "metrics.csv", &report->csv, diag);
    }
    if (err == GV_OK) {
        err = gv_outdir_append(&report->outdir, "metrics.csv", report->csv, header, bytes, diag);
    }
    return err;
}

enum gv_err gv_report_new(struct gv_report **report, const char *dir, const struct gv_scenario *scenario, uint64_t seed,
                          struct gv_diag *diag)
{
    *report = NULL;
    struct gv_report *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "no memory for the report");
    }
    made->writes = dir != NULL;
    made->outdir.fd = -1;
    made->csv = -1;
    made->scenario = *scenario;
    enum gv_err err = GV_OK;
    if (made->writes) {
        err = gv_outdir_open(&made->outdir, dir, GV_OUTDIR_RUN, diag);
        if (err == GV_OK) {
            err = start_folder(made, seed, diag);
        }
    }
    if (err != GV_OK) {
        gv_report_free(&made);
        return err;
    }
    *report = made;
    return GV_OK;
}

enum gv_err gv_report_sample(struct gv_report *report, const struct gv_sample *sample, struct gv_diag *diag)
{
    if (!report->writes) {
        return GV_OK;
    }
    char line[GV_METRICS_LINE_MAX];
    struct gv_sample known = *sample;
    report->most_live = known.live_nodes > report->most_live ? known.live_nodes : report->most_live;
    known.nodes = known.nodes > 0 ? known.nodes : report->most_live;
    struct gv_plain plain;
    gv_plain_begin(&plain);
    size_t bytes = gv_metrics_line(line, &known);
    gv_plain_end(&plain);
    enum gv_err err = gv_outdir_append(&report->outdir, "metrics.csv", report->csv, line, bytes, diag);
    if (err == GV_OK && (err = gv_metrics_add(&report->metrics, &known)) != GV_OK) {
        (void)gv_diag_set(diag, err, "no memory for another sample");
    }
    return err;
}

static enum gv_err write_page(struct gv_report *report, json_t *summary, struct gv_diag *diag)
{
    struct gv_page_run run;
    enum gv_err err = gv_page_run_init(&run, strdup(report->scenario.name), &report->scenario, &report->metrics,
                                       json_incref(summary));
    if (err != GV_OK) {
        return gv_diag_set(diag, err, "no memory for the report");
    }
    char *html = NULL;
    size_t bytes = 0;
    err = gv_page_make(&html, &bytes, &run, 1, false, diag);
    gv_page_run_deinit(&run);
    if (err == GV_OK) {
        err = gv_outdir_replace(&report->outdir, "report.html", html, bytes, diag);
    }
    free(html);
    return err;
}

enum gv_err gv_report_finish(struct gv_report *report, const struct gv_summary *summary, struct gv_diag *diag)
{
    if (!report->writes) {
        return GV_OK;
    }
    json_t *json = gv_summary_json(summary, &report->scenario);
    char *text = json != NULL ? gv_summary_text(json) : NULL;
    enum gv_err err = text != NULL ? gv_outdir_replace(&report->outdir, "summary.json", text, strlen(text), diag)
                                   : gv_diag_set(diag, GV_ERR_NOMEM, "no memory for the summary");
    free(text);
    if (err == GV_OK && fsync(report->csv) != 0) {
        err = gv_diag_set(diag, GV_ERR_IO, "%s/metrics.csv: cannot be written", report->outdir.path);
    }
    if (err == GV_OK) {
        err = write_page(report, json, diag);
    }
    json_decref(json);
    return err;
}

void gv_report_free(struct gv_report **report)
{
    if (*report == NULL) {
        return;
    }
    if ((*report)->csv >= 0) {
        (void)close((*report)->csv);
    }
    gv_outdir_close(&(*report)->outdir);
    gv_metrics_deinit(&(*report)->metrics);
    free(*report);
    *report = NULL;
}
