/*
 * Comma-separated values (RFC 4180), row by row: quoted fields, doubled quotes, line ends LF or CRLF, blank lines
 * skipped, a byte order mark ignored. Rows are bounded in bytes and fields.
 */
#ifndef GV_CSV_H
#define GV_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data_file.h"
#include "gv/err.h"
#include "gv/limits.h"

#define GV_CSV_FIELDS_MAX (GV_FEATURES_MAX + 1)
#define GV_CSV_ROW_BYTES_MAX ((size_t)4 << 20)

struct gv_csv {
    struct gv_data_file file;
    uint8_t *buffer; /* owned; bytes read but not yet looked at: [at, have) */
    size_t at, have;
    uint64_t line;     /* number of the line being read, from 1 */
    uint64_t row_line; /* the line on which the current row begins */
    char *text;        /* owned; the current row's fields, each with its terminator */
    size_t text_bytes, text_cap;
    size_t *field; /* owned; where each field begins in text */
    uint32_t field_count, field_cap;
};

GV_NODISCARD enum gv_err gv_csv_open(struct gv_csv *csv, const char *path, struct gv_diag *diag);
void gv_csv_close(struct gv_csv *csv);

/** Reads the next row; *end is true, and there are no fields, at the end of the file. */
GV_NODISCARD enum gv_err gv_csv_next(struct gv_csv *csv, bool *end, struct gv_diag *diag);

/** Field `index` of the current row, borrowed until the next one. */
const char *gv_csv_field(const struct gv_csv *csv, uint32_t index);

#endif
