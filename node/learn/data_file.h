/*
 * A data file, gzipped or not, read from front to back. Every failure is said with the file's name.
 */
#ifndef GV_DATA_FILE_H
#define GV_DATA_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "gv/err.h"

struct gv_data_file {
    gzFile gz;
    uint64_t content_max; /* bytes the content cannot exceed, from the file's size: a header that claims more lies */
};

GV_NODISCARD enum gv_err gv_data_file_open(struct gv_data_file *file, const char *path, struct gv_diag *diag);

/** Reads up to `bytes`; *got is less only at the end of the file. A damaged or torn gzip stream is an error. */
GV_NODISCARD enum gv_err gv_data_file_read(struct gv_data_file *file, void *out, size_t *got, size_t bytes,
                                           struct gv_diag *diag);
void gv_data_file_close(struct gv_data_file *file);

#endif
