/*
 * How much data there is in a run and how it is shared out, for reports.
 */
#ifndef GV_LEARNING_ROWS_H
#define GV_LEARNING_ROWS_H

#include "learning.h"
#include "report.h"

/** All zero in `mean` mode, which has no data. */
void gv_learning_rows(const struct gv_learning *learning, struct gv_row_counts *rows);

#endif
