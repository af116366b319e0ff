/*
 * Data specifications: splitting the text, and typed access to its options.
 */
#include "data_spec.h"

#include <stdlib.h>
#include <string.h>

bool gv_parse_number(uint64_t *value, const char *text)
{
    uint64_t sum = 0;
    const char *digit = text;
    for (; *digit >= '0' && *digit <= '9'; digit++) {
        uint64_t unit = (uint64_t)(*digit - '0');
        if (sum > (UINT64_MAX - unit) / 10) {
            return false;
        }
        sum = sum * 10 + unit;
    }
    if (digit == text || *digit != '\0') {
        return false;
    }
    *value = sum;
    return true;
}

/* The option of that name, marked as taken; NULL if absent. */
static struct gv_data_option *take(struct gv_data_spec *spec, const char *key)
{
    for (uint32_t i = 0; i < spec->option_count; i++) {
        if (strcmp(spec->option[i].key, key) == 0) {
            spec->option[i].taken = true;
            return &spec->option[i];
        }
    }
    return NULL;
}

/* Cuts "key[=value],..." at its commas. */
static enum gv_err split_options(struct gv_data_spec *spec, char *rest, struct gv_diag *diag)
{
    while (rest != NULL) {
        char *key = rest;
        rest = strchr(rest, ',');
        if (rest != NULL) {
            *rest++ = '\0';
        }
        char *value = strchr(key, '=');
        if (value != NULL) {
            *value++ = '\0';
        }
        if (*key == '\0') {
            return gv_diag_set(diag, GV_ERR_DATA, "an option is empty: a comma too many");
        }
        if (take(spec, key) != NULL) {
            return gv_diag_set(diag, GV_ERR_DATA, "option \"%s\" stands there twice", key);
        }
        if (spec->option_count == GV_DATA_OPTIONS_MAX) {
            return gv_diag_set(diag, GV_ERR_DATA, "more than %d options", GV_DATA_OPTIONS_MAX);
        }
        spec->option[spec->option_count++] = (struct gv_data_option){.key = key, .value = value};
    }
    return GV_OK;
}

enum gv_err gv_data_spec_parse(struct gv_data_spec *spec, const char *text, struct gv_diag *diag)
{
    memset(spec, 0, sizeof *spec);
    size_t bytes = strlen(text) + 1;
    char *copy = malloc(bytes);
    if (copy == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    memcpy(copy, text, bytes);
    spec->text = copy;
    char *place = strchr(copy, ':');
    if (place == NULL || place[1] == '\0' || place[1] == ',') {
        gv_data_spec_deinit(spec);
        return gv_diag_set(diag, GV_ERR_DATA, "expected idx:DIRECTORY, csv:FILE or builtin:glyphs");
    }
    *place++ = '\0';
    spec->kind = copy;
    spec->place = place;
    char *options = strchr(place, ',');
    if (options != NULL) {
        *options++ = '\0';
    }
    enum gv_err err = split_options(spec, options, diag);
    for (uint32_t i = 0; i < spec->option_count; i++) {
        spec->option[i].taken = false;
    }
    if (err != GV_OK) {
        gv_data_spec_deinit(spec);
    }
    return err;
}

void gv_data_spec_deinit(struct gv_data_spec *spec)
{
    free(spec->text);
    memset(spec, 0, sizeof *spec);
}

enum gv_err gv_data_spec_flag(struct gv_data_spec *spec, bool *set, const char *key, struct gv_diag *diag)
{
    const struct gv_data_option *option = take(spec, key);
    *set = option != NULL;
    if (option != NULL && option->value != NULL) {
        return gv_diag_set(diag, GV_ERR_DATA, "option \"%s=%s\": \"%s\" takes no value", key, option->value, key);
    }
    return GV_OK;
}

enum gv_err gv_data_spec_text(struct gv_data_spec *spec, const char **value, const char *key, struct gv_diag *diag)
{
    const struct gv_data_option *option = take(spec, key);
    if (option == NULL) {
        return GV_OK;
    }
    if (option->value == NULL || *option->value == '\0') {
        return gv_diag_set(diag, GV_ERR_DATA, "option \"%s\" needs a value: %s=...", key, key);
    }
    *value = option->value;
    return GV_OK;
}

enum gv_err gv_data_spec_number(struct gv_data_spec *spec, uint64_t *value, const char *key, uint64_t min, uint64_t max,
                                struct gv_diag *diag)
{
    const char *text = NULL;
    enum gv_err err = gv_data_spec_text(spec, &text, key, diag);
    if (err != GV_OK || text == NULL) {
        return err;
    }
    uint64_t number;
    if (!gv_parse_number(&number, text) || number < min || number > max) {
        return gv_diag_set(diag, GV_ERR_DATA, "option \"%s=%s\": expected a whole number from %llu to %llu", key, text,
                           (unsigned long long)min, (unsigned long long)max);
    }
    *value = number;
    return GV_OK;
}

enum gv_err gv_data_spec_share(struct gv_data_spec *spec, double *value, const char *key, struct gv_diag *diag)
{
    const char *text = NULL;
    enum gv_err err = gv_data_spec_text(spec, &text, key, diag);
    if (err != GV_OK || text == NULL) {
        return err;
    }
    char *end;
    double share = strtod(text, &end);
    if (end == text || *end != '\0' || !(share >= 0.0 && share < 1.0)) {
        return gv_diag_set(diag, GV_ERR_DATA, "option \"%s=%s\": expected a share from 0 to below 1, as 0.2", key,
                           text);
    }
    *value = share;
    return GV_OK;
}

enum gv_err gv_data_spec_finish(const struct gv_data_spec *spec, const char *known, struct gv_diag *diag)
{
    for (uint32_t i = 0; i < spec->option_count; i++) {
        if (!spec->option[i].taken) {
            return gv_diag_set(diag, GV_ERR_DATA, "unknown option \"%s\"; \"%s:\" knows %s", spec->option[i].key,
                               spec->kind, known);
        }
    }
    return GV_OK;
}
