/*
 * What the tests of reports share: folders, samples in which every field has its own value, and a small run.
 */
#ifndef REPORT_HELP_H
#define REPORT_HELP_H

#include <stdbool.h>
#include <stdint.h>

#include "metrics.h"
#include "report.h"

/** A fresh folder for this test; help_remove_folder() deletes it with all that is in it. */
void help_make_folder(void);
void help_remove_folder(void);
/** folder/name; borrowed until the eighth call after. */
const char *help_path(const char *name);
/** A whole file, terminated; freed by the caller. Ends the test if there is none. */
char *help_file(const char *path);
void help_write_file(const char *path, const char *text);
bool help_has_file(const char *path);

/** Every field finite and different from all others; grows with `step`. */
struct gv_sample help_sample(uint32_t step);
/** Every real of a sample NaN but the times. */
struct gv_sample help_empty_sample(uint32_t step);
struct gv_summary help_summary(const struct gv_sample *last);
struct gv_scenario help_scenario(enum gv_mode mode);

/** A run of `samples` samples in `dir`, finished. Ends the test if anything fails. */
void help_run(const char *dir, enum gv_mode mode, uint32_t samples);

#endif
