/*
 * The text of a data specification, taken apart: KIND:PLACE[,KEY[=VALUE]]...
 */
#ifndef GV_DATA_SPEC_H
#define GV_DATA_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "gv/err.h"

#define GV_DATA_OPTIONS_MAX 8

struct gv_data_option {
    const char *key;
    const char *value; /* NULL: stands alone, as "header" */
    bool taken;        /* some reader knows it */
};

struct gv_data_spec {
    char *text;        /* owned; the strings below lie in it */
    const char *kind;  /* "idx" */
    const char *place; /* a path or a name; a comma ends it */
    uint32_t option_count;
    struct gv_data_option option[GV_DATA_OPTIONS_MAX];
};

/** Takes a specification apart. Returns owned (gv_data_spec_deinit). */
GV_NODISCARD enum gv_err gv_data_spec_parse(struct gv_data_spec *spec, const char *text, struct gv_diag *diag);
void gv_data_spec_deinit(struct gv_data_spec *spec);

/** True if the option stands there; with a value it is an error. */
GV_NODISCARD enum gv_err gv_data_spec_flag(struct gv_data_spec *spec, bool *set, const char *key, struct gv_diag *diag);

/** The option's value, borrowed; *value is left alone where the option is absent. */
GV_NODISCARD enum gv_err gv_data_spec_text(struct gv_data_spec *spec, const char **value, const char *key,
                                           struct gv_diag *diag);

/** The same as a whole number in [min, max]. */
GV_NODISCARD enum gv_err gv_data_spec_number(struct gv_data_spec *spec, uint64_t *value, const char *key, uint64_t min,
                                             uint64_t max, struct gv_diag *diag);

/** The same as a share in [0, 1). */
GV_NODISCARD enum gv_err gv_data_spec_share(struct gv_data_spec *spec, double *value, const char *key,
                                            struct gv_diag *diag);

/** Refuses options that nobody has taken; `known` lists the ones there are, for a person. */
GV_NODISCARD enum gv_err gv_data_spec_finish(const struct gv_data_spec *spec, const char *known, struct gv_diag *diag);

/** Reads a whole number, digits only. False if it is not one or does not fit. */
bool gv_parse_number(uint64_t *value, const char *text);

#endif
