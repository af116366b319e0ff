/*
 * summary.json: the end of a run as one JSON object, and the same for a person.
 */
#ifndef GV_SUMMARY_H
#define GV_SUMMARY_H

#include <jansson.h>

#include "report.h"

/** The summary as JSON: first what scripts rely on, in its documented order, then the rest. NaN becomes null. Returns
 *  owned; NULL without memory. */
json_t *gv_summary_json(const struct gv_summary *summary, const struct gv_scenario *scenario);

/** As text, with a newline at its end. Returns owned; NULL without memory. */
char *gv_summary_text(const json_t *json);

/** Reads summary.json and checks that it has what scripts rely on. Returns owned in *json. GV_ERR_NOT_FOUND,
 *  GV_ERR_NOMEM, or GV_ERR_DATA with the line, or the field and what was expected of it. */
GV_NODISCARD enum gv_err gv_summary_read(json_t **json, const char *path, struct gv_diag *diag);

/** "train", "mean", "membership". */
const char *gv_summary_mode(enum gv_mode mode);

#endif
