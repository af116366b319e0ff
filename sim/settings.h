/*
 * A scenario as a list of "section.key" and value: what a report shows of it, and what a comparison compares. Only what
 * differs from the defaults is in it.
 */
#ifndef GV_SETTINGS_H
#define GV_SETTINGS_H

#include <stddef.h>

#include "scenario.h"

struct gv_setting {
    char *key; /* "network.loss" */
    char *value;
};

struct gv_settings {
    struct gv_setting *list; /* (count), owned */
    size_t count;
    char *text; /* the whole scenario as INI text, owned */
};

/** GV_ERR_NOMEM. */
GV_NODISCARD enum gv_err gv_settings_init(struct gv_settings *settings, const struct gv_scenario *scenario);
void gv_settings_deinit(struct gv_settings *settings);

/** The value of a key; NULL if it has its default. */
const char *gv_settings_find(const struct gv_settings *settings, const char *key);

#endif
