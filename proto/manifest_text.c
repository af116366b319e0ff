/*
 * The manifest as signed text. See manifest_text.h for the form, manifest_keys.c for the keys.
 *
 * Reading is strict where strictness protects (every known key exactly once, every line of the one form) and lenient
 * where it must be (keys that a newer program added). The signature is checked before anything else is looked at.
 */
#include "manifest_text.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>

#include "manifest_keys.h"
#include "text.h"

#define FIRST_KEY "grapevine_manifest"
#define LAST_KEY "signature"
#define SIGNATURE_CHARS (2 * GV_SIGNATURE_BYTES)
#define RATE_STEADY_MAX 10.0f /* beyond it is a typing error, but where the rate falls at once: Pegasos' is 1/lambda */

/* Numbers are written and read with a point, whatever the user's language. Per thread, so no other thread notices. */
struct plain_numbers {
    locale_t plain;
    locale_t before;
};

static bool plain_numbers_begin(struct plain_numbers *p)
{
    p->plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (p->plain == (locale_t)0) {
        return false;
    }
    p->before = uselocale(p->plain);
    return true;
}

static void plain_numbers_end(struct plain_numbers *p)
{
    (void)uselocale(p->before);
    freelocale(p->plain);
}

/* "key = value" with its newline taken off. */
struct line {
    const char *key;
    size_t key_bytes;
    const char *value;
    size_t value_bytes;
};

static bool line_is(const struct line *line, const char *key)
{
    return line->key_bytes == strlen(key) && memcmp(line->key, key, line->key_bytes) == 0;
}

/* Takes the line at *at, which is before `end`, and moves *at behind it. */
static bool next_line(struct line *line, const char **at, const char *end)
{
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    if (newline == NULL || !gv_text_utf8(*at, (size_t)(newline - *at))) {
        return false;
    }
    line->key = *at;
    line->key_bytes = 0;
    while (line->key[line->key_bytes] != ' ' && line->key[line->key_bytes] != '\n') {
        line->key_bytes++;
    }
    line->value = line->key + line->key_bytes + 3;
    if (line->key_bytes == 0 || newline < line->value || memcmp(line->value - 3, " = ", 3) != 0) {
        return false;
    }
    line->value_bytes = (size_t)(newline - line->value);
    *at = newline + 1;
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_hex(uint8_t *out, size_t bytes, const char *text, size_t chars)
{
    if (chars != 2 * bytes) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

/* Splits off the last line, which must be the signature. *body are the bytes it covers. */
static bool split_signature(struct gv_signature *signature, size_t *body, const char *text, size_t bytes)
{
    static const char label[] = LAST_KEY " = ";
    size_t line = strlen(label) + SIGNATURE_CHARS + 1;
    if (bytes <= line || text[bytes - 1] != '\n' || text[bytes - line - 1] != '\n') {
        return false;
    }
    *body = bytes - line;
    return memcmp(text + *body, label, strlen(label)) == 0 &&
           parse_hex(signature->b, sizeof signature->b, text + *body + strlen(label), SIGNATURE_CHARS);
}

/* The key the text itself names; it proves nothing, but says which swarm this claims to be. */
static bool find_root(struct gv_sign_public *root, const char *text, size_t bytes)
{
    const char *at = text;
    const char *end = text + bytes;
    struct line line;
    while (at < end && next_line(&line, &at, end)) {
        if (line_is(&line, "root")) {
            return parse_hex(root->b, sizeof root->b, line.value, line.value_bytes);
        }
    }
    return false;
}

static enum gv_err verify(const char *text, size_t bytes, size_t *body, const struct gv_sign_public *root,
                          struct gv_diag *diag)
{
    struct gv_signature signature;
    struct gv_sign_public named;
    if (bytes > GV_MANIFEST_BYTES_MAX) {
        return gv_diag_set(diag, GV_ERR_OVERSIZE, "manifest has %zu bytes, at most %d are possible", bytes,
                           GV_MANIFEST_BYTES_MAX);
    }
    if (!split_signature(&signature, body, text, bytes)) {
        return gv_diag_set(diag, GV_ERR_MANIFEST, "manifest: the last line is not a signature");
    }
    if (!find_root(&named, text, *body)) {
        return gv_diag_set(diag, GV_ERR_MANIFEST, "manifest: no line \"root = ...\" that can be read");
    }
    if (root != NULL && memcmp(named.b, root->b, sizeof named.b) != 0) {
        return gv_diag_set(diag, GV_ERR_SWARM, "manifest: signed by another root key");
    }
    enum gv_err err = gv_verify(&signature, &named, GV_DOMAIN_MANIFEST, text, *body);
    return err == GV_OK ? GV_OK : gv_diag_set(diag, err, "manifest: %s", gv_err_text((int)err));
}

static enum gv_err read_version(const struct line *line, struct gv_diag *diag)
{
    if (!line_is(line, FIRST_KEY)) {
        return gv_diag_set(diag, GV_ERR_MANIFEST, "not a manifest: expected \"" FIRST_KEY " = 1\"");
    }
    if (line->value_bytes != 1 || line->value[0] != '1') {
        return gv_diag_set(diag, GV_ERR_VERSION, "a manifest of a version that this program does not know");
    }
    return GV_OK;
}

/* Reads one known key; `value` is scratch that holds its value and a terminator. */
static enum gv_err read_key(struct gv_manifest *manifest, bool seen[GV_MANIFEST_KEYS], const struct line *line,
                            char *value, struct gv_diag *diag)
{
    size_t index = gv_manifest_key_find(line->key, line->key_bytes);
    if (index == GV_MANIFEST_KEYS) {
        return GV_OK; /* a newer program's */
    }
    const struct gv_manifest_key *key = gv_manifest_key_at(index);
    enum gv_err err;
    if (seen[index]) {
        err = gv_diag_set(diag, GV_ERR_MANIFEST, "a second time");
    } else {
        memcpy(value, line->value, line->value_bytes);
        value[line->value_bytes] = '\0';
        err = gv_manifest_key_read(manifest, key, value, diag);
        err = err == GV_ERR_CONFIG ? GV_ERR_MANIFEST : err;
    }
    seen[index] = true;
    if (err != GV_OK) {
        (void)gv_diag_wrap(diag, "%s", gv_manifest_key_name(key));
    }
    return err;
}

static enum gv_err read_keys(struct gv_manifest *manifest, const char *text, size_t bytes, char *scratch,
                             struct gv_diag *diag)
{
    bool seen[GV_MANIFEST_KEYS] = {false};
    const char *at = text;
    const char *end = text + bytes;
    for (unsigned number = 1; at < end; number++) {
        struct line line;
        enum gv_err err;
        if (!next_line(&line, &at, end)) {
            err = gv_diag_set(diag, GV_ERR_MANIFEST, "expected \"key = value\"");
        } else if (number == 1) {
            err = read_version(&line, diag);
        } else {
            err = read_key(manifest, seen, &line, scratch, diag);
        }
        if (err != GV_OK) {
            (void)gv_diag_wrap(diag, "manifest: line %u", number);
            return err;
        }
    }
    for (size_t i = 0; i < GV_MANIFEST_KEYS; i++) {
        if (!seen[i]) {
            return gv_diag_set(diag, GV_ERR_MANIFEST, "manifest: no line \"%s = ...\"",
                               gv_manifest_key_name(gv_manifest_key_at(i)));
        }
    }
    return GV_OK;
}

/* The first and last whole numbers of "kind:784-128-10"; false for kinds whose specification reads otherwise. */
static bool model_ends(const char *spec, uint64_t *first, uint64_t *last)
{
    const char *numbers = strchr(spec, ':');
    if (numbers == NULL || (strncmp(spec, "softmax:", 8) != 0 && strncmp(spec, "mlp:", 4) != 0)) {
        return false;
    }
    const char *tail = strrchr(spec, '-');
    *first = strtoull(numbers + 1, NULL, 10);
    *last = tail != NULL ? strtoull(tail + 1, NULL, 10) : 0;
    return true;
}

static enum gv_err check_schema(const struct gv_manifest *m, struct gv_diag *diag)
{
    const struct gv_schema *s = &m->schema;
    uint64_t inputs;
    uint64_t outputs;
    if ((s->features == 0) != (s->classes == 0) || s->classes == 1) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "%u features and %u classes: expected both, and at least two classes",
                           s->features, s->classes);
    }
    if (s->features > 0 && model_ends(m->training.model, &inputs, &outputs) &&
        (inputs != s->features || outputs != s->classes)) {
        return gv_diag_set(diag, GV_ERR_CONFIG,
                           "model \"%s\" takes %" PRIu64 " features to %" PRIu64
                           " classes, but the data has %u and %u: the model's first number must be %u and its last %u",
                           m->training.model, inputs, outputs, s->features, s->classes, s->features, s->classes);
    }
    uint32_t expected = s->scaling == GV_SCALING_NONE ? 0 : s->scaling == GV_SCALING_UNIT ? 1 : s->features;
    if (s->scale_count != expected || (expected > 0 && (s->mean == NULL || s->deviation == NULL))) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "scaling needs %u values each of mean and deviation, there are %u",
                           expected, s->deviation != NULL ? s->scale_count : 0);
    }
    return GV_OK;
}

static void write_text(struct gv_text_out *out, const struct gv_manifest *manifest)
{
    gv_text_put(out, FIRST_KEY " = 1\n");
    for (size_t i = 0; i < GV_MANIFEST_KEYS; i++) {
        const struct gv_manifest_key *key = gv_manifest_key_at(i);
        gv_text_put(out, "%s = ", gv_manifest_key_name(key));
        gv_manifest_key_write(out, key, manifest);
        gv_text_put(out, "\n");
    }
}

static enum gv_err sign_text(struct gv_text_out *out, const struct gv_sign_key *root)
{
    struct gv_signature signature;
    enum gv_err err = gv_sign(&signature, root, GV_DOMAIN_MANIFEST, out->text, out->used);
    if (err != GV_OK) {
        return err;
    }
    gv_text_put(out, LAST_KEY " = ");
    for (size_t i = 0; i < sizeof signature.b; i++) {
        gv_text_put(out, "%02x", signature.b[i]);
    }
    gv_text_put(out, "\n");
    return out->overflow ? GV_ERR_OVERSIZE : GV_OK;
}

void gv_manifest_defaults(struct gv_manifest *manifest)
{
    *manifest = (struct gv_manifest){
        .version = 1,
        .epoch = 1,
        .inviters = GV_INVITERS_MEMBERS,
        .training = {.rate = 0.025f, .momentum = 0.9f, .schedule = GV_SCHEDULE_CONSTANT, .warmup = 0.05f, .batch = 32},
        .local_steps = 16,
        .codec = GV_CODEC_F32,
        .settle_exchanges = 3,
    };
}

enum gv_err gv_manifest_set(struct gv_manifest *manifest, const char *assignment, struct gv_diag *diag)
{
    const char *equals = strchr(assignment, '=');
    if (equals == NULL) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "\"%.60s\": expected key=value", assignment);
    }
    const char *end = equals;
    while (end > assignment && end[-1] == ' ') {
        end--;
    }
    const char *value = equals + 1 + strspn(equals + 1, " ");
    size_t bytes = (size_t)(end - assignment);
    size_t index = gv_manifest_key_find(assignment, bytes);
    if (index == GV_MANIFEST_KEYS) {
        const char *nearest = gv_manifest_key_nearest(assignment, bytes);
        return gv_diag_set(diag, GV_ERR_CONFIG, "there is no key \"%.*s\"%s%s%s", bytes < 40 ? (int)bytes : 40,
                           assignment, nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
                           nearest != NULL ? "\"?" : "");
    }
    const struct gv_manifest_key *key = gv_manifest_key_at(index);
    if (!gv_manifest_key_settable(key)) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "%s cannot be set: signing does", gv_manifest_key_name(key));
    }
    struct plain_numbers numbers;
    if (!plain_numbers_begin(&numbers)) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
    }
    enum gv_err err = gv_manifest_key_read(manifest, key, value, diag);
    plain_numbers_end(&numbers);
    if (err != GV_OK) {
        (void)gv_diag_wrap(diag, "%s", gv_manifest_key_name(key));
    }
    return err;
}

enum gv_err gv_manifest_check(const struct gv_manifest *manifest, struct gv_diag *diag)
{
    const struct gv_training *t = &manifest->training;
    if (manifest->name[0] == '\0' || t->model[0] == '\0') {
        return gv_diag_set(diag, GV_ERR_CONFIG, "a swarm needs a %s", manifest->name[0] == '\0' ? "name" : "model");
    }
    if (manifest->version == 0 || manifest->epoch == 0 || t->batch == 0 || manifest->local_steps == 0) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "version, epoch, batch and local_steps are at least 1");
    }
    if (!isfinite(t->rate) || t->rate <= 0) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "rate is %g, expected more than 0", (double)t->rate);
    }
    if (t->schedule != GV_SCHEDULE_INVERSE && t->rate > RATE_STEADY_MAX) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "rate is %g, expected at most %g without schedule=inverse",
                           (double)t->rate, (double)RATE_STEADY_MAX);
    }
    if (t->schedule == GV_SCHEDULE_LINEAR && t->total_age == 0) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "schedule=linear needs total_age, the steps over which the rate falls");
    }
    if (t->schedule != GV_SCHEDULE_LINEAR && t->total_age != 0) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "total_age has no meaning without schedule=linear");
    }
    if (t->schedule == GV_SCHEDULE_INVERSE && !(isfinite(t->rate_decay) && t->rate_decay > 0)) {
        return gv_diag_set(diag, GV_ERR_CONFIG,
                           "schedule=inverse needs rate_decay above 0: the rate is rate / (1 + rate_decay * steps)");
    }
    if (t->schedule != GV_SCHEDULE_INVERSE && t->rate_decay != 0) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "rate_decay has no meaning without schedule=inverse");
    }
    if (manifest->exchange_momentum && t->momentum == 0) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "exchange_momentum=yes needs a momentum above 0");
    }
    return check_schema(manifest, diag);
}

/* Either list is missing while the other was set to another length: then they differ. */
static bool same_floats(const float *a, const float *b, uint32_t count)
{
    return count == 0 || (a != NULL && b != NULL && memcmp(a, b, count * sizeof *a) == 0);
}

bool gv_manifest_same_model(const struct gv_manifest *a, const struct gv_manifest *b)
{
    const struct gv_schema *s = &a->schema;
    const struct gv_schema *t = &b->schema;
    if (strcmp(a->training.model, b->training.model) != 0 || s->features != t->features || s->classes != t->classes ||
        s->scaling != t->scaling || s->scale_count != t->scale_count) {
        return false;
    }
    for (uint32_t i = 0; i < s->classes; i++) {
        if (strcmp(s->class_names[i], t->class_names[i]) != 0) {
            return false;
        }
    }
    return same_floats(s->mean, t->mean, s->scale_count) && same_floats(s->deviation, t->deviation, s->scale_count);
}

enum gv_err gv_manifest_sign(struct gv_manifest *manifest, const struct gv_sign_key *root, struct gv_diag *diag)
{
    manifest->root = *gv_sign_key_public(root);
    enum gv_err err = gv_manifest_check(manifest, diag);
    if (err != GV_OK) {
        return err;
    }
    struct gv_text_out out = {.text = malloc(GV_MANIFEST_BYTES_MAX + 1), .cap = GV_MANIFEST_BYTES_MAX + 1};
    struct plain_numbers numbers;
    if (out.text == NULL || !plain_numbers_begin(&numbers)) {
        free(out.text);
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
    }
    write_text(&out, manifest);
    plain_numbers_end(&numbers);
    err = out.overflow ? GV_ERR_OVERSIZE : sign_text(&out, root);
    if (err != GV_OK) {
        free(out.text);
        return gv_diag_set(diag, err, "manifest: %s (%d bytes at most)", gv_err_text((int)err), GV_MANIFEST_BYTES_MAX);
    }
    char *fitted = realloc(out.text, out.used + 1);
    free(manifest->text);
    manifest->text = fitted != NULL ? fitted : out.text;
    manifest->text_bytes = (uint32_t)out.used;
    manifest->hash = gv_hash_of(manifest->text, out.used);
    return GV_OK;
}

enum gv_err gv_manifest_parse(struct gv_manifest *manifest, const char *text, size_t bytes,
                              const struct gv_sign_public *root, struct gv_diag *diag)
{
    memset(manifest, 0, sizeof *manifest);
    size_t body = 0;
    enum gv_err err = verify(text, bytes, &body, root, diag);
    if (err != GV_OK) {
        return err;
    }
    struct plain_numbers numbers;
    char *scratch = malloc(bytes + 1);
    manifest->text = malloc(bytes + 1);
    if (scratch == NULL || manifest->text == NULL || !plain_numbers_begin(&numbers)) {
        free(scratch);
        gv_manifest_deinit(manifest);
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
    }
    memcpy(manifest->text, text, bytes);
    manifest->text[bytes] = '\0';
    manifest->text_bytes = (uint32_t)bytes;
    manifest->hash = gv_hash_of(text, bytes);
    err = read_keys(manifest, text, body, scratch, diag);
    plain_numbers_end(&numbers);
    free(scratch);
    if (err == GV_OK && gv_manifest_check(manifest, diag) != GV_OK) {
        err = GV_ERR_MANIFEST;
        (void)gv_diag_wrap(diag, "manifest");
    }
    if (err != GV_OK) {
        gv_manifest_deinit(manifest);
        if (diag != NULL) {
            diag->code = err;
        }
    }
    return err;
}

void gv_manifest_deinit(struct gv_manifest *manifest)
{
    free(manifest->schema.class_names);
    free(manifest->schema.mean);
    free(manifest->schema.deviation);
    free(manifest->text);
    memset(manifest, 0, sizeof *manifest);
}
