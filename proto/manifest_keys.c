/*
 * Values of a manifest: text -> field and field -> text, by the table below. What is written reads back to the very
 * same bits.
 */
#include "manifest_keys.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "identity.h"
#include "nearest.h"
#include "text.h"

enum type {
    TYPE_TEXT, /* UTF-8 */
    TYPE_HEX,  /* 32 bytes */
    TYPE_U32,
    TYPE_U64,
    TYPE_FLOAT,
    TYPE_FRACTION, /* a float, or a percentage */
    TYPE_ENUM,     /* uint32_t or an enum */
    TYPE_BOOL,     /* "yes" or "no" */
    TYPE_FLOATS,   /* one of the schema's two lists */
    TYPE_NAMES,    /* the schema's classes */
};

struct gv_manifest_key {
    const char *name;
    enum type type;
    size_t offset;         /* in struct gv_manifest */
    double min, max;       /* numbers; TYPE_TEXT: bytes; TYPE_FLOATS: of each */
    const char *const *of; /* TYPE_ENUM: names by number, NULL-terminated */
    bool fixed;            /* set by signing, not by a person */
};

static const char *const inviters[] = {"members", "root", NULL};
static const char *const optimizers[] = {"sgd", NULL};
static const char *const schedules[] = {"constant", "linear", "inverse", NULL};
static const char *const merges[] = {"mean", "age", NULL};
static const char *const exchanges[] = {"pair", "push", NULL};
static const char *const codecs[] = {"f32", "f16", NULL};
static const char *const scalings[] = {"none", "unit", "standard", NULL};

#define AT(member) offsetof(struct gv_manifest, member)
#define NO_PLACE SIZE_MAX         /* a key with one possible value needs no field */
#define STEPS_MAX 1099511627776.0 /* 2^40: fits Q16 in 64 bits with room to add */
#define MODEL_BYTES_MAX (sizeof((struct gv_training *)NULL)->model - 1)
#define U64_MAX 18446744073709551615.0

static const struct gv_manifest_key keys[GV_MANIFEST_KEYS] = {
    {"name", TYPE_TEXT, AT(name), 1, GV_NAME_BYTES_MAX, NULL, false},
    {"root", TYPE_HEX, AT(root), 0, 0, NULL, true},
    {"version", TYPE_U64, AT(version), 1, U64_MAX, NULL, true},
    {"epoch", TYPE_U32, AT(epoch), 1, 4294967295.0, NULL, false},
    {"inviters", TYPE_ENUM, AT(inviters), 0, 0, inviters, false},
    {"model", TYPE_TEXT, AT(training.model), 0, MODEL_BYTES_MAX, NULL, false},
    {"seed", TYPE_U64, AT(training.seed), 0, U64_MAX, NULL, false},
    {"optimizer", TYPE_ENUM, NO_PLACE, 0, 0, optimizers, false},
    {"rate", TYPE_FLOAT, AT(training.rate), 0, 1e6, NULL, false},
    {"momentum", TYPE_FLOAT, AT(training.momentum), 0, 0.9999, NULL, false},
    {"weight_decay", TYPE_FLOAT, AT(training.weight_decay), 0, 1, NULL, false},
    {"schedule", TYPE_ENUM, AT(training.schedule), 0, 0, schedules, false},
    {"warmup", TYPE_FRACTION, AT(training.warmup), 0, 1, NULL, false},
    {"total_age", TYPE_U64, AT(training.total_age), 0, STEPS_MAX, NULL, false},
    {"rate_decay", TYPE_FLOAT, AT(training.rate_decay), 0, 1000, NULL, false},
    {"batch", TYPE_U32, AT(training.batch), 1, GV_BATCH_MAX, NULL, false},
    {"local_steps", TYPE_U32, AT(local_steps), 1, 1000000, NULL, false},
    {"merge", TYPE_ENUM, AT(merge), 0, 0, merges, false},
    {"exchange", TYPE_ENUM, AT(exchange), 0, 0, exchanges, false},
    {"exchange_momentum", TYPE_BOOL, AT(exchange_momentum), 0, 0, NULL, false},
    {"codec", TYPE_ENUM, AT(codec), 0, 0, codecs, false},
    {"settle", TYPE_U32, AT(settle_exchanges), 0, 1000, NULL, false},
    {"stop_age", TYPE_U64, AT(stop_age), 0, STEPS_MAX, NULL, false},
    {"features", TYPE_U32, AT(schema.features), 0, GV_FEATURES_MAX, NULL, false},
    {"classes", TYPE_NAMES, AT(schema.class_names), 0, GV_CLASSES_MAX, NULL, false},
    {"scaling", TYPE_ENUM, AT(schema.scaling), 0, 0, scalings, false},
    {"mean", TYPE_FLOATS, AT(schema.mean), -(double)FLT_MAX, (double)FLT_MAX, NULL, false},
    {"deviation", TYPE_FLOATS, AT(schema.deviation), 1e-30, (double)FLT_MAX, NULL, false},
};

/* Digits only: no sign, no space, no overflow. */
static bool parse_u64(uint64_t *value, const char *text)
{
    uint64_t sum = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        unsigned digit = (unsigned)(*text - '0');
        if (*text < '0' || *text > '9' || sum > (UINT64_MAX - digit) / 10) {
            return false;
        }
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

/* A decimal number of `bytes` characters; no hexadecimal, no infinity, no NaN. */
static bool parse_float(float *value, const char *text, size_t bytes)
{
    char copy[48];
    if (bytes == 0 || bytes >= sizeof copy || strspn(text, "0123456789+-.eE") < bytes) {
        return false;
    }
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    char *end;
    *value = strtof(copy, &end);
    return *end == '\0' && end != copy && isfinite(*value);
}

static bool in_range(const struct gv_manifest_key *key, double value)
{
    return value >= key->min && value <= key->max;
}

static void *place_of(struct gv_manifest *manifest, const struct gv_manifest_key *key)
{
    return (uint8_t *)manifest + key->offset;
}

static const void *const_place_of(const struct gv_manifest *manifest, const struct gv_manifest_key *key)
{
    return (const uint8_t *)manifest + key->offset;
}

static enum gv_err read_text(struct gv_manifest *m, const struct gv_manifest_key *key, const char *value,
                             struct gv_diag *diag)
{
    size_t bytes = strlen(value);
    if (!in_range(key, (double)bytes) || !gv_text_utf8(value, bytes)) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "expected %.0f to %.0f bytes of text without control characters",
                           key->min, key->max);
    }
    memcpy(place_of(m, key), value, bytes + 1);
    return GV_OK;
}

static enum gv_err read_integer(struct gv_manifest *m, const struct gv_manifest_key *key, const char *value,
                                struct gv_diag *diag)
{
    uint64_t number;
    if (!parse_u64(&number, value) || !in_range(key, (double)number)) {
        /* As a double the largest integer is rounded up to one that is too large. */
        return key->max >= U64_MAX
                   ? gv_diag_set(diag, GV_ERR_CONFIG, "\"%.40s\" is not a whole number from %.0f to %" PRIu64, value,
                                 key->min, UINT64_MAX)
                   : gv_diag_set(diag, GV_ERR_CONFIG, "\"%.40s\" is not a whole number from %.0f to %.0f", value,
                                 key->min, key->max);
    }
    if (key->type == TYPE_U64) {
        memcpy(place_of(m, key), &number, sizeof number);
    } else {
        uint32_t small = (uint32_t)number;
        memcpy(place_of(m, key), &small, sizeof small);
    }
    return GV_OK;
}

static enum gv_err read_float(struct gv_manifest *m, const struct gv_manifest_key *key, const char *value,
                              struct gv_diag *diag)
{
    size_t bytes = strlen(value);
    bool percent = key->type == TYPE_FRACTION && bytes > 0 && value[bytes - 1] == '%';
    float number;
    if (!parse_float(&number, value, percent ? bytes - 1 : bytes) ||
        !in_range(key, (double)(percent ? number / 100 : number))) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "\"%.40s\" is not a number from %g to %g", value, key->min, key->max);
    }
    number = percent ? number / 100 : number;
    memcpy(place_of(m, key), &number, sizeof number);
    return GV_OK;
}

/* Unscaled features have neither mean nor deviation. */
static void drop_scale(struct gv_schema *schema)
{
    free(schema->mean);
    free(schema->deviation);
    schema->mean = NULL;
    schema->deviation = NULL;
    schema->scale_count = 0;
}

static enum gv_err read_enum(struct gv_manifest *m, const struct gv_manifest_key *key, const char *value,
                             struct gv_diag *diag)
{
    static const char *const yes_no[] = {"no", "yes", NULL};
    const char *const *of = key->type == TYPE_BOOL ? yes_no : key->of;
    for (uint32_t i = 0; of[i] != NULL; i++) {
        if (strcmp(of[i], value) != 0) {
            continue;
        }
        if (key->type == TYPE_BOOL) {
            bool flag = i == 1;
            memcpy(place_of(m, key), &flag, sizeof flag);
        } else if (key->offset != NO_PLACE) {
            memcpy(place_of(m, key), &i, sizeof i);
        }
        if (key->of == scalings && i == GV_SCALING_NONE) {
            drop_scale(&m->schema);
        }
        return GV_OK;
    }
    struct gv_text_out list = {.text = (char[128]){0}, .cap = 128};
    for (uint32_t i = 0; of[i] != NULL; i++) {
        gv_text_put(&list, "%s%s", i == 0 ? "" : i == 1 && of[2] == NULL ? " or " : ", ", of[i]);
    }
    return gv_diag_set(diag, GV_ERR_CONFIG, "\"%.40s\" is not %s", value, list.text);
}

static enum gv_err read_hex(struct gv_manifest *m, const struct gv_manifest_key *key, const char *value,
                            struct gv_diag *diag)
{
    struct gv_id bytes;
    if (gv_id_parse(&bytes, value) != GV_OK) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "expected 64 hexadecimal digits");
    }
    memcpy(place_of(m, key), bytes.b, sizeof bytes.b);
    return GV_OK;
}

/* Mean and deviation have one length. A new mean of another length makes the old deviation void; a deviation that does
   not fit its mean is an error. */
static enum gv_err read_floats(struct gv_manifest *m, const struct gv_manifest_key *key, const char *value,
                               struct gv_diag *diag)
{
    bool is_mean = key->offset == AT(schema.mean);
    uint32_t count = *value == '\0' ? 0 : 1;
    for (const char *c = value; *c != '\0'; c++) {
        count += *c == ',' ? 1 : 0;
    }
    if (count > GV_SCALED_FEATURES_MAX) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "%u values, at most %d are possible", count, GV_SCALED_FEATURES_MAX);
    }
    if (!is_mean && m->schema.mean != NULL && count != m->schema.scale_count) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "%u values, but mean has %u", count, m->schema.scale_count);
    }
    float *values = calloc((size_t)count + 1, sizeof *values);
    if (values == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t bytes = strcspn(value, ",");
        if (!parse_float(&values[i], value, bytes) || !in_range(key, (double)values[i])) {
            free(values);
            return gv_diag_set(diag, GV_ERR_CONFIG, "value %u is not a number from %g to %g", i + 1, key->min,
                               key->max);
        }
        value += bytes + 1;
    }
    if (is_mean && count != m->schema.scale_count) {
        free(m->schema.deviation);
        m->schema.deviation = NULL;
    }
    float **list = is_mean ? &m->schema.mean : &m->schema.deviation;
    free(*list);
    *list = values;
    m->schema.scale_count = count;
    return GV_OK;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One class name up to the next comma; "%2c" stands for a byte. */
static bool unescape(char *out, const char *text, size_t bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (used == GV_NAME_BYTES_MAX) {
            return false;
        }
        char c = text[i];
        if (c == '%') {
            int high = bytes - i > 2 ? hex_digit(text[i + 1]) : -1;
            int low = bytes - i > 2 ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[used++] = c;
    }
    out[used] = '\0';
    return used > 0 && gv_text_utf8(out, used);
}

static enum gv_err read_names(struct gv_manifest *m, const char *value, struct gv_diag *diag)
{
    uint32_t count = *value == '\0' ? 0 : 1;
    for (const char *c = value; *c != '\0'; c++) {
        count += *c == ',' ? 1 : 0;
    }
    if (count > GV_CLASSES_MAX) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "%u classes, at most %d are possible", count, GV_CLASSES_MAX);
    }
    char(*names)[GV_NAME_BYTES_MAX + 1] = calloc((size_t)count + 1, sizeof *names);
    if (names == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t bytes = strcspn(value, ",");
        bool good = unescape(names[i], value, bytes);
        for (uint32_t k = 0; k < i && good; k++) {
            good = strcmp(names[k], names[i]) != 0;
        }
        if (!good) {
            free(names);
            return gv_diag_set(diag, GV_ERR_CONFIG, "class %u is not a name of 1 to %d bytes, or a second of its name",
                               i + 1, GV_NAME_BYTES_MAX);
        }
        value += bytes + 1;
    }
    free(m->schema.class_names);
    m->schema.class_names = names;
    m->schema.classes = count;
    return GV_OK;
}

static uint64_t load_integer(const struct gv_manifest *manifest, const struct gv_manifest_key *key)
{
    uint64_t wide;
    uint32_t narrow;
    if (key->type == TYPE_U64) {
        memcpy(&wide, const_place_of(manifest, key), sizeof wide);
        return wide;
    }
    memcpy(&narrow, const_place_of(manifest, key), sizeof narrow);
    return narrow;
}

/* Commas and percent signs, control bytes, and spaces at either end, which an editor would lose. */
static void write_escaped(struct gv_text_out *out, const char *name)
{
    size_t last = strlen(name) - 1;
    for (size_t i = 0; name[i] != '\0'; i++) {
        unsigned char c = (unsigned char)name[i];
        bool plain = c > 0x20 && c != 0x7f && c != ',' && c != '%';
        plain = plain || (c == ' ' && i != 0 && i != last);
        gv_text_put(out, plain ? "%c" : "%%%02x", c);
    }
}

const struct gv_manifest_key *gv_manifest_key_at(size_t index)
{
    GV_ASSERT(index < GV_MANIFEST_KEYS);
    return &keys[index];
}

const char *gv_manifest_key_name(const struct gv_manifest_key *key)
{
    return key->name;
}

size_t gv_manifest_key_find(const char *name, size_t bytes)
{
    size_t i = 0;
    while (i < GV_MANIFEST_KEYS && (strlen(keys[i].name) != bytes || memcmp(keys[i].name, name, bytes) != 0)) {
        i++;
    }
    return i;
}

const char *gv_manifest_key_nearest(const char *name, size_t bytes)
{
    const char *names[GV_MANIFEST_KEYS + 1];
    size_t count = 0;
    for (size_t i = 0; i < GV_MANIFEST_KEYS; i++) {
        if (!keys[i].fixed) {
            names[count++] = keys[i].name;
        }
    }
    names[count] = NULL;
    return gv_nearest(name, bytes, names);
}

bool gv_manifest_key_settable(const struct gv_manifest_key *key)
{
    return !key->fixed;
}

enum gv_err gv_manifest_key_read(struct gv_manifest *manifest, const struct gv_manifest_key *key, const char *value,
                                 struct gv_diag *diag)
{
    switch (key->type) {
    case TYPE_TEXT:
        return read_text(manifest, key, value, diag);
    case TYPE_HEX:
        return read_hex(manifest, key, value, diag);
    case TYPE_U32:
    case TYPE_U64:
        return read_integer(manifest, key, value, diag);
    case TYPE_FLOAT:
    case TYPE_FRACTION:
        return read_float(manifest, key, value, diag);
    case TYPE_ENUM:
    case TYPE_BOOL:
        return read_enum(manifest, key, value, diag);
    case TYPE_FLOATS:
        return read_floats(manifest, key, value, diag);
    case TYPE_NAMES:
        break;
    }
    return read_names(manifest, value, diag);
}

void gv_manifest_key_write(struct gv_text_out *out, const struct gv_manifest_key *key,
                           const struct gv_manifest *manifest)
{
    const struct gv_schema *schema = &manifest->schema;
    char hex[2 * GV_KEY_BYTES + 1];
    float number;
    switch (key->type) {
    case TYPE_TEXT:
        gv_text_put(out, "%s", (const char *)const_place_of(manifest, key));
        return;
    case TYPE_HEX:
        gv_id_hex(hex, const_place_of(manifest, key), 2 * GV_KEY_BYTES);
        gv_text_put(out, "%s", hex);
        return;
    case TYPE_U32:
    case TYPE_U64:
        gv_text_put(out, "%" PRIu64, load_integer(manifest, key));
        return;
    case TYPE_FLOAT:
    case TYPE_FRACTION:
        memcpy(&number, const_place_of(manifest, key), sizeof number);
        gv_text_put(out, "%.9g", (double)number);
        return;
    case TYPE_ENUM:
        gv_text_put(out, "%s", key->of[key->offset != NO_PLACE ? load_integer(manifest, key) : 0]);
        return;
    case TYPE_BOOL:
        gv_text_put(out, "%s", *(const bool *)const_place_of(manifest, key) ? "yes" : "no");
        return;
    case TYPE_FLOATS:
        for (uint32_t i = 0; i < schema->scale_count; i++) {
            const float *list = key->offset == AT(schema.mean) ? schema->mean : schema->deviation;
            gv_text_put(out, "%s%.9g", i > 0 ? "," : "", (double)list[i]);
        }
        return;
    case TYPE_NAMES:
        for (uint32_t i = 0; i < schema->classes; i++) {
            gv_text_put(out, "%s", i > 0 ? "," : "");
            write_escaped(out, schema->class_names[i]);
        }
        return;
    }
}

void gv_text_put(struct gv_text_out *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = out->overflow ? -1 : vsnprintf(out->text + out->used, out->cap - out->used, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= out->cap - out->used) {
        out->overflow = true;
        return;
    }
    out->used += (size_t)n;
}
