/*
 * metrics.csv, written and read through one table of fields.
 */
#include "metrics.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

enum field_kind {
    FIELD_U32,
    FIELD_U64,
    FIELD_F64,
    FIELD_BYTES_PER_NODE /* computed; checked and dropped in reading */
};

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset;
};

#define U32(name)                                          \
    {                                                      \
#name, FIELD_U32, offsetof(struct gv_sample, name) \
    }
#define U64(name)                                          \
    {                                                      \
#name, FIELD_U64, offsetof(struct gv_sample, name) \
    }
#define NAMED(column, kind, member)                       \
    {                                                     \
#column, kind, offsetof(struct gv_sample, member) \
    }
#define F64(name)                                          \
    {                                                      \
#name, FIELD_F64, offsetof(struct gv_sample, name) \
    }

/* Fields that summary.json has too bear the same name there. */
static const struct field FIELDS[] = {
    F64(virtual_s),
    F64(wall_s),
    U64(events),
    U32(nodes),
    U32(live_nodes),
    U32(serving_nodes),
    U32(components),
    U32(largest_component),
    F64(peers_active_mean),
    F64(in_degree_mean),
    F64(in_degree_deviation),
    F64(in_degree_random_deviation),
    F64(accuracy_mean),
    F64(accuracy_min),
    F64(accuracy_max),
    F64(accuracy_p10),
    F64(accuracy_p90),
    F64(accuracy_of_mean_model),
    F64(loss_mean),
    F64(consensus_distance),
    F64(variance),
    F64(mean),
    F64(steps_mean),
    F64(age_mean),
    U64(exchanges_done),
    U64(exchanges_failed),
    U64(exchanges_refused),
    U64(exchanges_doubt),
    U64(messages),
    U64(bytes),
    U64(bytes_state),
    {"bytes_per_node", FIELD_BYTES_PER_NODE, 0},
    U64(arrivals),
    U64(departures),
    U64(crashes),
    U64(restarts),
    U64(alarms),
    U64(models),
    NAMED(choice_nodes, FIELD_U64, choice.nodes),
    NAMED(choice_count, FIELD_U64, choice.count),
    NAMED(choice_chi_square, FIELD_F64, choice.chi_square),
    NAMED(choice_z, FIELD_F64, choice.z),
    NAMED(choice_dispersion, FIELD_F64, choice.dispersion),
    NAMED(choice_spread, FIELD_F64, choice.spread),
    U32(newcomers),
    F64(newcomer_s),
    U64(invariants_checked),
    U64(rss_bytes),
};
#define FIELD_COUNT (sizeof FIELDS / sizeof FIELDS[0])

/* A field takes at most 24 characters ("-2.2250738585072014e-308") and its comma. */
_Static_assert(FIELD_COUNT * 26 + 2 <= GV_METRICS_LINE_MAX, "a line holds every field");

double gv_metrics_bytes_per_node(const struct gv_sample *sample)
{
    uint32_t nodes = sample->nodes > 0 ? sample->nodes : sample->live_nodes;
    return nodes > 0 ? (double)sample->bytes / nodes : (double)NAN;
}

size_t gv_metrics_header(char out[GV_METRICS_LINE_MAX])
{
    size_t used = 0;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        int more = snprintf(out + used, GV_METRICS_LINE_MAX - used, "%s%s", i > 0 ? "," : "", FIELDS[i].name);
        used += (size_t)more;
        GV_ASSERT(more > 0 && used + 2 < GV_METRICS_LINE_MAX);
    }
    out[used++] = '\n';
    out[used] = '\0';
    return used;
}

static size_t write_field(char *out, size_t cap, const struct field *field, const struct gv_sample *sample)
{
    const char *at = (const char *)sample + field->offset;
    uint32_t narrow;
    uint64_t wide;
    double real;
    switch (field->kind) {
    case FIELD_U32:
        memcpy(&narrow, at, sizeof narrow);
        return (size_t)snprintf(out, cap, "%lu", (unsigned long)narrow);
    case FIELD_U64:
        memcpy(&wide, at, sizeof wide);
        return (size_t)snprintf(out, cap, "%llu", (unsigned long long)wide);
    case FIELD_F64:
        memcpy(&real, at, sizeof real);
        return gv_number_exact(out, cap, real);
    case FIELD_BYTES_PER_NODE:
        return gv_number_exact(out, cap, gv_metrics_bytes_per_node(sample));
    }
    GV_UNREACHABLE("kind of field");
}

size_t gv_metrics_line(char out[GV_METRICS_LINE_MAX], const struct gv_sample *sample)
{
    size_t used = 0;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (i > 0) {
            out[used++] = ',';
        }
        used += write_field(out + used, GV_METRICS_LINE_MAX - used, &FIELDS[i], sample);
        GV_ASSERT(used + 2 < GV_METRICS_LINE_MAX);
    }
    out[used++] = '\n';
    out[used] = '\0';
    return used;
}

/* Digits only: strtoull() would take signs and blanks. */
static bool read_whole(const char *text, uint64_t most, uint64_t *value)
{
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0') {
        return false;
    }
    errno = 0;
    *value = strtoull(text, NULL, 10);
    return errno == 0 && *value <= most;
}

static bool read_real(const char *text, double *value)
{
    if (text[0] == '\0') {
        *value = (double)NAN;
        return true;
    }
    char *end = NULL;
    *value = strtod(text, &end);
    return *end == '\0' && text[strspn(text, "0123456789+-.einfa")] == '\0';
}

static bool read_field(const struct field *field, const char *text, struct gv_sample *sample)
{
    char *at = (char *)sample + field->offset;
    uint64_t wide;
    double real;
    if (field->kind == FIELD_U32 || field->kind == FIELD_U64) {
        if (!read_whole(text, field->kind == FIELD_U32 ? UINT32_MAX : UINT64_MAX, &wide)) {
            return false;
        }
        uint32_t narrow = (uint32_t)wide;
        memcpy(at, field->kind == FIELD_U32 ? (const void *)&narrow : (const void *)&wide,
               field->kind == FIELD_U32 ? sizeof narrow : sizeof wide);
        return true;
    }
    if (!read_real(text, &real)) {
        return false;
    }
    if (field->kind == FIELD_F64) {
        memcpy(at, &real, sizeof real);
    }
    return true;
}

static const char *expected_of(const struct field *field)
{
    return field->kind == FIELD_U32 || field->kind == FIELD_U64 ? "a whole number" : "a number or nothing";
}

/* `line` without its newline; it is cut into fields. */
static enum gv_err read_line(char *line, size_t number, struct gv_sample *sample, struct gv_diag *diag)
{
    memset(sample, 0, sizeof *sample);
    char *next = line;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (next == NULL) {
            return gv_diag_set(diag, GV_ERR_DATA, "line %zu: ends after %zu fields, expected %zu", number, i,
                               FIELD_COUNT);
        }
        char *text = strsep(&next, ",");
        if (!read_field(&FIELDS[i], text, sample)) {
            return gv_diag_set(diag, GV_ERR_DATA, "line %zu: %s is '%.40s', expected %s", number, FIELDS[i].name, text,
                               expected_of(&FIELDS[i]));
        }
    }
    if (next != NULL) {
        return gv_diag_set(diag, GV_ERR_DATA, "line %zu: has more than the %zu fields expected", number, FIELD_COUNT);
    }
    return GV_OK;
}

static enum gv_err read_header(char *line, struct gv_diag *diag)
{
    char *next = line;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        const char *text = next != NULL ? strsep(&next, ",") : "";
        if (strcmp(text, FIELDS[i].name) != 0) {
            return gv_diag_set(diag, GV_ERR_DATA,
                               "line 1: field %zu is '%.40s', expected '%s': no metrics of this version of the program",
                               i + 1, text, FIELDS[i].name);
        }
    }
    if (next != NULL) {
        return gv_diag_set(diag, GV_ERR_DATA, "line 1: '%.40s' after the last field expected, '%s'", next,
                           FIELDS[FIELD_COUNT - 1].name);
    }
    return GV_OK;
}

enum gv_err gv_metrics_add(struct gv_metrics *metrics, const struct gv_sample *sample)
{
    /* Grows at each power of two. */
    if ((metrics->count & (metrics->count - 1)) == 0) {
        size_t room = metrics->count > 0 ? (size_t)metrics->count * 2 : 1;
        if (metrics->count > UINT32_MAX / 2) {
            return GV_ERR_FULL;
        }
        struct gv_sample *more = reallocarray(metrics->samples, room, sizeof *more);
        if (more == NULL) {
            return GV_ERR_NOMEM;
        }
        metrics->samples = more;
    }
    metrics->samples[metrics->count++] = *sample;
    return GV_OK;
}

static enum gv_err read_lines(struct gv_metrics *metrics, FILE *file, struct gv_diag *diag)
{
    char *line = NULL;
    size_t room = 0, number = 0;
    enum gv_err err = GV_OK;
    ssize_t length;
    while (err == GV_OK && (length = getline(&line, &room, file)) >= 0) {
        number++;
        struct gv_sample sample;
        if (length == 0 || line[length - 1] != '\n') {
            err = gv_diag_set(diag, GV_ERR_DATA, "line %zu: is cut off, expected a newline at its end", number);
            break;
        }
        line[length - 1] = '\0';
        if (strlen(line) != (size_t)length - 1) {
            err = gv_diag_set(diag, GV_ERR_DATA, "line %zu: holds a zero byte, expected text", number);
        } else if (number == 1) {
            err = read_header(line, diag);
        } else if ((err = read_line(line, number, &sample, diag)) == GV_OK) {
            double before = metrics->count > 0 ? metrics->samples[metrics->count - 1].virtual_s : 0.0;
            if (!(sample.virtual_s >= before && isfinite(sample.virtual_s))) {
                err = gv_diag_set(diag, GV_ERR_DATA, "line %zu: virtual_s is %g, expected at least %g", number,
                                  sample.virtual_s, before);
            } else if ((err = gv_metrics_add(metrics, &sample)) != GV_OK) {
                (void)gv_diag_set(diag, err, "line %zu: no memory for another sample", number);
            }
        }
    }
    free(line);
    if (err == GV_OK && ferror(file) != 0) {
        return gv_diag_set(diag, GV_ERR_IO, "cannot be read: %s", strerror(errno));
    }
    if (err == GV_OK && number == 0) {
        return gv_diag_set(diag, GV_ERR_DATA, "is empty, expected a header line");
    }
    return err;
}

enum gv_err gv_metrics_read(struct gv_metrics *metrics, const char *path, struct gv_diag *diag)
{
    *metrics = (struct gv_metrics){0};
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return gv_diag_set(diag, errno == ENOENT || errno == ENOTDIR ? GV_ERR_NOT_FOUND : GV_ERR_IO,
                           "%s: cannot be opened: %s", path, strerror(errno));
    }
    struct gv_plain plain;
    gv_plain_begin(&plain);
    enum gv_err err = read_lines(metrics, file, diag);
    gv_plain_end(&plain);
    (void)fclose(file);
    if (err != GV_OK) {
        (void)gv_diag_wrap(diag, "%s", path);
        gv_metrics_deinit(metrics);
    }
    return err;
}

void gv_metrics_deinit(struct gv_metrics *metrics)
{
    free(metrics->samples);
    *metrics = (struct gv_metrics){0};
}
