/*
 * The table of verified records: id -> newest record, its bytes and its hash. A record is verified once, then known by
 * its hash. Bounded; the address book on disk is this table written out. No input or output.
 */
#ifndef GV_DIRECTORY_H
#define GV_DIRECTORY_H

#include "gv/err.h"
#include "gv/id.h"
#include "record.h"

struct gv_directory;

GV_NODISCARD enum gv_err gv_directory_new(struct gv_directory **directory, uint32_t capacity);
void gv_directory_free(struct gv_directory **directory);

/** True if a record with this hash is stored, or was until a newer one of its owner came: nothing to verify.
 *  *ref (may be NULL) is that of the stored one. */
bool gv_directory_knows(const struct gv_directory *directory, const struct gv_hash *hash, struct gv_ref *ref);

/**
 * Stores a verified record, copying the bytes, unless a newer one is there (then *ref is that of the stored one).
 * `keep(context, id)` tells which ids must not be evicted when the table is full (NULL: none). GV_ERR_FULL.
 */
GV_NODISCARD enum gv_err gv_directory_put(struct gv_directory *directory, struct gv_ref *ref,
                                          const struct gv_record *record, const uint8_t *data, size_t bytes,
                                          bool (*keep)(void *context, const struct gv_id *id), void *context);

/** The bytes of id's record, or an empty span; borrowed until the next put or remove. */
struct gv_span gv_directory_bytes(const struct gv_directory *directory, const struct gv_id *id);
/** The decoded record, or NULL; borrowed likewise. */
const struct gv_record *gv_directory_record(const struct gv_directory *directory, const struct gv_id *id);
void gv_directory_remove(struct gv_directory *directory, const struct gv_id *id);

uint32_t gv_directory_count(const struct gv_directory *directory);
/** Entry `index` < count, in no particular but stable order between changes. */
const struct gv_record *gv_directory_at(const struct gv_directory *directory, uint32_t index, struct gv_span *bytes);

#endif
