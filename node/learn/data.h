/*
 * Data: readers, the check against a manifest's schema, shards for trials, and batches.
 *
 *     idx:DIR                                   the four files of MNIST and its likes; those of the test set may be
 *                                               absent
 *     csv:FILE[,label=L][,header][,test=S][,seed=N]
 *                                               L: last (default), first, a column number from 1, or a name of the
 *                                               header; header: the first line is none of the data; S: share held out
 *     builtin:glyphs[,seed=N][,train=N][,test=N]
 *                                               procedural images, ten classes
 *
 * Files may be gzipped. A comma ends a path.
 *
 * Features stay as they came (bytes of images as bytes) and are scaled when a batch is gathered.
 */
#ifndef GV_DATA_H
#define GV_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gv/err.h"
#include "gv/manifest.h"
#include "rows.h"

/* One set of samples. Exactly one of bytes, values is not NULL. */
struct gv_samples {
    size_t count;
    uint8_t *bytes;   /* (count, features), owned, scaled by 1/255 on use */
    float *values;    /* (count, features), owned */
    uint16_t *labels; /* (count), owned */
    size_t *place;    /* (count), owned: each one's row in an unlabelled table, from 0; NULL elsewhere */
};

struct gv_data {
    uint32_t features;
    uint32_t classes;
    char (*class_names)[GV_NAME_BYTES_MAX + 1]; /* (classes), owned */
    struct gv_samples train;
    struct gv_samples test;
    enum gv_scaling scaling; /* GV_SCALING_NONE until gv_data_fit() */
    uint32_t scale_count;
    float *mean;              /* (scale_count), owned */
    float *inverse_deviation; /* (scale_count), owned */
    size_t skipped_rows;      /* rows of a CSV with a non-finite or empty field, counted */
};

/** Reads a data set. The diagnosis names file, line or byte and what was expected. Returns owned (gv_data_deinit). */
GV_NODISCARD enum gv_err gv_data_load(struct gv_data *data, const char *spec, struct gv_diag *diag);
/**
 * The same for data whose classes nobody asks for: the column of classes may hold anything, and with label=none there
 * is none. All labels are 0, and there are no classes. Rows of a table know their place in it.
 */
GV_NODISCARD enum gv_err gv_data_load_unlabelled(struct gv_data *data, const char *spec, struct gv_diag *diag);
void gv_data_deinit(struct gv_data *data);

/** The schema a creator writes into the manifest: feature count, class names, scaling learnt from the training part. */
GV_NODISCARD enum gv_err gv_data_schema(struct gv_schema *schema, const struct gv_data *data, struct gv_diag *diag);
/**
 * mean, deviation (scale_count, owned by schema; those before are freed) <- learnt from the training part, as many as
 * schema->scaling asks for. GV_ERR_DATA if this data cannot be scaled that way.
 */
GV_NODISCARD enum gv_err gv_schema_scale(struct gv_schema *schema, const struct gv_data *data, struct gv_diag *diag);
void gv_schema_free(struct gv_schema *schema);

/**
 * Makes data fit a schema: same feature count; every class of the data is one of the schema's (labels are renumbered
 * by name); takes over the schema's scaling. The diagnosis says how data and schema differ.
 */
GV_NODISCARD enum gv_err gv_data_fit(struct gv_data *data, const struct gv_schema *schema, struct gv_diag *diag);

/** GV_ERR_DATA, with what was expected, if `partition` is none of those of gv_data_partition(). */
GV_NODISCARD enum gv_err gv_partition_check(const char *partition, struct gv_diag *diag);

/**
 * owner (train.count) <- the shard each training row belongs to, as `partition` ("iid", "dirichlet:ALPHA", "classes:K")
 * cuts the training part into `count` with `seed`. Every shard gets something, or it is an error.
 */
GV_NODISCARD enum gv_err gv_data_partition(uint32_t *owner, const struct gv_data *data, const char *partition,
                                           uint32_t count, uint64_t seed, struct gv_diag *diag);

/**
 * Keeps shard `index` of `count` of the training part, as gv_data_partition() cuts it: N processes with the same seed
 * cut disjoint shards that cover everything. The test part stays whole.
 */
GV_NODISCARD enum gv_err gv_data_shard(struct gv_data *data, const char *partition, uint32_t index, uint32_t count,
                                       uint64_t seed, struct gv_diag *diag);

/** x (n, features) and labels (n) <- scaled samples `rows` (n) of `samples`, which belongs to data. */
void gv_data_gather(const struct gv_data *data, const struct gv_samples *samples, const uint32_t *rows, uint32_t n,
                    float *x, uint16_t *labels);

/**
 * The same without a copy: rows <- the samples' bytes where they lie (bytes (n), borrowed, holds their addresses) and
 * their scale; labels (n). False, with nothing done, unless the samples are bytes that all have one scale.
 */
bool gv_data_refer(const struct gv_data *data, const struct gv_samples *samples, const uint32_t *picks, uint32_t n,
                   struct gv_rows *rows, const uint8_t **bytes, uint16_t *labels);

#endif
