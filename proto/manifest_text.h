/*
 * The manifest's text form: UTF-8 lines "key = value" in a fixed order, the last one "signature = <hex>", which the
 * root key made over all bytes before it. Readable with any editor, forgeable with none. Keys an older program does not
 * know stay in the signed bytes and are ignored.
 */
#ifndef GV_MANIFEST_TEXT_H
#define GV_MANIFEST_TEXT_H

#include "gv/err.h"
#include "gv/manifest.h"
#include "identity.h"

/** A manifest with every default, no schema, version 1, epoch 1. */
void gv_manifest_defaults(struct gv_manifest *manifest);

/** Sets one "key=value" of `create --set` and `update --set`; names the nearest known key if there is no such one. */
GV_NODISCARD enum gv_err gv_manifest_set(struct gv_manifest *manifest, const char *assignment, struct gv_diag *diag);

/** Contradictions between fields (a linear schedule without total_age, classes that do not fit the model...). */
GV_NODISCARD enum gv_err gv_manifest_check(const struct gv_manifest *manifest, struct gv_diag *diag);

/**
 * True if a model trained under one is a model of the other: the same architecture over the same features, classes and
 * scaling. If not, the newer one must be of a higher epoch.
 */
bool gv_manifest_same_model(const struct gv_manifest *a, const struct gv_manifest *b);

/** Writes and signs the text from the fields: fills text, text_bytes, hash and root. */
GV_NODISCARD enum gv_err gv_manifest_sign(struct gv_manifest *manifest, const struct gv_sign_key *root,
                                          struct gv_diag *diag);

/** Parses and verifies. `root` NULL: trust the root named in the text (inspection only). Copies the text.
 *  *manifest needs no prior state; on success the caller deinits it, on error nothing is owned. */
GV_NODISCARD enum gv_err gv_manifest_parse(struct gv_manifest *manifest, const char *text, size_t bytes,
                                           const struct gv_sign_public *root, struct gv_diag *diag);

void gv_manifest_deinit(struct gv_manifest *manifest);

#endif
