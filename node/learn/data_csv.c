/*
 * Tables: one sample a row, numeric features and one column with the class, as text or number.
 *
 * A row with a missing or non-finite field is skipped and counted; a row of another width, or with text where a number
 * belongs, is an error with its line. The first line is a header if the option says so, or if it cannot be data: all
 * its features are words. A share of the rows can be held out for testing: the same rows for the same seed.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "data_read.h"
#include "random.h"

#define STREAM_SPLIT 0x73706c69U /* "spli" */

/* Larger magnitudes overflow float32 on their way through scaling; they count as not finite. */
#define MAGNITUDE_MAX 1e30

struct reader {
    struct gv_csv csv;
    bool header;       /* the first line is one, whatever it holds */
    const char *label; /* "last", "first", a column number from 1, a column's name, or, if not labelled, "none" */
    double test;
    uint64_t seed;
    bool labelled; /* classes matter */

    uint32_t columns;      /* of a data row; 0 until the first */
    uint32_t names;        /* of columns, in the header that the label was found in */
    uint32_t label_column; /* from 0; `columns`: there is none */
    size_t rows, row_cap;  /* rows kept, and room for */
    uint64_t bad_line;     /* the first row skipped, and the column that was at fault */
    uint32_t bad_column;
};

enum field { NUMBER, MISSING, TEXT };

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_missing_marker(const char *text, size_t bytes)
{
    static const char *const MARKERS[] = {"", "?", "-", "NA", "N/A", "na", "n/a", "null", "NULL", "None"};
    for (size_t i = 0; i < sizeof MARKERS / sizeof MARKERS[0]; i++) {
        if (strlen(MARKERS[i]) == bytes && memcmp(MARKERS[i], text, bytes) == 0) {
            return true;
        }
    }
    return false;
}

/* Most fields of images are short whole numbers; strtod is slow for them. */
static bool parse_short_number(const char *text, float *value)
{
    uint32_t sum = 0;
    uint32_t digits = 0;
    for (; text[digits] >= '0' && text[digits] <= '9' && digits < 7; digits++) {
        sum = sum * 10 + (uint32_t)(text[digits] - '0');
    }
    *value = (float)sum;
    return digits > 0 && text[digits] == '\0';
}

static enum field parse_field(const char *text, float *value)
{
    if (parse_short_number(text, value)) {
        return NUMBER;
    }
    while (is_blank(*text)) {
        text++;
    }
    size_t bytes = strlen(text);
    while (bytes > 0 && is_blank(text[bytes - 1])) {
        bytes--;
    }
    if (is_missing_marker(text, bytes)) {
        return MISSING;
    }
    char *end;
    double number = strtod(text, &end);
    if (end != text + bytes) {
        return TEXT;
    }
    if (!isfinite(number) || fabs(number) > MAGNITUDE_MAX) {
        return MISSING;
    }
    *value = (float)number;
    return NUMBER;
}

/* ---- columns ---------------------------------------------------------------------------------------------- */

static enum gv_err find_named_column(struct reader *reader, struct gv_diag *diag)
{
    for (uint32_t i = 0; i < reader->csv.field_count; i++) {
        if (strcmp(gv_csv_field(&reader->csv, i), reader->label) == 0) {
            reader->label_column = i;
            reader->names = reader->csv.field_count;
            return GV_OK;
        }
    }
    return gv_diag_set(diag, GV_ERR_DATA,
                       "line %llu: no column is called \"%s\"; label= takes last, first, a column number from 1, or a "
                       "name out of the header",
                       (unsigned long long)reader->csv.row_line, reader->label);
}

static bool label_is_none(const struct reader *reader)
{
    return !reader->labelled && strcmp(reader->label, "none") == 0;
}

static bool label_is_name(const struct reader *reader)
{
    uint64_t number;
    return !label_is_none(reader) && strcmp(reader->label, "last") != 0 && strcmp(reader->label, "first") != 0 &&
           !gv_parse_number(&number, reader->label);
}

/* The first data row fixes the number of columns. */
static enum gv_err fix_columns(struct reader *reader, struct gv_data *data, struct gv_diag *diag)
{
    reader->columns = reader->csv.field_count;
    if (reader->columns < 2 && !label_is_none(reader)) {
        return gv_diag_set(diag, GV_ERR_DATA, "line %llu: only one field; expected features and a class, by commas",
                           (unsigned long long)reader->csv.row_line);
    }
    uint64_t number = 1;
    if (label_is_none(reader)) {
        reader->label_column = reader->columns;
    } else if (strcmp(reader->label, "last") == 0) {
        reader->label_column = reader->columns - 1;
    } else if (strcmp(reader->label, "first") == 0) {
        reader->label_column = 0;
    } else if (gv_parse_number(&number, reader->label)) {
        if (number < 1 || number > reader->columns) {
            return gv_diag_set(diag, GV_ERR_DATA, "line %llu: there is no column %s, only 1 to %u",
                               (unsigned long long)reader->csv.row_line, reader->label, reader->columns);
        }
        reader->label_column = (uint32_t)number - 1;
    } else if (reader->names != reader->columns) { /* as where rows have names and these no heading */
        return gv_diag_set(
            diag, GV_ERR_DATA,
            "line %llu: has %u fields, the header %u, so which one is \"%s\"? Give each column a name, or "
            "say label=NUMBER,header",
            (unsigned long long)reader->csv.row_line, reader->columns, reader->names, reader->label);
    }
    data->features = reader->columns - (label_is_none(reader) ? 0 : 1);
    return GV_OK;
}

/* True if no field but the label's is a number or missing: a row of words cannot be data. */
static bool looks_like_header(struct reader *reader)
{
    for (uint32_t i = 0; i < reader->columns; i++) {
        float value;
        if (i != reader->label_column && parse_field(gv_csv_field(&reader->csv, i), &value) != TEXT) {
            return false;
        }
    }
    return true;
}

/* ---- rows ------------------------------------------------------------------------------------------------- */

/*
 * Length of the well-formed sequence at text, 0 if there is none or it is a control character. Only the second byte's
 * range depends on the first (Unicode standard, table 3-7); U+0080 to U+009F are controls.
 */
static size_t utf8_sequence(const unsigned char *s, size_t left)
{
    if (s[0] < 0x80) {
        return s[0] >= 0x20 && s[0] != 0x7f ? 1 : 0;
    }
    size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || left < length) {
        return 0;
    }
    unsigned char low = s[0] == 0xe0 || s[0] == 0xc2 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    bool good = s[1] >= low && s[1] <= high;
    for (size_t i = 2; i < length; i++) {
        good = good && (s[i] & 0xc0) == 0x80;
    }
    return good ? length : 0;
}

/* What a manifest may hold as a name. */
static bool printable_utf8(const char *text, size_t bytes)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t length = 1;
    for (; bytes > 0 && length > 0; bytes -= length, at += length) {
        length = utf8_sequence(at, bytes);
    }
    return length > 0;
}

/* "3.0" and "3" are one class; other text is taken as it stands, without the blanks around it. */
static enum gv_err name_class(struct reader *reader, char name[GV_NAME_BYTES_MAX + 1], struct gv_diag *diag)
{
    const char *text = gv_csv_field(&reader->csv, reader->label_column);
    while (is_blank(*text)) {
        text++;
    }
    size_t bytes = strlen(text);
    while (bytes > 0 && is_blank(text[bytes - 1])) {
        bytes--;
    }
    char *end;
    double number = strtod(text, &end);
    bool is_number = bytes > 0 && end == text + bytes;
    if (is_number && isnan(number)) {
        name[0] = '\0'; /* a missing class */
        return GV_OK;
    }
    if (is_number && fabs(number) < 1e15 && floor(number) == number) {
        (void)snprintf(name, GV_NAME_BYTES_MAX + 1, "%lld", (long long)number);
        return GV_OK;
    }
    if (bytes > GV_NAME_BYTES_MAX) {
        return gv_diag_set(
            diag, GV_ERR_DATA, "line %llu, column %u: a class name of %zu bytes, at most %d; is this the class column?",
            (unsigned long long)reader->csv.row_line, reader->label_column + 1, bytes, GV_NAME_BYTES_MAX);
    }
    if (!printable_utf8(text, bytes)) {
        return gv_diag_set(
            diag, GV_ERR_DATA,
            "line %llu, column %u: a control character in a class name, or bytes that are not UTF-8 text",
            (unsigned long long)reader->csv.row_line, reader->label_column + 1);
    }
    memcpy(name, text, bytes);
    name[bytes] = '\0';
    return GV_OK;
}

/* The number of the class of that name, a new one if need be. */
static enum gv_err find_class(struct reader *reader, struct gv_data *data, uint16_t *label, const char *name,
                              struct gv_diag *diag)
{
    for (uint32_t c = 0; c < data->classes; c++) {
        if (strcmp(data->class_names[c], name) == 0) {
            *label = (uint16_t)c;
            return GV_OK;
        }
    }
    if (data->classes == GV_CLASSES_MAX) {
        return gv_diag_set(diag, GV_ERR_DATA,
                           "line %llu: more than %d classes; is column %u the class? label= says which one is",
                           (unsigned long long)reader->csv.row_line, GV_CLASSES_MAX, reader->label_column + 1);
    }
    *label = (uint16_t)data->classes;
    (void)snprintf(data->class_names[data->classes], sizeof data->class_names[0], "%s", name);
    data->classes++;
    return GV_OK;
}

static enum gv_err reserve_row(struct reader *reader, struct gv_data *data, struct gv_diag *diag)
{
    if (reader->rows < reader->row_cap) {
        return GV_OK;
    }
    size_t cap = reader->row_cap == 0 ? 256 : reader->row_cap * 2;
    if (cap > UINT32_MAX || cap > SIZE_MAX / sizeof(float) / data->features) {
        return gv_diag_set(diag, GV_ERR_DATA, "line %llu: too many rows", (unsigned long long)reader->csv.row_line);
    }
    float *values = realloc(data->train.values, cap * data->features * sizeof *values);
    if (values == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory for %zu rows", cap);
    }
    data->train.values = values;
    uint16_t *labels = realloc(data->train.labels, cap * sizeof *labels);
    if (labels == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory for %zu rows", cap);
    }
    data->train.labels = labels;
    size_t *place = reader->labelled ? NULL : realloc(data->train.place, cap * sizeof *place);
    if (place == NULL && !reader->labelled) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory for %zu rows", cap);
    }
    data->train.place = place;
    reader->row_cap = cap;
    return GV_OK;
}

static void skip_row(struct reader *reader, struct gv_data *data, uint32_t column)
{
    if (data->skipped_rows++ == 0) {
        reader->bad_line = reader->csv.row_line;
        reader->bad_column = column + 1;
    }
}

static enum gv_err take_row(struct reader *reader, struct gv_data *data, struct gv_diag *diag)
{
    struct gv_csv *csv = &reader->csv;
    unsigned long long line = csv->row_line;
    if (csv->field_count != reader->columns) {
        return gv_diag_set(
            diag, GV_ERR_DATA,
            "line %llu: has %u fields, the rows before it %u; if the first line is not data, add ,header", line,
            csv->field_count, reader->columns);
    }
    enum gv_err err = reserve_row(reader, data, diag);
    if (err != GV_OK) {
        return err;
    }
    float *values = data->train.values + reader->rows * data->features;
    for (uint32_t i = 0; i < reader->columns; i++) {
        if (i == reader->label_column) {
            continue;
        }
        switch (parse_field(gv_csv_field(csv, i), values)) {
        case NUMBER:
            values++;
            break;
        case MISSING:
            skip_row(reader, data, i);
            return GV_OK;
        case TEXT:
            return gv_diag_set(diag, GV_ERR_DATA, "line %llu, column %u: \"%.40s\" is not a number%s", line, i + 1,
                               gv_csv_field(csv, i), line == 1 ? "; if the first line is not data, add ,header" : "");
        }
    }
    if (!reader->labelled) {
        data->train.labels[reader->rows] = 0;
        data->train.place[reader->rows] = reader->rows + data->skipped_rows;
        reader->rows++;
        return GV_OK;
    }
    char name[GV_NAME_BYTES_MAX + 1];
    err = name_class(reader, name, diag);
    if (err != GV_OK) {
        return err;
    }
    if (name[0] == '\0') {
        skip_row(reader, data, reader->label_column);
        return GV_OK;
    }
    err = find_class(reader, data, &data->train.labels[reader->rows], name, diag);
    reader->rows += err == GV_OK ? 1 : 0;
    return err;
}

static enum gv_err read_rows(struct reader *reader, struct gv_data *data, struct gv_diag *diag)
{
    bool end = false;
    if (reader->header) {
        enum gv_err err = gv_csv_next(&reader->csv, &end, diag);
        if (err == GV_OK && !end && label_is_name(reader)) {
            err = find_named_column(reader, diag);
        }
        if (err != GV_OK) {
            return err;
        }
    }
    while (!end) {
        enum gv_err err = gv_csv_next(&reader->csv, &end, diag);
        if (err == GV_OK && !end && reader->columns == 0) {
            err = fix_columns(reader, data, diag);
            if (err == GV_OK && !reader->header && looks_like_header(reader)) {
                reader->header = true;
                continue;
            }
        }
        if (err == GV_OK && !end) {
            err = take_row(reader, data, diag);
        }
        if (err != GV_OK) {
            return err;
        }
    }
    data->train.count = reader->rows;
    if (reader->rows > 0) {
        return GV_OK;
    }
    if (data->skipped_rows > 0) {
        return gv_diag_set(
            diag, GV_ERR_DATA,
            "no usable row: all %zu have a missing or non-finite field, the first in line %llu, column %u",
            data->skipped_rows, (unsigned long long)reader->bad_line, reader->bad_column);
    }
    return gv_diag_set(diag, GV_ERR_DATA, "holds no rows");
}

/* ---- after reading ---------------------------------------------------------------------------------------- */

/* Numbers by size, then text by bytes. */
static int compare_names(const char *a, const char *b)
{
    char *a_end;
    char *b_end;
    long long a_number = strtoll(a, &a_end, 10);
    long long b_number = strtoll(b, &b_end, 10);
    bool a_is_number = *a_end == '\0';
    bool b_is_number = *b_end == '\0';
    if (a_is_number && b_is_number && a_number != b_number) {
        return a_number < b_number ? -1 : 1;
    }
    if (a_is_number != b_is_number) {
        return a_is_number ? -1 : 1;
    }
    return strcmp(a, b);
}

static int compare_entries(const void *a, const void *b)
{
    return compare_names(a, b);
}

/* Puts the classes into an order that does not depend on the rows'. */
static enum gv_err sort_classes(struct gv_data *data, struct gv_diag *diag)
{
    char(*sorted)[GV_NAME_BYTES_MAX + 1] = calloc(data->classes, sizeof *sorted);
    if (sorted == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    memcpy(sorted, data->class_names, data->classes * sizeof *sorted);
    qsort(sorted, data->classes, sizeof *sorted, compare_entries);
    uint16_t renumbered[GV_CLASSES_MAX];
    for (uint32_t c = 0; c < data->classes; c++) {
        const char *found = bsearch(data->class_names[c], sorted, data->classes, sizeof *sorted, compare_entries);
        GV_ASSERT(found != NULL);
        renumbered[c] = (uint16_t)((size_t)(found - sorted[0]) / sizeof *sorted);
    }
    for (size_t i = 0; i < data->train.count; i++) {
        data->train.labels[i] = renumbered[data->train.labels[i]];
    }
    free(data->class_names);
    data->class_names = sorted;
    return GV_OK;
}

/* Moves the rows marked in `held` to the test part; both parts keep their order. */
static void move_held_rows(struct gv_data *data, const bool *held)
{
    size_t width = data->features * sizeof(float);
    size_t kept = 0;
    for (size_t i = 0; i < data->train.count; i++) {
        struct gv_samples *to = held[i] ? &data->test : &data->train;
        size_t at = held[i] ? data->test.count++ : kept++;
        memmove(to->values + at * data->features, data->train.values + i * data->features, width);
        to->labels[at] = data->train.labels[i];
        if (to->place != NULL) {
            to->place[at] = data->train.place[i];
        }
    }
    data->train.count = kept;
}

static enum gv_err hold_out(struct gv_data *data, double share, uint64_t seed, struct gv_diag *diag)
{
    size_t rows = data->train.count;
    size_t count = (size_t)((double)rows * share + 0.5);
    if (count == 0 || count >= rows) {
        return gv_diag_set(diag, GV_ERR_DATA, "test=%g of %zu rows leaves %s", share, rows,
                           count == 0 ? "none to test on" : "none to train on");
    }
    uint32_t *order = calloc(rows, sizeof *order);
    bool *held = calloc(rows, sizeof *held);
    data->test.values = calloc(count * data->features, sizeof *data->test.values);
    data->test.labels = calloc(count, sizeof *data->test.labels);
    data->test.place = data->train.place == NULL ? NULL : calloc(count, sizeof *data->test.place);
    bool allocated = order != NULL && held != NULL && data->test.values != NULL && data->test.labels != NULL &&
                     (data->test.place != NULL || data->train.place == NULL);
    if (allocated) {
        for (size_t i = 0; i < rows; i++) {
            order[i] = (uint32_t)i;
        }
        struct gv_random random;
        gv_random_seed(&random, seed, STREAM_SPLIT);
        gv_random_shuffle(&random, order, rows);
        for (size_t i = 0; i < count; i++) {
            held[order[i]] = true;
        }
        move_held_rows(data, held);
    }
    free(order);
    free(held);
    return allocated ? GV_OK : gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
}

/* Gives back the room that doubling took in advance. Shrinking cannot sensibly fail; if it does, the block stays. */
static void shrink(struct gv_data *data)
{
    float *values = realloc(data->train.values, data->train.count * data->features * sizeof *values);
    data->train.values = values != NULL ? values : data->train.values;
    uint16_t *labels = realloc(data->train.labels, data->train.count * sizeof *labels);
    data->train.labels = labels != NULL ? labels : data->train.labels;
}

static enum gv_err parse_options(struct reader *reader, struct gv_data_spec *spec, struct gv_diag *diag)
{
    reader->label = "last";
    enum gv_err err = gv_data_spec_flag(spec, &reader->header, "header", diag);
    if (err == GV_OK) {
        err = gv_data_spec_text(spec, &reader->label, "label", diag);
    }
    if (err == GV_OK) {
        err = gv_data_spec_share(spec, &reader->test, "test", diag);
    }
    if (err == GV_OK) {
        err = gv_data_spec_number(spec, &reader->seed, "seed", 0, UINT64_MAX, diag);
    }
    if (err == GV_OK) {
        err = gv_data_spec_finish(spec, "label=, header, test=, seed=", diag);
    }
    reader->header = reader->header || label_is_name(reader); /* a name can only be out of a header */
    return err;
}

enum gv_err gv_data_read_csv(struct gv_data *data, struct gv_data_spec *spec, bool labelled, struct gv_diag *diag)
{
    struct reader reader = {.labelled = labelled};
    enum gv_err err = parse_options(&reader, spec, diag);
    if (err != GV_OK) {
        return err;
    }
    data->class_names = calloc(GV_CLASSES_MAX, sizeof *data->class_names);
    if (data->class_names == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    err = gv_csv_open(&reader.csv, spec->place, diag);
    if (err != GV_OK) {
        return err;
    }
    err = read_rows(&reader, data, diag);
    gv_csv_close(&reader.csv);
    if (err == GV_OK && labelled) {
        err = sort_classes(data, diag);
    }
    if (err == GV_OK && reader.test > 0.0) {
        err = hold_out(data, reader.test, reader.seed, diag);
    }
    if (err != GV_OK) {
        (void)gv_diag_wrap(diag, "%s", spec->place);
        return err;
    }
    shrink(data);
    return GV_OK;
}
