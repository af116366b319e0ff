/*
 * What a page is put together from. The plain locale must be set.
 */
#ifndef GV_PAGE_PARTS_H
#define GV_PAGE_PARTS_H

#include <stdio.h>

#include "figure.h"
#include "page.h"

/** The settings of one run; of several, those that differ. */
void gv_page_settings(FILE *out, const struct gv_page_run *runs, uint32_t count);
/** The results; of several runs, with the ratio to the first. */
void gv_page_results(FILE *out, const struct gv_page_run *runs, uint32_t count);
/** The faults of a scenario as marks for plots. Returns their number, at most GV_FIGURE_MARKS_MAX. */
uint32_t gv_page_marks(struct gv_figure_mark *marks, const struct gv_page_run *runs, uint32_t count);
/** What the marks' letters mean. Writes nothing without faults, or where the runs have different ones. */
void gv_page_legend(FILE *out, const struct gv_page_run *runs, uint32_t count);

#endif
