/*
 * The keys of a scenario as data: section, name, place, range, in which modes it means something, and what. Parsing,
 * writing, suggestions and `--keys` all go by this table.
 */
#ifndef GV_SCENARIO_KEYS_H
#define GV_SCENARIO_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "gv/err.h"
#include "scenario.h"

#define GV_KEY_NONE SIZE_MAX
#define GV_KEY_VALUE_MAX 4096 /* characters of a value, terminator included: 32 faults fit */

enum gv_value_type {
    GV_VALUE_COUNT,      /* uint32_t */
    GV_VALUE_TIME,       /* uint64_t, microseconds */
    GV_VALUE_SHARE,      /* double */
    GV_VALUE_NUMBER,     /* double */
    GV_VALUE_BANDWIDTH,  /* double */
    GV_VALUE_SHARE_RATE, /* double */
    GV_VALUE_COUNT_RATE, /* double */
    GV_VALUE_ENUM,       /* an enum: `names` */
    GV_VALUE_BOOL,       /* yes or no */
    GV_VALUE_DATA,       /* text; checked when it is looked for */
    GV_VALUE_PARTITION,  /* text */
    GV_VALUE_DIST_TIME,  /* struct gv_dist; the range is that of its first parameter */
    GV_VALUE_DIST_BANDWIDTH,
    GV_VALUE_DIST_NUMBER,
    GV_VALUE_MANIFEST,    /* a key of the manifest */
    GV_VALUE_LOCAL_STEPS, /* the manifest's, and no epochs */
    GV_VALUE_EPOCHS,      /* local_steps counts passes */
    GV_VALUE_BOTH,        /* up and down */
    GV_VALUE_FAULT,       /* `offset` is the enum gv_fault_kind */
};

struct gv_scenario_key {
    const char *section, *name;
    enum gv_value_type type;
    size_t offset; /* in struct gv_scenario */
    double min, max;
    const char *const *names;
    unsigned modes; /* bit set 1 << enum gv_mode */
    const char *help;
    const char *takes; /* where neither the type nor the names say it */
};

/** How many keys there are; indices are below it. */
size_t gv_scenario_key_count(void);
const struct gv_scenario_key *gv_scenario_key_at(size_t index);
/** Its name; that of a fault is its kind. */
const char *gv_scenario_key_name(size_t index);
/** Whether a key means anything in a mode. */
bool gv_scenario_key_applies(size_t index, enum gv_mode mode);
/** The dimension of its value. */
enum gv_dimension gv_scenario_key_dimension(const struct gv_scenario_key *key);
/** "none, sign-flip or noise": the names that a value may have. */
void gv_scenario_key_names(char out[GV_KEY_VALUE_MAX], const struct gv_scenario_key *key);

/** The key of this name, or GV_KEY_NONE. */
size_t gv_scenario_key_find(const char *section, const char *name);
/** True if there is such a section. */
bool gv_scenario_section_known(const char *section);
/** The errors of an unknown section or key, with the nearest known ones. */
GV_NODISCARD enum gv_err gv_scenario_section_unknown(const char *section, struct gv_diag *diag);
GV_NODISCARD enum gv_err gv_scenario_key_unknown(const char *section, const char *name, struct gv_diag *diag);

/** Parses a value. The diagnosis says what was expected, not which key. On an error nothing has changed. */
GV_NODISCARD enum gv_err gv_scenario_key_read(struct gv_scenario *scenario, size_t index, const char *value,
                                              struct gv_diag *diag);

/** The value as it could be read again; false where the key has nothing to say (no fault of its kind, another key says
 *  it). Faults are written with ", " between them. */
bool gv_scenario_key_write(char out[GV_KEY_VALUE_MAX], const struct gv_scenario *scenario, size_t index);

/** How often a run of this length is reported if nobody says so: a round time, about sixty to a run. */
uint64_t gv_scenario_every(uint64_t duration_us);

/** What a key takes, for a person: "a time", "yes or no". */
void gv_scenario_key_takes(char out[GV_KEY_VALUE_MAX], size_t index);

#endif
