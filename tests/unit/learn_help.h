/*
 * What the tests of learn/ share: seeds, files to read, real data, models on data.
 */
#ifndef LEARN_HELP_H
#define LEARN_HELP_H

#include <stddef.h>
#include <stdint.h>

#include "data.h"

/** The seed of a random test: SEED from the environment, or the time; printed, so that a failure can be repeated. */
uint64_t help_seed(void);

/** A fresh directory for files of this test; borrowed. help_remove_dir() deletes it with all files in it. */
const char *help_make_dir(void);
void help_remove_dir(void);

/** Writes dir/name as it is, or gzipped, and returns its path; borrowed until the next call. */
const char *help_write(const char *name, const void *content, size_t bytes);
const char *help_write_gz(const char *name, const void *content, size_t bytes);

/** Loads or ends the test with the diagnosis. */
void help_load(struct gv_data *data, const char *spec);

/** Expects loading to fail with GV_ERR_DATA and a diagnosis that holds `part`. */
void help_refuse(const char *spec, const char *part);

/** The path of real data, "fashion-mnist"; ends the test as skipped, with a message, where it is absent. */
const char *help_real_data(const char *name);

/** A hash of bytes, for golden values (FNV-1a). */
uint64_t help_hash(const void *bytes, size_t count);

#endif
