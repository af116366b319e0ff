/*
 * The CSV reader: a small machine over characters.
 *
 *     START   -- '"' --> QUOTED    a field begins
 *             -- else -> PLAIN
 *     PLAIN   -- ',' --> START     a quote inside is an ordinary character
 *             -- LF ---> row ends
 *     QUOTED  -- '"' --> CLOSED    commas and line ends belong to the field
 *     CLOSED  -- '"' --> QUOTED    a doubled quote is one quote
 *             -- ',' --> START
 *             -- LF ---> row ends  anything else is an error
 */
#include "csv.h"

#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES ((size_t)64 * 1024)
#define END_OF_FILE (-1)

enum state { START, PLAIN, QUOTED, CLOSED, ROW_END };

enum gv_err gv_csv_open(struct gv_csv *csv, const char *path, struct gv_diag *diag)
{
    memset(csv, 0, sizeof *csv);
    enum gv_err err = gv_data_file_open(&csv->file, path, diag);
    if (err != GV_OK) {
        return err;
    }
    csv->line = 1;
    csv->text_cap = 4096;
    csv->field_cap = 64;
    csv->buffer = malloc(BUFFER_BYTES);
    csv->text = malloc(csv->text_cap);
    csv->field = calloc(csv->field_cap, sizeof *csv->field);
    if (csv->buffer == NULL || csv->text == NULL || csv->field == NULL) {
        gv_csv_close(csv);
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    return GV_OK;
}

void gv_csv_close(struct gv_csv *csv)
{
    gv_data_file_close(&csv->file);
    free(csv->buffer);
    free(csv->text);
    free(csv->field);
    memset(csv, 0, sizeof *csv);
}

/* Reads on. A byte order mark goes here, before it can be taken for the beginning of a field. */
static enum gv_err fill(struct gv_csv *csv, struct gv_diag *diag)
{
    bool first = csv->have == 0;
    enum gv_err err = gv_data_file_read(&csv->file, csv->buffer, &csv->have, BUFFER_BYTES, diag);
    if (err != GV_OK) {
        (void)gv_diag_wrap(diag, "line %llu", (unsigned long long)csv->line);
        return err;
    }
    csv->at = first && csv->have >= 3 && memcmp(csv->buffer, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    return GV_OK;
}

/* The next byte, or END_OF_FILE. */
static enum gv_err next_byte(struct gv_csv *csv, int *byte, struct gv_diag *diag)
{
    enum gv_err err = csv->at == csv->have ? fill(csv, diag) : GV_OK;
    if (err == GV_OK) {
        *byte = csv->at < csv->have ? csv->buffer[csv->at++] : END_OF_FILE;
    }
    return err;
}

static enum gv_err put_char(struct gv_csv *csv, char c, struct gv_diag *diag)
{
    if (csv->text_bytes == csv->text_cap) {
        if (csv->text_cap >= GV_CSV_ROW_BYTES_MAX) {
            return gv_diag_set(diag, GV_ERR_DATA,
                               "line %llu: a row of more than 4 MiB; is a quote not closed, or is this not a CSV file?",
                               (unsigned long long)csv->row_line);
        }
        GV_ASSERT(csv->text_cap > 0);
        char *grown = realloc(csv->text, csv->text_cap * 2);
        if (grown == NULL) {
            return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
        }
        csv->text = grown;
        csv->text_cap *= 2;
    }
    csv->text[csv->text_bytes++] = c;
    return GV_OK;
}

/* A field begins at the end of the text. */
static enum gv_err begin_field(struct gv_csv *csv, struct gv_diag *diag)
{
    if (csv->field_count == GV_CSV_FIELDS_MAX) {
        return gv_diag_set(diag, GV_ERR_DATA, "line %llu: more than %d fields", (unsigned long long)csv->row_line,
                           GV_CSV_FIELDS_MAX);
    }
    if (csv->field_count == csv->field_cap) {
        GV_ASSERT(csv->field_cap > 0);
        size_t *grown = realloc(csv->field, 2 * (size_t)csv->field_cap * sizeof *grown);
        if (grown == NULL) {
            return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
        }
        csv->field = grown;
        csv->field_cap *= 2;
    }
    csv->field[csv->field_count++] = csv->text_bytes;
    return GV_OK;
}

/* Ends the current field; a CR before the line end is part of the line end. */
static enum gv_err end_field(struct gv_csv *csv, bool at_line_end, bool plain, struct gv_diag *diag)
{
    size_t begin = csv->field[csv->field_count - 1];
    if (at_line_end && plain && csv->text_bytes > begin && csv->text[csv->text_bytes - 1] == '\r') {
        csv->text_bytes--;
    }
    return put_char(csv, '\0', diag);
}

/* One character through the machine above. */
static enum gv_err advance(struct gv_csv *csv, enum state *state, int byte, struct gv_diag *diag)
{
    if (*state == QUOTED) {
        if (byte == END_OF_FILE) {
            return gv_diag_set(diag, GV_ERR_DATA, "line %llu: a quote is opened and never closed",
                               (unsigned long long)csv->row_line);
        }
        if (byte == '"') {
            *state = CLOSED;
            return GV_OK;
        }
        return put_char(csv, (char)byte, diag);
    }
    if (*state == START && byte == '"') {
        *state = QUOTED;
        return GV_OK;
    }
    if (*state == CLOSED && byte == '"') {
        *state = QUOTED;
        return put_char(csv, '"', diag);
    }
    if (byte == ',' || byte == '\n' || byte == END_OF_FILE) {
        enum gv_err err = end_field(csv, byte != ',', *state != CLOSED, diag);
        *state = byte == ',' ? START : ROW_END;
        return err != GV_OK || byte != ',' ? err : begin_field(csv, diag);
    }
    if (*state == CLOSED) {
        if (byte == '\r' || byte == ' ') {
            return GV_OK; /* of CRLF, or before a comma */
        }
        return gv_diag_set(diag, GV_ERR_DATA, "line %llu: text after a closing quote; a quote inside is doubled",
                           (unsigned long long)csv->line);
    }
    *state = PLAIN;
    return put_char(csv, (char)byte, diag);
}

/* Reads one line, blank ones too; *end is true if there is none. */
static enum gv_err read_row(struct gv_csv *csv, bool *end, struct gv_diag *diag)
{
    csv->text_bytes = 0;
    csv->field_count = 0;
    csv->row_line = csv->line;
    enum gv_err err = begin_field(csv, diag);
    enum state state = START;
    bool any = false;
    while (err == GV_OK && state != ROW_END) {
        int byte;
        err = next_byte(csv, &byte, diag);
        if (err != GV_OK) {
            return err;
        }
        if (byte == '\0') {
            return gv_diag_set(diag, GV_ERR_DATA, "line %llu: a zero byte; this is not a text file",
                               (unsigned long long)csv->line);
        }
        any = any || byte != END_OF_FILE;
        err = advance(csv, &state, byte, diag);
        csv->line += byte == '\n' ? 1 : 0;
    }
    *end = !any;
    return err;
}

enum gv_err gv_csv_next(struct gv_csv *csv, bool *end, struct gv_diag *diag)
{
    for (;;) {
        enum gv_err err = read_row(csv, end, diag);
        if (err != GV_OK) {
            return err;
        }
        if (*end) {
            csv->field_count = 0;
            return GV_OK;
        }
        if (csv->field_count > 1 || *gv_csv_field(csv, 0) != '\0') {
            return GV_OK;
        }
    }
}

const char *gv_csv_field(const struct gv_csv *csv, uint32_t index)
{
    GV_ASSERT(index < csv->field_count);
    return csv->text + csv->field[index];
}
