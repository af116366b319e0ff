/*
 * Several runs in one report.
 */
#include <stdlib.h>
#include <string.h>

#include "figure.h"
#include "metrics.h"
#include "outdir.h"
#include "page.h"
#include "report.h"
#include "summary.h"

static enum gv_err path_of(char **path, const char *dir, const char *name, struct gv_diag *diag)
{
    if (asprintf(path, "%s/%s", dir, name) < 0) {
        *path = NULL;
        return gv_diag_set(diag, GV_ERR_NOMEM, "no memory for a path");
    }
    return GV_OK;
}

/* The last part of a path, without slashes at its end. Returns owned. */
static char *last_part(const char *dir)
{
    size_t end = strlen(dir);
    while (end > 1 && dir[end - 1] == '/') {
        end--;
    }
    size_t from = end;
    while (from > 0 && dir[from - 1] != '/') {
        from--;
    }
    return strndup(dir + from, end - from);
}

/* What a run is called: the folder's name, or all of its path where another has the same name or it says nothing. */
static char *label_of(const char *const *dirs, uint32_t count, uint32_t index)
{
    char *own = last_part(dirs[index]);
    bool clear = own != NULL && own[0] != '\0' && strcmp(own, ".") != 0 && strcmp(own, "..") != 0;
    for (uint32_t i = 0; i < count && clear; i++) {
        char *other = i != index ? last_part(dirs[i]) : NULL;
        clear = other == NULL || strcmp(other, own) != 0;
        free(other);
    }
    if (!clear) {
        free(own);
        own = strdup(dirs[index]);
    }
    return own;
}

static enum gv_err load_run(struct gv_page_run *run, const char *dir, char *label, struct gv_diag *diag)
{
    struct gv_scenario scenario;
    struct gv_metrics metrics = {0};
    json_t *summary = NULL;
    char *path = NULL;
    gv_scenario_defaults(&scenario);
    enum gv_err err = path_of(&path, dir, "scenario.ini", diag);
    if (err == GV_OK) {
        err = gv_scenario_load(&scenario, path, diag);
    }
    free(path);
    path = NULL;
    if (err == GV_OK && (err = path_of(&path, dir, "metrics.csv", diag)) == GV_OK) {
        err = gv_metrics_read(&metrics, path, diag);
    }
    free(path);
    path = NULL;
    if (err == GV_OK && (err = path_of(&path, dir, "summary.json", diag)) == GV_OK) {
        err = gv_summary_read(&summary, path, diag);
        if (err == GV_ERR_NOT_FOUND) {
            err = gv_diag_set(diag, err, "%s: is missing: the run has not ended, or was ended by force", path);
        }
    }
    free(path);
    if (err != GV_OK) {
        free(label);
    } else if ((err = gv_page_run_init(run, label, &scenario, &metrics, summary)) != GV_OK) {
        (void)gv_diag_set(diag, err, "no memory for the runs");
    }
    gv_metrics_deinit(&metrics);
    return err;
}

static enum gv_err write_page(const struct gv_page_run *runs, uint32_t count, struct gv_outdir *outdir,
                              struct gv_diag *diag)
{
    char *html = NULL;
    size_t bytes = 0;
    enum gv_err err = gv_page_make(&html, &bytes, runs, count, true, diag);
    if (err == GV_OK) {
        err = gv_outdir_replace(outdir, "report.html", html, bytes, diag);
    }
    free(html);
    return err;
}

enum gv_err gv_compare(const char *const *dirs, uint32_t count, const char *out, struct gv_diag *diag)
{
    if (count < 1 || count > GV_FIGURE_RUNS_MAX) {
        return gv_diag_set(diag, GV_ERR_USAGE,
                           "%u runs to compare, expected 1 to %u: more cannot be told apart in a plot", count,
                           GV_FIGURE_RUNS_MAX);
    }
    struct gv_page_run *runs = calloc(count, sizeof *runs);
    if (runs == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "no memory for the runs");
    }
    enum gv_err err = GV_OK;
    uint32_t loaded = 0;
    while (loaded < count && err == GV_OK) {
        char *label = label_of(dirs, count, loaded);
        err = label != NULL ? load_run(&runs[loaded], dirs[loaded], label, diag)
                            : gv_diag_set(diag, GV_ERR_NOMEM, "no memory for a name");
        loaded += err == GV_OK ? 1 : 0;
    }
    /* The folder is touched only once there is something to put into it. */
    struct gv_outdir outdir;
    if (err == GV_OK && (err = gv_outdir_open(&outdir, out, GV_OUTDIR_COMPARISON, diag)) == GV_OK) {
        err = write_page(runs, count, &outdir, diag);
        gv_outdir_close(&outdir);
    }
    for (uint32_t i = 0; i < loaded; i++) {
        gv_page_run_deinit(&runs[i]);
    }
    free(runs);
    return err;
}
