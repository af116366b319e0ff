/*
 * The readers behind gv_data_load(), one for each kind of specification. Each fills features, classes, class names,
 * both sets of samples and skipped_rows, or leaves what it has allocated in *data for gv_data_deinit().
 */
#ifndef GV_DATA_READ_H
#define GV_DATA_READ_H

#include "data.h"
#include "data_spec.h"

GV_NODISCARD enum gv_err gv_data_read_idx(struct gv_data *data, struct gv_data_spec *spec, struct gv_diag *diag);
GV_NODISCARD enum gv_err gv_data_read_glyphs(struct gv_data *data, struct gv_data_spec *spec, struct gv_diag *diag);

/** Not `labelled`: the column of classes is not looked at, as gv_data_load_unlabelled() has it. */
GV_NODISCARD enum gv_err gv_data_read_csv(struct gv_data *data, struct gv_data_spec *spec, bool labelled,
                                          struct gv_diag *diag);

/** Allocates class names "0", "1", ...; sets classes. */
GV_NODISCARD enum gv_err gv_data_number_classes(struct gv_data *data, uint32_t classes, struct gv_diag *diag);

#endif
