/*
 * The keys of a manifest as data: name, type, range, place in struct gv_manifest. Writing, parsing and `--set` all go
 * by this table. For manifest_text.c.
 */
#ifndef GV_MANIFEST_KEYS_H
#define GV_MANIFEST_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "gv/err.h"
#include "gv/manifest.h"

/* Text that grows to a fixed bound. Sticky: once full, nothing more is added. */
struct gv_text_out {
    char *text; /* (cap), terminated */
    size_t cap;
    size_t used;
    bool overflow;
};

struct gv_manifest_key;

#define GV_MANIFEST_KEYS 28 /* all but the first line and the signature */

/** Key `index` in the order of the text; its name. */
const struct gv_manifest_key *gv_manifest_key_at(size_t index);
const char *gv_manifest_key_name(const struct gv_manifest_key *key);
/** Its index, or GV_MANIFEST_KEYS if there is none of this name. */
size_t gv_manifest_key_find(const char *name, size_t bytes);
/** The name that was probably meant, among those a person may set; NULL if none is close. */
const char *gv_manifest_key_nearest(const char *name, size_t bytes);
/** False for root and version, which signing sets. */
bool gv_manifest_key_settable(const struct gv_manifest_key *key);

/** Parses a value, terminated. The diagnosis says what was expected, not which key. Numbers need the "C" locale.
 *  On an error nothing has changed. */
GV_NODISCARD enum gv_err gv_manifest_key_read(struct gv_manifest *manifest, const struct gv_manifest_key *key,
                                              const char *value, struct gv_diag *diag);

/** Appends a value. Numbers need the "C" locale. */
void gv_manifest_key_write(struct gv_text_out *out, const struct gv_manifest_key *key,
                           const struct gv_manifest *manifest);

GV_PRINTF(2, 3) void gv_text_put(struct gv_text_out *out, const char *format, ...);

#endif
