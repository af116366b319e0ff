/*
 * The report as a page: tables of settings and results, and the figures, for one run or for several laid over one
 * another.
 */
#ifndef GV_PAGE_H
#define GV_PAGE_H

#include <jansson.h>

#include "gv/err.h"
#include "metrics.h"
#include "scenario.h"
#include "series.h"
#include "settings.h"

/* All that is known of a run. */
struct gv_page_run {
    char *label; /* owned */
    struct gv_scenario scenario;
    struct gv_settings settings;
    struct gv_series series;
    json_t *summary; /* owned */
};

/** Makes settings and series from a scenario and samples. Takes `label` and `summary`, also on an error.
 *  GV_ERR_NOMEM. */
GV_NODISCARD enum gv_err gv_page_run_init(struct gv_page_run *run, char *label, const struct gv_scenario *scenario,
                                          const struct gv_metrics *metrics, json_t *summary);
void gv_page_run_deinit(struct gv_page_run *run);

/**
 * The page for one run, or the comparison of several. A plot that cannot be drawn is no error: the page then says why.
 *
 * html        owned, terminated, *bytes long
 * comparison  stands in the file's first comment, by which a folder of comparisons is known (outdir.h)
 *
 * GV_ERR_NOMEM.
 */
GV_NODISCARD enum gv_err gv_page_make(char **html, size_t *bytes, const struct gv_page_run *runs, uint32_t count,
                                      bool comparison, struct gv_diag *diag);

#endif
